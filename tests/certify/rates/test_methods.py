"""The schemes of the rate engine and of the checker are the methods of `dgames`."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import performance, schemes
from certify.rates.methods import RungeKutta, scheme_of

pytestmark = pytest.mark.thin(3)

STEP = 0.3
METHODS = {
    "simultaneous": dg.Simultaneous(STEP),
    "extragradient": dg.Extragradient(STEP),
    "optimistic": dg.Optimistic(STEP),
    "reflected": dg.Optimistic(STEP, reflected=True),
    "momentum": dg.Momentum(STEP, -0.375),
    "complex_momentum": dg.ComplexMomentum(STEP, -0.25 + 0.375j),
    "heun": dg.Heun(STEP),
    "ssprk3": dg.SSPRK3(STEP),
    "runge_kutta_4": dg.RungeKutta4(STEP),
}
MOMENTA = {"momentum": (-0.375,), "complex_momentum": (-0.25, 0.375)}


def field(x):
    return np.sin(x) + np.roll(x, 1) * np.array([1.0, -2.0, 0.5]) + 0.1


def run_method(method, x, steps):
    function = dg.FunctionField(lambda x, args: (jnp.sin(x[0]) + jnp.roll(x[0], 1) * turn + 0.1,))
    turn = jnp.array([1.0, -2.0, 0.5])
    strategy = (jnp.asarray(x),)
    state, path = method.init(function, strategy), []
    step = jax.jit(lambda x, state: method.step(function, x, state))
    for _ in range(steps):
        strategy, state = step(strategy, state)
        path.append(np.asarray(strategy[0]))
    return np.stack(path)


def run_scheme(size, points, past, move, after, x, steps):
    """Follows the definition of a scheme, literally."""
    known = [np.zeros_like(x)] * size
    if after:
        known[0] = field(x)
    path = []
    for _ in range(steps):
        for offset, value in points[:past]:
            at = x + STEP * sum(float(r) * v for r, v in zip(offset, known, strict=True))
            np.testing.assert_allclose(known[value], field(at), atol=1e-12)
        for offset, value in points[past:]:
            at = x + STEP * sum(float(r) * v for r, v in zip(offset, known, strict=True))
            known[value] = field(at)
        x = x + STEP * sum(float(r) * v for r, v in zip(move, known, strict=True))
        new = [sum(float(r) * v for r, v in zip(row, known, strict=True)) for row in after]
        known = new + [np.zeros_like(x)] * (size - len(new))
        path.append(x)
    return np.stack(path)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("memory", [False, True])
def test_the_engine_follows_the_method(name, memory):
    scheme, step = scheme_of(METHODS[name], memory=memory)
    assert float(step) == STEP
    x = np.array([0.7, -1.3, 0.4])
    found = run_scheme(*scheme, x, 6)
    np.testing.assert_allclose(found, run_method(METHODS[name], x, 6), atol=1e-12)


@pytest.mark.parametrize("name", schemes.SCHEMES)
def test_the_checker_follows_the_method(name):
    scheme = schemes.SCHEMES[name](*MOMENTA.get(name, ()))
    assert schemes.MOMENTA[name] == len(MOMENTA.get(name, ()))
    x = np.array([0.7, -1.3, 0.4])
    found = run_scheme(*scheme, x, 6)
    np.testing.assert_allclose(found, run_method(METHODS[name], x, 6), atol=1e-12)


@pytest.mark.parametrize("name", schemes.SCHEMES)
def test_points_of_the_checker_use_only_what_is_known_before(name):
    scheme = schemes.SCHEMES[name](*MOMENTA.get(name, ()))
    for offset, known in performance.visited(scheme):
        values = {value for _, value in scheme.points[:known]} | set(range(len(scheme.after)))
        assert all(not r or k in values for k, r in enumerate(offset))


def test_tableaux_are_consistent():
    """Their order conditions: sum b = 1, and from order two on sum b c = 1/2."""
    for name in ("euler", "heun", "midpoint", "extragradient", "ssprk3", "rk4"):
        method = certify.RungeKutta.named(name, 0.1)
        nodes = [sum(row) for row in method.stages]
        assert sum(method.weights) == 1
        if name not in ("euler", "extragradient"):
            assert sum(b * c for b, c in zip(method.weights, nodes, strict=True)) * 2 == 1
        if name in ("ssprk3", "rk4"):
            assert sum(b * c * c for b, c in zip(method.weights, nodes, strict=True)) * 3 == 1


@pytest.mark.parametrize(
    "method",
    [
        dg.Alternating(0.1),
        dg.ComplexMomentum(0.1, 0.5j, alternating=True),
        dg.ComplexMomentum(0.1j, 0.5j),
        dg.Simultaneous((0.1, 0.2)),
        dg.Momentum(0.1, (0.1, 0.2)),
        dg.Simultaneous(-0.1),
    ],
)
def test_other_methods_are_refused(method):
    with pytest.raises(ValueError, match=r"scheme|one step|one momentum|real step|positive"):
        certify.rate(method, 0.5, 1.0)


def test_an_unknown_tableau_is_refused():
    with pytest.raises(ValueError, match="no tableau"):
        certify.RungeKutta.named("rk5", 0.1)


class Pushed(dg.Momentum):
    def step(self, field, x, state, args=None):
        return jax.tree.map(lambda a, b: a + self.step_size * b, x, field(x, args)), state


class Same(dg.Optimistic):
    """The same in all: a subclass all the same."""


class Late(dg.Extragradient):
    def step(self, field, x, state, args=None):
        return x, state


class Loose(RungeKutta):
    """The coefficients are not used as they stand."""

    def __getattribute__(self, name):
        return (-1.0,) if name == "weights" else super().__getattribute__(name)


def changed(method):
    object.__setattr__(method, "step", lambda *_: None)
    return method


TABLEAU: Any = RungeKutta
STRANGERS: dict[str, Any] = {
    "a subclass with another step": Pushed(STEP, -0.2),
    "a subclass without": Same(STEP),
    "a subclass of extragradient": Late(STEP),
    "a class of the same name": type("Momentum", (Pushed,), {})(STEP, -0.2),
    "another class of a known name": type("Heun", (dg.SSPRK3,), {})(STEP),
    "an object that was changed": changed(dg.Simultaneous(STEP)),
    "a tableau of another class": Loose(STEP, ((),), (Fraction(1),)),
    "alternating": dg.ComplexMomentum(STEP, 0.1j, alternating=True),
    "no number": dg.Simultaneous(float("nan")),
    "no bound": dg.Momentum(STEP, float("inf")),
    "negative": dg.Simultaneous(-STEP),
    "complex": dg.ComplexMomentum(0.3j, 0.1),
    "one for each": dg.Simultaneous((STEP, STEP)),
    "an array": dg.Simultaneous(jnp.full(2, STEP)),
    "none": TABLEAU(None, ((),), (1.0,)),
    "a matrix that is not lower": TABLEAU(STEP, ((), (1.0, 0.5)), (0.5, 0.5)),
    "no weights": TABLEAU(STEP, (), ()),
    "complex weights": TABLEAU(STEP, ((),), (1.0j,)),
    "infinite weights": TABLEAU(STEP, ((),), (float("inf"),)),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_only_known_methods_have_schemes(stranger):
    with pytest.raises(ValueError) as caught:
        certify.rate(STRANGERS[stranger], 0.5, 1.0)
    assert 20 < len(str(caught.value)) < 400


@pytest.mark.parametrize("stranger", ["a subclass with another step", "an object that was changed"])
@pytest.mark.parametrize("question", [certify.largest_rate_step, certify.best_rate_step])
def test_their_best_steps_are_not_looked_for(stranger, question):
    with pytest.raises(ValueError, match=r"not of .* by certify\.contraction"):
        question(STRANGERS[stranger], 0.5, 1.0)

"""Derivatives of equilibria that `solve` has found, with and without active strategy sets."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(3)

START = {"a": 1.0, "b": 1.0}


def costs(x, tax):
    price = 10 - (x["a"] + x["b"])
    return {
        "a": -x["a"] * price + x["a"] ** 2 + tax * x["a"],
        "b": -x["b"] * price + 0.5 * x["b"] ** 2 + tax * x["b"],
    }


def equilibrium(sets, method=None, **options):
    """Of the duopoly, as a function of the tax."""
    method = dg.Optimistic(0.1) if method is None else method
    return lambda tax: dg.solve(dg.game(costs, sets), method, START, tax, **options).strategy


# F = (4 a + b - 10 + t, a + 3 b - 10 + t) = 0, or b held at 2 or at 1.
FREE = (-2 / 11, -3 / 11)
CASES = [
    (None, FREE),
    (dg.Box(0.0, 2.0), (-0.25, 0.0)),
    ({"a": None, "b": dg.Box(0.0, 1.0)}, (-0.25, 0.0)),
]


@pytest.mark.full
@pytest.mark.parametrize(("sets", "slopes"), CASES, ids=["free", "box", "one box"])
def test_of_the_duopoly(sets, slopes):
    found = equilibrium(sets)
    for derive in (jax.jacrev, jax.jacfwd):
        slope = derive(found)(0.0)
        assert np.allclose((slope["a"], slope["b"]), slopes, atol=1e-7)


@pytest.mark.full
@pytest.mark.parametrize(
    "method",
    [dg.Simultaneous(0.1), dg.Alternating(0.1), dg.Momentum(0.05, 0.3), dg.Extragradient(0.1)],
    ids=dg.method_name,
)
def test_whatever_the_method(method):
    slope = jax.grad(lambda tax: equilibrium(dg.Box(0.0, 2.5), method)(tax)["a"])(0.0)
    assert np.isclose(slope, -0.25, atol=1e-7)


@pytest.mark.full
def test_under_transformations_and_of_what_a_function_closes_over():
    def closed(tax):
        game = dg.game(lambda x, args: costs(x, tax), dg.Box(0.0, 2.5))
        return dg.solve(game, dg.Optimistic(0.1), START).strategy["a"]

    assert np.isclose(jax.jit(jax.grad(closed))(0.5), -0.25)
    assert np.allclose(jax.vmap(jax.grad(closed))(jnp.array([0.0, 0.5])), -0.25)


class Duopoly(dg.Game):
    slope: jax.Array

    def costs(self, x, args=None):
        price = 10.0 - self.slope * (x["a"] + x["b"])
        return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}


@pytest.mark.full
def test_of_parameters_and_twice():
    def found(slope):
        return dg.solve(Duopoly(slope), dg.Optimistic(0.1), START, tol=1e-11).strategy["a"]

    def exact(s):
        matrix = jnp.array([[2 * s + 2, s], [s, 2 * s + 1]])
        return jnp.linalg.solve(matrix, jnp.array([10.0, 10.0]))[0]

    assert np.isclose(jax.grad(found)(1.0), jax.grad(exact)(1.0), rtol=1e-7)
    assert np.isclose(jax.grad(jax.grad(found))(1.0), jax.grad(jax.grad(exact))(1.0), rtol=1e-6)


@pytest.mark.full
def test_on_a_ball():
    """The nearest point of the unit disk to (3 cos t, 3 sin t) turns with t."""
    target = lambda t: 3 * jnp.array([jnp.cos(t), jnp.sin(t)])  # noqa: E731
    game = dg.game(lambda x, t: (jnp.sum((x[0] - target(t)) ** 2),), dg.Ball(0.0, 1.0))
    found = lambda t: dg.solve(game, dg.Simultaneous(0.2), (jnp.zeros(2),), t).strategy[0]  # noqa: E731
    for t in (0.3, 2.0):
        assert np.allclose(jax.jacrev(found)(t), (-np.sin(t), np.cos(t)), atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("method", [dg.Simultaneous(0.2), dg.MirrorProx(0.3)], ids=dg.method_name)
def test_on_a_simplex(method):
    """The third action is not used; the other two share what they are worth."""
    worth = jnp.array([0.2, 0.1, -2.0])
    game = dg.game(
        lambda x, t: (jnp.sum(x[0] ** 2) / 2 - (worth.at[0].multiply(t)) @ x[0],), dg.Simplex()
    )
    found = lambda t: dg.solve(  # noqa: E731
        game, method, (jnp.full(3, 1 / 3),), t, max_steps=50_000, tol=1e-7
    ).strategy[0]
    assert np.allclose(found(1.0), (0.55, 0.45, 0.0), atol=1e-5)
    assert np.allclose(jax.jacrev(found)(1.0), (0.1, -0.1, 0.0), atol=1e-4)


@pytest.mark.full
def test_of_stacked_players():
    game = dg.game(
        lambda x, t: dg.Stacked((x.blocks - t * jnp.array([1.0, 2.0, 9.0])) ** 2), dg.Box(0.0, 3.0)
    )
    found = lambda t: dg.solve(game, dg.Simultaneous(0.2), dg.Stacked(jnp.ones(3)), t)  # noqa: E731
    slope = jax.jacrev(lambda t: found(t).strategy.blocks)(1.0)
    assert np.allclose(slope, (1.0, 2.0, 0.0), atol=1e-7)


@pytest.mark.full
def test_linear_solvers_and_steps_instead():
    adjoint = optx.ImplicitAdjoint(lx.GMRES(rtol=1e-10, atol=1e-10))
    found = equilibrium(dg.Box(0.0, 2.5), adjoint=adjoint)
    assert np.isclose(jax.grad(lambda t: found(t)["a"])(0.0), -0.25, atol=1e-6)
    through = equilibrium(dg.Box(0.0, 2.5), adjoint=None)
    assert np.isclose(jax.jacfwd(through)(0.0)["a"], -0.25, atol=1e-6)


@pytest.mark.full
def test_a_few_steps_have_the_derivatives_of_the_steps():
    """Along the start, or with a tolerance of zero: x - h F(x), twice."""

    def end(start, tax, **options):
        game = dg.game(lambda x, t: ((x[0] - t) ** 2 / 2,))
        return dg.solve(
            game, dg.Simultaneous(0.25), (start,), tax, max_steps=2, **options
        ).strategy[0]

    assert np.isclose(jax.jacfwd(end)(1.0, 0.0), 0.75**2)
    assert np.isclose(jax.jacfwd(lambda tax: end(1.0, tax, tol=0))(0.0), 1 - 0.75**2)


@pytest.mark.full
def test_without_an_equilibrium_there_is_no_derivative():
    slow = equilibrium(None, max_steps=3)
    assert np.isnan(jax.grad(lambda t: slow(t)["a"])(0.0))
    line = dg.game(lambda x, t: ((x[0] - x[1] - t) ** 2, (x[0] - x[1] - t) ** 2))

    def found(t):
        return dg.solve(line, dg.Simultaneous(0.1), (0.0, 0.0), t).strategy[0]

    assert np.isnan(jax.grad(found)(0.3)) and np.isnan(jax.jacfwd(found)(0.3))


SETS = [
    dg.Box(0.0, 2.0),
    dg.Ball(0.0, 1.0),
    {"a": dg.Box(0.0, 1.0), "b": None},
    dg.Product({"a": dg.Euclidean(), "b": dg.Box(0.0, jnp.inf)}),
]


@pytest.mark.parametrize("sets", SETS, ids=range(len(SETS)))
@pytest.mark.parametrize(
    "as_given",
    [
        lambda sets: dg.pseudo_gradient(dg.game(costs, sets)),
        lambda sets: dg.FunctionField(lambda x, t: dg.pseudo_gradient(dg.game(costs))(x, t), sets),
        lambda sets: lambda x, t: dg.pseudo_gradient(dg.game(costs, sets))(x, t),
    ],
    ids=["field", "function field", "function"],
)
def test_root_finders_do_not_ignore_sets(as_given, sets):
    finder = dg.as_root_finder(dg.Optimistic(0.1))
    with pytest.raises(ValueError, match="use dgames"):
        optx.root_find(as_given(sets), finder, START, 0.0, max_steps=5000)


@pytest.mark.full
def test_root_finders_of_natural_maps_and_of_free_fields():
    field = dg.pseudo_gradient(dg.game(costs, dg.Box(0.0, 2.5)))
    start = {"a": jnp.array(1.0), "b": jnp.array(1.0)}

    def value(fn, finder):
        return jax.grad(lambda t: optx.root_find(fn, finder, start, t, max_steps=3000).value["a"])

    projected = lambda x, t: dg.natural_map(field, x, t)  # noqa: E731
    assert np.isclose(value(projected, dg.as_root_finder(dg.Simultaneous(0.1)))(0.0), -0.25)
    free = dg.pseudo_gradient(dg.game(costs))
    assert np.isclose(value(free, dg.as_root_finder(dg.Optimistic(0.1)))(0.0), FREE[0])


class TestThroughTheSteps:
    """Reverse mode, against powers of the step: x - h (x - t), so many times."""

    adjoint = optx.RecursiveCheckpointAdjoint()

    def end(self, start, target, rate, steps=7, **options: Any):
        game = dg.game(lambda x, t: {"a": (x["a"] - t) ** 2 / 2})
        options = {"max_steps": steps, "tol": 0, "adjoint": self.adjoint, **options}
        return dg.solve(game, dg.Simultaneous(rate), {"a": start}, target, **options)

    def test_along_start_arguments_and_hyper_parameters(self):
        def last(start, target, rate):
            return self.end(start, target, rate).strategy["a"]

        value, slopes = jax.value_and_grad(last, (0, 1, 2))(3.0, 1.0, 0.25)
        assert np.isclose(value, 1 + 2 * 0.75**7)
        assert np.allclose(slopes, (0.75**7, 1 - 0.75**7, -7 * 2 * 0.75**6))
        batch = jax.vmap(jax.jit(jax.grad(last, 2)), (None, None, 0))(
            3.0, 1.0, jnp.array([0.25, 0.5])
        )
        assert np.allclose(batch, (-14 * 0.75**6, -14 * 0.5**6))

    @pytest.mark.full
    def test_few_checkpoints_and_runs_that_stop(self):
        """The number of steps is that of the run; the residual is |x - t|."""
        adjoint = optx.RecursiveCheckpointAdjoint(checkpoints=2)
        options: Any = dict(steps=100, tol=1e-3, adjoint=adjoint)
        taken = int(self.end(3.0, 1.0, 0.25, **options).steps)
        assert 0.75**taken * 2 <= 1e-3 < 0.75 ** (taken - 1) * 2
        residual = lambda start: self.end(start, 1.0, 0.25, **options).residual  # noqa: E731
        assert np.isclose(jax.grad(residual)(3.0), 0.75**taken)

    @pytest.mark.full
    def test_as_forward_mode_says(self):
        """With sets, memory, batches, a continued run, and what functions close over."""
        rows = dg.Stepwise(lambda step: jnp.sin(step.astype(float)))

        def last(tax, rate, adjoint):
            def noisy(x, shock):
                return jax.tree.map(lambda cost: (1 + shock / 4) * cost, costs(x, tax))

            game = dg.game(noisy, dg.Box(0.0, 2.5))
            method = dg.Momentum(rate, 0.3)
            state = jax.tree.map(lambda leaf: 0.1 * jnp.asarray(leaf), START)
            options: Any = dict(state=state, first_step=5, max_steps=4, adjoint=adjoint)
            run = dg.solve(game, method, START, rows, **options)
            return jnp.stack(jax.tree.leaves((run.strategy, run.state)))

        forward = jax.jacfwd(lambda tax, rate: last(tax, rate, None), (0, 1))(0.5, 0.05)
        reverse = jax.jacrev(lambda tax, rate: last(tax, rate, self.adjoint), (0, 1))(0.5, 0.05)
        assert np.allclose(forward, reverse, atol=1e-12) and np.all(np.abs(forward[1][:2]) > 1e-3)

    @pytest.mark.parametrize("options", [{}, {"adjoint": None}], ids=["start", "steps"])
    def test_without_it_reverse_mode_says_what_to_do(self, options):
        def last(start, target):
            options_ = {"adjoint": optx.ImplicitAdjoint(), "tol": None, **options}
            return self.end(start, target, 0.25, **options_).strategy["a"]

        along = 1 if options else 0
        with pytest.raises(RuntimeError, match="RecursiveCheckpointAdjoint"):
            jax.grad(last, along)(3.0, 1.0)
        assert np.isfinite(jax.jacfwd(last, along)(3.0, 1.0))

"""Complex strategies: real costs of complex arrays, learned as pairs of real ones."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(2)

TARGET = 2.0 - 1.5j


def costs(x, target):
    """A turned bilinear game: the equilibrium is `a = target`, `b = -i target / 2`."""
    tie = jnp.real(jnp.conj(x["a"] - target) * (1j * x["b"] - target / 2))
    return {
        "a": jnp.abs(x["a"] - target) ** 2 / 2 + tie,
        "b": jnp.abs(1j * x["b"] - target / 2) ** 2 / 2 - tie,
    }


GAME = dg.game(costs)
START: Any = {"a": 1.0 + 2.0j, "b": jnp.array(0.5j)}
CENTRE = {"a": TARGET, "b": -0.5j * TARGET}


def in_reals(x, target):
    """The same game, its players' coordinates written out."""
    return costs({name: jax.lax.complex(x[name][0], x[name][1]) for name in "ab"}, target)


def whole(parts):
    parts = np.asarray(parts)
    return parts[..., 0] + 1j * parts[..., 1]


def close(x, y, **tolerances):
    return all(np.allclose(x[name], y[name], **tolerances) for name in y)


def test_the_field_points_where_the_cost_rises_most():
    """`df/da + i df/db`; for `|z|^2 / 2` that is z."""
    own = dg.game(lambda x, args: (jnp.abs(x[0]) ** 2 / 2, x[1] ** 2))
    (z, _) = dg.pseudo_gradient(own)((jnp.array(3.0 + 4.0j), jnp.array(1.0)))
    assert np.isclose(z, 3 + 4j) and np.isclose(dg.residual(own, (3.0 + 4.0j, 0.0)), 5.0)
    field = dg.pseudo_gradient(GAME)(START, TARGET)
    parts: Any = {n: jnp.array([jnp.real(START[n]), jnp.imag(START[n])]) for n in "ab"}
    real = dg.pseudo_gradient(dg.game(in_reals))(parts, TARGET)
    for name in "ab":
        assert np.allclose(field[name], whole(real[name]), rtol=1e-12)
        assert np.allclose(dg.pseudo_gradient(GAME).block(START, 0, TARGET), field["a"])
    saddle = dg.zero_sum(lambda x, args: jnp.real(jnp.conj(x[0]) * x[1]))
    a, b = dg.pseudo_gradient(saddle)((jnp.array(1.0 + 2.0j), jnp.array(3.0 - 1.0j)))
    assert np.allclose([a, b], [3 - 1j, -1 - 2j])


@pytest.mark.parametrize(
    "method",
    [dg.Extragradient(0.3), dg.Momentum(0.1, 0.2), dg.Alternating(0.2)],
    ids=dg.method_name,
)
def test_runs_are_those_of_real_and_imaginary_parts(method):
    told = []

    def callback(step, x, residual):
        told.append(complex(x["a"]))

    options: Any = dict(max_steps=6, save_every=2, unit=1.0)
    run = dg.solve(GAME, method, START, TARGET, callback=callback, **options)
    parts: Any = {n: jnp.array([jnp.real(START[n]), jnp.imag(START[n])]) for n in "ab"}
    real = dg.solve(dg.game(in_reals), method, parts, TARGET, **options)
    for name in "ab":
        kept = whole(real.history.strategy[name])
        assert np.allclose(run.history.strategy[name], kept, rtol=1e-12)
    assert np.allclose(run.history.residual, real.history.residual, rtol=1e-12)
    assert np.allclose(told, run.history.strategy["a"])
    more = dg.solve(GAME, method, run.strategy, TARGET, state=run.state, max_steps=100_000)
    assert more.result == dg.RESULTS.successful and close(more.strategy, CENTRE, atol=1e-7)


@pytest.mark.full
def test_derivatives_fields_save_and_flow():
    field = dg.FunctionField(lambda x, t: dg.pseudo_gradient(GAME)(x, t))
    run = dg.solve(field, dg.Extragradient(0.3), START, TARGET, save=lambda x, s, t: x["a"] - t)
    assert close(run.strategy, CENTRE, atol=1e-7)
    assert np.isclose(run.history.saved[0], 1 + 2j - TARGET) and abs(run.history.saved[-1]) < 1e-7

    def size(scale):
        found = dg.solve(GAME, dg.Extragradient(0.3), START, scale * TARGET)
        return jnp.abs(found.strategy["b"])

    assert np.isclose(jax.grad(size)(2.0), abs(TARGET) / 2)
    fixed = dg.game(lambda x, args: costs(x, TARGET))
    end = dg.flow(fixed, START, 30.0)  # diffrax warns of complex args
    assert close(end.strategy, CENTRE, atol=1e-6) and end.strategies["a"].shape == (101,)
    assert jnp.iscomplexobj(end.strategies["a"])


def test_sets():
    """A ball is one in the moduli; on it the nearest point to the target is found."""
    own = lambda x, t: (jnp.sum(jnp.abs(x[0] - t) ** 2) / 2, x[1] ** 2)  # noqa: E731
    target = jnp.array([3.0j, 4.0])
    game = dg.game(own, (dg.Ball(1.0, 2.0), dg.Box(0.5, 1.0)))
    run = dg.solve(game, dg.Simultaneous(0.5), (jnp.array([1.0 + 0j, 1.0]), 1.0), target)
    offset = np.array([3j - 1, 3.0])
    assert np.allclose(run.strategy[0], 1 + 2 * offset / np.linalg.norm(offset), atol=1e-7)
    assert np.isclose(run.strategy[1], 0.5)
    with pytest.raises(ValueError, match="can be a Ball in their moduli, not a Box"):
        boxed = dg.game(own, (dg.Box(0.0, 1.0), dg.Euclidean()))
        dg.solve(boxed, dg.Simultaneous(0.5), (jnp.array([1j, 1.0]), 1.0), target)


def test_modules_and_what_takes_no_complex_strategies():
    class Wave(eqx.Module):
        amplitude: jax.Array
        name: str = "kept"

    game = dg.game(lambda x, args: (jnp.sum(jnp.abs(x[0].amplitude - 1j) ** 2),))
    run = dg.solve(game, dg.Simultaneous(0.25), (Wave(jnp.ones(2, complex)),))
    assert run.strategy[0].name == "kept" and np.allclose(run.strategy[0].amplitude, 1j)
    with pytest.raises(ValueError, match=r"has complex128.*pair of real arrays"):
        dg.jacobian_operator(GAME, START, TARGET)

"""Methods on games with shared constraints, on the river basin of Krawczyk and Uryasev."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

MARGIN, LIPSCHITZ = 0.03, 0.12274917217635373
RIVER = np.array([[3.25, 1.25, 4.125], [2.2915, 1.5625, 2.8125]])
VARIATIONAL = np.array([21.1447960154, 16.0278534470, 2.7259627009])


def river(rows=RIVER, cap: Any = 100.0, shared=None):
    def costs(x, _):
        total = x[0] + x[1] + x[2]
        linear, own = (0.1, 0.12, 0.15), (0.01, 0.05, 0.01)
        return tuple(x[i] * (linear[i] + own[i] * x[i] - 3.0 + 0.01 * total) for i in range(3))

    return dg.game(
        costs, dg.Box(0.0, jnp.inf), dg.Polyhedron(rows, cap) if rows is not None else ()
    )


START = (0.0, 0.0, 0.0)


def iterations(run):
    """The first iteration with relative error 1e-10."""
    points = np.stack([np.asarray(own) for own in run.history.strategy[:3]], 1)
    errors = np.linalg.norm(points - VARIATIONAL, axis=1) / np.linalg.norm(VARIATIONAL)
    return int(np.argmax(errors < 1e-10))


def run(field, method, start=START):
    return dg.solve(field, method, start, tol=1e-12, save_every=1)


@pytest.mark.thin(4)
@pytest.mark.parametrize(
    ("method", "count"),
    [
        (dg.Simultaneous(MARGIN / LIPSCHITZ**2), 361),
        (dg.Simultaneous(1 / LIPSCHITZ), 80),
        (dg.Simultaneous(2 / (MARGIN + LIPSCHITZ)), 45),
        (dg.Extragradient(0.8 / LIPSCHITZ), 131),
    ],
)
def test_projected_steps_take_as_many_iterations_as_known(method, count):
    assert iterations(run(river(), method)) == count


@pytest.mark.thin(4)
@pytest.mark.parametrize(("tau", "count"), [(1, 730), (2, 360), (4, 174), (8, 85)])
def test_primal_dual_steps_take_as_many_iterations_as_known(tau, count):
    game = river()
    sigma = 0.95 * (1 / tau - LIPSCHITZ / 2) / np.linalg.norm(RIVER, 2) ** 2
    method, field = dg.PrimalDual(tau, sigma), dg.ExtendedField(game)
    start = dg.as_strategy(dg.with_multipliers(game, START))
    found = run(field, method, start)
    assert iterations(found) == count
    assert np.allclose(found.strategy[-1], [0.5743599994, 0.0], atol=1e-9)
    slack = method.slack(field, start, 1 / LIPSCHITZ)
    assert np.isclose(slack, 0.05 * (1 / tau - LIPSCHITZ / 2), atol=1e-12)
    per_player = dg.PrimalDual((tau, tau, tau), jnp.full(2, sigma))
    assert np.isclose(per_player.slack(field, start, 1 / LIPSCHITZ), slack, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "count"), [(dg.Simultaneous(1.898), 418), (dg.Extragradient(4.82), 181)]
)
def test_the_augmented_field_needs_no_projection_onto_the_rows(method, count):
    game = river()
    found = run(dg.AugmentedField(game, 1e-3, 1e-4), method, dg.with_multipliers(game, START))
    assert iterations(found) == count


@pytest.mark.full
def test_extragradient_on_the_extended_field_with_nonlinear_rows_and_weights():
    disk = dg.SharedConstraint(lambda x, r: x["a"] ** 2 + x["b"] ** 2 - r)
    game = dg.game(
        lambda x, r: {"a": (x["a"] - 2.0) ** 2, "b": (x["b"] - 1.0) ** 2}, shared=(disk,)
    )
    start = dg.with_multipliers(game, {"a": 0.0, "b": 0.0}, args=1.0)
    found = dg.solve(dg.ExtendedField(game), dg.Extragradient(0.1), start, 1.0, tol=1e-10)
    # The nearest point of the disk: this game has a potential.
    assert np.allclose([found.strategy["a"], found.strategy["b"]], np.array([2, 1]) / 5**0.5)
    weights = {"a": 1.0, "b": 3.0}
    field = dg.ExtendedField(game, weights)
    found = dg.solve(field, dg.Extragradient(0.1), start, 1.0, tol=1e-10).strategy
    own = {"a": 2.0 * found["a"] - 4.0, "b": 2.0 * found["b"] - 2.0}
    multiplier = {name: -own[name] / (2.0 * found[name]) for name in own}
    assert np.isclose(multiplier["a"], 3.0 * multiplier["b"])
    assert np.isclose(multiplier["a"], found["multipliers"][0])


NORMALISED = {
    (1.0, 1.05, 1.1): (17.4698143451, 16.0168728230, 5.6247302666),
    (1.0, 1.0, 1.1): (17.5241540097, 15.7036719580, 5.6768265506),
    (3.0, 2.0, 1.0): (25.5792607293, 13.4939221037, 0.0),
    (1.0, 1.0, 5.0): (0.0, 0.0, 24.2424242424),
}


@pytest.mark.thin(4)
@pytest.mark.parametrize("weights", NORMALISED)
def test_weights_select_the_equilibrium(weights):
    found = dg.solve(dg.Normalised(river(), weights), dg.Simultaneous(6.0), START, tol=1e-12)
    assert np.allclose(jnp.stack(found.strategy), NORMALISED[weights], atol=1e-9)


@pytest.mark.full
def test_steps_per_player_are_refused_and_free_where_multipliers_move():
    with pytest.raises(ValueError, match="same step"):
        dg.solve(river(), dg.Simultaneous((1.0, 2.0, 3.0)), START)
    with pytest.raises(ValueError, match="same step"):
        dg.solve(river(), dg.Averaged(dg.Simultaneous((1.0, 2.0, 3.0))), START)
    with pytest.raises(ValueError, match="ExtendedField"):
        dg.solve(river(), dg.PrimalDual(1.0, 0.1), START)
    game = river()
    start = dg.with_multipliers(game, START)
    found = dg.solve(dg.ExtendedField(game), dg.PrimalDual((4.0, 2.0, 3.0), 0.01), start, tol=1e-12)
    assert np.allclose(jnp.stack(found.strategy[:3]), VARIATIONAL, atol=1e-9)


@pytest.mark.full
def test_equilibria_have_derivatives_along_the_constraints():
    def equilibrium(cap):
        return jnp.stack(dg.solve(river(cap=cap), dg.Simultaneous(8.0), START, tol=1e-12).strategy)

    cap = jnp.full(2, 100.0)
    step = jnp.array([1e-3, 0.0])
    difference = (equilibrium(cap + step) - equilibrium(cap - step)) / 2e-3
    jacobian = jax.jacrev(equilibrium)(cap)
    assert np.allclose(jacobian[:, 0], difference, atol=1e-6)
    assert np.allclose(jacobian[:, 1], 0.0)
    assert np.allclose(RIVER[0] @ jacobian[:, 0], 1.0)  # the first row stays active


@pytest.mark.full
def test_equilibria_have_derivatives_along_weights_and_by_all_methods():
    def weighted(r):
        field = dg.Normalised(river(), (r[0], r[1], r[2]))
        return jnp.stack(dg.solve(field, dg.Simultaneous(6.0), START, tol=1e-12).strategy)

    def by_newton(r):
        point = dg.solve_kkt(river(), START, notion="normalised", weights=(r[0], r[1], r[2]))
        return jnp.stack(point.strategy)

    def by_prices(cap):
        game = river(cap=jnp.stack([cap, jnp.array(100.0)]))
        start = dg.with_multipliers(game, START)
        method = dg.PrimalDual(8.0, 0.0016)
        return dg.solve(dg.ExtendedField(game), method, start, tol=1e-12).strategy[0]

    r, step = jnp.array([1.0, 1.05, 1.1]), jnp.array([0.0, 1e-4, 0.0])
    difference = (weighted(r + step) - weighted(r - step)) / 2e-4
    jacobian = jax.jacrev(weighted)(r)
    assert np.allclose(jacobian[:, 1], difference, atol=1e-5)
    assert np.allclose(jax.jacrev(by_newton)(r), jacobian, atol=1e-9)
    # Weights count relatively to each other.
    assert np.allclose(jacobian @ r, 0.0, atol=1e-9)
    slope = jax.jacrev(lambda cap: dg.solve_kkt(river(cap=cap), START).strategy[0])
    assert np.isclose(jax.grad(by_prices)(100.0), slope(jnp.full(2, 100.0))[0], atol=1e-8)

"""The bounds of merely monotone games beside the worst of ten thousand random starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.strategy import ravel
from tests.certify.prove.monotone.test_certify_monotone import (
    ALL,
    in_a_ball,
    length,
    worst_residuals,
)

STARTS, STEPS = 10_000, 1001
PENNIES = jnp.array([[1.0, -1.0], [-1.0, 1.0]])
# How many times the largest residual of steps 900 to 1000, by k, the bounds may be. Where steps
# are 1 / L, the residual of fast extragradient on a product is zero after every other step.
LIMITS = {"fast_extragradient": 2.001, "anchored_extragradient": 2.25}
LIMITS |= {"accelerated_optimistic": 2.05}


def ring():
    """Three players with four actions each, against both others; all play uniformly."""
    cycle = jnp.array([[0.0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1], [1, 0, -1, 0]])
    stripes = jnp.array([[1.0, -1.0], [1.0, -1.0]])
    first, second = jnp.kron(PENNIES, stripes), jnp.kron(stripes, PENNIES)
    edges = {(0, 1): cycle, (1, 2): first, (2, 0): second + cycle}
    both = {(j, i): -matrix.T for (i, j), matrix in edges.items()}
    return dg.games.PolymatrixGame(edges | both)


def compared(certificate, game, starts, residual):
    """Asserts that no run beats a bound, and returns bound / worst for each method, at the end."""
    field, shares = dg.pseudo_gradient(game), {}
    for method in ALL:
        name = certificate.name_of(method)
        if name not in certificate.bounds:
            continue
        step = certificate.bounds[name].step
        safe, measure = certificate.safe_method(method), residual(field, method, step)
        found = worst_residuals(safe, field, starts, STEPS, measure)
        if "sets" in certificate.data["game"] and method is dg.Extragradient:
            found = np.minimum.accumulate(found)
        bounds = np.array([certificate.residual_bound(method, k) for k in range(STEPS)])
        assert (found <= bounds * (1 + 1e-9)).all(), name
        shares[name] = (bounds / np.maximum(found, 1e-300))[900:].min()
    return shares


def of_field(field, method, step):
    return lambda x, state: length(field(x))


def onto_sets(field, method, step):
    """The residual that is bounded with sets: |F + c|, or the natural one over the step."""
    if method is dg.FastExtragradient:
        return lambda x, state: length(
            jax.tree.map(lambda f, push: f + push / step, field(x), state.push)
        )

    def natural(x, state):
        moved = field.project(jax.tree.map(lambda a, f: a - step * f, x, field(x)))
        return length(jax.tree.map(jnp.subtract, x, moved)) / step

    return natural


def require_close(shares):
    assert all(shares[name] <= LIMITS[name] for name in shares if name in LIMITS), shares


@pytest.mark.full
def test_a_product():
    game = dg.zero_sum(lambda x, args: x[0] * x[1])
    found = certify.certify_monotone(game, certify.Box.around((0.0, 0.0), 2.0), ALL)
    points = jnp.asarray(in_a_ball(np.zeros(2), found.starts[1] * (1 - 1e-12), STARTS, 0))
    shares = compared(found, game, (points[:, 0], points[:, 1]), of_field)
    assert shares.keys() == certificate_names()
    require_close(shares)


@pytest.mark.full
def test_the_hard_instance():
    """Of size 20, in 40 coordinates."""
    game = dg.games.HardInstance(20)
    solution = game.equilibrium()
    found = certify.certify_monotone(game, certify.Box.around(solution, 50.0), ALL)
    assert found.status == "proved", found.reasons
    assert found.lipschitz < 0.8091 and found.distance > 30.0
    center, unravel = ravel(solution)
    points = in_a_ball(np.asarray(center), found.starts[1] * (1 - 1e-12), STARTS, 1)
    shares = compared(found, game, jax.vmap(unravel)(jnp.asarray(points)), of_field)
    assert shares.keys() == certificate_names()
    require_close(shares)


@pytest.mark.full
def test_a_polymatrix_game_on_its_simplices():
    game = ring()
    found = certify.certify_monotone(game, certify.Box.around(game.uniform(), 3.0), ALL)
    assert found.status == "proved", found.reasons
    # A vertex of a simplex of four actions is sqrt(3/4) from the middle, and there are three.
    assert found.distance == pytest.approx(1.5)
    rng = np.random.default_rng(2)
    blocks = [rng.dirichlet([0.3] * 4, STARTS) for _ in range(3)]
    for block in blocks:
        block[: STARTS // 2] = np.eye(4)[rng.integers(0, 4, STARTS // 2)]
    shares = compared(found, game, tuple(map(jnp.asarray, blocks)), onto_sets)
    assert shares.keys() == {"fast_extragradient", "extragradient"}
    require_close(shares)


def certificate_names():
    return {certify.MonotoneConvergence.name_of(method) for method in ALL}

"""Constants from the sector inequality: closed forms, samples, and attacks on the proof."""

import jax
import numpy as np
import pytest

import dgames as dg
from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.definite_matrix import proved_definite
from certify.prove.lipschitz.network_chain import chain_of
from certify.prove.lipschitz.sector_inequality import sector_matrix
from certify.prove.lipschitz.sector_proof import proves, sector_constant
from certify.prove.lipschitz.unit_slopes import UnitSlopes, global_slopes


def parts(net):
    chain = chain_of(net)
    slopes = [
        global_slopes(activation, units)
        for activation, units in zip(chain.activations, chain.sizes[1:], strict=False)
    ]
    return [part.matrix for part in chain.maps], slopes


def test_one_unit_has_the_product_of_its_weights():
    weights = [BallMatrix.exact(np.array([[3.0]])), BallMatrix.exact(np.array([[-0.7]]))]
    found = sector_constant(weights, [UnitSlopes(np.zeros(1), np.ones(1))], "pivots")
    assert 2.1 <= found <= 2.1 * (1 + 1e-6)


def test_slopes_between_a_and_b_of_one_unit():
    # Slopes in [-1/2, 2]: the constant is 2 |w v|.
    weights = [BallMatrix.exact(np.array([[3.0]])), BallMatrix.exact(np.array([[-0.7]]))]
    slopes = [UnitSlopes(np.full(1, -0.5), np.full(1, 2.0))]
    assert 4.2 <= sector_constant(weights, slopes, "pivots") <= 4.2 * (1 + 1e-4)


def test_opposite_units_are_seen_together():
    # f(x) = s(x) - s(-x) with slopes in [0, 1] has the constant 2; f(x) = s(x) + s(-x) has 1.
    first = BallMatrix.exact(np.array([[1.0], [-1.0]]))
    slopes = [UnitSlopes(np.zeros(2), np.ones(2))]
    odd = sector_constant([first, BallMatrix.exact(np.array([[1.0, -1.0]]))], slopes, "pivots")
    even = sector_constant([first, BallMatrix.exact(np.array([[1.0, 1.0]]))], slopes, "pivots")
    assert 2.0 <= odd <= 2.0 * (1 + 1e-4)
    assert 1.0 <= even <= 1.0 * (1 + 1e-2)


def test_the_solver_and_the_pivots_agree():
    matrices, slopes = parts(dg.nn.mlp((2, 8, 8, 1), jax.random.key(2), activation="tanh"))
    solver = sector_constant(matrices, slopes, "lipsdp")
    pivots = sector_constant(matrices, slopes, "pivots")
    assert solver * (1 - 1e-6) <= pivots <= 1.1 * solver


def test_a_smaller_constant_is_not_proved():
    # With one unit, the constant is known; any multiplier must fail below it.
    weights = [BallMatrix.exact(np.array([[1.0]])), BallMatrix.exact(np.array([[1.0]]))]
    slopes = [UnitSlopes(np.zeros(1), np.ones(1))]
    assert proves(weights, slopes, [np.array([2.0])], 1.0 + 1e-9)
    for weight in np.geomspace(0.01, 100.0, 101):
        assert not proves(weights, slopes, [np.array([weight])], 1.0 - 1e-12)


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_multipliers_must_be_positive_numbers(bad):
    weights = [BallMatrix.exact(np.array([[1.0]])), BallMatrix.exact(np.array([[1.0]]))]
    slopes = [UnitSlopes(np.zeros(1), np.ones(1))]
    assert not proves(weights, slopes, [np.array([bad])], 4.0)


def test_mixed_units_must_have_one_multiplier():
    identity = BallMatrix.exact(0.5 * np.eye(2))
    slopes = [UnitSlopes(np.full(2, -1.0), np.ones(2), 2)]
    assert proves([identity, identity], slopes, [np.array([0.5, 0.5])], 1.0)
    assert not proves([identity, identity], slopes, [np.array([0.5, 0.75])], 1.0)


def test_the_matrix_contains_the_exact_one():
    from fractions import Fraction

    rng = np.random.default_rng(0)
    centres = [rng.standard_normal((3, 2)), rng.standard_normal((1, 3))]
    low, high, weight = -rng.random(3), rng.random(3), rng.random(3)
    found = sector_matrix(
        [BallMatrix.exact(c) for c in centres], [UnitSlopes(low, high)], [weight], 0.7
    )
    exact = np.vectorize(Fraction)
    first, last, lo, hi, t = (exact(part) for part in (*centres, low, high, weight))
    top = np.diag(exact(np.full(2, 0.7))) + first.T @ ((t * lo * hi)[:, None] * first)
    side = -(t * (lo + hi) / 2)[:, None] * first
    below = np.diag(t) - last.T @ last
    truth = np.block([[top, side.T], [side, below]])
    gap = abs(truth - exact(found.centre)) - exact(found.radius)
    assert (gap <= 0).all()
    assert found.radius.max() < 1e-14


def test_definite_matrices_at_the_edge():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    for smallest, expected in ((1e-8, True), (-1e-8, False)):
        values = np.linspace(1.0, 2.0, 60)
        values[0] = smallest
        matrix = (basis * values) @ basis.T
        matrix = 0.5 * (matrix + matrix.T)
        assert proved_definite(BallMatrix.exact(matrix)) == expected
    widened = BallMatrix(np.eye(3), np.full((3, 3), 0.34))
    assert not proved_definite(widened)
    assert proved_definite(BallMatrix(np.eye(3), np.full((3, 3), 0.1)))

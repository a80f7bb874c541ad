"""The closed form of the small-gain test: closed forms, optimality, exactness, refusals."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import certify

pytestmark = pytest.mark.thin(3)


def random_constants(seed, n, density=1.0):
    rng = np.random.default_rng(seed)
    mu = rng.uniform(0.5, 2.0, n)
    coupling = rng.lognormal(-2.0, 1.5, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(coupling, 0.0)
    return mu, coupling


def exact_margin_holds(mu, coupling, gain):
    """`W K + K' W - 2 margin W` is positive semidefinite: by the two vectors, exactly."""
    n = len(mu)
    for vector, matrix in ((gain.right, coupling), (gain.left, coupling.T)):
        v = [Fraction(float(x)) for x in vector]
        for i in range(n):
            row = Fraction(float(mu[i])) * v[i] - sum(
                Fraction(float(matrix[i, j])) * v[j] for j in range(n)
            )
            if row < Fraction(gain.margin) * v[i]:
                return False
    return True


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_margin_is_the_perron_eigenvalue_and_proved(seed, n):
    mu, coupling = random_constants(seed, n)
    gain = certify.small_gain(mu, coupling)
    optimum = np.linalg.eigvals(np.diag(mu) - coupling).real.min()
    assert abs(gain.margin - optimum) <= 1e-11 * max(1.0, np.abs(coupling).max())
    assert exact_margin_holds(mu, coupling, gain)
    np.testing.assert_allclose(gain.weights, gain.left / gain.right)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0.1, 0.6))
def test_reducible_networks(seed, n, density):
    mu, coupling = random_constants(seed, n, density)
    gain = certify.small_gain(mu, coupling)
    optimum = np.linalg.eigvals(np.diag(mu) - coupling).real.min()
    assert exact_margin_holds(mu, coupling, gain)
    # Nilpotent parts make the eigenvalues themselves ill-conditioned.
    assert optimum - 1e-4 <= gain.margin <= optimum + 1e-4


@pytest.mark.parametrize("seed", range(10))
def test_no_other_weights_are_better(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    mu, coupling = random_constants(seed, n)
    gain = certify.small_gain(mu, coupling)
    for _ in range(500):
        w = gain.weights * np.exp(rng.normal(0, 0.3, n))
        root = np.sqrt(w)
        symmetric = (np.diag(mu) - coupling) * (root[:, None] / root)
        assert np.linalg.eigvalsh(0.5 * (symmetric + symmetric.T))[0] <= gain.margin + 1e-12


def test_two_players_closed_form():
    mu, coupling = np.array([2.0, 0.5]), np.array([[0.0, 3.0], [0.2, 0.0]])
    expected = 1.25 - np.sqrt(0.75**2 + 0.6)
    gain = certify.small_gain(mu, coupling)
    assert gain.margin == pytest.approx(expected, abs=1e-14)
    assert gain.margin <= expected + 1e-16
    assert gain.weights[0] / gain.weights[1] == pytest.approx(0.2 / 3.0, rel=1e-12)


def test_sparse_and_one_player():
    mu, coupling = random_constants(3, 6, 0.5)
    dense = certify.small_gain(mu, coupling)
    assert certify.small_gain(mu, scipy.sparse.csr_matrix(coupling)).margin == dense.margin
    assert certify.small_gain([1.5], [[0.0]]).margin == 1.5


@pytest.mark.parametrize(
    ("mu", "coupling", "message"),
    [
        ([1.0, 1.0], [[0.0, 1.0]], "expected"),
        ([], np.zeros((0, 0)), "expected"),
        ([1.0, np.nan], np.zeros((2, 2)), "finite"),
        ([1.0, 1.0], [[0.0, np.inf], [0.0, 0.0]], "finite"),
        ([1.0, 1.0], [[0.0, -1.0], [0.0, 0.0]], "negative"),
    ],
)
def test_bad_constants(mu, coupling, message):
    with pytest.raises(ValueError, match=message):
        certify.small_gain(mu, coupling)


def heavy_tailed(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 21))
    mu, coupling = rng.uniform(0.5, 2.0, n), rng.lognormal(-2.0, rng.uniform(0.5, 3.0), (n, n))
    coupling *= rng.random((n, n)) < rng.uniform(0.3, 1.0)
    np.fill_diagonal(coupling, 0.0)
    return rng, mu, coupling


def margins(weights, mu, coupling):
    """Of many weight vectors at once, shape (samples, N)."""
    root = np.sqrt(weights)
    scaled = (np.diag(mu) - coupling) * (root[:, :, None] / root[:, None, :])
    return np.linalg.eigvalsh(0.5 * (scaled + np.swapaxes(scaled, 1, 2)))[:, 0]


@pytest.mark.full
@pytest.mark.parametrize("block", range(10))
def test_never_below_any_of_2000_weight_vectors(block):
    """200 games; weights around the best ones, around one, and far away."""
    for seed in range(20 * block, 20 * block + 20):
        rng, mu, coupling = heavy_tailed(seed)
        gain = certify.small_gain(mu, coupling)
        assert exact_margin_holds(mu, coupling, gain)
        spread = rng.choice([1e-6, 1e-3, 0.1, 1.0, 5.0], (2000, 1))
        weights = np.exp(spread * rng.normal(size=(2000, len(mu))))
        weights[:1000] *= gain.weights / np.exp(np.log(gain.weights).mean())
        scale = max(1.0, coupling.max())
        assert margins(weights, mu, coupling).max() <= gain.upper + 1e-12 * scale
        assert gain.margin >= gain.upper - 1e-9 * scale


@pytest.mark.full
def test_never_below_a_semidefinite_program():
    """Bisection over the margin; what the solver answers is evaluated by its own weights."""
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(8):
        rng = np.random.default_rng(1000 + seed)
        n = 2 + seed % 4
        mu, coupling = random_constants(1000 + seed, n)
        gain = certify.small_gain(mu, coupling)
        w = cvxpy.Variable(n)
        margin, K = cvxpy.Parameter(), np.diag(mu) - coupling
        best = -np.inf
        low, high = gain.margin - rng.uniform(0.1, 1.0), float(mu.min())
        slack = cvxpy.Variable()
        left = cvxpy.multiply(cvxpy.reshape(w, (n, 1), order="F") @ np.ones((1, n)), K)
        middle = left + left.T - 2 * margin * cvxpy.diag(w)
        problem = cvxpy.Problem(
            cvxpy.Maximize(slack),
            [middle - slack * np.eye(n) >> 0, w >= 1e-6, cvxpy.sum(w) == 1],
        )
        for _ in range(25):
            margin.value = 0.5 * (low + high)
            problem.solve(solver=cvxpy.CLARABEL)
            found = margins(np.maximum(w.value, 1e-12)[None], mu, coupling)[0]
            best = max(best, found)
            low, high = (margin.value, high) if slack.value >= 0 else (low, margin.value)
        assert gain.margin >= best - 1e-9
        assert best >= gain.margin - 1e-4  # the program is a fair opponent

"""The timescale band: closed forms for two players, eigenvalues for more, ends inward."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import certify


class TestTimescaleBand:
    def test_small_gain_nash(self):
        low, high = certify.timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        p = 0.5
        exact = [(2 - p - s * 2 * np.sqrt(1 - p)) / 0.05**2 for s in (1, -1)]
        assert exact[0] <= low <= exact[0] + 1e-12 * exact[0]
        assert exact[1] - 1e-12 * exact[1] <= high <= exact[1]
        assert low == pytest.approx(34.31457505076194, rel=1e-9)
        assert high == pytest.approx(1165.6854249492378, rel=1e-9)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_ends_have_the_margin_and_beyond_them_not(self, seed):
        rng = np.random.default_rng(seed)
        mu, (a, b) = rng.uniform(0.5, 2, 2), rng.uniform(0.05, 0.7, 2)
        best = certify.small_gain(mu, [[0, a], [b, 0]]).margin
        margin = best - rng.uniform(0.01, 0.5)
        low, high = certify.timescale_band(mu, [[0, a], [b, 0]], margin)

        def margin_at(ratio):
            root = np.sqrt([1.0, ratio])
            m = np.array([[mu[0], -a], [-b, mu[1]]]) * (root[:, None] / root)
            return np.linalg.eigvalsh(0.5 * (m + m.T))[0]

        assert margin_at(low) >= margin - 1e-12
        assert margin_at(high) >= margin - 1e-12
        assert margin_at(low * 0.999) < margin
        assert margin_at(high * 1.001) < margin

    def test_one_sided_couplings(self):
        assert certify.timescale_band([1.0, 1.0], [[0.0, 1.0], [0.0, 0.0]]) == (0.25, np.inf)
        assert certify.timescale_band([1.0, 1.0], [[0.0, 0.0], [1.0, 0.0]]) == (0.0, 4.0)

    @pytest.mark.parametrize(
        ("mu", "coupling", "message"),
        [
            ([-5.0, -5.0], [[0.0, 1.0], [1.0, 0.0]], "not above the margin"),
            ([1.0, 1.0], [[0.0, 2.0], [1.0, 0.0]], "too strong"),
            ([1.0, 1.0, 1.0], np.zeros((3, 3)), "name two of them"),
        ],
    )
    def test_refusals(self, mu, coupling, message):
        """Two negative curvatures have a positive product: the formula alone would accept them."""
        with pytest.raises(ValueError, match=message):
            certify.timescale_band(mu, coupling)

    def test_special_cases(self):
        """No coupling at all; a band of one point; a margin; the other way round."""
        assert certify.timescale_band([1.0, 1.0], np.zeros((2, 2))) == (0.0, np.inf)
        assert certify.timescale_band([1.0, 1.0], [[0.0, 2.0], [0.5, 0.0]]) == (4.0, 4.0)
        assert certify.timescale_band([1.5, 1.5], [[0.0, 2.0], [0.5, 0.0]], 0.5) == (4.0, 4.0)
        one, two = (
            certify.timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]], players=pair)
            for pair in ((0, 1), (1, 0))
        )
        np.testing.assert_allclose(two, (1 / one[1], 1 / one[0]), rtol=1e-14)

    @pytest.mark.parametrize("scale", [1e-200, 1e200])
    def test_extreme_units(self, scale):
        low, high = certify.timescale_band([1.0 * scale] * 2, [[0, 0.5 * scale], [0.5 * scale, 0]])
        roots = 7 - 4 * 3**0.5, 7 + 4 * 3**0.5  # of r^2 - 14 r + 1
        assert (low, high) == pytest.approx(roots, rel=1e-12)


def margin_in(weights, mu, coupling):
    root = np.sqrt(weights)
    scaled = (np.diag(mu) - coupling) * (root[:, None] / root)
    return np.linalg.eigvalsh(0.5 * (scaled + scaled.T))[0]


class TestManyPlayers:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.floats(0.3, 1.0), st.booleans())
    def test_ends_have_the_margin_and_beyond_them_not(self, seed, n, density, sparse):
        rng = np.random.default_rng(seed)
        mu = rng.uniform(0.5, 2, n)
        coupling = rng.lognormal(-2.5, 1.0, (n, n)) * (rng.random((n, n)) < density)
        np.fill_diagonal(coupling, 0.0)
        gain = certify.small_gain(mu, coupling)
        margin = gain.margin - rng.uniform(0.02, 0.5)
        i, j = (int(k) for k in rng.choice(n, 2, replace=False))
        given = scipy.sparse.coo_array(coupling) if sparse else coupling
        low, high = certify.timescale_band(mu, given, margin, (i, j), gain.weights)

        def margin_at(ratio):
            weights = gain.weights.copy()
            weights[j] = weights[i] * ratio
            return margin_in(weights, mu, coupling)

        scale = coupling.max() + 2
        assert low <= gain.weights[j] / gain.weights[i] <= high
        for end, beyond in ((low, 0.999), (high, 1.001)):
            if 0 < end < np.inf:
                assert margin_at(end) >= margin - 1e-11 * scale
                assert margin_at(end * beyond) < margin
        assert (low == 0) == (not coupling[:, j].any())
        assert (high == np.inf) == (not coupling[j].any())

    def test_two_players_in_a_larger_game(self):
        """The others are on their own: the closed form of two."""
        coupling = np.zeros((5, 5))
        coupling[3, 1], coupling[1, 3], coupling[0, 2] = 10.0, 0.05, 0.3
        low, high = certify.timescale_band(np.ones(5), coupling, players=(3, 1), weights=np.ones(5))
        pair = certify.timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        assert (low, high) == pytest.approx(pair, rel=1e-9)
        assert pair[0] <= low <= high <= pair[1] or np.allclose((low, high), pair, rtol=1e-14)
        assert certify.timescale_band(np.ones(5), coupling, 0.0, (0, 4)) == (0.0, np.inf)
        weights = np.array([1.0, 200.0, 1.0, 1.0, 1.0])  # good ones for the pair
        low, high = certify.timescale_band(np.ones(5), coupling, 0.0, (0, 2), weights)
        assert low == pytest.approx(0.09 / 4, rel=1e-12) and high == np.inf
        low, high = certify.timescale_band(np.ones(5), coupling, 0.0, (2, 0), weights)
        assert low == 0.0 and high == pytest.approx(4 / 0.09, rel=1e-12)

    def test_equal_players_closed_form(self):
        """N players, all couplings c, weights one: `2 r a >= (N - 1)^2 c^2 (1 + r)^2 / lambda`."""
        n, c = 6, 0.1
        coupling = c * (1 - np.eye(n))
        low, high = certify.timescale_band(np.ones(n), coupling, 0.0, (0, 1), np.ones(n))
        # S_R has the eigenvalue 2 (1 - (n - 2) c) in the direction of ones.
        k = (n - 1) * c**2 / (4 * (1 - (n - 2) * c))
        half = (1 - 2 * k) / (2 * k)
        root = np.sqrt(half**2 - 1)
        assert (low, high) == pytest.approx((half - root, half + root), rel=1e-9)
        assert margin_in(np.array([1, low, 1, 1, 1, 1]), np.ones(n), coupling) >= -1e-15
        assert margin_in(np.array([1, high, 1, 1, 1, 1]), np.ones(n), coupling) >= -1e-15

    def test_couplings_that_vanish_by_underflow_still_bound_the_band(self):
        coupling = np.zeros((3, 3))
        coupling[0, 1] = coupling[1, 2] = 1e-200
        for pair, weights in (((0, 1), [1.0, 1.0, 1.0]), ((1, 2), [1.0, 1.0, 1.0])):
            with pytest.raises(ValueError, match="proved"):
                certify.timescale_band(np.ones(3), coupling, 0.0, pair, weights)
        assert certify.timescale_band(np.ones(3), 0 * coupling, 0.0, (0, 1)) == (0.0, np.inf)

    def test_a_large_sparse_network(self):
        rng = np.random.default_rng(0)
        n = 3000
        rows, columns = rng.integers(0, n, 3 * n), rng.integers(0, n, 3 * n)
        coupling = scipy.sparse.coo_array((rng.uniform(0, 0.1, 3 * n), (rows, columns)), (n, n))
        gain = certify.small_gain(np.ones(n), coupling)
        low, high = certify.timescale_band(
            np.ones(n), coupling, gain.margin - 0.1, (0, 1), gain.weights
        )
        assert low < gain.weights[1] / gain.weights[0] < high

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"players": (0, 0)}, "two different"),
            ({"players": (0, 3)}, "two different"),
            ({"players": (-1, 1)}, "two different"),
            ({"players": (0, 1), "weights": [1, 1]}, "3 positive numbers"),
            ({"players": (0, 1), "weights": [1, 1, 0]}, "3 positive numbers"),
            ({"players": (0, 1), "margin": 1.0}, "not above the margin"),
            ({"players": (0, 1), "margin": 0.99}, "too strong"),
            ({"players": (0, 1), "weights": [1, 1, 1e9]}, "too strong"),
            ({"players": (0, 1), "margin": float("nan")}, "not finite"),
        ],
    )
    def test_refusals(self, options, message):
        coupling = 0.2 * (1 - np.eye(3))
        with pytest.raises(ValueError, match=message):
            certify.timescale_band([1.0, 1.0, 1.0], coupling, **options)

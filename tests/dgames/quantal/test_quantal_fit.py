"""Precisions fitted to counts: closed forms, a published experiment, and maxima at the ends."""

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import chi2

import dgames as dg
from dgames.games import MatrixGame

LOOP = MatrixGame([[6.0, 6.0], [7.32, 1.0]], [[7.0, 7.0], [6.0, 4.0]])
# Matching pennies of Ochs (1995) as McKelvey and Palfrey (1995) transformed it.
OCHS = MatrixGame([[1.1141, 0.0], [0.0, 0.2785]], [[0.0, 1.1141], [1.1141, 0.0]])
ALONE = MatrixGame([[0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])


def play(first, second):
    return jnp.array(first, float), jnp.array(second, float)


def test_a_published_experiment():
    """The documentation of Gambit has 1.8456097536855862 and -174.76453191087444."""
    counts = play([128 * 0.527, 128 * 0.473], [128 * 0.366, 128 * 0.634])
    fit = dg.fit_precision(OCHS, counts)
    assert abs(fit.precision - 1.8456097536855862) < 2e-8
    assert abs(fit.log_likelihood + 174.76453191087444) < 1e-10
    assert np.allclose(fit.strategies[0], [0.615651314427859, 0.3843486855721409], atol=1e-8)
    assert np.allclose(fit.strategies[1], [0.38329094004562914, 0.6167090599543709], atol=1e-8)
    assert fit.boundary is None and fit.complete and fit.turns == 0
    # The likelihood by equations of the game itself.
    around = fit.precision + 0.05 * np.arange(-2, 3)
    values = [ochs_likelihood(precision, counts) for precision in (*fit.interval, *around)]
    assert_allclose(fit.log_likelihood - np.array(values[:2]), chi2.ppf(0.95, 1) / 2, atol=1e-6)
    second = np.dot([-1, 16, -30, 16, -1], values[2:]) / 12 / 0.05**2
    assert abs(fit.standard_error * np.sqrt(-second) - 1) < 1e-4


def ochs_likelihood(precision, counts):
    """Of the only response: one answer rises with the other player's, the other falls."""

    def answer(p):
        return 1 / (1 + np.exp(-precision * 1.1141 * (1 - 2 * p)))

    def miss(p):
        q = answer(p)
        return p - 1 / (1 + np.exp(-precision * (1.1141 * q - 0.2785 * (1 - q))))

    p = float(np.asarray(brentq(miss, 0, 1, xtol=1e-15)))
    probabilities = ([p, 1 - p], [answer(p), 1 - answer(p)])
    return float(sum(n @ np.log(own) for n, own in zip(counts, probabilities, strict=True)))


def test_a_choice_alone():
    """Of two actions whose payoffs differ by one: log(k / (n - k)), with n p (1 - p)."""
    fit = dg.fit_precision(ALONE, play([0, 0], [25, 75]), level=0.9)
    assert abs(fit.precision - np.log(3)) < 1e-9
    assert abs(fit.standard_error - 1 / np.sqrt(100 * 0.25 * 0.75)) < 1e-9
    best = 25 * np.log(0.25) + 75 * np.log(0.75)
    assert abs(fit.log_likelihood - best) < 1e-10
    for end in fit.interval:
        value = -25 * np.logaddexp(0, end) - 75 * np.logaddexp(0, -end)
        assert abs(best - value - chi2.ppf(0.9, 1) / 2) < 1e-7


def test_maxima_at_the_ends():
    zero = dg.fit_precision(ALONE, play([0, 0], [75, 25]))
    assert zero.precision == 0 and zero.boundary == "zero" and zero.interval[0] == 0
    assert np.isnan(zero.standard_error)
    sharp = dg.fit_precision(ALONE, play([1, 1], [0, 100]))
    assert sharp.precision == np.inf and sharp.boundary == "infinity"
    # 100 log(1 + exp(-x)) is half a quantile.
    lowest = -np.log(np.expm1(chi2.ppf(0.95, 1) / 200))
    assert abs(sharp.interval[0] - lowest) < 1e-7 and sharp.interval[1] == np.inf
    short = dg.fit_precision(ALONE, play([0, 0], [1, 99]), largest=2.0)
    assert short.precision == np.inf and 2 <= short.followed < 3
    flat = dg.fit_precision(MatrixGame.matching_pennies(), play([5, 5], [1, 9]))
    assert flat.boundary == "flat" and np.isnan(flat.precision) and flat.interval == (0, np.inf)


def test_the_middle_of_a_branch_that_turns():
    """Between its two turns, where a precision is not enough to name an equilibrium."""
    fit = dg.fit_precision(LOOP, play([640, 360], [715, 285]))
    assert fit.turns == 1 and 1.3242 < fit.precision < 1.3495
    p, q = (float(own[0]) for own in fit.strategies)
    precision = fit.precision
    assert abs(np.log(p / (1 - p)) - precision * (5 - 6.32 * q)) < 1e-9
    assert abs(np.log(q / (1 - q)) - precision * 2 * (1 - p)) < 1e-9

    # A scan over the probability p of the whole branch, which has one precision for each here.
    def likelihood(p):
        guess, q = 1.33, 0.5
        for _ in range(50):
            q = 1 / (1 + np.exp(-2 * guess * (1 - p)))
            miss = guess * (5 - 6.32 * q) - np.log(p / (1 - p))
            guess -= miss / (5 - 6.32 * q - guess * 12.64 * q * (1 - q) * (1 - p))
        value = 640 * np.log(p) + 360 * np.log1p(-p) + 715 * np.log(q) + 285 * np.log1p(-q)
        return value, guess

    values = [likelihood(x) for x in np.linspace(0.6, 0.7, 100_001)[::100]]
    best = max(values)
    assert abs(best[0] - fit.log_likelihood) < 1e-2 and best[0] <= fit.log_likelihood
    assert abs(best[1] - precision) < 1e-4


def test_a_branch_that_ends():
    """Where branches meet, the part before is searched, and it is said so."""
    alike = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    fit = dg.fit_precision(alike, play([50, 50], [25, 75]))
    assert not fit.complete and abs(fit.followed - 2) < 1e-6


def test_bad_data():
    bad = (ValueError, jaxtyping.TypeCheckError)
    for counts in (play([0, 0], [0, 0]), play([1, -1], [1, 1]), play([np.nan, 1], [1, 1])):
        with pytest.raises(bad, match="counts are numbers"):
            dg.fit_precision(LOOP, counts)
    with pytest.raises(bad, match="level is between"):
        dg.fit_precision(LOOP, play([1, 1], [1, 1]), level=1.0)
    with pytest.raises(bad, match="largest is a positive"):
        dg.fit_precision(LOOP, play([1, 1], [1, 1]), largest=-1.0)

"""Integer proofs of quotients, against Python's integers and rationals."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.metric.quotients import RowSums, floor_products, proved_above, proved_below

anything = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=1000, deadline=None)
@given(anything, anything, st.integers(-2300, 2300))
def test_products_are_rounded_down_or_refused(a, b, unit):
    """Every sign, subnormal numbers, any unit: the result of Python's rationals, or none."""
    result, fits = floor_products(np.array([a]), np.array([b]), np.array([unit]))
    exact = Fraction(a) * Fraction(b) / Fraction(2) ** unit
    assert fits[0] == (abs(exact) < 2**62) or not fits[0]
    if fits[0]:
        assert int(result[0]) == floor(exact)
    else:
        assert abs(exact) >= 2**61


@settings(max_examples=500, deadline=None)
@given(anything, anything, st.integers(30, 130))
def test_products_near_the_edge_of_the_words(a, b, bits):
    """Units so many bits below the product."""
    unit = int(np.frexp(a)[1] + np.frexp(b)[1]) - bits
    result, fits = floor_products(np.array([a]), np.array([b]), np.array([unit]))
    exact = Fraction(a) * Fraction(b) / Fraction(2) ** unit
    assert int(result[0]) == floor(exact) if fits[0] else abs(exact) >= 2**61
    assert fits[0] or bits > 60


def test_integers_with_all_bits_set():
    top = float(2**53 - 1)
    for a, b in ((top, top), (-top, top), (-top, -top), (top, 1.0), (-1.0, top)):
        for unit in range(45, 120):
            result, fits = floor_products(np.array([a]), np.array([b]), np.array([unit]))
            assert fits[0] and int(result[0]) == int(a) * int(b) >> unit


def quotients(mu, matrix, vector):
    """`(K x)_i / x_i`, exactly, over the support."""
    x = [Fraction(float(y)) for y in vector]
    return [
        Fraction(float(mu[i]))
        - sum(Fraction(float(a)) * x[j] for j, a in enumerate(matrix[i]) if a) / x[i]
        for i in range(len(x))
        if x[i]
    ]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from([0.0, 1.0, 10.0, 50.0]))
def test_bounds_hold_and_are_tight(seed, n, spread):
    rng = np.random.default_rng(seed)
    mu = rng.normal(size=n) * np.exp(rng.normal(size=n) * spread / 10)
    matrix = np.exp(rng.normal(size=(n, n)) * spread) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(matrix, 0.0)
    vector = np.exp(rng.normal(size=n) * spread)
    sparse = scipy.sparse.csr_array(matrix)
    exact = quotients(mu, matrix, vector)
    below = proved_below(mu, sparse, vector)
    assert below <= min(exact)
    worst = int(np.argmin([float(q) for q in exact]))
    size = abs(mu[worst]) + abs(float(exact[worst]))
    assert float(min(exact) - Fraction(below)) <= 1e-14 * size

    vector[rng.random(n) < 0.3] = 0.0
    above = proved_above(mu, sparse, vector)
    if vector.any():
        exact = quotients(mu, matrix, vector)
        assert above >= max(exact)
        size = max(abs(mu)) + float(max(abs(q) for q in exact))
        assert float(Fraction(above) - max(exact)) <= 1e-13 * size
    else:
        assert above == np.inf


def test_a_bound_that_is_just_false_is_not_proved():
    """`K v = v - L v` with quotients that are no floats: the next one is not proved."""
    sparse = scipy.sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    mu, vector = np.array([1.0, 1.0]), np.array([3.0, 7.0])
    below, above = proved_below(mu, sparse, vector), proved_above(mu, sparse, vector)
    assert Fraction(below) <= 1 - Fraction(7, 3) < Fraction(np.nextafter(below, 0.0))
    assert Fraction(np.nextafter(above, 0.0)) < 1 - Fraction(3, 7) <= Fraction(above)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_vectors_that_prove_nothing(bad):
    sparse = scipy.sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    mu, vector = np.ones(2), np.array([1.0, bad])
    assert proved_below(mu, sparse, vector) == -np.inf
    if bad != 0.0:
        assert proved_above(mu, sparse, vector) == np.inf


def test_overflow_proves_nothing():
    sparse = scipy.sparse.csr_array(np.array([[0.0, 1e300], [1e300, 0.0]]))
    assert proved_below(np.ones(2), sparse, np.full(2, 1e300)) == -np.inf
    assert proved_above(np.ones(2), sparse, np.full(2, 1e300)) == np.inf


def test_one_row_with_many_entries():
    """A row in several chunks, all its terms rounded up."""
    n = 300_000
    hub = (np.full(n - 1, 0.1), (np.zeros(n - 1, int), np.arange(1, n)))
    matrix = scipy.sparse.coo_array(hub, (n, n)).tocsr()
    bound = proved_below(np.ones(n), matrix, np.ones(n))
    exact = 1 - (n - 1) * Fraction(0.1)
    assert bound <= exact and float(exact - Fraction(bound)) <= 1e-7


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.booleans(), st.integers(-6, 6))
def test_what_is_proved_of_a_row_is_true(seed, n, upwards, ulps):
    """Claims a few roundings from the truth, on either side: proved ones hold."""
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.0, 1.0, 30.0])
    mu, vector = rng.normal(size=n), np.exp(spread * rng.normal(size=n))
    matrix = np.exp(spread * rng.normal(size=(n, n))) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(matrix, 0.0)
    rows = RowSums(mu, scipy.sparse.csr_array(matrix), vector, upwards)
    exact = quotients(mu, matrix, vector)
    for row in range(n):
        bound = float(exact[row]) + ulps * float(np.spacing(float(exact[row])))
        proved = bool(rows.prove(bound)[row])
        true = Fraction(bound) <= exact[row] if upwards else Fraction(bound) >= exact[row]
        assert true or not proved
        slack = abs(Fraction(bound) - exact[row])
        if true and slack > Fraction(1, 2**50) * (abs(Fraction(mu[row])) + abs(exact[row])):
            assert proved

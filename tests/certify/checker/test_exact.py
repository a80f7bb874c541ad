"""Exact positive definiteness: against rational elimination, and against sampled families."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker import Unusable
from certify.checker.exact import (
    Work,
    family_positive_definite,
    generator,
    positive_definite,
)
from certify.checker.matrices import product


def exactly_positive_definite(matrix):
    """Rational LDL', the slow and obvious way."""
    a = [[Fraction(x) for x in row] for row in matrix]
    for k in range(len(a)):
        if a[k][k] <= 0:
            return False
        for i in range(k + 1, len(a)):
            factor = a[i][k] / a[k][k]
            a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
    return True


def plain(matrix):
    """A generator without modes."""
    return generator(matrix, [], Work())


def gram(rng, n, rank, size):
    q = rng.integers(-size, size + 1, (n, rank)).astype(object)
    return (q @ q.T).tolist()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(-3, 3))
def test_agrees_with_rational_elimination(seed, n, shift):
    rng = np.random.default_rng(seed)
    matrix = gram(rng, n, n, 4)
    for i in range(n):
        matrix[i][i] += shift
    assert positive_definite(matrix) == exactly_positive_definite(matrix)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5), st.integers(0, 200))
def test_products(seed, rows, columns, bits):
    rng = np.random.default_rng(seed)
    top = 2**bits
    left, right = (
        [[int(x) * top // 2**30 for x in row] for row in rng.integers(-(2**30), 2**30 + 1, shape)]
        for shape in ((rows, 4), (4, columns))
    )
    expected = [[sum(map(int.__mul__, row, c)) for c in zip(*right, strict=True)] for row in left]
    assert product(left, right) == expected


def test_products_of_the_largest_entries():
    """Every digit at its end, with both signs."""
    for sign in (1, -1):
        for bits in range(1, 20):
            left, right = [[sign * (2**bits - 1)] * 7], [[2**bits - 1, 1 - 2**bits]] * 7
            value = 7 * sign * (2**bits - 1) ** 2
            assert product(left, right) == [[value, -value]]


def test_what_floating_point_wrongly_accepts():
    """Semidefinite integer matrices: 148 of those on which a Cholesky factorisation succeeds."""
    rng, accepted_by_float, tried = np.random.default_rng(0), 0, 0
    while accepted_by_float < 148:
        matrix = gram(rng, 6, 5, 9)
        assert not positive_definite(matrix)
        tried += 1
        try:
            np.linalg.cholesky(np.array(matrix, float))
            accepted_by_float += 1
        except np.linalg.LinAlgError:
            pass
    assert tried < 5000


@pytest.mark.parametrize("n", [16, 64])
@pytest.mark.parametrize("condition", [1e2, 1e8])
def test_ill_conditioned_matrices_are_proved(n, condition):
    rng = np.random.default_rng(n)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    dense = q @ np.diag(np.logspace(0, -np.log10(condition), n)) @ q.T
    integers = [[int(dense[max(i, j), min(i, j)] * 2**60) for j in range(n)] for i in range(n)]
    assert positive_definite(integers)
    integers[0][0] -= 2 * integers[0][0]
    assert not positive_definite(integers)


def test_badly_scaled_coordinates():
    """Coordinates in units that differ by 10^30 are no obstacle."""
    base = [[2, -1, 0], [-1, 2, -1], [0, -1, 2]]
    units = [1, 10**15, 10**30]
    scaled = [[base[i][j] * units[i] * units[j] for j in range(3)] for i in range(3)]
    assert positive_definite(scaled)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(0, 3))
def test_every_member_of_an_accepted_family_is_positive_definite(seed, n, count):
    rng = np.random.default_rng(seed)

    def symmetric(size):
        a = rng.integers(-size, size + 1, (n, n))
        return a + a.T

    centre = np.array(gram(rng, n, n, 20)) + 60 * np.eye(n, dtype=int)
    generators = [symmetric(12) for _ in range(count)]
    remainder = np.abs(symmetric(6))
    scaling = rng.integers(1, 10, n).tolist()
    accepted = family_positive_definite(
        centre.tolist(),
        [plain(g.tolist()) for g in generators],
        remainder.tolist(),
        scaling,
        Work(),
    )
    members = []
    for _ in range(64):
        signs = rng.choice([-1, 0, 1], count)
        noise = np.triu(rng.integers(-1, 2, (n, n)))
        noise = noise + np.triu(noise, 1).T
        member = centre + sum((s * g for s, g in zip(signs, generators, strict=True)), 0 * centre)
        members.append(exactly_positive_definite((member + noise * remainder).tolist()))
    assert all(members) or not accepted


def test_vertices_prove_what_folding_cannot():
    """At both ends the family is definite, but as a remainder the generator is too large."""
    centre, turned = [[4, 0], [0, 4]], [[3, 2], [2, -3]]
    generators, none = [plain(turned)], [[0, 0], [0, 0]]
    assert family_positive_definite(centre, generators, none, [1, 1], Work())
    folded = [[abs(x) for x in row] for row in turned]
    assert not family_positive_definite(centre, [], folded, [1, 1], Work())


def test_scaling_moves_the_loss_to_the_stiff_coordinate():
    centre, remainder = [[10000, 0], [0, 10]], [[500, 50], [50, 0]]
    assert family_positive_definite(centre, [], remainder, [100, 1], Work()) is False
    assert family_positive_definite(centre, [], remainder, [1, 10], Work())


def test_hopeless_matrices_are_not_proved():
    """Whatever the guess in floating point runs into."""
    for matrix in ([[1, 10**400], [10**400, 1]], [[0]], [[0, 1], [1, 0]], [[1, 1], [1, 1]]):
        assert not positive_definite(matrix)
    assert positive_definite([[10**700, 1], [1, 1]])


def test_work_is_bounded(monkeypatch):
    """A family that only its 2^10 vertices prove: two generators turn each of five planes."""
    n, generators = 10, []
    for k in range(0, n, 2):
        turned, mirrored = ([[0] * n for _ in range(n)] for _ in range(2))
        turned[k][k + 1] = turned[k + 1][k] = mirrored[k][k] = 10
        mirrored[k + 1][k + 1] = -10
        generators += [plain(turned), plain(mirrored)]
    zero, centre = ([[size * (i == j) for j in range(n)] for i in range(n)] for size in (0, 16))
    work = Work()
    before = work.left
    assert family_positive_definite(centre, generators, zero, [1] * n, work)
    parts = sum(2**depth * (n - depth) for depth in range(n + 1))  # generators left at each test
    assert before - work.left == (2047 * (n + 4) + parts) * (n + 4) ** 2
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 10**6)
    with pytest.raises(Unusable, match="too much work"):
        family_positive_definite(centre, generators, zero, [1] * n, Work())

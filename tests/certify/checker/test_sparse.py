"""Positive definiteness of sparse matrices: against the dense test, and rational elimination."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker import Unusable
from certify.checker.exact import Work, positive_definite
from certify.checker.sparse import sparse_positive_definite
from tools.definite import exactly_positive_definite, last_schur_complement


def triangle(matrix):
    """The entries on and below the diagonal that are not zero, but for some that are."""
    return [
        {j: x for j, x in enumerate(row[: i + 1]) if x or (i + j) % 5 == 0}
        for i, row in enumerate(matrix)
    ]


def scattered(rng, n, bits):
    """A symmetric matrix with few entries, around the edge of dominance."""
    matrix = np.zeros((n, n), object)
    for _ in range(2 * n):
        i, j = rng.integers(0, n, 2)
        matrix[i, j] = matrix[j, i] = int(rng.integers(-9, 10)) << bits
    for i in range(n):
        matrix[i, i] = 0
        matrix[i, i] = int(sum(abs(matrix[i])) * int(rng.integers(5, 12)) // 10) + (
            1 << max(0, bits - 20)
        )
    return matrix.tolist()


def band(n, half, excess):
    """A matrix of zero row sums but for an excess on the diagonal: singular without one."""
    rows = [dict.fromkeys(range(max(0, i - half), i), -(2**40)) for i in range(n)]
    for i in range(n):
        rows[i][i] = (min(i, half) + min(n - 1 - i, half)) * 2**40 + excess
    return rows


def proved(matrix, order):
    return sparse_positive_definite(matrix, order, Work())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 300), st.integers(0, 900))
def test_agrees_with_the_dense_test_in_every_order(seed, n, bits, spread):
    rng = np.random.default_rng(seed)
    matrix = scattered(rng, n, bits)
    units = [2 ** int(k) for k in rng.integers(0, spread + 1, n)]
    moved = [
        [x * a * b for x, b in zip(row, units, strict=True)]
        for row, a in zip(matrix, units, strict=True)
    ]
    answers = {proved(triangle(moved), rng.permutation(n).tolist()) for _ in range(3)}
    assert answers == {positive_definite(moved)} == {exactly_positive_definite(matrix)}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(0, 200))
def test_nothing_but_positive_definite_matrices_is_proved(seed, n, bits):
    """At the edge: the last diagonal entry is moved to both sides of what makes it singular."""
    rng = np.random.default_rng(seed)
    matrix = scattered(rng, n, bits)
    if not exactly_positive_definite([row[:-1] for row in matrix[:-1]]):
        return
    edge = matrix[-1][-1] - last_schur_complement(matrix)
    for step in (0, 1, *(2**k for k in range(bits // 2, bits + 9, 7))):
        for value in (edge.__floor__() - step, edge.__ceil__() + step):
            matrix[-1][-1] = value
            accepted = proved(triangle(matrix), rng.permutation(n).tolist())
            assert exactly_positive_definite(matrix) or not accepted


@pytest.mark.parametrize("half", [1, 8, 24])
def test_ten_thousand_coordinates(half):
    """In the order of the band, from either end; without an excess it is singular."""
    n = 10_000
    order = list(range(n))
    start = time.perf_counter()
    assert proved(band(n, half, 2**20), order)
    assert time.perf_counter() - start < 20
    assert proved(band(n, half, 2**20), order[::-1])
    assert not proved(band(n, half, 0), order)
    assert not proved(band(n, half, -(2**10)), order)


def test_what_is_no_order_proves_nothing():
    matrix = [{0: 2}, {0: 1, 1: 2}, {2: 1}]
    assert proved(matrix, [2, 0, 1])
    for order in ([], [0, 1], [0, 1, 1], [0, 1, 3], [-1, 0, 1], [0, 1, 2, 2], [0, 1, 2, 3]):
        assert not proved(matrix, order)


def test_missing_or_negative_diagonals():
    assert not proved([], [])
    for row in ({}, {0: 0}, {0: -1}):
        assert not proved([row], [0])
        assert not proved([{0: 1}, {key + 1: x for key, x in row.items()}], [0, 1])
    assert proved([{0: 1}], [0])


@pytest.mark.parametrize("column", [-1, 1])
def test_entries_above_the_diagonal_are_an_error(column):
    with pytest.raises(ValueError, match=f"row 0 has an entry in column {column}"):
        proved([{0: 1, column: 1}, {1: 1}], [0, 1])


def test_the_input_is_left_as_it_was():
    matrix, order = [{0: 2}, {0: 1, 1: 2}], [1, 0]
    assert proved(matrix, order) and proved(matrix, order)
    assert (matrix, order) == ([{0: 2}, {0: 1, 1: 2}], [1, 0])


def star(n):
    return [{0: n}, *({0: 1, i: 2} for i in range(1, n))]


def test_memory_is_bounded(monkeypatch):
    """A star fills up if its centre comes first, and not at all if it comes last."""
    monkeypatch.setattr("certify.checker.sparse.MAX_ENTRIES", 2**12)
    assert proved(star(50), list(range(50)))
    assert proved(star(1000), list(range(1000))[::-1])
    with pytest.raises(Unusable, match="too much memory"):
        proved(star(100), list(range(100)))


def test_work_is_bounded(monkeypatch):
    work = Work()
    before = work.left
    assert sparse_positive_definite(star(10), list(range(10))[::-1], work)
    assert before - work.left == 10 + 19 + 9 * (2 + 8) ** 2 + (1 + 8) ** 2
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 10**5)
    with pytest.raises(Unusable, match="too much work"):
        proved(star(400), list(range(400)))
    with pytest.raises(Unusable, match="too much work"):
        proved([{0: 1 << 10**8 + 10**4}], [0])

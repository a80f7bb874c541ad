"""Scaled diagonal dominance: what is accepted is positive definite."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certify.checker import dominance
from certify.checker.dominance import scaled_dominant
from certify.checker.exact import Work
from certify.checker.reader import Unusable

ENTRIES = st.integers(-(2**70), 2**70)


def lower(matrix):
    return [{j: x for j, x in enumerate(row[: i + 1]) if x} for i, row in enumerate(matrix)]


def definite(matrix):
    """Decides by elimination in fractions."""
    rows = [list(map(Fraction, row)) for row in matrix]
    for k in range(len(rows)):
        if rows[k][k] <= 0:
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return True


@st.composite
def matrices(draw):
    n = draw(st.integers(1, 5))
    matrix = [[0] * n for _ in range(n)]
    small = draw(st.booleans())
    entry = st.integers(-3, 3) if small else ENTRIES
    for i in range(n):
        for j in range(i):
            matrix[i][j] = matrix[j][i] = draw(entry)
        matrix[i][i] = draw(st.integers(-1, 9) if small else st.integers(0, 2**72))
    scaling = draw(st.lists(st.integers(-1, 6), min_size=n, max_size=n))
    return matrix, scaling


@given(matrices())
def test_what_is_accepted_is_positive_definite(case):
    matrix, scaling = case
    if scaled_dominant(lower(matrix), scaling, Work()):
        assert definite(matrix)
        assert min(scaling) > 0


@given(matrices())
def test_it_is_the_stated_inequality(case):
    matrix, scaling = case
    n = len(matrix)
    expected = min(scaling) > 0 and all(
        2 * matrix[i][i] * scaling[i] > sum(abs(matrix[i][j]) * scaling[j] for j in range(n))
        for i in range(n)
    )
    assert scaled_dominant(lower(matrix), scaling, Work()) == expected


def test_an_equality_is_not_enough():
    matrix = [[2, -2], [-2, 2]]  # singular, with the null vector (1, 1)
    assert not scaled_dominant(lower(matrix), [1, 1], Work())
    matrix[1][1] = 3
    assert not scaled_dominant(lower(matrix), [1, 1], Work())
    assert scaled_dominant(lower(matrix), [11, 10], Work())


def test_perron_vectors_prove_nearly_all_of_a_laplacian():
    n = 40
    matrix = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    vector = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
    least = 2 - 2 * np.cos(np.pi / (n + 1))
    scaling = [int(x) for x in np.rint(vector * 2**40)]
    for share, accepted in ((1 - 1e-6, True), (1 + 1e-6, False)):
        shifted = np.rint((matrix - share * least * np.eye(n)) * 2**60).astype(object)
        rows = lower([[int(x) for x in row] for row in shifted])
        assert scaled_dominant(rows, scaling, Work()) == accepted


def test_numbers_have_to_be_positive():
    assert not scaled_dominant([{0: -1}], [-1], Work())
    assert not scaled_dominant([{0: 1}, {1: 1}], [1, 0], Work())


def test_what_makes_no_sense():
    with pytest.raises(ValueError, match="1 numbers for 2 rows"):
        scaled_dominant([{0: 1}, {1: 1}], [1], Work())
    with pytest.raises(ValueError, match="row 0 has an entry in column 1"):
        scaled_dominant([{0: 1, 1: 0}, {1: 1}], [1, 1], Work())


def test_work_is_paid_before_it_is_done(monkeypatch):
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 1000)
    few = [{k: 1} for k in range(100)]
    assert scaled_dominant(few, [1] * 100, Work())
    monkeypatch.setattr(dominance, "min", pytest.fail, raising=False)
    with pytest.raises(Unusable, match="work"):
        scaled_dominant(few, [2**5000] * 100, Work())

"""Exact positive definiteness: against rational elimination, and against sampled families."""

from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker import Unusable
from certify.checker.exact import (
    BITS,
    Work,
    column,
    family_positive_definite,
    generator,
    positive_definite,
)
from certify.checker.matrices import Packing, product
from certify.checker.sparse import sparse_positive_definite
from tools.definite import exactly_positive_definite, last_schur_complement


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


@given(st.integers(1, 100), st.data())
def test_rows_as_long_integers(bits, data):
    """With whatever lies beyond the row, and entries as large as they may be."""
    entry = st.integers(1 - 2**bits, 2**bits - 1)
    row = data.draw(st.lists(entry, min_size=1, max_size=9))
    beyond, packing = data.draw(st.integers(-(2**200), 2**200)), Packing(bits)
    total = packing.packed(row) + (beyond << 8 * packing.width * len(row))
    assert packing.unpacked(total, len(row)) == row
    assert packing.unpacked(packing.cut(total, len(row)), len(row)) == row
    assert packing.unpacked(packing.cut(total, 1), 1) == row[:1]


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
@pytest.mark.parametrize("condition", [1e2, 1e8, 1e13])
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
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 300), st.booleans())
def test_nothing_but_positive_definite_matrices_is_proved(seed, n, bits, units):
    """At the edge: the last diagonal entry is moved to both sides of what makes it singular."""
    rng = np.random.default_rng(seed)
    matrix = [[x << bits for x in row] for row in gram(rng, n, n, 9)]
    for i in range(n):
        for j in range(i):
            matrix[i][j] = matrix[j][i] = matrix[i][j] + int(rng.integers(-9, 10))
    if not exactly_positive_definite([row[:-1] for row in matrix[:-1]]):
        return
    edge = matrix[-1][-1] - last_schur_complement(matrix)
    scales = [2 ** int(k) for k in rng.integers(0, 1000, n)] if units else [1] * n
    steps = [0, 1, *(2**k for k in range(bits // 2, bits + 10, 7))]
    for value in {edge.__floor__() + sign * step for step in steps for sign in (-1, 1)}:
        matrix[-1][-1] = value
        proved = positive_definite(rescaled(matrix, scales))
        assert exactly_positive_definite(matrix) or not proved
        relative = (value - edge) / matrix[-1][-1] if value > 0 else 0
        smallest = np.linalg.eigvalsh(correlation(matrix))[0] if relative > 1e-9 else 0
        assert proved or smallest < 1e-12


def rescaled(matrix, scales):
    return [
        [x * own * scale for x, scale in zip(row, scales, strict=True)]
        for row, own in zip(matrix, scales, strict=True)
    ]


def correlation(matrix):
    """With a diagonal of about one, in floating point."""
    root, axes = [isqrt(row[i] << 200) for i, row in enumerate(matrix)], range(len(matrix))
    return np.array([[(matrix[i][j] << 200) / (root[i] * root[j]) for j in axes] for i in axes])


@given(st.integers(1, 9), st.integers(0, 1000))
def test_diagonal_matrices(n, bits):
    matrix = [[(i == j) << bits // (i + 1) for j in range(n)] for i in range(n)]
    assert positive_definite(matrix)
    for value in (0, -1, -(2**bits)):
        matrix[n // 2][n // 2] = value
        assert not positive_definite(matrix)


@settings(max_examples=300)
@given(
    st.integers(1, 2 ** (2 * BITS)),
    st.lists(st.integers(-(2 ** (2 * BITS)), 2 ** (2 * BITS)), max_size=4),
    st.integers(0, 2 ** (2 * BITS)) | st.integers(0, 2**BITS) | st.just(0),
    st.integers(-2, 2) | st.integers(-(2 ** (BITS // 2)), 2 ** (BITS // 2)),
    st.integers(0, 2 * BITS),
)
def test_whatever_the_root_the_residual_is_dominant(pivot, row, owed, error, bits):
    """The root is a guess: another one may fail to prove, but never proves what is not so."""
    row = [x >> bits for x in row]
    guess = max(1, isqrt(pivot) + error)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("certify.checker.exact.isqrt", lambda _: guess)
        found = column(pivot, row, owed)
    if found is None:
        return
    left = [abs(x - guess * y) for x, y in zip(row, found.vector, strict=True)]
    assert all(a + 1 <= b for a, b in zip(left, found.losses, strict=True))
    assert pivot - guess**2 > owed + sum(found.losses)
    assert max(map(abs, found.vector), default=0) < 2**BITS


def test_a_residual_that_is_barely_dominant(monkeypatch):
    """By one, and not at all."""
    monkeypatch.setattr("certify.checker.exact.isqrt", lambda _: 2**50)
    large = len([0]) * (2 ** (BITS - 1) + 1) + 2
    row, lost = [3 * 2**50 + 2**49 - 1], 2**49
    assert column(2**100 + lost + large, row, large - 1) == ([3], [lost])
    assert column(2**100 + lost + large, row, large) is None


@pytest.mark.parametrize("least", [2, 2**57, 2**58 + 2**57, 2**60])
def test_an_entry_of_the_residual_counts_in_both_of_its_rows(least):
    """A residual `[[least, b], [b, c]]` with `b = 7/8 c`, and almost `(1, 1)` as the vector."""
    x, b, c = 2**60 - 2**57, 2**59 - 2**56 - 1, 2**59 + 2
    matrix = [[x**2 + least, x**2 + b], [x**2 + b, x**2 + c]]
    assert exactly_positive_definite(matrix) == (least + c > 2 * b)
    assert positive_definite(matrix) == (least > b)
    rows = [{0: matrix[0][0]}, {0: matrix[1][0], 1: matrix[1][1]}]
    assert sparse_positive_definite(rows, [1, 0], Work()) == (least > b)


@given(st.integers(2**39, 2**40), st.integers(15, 24))
def test_large_vectors_do_not_wrap_around(start, bits):
    """The second pivot is tiny, so that the square of the next entry would not fit its digit."""
    unit = 2**40
    close = unit - (start >> bits)
    assert not positive_definite([[unit, unit // 2, 0], [unit // 2, unit, close], [0, close, unit]])


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
    assert before - work.left == (2047 * 8 + 2 * len(generators)) * (n + 4) ** 2
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 10**6)
    with pytest.raises(Unusable, match="too much work"):
        family_positive_definite(centre, generators, zero, [1] * n, Work())

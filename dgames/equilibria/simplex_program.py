"""Linear programs over probability vectors, solved exactly, with a certificate of optimality.

    max c.p  subject to  p >= 0, sum p = 1, G p <= 0

With `c > 0` (a constant may be added to it) this is `max c.p` subject to `p >= 0`, `sum p <= 1`,
`G p <= 0`, to which p = 0 is feasible: the maximum is zero if the first program is infeasible, and
otherwise has `sum p = 1`, since a shorter p could be scaled up. Its dual has multipliers
`y >= 0` and v with `v + (G'y)_a >= c_a` for all a; then `c.p <= v` for every feasible p.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import fmpq, fmpq_mat

from dgames.equilibria.tableau import Tableau

_TOLERANCES = (1e-9, 1e-7, 1e-11)


class SimplexOptimum(NamedTuple):
    """An optimum in fractions, with its proof.

    Attributes:
        point: The probability vector, or None if no such vector satisfies the constraints.
        value: The bound v, which is `c.p`; if there is no p, any number that bounds nothing.
        multipliers: Those of the rows of G.
    """

    point: list[Fraction] | None
    value: Fraction
    multipliers: list[Fraction]


def best_in_simplex(c: np.ndarray, G: np.ndarray) -> SimplexOptimum:
    """Maximises `c.p` over probability vectors with `G p <= 0`.

    HiGHS proposes which entries of p and of the multipliers are zero; both are then solved for in
    fractions, and verified. Where that fails, the simplex method in integers finds them.

    Args:
        c: Integers, of shape (n,).
        G: Integers, of shape (rows, n).

    Raises:
        RuntimeError: If what was found is not optimal: this is broken then.
    """
    optimum = _from_highs(c, G) or _by_pivots(c, G)
    if not is_optimal(c, G, optimum):
        raise RuntimeError("a linear program was not solved exactly; please report this game")
    return optimum


def is_optimal(c: np.ndarray, G: np.ndarray, optimum: SimplexOptimum) -> bool:
    """Returns whether the numbers prove what they claim, by exact arithmetic.

    If there is no point, they must prove that: `G'y > 0` then, and `p >= 0`, `G p <= 0` imply
    `0 >= y'G p`, which leaves p = 0.
    """
    point, value, multipliers = optimum
    if min(multipliers, default=0) < 0:
        return False
    push, unit = _product(G.T, multipliers)
    if point is None:
        return bool((push > 0).all())
    gains, _ = _product(G, point)
    reached, parts = _product(c[None], point)
    return (
        min(point) >= 0
        and sum(point) == 1
        and bool((gains <= 0).all())
        and bool((push >= (c - value) * unit).all())
        and value * parts == reached[0]
    )


def _product(matrix: np.ndarray, vector: Sequence[Fraction]) -> tuple[np.ndarray, int]:
    """Returns a product times a positive number, and that number: integers if the matrix is."""
    unit = math.lcm(*(value.denominator for value in vector))
    used = [k for k, value in enumerate(vector) if value]
    if not used:
        return np.zeros(len(matrix), object), unit
    whole = np.empty(len(used), object)
    whole[:] = [vector[k].numerator * (unit // vector[k].denominator) for k in used]
    return matrix[:, used] @ whole, unit


def _shift(c: np.ndarray) -> int:
    """What is added to the objective to make it positive, and of one order of magnitude."""
    return int(c.max()) - 2 * int(c.min()) + 1


def _optimum(
    c: np.ndarray, point: list[Fraction], value: Fraction, multipliers: list[Fraction]
) -> SimplexOptimum:
    """Turns a solution of the program with `sum p <= 1` into one of the program asked for."""
    if not any(point):
        return SimplexOptimum(None, Fraction(0), multipliers)
    return SimplexOptimum(point, value - _shift(c), multipliers)


def _from_highs(c: np.ndarray, G: np.ndarray) -> SimplexOptimum | None:
    """Returns a verified optimum with the zeros of that of HiGHS, or None."""
    from scipy.optimize import linprog

    shifted = c + _shift(c)
    size = np.maximum(np.abs(G).max(1, initial=0), 1)
    rows = np.array([*_ratios(G, size), [1.0] * len(c)])
    (cost,) = _ratios(shifted[None], [shifted.max()])
    right = np.array([0.0] * len(G) + [1.0])
    found = linprog(-np.array(cost), rows, right, bounds=(0, None), method="highs-ds")
    if found.status != 0:
        return None
    slack, dual, reduced = found.slack, -found.ineqlin.marginals, found.lower.marginals
    exact = np.concatenate([G, np.ones((1, len(c)), int).astype(object)])
    for tolerance in _TOLERANCES:
        used = np.flatnonzero(found.x > tolerance)
        tight = np.flatnonzero(slack <= tolerance)
        held = np.flatnonzero(dual > tolerance)
        free = np.flatnonzero(reduced <= tolerance)
        one = [int(k == len(G)) for k in tight]
        p = _solution(exact[np.ix_(tight, used)], one)
        y = _solution(exact[np.ix_(held, free)].T, shifted[free].tolist())
        if p is None or y is None:
            continue
        p, y = _spread(p, used, len(c)), _spread(y, held, len(exact))
        optimum = _optimum(c, p, y[-1], y[:-1])
        if is_optimal(c, G, optimum):
            return optimum
    return None


def _ratios(rows: np.ndarray, sizes: Sequence[int] | np.ndarray) -> list[list[float]]:
    """Returns integers, which may be beyond floats, divided by one per row."""
    return [[g / size for g in row] for row, size in zip(rows.tolist(), sizes, strict=True)]


def _solution(matrix: np.ndarray, right: list[int]) -> list[Fraction] | None:
    """Returns a solution of linear equations of integers, or None; free unknowns are zero."""
    count, unknowns = matrix.shape
    if not unknowns:
        return None if any(right) else []
    entries = [
        fmpq(int(value))
        for row, b in zip(matrix.tolist(), right, strict=True)
        for value in (*row, b)
    ]
    reduced, rank = fmpq_mat(count, unknowns + 1, entries).rref()
    result = [Fraction(0)] * unknowns
    for r in range(rank):
        column = next(j for j in range(unknowns + 1) if reduced[r, j])
        if column == unknowns:
            return None
        value = reduced[r, unknowns]
        result[column] = Fraction(int(value.p), int(value.q))
    return result


def _spread(values: list[Fraction], places: np.ndarray, size: int) -> list[Fraction]:
    result = [Fraction(0)] * size
    for place, value in zip(places.tolist(), values, strict=True):
        result[place] = value
    return result


def _by_pivots(c: np.ndarray, G: np.ndarray) -> SimplexOptimum:
    """Returns the optimum by the lexicographic simplex method in integers."""
    matrix = [*G.tolist(), [1] * len(c)]
    tableau, y = Tableau.of(matrix, [0] * len(G) + [1]).maximised((c + _shift(c)).tolist())
    return _optimum(c, tableau.values()[: len(c)], y[-1], y[:-1])

"""Linear programs over probability vectors, solved exactly, with a certificate of optimality.

    max c.p  subject to  p >= 0, sum p = 1, G p <= 0

With `c > 0` (a constant may be added to it) this is `max c.p` subject to `p >= 0`, `sum p <= 1`,
`G p <= 0`, to which p = 0 is feasible: the maximum is zero if the first program is infeasible, and
otherwise has `sum p = 1`, since a shorter p could be scaled up. Its dual has multipliers
`y >= 0` and v with `v + (G'y)_a >= c_a` for all a; then `c.p <= v` for every feasible p.
"""

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
    """
    shifted = c - c.min() + 1
    guess = _from_highs(shifted, G)
    point, value, multipliers = guess if guess is not None else _by_pivots(shifted, G)
    if not _verified(shifted, G, point, value, multipliers):
        raise RuntimeError("a linear program was not solved exactly; please report this game")
    if not any(point):
        return SimplexOptimum(None, Fraction(0), multipliers)
    return SimplexOptimum(point, value + c.min() - 1, multipliers)


def is_optimal(c: np.ndarray, G: np.ndarray, optimum: SimplexOptimum) -> bool:
    """Returns whether the numbers prove what they claim, by exact arithmetic.

    If there is no point, they must prove that: `G'y > 0` then, and `p >= 0`, `G p <= 0` imply
    `0 >= y'G p`, which leaves p = 0.
    """
    point, value, y = optimum
    if min(y, default=0) < 0:
        return False
    push = (G.T * np.array(y, object)).sum(1) if len(y) else np.zeros(len(c), object)
    if point is None:
        return bool((push > 0).all())
    return (
        min(point) >= 0
        and sum(point) == 1
        and all((G * np.array(point, object)).sum(1) <= 0)
        and bool((value + push >= c).all())
        and value == (c * np.array(point, object)).sum()
    )


def _verified(c, G, p, v, y) -> bool:
    push = (G.T * np.array(y, object)).sum(1) if len(y) else np.zeros(len(c), object)
    primal = min(p) >= 0 and sum(p) <= 1 and all((G * np.array(p, object)).sum(1) <= 0)
    dual = min([v, *y]) >= 0 and all(v + push >= c)
    return primal and dual and v == sum(c * np.array(p, object))


def _from_highs(c, G):
    """Returns a verified triple of `p`, `v` and `y` from the zeros of HiGHS's, or None."""
    from scipy.optimize import linprog

    cost = np.array([float(Fraction(value, c.max())) for value in c.tolist()])
    size = np.maximum(np.abs(G).max(1, initial=0), 1)
    scaled = [
        [float(Fraction(g, s)) for g in row]
        for row, s in zip(G.tolist(), size.tolist(), strict=True)
    ]
    rows = np.array([*scaled, [1.0] * len(c)])
    right = np.array([0.0] * len(G) + [1.0])
    found = linprog(-cost, rows, right, bounds=(0, None), method="highs-ds")
    if found.status != 0:
        return None
    slack, dual, reduced = found.slack, -found.ineqlin.marginals, found.lower.marginals
    exact = np.concatenate([G, np.ones((1, len(c)), object)])
    for tolerance in _TOLERANCES:
        used = np.flatnonzero(found.x > tolerance)
        tight = np.flatnonzero(slack <= tolerance)
        held = np.flatnonzero(dual > tolerance)
        free = np.flatnonzero(reduced <= tolerance)
        one = [int(k == len(G)) for k in tight]
        p = _solution(exact[np.ix_(tight, used)], one)
        y = _solution(exact[np.ix_(held, free)].T, c[free].tolist())
        if p is None or y is None:
            continue
        p, y = _spread(p, used, len(c)), _spread(y, held, len(exact))
        if _verified(c, G, p, y[-1], y[:-1]):
            return p, y[-1], y[:-1]
    return None


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


def _by_pivots(c, G):
    """Returns the optimum `p`, `v`, `y` by the lexicographic simplex method in integers."""
    size = len(c)
    matrix = [*G.tolist(), [1] * size]
    tableau = Tableau.of(matrix, [0] * len(G) + [1])
    cost = [*c.tolist()] + [0] * len(matrix)
    while True:
        # Reduced costs of all variables, times the denominator.
        reduced = [value * tableau.denominator for value in cost]
        for row, variable in zip(tableau.rows, tableau.basis, strict=True):
            if cost[variable]:
                reduced = [r - cost[variable] * a for r, a in zip(reduced, row, strict=False)]
        column = max(range(len(reduced)), key=reduced.__getitem__)
        if reduced[column] <= 0:
            break
        row = tableau.leaving(column)
        assert row is not None, "probability vectors are bounded"
        tableau = tableau.pivoted(row, column)
    y = [Fraction(-value, tableau.denominator) for value in reduced[size:]]
    return tableau.values()[:size], y[-1], y[:-1]

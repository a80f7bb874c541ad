"""A linear program whose floor is raised: the most gain of a mixed strategy with a worst case."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from dgames.equilibria.exact_payoffs import integers, scale_of
from dgames.equilibria.tableau import Tableau


def raised_floors(
    payoffs: np.ndarray, gains: np.ndarray
) -> Iterator[tuple[np.ndarray, list[Fraction]]]:
    """Solves `max c.x` subject to `x'A >= w`, x a mixed strategy, for all w from below to the top.

    The parametric dual simplex method in integers. Its slacks `s = x'A - w` become negative one
    after the other as w rises; the one that does leaves the basis, and what enters is what costs
    least. Ties are broken as if `c_i` were larger by `e^i` for a tiny e: then the price of a higher
    floor rises at every pivot, and no basis comes twice.

    Args:
        payoffs: Fractions A, of shape (rows, columns).
        gains: Fractions c, of shape (rows,).

    Yields:
        The optimum x at each w where the basis changes, of which some may be the same; and the
        multipliers of the columns on the way to it from the one before: what a higher floor costs.
    """
    rows, columns = payoffs.shape
    whole = integers(payoffs)
    own = integers(gains)
    price = scale_of(gains, own) / scale_of(payoffs.ravel(), whole.ravel())
    tableau = _start(whole, own)
    while True:
        leaving = _first_to_vanish(tableau, columns)
        above, slope = tableau.rows[leaving][-2:]
        floor = Fraction(above, -slope)
        multipliers = [
            Fraction(-value, tableau.denominator) * price
            for value in tableau.rows[columns + 1][rows : rows + columns]
        ]
        yield _strategy(tableau, floor, rows), multipliers
        entering = _cheapest(tableau, leaving, rows, columns)
        if entering is None:
            return
        tableau = _positive(tableau.pivoted(leaving, entering))


def _start(payoffs: np.ndarray, gains: np.ndarray) -> Tableau:
    """The tableau at which the best response is basic: any floor below its payoffs.

    Variables are x, then s. The rows are those of the equations, then that of the costs c, then
    those of the `e^i`; their last two columns are the right-hand side, a constant and a multiple
    of w.
    """
    rows, columns = payoffs.shape
    lines = [[1] * rows + [0] * columns + [1, 0]]
    for j, column in enumerate(payoffs.T.tolist()):
        lines.append([-int(a) for a in column] + [int(k == j) for k in range(columns)] + [0, -1])
    lines.append([*map(int, gains.tolist())] + [0] * (columns + 2))
    lines += [[int(k == i) for k in range(rows)] + [0] * (columns + 2) for i in range(rows)]
    basis = [-1, *range(rows, rows + columns)] + [-1] * (rows + 1)
    return Tableau(lines, basis, 1, rows + columns).pivoted(0, int(np.argmax(gains)))


def _first_to_vanish(tableau: Tableau, columns: int) -> int:
    """The row whose basic variable is the first one to become zero as the floor rises.

    There is one: x is bounded, so that slacks cannot all grow with the floor.
    """
    falling = [r for r in range(columns + 1) if tableau.rows[r][-1] < 0]
    return min(falling, key=lambda r: Fraction(tableau.rows[r][-2], -tableau.rows[r][-1]))


def _strategy(tableau: Tableau, floor: Fraction, rows: int) -> np.ndarray:
    x = np.full(rows, Fraction(0), object)
    for row, variable in zip(tableau.rows, tableau.basis, strict=True):
        if 0 <= variable < rows:
            x[variable] = (row[-2] + floor * row[-1]) / tableau.denominator
    return x


def _cheapest(tableau: Tableau, leaving: int, rows: int, columns: int) -> int | None:
    """The variable that may replace the leaving one at the least cost, in lexicographic order."""
    row, costs = tableau.rows[leaving], tableau.rows[columns + 1 :]
    candidates = [q for q in range(rows + columns) if row[q] < 0]
    return min(
        candidates,
        key=lambda q: [Fraction(cost[q], row[q]) for cost in costs],
        default=None,
    )


def _positive(tableau: Tableau) -> Tableau:
    """The same tableau with a positive denominator."""
    if tableau.denominator > 0:
        return tableau
    lines = [[-value for value in row] for row in tableau.rows]
    width = len(lines[0]) - 2
    return Tableau(lines, tableau.basis, -tableau.denominator, width)

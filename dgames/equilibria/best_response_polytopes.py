"""The best-response polytopes of a bimatrix game: their vertices, and the labels of these.

With positive payoffs A and B of m rows and n columns,

    P = {x >= 0, B'x <= 1},    Q = {y >= 0, A y <= 1}.

A point x has label i < m if x_i = 0 and label m + j if column j is a best response to it, that is
`(B'x)_j = 1`; y has label i if row i is a best response to it and label m + j if `y_j = 0`. The
equilibria are the pairs other than (0, 0) that together have all labels, divided by their sums; the
extreme ones are the pairs of vertices among them (von Stengel, *Computing equilibria for two-person
games*, Handbook of Game Theory 3, 2002, sections 2.3 and 2.6).
"""

from dataclasses import dataclass

import numpy as np

from dgames.equilibria.tableau import Tableau


@dataclass(frozen=True)
class Vertices:
    """The vertices of one polytope.

    Attributes:
        points: The direction of each vertex, as coprime integers; zeros for the origin. A ray
            from the origin meets no other vertex, since all constraints but `x >= 0` bound it.
        labels: The labels of each, as the bits of an integer.
        bases: Of the perturbed polytope, which is simple: the labels of each of its vertices, and
            the vertex here that it tends to as the perturbation vanishes.
    """

    points: list[tuple[int, ...]]
    labels: list[int]
    bases: dict[int, int]


def polytopes(a: np.ndarray, b: np.ndarray) -> tuple[Tableau, Tableau]:
    """Returns P and Q of positive integers as tableaux at their origins.

    The variables of P are numbered like labels. Those of Q are numbered so that j is `y_j` and
    n + i is the slack of row i: see `q_labels`.
    """
    return (
        Tableau.of(b.T.tolist(), [1] * b.shape[1]),
        Tableau.of(a.tolist(), [1] * a.shape[0]),
    )


def q_labels(mask: int, rows: int, columns: int) -> int:
    """Turns variables of Q, as bits, into labels.

    >>> bin(q_labels(0b0_01, 1, 2))  # y_0 = 0 is label 1 if there is one row
    '0b10'
    """
    return (mask >> columns) | ((mask & ((1 << columns) - 1)) << rows)


def vertices(start: Tableau, budget: int) -> Vertices:
    """Finds all vertices of a polytope `{x >= 0, A x <= b}` with `A > 0` and `b > 0`.

    The perturbed polytope of the lexicographic rule is simple, and its graph is connected: from one
    basis, pivots lead to all of them. Each vertex of the polytope itself is the limit of some:
    the only point at which some linear function is largest is the limit of the points at which the
    function is largest on the perturbed ones.

    Args:
        start: The tableau at the origin.
        budget: How many bases there may be.

    Raises:
        ValueError: If there are more.
    """
    size = len(start.rows)
    columns = len(start.rows[0]) - 1 - size
    every = (1 << (columns + size)) - 1
    points: dict[tuple[int, ...], int] = {}
    labels, bases = [], {}
    seen, waiting = {_bits(start.basis)}, [start]
    while waiting:
        tableau = waiting.pop()
        basic = _bits(tableau.basis)
        point = tableau.direction()
        if point not in points:
            points[point] = len(labels)
            labels.append(tableau.zeros())
        bases[every & ~basic] = points[point]
        for column in range(columns + size):
            if basic >> column & 1:
                continue
            row = tableau.leaving(column)
            assert row is not None, "the polytope is bounded"
            after = basic ^ (1 << column) ^ (1 << tableau.basis[row])
            if after not in seen:
                if len(seen) >= budget:
                    raise ValueError(
                        f"a best-response polytope of this game has more than {budget} vertices; "
                        "give a larger budget, or follow single paths by dgames.lemke_howson"
                    )
                seen.add(after)
                waiting.append(tableau.pivoted(row, column))
    return Vertices(list(points), labels, bases)


def _bits(numbers: list[int]) -> int:
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask

"""All Nash equilibria of a game of two players, in exact arithmetic."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from dgames.equilibria.best_response_polytopes import (
    Vertices,
    polytopes,
    q_labels,
    vertices,
)
from dgames.equilibria.exact_equilibrium import (
    ExactEquilibrium,
    determinant_sign,
    equilibrium_of,
    normalised,
)
from dgames.equilibria.exact_payoffs import FiniteGame, exact_payoffs, positive_payoffs
from dgames.equilibria.supports import extreme_by_supports

_SUBSETS = 10_000
"""How many maximal Nash subsets a component may have."""


@dataclass(frozen=True)
class NashSubset:
    """A maximal Nash subset: the product of two polytopes, all of whose points are equilibria.

    Attributes:
        xs: The vertices of the row player's polytope.
        ys: Those of the column player's.
    """

    xs: tuple[tuple[Fraction, ...], ...]
    ys: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class NashComponent:
    """A connected component of the set of equilibria: a union of maximal Nash subsets.

    Attributes:
        equilibria: The numbers of the extreme equilibria in it.
        subsets: Its maximal Nash subsets; one, with one vertex each, if it is a point.
        index: Its index: the sum of the indices of the equilibria near it, in any game near this
            one that is nondegenerate. A component of an index other than zero does not vanish when
            payoffs change a little.
    """

    equilibria: tuple[int, ...]
    subsets: tuple[NashSubset, ...]
    index: int

    @property
    def is_point(self) -> bool:
        """Whether it is a single equilibrium."""
        return len(self.equilibria) == 1


@dataclass(frozen=True)
class BimatrixEquilibria(Sequence[ExactEquilibrium]):
    """All extreme equilibria of a game of two players, and the set of equilibria they span.

    It is a sequence of `ExactEquilibrium`.

    Attributes:
        equilibria: The extreme equilibria, sorted.
        components: The connected components of the set of all equilibria.
        degenerate: Whether some mixed strategy has more pure best responses than it uses actions.
            If not, the extreme equilibria are all equilibria, odd in number.
    """

    equilibria: tuple[ExactEquilibrium, ...]
    components: tuple[NashComponent, ...]
    degenerate: bool

    @property
    def is_finite(self) -> bool:
        """Whether the extreme equilibria are all equilibria; degenerate games may have more."""
        return all(component.is_point for component in self.components)

    def strategies(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The extreme equilibria as joint strategies of float64."""
        return [equilibrium.strategies() for equilibrium in self.equilibria]

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.equilibria[index]

    def __len__(self) -> int:
        return len(self.equilibria)


def bimatrix_equilibria(
    game: FiniteGame,
    *,
    method: Literal["vertices", "supports"] = "vertices",
    budget: int = 100_000,
) -> BimatrixEquilibria:
    r"""Finds all Nash equilibria of a game of two players, exactly.

    The vertices of the two best-response polytopes are enumerated by integer pivoting; pairs of
    vertices that together have all labels are the extreme equilibria, and every equilibrium is a
    convex combination of those in one maximal Nash subset. Nothing is rounded, so that the list is
    complete for the payoffs as they are given: `1 / 3` in floating point is not a third, while
    `fractions.Fraction(1, 3)` is.

    What is returned has been verified besides: each equilibrium by its definition, and that the
    indices of the components add up to one (Shapley, 1974).

    The number of vertices can grow like 2.6^n for n x n games: 6 x 6 takes hundredths of a second,
    10 x 10 less than a second, and every two actions more up to ten times as long.

    Args:
        game: A `MatrixGame`, or one nested list of numbers per player.
        method: "vertices"; or "supports", which solves a linear system for every pair of supports
            of one size, and is meant for comparisons: two algorithms seldom err in the same way.
            Components and indices are those of the first in either case.
        budget: How many vertices (of the perturbed polytopes) there may be for each player.

    Returns:
        The extreme equilibria, the components that they span, and whether the game is degenerate.

    Raises:
        ValueError: If the game has other than two players, a payoff is not finite, or there are
            more vertices than the budget allows.

    References:
        Mangasarian, *Equilibrium points of bimatrix games*, 1964; Winkels, *An algorithm to
        determine all equilibrium points of a bimatrix game*, 1979; Avis, Rosenberg, Savani and von
        Stengel, *Enumeration of Nash equilibria for two-player games*, Economic Theory 42 (2010);
        Shapley, *A note on the Lemke-Howson algorithm*, 1974.

    >>> found = bimatrix_equilibria(([[2, 0], [0, 1]], [[1, 0], [0, 2]]))  # battle of the sexes
    >>> for equilibrium in found:
    ...     print(*equilibrium.x, *equilibrium.y, equilibrium.index)
    0 1 0 1 1
    2/3 1/3 1/3 2/3 -1
    1 0 1 0 1
    >>> line = bimatrix_equilibria(([[1, 1]], [[0, 0]]))  # the column player does not care
    >>> line.degenerate, len(line), line.components[0].index
    (True, 2, 1)
    """
    if method not in ("vertices", "supports"):
        raise ValueError(f'the method is "vertices" or "supports", got {method!r}')
    a, b = exact_payoffs(game, players=2)
    m, n = a.shape
    positive = positive_payoffs(a, b)
    p_start, q_start = polytopes(*positive)
    p = vertices(p_start, budget)
    q = _relabelled(vertices(q_start, budget), m, n)
    indices: dict[tuple[int, int], int] = defaultdict(int)
    for labels, others in _complementary(p, q, m, n):
        own = [row for row in range(m) if not labels >> row & 1]
        best = [column for column in range(n) if labels >> (m + column) & 1]
        indices[p.bases[labels], q.bases[others]] += determinant_sign(*positive, own, best)
    pairs = _labelled_pairs(p, q, m, n)
    degenerate = any(v.bit_count() > m for v in p.labels) or any(
        v.bit_count() > n for v in q.labels
    )
    points = [(normalised(p.points[i]), normalised(q.points[j])) for i, j in pairs]
    order = sorted(range(len(pairs)), key=points.__getitem__)
    pairs, points = [pairs[k] for k in order], [points[k] for k in order]
    if method == "supports" and extreme_by_supports(*positive) != points:
        raise RuntimeError("two algorithms differ; please report this game")
    equilibria = tuple(equilibrium_of(a, b, *point) for point in points)
    components = tuple(_components(pairs, equilibria, indices))
    if sum(component.index for component in components) != 1:
        raise RuntimeError("the indices do not add up to one; please report this game")
    return BimatrixEquilibria(equilibria, components, degenerate)


def _relabelled(found: Vertices, rows: int, columns: int) -> Vertices:
    labels = [q_labels(mask, rows, columns) for mask in found.labels]
    bases = {q_labels(mask, rows, columns): vertex for mask, vertex in found.bases.items()}
    return Vertices(found.points, labels, bases)


def _complementary(p: Vertices, q: Vertices, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yields the equilibria of the perturbed game, as the labels of their two strategies.

    Right sides `1 + e^i` of the constraints are those of a game with the payoffs of row or column i
    divided by `1 + e^i`: a game near this one, and nondegenerate.
    """
    every, origin = (1 << (rows + columns)) - 1, (1 << rows) - 1
    for own in p.bases:
        if own != origin and every & ~own in q.bases:
            yield own, every & ~own


def _labelled_pairs(p: Vertices, q: Vertices, rows: int, columns: int) -> list[tuple[int, int]]:
    """Returns all pairs of vertices other than the origins that have all labels."""
    every = (1 << (rows + columns)) - 1
    used = [(j, mask) for j, mask in enumerate(q.labels) if any(q.points[j])]
    simple = {mask: j for j, mask in used if mask.bit_count() == columns}
    others = [(j, mask) for j, mask in used if mask.bit_count() > columns]
    pairs = []
    for i, own in enumerate(p.labels):
        if not any(p.points[i]):
            continue
        lacking = every & ~own
        if own.bit_count() == rows:  # what it lacks is as many labels as simple vertices have
            pairs.extend([(i, simple[lacking])] if lacking in simple else [])
        candidates = others if own.bit_count() == rows else used
        pairs.extend((i, j) for j, mask in candidates if lacking & ~mask == 0)
    return pairs


def _components(
    pairs: list[tuple[int, int]],
    equilibria: tuple[ExactEquilibrium, ...],
    indices: dict[tuple[int, int], int],
) -> Iterator[NashComponent]:
    """Yields the connected components of the graph whose edges are the extreme equilibria."""
    points_x = {i: e.x for (i, _), e in zip(pairs, equilibria, strict=True)}
    points_y = {j: e.y for (_, j), e in zip(pairs, equilibria, strict=True)}
    left = dict(enumerate(pairs))
    while left:
        first = next(iter(left.values()))
        xs, ys, grown = {first[0]}, {first[1]}, True
        while grown:
            size = len(xs) + len(ys)
            xs |= {i for i, j in left.values() if j in ys}
            ys |= {j for i, j in left.values() if i in xs}
            grown = len(xs) + len(ys) > size
        members = tuple(k for k, (i, _) in left.items() if i in xs)
        edges = [left.pop(k) for k in members]
        subsets = tuple(
            NashSubset(
                tuple(sorted(points_x[i] for i in own)), tuple(sorted(points_y[j] for j in other))
            )
            for own, other in _bicliques(edges)
        )
        index = sum(indices.get(edge, 0) for edge in edges)
        yield NashComponent(members, subsets, index)


def _bicliques(edges: list[tuple[int, int]]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """Returns all maximal complete bipartite subgraphs.

    Their left sides are the neighbourhoods of right vertices and all intersections of these.

    Raises:
        ValueError: If there are more than a budget.
    """
    right: dict[int, set[int]] = {}
    for i, j in edges:
        right.setdefault(j, set()).add(i)
    around = {j: frozenset(own) for j, own in right.items()}
    closed: set[frozenset[int]] = set()
    for own in set(around.values()):
        closed |= {own, *(own & other for other in closed)}
        closed.discard(frozenset())
        if len(closed) > _SUBSETS:
            raise ValueError(f"this game has a component of over {_SUBSETS} maximal Nash subsets")
    cliques = [(own, frozenset(j for j, near in around.items() if own <= near)) for own in closed]
    return sorted(cliques, key=lambda clique: (sorted(clique[0]), sorted(clique[1])))

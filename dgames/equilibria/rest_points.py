"""Where the replicator dynamics of one population rest, and what can invade there."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import fmpq, fmpq_mat
from jaxtyping import Complex

from dgames.equilibria.exact_equilibrium import support
from dgames.equilibria.exact_payoffs import FiniteGame, exact_payoffs

_ACTIONS = 16
"""The most actions: there are 2^actions faces."""


class RestPoint(NamedTuple):
    """A rest point of the replicator dynamics of one population, the only one inside its face.

    Attributes:
        x: The shares of actions, in fractions.
        growth: How fast each action would grow from a tiny share, in fractions: the payoff against
            `x` less the average. It is zero for actions in use.
        eigenvalues: Of the dynamics within the face, one for each action in use but one; in
            floating point. Those across it are the growth rates of the unused actions.
    """

    x: tuple[Fraction, ...]
    growth: tuple[Fraction, ...]
    eigenvalues: Complex[np.ndarray, " within"]

    @property
    def support(self) -> tuple[int, ...]:
        """The actions in use, which span the face."""
        return support(self.x)

    @property
    def invaders(self) -> tuple[int, ...]:
        """The unused actions that grow when they appear."""
        return tuple(a for a, rate in enumerate(self.growth) if rate > 0)

    @property
    def is_nash(self) -> bool:
        """Whether it is a symmetric Nash equilibrium, as nothing can invade. This is exact."""
        return not self.invaders


@dataclass(frozen=True)
class RestPoints(Sequence[RestPoint]):
    """The isolated rest points of the replicator dynamics of one population.

    Attributes:
        points: Those that are alone inside their face, sorted.
        singular: The faces, as tuples of actions, whose equations do not have exactly one solution:
            they may have a continuum of rest points inside, which is not listed.
    """

    points: tuple[RestPoint, ...]
    singular: tuple[tuple[int, ...], ...]

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)


def rest_points(game: FiniteGame) -> RestPoints:
    """Finds the rest points of the replicator dynamics of one population, on all faces, exactly.

    Inside a face all actions in use earn the same: a linear system for every support, which is
    solved in fractions. A rest point is a Nash equilibrium if nothing can invade (the converse is
    the folk theorem: Nash equilibria are rest points, and stable rest points are Nash equilibria).

    Args:
        game: A symmetric game of two players, `B = A'`, with at most 16 actions: a `MatrixGame`, or
            one nested list of numbers per player.

    Raises:
        ValueError: If the game is not symmetric, or has more actions.

    References:
        Hofbauer and Sigmund, *Evolutionary game dynamics*, Bull. AMS 40 (2003).

    >>> hawk_dove = [[-1, 4], [0, 2]], [[-1, 0], [4, 2]]
    >>> for point in rest_points(hawk_dove):
    ...     print(*point.x, point.invaders, point.is_nash)
    0 1 (0,) False
    2/3 1/3 () True
    1 0 (1,) False
    """
    a, b = exact_payoffs(game, players=2)
    if a.shape[0] != a.shape[1] or not (a == b.T).all():
        raise ValueError("one population plays a symmetric game: B must be the transpose of A")
    if len(a) > _ACTIONS:
        raise ValueError(f"this is for games of at most {_ACTIONS} actions, got {len(a)}")
    points, singular = [], []
    for size in range(1, len(a) + 1):
        for used in itertools.combinations(range(len(a)), size):
            shares = _equal_payoffs(a[np.ix_(used, used)])
            if shares is None:
                singular.append(used)
            elif min(shares) > 0:
                points.append(_rest_point(a, used, shares))
    return RestPoints(tuple(sorted(points, key=lambda point: point.x)), tuple(singular))


def _rest_point(a: np.ndarray, used: tuple[int, ...], shares: list[Fraction]) -> RestPoint:
    x = np.full(len(a), Fraction(0), object)
    x[list(used)] = shares
    payoffs = (a * x).sum(1)
    growth = payoffs - (x * payoffs).sum()
    own = np.array(shares, np.float64)
    table = a[np.ix_(used, used)].astype(np.float64)
    # The Jacobian on vectors that sum to zero; payoffs are equal, so that these do not change them.
    jacobian = own[:, None] * (table - own @ table)
    basis = np.linalg.qr(np.eye(len(used)) - 1 / len(used))[0][:, : len(used) - 1]
    eigenvalues = np.linalg.eigvals(basis.T @ jacobian @ basis).astype(complex)
    return RestPoint(tuple(x.tolist()), tuple(growth.tolist()), np.sort_complex(eigenvalues))


def _equal_payoffs(table: np.ndarray) -> list[Fraction] | None:
    """Solves `table x = v`, `sum x = 1` for x and the number v; None if it is singular."""
    size = len(table)
    rows = [[*row, Fraction(-1)] for row in table.tolist()]
    rows.append([Fraction(1)] * size + [Fraction(0)])
    entries = [fmpq(value.numerator, value.denominator) for row in rows for value in row]
    try:
        found = fmpq_mat(size + 1, size + 1, entries).solve(fmpq_mat(size + 1, 1, [0] * size + [1]))
    except ZeroDivisionError:
        return None
    return [Fraction(int(found[k, 0].p), int(found[k, 0].q)) for k in range(size)]

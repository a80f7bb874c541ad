"""A Nash equilibrium of a bimatrix game in fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import fmpz_mat
from jaxtyping import Float

from dgames.equilibria.exact_payoffs import positive_payoffs


@dataclass(frozen=True)
class ExactEquilibrium:
    """A Nash equilibrium of a game of two players, in fractions.

    Attributes:
        x: What the row player plays.
        y: What the column player plays.
        payoffs: What they get.
        index: The sign of the determinant of the equilibrium, 1 or -1, if neither player has more
            best responses than actions in use; otherwise None, see `NashComponent.index`.
    """

    x: tuple[Fraction, ...]
    y: tuple[Fraction, ...]
    payoffs: tuple[Fraction, Fraction]
    index: int | None

    @property
    def supports(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The actions that each player uses."""
        return support(self.x), support(self.y)

    def strategies(self) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " columns"]]:
        """The nearest floats, as a joint strategy."""
        return np.array(self.x, np.float64), np.array(self.y, np.float64)


def support(x: Sequence[Fraction]) -> tuple[int, ...]:
    """Returns the actions of positive probability."""
    return tuple(a for a, value in enumerate(x) if value)


def is_equilibrium(
    a: np.ndarray, b: np.ndarray, x: Sequence[Fraction], y: Sequence[Fraction]
) -> bool:
    """Returns whether strategies are an equilibrium, by its definition and in exact arithmetic.

    They are if both are probability vectors, and each uses best responses to the other only.
    """
    if min(*x, *y) < 0 or sum(x) != 1 or sum(y) != 1:
        return False
    rows, columns = (a * np.array(y, object)).sum(1), (b.T * np.array(x, object)).sum(1)
    stays = (rows == rows.max(), columns == columns.max())
    return all(ok[list(support(own))].all() for ok, own in zip(stays, (x, y), strict=True))


def equilibrium_of(
    a: np.ndarray, b: np.ndarray, x: Sequence[Fraction], y: Sequence[Fraction]
) -> ExactEquilibrium:
    """Returns an extreme equilibrium with its payoffs, having verified that it is one.

    Raises:
        RuntimeError: If it is none: whoever found it is broken.
    """
    if not is_equilibrium(a, b, x, y):
        raise RuntimeError(f"no equilibrium: {x}, {y}; please report this game")
    weights = np.outer(np.array(x, object), np.array(y, object))
    payoffs = Fraction((a * weights).sum()), Fraction((b * weights).sum())
    return ExactEquilibrium(tuple(x), tuple(y), payoffs, _index(a, b, x, y))


def determinant_sign(a: np.ndarray, b: np.ndarray, own: Sequence[int], other: Sequence[int]) -> int:
    """Returns the index of an equilibrium with given supports in a game of positive payoffs.

    With k actions in both supports I and J it is `(-1)^(k + 1) sign(det A[I, J] det B[I, J])`.

    Args:
        a: Positive integers, of shape (rows, columns).
        b: Those of the column player.
        own: The rows I.
        other: As many columns J; both determinants differ from zero.
    """
    size = len(own)
    sign = -1 if size % 2 == 0 else 1
    for table in (a, b):
        entries = table[np.ix_(list(own), list(other))].ravel().tolist()
        sign *= 1 if int(fmpz_mat(size, size, entries).det()) > 0 else -1
    return sign


def _index(
    a: np.ndarray, b: np.ndarray, x: Sequence[Fraction], y: Sequence[Fraction]
) -> int | None:
    rows, columns = (a * np.array(y, object)).sum(1), (b.T * np.array(x, object)).sum(1)
    own, other = support(x), support(y)
    if (rows == rows.max()).sum() > len(other) or (columns == columns.max()).sum() > len(own):
        return None
    return determinant_sign(*positive_payoffs(a, b), own, other)


def normalised(x: Sequence[Fraction] | Sequence[int]) -> tuple[Fraction, ...]:
    """Returns a vector divided by its sum."""
    total = sum(x)
    return tuple(Fraction(value, total) for value in x)

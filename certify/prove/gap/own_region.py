"""Where one player may reply: a box, or a ball in it."""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import dgames as dg
from certify.problem.corners import coordinates
from certify.problem.region import Box
from certify.rounding import EPSILON, TINY
from dgames.sets import player_sets
from dgames.strategy import Strategy, blocks, player_names, same_players

# More than the relative error of a sum of squares of so few coordinates.
_SLACK = 2.0**-40
# How far outside, relative to the size of the region, a member counts as inside.
_OUTSIDE = 1e-9


@dataclasses.dataclass(frozen=True)
class OwnRegion:
    """All points of a box, and of a ball if there is one.

    Attributes:
        lower: The lower corner of the box.
        upper: The upper corner.
        center: The centre of the ball, or None.
        radius: Its radius.
    """

    lower: Float[np.ndarray, " n"]
    upper: Float[np.ndarray, " n"]
    center: Float[np.ndarray, " n"] | None = None
    radius: float = np.inf

    def surely_contains(self, points: Float[np.ndarray, "k n"]) -> Bool[np.ndarray, " k"]:
        """Whether points lie in the region, rounding errors notwithstanding."""
        inside = np.all((self.lower <= points) & (points <= self.upper), axis=1)
        if self.center is None:
            return np.asarray(inside)
        return inside & (self._squares(points) * (1 + _SLACK) <= self.radius**2 * (1 - _SLACK))

    def exactly_contains(self, point: Float[np.ndarray, " n"]) -> bool:
        """Whether a point lies in the region, in exact arithmetic."""
        if not ((self.lower <= point) & (point <= self.upper)).all():
            return False
        if self.center is None:
            return True
        pairs = zip(point.tolist(), self.center.tolist(), strict=True)
        square = sum(((Fraction(x) - Fraction(c)) ** 2 for x, c in pairs), Fraction(0))
        return square <= Fraction(self.radius) ** 2

    def nearly_contains(self, points: Float[np.ndarray, "k n"]) -> Bool[np.ndarray, " k"]:
        """Whether points lie in the region up to roundings of those who computed them."""
        if self.center is not None:
            return self._squares(points) <= (self.radius * (1 + _OUTSIDE)) ** 2
        room = _OUTSIDE * (self.upper - self.lower)
        inside = (self.lower - room <= points) & (points <= self.upper + room)
        return np.asarray(np.all(inside, axis=1))

    def inward(self, points: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k n"]:
        """Returns points of the region near those of the box."""
        if self.center is None:
            return points
        shift = points - self.center
        length = np.sqrt(self._squares(points))[:, None]
        factor = self.radius * (1 - 4 * _SLACK) / np.maximum(length, 1e-300)
        return np.where(
            length > self.radius * (1 - 4 * _SLACK), self.center + factor * shift, points
        )

    def whole_cells(
        self, lower: Float[np.ndarray, "k n"], upper: Float[np.ndarray, "k n"]
    ) -> Bool[np.ndarray, " k"]:
        """Whether all of a cell of the box surely lies in the region."""
        if self.center is None:
            return np.ones(len(lower), bool)
        far = np.maximum(np.abs(lower - self.center), np.abs(upper - self.center))
        return np.sum(far**2, 1) * (1 + _SLACK) <= self.radius**2 * (1 - _SLACK)

    def trimmed(
        self, lower: Float[np.ndarray, "k n"], upper: Float[np.ndarray, "k n"]
    ) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m n"], Bool[np.ndarray, " k"]]:
        """Returns cells that hold what the given ones and the region have in common.

        Cells that surely lie outside of the ball are left out. Of the others, what lies outside of
        the smallest box around the common part is cut off: in coordinate k a point of the ball is
        at most `sqrt(r^2 - sum_j min |x_j - c_j|^2)` from the centre, j over the other ones.

        Returns:
            The corners, and which of the given cells are kept.
        """
        if self.center is None:
            return lower, upper, np.ones(len(lower), bool)
        near = np.maximum(np.maximum(lower - self.center, self.center - upper), 0.0)
        squares = near**2
        total = squares.sum(1)
        kept = total * (1 - _SLACK) <= self.radius**2 * (1 + _SLACK)
        others = np.maximum(total[:, None] - squares, 0.0) * (1 - _SLACK) - _SLACK * total[:, None]
        room = np.sqrt(np.maximum(self.radius**2 * (1 + _SLACK) - others, 0.0))
        room = room * (1 + _SLACK) + _SLACK * (np.abs(self.center) + TINY)
        low, high = np.maximum(lower, self.center - room), np.minimum(upper, self.center + room)
        kept &= (low <= high).all(1)
        return low[kept], high[kept], kept

    def _squares(self, points: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
        return np.sum((points - self.center) ** 2, axis=1)


def own_regions(game: dg.Game, example: Strategy, full: Any, box: Any) -> tuple[OwnRegion, ...]:
    """Returns where each player may reply.

    Args:
        game: The game.
        example: A joint strategy of numbers.
        full: The same with everything else that is in it.
        box: A `certify.Box`, one or several `dgames.Box` or `dgames.Ball`, or None for the strategy
            sets of the game.

    Raises:
        ValueError: If a region is of another kind, unbounded, or does not fit the players.
    """
    if isinstance(box, Box):
        if not same_players(example, box.lower):
            raise ValueError(
                f"gap: the box is about the players {', '.join(player_names(box.lower))}, the "
                f"mixture about {', '.join(player_names(example))}."
            )
        corners = zip(blocks(box.lower), blocks(box.upper), strict=True)
        own = [OwnRegion(coordinates((low,)), coordinates((high,))) for low, high in corners]
    else:
        sets = player_sets(game.strategy_set(full) if box is None else box, full)
        pairs = zip(player_names(example), sets, blocks(example), strict=True)
        own = [_of_set(name, each, block) for name, each, block in pairs]
    for name, region, block in zip(player_names(example), own, blocks(example), strict=True):
        if region.lower.shape != coordinates((block,)).shape:
            raise ValueError(
                f"gap: the region of player '{name}' has {region.lower.size} coordinates, the "
                f"members have {coordinates((block,)).size}."
            )
        if not (np.isfinite(region.lower).all() and np.isfinite(region.upper).all()):
            raise ValueError(
                f"gap: player '{name}' may move without bounds; give a certify.Box to reply in."
            )
    return tuple(own)


def _of_set(name: str, own: Any, block: Any) -> OwnRegion:
    """Returns the region that a strategy set of dgames is."""
    if type(own) is dg.Box:
        low, high = own.bounds(block)
        return OwnRegion(coordinates((low,)), coordinates((high,)))
    if type(own) is dg.Euclidean:
        unbounded = np.full(coordinates((block,)).shape, np.inf)
        return OwnRegion(-unbounded, unbounded)
    if type(own) is dg.Ball:
        center = -coordinates((own.offset(_zeros(block)),))
        radius = float(own.radius)
        if not 1e-100 < radius < 1e100:  # or else squares would leave the range of floats
            raise ValueError(f"gap: the ball of player '{name}' has the radius {radius}.")
        room = radius * (1 + EPSILON)
        low = np.nextafter(center - room, -np.inf)
        return OwnRegion(low, np.nextafter(center + room, np.inf), center, radius)
    raise ValueError(
        f"gap: the set of player '{name}' is a {type(own).__name__}; replies are sought in a "
        "dgames.Box or dgames.Ball, or in a certify.Box."
    )


def _zeros(block: Any) -> Any:
    import jax

    return jax.tree.map(lambda leaf: 0 * leaf, block)

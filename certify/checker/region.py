"""The region where a certificate holds."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from .reader import Reader
from .sets import Extent
from .verdict import require


class Region:
    """The region where the claims hold, nonempty and convex.

    It is a box, a ball, all of R^n ("everywhere"), or all policies. Balls are Euclidean. All
    policies are all of R^n, in logit differences of probability vectors: `groups` says how many
    coordinates each has. Cells are then not sets of such points but of the policies q(x), boxes of
    the probabilities of all actions but the last of each vector.
    """

    def __init__(self, file: Reader, dimension: int) -> None:
        self.is_box = file["kind"].text() == "box"
        self.is_everything = file["kind"].text() == "everywhere"
        self.groups: list[int] = []
        if self.is_box:
            _, lower, upper = file.fields("kind", "lower", "upper")
            self.lower, self.upper = lower.numbers(dimension), upper.numbers(dimension)
            require(all(map(Fraction.__lt__, self.lower, self.upper)), "the region is not empty")
        elif file["kind"].text() == "ball":
            _, center, radius = file.fields("kind", "center", "radius")
            self.center, self.radius = center.numbers(dimension), radius.number()
            require(self.radius > 0, "the region is not empty")
            self.lower = [c - self.radius for c in self.center]
            self.upper = [c + self.radius for c in self.center]
        elif file["kind"].text() == "policies":
            sizes = file.fields("kind", "groups")[1].items()
            self.groups = [size.integer() for size in sizes]
            if min(self.groups, default=0) < 1 or sum(self.groups) != dimension:
                file["groups"].fail(f"positive sizes, {dimension} coordinates in all")
            self.lower, self.upper = [Fraction(0)] * dimension, [Fraction(1)] * dimension
        elif self.is_everything:
            file.fields("kind")
        else:
            file["kind"].fail('"box", "ball", "everywhere" or "policies"')

    def misses(self, lower: list[Fraction], upper: list[Fraction]) -> bool:
        """Says whether a cell lies outside of the region.

        For a ball, its nearest point is farther than the radius; for policies, the probabilities of
        one vector sum to more than one.
        """
        if self.is_box:
            return False
        if self.groups:
            ends = [0, *accumulate(self.groups)]
            return any(sum(lower[low:high]) > 1 for low, high in pairwise(ends))
        bounds = zip(lower, upper, self.center, strict=True)
        return sum(max(a - c, c - b, Fraction(0)) ** 2 for a, b, c in bounds) > self.radius**2

    def contains_box(self, lower: list[Fraction], upper: list[Fraction]) -> bool:
        """Says whether a box is in the region, which is a box or a ball: all corners are."""
        if self.is_box:
            return all(map(Fraction.__le__, self.lower, lower)) and all(
                map(Fraction.__le__, upper, self.upper)
            )
        bounds = zip(lower, upper, self.center, strict=True)
        return sum(max(c - a, b - c) ** 2 for a, b, c in bounds) <= self.radius**2

    def contains_ball(
        self,
        center: list[Fraction],
        radius: Fraction,
        weights: list[Fraction],
        extents: Sequence[Extent],
    ) -> bool:
        """Says whether all x in K, `sum_k weights_k (x_k - center_k)^2 <= radius^2`, are in it.

        Coordinate k of such an x is within `radius / sqrt(weights_k)` of the centre, and x is
        within `radius / sqrt(min weights)` of it; both bounds are attained. Only the first is
        used for a box, the second for a ball; so balls of any norm that obeys it will do. A face of
        a box beyond which K does not extend is no limit. All of R^n contains every ball.
        """
        if self.groups or self.is_everything:
            return True
        if self.is_box:
            box = zip(self.lower, center, self.upper, weights, extents, strict=True)
            return all(
                low <= c <= high
                and (w * (c - low) ** 2 >= radius**2 or (least is not None and low <= least))
                and (w * (high - c) ** 2 >= radius**2 or (most is not None and most <= high))
                for low, c, high, w, (least, most) in box
            )
        distance = sum((a - b) ** 2 for a, b in zip(center, self.center, strict=True))
        # sqrt(distance) + radius / sqrt(w) <= R, squared twice.
        slack = self.radius**2 + distance - radius**2 / min(weights)
        return (
            distance <= self.radius**2 and slack >= 0 and 4 * self.radius**2 * distance <= slack**2
        )

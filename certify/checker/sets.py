"""Strategy sets, in which the players move, and how far a point is from an equilibrium in them.

A closed convex set K has at each of its points y the cone of normals `n`, `<n, z - y> <= 0` for all
z in K. A point y solves the variational inequality of F on K, `<F(y), z - y> >= 0` for all z in K,
if and only if -F(y) is one of them.
"""

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

from .reader import Reader
from .verdict import require

# Lower and upper bound of a coordinate in a set; None where there is none.
Extent = tuple[Fraction | None, Fraction | None]

# A point of a ball this near to the sphere, relatively, is treated as one on it. Any choice is
# valid, and this one is good where the point comes from floating point.
_ON_SPHERE = Fraction(1, 2**40)


class Defect(NamedTuple):
    """How far a value of F is from solving the variational inequality of a set K.

    There are a point y in K with `|y - center| <= shift` and a normal n of K at y such that
    `value + n` is the sum of a vector with entries of at most `errors` and one of length at most
    `pull * shift`.
    """

    errors: list[Fraction]
    shift: Fraction = Fraction(0)
    pull: Fraction = Fraction(0)


class BoxSet:
    """The set `lower <= x <= upper`, perhaps without bounds: normals point outward at a bound.

    It is not empty: that there is a solution in a compact set (`monotone`) is not true of that one.
    """

    def __init__(self, file: Reader, size: int) -> None:
        self.extents: list[Extent] = [(None, None)] * size
        if file["kind"].text() == "euclidean":
            file.fields("kind")
            return
        _, lower, upper = file.fields("kind", "lower", "upper")
        ends = zip(lower.items(size), upper.items(size), strict=True)
        self.extents = [(_end(low, "-inf"), _end(high, "inf")) for low, high in ends]
        bounded = ((a, b) for a, b in self.extents if a is not None and b is not None)
        require(all(a <= b for a, b in bounded), f"{file.where} is not empty")

    def contains(self, center: list[Fraction]) -> bool:
        """Says whether the point is in the set."""
        return all(
            (low is None or low <= c) and (high is None or c <= high)
            for (low, high), c in zip(self.extents, center, strict=True)
        )

    def defect(self, center: list[Fraction], value: list[Fraction]) -> Defect:
        """Returns the defect of a value of F at a point of the set."""
        errors = []
        for (low, high), c, v in zip(self.extents, center, value, strict=True):
            free = (v > 0 and c == low) or (v < 0 and c == high)
            errors.append(Fraction(0) if free else abs(v))
        return Defect(errors)


class BallSet:
    """The ball `|x - middle| <= radius`; normals on the sphere are multiples of `x - middle`.

    Floating-point numbers are seldom on a sphere. So y is the point of it nearest to the centre,
    `|y - center| = radius - |o| <= (radius^2 - |o|^2) / radius` with `o = center - middle`, and
    `n = pull (y - middle)`: then `value + n = (value + pull o) + pull (y - center)`.
    """

    def __init__(self, file: Reader, size: int) -> None:
        _, middle, radius = file.fields("kind", "center", "radius")
        self.middle, self.radius = middle.numbers(size), radius.number()
        if not self.radius > 0:
            radius.fail("a positive radius")
        self.extents: list[Extent] = [(m - self.radius, m + self.radius) for m in self.middle]

    def contains(self, center: list[Fraction]) -> bool:
        """Says whether the point is in the set."""
        return _square(self._offset(center)) <= self.radius**2

    def defect(self, center: list[Fraction], value: list[Fraction]) -> Defect:
        """Returns the defect of a value of F at a point of the set."""
        offset = self._offset(center)
        square = _square(offset)
        shift = (self.radius**2 - square) / self.radius
        push = -sum((v * o for v, o in zip(value, offset, strict=True)), Fraction(0))
        if push <= 0 or shift > self.radius * _ON_SPHERE:
            return Defect([abs(v) for v in value])
        pull = push / square
        errors = [abs(v + pull * o) for v, o in zip(value, offset, strict=True)]
        return Defect(errors, shift, pull)

    def _offset(self, center: list[Fraction]) -> list[Fraction]:
        return [c - m for c, m in zip(center, self.middle, strict=True)]


class SimplexSet:
    """The set in which each group of coordinates is a probability vector: `x >= 0`, `sum(x) = 1`.

    Normals of a group are the n with `n_k = a` where `x_k > 0` and `n_k <= a` elsewhere, for any a.
    """

    def __init__(self, file: Reader, size: int) -> None:
        _, groups = file.fields("kind", "groups")
        sizes = [group.integer() for group in groups.items()]
        if min(sizes, default=0) < 1 or sum(sizes) != size:
            groups.fail(f"positive sizes, {size} coordinates in all")
        self.groups = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        self.extents: list[Extent] = [(Fraction(0), Fraction(1))] * size

    def contains(self, center: list[Fraction]) -> bool:
        """Says whether the point is in the set."""
        return min(center) >= 0 and all(sum(center[group]) == 1 for group in self.groups)

    def defect(self, center: list[Fraction], value: list[Fraction]) -> Defect:
        """Returns the defect of a value of F at a point of the set."""
        errors = []
        for group in self.groups:
            pairs = list(zip(center[group], value[group], strict=True))
            support = [v for c, v in pairs if c > 0]
            level = sum(support, Fraction(0)) / len(support)
            errors += [abs(v - level) if c > 0 or v < level else Fraction(0) for c, v in pairs]
        return Defect(errors)


StrategySet = BoxSet | BallSet | SimplexSet

_KINDS: dict[str, type[StrategySet]] = {
    "euclidean": BoxSet,
    "box": BoxSet,
    "ball": BallSet,
    "simplex": SimplexSet,
}


def read_set(file: Reader, size: int) -> StrategySet:
    """Reads the set of one player, who has that many coordinates."""
    kind = file["kind"].text()
    if kind not in _KINDS:
        file["kind"].fail(f"one of {', '.join(_KINDS)}")
    return _KINDS[kind](file, size)


def _end(file: Reader, unbounded: str) -> Fraction | None:
    return None if file.text() == unbounded else file.number()


def _square(vector: Iterable[Fraction]) -> Fraction:
    return sum((x * x for x in vector), Fraction(0))

"""The argument of a contraction file: one step of a method shrinks distances in a metric.

The setting: the step map T: R^m -> R^m of a method on its augmented state z = (x, buffers), the
strategy x first; the method starts at z_0 = I(x_0) = (x_0, init(x_0)). Z is a box of augmented
states, X its part that belongs to x, and |z|_P^2 = z' P z. What the file states about T and I and
is *not* re-derived here is, in one place:

  (B) on each (closed) cell of Z the map T is defined and continuously differentiable, and
      DT(z) = C + sum_k e_k G_k + E with |e_k| <= 1 and |E| <= R entrywise, for every z;
      |T(center) - center| <= residual entrywise. The same holds for I on X, with start.residual for
      |I(center) - center| (where the method keeps no buffers, I is the identity, and is left out).
      T is the step without projections onto strategy sets; it is the step itself wherever the new
      strategy is in Z, since Z was found to lie in the strategy sets, with all trial points.

What follows, by the inequalities verified below in exact rational arithmetic:

  * |T(z) - T(z')|_P <= rate |z - z'|_P for all z and z' in Z. On each cell DT' P DT <= rate^2 P; Z
    is convex and P and the rate are the same on all cells, so the factor passes to averages of DT
    along segments.
  * T has exactly one fixed point z* in Z, and |z* - center|_P <= radius.
  * From every z_0 with |z_0 - center|_P <= basin, the iterates stay in Z and converge to z*:
    |z_k - z*|_P <= rate^k |z_0 - z*|_P. If x_0 has |x_0 - center_x|_M <= start.radius, then
    z_0 = I(x_0) is such a point.
"""

from fractions import Fraction
from math import ceil

from .cells import MAX_DIMENSION, Family, Progress, cells_of
from .exact import Work, positive_definite
from .matrices import Matrix, bordered, diagonal, plus, product, scaled, transposed
from .reader import Reader, Unusable
from .verdict import require

# The stated inverse of the metric is exact up to this factor.
_TIGHT = 1 - Fraction(1, 2**16)
# The least and the greatest exponent of the units of integers.
_UNITS = -1200, 1000


class Symmetric:
    """A symmetric matrix: integers in units of a power of two."""

    def __init__(self, file: Reader, size: int) -> None:
        unit, matrix = file.fields("unit", "matrix")
        self.unit, self.matrix = unit.integer_within(*_UNITS), matrix.matrix(size, size)
        require(self.matrix == transposed(self.matrix), f"{file.where} is symmetric")

    def scaled(self, factor: Fraction, bits: int) -> Matrix:
        """Returns `factor` times the matrix, in units of `2^-bits`; these must be fine enough."""
        multiple = factor * Fraction(2) ** (self.unit + bits)
        if multiple.denominator != 1:
            raise Unusable("the units of the matrices do not fit each other")
        return scaled(int(multiple), self.matrix)

    def entry(self, i: int, j: int) -> Fraction:
        """Returns an entry as a number, not in units."""
        return self.matrix[i][j] * Fraction(2) ** self.unit

    def largest_square(self, bounds: list[Fraction]) -> Fraction:
        """Bounds `z' P z` from above for all z with `|z_k| <= bounds_k`, P being this matrix."""
        require(min(bounds) >= 0, "bounds are not negative")
        pairs = [(i, j) for i in range(len(bounds)) for j in range(len(bounds))]
        return sum((abs(self.entry(i, j)) * bounds[i] * bounds[j] for i, j in pairs), Fraction(0))


def check_contraction(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a contraction file; see the top of this module.

    Metric: with `Q - Q P Q > 0` and `P > 0` also `Q > 0`, and then `P < Q^-1`. So
    `DT' Q^-1 DT < rate^2 P` proves `DT' P DT < rate^2 P`. With `Q P Q - t Q > 0` also
    `P > t Q^-1`, so that `(P^-1)_kk < Q_kk / t`: no point of `|z|_P <= r` is farther than
    `r sqrt(Q_kk / t)` from zero in coordinate k.

    Fixed point: if `|T(c) - c|_P <= (1 - rate) r` and the ball of radius r around c is in Z, then T
    maps this ball into itself, since `|T(z) - c|_P <= rate r + (1 - rate) r`: Banach's theorem.
    Two fixed points in Z would contradict the factor.

    Basin: a start within `basin` of c is within `basin + radius` of z*. The ball with this radius
    around z* is mapped into itself, and it is in the ball of radius `basin + 2 radius` around c,
    which is in Z.

    Start: `|I(x) - c|_P <= |I(x) - I(c_x)|_P + |I(c_x) - c|_P`, where the first term is at most
    `stretch |x - c_x|_M`, as for T.
    """
    if level == 2:
        raise Unusable("level 2 is for certificates of games, not for those of single steps")
    strategy, state = (field.integer() for field in file["coordinates"].fields("strategy", "state"))
    m = strategy + state
    if strategy < 1 or state < 0 or m > MAX_DIMENSION:
        raise Unusable(f"a strategy has at least one coordinate, and a state {MAX_DIMENSION}")
    claims, evidence, work = file["claims"], file["evidence"], Work()
    names = ["lower", "upper", "metric", "rate", "center", "residual", "radius", "basin"]
    names += ["start"] if state else []
    fields = dict(zip(names, claims.fields(*names), strict=True))
    lower, upper, center, residual = (
        fields[name].numbers(m) for name in ("lower", "upper", "center", "residual")
    )
    rate, radius, basin = (fields[name].number() for name in ("rate", "radius", "basin"))
    require(all(map(Fraction.__lt__, lower, upper)), "the box is not empty")
    require(0 < rate < 1, "the rate is between 0 and 1")
    require(radius > 0 and basin > 0, "the balls have positive radii")
    gaps = [min(c - low, high - c) for low, c, high in zip(lower, center, upper, strict=True)]
    require(min(gaps) > 0, "the center is inside the box")

    metric, inverse = Symmetric(fields["metric"], m), Symmetric(evidence["inverse"], m)
    _check_inverse(metric, inverse, work)
    reach = (basin + 2 * radius) ** 2
    require(
        all(reach * inverse.entry(k, k) <= _TIGHT * gap**2 for k, gap in enumerate(gaps)),
        "the basin is inside the box",
    )
    size = metric.largest_square(residual)
    require(size <= ((1 - rate) * radius) ** 2, "the fixed point is within the radius")

    unit = evidence["unit"].integer_within(*_UNITS)
    for node, _, _ in cells_of(evidence["cells"], lower, upper, None, progress):
        _check_factor(node, unit, metric, rate, inverse, "the rate holds", work)
    if state:
        own, stretch, start_residual, reach = fields["start"].fields(
            "metric", "stretch", "residual", "radius"
        )
        start = Symmetric(own, strategy)
        factor, distance = stretch.number(), reach.number()
        require(factor > 0 and distance > 0, "the starts are a ball")
        for k, gap in enumerate(gaps[:strategy]):
            # x_k^2 / gap^2 < x' M x / distance^2, so that the ball is in the box.
            bits = (gap**2).denominator.bit_length() - start.unit
            matrix = start.scaled(gap**2, bits)
            matrix[k][k] -= ceil(distance**2 * Fraction(2) ** bits)
            work.spend_test(matrix)
            require(positive_definite(matrix), "the starts are in the box")
        claim = "the stretch of the first state holds"
        _check_factor(evidence["start"], unit, start, factor, inverse, claim, work)
        left = basin - factor * distance
        size = metric.largest_square(start_residual.numbers(m))
        require(left >= 0 and size <= left**2, "the starts are in the basin")
    return ()


def _check_factor(
    node: Reader,
    unit: int,
    inner: Symmetric,
    factor: Fraction,
    inverse: Symmetric,
    claim: str,
    work: Work,
) -> None:
    """Requires that `[[factor^2 M, T'], [T, Q]]` is positive definite for all T of a family.

    That is `T' Q^-1 T < factor^2 M` (Schur complement).
    """
    square = factor**2
    bits = max(0, -unit, -inverse.unit, square.denominator.bit_length() - 1 - inner.unit)
    top, bottom = inner.scaled(square, bits), inverse.scaled(Fraction(1), bits)
    family = Family(node, len(bottom), len(top), unit + bits)
    scaling = family.scaling("scaling", len(bottom) + len(top))
    family.require_positive(bordered, diagonal(top, bottom), claim, work, scaling)


def _check_inverse(metric: Symmetric, inverse: Symmetric, work: Work) -> None:
    """Requires `P > 0` and `Q - Q P Q > 0`, so that `Q P Q` is below Q, but above `_TIGHT Q`."""
    p, q = metric.matrix, inverse.matrix
    for matrix in (p, q):
        work.spend(matrix)
    # Both are in common units: those of Q P Q, or of Q where they are finer.
    shift = inverse.unit + metric.unit
    triple = scaled(2 ** max(0, shift), product(product(q, p), q))
    plain = scaled(2 ** max(0, -shift), q)
    low, top = _TIGHT.as_integer_ratio()
    for matrix, claim in (
        (p, "the metric is positive definite"),
        (
            plus(plain, scaled(-1, triple)),
            "the inverse of the metric is at least the given one",
        ),
        (
            plus(scaled(top, triple), scaled(-low, plain)),
            "the inverse of the metric is hardly more than the given one",
        ),
    ):
        work.spend_test(matrix)
        require(positive_definite(matrix), claim)

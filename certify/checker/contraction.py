"""The argument of a contraction file: a step of a method, as it is, shrinks distances in a metric.

The setting: the step map T: R^m -> R^m of a method on its augmented state z = (x, buffers), the
strategy x first; the method starts at z_0 = I(x_0) = (x_0, init(x_0)). Z is a box of augmented
states, X its part that belongs to x, and |z|_P^2 = z' P z. What the file states about T and I and
is *not* re-derived here is, in one place:

  (B) on each (closed) cell of Z the map T is defined and continuously differentiable, and
      DT(z) = C + sum_k e_k G_k + E with |e_k| <= 1 and |E| <= R entrywise, for every z;
      |T(center) - center| <= residual entrywise. The same of I on X, with start.residual for
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

from .exact import Generator, Matrix, Work, family_positive_definite, positive_definite
from .proof import MAX_DEPTH, MAX_DIMENSION, MAX_ENDS, MAX_GENERATORS
from .reader import Reader, Unusable
from .region import require

# The inverse of the metric is known up to this factor.
_TIGHT = 1 - Fraction(1, 2**16)


class Symmetric:
    """A symmetric matrix: integers in units of a power of two."""

    def __init__(self, file: Reader, size: int) -> None:
        unit, matrix = file.fields("unit", "matrix")
        self.unit = unit.integer()
        if not -1200 <= self.unit <= 1000:
            unit.fail("an integer from -1200 to 1000")
        flat = matrix.integers(size * size)
        self.matrix = [flat[i * size : (i + 1) * size] for i in range(size)]
        require(
            self.matrix == [list(column) for column in zip(*self.matrix, strict=True)],
            f"{file.where} is symmetric",
        )

    def scaled(self, factor: Fraction, bits: int) -> Matrix:
        """`factor` times the matrix, in units of `2^-bits`, which have to be fine enough."""
        multiple = factor * Fraction(2) ** (self.unit + bits)
        if multiple.denominator != 1:
            raise Unusable("the units of the matrices do not fit each other")
        return [[int(multiple) * x for x in row] for row in self.matrix]

    def entry(self, i: int, j: int) -> Fraction:
        """One entry, as it is."""
        return self.matrix[i][j] * Fraction(2) ** self.unit


class Family:
    """Matrices `C + sum_k e_k G_k + E` of some shape, in units of a power of two."""

    def __init__(self, node: Reader, rows: int, columns: int) -> None:
        centre, generators, remainder, scaling = (
            node[name] for name in ("centre", "generators", "remainder", "scaling")
        )
        parts = generators.items()
        if len(parts) > MAX_GENERATORS:
            generators.fail(f"at most {MAX_GENERATORS} matrices")

        def matrix(file: Reader) -> Matrix:
            flat = file.integers(rows * columns)
            return [flat[i * columns : (i + 1) * columns] for i in range(rows)]

        self.where = node.where
        self.centre, self.remainder = matrix(centre), matrix(remainder)
        self.generators = [matrix(part) for part in parts]
        self.scaling = scaling.integers(rows + columns)
        require(min(map(min, self.remainder)) >= 0, f"{node.where}.remainder is not negative")
        require(min(self.scaling) > 0, f"{node.where}.scaling is positive")

    def contracts(
        self, unit: int, inner: Symmetric, factor: Fraction, inverse: Symmetric, work: Work
    ) -> bool:
        """Whether `[[factor^2 M, T'], [T, Q]]` is positive definite for every T of the family.

        That is `T' Q^-1 T < factor^2 M` (Schur complement). It is affine in T.
        """
        square = factor**2
        bits = max(0, -unit, -inverse.unit, square.denominator.bit_length() - 1 - inner.unit)
        top, bottom = inner.scaled(square, bits), inverse.scaled(Fraction(1), bits)

        def bordered(t: Matrix, corner: Matrix, other: Matrix) -> Matrix:
            moved = [[x << (unit + bits) for x in row] for row in t]
            upper = [
                [*row, *column]
                for row, column in zip(corner, zip(*moved, strict=True), strict=True)
            ]
            return upper + [[*row, *right] for row, right in zip(moved, other, strict=True)]

        none_top = [[0] * len(top) for _ in top]
        none_bottom = [[0] * len(bottom) for _ in bottom]
        zero = [[0] * (len(top) + len(bottom)) for _ in range(len(top) + len(bottom))]
        generators = [
            Generator(whole, zero, whole)
            for whole in (bordered(g, none_top, none_bottom) for g in self.generators)
        ]
        return family_positive_definite(
            bordered(self.centre, top, bottom),
            generators,
            bordered(self.remainder, none_top, none_bottom),
            self.scaling,
            work,
        )


def check_contraction(file: Reader) -> None:
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
    size = _largest_square(metric, residual)
    require(size <= ((1 - rate) * radius) ** 2, "the fixed point is within the radius")

    unit = evidence["unit"].integer()
    if not -1200 <= unit <= 1000:
        evidence["unit"].fail("an integer from -1200 to 1000")
    pending, proved = [(lower, upper)], 0
    nodes = evidence["cells"].items()
    if len(nodes) * m > MAX_ENDS:
        raise Unusable("checking it would take too much work: too many cells")
    for node in nodes:
        require(bool(pending), "the cells form one tree")
        low, high = pending.pop()
        if "split" in node:
            axis, at = node["split"].integer(), node["at"].number()
            require(0 <= axis < m, f"{node.where} splits an existing coordinate")
            require(low[axis] < at < high[axis], f"{node.where} splits inside the cell")
            below, above = list(high), list(low)
            below[axis] = above[axis] = at
            pending += [(above, high), (low, below)]
            if len(pending) > MAX_DEPTH:
                node.fail(f"at most {MAX_DEPTH} cuts, one within the other")
        else:
            family = Family(node, m, m)
            holds = family.contracts(unit, metric, rate, inverse, work)
            require(holds, f"the rate holds on {node.where}")
            proved += 1
    require(not pending and proved > 0, "the cells cover the box")
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
            work.spend(matrix)
            require(positive_definite(matrix), "the starts are in the box")
        family = Family(evidence["start"], m, strategy)
        holds = family.contracts(unit, start, factor, inverse, work)
        require(holds, "the stretch of the first state holds")
        left = basin - factor * distance
        size = _largest_square(metric, start_residual.numbers(m))
        require(left >= 0 and size <= left**2, "the starts are in the basin")


def _check_inverse(metric: Symmetric, inverse: Symmetric, work: Work) -> None:
    p, q = metric.matrix, inverse.matrix

    def product(left: Matrix, right: Matrix) -> Matrix:
        columns = list(zip(*right, strict=True))
        return [[sum(map(int.__mul__, row, column)) for column in columns] for row in left]

    for matrix in (p, q):
        work.spend(matrix)
    triple = product(product(q, p), q)  # in units of 2^(2 inverse.unit + metric.unit)
    shift = inverse.unit + metric.unit
    # Common units: those of the triple product, or of Q where they are finer.
    bits = max(0, shift)
    triple = [[x << bits for x in row] for row in triple]
    plain = [[x << (bits - shift) for x in row] for row in q]
    lower = [
        [x - y for x, y in zip(row, other, strict=True)]
        for row, other in zip(plain, triple, strict=True)
    ]
    top = _TIGHT.denominator
    upper = [
        [top * y - _TIGHT.numerator * x for x, y in zip(row, other, strict=True)]
        for row, other in zip(plain, triple, strict=True)
    ]
    for matrix, claim in (
        (p, "the metric is positive definite"),
        (lower, "the inverse of the metric is at least the given one"),
        (upper, "the inverse of the metric is hardly more than the given one"),
    ):
        work.spend(matrix)
        require(positive_definite(matrix), claim)


def _largest_square(metric: Symmetric, bounds: list[Fraction]) -> Fraction:
    """An upper bound on `z' P z` for all z with `|z_k| <= bounds_k`."""
    require(min(bounds) >= 0, "bounds are not negative")
    return sum(
        (
            abs(metric.entry(i, j)) * x * y
            for i, x in enumerate(bounds)
            for j, y in enumerate(bounds)
        ),
        Fraction(0),
    )

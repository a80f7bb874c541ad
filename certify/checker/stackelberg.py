"""The argument of a Stackelberg file: a leader's reduced cost is strongly convex on a region.

The setting: a leader with the strategy x in R^n and the cost f(x, y); followers with the costs
g_i(x, y), their joint strategy y in R^m, `G = (grad_{y_i} g_i)_i`. X and Y are boxes. With an
*adjoint* w in R^m, the optimality system is

    Phi(x, y, w) = (f_x + G_x' w,  G,  G_y' w + f_y),

and Psi denotes its last 2m entries, z = (y, w). What the file states about it and is *not*
re-derived here is, in one place:

  (B) on each (closed) cell of X x Y each g_i is twice continuously differentiable and G_y is in the
      stated interval matrix; on each (closed) box `X_c x Y_c x W_c` of a leader's cell, and of the
      optimum, f is twice and each g_i three times continuously differentiable near `X_c x Y_c`,
      DPhi is in the stated interval matrix, and `|Psi(point)| <= residual` (of the optimum:
      |Phi(point)|) entrywise; |f(point) - value| <= residual at the point of the optimum.

A file may be about a field G in place of the followers' costs, and names it. Then (B) says of that
G that it is once, or near leader's cells twice, continuously differentiable; nothing is known of
costs, blocks of G_y need not be symmetric, and the followers' answer is the zero of G(x, .), which
is not claimed to be an equilibrium of a game. All else below is the same.

What follows, by the inequalities verified below in exact rational arithmetic, for all x in X:

  * **The followers have one answer.** On the cells `W G_y + G_y' W > 2 margin W` with one positive
    weight per follower. X x Y is convex, so for fixed x the inequality passes to averages of G_y
    along segments in Y: G(x, .) is strongly monotone in Y and has at most one zero there. The own
    blocks of G_y are symmetric, being second derivatives of g_i, and positive definite, so that a
    zero in Y is a Nash equilibrium of the followers' game restricted to Y; it is the only one, as
    each solves the variational inequality of G(x, .) in Y, of which strong monotonicity leaves one
    solution. Deviations that leave Y are not spoken of.
  * **It exists.** On each leader's cell `answer_tube` proves a zero z(x) of Psi(x, .) in Y_c x W_c,
    and Y_c is in Y. Its y is r(x), and its w is the one solution of `G_y' w = -f_y` there. So r and
    w do not depend on the cell, and they are continuously differentiable near X.
  * **The reduced cost** `f^(x) = f(x, r(x))` is twice continuously differentiable. As `r' = -G_y^-1
    G_x`, its gradient is `f_x + r'' f_y = f_x + G_x' w = Phi_1(x, z(x))` (where r'' is r'
    transposed); call it D(x). With the blocks A, B of DPhi in the rows of Phi_1, and J_x, J_z in
    those of Psi, `J_x + J_z z' = 0`, so that for any matrices L and S, and z' = S + d,

        f^'' = A + B z' + L (J_x + J_z z') = (A + B S + L J_x + L J_z S) + (B + L J_z) d.

    The bracket is linear in DPhi and thus enclosed, the rest at most |B + L J_z| |d|, a product of
    two small numbers, with the `deviation` of the tube. f^'' is symmetric, and so `curvature I <
    f^'' < smoothness I` is verified for symmetric parts. Then f^ is strongly convex on the box X,
    which has at most one stationary point of it.
  * **The optimum.** The box of the optimum lies in X; its point is (c, d). As Psi(c, z(c)) = 0,
    `|D(c)| <= e = residual_1 + |L| residual_Psi + |B + L J_z| |z(c) - d|`. If `|e|_2 <= curvature
    radius` and the ball of that radius around c is in the box, then on its sphere `<D(x), x - c> >=
    curvature radius^2 - |e| radius >= 0`, so that D has a zero x* in the ball (Brouwer), the only
    one in X: **x* is the strict minimiser of f^ on X**, and (x*, r(x*)) is a differential
    Stackelberg equilibrium, and the Stackelberg equilibrium of the game restricted to X and Y. Then
    r(x*) is within `|S| radius + error` of the y of d, r'(x*) and f^''(x*) are in the stated
    intervals, which contain those of the box, and as f^ is convex, `f^(c) - |e|^2 / (2 curvature)
    <= f^(x*) <= f^(c)`. Here `|f^(c) - f(c, y_c)| <= |f_y| |r(c) - y_c|` with f_y = Phi_3 - G_y' w,
    for w that of d, between the two points: `|f_y| <= residual_3 + |H_yy| |r(c) - y_c| + |G_y'|
    |w|`.
  * **Steps.** `D(x) - D(x*) = H (x - x*)` with a symmetric H between curvature and smoothness. So
    `x+ = x - h D(x)`, with exact answers of the followers, comes closer to x* by the factor `max(|1
    - h curvature|, |1 - h smoothness|)`, below 1 for all `0 < h < 2 / smoothness`, from every start
    of X within `basin` of c, if the ball of radius `basin + 2 radius` is in X; for `h = best` the
    factor is at most `rate`.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from .answer_tube import AnswerTube, answer_tube
from .cells import Family, Progress, cells_of
from .exact import Work
from .graph import Graph, read_graph
from .interval_matrices import (
    RationalIntervalMatrix,
    Rows,
    absolute,
    column,
    flat,
    identity,
    plus,
    product,
)
from .reader import Reader, Unusable
from .verdict import Rejected, require

# The most coordinates of leader, followers and adjoints together.
MAX_DIMENSION = 96

Box = tuple[list[Fraction], list[Fraction]]


class StackelbergClaims:
    """The claims of a file, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        game = file["game"]
        leader, followers = game["leader"], game["followers"].items()
        self.n = leader["size"].integer()
        self.sizes = [player["size"].integer() for player in followers]
        names = [leader["name"].text(), *(player["name"].text() for player in followers)]
        self.m = sum(self.sizes)
        if min([self.n, *self.sizes]) < 1 or not followers or len({*names}) < len(names):
            raise Unusable("a leader and followers have different names and at least 1 coordinate")
        if self.n + 2 * self.m > MAX_DIMENSION:
            raise Unusable(
                f"leader, followers and adjoints have at most {MAX_DIMENSION} coordinates"
            )
        region, weights, margin, curvature, smoothness, optimum, basin, step = file[
            "claims"
        ].fields(
            "region", "weights", "margin", "curvature", "smoothness", "optimum", "basin", "step"
        )
        own, others = region.fields("leader", "followers")
        self.leader_box, self.follower_box = _box(own, self.n), _box(others, self.m)
        self.weights = weights.numbers(len(self.sizes))
        require(min(self.weights) > 0, "the weights are positive")
        self.margin = margin.number()
        self.curvature, self.smoothness = curvature.number(), smoothness.number()
        require(min(self.margin, self.curvature) > 0, "margin and curvature are positive")
        center, radius, answer, slopes, bends, value = optimum.fields(
            "center", "radius", "followers", "slopes", "curvature", "value"
        )
        self.center, self.radius = center.numbers(self.n), radius.number()
        require(self.radius > 0, "the ball of the optimum has a positive radius")
        middle, reach = answer.fields("center", "radius")
        self.answer, self.answer_radius = middle.numbers(self.m), reach.numbers(self.m)
        self.slopes = _ends(slopes, self.m * self.n)
        self.bends = _ends(bends, self.n * self.n)
        self.value = _ends(value, 1)
        self.basin = basin.fields("radius")[0].number()
        require(self.basin > 0, "the basin has a positive radius")
        best, rate = step.fields("best", "rate")
        self.best, self.rate = best.number(), rate.number()
        self.of_field = "field" in game
        if self.of_field and not game["field"].text():
            game["field"].fail("the name of a field")
        self.graph: Graph | None = None
        if "graph" in game:
            outputs = 1 + (self.m if self.of_field else len(self.sizes))
            self.graph = read_graph(game["graph"], self.n + self.m, outputs)

    @property
    def players(self) -> list[int]:
        """The number of the follower to whom each coordinate of y belongs."""
        return [i for i, size in enumerate(self.sizes) for _ in range(size)]


def _ends(file: Reader, length: int) -> Box:
    lower, upper = file.fields("lower", "upper")
    return lower.numbers(length), upper.numbers(length)


def _box(file: Reader, length: int) -> Box:
    lower, upper = _ends(file, length)
    require(all(map(Fraction.__lt__, lower, upper)), f"{file.where} is not empty")
    return lower, upper


class LeaderCell(NamedTuple):
    """A box `X_c x Y_c x W_c` of the file, with what is stated and chosen there."""

    where: str
    lower: list[Fraction]
    upper: list[Fraction]
    point: list[Fraction]
    residual: list[Fraction]
    jacobian: RationalIntervalMatrix
    slope: Rows
    inverse: Rows
    left: Rows
    scale: list[Fraction]
    scaling: list[Fraction]


class Reduced(NamedTuple):
    """What is proved on the box of a leader's cell.

    Attributes:
        tube: The enclosure of z(x).
        bends: The enclosure of f^''.
        cross: The magnitude of `B + L J_z`.
    """

    tube: AnswerTube
    bends: RationalIntervalMatrix
    cross: Rows


def check_stackelberg(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a Stackelberg file.

    Returns:
        What was re-derived from the costs, at level 2; nothing at level 1.
    """
    claims, evidence, work = StackelbergClaims(file), file["evidence"], Work()
    unit, followers, leader, optimum, value = evidence.fields(
        "unit", "followers", "leader", "optimum", "value"
    )
    scale = Fraction(2) ** unit.integer_within(-1200, 1000)
    for node, _, _ in follower_cells(followers, claims, progress):
        check_follower_cell(node, claims, scale, work)
    for node, lower, upper in cells_of(leader, *claims.leader_box, None, progress):
        cell = read_leader_cell(node, claims, scale, work, lower, upper)
        check_curvature(cell, claims, reduced(cell, claims.n))
    best = read_optimum(optimum, claims, scale, work)
    check_optimum(best, value, claims, reduced(best, claims.n))
    check_step(claims)
    if level == 1:
        return ()
    try:
        from .rederive_stackelberg import rederive_stackelberg
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive_stackelberg(file, claims, progress)


def follower_cells(
    file: Reader, claims: StackelbergClaims, progress: Progress | None = None
) -> Iterator[tuple[Reader, list[Fraction], list[Fraction]]]:
    """Yields the cells of X x Y with their corners."""
    lower, upper = (
        one + other for one, other in zip(claims.leader_box, claims.follower_box, strict=True)
    )
    return cells_of(file, lower, upper, None, progress)


def stated(node: Reader, size: int, scale: Fraction) -> RationalIntervalMatrix:
    """Reads an interval matrix."""
    family = Family(node, size, size)
    if family.generators:
        node["generators"].fail("no matrices")
    return RationalIntervalMatrix(
        *([[x * scale for x in row] for row in m] for m in (family.centre, family.remainder))
    )


def check_follower_cell(
    node: Reader, claims: StackelbergClaims, scale: Fraction, work: Work
) -> None:
    """Verifies `W G_y + G_y' W > 2 margin W` for all matrices of a cell."""
    work.pay(64 * claims.m**3)
    slopes = stated(node, claims.m, scale)
    weights = [claims.weights[i] for i in claims.players]
    matrix = slopes.after(
        [[w if i == j else Fraction(0) for j in range(claims.m)] for i, w in enumerate(weights)]
    )
    for i, w in enumerate(weights):
        matrix.centre[i][i] -= claims.margin * w
    scaling = _positive(node["scaling"], claims.m)
    require(matrix.is_positive(scaling), f"the followers' margin holds on {node.where}")


def _positive(file: Reader, length: int) -> list[Fraction]:
    numbers = file.numbers(length)
    require(min(numbers) > 0, f"{file.where} is positive")
    return numbers


def read_leader_cell(
    node: Reader,
    claims: StackelbergClaims,
    scale: Fraction,
    work: Work,
    lower: list[Fraction],
    upper: list[Fraction],
    rows: int | None = None,
) -> LeaderCell:
    """Reads a leader's cell; `rows` is how many entries of Phi(point) are bounded."""
    n, k = claims.n, 2 * claims.m
    work.pay(256 * (n + k) ** 3)

    def matrix(name: str, height: int, width: int) -> Rows:
        entries = node[name].numbers(height * width)
        return [entries[i * width : (i + 1) * width] for i in range(height)]

    low, high = node["lower"].numbers(k), node["upper"].numbers(k)
    for ends in ((low, claims.follower_box[0]), (claims.follower_box[1], high)):
        inside = all(a >= b for a, b in zip(ends[0][: claims.m], ends[1][: claims.m], strict=True))
        require(inside, f"{node.where} is within the followers' region")
    cell = LeaderCell(
        node.where,
        [*lower, *low],
        [*upper, *high],
        node["point"].numbers(n + k),
        node["residual"].numbers(k if rows is None else rows),
        stated(node, n + k, scale),
        matrix("slope", k, n),
        matrix("inverse", k, k),
        matrix("left", n, k),
        _positive(node["scale"], k),
        _positive(node["scaling"], n),
    )
    inside = all(a <= p <= b for a, p, b in zip(cell.lower, cell.point, cell.upper, strict=True))
    require(inside, f"{node.where}.point is in the cell")
    require(min(cell.residual) >= 0, f"{node.where}.residual is not negative")
    return cell


def read_optimum(
    node: Reader, claims: StackelbergClaims, scale: Fraction, work: Work
) -> LeaderCell:
    """Reads the box of the optimum, which lies in X."""
    lower, upper = _box(node["region"], claims.n)
    inside = [*map(Fraction.__le__, claims.leader_box[0], lower)]
    inside += map(Fraction.__ge__, claims.leader_box[1], upper)
    require(all(inside), "the box of the optimum is in the leader's region")
    return read_leader_cell(node, claims, scale, work, lower, upper, claims.n + 2 * claims.m)


def reduced(cell: LeaderCell, n: int) -> Reduced:
    """Proves the answer of the followers and encloses f^'' on the box of a cell."""
    own, psi = slice(0, n), slice(n, None)
    b = cell.jacobian.block(own, psi)
    along, across = cell.jacobian.block(psi, own), cell.jacobian.block(psi, psi)
    sides = list(zip(cell.lower, cell.point, cell.upper, strict=True))
    tube = answer_tube(
        along,
        across,
        cell.slope,
        cell.inverse,
        cell.scale,
        [max(high - c, c - low) for low, c, high in sides[:n]],
        cell.residual[-len(cell.slope) :],
        [min(high - c, c - low) for low, c, high in sides[n:]],
    )
    if tube is None:
        raise Rejected(f"the followers have an answer on {cell.where}")
    # [I, L] DPhi [I; S], as one product with exact matrices on both sides.
    below = identity(n) + cell.slope
    before = [one + other for one, other in zip(identity(n), cell.left, strict=True)]
    bracket = cell.jacobian.times(below).after(before)
    cross = b.plus(across.after(cell.left)).magnitude()
    return Reduced(tube, bracket.widened(product(cross, tube.deviation)), cross)


def check_curvature(cell: LeaderCell, claims: StackelbergClaims, found: Reduced) -> None:
    """Verifies `curvature I < f^'' < smoothness I` on a cell."""
    for sign, bound, name in (
        (1, claims.curvature, "curvature"),
        (-1, claims.smoothness, "smoothness"),
    ):
        centre = [
            [sign * (x - (bound if i == j else 0)) for j, x in enumerate(row)]
            for i, row in enumerate(found.bends.centre)
        ]
        matrix = RationalIntervalMatrix(centre, found.bends.radius)
        require(matrix.is_positive(cell.scaling), f"the {name} holds on {cell.where}")


def check_optimum(
    cell: LeaderCell, value: Reader, claims: StackelbergClaims, found: Reduced
) -> None:
    """Verifies the enclosures of x*, r(x*), r'(x*), f^''(x*) and f^(x*)."""
    n, m = claims.n, claims.m
    require(
        cell.point[: n + m] == claims.center + claims.answer,
        "the optimum is enclosed around the point of its box",
    )
    inside = all(
        low <= c - claims.radius and c + claims.radius <= high
        for low, c, high in zip(cell.lower[:n], claims.center, cell.upper[:n], strict=True)
    )
    require(inside, "the ball of the optimum is in its box")
    away = found.tube.error_at_point
    force = plus(
        column(cell.residual[:n]),
        plus(
            product(absolute(cell.left), column(cell.residual[n:])),
            product(found.cross, column(away)),
        ),
    )
    square = sum((x * x for x in flat(force)), Fraction(0))
    require(
        square <= (claims.curvature * claims.radius) ** 2,
        "the total derivative is small enough for the ball of the optimum",
    )
    moved = product(absolute(cell.slope[:m]), column([claims.radius] * n))
    reach = plus(moved, column(found.tube.error[:m]))
    require(
        all(x <= r for x, r in zip(flat(reach), claims.answer_radius, strict=True)),
        "the followers' answer at the optimum is as near as the file says",
    )
    slopes = RationalIntervalMatrix(*(part[:m] for part in found.tube.slopes))
    _within(slopes, claims.slopes, "slopes of the answer")
    _within(found.bends, claims.bends, "curvature")
    jacobian, y, w = cell.jacobian, slice(n, n + m), slice(n + m, None)
    pull = plus(
        column(cell.residual[n + m :]),
        plus(
            product(jacobian.block(w, y).magnitude(), column(away[:m])),
            product(
                jacobian.block(w, w).magnitude(), column([abs(x) for x in cell.point[n + m :]])
            ),
        ),
    )
    at, residual = value.fields("at", "residual")
    require(residual.number() >= 0, "the residual of the value is not negative")
    spread = residual.number() + sum(
        (p * d for p, d in zip(flat(pull), away[:m], strict=True)), Fraction(0)
    )
    gain = square / (2 * claims.curvature)
    (low,), (high,) = claims.value
    require(
        low <= at.number() - spread - gain and at.number() + spread <= high,
        "the value at the optimum is between the stated bounds",
    )


def _within(found: RationalIntervalMatrix, ends: Box, what: str) -> None:
    parts = zip(flat(found.centre), flat(found.radius), *ends, strict=True)
    inside = all(low <= c - r and c + r <= high for c, r, low, high in parts)
    require(inside, f"{what} at the optimum: the stated bounds hold")


def check_step(claims: StackelbergClaims) -> None:
    """Verifies the factor of the best step, and that the basin is inside X."""
    ends = (claims.curvature, claims.smoothness)
    factor = max(abs(1 - claims.best * end) for end in ends)
    require(claims.best > 0 and factor <= claims.rate < 1, "the factor of the best step holds")
    reach = claims.basin + 2 * claims.radius
    inside = all(
        low <= c - reach and c + reach <= high
        for low, c, high in zip(
            claims.leader_box[0], claims.center, claims.leader_box[1], strict=True
        )
    )
    require(inside, "the basin is in the leader's region")

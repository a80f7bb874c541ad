"""The argument of a certificate, step by step. Read this file to know what a certificate proves.

The setting: costs f_i of N players on a convex region D of R^n, the pseudo-gradient
F = (grad_i f_i)_i, its Jacobian J, and the metric |x|_W^2 = sum_i w_i |x_i|^2 with one positive
weight per player. What the file states about J and F and is *not* re-derived here is, in one place:

  (B) on each (closed) cell of the region the costs and F are continuously differentiable, F being
      their gradients (so own-player blocks of J are symmetric), and J(x) = C + sum_k e_k G_k + E
      with |e_k| <= 1 and |E| <= R entrywise, for every x; |F(center)| <= residual entrywise.

From (B) everything else follows by the inequalities verified below, in exact rational arithmetic.
"""

from fractions import Fraction

from .exact import Matrix, family_positive_definite
from .reader import Reader, Unusable

CLAIMS = {"weights", "margin", "lipschitz", "small_gain", "equilibrium", "basin", "steps"}
MAX_DIMENSION = 512
MAX_GENERATORS = 10


class Rejected(Exception):
    """A claim of the file does not follow from its evidence."""


def require(condition: bool, claim: str) -> None:
    """Rejects the certificate unless `condition` holds."""
    if not condition:
        raise Rejected(claim)


class Setting:
    """Players, region and metric: what every step of the proof refers to."""

    def __init__(self, file: Reader) -> None:
        players = file["game"]["players"].items()
        self.sizes = [player["size"].integer() for player in players]
        if not players or min(self.sizes) < 1 or sum(self.sizes) > MAX_DIMENSION:
            raise Unusable(
                f"a game has players of at least 1 and in all at most {MAX_DIMENSION} coordinates"
            )
        self.dimension = sum(self.sizes)
        self.owner = [i for i, size in enumerate(self.sizes) for _ in range(size)]
        self.region = Region(file["region"], self.dimension)
        claims = file["claims"]
        unknown = sorted(set(claims.keys()) - CLAIMS)
        if unknown:
            raise Unusable(f'field "claims": nothing here can verify {", ".join(unknown)}')
        self.weights = claims["weights"].numbers(len(self.sizes))
        require(min(self.weights) > 0, "the weights are positive")
        self.margin = claims["margin"].number()
        require(self.margin > 0, "the margin is positive")
        self.lipschitz = claims["lipschitz"].number()
        require(self.lipschitz >= self.margin, "the Lipschitz constant is at least the margin")


class Region:
    """A box or a Euclidean ball: nonempty and convex."""

    def __init__(self, file: Reader, dimension: int) -> None:
        self.kind = file["kind"].text()
        if self.kind == "box":
            self.lower, self.upper = (file[end].numbers(dimension) for end in ("lower", "upper"))
            require(all(map(Fraction.__lt__, self.lower, self.upper)), "the region is not empty")
        elif self.kind == "ball":
            self.center, self.radius = file["center"].numbers(dimension), file["radius"].number()
            require(self.radius > 0, "the region is not empty")
            self.lower = [c - self.radius for c in self.center]
            self.upper = [c + self.radius for c in self.center]
        else:
            raise Unusable(f'field "region.kind": expected "box" or "ball", not {self.kind!r}')

    def misses(self, lower: list[Fraction], upper: list[Fraction]) -> bool:
        """Whether a cell lies outside the ball: its nearest point is farther than the radius."""
        if self.kind == "box":
            return False
        gaps = (
            max(a - c, c - b, Fraction(0))
            for a, b, c in zip(lower, upper, self.center, strict=True)
        )
        return sum(gap * gap for gap in gaps) > self.radius**2

    def contains_ball(
        self, center: list[Fraction], radius: Fraction, weights: list[Fraction]
    ) -> bool:
        """Whether all x with `sum_k weights_k (x_k - center_k)^2 <= radius^2` are in the region.

        Coordinate k of such an x is within `radius / sqrt(weights_k)` of the centre, and x is
        within `radius / sqrt(min weights)` of it; both bounds are attained.
        """
        if self.kind == "box":
            return all(
                low <= c <= high and w * min(c - low, high - c) ** 2 >= radius**2
                for low, c, high, w in zip(self.lower, center, self.upper, weights, strict=True)
            )
        distance = sum((a - b) ** 2 for a, b in zip(center, self.center, strict=True))
        # sqrt(distance) + radius / sqrt(w) <= R, squared twice.
        slack = self.radius**2 + distance - radius**2 / min(weights)
        return (
            distance <= self.radius**2 and slack >= 0 and 4 * self.radius**2 * distance <= slack**2
        )


def check_cells(file: Reader, setting: Setting) -> None:
    """The cells cover the region, and on each of them the margin and the other constants hold.

    The cells are the leaves of a tree that cuts the bounding box of the region in two, again and
    again; so they cover it by construction. With `J(x)` in the family of its cell,

        W J + J' W - 2 margin W > 0              <=>  J is strongly monotone in W with that margin,
        [[L W, (W J)'], [W J, L W]] > 0          =>   |J|_W <= L   (Schur complement),

    and both pass to the averages of J along segments, because W is one and the same in all cells:
    `<F(x) - F(y), x - y>_W >= margin |x - y|_W^2` and `|F(x) - F(y)|_W <= L |x - y|_W` on D.
    """
    evidence = file["evidence"]
    unit = evidence["unit"].integer()
    if not -1200 <= unit <= 0:
        raise Unusable('field "evidence.unit": expected an integer from -1200 to 0')
    gain = file["claims"].get("small_gain")
    constants = Constants(gain, setting) if gain else None
    scale = Scale(unit, setting, constants)
    pending = [(setting.region.lower, setting.region.upper)]
    proved = 0
    for node in evidence["cells"].items():
        require(bool(pending), "the cells form one tree")
        lower, upper = pending.pop()
        if node.has("split"):
            axis, at = node["split"].integer(), node["at"].number()
            require(0 <= axis < setting.dimension, f"{node.where} splits an existing coordinate")
            require(lower[axis] < at < upper[axis], f"{node.where} splits inside the cell")
            below, above = list(upper), list(lower)
            below[axis] = above[axis] = at
            pending += [(above, upper), (lower, below)]
        elif node.has("outside"):
            require(setting.region.misses(lower, upper), f"{node.where} lies outside the region")
        else:
            family = Family(node, scale, setting)
            family.check_margin()
            family.check_lipschitz()
            if constants:
                family.check_constants(constants)
            proved += 1
    require(not pending and proved > 0, "the cells cover the region")


class Constants:
    """Bounds for the small-gain test that hold over the whole region."""

    def __init__(self, file: Reader, setting: Setting) -> None:
        players = len(setting.sizes)
        self.curvature = file["curvature"].numbers(players)
        self.smoothness = file["smoothness"].numbers(players)
        self.coupling = [row.numbers(players) for row in file["coupling"].items(players)]
        off = [x for i, row in enumerate(self.coupling) for j, x in enumerate(row) if i != j]
        require(all(x > 0 for x in off), "the coupling bounds are positive")
        require(
            all(self.coupling[i][i] == 0 for i in range(players)), "no player couples to itself"
        )


class Scale:
    """The common unit `2^-bits` in which every number of the cell checks is an integer."""

    def __init__(self, unit: int, setting: Setting, constants: Constants | None) -> None:
        numbers = [*setting.weights, setting.margin, setting.lipschitz]
        if constants:
            numbers += constants.curvature + constants.smoothness
            numbers += [x for row in constants.coupling for x in row]
        self.bits = max(-unit, *(x.denominator.bit_length() - 1 for x in numbers))
        self.shift = self.bits + unit

    def __call__(self, number: Fraction) -> int:
        """The number in units of the scale."""
        return number.numerator << self.bits - (number.denominator.bit_length() - 1)


class Family:
    """The Jacobians of one cell, in units of the scale: matrices `C`, `G_k` and `R` of integers."""

    def __init__(self, node: Reader, scale: Scale, setting: Setting) -> None:
        self.node, self.scale, self.setting = node, scale, setting
        generators = node["generators"].items()
        if len(generators) > MAX_GENERATORS:
            raise Unusable(f'field "{node.where}.generators": at most {MAX_GENERATORS}')
        self.centre = self._matrix(node["centre"])
        self.generators = [self._matrix(item) for item in generators]
        self.remainder = self._matrix(node["remainder"])
        require(min(map(min, self.remainder)) >= 0, f"{node.where}.remainder is not negative")

    def _matrix(self, file: Reader) -> Matrix:
        n, shift = self.setting.dimension, self.scale.shift
        flat = [x << shift for x in file.integers(n * n)]
        return [flat[i * n : (i + 1) * n] for i in range(n)]

    def _scaling(self, name: str, length: int) -> list[int]:
        scaling = self.node[name].integers(length)
        require(min(scaling) > 0, f"{self.node.where}.{name} is positive")
        return scaling

    def _weights(self) -> list[int]:
        return [self.scale(self.setting.weights[i]) for i in self.setting.owner]

    def check_margin(self) -> None:
        """`W J + J' W - 2 margin W` is positive definite, for every J of the family."""
        w = self._weights()

        def symmetric(m: Matrix) -> Matrix:
            n = len(m)
            return [[w[i] * m[i][j] + w[j] * m[j][i] for j in range(n)] for i in range(n)]

        centre, twice = symmetric(self.centre), 2 * self.scale(self.setting.margin)
        for i, weight in enumerate(w):
            centre[i][i] -= twice * weight
        generators = [symmetric(g) for g in self.generators]
        scaling = self._scaling("margin_scaling", len(w))
        proved = family_positive_definite(centre, generators, symmetric(self.remainder), scaling)
        require(proved, f"the margin holds on {self.node.where}")

    def check_lipschitz(self) -> None:
        """`[[L W, (W J)'], [W J, L W]]` is positive definite, for every J of the family."""
        w, bound = self._weights(), self.scale(self.setting.lipschitz)

        def weighted(m: Matrix) -> Matrix:
            return [[weight * x for x in row] for weight, row in zip(w, m, strict=True)]

        proved = family_positive_definite(
            _bordered(weighted(self.centre), [bound * x for x in w], [bound * x for x in w]),
            [_bordered(weighted(g)) for g in self.generators],
            _bordered(weighted(self.remainder)),
            self._scaling("lipschitz_scaling", 2 * len(w)),
        )
        require(proved, f"the Lipschitz constant holds on {self.node.where}")

    def check_constants(self, constants: Constants) -> None:
        """Own blocks have their eigenvalues between the bounds; couplings have bounded norm."""
        for i, size in enumerate(self.setting.sizes):
            low, high = self.scale(constants.curvature[i]), self.scale(constants.smoothness[i])
            c, gs, r = self._blocks(i, i)
            for sign, bound, name in ((1, low, "curvature"), (-1, high, "smoothness")):
                # sign (A + A') - 2 sign bound I > 0
                matrix = [[sign * (c[a][b] + c[b][a]) for b in range(size)] for a in range(size)]
                for a in range(size):
                    matrix[a][a] -= 2 * sign * bound
                generators = [_plus_transpose(g) for g in gs]
                proved = family_positive_definite(
                    matrix, generators, _plus_transpose(r), [1] * size
                )
                require(proved, f"the {name} of player {i} holds on {self.node.where}")
            for j, other in enumerate(self.setting.sizes):
                if i == j:
                    continue
                bound = self.scale(constants.coupling[i][j])
                c, gs, r = self._blocks(i, j)
                proved = family_positive_definite(
                    _bordered(c, [bound] * size, [bound] * other),
                    [_bordered(g) for g in gs],
                    _bordered(r),
                    [1] * (size + other),
                )
                require(proved, f"the coupling of players {i} and {j} holds on {self.node.where}")

    def _blocks(self, i: int, j: int) -> tuple[Matrix, list[Matrix], Matrix]:
        starts = [sum(self.setting.sizes[:k]) for k in range(len(self.setting.sizes) + 1)]

        def block(m: Matrix) -> Matrix:
            return [row[starts[j] : starts[j + 1]] for row in m[starts[i] : starts[i + 1]]]

        return block(self.centre), [block(g) for g in self.generators], block(self.remainder)


def _plus_transpose(m: Matrix) -> Matrix:
    return [[m[a][b] + m[b][a] for b in range(len(m))] for a in range(len(m))]


def _bordered(
    block: Matrix, rows: list[int] | None = None, columns: list[int] | None = None
) -> Matrix:
    """`[[diag(columns), block'], [block, diag(rows)]]`, with zero diagonals by default."""
    m, n = len(block), len(block[0])
    rows, columns = rows or [0] * m, columns or [0] * n
    top = [
        [columns[a] if a == b else 0 for b in range(n)] + [block[i][a] for i in range(m)]
        for a in range(n)
    ]
    bottom = [list(block[i]) + [rows[i] if i == k else 0 for k in range(m)] for i in range(m)]
    return top + bottom


def check_small_gain(file: Reader, setting: Setting) -> None:
    """Two positive vectors prove the small-gain margin.

    With `K = diag(curvature) - coupling`, `K v >= a v` and `u' K >= a u'` make
    `W K + K' W - 2 a W` positive semidefinite for `W = diag(u / v)`: it has non-positive
    off-diagonal entries and maps v to a non-negative vector.
    """
    gain = file["claims"].get("small_gain")
    if gain is None:
        return
    constants, margin = Constants(gain, setting), gain["margin"].number()
    u, v = gain["left"].numbers(len(setting.sizes)), gain["right"].numbers(len(setting.sizes))
    require(min(u) > 0 and min(v) > 0, "the small-gain vectors are positive")
    players = range(len(setting.sizes))
    for i in players:
        row = constants.curvature[i] * v[i] - sum(constants.coupling[i][j] * v[j] for j in players)
        column = constants.curvature[i] * u[i] - sum(
            constants.coupling[j][i] * u[j] for j in players
        )
        require(row >= margin * v[i], f"the small-gain margin holds in row {i}")
        require(column >= margin * u[i], f"the small-gain margin holds in column {i}")


def check_equilibrium(file: Reader, setting: Setting) -> None:
    """There is exactly one equilibrium in the region, and it is in the stated ball.

    If the ball of radius r around c is in D and `|F(c)|_W <= margin r`, then F has a zero in it: on
    the sphere `<F(x), x - c>_W >= margin r^2 - |F(c)|_W r >= 0`, which suffices by Brouwer's
    theorem. It is the only zero in D by strong monotonicity. Own-player blocks of J
    are positive definite, since the margin is, so each player's cost is strongly convex in that
    player's own coordinates: the zero is a Nash equilibrium of the game restricted to D.

    The basin: a map or flow that contracts towards x* in W keeps every ball around x* that lies in
    D. A start within `basin` of c is within `basin + r` of x*, and that ball is in the ball of
    radius `basin + 2 r` around c.
    """
    claims = file["claims"]
    equilibrium = claims["equilibrium"]
    center = equilibrium["center"].numbers(setting.dimension)
    residual = equilibrium["residual"].numbers(setting.dimension)
    radius, basin = equilibrium["radius"].number(), claims["basin"]["radius"].number()
    weights = [setting.weights[i] for i in setting.owner]
    norm = sum(w * x * x for w, x in zip(weights, residual, strict=True))
    require(radius > 0, "the equilibrium ball has a positive radius")
    require(norm <= (setting.margin * radius) ** 2, "the residual is at most margin * radius")
    inside = setting.region.contains_ball(center, radius, weights)
    require(inside, "the equilibrium ball is inside the region")
    require(basin > 0, "the basin has a positive radius")
    inside = setting.region.contains_ball(center, basin + 2 * radius, weights)
    require(inside, "the basin is inside the region")


def check_steps(file: Reader, setting: Setting) -> None:
    """Every stated step size is safe, and contracts at the stated rate, by the theorem it names.

    `max` is proved to contract, and so is every smaller step in the same norm; `best` contracts by
    the factor `rate` in each iteration. Both from anywhere in the basin, to x*, and also when each
    step is followed by a projection onto a product of convex sets that contains x*: blockwise
    projections are nonexpansive in W.
    """
    for step in file["claims"]["steps"].items():
        rule = (step["method"].text(), step["theorem"].text())
        if rule not in STEP_RULES:
            raise Unusable(f'field "{step.where}": no rule {rule[1]!r} for the method {rule[0]!r}')
        largest, best, rate = (step[name].number() for name in ("max", "best", "rate"))
        require(
            0 < best <= largest, f"{rule[0]}: the best step is positive and at most the largest"
        )
        require(0 < rate < 1, f"{rule[0]}: the rate is between 0 and 1")
        STEP_RULES[rule](step, file, setting)


def _simultaneous_lipschitz(step: Reader, file: Reader, setting: Setting) -> None:
    """`|x - y - h (F(x) - F(y))|_W^2 <= (1 - 2 h margin + h^2 lipschitz^2) |x - y|_W^2`."""
    largest, best, rate = (step[name].number() for name in ("max", "best", "rate"))
    margin, lipschitz = setting.margin, setting.lipschitz
    require(
        largest * lipschitz**2 < 2 * margin,
        "simultaneous: the largest step is below 2 margin / lipschitz^2",
    )
    factor = 1 - 2 * best * margin + (best * lipschitz) ** 2
    require(factor <= rate**2, "simultaneous: the rate holds at the best step")


def _simultaneous_small_gain(step: Reader, file: Reader, setting: Setting) -> None:
    """Distances per player obey `d+ <= N(h) d`, `N_ij = h coupling_ij`.

    `N_ii = max(|1 - h curvature_i|, |1 - h smoothness_i|)`: own blocks are symmetric, as Hessians
    and their averages are, so their norms are those of their eigenvalues. `N v <= rho v` and
    `u' N <= rho u'`, with the small-gain vectors u, v > 0, bound the contraction factor by rho in
    `W' = diag(u / v)`: `M = W'^(1/2) N W'^(-1/2)` and `z = W'^(1/2) v` satisfy `M' M z <= rho^2 z`.
    The entries of N(h) are convex in h and N(0) = I, so a safe step makes all smaller ones safe.

    The basin is a ball of W' around the centre, as in `check_equilibrium`; x* is within
    `radius * max sqrt(w' / w)` of the centre in W'.
    """
    gain = file["claims"]["small_gain"]
    constants, players = Constants(gain, setting), range(len(setting.sizes))
    u, v = (gain[side].numbers(len(players)) for side in ("left", "right"))
    require(min(u) > 0 and min(v) > 0, "the small-gain vectors are positive")

    def factor(h: Fraction) -> Fraction:
        def entry(i: int, j: int) -> Fraction:
            own = max(abs(1 - h * constants.curvature[i]), abs(1 - h * constants.smoothness[i]))
            return own if i == j else h * constants.coupling[i][j]

        return max(
            max(sum(entry(i, j) * v[j] for j in players) / v[i] for i in players),
            max(sum(u[i] * entry(i, j) for i in players) / u[j] for j in players),
        )

    largest, best, rate = (step[name].number() for name in ("max", "best", "rate"))
    require(factor(largest) < 1, "simultaneous: the largest step contracts")
    require(factor(best) <= rate, "simultaneous: the rate holds at the best step")
    weights = [u[i] / v[i] for i in setting.owner]
    equilibrium = file["claims"]["equilibrium"]
    center = equilibrium["center"].numbers(setting.dimension)
    radius, near = equilibrium["radius"].number(), step["equilibrium_radius"].number()
    ratio = max(a / setting.weights[i] for a, i in zip(weights, setting.owner, strict=True))
    require(near > 0 and near**2 >= ratio * radius**2, "simultaneous: x* is near the centre")
    basin = step["basin"].number()
    require(basin > 0, "simultaneous: the basin has a positive radius")
    inside = setting.region.contains_ball(center, basin + 2 * near, weights)
    require(inside, "simultaneous: the basin is inside the region")


def _extragradient_monotonicity(step: Reader, file: Reader, setting: Setting) -> None:
    """`y = x - h F(x)`, `x+ = x - h F(y)`, with `a = margin`, `b = lipschitz` and `h b < 1`.

    As F(x*) = 0 and h F(x) = x - y,

        |x+ - x*|^2 =  |x - x*|^2 - 2 h <F(y), y - x*> + h^2 |F(x) - F(y)|^2 - |x - y|^2
                    <= |x - x*|^2 - 2 h a |y - x*|^2 - s |x - y|^2,     s = 1 - h^2 b^2,

    and `|x - x*|^2 <= (1 + c) |y - x*|^2 + (1 + 1/c) |x - y|^2` with `c = 2 h a / s` gives
    `|x+ - x*|^2 <= (1 - 2 h a s / (s + 2 h a)) |x - x*|^2`.

    The point y is within `stretch |x - x*|` of x*, `stretch^2 >= 1 - 2 h a + h^2 b^2`, which is
    convex in h; so all points used lie in the ball of radius `stretch (basin + r) + r` around the
    centre, which has to be in the region.
    """
    largest, best, rate = (step[name].number() for name in ("max", "best", "rate"))
    margin, lipschitz = setting.margin, setting.lipschitz
    require(largest * lipschitz < 1, "extragradient: the largest step is below 1 / lipschitz")
    slack, twice = 1 - (best * lipschitz) ** 2, 2 * best * margin
    require(
        1 - twice * slack / (slack + twice) <= rate**2,
        "extragradient: the rate holds at the best step",
    )
    stretch, basin = step["stretch"].number(), step["basin"].number()
    growth = 1 - 2 * largest * margin + (largest * lipschitz) ** 2
    require(stretch >= 1 and stretch**2 >= growth, "extragradient: the stretch is large enough")
    equilibrium = file["claims"]["equilibrium"]
    center, radius = (
        equilibrium["center"].numbers(setting.dimension),
        equilibrium["radius"].number(),
    )
    weights = [setting.weights[i] for i in setting.owner]
    require(basin > 0, "extragradient: the basin has a positive radius")
    inside = setting.region.contains_ball(center, stretch * (basin + radius) + radius, weights)
    require(inside, "extragradient: the basin is inside the region")


STEP_RULES = {
    ("extragradient", "monotonicity"): _extragradient_monotonicity,
    ("simultaneous", "lipschitz"): _simultaneous_lipschitz,
    ("simultaneous", "small_gain"): _simultaneous_small_gain,
}

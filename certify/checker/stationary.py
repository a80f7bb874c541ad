r"""The argument for one stationary feedback equilibrium of a linear-quadratic game without an end.

See `feedback` for the game. Matrices `P_i = P_i'` and `K_i` are sought with `C = A - sum_j B_j K_j`
and

    discrete:    R_ii K_i - B_i'P_i C = 0,   Q_i + sum_j K_j'R_ij K_j + C'P_i C - P_i = 0,
    continuous:  R_ii K_i - B_i'P_i = 0,     Q_i + sum_j K_j'R_ij K_j + C'P_i + P_i C = 0.

*Theorem.* Let (P, K) be a solution with C stable (all eigenvalues inside the unit circle, or with a
negative real part), and let `R_ii + B_i'P_i B_i > 0` in discrete, `R_ii > 0` in continuous time,
for all i. Then the strategies `u_i = -K_i x` are a Nash equilibrium in the following sense: from
every first state, while the others play theirs, player i cannot pay less by any other control, of
whatever information, with which the state tends to zero. What player i pays is `x(0)'P_i x(0) / 2`.
If moreover `Q_i + sum_(j != i) K_j'R_ij K_j > 0` and `R_ii >= 0`, then every control of finite cost
is of that kind, so that none at all is better.

*Proof.* Fix i, and let `v = u_i + K_i x`. In discrete time the equations say that for all x and v,
with `y = C x + B_i v`,

    x'Q_i x + sum_(j != i) x'K_j'R_ij K_j x + u_i'R_ii u_i + y'P_i y
        = x'P_i x + v'(R_ii + B_i'P_i B_i) v,

as the terms that are linear in v are `2 v'(-R_ii K_i + B_i'P_i C) x = 0`. Sum over t: what player i
pays up to T is `( x(0)'P_i x(0) - x(T)'P_i x(T) + sum_t v'(R_ii + B_i'P_i B_i) v ) / 2`. If x tends
to zero this is at least `x(0)'P_i x(0) / 2`, with equality for v = 0, with which x does tend to
zero. In continuous time `d/dt x'P_i x + (what is paid) = v'R_ii v` likewise. The last sentence:
finite cost makes the sum of `|x|^2` finite (in continuous time so are those of u and of x', hence x
tends to zero). ∎

Whether there are other equilibria is not said: scalar games can have three (`scalar_feedback`).

*One solution.* Let z be the upper triangles of all P and the entries of all K, G(z) the left sides
(of symmetric ones, the upper triangles), c the stated centre, and Y a matrix from the file. If for
all matrices D that enclose the derivative of G over the box `|z - c| <= r`, row by row,

    |Y G(c)|_k + r sum_l |I - Y D|_kl < r    for each k,

then there is exactly one zero of G in the box (Krawczyk): the map `z -> z - Y G(z)` sends the box
into its interior and contracts it in the maximum norm, by the mean value theorem, entry by entry.
Its fixed point is a zero of G, as the bound on `|I - Y D|` makes Y nonsingular.

*Stability.* A symmetric matrix `S > 0` and a number `rate` from the file have

    discrete:    rate^2 S - C'S C > 0,        0 < rate < 1,
    continuous:  -2 rate S - C'S - S C > 0,   rate > 0,

for all C in the enclosure. So in the norm of S the state shrinks at every step by the factor
`rate`, or at that rate (Lyapunov).
"""

from fractions import Fraction

from .exact import Work
from .fixed_point import FixedPoint, MatrixEnclosure, symmetric_part
from .lq_data import LQData, matrix
from .matrices import Matrix
from .reader import Reader, Unusable
from .verdict import require

MAX_UNKNOWNS = 400
# Bits after the point, when nothing iterates: floats of usual size are exact, products too.
BITS = 256


class Stationary:
    """The equations of a stationary equilibrium around a centre.

    Args:
        data: The game.
        point: The arithmetic.
        costs: Enclosures of the matrices P.
        gains: An enclosure of all gains, one below the other.
    """

    def __init__(
        self,
        data: LQData,
        point: FixedPoint,
        costs: list[MatrixEnclosure],
        gains: MatrixEnclosure,
    ) -> None:
        self.data, self.point, self.costs, self.gains = data, point, costs, gains
        self.inputs = [point.enclosed(own) for own in data.inputs]
        self.control_costs = [[point.enclosed(own) for own in row] for row in data.control_costs]
        self.closed = point.enclosed(data.dynamics)
        for j, own in enumerate(self.inputs):
            self.closed = self.closed.minus(point.times(own, gains.rows(data.own(j))))

    @property
    def discrete(self) -> bool:
        """Whether time is discrete."""
        return self.data.time == "discrete"

    def unknowns(self) -> int:
        """The number of unknowns."""
        return unknowns(self.data)

    def residual(self) -> MatrixEnclosure:
        """Encloses the values of G, as one column."""
        point, values = self.point, []
        for i, P in enumerate(self.costs):
            total = point.enclosed(self.data.state_costs[i])
            for j, weight in enumerate(self.control_costs[i]):
                own = self.gains.rows(self.data.own(j))
                total = total.plus(point.congruence(own, weight))
            if self.discrete:
                total = total.plus(point.congruence(self.closed, P)).minus(P)
            else:
                total = total.plus(_twice_symmetric(point.times(P, self.closed)))
            values.append(total)
        marginal = [self._marginal(i, P) for i, P in enumerate(self.costs)]
        return _column(values, marginal)

    def _marginal(self, i: int, P: MatrixEnclosure) -> MatrixEnclosure:
        """Encloses `R_ii K_i - B_i'P_i C`, in continuous time without C."""
        point = self.point
        own = point.times(self.control_costs[i][i], self.gains.rows(self.data.own(i)))
        pull = point.times(self.inputs[i].transpose, P)
        return own.minus(point.times(pull, self.closed) if self.discrete else pull)

    def derivative(self) -> MatrixEnclosure:
        """Encloses the derivative of G at all members, as a matrix."""
        n, columns = self.data.states, []
        for i in range(self.data.players):
            for p in range(n):
                for q in range(p, n):
                    columns.append(self._along_cost(i, p, q))
        for row in range(self.data.controls):
            for column in range(n):
                columns.append(self._along_gain(row, column))
        return MatrixEnclosure(
            [[c.middle[k][0] for c in columns] for k in range(len(columns))],
            [[c.radius[k][0] for c in columns] for k in range(len(columns))],
        )

    def _along_cost(self, i: int, p: int, q: int) -> MatrixEnclosure:
        """Encloses the derivative of G along entry (p, q) and (q, p) of player i's P."""
        n, point = self.data.states, self.point
        unit = point.exact([[int((r, s) in ((p, q), (q, p))) for s in range(n)] for r in range(n)])
        values, marginal = self._zeros()
        pull = point.times(self.inputs[i].transpose, unit)
        if self.discrete:
            values[i] = point.congruence(self.closed, unit).minus(unit)
            pull = point.times(pull, self.closed)
        else:
            values[i] = _twice_symmetric(point.times(unit, self.closed))
        marginal[i] = marginal[i].minus(pull)
        return _column(values, marginal)

    def _along_gain(self, row: int, column: int) -> MatrixEnclosure:
        """Encloses the derivative of G along one entry of the gains."""
        n, point, data = self.data.states, self.point, self.data
        j = next(k for k in range(data.players) if row < data.own(k).stop)
        own = data.own(j)
        unit = point.exact(
            [
                [int((r, s) == (row - own.start, column)) for s in range(n)]
                for r in range(data.sizes[j])
            ]
        )
        values, marginal = self._zeros()
        shift = point.times(self.inputs[j], unit)  # C moves by minus this
        gain = self.gains.rows(own)
        for i, P in enumerate(self.costs):
            pull = point.times(point.times(gain.transpose, self.control_costs[i][j]), unit)
            if self.discrete:
                pull = pull.minus(point.times(point.times(self.closed.transpose, P), shift))
                change = point.times(point.times(self.inputs[i].transpose, P), shift)
                marginal[i] = marginal[i].plus(change)
            else:
                pull = pull.minus(point.times(P, shift))
            values[i] = _twice_symmetric(pull)
        marginal[j] = marginal[j].plus(point.times(self.control_costs[j][j], unit))
        return _column(values, marginal)

    def _zeros(self) -> tuple[list[MatrixEnclosure], list[MatrixEnclosure]]:
        n, point = self.data.states, self.point
        values = [point.exact([[0] * n for _ in range(n)]) for _ in range(self.data.players)]
        marginal = [point.exact([[0] * n for _ in range(size)]) for size in self.data.sizes]
        return values, marginal


def unknowns(data: LQData) -> int:
    """Returns the number of unknowns of a game: entries of P, which is symmetric, and of K."""
    n = data.states
    return data.players * n * (n + 1) // 2 + data.controls * n


def check_stationary(data: LQData, file: Reader) -> None:
    """Verifies the claim of one stationary equilibrium in a box; see above.

    Raises:
        Rejected: If a claim does not follow.
        Unusable: If the file cannot be read.
    """
    _, costs, gains, radius, rate = file["claims"].fields(
        "scope", "costs", "gains", "radius", "rate"
    )
    preconditioner, lyapunov = file["evidence"].fields("preconditioner", "lyapunov")
    count, n = unknowns(data), data.states
    if count > MAX_UNKNOWNS:
        raise Unusable(f"a stationary equilibrium has at most {MAX_UNKNOWNS} unknowns")
    point = FixedPoint(BITS, Work())
    centre_costs = [matrix(own, n, n) for own in costs.items(data.players)]
    require(
        all(own[i][j] == own[j][i] for own in centre_costs for i in range(n) for j in range(i)),
        "the matrices P at the centre are symmetric",
    )
    centre = (
        [point.enclosed(own) for own in centre_costs],
        point.enclosed(matrix(gains, data.controls, n)),
    )
    r = radius.number()
    require(r > 0, "the radius is positive")
    width = -((-r.numerator << BITS) // r.denominator)
    inverse = point.enclosed(matrix(preconditioner, count, count))
    box = [own.widened(width) for own in centre[0]], centre[1].widened(width)
    over = Stationary(data, point, *box)
    require(
        encloses_one(point, Stationary(data, point, *centre), over, inverse, r),
        "there is exactly one solution of the coupled Riccati equations in the box",
    )
    _require_convex(data, over)
    _require_stable(over, point.enclosed(matrix(lyapunov, n, n)), rate.number())


def encloses_one(
    point: FixedPoint, at: Stationary, over: Stationary, inverse: MatrixEnclosure, r: Fraction
) -> bool:
    """Says whether Krawczyk's test proves one zero of G in the box of radius r, see above."""
    shifts = point.times(inverse, at.residual()).row_sums()
    size = at.unknowns()
    identity = point.exact([[int(i == j) for j in range(size)] for i in range(size)])
    defects = identity.minus(point.times(inverse, over.derivative())).row_sums()
    one = 1 << point.bits
    return all(
        Fraction(s, one) + r * Fraction(d, one) < r for s, d in zip(shifts, defects, strict=True)
    )


def _require_convex(data: LQData, over: Stationary) -> None:
    for i, P in enumerate(over.costs):
        own = over.control_costs[i][i]
        if over.discrete:
            own = own.plus(over.point.congruence(over.inputs[i], P))
        require(
            over.point.all_positive_definite(own),
            "the cost of each player is strictly convex in the own control",
        )


def _require_stable(over: Stationary, lyapunov: MatrixEnclosure, rate: Fraction) -> None:
    point, S = over.point, lyapunov
    claim = "the closed loop is stable at the stated rate"
    require(S.middle == S.transpose.middle, "the Lyapunov matrix is symmetric")
    require(rate > 0 and (rate < 1 or not over.discrete), claim)
    factor = rate**2 if over.discrete else -2 * rate
    scaled = point.times(point.enclosed(_multiple(factor, over.data.states)), S)
    if over.discrete:
        decrease = symmetric_part(scaled).minus(point.congruence(over.closed, S))
    else:
        decrease = symmetric_part(scaled).minus(_twice_symmetric(point.times(S, over.closed)))
    require(point.all_positive_definite(S) and point.all_positive_definite(decrease), claim)


def _multiple(factor: Fraction, size: int) -> list[list[Fraction]]:
    return [[factor * (i == j) for j in range(size)] for i in range(size)]


def _twice_symmetric(m: MatrixEnclosure) -> MatrixEnclosure:
    return m.plus(m.transpose)


def _column(values: list[MatrixEnclosure], marginal: list[MatrixEnclosure]) -> MatrixEnclosure:
    """Returns the upper triangles of the values and all of the marginals, one below the other."""

    def flat(pick: int) -> Matrix:
        upper = [
            [row[k]] for m in values for i, row in enumerate(m[pick]) for k in range(i, len(row))
        ]
        return upper + [[x] for m in marginal for row in m[pick] for x in row]

    return MatrixEnclosure(flat(0), flat(1))

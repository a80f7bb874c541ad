r"""The argument of a feedback file: Nash equilibria of a linear-quadratic game in feedback.

The game. All numbers are in the file, as floats that are read as exact rationals. In discrete time
`x(t+1) = A x(t) + sum_j B_j u_j(t)`, and player i pays

    J_i = sum_t ( x'Q_i x + sum_j u_j'R_ij u_j ) / 2,

over `t = 0 ... T - 1` and `x(T)'Q_i^T x(T) / 2` at the end, or over all t without an end. In
continuous time `x' = A x + sum_j B_j u_j`, and the sum is an integral without an end. Players see
the state and nothing else. Nothing is assumed about the signs of `Q_i` and of `R_ij`, `i != j`.

**"finite"** (discrete time, T steps). A strategy of player i is any function `u_i(t, x)`. A
*feedback Nash equilibrium* is a tuple of strategies such that from every t and x, no player can pay
less from then on by another strategy, while the others keep theirs (it is subgame perfect).

*Theorem.* Starting from `P_i(T) = Q_i^T`, let at every step t, with `P_i = P_i(t + 1)`,

    R_ii + B_i'P_i B_i > 0   for all i,     and the matrix M with the blocks
    M_ij = [i = j] R_ii + B_i'P_i B_j       be nonsingular;

let K = (K_1; ...) solve `M K = (B_i'P_i A)_i`, and with `C = A - sum_j B_j K_j`

    P_i(t) = Q_i + sum_j K_j'R_ij K_j + C'P_i C.

Then there is exactly one feedback Nash equilibrium, `u_i(t, x) = -K_i(t) x`, and `x'P_i(t) x / 2`
is what player i pays from t on.

*Proof.* Backwards in time. Let the claim hold after step t. What is played at t in the state x is
then a static game, in which player i pays `x'Q_i x / 2 + sum_j u_j'R_ij u_j / 2 + y'P_i y / 2` with
`y = A x + sum_j B_j u_j`: a feedback Nash equilibrium consists of the only one after t and of an
equilibrium of this game for each x, and conversely. The cost is strictly convex in `u_i` by the
first condition, so that equilibria are the zeros of the gradients, `M u = -(B_i'P_i A x)_i`. By the
second condition this is `u = -K x` and nothing else. ∎

The checker encloses P and K backwards (`fixed_point`), proves both conditions at each step for all
matrices in the enclosures, and compares the enclosures with the stated gains and costs.

**"stationary"** (without an end) is in `stationary`, and **"all"** (a scalar state and two players)
in `scalar_feedback`.
"""

from fractions import Fraction

from .cells import Progress
from .exact import Work
from .fixed_point import FixedPoint, MatrixEnclosure, symmetric_part
from .lq_data import LQData, Rational, matrix
from .reader import Reader, Unusable
from .scalar_feedback import check_all
from .stationary import check_stationary
from .verdict import Rejected, require

MAX_HORIZON, MAX_FIXED_BITS = 1000, 4096
SCOPES = ("finite", "stationary", "all")


class Step:
    """One step of the recursion: what follows from the matrices P of the step after it.

    Attributes:
        gains: An enclosure of all gains K, one below the other.
        costs: Enclosures of the matrices P of this step.
    """

    def __init__(self, recursion: "Recursion", after: list[MatrixEnclosure]) -> None:
        point, data = recursion.point, recursion.data
        pulls = [
            point.times(own.transpose, P) for own, P in zip(recursion.inputs, after, strict=True)
        ]
        system = _stacked([point.times(pull, recursion.all_inputs) for pull in pulls])
        system = system.plus(recursion.own_costs)
        sides = _stacked([point.times(pull, recursion.dynamics) for pull in pulls])
        for player in range(data.players):
            own = data.own(player)
            block = symmetric_part(system.rows(own).columns(own))
            require(
                point.all_positive_definite(block),
                "at each step the cost of each player is strictly convex in the own control",
            )
        gains = point.solve(system, sides)
        if gains is None:
            raise Rejected("at each step the matrix of the equilibrium is nonsingular")
        self.gains = gains
        closed = recursion.dynamics.minus(point.times(recursion.all_inputs, gains))
        self.costs = [
            recursion.running(player, gains).plus(point.congruence(closed, P))
            for player, P in enumerate(after)
        ]


class Recursion:
    """The coupled Riccati recursion of a game in discrete time, in enclosures.

    Args:
        data: The game.
        point: The arithmetic.
    """

    def __init__(self, data: LQData, point: FixedPoint) -> None:
        self.data, self.point = data, point
        self.dynamics = point.enclosed(data.dynamics)
        self.inputs = [point.enclosed(own) for own in data.inputs]
        self.all_inputs = self.inputs[0]
        for own in self.inputs[1:]:
            self.all_inputs = self.all_inputs.beside(own)
        self.state_costs = [point.enclosed(own) for own in data.state_costs]
        self.control_costs = [[point.enclosed(own) for own in row] for row in data.control_costs]
        self.terminal = [point.enclosed(own) for own in data.terminal]
        zero = [[Fraction(0)] * data.controls for _ in range(data.controls)]
        for player in range(data.players):
            start = data.own(player).start
            for i, row in enumerate(data.control_costs[player][player]):
                zero[start + i][start : start + len(row)] = row
        self.own_costs = point.enclosed(zero)

    def running(self, player: int, gains: MatrixEnclosure) -> MatrixEnclosure:
        """Encloses `Q_i + sum_j K_j'R_ij K_j`."""
        total = self.state_costs[player]
        for j, weight in enumerate(self.control_costs[player]):
            total = total.plus(self.point.congruence(gains.rows(self.data.own(j)), weight))
        return total

    def steps(self, horizon: int, progress: Progress | None = None) -> list[Step]:
        """Returns the steps from the last one, T - 1, to the first one, 0."""
        found, after = [], self.terminal
        for t in range(horizon):
            if progress is not None:
                progress(t, horizon)
            found.append(Step(self, after))
            after = found[-1].costs
        if progress is not None:
            progress(horizon, horizon)
        return found


def check_feedback(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies a feedback file; nothing in it is taken as given, so that both levels are the same.

    Args:
        file: The contents of the file.
        level: 1 or 2.
        progress: Called with the number of steps done and of all.

    Returns:
        The parts that level 2 re-derives, which is all that there is; nothing at level 1.

    Raises:
        Rejected: If a claim does not follow.
        Unusable: If the file cannot be read.
    """
    sections = "format", "version", "kind", "game", "claims", "trusted", "provenance", "evidence"
    file.fields(*sections, *(("digest",) if "digest" in file else ()))
    data, scope = LQData(file["game"]), file["claims"]["scope"]
    if scope.text() == "finite":
        _check_finite(data, file, progress)
    elif scope.text() == "stationary":
        check_stationary(data, file)
    elif scope.text() == "all":
        check_all(data, file)
    else:
        scope.fail(" or ".join(f'"{known}"' for known in SCOPES))
    return ("the equilibria of the game in the file",) if level == 2 else ()


def _check_finite(data: LQData, file: Reader, progress: Progress | None) -> None:
    _, horizon, gains, gain_radius, costs, cost_radius = file["claims"].fields(
        "scope", "horizon", "gains", "gain_radius", "costs", "cost_radius"
    )
    (bits,) = file["evidence"].fields("bits")
    if data.time != "discrete":
        raise Unusable("a feedback equilibrium with a finite horizon is in discrete time")
    length = horizon.integer_within(1, MAX_HORIZON)
    point = FixedPoint(bits.integer_within(32, MAX_FIXED_BITS), Work())
    stated = [matrix(own, data.controls, data.states) for own in gains.items(length)]
    first = [matrix(own, data.states, data.states) for own in costs.items(data.players)]
    radii = gain_radius.number(), cost_radius.number()
    steps = Recursion(data, point).steps(length, progress)[::-1]
    for step, centre in zip(steps, stated, strict=True):
        require(
            within(step.gains, centre, radii[0], point.bits),
            "the gains are within the stated radius of the stated ones",
        )
    for enclosure, centre in zip(steps[0].costs, first, strict=True):
        require(
            within(enclosure, centre, radii[1], point.bits),
            "the costs are within the stated radius of the stated ones",
        )


def within(enclosure: MatrixEnclosure, centre: Rational, radius: Fraction, bits: int) -> bool:
    """Says whether all members are within a radius of a matrix, entry by entry."""
    one = 1 << bits
    return all(
        abs(Fraction(x, one) - c) + Fraction(r, one) <= radius
        for row, radii, stated in zip(*enclosure, centre, strict=True)
        for x, r, c in zip(row, radii, stated, strict=True)
    )


def _stacked(parts: list[MatrixEnclosure]) -> MatrixEnclosure:
    total = parts[0]
    for part in parts[1:]:
        total = total.above(part)
    return total

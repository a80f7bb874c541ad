r"""Values in which a network is trained against whoever moves its inputs, at a price.

The first player is a network f with weights theta, the second one moves the N inputs x_n by
`delta_n = sqrt(N) xi_n`, and pays for it:

    V(theta, xi) = 1/N sum_n l(f(x_n + delta_n), y_n) - price/2 |xi|^2,

of which the first player has decay, too. (The price of all inputs is `price/2 1/N sum |delta_n|^2`;
xi is what the second player's strategy is, so that distances of strategies are those of theta and
xi.) The price stands where `neural.py` has the decay of a second network. The region is that of
`neural.py` for theta, and `|xi - xi^c| <= R` for xi, all inputs together; so

    t_n = |delta_n - delta_n^c|   obey   1/N sum_n t_n^2 <= R^2,   and   t_n <= sqrt(N) R.

If xi has a limit, `|delta_n| <= limit`, as strategies of the game, the region holds only such xi,
and `t_n <= limit + |delta_n^c|`. For directions U of theta and T of xi, at x_n + delta_n,

    D_theta^2 V[U, U] = 1/N sum_n ( l''[D f U, D f U] + <l', D^2 f[U, U]> ),
    D_xi^2 V[T, T] = sum_n ( l''[D_x f T_n, D_x f T_n] + <l', D_x^2 f[T_n, T_n]> ) - price |T|^2,
    D_theta D_xi V[U, T] = N^(-1/2) sum_n ( l''[D f U, D_x f T_n] + <l', D_x D f[U, T_n]> ).

**For each sample**, let the input be at most t from that of the centre. Theorem B of
`neural_recursion` bounds the output's derivatives, and how far it is from that at the centre, its
reach; over outputs within that (of each level, see below) the file states

    slope >= |l'|,    concave >= lambda_max(-l''),    size >= ||l''||,     (not negative)

and with H and g of theorem B without the index 0, and bounds `bend >= |D_x^2 f|`, `steep >= |D_x
f|` and `mixed >= |D_x D f|` (H_00, g_0 and the length of the row H_0j, or less, see below),

    own_n(t) = slope H + concave g g',        whole_n(t) = slope H + size g g'     (matrices),
    across_n(t) = slope mixed + size steep |g|,
    move_n(t) = slope bend + size steep^2

bound the terms above. D_xi^2 V has a block for each sample, so that with the farthest t of all

    own_1 = || mean own_n(t_n) ||,    whole_1 = || mean whole_n(t_n) ||,
    own_2 = whole_2 = max_n move_n(farthest),     coupling = sqrt(mean across_n(t_n)^2),

the last one by Cauchy and Schwarz: `sum_n |U| |T_n| across_n <= |U| |T| sqrt(sum_n across_n^2)`.

**Means over all ways to move inputs.** One input may move by `sqrt(N) R`, but not all of them. The
file has levels `0 < d_1 < ... < d_m` with d_m at least the farthest t. Let phi_n(t) be one of the
entries above, or the square of across_n(t), phi_ni what is found for inputs within d_i, and
d_0 = 0. Then for every beta >= 0, and all t_n with `mean t_n^2 <= R^2`,

    mean phi_n(t_n) <= beta R^2 + mean_n max_i (phi_ni - beta d_(i-1)^2).

*Proof.* Each t_n is between d_(i-1) and d_i for some i, so that `phi_n(t_n) <= phi_ni` and
`beta t_n^2 >= beta d_(i-1)^2`; add beta times `R^2 - mean t_n^2 >= 0`. ∎ The right side is convex
in beta; one near its least value is found in floating point, and any is good. Entries of the
matrices are bounded one by one, and matrices of entries that are not negative have larger norms if
entries are larger.

**A network that is constant at the centre** (one hidden layer and one output, of units that cancel)
has the smaller bounds `bend`, `steep` and `mixed` of `neural_adversarial`, whose argument is about
any such network and any input near x_n. And its output is within `sum_(j>0) g_j r_j`, and R_theta
times `|g|`, of the constant wherever the input is: move the input first, and then the weights.

**Limits.** With a limit the file states, at e, a bound on all `|xi_n|`, the number `farthest`, and
`farthest + r <= limit / sqrt(N)` for the radius r of the equilibrium. So the ball of that radius
around e is in the region, the zero of the field in it is a strategy of the game, and steps that are
projected onto the limits have it as a fixed point; the theorems on steps that are used hold for
them (`steps.py`), from every start in the basin that keeps the limits, as the stated one has to.

Given are, besides what `neural.py` lists, the scalars of the network at `x_n + delta_n^c`, the
bounds on the loss, the five numbers of `neural_adversarial` or none, `|xi_e - xi^c|`, the largest
`|xi_n|` at the centre, at e and at the start, and the norm of the second player's block of the
field at e.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from .graph import read_graph
from .neural_adversarial import Constant, InInputs, change_of, in_inputs, read_constant
from .neural_outputs import read_pass
from .neural_recursion import Bend, Curvature, Layers, Scalars, above, bend, norm_above, root_above
from .reader import Reader, Unusable
from .verdict import require

# Losses with bounds by formulas (`rederive_robust`), and one that the file spells out as a graph.
LOSSES = ("logistic", "softmax", "function")
MAX_LEVELS, MAX_WORK = 64, 2**20
_ZERO = Fraction(0)


class PerturbedValue(NamedTuple):
    """The section `game.value` of a file.

    Attributes:
        loss: One of `LOSSES`.
        datum: How many numbers a datum has.
        penalty: The price.
        limit: The largest `|delta_n|`, or None.
    """

    loss: str
    datum: int
    penalty: Fraction
    limit: Fraction | None


class Moves(NamedTuple):
    """What a file says of the second player's strategy xi.

    Attributes:
        penalty: The price.
        limit: The largest `|delta_n|`, or None.
        samples: How many rows xi has.
        radius: The number R.
        distance: A bound on `|xi_e - xi^c|`.
        residual: A bound on the second player's block of the field at e.
        farthest: Bounds on all `|xi_n|`, at the centre, at e and, if there is one, at the start.
    """

    penalty: Fraction
    limit: Fraction | None
    samples: int
    radius: Fraction
    distance: Fraction
    residual: Fraction
    farthest: list[Fraction]


class PerturbedBounds(NamedTuple):
    """The bounds on second derivatives, and what the file says of the second player."""

    curvature: Curvature
    moves: Moves


def read_perturbed(game: Reader) -> PerturbedValue:
    """Reads what the players play for."""
    _, loss, graph, datum, penalty, limit = game["value"].fields(
        "kind", "loss", "graph", "datum", "penalty", "limit"
    )
    if loss.text() not in LOSSES:
        loss.fail(f"one of the losses {', '.join(LOSSES)}")
    count = datum.integer_within(0, 2**16)
    (network,) = game["networks"].items(1)
    outputs = network["sizes"].items()[-1].integer()
    if loss.text() == "function":
        read_graph(graph, outputs + count, 1)
    elif graph.value is not None or count != 1:
        loss.fail("a loss of a label, without a graph")
    bound = None if limit.value is None else limit.number()
    if penalty.number() <= 0 or (bound is not None and bound <= 0):
        penalty.fail("a positive number, as is the limit, if there is one")
    return PerturbedValue(loss.text(), count, penalty.number(), bound)


class SampleBounds(NamedTuple):
    """The functions of t of the top of this module, of one sample at one level."""

    own: list[list[Fraction]]
    whole: list[list[Fraction]]
    across: Fraction
    move: Fraction


def perturbed_bounds(game: Reader, evidence: Reader, networks: list[Layers]) -> PerturbedBounds:
    """Bounds the second derivatives of V on the region; see the top of this module."""
    value, samples = read_perturbed(game), game["data"]["samples"].integer()
    (network,) = networks
    passes, constant, levels, reach, loss, moved = evidence.fields(
        "passes", "constant", "levels", "reach", "loss", "moves"
    )
    radius, distance, residual, farthest = moved.fields(
        "radius", "distance", "residual", "farthest"
    )
    ends = farthest.numbers(3)
    moves = Moves(
        value.penalty,
        value.limit,
        samples,
        radius.number(),
        distance.number(),
        residual.number(),
        ends,
    )
    lowest = min(moves.radius, moves.distance, moves.residual, *ends)
    require(lowest >= 0, "radius, distances and residuals of moves are not negative")
    count = len(levels.value) if isinstance(levels.value, list) else 0
    if not 1 <= count <= MAX_LEVELS:
        levels.fail(f"from 1 to {MAX_LEVELS} numbers")
    if (network.depth + 2) ** 3 * samples * count > MAX_WORK:
        raise Unusable("checking it would take too much work: too many samples and levels")
    steps = levels.numbers(count)
    rising = steps[0] > 0 and all(a < b for a, b in pairwise(steps))
    require(rising, "levels are positive and rise")
    require(reaches_all(steps[-1], moves), "the last level is as far as inputs may move")
    given = read_constant(constant, game, network)
    (shape,) = game["networks"].items(1)
    single = shape["sizes"].items()[-1].integer() == 1
    require(given is None or single, "a network that is constant at the centre has one output")
    at = read_pass(passes, network.depth, samples)
    parts = loss.fields("slope", "concave", "size")
    rows = [[row.numbers(samples) for row in part.items(count)] for part in parts]
    require(min(min(map(min, part)) for part in rows) >= 0, "bounds on losses are not negative")
    reaches = [row.numbers(samples) for row in reach.items(count)]
    found: list[list[SampleBounds]] = []
    for i, step in enumerate(steps):
        bends = [moved_bend(network, given, each, step) for each in at]
        holds = all(one.reach <= x for one, x in zip(bends, reaches[i], strict=True))
        require(holds, "outputs on the region are within reach of those at the centre")
        found.append([_sample(one, *(part[i][n] for part in rows)) for n, one in enumerate(bends)])
    return PerturbedBounds(assembled(found, steps, moves.radius), moves)


def reaches_all(level: Fraction, moves: Moves) -> bool:
    """Says whether no input may be farther than a level from that of the centre."""
    if level**2 >= moves.samples * moves.radius**2:
        return True
    if moves.limit is None or level < moves.limit:
        return False
    return (level - moves.limit) ** 2 >= moves.samples * moves.farthest[0] ** 2


class MovedBend(NamedTuple):
    """Bounds of a network near an input: theorem B, derivatives in the input, and the reach."""

    weights: Bend
    inputs: InInputs
    reach: Fraction


def moved_bend(network: Layers, given: Constant | None, at: Scalars, moved: Fraction) -> MovedBend:
    """Returns the bounds of a network on all inputs within a distance of one.

    Args:
        network: The network, with the region.
        given: What is given of it if it is constant at the centre.
        at: Its scalars at that input.
        moved: The distance.
    """
    found = bend(network, at, moved)
    inputs = in_inputs(network, given, at, moved, found)
    return MovedBend(found, inputs, change_of(network, found, given))


def _sample(found: MovedBend, slope: Fraction, concave: Fraction, size: Fraction) -> SampleBounds:
    """Returns the bounds of one sample at one level."""
    g, second = found.weights.outputs[1:], [row[1:] for row in found.weights.second[1:]]
    own, whole = (
        [
            [above(slope * h + bent * a * b) for h, b in zip(row, g, strict=True)]
            for row, a in zip(second, g, strict=True)
        ]
        for bent in (concave, size)
    )
    steep = found.inputs.slope
    mixed = root_above(sum((x * x for x in found.inputs.mixed), _ZERO))
    across = above(slope * mixed + size * steep * found.weights.slope)
    return SampleBounds(own, whole, across, above(slope * found.inputs.bend + size * steep**2))


def assembled(
    found: list[list[SampleBounds]], levels: list[Fraction], radius: Fraction
) -> Curvature:
    """Returns the bounds on V from those of all levels and samples."""

    def mean(pick: Any) -> Fraction:
        return mean_above([[pick(one) for one in row] for row in found], levels, radius)

    def norm(pick: Any) -> Fraction:
        size = len(pick(found[0][0]))
        matrix = [[_ZERO] * size for _ in range(size)]
        for i in range(size):
            for j in range(i + 1):
                matrix[i][j] = matrix[j][i] = mean(lambda one, i=i, j=j: pick(one)[i][j])
        return norm_above(matrix)

    moves = max(one.move for one in found[-1])
    coupling = root_above(mean(lambda one: above(one.across**2)))
    first, whole = norm(lambda one: one.own), norm(lambda one: one.whole)
    return Curvature((first, moves), (whole, moves), coupling)


def mean_above(values: list[list[Fraction]], levels: list[Fraction], radius: Fraction) -> Fraction:
    """Bounds a mean over samples, however they are moved; see the top of this module.

    Args:
        values: For each level, the numbers phi_ni of all samples, not negative.
        levels: The numbers d_i.
        radius: The number R.

    Example:
        One of two inputs may move far, or both a little; phi(t) = t^2 at most, R = 1.

        >>> levels = [Fraction(k, 4) for k in range(1, 7)]
        >>> values = [[level**2] * 2 for level in levels]
        >>> 1 < mean_above(values, levels, Fraction(1)) < Fraction(7, 4)
        True
    """
    far, size = levels[-1], max(map(max, values))
    if not size:
        return size
    before = [_ZERO, *levels[:-1]]
    lengths = [float((d / far) ** 2) for d in before]
    scaled = [[float(x / size) for x in row] for row in zip(*values, strict=True)]
    share = _multiplier(scaled, lengths, float(min((radius / far) ** 2, Fraction(1))))
    beta = Fraction(share) * size / far**2
    taken = [beta * d * d for d in before]
    largest = (
        max(x - y for x, y in zip(row, taken, strict=True)) for row in zip(*values, strict=True)
    )
    total = sum((above(max(x, _ZERO)) for x in largest), _ZERO)
    return above(beta * radius**2 + total / len(values[0]))


def _multiplier(values: list[list[float]], lengths: list[float], square: float) -> float:
    """Returns about the beta of the least bound, by bisection of the sign of its slope.

    Args:
        values: For each sample, the numbers of all levels, at most one.
        lengths: The squares of what is subtracted.
        square: The square of R.
    """
    if len(lengths) == 1:
        return 0.0
    low, high = 0.0, 1 / max(lengths[1], 2.0**-500)
    for _ in range(24):
        beta = (low + high) / 2
        taken = 0.0
        for row in values:
            best, length = row[0], 0.0
            for value, d in zip(row, lengths, strict=True):
                if value - beta * d > best:
                    best, length = value - beta * d, d
            taken += length
        if taken > square * len(values):
            low = beta
        else:
            high = beta
    return high


def check_limit(moves: Moves, radius: Fraction) -> None:
    """Verifies that the ball of the equilibrium, and the start, keep the limit, if there is one."""
    if moves.limit is None:
        return
    far, start = moves.farthest[1] + radius, moves.farthest[2]
    require(far * far * moves.samples <= moves.limit**2, "the equilibrium ball keeps the limit")
    require(start * start * moves.samples <= moves.limit**2, "the start keeps the limit")

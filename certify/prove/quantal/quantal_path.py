"""The principal branch of logit equilibria, proved tube by tube."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.prove.quantal.ball_arrays import BallArray, exactly
from certify.prove.quantal.logit_equations import LogitEquations
from certify.prove.quantal.tubes import Tube, find_tangent, find_tube
from certify.rounding import next_above, next_below, raised

# Relative to the size of a point: the least radii of tubes, and the least step.
_FLOOR, _SHORTEST = 2.0**-44, 2.0**-26
_FIRST_STEP, _LONGEST = 0.1, 0.5


class TurningPoint(NamedTuple):
    """Where the branch turns, from rising to falling precisions or back.

    Attributes:
        lower, upper: The extreme precision of the turn is between these.
        rising: Whether precisions rise after the turn.
    """

    lower: float
    upper: float
    rising: bool


class QuantalPath(NamedTuple):
    """What was proved of the principal branch of a game.

    There is no file: where `status` is "proved", everything said to be proved here rests on this
    package alone, and is not *checked* by the independent checker.

    Attributes:
        status: "proved" if the branch was followed to the first pass of every precision, and
            otherwise "undecided".
        precisions: The precisions that were asked for.
        reached: Which of them the branch was proved to pass.
        lower, upper: Bounds on the probabilities of each player at the first passes, of shapes
            (precisions, actions); 0 and 1 where nothing was proved.
        logits: Bounds on differences of logits to the last action, in the same way: a pair of
            arrays for each player, infinite where nothing was proved.
        turns: How often the branch turns between uniform play and each first pass (or the end of
            what was proved): exactly so often.
        turning_points: All turns of the branch, in order, along all that was proved.
        followed: The precision at the end of the last tube, up to rounding.
        tubes: The number of tubes.
        length: An estimate of the length of the branch in logits and scaled precisions.
        reason: Why it was left, where it is undecided.
        meeting: Where it is undecided, an estimate of the precision at which branches seem to meet;
            None if there is no sign of that.
    """

    status: str
    precisions: Float[np.ndarray, " precisions"]
    reached: np.ndarray
    lower: tuple[np.ndarray, ...]
    upper: tuple[np.ndarray, ...]
    logits: tuple[tuple[np.ndarray, np.ndarray], ...]
    turns: np.ndarray
    turning_points: tuple[TurningPoint, ...]
    followed: float
    tubes: int
    length: float
    reason: str | None
    meeting: float | None


class _Node(NamedTuple):
    """A point of the branch, enclosed, with its tangent in the direction of the branch."""

    point: BallArray
    tangent: BallArray


def quantal_path(game: Any, precisions: Any, *, max_tubes: int = 20_000) -> QuantalPath:
    r"""Proves where the principal branch of logit equilibria leads.

    With `y_i` the differences of the logits of player i to that of the last action and `D_i` those
    of expected payoffs, logit equilibria are the zeros of

        H(y, precision) = y - precision D(p(y)),     p_i = softmax(y_i, 0).

    At precision zero all play all actions alike, `H_y = I` is regular, and exactly one curve of
    zeros goes through this point. The principal branch is this curve, to the side of positive
    precisions. It is followed in tubes, each around a piece of a straight line across which one
    coordinate is constant (`certify.prove.quantal.tubes` has the test and its proof: in each slice
    there is exactly one zero, and the Jacobian is regular there).

    *Theorem.* Let T_1, T_2, ... be tubes that pass that test, with the pivots `k_1, k_2, ...` and
    directions `s_1, s_2, ...` of +1 or -1; `x_0 = 0`; and let x_n be the zero in the last slice of
    T_n, to which `s_n` points. Suppose that `k_1` is the precision and `s_1 = 1`; that `x_(n-1)` is
    in `T_n`; and that the tangent t at `x_(n-1)` with `t[k_(n-1)]` of the sign of `s_(n-1)` has
    `t[k_n]` of the sign of `s_n`. Then the zeros in T_n from `x_(n-1)` to `x_n` follow each other
    without gap along the principal branch, which neither branches nor returns in them. If no
    precision before T_n is as great as a number `b`, and on T_n the pivot is the precision and b is
    its last value, then x_n is the first point of the branch at b.

    *Proof.* By induction `x_(n-1)` is on the branch. In T_n all zeros are one smooth curve over the
    pivot, on which the Jacobian of H has rank m (all equations): near each of its points the branch
    is this curve. The point `x_(n-1)` is a zero in T_n, so the curve in T_n goes through it, and is
    the branch there. Of its two directions, `s_n` is the one in which `t[k_n]` has its sign, which
    is the one in which the branch has come. On T_n itself the pivot increases or decreases, so that
    nothing returns. If the pivot is the precision, the branch has each precision once in T_n.

    All the conditions are tested with ball arithmetic in which every rounding error is paid for.
    Steps that fail are shortened. Where branches meet no step is short enough, and the answer is
    "undecided": what was proved before stays proved. All turns are found: a tube is accepted only
    if the derivative of the precision by the pivot is proved to have one sign in all of it, or its
    second derivative is. In the latter case the first one is monotone, and the precision turns
    exactly once if it has different signs at the two ends, and not at all if it has the same.

    Args:
        game: A `MatrixGame`, `PolymatrixGame` or `PreferenceGame`, or one whose tables are
            registered with `certify.game_terms`; not regularised.
        precisions: Positive and increasing.
        max_tubes: The number of tubes to try.

    Raises:
        ValueError: If precisions are not positive and increasing, or the tables are not known.

    Example:
        McKelvey's game, whose branch bends backwards twice on its way to precision 2.

        >>> from dgames.games import MatrixGame
        >>> loop = MatrixGame([[6.0, 6.0], [7.32, 1.0]], [[7.0, 7.0], [6.0, 4.0]])
        >>> path = quantal_path(loop, [2.0])
        >>> path.status, path.turns.tolist(), f"{path.lower[0][0, 0]:.8f}"
        ('proved', [2], '0.08972428')

    References:
        Turocy, *A dynamic homotopy interpretation of the logistic quantal response equilibrium
        correspondence*, Games and Economic Behavior 51 (2005); Krawczyk, Computing 4 (1969);
        Kearfott and Xing, *An interval step control for continuation methods*, SIAM Journal on
        Numerical Analysis 31 (1994).
    """
    goals = np.atleast_1d(np.array(precisions, np.float64))
    if goals.ndim != 1 or not (np.diff(goals, prepend=0) > 0).all() or not goals[-1] < np.inf:
        raise ValueError(
            f"quantal_path: precisions are positive and increasing numbers, not {precisions}."
        )
    with np.errstate(all="ignore"):
        walk = _Walk(LogitEquations(game), goals, max_tubes)
        walk.run()
        return walk.result()


class _Walk:
    """The branch up to where it has been proved."""

    def __init__(self, equations: LogitEquations, goals: np.ndarray, max_tubes: int) -> None:
        self.equations, self.goals, self.max_tubes = equations, goals, max_tubes
        self.scaled = goals * equations.unit
        self.step, self.tubes, self.length = _FIRST_STEP, 0, 0.0
        self.turning: list[TurningPoint] = []
        self.found: list[tuple[BallArray, int]] = []
        self.reason: str | None = None

    def run(self) -> None:
        """Follows the branch to the last of the precisions, or as far as possible."""
        last = self.equations.count
        start = _node(self.equations, exactly(self.equations.start), last, 1.0)
        if start is None or not np.all(self.scaled / self.equations.unit == self.goals):
            self.reason = "payoffs or precisions are too large or too small for floating point"
            self.node = _Node(exactly(self.equations.start), exactly(np.eye(last + 1)[last]))
            return
        self.node = start
        tries = 0
        while len(self.found) < len(self.goals):
            tries += 1
            if tries > self.max_tubes:
                self.reason = f"the branch was not followed further within {self.max_tubes} tubes"
                return
            if self._advance():
                continue
            self.step *= 0.5
            if self.step < _SHORTEST * self._size():
                self.reason = "no step is short enough to be verified"
                return

    def _size(self) -> float:
        return 1.0 + float(np.max(np.abs(self.node.point.middle)))

    def _advance(self) -> bool:
        """Tries one step, and whether it was proved."""
        z, tangent = self.node
        last = self.equations.count
        goal = self.scaled[len(self.found)]
        left = goal - z.middle[last]
        heading = tangent.middle / np.max(np.abs(tangent.middle))
        near = heading[last] > 0 and left <= 1.5 * self.step * heading[last]
        if near and self._step(last, goal, goal, near=True):
            return True
        pivot = int(np.argmax(np.abs(heading)))
        end = z.middle[pivot] + np.sign(heading[pivot]) * self.step
        return self._step(pivot, end, goal, near=False)

    def _step(self, pivot: int, end: float, goal: float, *, near: bool) -> bool:
        z, tangent = self.node
        equations, last = self.equations, self.equations.count
        side = float(np.sign(tangent.middle[pivot]))
        # The tangent at the start is to point into the tube.
        if not abs(tangent.middle[pivot]) > tangent.radius[pivot]:
            return False
        begin = float(z.lower[pivot] if side > 0 else z.upper[pivot])
        if z.radius[pivot] == 0:
            begin = float(z.middle[pivot])
        if not side * (end - begin) > 0:
            return False
        length = end - z.middle[pivot]
        guess = z.middle + tangent.middle / tangent.middle[pivot] * length
        guess[pivot] = end
        to = _newton(equations, guess, pivot)
        if to is None:
            return False
        direction = (to - z.middle) / length
        direction[pivot] = 1.0
        centre = z.middle + 0.5 * (to - z.middle)
        least = 4 * z.radius + _FLOOR * (1 + np.abs(z.middle) + np.abs(to))
        bounds = (begin, end) if side > 0 else (end, begin)
        tube = find_tube(equations, pivot, centre, direction, bounds, least)
        if tube is None or not tube.contains(z):
            return False
        if not near and not tube.hull.upper[last] < goal:
            return False
        there = _end(equations, tube, to, side)
        if there is None:
            return False
        turn = None
        slope = tube.slopes
        if pivot != last and not abs(slope.middle[last]) > slope.radius[last]:
            signs = [_sign(t.middle[last], t.radius[last]) for t in (tangent, there.tangent)]
            bend = tube.curvatures(equations)
            if bend is None or 0 in signs or not _sign(bend.middle[last], bend.radius[last]):
                return False
            if signs[0] != signs[1]:
                least = float(np.abs(bend.middle[last]) - bend.radius[last])
                turn = self._turn(tube, next_below(least), rising=signs[1] > 0)
        self._accept(there, turn, near)
        return True

    def _accept(self, there: _Node, turn: TurningPoint | None, near: bool) -> None:
        if turn is not None:
            self.turning.append(turn)
        self.length += float(np.linalg.norm(there.point.middle - self.node.point.middle))
        self.tubes += 1
        self.node = there
        if near:
            self.found.append((there.point, len(self.turning)))
        else:
            self.step = min(1.4 * self.step, _LONGEST * self._size())

    def _turn(self, tube: Tube, bend: float, *, rising: bool) -> TurningPoint:
        """Bounds the extreme precision in a tube, where second derivatives are at least `bend`.

        With slices nearer and nearer to the turn: from one where the precision has the slope s, it
        is at a distance of at most `|s| / bend`, and differs by at most `s^2 / bend`.
        """
        last, unit = self.equations.count, self.equations.unit
        lower, upper = float(tube.hull.lower[last]), float(tube.hull.upper[last])
        ends = self.node.point.middle[tube.pivot], 2 * tube.centre[tube.pivot]
        low, high = sorted([float(ends[0]), float(ends[1] - ends[0])])
        sign = 1.0 if rising else -1.0
        for _ in range(60):
            at = 0.5 * (low + high)
            guess = tube.centre + (at - tube.centre[tube.pivot]) * tube.direction
            guess[tube.pivot] = at
            to = _newton(self.equations, guess, tube.pivot)
            here = None if to is None else _end(self.equations, tube, to, 1.0)
            if here is None:
                break
            slope, error = float(here.tangent.middle[last]), float(here.tangent.radius[last])
            away = float(raised((abs(slope) + error) ** 2 / bend, 8))
            lower = max(lower, float(here.point.lower[last]) - rising * away)
            upper = min(upper, float(here.point.upper[last]) + (not rising) * away)
            if away < 1e-10 * (1 + abs(upper)):
                break
            # Slopes rise along the pivot if the precision is convex in it.
            low, high = (at, high) if sign * slope < 0 else (low, at)
        return TurningPoint(
            float(next_below(next_below(lower) / unit)),
            float(next_above(next_above(upper) / unit)),
            rising,
        )

    def result(self) -> QuantalPath:
        """Sums up what was proved."""
        equations, count = self.equations, len(self.goals)
        found = [point for point, _ in self.found]
        proved = len(found) == count
        bounds = [
            (np.full((count, size - 1), -np.inf), np.full((count, size - 1), np.inf))
            for size in equations.sizes
        ]
        lower = tuple(np.zeros((count, size)) for size in equations.sizes)
        upper = tuple(np.ones((count, size)) for size in equations.sizes)
        for place, point in enumerate(found):
            for player, own in enumerate(equations.strategies(point)):
                lower[player][place] = np.maximum(own.lower, 0.0)
                upper[player][place] = np.minimum(own.upper, 1.0)
                span = equations.spans[player]
                bounds[player][0][place] = point.lower[span]
                bounds[player][1][place] = point.upper[span]
        turns = [turn for _, turn in self.found] + [len(self.turning)] * (count - len(found))
        return QuantalPath(
            status="proved" if proved else "undecided",
            precisions=self.goals,
            reached=np.arange(count) < len(found),
            lower=lower,
            upper=upper,
            logits=tuple(bounds),
            turns=np.array(turns, int),
            turning_points=tuple(self.turning),
            followed=float(self.node.point.middle[-1] / equations.unit),
            tubes=self.tubes,
            length=self.length,
            reason=self.reason,
            meeting=None if proved else self._meeting(),
        )

    def _meeting(self) -> float | None:
        """Estimates where the Jacobian, bordered by the tangent, is singular."""
        z, tangent = self.node.point.middle, self.node.tangent.middle
        _, jacobian = self.equations.in_floats(z)
        bordered = np.concatenate([jacobian, tangent[None] / np.linalg.norm(tangent)])
        if not np.all(np.isfinite(bordered)):
            return None
        values = np.linalg.svd(bordered, compute_uv=False)
        near = values[-1] < 1e-3 * min(values[0], 1.0)
        return float(z[-1] / self.equations.unit) if near else None


def _sign(middle: float, radius: float) -> int:
    return int(np.sign(middle)) if abs(middle) > radius else 0


def _newton(equations: LogitEquations, guess: np.ndarray, pivot: int) -> np.ndarray | None:
    """Looks for a zero with the same coordinate k."""
    others = np.arange(len(guess)) != pivot
    z = guess.copy()
    for _ in range(8):
        value, jacobian = equations.in_floats(z)
        try:
            move = np.linalg.solve(jacobian[:, others], value)
        except np.linalg.LinAlgError:
            return None
        z[others] -= move
        if not np.all(np.isfinite(z)):
            return None
        if np.max(np.abs(move), initial=0) <= 1e-9 * (1 + np.max(np.abs(z))):
            return z
    return None


def _end(equations: LogitEquations, tube: Tube, to: np.ndarray, side: float) -> _Node | None:
    """Encloses the zero in the last slice of a tube, and the tangent there."""
    point = _slice_zero(equations, to, tube.pivot)
    if point is None or not tube.contains(point):
        return None
    return _node(equations, point, tube.pivot, side)


def _slice_zero(equations: LogitEquations, to: np.ndarray, pivot: int) -> BallArray | None:
    """Encloses the only zero near a point with the same coordinate k."""
    flat = np.zeros_like(to)
    flat[pivot] = 1.0
    ends = float(to[pivot]), float(to[pivot])
    least = 2.0**-50 * (1 + np.abs(to))
    tube = find_tube(equations, pivot, to, flat, ends, least)
    return None if tube is None else BallArray(to, tube.radius)


def _node(equations: LogitEquations, point: BallArray, pivot: int, side: float) -> _Node | None:
    """Encloses the tangent at a zero in a box, of which the coordinate k has the sign `side`."""
    others = np.arange(len(point.middle)) != pivot
    _, jacobian = equations.in_floats(point.middle)
    try:
        direction = np.zeros(len(others))
        direction[others] = np.linalg.solve(jacobian[:, others], -jacobian[:, pivot])
    except np.linalg.LinAlgError:
        return None
    direction[pivot] = 1.0
    tangent = find_tangent(equations, point, pivot, direction)
    return None if tangent is None else _Node(point, BallArray(side * direction, tangent))

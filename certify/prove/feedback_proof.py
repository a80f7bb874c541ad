"""Makes checked certificates of feedback equilibria from linear-quadratic games."""

from fractions import Fraction
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import scipy.linalg

from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.feedback import MAX_HORIZON, Recursion
from certify.checker.fixed_point import FixedPoint, MatrixEnclosure
from certify.checker.lq_data import LQData
from certify.checker.reader import FEEDBACK, FORMAT, VERSION, Reader
from certify.checker.scalar_feedback import ScalarGame, equilibria
from certify.checker.stationary import BITS, MAX_UNKNOWNS, Stationary, unknowns
from certify.checker.verdict import Rejected
from certify.claims.checked import Checked, NotAccepted
from certify.claims.feedback_equilibrium import FeedbackEquilibrium
from certify.file.contents import Contents
from certify.file.provenance import provenance
from certify.problem.lq_numbers import flat_hexes, is_affine, lq_contents
from certify.rounding import float_above
from dgames.dynamic import LQGame, stationary_differential, stationary_lq

TRUSTED = (
    "That the matrices in this file are those of the game that is meant.",
    "The game is that of real numbers; what a computer adds by rounding at run time is not in it.",
    "The checker and the Python interpreter that runs it.",
)
# Bits after the point that are tried, one after the other, and the radius that is good enough.
_PRECISIONS, _GOOD = (128, 256, 512, 1024, 2048, 4096), 2.0**-40


def certify_feedback(
    game: LQGame,
    horizon: int | None = None,
    *,
    time: Literal["discrete", "continuous"] = "discrete",
    every: bool = False,
    start: Any = None,
) -> FeedbackEquilibrium:
    """Proves feedback equilibria of a linear-quadratic game, from its numbers as they are.

    There are three kinds of claims; see `certify/checker/feedback.py` for the theorems.

    - With a `horizon`, in discrete time: there is exactly one feedback Nash equilibrium, among all
      strategies that know time and state. Gains and costs are enclosed, by the Riccati recursion in
      integers, in which the matrix of each step is proved nonsingular and each player's cost convex
      in the own control.
    - Without one: there is an equilibrium in stationary linear strategies, in a small box, and its
      closed loop is stable. Whether there are others is not said.
    - With `every=True`, for two players and a scalar state: a list of all equilibria in stationary
      linear strategies with a stable closed loop, which is complete.

    Args:
        game: The game, whose numbers are taken as float64 and then as rationals. Linear costs and
            an offset are allowed with a horizon; the state then gets one more coordinate, the last
            one, which is 1.
        horizon: The number of steps, or None for a game without an end, in which terminal costs do
            not count.
        time: "discrete" or "continuous"; with a horizon it must be discrete.
        every: Whether to list all equilibria.
        start: Matrices P near the stationary equilibrium that is meant, of shape `(N, n, n)`.

    Returns:
        A certificate; it is "undecided" if the proof fails, as it does for a singular step.

    Raises:
        ValueError: If the options do not fit together, or to the game.

    Example:
        >>> import certify, dgames as dg, numpy as np
        >>> one = np.eye(1)
        >>> both = {"a": one, "b": one}
        >>> game = dg.dynamic.LQGame(2 * one, both, both, both)
        >>> found = certify.certify_feedback(game, time="continuous", every=True)
        >>> [round(each.gains["a"], 6) for each in found.equilibria]
        [0.267949, 1.548584, 3.732051]
        >>> proof = certify.certify_feedback(dg.dynamic.LQGame(one, both, both, both), 2)
        >>> proof.status, round(float(proof.gains["a"][0, 0, 0]) * 31, 9)
        ('proved', 11.0)
    """
    _check_options(game, horizon, time, every, start)
    contents = lq_contents(game, time)
    try:
        data = LQData(Reader(contents, "game"))
        if every:
            claims, evidence = _all(data)
        elif horizon is not None:
            claims, evidence = _finite(data, horizon)
        else:
            claims, evidence = _stationary(game, data, start)
        file = {
            "format": FORMAT,
            "version": VERSION,
            "kind": FEEDBACK,
            "game": contents,
            "claims": claims,
            "trusted": list(TRUSTED),
            "provenance": provenance(),
            "evidence": evidence,
        }
        return FeedbackEquilibrium("proved", contents=Checked(file))
    except (Rejected, NotAccepted, _NotFound) as end:
        words = end.verdict.reasons if isinstance(end, NotAccepted) else end.args
        return FeedbackEquilibrium("undecided", tuple(f"not proved: {each}" for each in words))
    except Unusable as end:
        return FeedbackEquilibrium("undecided", (str(end),))


class _NotFound(Exception):
    """An error: there is nothing that the checker could be asked about."""


def _check_options(game: Any, horizon: Any, time: Any, every: bool, start: Any) -> None:
    if not isinstance(game, LQGame):
        raise ValueError(
            f"certify_feedback: the game is a dgames.dynamic.LQGame, not {type(game).__name__}"
        )
    if time not in ("discrete", "continuous"):
        raise ValueError(f'certify_feedback: time is "discrete" or "continuous", not {time!r}')
    if horizon is not None:
        whole = isinstance(horizon, int) and not isinstance(horizon, bool)
        if not whole or not 1 <= horizon <= MAX_HORIZON:
            raise ValueError(
                f"certify_feedback: the horizon is a number of steps from 1 to {MAX_HORIZON}, not "
                f"{horizon!r}"
            )
        if time != "discrete":
            raise ValueError("certify_feedback: with a horizon, time must be discrete")
        if every or start is not None:
            raise ValueError("certify_feedback: with a horizon there is one equilibrium to prove")
    elif is_affine(game):
        raise ValueError(
            "certify_feedback: without a horizon, linear costs and offset must be zero"
        )
    if every and (game.A.shape != (1, 1) or game.sizes != (1, 1)):
        raise ValueError(
            "certify_feedback: every=True is for two players, a scalar state and scalar controls"
        )


def _all(data: LQData) -> tuple[Contents, Contents]:
    found = equilibria(ScalarGame.of(data), Work())
    radius, listed = Fraction(0), []
    for each in found:
        numbers = [float((low + high) / 2) for low, high in (*each.gains, each.closed_loop)]
        for number, (low, high) in zip(numbers, (*each.gains, each.closed_loop), strict=True):
            radius = max(radius, Fraction(number) - low, high - Fraction(number))
        hexes = [number.hex() for number in numbers]
        listed.append({"gains": hexes[:2], "closed_loop": hexes[2]})
    return {"scope": "all", "equilibria": listed, "radius": float_above(radius).hex()}, {}


def _finite(data: LQData, horizon: int) -> tuple[Contents, Contents]:
    for bits in _PRECISIONS:
        try:
            steps = Recursion(data, FixedPoint(bits, Work())).steps(horizon)[::-1]
        except Rejected:
            if bits == _PRECISIONS[-1]:
                raise
            continue
        gains = [_rounded(step.gains, bits) for step in steps]
        costs = [_rounded(own, bits) for own in steps[0].costs]
        largest = [max(radius for _, radius in group) for group in (gains, costs)]
        size = 1 + max(float(np.abs(middle).max()) for middle, _ in (*gains, *costs))
        if max(largest) <= _GOOD * size or bits == _PRECISIONS[-1]:
            claims = {
                "scope": "finite",
                "horizon": horizon,
                "gains": [flat_hexes(middle) for middle, _ in gains],
                "gain_radius": float_above(largest[0]).hex(),
                "costs": [flat_hexes(middle) for middle, _ in costs],
                "cost_radius": float_above(largest[1]).hex(),
            }
            return claims, {"bits": bits}
    raise AssertionError


def _rounded(enclosure: MatrixEnclosure, bits: int) -> tuple[np.ndarray, Fraction]:
    """Returns floats near the middle, and exactly how far from one a member can be."""
    one, radius, rows = 1 << bits, Fraction(0), []
    for row, radii in zip(*enclosure, strict=True):
        rows.append([float(Fraction(x, one)) for x in row])
        for x, r, stated in zip(row, radii, rows[-1], strict=True):
            radius = max(radius, abs(Fraction(x, one) - Fraction(stated)) + Fraction(r, one))
    return np.array(rows), radius


def _stationary(game: LQGame, data: LQData, start: Any) -> tuple[Contents, Contents]:
    if unknowns(data) > MAX_UNKNOWNS:
        raise _NotFound(f"there are more than {MAX_UNKNOWNS} unknowns")
    discrete = data.time == "discrete"
    initial = None if start is None else jnp.asarray(start, game.A.dtype)
    if discrete:
        # From a start that is given, backward steps could lead away to another equilibrium.
        steps = 0 if start is not None else 2000
        found = stationary_lq(game, start=initial, steps=steps, newton_steps=20)
    else:
        found = stationary_differential(game, start=initial)
    P = np.asarray(found.hessians, np.float64)
    P = (P + P.transpose(0, 2, 1)) / 2
    K = np.concatenate([np.asarray(own, np.float64) for own in found.gains.values()])
    closed = np.asarray(found.closed_loop, np.float64)
    if not (np.isfinite(P).all() and np.isfinite(K).all()):
        raise _NotFound("no stationary equilibrium was found; give a start near one")
    values = np.linalg.eigvals(closed)
    speed = np.abs(values).max() if discrete else -values.real.max()
    if not (speed < 1 if discrete else speed > 0):
        raise _NotFound("the closed loop that was found is not stable; give another start")
    rate = float((1 + speed) / 2 if discrete else speed / 2)
    point = FixedPoint(BITS, Work())
    at = Stationary(data, point, [_exact(own, point) for own in P], _exact(K, point))
    inverse = np.linalg.inv(_floats(at.derivative(), point))
    shift = np.abs(inverse @ _floats(at.residual(), point)).max()
    radius = float(4 * shift + 2.0**-50 * max(np.abs(P).max(), np.abs(K).max()))
    claims = {
        "scope": "stationary",
        "costs": [flat_hexes(own) for own in P],
        "gains": flat_hexes(K),
        "radius": radius.hex(),
        "rate": rate.hex(),
    }
    evidence = {
        "preconditioner": flat_hexes(inverse),
        "lyapunov": flat_hexes(_lyapunov(closed, rate, discrete)),
    }
    return claims, evidence


def _lyapunov(closed: np.ndarray, rate: float, discrete: bool) -> np.ndarray:
    """Returns about the matrix S with `rate^2 S - C'S C = 1`, or `-2 rate S - C'S - S C = 1`."""
    one = np.eye(len(closed))
    if discrete:
        found = scipy.linalg.solve_discrete_lyapunov(closed.T / rate, one / rate**2)
    else:
        found = scipy.linalg.solve_continuous_lyapunov((closed + rate * one).T, -one)
    return (found + found.T) / 2


def _exact(array: np.ndarray, point: FixedPoint) -> MatrixEnclosure:
    return point.enclosed([[Fraction(x) for x in row] for row in array.tolist()])


def _floats(enclosure: MatrixEnclosure, point: FixedPoint) -> np.ndarray:
    one = 1 << point.bits
    return np.array([[float(Fraction(x, one)) for x in row] for row in enclosure.middle])

"""Finds safe steps of alternating gradient steps, in which players move one after another.

The proof is the small-gain argument in the form of Gauss and Seidel. As the couplings to players
that have moved count with their new, smaller distances, the rate is at least as good as that of
simultaneous steps, and up to twice as good per iteration; the safe steps are the same.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Float

from certify.metric.small_gain import SmallGain
from certify.rounding import float_above
from certify.steps.simultaneous import small_gain_step
from certify.steps.step_size import Setting, Step

# The vector of the rate comes from a resolvent and is no eigenvector. It is positive, and of a size
# similar to the small-gain vector even where players hardly see each other. This costs the share
# below of `1 - rate`.
_RELAXED = 1 / 64


def one_round(
    h: float,
    curvature: Float[np.ndarray, " players"],
    smoothness: Float[np.ndarray, " players"],
    coupling: Float[np.ndarray, "players players"],
) -> Float[np.ndarray, "players players"]:
    """Returns `G = (I - h L_low)^-1 (own + h L_up)`, for which distances obey `d+ <= G d`.

    Distances per player obey `d_i+ <= N_ii d_i + sum_{j<i} h L_ij d_j+ + sum_{j>i} h L_ij d_j` with
    `N_ii = max(|1 - h curvature_i|, |1 - h smoothness_i|)`.

    Example:
        >>> one, half = np.ones(2), np.array([[0.0, 0.5], [0.5, 0.0]])
        >>> one_round(1.0, one, one, half).tolist()
        [[0.0, 0.5], [0.0, 0.25]]
    """
    own = np.diag(np.maximum(np.abs(1 - h * curvature), np.abs(1 - h * smoothness)))
    below, above = np.tril(coupling, -1), np.triu(coupling, 1)
    return np.linalg.solve(np.eye(len(own)) - h * below, own + h * above)


def alternating_step(
    curvature: Float[np.ndarray, " players"],
    smoothness: Float[np.ndarray, " players"],
    coupling: Float[np.ndarray, "players players"],
    gain: SmallGain,
) -> dict[str, Any]:
    """Returns the steps of the simultaneous rule with a rate of their own, from block constants.

    Args:
        curvature: Lower bounds on the own-player curvatures, shape (N,).
        smoothness: Upper bounds on these curvatures, shape (N,).
        coupling: Bounds on the norms of the other blocks, shape (N, N).
        gain: The small-gain margin of these constants, with its vectors.

    Returns:
        `max`, `best` and `rate`, rounded to the safe side; `inner`, the vector v of shape (N,) with
        `max_i |x_i - x*_i| / v_i` shrinking by `rate`; and `outer >= inner`, the vector for
        which every step up to `max` contracts. The largest entry of `inner` is 1.

    Raises:
        ValueError: If the small-gain margin is not positive.

    Example:
        >>> from certify.metric.small_gain import small_gain
        >>> one, half = np.ones(2), np.array([[0.0, 0.5], [0.5, 0.0]])
        >>> step = alternating_step(one, one, half, small_gain(one, half))
        >>> round(step["best"], 2), step["rate"] < 0.27  # simultaneous steps: 1.0 and 0.5
        (1.0, True)
    """
    together = small_gain_step(curvature, smoothness, coupling, gain)
    largest = together["max"]
    constants = curvature, smoothness, coupling

    def radius(h: float) -> float:
        return float(np.abs(np.linalg.eigvals(one_round(float(h), *constants))).max())

    found = scipy.optimize.fminbound(radius, 0.0, largest, xtol=1e-4 * largest)
    # The spectral radius has a kink where a player's own factor has one, often at its minimum.
    kink = together["best"]
    best = min((float(np.asarray(found)), kink, largest), key=radius)
    matrix, wanted = one_round(best, *constants), radius(best)
    wanted += _RELAXED * (1 - wanted)
    resolvent = wanted * np.eye(len(matrix)) - matrix
    candidates = [(best, np.linalg.solve(resolvent, gain.right)), (kink, gain.right)]
    usable = [(h, v / v.max()) for h, v in candidates if np.isfinite(v).all() and (v > 0).all()]
    rates = [_rate(h, *constants, v) for h, v in usable]
    rate, (best, inner) = min(zip(rates, usable, strict=True), key=lambda pair: pair[0])
    outer = gain.right * (inner / gain.right).max() * (1 + 2.0**-40)
    return {"max": largest, "best": best, "rate": rate, "inner": inner, "outer": outer}


def _rate(
    h: float,
    curvature: np.ndarray,
    smoothness: np.ndarray,
    coupling: np.ndarray,
    vector: np.ndarray,
) -> float:
    """Returns the factor by which one round shrinks `max_i d_i / v_i`, rounded up."""
    step, v, seen, rate = Fraction(h), _exact(vector), _exact(vector), Fraction(0)
    for i, (low, high) in enumerate(zip(_exact(curvature), _exact(smoothness), strict=True)):
        others = zip(_exact(coupling[i]), seen, strict=True)
        own = max(abs(1 - step * low), abs(1 - step * high))
        seen[i] = own * v[i] + step * sum(c * x for c, x in others if c)
        rate = max(rate, seen[i] / v[i])
    return float_above(rate)


def _exact(vector: np.ndarray) -> list[Fraction]:
    return [Fraction(x) for x in vector.tolist()]


def from_small_gain(setting: Setting) -> Step | None:
    """Applies the rule "small_gain", with a basin in the norm of the rate."""
    constants, gain = setting.constants, setting.gain
    if constants is None or gain is None or gain.margin <= 0:
        return None
    step = alternating_step(constants.curvature, constants.smoothness, constants.coupling, gain)
    near = setting.radius / float((step["inner"] * np.sqrt(setting.weights)).min()) * (1 + 2.0**-40)
    basin = setting.reach_of(step["outer"]) - 2 * near * (1 + 2.0**-40)
    if basin <= 0:
        return None
    vectors = {name: step.pop(name).tolist() for name in ("inner", "outer")}
    return {
        "theorem": "small_gain",
        **step,
        "basin": basin,
        "equilibrium_radius": near,
        **vectors,
    }

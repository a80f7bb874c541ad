"""Finds safe steps of simultaneous gradient steps, `x+ = x - h F(x)`, by three theorems."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.elimination import term_proof
from certify.metric.small_gain import SmallGain, small_gain
from certify.rounding import float_above, float_below, root_above
from certify.steps.step_size import Setting, Step

# How many times larger a step has to be for a theorem that takes longer to check.
_WORTH = 1.1


def lipschitz_step(margin: float, lipschitz: float) -> dict[str, float]:
    """Returns safe steps from the margin `a` and the Lipschitz constant `b` of F in one metric.

    By `|x - y - h (F(x) - F(y))|^2 <= (1 - 2 h a + h^2 b^2) |x - y|^2`, a step is a contraction if
    and only if `h < 2 a / b^2`; it is best at `h = a / b^2`, with the factor `sqrt(1 - a^2 / b^2)`.

    Args:
        margin: Lower bound on the strong-monotonicity modulus, positive.
        lipschitz: Upper bound on the Lipschitz constant, at least the margin.

    Returns:
        `max`, `best` and `rate`, rounded to the safe side.

    Example:
        >>> step = lipschitz_step(1.0, 2.0)
        >>> step["best"], round(step["rate"], 6)
        (0.25, 0.866025)
    """
    a, b = Fraction(margin), Fraction(lipschitz)
    largest = float_below(2 * a / b**2)
    if not Fraction(largest) * b**2 < 2 * a:
        largest = float(np.nextafter(largest, 0.0))
    best = min(float(a / b**2), largest)
    return {
        "max": largest,
        "best": best,
        "rate": root_above(1 - 2 * Fraction(best) * a + (Fraction(best) * b) ** 2),
    }


def small_gain_step(
    curvature: np.ndarray, smoothness: np.ndarray, coupling: np.ndarray, gain: SmallGain
) -> dict[str, float]:
    """Returns safe steps from block constants: distances per player obey `d+ <= N(h) d`.

    Here `N_ii = max(|1 - h curvature_i|, |1 - h smoothness_i|)`, `N_ij = h coupling_ij`. With the
    small-gain vectors and margin `a`, every `h <= min_i 2 / (curvature_i + smoothness_i)` contracts
    by exactly `1 - h a`, and every `h < min_i 2 / (smoothness_i + curvature_i - a)` contracts.

    Args:
        curvature: Lower bounds on the own-player curvatures, shape (N,).
        smoothness: Upper bounds on them, shape (N,).
        coupling: Bounds on the norms of the other blocks, shape (N, N).
        gain: The small-gain margin of these constants, with its vectors.

    Returns:
        `max`, `best` and `rate`, rounded to the safe side.

    Raises:
        ValueError: If the small-gain margin is not positive.
    """
    if gain.margin <= 0:
        raise ValueError(f"small_gain_step: the margin {gain.margin} is not positive.")

    def factor(h: float) -> Fraction:
        step = Fraction(h)
        own = [
            max(abs(1 - step * Fraction(float(low))), abs(1 - step * Fraction(float(high))))
            for low, high in zip(curvature, smoothness, strict=True)
        ]
        return max(
            own[i]
            + step * sum(Fraction(float(m[i, j])) * v[j] for j in np.flatnonzero(m[i])) / v[i]
            for m, v in ((coupling, _exact(gain.right)), (coupling.T, _exact(gain.left)))
            for i in range(len(own))
        )

    best = float((2.0 / (curvature + smoothness)).min())
    largest = float((2.0 / (smoothness + curvature - gain.margin)).min())
    while factor(largest) >= 1:
        largest = float(np.nextafter(largest, 0.0)) if largest > best else 0.5 * largest
    best = min(best, largest)
    return {"max": largest, "best": best, "rate": float_above(factor(best))}


class PlayerSteps(NamedTuple):
    """A step size for each player, with a proved factor.

    Attributes:
        steps: The step sizes `h_i > 0`, shape (N,).
        rate: The factor `rho`; the step is a contraction if it is below 1.
        left: A vector `u > 0` with `u' N(h) <= rho u'`, shape (N,).
        right: A vector `v > 0` with `N(h) v <= rho v`, shape (N,).
    """

    steps: Float[np.ndarray, " players"]
    rate: float
    left: Float[np.ndarray, " players"]
    right: Float[np.ndarray, " players"]


def per_player_steps(
    curvature: Float[np.ndarray, " players"],
    smoothness: Float[np.ndarray, " players"],
    coupling: Float[np.ndarray, "players players"],
    steps: Float[np.ndarray, " players"] | None = None,
) -> PlayerSteps:
    """Bounds the rate if each player has its own step size: `x_i+ = x_i - h_i F_i(x)`.

    Distances per player obey `d+ <= N(h) d` with `N_ii = max(|1 - h_i curvature_i|,
    |1 - h_i smoothness_i|)` and `N_ij = h_i coupling_ij`. Vectors `u, v > 0`, `N v <= rho v` and
    `u' N <= rho u'` prove the factor rho in the norms `max_i |x_i| / v_i`, `sum_i u_i |x_i|` and
    `sqrt(sum_i (u_i / v_i) |x_i|^2)`: this is the small-gain test of `I - N`, with entries rounded
    to the safe side. Own-player blocks are taken to be symmetric, as Hessians are.

    Args:
        curvature: Lower bounds on the own-player curvatures, shape (N,).
        smoothness: Upper bounds on them, shape (N,).
        coupling: Bounds on the norms of the other blocks, shape (N, N).
        steps: The step sizes, shape (N,); by default `2 / (curvature_i + smoothness_i)`, which is
            best for each player alone.

    Returns:
        `PlayerSteps`; a rate of 1 or more promises no convergence.

    Raises:
        ValueError: If a step is not a positive number, or as for `small_gain`.

    Example:
        >>> mu, ell = np.array([1.0, 100.0]), np.array([1.0, 100.0])
        >>> found = per_player_steps(mu, ell, np.array([[0.0, 0.5], [0.5, 0.0]]))
        >>> found.steps.tolist(), round(found.rate, 6)
        ([1.0, 0.01], 0.05)
    """
    if steps is None:
        steps = 2.0 / (curvature + smoothness)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        bad = float(steps[~(np.isfinite(steps) & (steps > 0))][0])
        raise ValueError(f"per_player_steps: steps must be positive numbers; one of them is {bad}.")
    players, h = range(len(steps)), _exact(steps)
    own = [
        1 - max(abs(1 - h[i] * Fraction(float(m[i]))) for m in (curvature, smoothness))
        for i in players
    ]
    others = np.array(
        [[float_above(h[i] * Fraction(float(coupling[i, j]))) for j in players] for i in players]
    )
    gain = small_gain(np.array([float_below(x) for x in own]), others)
    return PlayerSteps(steps, float_above(1 - Fraction(gain.margin)), gain.left, gain.right)


def _exact(vector: np.ndarray) -> list[Fraction]:
    return [Fraction(x) for x in vector.tolist()]


def from_lipschitz(setting: Setting) -> Step:
    """Applies the rule "lipschitz", whose basin is the one of the certificate."""
    return {"theorem": "lipschitz", **lipschitz_step(setting.margin, setting.lipschitz)}


def from_small_gain(setting: Setting) -> Step | None:
    """Applies the rule "small_gain", with a basin in the small-gain metric."""
    constants, gain = setting.constants, setting.gain
    if constants is None or gain is None or gain.margin <= 0:
        return None
    step = small_gain_step(constants.curvature, constants.smoothness, constants.coupling, gain)
    weights = gain.left / gain.right
    near = setting.radius * float(np.sqrt((weights / setting.weights).max())) * (1 + 2.0**-40)
    basin = setting.reach_in(weights) - 2 * near * (1 + 2.0**-40)
    if basin <= 0:
        return None
    return {"theorem": "small_gain", **step, "basin": basin, "equilibrium_radius": near}


def from_terms(setting: Setting) -> Step | None:
    """Applies the rule "terms", where it gives more than the rule "lipschitz" does.

    For checking them takes time: there is a matrix of twice the size for each of the two steps.
    """
    if setting.by_terms is None:
        return None
    sides, bound, backoff = setting.by_terms
    known = lipschitz_step(setting.margin, setting.lipschitz)
    rate = bound.at_best.value + backoff
    if not (rate < 1 and bound.largest > _WORTH * known["max"]):
        return None
    return {
        "theorem": "terms",
        "max": bound.largest,
        "best": bound.best,
        "rate": rate,
        "max_proof": term_proof(sides.of_step(bound.largest), bound.at_largest),
        "best_proof": term_proof(sides.of_step(bound.best), bound.at_best),
    }

"""Safe steps of simultaneous gradient steps, `x+ = x - h F(x)`, by two theorems."""

from fractions import Fraction

import numpy as np

from certify.metric.small_gain import SmallGain, float_above, float_below, root_above

from .step_size import Setting, Step


def lipschitz_step(margin: float, lipschitz: float) -> dict[str, float]:
    """From the margin `a` and the Lipschitz constant `b` of F in one metric.

    `|x - y - h (F(x) - F(y))|^2 <= (1 - 2 h a + h^2 b^2) |x - y|^2`: a contraction if and only if
    `h < 2 a / b^2`; best at `h = a / b^2`, with the factor `sqrt(1 - a^2 / b^2)`.

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
    """From per-player constants: distances per player obey `d+ <= N(h) d`.

    `N_ii = max(|1 - h curvature_i|, |1 - h smoothness_i|)`, `N_ij = h coupling_ij`. With the
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


def _exact(vector: np.ndarray) -> list[Fraction]:
    return [Fraction(x) for x in vector.tolist()]


def from_lipschitz(setting: Setting) -> Step:
    """The rule "lipschitz"; its basin is that of the certificate."""
    return {"theorem": "lipschitz", **lipschitz_step(setting.margin, setting.lipschitz)}


def from_small_gain(setting: Setting) -> Step | None:
    """The rule "small_gain", with a basin in the small-gain metric."""
    constants, gain = setting.constants, setting.gain
    if gain.margin <= 0:
        return None
    step = small_gain_step(constants.curvature, constants.smoothness, constants.coupling, gain)
    weights = gain.left / gain.right
    near = setting.radius * float(np.sqrt((weights / setting.weights).max())) * (1 + 2.0**-40)
    basin = setting.reach_in(weights) - 2 * near * (1 + 2.0**-40)
    if basin <= 0:
        return None
    return {"theorem": "small_gain", **step, "basin": basin, "equilibrium_radius": near}

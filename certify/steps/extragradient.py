"""Finds safe steps of the extragradient method, `y = x - h F(x)`, `x+ = x - h F(y)`.

The steps are certified to converge to the equilibrium x*, not to contract between any two points:
as a pairwise contraction the method is three times worse than a plain step.
"""

from fractions import Fraction

import numpy as np
import scipy.optimize

from certify.rounding import float_below, root_above
from certify.steps.step_size import Setting, Step


def squared_factor(h: Fraction, a: Fraction, b: Fraction) -> Fraction:
    """Returns the proved bound on `|x+ - x*|^2 / |x - x*|^2`, for `h b < 1`.

    With F(x*) = 0, and since `h F(x) = x - y`,

        |x+ - x*|^2 <= |x - x*|^2 - 2 h <F(y), y - x*> - (1 - h^2 b^2) |x - y|^2,

    where the second term is at least `2 h a |y - x*|^2`. With
    `|x - x*|^2 <= (1 + c) |y - x*|^2 + (1 + 1/c) |x - y|^2` for `c = 2 h a / (1 - h^2 b^2)` the
    terms in |x - y| cancel and leave the factor `1 - 2 h a / (1 + c)`.
    """
    slack = 1 - (h * b) ** 2
    return 1 - 2 * h * a * slack / (slack + 2 * h * a)


def from_monotonicity(setting: Setting) -> Step | None:
    """Applies the rule "monotonicity": every step `h < 1 / lipschitz` converges to x*.

    This holds for a strongly monotone and Lipschitz field.

    The intermediate point y can be farther from x* than x, by the factor `stretch`; both must stay
    in the region, which makes the basin a little smaller.
    """
    a, b = Fraction(setting.margin), Fraction(setting.lipschitz)
    largest = float_below(1 / b)
    if not Fraction(largest) * b < 1:
        largest = float(np.nextafter(largest, 0.0))
    share = scipy.optimize.fminbound(
        lambda t: float(squared_factor(Fraction(float(t) * largest), a, b)), 0.0, 1.0, xtol=1e-9
    )
    best = float(np.asarray(share)) * largest
    h = Fraction(largest)
    stretch = root_above(max(Fraction(1), 1 - 2 * h * a + (h * b) ** 2))
    basin = (setting.reach - setting.radius) / stretch * (1 - 2.0**-40) - setting.radius
    if basin <= 0:
        return None
    return {
        "theorem": "monotonicity",
        "max": largest,
        "best": best,
        "rate": root_above(squared_factor(Fraction(best), a, b)),
        "stretch": stretch,
        "basin": basin * (1 - 2.0**-40),
    }

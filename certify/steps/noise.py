"""Bounds how far noise keeps simultaneous steps from the equilibrium."""

import math
from fractions import Fraction
from typing import Any

from certify.rounding import float_above


def noise_ball(
    margin: Any,
    lipschitz: Any,
    step_size: Any,
    variance: Any,
    growth: Any = 0.0,
    cocoercivity: Any = None,
) -> float:
    """Bounds `E |x - x*|^2` for steps `x+ = P(x - h (F(x) + e))` with noise, in the long run.

    With the margin `a` and the Lipschitz constant `b` of F in a metric, and noise of mean zero and
    `E |e|^2 <= s + g |x - x*|^2` given the past, in the same metric,

        E |x+ - x*|^2 <= (1 - 2 h a + h^2 (b^2 + g)) E |x - x*|^2 + h^2 s,

    so `limsup E |x - x*|^2 <= h s / (2 a - h (b^2 + g))`, and once below that bound it stays below.
    If F is cocoercive, `<F(x) - F(y), x - y> >= |F(x) - F(y)|^2 / c`, then `a c` may take the place
    of `b^2`, which allows steps up to about `2 / c`. `P` is the identity or a projection that does
    not enlarge distances in the metric, such as that onto a box.

    The constants of a certificate hold in its region alone, and noise without a bound leaves every
    region: the bound is for games whose constants hold everywhere, or for steps that are projected
    onto the region.

    The noise of mini-batches seldom has a bound `s` alone, but it has a growth: if the error of a
    batch is `e*` at the equilibrium and the error of each has a Lipschitz constant, whose mean
    square is `L^2`, then `E |e|^2 <= 2 E |e*|^2 + 2 L^2 |x - x*|^2`.

    Args:
        margin: A lower bound `a` on the strong-monotonicity modulus, positive.
        lipschitz: An upper bound `b` on the Lipschitz constant, at least `a`.
        step_size: The step size `h`, positive and below `2 a / (b^2 + g)`, or `2 a / (a c + g)`.
        variance: The bound `s` on the mean square of the noise, not negative.
        growth: The bound `g` on its growth, not negative.
        cocoercivity: The number `c` (`Convergence.cocoercivity`), at least `b`, or None.

    Returns:
        The bound on the mean squared distance, rounded up.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> noise_ball(margin=1.0, lipschitz=2.0, step_size=0.25, variance=0.04)
        0.01
        >>> noise_ball(margin=1.0, lipschitz=2.0, step_size=0.125, variance=0.04, growth=4.0)
        0.005
        >>> noise_ball(margin=0.1, lipschitz=2.0, step_size=0.5, variance=0.04, cocoercivity=2.0)
        0.2
    """
    given = (margin, lipschitz, step_size, variance, growth)
    numbers = [float(x) for x in (*given, lipschitz if cocoercivity is None else cocoercivity)]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("noise_ball: the numbers must be finite.")
    a, b, h, s, g, c = map(Fraction, numbers)
    if not (0 < a <= b <= c and s >= 0 and g >= 0):
        raise ValueError(
            f"noise_ball: margin {margin}, lipschitz {lipschitz}, cocoercivity {cocoercivity}, "
            f"variance {variance} and growth {growth}; the first three must be positive and in "
            "this order, the others not negative."
        )
    square = b**2 + g
    if cocoercivity is not None:
        square = min(square, a * c + g)
    if not (h > 0 and h * square < 2 * a):
        raise ValueError(
            f"noise_ball: the step size is {step_size}; it must be positive and below "
            f"{float(2 * a / square):.6g}, which follows from the other numbers."
        )
    return float_above(h * s / (2 * a - h * square))

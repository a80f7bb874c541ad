"""Bounds how far noise keeps simultaneous steps from the equilibrium, in mean square."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from certify.rounding import float_above
from certify.steps.constants import constants, not_negative, share_of_variance


def noise_ball(
    margin: Any,
    lipschitz: Any = None,
    step_size: Any = None,
    variance: Any = 0.0,
    growth: Any = 0.0,
    cocoercivity: Any = None,
    *,
    component_lipschitz: Any = None,
    batch: int = 1,
    size: int | None = None,
) -> float:
    r"""Bounds `E |x - x*|^2` for steps `x+ = P(x - h (F(x) + e))` with noise, in the long run.

    With the margin `a` and the Lipschitz constant `b` of F in a metric, and noise of mean zero and
    `E |e|^2 <= s + g |x - x*|^2` given the past, in the same metric,

        E |x+ - x*|^2 <= (1 - 2 h a + h^2 (b^2 + g)) E |x - x*|^2 + h^2 s,

    so `limsup E |x - x*|^2 <= h s / (2 a - h (b^2 + g))`, and once below that bound it stays below.
    If F is cocoercive, `<F(x) - F(y), x - y> >= |F(x) - F(y)|^2 / c`, then `a c` may take the place
    of `b^2`, which allows steps up to about `2 / c`. `P` is the identity or a projection that does
    not enlarge distances in the metric, such as that onto a box.

    The constants of a certificate hold in its region alone, and noise without a bound leaves every
    region: the bound is for games whose constants hold everywhere, or for steps that are projected
    onto the region. `staying_inside` bounds the probability that steps leave a region.

    The noise of mini-batches seldom has a bound `s` alone, but it has a growth. Let F be the mean
    of components `F_n`, with `mean |F_n(x) - F_n(x*)|^2 <= L^2 |x - x*|^2` and `s* = mean |F_n(x*)
    - F(x*)|^2`: the arguments `component_lipschitz` L and `variance` `s*`. The error of a batch has
    the variance of one component times `w = 1 / batch`, and `(n - batch) / ((n - 1) batch)` without
    replacement. With `d_n = F_n(x) - F_n(x*)`, d its mean and any `t > 0`,

        E |e|^2 <= w ((1 + t) (mean |d_n|^2 - |d|^2) + (1 + 1/t) s*),

    so that `1 - 2 h a + h^2 k` is the factor and `h^2 w (1 + 1/t) s*` the rest, where `k = w (1 +
    t) L^2 + (1 - w (1 + t)) |d|^2 / |x - x*|^2`, in which the last quotient is at most `b^2` (or
    `a c`) and at least `a^2`. The result is the smallest bound over t.

    Args:
        margin: A lower bound `a` on the strong-monotonicity modulus, positive; or a certificate
            with a margin and a Lipschitz constant, such as a `Convergence`.
        lipschitz: An upper bound `b` on the Lipschitz constant, at least `a`.
        step_size: The step size `h`, positive and below `2 a / (b^2 + g)`, or `2 a / (a c + g)`.
        variance: The bound `s` on the mean square of the noise, not negative; for components, `s*`.
        growth: The bound `g` on its growth, not negative.
        cocoercivity: The number `c` (`Convergence.cocoercivity`), at least `b`, or None.
        component_lipschitz: The bound `L` on the components in mean square, for mini-batches.
        batch: The number of components that a step sees.
        size: The number n of all components if batches are drawn without replacement, or None.

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
        >>> batches = dict(variance=0.04, component_lipschitz=3.0, batch=4)
        >>> round(noise_ball(margin=1.0, lipschitz=2.0, step_size=0.125, **batches), 6)
        0.001817
    """
    known = constants("noise_ball", margin, lipschitz, cocoercivity)
    s = not_negative("noise_ball", "variance", variance)
    g = not_negative("noise_ball", "growth", growth)
    a, h = known.margin, not_negative("noise_ball", "step_size", step_size)
    if component_lipschitz is None:
        if batch != 1 or size is not None:
            raise ValueError("noise_ball: batch and size go with component_lipschitz.")
        least, pairs = known.square + g, [(known.square + g, s)]
    else:
        if g:
            raise ValueError("noise_ball: growth follows from component_lipschitz; leave it out.")
        mean_square = not_negative("noise_ball", "component_lipschitz", component_lipschitz) ** 2
        if mean_square < a**2:
            raise ValueError(
                f"noise_ball: component_lipschitz is {component_lipschitz}, which is below the "
                "margin, but components have at least the constant of their mean in mean square."
            )
        # The constant of the mean is at most that of the components, by Jensen's inequality.
        square = min(known.square, mean_square)
        w = share_of_variance("noise_ball", batch, size)
        least = w * mean_square + (1 - w) * square
        pairs = _of_components(a, square, mean_square, w, h, s)
    if not (h > 0 and h * least < 2 * a):
        raise ValueError(
            f"noise_ball: the step size is {step_size}; it must be positive and below "
            f"{float(2 * a / least):.6g}, which follows from the other numbers."
        )
    return float_above(
        min(h * rest / (2 * a - h * square) for square, rest in pairs if h * square < 2 * a)
    )


def _of_components(
    a: Fraction, square: Fraction, mean_square: Fraction, w: Fraction, h: Fraction, s: Fraction
) -> Iterator[tuple[Fraction, Fraction]]:
    """Yields `k` and what stands in place of `s`, for numbers t of which one is about the best.

    Over t, `(1 + 1/t) / (A - B t)` is least at `t = sqrt(1 + A / B) - 1`, which is below `A / B`.
    """
    if not s * w:  # the limit of small t
        yield w * mean_square + (1 - w) * square, Fraction(0)
        return
    edge = 1 / w - 1
    for quotient, low, high in ((square, Fraction(0), edge), (a**2, edge, None)):
        room = 2 * a - h * (w * mean_square + (1 - w) * quotient)
        slope = h * w * (mean_square - quotient)
        best = Fraction(2**20)
        if room > 0 and slope > 0:
            best = Fraction(math.sqrt(1 + room / slope) - 1)
        t = max(low, best if high is None else min(best, high))
        if t > 0:
            share = w * (1 + t)
            yield share * mean_square + (1 - share) * quotient, w * (1 + 1 / t) * s

r"""Proves linear rates of methods that correct mini-batches by a snapshot.

F is the mean of components `F_n`, with margin a and Lipschitz constant b; L bounds the components
in mean square, `mean |F_n(x) - F_n(y)|^2 <= L^2 |x - y|^2`. The mean of a batch has the variance of
a component times w, which is `1 / batch`, or `(n - batch) / ((n - 1) batch)` without replacement.
`V = |x - x*|^2` and `W = |w - x*|^2` for the snapshot w; means are given the past. Projections do
not enlarge distances, and `x* = P(x* - h F(x*))`.

**Simultaneous steps** (Kovalev, Horváth and Richtárik, arXiv:1901.08689). The direction g of
`dgames.VarianceReduced` has mean `F(x)` and the variance of `F_n(x) - F_n(w)` times w. With `d_n =
F_n(x) - F_n(x*)`, their mean d, `e_n = F_n(w) - F_n(x*)`, their mean e, and any `t > 0`,

    E |g - F(x*)|^2 <= |d|^2 + w (1 + t) (mean |d_n|^2 - |d|^2)
                             + w (1 + 1/t) (mean |e_n|^2 - |e|^2),

where `mean |d_n|^2 <= L^2 V`, `mean |e_n|^2 <= L^2 W`, `|e|^2 >= a^2 W`. With `|d|^2 <= b^2 V` if
its coefficient `1 - w (1 + t)` is positive, and `|d|^2 >= a^2 V` if not, `E V+ <= A V + B W` with

    A = 1 - 2 h a + h^2 (w (1 + t) L^2 + (1 - w (1 + t)) (b^2 or a^2)),
    B = h^2 w (1 + 1/t) (L^2 - a^2).

The snapshot has `E W+ = p V + (1 - p) W`. So `V + c W` shrinks by `max(A + c p, 1 - p + B / c)`,
for every `c > 0`. At `t = 1`, `w = 1`, `h = a / (6 L^2)` and `c = 4 h^2 L^2 / p` this is at most
`max(1 - h a, 1 - p/2)`. L is needed between pairs of points of which one is `x*` only.

**Extragradient** (Alacaoglu and Malitsky, arXiv:2102.08352). With `m = (1 - p) x + p w`, the points
of `dgames.VarianceReducedExtragradient` satisfy two variational inequalities,

    <x+ - m + h g, x* - x+> >= 0,    <y - m + h F(w), x+ - y> >= 0,    g = F(w) + F_S(y) - F_S(w).

Twice their sum, written in squares, is

    V+ <= (1 - p) V + p W - (1 - p) |x - y|^2 - p |w - y|^2 - |x+ - y|^2
          + 2 h <g, x* - y> + 2 h <F_S(y) - F_S(w), y - x+>.

Since y does not depend on S, the mean of the first product is `<F(y), x* - y> <= -a |y - x*|^2`.
The second one is at most `h^2 |F_S(y) - F_S(w)|^2 + |y - x+|^2`, with the mean `h^2 M^2 |y - w|^2`
where `M^2 = w L^2 + (1 - w) b^2`. So with `E W+ = p E V+ + (1 - p) W`,

    E ((1 - p) V+ + W+) <= (1 - p) V + W - (1 - p) |x - y|^2 - (p - h^2 M^2) |w - y|^2
                           - 2 h a |y - x*|^2,

and `V <= 2 |y - x*|^2 + 2 |x - y|^2`, `W <= 2 |y - x*|^2 + 2 |w - y|^2` show that `(1 - p) V + W`
shrinks by `1 - min(h a / (2 - p), 1/2, (p - h^2 M^2) / 2)`, if `h M < sqrt(p)`.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple

from certify.rounding import float_above
from certify.steps.constants import (
    constants,
    not_negative,
    number,
    positive,
    share_of_variance,
)


class VarianceReducedRate(NamedTuple):
    """A proved linear rate, in the mean, of a method with mini-batches and a snapshot.

    Attributes:
        step_size: The step size.
        probability: The probability with which a step renews the snapshot.
        rate: The factor per step, below 1: `E |x_k - x*|^2 <= constant rate^k |x_0 - x*|^2`.
        constant: The factor in front.
        reach: The method evaluates the field within `reach` times the largest distance of x so far.
    """

    step_size: float
    probability: float
    rate: float
    constant: float
    reach: float

    def leaving(self, start: Any, radius: Any) -> float:
        """Bounds the probability that a run ever leaves a ball around the equilibrium.

        This is for constants that are known on a region only. The function of the proof is a
        supermartingale while the run is inside, so that by Ville's inequality it ever exceeds
        `radius^2` with a probability of at most `constant start^2 / radius^2`.

        Args:
            start: A bound on the distance of the start from the equilibrium.
            radius: The radius of the ball. The constants have to hold within `reach` times that.

        Raises:
            ValueError: If the radius is not positive, or the start negative.

        Example:
            >>> variance_reduced_rate(0.2, 1.0, 2.0, probability=0.01).leaving(0.1, 1.0) < 0.012
            True
        """
        far = not_negative("leaving", "start", start)
        within = positive("leaving", "radius", radius)
        return min(1.0, float_above(Fraction(self.constant) * (far / within) ** 2))


def variance_reduced_rate(
    margin: Any,
    lipschitz: Any = None,
    component_lipschitz: Any = None,
    probability: Any = None,
    *,
    batch: int = 1,
    size: int | None = None,
    step_size: Any = None,
    extragradient: bool = False,
) -> VarianceReducedRate:
    r"""Proves a linear rate of `dgames.VarianceReduced`, or of its extragradient version.

    Unlike plain mini-batches (`noise_ball`), steps whose batches are corrected by a snapshot have
    no ball of noise: a certificate of the game of all data becomes one of a stochastic method. The
    theorems and their proofs are at the head of the module `certify.steps.variance_reduced_rate`.
    For the constants of a certificate that hold on a region only, see `leaving` of the result.

    Args:
        margin: The margin `a`, or a certificate with a margin and a Lipschitz constant.
        lipschitz: The Lipschitz constant `b`.
        component_lipschitz: L, with `mean_n |F_n(x) - F_n(y)|^2 <= L^2 |x - y|^2`, in the metric of
            the margin.
        probability: The probability p, in (0, 1], of a new snapshot; below 1 for extragradient.
        batch: The number of components in a batch.
        size: The number of all components if batches are drawn without replacement
            (`replace=False`), or None.
        step_size: The step size h, or None for about the best one.
        extragradient: Whether the method is `dgames.VarianceReducedExtragradient`.

    Returns:
        The rate, rounded up.

    Raises:
        ValueError: If a number is out of range, or there is no rate below 1 with this step.

    Example:
        >>> simple = variance_reduced_rate(0.2, 1.0, 2.0, probability=0.02, step_size=0.2 / 24)
        >>> simple.rate <= max(1 - 0.2 / 24 * 0.2, 1 - 0.02 / 2)
        True
        >>> best = variance_reduced_rate(0.2, 1.0, 2.0, probability=0.02)
        >>> round(best.step_size, 4), round(best.rate, 4)
        (0.0118, 0.9976)
    """
    who = "variance_reduced_rate"
    known = constants(who, margin, lipschitz)
    p = number(who, "probability", 0 if probability is None else probability)
    if not (0 < p <= 1 and (p < 1 or not extragradient)):
        raise ValueError(
            f"{who}: probability is a number between 0 and 1, and below 1 for extragradient; got "
            f"{probability!r}."
        )
    if component_lipschitz is None:
        raise ValueError(f"{who}: component_lipschitz is missing.")
    component = number(who, "component_lipschitz", component_lipschitz)
    if component < known.margin:
        raise ValueError(
            f"{who}: component_lipschitz is {component_lipschitz}, which is below the margin, but "
            "components have at least the constant of their mean in mean square."
        )
    w = share_of_variance(who, batch, size)
    sums = _Sums(known.margin, min(known.square, component**2), component**2, w, p)
    prove = sums.of_extragradient if extragradient else sums.of_steps
    if step_size is not None:
        found = prove(positive(who, "step_size", step_size))
    else:
        unit = math.sqrt(p / sums.both) if extragradient else float(known.margin / sums.both)
        sizes = [unit * 2.0 ** (-j / 8) for j in range(-8, 80)]
        rough = _Sums(*map(float, sums))
        search = rough.of_extragradient if extragradient else rough.of_steps
        best = min(sizes, key=lambda h: search(h).rate)
        width = 1.09
        for _ in range(8):
            width = math.sqrt(width)
            best = min((best / width, best, best * width), key=lambda h: search(h).rate)
        found = prove(Fraction(best))
    if found.rate >= 1:
        raise ValueError(
            f"{who}: no rate below 1 is proved for the step size {float(found.step_size):.6g}; "
            "take a smaller one, or leave it out."
        )
    reach = 1 + found.step_size * known.lipschitz if extragradient else Fraction(1)
    return VarianceReducedRate(
        float(found.step_size),
        float(p),
        float_above(found.rate),
        float_above(found.constant),
        float_above(reach),
    )


class _Found(NamedTuple):
    """A step with what is proved of it, as floats or fractions."""

    step_size: Any
    rate: Any
    constant: Any


class _Sums(NamedTuple):
    """The constants of the theorems, all floats or all fractions.

    Attributes:
        margin: a.
        square: `b^2`, at most `L^2`.
        mean_square: `L^2`.
        w: The variance of a batch, for components of variance one.
        p: The probability of a new snapshot.
    """

    margin: Any
    square: Any
    mean_square: Any
    w: Any
    p: Any

    @property
    def both(self) -> Any:
        """`M^2`."""
        return self.w * self.mean_square + (1 - self.w) * self.square

    def of_extragradient(self, h: Any) -> _Found:
        p = self.p
        gain = min(h * self.margin / (2 - p), (p - h**2 * self.both) / 2)
        return _Found(h, 1 - min(gain, type(gain)(1) / 2), (2 - p) / (1 - p))

    def of_steps(self, h: Any) -> _Found:
        """The best of some t, with about the best c for each."""
        return min((self._at(h, j) for j in range(-12, 25)), key=lambda found: found.rate)

    def _at(self, h: Any, j: int) -> _Found:
        to = type(h)
        t = to(2) ** j if j >= 0 else 1 / to(2) ** (-j)
        share = self.w * (1 + t)
        quotient = self.square if share <= 1 else self.margin**2
        A = 1 - 2 * h * self.margin + h**2 * (share * self.mean_square + (1 - share) * quotient)
        B = h**2 * self.w * (1 + 1 / t) * (self.mean_square - self.margin**2)
        # Where A + c p = 1 - p + B / c; any positive number is allowed.
        half = float(A - 1 + self.p) / 2
        root = math.sqrt(half**2 + float(self.p * B))
        c = to((root - half) / float(self.p))
        if c <= 0:
            c = to(2.0**-60)
        return _Found(h, max(A + c * self.p, 1 - self.p + B / c), 1 + c)

r"""Bounds with high probability on how far noise keeps simultaneous steps from the equilibrium.

Steps are `x+ = P(x - h (F(x) + e))` with `V = |x - x*|^2`, P the identity or a projection that does
not enlarge distances in the metric and leaves `x*` where it is, and `q = 1 - 2 h a + h^2 b^2`. Let

    E exp(<v, e> + t |e|^2) <= exp(kappa |v|^2 / 2 + t s)

given the past, for all v, as the classes of `noise_model` say.

**One step.** With `d = x - x* - h (F(x) - F(x*))`, `|d|^2 <= q V`, and `V+ <= |d - h e|^2 = |d|^2 -
2 h <d, e> + h^2 |e|^2`. For `l > 0` take `v = -2 l h d` and `t = l h^2`: with `C = 2 h^2 kappa` and
`c = h^2 s`,

    E exp(l V+) <= exp(l r V + l c),    r = q (1 + l C).                                       (1)

**Many steps.** Apply (1) backwards with `l_k = l` and `l_(j-1) = q l_j (1 + l_j C)`: since these
numbers decrease if `D = 1/l - C / (1 - q)` is positive, the C and c of l serve for all of them, and

    log E exp(l V_k) <= l_0 V_0 + c (l_1 + ... + l_k).

`1 / l_(j-1) >= (1 / l_j - C) / q` because `1 / (1 + y) >= 1 - y`, so that `1 / l_(k-i) >= C / (1 -
q) + D / q^i`. Hence `l_0 <= q^k / (D + q^k C / (1 - q))`, and since the bounds decrease with i the
sum is at most its first term and an integral,

    l + (1 - q) / (C log(1/q)) log( (1/l) / (D + q^(k-1) C / (1 - q)) ),    and at most k l.

By Markov's inequality `V_k <= (l_0 V_0 + c (l_1 + ... + l_k) + log(1/p)) / l` with probability `1 -
p`, for every l that is allowed: that is `noise_tail`. For isotropic Gaussian noise, a field `a x`
and small h, this is Chernoff's bound for the chi-square distribution of V itself.

**All steps.** Let `r < 1`, `f = c / (1 - r)`. The function `exp(l (r V + c)) - exp(l V)` of V is
largest at `V^ = f + log(r) / (l (1 - r))`, where it is `beta = (1/r - 1) exp(l V^)`; if that is
negative, the largest value for `V >= 0` is `beta = exp(l c) - 1`, at zero. So `exp(l V_k) + (K - k)
beta` is a supermartingale, and by Ville's inequality

    P(V_k >= R^2 for some k <= K) <= (exp(l V_0) + K beta) exp(-l R^2).                         (2)

The same probability is at most the sum over k = 1, ..., K of `E exp(l V_k) exp(-l R^2)`, in which
terms from k to 2 k - 1 are bounded together. `staying_inside` takes the smaller number, and the
best l.

**Within a region.** If the constants and the noise are known only for x within R of `x*`, stop the
process when it first leaves this ball: (1) is used at x in the ball only, whatever `x+` is, so that
(2) holds for the stopped process, and a run that never leaves is not changed by stopping. In the
sum, and in `noise_tail`, replace `E exp(l V_k)` by the mean over runs that were inside up to step
`k - 1`, zero for others, for which the same recursion holds: the probability of staying inside, and
yet ending beyond the bound, is at most p. In the ball `|v| <= 2 l h sqrt(q) R`, and `sqrt(q) <= (1
+ q) / 2`.

Searches for l are done with floats; the result is computed with fractions, and logarithms and
exponentials are rounded to the safe side.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from certify.rounding import float_above, next_above
from certify.steps.constants import constants, not_negative, number, positive, whole
from certify.steps.noise_model import EXACT, ROUGH, AbstractNoise, Arithmetic

# Contraction in one step counts as no better than this, so that its logarithm is finite.
LEAST_FACTOR = Fraction(1, 2**20)


def noise_tail(
    margin: Any,
    lipschitz: Any = None,
    step_size: Any = None,
    noise: AbstractNoise | None = None,
    probability: Any = None,
    *,
    start: Any = 0.0,
    steps: int | None = None,
    radius: Any = None,
    cocoercivity: Any = None,
) -> float:
    r"""Bounds `|x_k - x*|^2` after k noisy simultaneous steps, with high probability.

    For each k by itself, `|x_k - x*|^2` is at most the result with probability `1 - p`, if steps
    are `x+ = P(x - h (F(x) + e))` with noise that is new in each step. It is about `h s /
    (2 a)`, the mean, plus `h kappa log(1/p) / a`. The theorem and its proof are at the head of the
    module `certify.steps.noise_tail`; it holds for constants that hold everywhere, and for steps
    that are projected onto the region. Otherwise it holds together with `staying_inside`: the
    probability that a run stays within `radius` and ends beyond the result is at most p.

    Args:
        margin: The margin `a`, or a certificate with a margin and a Lipschitz constant.
        lipschitz: The Lipschitz constant `b`.
        step_size: The step size h, positive and below `2 a / b^2`.
        noise: What is known of the noise: `GaussianNoise`, `SubGaussianNoise` or `BoundedNoise`.
        probability: p, between 0 and 1: how often the bound may fail.
        start: A bound on the distance `|x_0 - x*|`.
        steps: The number k, or None for the limit of many steps.
        radius: The distance from the equilibrium within which runs are known to be, or None.
        cocoercivity: As for `noise_ball`.

    Returns:
        The bound on the squared distance, rounded up.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from certify import GaussianNoise, noise_ball
        >>> noise = GaussianNoise(deviation=0.1, dimension=20)
        >>> round(noise_tail(0.2, 1.0, 0.05, noise, probability=0.01), 4)
        0.0659
        >>> round(noise_ball(0.2, 1.0, 0.05, variance=20 * 0.1**2), 4)
        0.0286
    """
    who = "noise_tail"
    known = constants(who, margin, lipschitz, cocoercivity)
    h, noise = known.step(who, step_size), checked_noise(who, noise)
    p = checked_probability(who, probability)
    k = None if steps is None else whole(who, "steps", steps)
    far = not_negative(who, "start", start)
    within = None if radius is None else positive(who, "radius", radius)
    walk = Walk(max(known.factor(h), LEAST_FACTOR), h, noise, within)
    return float_above(smallest(walk, lambda at: at.tail(far, k, p)))


def staying_inside(
    margin: Any,
    lipschitz: Any = None,
    step_size: Any = None,
    noise: AbstractNoise | None = None,
    steps: int | None = None,
    *,
    start: Any = 0.0,
    radius: Any = None,
    probability: Any = None,
    cocoercivity: Any = None,
) -> float:
    r"""Bounds the probability that noisy simultaneous steps ever leave a ball, in K steps.

    This is what a certificate on a region needs: its constants hold only there. With a `radius` R
    it returns a bound on the probability that `|x_k - x*| >= R` for some `k <= K`; with a
    `probability` it returns such an R. Constants and noise need to be as stated only at points
    within R of `x*`. The bound falls exponentially in `R^2`, and grows like K at most. The theorem
    and its proof are at the head of the module `certify.steps.noise_tail`.

    Args:
        margin: The margin `a`, or a certificate with a margin and a Lipschitz constant.
        lipschitz: The Lipschitz constant `b`.
        step_size: The step size h, positive and below `2 a / b^2`.
        noise: What is known of the noise: `GaussianNoise`, `SubGaussianNoise` or `BoundedNoise`.
        steps: The number K of steps.
        start: A bound on the distance `|x_0 - x*|`.
        radius: R, more than `start`; or None.
        probability: p, between 0 and 1; or None. One of both is given.
        cocoercivity: As for `noise_ball`.

    Returns:
        A bound on the probability of leaving, at most 1; or a radius. Both are rounded up.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from certify import BoundedNoise
        >>> noise = BoundedNoise(bound=1.0, batch=16)
        >>> run = dict(step_size=0.02, noise=noise, steps=10_000, start=0.5)
        >>> round(staying_inside(0.2, 1.0, probability=0.01, **run), 3)
        0.532
        >>> staying_inside(0.2, 1.0, radius=0.7, **run) < 1e-5
        True
    """
    who = "staying_inside"
    known = constants(who, margin, lipschitz, cocoercivity)
    h, noise = known.step(who, step_size), checked_noise(who, noise)
    far, k = not_negative(who, "start", start), whole(who, "steps", steps)
    q = max(known.factor(h), LEAST_FACTOR)
    if (radius is None) == (probability is None):
        raise ValueError(f"{who}: give a radius or a probability, and not both.")
    if radius is not None:
        within = positive(who, "radius", radius)
        return min(1.0, float_above(Walk(q, h, noise, within).leaving(far, k)))
    return _radius(q, h, noise, far, k, checked_probability(who, probability))


class Walk(NamedTuple):
    """One step of a noisy run, as the proof sees it.

    Attributes:
        factor: q, below 1 and positive.
        step_size: h.
        noise: The noise.
        radius: Where it is known, or None for everywhere.
    """

    factor: Fraction
    step_size: Fraction
    noise: AbstractNoise
    radius: Fraction | None

    def leaving(self, start: Fraction, steps: int) -> Fraction:
        """Returns a bound on the probability of leaving the ball, not rounded, at most 1."""
        assert self.radius is not None
        if self.radius <= start:
            return Fraction(1)
        return min(Fraction(1), smallest(self, lambda at: at.leaving(start, steps)))

    def points(self, to: Arithmetic, scale: Any, choice: Any) -> "Point | None":
        """Returns the numbers of the proof at `l`, or None if l is too large."""
        q, h, scale = to.number(self.factor), to.number(self.step_size), to.number(scale)
        # The square root of q is at most (1 + q) / 2.
        reach = None if self.radius is None else scale * h * (1 + q) * to.number(self.radius)
        moments = self.noise.moments(to, scale * h**2, reach, choice)
        if moments is None:
            return None
        kappa, s = moments
        share = 2 * h**2 * kappa / (1 - q)
        rest = 1 / scale - share
        if rest <= 0:
            return None
        return Point(to, q, scale, share, rest, h**2 * s, self.radius)


class Point(NamedTuple):
    """The numbers of the proof at one `l`.

    Attributes:
        to: The numbers to compute with.
        q: The factor of a step.
        scale: l.
        share: `C / (1 - q)`.
        rest: D, positive.
        c: c.
        radius: R, or None.
    """

    to: Arithmetic
    q: Any
    scale: Any
    share: Any
    rest: Any
    c: Any
    radius: Fraction | None

    def log_mean(self, start: Any, first: int, last: int | None) -> Any:
        """Bounds `log E exp(l V_k)` for all k from `first` to `last`, or all of them."""
        to = self.to
        power = to.exp_above(-first * to.log_below(1 / self.q))
        least = 0 if last is None else to.exp_below(-(last - 1) * to.log_above(1 / self.q))
        total = self.scale + to.log_above(1 / (self.scale * (self.rest + least * self.share))) / (
            self.share * to.log_below(1 / self.q)
        )
        if last is not None:
            total = min(total, last * self.scale)
        return power / (self.rest + power * self.share) * start**2 + self.c * total

    def tail(self, start: Fraction, steps: int | None, probability: Fraction) -> Any:
        """Bounds `V_k`."""
        to = self.to
        if steps is None:  # the start is forgotten
            mean = self.log_mean(0, 1, None)
        else:
            mean = self.log_mean(to.number(start), steps, steps)
        return (mean + to.log_above(1 / to.number(probability))) / self.scale

    def leaving(self, start: Fraction, steps: int) -> Any:
        """Bounds the probability of leaving the ball."""
        begin, end = self.to.number(start), self.to.number(self.radius)
        return min(self._by_ville(begin, end, steps), self._by_sums(begin, end, steps))

    def _by_ville(self, start: Any, radius: Any, steps: int) -> Any:
        to, gap = self.to, self.scale * radius**2
        r = self.q + self.q * (1 - self.q) * self.share * self.scale
        if r >= 1:
            return to.number(1)
        summit = self.scale * self.c / (1 - r) - to.log_below(1 / r) / (1 - r)
        if summit > 0:
            beta = (1 / r - 1) * self._exp(summit - gap)
        else:
            beta = self._exp(self.scale * self.c - gap)
        return self._exp(self.scale * start**2 - gap) + steps * beta

    def _by_sums(self, start: Any, radius: Any, steps: int) -> Any:
        total, first = self.to.number(0), 1
        while first <= steps:
            last = min(2 * first - 1, steps)
            mean = self.log_mean(start, first, last)
            total += (last - first + 1) * self._exp(mean - self.scale * radius**2)
            first = last + 1
        return total

    def _exp(self, x: Any) -> Any:
        """Bounds the exponential of `x <= 700` from above; what is more makes bounds useless."""
        return self.to.exp_above(x) if x <= 700 else self.to.number(Fraction(10) ** 300)


def smallest(walk: Walk, bound: Any) -> Fraction:
    """Returns about the smallest bound over all l and choices, exactly at what floats propose."""
    best = [(value, scale, choice) for value, scale, choice in searched(walk, bound)]
    best.sort(key=lambda item: item[0])
    for _, scale, choice in best[:3]:
        point = walk.points(EXACT, Fraction(scale), choice)
        if point is not None:
            return bound(point)
    raise ValueError(
        "noise bounds: the numbers are too extreme for double precision; rescale the field."
    )


def searched(walk: Walk, bound: Any) -> Iterator[tuple[float, float, Any]]:
    """Yields bounds in floating point, with their l and choice."""
    for choice in walk.noise.choices:
        top = _largest(walk, choice)
        if top is None:
            continue

        def value(share: float, top: float = top, choice: Any = choice) -> float:
            point = walk.points(ROUGH, top * share, choice)
            return math.inf if point is None else float(bound(point))

        shares = [2.0 ** (-j / 2) for j in range(1, 40)] + [0.8, 0.85, 0.9, 0.95, 0.99]
        best = min(shares, key=value)
        width = 1.4
        for _ in range(8):
            width = math.sqrt(width)
            best = min((best / width, best, min(best * width, 0.999)), key=value)
        yield value(best), top * best, choice


def _largest(walk: Walk, choice: Any) -> float | None:
    """Returns about the supremum of the numbers l that are allowed."""
    low, high = None, 1.0
    while walk.points(ROUGH, high, choice) is not None and high < 1e300:
        low, high = high, 4 * high
    while low is None:
        high /= 4
        if high < 1e-300:
            return None
        if walk.points(ROUGH, high, choice) is not None:
            low, high = high, 4 * high
    for _ in range(20):
        middle = (low + high) / 2
        if walk.points(ROUGH, middle, choice) is not None:
            low = middle
        else:
            high = middle
    return low


def _radius(
    q: Fraction, h: Fraction, noise: AbstractNoise, start: Fraction, steps: int, p: Fraction
) -> float:
    """Returns about the smallest radius with a probability of leaving of at most p."""

    def fails(radius: float) -> bool:
        return Walk(q, h, noise, Fraction(radius)).leaving(start, steps) > p

    low = float(next_above(float_above(start)))
    high = max(low, 1e-150)
    while fails(high):
        low, high = high, 2 * high
        if high > 1e150:
            raise ValueError("staying_inside: there is no such radius.")
    for _ in range(30):
        middle = math.sqrt(low * high) if low > 1e-150 else high / 4
        if high - low <= 1e-6 * high:
            break
        low, high = (middle, high) if fails(middle) else (low, middle)
    return high


def checked_noise(who: str, noise: Any) -> AbstractNoise:
    """Returns the noise; raises an error if it is none."""
    if not isinstance(noise, AbstractNoise):
        raise ValueError(
            f"{who}: noise is a GaussianNoise, a SubGaussianNoise or a BoundedNoise; got "
            f"{type(noise).__name__}."
        )
    return noise


def checked_probability(who: str, value: Any) -> Fraction:
    """Returns a probability; raises an error if it is none, or 0 or 1."""
    p = number(who, "probability", value)
    if not 0 < p < 1:
        raise ValueError(f"{who}: probability is between 0 and 1; got {value!r}.")
    return p

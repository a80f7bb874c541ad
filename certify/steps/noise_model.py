"""Kinds of noise, by the exponential moments that bounds with high probability need."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, final

from typing_extensions import override

from certify.rounding import exp_above, exp_below, float_above, log_above, log_below
from certify.steps.constants import number, positive, whole


class Arithmetic(NamedTuple):
    """Numbers to compute with: exact ones with directed functions, or floats for searches.

    Attributes:
        number: Makes a number of a fraction.
        exp_above: An upper bound on the exponential.
        exp_below: A lower bound on it.
        log_above: An upper bound on the logarithm.
        log_below: A lower bound on it.
    """

    number: Any
    exp_above: Any
    exp_below: Any
    log_above: Any
    log_below: Any


EXACT = Arithmetic(Fraction, exp_above, exp_below, log_above, log_below)
ROUGH = Arithmetic(float, math.exp, math.exp, math.log, math.log)

# Exponents v of Hoelder's inequality, of which the best is taken.
_EXPONENTS = tuple(Fraction(v) for v in ("6/5", "3/2", 2, 4, 8, 16, 64, 256))


class AbstractNoise(abc.ABC):
    r"""The error `e` of one evaluation of a field, of mean zero given the past.

    What is known of it is a bound, for all vectors v and all `t > 0` in a range,

        E exp(<v, e> + t |e|^2) <= exp(kappa |v|^2 / 2 + t s)

    with numbers kappa and s that depend on t and may not decrease with it, nor with a bound on
    `|v|`. Inner product and norm are those of the metric of the constants: an error with covariance
    `sigma^2 I` has the deviation `sigma sqrt(w)` in a metric with weights that are at most w.
    """

    @property
    @abc.abstractmethod
    def choices(self) -> Sequence[Any]:
        """The bounds among which the best is to be taken."""

    @abc.abstractmethod
    def moments(self, to: Arithmetic, t: Any, reach: Any, choice: Any) -> tuple[Any, Any] | None:
        """Returns kappa and s, or None if t is out of range.

        Args:
            to: The numbers to compute with.
            t: A positive number.
            reach: An upper bound on `|v|`, or None.
            choice: One of `choices`.
        """


@final
@dataclass(frozen=True)
class GaussianNoise(AbstractNoise):
    r"""Gaussian noise in d dimensions, or any whose projections have lighter tails.

    The hypothesis is `E exp <v, e> <= exp(sigma^2 |v|^2 / 2)` for all v. Then, for `t < 1 / (2
    sigma^2)`,

        E exp(<v, e> + t |e|^2) <= y^(-d/2) exp(sigma^2 |v|^2 / (2 y)),    y = 1 - 2 t sigma^2,

    with equality for the normal distribution with covariance `sigma^2 I`. So `kappa = sigma^2 / (1
    - 2 t sigma^2)` and `s = -d log(1 - 2 t sigma^2) / (2 t)`. Proof. `exp(t |e|^2)` is the mean of
    `exp <sqrt(2 t) z, e>` over a standard normal vector z; put the means the other way round, apply
    the hypothesis to `v + sqrt(2 t) z`, and integrate over z. (Hsu, Kakade and Zhang,
    arXiv:1110.2842.)

    Attributes:
        deviation: sigma, positive.
        dimension: d, the number of coordinates.
    """

    deviation: float
    dimension: int

    def __post_init__(self):
        positive("GaussianNoise", "deviation", self.deviation)
        whole("GaussianNoise", "dimension", self.dimension)

    @property
    @override
    def choices(self) -> Sequence[Any]:
        return (None,)

    @override
    def moments(self, to: Arithmetic, t: Any, reach: Any, choice: Any) -> tuple[Any, Any] | None:
        variance = to.number(Fraction(self.deviation) ** 2)
        left = 1 - 2 * t * variance
        if left <= 0:
            return None
        return variance / left, self.dimension * to.log_above(1 / left) / (2 * t)


@final
@dataclass(frozen=True)
class SubGaussianNoise(AbstractNoise):
    r"""Noise with light tails whose norm has a bound on its exponential moments.

    The hypotheses are `E exp <v, e> <= exp(sigma^2 |v|^2 / 2)` for all v, and `E exp(t |e|^2) <=
    exp(t s)` for `t <= t_0`. By Hoelder's inequality with the exponents `t_0 / (t_0 - t)` and `t_0
    / t`, `kappa = sigma^2 t_0 / (t_0 - t)` with the same s. A Gaussian vector in d dimensions has
    `s = 2 d log(2) sigma^2` with `t_0 = 1 / (4 sigma^2)`, but `GaussianNoise` is sharper.

    Attributes:
        deviation: sigma, positive.
        mean_square: s, positive: at least the mean of `|e|^2`.
        limit: `t_0`, positive.
    """

    deviation: float
    mean_square: float
    limit: float

    def __post_init__(self):
        for name in ("deviation", "mean_square", "limit"):
            positive("SubGaussianNoise", name, getattr(self, name))

    @property
    @override
    def choices(self) -> Sequence[Any]:
        return (None,)

    @override
    def moments(self, to: Arithmetic, t: Any, reach: Any, choice: Any) -> tuple[Any, Any] | None:
        limit = to.number(Fraction(self.limit))
        if t >= limit:
            return None
        variance = to.number(Fraction(self.deviation) ** 2)
        return variance * limit / (limit - t), to.number(Fraction(self.mean_square))


@final
@dataclass(frozen=True)
class BoundedNoise(AbstractNoise):
    r"""The noise of mini-batches, whose components differ from their mean by a bounded amount.

    The error of a batch is the mean of B independent vectors `e_1, ..., e_B` of mean zero with
    `|e_i| <= M` and `E |e_i|^2 <= s_1 <= M^2`. No dimension enters.

    * Linear part. `<v, e_i>` lies between `-M |v|` and `M |v|`, so that `E exp <v, e> <= exp(M^2
      |v|^2 / (2 B))` by Hoeffding's lemma. And if `|v| <= u < 3 B / M`, then by Bernstein's,
      `exp(y) <= 1 + y + y^2 / (2 (1 - c / 3))` for `|y| <= c < 3`, it is at most `exp(k |v|^2 / 2)`
      with `k = s_1 / (B (1 - u M / (3 B)))`. The smaller of both numbers is k.
    * Square. `|e| <= M` always, so `exp(t |e|^2) <= exp(t M^2)`: `kappa = k`, `s = M^2`. This is
      one choice, and the best for B = 1 without `s_1`.
    * Otherwise `E |e|^2 <= s_1 / B`, and `exp(t y) <= 1 + y (exp(t M^2) - 1) / M^2` for `0 <= y <=
      M^2` gives `E exp(v t |e|^2) <= exp(v t s)` with `s = s_1 / B (exp(c) - 1) / c` and `c = v t
      M^2`; the last quotient is at most `1 / (1 - c / 2)` if `c < 2`. With Hoelder's inequality and
      the exponents v and `v / (v - 1)`, kappa is `v / (v - 1)` times k at the bound `u v / (v -
      1)`. Several v are tried.

    Batches without replacement obey the same bounds: the mean of a convex function of their error
    is at most that with replacement (Hoeffding, 1963, theorem 4). But the batches of different
    steps have to be independent: a random order in which each datum is used once has no such
    bounds.

    Attributes:
        bound: M, positive: a bound on `|F_n(x) - F(x)|` for all components and all x of the region.
        batch: B.
        variance: `s_1`, a bound on the mean over components of `|F_n(x) - F(x)|^2`, or None for
            `M^2`.

    Example:
        >>> noise = BoundedNoise.of_components([1.0, 2.0, 3.0], batch=8)
        >>> noise.bound, round(noise.variance, 4)
        (5.0, 4.6667)
    """

    bound: float
    batch: int = 1
    variance: float | None = None

    def __post_init__(self):
        positive("BoundedNoise", "bound", self.bound)
        whole("BoundedNoise", "batch", self.batch)
        if self.variance is not None:
            positive("BoundedNoise", "variance", self.variance)

    @classmethod
    def of_components(cls, bounds: Sequence[Any], batch: int = 1) -> "BoundedNoise":
        """Returns the noise of components that are bounded themselves.

        With `|F_n(x)| <= g_n`, which may leave out what is the same in all components, such as
        weight decay: `M = max g_n + mean g_n`, and `s_1 = mean g_n^2`.

        Args:
            bounds: The numbers `g_n`, one per component.
            batch: The number of components in a batch.

        Raises:
            ValueError: If there are none, or they are negative or all zero.
        """
        numbers = [number("BoundedNoise", "bounds", g) for g in bounds]
        if not numbers or min(numbers) < 0 or not max(numbers):
            raise ValueError(
                "BoundedNoise: bounds are numbers that are not negative, not all zero."
            )
        n = len(numbers)
        square = sum((g**2 for g in numbers), Fraction(0)) / n
        return cls(
            float_above(max(numbers) + sum(numbers, Fraction(0)) / n), batch, float_above(square)
        )

    @property
    @override
    def choices(self) -> Sequence[Any]:
        return (None, *(_EXPONENTS if self.batch > 1 or self.variance is not None else ()))

    @override
    def moments(self, to: Arithmetic, t: Any, reach: Any, choice: Any) -> tuple[Any, Any] | None:
        bound = to.number(Fraction(self.bound))
        square = bound**2
        one = square
        if self.variance is not None:
            one = min(square, to.number(Fraction(self.variance)))

        def linear(u: Any) -> Any:
            hoeffding = square / self.batch
            if u is None or u * bound >= 3 * self.batch:
                return hoeffding
            return min(hoeffding, one / (self.batch - u * bound / 3))

        if choice is None:
            return linear(reach), square
        v = to.number(choice)
        power = v * t * square
        if power > 100:
            return None
        # For small powers the difference of the quotient would lose digits.
        more = (to.exp_above(power) - 1) / power if power > 0.1 else 1 / (1 - power / 2)
        other = v / (v - 1)
        return other * linear(None if reach is None else other * reach), one / self.batch * more

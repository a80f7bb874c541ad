"""Reads the margin and the Lipschitz constant of a certificate, or takes them as numbers."""

import math
from fractions import Fraction
from typing import Any, NamedTuple


class Constants(NamedTuple):
    """The constants of a field in a metric, exactly as they were given.

    Attributes:
        margin: The strong-monotonicity modulus, positive.
        lipschitz: The Lipschitz constant, at least the margin.
        cocoercivity: A number c with `<F(x) - F(y), x - y> >= |F(x) - F(y)|^2 / c`, or None.
    """

    margin: Fraction
    lipschitz: Fraction
    cocoercivity: Fraction | None

    @property
    def square(self) -> Fraction:
        """A number k that takes the place of `|F(x) - F(x*)|^2 / |x - x*|^2` in a step.

        Steps `h` with `2 a > h k` have `|x - x* - h (F(x) - F(x*))|^2 <= (1 - 2 h a + h^2 k)
        |x - x*|^2`: for `k = b^2` by definition, and for `k = a c` because then `h c < 2`, and
        `|e|^2 <= c <e, d>` leaves `(2 h - h^2 c) <e, d>`, in which `<e, d> >= a |d|^2`.
        """
        if self.cocoercivity is None:
            return self.lipschitz**2
        return min(self.lipschitz**2, self.margin * self.cocoercivity)

    def step(self, who: str, step_size: Any) -> Fraction:
        """Returns a step size as a fraction.

        Raises:
            ValueError: If it is not positive and below `2 a / k`.
        """
        h = number(who, "step_size", step_size)
        if not (h > 0 and h * self.square < 2 * self.margin):
            raise ValueError(
                f"{who}: the step size is {step_size}; it must be positive and below "
                f"{float(2 * self.margin / self.square):.6g}, which follows from the constants."
            )
        return h

    def factor(self, h: Fraction) -> Fraction:
        """Returns q with `|x - x* - h (F(x) - F(x*))|^2 <= q |x - x*|^2`, between 0 and 1."""
        return 1 - 2 * h * self.margin + h**2 * self.square


def constants(who: str, margin: Any, lipschitz: Any = None, cocoercivity: Any = None) -> Constants:
    """Reads constants.

    Args:
        who: The function that asks, for messages.
        margin: The margin, or a certificate that has a margin and a Lipschitz constant.
        lipschitz: The Lipschitz constant, or None with a certificate.
        cocoercivity: The cocoercivity, or None.

    Raises:
        ValueError: If they are out of range or missing.

    Example:
        >>> constants("example", 1.0, 2.0).square
        Fraction(4, 1)
    """
    if hasattr(margin, "margin"):
        if lipschitz is not None or cocoercivity is not None:
            raise ValueError(
                f"{who}: the certificate has its own constants; leave lipschitz and cocoercivity "
                "out."
            )
        certificate, margin = margin, margin.margin
        _require_euclidean(who, certificate)
        lipschitz = certificate.lipschitz
        cocoercivity = getattr(certificate, "cocoercivity", None)
    if lipschitz is None:
        raise ValueError(f"{who}: give a certificate, or margin and lipschitz.")
    a, b = number(who, "margin", margin), number(who, "lipschitz", lipschitz)
    c = None if cocoercivity is None else number(who, "cocoercivity", cocoercivity)
    if not (0 < a <= b and (c is None or b <= c)):
        raise ValueError(
            f"{who}: margin {margin}, lipschitz {lipschitz}, cocoercivity {cocoercivity}; they "
            "must be positive and in this order."
        )
    return Constants(a, b, c)


def _require_euclidean(who: str, certificate: Any) -> None:
    """Raises an error if constants are about Bregman divergences, with other steps."""
    if not hasattr(certificate, "lipschitz"):
        raise ValueError(
            f"{who}: the certificate has no Lipschitz constant; give numbers, margin and lipschitz."
        )
    norm = getattr(getattr(certificate, "constants", None), "norm", "Euclidean")
    of_policies = getattr(certificate, "kind", None) in ("policies", "tree")
    if of_policies or norm != "Euclidean" or getattr(certificate, "geometry", None) is not None:
        raise ValueError(
            f"{who}: the certificate is about steps in the geometry of a divergence, not about "
            "simultaneous ones; give one in a Euclidean norm, or with weights."
        )


def number(who: str, name: str, value: Any) -> Fraction:
    """Returns a finite real number, exactly.

    Raises:
        ValueError: If it is not one.
    """
    if isinstance(value, Fraction):
        return value
    try:
        real = float(value)
    except TypeError:
        real = math.nan
    if not math.isfinite(real):
        raise ValueError(f"{who}: the numbers must be finite; {name} is {value!r}.")
    return Fraction(real)


def not_negative(who: str, name: str, value: Any) -> Fraction:
    """Returns a number that is not negative, exactly.

    Raises:
        ValueError: If it is not one.
    """
    result = number(who, name, value)
    if result < 0:
        raise ValueError(f"{who}: {name} is a number that is not negative; got {value!r}.")
    return result


def positive(who: str, name: str, value: Any) -> Fraction:
    """Returns a positive number, exactly.

    Raises:
        ValueError: If it is not one.
    """
    result = number(who, name, value)
    if result <= 0:
        raise ValueError(f"{who}: {name} is a positive number; got {value!r}.")
    return result


def whole(who: str, name: str, value: Any) -> int:
    """Returns a whole number from 1.

    Raises:
        ValueError: If it is not one.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise ValueError(f"{who}: {name} is a whole number from 1; got {value!r}.")
    return value.__index__()


def share_of_variance(who: str, batch: Any, size: Any) -> Fraction:
    """Returns the variance of the mean of a batch, for components of variance one.

    Args:
        who: The function that asks, for messages.
        batch: The number b of components in a batch.
        size: The number n of all of them if they are drawn without replacement, or None.

    Raises:
        ValueError: If they are no whole numbers, or the batch is too large.

    Example:
        >>> share_of_variance("example", 4, None), share_of_variance("example", 4, 10)
        (Fraction(1, 4), Fraction(1, 6))
    """
    b = whole(who, "batch", batch)
    if size is None:
        return Fraction(1, b)
    n = whole(who, "size", size)
    if b > n:
        raise ValueError(f"{who}: without replacement a batch is at most all data; got {b} of {n}.")
    return Fraction(n - b, b * (n - 1)) if n > 1 else Fraction(0)

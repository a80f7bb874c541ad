"""Elementary functions in decimal arithmetic, to forty digits and more.

They are the reference of the self-test, which must not depend on the arithmetic that it tests.
"""

import functools
from decimal import Decimal, localcontext

DIGITS = 90
# Below this the third term of a power series is beyond the fortieth digit.
_SMALL = Decimal("1e-15")


@functools.cache
def pi() -> Decimal:
    """Computes pi by Machin's formula."""
    with localcontext(prec=DIGITS + 20):
        return 4 * (4 * _atan_series(Decimal(1) / 5) - _atan_series(Decimal(1) / 239))


def _atan_series(x: Decimal) -> Decimal:
    term, total, n, square = x, x, 1, x * x
    while total and abs(term) > abs(total) * Decimal(f"1e-{DIGITS + 15}"):
        term, n = -term * square, n + 2
        total += term / n
    return total


def expm1(x: Decimal) -> Decimal:
    """Computes `exp(x) - 1`."""
    return x + x * x / 2 + x**3 / 6 if abs(x) < _SMALL else x.exp() - 1


def log1p(x: Decimal) -> Decimal:
    """Computes `log(1 + x)`."""
    return x - x * x / 2 + x**3 / 3 if abs(x) < _SMALL else (1 + x).ln()


def tanh(x: Decimal) -> Decimal:
    """Computes tanh by `expm1`."""
    return expm1(2 * x) / (expm1(2 * x) + 2)


def _sin_cos(x: Decimal) -> tuple[Decimal, Decimal]:
    quarter = pi() / 2
    turns = (x / quarter).to_integral_value()
    rest = x - turns * quarter
    sine, cosine = _series(rest, rest), _series(Decimal(1), rest)
    return [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][int(turns) % 4]


def _series(first: Decimal, x: Decimal) -> Decimal:
    """Computes sine (started with x) or cosine (started with 1) by Taylor's series."""
    term, total, n, square = first, first, 0 if first is not x else 1, x * x
    while term and abs(term) > Decimal(f"1e-{DIGITS}") * abs(total):
        term = -term * square / ((n + 1) * (n + 2))
        total, n = total + term, n + 2
    return total


def sin(x: Decimal) -> Decimal:
    """Computes sine after reduction by quarter turns."""
    return _sin_cos(x)[0]


def cos(x: Decimal) -> Decimal:
    """Computes cosine after reduction by quarter turns."""
    return _sin_cos(x)[1]


def tan(x: Decimal) -> Decimal:
    """Computes the tangent as sine over cosine."""
    sine, cosine = _sin_cos(x)
    return sine / cosine


def atan(x: Decimal) -> Decimal:
    """Computes the arctangent by three halvings of the angle, then a power series."""
    if abs(x) > 1:
        return (pi() / 2).copy_sign(x) - atan(1 / x)
    for _ in range(3):
        x = x / (1 + (1 + x * x).sqrt())
    return 8 * _atan_series(x)


def atan2(y: Decimal, x: Decimal) -> Decimal:
    """Computes the angle of `(x, y)`, which is not on the negative half-axis."""
    if abs(y) > abs(x):
        return (pi() / 2).copy_sign(y) - atan(x / y)
    return atan(y / x) + (0 if x > 0 else pi().copy_sign(y))


def asin(x: Decimal) -> Decimal:
    """Computes the arcsine as an angle."""
    return atan2(x, ((1 - x) * (1 + x)).sqrt())


def acos(x: Decimal) -> Decimal:
    """Computes the arccosine as an angle."""
    return atan2(((1 - x) * (1 + x)).sqrt(), x)


def sinh(x: Decimal) -> Decimal:
    """Computes sinh by `expm1`."""
    return (expm1(x) - expm1(-x)) / 2


def cosh(x: Decimal) -> Decimal:
    """Computes cosh by exponentials."""
    return (x.exp() + (-x).exp()) / 2


def asinh(x: Decimal) -> Decimal:
    """Computes asinh by a logarithm."""
    if abs(x) < _SMALL:
        return x - x**3 / 6
    return (abs(x) + (x * x + 1).sqrt()).ln().copy_sign(x)


def acosh(x: Decimal) -> Decimal:
    """Computes acosh by a logarithm."""
    return (x + (x * x - 1).sqrt()).ln()


def atanh(x: Decimal) -> Decimal:
    """Computes atanh by logarithms."""
    return (log1p(x) - log1p(-x)) / 2


def cbrt(x: Decimal) -> Decimal:
    """Computes the cube root by a logarithm."""
    return (abs(x).ln() / 3).exp().copy_sign(x)


def erf(x: Decimal) -> Decimal:
    """Computes erf, up to 3 by a series of one sign, beyond from `erfc`."""
    if abs(x) > 3:
        return (1 - erfc(abs(x))).copy_sign(x)
    term, total, n = x, x, 1
    while abs(term) > abs(total) * Decimal(f"1e-{DIGITS}"):
        n += 2
        term = term * 2 * x * x / n
        total += term
    return 2 * (-x * x).exp() * total / pi().sqrt()


def erfc(x: Decimal) -> Decimal:
    """Computes erfc, beyond 3 by Laplace's continued fraction."""
    if x < 3:
        return 1 - erf(x)
    square = x * x
    fraction = Decimal(1)
    for k in range(int(4000 / square) + 20, 0, -1):
        fraction = 1 + k / (2 * square) / fraction
    return (-square).exp() / (x * pi().sqrt() * fraction)

"""Natural logarithms of positive rationals, enclosed with integers alone."""

from fractions import Fraction

# The bits kept after the point.
_BITS = 160
# 3^-(2 * 52 + 1) is below 2^-160, the unit: the tail of the series then is, too.
_TERMS = 52


def logarithm(x: Fraction) -> tuple[Fraction, Fraction]:
    """Returns bounds on `ln x`, `x > 0`, apart by less than `2^-140` times its binary exponent.

    With `x = 2^e m` and `1 <= m < 2`, `ln x = e ln 2 + ln m`.
    """
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    m = x / Fraction(2) ** exponent
    if m < 1:
        exponent, m = exponent - 1, 2 * m
    low, high = _near_one(m)
    least, most = _near_one(Fraction(2))
    if exponent < 0:
        least, most = most, least
    return (
        Fraction(low + exponent * least, 2**_BITS),
        Fraction(high + exponent * most, 2**_BITS),
    )


def _near_one(m: Fraction) -> tuple[int, int]:
    """Returns bounds on `ln m` for `1 <= m <= 2`, in units of `2^-160`.

    `ln m = 2 (t + t^3 / 3 + t^5 / 5 + ...)` with `t = (m - 1) / (m + 1) <= 1/3`, all terms of which
    increase with t. The terms from `t^k / k` on sum to at most `t^k / (1 - t^2) < 2 t^k`.
    """
    t = (m - 1) / (m + 1)
    down = (t.numerator << _BITS) // t.denominator
    up = down + 1
    low, high, below, above = 0, 0, down, up
    for k in range(1, 2 * _TERMS, 2):
        low += below // k
        high -= -above // k
        below = below * down * down >> 2 * _BITS
        above = -(-above * up * up >> 2 * _BITS)
    return 2 * low, 2 * (high + 2 * above)

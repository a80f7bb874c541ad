"""Taylor coefficients of elementary functions over intervals, against those at points of them."""

from fractions import Fraction

import pytest
from flint import arb, arb_series, ctx

from certify.checker.intervals import BallInterval
from certify.checker.series import SERIES, power_series, series_over

ORDER = 4
WIDE = {
    "log": (0.25, 3.0),
    "sqrt": (0.25, 3.0),
    "tan": (-1.25, 1.0),
    "atan": (-0.5, 0.75),
    "asin": (-0.75, 0.875),
    "acos": (-0.75, 0.875),
}
SHARES = [k / 8 for k in range(9)]


@pytest.fixture(autouse=True)
def many_digits():
    with ctx.workprec(200):
        yield


def coefficients(name, x):
    """At a point, by another algorithm: that of power series."""
    t = arb_series([x, 1], prec=ORDER + 1)
    if name == "tanh":
        series = (t.exp() - (-t).exp()) / (t.exp() + (-t).exp())
    elif name in ("sinh", "cosh"):
        sign = 1 if name == "cosh" else -1
        series = (t.exp() + sign * (-t).exp()) / 2
    else:
        series = getattr(t, name)()
    found = series.coeffs()
    return found + [arb(0)] * (ORDER + 1 - len(found))


def escapes(found, exact):
    return [k for k, (x, c) in enumerate(zip(found, exact, strict=True)) if outside(x, c)]


def outside(interval, value):
    """Surely so, even if both are known to some digits only."""
    return value < interval.low or value > interval.high


@pytest.mark.parametrize("name", SERIES)
def test_all_points_of_an_interval(name):
    low, high = WIDE.get(name, (-2.0, 1.5))
    u = BallInterval.of(Fraction(low), Fraction(high))
    for found in (SERIES[name](u, ORDER), series_over(SERIES[name], u, ORDER)):
        assert all(x.is_finite() for x in found)
        for share in SHARES:
            assert escapes(found, coefficients(name, arb(low + share * (high - low)))) == []


@pytest.mark.parametrize("exponent", [-2, -1, 3, 6])
def test_powers(exponent):
    low, high = (0.5, 2.0) if exponent < 0 else (-1.0, 2.0)
    found = power_series(BallInterval.of(Fraction(low), Fraction(high)), exponent, ORDER)
    for share in SHARES:
        t = arb_series([arb(low + share * (high - low)), 1], prec=ORDER + 1)
        series = t ** abs(exponent) if exponent > 0 else 1 / t ** abs(exponent)
        exact = series.coeffs()
        assert escapes(found, exact + [arb(0)] * (ORDER + 1 - len(exact))) == []


def test_these_tests_can_fail():
    """The coefficients at the middle are not those of the ends."""
    middle = SERIES["atan"](BallInterval.of(Fraction(1, 2), Fraction(1, 2)), ORDER)
    assert escapes(middle, coefficients("atan", arb(0.5))) == []
    assert escapes(middle, coefficients("atan", arb(0.75))) == [0, 1, 2, 3, 4]

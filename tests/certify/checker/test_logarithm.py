"""Enclosures of logarithms, against ball arithmetic."""

from fractions import Fraction

import flint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certify.checker.logarithm import logarithm

naturals = st.integers(1, 2**1100)


def ball(x):
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


@given(naturals, naturals)
def test_logarithms_are_enclosed(numerator, denominator):
    x = Fraction(numerator, denominator)
    low, high = logarithm(x)
    before, flint.ctx.prec = flint.ctx.prec, 600
    try:
        middle = ball(x).log()
        assert ball(low) <= middle <= ball(high) or x == 1
    finally:
        flint.ctx.prec = before
    assert 0 < high - low < Fraction(1200, 2**150)


@pytest.mark.parametrize("exponent", [-1074, -1, 0, 1, 1023])
def test_powers_of_two(exponent):
    low, high = logarithm(Fraction(2) ** exponent)
    least, most = logarithm(Fraction(2))
    assert low <= exponent * (least + most) / 2 <= high
    assert logarithm(Fraction(1))[0] <= 0 <= logarithm(Fraction(1))[1]

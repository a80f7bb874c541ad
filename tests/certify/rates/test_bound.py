"""What multipliers prove, on forms of one number."""

from fractions import Fraction

import pytest

from certify.rates.bound import Bound, proves
from certify.rates.problems import BoundProblem

ONE = [[Fraction(1)]]
TWO = [[Fraction(2)]]


@pytest.mark.parametrize(
    ("value", "multiplier", "follows"),
    [(Fraction(5, 2), 0, True), (3, Fraction(1, 2), True), (2, 0, False), (1, -2, False)],
)
def test_multipliers_are_not_negative(value, multiplier, follows):
    """`2 x^2 <= value x^2`, where `x^2 >= 0` is known: twice its negative would prove 2 <= 1."""
    problem = BoundProblem(ONE, TWO, [ONE])
    assert proves(problem, Bound(Fraction(value), (Fraction(multiplier),))) == follows


def test_each_inequality_has_its_multiplier():
    problem = BoundProblem(ONE, TWO, [ONE, ONE])
    assert not proves(problem, Bound(Fraction(3), (Fraction(0),)))

"""How many steps are enough to be within an accuracy of the equilibrium."""

from fractions import Fraction

from certify.checker.neural_recursion import power_above


def steps_enough(rate: float, constant: float, away: float, radius: float, accuracy: float) -> int:
    """Returns a number of steps after which a method is within an accuracy of the equilibrium.

    Example:
        >>> steps_enough(0.5, 1.0, 1.0, 2.0**-60, 2.0**-10)
        11
    """
    first, goal, exact = (
        Fraction(constant) * (Fraction(away) + Fraction(radius)),
        Fraction(accuracy),
        Fraction(rate),
    )
    high = 1
    while first * power_above(exact, high) > goal:
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        if first * power_above(exact, middle) <= goal:
            high = middle
        else:
            low = middle + 1
    return high

"""Activation functions of networks in files: bounds on their derivatives that hold everywhere.

With a sharpness t, an activation is `s(t x) / t`: its first derivative is bounded like that of s,
its second one by t times, its third one by t^2 times the bound of s.

The bounds, over all real numbers, rounded up:

- tanh: `s' = 1 - y^2 <= 1`, `|s''| = 2 |y| (1 - y^2) <= 4 / (3 sqrt 3)` at `y^2 = 1/3`, and
  `s''' = (1 - y^2) (6 y^2 - 2)`, which is between -2 and 2/3.
- sigmoid: `s' = p (1 - p) <= 1/4`, `|s''| = p (1 - p) |1 - 2 p| <= 1 / (6 sqrt 3)`, and
  `s''' = p (1 - p) (1 - 6 p (1 - p))`, of size at most 1/8 as `p (1 - p) <= 1/4`.
- softplus: its derivative is the sigmoid.
- silu, `x p(x)`: `s' = p + x p'` is largest at 2.3993..., `s'' = 2 p' + x p''` at 0, where it is
  1/2, and `s''' = 3 p'' + x p'''` is odd and of the largest size at 1.0319...
- gelu, `x P(x)` with the normal distribution P and its density d: `s' = P + x d` is largest at
  `sqrt 2`, `s'' = d (2 - x^2)` at 0, and `s''' = d (x^3 - 4 x)` at `x^2 = (7 - sqrt 33) / 2`.
- erf: `s' = (2 / sqrt pi) e^(-x^2)`, `s'' = -2 x s'` at `x^2 = 1/2`, `s''' = (4 x^2 - 2) s'` at 0.
- sin and identity.
- groupsort, on pairs (a, b) of coordinates: `u = log(e^a + e^b)` and `a + b - u`. With
  `p = e^a / (e^a + e^b)` its Jacobian has the eigenvalues 1 and 2 p - 1, so that the norm is 1. For
  an adjoint l of a pair, `l's''[U, V] = (l_1 - l_2) p (1 - p) (U_1 - U_2) (V_1 - V_2)`. What takes
  the place of the size of an entry of l is `|l_1 - l_2| / 2`, and of the size of an entry of
  `s'' l` it is `2 p (1 - p) |l_1 - l_2|`, at most `|l_1 - l_2| / 2`: the second bound is 1. As
  p (1 - p) has a derivative of at most `1 / (6 sqrt 3)` along a - b, which is at most sqrt 2 times
  the change of the pair, the third bound is `4 sqrt 2 / (6 sqrt 3)`. The change of the Jacobian
  times l has the size `sqrt 2 |p - p'| |l_1 - l_2|`, and `|p - p'| <= |(a - b) - (a' - b')| / 4`:
  at most `|l_1 - l_2| / 2` times the change of the pair, as if the second bound was 1.
"""

from fractions import Fraction
from typing import NamedTuple

from .reader import Reader


class Suprema(NamedTuple):
    """Bounds on the sizes of the first three derivatives of an activation function."""

    first: Fraction
    second: Fraction
    third: Fraction


def _bounds(first: str, second: str, third: str) -> Suprema:
    return Suprema(Fraction(first), Fraction(second), Fraction(third))


SUPREMA = {
    "tanh": _bounds("1", "0.7698003589195011", "2"),
    "softplus": _bounds("1", "0.25", "0.0962250448649377"),
    "sigmoid": _bounds("0.25", "0.0962250448649377", "0.125"),
    "silu": _bounds("1.0998393201288671", "0.5", "0.3081815157964792"),
    "gelu": _bounds("1.1289041451851548", "0.7978845608028655", "0.7787696350557323"),
    "erf": _bounds("1.1283791670955126", "0.9678828980765734", "2.2567583341910252"),
    "sin": _bounds("1", "1", "1"),
    "groupsort": _bounds("1", "1", "0.5443310539518174"),
    "identity": _bounds("1", "0", "0"),
}


class Activation(NamedTuple):
    """An activation function of a network in a file.

    Attributes:
        name: Its name, a key of `SUPREMA`.
        sharpness: The positive number t.
        suprema: Bounds on the derivatives of `s(t x) / t`.
    """

    name: str
    sharpness: Fraction
    suprema: Suprema


def activation(name: str, sharpness: Fraction) -> Activation:
    """Returns an activation function by its name.

    Example:
        >>> activation("softplus", Fraction(2)).suprema.second
        Fraction(1, 2)
    """
    first, second, third = SUPREMA[name]
    bounds = Suprema(first, sharpness * second, sharpness**2 * third)
    return Activation(name, sharpness, bounds)


def read_activation(file: Reader) -> Activation:
    """Reads an activation function, a name and a positive sharpness."""
    name, sharpness = file.fields("name", "sharpness")
    if name.text() not in SUPREMA:
        name.fail(f"one of the activation functions {', '.join(SUPREMA)}")
    if not sharpness.number() > 0:
        sharpness.fail("a positive number")
    return activation(name.text(), sharpness.number())

"""Polynomials with integer coefficients: exact derivatives, proved roots, enclosed values.

A polynomial is the tuple of its coefficients, with that of the lowest power first.
"""

import itertools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from certify.enclosure.elementary.arithmetic import add, mul
from certify.enclosure.interval import Interval
from certify.enclosure.margins import widened
from certify.enclosure.registry import BARE
from certify.rounding import EPSILON, TINY

Polynomial = tuple[int, ...]


def times(p: Polynomial, q: Polynomial) -> Polynomial:
    """Returns the product."""
    result = [0] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            result[i + j] += a * b
    return tuple(result)


def plus(p: Polynomial, q: Polynomial) -> Polynomial:
    """Returns the sum, without leading zeros."""
    length = max(len(p), len(q))
    total = [sum(r[k] for r in (p, q) if k < len(r)) for k in range(length)]
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return tuple(total)


def differentiated(p: Polynomial) -> Polynomial:
    """Returns the derivative."""
    return tuple(k * a for k, a in enumerate(p))[1:] or (0,)


def value(p: Polynomial, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Evaluates the polynomial in floating point, by Horner's scheme."""
    result = jnp.full_like(x, float(p[-1]))
    for a in p[-2::-1]:
        result = result * x + float(a)
    return result


def enclosed_value(p: Polynomial, x: Interval) -> Interval:
    """Encloses the values on an interval; as narrow as can be for points.

    At a point the error of Horner's scheme is at most `gamma_2n sum_k |a_k| |x|^k` (Higham,
    Accuracy and Stability of Numerical Algorithms, 2002, section 5.1), twice of which is allowed
    here. What is flushed to zero, less than `TINY` in each of 2n operations, is multiplied by at
    most `max(1, |x|^n)`, and the sum is at least `|x|^n` because the leading coefficient is a
    non-zero integer.

    Raises:
        ValueError: If a coefficient is too large for a float64 to hold.
    """
    if any(abs(a) > 2**53 for a in p):
        raise ValueError(f"the coefficients {p} are too large to be exact in float64")
    if not x.is_point:
        result = Interval.point(jnp.full_like(x.lower, float(p[-1])))
        for a in p[-2::-1]:
            result = add(BARE, mul(BARE, result, x), Interval.point(jnp.array(float(a))))
        return result
    if len(p) == 1:
        return Interval.point(jnp.full_like(x.lower, float(p[0])))
    computed = value(p, x.lower)
    magnitude = value(tuple(abs(a) for a in p), jnp.abs(x.lower))
    operations = 2 * len(p) + 4
    error = operations * EPSILON * magnitude + 4 * operations * TINY
    return widened(computed, computed, error, error)


def real_roots(p: Polynomial) -> list[tuple[float, float]]:
    """Returns brackets between neighbouring floats of all roots, if all are real and simple.

    The brackets are found in floating point, then proved: there are as many disjoint brackets with
    a change of sign, in exact arithmetic, as the degree says.

    Raises:
        ArithmeticError: If that fails.
    """
    degree = len(p) - 1
    brackets = [
        _bracket(p, Fraction(float(guess))) for guess in sorted(np.roots(p[::-1]).real.tolist())
    ]
    apart = all(a[1] < b[0] for a, b in itertools.pairwise(brackets))
    proved = all(_exact(p, low) * _exact(p, high) <= 0 for low, high in brackets)
    if len(brackets) != degree or not (apart and proved):
        raise ArithmeticError(f"the roots of {p} are not real and simple, or were not found")
    return brackets


def _bracket(p: Polynomial, guess: Fraction) -> tuple[float, float]:
    slope = differentiated(p)
    for _ in range(3):  # Newton's method, to far more digits than a float has
        change = _exact(slope, guess)
        guess -= _exact(p, guess) / change if change else 0
        guess = Fraction(round(guess * 2**200), 2**200)
    middle = float(guess)
    if _exact(p, middle) == 0:
        return middle, middle
    return float(np.nextafter(middle, -np.inf)), float(np.nextafter(middle, np.inf))


def _exact(p: Polynomial, x: float | Fraction) -> Fraction:
    result = Fraction(0)
    for a in reversed(p):
        result = result * Fraction(x) + a
    return result

"""The suprema of derivatives of activations, against ball arithmetic on a cover of the line."""

from fractions import Fraction
from math import factorial

import pytest
from flint import arb, arb_series, ctx, fmpq

from certify.checker.neural_activations import SUPREMA, activation


def _series(name, x):
    one = arb_series([arb(1)], 5)
    return {
        "tanh": lambda: 1 - 2 / ((2 * x).exp() + 1),
        "softplus": lambda: (x.exp() + one).log(),
        "sigmoid": lambda: one / ((-x).exp() + one),
        "silu": lambda: x / ((-x).exp() + one),
        "gelu": lambda: x * (1 + (x / arb(2).sqrt()).erf()) / 2,
        "erf": x.erf,
        "sin": x.sin,
    }[name]()


def _ball(x: Fraction) -> arb:
    return arb(fmpq(x.numerator, x.denominator))


@pytest.mark.parametrize("name", sorted(set(SUPREMA) - {"groupsort", "identity"}))
def test_suprema_hold_on_the_line_and_are_attained(name):
    """The size of each derivative on cells of [-12, 12], halved where the cell is too wide to tell.

    Beyond 12, tails are below the bounds: all derivatives there are within 1e-4 of 0 or of 1.
    """
    bounds = [_ball(x) for x in SUPREMA[name]]
    pending = [(Fraction(k, 8), Fraction(k + 1, 8)) for k in range(-96, 96)]
    largest = [arb(0)] * 3
    with ctx.workprec(80):
        while pending:
            low, high = pending.pop()
            middle, radius = (low + high) / 2, (high - low) / 2
            cell = _ball(middle) + arb(0, float(radius))
            found = _series(name, arb_series([cell, arb(1)], 5)).coeffs()
            at = _series(name, arb_series([_ball(middle), arb(1)], 5)).coeffs()
            for k in range(1, 4):
                size = abs(found[k] * factorial(k))
                point = abs(at[k] * factorial(k)) if len(at) > k else arb(0)
                assert not point > bounds[k - 1]
                largest[k - 1] = largest[k - 1].max(point)
                if not size <= bounds[k - 1] * (1 + arb(2) ** -12) and radius > 2**-12:
                    pending += [(low, middle), (middle, high)]
                    break
        for size, bound in zip(largest, bounds, strict=True):
            assert size > bound * (1 - arb(2) ** -9)


def test_sharpness_multiplies():
    plain, sharp = activation("tanh", Fraction(1)), activation("tanh", Fraction(3))
    assert sharp.suprema.second == 3 * plain.suprema.second
    assert sharp.suprema.third == 9 * plain.suprema.third

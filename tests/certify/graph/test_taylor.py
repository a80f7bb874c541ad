"""The arithmetic of Taylor polynomials in floats, at points: every rounding is paid for."""

import numpy as np
import pytest
from flint import arb, ctx

from certify.graph.taylor import Arithmetic

POINTS = np.random.default_rng(0).uniform(0.25, 2.0, (200, 1))


def constants(jet):
    assert jet.monomials[0] == 0
    return zip(jet.low[0].tolist(), jet.high[0].tolist(), POINTS[:, 0].tolist(), strict=True)


def escaped(jet, exact):
    with ctx.workprec(300):
        values = [(low, exact(arb(x)), high) for low, high, x in constants(jet)]
        return sum(value < low or value > high for low, value, high in values)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("mul", lambda x: x * x),
        ("add", lambda x: x + x * x),
        ("div", lambda x: (x * x) / (x + x * x)),
    ],
)
def test_sums_and_products(name, exact):
    arithmetic = Arithmetic(1, 2)
    (x,) = arithmetic.variables(POINTS, POINTS)
    square = arithmetic.operations["mul"](x, x)
    both = arithmetic.operations["add"](x, square)
    found = {"mul": square, "add": both, "div": arithmetic.operations["div"](square, both)}[name]
    assert escaped(found, exact) == 0


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "tanh", "atan"])
def test_elementary_functions(name):
    arithmetic = Arithmetic(1, 2)
    found = arithmetic.operations[name](*arithmetic.variables(POINTS, POINTS))
    assert escaped(found, lambda x: getattr(x, name)()) == 0

"""Sums, products and substitution of families hold every member that they are made of."""

from fractions import Fraction

import numpy as np
import pytest

from certify.jacobian import family_arithmetic as arithmetic
from certify.jacobian.family import AffineFamily

SYMBOLS, MEMBERS = 3, 60


def random_family(rng, shape):
    return AffineFamily(
        rng.normal(size=shape),
        rng.normal(size=(SYMBOLS, *shape)) * 0.5,
        np.abs(rng.normal(size=shape)) * 0.25,
    )


def symbols(rng):
    """Mostly corners, where the remainders are needed."""
    return np.clip(rng.normal(size=SYMBOLS) * 3, -1, 1)


def member(rng, family, e):
    extreme = np.sign(rng.normal(size=family.centre.shape))
    return family.centre + np.tensordot(e, family.generators, 1) + extreme * family.remainder


def escape(family, e, matrix):
    """By how much a matrix is outside of a family."""
    gap = np.abs(matrix - family.centre - np.tensordot(e, family.generators, 1))
    return float((gap - family.remainder).max())


@pytest.mark.parametrize("seed", range(4))
def test_sums_and_products(seed):
    rng = np.random.default_rng(seed)
    first, other, second = (random_family(rng, shape) for shape in ((2, 3), (2, 3), (3, 2)))
    total, product = arithmetic.added(first, other), arithmetic.product(first, second)
    for _ in range(MEMBERS):
        e = symbols(rng)
        a, b, c = (member(rng, x, e) for x in (first, other, second))
        assert escape(total, e, a + b) < 1e-12
        assert escape(product, e, a @ c) < 1e-12


def test_sums_are_as_narrow_as_can_be():
    rng = np.random.default_rng(5)
    first, other = random_family(rng, (2, 2)), random_family(rng, (2, 2))
    total = arithmetic.added(first, other)
    assert np.allclose(total.remainder, first.remainder + other.remainder, rtol=1e-12)


def test_squares_of_a_symbol_are_not_negative():
    """`e^2` is between 0 and 1, so that the centre moves by half, and half is left."""
    one = AffineFamily(np.zeros((1, 1)), np.ones((1, 1, 1)), np.zeros((1, 1)))
    found = arithmetic.product(one, one)
    assert found.centre == 0.5 and found.remainder.item() == pytest.approx(0.5, rel=1e-9)
    assert found.remainder >= 0.5


@pytest.mark.parametrize("seed", range(4))
def test_substitution_of_a_moving_point(seed):
    """Jacobians over a box, as families over the cell on which a point of the box moves."""
    rng = np.random.default_rng(seed)
    jacobian = AffineFamily(
        rng.normal(size=(2, 2)), rng.normal(size=(2, 2, 2)), np.abs(rng.normal(size=(2, 2)))
    )
    point = random_family(rng, (2, 1))
    middle = rng.normal(size=2)
    radius = np.abs(point.centre[:, 0] - middle) + point.spread[:, 0]
    found = arithmetic.substituted(jacobian, point, middle, radius)
    for _ in range(MEMBERS):
        e = symbols(rng)
        y = member(rng, point, e)[:, 0]
        inside = member(rng, jacobian, (y - middle) / radius)
        assert escape(found, e, inside) < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_values_of_a_moving_point(seed):
    """`F(y) = F(middle) + J (y - middle)`, whatever member J is, also of other symbols than y."""
    rng = np.random.default_rng(seed)
    jacobian, point = random_family(rng, (2, 2)), random_family(rng, (2, 1))
    at_middle = AffineFamily.ball(rng.normal(size=(2, 1)), np.full((2, 1), 0.125))
    middle = rng.normal(size=2)
    found = arithmetic.value(at_middle, jacobian, point, middle)
    for _ in range(MEMBERS):
        e, others = symbols(rng), symbols(rng)
        moved = member(rng, point, e) - middle[:, None]
        value = member(rng, at_middle, np.zeros(0)) + member(rng, jacobian, others) @ moved
        assert escape(found, e, value) < 1e-12


def test_roundings_are_paid_for():
    """Thirds and tenths, in exact arithmetic."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        a, b = rng.uniform(size=(1, 3)), rng.uniform(size=(3, 1))
        one, two = (AffineFamily.ball(x, np.zeros_like(x)) for x in (a, b))
        found = arithmetic.product(one, two)
        exact = sum(Fraction(x) * Fraction(y) for x, y in zip(a[0], b[:, 0], strict=True))
        assert abs(Fraction(found.centre.item()) - exact) <= Fraction(found.remainder.item())

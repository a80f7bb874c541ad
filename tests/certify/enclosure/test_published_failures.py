"""What other tools got wrong, and what they might: values and derivatives that must be enclosed."""

import math
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy.special import xlogy

from certify.enclosure import Interval, enclose
from certify.enclosure.derivatives import enclose_hessian, enclose_jacobian
from tools.numpy_jaxpr import uncompiled

pytestmark = pytest.mark.thin(3)

BOTH = pytest.mark.parametrize("method", ["interval", "affine"])


def point(*numbers):
    return Interval(jnp.array(numbers), jnp.array(numbers))


def contains(box, truth):
    assert not bool(jnp.isnan(box.lower).any() | jnp.isnan(box.upper).any())
    return bool(jnp.all((box.lower <= truth) & (truth <= box.upper)))


def holds(box, ball):
    return bool(ball >= float(box.lower)) and bool(ball <= float(box.upper))


@BOTH
def test_gradient_of_the_largest_of_two(method):
    box = Interval(-jnp.ones(2), jnp.ones(2))
    result = enclose_jacobian(jnp.max, method=method)(box)
    assert contains(result, jnp.zeros(2)) and contains(result, jnp.ones(2))


@BOTH
def test_slope_of_an_absolute_value_by_choice(method):
    box = Interval(jnp.array([-1.0]), jnp.array([0.5]))
    absolute = enclose_jacobian(lambda x: jnp.where(x < 0, -x, x)[0], method=method)(box)
    assert contains(absolute, jnp.array([-1.0])) and contains(absolute, jnp.array([1.0]))
    root = enclose_jacobian(lambda x: jnp.sqrt(x * x)[0], method=method)(box)
    assert contains(root, jnp.array([-1.0])) and contains(root, jnp.array([1.0]))


@pytest.mark.parametrize("x", [1e6, 1e8, -1e6 - 0.1, 2.0**39])
def test_waves_far_out(x):
    for function, exact in ((jnp.sin, "sin"), (jnp.cos, "cos"), (jnp.tan, "tan")):
        box = enclose(function)(Interval(x, x))
        assert holds(box, getattr(flint.arb(x), exact)())
    slope = enclose_jacobian(lambda x: jnp.sum(jnp.tan(x)), method="interval")(point(x))
    assert contains(slope, float(1 + flint.arb(x).tan() ** 2))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_million_terms(compiled):
    count, tenth = 10**6, jnp.array(0.1)
    exact = Fraction(0.1) * count
    for function, truth in (
        (jnp.sum, exact),
        (lambda x: x @ x, Fraction(0.1) ** 2 * count),
        (lambda x: jnp.sum(x - jnp.flip(x)), Fraction(0)),
        (lambda x: jnp.cumsum(x)[-1], exact),
    ):
        run = enclose(lambda t, function=function: function(jnp.full(count, t)))
        box = (jax.jit(run) if compiled else run)(Interval(tenth, tenth))
        assert Fraction(float(box.lower)) <= truth <= Fraction(float(box.upper))


@BOTH
def test_slope_of_a_shift_that_cancels(method):
    box = Interval(jnp.array([0.4]), jnp.array([1.5]))
    slope = enclose_jacobian(lambda x: jnp.sum((x + 1e8) - 1e8), method=method)(box)
    assert contains(slope, jnp.ones(1)) and float(slope.width[0]) < 1e-10
    huge = enclose_jacobian(lambda x: jnp.sum((x * 1e300) / 1e300), method=method)(box)
    assert contains(huge, jnp.ones(1))


def test_zero_times_undefined_has_no_slope():
    box = Interval(jnp.array([-1.0]), jnp.array([1.0]))
    for enclosed in (enclose_jacobian, enclose_hessian):
        assert bool(enclosed(lambda x: jnp.sum(0.0 / x), method="interval")(box).is_unknown.all())


@pytest.mark.parametrize("width", [0.0, 0.05])
def test_products_of_matrices_against_rationals(width):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 40, 40))
    box = enclose(jnp.matmul)(
        Interval(jnp.asarray(a - width), jnp.asarray(a + width)),
        Interval(jnp.asarray(b - width), jnp.asarray(b + width)),
    )
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    for i in range(40):
        row = [Fraction(v) for v in a[i].tolist()]
        for j in range(40):
            columns = b[:, j].tolist()
            truth = sum(x * Fraction(y) for x, y in zip(row, columns, strict=True))
            assert Fraction(low[i, j]) <= truth <= Fraction(high[i, j])


# Points, at which derivative code may speak of the point alone.


@BOTH
def test_ties_at_a_point(method):
    def same(x):
        return jnp.max(jnp.stack([x[0], x[0], x[0]]))

    assert contains(enclose_jacobian(same, method=method)(point(0.5)), 1.0)
    difference = enclose_jacobian(
        lambda x: jnp.sum(jax.nn.relu(x) - jax.nn.relu(-x)), method=method
    )(point(0.0))
    assert contains(difference, 1.0)


def test_generalised_slopes_at_a_point():
    absolute = enclose_jacobian(lambda x: jnp.sum(jnp.abs(x)), method="interval")(point(0.0))
    assert contains(absolute, -1.0) and contains(absolute, 1.0)
    largest = enclose_jacobian(jnp.max, method="interval")(point(2.0, 2.0))
    assert contains(largest, jnp.array([1.0, 0.0])) and contains(largest, jnp.array([0.0, 1.0]))


def _sinc(x):
    return jnp.where(x == 0.0, 1.0, jnp.sin(x) / jnp.where(x == 0.0, 1.0, x))


@pytest.mark.parametrize(
    ("function", "order", "truth"),
    [
        (lambda x: jnp.where(x == 0.0, 0.0, x), 1, 1.0),
        (lambda x: xlogy(x, 2.0), 1, math.log(2.0)),
        (lambda x: jnp.sign(x) ** 2 * x, 1, 1.0),
        (lambda x: jnp.where(x * x <= 0.0, 0.0, jnp.sin(x)), 1, 1.0),
        (_sinc, 2, -1.0 / 3.0),
    ],
)
def test_what_code_says_of_one_point_only(function, order, truth):
    enclosed = enclose_jacobian if order == 1 else enclose_hessian
    result = enclosed(lambda x: jnp.sum(function(x)) + 0.0 * x[0], method="interval")
    for box in (point(0.0, 0.3), Interval(jnp.array([0.0, 0.1]), jnp.array([0.0, 0.2]))):
        found = result(box)
        assert bool((found.lower.ravel()[0] <= truth) & (truth <= found.upper.ravel()[0]))


# Affine forms where code is traced once and run several times.


@pytest.mark.full
def test_long_scans_lose_their_forms():
    def carried(x):
        last, found = lax.scan(
            lambda c, e: (0.9 * c + 0.1 * x[1] * jnp.sin(c), c * e), x[0], jnp.linspace(0, 1, 70)
        )
        return last + jnp.sum(found)

    def along(x):
        rows = jnp.concatenate([x] * 35)
        return jnp.sum(lax.scan(lambda c, e: (c, jnp.tanh(c + e) * x[0]), x[0] * x[1], rows)[1])

    box = Interval(jnp.array([0.1, 0.2]), jnp.array([0.2, 0.3]))
    for function in (carried, along):
        result = uncompiled(enclose_jacobian(function, method="affine"))(box)
        slope = jax.jit(jax.grad(function))
        for share in np.linspace(0, 1, 5):
            assert contains(result, slope(box.lower + share * box.width))


@pytest.mark.full
def test_a_system_of_one_unknown():
    def solved(x):
        return jnp.linalg.solve(jnp.reshape(2.0 + x[0], (1, 1)), jnp.reshape(jnp.sin(x[1]), (1,)))[
            0
        ]

    box = Interval(jnp.array([0.1, 0.2]), jnp.array([0.2, 0.3]))
    result = uncompiled(enclose_jacobian(solved, method="affine"))(box)
    for x in (box.lower, box.upper, box.midpoint):
        assert contains(result, jax.grad(solved)(x))


@pytest.mark.full
def test_rounding_of_products_with_narrow_intervals():
    """Generators of 0.1 and 0.1 + 1e-17 cancel, times 1e10, in numbers known to be tiny."""

    def function(x):
        narrow = jnp.stack([0.1 * x[1], 0.3 * x[1] / 3.0])
        return jnp.dot(x[0] * jnp.array([1e10, -1e10]), narrow)

    box = Interval(jnp.array([1.0, -1.0]), jnp.array([1.0 + 2.0**-52, 1.0]))
    result = enclose_jacobian(function, method="affine")(box)
    third = Fraction(0.3) / 3
    slope = [(Fraction(0.1) - third) * 10**10, (Fraction(0.1) - third) * 10**10]
    assert float(result.lower[1]) <= float(slope[1]) <= float(result.upper[1])
    assert float(result.lower[0]) <= 0.0 <= float(result.upper[0])

"""Sums and products of arrays against exact rational arithmetic."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import Interval, enclose
from certify.enclosure.rules import linear

MILLION = 10**6


def encloses(box, exact):
    """Entrywise, for a nested list of fractions."""
    lower, upper = np.asarray(box.lower), np.asarray(box.upper)
    exact = np.array(exact, dtype=object)
    assert lower.shape == exact.shape
    for low, value, high in zip(lower.flat, exact.flat, upper.flat, strict=True):
        if not (low == -np.inf or Fraction(float(low)) <= value):
            return False
        if not (high == np.inf or value <= Fraction(float(high))):
            return False
    return True


def fractions(x):
    return np.vectorize(lambda value: Fraction(float(value)), otypes=[object])(x)


def hull(rng, shape, scale=1.0, width=0.3):
    lower = rng.normal(size=shape) * 10.0 ** rng.uniform(-scale, scale, shape)
    return lower, lower + width * np.abs(rng.normal(size=shape)) * np.abs(lower)


def interval(ends):
    return Interval(*map(jnp.asarray, ends))


class TestMillions:
    def test_sum_of_tenths(self):
        box = jax.jit(enclose(jnp.sum))(jnp.full(MILLION, 0.1))
        assert encloses(box, MILLION * Fraction(0.1))
        assert float(box.width) < 1e-3

    def test_dot_of_tenths(self):
        x = jnp.full(MILLION, 0.1)
        assert encloses(jax.jit(enclose(jnp.dot))(x, x), MILLION * Fraction(0.1) ** 2)

    def test_cancelling_sum(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=MILLION) * 10.0 ** rng.uniform(-10, 10, MILLION)
        x[MILLION // 2 :] = -x[: MILLION // 2]
        x[0] += 1.0
        box = jax.jit(enclose(jnp.sum))(jnp.asarray(x))
        assert float(box.lower) <= math.fsum(x) <= float(box.upper)

    def test_cumulative_sum(self):
        x = np.full(10**5, 0.1)
        box = jax.jit(enclose(jnp.cumsum))(jnp.asarray(x))
        last = jax.tree.map(lambda end: end[-1], box)
        assert encloses(last, 10**5 * Fraction(0.1))


class TestSums:
    @pytest.mark.parametrize("reverse", [False, True])
    def test_cumsum(self, reverse):
        rng = np.random.default_rng(1)
        ends = hull(rng, (3, 7), scale=8)
        box = enclose(lambda x: lax.cumsum(x, axis=1, reverse=reverse))(interval(ends))
        for end in (*ends, 0.5 * (ends[0] + ends[1])):
            flip = slice(None, None, -1 if reverse else 1)
            exact = np.cumsum(fractions(end)[:, flip], axis=1)[:, flip]
            assert encloses(box, exact)

    @pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2), ()])
    def test_axes(self, axes):
        ends = hull(np.random.default_rng(2), (2, 3, 4), scale=8)
        box = enclose(lambda x: lax.reduce_sum_p.bind(x, axes=axes, out_sharding=None))(
            interval(ends)
        )
        for end in ends:
            assert encloses(box, fractions(end).sum(axes) if axes else fractions(end))

    def test_empty(self):
        box = enclose(lambda x: jnp.sum(x[:0]) + x[0])(jnp.ones(2))
        assert bool(box.contains(1.0))

    def test_overflow_of_a_partial_sum(self):
        x = jnp.array([1.7e308, 1.7e308, -1.7e308, -1.7e308, 1.0])
        assert bool(jax.jit(enclose(jnp.sum))(x).contains(1.0))

    def test_subnormal_terms(self):
        box = jax.jit(enclose(jnp.sum))(jnp.full(1000, 1e-309))
        assert encloses(box, 1000 * Fraction(1e-309))

    def test_scatter_add(self):
        rng = np.random.default_rng(3)
        (x, y), (u, v) = hull(rng, (5,), 6), hull(rng, (4,), 6)
        where = np.array([1, 1, 7, 4])  # 7 is outside, and dropped
        box = jax.jit(enclose(lambda x, u: x.at[where].add(u)))(interval((x, y)), interval((u, v)))
        for base, updates in ((x, u), (y, v)):
            exact = fractions(base)
            for k in (0, 1, 3):
                exact[where[k]] += Fraction(float(updates[k]))
            assert encloses(box, exact)

    @pytest.mark.full
    def test_scatter_at_a_place_that_depends_on_the_box(self):
        def function(x):
            return x.at[jnp.where(x[0] > 0, 0, 1)].add(1.0)

        box = enclose(function)(Interval(-jnp.ones(2), jnp.ones(2)))
        for point in ([0.5, 0.2], [-0.5, 0.2], [1.0, 1.0], [-1.0, -1.0]):
            assert bool(box.contains(function(jnp.array(point))).all())


# Batch axes and contracted axes in every place: (shapes, dimension numbers, einsum).
PRODUCTS = {
    "vectors": ((5,), (5,), (((0,), (0,)), ((), ())), "i,i->"),
    "matrices": ((3, 4), (4, 2), (((1,), (0,)), ((), ())), "ij,jk->ik"),
    "transposed": ((4, 3), (2, 4), (((0,), (1,)), ((), ())), "ji,kj->ik"),
    "outer": ((3,), (2, 2), (((), ()), ((), ())), "i,jk->ijk"),
    "batch": ((2, 3, 4), (2, 4, 3), (((2,), (1,)), ((0,), (0,))), "bij,bjk->bik"),
    "late_batch": ((3, 4, 2), (4, 2, 2), (((1,), (0,)), ((2,), (1,))), "ijb,jbk->bik"),
    "two_contracted": ((2, 3, 4), (4, 2, 5), (((0, 2), (1, 0)), ((), ())), "ajc,cak->jk"),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("points", ["neither", "left", "right", "both"])
@pytest.mark.parametrize("path", ["term by term", "midpoint and radius"])
def test_products(monkeypatch, name, points, path):
    """Every path of the rule contains products of random members, computed exactly."""
    if path == "midpoint and radius":
        monkeypatch.setattr(linear, "_TERMWISE_LIMIT", -1)
    left, right, dimensions, einsum = PRODUCTS[name]
    rng = np.random.default_rng(4)
    x, y = hull(rng, left, 3), hull(rng, right, 3)
    if points in ("left", "both"):
        x = (x[0], x[0])
    if points in ("right", "both"):
        y = (y[0], y[0])
    a, b = (z[0] if z[0] is z[1] else interval(z) for z in (x, y))

    def dot(a, b):
        return lax.dot_general(a, b, dimensions)

    # A compiled function forgets which of its arguments are points, hence the closures.
    box = jax.jit(lambda: enclose(dot)(a, b))()
    for _ in range(8):
        # Vertices, where the extremes are, and inner points.
        members = []
        for low, high in (x, y):
            share = rng.uniform(size=low.shape).round(rng.integers(0, 2))
            members.append(fractions(np.clip(low + share * (high - low), low, high)))
        terms = np.einsum(einsum, *members, optimize=False)
        assert encloses(box, terms)


def test_products_reach_their_extremes():
    """Bounds contain the vertices above; they are not much wider than those either."""
    x = Interval(jnp.array([-1.0, 2.0]), jnp.array([3.0, 4.0]))
    y = Interval(jnp.array([-2.0, -1.0]), jnp.array([1.0, 5.0]))
    box = enclose(jnp.dot)(x, y)
    np.testing.assert_allclose([box.lower, box.upper], [-10.0, 23.0], rtol=1e-14)
    point = enclose(lambda y: jnp.dot(jnp.array([-1.0, 2.0]), y))(y)
    np.testing.assert_allclose([point.lower, point.upper], [-3.0, 12.0], rtol=1e-14)


@pytest.mark.parametrize("limit", [2**14, -1])
def test_wide_ranges_and_underflow(monkeypatch, limit):
    monkeypatch.setattr(linear, "_TERMWISE_LIMIT", limit)
    rng = np.random.default_rng(5)
    lower = rng.choice([-1.0, 1.0], (2, 6)) * 2.0 ** rng.uniform(-540, -500, (2, 6))
    upper = lower + 2.0 ** rng.uniform(-560, -500, (2, 6))
    box = jax.jit(enclose(jnp.dot))(*(interval((lower[k], upper[k])) for k in (0, 1)))
    for ends in ((lower, lower), (lower, upper), (upper, lower), (upper, upper)):
        assert encloses(box, np.dot(fractions(ends[0][0]), fractions(ends[1][1])))


@pytest.mark.parametrize("limit", [2**14, -1])
def test_infinite_and_unknown_entries(monkeypatch, limit):
    monkeypatch.setattr(linear, "_TERMWISE_LIMIT", limit)
    x = Interval(jnp.array([[-jnp.inf, 1.0], [0.0, 1.0]]), jnp.array([[jnp.inf, 1.0], [0.0, 2.0]]))
    y = Interval(jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0]))
    for box in (enclose(jnp.dot)(x, y), jax.jit(enclose(lambda x: x @ jnp.array([0.0, 1.0])))(x)):
        assert bool(box.is_unknown[0]) and bool(box.contains(1.5)[1])


class TestTheseTestsCanFail:
    def test_no_error_term(self, monkeypatch):
        monkeypatch.setattr(linear, "sum_error", lambda terms, magnitude: 0.0 * magnitude)
        box = jax.jit(enclose(jnp.sum))(jnp.full(MILLION, 0.1))
        assert not encloses(box, MILLION * Fraction(0.1))

    def test_no_radius_product(self, monkeypatch):
        monkeypatch.setattr(linear, "_TERMWISE_LIMIT", -1)
        monkeypatch.setattr(linear, "_ball", lambda x: (x.midpoint, 0.4 * x.width))
        x = Interval(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]))
        box = enclose(jnp.dot)(x, jax.tree.map(lambda end: end + 0.0, x))
        assert not encloses(box, Fraction(3 * 3 + 4 * 4))

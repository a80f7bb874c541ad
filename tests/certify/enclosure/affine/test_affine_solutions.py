"""Affine forms of linear systems, and families of Jacobians, against exact values."""

from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb

from certify.enclosure.affine import curved_forms, linear_forms
from certify.enclosure.rules import linear, linear_systems
from certify.jacobian.by_jaxpr import jacobian_family
from tests.certify.enclosure.form_checks import corners, exact, forms, in_numpy, outside
from tools import oracle

COORDINATES, COUNT = 2, 40
LARGEST = float(np.finfo(np.float64).max)


def parts(system, n):
    """Matrices and two right-hand sides, each with its slopes along the coordinates."""
    entries = system.reshape((COORDINATES + 1, n, n + 2))
    return entries[..., :n], entries[..., n:]


def linear_in(x, values):
    return values[0] + jnp.tensordot(x, values[1:], 1)


def system(n, solve):
    """A function of a system of `n` unknowns and a point."""

    def function(numbers, x):
        a, b = parts(numbers, n)
        return solve(linear_in(x, a), linear_in(x, b), a[0], b[0], x)

    return n, function


def policies(a, b, a0, b0, x):
    """The value equation of a Markov chain that softmax policies drive."""
    move = jax.nn.softmax(jnp.stack([a0[0, 0] + x, a0[1, 1] - x, jnp.zeros(2)], -1), -1)
    return jnp.linalg.solve(jnp.eye(2) - 0.99 * move[:, :2], b)


FIXED = np.array([[2.0, -1.0, 0.5], [0.3, 1.0, 0.0], [1.0, 1.0, -3.0]])

# Name: unknowns, function, symbols of remainders.
SYSTEMS: dict[str, Any] = {
    "both move": (*system(2, lambda a, b, *_: jnp.linalg.solve(a, b)), 64),
    "no symbols": (*system(2, lambda a, b, *_: jnp.linalg.solve(a, b)), 0),
    "four unknowns": (*system(4, lambda a, b, *_: jnp.linalg.solve(a, b)), 256),
    "one unknown": (*system(1, lambda a, b, *_: jnp.linalg.solve(a, b)), 16),
    "the matrix stays": (*system(3, lambda a, b, *_: jnp.linalg.solve(FIXED, b)), 16),
    "the right-hand side stays": (
        *system(2, lambda a, b, a0, b0, x: jnp.linalg.solve(a, b0)), 16,
    ),
    "inverse": (*system(3, lambda a, *_: jnp.linalg.inv(a)), 16),
    "nested": (*system(2, lambda a, b, *_: jnp.linalg.solve(a.T, jnp.linalg.solve(a, b))), 256),
    "many": (
        *system(2, lambda a, b, *_: jax.vmap(lambda t: jnp.linalg.solve(a + t, t * b))(
            jnp.array([0.5, 2.0]))), 16,
    ),
    "policies": (*system(2, policies), 256),
}  # fmt: skip


def random_systems(rng, n):
    """Ordinary ones, integer ones, nearly singular ones, ones of extreme scales; and boxes."""
    systems, lower, upper = [], [], []
    for k in range(COUNT):
        numbers = rng.normal(size=(COORDINATES + 1, n, n + 2))
        numbers[0, :, :n] += rng.choice([0.0, 3.0]) * np.eye(n)
        kind = k % 5
        if kind == 1:
            numbers = np.round(3.0 * numbers)
        elif kind == 2:
            numbers[0, -1, :n] = numbers[0, 0, :n] * (1.0 + 10.0 ** rng.uniform(-9, -1, n))
            numbers[1:] *= 10.0 ** rng.uniform(-12, -2)
        elif kind == 3:
            rows, columns = 10.0 ** rng.uniform(-140, 140, (n, 1)), 10.0 ** rng.uniform(-9, 9, n)
            numbers[..., :n] *= rows * columns
            numbers[..., n:] *= 10.0 ** rng.uniform(-150, 150)
        width = 10.0 ** rng.choice([-300.0, -16.0, -9.0, -3.0, -1.5, -0.7, 1.0], COORDINATES)
        width *= rng.choice([0.0, 1.0, 1.0, 1.0], COORDINATES) * rng.uniform(0.3, 1, COORDINATES)
        systems.append(numbers.ravel())
        lower.append(rng.normal(size=COORDINATES) * rng.choice([0.0, 1.0]))
        upper.append(lower[-1] + width)
    return np.stack(systems), np.stack(lower), np.stack(upper)


def search(name, points=2):
    """Values outside their forms, and how many are inside."""
    n, function, symbols = SYSTEMS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    batch = random_systems(rng, n)
    code = jax.make_jaxpr(lambda numbers, x: function(numbers, x).ravel())(batch[0][0], batch[1][0])
    escapes, inside = [], 0
    for form, numbers, lower, upper in zip(forms(function, *batch, symbols), *batch, strict=True):
        for point in corners(rng, lower, upper, points):
            try:
                values = exact(code, numbers, point)
            except oracle.Undecided:
                continue
            found, count = outside(form, point, values)
            escapes += [(numbers.tolist(), lower, upper, point, escape) for escape in found]
            inside += count
    return escapes, inside


@pytest.mark.full
@pytest.mark.parametrize("name", SYSTEMS)
def test_values_are_in_their_forms(name):
    escapes, inside = search(name)
    assert not escapes, escapes[0]
    assert inside > COUNT


@pytest.mark.full
def test_solutions_beyond_the_largest_float():
    """Intervals know nothing of some of these systems, whose solutions the forms overflow."""
    rng, count = np.random.default_rng(0), 200
    near = rng.uniform(0.3, 0.8, count)
    a = np.zeros((count, COORDINATES + 1, 2, 2))
    a[:, 0] = 0.01 * np.stack([np.ones(count), near, near, np.ones(count)], -1).reshape((-1, 2, 2))
    a[:, 1] = 0.01 * rng.uniform(0, 0.5, (count, 1, 1))
    middle = np.stack([-rng.uniform(0.5, 0.9, count), rng.uniform(-0.4, 0.4, count)], -1)
    slope = (1.0 - np.abs(middle)) * rng.uniform(0.9, 1, (count, 2))
    size = rng.uniform(1.2e308, 1.79e308, (count, 1))
    b = np.zeros((count, COORDINATES + 1, 2, 2))
    b[:, 0, :, 0] = size * np.einsum("kij,kj->ki", a[:, 0], middle)
    b[:, 1, :, 0] = size * np.einsum("kij,kj->ki", a[:, 0], slope)
    b[:, 1, :, 0] += size * np.einsum("kij,kj->ki", a[:, 1], middle)
    _, function, _ = SYSTEMS["both move"]
    systems = np.concatenate([a, b], -1).reshape((count, -1))
    ends = np.broadcast_to([-1.0, 0.0], (count, 2)), np.broadcast_to([1.0, 0.0], (count, 2))
    code = jax.make_jaxpr(lambda numbers, x: function(numbers, x).ravel())(systems[0], ends[0][0])
    beyond = 0
    for form, numbers in zip(forms(function, systems, *ends, 64), systems, strict=True):
        assert not (form.lower == -LARGEST).any()
        for end in (-1.0, 1.0):
            point = np.array([end, 0.0])
            values = exact(code, numbers, point)
            assert not outside(form, point, values)[0]
            beyond += any(abs(value) > LARGEST for value in values)
    assert beyond > 20


def two_states(x):
    """The discounted values of two states, which policies choose between."""
    p = jax.nn.sigmoid(x)
    move = jnp.stack([1.0 - p, p], -1) * jnp.array([[1.0, 0.8], [0.7, 1.0]])
    return x - jnp.linalg.solve(jnp.eye(2) - 0.9 * move, p * (1.0 - p))


@pytest.mark.full
def test_jacobian_families_hold_at_the_coordinates_of_points():
    """Where a point is in its cell decides all entries of its Jacobian at once."""
    rng, count = np.random.default_rng(3), 16
    lower = rng.normal(size=(count, 2))
    upper = lower + rng.choice([0.0, 1e-12, 1e-3, 0.05, 0.3], (count, 2))
    family = jacobian_family(two_states, "affine")
    compared = 0
    found = in_numpy(lambda low, high: jax.tree.leaves(family(low, high)), lower, upper)
    for low, high, *numbers in zip(lower, upper, *found, strict=True):
        centre, generators, remainder, _, finite = numbers
        if not finite:
            continue
        for point in corners(rng, low, high, 2):
            ends = zip(point.tolist(), low.tolist(), high.tolist(), strict=True)
            share = [_share(*numbers) for numbers in ends]
            # What moves with the symbol of a remainder may be anywhere.
            loose = remainder + np.abs(generators[2:]).sum(0)
            for j, direction in enumerate(np.eye(2)):
                for i, (_, slope, _) in enumerate(oracle.directional(two_states, point, direction)):
                    left = slope - float(centre[i, j])
                    for k in range(2):
                        left -= share[k] * float(generators[k, i, j])
                    assert not abs(left) > float(loose[i, j])
                    compared += 1
    assert compared > 60


def _share(x, low, high):
    """Where a number is in an interval, from -1 to 1."""
    return (2 * arb(x) - low - high) / (arb(high) - low) if low < high else arb(0)


class TestTheseTestsCanFail:
    def test_no_rounding(self, monkeypatch):
        monkeypatch.setattr(linear, "sum_error", lambda _, magnitude: 0.0 * magnitude)
        for module in (linear_forms, curved_forms):
            monkeypatch.setattr(module, "EPSILON", 0.0)
        assert search("both move")[0]

    @pytest.mark.full
    def test_no_rest(self, monkeypatch):
        """As if the form that is right to first order had nothing left."""
        original = linear_systems.contraction
        monkeypatch.setattr(
            linear_systems, "contraction", lambda distance: original(0.0 * distance)
        )
        assert search("both move")[0]


@pytest.fixture(autouse=True)
def many_digits():
    previous, flint.ctx.prec = flint.ctx.prec, oracle.BITS
    yield
    flint.ctx.prec = previous

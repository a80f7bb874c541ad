"""Programs that differ in their constants are compiled once, and compute what is theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.enclosure import Interval, enclose
from certify.enclosure.programs import compiling
from certify.enclosure.programs.compiling import shared
from certify.jacobian.evaluator import evaluator

POINTS = jax.ShapeDtypeStruct((3,), jnp.float64)
X = np.array([0.25, -1.0, 3.0])


@pytest.fixture
def programs():
    """How many programs are compiled from here on."""
    compiling._executable.cache_clear()
    return lambda: compiling._executable.cache_info().misses


def scaled(numbers, power=2):
    constant = jnp.asarray(numbers)
    return shared(jax.jit(lambda x: {"y": constant * x**power, "z": x - 1.0}).trace(POINTS))


def test_constants_are_arguments(programs):
    for numbers in (2.0, -3.5, 0.0, np.inf, 5e-300):
        found = scaled(numbers)(X)
        assert (found["y"] == np.float64(numbers) * X**2).all() and (found["z"] == X - 1).all()
    assert programs() == 1


def test_earlier_programs_keep_their_constants(programs):
    first, second = scaled(2.0), scaled(3.0)
    assert (first(X)["y"] == 2 * X**2).all() and (second(X)["y"] == 3 * X**2).all()
    assert (first(X)["y"] == 2 * X**2).all() and programs() == 1


def test_what_is_no_such_constant_makes_another_program(programs):
    assert (scaled(2.0, power=3)(X)["y"] == 2 * X**3).all()
    assert (scaled(2.0, power=2)(X)["y"] == 2 * X**2).all()
    assert (scaled([2.0, 3.0, 4.0])(X)["y"] == np.array([2, 3, 4]) * X**2).all()
    assert programs() == 3
    for order in ([2, 0, 1], [1, 2, 0]):  # integers say where, and stay
        places = jnp.asarray(order)
        assert (shared(jax.jit(lambda x, at=places: x[at]).trace(POINTS))(X) == X[order]).all()
    assert programs() == 5


def test_enclosures_hold_for_their_own_constants(programs):
    box = Interval(jnp.full(3, 0.5), jnp.full(3, 0.75))
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), box)
    for slope in (0.3, 1 / 3, 7.0):
        constant = jnp.asarray(slope)
        traced = jax.jit(enclose(lambda x, c=constant: jnp.sin(c * x))).trace(like)
        found = shared(traced)(*jax.tree.leaves(box))
        assert isinstance(found, Interval)
        expected = jax.jit(enclose(lambda x, c=constant: jnp.sin(c * x)))(box)
        assert np.allclose(found.lower, expected.lower, rtol=1e-14)
        assert np.allclose(found.upper, expected.upper, rtol=1e-14)
        for x in (0.5, 0.6, 0.75):
            assert bool(found.contains(jnp.full(3, np.sin(slope * x))).all())
    assert programs() == 1


class Waves(dg.Game):
    slope: jax.Array | float

    def costs(self, x, args=None):
        meeting = self.slope * jnp.sin(x[0]) * x[1]
        return 0.5 * x[0] ** 2 - meeting, 0.5 * x[1] ** 2 + meeting


@pytest.mark.parametrize("kind", [jnp.asarray, float], ids=["arrays", "numbers"])
def test_a_sweep_compiles_once_for_each_shape(programs, kind):
    region, enclosure = certify.Box.around((0.0, 0.0), 0.5), certify.IntervalMatrices()
    ends = np.full((16, 2), -0.25), np.full((16, 2), 0.5)
    hashes = set()
    for slope in (0.8, 0.81, 1.3):
        field = certify.flat_field(Waves(kind(slope)), region)
        family = evaluator(field, enclosure).blocks(*ends)
        hashes.add(field.hash)
        # The entry (0, 1) is -slope cos(x): its least value is at zero.
        reach = np.asarray(family.remainder)[0, 0, 1]
        centre = np.asarray(family.centre)[0, 0, 1]
        assert centre - reach == pytest.approx(-slope, rel=1e-12) and centre - reach <= -slope
        assert centre + reach >= -slope * np.cos(0.5)
    assert programs() == 1 and len(hashes) == 3

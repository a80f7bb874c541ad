"""The entry point: published failures of other tools, refusals, transformations, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose


def ends(box):
    return float(box.lower), float(box.upper)


def test_absolute_value_by_choice():
    low, high = ends(enclose(lambda x: jnp.where(x < 0, -x, x))(Interval(-1.0, 0.5)))
    assert low <= 0.0 and high >= 1.0


def test_gradient_of_the_largest():
    box = enclose(lambda x: jax.grad(jnp.max)(x)[0])(Interval(-jnp.ones(2), jnp.ones(2)))
    assert ends(box)[0] <= 0.0 and ends(box)[1] >= 1.0


def test_roots():
    low, high = ends(enclose(lambda x: jnp.sqrt(x * x))(Interval(-1.0, 2.0)))
    assert low <= 0.0 and 2.0 <= high < 2.0 + 1e-14
    assert bool(enclose(jnp.sqrt)(Interval(-1e-9, 1.0)).is_unknown)


def test_zero_times_undefined():
    assert bool(enclose(lambda x: 0.0 * (1.0 / x))(Interval(-1.0, 1.0)).is_unknown)


def test_cancellation():
    low, high = ends(jax.jit(enclose(lambda x: (x + 1e8) - 1e8))(Interval(0.4, 1.5)))
    assert low <= 0.4 and high >= 1.5 and high - low < 1.2


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("lgamma", lax.lgamma),
        ("lu", lambda x: lax.linalg.lu(jnp.stack([x, x]).reshape(1, 2).repeat(2, 0))[0]),
        ("reduce_precision", lambda x: lax.reduce_precision(x, 8, 7)),
        ("bitcast_convert_type", lambda x: lax.bitcast_convert_type(x, jnp.int64)),
    ],
)
def test_primitives_without_a_rule_are_named_with_the_line(name, function):
    with pytest.raises(EnclosureError, match=rf"primitive '{name}' \(in .*test_enclose.py"):
        enclose(lambda x: function(x))(Interval(-1.0, 1.0))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * jnp.ones((), jnp.complex128).real,
        lambda x: x ** jnp.array(3),
    ],
)
def test_other_precisions(function):
    with pytest.raises(EnclosureError, match=r"float64|test_enclose\.py"):
        enclose(function)(Interval(-1.0, 1.0))


def test_dead_code_is_not_asked_for_a_rule():
    assert ends(enclose(lambda x: (lax.lgamma(x), x)[1])(Interval(0.0, 1.0))) == (0.0, 1.0)


@pytest.mark.full
def test_gather_out_of_bounds_and_others_that_move_numbers():
    x = Interval(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 2.5, 4.0]))

    def both(function):
        box = jax.jit(enclose(function))(x)
        lower, upper = function(x.lower), function(x.upper)
        return np.array_equal(box.lower, lower) and np.array_equal(box.upper, upper)

    assert both(lambda x: lax.pad(x, jnp.float64(7.0), [(-1, 2, 1)]))
    assert both(lambda x: lax.dynamic_slice(x, (5,), (2,)))
    assert both(lambda x: lax.dynamic_update_slice(x, jnp.array([9.0]), (-1,)))
    assert both(lambda x: jnp.concatenate([x[::-1], jnp.zeros(2), jnp.tile(x, 2)]))
    assert both(lambda x: jnp.stack(jnp.split(x, 3)).squeeze().reshape(3, 1).T)
    assert both(lambda x: x.at[jnp.array([7, -1])].get(mode="clip"))
    filled = enclose(lambda x: x.at[jnp.array([7, 0])].get(mode="fill"))(x)
    assert filled.is_unknown.tolist() == [True, False]
    assert enclose(lambda x: x.at[jnp.array([7])].get(mode="fill"))(jnp.ones(3)).is_unknown.all()


def test_numbers_known_in_advance():
    """Integers wrap around as the code does; large ones are rounded on the way to floats."""
    box = enclose(lambda x: x + jnp.arange(3).astype(jnp.float64) * float(2**63))(jnp.zeros(3))
    assert bool(box.contains(jnp.array([0.0, 1.0, 2.0]) * 2.0**63).all())
    odd = 2**53 + 1
    wide = enclose(lambda x, k: x + k.astype(jnp.float64))(0.0, jnp.int64(odd))
    assert int(wide.lower) <= odd <= int(wide.upper)
    wrapped = enclose(lambda x: x + (jnp.int64(2**63 - 1) + 1).astype(jnp.float64))(0.0)
    assert bool(wrapped.contains(-(2.0**63)))


def test_subnormal_numbers():
    """They are flushed to zero on some platforms, on the way in and out: bounds move outward."""
    for x in (5e-324, -5e-324, 2.2e-308, -1e-310):
        low, high = ends(enclose(lambda x: x)(jnp.asarray(x)))
        assert low <= min(x, 0.0) and max(x, 0.0) <= high
        low, high = ends(
            jax.jit(
                enclose(
                    lambda x: x * 1e300,
                )
            )(jnp.asarray(x))
        )
        assert low <= x * 1e300 <= high
        constant = enclose(lambda y, x=x: y * np.float64(x))(jnp.asarray(1e300))
        assert bool(constant.contains(x * 1e300))
        positive = ends(jax.jit(enclose(lambda y: jnp.where(y > 0, 1.0, 0.0)))(jnp.asarray(x)))
        assert positive[0] <= float(x > 0) <= positive[1]


def test_points_stay_points_and_compiled_code_is_sound():
    function = enclose(lambda x: jnp.concatenate([x, -x]).reshape(2, -1))
    assert function(jnp.ones(2)).is_point
    vmapped = jax.vmap(function)(jnp.array([[0.1, 0.2], [0.3, 5e-324]]))
    assert vmapped.shape == (2, 2, 2)
    assert bool(vmapped.contains(jnp.array([[[0.1, 0.2], [-0.1, -0.2]]])).all(axis=(1, 2))[0])


def test_transformations():
    """jit, vmap, nested calls and closures over traced values give bounds of the same things."""
    lower = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    x = Interval(lower, lower + 0.1)

    @jax.checkpoint
    def inner(y):
        return jnp.sum(jax.nn.relu(y) + jax.nn.softplus(y) ** 2)

    def function(y):
        return jax.jit(inner)(y) * y

    eager = [enclose(function)(jax.tree.map(lambda end, k=k: end[k], x)) for k in range(4)]
    batch = jax.jit(jax.vmap(enclose(function)))(x)
    for k in range(4):
        np.testing.assert_allclose(batch.lower[k], eager[k].lower, rtol=1e-12, atol=1e-300)
        for share in (0.0, 0.5, 1.0):
            value = function(x.lower[k] + share * 0.1)
            assert bool(eager[k].contains(value).all())

    @jax.jit
    def closed_over(parameter, box):
        return enclose(lambda y: parameter * y)(box)

    assert bool(closed_over(jnp.asarray(3.0), Interval(1.0, 2.0)).contains(6.0))
    assert bool(closed_over(jnp.asarray(1e-310), Interval(1e10, 2e10)).contains(1e-300))


def test_trees_of_arguments():
    box = enclose(lambda p, n: {"sum": p["a"] + p["b"][0], "count": n + 1})(
        {"a": Interval(0.0, 1.0), "b": [jnp.asarray(2.0)]}, 3
    )
    assert bool(box["sum"].contains(2.5)) and int(box["count"]) == 4


class TestBadInput:
    def test_empty_and_nan(self):
        with pytest.raises(ValueError, match="exceeds the upper bound"):
            enclose(lambda x: x)(Interval(1.0, 0.0))
        with pytest.raises(ValueError, match="NaN"):
            enclose(lambda x: x)(jnp.asarray(jnp.nan))
        with pytest.raises(ValueError, match="equal shapes"):
            Interval(jnp.zeros(2), jnp.zeros(3))

    def test_while_tracing_they_give_everything(self):
        function = jax.jit(enclose(lambda x: jnp.tanh(x)))
        assert bool(function(Interval(1.0, 0.0)).is_unknown)
        assert bool(function(Interval(jnp.nan, 1.0)).is_unknown)

    def test_other_dtypes(self):
        with pytest.raises(EnclosureError, match=r"complex128; .*at most 64 bits"):
            enclose(lambda x: x)(jnp.zeros(2, jnp.complex128))
        with pytest.raises(EnclosureError, match=r"int64; .*at most 64 bits"):
            enclose(lambda x: x)(Interval(0, 1))

    def test_constants_that_are_nan(self):
        assert bool(enclose(lambda x: jnp.tanh(x * jnp.nan))(Interval(0.0, 1.0)).is_unknown)
        assert bool(enclose(lambda x: x + np.array([np.nan]))(Interval(0.0, 1.0)).is_unknown)

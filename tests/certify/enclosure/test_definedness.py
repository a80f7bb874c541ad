"""Where code yields NaN or infinity somewhere in a box, no enclosure in smooth mode is finite."""

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.derivatives import derivative_enclosure
from certify.enclosure.registry import RULES, SMOOTH_RULES
from tools import numpy_jaxpr
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES


def by_anchor(scale):
    """Softmax with an anchor of one's own: it cancels, unless it overflows."""

    def function(x):
        anchor = lax.stop_gradient(scale * x)
        first, second = jnp.exp(x - anchor), jnp.exp(1.0 - anchor)
        return first / (first + second)

    return function


# Each is NaN, infinite or not differentiable somewhere on [-1, 1].
UNDEFINED = {
    "cancelled exponentials": lambda x: jnp.exp(jnp.log(x)) / jnp.exp(jnp.log(x)),
    "overflowing exponentials": lambda x: jnp.exp(1e3 * x) / jnp.exp(1e3 * x),
    "times zero": lambda x: 0.0 * jnp.log(x),
    "zero times infinity": lambda x: 0.0 * jnp.exp(1e3 * x),
    "minus itself": lambda x: jnp.log(x) - jnp.log(x),
    "infinity minus itself": lambda x: jnp.exp(1e3 * x) - jnp.exp(1e3 * x),
    "minus infinity minus itself": lambda x: jnp.log(jnp.abs(x)) - jnp.log(jnp.abs(x)),
    "by itself": lambda x: x / x,
    "sine of infinity": lambda x: jnp.sin(jnp.exp(1e3 * x)),
    "cosine of infinity": lambda x: jnp.tanh(jnp.cos(jnp.exp(1e3 * x))),
    "remainder of infinity": lambda x: lax.rem(jnp.exp(1e3 * x), 1.0),
    "saturated": lambda x: jnp.tanh(jnp.log(x)),
    "exponential of a logarithm": lambda x: jnp.exp(jnp.log(x)),
    "square of a root": lambda x: jnp.sqrt(x) ** 2,
    "power zero of a root": lambda x: jnp.sqrt(x) ** 0,
    "zeroth power": lambda x: jnp.sqrt(x) ** 0.0,
    "zero to the zero": lambda x: jnp.maximum(x, 0.0) ** jnp.maximum(x, 0.0),
    "is NaN": lambda x: jnp.where(jnp.isnan(jnp.log(x)), 0.0, jnp.log(x)),
    "is no NaN": lambda x: jnp.where(jnp.log(x) == jnp.log(x), 1.0, 2.0),
    "is not itself": lambda x: (jnp.log(x) != jnp.log(x)).astype(jnp.float64),
    "is finite": lambda x: jnp.where(jnp.isfinite(1.0 / x), 1.0 / x, 0.0),
    "is infinite": lambda x: jnp.where(jnp.isinf(1.0 / x), 0.0, 1.0),
    "no longer NaN": lambda x: jnp.nan_to_num(jnp.log(x)),
    "compared with NaN": lambda x: jnp.where(jnp.log(x) < 9.0, 1.0, 1.0),
    "least with NaN": lambda x: jnp.minimum(jnp.sqrt(x), -9.0),
    "clipped NaN": lambda x: jnp.clip(jnp.sqrt(x), -9.0, -8.0),
    "sign of NaN": lambda x: jnp.sign(jnp.sqrt(x)),
    "floor of NaN": lambda x: jnp.floor(0.5 * jnp.sqrt(x) + 0.1),
    "NaN as an integer": lambda x: jnp.sqrt(x).astype(jnp.int32).astype(jnp.float64),
    "NaN as a small integer": lambda x: jnp.minimum(jnp.sqrt(x).astype(jnp.int8), 0) * 1.0,
    "NaN as a boolean": lambda x: jnp.sqrt(x).astype(bool).astype(jnp.float64),
    "entry with NaN": lambda x: jnp.max(jnp.stack([jnp.sqrt(x), x + 9.0])),
    "sorted NaN": lambda x: jnp.sort(jnp.stack([jnp.sqrt(x), x + 9.0]))[0],
    "place of NaN": lambda x: jnp.argmax(jnp.stack([jnp.sqrt(x), x + 9.0])).astype(jnp.float64),
    "product with NaN": lambda x: jnp.prod(jnp.stack([jnp.sqrt(x), 0.0 * x])),
    "row without NaN": lambda x: jnp.array([0.0, 1.0]) @ jnp.stack([jnp.sqrt(x), x]),
    "wrong guard": lambda x: jnp.where(x > -0.5, jnp.log(x), 0.0),
    "angle of nothing": lambda x: jnp.arctan2(0.0 * x, x),
    "root of zero": lambda x: jnp.sqrt(x * x),
    "cube root of zero": jnp.cbrt,
    "arcsine at its ends": jnp.arcsin,
    "inverse error function": lambda x: lax.erf_inv(x),
    "logit": special.logit,
    "entropy": lambda x: x * jnp.log(x),
    "entropy, defined at zero": special.entr,
    "xlogy": lambda x: special.xlogy(x, x),
    "negative power": lambda x: x**-2,
    "flat": lambda x: jnp.exp(-1.0 / x**2),
    "singular": lambda x: jnp.linalg.solve(jnp.stack([jnp.stack([x, 0 * x]), jnp.ones(2)]),
                                           jnp.ones(2))[0],
    "normalised": lambda x: x / jnp.linalg.norm(jnp.stack([x, x])),
    "anchor": by_anchor(2e3),
    "harmless anchor of NaN": lambda x: by_anchor(1.0)(jnp.sqrt(x)),
    "softmax of NaN": lambda x: jax.nn.softmax(jnp.stack([jnp.sqrt(x), x]))[0],
    "softmax of one": lambda x: jax.nn.softmax(jnp.sqrt(x)[None])[0],
    "logsumexp of infinity": lambda x: jax.nn.logsumexp(jnp.stack([1.0 / x, x])),
    "infinite constant": lambda x: jnp.tanh(x * jnp.inf),
    "NaN as a constant": lambda x: 0.0 * (x + jnp.nan),
}  # fmt: skip


@pytest.mark.parametrize("name", UNDEFINED)
def test_undefined_somewhere(name):
    with jax.numpy_dtype_promotion("standard"):
        box = uncompiled(enclose(UNDEFINED[name], SMOOTH))(Interval(-1.0, 1.0))
    assert not np.isfinite(box.lower) or not np.isfinite(box.upper)


@pytest.mark.full
@pytest.mark.parametrize("method", ["affine", "interval"])
def test_derivatives_of_what_is_undefined_somewhere(method):
    names = ["cancelled exponentials", "times zero", "minus itself", "is NaN", "softmax of one"]
    names += ["sign of NaN", "wrong guard", "zeroth power", "NaN as an integer", "anchor"]

    def function(x):
        return jnp.stack([UNDEFINED[name](x[0]) for name in names])

    compute = uncompiled(derivative_enclosure(function, 1, method))
    with jax.numpy_dtype_promotion("standard"):
        slopes = compute(Interval(jnp.array([-1.0]), jnp.array([1.0])))
    assert bool(slopes.is_unknown.all())


def test_defined_all_over():
    """What is guarded as it should be stays finite, and so do anchors that do not overflow."""
    for function in (
        lambda x: jnp.where(x > -9.0, x, jnp.log(x)),
        lambda x: jnp.log(jnp.where(x > -9.0, 2.0 + x, 1.0)),
        by_anchor(1.0),
        lambda x: jax.nn.softmax(jnp.stack([100.0 * x, x]))[0],
        lambda x: jax.nn.logsumexp(jnp.stack([100.0 * x, x])),
        lambda x: jnp.sqrt(2.0 + x),
        lambda x: x**3.0,
    ):
        box = uncompiled(enclose(function, SMOOTH))(Interval(-1.0, 1.0))
        assert np.isfinite(box.width)


# Random programs of such pieces.

UNARY = {
    "log": jnp.log,
    "sqrt": jnp.sqrt,
    "reciprocal": lambda x: 1.0 / x,
    "exp": jnp.exp,
    "large exp": lambda x: jnp.exp(300.0 * x),
    "tan": jnp.tan,
    "asin": jnp.arcsin,
    "acosh": jnp.arccosh,
    "atanh": jnp.arctanh,
    "log1p": jnp.log1p,
    "power": lambda x: x**1.5,
    "cbrt": jnp.cbrt,
    "sin": jnp.sin,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "clip": lambda x: jnp.clip(x, -1.0, 1.0),
    "floor": jnp.floor,
    "sign": jnp.sign,
    "mod": lambda x: jnp.mod(x, 0.7),
    "abs": jnp.abs,
    "square": jnp.square,
    "add": lambda x: x + 1.0,
    "huge": lambda x: 1e200 * x,
    "tiny": lambda x: 1e-200 * x,
    "zero": lambda x: 0.0 * x,
    "no NaN": jnp.nan_to_num,
    "guard": lambda x: jnp.where(jnp.isnan(x), 0.0, x),
    "finite": lambda x: jnp.where(jnp.isfinite(x), x, 1.0),
    "integer": lambda x: x.astype(jnp.int32).astype(jnp.float64),
    "boolean": lambda x: (x > 0.0).astype(jnp.float64),
    "itself": lambda x: x - x,
    "entr": special.entr,
    "softplus": jax.nn.softplus,
    "flat": lambda x: jnp.exp(-1.0 / x**2),
}
BINARY = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": jnp.divide,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "atan2": jnp.arctan2,
    "pow": jnp.power,
    "softmax": lambda x, y: jax.nn.softmax(jnp.stack([x, y]))[0],
    "by hand": lambda x, y: jnp.exp(x) / (jnp.exp(x) + jnp.exp(y)),
    "where": lambda x, y: jnp.where(x > y, x, y),
    "where NaN": lambda x, y: jnp.where(jnp.isnan(y), x, x * y),
    "first": lambda x, y: jnp.array([1.0, 0.0]) @ jnp.stack([x, y]),
    "norm": lambda x, y: jnp.sqrt(x * x + y * y),
    "anchored": lambda x, y: by_anchor(100.0)(x * y),
}
STEPS = st.tuples(st.sampled_from([*UNARY, *BINARY]), st.booleans(), st.integers(0, 2))


@pytest.mark.full
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(STEPS, min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_random_programs(steps, seed):
    def program(x):
        values = [x[0], x[1]]
        for name, both, back in steps:
            one, other = values[-1], values[max(-1 - back, -len(values))]
            if name in BINARY and (both or name not in UNARY):
                values.append(BINARY[name](one, other))
            else:
                values.append(UNARY[name](one))
        return values[-1]

    rng, count = np.random.default_rng(seed), 24
    shape = (count, 2)
    centre = rng.choice([0.0, 1.0, -1.0, 0.5, 2.0, 1e3, 3.0], shape) + rng.normal(size=shape) * (
        rng.choice([0.0, 1.0], shape)
    )
    width = rng.choice([0.0, 1e-6, 0.1, 0.5, 1.0, 2.0, 10.0], shape)
    lower = centre - rng.choice([0.0, 0.5, 1.0], shape) * width
    upper = lower + width
    share = rng.choice([0.0, 0.5, 1.0, 0.3], (12, *shape))
    points = np.clip(lower + share * (upper - lower), lower, upper)

    def ends(low, high):
        box = enclose(program, SMOOTH)(Interval(low, high))
        return box.lower, box.upper

    with np.errstate(all="ignore"), jax.numpy_rank_promotion("allow"):
        try:
            code = jax.make_jaxpr(jax.vmap(ends))(lower, upper)
        except EnclosureError:
            return
        low, high = numpy_jaxpr.run(code, [lower, upper])
        values = jax.make_jaxpr(jax.vmap(jax.vmap(program)))(points)
        (found,) = numpy_jaxpr.run(values, [points])
    known = np.isfinite(low) & np.isfinite(high)
    assert (low <= high).all()
    assert np.isfinite(found[:, known]).all()
    slack = 1e-9 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))[known]
    assert (found[:, known] >= low[known] - slack).all()
    assert (found[:, known] <= high[known] + slack).all()

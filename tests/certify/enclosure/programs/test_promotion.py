"""Programs in lower precision: bounds of the real-valued functions that they spell out."""

import math
from fractions import Fraction

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose, enclose_jacobian
from certify.enclosure.derivatives import derivative_enclosure
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.promotion import exactly, promoted
from tools import numpy_jaxpr, oracle

pytestmark = pytest.mark.thin(3)

F32 = jnp.float32
LOW = [jnp.float32, jnp.bfloat16, jnp.float16]


def rational(number):
    return Fraction(float(number))


def holds(box, truth):
    """Whether a ball or a fraction is within bounds, given as float64."""
    low, high = box.lower, box.upper
    assert low.dtype == high.dtype == jnp.float64
    return bool(truth >= float(low)) and bool(truth <= float(high))


# The numbers.

SPECIAL = [0.0, -0.0, 1e-40, -1e-40, 1e-45, 6e-8, -6e-8, 1e-6, 0.1, -3.5, 6e4, np.inf]


@pytest.mark.parametrize("kind", LOW)
def test_numbers_are_promoted_exactly_also_while_tracing(kind):
    """By their bits: XLA would flush subnormals to zero."""
    value = np.array(SPECIAL).astype(kind)
    truth = value.astype(np.float64)
    assert (truth[2] != 0) == (kind != jnp.float16) and truth[5] != 0
    for convert in (exactly, jax.jit(exactly)):
        found = np.asarray(convert(jnp.asarray(value)))
        np.testing.assert_array_equal(found, truth)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(truth))
    box = jax.jit(enclose(lambda x: x))(Interval(jnp.asarray(value), jnp.asarray(value)))
    assert bool(box.contains(truth)[:-1].all())


def test_constants_of_somebody_elses_trace():
    @jax.jit
    def closed_over(parameter, box):
        return enclose(lambda y: parameter * y)(box)

    tiny = jnp.float32(1e-40)
    box = closed_over(tiny, Interval(jnp.float32(2.0**33), jnp.float32(2.0**33)))
    assert float(box.lower) > 0
    assert holds(box, rational(np.asarray(tiny)) * 2**33)


def test_weights_in_lower_precision():
    weights = np.array([0.1, 1e-40, 3.0], np.float32)  # one of them subnormal
    exact = sum(map(rational, weights))
    for compiled in (enclose, lambda f: jax.jit(enclose(f))):
        with jax.numpy_dtype_promotion("standard"):
            box = compiled(lambda x: jnp.sum(jnp.asarray(weights) * x))(jnp.ones(3))
        assert holds(box, exact) and float(box.width) < 1e-13


def test_constants_alone():
    """Arithmetic of constants is not done in float32 either."""
    tenth = jnp.float32(0.1)
    box = enclose(lambda x: x + (tenth * tenth - tenth / 3))(jnp.float32(0.0))
    exact = rational(tenth) ** 2 - rational(tenth) / 3
    assert holds(box, exact) and float(box.width) < 1e-15


# What other tools get wrong in float32.


@pytest.mark.parametrize("method", ["interval", "affine"])
def test_a_shift_that_cancels(method):
    def shifted(x):
        return (x + F32(1e8)) - F32(1e8)

    box = Interval(F32(0.4), F32(1.5))
    for run in (enclose(shifted), jax.jit(enclose(shifted))):
        values = run(box)
        assert float(values.lower) <= rational(F32(0.4)) and float(values.upper) >= 1.5
        assert float(values.width) < 1.11
    slope = enclose_jacobian(shifted, method=method)(box)
    assert bool(slope.contains(1.0)) and float(slope.width) < 1e-10


def test_a_million_terms():
    count, tenth = 10**6, rational(F32(0.1))
    for function, truth in (
        (jnp.sum, tenth * count),
        (lambda x: x @ x, tenth**2 * count),
        (lambda x: jnp.cumsum(x)[-1], tenth * count),
    ):
        box = enclose(lambda t, function=function: function(jnp.full(count, t)))(F32(0.1))
        assert holds(box, truth) and float(box.width) < 1e-3


@pytest.mark.parametrize("x", [1e6, 1e8, -1e6 - 0.1])
def test_waves_far_out(x):
    for function, exact in ((jnp.sin, "sin"), (jnp.cos, "cos"), (jnp.tan, "tan")):
        box = enclose(function)(F32(x))
        assert holds(box, getattr(flint.arb(float(F32(x))), exact)())
        assert float(box.width) < 1e-9


def test_choices_roots_and_quotients():
    box = Interval(F32(-1.0), F32(0.5))
    values = enclose(lambda x: jnp.where(x < 0, -x, x))(box)
    assert float(values.lower) <= 0.0 and float(values.upper) >= 1.0
    root = enclose(lambda x: jnp.sqrt(x * x))(Interval(F32(-1.0), F32(2.0)))
    assert float(root.lower) <= 0.0 and float(root.upper) >= 2.0
    assert bool(enclose(lambda x: F32(0) * (F32(1) / x))(box).is_unknown)
    slope = enclose_jacobian(jnp.max)(Interval(-jnp.ones(2, F32), jnp.ones(2, F32)))
    assert bool(slope.contains(jnp.zeros(2)).all() and slope.contains(jnp.ones(2)).all())


def test_products_of_matrices_against_rationals():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 12, 12)).astype(np.float32)
    box = enclose(jnp.matmul)(jnp.asarray(a), jnp.asarray(b))
    for i in range(12):
        for j in range(12):
            truth = sum(rational(x) * rational(y) for x, y in zip(a[i], b[:, j], strict=True))
            assert holds(Interval(box.lower[i, j], box.upper[i, j]), truth)


# Values, slopes and curvatures against ball arithmetic of the code as it was traced.


WEIGHTS = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32) / 2

PROGRAMS = {
    "network": lambda x: jnp.sum(
        jnp.tanh(jnp.asarray(WEIGHTS) @ x.astype(jnp.bfloat16).astype(F32))
    ),
    "back and forth": lambda x: (
        jnp.exp(x.astype(jnp.float64).astype(F32).astype(jnp.float16))[0].astype(F32) * x[1]
    ),
    "powers": lambda x: jnp.exp2(x[0]) * x[1] ** 3 + F32(0.1) / (F32(2) + x[2] * x[2]),
    "softmax": lambda x: jnp.vdot(jax.nn.softmax(x), jnp.asarray(WEIGHTS[0])),
    "logsumexp": lambda x: jax.nn.logsumexp(x * F32(3)) + jax.nn.softplus(x[0] - x[1]),
    "sums in lower precision": lambda x: jnp.mean(jax.nn.silu(x.astype(jnp.float16))).astype(F32),
    "scan": lambda x: lax.scan(
        lambda c, w: (jnp.tanh(c * w + x[0]), None), x[1], jnp.linspace(0, 1, 2, dtype=F32)
    )[0],
    "erf": lambda x: lax.erf(x[0] * x[1]) + lax.atan(x[2]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_slopes_and_curvatures(name):
    function = PROGRAMS[name]
    center, radius = np.array([0.3, -0.2, 0.7], np.float32), np.float32(0.05)
    box = Interval(jnp.asarray(center - radius), jnp.asarray(center + radius))
    value = enclose(function)(box)
    slopes, bends = (derivatives(function, order, box) for order in (1, 2))
    assert float(value.width) < 2 and float(slopes.width.max()) < 3
    for k in range(3):
        for point in (box.lower, box.upper, center + radius * np.eye(3)[k] / 3):
            point = np.asarray(point, np.float32).astype(np.float64)
            (ball,) = oracle.directional(function, point, np.eye(3)[k], F32)
            assert holds(value, ball[0])
            assert holds(Interval(slopes.lower[k], slopes.upper[k]), ball[1])
            assert holds(Interval(bends.lower[k, k], bends.upper[k, k]), ball[2])


def derivatives(function, order, box):
    """By NumPy, because compiling takes longer."""

    def ends(lower, upper):
        found = derivative_enclosure(
            lambda x: function(x.astype(F32)).astype(jnp.float64), order, "interval"
        )(Interval(lower, upper))
        return found.lower, found.upper

    corners = [np.asarray(end).astype(np.float64) for end in (box.lower, box.upper)]
    with np.errstate(all="ignore"):
        low, high = numpy_jaxpr.run(jax.make_jaxpr(ends)(*corners), corners)
    return Interval(np.asarray(low), np.asarray(high))


# Code inside code, and what is known as a whole.


def loop(x):
    return lax.fori_loop(0, 3, lambda i, c: c * x + i.astype(F32), x)


def long_scan(x):
    steps = jnp.full(100, 2.0**-7, F32)
    return lax.scan(lambda c, e: (c + e * x, None), x, steps)[0]


@pytest.mark.parametrize(
    ("function", "truth"),
    [
        (loop, lambda x: ((x * x) * x + 1) * x + 2),
        (long_scan, lambda x: x + 100 * x / 128),
        (lambda x: lax.cond(x > 0, lambda x: x * F32(2), lambda x: -x, x), lambda x: 2 * x),
        (lambda x: jax.checkpoint(lambda x: x * x)(x), lambda x: x * x),
        (lambda x: jnp.sum(jnp.zeros(3, F32).at[jnp.array([0, 1])].add(x)), lambda x: 2 * x),
        (lambda x: jnp.prod(jnp.stack([x, x, x])), lambda x: x**3),
        (lambda x: jax.nn.relu(x) - jax.nn.relu(-x), lambda x: x),
        (lambda x: lax.reduce_precision(x, 8, 7), lambda x: x),
        (lambda x: jnp.max(jnp.convolve(jnp.stack([x, x]), jnp.ones(2, F32))), lambda x: 2 * x),
        (
            lambda x: lax.dot(
                jnp.stack([x, x]), jnp.ones(2, F32), precision=lax.DotAlgorithmPreset.BF16_BF16_F32
            ),
            lambda x: 2 * x,
        ),
        (
            lambda x: jnp.dot(
                jnp.ones(2, jnp.bfloat16),
                jnp.stack([x, x]).astype(jnp.bfloat16),
                preferred_element_type=F32,
            ),
            lambda x: 2 * x,
        ),
        (lambda x: (F32(7) * x).astype(int).astype(F32), lambda x: math.floor(7 * x)),
    ],
)
def test_code_inside_code(function, truth):
    x = F32(0.7)
    box = enclose(function)(x)
    assert holds(box, truth(rational(x))) and float(box.width) < 1e-12


@pytest.mark.parametrize(
    "function",
    [
        jax.nn.softmax,
        jax.nn.log_softmax,
        jax.nn.logsumexp,
        jax.nn.softplus,
        jax.nn.relu,
        jax.nn.silu,
        lambda x: jnp.linalg.det(jnp.outer(x, x)),
        lambda x: jnp.linalg.slogdet(jnp.outer(x, x))[1],
        lambda x: jnp.linalg.solve(jnp.outer(x, x), x),
        lambda x: x * jnp.log(x),
    ],
)
def test_known_functions_are_recognised(function):
    """The code to be differentiated is that of the same function in float64."""

    def code(function):
        equations = jax.make_jaxpr(plain(function))(jnp.ones(3)).eqns
        return [(equation.primitive.name, str(equation.outvars[0].aval)) for equation in equations]

    for kind in LOW:
        low = code(lambda x, kind=kind: function(x.astype(kind)).astype(jnp.float64))
        assert low == code(function)


# What is no function of real numbers, and what is said.


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("nextafter", lambda x: lax.nextafter(x, x + 1)),
        ("bitcast_convert_type", lambda x: lax.bitcast_convert_type(x, jnp.int32).astype(F32)),
        ("bitcast_convert_type", lambda x: x * jax.random.normal(jax.random.key(0), (), F32)),
        ("bitcast_convert_type", lambda x: jnp.frexp(x)[0]),
        ("complex", lambda x: lax.complex(x, x).real),
        (
            "pure_callback",
            lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), F32), x),
        ),
    ],
)
def test_refusals_name_the_line(name, function):
    with pytest.raises(EnclosureError, match=rf"'{name}'.* \(in .*test_promotion\.py"):
        enclose(lambda x: function(x))(Interval(F32(0.5), F32(1.0)))


def test_dead_code_is_not_looked_at():
    box = enclose(lambda x: (lax.bitcast_convert_type(x, jnp.int32), x)[1])(F32(0.5))
    assert float(box.lower) == float(box.upper) == 0.5


def test_notes():
    def notes(function, kind):
        return promoted(jax.make_jaxpr(function)(jnp.zeros((), kind)), "the test").notes

    assert notes(lambda x: 2.0 * x, jnp.float64) == ()
    with jax.numpy_dtype_promotion("standard"):
        (constants,) = notes(lambda x: jnp.sum(x * jnp.asarray(WEIGHTS)), jnp.float64)
    assert constants.startswith("There are float32 constants in the test")
    (rounded,) = notes(lambda x: x.astype(F32).astype(x.dtype), jnp.float64)
    assert rounded.startswith("There is float32 arithmetic at 1 place of the test (the first: test")
    (both,) = notes(lambda x: jnp.sin(x.astype(jnp.bfloat16) * x.astype(jnp.bfloat16)), F32)
    assert "bfloat16 arithmetic at 4 places" in both and "/" not in both

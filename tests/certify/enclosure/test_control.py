"""Branches and loops; shifts that cancel; softmax and its relatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.programs import known_functions as known
from certify.enclosure.programs.inline import anchored
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.enclosure.rules import anchors
from certify.jacobian.by_jaxpr import jacobian_family
from tools.numpy_jaxpr import uncompiled

pytestmark = pytest.mark.thin(4)

SMOOTH = RULES | SMOOTH_RULES


def fori(x):
    return lax.fori_loop(0, 4, lambda k, c: c * (1.0 + x[k % 2]) + k, x)


def short_scan(x):
    last, entries = lax.scan(lambda c, e: (0.5 * c + e, c * e), x, jnp.stack([x, x + 1.0, x * x]))
    return last + entries[1]


def backwards(x):
    last, entries = lax.scan(
        lambda c, e: (0.5 * c + e, c * e), x[0], jnp.linspace(0.0, 1.0, 5), reverse=True
    )
    return x * (last + entries[0])


def long_scan(x):
    return lax.scan(lambda c, k: (0.9 * c + 0.01 * jnp.sin(c) * x, k), x, jnp.arange(100))[0]


def counting(x):
    return lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * (1.0 + x)), (0, x))[1]


FIELDS = {
    "decided cond": lambda x: lax.cond(x[0] > -9.0, lambda y: y * y, lambda y: y, x),
    "cond by a constant": lambda x: lax.cond(jnp.ones(2)[0] > 0, lambda y: y * y, lambda y: y, x),
    "switch": lambda x: lax.switch(1, [lambda y: y, lambda y: y * y, lambda y: 3.0 * y], x),
    "fori": fori,
    "scan": short_scan,
    "scan backwards": backwards,
    "long scan": long_scan,
    "while": counting,
    "remat": jax.checkpoint(lambda x: x**3),
    "loop of branches": lambda x: lax.fori_loop(
        0, 3, lambda k, c: lax.cond(k > 1, lambda y: y * x, lambda y: y + x, c), x
    ),
    "softmax": jax.nn.softmax,
    "softmax of rows": lambda x: jax.nn.softmax(jnp.outer(x, x) + 1.0, axis=1) @ x,
    "softmax of columns": lambda x: jax.nn.softmax(jnp.outer(x, 2.0 * x), axis=0) @ x,
    "softmax of a softmax": lambda x: jax.nn.softmax(3.0 * jax.nn.softmax(x)),
    "log_softmax": jax.nn.log_softmax,
    "logsumexp": lambda x: x * jax.nn.logsumexp(x),
    "logaddexp": lambda x: x * jnp.logaddexp(x[0], x[1]),
    "gradient of logsumexp": jax.grad(lambda x: jax.nn.logsumexp(x)),
    "gradient of a policy": jax.grad(lambda x: jax.nn.softmax(x) @ jnp.array([1.0, 3.0])),
    "gradient of softplus": jax.grad(lambda x: jnp.sum(jax.nn.softplus(x))),
    "entropy": jax.grad(lambda x: jnp.sum(jax.nn.softmax(x) * jax.nn.log_softmax(x))),
}


# Compiling takes most of the time of a test, so the rest run in numpy.
COMPILED = {"switch", "scan", "logsumexp"}


@pytest.mark.full
@pytest.mark.parametrize("name", FIELDS)
def test_values_and_derivatives(name):
    """Enclosures contain them and are tight at points, ties included."""
    function = FIELDS[name]
    compiled = jax.jit if name in COMPILED else uncompiled
    slope = compiled(jax.vmap(jax.jacfwd(function)))
    values = compiled(jax.vmap(function))
    enclosed, family = compiled(enclose(function)), compiled(jacobian_family(function, "affine"))
    rng = np.random.default_rng(31)
    for start, width in (((0.2, 0.2), 0.0), ((0.1, 0.15), 0.1), ((-1.0, 0.5), 1e-6)):
        lower = np.array(start)
        upper = lower + width
        box, form = enclosed(Interval(lower, upper)), family(lower, upper)
        low, high = np.asarray(box.lower) - 1e-12, np.asarray(box.upper) + 1e-12
        assert bool(form.finite)
        if width < 1e-3:
            assert float(box.width.max()) < 1e-4
            assert float(form.remainder.max()) < 1e-7
        reach = np.abs(np.asarray(form.generators)).sum(0) + np.asarray(form.remainder) + 1e-12
        points = np.clip(lower + width * rng.uniform(size=(5, 2)), lower, upper)
        found = np.asarray(values(points))
        assert ((low <= found) & (found <= high)).all()
        assert (np.abs(np.asarray(slope(points)) - np.asarray(form.centre)) <= reach).all()


@pytest.mark.parametrize("inner", [jnp.sin, jax.nn.relu])
def test_undecided_branches(inner):
    def function(x):
        return lax.cond(x > 0.5, lambda y: inner(y) + 1.0, lambda y: -y, x)

    box = uncompiled(enclose(function))(Interval(0.0, 1.0))
    assert float(box.lower) == -1.0 and float(box.upper) == pytest.approx(1.0 + inner(1.0))
    assert bool(uncompiled(enclose(function, SMOOTH))(Interval(0.0, 1.0)).is_unknown)
    field = uncompiled(jacobian_family(lambda x: function(x[0])[None], "interval"))
    assert not bool(field(jnp.zeros(1), jnp.ones(1)).finite)
    assert bool(field(jnp.full(1, 0.6), jnp.ones(1)).finite)


def test_custom_derivatives_inside_control_flow_are_ignored():
    @jax.custom_jvp
    def pretended(x):
        return x**3

    pretended.defjvp(lambda primals, tangents: (pretended(*primals), 7.0 * tangents[0]))
    for function in (
        lambda x: lax.cond(x[0] > 0.0, pretended, lambda y: y, x),
        lambda x: lax.scan(lambda c, _: (pretended(c), None), x, None, length=1)[0],
        lambda x: 1.0**70 * lax.scan(lambda c, _: (pretended(x), None), x, None, length=70)[0],
        lambda x: lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, pretended(c[1])), (0, x))[
            1
        ],
    ):
        family = uncompiled(jacobian_family(function, "interval"))(jnp.ones(1), jnp.ones(1))
        assert float(family.centre[0, 0]) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: lax.while_loop(lambda c: c < 5.0, lambda c: c + 1.0, x), "not constants"),
        (
            lambda x: lax.while_loop(lambda c: c[0] < 9999, lambda c: (c[0] + 1, c[1] * x), (0, x))[
                1
            ],
            "1000",
        ),
        (lambda x: lax.fori_loop(0, 3, lambda _, c: lax.reduce_precision(c, 8, 7), x), "precision"),
    ],
)
def test_refusals_name_the_line(function, message):
    with pytest.raises(EnclosureError, match=rf"{message}.*\(in .*test_control\.py"):
        jax.eval_shape(enclose(function), Interval(-1.0, 1.0))


STOPPED = {
    "a constant": lambda x: x * lax.stop_gradient(x),
    "a part": lambda x: jnp.exp(x - lax.stop_gradient(x)),
    "the wrong sign": lambda x: jnp.log(jnp.sum(jnp.exp(x - (m := lax.stop_gradient(x[0]))))) - m,
    "another shift": lambda x: jax.nn.softmax(x) + lax.stop_gradient(x),
    "two shifts": lambda x: (
        jnp.exp(x - lax.stop_gradient(x)) / jnp.sum(jnp.exp(x - lax.stop_gradient(x)))
    ),
    "a shift for each entry": lambda x: (
        jnp.exp(x - (m := lax.stop_gradient(x))) / jnp.sum(jnp.exp(x - m))
    ),
    "a product": lambda x: jnp.exp(x * (m := lax.stop_gradient(x[0]))) / jnp.exp(m),
    "twice": lambda x: jnp.log(jnp.exp(2.0 * (x - (m := lax.stop_gradient(x[0]))))) + m,
    "a choice": lambda x: jnp.where((m := lax.stop_gradient(x[0])) > 0, x - m + m, x + 1.0),
    "a comparison": lambda x: jnp.where(x - lax.stop_gradient(x[0]) > 0.0, x, 2.0 * x),
    "in a loop": lambda x: lax.scan(
        lambda c, _: (c * lax.stop_gradient(c), None), x, None, length=70
    )[0],
    "reversed": lambda x: jnp.exp(x - (m := lax.stop_gradient(x))) / jnp.exp(jnp.flip(x - m)),
}


@pytest.mark.parametrize("name", STOPPED)
def test_other_stopped_gradients_are_refused(name):
    box = Interval(jnp.zeros(2), jnp.ones(2))
    for attempt in (
        lambda: jax.eval_shape(enclose(STOPPED[name], SMOOTH), box),
        lambda: jax.eval_shape(jacobian_family(STOPPED[name], "interval"), box.lower, box.upper),
    ):
        with pytest.raises(EnclosureError, match="'stop_gradient'"):
            attempt()


def test_values_of_stopped_gradients():
    """Without derivatives a `stop_gradient` is the number itself."""
    box = enclose(lambda x: x * lax.stop_gradient(x + 1.0))(Interval(1.0, 2.0))
    assert float(box.lower) <= 2.0 and 6.0 <= float(box.upper) < 6.001


def test_shifts_that_cancel_in_other_ways():
    """Whatever the code: the proof decides, and the derivative ignores the shift."""

    def function(x):
        shift = lax.stop_gradient(jnp.sin(x[1]))
        return jnp.sqrt(jnp.exp(2.0 * x) * jnp.square(jnp.exp(x - shift))) * jnp.exp(-(x - shift))

    jaxpr = anchored(jax.make_jaxpr(lambda x: jax.nn.softmax(x))(jnp.zeros(2)))
    assert any(equation.primitive is anchors.anchor_p for equation in jaxpr.jaxpr.eqns)
    compute = uncompiled(jacobian_family(function, "interval"))
    family = compute(jnp.full(2, 0.5), jnp.full(2, 0.5))
    np.testing.assert_allclose(family.centre, np.diag(np.exp([0.5, 0.5])), rtol=1e-12, atol=1e-12)


def test_an_undefined_shift_is_noticed():
    def function(x):
        shift = lax.stop_gradient(1.0 / x[0])
        return jnp.exp(x - shift) / jnp.exp(2.0 * x - shift)

    enclosed = uncompiled(enclose(function))
    assert bool(enclosed(Interval(-jnp.ones(2), jnp.ones(2))).is_unknown.all())
    assert not bool(enclosed(Interval(jnp.ones(2), jnp.full(2, 2.0))).is_unknown.any())


def test_softplus_has_no_kink_and_does_not_overflow():
    x = jnp.array([-1e300, -800.0, -1.0, 0.0, 3.0, 800.0, 1e300])
    box = jax.jit(enclose(jax.nn.softplus, SMOOTH))(Interval(x, x + 0.25))
    for number, low, high in zip(x.tolist(), box.lower.tolist(), box.upper.tolist(), strict=True):
        for exact in (arb(number), arb(number) + 0.25):
            value = exact if exact > 700 else arb(0) if exact < -1000 else exact.exp().log1p()
            assert low <= value and value <= high
    assert bool(jnp.isfinite(box.upper).all())
    wide = enclose(jnp.logaddexp)(Interval(-1.0, 1.0), Interval(-2.0, 3.0))
    assert float(wide.lower) == pytest.approx(float(jnp.logaddexp(-1.0, -2.0)))
    assert float(wide.upper) == pytest.approx(float(jnp.logaddexp(1.0, 3.0)))


def test_no_exact_value_escapes_logaddexp(escapes):
    def exact(x, y):
        low, high = (x, y) if x <= y else (y, x)
        return high + ((low - high).exp().log1p() if low - high > -1e4 else arb(2) ** -1100)

    assert not escapes(jnp.logaddexp, exact, seed=32, arity=2)[:3]


def test_only_the_same_code_is_recognised():
    @jax.custom_jvp
    def logaddexp(x, y):
        top = jnp.maximum(x, y)
        return top + jnp.log1p(jnp.exp(jnp.abs(x - y)))

    logaddexp.defjvp(lambda primals, tangents: (logaddexp(*primals), tangents[0]))
    (call,) = jax.make_jaxpr(logaddexp)(0.0, 0.0).jaxpr.eqns
    assert known.known_function(call) is None
    assert bool(enclose(logaddexp, SMOOTH)(Interval(0.0, 1.0), Interval(0.0, 1.0)).is_unknown)

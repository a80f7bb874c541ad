"""Elementwise rules against ball arithmetic: no exact value may escape, and the search can fail."""

import functools

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import Interval, enclose, margins
from certify.enclosure.elementary.record import monotone
from certify.enclosure.registry import RULES

arb = flint.arb


def where_positive(function, *, strictly=True):
    def exact(x, *rest):
        if x < 0 or (strictly and x == 0):
            return None
        return function(x, *rest)

    return exact


def clipped(x, low=-1e6, high=1e6):
    """Beyond a million, exponentials are beyond the floats, and soon beyond flint.

    Saturations are closer to their limit than 220 bits can tell even sooner.
    """
    return arb(high) if x > high else arb(low) if x < low else x


def exact_exp(x):
    return clipped(x).exp()


def exact_pow(x, y):
    if x < 0 or (x == 0 and y <= 0):
        return None
    return arb(0) if x == 0 else exact_exp(y * x.log())


def exact_log(x):
    return None if x < 0 else arb("-inf") if x == 0 else x.log()


def exact_log1p(x):
    return None if x < -1 else arb("-inf") if x == -1 else x.log1p()


def exact_divide(x, y):
    return None if y == 0 else x / y


def exact_power(n, x):
    return None if x == 0 and n < 0 else x**n


UNARY = {
    "neg": (lax.neg, lambda x: -x),
    "abs": (lax.abs, abs),
    "square": (lax.square, lambda x: x * x),
    "x_times_x": (lambda x: x * x, lambda x: x * x),
    "x_minus_x": (lambda x: x - x, lambda x: arb(0)),
    "sqrt": (lax.sqrt, where_positive(arb.sqrt, strictly=False)),
    "rsqrt": (lax.rsqrt, where_positive(arb.rsqrt)),
    "exp": (lax.exp, exact_exp),
    "exp2": (lax.exp2, lambda x: exact_exp(x * arb(2).log())),
    "log": (lax.log, exact_log),
    "log1p": (lax.log1p, exact_log1p),
    "expm1": (lax.expm1, lambda x: clipped(x, -140).expm1()),
    "tanh": (lax.tanh, lambda x: clipped(x, -70, 70).tanh()),
    "logistic": (lax.logistic, lambda x: 1 / (1 + exact_exp(-clipped(x, high=140)))),
    "over_a_constant": (lambda x: x / 3.0, lambda x: x / 3),
    "over_a_tiny_constant": (lambda x: x / 1e-307, lambda x: x / arb(1e-307)),
    "over_a_huge_constant": (lambda x: x / 1e307, lambda x: x / arb(1e307)),
    "square_root_as_power": (lambda x: lax.pow(x, 0.5), lambda x: exact_pow(x, arb(0.5))),
    "cube_as_power": (lambda x: lax.pow(x, 3.0), lambda x: x * x * x),
    "to_and_fro": (lambda x: (x + 1e8) - 1e8, lambda x: x),
    "two_constants": (lambda x: (x * 1.1) * 1.3, lambda x: x * arb(1.1) * arb(1.3)),
    "constants_cancel": (lambda x: (x * 3.0) / 3.0, lambda x: x),
    "log_of_exp": (lambda x: jnp.log(jnp.exp(x)), lambda x: x),
    "exp_times_exp": (lambda x: jnp.exp(x) * jnp.exp(-3.0 * x), lambda x: exact_exp(-2 * x)),
}
POWERS = (-7, -2, -1, 0, 1, 2, 3, 4, 10, 101)
BINARY = {
    "add": (lax.add, lambda x, y: x + y),
    "sub": (lax.sub, lambda x, y: x - y),
    "mul": (lax.mul, lambda x, y: x * y),
    "div": (lax.div, exact_divide),
    "pow": (lax.pow, exact_pow),
    "max": (lax.max, lambda x, y: x if x >= y else y),
    "min": (lax.min, lambda x, y: x if x <= y else y),
    "select": (lambda x, y: jnp.where(x < y, x, y), lambda x, y: x if x < y else y),
}


@pytest.mark.parametrize("name", UNARY)
def test_no_exact_value_escapes_a_unary_rule(escapes, name):
    assert not escapes(*UNARY[name], seed=1)[:3]


@pytest.mark.parametrize("n", POWERS)
def test_no_exact_value_escapes_an_integer_power(escapes, n):
    power = functools.partial(lax.integer_pow, y=n)
    assert not escapes(power, functools.partial(exact_power, n), seed=n + 50)[:3]


@pytest.mark.parametrize("name", BINARY)
def test_no_exact_value_escapes_a_binary_rule(escapes, name):
    assert not escapes(*BINARY[name], seed=2, arity=2)[:3]


class TestTheSearchCanFail:
    """The same search finds the fault when a rule is broken on purpose."""

    @pytest.mark.parametrize("name", ["exp", "log", "tanh", "sqrt", "mul", "add", "pow", "exp2"])
    def test_no_margin(self, escapes, monkeypatch, name):
        monkeypatch.setitem(margins.MARGINS, name, margins.ErrorMargin(-2.0, "broken on purpose"))
        known = UNARY.get(name) or BINARY[name]
        assert escapes(*known, seed=3, arity=1 if name in UNARY else 2)

    def test_exp2_with_the_margin_of_exp(self, escapes, monkeypatch):
        monkeypatch.setitem(margins.MARGINS, "exp2", margins.ErrorMargin(8.0, "broken on purpose"))
        assert escapes(*UNARY["exp2"], seed=3)

    @pytest.mark.parametrize("name", ["mul", "div", "sub"])
    def test_no_allowance_for_subnormals(self, escapes, monkeypatch, name):
        monkeypatch.setattr(margins, "TINY", 0.0)
        assert escapes(*BINARY[name], seed=4, arity=2)

    def test_one_endpoint_only(self, escapes, monkeypatch):
        broken = monotone("tanh", lambda x: lax.tanh(jnp.abs(x)), margins.MARGINS["tanh"])
        monkeypatch.setitem(RULES, "tanh", broken.rule)
        assert escapes(*UNARY["tanh"], seed=4)


@pytest.mark.full
def test_ends_of_the_number_line():
    """Overflow, underflow and infinite ends give bounds, never NaN."""
    ends = [
        -np.inf,
        -1.7e308,
        -1.0,
        -2.3e-308,
        -5e-324,
        0.0,
        5e-324,
        2.3e-308,
        1.0,
        1.7e308,
        np.inf,
    ]
    pairs = [(a, b) for a in ends for b in ends if a <= b]
    x = Interval(*(jnp.array(side) for side in zip(*pairs, strict=True)))
    both = [np.array(side) for side in np.meshgrid(np.arange(len(pairs)), np.arange(len(pairs)))]
    first, second = (Interval(x.lower[k.ravel()], x.upper[k.ravel()]) for k in both)
    for function, _ in UNARY.values():
        result = jax.jit(enclose(function))(x)
        assert bool((result.lower <= result.upper).all())
    for function, _ in BINARY.values():
        result = jax.jit(enclose(function))(first, second)
        assert bool((result.lower <= result.upper).all())


@pytest.mark.parametrize("name", ["exp", "exp2", "expm1", "tanh", "logistic", "square", "abs"])
def test_nothing_known_stays_unknown(name):
    """The range of tanh is bounded, but tanh of an undefined value is undefined."""
    function = UNARY[name][0]
    assert bool(enclose(lambda x: function(1.0 / x))(Interval(-1.0, 1.0)).is_unknown)


@pytest.mark.parametrize("name", ["max", "min", "pow", "sub", "div", "add"])
def test_nothing_known_of_either_operand_stays_unknown(name):
    function = BINARY[name][0]
    box = Interval(-1.0, 1.0)
    assert bool(enclose(lambda x: function(1.0 / x, 2.0))(box).is_unknown)
    assert bool(enclose(lambda x: function(2.0, 1.0 / x))(box).is_unknown)
    assert bool(enclose(lambda x: lax.sub(y := 1.0 / x, y))(box).is_unknown)


@pytest.mark.full
def test_bounds_are_tight():
    """Sound and useless is easy: on points the bounds are a few units apart."""
    x = jnp.linspace(0.5, 3.0, 101)
    for name in ("exp", "log1p", "tanh", "sqrt", "logistic", "square", "to_and_fro"):
        box = enclose(UNARY[name][0])(x)
        allowed = 1e-6 if name == "to_and_fro" else 1e-12
        assert float((box.width / box.magnitude).max()) < allowed


def test_division_by_what_has_a_subnormal_reciprocal():
    """XLA multiplies by the reciprocal of a constant, which is flushed to zero here."""
    box = Interval(jnp.float64(2.0**1022), jnp.float64(2.0**1023))
    found = jax.jit(enclose(lambda x: x / 2.0**1022.75))(box)
    assert found.lower <= 2.0**-0.75 and found.upper >= 2.0**0.25

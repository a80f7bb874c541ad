"""Rules broken on purpose: whatever operation is read wrongly, somebody notices.

There is one rule of expression graphs after the other, in a game that uses them all; and some rules
of intervals, of which nothing may be proved once they are too narrow.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import certify
import dgames as dg
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.graph import primitives
from certify.graph import trace as graphs
from certify.graph.nodes import Order
from certify.jacobian import evaluator
from certify.problem.field import flat_field
from certify.prove.differential import compare
from certify.prove.mismatch import MismatchError

pytestmark = pytest.mark.thin(5)

REGION = certify.Box.around({"a": 0.125, "b": 0.0}, 0.5)


def _vector(a, b):
    return jnp.stack([a, b, 0.5 + 0.0 * a])


def _system(a, b):
    rows = jnp.stack([jnp.stack([2.0 + a, b, 0.1 * a]), jnp.stack([a, 3.0 + b, b])])
    matrix = jnp.concatenate([rows, jnp.stack([b, a, 4.0 + a])[None]])
    return jnp.linalg.solve(matrix, _vector(a, b))


# What uses a rule, of numbers in REGION. Kinks are outside: of two derivatives JAX and graphs take
# different ones there, and no proof ever gets there.
USES = {
    "add": lambda a, b: (a + b) ** 2,
    "add_any": lambda a, b: jax.grad(lambda x: x * x * x)(a),
    "sub": lambda a, b: (a - b) ** 2,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (3.0 + b),
    "max": lambda a, b: jnp.maximum(a, b - 2.0),
    "min": lambda a, b: jnp.minimum(a, b + 2.0),
    "pow": lambda a, b: jnp.power(2.0 + a, 0.5 + b),
    "neg": lambda a, b: jnp.exp(-a),
    "abs": lambda a, b: jnp.abs(2.0 + a),
    "exp": lambda a, b: jnp.exp(a),
    "sqrt": lambda a, b: jnp.sqrt(2.0 + a),
    "sin": lambda a, b: jnp.sin(a),
    "cos": lambda a, b: jnp.cos(a),
    "tan": lambda a, b: jnp.tan(a),
    "tanh": lambda a, b: jnp.tanh(a),
    "sinh": lambda a, b: jnp.sinh(a),
    "cosh": lambda a, b: jnp.cosh(a),
    "atan": lambda a, b: jnp.arctan(a),
    "asin": lambda a, b: jnp.arcsin(a),
    "acos": lambda a, b: jnp.arccos(a),
    "erf": lambda a, b: jax.scipy.special.erf(a),
    "asinh": lambda a, b: jnp.arcsinh(a),
    "acosh": lambda a, b: jnp.arccosh(2.0 + a),
    "atanh": lambda a, b: jnp.arctanh(a),
    "logistic": lambda a, b: jax.nn.sigmoid(a),
    "logaddexp": lambda a, b: jnp.logaddexp(a, b),
    "log": lambda a, b: jnp.log(2.0 + a),
    "log1p": lambda a, b: jnp.log1p(a),
    "expm1": lambda a, b: jnp.expm1(a),
    "exp2": lambda a, b: jnp.exp2(a),
    "erfc": lambda a, b: jax.scipy.special.erfc(a),
    "rsqrt": lambda a, b: lax.rsqrt(2.0 + a),
    "sign": lambda a, b: jnp.sign(2.0 + a),
    "square": lambda a, b: jnp.square(a),
    "integer_pow": lambda a, b: a**3,
    "clamp": lambda a, b: lax.clamp(-2.0, a, 2.0),
    "dot_general": lambda a, b: _vector(a, b) @ _vector(b, a),
    "reduce_sum": lambda a, b: jnp.sum(_vector(a, b)) ** 2,
    "reduce_prod": lambda a, b: jnp.prod(_vector(a, b)),
    "reduce_max": lambda a, b: jnp.max(jnp.stack([a, b - 2.0])),
    "reduce_min": lambda a, b: jnp.min(jnp.stack([a, b + 2.0])),
    "cumsum": lambda a, b: jnp.cumsum(_vector(a, b))[0] ** 2,
    "cumprod": lambda a, b: jnp.cumprod(_vector(a, b))[0] * b,
    "solution": lambda a, b: _system(a, b)[0],
    "lt": lambda a, b: jnp.where(a < b + 2.0, a, b * b),
    "le": lambda a, b: jnp.where(a <= b + 2.0, a, b * b),
    "gt": lambda a, b: jnp.where(a > b + 2.0, a, b * b),
    "ge": lambda a, b: jnp.where(a >= b + 2.0, a, b * b),
    "is_finite": lambda a, b: jnp.where(jnp.isfinite(jnp.exp(a)), a, b * b),
    "select_n": lambda a, b: jnp.where(a < 2.0, a, b),
    "convert_element_type": lambda a, b: (a < b + 2.0).astype(jnp.float64),
    "not": lambda a, b: jnp.where(~(a < 2.0), a, b * b),
}
# Any number may stand for an anchor.
HARMLESS = {"anchor"}


@functools.cache
def game_of_all():
    """Every operation in one cost, at a rate that makes none of them small beside another."""

    def costs(x, args):
        a, b = x["a"], x["b"]
        return {"a": a**2 + sum(use(a, b) for use in USES.values()), "b": b**2 + a * b}

    return dg.game(costs)


@pytest.fixture(autouse=True)
def fresh():
    """Broken rules must not leave graphs behind, nor good graphs hide broken rules."""
    caches = (graphs.graph_data, graphs.graph_of, evaluator.evaluator)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def _broken(rule):
    """Another result of the same kind, in its first entry."""

    def wrong(nodes, equation, *operands):
        found = rule(nodes, equation, *operands)
        if isinstance(found, Order):
            return Order(found.high, found.low)
        if isinstance(found, np.ndarray):
            return ~found
        first, *rest = nodes.entries(found)
        builder = nodes.builder
        first = builder.node("add", first, builder.constant(0.03125))
        return nodes.collected([first, *rest], found.shape)

    return wrong


@pytest.mark.full
def test_every_rule_of_graphs_is_used():
    used = set()

    def noted(name, rule):
        def run(*arguments):
            used.add(name)
            return rule(*arguments)

        return run

    field = flat_field(game_of_all(), REGION)
    with pytest.MonkeyPatch.context() as patch:
        for name, rule in primitives.RULES.items():
            patch.setitem(primitives.RULES, name, noted(name, rule))
        graphs.graph_of(field)
    assert used == set(USES) == primitives.RULES.keys() - HARMLESS


@pytest.mark.full
def test_right_rules_are_not_accused():
    compare(game_of_all(), REGION, None, flat_field(game_of_all(), REGION))


@pytest.mark.parametrize("name", USES)
def test_a_broken_rule_of_graphs_is_noticed(name, monkeypatch):
    monkeypatch.setitem(primitives.RULES, name, _broken(primitives.RULES[name]))
    with pytest.raises(MismatchError, match="nothing is proved"):
        compare(game_of_all(), REGION, None, flat_field(game_of_all(), REGION))


# Of intervals: costs whose second derivatives need the rule, so that proofs do.
INTERVAL_RULES = {
    "sin": lambda a, b: 0.2 * jnp.sin(2.0 * a),
    "cos": lambda a, b: 0.2 * jnp.cos(2.0 * a),
    "exp": lambda a, b: 0.3 * jnp.exp(a) * b,
    "log": lambda a, b: 0.1 * jnp.square(3.0 + a) * jnp.log(3.0 + a),
    "mul": lambda a, b: 0.3 * a * a * b * b,
    "div": lambda a, b: 0.3 * a * b / (3.0 + a),
    "integer_pow": lambda a, b: 0.1 * a**4 + 0.1 * a * b,
    "square": lambda a, b: 0.3 * jnp.square(jnp.square(a + b)),
    "derivative": lambda a, b: 0.3 * jnp.tanh(2.0 * a) * b,
    "sqrt": lambda a, b: 0.3 * jnp.sqrt(3.0 + a) * a,
    "cosh": lambda a, b: 0.3 * jnp.cosh(a + b),
    "dot_general": lambda a, b: 0.1 * jnp.square(jnp.stack([a, b]) @ jnp.stack([b * b, a])),
}


def _narrow(rule):
    """The upper half of what is true."""

    def wrong(op, *operands):
        found = rule(op, *operands)
        middle = 0.5 * found.lower + 0.5 * found.upper
        return Interval(jnp.where(jnp.isfinite(middle), middle, found.lower), found.upper)

    return wrong


@pytest.mark.full
@pytest.mark.parametrize("name", INTERVAL_RULES)
def test_a_broken_rule_of_intervals_is_noticed(name, monkeypatch):
    def costs(x, args):
        a, b = x["a"], x["b"]
        return {"a": a**2 + INTERVAL_RULES[name](a, b), "b": b**2 + 0.1 * a * b}

    for table in (RULES, SMOOTH_RULES):
        if name in table:
            monkeypatch.setitem(table, name, _narrow(table[name]))
    try:
        found = certify.certify(
            dg.game(costs),
            REGION,
            enclosure=certify.IntervalMatrices(),
            search=certify.Search(max_cells=1),
        )
    except MismatchError:
        return
    assert found.status != "proved"

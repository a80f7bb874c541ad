"""The records of elementary functions are complete, and their parts agree with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.checker.graph import read_graph
from certify.checker.jets import SERIES
from certify.checker.reader import Reader
from certify.enclosure import Interval
from certify.enclosure.elementary import FLOATS, GRAPH, RECORDS, REPLACEMENTS, SLOPES
from certify.enclosure.registry import RULES, SMOOTH_RULES, Operation
from certify.graph.floats import evaluate
from certify.graph.trace import expression_graph

ENTIRE = Interval(jnp.full(1, -jnp.inf), jnp.full(1, jnp.inf))
# Operands at which every function is defined and smooth, and no derivative vanishes.
POINTS = {"acosh": (1.7,), "pow": (1.7, 2.4), "atan2": (0.6, 0.8), "integer_pow": (1.7,)}
PARAMETERS = {"integer_pow": {"y": 3}}
WITH_RULE = [name for name, record in RECORDS.items() if record.rule]


def point(name):
    if name in ("add", "sub", "mul", "div"):
        return (0.7, -1.3)
    return POINTS.get(name, (0.45,))


def operation(name):
    primitive = getattr(lax, f"{name}_p")
    return Operation(primitive, PARAMETERS.get(name, {}))


def compute(name, *operands):
    function = RECORDS[name].compute
    assert function is not None
    return function(*operands, **PARAMETERS.get(name, {}))


def operands(name):
    return [Interval.point(jnp.array([x])) for x in point(name)]


def test_names_are_those_of_primitives():
    for name in WITH_RULE:
        jaxpr = jax.make_jaxpr(lambda *x, name=name: compute(name, *x))(*point(name))
        assert [e.primitive.name for e in jaxpr.eqns] == [name]


def test_what_has_a_margin_can_be_measured():
    for name, record in RECORDS.items():
        if record.margin:
            assert record.compute and record.rule and record.exact, name
            assert record.sample and len({x.size for x in record.sample}) == 1, name


@pytest.mark.parametrize("name", WITH_RULE)
def test_rules_hold_the_value_and_know_nothing_of_the_unknown(name):
    rule, value = RULES[name], compute(name, *point(name))
    box = rule(operation(name), *operands(name))
    assert bool(box.contains(value).all())
    unknown = [ENTIRE, *operands(name)[1:]]
    assert bool(rule(operation(name), *unknown).is_unknown.all())
    if name in SMOOTH_RULES:
        smooth = SMOOTH_RULES[name]
        assert bool(smooth(operation(name), *operands(name)).contains(value).all())
        assert bool(smooth(operation(name), *unknown).is_unknown.all())


@pytest.mark.parametrize("name", [name for name in SLOPES if name != "derivative"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_slopes_hold_derivatives(name, order):
    first, *others = point(name)
    function = lambda x: compute(name, x, *others)  # noqa: E731
    for _ in range(order):
        function = jax.grad(function)
    rest = operands(name)[1:]
    around = Interval(jnp.array([first - 1e-9]), jnp.array([first + 1e-9]))
    box = SLOPES[name](operation(name), around, order, *rest)
    assert bool(box.contains(function(first)).all())
    assert float(box.width[0]) < 1e-6


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_replacements_are_the_same_function_with_the_same_derivative(name):
    x = point(name)[0]
    replaced = REPLACEMENTS[name]
    np.testing.assert_allclose(replaced(x), compute(name, x), rtol=1e-14)
    np.testing.assert_allclose(
        jax.grad(replaced)(x), jax.grad(lambda x: compute(name, x))(x), rtol=1e-13
    )


@pytest.mark.parametrize("name", sorted(set(GRAPH) - {"add_any"}))
def test_graphs_are_the_same_function(name):
    at = point(name)
    data = expression_graph(lambda x: [compute(name, *x)], len(at))
    graph = read_graph(Reader(data), len(at), 1)
    result = evaluate(graph, np.array([at]))
    np.testing.assert_allclose(result.outputs[0, 0], compute(name, *at), rtol=1e-13)
    slopes = jax.grad(lambda x: compute(name, *x))(jnp.array(at))
    np.testing.assert_allclose(result.gradients[0, 0], slopes, rtol=1e-12)


def test_operations_of_graphs_are_those_of_the_checker():
    """The checker decides which operations there are; each needs floats to be compared with."""
    assert set(FLOATS) == set(SERIES)
    assert all(RECORDS[name].graph for name in FLOATS)

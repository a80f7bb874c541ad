"""Hand-written derivatives are found whatever they wrap; those of JAX itself are known."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.special as special
import pytest
from jax import lax
from jax.extend import core

import certify
import dgames as dg
from certify.enclosure import EnclosureError
from certify.enclosure.programs.handwritten import is_of_jax
from certify.problem.traced_code import vetted

pytestmark = pytest.mark.thin(3)

# Functions with rules of their own, which their types do not show.
RELU: Any = jax.nn.relu
RELU6: Any = jax.nn.relu6

V, M = jnp.ones(3), jnp.ones((3, 2))


def handwritten(jaxpr):
    """The equations with a hand-written derivative, at any depth."""
    for equation in jaxpr.eqns:
        if equation.primitive.name.startswith(("custom_jvp", "custom_vjp")):
            yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from handwritten(inner)


def scanned(function):
    return lambda x: lax.scan(lambda c, _: (function(c), None), x, None, length=3)[0]


def with_rule(function, define):
    result = jax.custom_jvp(function)
    define(result)
    return result


def rule_of_relu(function):
    function.defjvp(RELU.jvp)


OF_JAX = {
    "relu": (jax.nn.relu, V),
    "relu6": (jax.nn.relu6, V),
    "batched relu": (jax.vmap(jax.nn.relu), V),
    "compiled relu": (jax.jit(jax.nn.relu), V),
    "checkpointed relu": (jax.checkpoint(jax.nn.relu), V),
    "derivative of relu": (jax.jacfwd(jax.nn.relu), V),
    "relu of float32": (jax.nn.relu, V.astype(jnp.float32)),
    "relu in a scan": (scanned(jax.nn.relu), V),
    "batched scan of softplus": (jax.vmap(scanned(jax.nn.softplus)), V),
    "branches": (lambda x: lax.cond(x[0] > 0.0, jax.nn.relu, jax.nn.softplus, x), V),
    "loop": (lambda x: lax.fori_loop(0, 3, lambda _, c: jax.nn.relu(c), x), V),
    "gradient of softplus": (jax.grad(jax.nn.softplus), 1.0),
    "mish": (jax.nn.mish, V),
    "logaddexp": (jnp.logaddexp, V, 2.0),
    "logaddexp2": (jnp.logaddexp2, V, 2.0),
    "batched logaddexp": (jax.vmap(jnp.logaddexp, (0, None)), V, 2.0),
    "logaddexp along columns": (jax.vmap(jnp.logaddexp, (1, None)), M, V),
    "sinc": (jnp.sinc, V),
    "curvature of sinc": (jax.hessian(jnp.sinc), 1.0),
    "xlogy": (special.xlogy, V, 2.0),
    "batched xlogy": (jax.vmap(jax.vmap(special.xlogy, (None, 0)), (0, None)), V, V),
    "xlog1py": (special.xlog1py, V, V),
    "entropy": (special.entr, V),
    "relative entropy": (special.rel_entr, V, V),
    "logit": (jax.vmap(special.logit), V),
    "determinant": (jnp.linalg.det, jnp.eye(4)),
    "logarithm of a determinant": (jnp.linalg.slogdet, jnp.eye(3)),
    "again with its rule": (with_rule(RELU.fun, rule_of_relu), 1.0),
}


@pytest.mark.parametrize("name", OF_JAX)
def test_rules_of_jax_are_known(name):
    function, *operands = OF_JAX[name]
    found = list(handwritten(jax.make_jaxpr(function)(*operands).jaxpr))
    assert all(map(is_of_jax, found)) and found


def by_slopes(function):
    function.defjvps(lambda tangent, _, x: -7.0 * tangent)


def by_rule(function):
    function.defjvp(lambda primals, tangents: (function(*primals), 7.0 * tangents[0]))


class Rule:
    """Something that is called and is no function."""

    def __call__(self, primals, tangents):
        return jnp.sin(*primals), 3.0 * tangents[0]


def backwards():
    result = jax.custom_vjp(jnp.tanh)
    result.defvjp(lambda x: (jnp.tanh(x), x), lambda _, t: (3.0 * t,))
    return result


def of_equinox():
    result = eqx.filter_custom_vjp(lambda x: jnp.sin(x))
    result.def_fwd(lambda _, x: (jnp.sin(x), x))
    result.def_bwd(lambda residuals, tangent, _, x: 3.0 * tangent)
    return result


def forwards_of_equinox():
    result = eqx.filter_custom_jvp(lambda x: jnp.sin(x))
    result.def_jvp(lambda primals, tangents: (jnp.sin(*primals), 3.0 * tangents[0]))
    return result


OF_USERS = {
    "sine by slopes": with_rule(jnp.sin, by_slopes),
    "sine by a rule": with_rule(jnp.sin, by_rule),
    "sine of lax": with_rule(lax.sin, by_slopes),
    "compiled": with_rule(jax.jit(jnp.cos), by_slopes),
    "compiled around": jax.jit(with_rule(jnp.cos, by_slopes)),
    "nested": with_rule(with_rule(jnp.sin, by_slopes), by_rule),
    "relu": with_rule(jax.nn.relu, by_slopes),
    "function of relu": with_rule(RELU.fun, by_slopes),
    "part of a function": with_rule(functools.partial(jnp.add, 1.0), by_slopes),
    "closure": with_rule(lambda x: jnp.logaddexp(x, V[0]), by_rule),
    "rule of another function": with_rule(jnp.tanh, rule_of_relu),
    "disguised": with_rule(functools.wraps(RELU.fun)(lambda x: x**2), rule_of_relu),
    "rule that is a function of JAX": with_rule(jnp.sin, lambda f: f.defjvps(jnp.multiply)),
    "part of a rule": with_rule(
        jnp.sin,
        lambda f: f.defjvp(
            functools.partial(lambda c, x, t: (jnp.sin(*x), c * t[0]), 3.0),
        ),
    ),
    "object": with_rule(jnp.sin, lambda f: f.defjvp(Rule())),
    "backwards": backwards(),
    "gradient": jax.custom_gradient(lambda x: (jnp.sin(x), lambda t: 3.0 * t)),
    "equinox": of_equinox(),
    "equinox forwards": forwards_of_equinox(),
    "root": lambda x: lax.custom_root(
        lambda y: y * y - x, 1.0, lambda _, y: y + 0.1, lambda g, y: y / g(1.0)
    ),
}
AROUND = {
    "alone": lambda f: f,
    "batched": lambda f: lambda x: jax.vmap(f)(x * V),
    "scan": scanned,
    "branch": lambda f: lambda x: lax.cond(x > 0.0, f, lambda y: y, x),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", OF_USERS)
def test_rules_of_users_are_refused(name, around):
    code = jax.make_jaxpr(AROUND[around](OF_USERS[name]))(1.0)
    with pytest.raises(EnclosureError, match="hand-written derivative"):
        vetted(code, "the costs")


def test_a_rule_that_replaces_one_of_jax_is_refused():
    """The rules are those that were there at first."""
    assert is_of_jax(next(handwritten(jax.make_jaxpr(jax.nn.relu6)(1.0).jaxpr)))
    rule = RELU6.jvp
    try:
        by_slopes(jax.nn.relu6)
        code = jax.make_jaxpr(lambda x: jax.nn.relu6(x))(1.0)
    finally:
        RELU6.jvp = rule
    with pytest.raises(EnclosureError, match="hand-written derivative"):
        vetted(code, "the costs")


@pytest.mark.full
def test_a_game_with_such_a_cost():
    slope = with_rule(jnp.sin, by_slopes)
    game = dg.game(
        lambda x, args: {
            "a": x["a"] ** 2 + 0.1 * slope(x["a"]),
            "b": x["b"] ** 2 + 0.1 * x["a"] * x["b"],
        }
    )
    with pytest.raises(EnclosureError, match="hand-written derivative"):
        certify.certify(game, certify.Box.around({"a": 0.0, "b": 0.0}, 1.0))

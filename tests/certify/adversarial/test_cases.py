"""Claims that were false once: each small game or step of which something was proved wrongly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import certify
import dgames as dg

pytestmark = pytest.mark.thin(2)


def wave(of_a, x, shift=0.0):
    """A cost of a, and a bowl for b."""
    a, b = x["a"], x["b"] - shift
    return {"a": of_a(a) + 0.1 * jnp.sin(a) * b, "b": b**2 + 0.1 * a * b}


def around(center):
    return certify.Box.around({"a": center, "b": 0.0}, 1.0)


def guarded(a):
    return jnp.where(jnp.isfinite(jnp.log(a)), (a - 0.5) ** 2, (a + 0.25) ** 2)


def by_index(a):
    k = jnp.array([1, 0], jnp.int32)[(a > 0).astype(jnp.uint8)]
    return lax.select_n(k, (a - 0.5) ** 2, (a + 0.4) ** 2)


def by_scatter(a):
    which = jnp.zeros(2).at[(a > 0).astype(jnp.int32)].add(1.0)
    return (a - which @ jnp.array([-0.3, 0.5])) ** 2


def by_anchor(a):
    m = lax.stop_gradient(jnp.log(a))
    return ((a + m) - m - 0.5) ** 2


def by_quotient(a):
    y = jnp.log(a + 0.9995)
    return (a - 0.5) ** 2 * (jnp.exp(y) / jnp.exp(y))


def by_unsigned(a):
    k = jnp.uint8(1) - a.astype(jnp.uint8)
    return jnp.where(k == 0, (a - 1.8) ** 2, (a - 0.6) ** 2)


GAMES = {
    "a guard": (guarded, around(0.4)),
    "an index": (by_index, certify.Box({"a": -1.0, "b": -0.5}, {"a": 1.0, "b": 0.5})),
    "a scatter": (by_scatter, around(0.1)),
    "an anchor": (by_anchor, around(0.4)),
    "a quotient": (by_quotient, around(0.0)),
    "an unsigned integer": (by_unsigned, certify.Box({"a": 0.2, "b": -1.0}, {"a": 2.8, "b": 1.0})),
}


@pytest.mark.full
@pytest.mark.parametrize("name", GAMES)
def test_what_jumps_or_is_undefined_is_undecided(name):
    of_a, region = GAMES[name]
    found = certify.certify(
        dg.game(lambda x, args: wave(of_a, x)), region, search=certify.Search(max_cells=100)
    )
    assert found.status == "undecided"
    assert "smooth" in str(found.reasons) or "finite" in str(found.reasons)


@pytest.mark.full
def test_derivatives_of_functions_that_jump_are_unknown():
    def function(x):
        return jnp.zeros(4).at[x.astype(jnp.int32)].add(x)[2]

    box = certify.Interval(jnp.float64(2.0), jnp.float64(3.0))
    found = certify.enclose_jacobian(function, method="interval")(box)
    assert float(found.lower) == -np.inf and float(found.upper) == np.inf


WRAPPING = {
    "a difference": lambda x: (jnp.uint8(1) - x.astype(jnp.uint8)).astype(jnp.float64),
    "a negative": lambda x: (-x.astype(jnp.uint8)).astype(jnp.float64),
    "wider": lambda x: (jnp.uint32(1) - x.astype(jnp.uint32)).astype(jnp.float64),
    "a narrow sum": lambda x: jnp.sum(
        jnp.stack([x, x]).astype(jnp.int8) * jnp.int8(50), dtype=jnp.int8
    ).astype(jnp.float64),
    "a comparison": lambda x: jnp.where(jnp.uint8(1) - x.astype(jnp.uint8) > 100, 1.0, 2.0),
}


@pytest.mark.parametrize("name", WRAPPING)
def test_integers_wrap_as_the_code_wraps(name):
    function = WRAPPING[name]
    found = certify.enclose(function)(certify.Interval(jnp.float64(0.5), jnp.float64(2.5)))
    values = jax.vmap(function)(jnp.linspace(0.5, 2.5, 101))
    assert float(found.lower) <= values.min() and values.max() <= float(found.upper)


def test_hand_written_derivatives_are_refused_whatever_they_wrap():
    rule = jax.custom_jvp(jnp.sin)
    rule.defjvps(lambda tangent, answer, x: -7.0 * tangent)
    game = dg.game(lambda x, args: wave(lambda a: a**2 + 0.1 * rule(a), x))
    with pytest.raises(certify.EnclosureError, match="hand-written derivative"):
        certify.certify(game, around(0.0))


def test_solvers_are_enclosed_as_they_solve():
    def function(x):
        return lax.custom_linear_solve(
            lambda v: 2 * v, jnp.stack([x, x]), solve=lambda _, b: b / 3, symmetric=True
        )

    found = certify.enclose(function)(certify.Interval(jnp.float64(1.0), jnp.float64(1.0)))
    assert bool(found.contains(jnp.full(2, 1.0) / 3).all())


@pytest.mark.full
def test_a_point_alone_refutes_nothing():
    """A branch for one point, which is the one that is looked at."""
    region = around(0.0)
    p = float(region.sample(jax.random.key(0), 256)[17][0])

    def costs(x, args):
        a, b = x["a"], x["b"]
        own = jnp.where(a == p, a**2 - 100 * (a - p) ** 2, a**2)
        return {"a": own + 0.01 * jnp.sin(a) * b, "b": b**2}

    assert (
        certify.certify(dg.game(costs), region, search=certify.Search(max_cells=40)).status
        != "refuted"
    )


# Steps of the user's own.

PLAIN = dg.game(lambda x, args: {"a": 0.5 * x["a"] ** 2, "b": 0.5 * x["b"] ** 2})


@pytest.mark.full
def test_every_smaller_step_is_claimed_only_where_it_is_so():
    c = 2.2**0.5
    game = dg.game(
        lambda x, args: {
            "a": -0.5 * x["a"] ** 2 + c * x["a"] * x["b"],
            "b": x["b"] ** 2 - c * x["a"] * x["b"],
        }
    )
    found = certify.largest_step(game, lambda h: dg.Simultaneous({"a": h, "b": h * h}), around(0.0))
    assert not found.smaller


def test_steps_that_jump_far_away_are_refused():
    def step(field, x):
        force = field(x)
        jump = jnp.where(x["a"] > 2.0**102, 2.0**103, 0.0)
        return {"a": x["a"] - 0.5 * force["a"] + jump, "b": x["b"] - 0.5 * force["b"]}

    with pytest.raises(certify.EnclosureError, match="not linear"):
        certify.contraction(PLAIN, step, certify.Box.around({"a": 0.0, "b": 0.0}, 2.0**104))


def test_steps_hand_on_the_arguments_that_are_certified():
    game = dg.game(lambda x, args: {k: args * 0.5 * v**2 for k, v in x.items()})

    def step(field, x):
        return jax.tree.map(lambda a, b: a - 0.3 * b, x, field(x, 10.0))

    with pytest.raises(certify.EnclosureError, match="other arguments"):
        certify.contraction(game, step, around(0.0), args=1.0)


# Subclasses of known classes.


def shifted(x, force, h):
    return jax.tree.map(lambda a, b: a + h * b, x, force)


class _Flipped(dg.PseudoGradient):
    def __call__(self, x, args=None):
        force = super().__call__(x, args)
        return {"a": -force["a"], "b": force["b"]}


class _OwnCosts(dg.ZeroSum):
    def payoff(self, x, args=None):
        return 0.5 * x["a"] ** 2 - 0.5 * x["b"] ** 2 + 0.3 * x["a"] * x["b"]

    def costs(self, x, args=None):
        p = self.payoff(x, args)
        return {"a": p - 5 * x["a"] ** 2, "b": -p - 5 * x["b"] ** 2}


class Simultaneous(dg.AbstractMethod):
    step_size: float

    def init(self, field, x, args=None):
        return None

    def step(self, field, x, state, args=None):
        return shifted(x, field(x, args), 3 * self.step_size), None


class Heun(dg.Heun):
    def step(self, field, x, state, args=None):
        return shifted(x, field(x, args), self.step_size), None


class _OtherPull(dg.Regularised):
    def pull(self, log_p):
        return jax.tree.map(lambda entry: -self.temperature * entry, log_p)


class _OtherMomentum(dg.Momentum):
    def step(self, field, x, state, args=None):
        return shifted(x, field(x, args), self.step_size), state


def test_fields_are_certified_as_what_they_are():
    game = dg.game(lambda x, args: wave(lambda a: a**2, x))
    assert (
        certify.certify(_Flipped(game), around(0.1), search=certify.Search(max_cells=100)).status
        != "proved"
    )


def test_costs_of_a_subclass_are_its_own():
    assert (
        certify.certify(
            _OwnCosts(), around(0.1), [dg.Alternating], search=certify.Search(max_cells=100)
        ).status
        != "proved"
    )


@pytest.mark.parametrize("method", [Simultaneous, Heun])
def test_steps_are_for_classes_not_for_names(method):
    game = dg.game(
        lambda x, args: {
            "a": 0.5 * x["a"] ** 2 + 0.3 * x["a"] * x["b"],
            "b": 0.5 * x["b"] ** 2 - 0.3 * x["a"] * x["b"],
        }
    )
    try:
        found = certify.certify(game, around(0.1), [method])
    except ValueError as error:
        assert "is not dgames." in str(error)
    else:
        assert not found.step_sizes and found.methods_without_step
    plain = certify.certify(game, around(0.1), [dg.Simultaneous, dg.Heun])
    with pytest.raises(ValueError, match="no step for"):
        plain.safe_method(method)


def test_regularisers_of_a_subclass_are_refused():
    game = _OtherPull(dg.games.MatrixGame.matching_pennies(), 0.5)
    with pytest.raises(ValueError, match="Regularised"):
        certify.certify_policies(game)


def test_rates_of_a_subclass_are_refused():
    with pytest.raises(ValueError, match="Momentum"):
        certify.rate(_OtherMomentum(0.3, -0.2), 0.5, 1.0)

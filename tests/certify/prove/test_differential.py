"""The last net: code that computes something else than what is about to be proved of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.graph import primitives
from certify.graph import trace as graphs
from certify.graph.builder import Builder
from certify.graph.floats import evaluate
from certify.problem.field import flat_field
from certify.prove.differential import compare
from certify.prove.mismatch import MismatchError
from certify.prove.probes import decision_gaps, probes

pytestmark = pytest.mark.thin(3)

REGION = certify.Box.around({"a": 0.125, "b": 0.0}, 1.0)


def game(own, other=lambda x: 0.1 * x["a"] * x["b"]):
    return dg.game(lambda x, args: {"a": x["a"] ** 2 + own(x), "b": x["b"] ** 2 + other(x)})


@pytest.fixture(autouse=True)
def fresh():
    """Broken rules must not leave graphs behind, nor good graphs hide broken rules."""
    graphs.graph_data.cache_clear()
    graphs.graph_of.cache_clear()
    yield
    graphs.graph_data.cache_clear()
    graphs.graph_of.cache_clear()


def unary(operation):
    return primitives.entrywise(lambda b, x: b.node(operation, x))


BROKEN = {
    "sin": (unary("cos"), lambda x: 0.1 * jnp.sin(x["a"]) * x["b"]),
    "tanh": (unary("sin"), lambda x: 0.1 * jnp.tanh(x["a"]) * x["b"]),
    "sub": (primitives.entrywise(Builder.add), lambda x: 0.1 * (x["a"] - x["b"]) ** 2),
    "logistic": (unary("tanh"), lambda x: 0.1 * jax.nn.sigmoid(x["a"]) * x["b"]),
    "neg": (primitives.entrywise(lambda b, x: x), lambda x: 0.1 * jnp.exp(-x["a"])),
    "log1p": (primitives.entrywise(Builder.log), lambda x: 0.1 * jnp.log1p(x["a"] + 3.0)),
    "rsqrt": (unary("sqrt"), lambda x: 0.1 * jax.lax.rsqrt(x["a"] + 3.0)),
    "square": (primitives.entrywise(lambda b, x: b.node("power", x, 3)), lambda x: x["a"] * 0.0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_of_graphs_is_noticed(name, monkeypatch):
    rule, own = BROKEN[name]
    if name == "square":
        own = lambda x: 0.1 * jax.lax.square(x["a"] - x["b"])  # noqa: E731
    monkeypatch.setitem(primitives.RULES, name, rule)
    broken = game(own)
    with pytest.raises(MismatchError, match=r"at \(a = .*nothing is proved"):
        compare(broken, REGION, None, flat_field(broken, REGION))


@pytest.mark.parametrize("name", BROKEN)
def test_a_right_rule_is_not_accused(name):
    own = BROKEN[name][1]
    right = game(own)
    compare(right, REGION, None, flat_field(right, REGION))


@pytest.mark.parametrize(
    "own",
    [
        lambda x: 0.0 * jnp.linalg.norm(jnp.stack([x["a"] - 0.125, x["b"]])),
        lambda x: jnp.where(x["a"] > -2.0, 0.0, jnp.sqrt(-2.0 - x["a"])),
        lambda x: 0.0 * jnp.exp(800.0 * (x["a"] + 1.0)),
    ],
    ids=["norm at the middle", "branch not taken", "overflow"],
)
def test_code_that_is_not_finite_is_noticed(own):
    """The second one is finite itself, but its derivative by JAX is not: runs would end there."""
    bad = game(own)
    with pytest.raises(MismatchError, match=r"not finite at \(a ="):
        compare(bad, REGION, None, flat_field(bad, REGION))


def test_impure_code_is_noticed():
    """A certificate speaks of the code as it was traced first."""
    calls = []

    def own(x):
        calls.append(1)
        return len(calls) * 0.01 * x["a"] * x["b"]

    impure = game(own)
    with pytest.raises(MismatchError):
        compare(impure, REGION, None, flat_field(impure, REGION))


def test_families_are_compared(monkeypatch):
    """An enclosure that is too narrow."""
    import dataclasses

    from certify.jacobian import by_taylor as taylor_family
    from certify.jacobian import evaluator

    honest = taylor_family.taylor_family

    def narrow(*arguments):
        family = honest(*arguments)

        def evaluate(lower, upper):
            found = family(lower, upper)
            return dataclasses.replace(
                found, generators=0.1 * found.generators, remainder=0.1 * found.remainder
            )

        return evaluate

    monkeypatch.setattr(evaluator, "taylor_family", narrow)
    evaluator.evaluator.cache_clear()
    bent = game(lambda x: 0.1 * jnp.sin(2.0 * x["a"] + 0.123) * x["b"])
    with pytest.raises(MismatchError, match="outside of its enclosure"):
        certify.certify(bent, REGION)
    evaluator.evaluator.cache_clear()


class TestProbes:
    def test_decisions_are_approached_from_both_sides(self):
        """To neighbouring floats, and the very number that the code asks for."""
        edge = 0.3217

        def own(x):
            return jnp.where(x["a"] > edge, 0.0, 0.0) + jnp.where(x["b"] == 0.25, 0.0, 0.0)

        decided = game(own)
        points = probes(flat_field(decided, REGION), REGION)
        above = points[points[:, 0] > edge, 0].min()
        below = points[points[:, 0] <= edge, 0].max()
        assert above <= np.nextafter(edge, 1.0) and below >= np.nextafter(edge, 0.0)
        assert (points[:, 1] == 0.25).any()

    def test_conversions_and_roundings(self):
        def own(x):
            return 0.0 * jnp.floor(3.0 * x["a"]) + 0.0 * x["b"].astype(jnp.int32).astype(
                jnp.float64
            )

        decided = flat_field(game(own), REGION)
        gaps = decision_gaps(decided.costs, 2)
        assert gaps is not None and gaps(jnp.array([2 / 3, 1.0])).shape == (2,)

    def test_loops_and_branches(self):
        def own(x):
            def body(carry, k):
                return jnp.where(carry > 0.2, carry, carry) * 1.0, None

            first, _ = jax.lax.scan(body, x["a"], jnp.arange(3))
            return 0.0 * jax.lax.cond(first > 0.1, lambda t: t, lambda t: -t, first)

        decided = flat_field(game(own), REGION)
        gaps = decision_gaps(decided.costs, 2)
        assert gaps is not None and gaps(jnp.zeros(2)).shape == (4,)

    def test_smooth_code_decides_nothing(self):
        assert decision_gaps(lambda x: [jnp.sin(x[0]) * x[1]], 2) is None

    def test_all_points_are_in_the_region(self):
        field = flat_field(game(lambda x: jnp.abs(x["a"])), REGION)
        lower, upper = REGION.bounds()
        points = probes(field, REGION)
        assert ((points >= lower) & (points <= upper)).all()
        assert (points == lower).all(1).any() and (points == upper).all(1).any()
        ball = certify.Ball({"a": 0.125, "b": 0.0}, 1.0)
        distance = np.linalg.norm(probes(field, ball) - np.array([0.125, 0.0]), axis=1)
        assert distance.max() <= 1.0 and distance.max() > 1 - 1e-9


@pytest.mark.full
def test_graphs_in_floats():
    """Against JAX, operation by operation."""

    def function(x):
        a, b = x[0], x[1]
        return [
            jnp.exp(a) * jnp.log(b) + jnp.sqrt(b) - jnp.sin(a) / jnp.cos(b),
            jnp.tan(a) + jnp.tanh(b) * jnp.sinh(a) + jnp.cosh(b) + jnp.arctan(a),
            jnp.arcsin(0.5 * a) + jnp.arccos(0.3 * b) + jax.lax.erf(a) + b**a + a**3 + b**-2.0,
            jnp.maximum(a, b) - jnp.minimum(a, 0.1) + jnp.abs(a) + jnp.where(a < b, a, b * b),
        ]

    from certify.checker.graph import read_graph
    from certify.checker.reader import Reader

    points = np.random.default_rng(0).uniform(0.2, 0.9, (20, 2))
    data = graphs.expression_graph(function, 2)
    found = evaluate(read_graph(Reader(data), 2, 4), points)
    stacked = lambda x: jnp.stack(function(x))  # noqa: E731
    np.testing.assert_allclose(found.outputs, jax.vmap(stacked)(points), rtol=1e-13)
    np.testing.assert_allclose(found.gradients, jax.vmap(jax.jacfwd(stacked))(points), rtol=1e-12)


ZOO = {
    "oligopoly": (
        dg.games.Oligopoly.murphy_sherali_soyster(),
        tuple(jnp.asarray(q) for q in dg.games.Oligopoly.published_equilibrium()),
    ),
    "bilinear": (dg.games.Bilinear(1.0), {"x": 0.1, "y": 0.2}),
    "quadratic": (dg.games.Quadratic.small_gain_nash(0.5, dim=1), (jnp.zeros(1), jnp.zeros(1))),
    "matrix game in logits": (
        dg.InLogits(dg.Regularised(dg.games.MatrixGame.matching_pennies(), 0.5)),
        (jnp.zeros(1), jnp.zeros(1)),
    ),
    "markov game": (
        dg.NaturalGradient(dg.Regularised(dg.games.MarkovGame.small_gain_nash(), 1.0)),
        (jnp.zeros((2, 1)), jnp.zeros((2, 1))),
    ),
}


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_is_what_it_is_taken_for(name):
    zoo, center = ZOO[name]
    if name == "bilinear":
        center = tuple(jnp.asarray(value) for value in center.values())
    region = certify.Box.around(center, 0.3)
    compare(zoo, region, None, flat_field(zoo, region))

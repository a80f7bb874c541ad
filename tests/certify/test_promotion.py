"""Games in lower precision: certified as games of real numbers, and the certificate says so."""

import json
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import certify
import dgames as dg
from certify.checker.reader import digest
from certify.flat import flat_field
from certify.tables import certificate_table

F32 = jnp.float32


class Networks(dg.Game):
    """Each player follows a small network of the other: `F = (x - s tanh(V y), y + s x)`."""

    weights: jax.Array
    share: jax.Array

    def costs(self, x, args=None):
        kind = x["a"].dtype
        seen = jnp.tanh(self.weights.astype(kind) @ x["b"])
        share = self.share.astype(kind)
        return {
            "a": 0.5 * jnp.sum((x["a"] - share * seen - args.astype(kind)) ** 2),
            "b": 0.5 * jnp.sum((x["b"] + share * x["a"]) ** 2),
        }

    def strategy_set(self, x):
        return dg.Box(F32(-1.0), F32(1.0))


WEIGHTS = np.random.default_rng(0).normal(size=(2, 2)).astype(np.float32)
TARGET = np.array([0.3, -0.1], np.float32)
CENTER = {"a": jnp.zeros(2, F32), "b": jnp.zeros(2, F32)}


def networks(kind):
    return Networks(jnp.asarray(WEIGHTS, kind), jnp.asarray(F32(0.1), kind))


@pytest.fixture(scope="module")
def single():
    """All in float32: weights, arguments and region."""
    return certify.certify(
        networks(F32), certify.Box.around(CENTER, F32(0.9)), args=jnp.asarray(TARGET)
    )


@pytest.fixture(scope="module")
def double():
    """The same numbers in float64."""
    return certify.certify(
        networks(jnp.float64),
        certify.Box.around(jax.tree.map(lambda x: x.astype(float), CENTER), float(F32(0.9))),
        args=jnp.asarray(TARGET, jnp.float64),
    )


def test_a_game_in_float32_is_the_same_game(single, double):
    assert single.status == double.status == "proved"
    for key in ("region", "claims", "evidence"):
        assert single.data[key] == double.data[key]
    assert single.margin > 0.8
    leaf = single.equilibrium.lower["a"]
    assert leaf.dtype == jnp.float64
    # Another way to the equilibrium: iterating best responses, in float64.
    a, b = np.zeros(2), np.zeros(2)
    weights, share = WEIGHTS.astype(float), float(F32(0.1))
    for _ in range(50):
        a, b = share * np.tanh(weights @ b) + TARGET.astype(float), -share * a
    for name, block in (("a", a), ("b", b)):
        assert np.all(np.asarray(single.equilibrium.lower[name]) - 1e-15 <= block)
        assert np.all(block <= np.asarray(single.equilibrium.upper[name]) + 1e-15)


def test_the_certificate_says_so(single, double, tmp_path):
    region, constants, arithmetic = single.promoted
    assert region.startswith("The region is given in float32")
    assert constants.startswith("There are float32 constants in the costs")
    assert "float32 arithmetic" in arithmetic and "the first: test_promotion.py:" in arithmetic
    assert single.data["trusted"][-3:] == list(single.promoted)
    path = single.save(tmp_path / "single.json")
    assert certify.check(path).ok
    assert certify.load(path).promoted == single.promoted
    assert "float32" in _shown(single)
    # Nothing is said of what is float64 anyway.
    assert double.promoted == () and "promoted" not in double.data
    assert "float32" not in json.dumps(double.data) and "promoted" not in _shown(double)
    path = double.save(tmp_path / "double.json")
    assert certify.load(path).promoted == ()


def test_the_statement_is_no_claim(single, tmp_path):
    """Whoever leaves it out, or writes nonsense, makes no false claim true; it is still read."""
    path = tmp_path / "c.json"
    data = {**single.data, "promoted": 3}
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    assert certify.check(path).ok
    with pytest.raises(certify.Unusable, match="promoted"):
        certify.load(path)


def _shown(certificate):
    console = Console(width=300)
    with console.capture() as capture:
        console.print(certificate_table(certificate))
    return capture.get()


def test_weights_in_float32_of_a_game_in_float64():
    """The margin is that of the weights as they are: exactly `1 + w` for `w = float32(0.1)`."""
    weights = jnp.full(2, 0.1, F32)

    def costs(x, args):
        with jax.numpy_dtype_promotion("standard"):
            own = weights * jnp.stack([x[0], x[1]]) ** 2
        return 0.5 * (x[0] ** 2 + own[0]), 0.5 * (x[1] ** 2 + own[1])

    found = certify.certify(dg.game(costs), certify.Box.around((0.0, 0.0), 1.0))
    (sentence,) = found.promoted
    assert sentence.startswith("There are float32 constants in the costs")
    exact = 1 + Fraction(float(F32(0.1)))
    assert Fraction(found.margin) <= exact <= Fraction(found.lipschitz)
    assert abs(Fraction(found.margin) - exact) < 1e-11


def test_rounding_inside_the_costs_is_left_out_and_stated():
    """In float32 this cost is flat, a staircase; of real numbers it is `x^2 / 2`."""

    def costs(x, args):
        rounded = [(block.astype(F32) + F32(1e8)) - F32(1e8) for block in x]
        return tuple((0.5 * block**2).astype(jnp.float64) for block in rounded)

    found = certify.certify(dg.game(costs), certify.Box.around((0.0, 0.0), 1.0))
    assert found.status == "proved" and abs(found.margin - 1.0) < 1e-6
    assert any("without the rounding" in sentence for sentence in found.promoted)


def test_without_a_proof_it_is_said_too():
    game = dg.game(lambda x, args: (-(x[0] ** 2), x[1] ** 2))
    found = certify.certify(game, certify.Box.around((F32(0.0), F32(0.0)), 1.0))
    assert found.status == "refuted"
    assert "float32" in found.promoted[0] and "float32" in _shown(found)


def test_zero_sum_games_and_balls():
    payoff = dg.zero_sum(lambda x, args: x[0] ** 2 + x[0] * x[1] - x[1] ** 2)
    ball = certify.Ball((F32(0.1), jnp.bfloat16(0.0)), 1.0)
    with jax.numpy_dtype_promotion("standard"):
        found = certify.certify(payoff, ball)
    assert found.status == "proved"
    assert "bfloat16 and float32" in found.promoted[0]
    assert found.data["region"]["center"][0] == float(F32(0.1)).hex()


def test_strategy_sets_are_compared_exactly():
    """The float32 nearest to 0.1 is above 0.1, and that of 0.7 is below 0.7."""
    game = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2), dg.Box(F32(-1.0), F32(0.7)))
    with pytest.raises(ValueError, match="leaves the strategy set"):
        flat_field(game, certify.Box((0.0, 0.0), (0.5, 0.7)))
    flat_field(game, certify.Box((0.0, 0.0), (0.5, float(F32(0.7)))))


def test_bits_are_refused():
    game = dg.game(lambda x, args: (x[0] ** 2 + jnp.frexp(x[0])[0], x[1] ** 2))
    with pytest.raises(certify.EnclosureError, match=r"bitcast.*float32.*test_promotion\.py"):
        certify.certify(game, certify.Box.around((F32(1.0), F32(0.0)), 0.5))


def test_hand_written_derivatives_are_refused_in_float32():
    @jax.custom_jvp
    def lie(x):
        return x**2

    lie.defjvp(lambda x, t: (lie(*x), -t[0]))
    game = dg.game(lambda x, args: (lie(x[0]), x[1] ** 2))
    with pytest.raises(certify.EnclosureError, match="hand-written derivative"):
        certify.certify(game, certify.Box.around((F32(1.0), F32(0.0)), 0.5))

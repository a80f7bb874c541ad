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
from certify.command.tables import certificate_table
from certify.problem.constraints import Constraints
from certify.problem.field import flat_field

F32 = jnp.float32


class Networks(dg.Game):
    """One player follows a network of the other: `F = (x - s sum(tanh(w y)) - t, y + s x)`."""

    weights: jax.Array
    share: jax.Array

    def costs(self, x, args=None):
        seen = jnp.sum(jnp.tanh(self.weights * x["b"]))
        return {
            "a": 0.5 * (x["a"] - self.share * seen - args) ** 2,
            "b": 0.5 * (x["b"] + self.share * x["a"]) ** 2,
        }

    def strategy_set(self, x):
        return dg.Box(F32(-1.0), F32(1.0))


WEIGHTS = np.array([0.7, -1.3, 0.1], np.float32)
CENTER = {"a": F32(0.0), "b": F32(0.0)}


def networks(kind):
    return Networks(jnp.asarray(WEIGHTS, kind), jnp.asarray(F32(0.1), kind))


@pytest.fixture(scope="module")
def single():
    """All in float32: weights, arguments and region."""
    return certify.certify(networks(F32), certify.Box.around(CENTER, F32(0.9)), args=F32(0.3))


@pytest.mark.full
def test_a_game_in_float32_is_the_same_game(single):
    single_region = certify.Box.around(CENTER, F32(0.9))
    double_region = certify.Box.around({"a": 0.0, "b": 0.0}, float(F32(0.9)))
    pair = (
        flat_field(networks(F32), single_region, F32(0.3)),
        flat_field(networks(jnp.float64), double_region, float(F32(0.3))),
    )
    for point in double_region.sample(jax.random.key(0), 5):
        values = [field.function(jnp.asarray(point)) for field in pair]
        np.testing.assert_allclose(*values, rtol=1e-14)
    assert pair[0].promoted == single.promoted and pair[1].promoted == ()
    assert single.status == "proved" and single.margin > 0.8
    assert single.data["region"] == double_region.to_json(float.hex)
    # Another way to the equilibrium: iterating best responses, in float64.
    best = {"a": 0.0, "b": 0.0}
    weights, share = WEIGHTS.astype(float), float(F32(0.1))
    for _ in range(50):
        seen = np.sum(np.tanh(weights * best["b"]))
        best = {"a": share * seen + float(F32(0.3)), "b": -share * best["a"]}
    lower, upper = single.equilibrium[:2]
    for name, value in best.items():
        assert lower[name].dtype == jnp.float64
        assert lower[name] - 1e-15 <= value <= upper[name] + 1e-15


def test_the_certificate_says_so(single, linear_certificate, tmp_path):
    region, constants, arithmetic = single.promoted
    assert region.startswith("The region is given in float32")
    assert constants.startswith("There are float32 constants in the costs")
    assert "float32 arithmetic" in arithmetic and "the first: test_promoted_games.py:" in arithmetic
    assert single.data["trusted"][-3:] == list(single.promoted)
    path = single.save(tmp_path / "single.json")
    assert certify.check(path).ok
    assert certify.load(path).promoted == single.promoted
    assert "float32" in _shown(single)
    # Nothing is said of what is float64 anyway.
    double = linear_certificate
    assert double.promoted == () and "promoted" not in double.data
    assert "float32" not in json.dumps(double.data) and "promoted" not in _shown(double)


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
        field = flat_field(payoff, ball)
    assert "bfloat16 and float32" in field.promoted[0] and field.zero_sum
    np.testing.assert_allclose(field.function(jnp.array([0.3, 0.7])), [1.3, 1.1], rtol=1e-14)
    assert ball.to_json(float.hex)["center"][0] == float(F32(0.1)).hex()


def test_strategy_sets_are_compared_exactly():
    """The float32 nearest to 0.1 is above 0.1, and that of 0.7 is below 0.7."""
    game = dg.game(lambda x, args: (x[0] ** 2, x[1] ** 2), dg.Box(F32(-1.0), F32(0.7)))
    with pytest.raises(ValueError, match="leaves the strategy set"):
        _require_inside(game, certify.Box((0.0, 0.0), (0.5, 0.7)))
    _require_inside(game, certify.Box((0.0, 0.0), (0.5, float(F32(0.7)))))


def _require_inside(game, region):
    Constraints.of(game, region).require_inside(region)


def test_bits_are_refused():
    def bits(x):
        return jax.lax.bitcast_convert_type(x, jnp.int32).astype(jnp.float32)

    game = dg.game(lambda x, args: (x[0] ** 2 + bits(x[0]), x[1] ** 2))
    with pytest.raises(certify.EnclosureError, match=r"bitcast.*float32.*test_promoted_games\.py"):
        certify.certify(game, certify.Box.around((F32(1.0), F32(0.0)), 0.5))


def test_hand_written_derivatives_are_refused_in_float32():
    @jax.custom_jvp
    def lie(x):
        return x**2

    lie.defjvp(lambda x, t: (lie(*x), -t[0]))
    game = dg.game(lambda x, args: (lie(x[0]), x[1] ** 2))
    with pytest.raises(certify.EnclosureError, match="hand-written derivative"):
        certify.certify(game, certify.Box.around((F32(1.0), F32(0.0)), 0.5))

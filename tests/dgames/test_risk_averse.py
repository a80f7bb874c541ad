"""Variance-penalised games in normal form: both variances against enumeration, and closed forms."""

import itertools

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg
from dgames.games import MatrixGame, RiskAverse

HUNT = MatrixGame([[4.0, 0.0], [3.0, 3.0]], [[4.0, 3.0], [0.0, 3.0]])  # stag or hare


def enumerated(payoffs, weights, x, risk):
    """Costs by the definition, profile after profile."""
    costs = []
    for i, own in enumerate(payoffs):
        kept = {}  # of each profile of the others: its probability, and the expected payoff
        mean = square = 0.0
        for profile in itertools.product(*(range(len(block)) for block in x)):
            chance = np.prod([block[a] for block, a in zip(x, profile, strict=True)])
            mean, square = mean + chance * own[profile], square + chance * own[profile] ** 2
            others = profile[:i] + profile[i + 1 :]
            given = kept.setdefault(others, [0.0, 0.0])
            given[0] += chance
            given[1] += x[i][profile[i]] * own[profile]
        spread = sum(chance * given**2 for chance, given in kept.values()) - mean**2
        costs.append(weights[i] * (spread if risk == "others" else square - mean**2) - mean)
    return costs


@pytest.mark.parametrize("risk", ("others", "total"))
def test_costs_are_those_of_the_definition(risk):
    rng = np.random.default_rng(0)
    payoffs, weights = rng.normal(size=(3, 2, 3, 2)), np.array([0.3, 0.0, 2.0])
    x = tuple(rng.dirichlet(np.ones(n)) for n in (2, 3, 2))
    game = RiskAverse(MatrixGame(*payoffs), weights, risk)
    np.testing.assert_allclose(game.costs(x), enumerated(payoffs, weights, x, risk), atol=1e-12)


def test_one_variance_is_convex_in_the_own_strategy_and_the_other_concave():
    rng = np.random.default_rng(1)
    payoffs = rng.normal(size=(2, 3, 3))
    y = rng.dirichlet(np.ones(3))
    for risk, sign in (("others", 1), ("total", -1)):
        game = RiskAverse(MatrixGame(*payoffs), 1.0, risk)  # pyright: ignore
        bends = []
        for _ in range(10):
            a, b = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3))
            ends = [float(game.costs((x, y))[0]) for x in (a, (a + b) / 2, b)]
            bends.append(sign * (ends[0] + ends[2] - 2 * ends[1]))
        assert min(bends) > 0


def test_the_two_variances_agree_where_players_do_not_mix():
    x = (jnp.array([0.0, 1.0]), jnp.array([0.3, 0.7]))
    one, other = (RiskAverse(HUNT, 0.7, risk).costs(x)[0] for risk in ("others", "total"))
    assert np.isclose(one, other, atol=1e-12)


def test_an_equilibrium_of_the_stag_hunt_in_closed_form():
    """With p = q the first-order condition is `32 w q^2 (1 - q) = 4 q - 3`: w = 25/108 at q = .9.

    Without aversion q = 3/4 makes the other one indifferent; who fears variance needs more trust.
    """
    x = (jnp.array([0.9, 0.1]),) * 2
    slopes = dg.pseudo_gradient(RiskAverse(HUNT, 25 / 108))(x)
    np.testing.assert_allclose(slopes[0] - slopes[0][0], 0, atol=1e-12)
    np.testing.assert_allclose(slopes[1] - slopes[1][0], 0, atol=1e-12)
    neutral = dg.pseudo_gradient(RiskAverse(HUNT, 0.0))((jnp.array([0.75, 0.25]),) * 2)
    np.testing.assert_allclose(neutral[0] - neutral[0][0], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("weight", "risk", "message"),
    (
        (-1.0, "others", "not negative"),
        ([1.0, 1.0, 1.0], "others", "one for each of 2 players"),
        (1.0, "mean", '"others" or "total", got \'mean\''),
    ),
)
def test_what_is_wrong_is_said(weight, risk, message):
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match=f"{message}|Type-check error"):
        RiskAverse(HUNT, weight, risk)


@pytest.mark.full
def test_learning_in_logits_is_certified():
    """In a box around uniform play: the proof takes a game with variance as it is."""
    import certify

    game = RiskAverse(MatrixGame.matching_pennies(), 0.5)
    game = dg.InLogits(dg.Regularised(game, 0.5))
    edge = (jnp.full(1, 0.25),) * 2
    found = certify.certify(game, certify.Box(tuple(-e for e in edge), edge))
    assert found.status == "proved"
    assert 0.33 < found.margin < 0.5

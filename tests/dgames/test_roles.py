"""Who minimises in a zero-sum game: said by name, or beyond doubt, or an error."""

from collections import OrderedDict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

pytestmark = pytest.mark.thin(3)

# Written with the player who is meant to minimise first; sorted, the other comes first.
UNSORTED = [
    ("min", "max"),
    ("generator", "discriminator"),
    ("model", "adversary"),
    ("learner", "adversary"),
    ("defender", "attacker"),
    ("x", "w"),
    ("theta", "psi"),
    ("b", "a"),
    ("player2", "player1"),
]


def payoff_of(least, most):
    """Convex in one, concave in the other; the saddle point is zero."""
    return lambda x, args: 0.5 * x[least] ** 2 + 2.0 * x[least] * x[most] - 0.5 * x[most] ** 2


USES = [
    lambda game, x: game.costs(x),
    lambda game, x: dg.pseudo_gradient(game)(x),
    lambda game, x: dg.pseudo_gradient(game).block(x, 0),
    dg.residual,
    dg.check_game,
    dg.jacobian_blocks,
    dg.jacobian_operator,
    lambda game, x: dg.step_jacobian(game, dg.Simultaneous(0.1), x),
    lambda game, x: dg.solve(game, dg.Extragradient(0.1), x, max_steps=1),
    lambda game, x: dg.flow(game, x, 0.1),
]


@pytest.mark.parametrize("use", USES)
def test_an_order_that_differs_from_the_written_one_is_an_error(use):
    game = dg.zero_sum(payoff_of("min", "max"))
    with pytest.raises(ValueError, match="written in the order min, max") as error:
        use(game, {"min": 1.0, "max": 2.0})
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.parametrize("names", UNSORTED)
def test_names_out_of_order_are_refused_and_roles_by_name_are_played(names):
    least, most = names
    x = {least: jnp.array(1.0), most: jnp.array(3.0)}
    payoff = payoff_of(least, most)
    with pytest.raises(ValueError, match=f'minimiser="{least}"'):
        dg.residual(dg.zero_sum(payoff), x)
    for roles in (
        {"minimiser": least},
        {"maximiser": most},
        {"minimiser": least, "maximiser": most},
    ):
        game = dg.zero_sum(payoff, **roles)
        assert game.costs(x)[least] == payoff(x, None) == -game.costs(x)[most]
        field = dg.pseudo_gradient(game)
        force = field(x)
        assert force[least] == 1.0 + 6.0 and force[most] == 3.0 - 2.0
        assert field.block(x, list(dg.player_names(x)).index(least)) == force[least]
        assert field.block(x, list(dg.player_names(x)).index(most)) == force[most]


def test_the_game_that_is_meant_is_solved():
    game = dg.zero_sum(payoff_of("min", "max"), minimiser="min", maximiser="max")
    for method in (dg.Extragradient(0.1), dg.Alternating(0.1)):
        solution = dg.solve(game, method, {"min": 1.0, "max": 1.0})
        assert solution.result == dg.RESULTS.successful
        assert all(abs(value) < 1e-8 for value in solution.strategy.values())


def test_where_the_written_order_is_lost_only_clear_names_will_do():
    """Inside transformations JAX has sorted the keys already."""
    for names, clear in ((("a", "b"), True), (("p1", "p2"), True), (("buyer", "seller"), False)):
        game, x = dg.zero_sum(payoff_of(*names)), dict.fromkeys(names, 1.0)
        assert float(dg.residual(game, x)) == pytest.approx(
            np.hypot(3.0, 1.0)
        )  # as written: sorted
        for use in (
            lambda x, game=game: dg.residual(game, x),
            lambda x, game=game: dg.solve(game, dg.Simultaneous(0.1), x, max_steps=1).strategy,
        ):
            if clear:
                jax.eval_shape(jax.jit(use), x)
            else:
                with pytest.raises(ValueError, match="no longer known"):
                    jax.eval_shape(jax.jit(use), x)


class Pair(NamedTuple):
    """Named tuples keep the order in which they are declared."""

    generator: Any
    discriminator: Any


@pytest.mark.parametrize(
    "x",
    [(2.0, 3.0), [2.0, 3.0], Pair(2.0, 3.0), OrderedDict(zz=2.0, aa=3.0)],
    ids=lambda x: type(x).__name__,
)
def test_other_containers_have_the_order_they_show(x):
    game = dg.zero_sum(lambda x, args: dg.blocks(x)[0] ** 2 * dg.blocks(x)[1])
    assert dg.blocks(game.costs(x)) == (12.0, -12.0)
    assert dg.blocks(dg.pseudo_gradient(game)(x)) == (12.0, -4.0)


def test_decorators_and_classes_name_roles():
    @dg.zero_sum(minimiser="generator", strategy_set=dg.Box(-1.0, 1.0))
    def training(x, args):
        return x["generator"] * x["discriminator"]

    class Training(dg.ZeroSum):
        scale: float
        minimiser = "generator"

        def payoff(self, x, args=None):
            return self.scale * x["generator"] * x["discriminator"]

    class Other(Training):
        minimiser = None
        maximiser = "discriminator"

    x = {"generator": 2.0, "discriminator": 3.0}
    for game in (training, Training(1.0), Other(1.0)):
        assert game.costs(x) == {"generator": 6.0, "discriminator": -6.0}
        assert dg.pseudo_gradient(game)(x)["generator"] == 3.0
    assert training.strategy_set(x) == dg.Box(-1.0, 1.0)


@pytest.mark.parametrize("names", [("theta", "psi"), ("generator", "critic")])
def test_the_zoo(names):
    x = dict(zip(names, (2.0, 0.5), strict=True))
    for make in (dg.games.DiracGAN, lambda **roles: dg.games.Bilinear(3.0, **roles)):
        by_position = dg.pseudo_gradient(make())((2.0, 0.5))
        with pytest.raises(ValueError, match="who minimises"):
            dg.residual(make(), x)
        named = dg.pseudo_gradient(make(minimiser=names[0]))(x)
        assert tuple(named[name] for name in names) == by_position
    matrix = dg.games.Bilinear([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], maximiser=names[1])
    rows = matrix.payoff({names[0]: jnp.array([1.0, 0.0]), names[1]: jnp.array([0.0, 0.0, 1.0])})
    assert rows == 3.0


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"minimiser": "c"}, "'c', who is not among the players a, b"),
        ({"maximiser": "c"}, "'c', who is not among"),
        ({"minimiser": "a", "maximiser": "a"}, "cannot both"),
        # The runtime type checks of the tests are quicker.
        ({"minimiser": 0}, "the name of a player|parameter 'minimiser'"),
        ({"maximiser": lambda x: x}, "the name of a player|parameter 'maximiser'"),
    ],
)
def test_roles_that_are_nobodys(roles, message):
    with pytest.raises((ValueError, TypeError), match=message):
        dg.zero_sum(payoff_of("a", "b"), **roles).costs({"a": 1.0, "b": 1.0})


@pytest.mark.full
def test_certificates_are_of_the_game_that_is_meant():
    payoff, region = payoff_of("min", "max"), certify.Box.around({"min": 0.0, "max": 0.0}, 1.0)
    with pytest.raises(ValueError, match="Name the roles"):
        certify.certify(dg.zero_sum(payoff), region)
    meant = certify.certify(dg.zero_sum(payoff, minimiser="min"), region)
    assert meant.status == "proved" and meant.margin == pytest.approx(1.0, abs=1e-3)
    opposite = certify.certify(dg.zero_sum(payoff, minimiser="max"), region)
    assert opposite.status == "refuted"


POSITIONAL = [
    dg.games.MatrixGame([[3.0, 0.0], [5.0, 1.0]]),
    dg.games.MatrixGame([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]),
    dg.Regularised(dg.games.MatrixGame.matching_pennies(), 0.5),
    dg.games.PreferenceGame([[0.5, 0.9], [0.1, 0.5]]),
]


@pytest.mark.parametrize("game", POSITIONAL, ids=lambda game: type(game).__name__)
def test_games_that_know_players_by_position(game):
    """The row player of a matrix is the first, and not the one who comes later in the alphabet."""
    mixed = jnp.array([0.25, 0.75]), jnp.array([0.5, 0.5])
    with pytest.raises(ValueError, match=r"by position.*order row, column"):
        dg.residual(game, {"row": mixed[0], "column": mixed[1]})
    by_name = dg.residual(game, {"a row": mixed[0], "column": mixed[1]})
    assert by_name == dg.residual(game, mixed)

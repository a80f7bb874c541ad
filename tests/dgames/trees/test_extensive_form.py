"""Games in extensive form: policies by name, normal forms, and malformed games."""

from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from numpy.testing import assert_allclose

import dgames as dg
from dgames import Chance, Decision, ExtensiveForm, Leaf
from dgames.games import kuhn_poker

PAIR = ("A", "B")
END, LEFT = Leaf((1, -1)), ("left", "right")


def form(root, players=PAIR):
    return ExtensiveForm("a game", players, root)


def test_policies_have_names():
    kuhn = kuhn_poker()
    bluff = {"J": {"pass": 2 / 3, "bet": 1 / 3}, "K": {"bet": 1.0}, "Jpb": {"pass": 1.0}}
    q = kuhn.strategy("first", bluff)
    assert_allclose(
        np.sort(q), np.sort([1, 2 / 3, 1 / 3, 0, 1, 1 / 2, 1 / 2, 2 / 3, 0, 0, 0, 0.25, 0.25])
    )
    told = kuhn.policy(0, q)
    assert list(told) == [name for name, _ in kuhn.infosets("first")]
    assert told["J"] == {"pass": 2 / 3, "bet": 1 / 3} and told["K"] == {"pass": 0, "bet": 1}
    assert told["Kpb"] == {"pass": 0.5, "bet": 0.5}  # where it does not come
    assert_allclose(kuhn.strategy(0, told), q)


@pytest.mark.parametrize(
    ("policy", "message"),
    (
        ({"X": {}}, "player 'first' has no information set 'X'; it has 'J', 'Q', 'K'"),
        ({"J": {"fold": 1.0}}, "has no action 'fold'; it has 'pass', 'bet'"),
        ({"J": {"bet": 0.5}}, "add up to 0.5, not to one"),
        ({"J": {"bet": 1.5, "pass": -0.5}}, "is negative"),
    ),
)
def test_malformed_policies(policy, message):
    with pytest.raises(ValueError, match=message):
        kuhn_poker().strategy("first", policy)


def test_players_are_there():
    kuhn = kuhn_poker()
    with pytest.raises(ValueError, match="no player 'third'; there are 'first', 'second'"):
        kuhn.infosets("third")
    with pytest.raises(ValueError, match="there are 2 players; got the position 2"):
        kuhn.policy(2, jnp.ones(13))
    with pytest.raises(ValueError, match=r"13 sequences; got an array of shape \(6, 2\)"):
        kuhn.policy(0, jnp.ones((6, 2)))


@pytest.mark.full
def test_three_players_and_their_normal_form():
    """Each of three players, who see nothing, says 0 or 1 (the third only if the first said 1)."""

    def end(a, b, c):
        return Leaf((a + 2 * b, b * c, Fraction(1, 3) * (a - c)))

    def third(a, b):
        names, ends = ("0", "1"), (end(a, b, 0), end(a, b, 1))
        return Decision(2, "C", names, ends) if a else end(a, b, 0)

    root = Decision(
        0,
        "A",
        ("0", "1"),
        tuple(Decision(1, "B", ("0", "1"), (third(a, 0), third(a, 1))) for a in (0, 1)),
    )
    game = form(root, ("A", "B", "C")).game()
    normal = game.normal_form()
    assert normal.payoffs.shape == (3, 2, 2, 2)
    a, b, c = np.indices((2, 2, 2))
    said = c * a
    expected = np.stack([a + 2 * b, b * said, (a - said) / 3])
    assert_allclose(normal.payoffs, expected, rtol=1e-15)
    x = tuple(jnp.array(p) for p in ([0.3, 0.7], [0.9, 0.1], [0.6, 0.4]))
    q = tuple(jnp.concatenate([jnp.ones(1), p]) for p in x)
    assert_allclose(game.costs(q), normal.costs(x), rtol=1e-14)
    assert_allclose(dg.nash_gaps(game, q), dg.nash_gaps(normal, x), rtol=1e-13)


def test_kuhn_in_normal_form():
    game = kuhn_poker().game()
    normal = game.normal_form()
    assert normal.payoffs.shape == (2, 27, 64)
    payoff = np.asarray(normal.payoffs[0])
    # The largest (pi - pi')'A(sigma - sigma') is 10/3: a quarter of it is the published constant.
    spread = (payoff[:, None] - payoff[None, :]).max(-1) - (payoff[:, None] - payoff[None, :]).min(
        -1
    )
    assert_allclose(spread.max() / 4, 5 / 6, rtol=1e-14)
    with pytest.raises(ValueError, match="27 x 64 profiles, more than the limit 1000"):
        game.normal_form(limit=1000)


def test_deep_trees():
    """Deeper than Python's own stack."""
    node = END
    for depth in range(3000):
        node = Decision(depth % 2, f"{depth}", ("stop", "go"), (Leaf((depth, 0)), node))
    deep = form(node)
    assert repr(deep) == "ExtensiveForm(title='a game', players=('A', 'B'))"
    assert len(deep.infosets(0)) == len(deep.infosets(1)) == 1500
    stopping = {name: {"stop": 1.0} for name, _ in deep.infosets(1)}
    assert deep.strategy(1, stopping)[1] == 1


@pytest.mark.parametrize(
    ("root", "message"),
    (
        (Leaf((1,)), "one payoff for each of 2 players"),
        (Leaf((1, float("nan"))), "payoffs are finite"),
        ("leaf", "a Leaf, a Chance or a Decision; got one of type str"),
        (Decision(2, "x", LEFT, (END, END)), "of player 2, but there are 2 players"),
        (Decision(0, "x", LEFT, (END,)), "2 actions and 1 children"),
        (Decision(0, "x", (), ()), "at least one"),
        (Decision(0, "x", ("a", "a"), (END, END)), "two actions of one name"),
        (Chance(LEFT, (0.5,), (END, END)), "has 1 probabilities"),
        (Chance(LEFT, (0.5, 0.4), (END, END)), "add up to 0.9, not to one"),
        (Chance(LEFT, (Fraction(1, 2), Fraction(1, 3)), (END, END)), "add up to 5/6"),
        (Chance(LEFT, (1.5, -0.5), (END, END)), "is negative"),
        (
            Chance(
                LEFT,
                (0.5, 0.5),
                (Decision(0, "x", LEFT, (END, END)), Decision(0, "x", ("a",), (END,))),
            ),
            "information set 'x' of player 'A' has the actions",
        ),
        (
            Decision(0, "x", LEFT, (Decision(0, "y", LEFT, (END, END)),) * 2),
            "reached after different actions of that player",
        ),
    ),
)
def test_malformed_games(root, message):
    with pytest.raises((ValueError, TypeCheckError), match=rf"{message}|Type-check error"):
        form(root).game()


def test_games_have_players():
    with pytest.raises(ValueError, match="a tuple of players' names"):
        form(Leaf(()), ()).game()


def test_probabilities_may_miss_one_by_rounding():
    tenths = Chance(tuple("abcdefghij"), (0.1,) * 10, (END,) * 10)
    assert form(tenths).game().payoffs.shape == (2, 10)


def test_costs_are_of_strategies_in_sequence_form():
    game = kuhn_poker().game()
    with pytest.raises(ValueError, match=r"13, 13 sequences; got shapes \(6, 2\), \(13,\)"):
        game.costs((jnp.ones((6, 2)), jnp.ones(13)))
    with pytest.raises(ValueError, match=r"regularise it with dgames\.RegularisedTree"):
        dg.Regularised(game, 0.1)
    with pytest.raises(ValueError, match="InLogits is of games on simplices"):
        dg.InLogits(game)
    needs = r"of a game on simplices it is Regularised|Type-check error"
    with pytest.raises((ValueError, TypeCheckError), match=needs):
        pennies: Any = dg.games.MatrixGame.matching_pennies()
        dg.RegularisedTree(pennies, 0.1)

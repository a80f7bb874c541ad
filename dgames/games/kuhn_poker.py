"""Kuhn's poker of three cards."""

from fractions import Fraction
from itertools import permutations

from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf, Node

_CARDS = ("J", "Q", "K")


def kuhn_poker() -> ExtensiveForm:
    """Kuhn's poker: each of two players antes one chip and is dealt one of three cards.

    A player passes or bets one chip; who faces a bet may fold by passing. The value of the game for
    the first player is -1/18, and information sets are named by the card and the actions so far.

    >>> game = kuhn_poker().game()
    >>> [(t.sequences, t.infosets) for t in game.treeplexes], game.payoffs.shape
    ([(13, 6), (13, 6)], (2, 30))

    References:
        Kuhn, *A simplified two-person poker*, Contributions to the Theory of Games I (1950).
    """
    deals = list(permutations(range(3), 2))
    return ExtensiveForm(
        "Kuhn poker",
        ("first", "second"),
        Chance(
            tuple(_CARDS[a] + _CARDS[b] for a, b in deals),
            (Fraction(1, len(deals)),) * len(deals),
            tuple(_after(deal, "") for deal in deals),
        ),
    )


def _after(cards: tuple[int, int], actions: str) -> Node:
    stakes = {"pp": 1, "bp": 1, "bb": 2, "pbp": 1, "pbb": 2}
    if actions in stakes:
        folded = actions.endswith("bp")
        # Whoever has bet last wins if the other one folds.
        first_wins = len(actions) == 2 if folded else cards[0] > cards[1]
        payoff = stakes[actions] if first_wins else -stakes[actions]
        return Leaf((payoff, -payoff))
    player = len(actions) % 2
    return Decision(
        player,
        _CARDS[cards[player]] + actions,
        ("pass", "bet"),
        tuple(_after(cards, actions + action) for action in "pb"),
    )

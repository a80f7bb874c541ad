"""Leduc poker: two rounds of betting, and a card in the middle."""

from fractions import Fraction
from itertools import permutations

from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf, Node

_CARDS = tuple(rank + suit for rank in "JQK" for suit in "hs")
_RAISES = (2, 4)  # by how much, in each round


def leduc_poker() -> ExtensiveForm:
    """Leduc poker: two players, six cards of three ranks and two suits, two rounds of betting.

    Each player antes one chip and is dealt one card. In both rounds the first player starts; who
    faces a raise may fold, others call, and two raises are allowed, of two chips each in the first
    round and of four in the second. Before the second round one more card is turned up. At the end
    a pair with that card wins, and else the higher rank; equal ranks share.

    An information set is named by the player's card and the actions so far, `c` for a call (or a
    check) and `r` for a raise, with the card that is turned up between the rounds. The value of the
    game for the first player is -0.085606424078.

    >>> root = leduc_poker().root
    >>> len(root.children), root.children[0].infoset, root.children[0].actions
    (30, 'Jh', ('call', 'raise'))

    References:
        Southey et al., *Bayes' bluff: opponent modelling in poker*, UAI 2005, arXiv:1207.1411.
    """
    deals = tuple(permutations(range(6), 2))
    return ExtensiveForm(
        "Leduc poker",
        ("first", "second"),
        Chance(
            tuple(_CARDS[a] + _CARDS[b] for a, b in deals),
            (Fraction(1, len(deals)),) * len(deals),
            tuple(_round(deal, (1, 1), "", None) for deal in deals),
        ),
    )


def _round(
    cards: tuple[int, int],
    stakes: tuple[int, int],
    actions: str,
    public: tuple[str, int] | None,
) -> Node:
    """What follows some actions of a round; `public` is the first round and the card after it."""
    player = len(actions) % 2
    if len(actions) > 1 and actions.endswith("c"):
        return _turn(cards, stakes, actions) if public is None else _showdown(cards, stakes, public)
    faces_raise = stakes[player] < stakes[1 - player]
    level = max(stakes)

    def after(action: str, own: int) -> Node:
        new = (own, stakes[1]) if player == 0 else (stakes[0], own)
        return _round(cards, new, actions + action, public)

    names, children = [], []
    if faces_raise:
        lost = stakes[player]
        names.append("fold")
        children.append(Leaf((-lost, lost) if player == 0 else (lost, -lost)))
    names.append("call")
    children.append(after("c", level))
    if actions.count("r") < 2:
        names.append("raise")
        children.append(after("r", level + _RAISES[0 if public is None else 1]))
    seen = actions if public is None else f"{public[0]} {_CARDS[public[1]]} {actions}"
    return Decision(
        player, f"{_CARDS[cards[player]]} {seen}".rstrip(), tuple(names), tuple(children)
    )


def _turn(cards: tuple[int, int], stakes: tuple[int, int], actions: str) -> Node:
    left = [card for card in range(6) if card not in cards]
    return Chance(
        tuple(_CARDS[card] for card in left),
        (Fraction(1, len(left)),) * len(left),
        tuple(_round(cards, stakes, "", (actions, card)) for card in left),
    )


def _showdown(cards: tuple[int, int], stakes: tuple[int, int], public: tuple[str, int]) -> Leaf:
    # A pair counts more than any rank.
    first, second = (3 if card // 2 == public[1] // 2 else card // 2 for card in cards)
    won = stakes[0] * ((first > second) - (first < second))
    return Leaf((won, -won))

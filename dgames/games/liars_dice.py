"""Liar's dice with one die each."""

from fractions import Fraction
from itertools import product

from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf, Node

_WON, _LOST = Leaf((1, -1)), Leaf((-1, 1))


def liars_dice(sides: int = 6) -> ExtensiveForm:
    """Liar's dice: each of two players rolls one die in secret, and they bid in turn.

    A bid says how many of the two dice, one or two, show a face at least; the highest face counts
    as every face. Each bid is higher than the last one: in number, or in the face with the same
    number. Who does not believe a bid calls the other player a liar, and the game ends: the bidder
    wins if the bid is true. The winner receives one from the loser.

    An information set is named by the player's die and the bids so far, such as `3 1x2 2x1`. The
    value of the game for the first player is 1/16 with four sides, and -0.027131782945736 with six.

    Args:
        sides: The number of faces of a die, at least one; each more makes the game four times
            larger, and more.

    Raises:
        ValueError: If there is no face.

    >>> game = liars_dice(2).game()
    >>> [(t.sequences, t.infosets) for t in game.treeplexes], game.payoffs.shape
    ([(31, 16), (31, 16)], (2, 60))

    References:
        Lanctot et al., *OpenSpiel: a framework for reinforcement learning in games*,
        arXiv:1908.09453, of which this is `liars_dice`.
    """
    if sides < 1:
        raise ValueError(f"liars_dice: a die has at least one face, got {sides}")
    faces = range(1, sides + 1)
    rolls = tuple(product(faces, faces))
    bids = tuple(product((1, 2), faces))
    return ExtensiveForm(
        f"Liar's dice with {sides} sides",
        ("first", "second"),
        Chance(
            tuple(f"{a} {b}" for a, b in rolls),
            (Fraction(1, len(rolls)),) * len(rolls),
            tuple(_after(roll, bids, (f"{roll[0]}", f"{roll[1]}"), 0, 0) for roll in rolls),
        ),
    )


def _after(
    roll: tuple[int, int],
    bids: tuple[tuple[int, int], ...],
    seen: tuple[str, str],
    player: int,
    free: int,
) -> Node:
    """What follows some bids, of which `bids[free - 1]` is the last; `seen` are their names."""
    names, children = [], []
    for k in range(free, len(bids)):
        name = f"{bids[k][0]}x{bids[k][1]}"
        names.append(name)
        new = (f"{seen[0]} {name}", f"{seen[1]} {name}")
        children.append(_after(roll, bids, new, 1 - player, k + 1))
    if free:
        number, face = bids[free - 1]
        wild = bids[-1][1]
        true = sum(die in (face, wild) for die in roll) >= number
        names.append("liar")
        children.append(_WON if true == (player == 1) else _LOST)
    return Decision(player, seen[player], tuple(names), tuple(children))

"""Extensive-form games as trees of nodes, from which the sequence form is derived."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from dgames.games.tree import GameTree, TreeGame
from dgames.trees.treeplex import Treeplex

Number: TypeAlias = int | float | Fraction


@dataclass(frozen=True)
class Leaf:
    """The end of a play.

    Attributes:
        payoffs: What each player receives.
    """

    payoffs: tuple[Number, ...]


@dataclass(frozen=True)
class Chance:
    """A move of chance.

    Attributes:
        actions: The names of the outcomes.
        probabilities: Their probabilities, which add up to one.
        children: What follows each.
    """

    actions: tuple[str, ...]
    probabilities: tuple[Number, ...]
    children: tuple["Node", ...]


@dataclass(frozen=True)
class Decision:
    """A move of a player.

    Attributes:
        player: The position of the player.
        infoset: The name of the information set: nodes of one player with one name are not told
            apart by that player.
        actions: The names of the actions, the same at all nodes of an information set.
        children: What follows each.
    """

    player: int
    infoset: str
    actions: tuple[str, ...]
    children: tuple["Node", ...]


Node: TypeAlias = Leaf | Chance | Decision


@dataclass(frozen=True)
class ExtensiveForm:
    """A game in extensive form.

    Attributes:
        title: Its title.
        players: The names of the players.
        root: The first node.
    """

    title: str
    players: tuple[str, ...]
    root: Node

    def infosets(self, player: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The names of the information sets of a player with their actions, in the game's order."""
        return tuple((own.name, own.actions) for own in _Sequences(self).ordered[player])

    def game(self) -> TreeGame:
        """The game in sequence form.

        Raises:
            ValueError: If a player forgets (perfect recall is needed), or the tree is malformed.
        """
        return _Sequences(self).game()


@dataclass
class _Infoset:
    name: str
    actions: tuple[str, ...]
    parent: tuple[str, int] | None  # an information set and the number of its action
    level: int


class _Sequences:
    """The information sets of all players, found by one walk through the tree."""

    def __init__(self, form: ExtensiveForm) -> None:
        self.form, count = form, len(form.players)
        self.known: list[dict[str, _Infoset]] = [{} for _ in range(count)]
        for node, lasts, _ in _walk(form.root, count):
            if isinstance(node, Decision):
                self._meet(node, lasts[node.player])
        self.ordered = [sorted(own.values(), key=lambda each: each.level) for own in self.known]
        self.first: list[dict[str, int]] = []
        for own in self.ordered:
            starts = 1 + np.cumsum([0, *(len(each.actions) for each in own)])
            self.first.append({e.name: int(k) for e, k in zip(own, starts[:-1], strict=True)})

    def _meet(self, node: Decision, last: tuple[str, int] | None) -> None:
        own = self.known[node.player]
        level = 0 if last is None else own[last[0]].level + 1
        met = own.setdefault(node.infoset, _Infoset(node.infoset, node.actions, last, level))
        who = f"information set {node.infoset!r} of player {self.form.players[node.player]!r}"
        if met.actions != node.actions:
            raise ValueError(f"{who} has the actions {met.actions} and {node.actions}")
        if met.parent != last:
            raise ValueError(
                f"{who} is reached after different actions of that player; the sequence form needs "
                "perfect recall"
            )

    def sequence(self, player: int, last: tuple[str, int] | None) -> int:
        return 0 if last is None else self.first[player][last[0]] + last[1]

    def game(self) -> TreeGame:
        count = len(self.form.players)
        treeplexes = tuple(
            Treeplex(
                [self.sequence(i, each.parent) for each in own],
                [len(each.actions) for each in own],
            )
            for i, own in enumerate(self.ordered)
        )
        parents: list[int] = []
        movers: list[int] = []
        edges: list[int] = []
        leaves: list[list[int]] = []
        payoffs: list[list[float]] = []
        for node, lasts, (parent, edge, weight) in _walk(self.form.root, count):
            parents.append(parent)
            edges.append(-1 if edge is None else self.sequence(edge, lasts[edge]))
            movers.append(_mover(node, count))
            if isinstance(node, Leaf):
                leaves.append([self.sequence(i, last) for i, last in enumerate(lasts)])
                payoffs.append([float(weight * value) for value in node.payoffs])
        tree = GameTree(np.array(parents), np.array(movers), np.array(edges))
        return TreeGame(np.array(payoffs).T, np.array(leaves).T, treeplexes, tree)


def _mover(node: Node, players: int) -> int:
    if isinstance(node, Leaf):
        return -1
    return players if isinstance(node, Chance) else node.player


def _walk(root: Node, players: int):
    """Yields each node after its parent, with each player's last action and the way to it.

    The way is the number of the parent, the player who moved there (None: chance, or nobody), and
    the product of the probabilities of chance.
    """
    start: tuple[tuple[str, int] | None, ...] = (None,) * players
    stack: list[tuple[Node, tuple, int, int | None, Number]] = [(root, start, -1, None, 1)]
    number = -1
    while stack:
        node, lasts, parent, edge, weight = stack.pop()
        number += 1
        yield node, lasts, (parent, edge, weight)
        if isinstance(node, Leaf):
            continue
        for k in reversed(range(len(node.children))):
            after: Sequence = lasts
            if isinstance(node, Decision):
                after = (*lasts[: node.player], (node.infoset, k), *lasts[node.player + 1 :])
                stack.append((node.children[k], tuple(after), number, node.player, weight))
            else:
                probability = node.probabilities[k]
                stack.append((node.children[k], tuple(after), number, None, weight * probability))

"""Extensive-form games as trees of nodes, from which the sequence form is derived."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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
    children: tuple["Node", ...] = field(repr=False)


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
    children: tuple["Node", ...] = field(repr=False)


Node: TypeAlias = Leaf | Chance | Decision


@dataclass(frozen=True)
class ExtensiveForm:
    """A game in extensive form.

    Attributes:
        title: Its title.
        players: The names of the players.
        root: The first node.

    Example:
        >>> after = Decision(1, "seen", ("left", "right"), (Leaf((2, 1)), Leaf((0, 0))))
        >>> root = Decision(0, "start", ("in", "out"), (after, Leaf((1, 3))))
        >>> form = ExtensiveForm("entry", ("A", "B"), root)
        >>> form.infosets(1)
        (('seen', ('left', 'right')),)
        >>> q = form.strategy("A", {"start": {"in": 0.25, "out": 0.75}})
        >>> q.tolist(), form.policy("A", q)
        ([1.0, 0.25, 0.75], {'start': {'in': 0.25, 'out': 0.75}})
    """

    title: str
    players: tuple[str, ...]
    root: Node = field(repr=False)

    def infosets(self, player: int | str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The names of the information sets of a player with their actions, in the game's order.

        Args:
            player: Its position, or its name.

        Raises:
            ValueError: As `game`; or if there is no such player.
        """
        own = self._found.ordered[self._position(player)]
        return tuple((each.name, each.actions) for each in own)

    def game(self) -> TreeGame:
        """The game in sequence form.

        Raises:
            ValueError: If a player forgets (perfect recall is needed), nodes of an information set
                have different actions, or the tree is malformed: it has no player or a player has
                no name, a node has not one child for each action, actions have equal names, a
                player is not there, a number is not finite, probabilities of chance are negative or
                do not add up to one, or a leaf has not one payoff for each player.
        """
        return self._found.game()

    def strategy(
        self, player: int | str, policy: Mapping[str, Mapping[str, float]]
    ) -> Float[Array, " sequences"]:
        """The strategy of a player, in sequence form, from its policy.

        Args:
            player: Its position, or its name.
            policy: The probabilities of actions, by the names of information sets and actions.
                Actions that are not named have probability zero; information sets that are not
                named are played uniformly.

        Raises:
            ValueError: If there is no such name, a probability is negative, or those of an
                information set do not add up to one.
        """
        i = self._position(player)
        own = {each.name: each for each in self._found.ordered[i]}
        for name in policy:
            if name not in own:
                raise ValueError(
                    f"player {self.players[i]!r} has no information set {name!r}; it has "
                    f"{_brief(own)}"
                )
        q = np.zeros(1 + sum(len(each.actions) for each in own.values()))
        q[0] = 1
        for name, each in own.items():
            behaviour = np.full(len(each.actions), 1 / len(each.actions))
            if name in policy:
                behaviour = _probabilities(f"information set {name!r}", each, policy[name])
            first = self._found.first[i][name]
            reached = q[self._found.sequence(i, each.parent)]
            q[first : first + len(each.actions)] = reached * behaviour
        return jnp.asarray(q)

    def policy(self, player: int | str, q: Any) -> dict[str, dict[str, float]]:
        """The policy of a player, by names: what it plays at each information set.

        It is uniform where the player's own actions do not lead.

        Args:
            player: Its position, or its name.
            q: The player's strategy in sequence form, of shape `(sequences,)`.

        Raises:
            ValueError: If there is no such player, or the strategy is not of that shape.
        """
        i, q = self._position(player), np.asarray(q, float)
        own = self._found.ordered[i]
        if q.shape != (count := 1 + sum(len(each.actions) for each in own),):
            raise ValueError(
                f"player {self.players[i]!r} has {count} sequences; got an array of shape {q.shape}"
            )
        named = {}
        for each in own:
            first, actions = self._found.first[i][each.name], len(each.actions)
            mass = q[first : first + actions]
            total = mass.sum()
            behaviour = mass / total if total > 0 else np.full(actions, 1 / actions)
            named[each.name] = dict(zip(each.actions, behaviour.tolist(), strict=True))
        return named

    def _position(self, player: int | str) -> int:
        if isinstance(player, str):
            if player not in self.players:
                raise ValueError(f"there is no player {player!r}; there are {_brief(self.players)}")
            return self.players.index(player)
        if not 0 <= player < len(self.players):
            raise ValueError(f"there are {len(self.players)} players; got the position {player}")
        return player

    @cached_property
    def _found(self) -> "_Sequences":
        return _Sequences(self)


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
        if not count or not isinstance(form.players, tuple | list):
            raise ValueError(f"a game has a tuple of players' names; got {form.players!r}")
        self.known: list[dict[str, _Infoset]] = [{} for _ in range(count)]
        for node, lasts, _ in _walk(form.root, count):
            _check(node, count)
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


def _check(node: Node, players: int) -> None:
    """Raises an error unless a node is well formed."""
    if isinstance(node, Leaf):
        if len(node.payoffs) != players:
            raise ValueError(
                f"a leaf has one payoff for each of {players} players; got {tuple(node.payoffs)}"
            )
        if not all(math.isfinite(payoff) for payoff in node.payoffs):
            raise ValueError(f"payoffs are finite numbers; got {tuple(node.payoffs)}")
        return
    if not isinstance(node, Chance | Decision):
        raise ValueError(
            f"a node is a Leaf, a Chance or a Decision; got one of type {type(node).__name__}"
        )
    if isinstance(node, Decision):
        who = f"information set {node.infoset!r}"
        if not 0 <= node.player < players:
            raise ValueError(f"{who} is of player {node.player}, but there are {players} players")
        # Outcomes of chance may share a name, such as those of an .efg file.
        if len(set(node.actions)) != len(node.actions):
            raise ValueError(f"{who} has two actions of one name, in {tuple(node.actions)}")
    else:
        who = f"the move of chance with the outcomes {_brief(node.actions)}"
        if len(node.probabilities) != len(node.actions):
            raise ValueError(f"{who} has {len(node.probabilities)} probabilities")
        _check_probabilities(who, node.probabilities)
    if not node.actions or len(node.actions) != len(node.children):
        raise ValueError(
            f"{who} has {len(node.actions)} actions and {len(node.children)} children; there is "
            "one child for each action, and at least one"
        )


def _check_probabilities(who: str, probabilities: Sequence[Number]) -> None:
    if not all(math.isfinite(each) and each >= 0 for each in probabilities):
        raise ValueError(f"{who}: a probability is negative or not finite, in {probabilities}")
    # Floats may miss one by their rounding errors; fractions add up exactly.
    exact = all(isinstance(each, int | Fraction) for each in probabilities)
    total = sum(probabilities)
    if abs(total - 1) > (0 if exact else 1e-9):
        raise ValueError(f"{who}: probabilities add up to {total}, not to one")


def _probabilities(
    who: str, own: "_Infoset", given: Mapping[str, float]
) -> Float[np.ndarray, " actions"]:
    for action in given:
        if action not in own.actions:
            raise ValueError(f"{who} has no action {action!r}; it has {_brief(own.actions)}")
    _check_probabilities(who, tuple(given.values()))
    behaviour = np.array([float(given.get(action, 0)) for action in own.actions])
    return behaviour / behaviour.sum()


def _brief(names: Any, most: int = 6) -> str:
    names = [repr(name) for name in names]
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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

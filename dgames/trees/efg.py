"""Games in extensive form as `.efg` files, the text format of Gambit.

A file lists the nodes of the tree, each one before what follows it. Information sets and outcomes
have numbers; they are described where they are met first, and may be described there only.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from pathlib import Path
from typing import NamedTuple

from dgames.file_words import Words, braces, decoded, quoted, shown
from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf, Node, Number

_SUFFIX = ".efg"
_EXPONENT = re.compile(r"[eE][+-]?0*(\d+)")


def read_efg(path: str | Path) -> ExtensiveForm:
    """Reads an `.efg` file.

    Numbers are kept exactly, as integers or fractions. Payoffs of outcomes on the way are added to
    those at the end. An information set keeps its name if no other one of the player has it, and
    otherwise gets its number into it. Names of nodes and outcomes and the comment are not kept.

    Args:
        path: The file.

    Returns:
        The game; `.game()` of it is the game in sequence form.

    Raises:
        ValueError: If the file is no such game, or no text in UTF-8; it says in which line.
    """
    return parse_efg(decoded(Path(path).read_bytes(), _SUFFIX))


def write_efg(form: ExtensiveForm, path: str | Path) -> None:
    """Writes an `.efg` file.

    Reading it again gives the same game: integers and fractions are the same, and a float is
    written as the shortest decimal that is nearest to it. The probabilities of a move of chance add
    up to one in a file; where floats do so but for rounding, they are divided by their sum.

    Args:
        form: The game.
        path: The file.

    Raises:
        ValueError: If a payoff is not finite, there is not one for each player, probabilities do
            not add up to one, or nodes of one information set have different actions.
    """
    Path(path).write_text(format_efg(form), encoding="utf-8")


def parse_efg(text: str) -> ExtensiveForm:
    r"""Reads the text of an `.efg` file; see `read_efg`.

    Raises:
        ValueError: As `read_efg`.

    >>> form = parse_efg('''EFG 2 R "a coin" { "A" "B" }
    ... c "" 1 "" { "heads" 1/3 "tails" 2/3 } 0
    ... p "" 1 1 "call" { "stay" "leave" } 0  t "" 1 "" { 1 -1 }  t "" 2 "" { 0 0 }
    ... p "" 1 1 0  t "" 2  t "" 1''')
    >>> form.root.probabilities, form.infosets(0), form.root.children[1].children[1].payoffs
    ((Fraction(1, 3), Fraction(2, 3)), (('call', ('stay', 'leave')),), (1, -1))
    """
    words = Words(text, _SUFFIX)
    for kind, expected in (("symbol", "EFG"), ("number", "2"), ("symbol", ("R", "D"))):
        words.take(kind, expected)
    title = words.take("text")
    players = words.players()
    if words.kind == "text":  # a comment
        words.take("text")
    return ExtensiveForm(title, players, _Reader(words, players).tree())


def format_efg(form: ExtensiveForm) -> str:
    """Returns the text of an `.efg` file; see `write_efg`.

    >>> root = Decision(0, "start", ("in", "out"), (Leaf((2, Fraction(1, 2))), Leaf((0, 0))))
    >>> print(format_efg(ExtensiveForm("entry", ("A", "B"), root)))
    EFG 2 R "entry" { "A" "B" }
    ""
    <BLANKLINE>
    p "" 1 1 "start" { "in" "out" } 0
    t "" 1 "1" { 2 1/2 }
    t "" 2 "2" { 0 0 }
    <BLANKLINE>
    """
    if not form.players:
        raise ValueError("format_efg: a game has at least one player")
    writer, stack = _Writer(form.players), [form.root]
    lines = [f'EFG 2 R {quoted(form.title)} {braces(map(quoted, form.players))}\n""\n']
    while stack:
        node = stack.pop()
        lines.append(writer.line(node))
        if not isinstance(node, Leaf):
            stack += reversed(node.children)
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class _Infoset:
    """What a file says of an information set, or of a move of chance."""

    name: str
    actions: tuple[str, ...]
    probabilities: tuple[Number, ...]


class _Entry(NamedTuple):
    """A node as it is listed: who moves (0: chance, -1: nobody), where, and what has been paid."""

    mover: int
    number: int
    paid: tuple[Number, ...]


class _Reader:
    """Reads the nodes of a file, in the order in which they are listed."""

    def __init__(self, words: Words, players: tuple[str, ...]) -> None:
        self.words, self.players = words, players
        self.infosets: dict[tuple[int, int], _Infoset] = {}  # by player and number; 0 is chance
        self.comma = 0  # the line of the last comma between digits, which may mean a decimal
        self.outcomes: dict[int, tuple[Number, ...]] = {0: (0,) * len(players)}

    def tree(self) -> Node:
        """All nodes, made from the last to the first, when all names are known."""
        entries = self._entries()
        names = self._names()
        nodes: list[Node] = []  # those without a parent yet, the first one at the end
        for mover, number, paid in reversed(entries):
            if mover < 0:
                nodes.append(Leaf(paid))
                continue
            own = self.infosets[mover, number]
            children = tuple(nodes.pop() for _ in own.actions)
            if mover:
                nodes.append(Decision(mover - 1, names[mover, number], own.actions, children))
            else:
                nodes.append(Chance(own.actions, own.probabilities, children))
        return nodes.pop()

    def _entries(self) -> list[_Entry]:
        """The nodes of the tree, with all payoffs that lead to them."""
        entries, waiting = [], [self.outcomes[0]]  # what has been paid before each open place
        while waiting:
            before, line, end = waiting.pop(), self.words.line, self.words.kind == "end"
            if end and entries:
                places = "1 node is" if not waiting else f"{len(waiting) + 1} nodes are"
                raise self.words.fault(line, f"the tree is not complete: {places} missing")
            kind = self.words.take("symbol", ("c", "p", "t"))
            self.words.take("text")
            mover, number = -1, 0
            if kind != "t":
                mover = self._player() if kind == "p" else 0
                number = self._whole("information set", 1)
                self._infoset(mover, number)
            gained = self._outcome()
            paid = (
                tuple(a + b for a, b in zip(before, gained, strict=True)) if any(gained) else before
            )
            entries.append(_Entry(mover, number, paid))
            if mover >= 0:
                waiting += [paid] * len(self.infosets[mover, number].actions)
        if self.words.kind != "end":
            told = "the tree is complete, but the file goes on with"
            raise self.words.fault(
                self.words.line, f"{told} {shown(self.words.take(self.words.kind))}"
            )
        return entries

    def _player(self) -> int:
        line, player = self.words.line, self._whole("player", 1)
        if player > len(self.players):
            raise self.words.fault(line, f"there is no player {player} of {len(self.players)}")
        return player

    def _infoset(self, mover: int, number: int) -> None:
        """Reads what is said of an information set, if anything, which is always the same."""
        words, line, key = self.words, self.words.line, (mover, number)
        what = f"information set {number} of " + (f"player {mover}" if mover else "chance")
        name = words.take("text") if words.kind == "text" else None
        if words.kind != "{":
            if key not in self.infosets:
                raise words.fault(line, f"{what} is met first here, without its actions")
            known = self.infosets[key]
            if name not in (None, known.name):
                raise words.fault(line, f"{what} had another name before, {shown(known.name)}")
            return
        words.take("{")
        self.comma, actions, probabilities = 0, [], []
        while words.kind == "text":
            actions.append(words.take("text"))
            if not mover:
                probabilities.append(self._number())
                self._refuse_comma()
        self._close(f"{what} has names of actions" + ("" if mover else " and probabilities"))
        if not actions:
            raise words.fault(line, f"{what} has no actions")
        known = self.infosets.get(key)
        if known is None:
            self.infosets[key] = _Infoset(name or "", tuple(actions), tuple(probabilities))
            if not mover:
                self._check_probabilities(probabilities, line)
        elif len(actions) != len(known.actions):
            numbers = f"{len(actions)} actions here, and {len(known.actions)} before"
            raise words.fault(line, f"{what} has {numbers}")
        elif known != _Infoset(
            known.name if name is None else name, tuple(actions), tuple(probabilities)
        ):
            raise words.fault(line, f"{what} is described in another way than before")

    def _check_probabilities(self, probabilities: list[Number], line: int) -> None:
        total = sum(probabilities)
        if min(probabilities) < 0:
            raise self.words.fault(
                line, f"the probability {_brief(min(probabilities))} is negative"
            )
        if total != 1:
            told = f"the probabilities of chance add up to {_brief(total)}, not to one"
            if abs(total - 1) < 1e-3:
                told += "; write them as fractions"
            raise self.words.fault(line, told)

    def _outcome(self) -> tuple[Number, ...]:
        """Reads an outcome, which is always the same, and returns its payoffs."""
        words, line = self.words, self.words.line
        number = self._whole("outcome", 0)
        named = words.kind == "text"
        if named:
            words.take("text")
        if words.kind != "{":
            if number not in self.outcomes:
                raise words.fault(line, f"outcome {number} is met first here, without payoffs")
            return self.outcomes[number]
        if not number:
            raise words.fault(line, "outcome 0 pays nothing, so it has no payoffs")
        words.take("{")
        payoffs, line = [], words.line
        self.comma = 0
        while words.kind == "number":
            payoffs.append(self._number())
        self._close(f"outcome {number} has payoffs")
        if len(payoffs) != len(self.players):
            self._refuse_comma()
            told = f"{len(self.players)} payoffs, one per player, got {len(payoffs)}"
            raise words.fault(line, f"an outcome has {told}")
        if self.outcomes.setdefault(number, tuple(payoffs)) != tuple(payoffs):
            raise words.fault(line, f"outcome {number} has had other payoffs before")
        return self.outcomes[number]

    def _refuse_comma(self) -> None:
        if self.comma:
            told = "a comma within a number; decimals are written with a point"
            raise self.words.fault(self.comma, told)

    def _close(self, what: str) -> None:
        """Takes a closing brace."""
        if self.words.kind != "}":
            line, kind = self.words.line, self.words.kind
            got = "the end of the file" if kind == "end" else shown(self.words.take(kind))
            raise self.words.fault(line, f"expected }}, got {got}: {what}")
        self.words.take("}")

    def _whole(self, what: str, least: int) -> int:
        line, word = self.words.line, self.words.take("number")
        if not re.fullmatch(r"\d{1,18}", word) or int(word) < least:
            told = f"the number of a{'n' if what[0] in 'aeiou' else ''} {what} is a whole number"
            raise self.words.fault(line, f"{told} from {least}, got {shown(word)}")
        return int(word)

    def _number(self) -> Number:
        words, line = self.words, self.words.line
        word = words.take("number")
        if words.after_comma:
            self.comma = line
        try:
            if any(int(power) > 5000 for power in _EXPONENT.findall(word)):
                raise OverflowError
            exact = Fraction(word)
            float(exact)  # a payoff is a float in the end
        except ZeroDivisionError as error:
            raise words.fault(line, f"the number {shown(word)} divides by zero") from error
        except (ValueError, OverflowError) as error:
            small = re.search("[eE]-", word)
            told = "is too small to be kept exactly" if small else "is too large for float64"
            raise words.fault(line, f"the number {shown(word)} {told}") from error
        return exact.numerator if exact.denominator == 1 else exact

    def _names(self) -> dict[tuple[int, int], str]:
        """Names of information sets, of which no two of a player are the same."""
        often = Counter((player, own.name) for (player, _), own in self.infosets.items())
        names = {
            (player, number): own.name
            for (player, number), own in self.infosets.items()
            if often[player, own.name] == 1
        }
        taken = {(player, name) for (player, _), name in names.items()}
        for (player, number), own in self.infosets.items():
            if often[player, own.name] > 1:
                name = f"{own.name} {number}".strip()
                while (player, name) in taken:
                    name += "'"
                names[player, number] = name
                taken.add((player, name))
        return names


class _Writer:
    """Writes the nodes of a tree, with numbers for information sets and outcomes."""

    def __init__(self, players: tuple[str, ...]) -> None:
        self.players = len(players)
        self.infosets: list[dict[str, tuple[int, tuple[str, ...]]]] = [{} for _ in players]
        self.outcomes: dict[tuple[str, ...], int] = {}
        self.chances = 0

    def line(self, node: Node) -> str:
        if isinstance(node, Leaf):
            return self._leaf(node)
        if not node.actions or len(node.actions) != len(node.children):
            raise ValueError(
                f"format_efg: a node has as many actions as children, at least one; got "
                f"{len(node.actions)} and {len(node.children)}"
            )
        return self._chance(node) if isinstance(node, Chance) else self._decision(node)

    def _leaf(self, node: Leaf) -> str:
        payoffs = tuple(map(_written, node.payoffs))
        if len(payoffs) != self.players:
            raise ValueError(
                f"format_efg: a leaf has {len(payoffs)} payoffs, the game {self.players} players"
            )
        number = self.outcomes.setdefault(payoffs, len(self.outcomes) + 1)
        return f't "" {number} "{number}" {braces(payoffs)}'

    def _chance(self, node: Chance) -> str:
        self.chances += 1
        moves = zip(node.actions, _probabilities(node), strict=True)
        listed = braces(f"{quoted(name)} {probability}" for name, probability in moves)
        return f'c "" {self.chances} "{self.chances}" {listed} 0'

    def _decision(self, node: Decision) -> str:
        if not 0 <= node.player < self.players:
            raise ValueError(f"format_efg: there is no player {node.player} of {self.players}")
        own = self.infosets[node.player]
        number, actions = own.setdefault(node.infoset, (len(own) + 1, node.actions))
        if actions != node.actions:
            raise ValueError(
                f"format_efg: information set {node.infoset!r} of player {node.player} has the "
                f"actions {actions} and {node.actions}"
            )
        listed = braces(map(quoted, actions))
        return f'p "" {node.player + 1} {number} {quoted(node.infoset)} {listed} 0'


def _probabilities(node: Chance) -> list[str]:
    if len(node.probabilities) != len(node.actions):
        raise ValueError(
            f"format_efg: a move of chance has {len(node.actions)} actions, and "
            f"{len(node.probabilities)} probabilities"
        )
    words = [_written(value) for value in node.probabilities]
    exact = [Fraction(word) for word in words]
    total = sum(exact)
    if min(exact) < 0 or abs(total - 1) > 1e-9:
        raise ValueError(
            "format_efg: the probabilities of a move of chance are not negative and add up to one; "
            f"got {', '.join(words)}"
        )
    if total == 1:
        return words
    if all(isinstance(value, Rational) for value in node.probabilities):
        raise ValueError(f"format_efg: the probabilities of chance add up to {total}, not to one")
    return [_written(value / total) for value in exact]


def _written(value: Number) -> str:
    """A number as it stands in a file."""
    if isinstance(value, Rational):
        exact = Fraction(int(value.numerator), int(value.denominator))
        return str(exact)
    if not math.isfinite(value):
        raise ValueError("an .efg file holds finite numbers only")
    return repr(float(value))


def _brief(value: Number) -> str:
    """A number for a message, exact if that is short."""
    return str(value) if len(str(value)) < 20 else f"{float(value):.12g}"

"""Games in normal form as `.nfg` files, the text format of Gambit, in both of its variants.

The payoff variant lists the payoffs of all players, action profile after action profile; the
outcome variant lists outcomes first and then the number of each profile's outcome. In both, the
first player's action changes fastest.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from dgames.games.matrix import MatrixGame


@dataclass(frozen=True)
class NormalForm:
    """What an `.nfg` file says.

    Attributes:
        title: Of the game.
        players: Their names.
        actions: The names of each player's actions.
        payoffs: Of shape `(players, *actions)`, in float64.
        comment: Any text.
    """

    title: str
    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    payoffs: np.ndarray
    comment: str = ""

    def game(self) -> MatrixGame:
        """The game, with payoffs of the default floating dtype."""
        return MatrixGame(*jnp.asarray(self.payoffs, jnp.result_type(float)))


def read_nfg(path: str | Path) -> NormalForm:
    """Reads an `.nfg` file of either variant.

    Args:
        path: The file.

    Returns:
        The names and payoffs in it; `.game()` is the game.

    Raises:
        ValueError: If the file is no such game; it says where.
    """
    return parse_nfg(Path(path).read_text(encoding="utf-8"))


def write_nfg(
    game: MatrixGame | NormalForm, path: str | Path, *, title: str = "", outcomes: bool = False
) -> None:
    """Writes an `.nfg` file; reading it again gives the same float64 numbers.

    Args:
        game: The game, or one with names.
        path: The file.
        title: The title of a game without names.
        outcomes: Whether to write the outcome variant. OpenSpiel reads the payoff variant only,
            and that without names of actions and comments, as it is written of a `MatrixGame`.

    Raises:
        ValueError: If a payoff is not finite.
    """
    text = format_nfg(game, title=title, outcomes=outcomes)
    Path(path).write_text(text, encoding="utf-8")


def parse_nfg(text: str) -> NormalForm:
    r"""Reads the text of an `.nfg` file.

    Numbers may be decimals, with exponents, or fractions; each becomes the nearest float64.

    Raises:
        ValueError: As `read_nfg`.

    >>> pennies = parse_nfg('NFG 1 R "pennies" { "A" "B" } { 2 2 } 1 -1 -1 1 -1 1 1/1 -1.0')
    >>> pennies.payoffs[0].tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    tokens = _Tokens(text)
    for expected in ("NFG", "1", ("R", "D")):
        tokens.take("symbol" if expected != "1" else "number", expected)
    title = tokens.take("text")
    tokens.take("{")
    players = tuple(tokens.while_of("text"))
    tokens.take("}")
    actions = _read_actions(tokens, len(players))
    comment = tokens.take("text") if tokens.kind == "text" else ""
    sizes = tuple(map(len, actions))
    profiles = int(np.prod(sizes))
    if tokens.kind == "{":
        rows = _read_outcomes(tokens, len(players), profiles)
    else:
        rows = [[tokens.number() for _ in players] for _ in range(profiles)]
    tokens.take("end")
    table = np.array(rows, float).reshape(*sizes, len(players), order="F")
    return NormalForm(title, players, actions, np.moveaxis(table, -1, 0), comment)


def format_nfg(game: MatrixGame | NormalForm, *, title: str = "", outcomes: bool = False) -> str:
    """The text of an `.nfg` file. See `write_nfg`.

    >>> print(format_nfg(MatrixGame([[2.0], [0.5]], [[1.0], [0.0]]), title="choice"))
    NFG 1 R "choice" { "1" "2" }
    { 2 1 }
    <BLANKLINE>
    2.0 1.0
    0.5 0.0
    <BLANKLINE>
    """
    form = game if isinstance(game, NormalForm) else _with_numbers_for_names(game, title)
    if not np.isfinite(form.payoffs).all():
        raise ValueError("an .nfg file holds finite payoffs only")
    table = np.moveaxis(form.payoffs, 0, -1).reshape(-1, len(form.players), order="F").tolist()
    head = [
        f"NFG 1 R {_quoted(form.title)} {_braces(map(_quoted, form.players))}",
        _braces(_format_actions(form.actions)),
        *([_quoted(form.comment)] if form.comment else []),
        "",
    ]
    if outcomes:
        body = ["{", *(_braces(['""', ", ".join(map(repr, row))]) for row in table), "}"]
        body += [" ".join(_numbers(len(table)))]
    else:
        body = [" ".join(map(repr, row)) for row in table]
    return "\n".join([*head, *body, ""])


def _numbers(count: int) -> tuple[str, ...]:
    """The names of what has none."""
    return tuple(str(i + 1) for i in range(count))


def _with_numbers_for_names(game: MatrixGame, title: str) -> NormalForm:
    players, *actions = map(_numbers, game.payoffs.shape)
    return NormalForm(title, players, tuple(actions), np.asarray(game.payoffs, float))


def _format_actions(actions: tuple[tuple[str, ...], ...]) -> list[str]:
    if all(names == _numbers(len(names)) for names in actions):
        return [str(len(names)) for names in actions]
    return [_braces(map(_quoted, names)) for names in actions]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _braces(items: Iterator[str] | Sequence[str] | map) -> str:
    return f"{{ {' '.join(items)} }}"


def _read_actions(tokens: "_Tokens", players: int) -> tuple[tuple[str, ...], ...]:
    """The names of actions, or their numbers, from `{ { "a" "b" } ... }` or `{ 2 ... }`."""
    tokens.take("{")
    actions: list[tuple[str, ...]] = []
    for _ in range(players):
        if tokens.kind == "{":
            tokens.take("{")
            actions.append(tuple(tokens.while_of("text")))
            tokens.take("}")
        else:
            count = tokens.take("number")
            actions.append(_numbers(int(count)))
    tokens.take("}")
    return tuple(actions)


def _read_outcomes(tokens: "_Tokens", players: int, profiles: int) -> list[list[float]]:
    """The payoffs of each profile; outcome 0 pays nothing."""
    outcomes = [[0.0] * players]
    tokens.take("{")
    while tokens.kind == "{":
        tokens.take("{")
        tokens.take("text")
        outcomes.append([tokens.number() for _ in range(players)])
        tokens.take("}")
    tokens.take("}")
    numbers = {str(number): row for number, row in enumerate(outcomes)}
    return [numbers[tokens.take("number", tuple(numbers))] for _ in range(profiles)]


_NAMES = {
    "text": "a text in quotation marks",
    "number": "a number",
    "symbol": "a word",
    "{": "{",
    "}": "}",
    "end": "the end of the file",
}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


_PATTERN = re.compile(
    r"""
    (?P<space>[\s,]+)
  | (?P<text>"(?:[^"\\]|\\.)*")
  | (?P<number>[+-]?(?:\d+/\d+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
  | (?P<brace>[{}])
  | (?P<symbol>[^\s{}",]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class _Tokens:
    """The words of a file, one after the other."""

    def __init__(self, text: str):
        self._rest = self._words(text)
        self._next = next(self._rest)

    @property
    def kind(self) -> str:
        """Of the next word: "text", "number", "symbol", "{", "}" or "end"."""
        return self._next.kind

    def take(self, kind: str, expected: str | tuple[str, ...] = ()) -> str:
        """The next word, which must be of that kind, and one of those expected if there are any."""
        word = self._next
        options = (expected,) if isinstance(expected, str) else expected
        if word.kind != kind or (options and word.text not in options):
            few = len(options) <= 3
            wanted = " or ".join(options) if few else f"one of {options[0]}, ..., {options[-1]}"
            what = word.text or "the end of the file"
            raise ValueError(
                f"line {word.line} of the .nfg file: expected {wanted or _NAMES[kind]}, got {what}"
            )
        if kind != "end":
            self._next = next(self._rest)
        return word.text

    def while_of(self, kind: str) -> Iterator[str]:
        """All words of a kind that come next."""
        while self.kind == kind:
            yield self.take(kind)

    def number(self) -> float:
        """The next word as the nearest float64."""
        return float(Fraction(self.take("number")))

    def _words(self, text: str) -> Iterator[_Token]:
        position, line = 0, 1
        while position < len(text):
            match = _PATTERN.match(text, position)
            if match is None:
                raise ValueError(f"line {line} of the .nfg file: a text without end")
            kind, word = match.lastgroup or "", match.group()
            if kind == "text":
                word = re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
            if kind != "space":
                yield _Token(word if kind == "brace" else kind, word, line)
            position, line = match.end(), line + match.group().count("\n")
        yield _Token("end", "", line)

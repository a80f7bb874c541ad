"""Games in normal form as `.nfg` files, the text format of Gambit, in both of its variants.

The payoff variant lists the payoffs of all players, action profile after action profile; the
outcome variant lists outcomes first and then the number of each profile's outcome. In both, the
first player's action changes fastest.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from dgames.file_words import NUMBER, Words, braces, decoded, fault, quoted, shown
from dgames.games.matrix import MatrixGame


@dataclass(frozen=True)
class NormalForm:
    """The contents of an `.nfg` file.

    Attributes:
        title: The title of the game.
        players: Their names.
        actions: The names of each player's actions.
        payoffs: An array of shape `(players, *actions)`, in float64.
        comment: Any text.
    """

    title: str
    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    payoffs: np.ndarray
    comment: str = ""

    def game(self) -> MatrixGame:
        """The game, with payoffs of the default floating dtype."""
        return MatrixGame.from_table(jnp.asarray(self.payoffs, jnp.result_type(float)))


def read_nfg(path: str | Path) -> NormalForm:
    """Reads an `.nfg` file of either variant.

    Args:
        path: The file.

    Returns:
        The names and payoffs in it; `.game()` is the game.

    Raises:
        ValueError: If the file is no such game, or no text in UTF-8; it says in which line.
    """
    return parse_nfg(decoded(Path(path).read_bytes(), ".nfg"))


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
    words = Words(text, ".nfg")
    for expected in ("NFG", "1", ("R", "D")):
        words.take("symbol" if expected != "1" else "number", expected)
    title = words.take("text")
    players = words.players()
    actions = _read_actions(words, len(players))
    sizes = tuple(names if isinstance(names, int) else len(names) for names in actions)
    comment = words.take("text") if words.kind == "text" else ""
    if words.kind == "{":
        rows = _read_outcomes(words, len(players), math.prod(sizes))
    else:
        rows = _read_payoffs(words, len(players), sizes)
    names = tuple(_numbers(own) if isinstance(own, int) else own for own in actions)
    table = rows.reshape(*sizes, len(players), order="F")
    return NormalForm(title, players, names, np.moveaxis(table, -1, 0), comment)


def format_nfg(game: MatrixGame | NormalForm, *, title: str = "", outcomes: bool = False) -> str:
    """Returns the text of an `.nfg` file; see `write_nfg`.

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
        f"NFG 1 R {quoted(form.title)} {braces(map(quoted, form.players))}",
        braces(_format_actions(form.actions)),
        *([quoted(form.comment)] if form.comment else []),
        "",
    ]
    if outcomes:
        body = ["{", *(braces(['""', ", ".join(map(repr, row))]) for row in table), "}"]
        body += [" ".join(_numbers(len(table)))]
    else:
        body = [" ".join(map(repr, row)) for row in table]
    return "\n".join([*head, *body, ""])


_fault = partial(fault, ".nfg")
_OUTCOME = re.compile(r"""[\s,]*\{[\s,]*"(?:[^"\\]|\\.)*"(?P<payoffs>[^{}"]*)\}""", re.DOTALL)


def _numbers(count: int) -> tuple[str, ...]:
    """Returns numbers as the names of things without names."""
    return tuple(str(i + 1) for i in range(count))


def _with_numbers_for_names(game: MatrixGame, title: str) -> NormalForm:
    players, *actions = map(_numbers, game.payoffs.shape)
    return NormalForm(title, players, tuple(actions), np.asarray(game.payoffs, float))


def _format_actions(actions: tuple[tuple[str, ...], ...]) -> list[str]:
    if all(names == _numbers(len(names)) for names in actions):
        return [str(len(names)) for names in actions]
    return [braces(map(quoted, names)) for names in actions]


def _read_actions(words: Words, players: int) -> list[int | tuple[str, ...]]:
    """The names of actions, or how many, from `{ { "a" "b" } ... }` or `{ 2 ... }`."""
    words.take("{")
    actions: list[int | tuple[str, ...]] = []
    while words.kind != "}" or not actions:
        line = words.line
        if words.kind == "{":
            words.take("{")
            own: int | tuple[str, ...] = tuple(words.while_of("text"))
            words.take("}")
        else:
            count = words.take("number")
            if not re.fullmatch(r"\d{1,18}", count):
                raise _fault(
                    line, f"a number of actions must be a whole number, got {shown(count)}"
                )
            own = int(count)
        if not own:
            raise _fault(line, f"player {len(actions) + 1} has no actions")
        actions.append(own)
        if len(actions) > players:
            break
    if len(actions) != players:
        number = "more" if len(actions) > players else f"{len(actions)}"
        raise _fault(words.line, f"{players} players need {players} lists of actions, got {number}")
    words.take("}")
    return actions


def _read_payoffs(words: Words, players: int, sizes: tuple[int, ...]) -> np.ndarray:
    """Reads all payoffs, one row for each profile."""
    body, line = words.rest()
    comma = re.search(r"[0-9.],[0-9.]", body)
    if comma:
        line += body.count("\n", 0, comma.start())
        raise _fault(line, "a comma within a number; decimals are written with a point")
    numbers = _split(body)
    expected = players * math.prod(sizes)
    values = _values(numbers[:expected], lambda i: _line(body, i, line))
    if len(numbers) != expected:
        place = _line(body, expected, line)
        shape = " x ".join(map(str, sizes))
        need = f"{shape} profiles of {players} players have {expected} payoffs"
        if len(numbers) > expected:
            what = f"expected the end of the file, got {shown(numbers[expected])}"
        else:
            need += f", not {len(numbers)}"
            what = "expected a number, got the end of the file"
        raise _fault(place, f"{what}: {need}")
    return values.reshape(-1, players)


def _read_outcomes(words: Words, players: int, profiles: int) -> np.ndarray:
    """Reads the payoffs of each profile; outcome 0 pays nothing."""
    words.take("{")
    body, line = words.rest()
    position, lines, numbers = 0, line, []
    outcomes: list[tuple[int, int]] = []  # the line of each, and the index of its first number
    while match := _OUTCOME.match(body, position):
        own = _split(match["payoffs"])
        lines += body.count("\n", position, match.start("payoffs"))
        if len(own) != players:
            raise _fault(lines, f"an outcome has {players} payoffs, one per player, got {len(own)}")
        outcomes.append((lines, len(numbers)))
        numbers += own
        lines += body.count("\n", match.start("payoffs"), match.end())
        position = match.end()
    values = _values(numbers, lambda i: outcomes[i // players][0])
    words.move(body, position, lines)
    if words.kind == "{":  # not an outcome: reading it word by word raises the right error
        words.take("{")
        words.take("text")
        for _ in range(players):
            words.take("number")
    words.take("}")
    body, line = words.rest()
    chosen = _split(body)
    table = np.concatenate([np.zeros((1, players)), values.reshape(-1, players)])
    places = {str(number): number for number in range(len(table))}
    rows = [places.get(word, -1) for word in chosen[:profiles]]
    if -1 in rows:
        i = rows.index(-1)
        last = len(table) - 1
        options = " or ".join(places) if last < 3 else f"a number from 0 to {last}"
        raise _fault(_line(body, i, line), f"expected {options}, got {shown(chosen[i])}")
    if len(chosen) != profiles:
        more = len(chosen) > profiles
        what = "the end of the file" if more else "the number of an outcome"
        got = shown(chosen[profiles]) if more else "the end of the file"
        raise _fault(
            _line(body, profiles, line),
            f"expected {what}, got {got}: there are {profiles} profiles, with an outcome each",
        )
    return table[rows]


def _split(body: str) -> list[str]:
    """Splits a text into words at spaces and commas."""
    return (body.replace(",", " ") if "," in body else body).split()


def _line(body: str, word: int, line: int) -> int:
    """Returns the line of a word in a text that begins in `line`; past the words, the last line."""
    for i, match in enumerate(re.finditer(r"[^\s,]+", body)):
        if i == word:
            return line + body.count("\n", 0, match.start())
    return line + body.count("\n")


def _values(words: list[str], line: Callable[[int], int]) -> np.ndarray:
    """Converts every word to the nearest float64.

    Args:
        words: Words that should be numbers.
        line: Returns the line of the word with an index.
    """
    try:
        values = np.array([_value(word) for word in words], float)
    except (ValueError, ArithmeticError):
        values = None
    joined = " ".join(words)  # Python also accepts underscores and digits of other scripts
    if values is not None and np.isfinite(values).all() and joined.isascii() and "_" not in joined:
        return values
    i, what = next(faults for faults in map(_examined, range(len(words)), words) if faults[1])
    raise _fault(line(i), what)


def _value(word: str) -> float:
    if "/" in word:
        above, below = word.split("/")
        return int(above) / int(
            below
        )  # the quotient is rounded once, however long the integers are
    return float(word)


def _examined(index: int, word: str) -> tuple[int, str]:
    """Returns an index, and what is wrong with the number there, or an empty text."""
    if not NUMBER.fullmatch(word):
        return index, f"expected a number, got {shown(word)}"
    try:
        finite = math.isfinite(_value(word))
    except ZeroDivisionError:
        return index, f"the number {shown(word)} divides by zero"
    except (ValueError, OverflowError):
        finite = False
    return index, "" if finite else f"the number {shown(word)} is too large for float64"

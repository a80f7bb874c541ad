"""Loads the game that a user's Python file defines."""

import contextlib
import linecache
import math
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.problem.region import Ball, Box, Everywhere, Policies, Region
from dgames.fields import check_field
from dgames.strategy import Strategy, as_strategy, ravel

# The most characters of a source line, and of a foreign error message, that a sentence quotes.
_SOURCE, _MESSAGE = 60, 200


class UserFile(NamedTuple):
    """The definitions in a file: `game` (or NAME), perhaps `region`, `methods`, `x0`, `args`.

    The game may be a field, such as a natural gradient, or a leader and followers.
    """

    game: Any
    region: Region | None
    methods: tuple[type[dg.AbstractMethod], ...]
    x0: Strategy | None
    args: Any
    path: Path


def load_user_file(target: str) -> UserFile:
    """Runs `FILE.py` or `FILE.py:NAME` and picks out the game and its settings.

    While the file runs, modules beside it can be imported, as with `python FILE.py`.

    Args:
        target: A path, with the name of the game after a colon when it is not `game`.

    Raises:
        ValueError: If the file does not exist, fails, or does not define such a game.
    """
    path, name = target, "game"
    if not Path(path).exists() and ":" in target:
        path, name = target.rsplit(":", 1)
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{path} is a folder; name the Python file that defines the game")
    if not file.is_file():
        raise ValueError(f"there is no file {path}")
    if file.suffix in (".json", ".gz"):
        raise ValueError(f"{path} is no Python file; 'certify show' reads certificates")
    try:
        with _importing_from(file.parent):
            names = runpy.run_path(path)
    except SystemExit as leave:
        raise ValueError(f"{path} leaves Python with exit({leave.code!r}) before its end") from None
    except Exception as error:
        raise ValueError(described(error, file)) from error
    game = names.get(name)
    if not isinstance(game, dg.Game | dg.AbstractField) and not isinstance(game, dg.Stackelberg):
        raise ValueError(
            f"{path} must define a dgames Game or field called '{name}'; "
            f"it defines {_found(game, name, names)}"
        )
    region = names.get("region")
    if region is not None and not isinstance(region, Box | Ball | Everywhere | Policies):
        raise ValueError(
            f"{path}: 'region' must be a certify.Box, Ball, Everywhere or Policies, "
            f"not {_kind(region)}"
        )
    x0 = names.get("x0")
    if x0 is not None:
        _check_start(x0, path)
    return UserFile(game, region, _methods(names, path), x0, names.get("args"), file)


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the file may have removed the entry itself
            sys.path.remove(entry)


def _kind(value: Any) -> str:
    """Describes the kind of a value in two words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"a {type(value).__name__}"


def _found(value: Any, name: str, names: dict[str, Any]) -> str:
    """Says what a file defines in place of a game, and what would make it one."""
    if isinstance(value, type) and issubclass(value, dg.Game | dg.AbstractField):
        return f"the class {value.__name__}: write {name} = {value.__name__}()"
    if callable(value) and not isinstance(value, type):
        return f"a function: write {name} = dg.game({getattr(value, '__name__', 'costs')})"
    if value is not None:
        return _kind(value)
    games = [key for key, other in names.items() if isinstance(other, dg.Game | dg.AbstractField)]
    also = f" of that name, only {', '.join(games[:4])}: write FILE.py:{games[0]}" if games else ""
    return f"nothing{also}"


def _methods(names: dict[str, Any], path: str) -> tuple[type[dg.AbstractMethod], ...]:
    """Returns the `methods` of a file, after checking that they are classes of methods."""
    given = names.get("methods", (dg.Simultaneous,))
    methods = (given,) if isinstance(given, type) or not isinstance(given, Iterable) else given
    listed = tuple(methods)
    for method in listed:
        if isinstance(method, type) and issubclass(method, dg.AbstractMethod):
            continue
        what = _kind(method)
        if isinstance(method, dg.AbstractMethod):
            what += f": the class alone, without a step, is {type(method).__name__}"
        raise ValueError(
            f"{path}: 'methods' must be classes of methods, such as (dgames.Simultaneous, "
            f"dgames.Extragradient), and has {what}"
        )
    return listed


def _check_start(x0: Any, path: str) -> None:
    try:
        as_strategy(x0)
    except ValueError as error:
        raise ValueError(f"{path}: 'x0': {error}") from error
    except Exception as error:
        raise ValueError(f"{path}: 'x0' is no joint strategy: {_brief(error)}") from error


def described(error: BaseException, file: Path) -> str:
    """Describes an error of a user's file in one sentence, with the line where it happened."""
    place, source = str(file), ""
    number = _line_of(error, file)
    if number:
        place += f", line {number}"
        source = linecache.getline(str(file), number).strip()
    if len(source) > _SOURCE:
        source = source[: _SOURCE - 3] + "..."
    quoted = f" ({source})" if source else ""
    return f"{place}{quoted}: {_brief(error)}"


def _line_of(error: BaseException, file: Path) -> int | None:
    """Returns the number of the last line of that file in the traceback of an error."""
    if isinstance(error, SyntaxError) and _is(error.filename, file):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if _is(frame.filename, file)]
    return lines[-1] if lines else None


def _is(name: str | None, file: Path) -> bool:
    return (
        name is not None
        and Path(name).name == file.name
        and Path(name).resolve() == (file.resolve())
    )


def _brief(error: BaseException) -> str:
    """Returns the type of an error and the beginning of its message."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    if len(first) > _MESSAGE:
        first = first[: _MESSAGE - 3] + "..."
    return type(error).__name__ + (f": {first}" if first else "")


def check_costs(user: UserFile, region: Region) -> None:
    """Traces the user's costs once; an error of any kind in them becomes one sentence.

    Raises:
        ValueError: If the costs fail, or do not fit the players of the region.
    """
    try:
        check_field(dg.as_field(user.game), region.example, user.args)
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and _line_of(error, user.path) is None:
            raise  # this is a sentence of our own, which names the player
        raise ValueError(
            f"the costs fail on the players of the region: {described(error, user.path)}"
        ) from error


def box_from_text(text: str, like: Strategy | None) -> Box:
    """Reads a box from 'LOWER:UPPER', each a number or a comma-separated list of coordinates."""
    ends = text.split(":")
    if len(ends) != 2:
        raise ValueError(f"--box must read 'LOWER:UPPER', such as '0,0:1,1'; it reads {text!r}")
    lower, upper = (_numbers("--box", end) for end in ends)
    size = max(lower.size, upper.size)
    if {lower.size, upper.size} - {1, size}:
        raise ValueError(f"--box has {lower.size} numbers below and {upper.size} above the colon")
    lower, upper = (np.broadcast_to(v, size) if v.size == 1 else v for v in (lower, upper))
    return Box(_strategy("--box", lower, like), _strategy("--box", upper, like))


def strategy_from_text(text: str, like: Strategy | None) -> Strategy:
    """Reads a joint strategy from a comma-separated list of coordinates, player after player."""
    return _strategy("--around", _numbers("--around", text), like)


def _numbers(option: str, text: str) -> np.ndarray:
    shown = text if len(text) <= _SOURCE else text[: _SOURCE - 3] + "..."
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option}: {shown!r} is not a comma-separated list of numbers") from None
    for place, number in enumerate(numbers, 1):
        if not math.isfinite(number):
            raise ValueError(f"{option}: number {place} of {shown!r} is not finite")
    return np.array(numbers)


def _strategy(option: str, values: np.ndarray, like: Strategy | None) -> Strategy:
    """Returns values as a joint strategy like `like`; without one, each player has one of them."""
    if like is None:
        return tuple(jnp.asarray(value) for value in values)
    vector, unravel = ravel(as_strategy(like))
    if values.size == 1:
        values = np.broadcast_to(values, vector.size)
    if values.size != vector.size:
        raise ValueError(
            f"{option} has {values.size} numbers; the game has {vector.size} coordinates"
        )
    return unravel(jnp.asarray(values))

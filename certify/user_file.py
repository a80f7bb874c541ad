"""Loads the game that a user's Python file defines."""

import runpy
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.region import Box, Region
from dgames.fields import check_field
from dgames.strategy import Strategy, as_strategy, ravel


class UserFile(NamedTuple):
    """What a file defines: `game` (or NAME), and perhaps `region`, `methods`, `x0`, `args`.

    The game may be a field, such as a natural gradient.
    """

    game: dg.Game | dg.AbstractField
    region: Region | None
    methods: tuple[type[dg.AbstractMethod], ...]
    x0: Strategy | None
    args: Any


def load_user_file(target: str) -> UserFile:
    """Runs `FILE.py` or `FILE.py:NAME` and picks out the game and its settings.

    Args:
        target: A path, with the name of the game after a colon when it is not `game`.

    Raises:
        ValueError: If the file does not exist, fails, or does not define such a game.
    """
    path, name = target, "game"
    if not Path(path).exists() and ":" in target:
        path, name = target.rsplit(":", 1)
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    try:
        names = runpy.run_path(path)
    except Exception as error:
        raise ValueError(f"{path} failed with {type(error).__name__}: {error}") from error
    game = names.get(name)
    if not isinstance(game, dg.Game | dg.AbstractField):
        found = "nothing" if game is None else f"a {type(game).__name__}"
        raise ValueError(
            f"{path} must define a dgames Game or field called '{name}'; it defines {found}"
        )
    methods = names.get("methods", (dg.Simultaneous,))
    return UserFile(game, names.get("region"), tuple(methods), names.get("x0"), names.get("args"))


def check_costs(user: UserFile, region: Region) -> None:
    """Traces the user's costs once; an error of any kind in them becomes one sentence.

    Raises:
        ValueError: If the costs fail, or do not fit the players of the region.
    """
    try:
        check_field(dg.as_field(user.game), region.example, user.args)
    except ValueError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"the costs fail on the players of the region with {what}") from error


def box_from_text(text: str, like: Strategy | None) -> Box:
    """A box from 'LOWER:UPPER', each a number or a comma-separated list of coordinates."""
    ends = text.split(":")
    if len(ends) != 2:
        raise ValueError(f"--box must read 'LOWER:UPPER', such as '0,0:1,1'; it reads {text!r}")
    lower, upper = (_numbers("--box", end) for end in ends)
    size = max(lower.size, upper.size)
    lower, upper = (np.broadcast_to(v, size) if v.size == 1 else v for v in (lower, upper))
    return Box(_strategy("--box", lower, like), _strategy("--box", upper, like))


def strategy_from_text(text: str, like: Strategy | None) -> Strategy:
    """A joint strategy from a comma-separated list of coordinates, player after player."""
    return _strategy("--around", _numbers("--around", text), like)


def _numbers(option: str, text: str) -> np.ndarray:
    try:
        return np.array([float(part) for part in text.split(",")])
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not a comma-separated list of numbers") from None


def _strategy(option: str, values: np.ndarray, like: Strategy | None) -> Strategy:
    """In the structure of `like`; without one, a tuple of one-dimensional players."""
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

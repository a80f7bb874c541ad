"""The question of a proof about networks, from the arguments of the call."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

import dgames as dg
from certify.problem.exact_types import is_as_made
from certify.problem.network_contents import require_alike, require_network
from dgames.nn import MLP
from dgames.strategy import Strategy, blocks

Around = Literal["point", "start"]
Radius = float | Sequence[float] | Literal["contains_start"]


class PosedMoves(NamedTuple):
    """The strategy xi of a second player who moves inputs: at the point, the centre, the start."""

    point: np.ndarray
    centre: np.ndarray
    start: np.ndarray | None


class PosedNetworks(NamedTuple):
    """The question.

    Attributes:
        point: The networks at the point.
        centre: Those at the centre of the region: the point or the start.
        start: Those at the start, or None.
        decay_to: Those to which the weights decay, or None for zero, by network.
        radius: The radius of the region of each player; None if it is to contain the start.
        moves: The strategies of a second player who moves inputs, or None.
    """

    point: list[MLP]
    centre: list[MLP]
    start: list[MLP] | None
    decay_to: list[MLP | None]
    radius: tuple[float, ...] | None
    moves: PosedMoves | None = None


def posed_networks(
    game: dg.ZeroSumNetworks, point: Strategy, start: Strategy | None, radius: Radius, around: str
) -> PosedNetworks:
    """Returns the question, after looking at what was given.

    Args:
        game: The game.
        point: The pair of strategies near the equilibrium.
        start: The pair at the start, or None for that of the game.
        radius: As in `certify_networks`.
        around: As in `certify_networks`.

    Raises:
        ValueError: If the arguments do not fit together.
    """
    if type(game) is not dg.ZeroSumNetworks or not is_as_made(game):
        raise ValueError(
            f"certify_networks: the game is a dgames.ZeroSumNetworks; got {type(game).__name__}"
        )
    require_around(around)
    names = ("the first network", "the second network")
    moved = type(game.value) is dg.Perturbed
    count = 1 if moved else 2
    networks = _networks(point, "the point", count)
    targets: list[MLP | None] = []
    decayed = _pair(game.start, "the start")[:count]
    for network, target, name in zip(networks, decayed, names[:count], strict=True):
        if target is not None:
            require_alike(network, require_network(target, name), f"the start of {name}")
        targets.append(target)
    if start is None:
        initial = None if None in targets else [each for each in targets if each is not None]
    else:
        initial = _networks(start, "the start", count)
        for network, each in zip(networks, initial, strict=True):
            require_alike(network, each, "the start")
    if initial is None and (around == "start" or radius == "contains_start"):
        raise ValueError("certify_networks: give the start; no start is known to which both decay")
    centre = initial if around == "start" and initial is not None else networks
    require_decay(game.decay)
    moves = None
    if moved:
        if game.decay[1]:
            raise ValueError(
                "certify_networks: moves of inputs do not decay, they have a penalty; got a decay "
                f"of {game.decay[1]} for the second player"
            )
        here = _moves(_pair(point, "the point")[1], "the point")
        there = None
        if initial is not None:
            there = np.zeros_like(here)
            if start is not None:
                there = _moves(_pair(start, "the start")[1], "the start")
            if there.shape != here.shape:
                raise ValueError(
                    "certify_networks: moves of inputs at the start have the shape of those at the "
                    f"point, {here.shape}; got {there.shape}"
                )
        middle = here if around == "point" or there is None else there
        moves = PosedMoves(here, middle, there)
    return PosedNetworks(networks, centre, initial, targets, _radii(radius), moves)


def _networks(x: Any, what: str, count: int) -> list[MLP]:
    given = _pair(x, what)[:count]
    return [require_network(each, f"each player at {what}") for each in given]


def _moves(x: Any, what: str) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind != "f" or array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError(
            f"certify_networks: the second player at {what} moves inputs: finite real numbers of "
            f"shape (samples, inputs); got shape {array.shape}"
        )
    return array.astype(np.float64)


def _pair(x: Any, what: str) -> tuple[Any, ...]:
    found = x if isinstance(x, tuple | list) else blocks(x)
    if len(found) != 2:
        raise ValueError(f"certify_networks: {what} is a pair of strategies; got {len(found)}")
    return tuple(found)


def require_around(around: Any) -> None:
    """Raises an error unless it is one of the two words."""
    if around not in ("point", "start"):
        raise ValueError(f'certify_networks: around is "point" or "start"; got {around!r}')


def require_decay(decay: Any) -> None:
    """Raises an error unless decay is two numbers that are not negative."""
    numbers = decay if isinstance(decay, tuple | list) else ()
    if len(numbers) != 2 or not all(np.ndim(x) == 0 and np.isreal(x) for x in numbers):
        raise ValueError(f"certify_networks: decay is a number for each player; got {decay!r}")
    if not all(0 <= x < float("inf") for x in numbers):
        raise ValueError(f"certify_networks: decay is finite and not negative; got {decay!r}")


def _radii(radius: Radius) -> tuple[float, ...] | None:
    if isinstance(radius, str):
        if radius != "contains_start":
            raise ValueError(
                'certify_networks: the radius is a number, one per player, or "contains_start"; '
                f"got {radius!r}"
            )
        return None
    try:
        listed = np.asarray(radius, float)
        found = tuple(map(float, listed if listed.ndim else listed.repeat(2)))
    except (TypeError, ValueError):
        found = ()
    if len(found) != 2 or not all(0 < x < float("inf") for x in found):
        raise ValueError(
            f"certify_networks: the radius is a positive number, or one per player; got {radius}"
        )
    return found

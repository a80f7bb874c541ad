"""The arguments of `certify_networks` for robust training: a network, and weights of the data."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.problem.exact_types import is_as_made
from certify.problem.network_contents import require_alike, require_network
from certify.prove.neural.posed_networks import require_around, require_decay
from dgames.nn import MLP

METHODS = {dg.MirrorDescent: "mirror_descent", dg.MirrorProx: "mirror_prox"}


class RobustQuestion(NamedTuple):
    """What is asked: a game with its data, a point, a region and methods.

    Attributes:
        game: The game.
        point: The network and the weights near the equilibrium.
        start: The network from which training starts, or None.
        centre: The network around which the region is.
        radius: The radius of the region, or None for one whose basin contains the start.
        methods: Names of methods.
        accuracy: How near the equilibrium training should come.
    """

    game: dg.ZeroSumNetworks
    point: tuple[MLP, np.ndarray]
    start: MLP | None
    centre: MLP
    radius: float | None
    methods: list[str]
    accuracy: float


def robust_methods(methods: Sequence[type[dg.AbstractMethod]] | None) -> list[str]:
    """Returns the names of methods with theorems in the geometry of robust values.

    Raises:
        ValueError: If there is no theorem on one of them.
    """
    if methods is None:
        return ["mirror_descent", "mirror_prox"]
    listed: list[Any] = list(methods) if isinstance(methods, tuple | list) else [methods]
    for method in listed:
        if method not in METHODS:
            raise ValueError(
                "certify_networks: with a dgames.Robust value, methods are MirrorDescent and "
                f"MirrorProx; got {method!r}"
            )
    return [METHODS[method] for method in dict.fromkeys(listed)]


def robust_question(
    game: dg.ZeroSumNetworks,
    point: Any,
    radius: Any,
    start: Any,
    around: str,
    methods: Sequence[type[dg.AbstractMethod]] | None,
    accuracy: float,
) -> RobustQuestion:
    """Looks at the arguments of `certify_networks` for a robust value.

    Raises:
        ValueError: If they do not fit together.
    """
    if not (is_as_made(game) and is_as_made(game.value)):
        raise ValueError("certify_networks: the game and its value have attributes of their own")
    require_around(around)
    require_decay(game.decay)
    targets = game.start if isinstance(game.start, tuple | list) else ()
    if len(targets) != 2:
        raise ValueError(
            "certify_networks: the start of the game is a pair, a network or None, and None; got "
            f"{type(game.start).__name__}"
        )
    pair = tuple(point) if isinstance(point, tuple | list) else ()
    if len(pair) != 2:
        raise ValueError("certify_networks: the point is a pair, a network and the weights of data")
    network = require_network(pair[0], "the first player at the point")
    weights = np.asarray(pair[1])
    weights = weights.astype(np.float64) if weights.dtype.kind == "f" else np.zeros(())
    if weights.ndim != 1 or not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError(
            "certify_networks: the second player at the point weighs data: numbers >= 0"
        )
    target = targets[0]
    if target is not None:
        require_alike(network, require_network(target, "the start"), "the start of the network")
    if game.decay[1]:
        raise ValueError(
            f"certify_networks: weights of data do not decay; got a decay of {game.decay[1]} for "
            "the second player, who has a temperature"
        )
    initial = target
    if start is not None:
        initial = require_network(
            start[0] if isinstance(start, tuple | list) else start, "the start"
        )
        require_alike(network, initial, "the start")
    if initial is None and (around == "start" or radius == "contains_start"):
        raise ValueError("certify_networks: give the start; the network decays to zero")
    if isinstance(radius, str):
        size = None
        if radius != "contains_start":
            raise ValueError(
                f'certify_networks: the radius is a number or "contains_start"; got {radius!r}'
            )
    else:
        size = float(radius) if isinstance(radius, Real) else math.nan
        if not 0 < size < math.inf:
            raise ValueError(f"certify_networks: the radius is a positive number; got {radius}")
    centre = initial if around == "start" and initial is not None else network
    names = robust_methods(methods)
    return RobustQuestion(game, (network, weights), initial, centre, size, names, accuracy)

"""Random edits of certificate files that know what these are made of: for fuzzing.

Each edit keeps the contents data that JSON can hold; `sealed` then renews the hashes, without which
no reader looks any further.
"""

import copy
import json
from random import Random
from typing import Any

from certify.checker.affine_methods import METHODS
from certify.checker.graph import OPERANDS, game_hash, graph_hash
from certify.checker.reader import digest
from certify.checker.schemes import SCHEMES
from certify.checker.steps import STEP_RULES

# What a field may be replaced by: nothing, too much, and whatever is right somewhere else.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 2**63, 2**1100 - 1, -(2**1100) + 1, 2**1100, 10**400, 0.5),
    *("", "0x0.0p+0", "-0x0.0p+0", "0x1.0000000000000p+0", "-0x1.0000000000000p+0"),
    *("0x0.0000000000001p-1022", "0x1.fffffffffffffp+1023", "0x1.0000000000000p-500"),
    *("0x1.0000000000000p+99999999", "0x1p0", "inf", "-inf", "nan", "1.5", "\x1b[2J", "\ud800"),
    *([], {}, [[]], [0], [0, 1], [-1, 0], {"kind": "euclidean"}, {"kind": "simplex", "groups": []}),
    *({"outside": 0}, {"split": 0, "at": "0x0.0p+0"}, {"unit": -2400, "vectors": []}),
    *("box", "ball", "small_gain", "performance", "a" * 5000, [0] * 600),
    *("convergence", "contraction", "policies", "coupling", "form", "zero", "equations"),
    *("equilibrium", "stackelberg", "active", "inactive", "equation", "lower", "upper"),
    *("feedback", "finite", "stationary", "all", "discrete", "continuous", "refutation"),
    *("mean_square", "some", "neural", "outputs", "adversarial", "wasserstein", "logistic"),
    *("robust", "softmax", "mirror_prox", "perturbed", "function"),
    *("instability", "expansion", "flow", "alternating", "simultaneous"),
    *("tree", "pairs", "first", "second"),
    *("monotone", "point", "compact", "anchored", "varying", "best_iterate"),
    *("count", "costs", "field", "local", "descent", "unsettled"),
    *OPERANDS,
    *SCHEMES,
    *METHODS,
)
KEYS = ("metric", "weights", "sets", "graph", "zero_sum", "value", "margin_modes", "start", "along")
KEYS += ("region", "cells", "forms", "rows", "weight")


def edited(data: Any, random: Random) -> Any:
    """A copy with one to four edits."""
    data = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _edit(data, random)
    return data


def sealed(data: Any) -> Any:
    """A copy with the digest of its contents, game and graph with their hashes, if possible."""
    if not isinstance(data, dict):
        return data
    data = dict(data)
    game = data.get("game")
    value = game.get("value") if isinstance(game, dict) else None
    if isinstance(value, dict):
        graph = value.get("graph")
        if isinstance(graph, dict) and {"hash", "nodes", "outputs"} <= graph.keys():
            renewed = {**graph, "hash": graph_hash(graph["nodes"], graph["outputs"])}
            value = {**value, "graph": renewed}
        game = {**data["game"], "value": value}
        data["game"] = {**game, "hash": game_hash(game)} if "hash" in game else game
    graph = game.get("graph") if isinstance(game, dict) else None
    if isinstance(graph, dict) and {"hash", "nodes", "outputs"} <= graph.keys():
        renewed = {**graph, "hash": graph_hash(graph["nodes"], graph["outputs"])}
        game = data["game"] = {**game, "graph": renewed}
        if "hash" in game:
            data["game"] = {**game, "hash": game_hash(game)}
    return {**data, "digest": digest(data)}


def sealed_bytes(data: Any) -> bytes:
    """The file."""
    return json.dumps(sealed(data)).encode()


def _edit(data: Any, random: Random) -> None:
    """Changes one container in place."""
    place = _container(data, random)
    if place is None:
        return
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys:
        return
    key = random.choice(keys)
    match random.randrange(8):
        case 0:
            del place[key]
        case 1:
            place[key] = copy.deepcopy(random.choice(VALUES))
        case 2:
            place[key] = copy.deepcopy(_container(data, random))
        case 3 if isinstance(place, list):
            place.insert(key, copy.deepcopy(place[key]))
        case 3:
            place[random.choice(KEYS)] = copy.deepcopy(place[key])
        case 4:
            other = random.choice(keys)
            place[key], place[other] = place[other], place[key]
        case 5 if isinstance(place, list):
            place *= random.choice((0, 2, 3))
        case 5 if {"method", "theorem"} <= place.keys():
            place["method"], place["theorem"] = random.choice(list(STEP_RULES))
        case _:
            place[key] = _nudged(place[key], random)


def _container(data: Any, random: Random) -> Any:
    """A list or an object somewhere in it, those near the top about as often as those deep down."""
    place = data if isinstance(data, dict | list) else None
    while random.random() < 0.8:
        inner = list(place.values()) if isinstance(place, dict) else place or []
        inner = [value for value in inner if isinstance(value, dict | list)]
        if not inner:
            break
        place = random.choice(inner)
    return place


def _nudged(value: Any, random: Random) -> Any:
    """A number near by or far off; anything else as it is."""
    if type(value) is int:
        return random.choice((value + 1, value - 1, -value, 2 * value, value << 40, value >> 40))
    if isinstance(value, str):
        factor = random.choice((1 + 2.0**-40, 0.5, 2.0, -1.0, 1e-200, 1e200, 0.0))
        try:
            return (float.fromhex(value) * factor).hex()
        except (ValueError, OverflowError):
            return value
    return value

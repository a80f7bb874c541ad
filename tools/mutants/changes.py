"""Every kind of single change to a certificate file.

A change is made at one place of the file; the hash of the graph and the digest are renewed, so that
only the mathematics can object. Real numbers are hexadecimal floats as text, in lists and objects.
"""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from certify.checker.graph import OPERANDS, game_hash, graph_hash
from certify.checker.reader import digest

Path = tuple[str | int, ...]
NUDGES = {
    "1e-12": 1e-12,
    "1e-9": 1e-9,
    "1e-6": 1e-6,
    "1e-3": 1e-3,
    "1%": 0.01,
    "10%": 0.1,
    "50%": 0.5,
}
# Words with a meaning of their own.
WORDS = [
    ["box", "ball", "euclidean", "simplex"],
    ["lipschitz", "small_gain", "monotonicity", "performance"],
    ["simultaneous", "alternating", "extragradient", "optimistic", "heun", "ssprk3"],
    ["momentum", "complex_momentum", "runge_kutta_4", "optimistic"],
    ["convergence", "contraction", "policies"],
]


class Mutant(NamedTuple):
    """A file with one thing changed.

    Attributes:
        path: Where.
        kind: What was done.
        data: The contents, with renewed hashes.
    """

    path: Path
    kind: str
    data: dict[str, Any]


def field_of(path: Path) -> str:
    """The field of a place, without the indices: `claims.small_gain.coupling[][]`."""
    return "".join("[]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def group_of(path: Path) -> str:
    """The part of the file, for tables."""
    where = field_of(path)
    for pattern, name in (
        (r"claims\.(weights|metric)", "metric"),
        (r"claims\.small_gain", "small gain"),
        (r"claims\.equilibrium", "equilibrium"),
        (r"claims\.basin", "basin"),
        (r"claims\.steps\[\]\.pieces", "steps: pieces"),
        (r"claims\.steps", "steps"),
        (r"claims\.start", "first state"),
        (r"claims\.(center|residual|radius)", "equilibrium"),
        (r"claims\.(lower|upper)|region", "region"),
        (r"claims\.(margin|lipschitz|rate)", "margin, Lipschitz, rate"),
        (
            r"evidence(\.cells\[\]|\.start)?\.(along|\w*scaling|margin_modes|inverse)",
            "free choices",
        ),
        (r"evidence(\.cells\[\]|\.start)?\.(centre|generators|remainder|unit)", "families"),
        (r"evidence", "cells"),
        (r"game\.graph", "graph"),
        (r"game\.(sets|zero_sum)", "strategy sets, zero-sum"),
        (r"game|method|coordinates", "game"),
        (r"trusted|provenance|promoted", "text"),
    ):
        if re.match(pattern, where):
            return name
    return "top level"


def places(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place of a file but the whole and the digest, with what stands there."""
    if path:
        yield path, data
    if isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            if (*path, key) != ("digest",):
                yield from places(item, (*path, key))


def is_real(value: Any) -> bool:
    """Whether it is a real number of the format."""
    return (
        isinstance(value, str) and re.fullmatch(r"-?0x[01]\.[0-9a-f]*p[+-]\d+", value) is not None
    )


# Changes of one value ---------------------------------------------------------------------------

Change = Callable[[Any, np.random.Generator], Any]


def _ulp(towards: float) -> Change:
    return lambda text, rng: math.nextafter(float.fromhex(text), towards).hex()


def _times(factor: float) -> Change:
    return lambda text, rng: (float.fromhex(text) * factor).hex()


def _without(values: list, rng: np.random.Generator) -> list:
    k = int(rng.integers(len(values)))
    return [*values[:k], *values[k + 1 :]]


def _doubled(values: list, rng: np.random.Generator) -> list:
    k = int(rng.integers(len(values)))
    return [*values[: k + 1], *values[k:]]


def _swapped(values: list, rng: np.random.Generator) -> list:
    i, j = rng.choice(len(values), 2, replace=False)
    values = list(values)
    values[i], values[j] = values[j], values[i]
    return values


def _renamed(fields: dict, rng: np.random.Generator) -> dict:
    key = str(rng.choice(list(fields)))
    return {f"{name}_" if name == key else name: value for name, value in fields.items()}


def _fewer(fields: dict, rng: np.random.Generator) -> dict:
    key = str(rng.choice(list(fields)))
    return {name: value for name, value in fields.items() if name != key}


def _other_word(text: str, rng: np.random.Generator) -> str:
    others = [word for words in WORDS if text in words for word in words if word != text]
    return str(rng.choice(others))


REAL: dict[str, Change] = {
    "up 1 ulp": _ulp(math.inf),
    "down 1 ulp": _ulp(-math.inf),
    **{f"up {name}": _times(1 + share) for name, share in NUDGES.items()},
    **{f"down {name}": _times(1 - share) for name, share in NUDGES.items()},
    "sign flipped": _times(-1.0),
    "zeroed": lambda text, rng: (0.0).hex(),
    "made huge": _times(2.0**200),
    "made tiny": _times(2.0**-200),
    "in decimals": lambda text, rng: float.fromhex(text),
}
WHOLE: dict[str, Change] = {
    "plus 1": lambda value, rng: value + 1,
    "minus 1": lambda value, rng: value - 1,
    "up 1%": lambda value, rng: value + value // 100,
    "down 10%": lambda value, rng: value - value // 10,
    "halved": lambda value, rng: value // 2,
    "doubled": lambda value, rng: 2 * value,
    "sign flipped": lambda value, rng: -value,
    "zeroed": lambda value, rng: 0,
    "made huge": lambda value, rng: value + 2**1000,
}
WORD: dict[str, Change] = {
    "text changed": lambda text, rng: text + "x",
    "text emptied": lambda text, rng: "",
}
LIST: dict[str, Change] = {
    "element dropped": _without,
    "element doubled": _doubled,
    "elements swapped": _swapped,
    "emptied": lambda values, rng: [],
}
OBJECT: dict[str, Change] = {
    "field deleted": _fewer,
    "field added": lambda fields, rng: {**fields, "remark": (1.0).hex()},
    "field renamed": _renamed,
}


def changes_of(value: Any) -> dict[str, Change]:
    """The kinds of changes that can be made to a value."""
    if isinstance(value, bool):
        return {"flipped": lambda old, rng: not old}
    if isinstance(value, int):
        return WHOLE
    if is_real(value):
        return REAL
    if isinstance(value, str):
        known = any(value in words for words in WORDS)
        return WORD | ({"kind swapped": _other_word} if known else {})
    if isinstance(value, list):
        if not value:
            return {}
        short = {"elements swapped"} if len(value) < 2 else set()
        return {name: change for name, change in LIST.items() if name not in short}
    return OBJECT if value else {}


# Changes of cells and of graphs -----------------------------------------------------------------


def _cell_changes(node: Any, size: int) -> dict[str, Change]:
    """Of a node of the tree of cells."""
    if not (isinstance(node, dict) and ({"split", "centre", "outside"} & set(node))):
        return {}
    if "split" in node:
        return {
            "split coordinate changed": lambda old, rng: {**old, "split": (old["split"] + 1) % size}
        }
    found: dict[str, Change] = {"declared outside": lambda old, rng: {"outside": True}}
    if "centre" in node:
        found["bounds of nothing"] = lambda old, rng: {
            **old,
            "remainder": [0] * len(old["remainder"]),
        }
    return found


def _node_changes(node: Any, number: int) -> dict[str, Change]:
    """Of a node of the graph, which may refer to inputs and nodes before `number`."""
    operation, *rest = node
    count = OPERANDS[operation]
    found: dict[str, Change] = {}
    if count:

        def rewired(old: list, rng: np.random.Generator) -> list:
            old = list(old)
            old[1 + int(rng.integers(count))] = int(rng.integers(number))
            return old

        parameters = len(rest) - count
        others = [
            name
            for name, operands in OPERANDS.items()
            if operands == count and name not in (operation, "power") and not parameters
        ]
        found["operand rewired"] = rewired
        if others:
            found["operation replaced"] = lambda old, rng: [str(rng.choice(others)), *old[1:]]
    return found


def _without_node(graph: dict[str, Any], k: int, inputs: int) -> dict[str, Any]:
    """Drops a node; who referred to it refers to its first operand, or to the first input."""
    gone, node = inputs + k, graph["nodes"][k]
    instead = node[1] if OPERANDS[node[0]] else 0

    def number(x: int) -> int:
        x = instead if x == gone else x
        return x - (x > gone)

    nodes = [
        [
            entry[0],
            *map(number, entry[1 : 1 + OPERANDS[entry[0]]]),
            *entry[1 + OPERANDS[entry[0]] :],
        ]
        for entry in (*graph["nodes"][:k], *graph["nodes"][k + 1 :])
    ]
    return {**graph, "nodes": nodes, "outputs": list(map(number, graph["outputs"]))}


def renewed(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """With the hashes of the graph and of the game and the digest that the contents have."""
    if path[:2] == ("game", "graph") and path[-1] != "hash":
        graph = data["game"].get("graph")
        if isinstance(graph, dict) and {"hash", "nodes", "outputs"} <= set(graph):
            graph["hash"] = graph_hash(graph["nodes"], graph["outputs"])
    if path[:1] == ("game",) and path[-1] != "hash" and isinstance(data["game"], dict):
        graph = data["game"].get("graph")
        if isinstance(graph, dict) and "hash" in graph:
            data["game"]["hash"] = game_hash(data["game"])
    return {**data, "digest": digest(data)}


def changed(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value at a place, and renewed hashes."""
    data = copy.deepcopy(data)
    parent: Any = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return renewed(data, path)


# All of a file ----------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where something can be changed, and how."""

    path: Path
    kind: str
    make: Callable[[np.random.Generator], Any]


def all_places(data: dict[str, Any], others: list[dict[str, Any]]) -> list[Place]:
    """Every change that can be made to a file, in its order.

    Args:
        data: The file.
        others: Further certificates, whose claims may be taken over.
    """
    size = sum(player["size"] for player in data["game"].get("players", [])) or len(
        data["claims"].get("center", [0])
    )
    found: list[Place] = []
    for path, value in places(data):
        kinds = dict(changes_of(value))
        if path[:2] == ("evidence", "cells") and len(path) == 3:
            kinds |= _cell_changes(value, size)
        if path[:3] == ("game", "graph", "nodes") and len(path) == 4:
            kinds |= _node_changes(value, size + int(path[3]))
        if path[:3] == ("game", "graph", "outputs") and len(path) == 4:
            most = size + len(data["game"]["graph"]["nodes"])
            kinds["output rewired"] = lambda old, rng, most=most: int(rng.integers(most))
        for kind, change in kinds.items():
            found.append(Place(path, kind, lambda rng, v=value, c=change: c(v, rng)))
        if path[0] in ("claims", "region", "evidence") or path[:2] in (
            ("game", "sets"),
            ("game", "graph"),
        ):
            taken = [item for item in (_at(other, path) for other in others) if item != value]
            taken = [item for item in taken if item is not None]
            if taken and not isinstance(value, int):
                found.append(
                    Place(
                        path,
                        "of another certificate",
                        lambda rng, taken=taken: copy.deepcopy(
                            taken[int(rng.integers(len(taken)))]
                        ),
                    )
                )
    graph = data["game"].get("graph")
    for k in range(len(graph["nodes"]) if graph else 0):
        found.append(
            Place(("game", "graph"), "node dropped", lambda rng, k=k: _without_node(graph, k, size))
        )
    return found


def _at(data: Any, path: Path) -> Any:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def mutants(
    data: dict[str, Any], others: list[dict[str, Any]], count: int, rng: np.random.Generator
) -> Iterator[Mutant]:
    """So many different changes: one at every place of claims, then every kind at every field.

    Of the lists of numbers in cells and in metrics, every field has its turn but not every entry.
    """
    found = all_places(data, others)
    order = [found[i] for i in rng.permutation(len(found))]
    by_path: dict[Path, list[Place]] = {}
    by_field: dict[tuple[str, str], list[Place]] = {}
    for place in order:
        if place.path[0] != "evidence":
            by_path.setdefault(place.path, []).append(place)
        by_field.setdefault((field_of(place.path), place.kind), []).append(place)
    turns = [options[-1] for options in by_path.values()]
    longest = max(map(len, by_field.values()))
    turns += [
        options[k] for k in range(longest) for options in by_field.values() if k < len(options)
    ]
    seen: set[str] = set()
    original = json.dumps(data, sort_keys=True)
    for path, kind, make in turns:
        if len(seen) == count:
            return
        try:
            mutant = changed(data, path, make(rng))
            text = json.dumps(mutant, sort_keys=True)
        except (OverflowError, ValueError):  # beyond the largest float, which no file can hold
            continue
        if text != original and text not in seen:
            seen.add(text)
            yield Mutant(path, kind, mutant)

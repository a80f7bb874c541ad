"""Certificates with one thing changed."""

import copy

from certify.checker.graph import game_hash


def mutated(data, path, change):
    """A copy in which the entry at a path, a sequence of keys, has been changed by a function.

    The hash of the game is renewed with what it is of.
    """
    data = copy.deepcopy(data)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = change(parent[path[-1]])
    game = data["game"]
    renewable = isinstance(game, dict) and isinstance(game.get("graph"), dict)
    if path[0] == "game" and path != ("game", "hash") and renewable and "hash" in game["graph"]:
        game["hash"] = game_hash(game)
    return data


def nudged(factor):
    """Multiplies a number of a file."""
    return lambda text: (float.fromhex(text) * factor).hex()

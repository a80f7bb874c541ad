"""Certificates with one thing changed."""

import copy


def mutated(data, path, change):
    """A copy in which the entry at a path, a sequence of keys, has been changed by a function."""
    data = copy.deepcopy(data)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = change(parent[path[-1]])
    return data


def nudged(factor):
    """Multiplies a number of a file."""
    return lambda text: (float.fromhex(text) * factor).hex()

"""Enclosures that show every interval on the way."""

import functools

import jax
import numpy as np

from certify.enclosure import Interval, enclose
from certify.enclosure.interval import is_interval
from certify.enclosure.registry import RULES
from tools.numpy_jaxpr import run


def checked(function, rules=RULES):
    """What `enclose` gives, computed by NumPy; fails if any rule gives an inverted interval."""

    def enclosed(*operands):
        names, found = [], []

        def watched(name, rule):
            @functools.wraps(rule)
            def careful(op, *inputs):
                results = rule(op, *inputs)
                for x in jax.tree.leaves(results, is_leaf=is_interval):
                    if isinstance(x, Interval):
                        names.append(name)
                        found.append((x.lower, x.upper))
                return results

            return careful

        table = {name: watched(name, rule) for name, rule in rules.items()}

        def everything(*ends):
            result = enclose(function, table)(*(Interval(*pair) for pair in ends))
            return (result.lower, result.upper), found

        leaves = [(np.asarray(x.lower), np.asarray(x.upper)) for x in operands]
        with np.errstate(all="ignore"):
            code = jax.make_jaxpr(everything)(*leaves)
            lower, upper, *others = run(code, jax.tree.leaves(leaves))
        for name, low, high in zip(names, others[::2], others[1::2], strict=True):
            assert (low <= high).all(), (name, low, high)
        assert (lower <= upper).all(), (lower, upper)
        return Interval(lower, upper)

    return enclosed


def values(function, points):
    """The values of code at a batch of points, computed by NumPy."""
    with np.errstate(all="ignore"):
        return run(jax.make_jaxpr(jax.vmap(function))(points), [np.asarray(points)])[0]

"""Evaluation of sums of ridges in ordinary floating point, at many points.

It proves nothing: it is for comparing what a proof rests on with the code that it was read from.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.forms import Factor, Vector
from certify.checker.ridges import Ridges
from certify.checker.univariate import Tree
from certify.enclosure.elementary import FLOATS


class RidgeValues(NamedTuple):
    """Values at some points.

    Attributes:
        field: The field, shape (points, n).
        costs: The costs, shape (points, players); of a field, itself.
        field_scale: The sizes of the terms of each entry of the field together, shape (points, n).
        cost_scale: The largest number on the way to the costs, shape (points, 1).
    """

    field: Float[np.ndarray, "points n"]
    costs: Float[np.ndarray, "points costs"]
    field_scale: Float[np.ndarray, "points n"]
    cost_scale: Float[np.ndarray, "points one"]


def evaluate_ridges(ridges: Ridges, points: Float[np.ndarray, "points n"]) -> RidgeValues:
    """Returns the field that the forms spell out, and the costs; NaN where they are undefined."""
    count, n = points.shape
    reached: dict[Vector, np.ndarray] = {}
    known: dict[Factor, tuple[np.ndarray, np.ndarray]] = {}
    scale = np.ones(count)

    def at(factor: Factor) -> tuple[np.ndarray, np.ndarray]:
        nonlocal scale
        if factor not in known:
            along = factor.direction
            if along not in reached:
                places, entries = [k for k, _ in along], [float(a) for _, a in along]
                reached[along] = points[:, places] @ np.array(entries)
            known[factor] = value_and_slope(factor.tree, reached[along])
            scale = np.fmax(scale, np.abs(known[factor][0]))
        return known[factor]

    field, size = np.zeros((count, n)), np.zeros((count, n))
    costs = np.zeros((count, len(ridges.costs)))
    owners = np.array(ridges.players)
    with np.errstate(all="ignore"):
        for i, cost in enumerate(ridges.costs):
            costs[:, i] += float(cost.constant)
            for k, a in cost.slopes.items():
                costs[:, i] += float(a) * points[:, k]
                if ridges.is_gradient and owners[k] == i:
                    field[:, k] += float(a)
                    size[:, k] += abs(float(a))
            for factors, a in cost.products.items():
                parts = [at(factor) for factor in factors]
                costs[:, i] += float(a) * np.prod([value for value, _ in parts], 0)
                for f, factor in enumerate(factors):
                    if not ridges.is_gradient:
                        break
                    others = [value for g, (value, _) in enumerate(parts) if g != f]
                    slope = float(a) * parts[f][1] * np.prod([np.ones(count), *others], 0)
                    for k, x in factor.direction:
                        if owners[k] == i:
                            field[:, k] += slope * float(x)
                            size[:, k] += np.abs(slope * float(x))
    scale = np.fmax(scale, np.abs(costs).max(1))[:, None]
    if not ridges.is_gradient:
        return RidgeValues(costs, costs, np.broadcast_to(scale, costs.shape), scale)
    return RidgeValues(field, costs, size, scale)


def value_and_slope(tree: Tree, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns a function of one variable and its derivative at many numbers."""
    name = tree[0]
    if name == "sum":
        value, slope = float(tree[2]) * t + float(tree[3]), np.full_like(t, float(tree[2]))
        for inner, factor in tree[1]:
            own = value_and_slope(inner, t)
            value, slope = value + float(factor) * own[0], slope + float(factor) * own[1]
        return value, slope
    if name == "product":
        (f, df), (g, dg) = (value_and_slope(inner, t) for inner in tree[1:3])
        return f * g, df * g + f * dg
    u, du = value_and_slope(tree[1], t)
    if name == "power":
        n = tree[2]
        return u ** float(n), n * u ** float(n - 1) * du
    if name == "bend":
        b, c = float(tree[2]), float(tree[3])
        value = np.sqrt(b + c * u**2)
        return value, c * u / value * du
    if name == "logcosh":
        return np.abs(u) + np.log1p(np.exp(-2 * np.abs(u))) - np.log(2.0), np.tanh(u) * du
    function, derivative = FLOATS[name]
    return function(u), derivative(u) * du

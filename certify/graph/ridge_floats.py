"""Evaluation of sums of ridges in ordinary floating point, at many points.

It proves nothing: it is for comparing what a proof rests on with the code that it was read from.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from certify.checker.forms import Factor, Factors
from certify.checker.ridges import Ridges
from certify.checker.univariate import Tree
from certify.enclosure.elementary import FLOATS

# About so many numbers are kept at a time.
_ENTRIES = 2**24


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
    sums = _Sums(ridges)
    rows = max(1, _ENTRIES // (1 + sums.size))
    parts = [_evaluated(sums, points[k : k + rows]) for k in range(0, len(points), rows)]
    return RidgeValues(*map(np.concatenate, zip(*parts, strict=True)))


class _Sums:
    """The costs of a game, or a field, as matrices that multiply values and slopes of functions.

    Attributes:
        trees: The functions of one variable that are different.
        groups: The numbers of the factors that are each of these functions, of their linear forms.
        directions: The linear forms of all factors, as columns.
        products: The factors of each product, padded by one that is 1 everywhere, the last.
        constants: The constants of the costs.
        slopes: Their linear forms, as columns.
        coefficients: The coefficients of products in the costs.
        linear: The constant part of the field.
        along: What the slope of each factor in each product, times the others, adds to the field.
    """

    def __init__(self, ridges: Ridges) -> None:
        n, costs = len(ridges.players), ridges.costs
        numbers: dict[Factor, int] = {}
        products: dict[Factors, int] = {}
        for cost in costs:
            for factors in cost.products:
                products.setdefault(factors, len(products))
                for factor in factors:
                    numbers.setdefault(factor, len(numbers))
        groups: dict[Tree, list[int]] = {}
        for factor, number in numbers.items():
            groups.setdefault(factor.tree, []).append(number)
        self.trees, self.groups = [*groups], [*groups.values()]
        longest = max(map(len, products), default=1)
        self.products = np.full((len(products), longest), len(numbers))
        for factors, row in products.items():
            self.products[row, : len(factors)] = [numbers[factor] for factor in factors]
        self.size = n + len(numbers) + 2 * self.products.size
        self.constants = np.array([float(cost.constant) for cost in costs])
        self.directions = _matrix(
            ((k, column, a) for f, column in numbers.items() for k, a in f.direction),
            (n, len(numbers)),
        )
        self.slopes = _matrix(
            ((k, i, a) for i, cost in enumerate(costs) for k, a in cost.slopes.items()),
            (n, len(costs)),
        )
        self.coefficients = _matrix(
            (
                (products[key], i, a)
                for i, cost in enumerate(costs)
                for key, a in cost.products.items()
            ),
            (len(products), len(costs)),
        )
        owners = ridges.players
        self.is_gradient = ridges.is_gradient
        own = [costs[i].slopes.get(k, 0) for k, i in enumerate(owners)] if self.is_gradient else []
        self.linear = np.array([float(a) for a in own])
        self.along = _matrix(
            (
                (products[key] * longest + f, k, a * x)
                for i, cost in enumerate(costs if self.is_gradient else ())
                for key, a in cost.products.items()
                for f, factor in enumerate(key)
                for k, x in factor.direction
                if owners[k] == i
            ),
            (self.products.size, n),
        )


def _matrix(entries: Iterable[tuple[int, int, Any]], shape: tuple[int, int]) -> sp.csr_array:
    """Returns a matrix of which some entries are sums of the given ones."""
    listed = [(row, column, float(a)) for row, column, a in entries]
    rows, columns, values = zip(*listed, strict=True) if listed else ((), (), ())
    return sp.csr_array((np.array(values, float), (rows, columns)), shape=shape)


def _evaluated(sums: _Sums, points: np.ndarray) -> RidgeValues:
    with np.errstate(all="ignore"):
        reached = points @ sums.directions
        values = np.ones((len(points), reached.shape[1] + 1))
        slopes = np.zeros_like(values)
        for tree, group in zip(sums.trees, sums.groups, strict=True):
            values[:, group], slopes[:, group] = value_and_slope(tree, reached[:, group])
        factors, derivatives = values[:, sums.products], slopes[:, sums.products]
        costs = sums.constants + points @ sums.slopes + factors.prod(2) @ sums.coefficients
        sizes = [np.abs(values), np.abs(costs)]
        scale = np.fmax.reduce([size.max(1, initial=1.0) for size in sizes])[:, None]
        if not sums.is_gradient:
            return RidgeValues(costs, costs, np.broadcast_to(scale, costs.shape), scale)
        partial = np.empty_like(factors)
        for f in range(factors.shape[2]):
            partial[:, :, f] = derivatives[:, :, f] * np.delete(factors, f, 2).prod(2)
        partial = partial.reshape(len(points), -1)
        field = sums.linear + partial @ sums.along
        size = np.abs(sums.linear) + np.abs(partial) @ abs(sums.along)
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

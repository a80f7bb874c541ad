"""Evaluation of expression graphs and gradients in ordinary floating point, at many points.

It proves nothing: it is for comparing a graph with the code that it was read from.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.graph import Graph
from certify.enclosure.elementary import FLOATS


class Dual(NamedTuple):
    """The values of a real function at some points, shape (points,), and its gradients."""

    value: Float[np.ndarray, " points"]
    gradient: Float[np.ndarray, "points inputs"]


class Evaluation(NamedTuple):
    """The values and gradients of a graph at some points.

    Attributes:
        outputs: Values of the outputs, shape (points, outputs).
        gradients: Gradients of the outputs, shape (points, outputs, inputs).
        scale: The largest number, value or derivative, on the way, shape (points,), by which
            rounding errors are measured.
    """

    outputs: Float[np.ndarray, "points outputs"]
    gradients: Float[np.ndarray, "points outputs inputs"]
    scale: Float[np.ndarray, " points"]


def evaluate(graph: Graph, points: Float[np.ndarray, "points inputs"]) -> Evaluation:
    """Returns the outputs of a graph and their gradients; NaN where an operation is undefined.

    Example:
        >>> from certify.graph.trace import expression_graph
        >>> from certify.checker.graph import read_graph
        >>> from certify.checker.reader import Reader
        >>> data = expression_graph(lambda x: [x[0] * x[1]], 2)
        >>> found = evaluate(read_graph(Reader(data), 2, 1), np.array([[2.0, 3.0]]))
        >>> found.outputs.tolist(), found.gradients.tolist()
        ([[6.0]], [[[3.0, 2.0]]])
    """
    count = len(points)
    units = np.broadcast_to(np.eye(graph.inputs), (count, graph.inputs, graph.inputs))
    inputs = [Dual(points[:, k], units[:, k]) for k in range(graph.inputs)]
    with np.errstate(all="ignore"):
        values = graph.values(inputs, _operations(count, graph.inputs))
    scale = np.ones(count)
    for dual in itertools.chain(*values):
        scale = np.fmax(scale, np.abs(dual.value))
        scale = np.fmax(scale, np.abs(dual.gradient).max(1, initial=0.0))
    ends = [dual for k in graph.outputs for dual in values[k]]
    return Evaluation(
        np.stack([end.value for end in ends], 1),
        np.stack([end.gradient for end in ends], 1),
        np.where(np.isfinite(scale), scale, np.inf),
    )


def _operations(points: int, inputs: int) -> dict[str, Callable]:
    still = np.zeros((points, inputs))

    def constant(value: Any) -> Dual:
        return Dual(np.full(points, float(value)), still)

    def power(x: Dual, exponent: int) -> Dual:
        slope = exponent * x.value ** float(exponent - 1) if exponent else 0.0 * x.value
        return _along(x, x.value ** float(exponent), slope)

    def real_power(x: Dual, y: Dual) -> Dual:
        base = np.where(x.value > 0, x.value, np.nan)
        value = base**y.value
        gradient = y.value[:, None] * (value / base)[:, None] * x.gradient
        return Dual(value, gradient + (value * np.log(base))[:, None] * y.gradient)

    def quotient(x: Dual, y: Dual) -> Dual:
        value = x.value / np.where(y.value == 0, np.nan, y.value)
        return Dual(value, (x.gradient - value[:, None] * y.gradient) / y.value[:, None])

    def choose(x: Dual, y: Dual, less: Dual, other: Dual) -> Dual:
        which = x.value < y.value
        return Dual(
            np.where(which, less.value, other.value),
            np.where(which[:, None], less.gradient, other.gradient),
        )

    return {
        "constant": constant,
        "power": power,
        "pow": real_power,
        "add": lambda x, y: Dual(x.value + y.value, x.gradient + y.gradient),
        "sub": lambda x, y: Dual(x.value - y.value, x.gradient - y.gradient),
        "mul": lambda x, y: Dual(
            x.value * y.value,
            x.value[:, None] * y.gradient + y.value[:, None] * x.gradient,
        ),
        "div": quotient,
        "neg": lambda x: Dual(-x.value, -x.gradient),
        "abs": lambda x: _along(x, np.abs(x.value), np.sign(x.value)),
        "max": lambda x, y: choose(x, y, y, x),
        "min": lambda x, y: choose(x, y, x, y),
        "choose": choose,
        **{name: _unary(*functions) for name, functions in FLOATS.items()},
    }


def _along(x: Dual, value: np.ndarray, slope: np.ndarray) -> Dual:
    return Dual(value, slope[:, None] * x.gradient)


def _unary(function: Callable, slope: Callable) -> Callable[[Dual], Dual]:
    return lambda x: _along(x, function(x.value), slope(x.value))

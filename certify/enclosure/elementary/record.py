"""The record of an elementary function: all that enclosures know of it, in one place.

Tables by name are made from the records (see `elementary`): rules and margins, what the self-test
measures, derivatives, what affine arithmetic linearises and what expression graphs are made of. To
add a function, write its record into the file of its family. The checker has rules of its own,
because it must not trust these.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import numpy as np

from certify.enclosure.elementary.univariate import Univariate, derivative
from certify.enclosure.interval import Interval
from certify.enclosure.margins import (
    ErrorMargin,
    clamp,
    clamp_lower,
    outward,
    units,
    where_defined,
    where_entire,
)
from certify.enclosure.registry import BARE, Rule


class Nodes(Protocol):
    """A builder of an expression graph; a node is a number (see `certify.graph.builder`)."""

    def node(self, operation: str, *parts: Any) -> int:
        """Returns the node of an operation."""
        ...

    def constant(self, value: float) -> int:
        """Returns the node of a float, exactly."""
        ...

    def add(self, x: int, y: int) -> int:
        """Returns the node of a sum."""
        ...

    def sub(self, x: int, y: int) -> int:
        """Returns the node of a difference."""
        ...

    def mul(self, x: int, y: int) -> int:
        """Returns the node of a product."""
        ...

    def div(self, x: int, y: int) -> int:
        """Returns the node of a quotient."""
        ...

    def log(self, x: int) -> int:
        """Returns the node of a logarithm."""
        ...


class Elementary(NamedTuple):
    """An elementary function, usually of one real variable.

    A part that is None does not exist, or is not known: no rule of that kind is registered then.

    Attributes:
        name: The name of JAX's primitive; of `derivative`s without a primitive, any other.
        compute: The function in floating point, by JAX.
        rule: Its range over intervals.
        margin: The error of `compute` that the rule allows for; `self_test` measures it.
        exact: The function in decimal arithmetic, to forty digits, for the self-test.
        sample: Arguments for the self-test, one array for each operand.
        smooth: The range in smooth mode, where `rough` does not tell it.
        rough: Tells where an interval may reach a point at which the function is defined, but not
            smooth, such as an end of its domain: nothing is known there in smooth mode.
        derivatives: The derivatives of every order with their exact ranges. JAX differentiates the
            function by them.
        slopes: The ranges of derivatives: `slopes(operation, x, order, *others)`. Used only where
            there are no `derivatives`.
        differentiable: Code to differentiate in place of the primitive, where JAX's own derivative
            rounds a constant or divides needlessly.
        graph: The operation of expression graphs with this meaning, or a function of `Nodes` and
            numbers of nodes that builds it of others.
        floats: The function and its derivative by NumPy, if it is an operation of graphs.
        aliases: Other primitives that do the same.
    """

    name: str
    compute: Callable | None = None
    rule: Rule | None = None
    margin: ErrorMargin | None = None
    exact: Callable[..., Decimal] | None = None
    sample: tuple[np.ndarray, ...] = ()
    smooth: Rule | None = None
    rough: Callable[[Interval], Any] | None = None
    derivatives: Univariate | None = None
    slopes: Callable[..., Interval] | None = None
    differentiable: Callable | None = None
    graph: str | Callable[..., int] | None = None
    floats: tuple[Callable, Callable] | None = None
    aliases: tuple[str, ...] = ()

    def enclose(self, *operands: Interval) -> Interval:
        """Returns the range over intervals, outside of any code."""
        assert self.rule is not None
        return self.rule(BARE, *operands)

    @property
    def smooth_rule(self) -> Rule | None:
        """Returns the range in smooth mode, where it differs."""
        if self.rule is None or self.rough is None:
            return self.smooth
        rule, rough = self.rule, self.rough
        return lambda op, x: where_entire(rough(x), rule(op, x))

    @property
    def slope_rule(self) -> Callable[..., Interval] | None:
        """Returns the ranges of derivatives, from `slopes` or `derivatives`."""
        if self.derivatives is None or self.rule is None:
            return self.slopes
        known = self.derivatives
        return lambda op, x, order: known.enclose(x, order)

    @property
    def replacement(self) -> Callable | None:
        """Returns the code to differentiate in place of the primitive."""
        if self.derivatives is None or self.compute is None:
            return self.differentiable
        return lambda x: derivative(self.name, x)

    @property
    def graph_builder(self) -> Callable[..., int] | None:
        """Returns the function that builds the node, given `Nodes` and numbers of nodes."""
        operation = self.graph
        if isinstance(operation, str):
            return lambda nodes, *operands: nodes.node(operation, *operands)
        return operation


def monotone(
    name: str,
    compute: Callable,
    margin: ErrorMargin,
    *,
    decreasing: bool = False,
    values: tuple[float, float] = (-math.inf, math.inf),
    outside: Callable[[Interval], Any] | None = None,
    **others: Any,
) -> Elementary:
    """Makes the record of a monotone function, whose range is found at the ends of an interval.

    Args:
        name: See `Elementary`.
        compute: See `Elementary`.
        margin: See `Elementary`.
        decreasing: Whether it decreases.
        values: Bounds that the function is known to keep.
        outside: Tells where an interval may leave the domain, as `[-inf, inf]` does. None if the
            function is defined everywhere.
        others: Further parts of the record.
    """

    def range_(op: Any, x: Interval) -> Interval:
        first, last = (x.upper, x.lower) if decreasing else (x.lower, x.upper)
        lower = compute(first)
        result = outward(lower, lower if x.is_point else compute(last), units(name))
        low, high = values
        if math.isfinite(high):
            result = clamp(result, low, high)
        elif math.isfinite(low):
            result = clamp_lower(result, low)
        return result if outside is None else where_entire(outside(x), result)

    rule = where_defined(range_) if outside is None else range_
    return Elementary(name, compute, rule, margin, **others)

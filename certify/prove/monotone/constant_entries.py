"""Entries of a Jacobian that are one number on all of a region, and values of a field, exactly.

A game that is merely monotone has a Jacobian whose symmetric part is singular; no rounding error is
small enough there. Mostly it is singular because entries are zero, or one constant.
"""

import dataclasses
import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Bool, Float

from certify.checker.intervals import ZERO, BallInterval, exact
from certify.checker.jets import Jet, JetArithmetic, derivative
from certify.checker.rederive import PRECISION, entries
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.enclosure_choice import is_constant, kinks_in
from certify.jacobian.family import AffineFamily
from certify.problem.field import FlatField
from certify.problem.region import Region


class ConstantEntries(NamedTuple):
    """Which entries of a Jacobian are constant, and what they are."""

    known: Bool[np.ndarray, "n n"]
    value: Float[np.ndarray, "n n"]

    def put_into(self, family: AffineFamily) -> AffineFamily:
        """Returns a family of the same Jacobians, exact where these are constant."""
        centre = np.where(self.known, self.value, family.centre)
        generators = np.where(self.known, 0.0, family.generators)
        remainder = np.where(self.known, 0.0, family.remainder)
        return dataclasses.replace(
            family, centre=centre, generators=generators, remainder=remainder
        )


def constant_entries(field: FlatField, region: Region) -> ConstantEntries:
    """Finds the entries of the Jacobian of a field that are one float on all of a region.

    The expression graph is evaluated over the region in ball arithmetic, as by level 2 of the
    checker. An entry whose derivatives are all zero is constant, and what it is in the middle.
    """
    n = field.dimension
    nothing = ConstantEntries(np.zeros((n, n), bool), np.zeros((n, n)))
    if kinks_in(field) is not None:
        return nothing
    try:
        graph = graph_of(field)
    except GraphError:
        return nothing
    lower, upper = ([Fraction(x) for x in end.tolist()] for end in region.bounds())
    middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
    made = entries([*field.sizes], field.zero_sum, field.is_gradient)
    order = len(made[0][2]) + 1

    def jets(order: int, box: list[tuple[Fraction, Fraction]]) -> list[Jet]:
        arithmetic = JetArithmetic(order)
        return graph.obliged(arithmetic.inputs(box), arithmetic.operations)[0]

    known, value = nothing
    with ctx.workprec(PRECISION):
        here = jets(order, [(m, m) for m in middle])
        moving = None if is_constant(field) else jets(order + 1, [*zip(lower, upper, strict=True)])
        for a, (output, sign, along) in enumerate(made):
            for b in range(n):
                number = _as_float(derivative(here[output], (*along, b), 0).get((), ZERO))
                slopes = {} if moving is None else derivative(moving[output], (*along, b), 1)
                known[a, b] = number is not None and all(
                    monomial == () or _is_zero(slope) for monomial, slope in slopes.items()
                )
                value[a, b] = sign * number if number is not None and known[a, b] else 0.0
    return ConstantEntries(known, value)


def is_exact(
    field: FlatField, point: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"]
) -> bool:
    """Says whether `F(point)` is shown to be these floats exactly, in ball arithmetic."""
    try:
        graph = graph_of(field)
    except GraphError:
        return False
    made = entries([*field.sizes], field.zero_sum, field.is_gradient)
    with ctx.workprec(PRECISION):
        arithmetic = JetArithmetic(0 if kinks_in(field) is not None else 1)
        start = arithmetic.inputs([(Fraction(x), Fraction(x)) for x in point.tolist()])
        found, obliged = graph.obliged(start, arithmetic.operations)
        if not all(x.is_finite() for jet in (*found, *obliged) for x in jet.values()):
            return False
        return all(
            _is_zero(
                found[output].get(along, ZERO).times(sign) - BallInterval.point(Fraction(stated))
            )
            for (output, sign, along), stated in zip(made, value.tolist(), strict=True)
        )


def _is_zero(x: BallInterval) -> bool:
    return bool(x.low == 0) and bool(x.high == 0)


def _as_float(x: BallInterval) -> float | None:
    """Returns the number of an interval that has only one, if it is a float."""
    number = float(x.low.mid()) if x.is_finite() else math.nan
    if not math.isfinite(number):
        return None
    same = exact(Fraction(number))
    return number + 0.0 if bool(x.low == same) and bool(x.high == same) else None

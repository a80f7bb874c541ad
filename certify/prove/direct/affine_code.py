"""Evaluates a map that combines its argument and values of the field, over cells and at points.

The map is

    y_j = A_j z + sum_(l < j) B_jl F(y_l) + a_j,      T(z) = A z + sum_l B_l F(y_l) + a.

Its Jacobian follows by the chain rule, in which each `J(y_l)` is enclosed over every point that
`y_l` can be.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from certify.jacobian.enclosure_choice import DefiniteEnclosure
from certify.jacobian.family import AffineFamily
from certify.jacobian.family_arithmetic import added, product
from certify.problem.constraints import contains_box
from certify.problem.field import FlatField, compiled_jacobian, compiled_value
from certify.prove.direct.field_family import Stage
from dgames.sets import AbstractSet
from dgames.strategy import Block, ravel


class Enclosed(NamedTuple):
    """The enclosure of a map over a cell.

    Attributes:
        value: The values of the map, shape (k, 1).
        jacobian: The Jacobian by all coordinates of the cell, shape (k, m).
        finite: Whether the field was shown to be defined and smooth wherever the map evaluates it,
            and every point that the method projects before the end to lie in its strategy set.
    """

    value: AffineFamily
    jacobian: AffineFamily
    finite: bool


class AffineCode(NamedTuple):
    """How a map combines its argument and the values of the field, read off its code.

    Attributes:
        constant: The constants of all rows: first of the points where the field is evaluated, then
            of the results, then of what is projected.
        linear: The coefficients of the argument and of the values of the field, in the same rows.
        argument: How many coordinates the argument has.
        calls: How often the field is evaluated.
        results: The rows of the results.
        projected: For each projection: the strategy set, a block for its structure, and the rows of
            the trial point.
        hash: SHA-256 of the traced code.
    """

    constant: AffineFamily
    linear: AffineFamily
    argument: int
    calls: int
    results: slice
    projected: list[tuple[AbstractSet, Block, slice]]
    hash: str


def enclosed(
    code: AffineCode,
    field: FlatField,
    enclosure: DefiniteEnclosure,
    lower: np.ndarray,
    upper: np.ndarray,
) -> Enclosed:
    """Encloses the map over the cell `[lower, upper]`, rigorously."""
    m, n = code.argument, field.dimension
    middle = 0.5 * lower + 0.5 * upper
    radius = np.maximum(upper - middle, middle - lower) * (1 + 2.0**-50)
    z = AffineFamily(middle[:, None], np.diag(radius)[:, :, None], np.zeros((m, 1)))
    # Derivatives are by z, not by the symbols e_k, which stand for z only within the families.
    identity = AffineFamily.ball(np.eye(m), np.zeros((m, m)))
    stages: list[tuple[AffineFamily, AffineFamily]] = []
    finite = True

    def combined(rows: slice) -> tuple[AffineFamily, AffineFamily]:
        own = _part(code.linear, rows, slice(0, m))
        value = added(_part(code.constant, rows, slice(0, 1)), product(own, z))
        moves = product(own, identity) if m else own
        for k, (found, slope) in enumerate(stages):
            factor = _part(code.linear, rows, slice(m + n * k, m + n * (k + 1)))
            if factor.centre.any() or factor.remainder.any():
                value = added(value, product(factor, found))
                moves = added(moves, product(factor, slope))
        return value, moves

    for k in range(code.calls):
        point, moves = combined(slice(n * k, n * (k + 1)))
        if not np.isfinite(point.magnitude).all():
            finite = False
            break
        stage = Stage(field, enclosure, point)
        finite &= stage.finite
        if not finite:
            break
        stages.append((stage.value, stage.along(moves)))
    if not finite:
        size = code.results.stop - code.results.start
        value, jacobian = (
            AffineFamily.ball(np.zeros(shape), np.full(shape, np.inf))
            for shape in ((size, 1), (size, m))
        )
        return Enclosed(value, jacobian, False)
    for own, block, rows in code.projected:
        point, _ = combined(rows)
        low = np.nextafter(point.centre - point.spread, -np.inf)
        high = np.nextafter(point.centre + point.spread, np.inf)
        unravel = ravel(block)[1]
        finite &= contains_box(own, *(unravel(jnp.asarray(end[:, 0])) for end in (low, high)))
    value, jacobian = combined(code.results)
    finite &= bool(np.isfinite(jacobian.magnitude).all())
    return Enclosed(value, jacobian, bool(finite))


def values_at(code: AffineCode, field: FlatField, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the map at a point, and the sizes of the terms in its sums, which scale rounding."""
    found, sizes = z, np.abs(z)
    n = field.dimension
    for rows in [*(slice(n * k, n * (k + 1)) for k in range(code.calls)), code.results]:
        known = np.asarray(code.linear.centre)[rows, : len(found)]
        constant = np.asarray(code.constant.centre)[rows, 0]
        point, size = known @ found + constant, np.abs(known) @ sizes + np.abs(constant)
        if rows is code.results:
            return point, size
        value = np.asarray(compiled_value(field)(jnp.asarray(point)))
        # The rounding error of the point adds to that of the field there.
        found = np.concatenate([found, value])
        sizes = np.concatenate([sizes, np.abs(value) + np.abs(value).max() + size])
    raise AssertionError


def jacobian_at(code: AffineCode, field: FlatField, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the map and its Jacobian at a point, in ordinary floating point."""
    m, n = code.argument, field.dimension
    linear, constant = np.asarray(code.linear.centre), np.asarray(code.constant.centre)[:, 0]
    values, slopes = [z], [np.eye(m)]
    for rows in [*(slice(n * k, n * (k + 1)) for k in range(code.calls)), code.results]:
        known = linear[rows, : m + n * (len(values) - 1)]
        point = known @ np.concatenate(values) + constant[rows]
        moves = known @ np.concatenate(slopes)
        if rows is code.results:
            return point, moves
        y = jnp.asarray(point)
        values.append(np.asarray(compiled_value(field)(y)))
        slopes.append(np.asarray(compiled_jacobian(field)(y)) @ moves)
    raise AssertionError


def _part(x: AffineFamily, rows: slice, columns: slice) -> AffineFamily:
    return AffineFamily.ball(x.centre[rows, columns], x.remainder[rows, columns])

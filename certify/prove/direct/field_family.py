"""Encloses the pseudo-gradient over boxes: its values, and its Jacobians as affine families."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from certify.checker.rederive import entries
from certify.enclosure.affine.affine_form import ball
from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.enclosure.margins import flush
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import is_smooth, jacobian_family
from certify.jacobian.by_taylor import flushed, taylor_family
from certify.jacobian.enclosure_choice import ConstantJacobian, DefiniteEnclosure, Taylor
from certify.jacobian.expansion import middle_of
from certify.jacobian.family import AffineFamily
from certify.jacobian.family_arithmetic import product, substituted, value
from certify.problem.field import FlatField


class Stage:
    """An enclosure of the field F wherever one evaluation of it can take place.

    Attributes:
        value: The values of F, a family of shape (n, 1) over the cell.
        jacobian: The Jacobian of F, a family of shape (n, n) over the cell.
        finite: Whether the costs and F are shown to be defined and smooth there; if not, value and
            Jacobian mean nothing.
    """

    def __init__(self, field: FlatField, enclosure: DefiniteEnclosure, point: AffineFamily):
        lower = np.nextafter(point.centre - point.spread, -np.inf)[:, 0]
        upper = np.nextafter(point.centre + point.spread, np.inf)[:, 0]
        found = [np.asarray(x) for x in _enclosed(field, enclosure)(lower, upper)]
        centre, generators, remainder, middle, radius, low, high, finite = found
        n = len(middle)
        # Only the generators of coordinates depend on where the point is.
        loose = (np.abs(generators[n:]).sum(0) + remainder) * (1 + 2.0**-36)
        family = AffineFamily(centre, generators[:n], loose)
        at_middle = AffineFamily.between(low[:, None], high[:, None])
        self.value = value(at_middle, family, point, middle)
        self.jacobian = substituted(family, point, middle, radius)
        self.finite = bool(finite)

    def along(self, moves: AffineFamily) -> AffineFamily:
        """Returns the derivative of F if its argument has the derivative `moves`."""
        return product(self.jacobian, moves)


@functools.lru_cache(maxsize=32)
def _enclosed(field: FlatField, enclosure: DefiniteEnclosure) -> Callable:
    """Returns a function from the corners of a cell to an enclosure of the field on it."""
    values = enclose(field.function)
    if isinstance(enclosure, Taylor):
        return _by_taylor(field, jax.jit(lambda x: values(Interval.point(x))))
    family = jacobian_family(field.function, enclosure.method)
    smooth = is_smooth(field.costs, enclosure.method)

    def evaluate(lower: Any, upper: Any) -> Any:
        lower, upper = jnp.asarray(lower), jnp.asarray(upper)
        found = family(lower, upper)
        cell = flush(Interval(lower, upper))
        # These are the numbers in the family, whose symbols are `(x_k - middle_k) / radius_k`.
        middle, radius = ball(cell)
        at_middle = values(Interval.point(middle))
        finite = found.finite & smooth(cell)
        finite = finite & jnp.all(jnp.isfinite(at_middle.lower) & jnp.isfinite(at_middle.upper))
        parts = (found.centre, found.generators, found.remainder)
        return (*parts, middle, radius, at_middle.lower, at_middle.upper, finite)

    # A constant Jacobian is evaluated a few times only, so that compiling would take longer.
    return evaluate if isinstance(enclosure, ConstantJacobian) else jax.jit(evaluate)


def _by_taylor(field: FlatField, value: Callable) -> Callable:
    """Encloses the field by Taylor polynomials of the costs, compiling only F at a point.

    The families of the most recent cells are kept, because other step sizes ask for them again.
    """
    made = entries([*field.sizes], field.zero_sum, field.is_gradient)
    family = taylor_family(graph_of(field), made)

    @functools.lru_cache(maxsize=256)
    def known(cell: bytes) -> tuple[Any, ...]:
        # Use the corners of the family, so that its middle and radius are the same.
        lower, upper = flushed(*np.frombuffer(cell).reshape(2, -1))
        found = family(lower[None], upper[None])
        middle, radius = middle_of(lower, upper)
        at_middle = value(jnp.asarray(middle))
        low, high = np.asarray(at_middle.lower), np.asarray(at_middle.upper)
        finite = found.finite[0] & np.isfinite(low).all() & np.isfinite(high).all()
        parts = (found.centre[0], found.generators[0], found.remainder[0])
        return (*map(np.asarray, parts), middle, radius, low, high, finite)

    return lambda lower, upper: known(np.stack([lower, upper]).tobytes())

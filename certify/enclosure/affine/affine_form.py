"""Affine forms: numbers that remember how they move with the coordinates of a box.

    x = c + sum_k e_k g_k + rho,     |e_k| <= 1,   |rho| <= R

The symbols `e_k` are shared by all numbers of one evaluation: the first stand for the coordinates
of the box, later ones for remainders of nonlinear operations that are worth remembering. What two
numbers have in common then cancels in their difference, which interval arithmetic cannot see
(Comba, Stolfi, Affine arithmetic and its applications to computer graphics, 1993).

An affine form is also an `Interval`: the tighter of the one that the form gives and the one that
interval arithmetic gives, so that a rule that knows nothing of forms may use it.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from certify.enclosure import direct
from certify.enclosure.interval import Interval
from certify.rounding import EPSILON, TINY


class AffineForm(Interval):
    """An interval array whose entries depend on common symbols.

    Attributes:
        centre: `c`.
        generators: `g_k` along a leading axis; symbols beyond its length do not occur.
        remainder: `R >= 0`; infinite where the form says nothing.
    """

    centre: Float[Array, "..."]
    generators: Float[Array, "symbols ..."]
    remainder: Float[Array, "..."]

    @property
    def interval(self) -> Interval:
        """Returns the interval alone, without the form."""
        return Interval(self.lower, self.upper)

    @property
    def symbols(self) -> int:
        """Returns how many symbols may occur."""
        return self.generators.shape[0]

    @property
    def spread(self) -> Float[Array, "..."]:
        """Returns `sum_k |g_k| + R`, rounded up: how far the number may be from the centre."""
        return up(jnp.sum(jnp.abs(self.generators), 0) + self.remainder, self.symbols + 1)

    @property
    def deviation(self) -> Float[Array, "..."]:
        """Returns the spread, or less where the interval is narrower."""
        by_interval = jnp.maximum(self.upper - self.centre, self.centre - self.lower)
        return jnp.minimum(self.spread, up(by_interval, 1))

    def broadcast_to(self, shape: tuple[int, ...]) -> "AffineForm":
        """Broadcasts the form to the given shape."""
        if self.shape == shape:
            return self
        missing = (1,) * (len(shape) - self.ndim)
        generators = self.generators.reshape((self.symbols, *missing, *self.shape))
        return AffineForm(
            jnp.broadcast_to(self.lower, shape),
            jnp.broadcast_to(self.upper, shape),
            jnp.broadcast_to(self.centre, shape),
            jnp.broadcast_to(generators, (self.symbols, *shape)),
            jnp.broadcast_to(self.remainder, shape),
        )


def up(value: Any, operations: int) -> Any:
    """Raises a number as `rounding.raised` does, but for rules, which are traced often."""
    grown = direct.multiply(value, 1.0 + (operations + 2) * EPSILON)
    return direct.add(grown, (operations + 2) * 4.0 * TINY)


def coordinates(box: Interval) -> AffineForm:
    """Returns the coordinates of a box of any shape, with one symbol for each.

    Entries without width still have a symbol, which does not matter.
    """
    centre, radius = ball(box)
    generators = jnp.diag(radius.ravel()).reshape((radius.size, *radius.shape))
    return AffineForm(box.lower, box.upper, centre, generators, jnp.zeros_like(radius))


def ball(x: Interval) -> tuple[Array, Array]:
    """Returns a centre, normal or zero, and how far the interval reaches from it, rounded up."""
    middle = jnp.clip(0.5 * x.lower + 0.5 * x.upper, x.lower, x.upper)
    middle = jnp.where(jnp.abs(middle) < TINY, 0.0, middle)
    return middle, up(jnp.maximum(x.upper - middle, middle - x.lower), 1)


def as_form(x: Interval) -> AffineForm:
    """Returns an affine form without symbols, unless `x` is one already."""
    if isinstance(x, AffineForm):
        return x
    none = jnp.zeros((0, *x.shape))
    if x.is_point:
        return AffineForm(x.lower, x.upper, x.lower, none, jnp.zeros_like(x.lower))
    centre, radius = ball(x)
    bad = ~(jnp.isfinite(centre) & jnp.isfinite(radius))
    return AffineForm(
        x.lower, x.upper, jnp.where(bad, 0.0, centre), none, jnp.where(bad, jnp.inf, radius)
    )


def raw(centre: Any, generators: Any, remainder: Any, bounds: Interval) -> AffineForm:
    """Returns a form that is yet to be settled: linear operations need no more."""
    return AffineForm(bounds.lower, bounds.upper, centre, generators, remainder)


def settled(x: Interval) -> AffineForm:
    """Returns the same numbers, with an interval as narrow as the form says and ready for use."""
    x = as_form(x)
    return form(x.centre, x.generators, x.remainder, x.interval) if x.symbols else x


def form(centre: Any, generators: Any, remainder: Any, bounds: Interval) -> AffineForm:
    """Returns a form whose interval is the intersection of what the form and `bounds` say.

    Args:
        centre: Any floats.
        generators: The generators, along a leading axis.
        remainder: Covers every rounding error made so far.
        bounds: Bounds of the same numbers, from interval arithmetic; where they are unknown, so is
            the result.
    """
    finite = jnp.isfinite(centre) & jnp.isfinite(remainder)
    finite = finite & jnp.all(jnp.isfinite(generators), 0)
    # Where the remainder alone is wider than the interval, the form is not worth having.
    middle, radius = ball(bounds)
    known = jnp.isfinite(middle) & jnp.isfinite(radius)
    good = finite & ~bounds.is_unknown & ~(known & (radius <= remainder))
    centre = jnp.where(good, centre, jnp.where(known, middle, 0.0))
    generators = jnp.where(good, generators, 0.0)
    remainder = jnp.where(good, remainder, jnp.where(known, radius, jnp.inf))
    spread = up(jnp.sum(jnp.abs(generators), 0) + remainder, generators.shape[0] + 1)
    slack = (
        2.0 * EPSILON * (jnp.abs(centre) + jnp.where(jnp.isfinite(spread), spread, 0.0))
        + 4.0 * TINY
    )
    lower = jnp.maximum(bounds.lower, centre - spread - slack)
    upper = jnp.minimum(bounds.upper, centre + spread + slack)
    return AffineForm(lower, upper, centre, generators, remainder)


def aligned(*forms: AffineForm) -> list[Any]:
    """Returns the generators of several forms, padded to as many symbols each."""
    most = max(x.symbols for x in forms)
    return [
        jnp.concatenate([x.generators, jnp.zeros((most - x.symbols, *x.shape))])
        if x.symbols < most
        else x.generators
        for x in forms
    ]


def moved(op: Any, operands: Sequence[Any], bounds: Any) -> Any:
    """Returns the forms after a primitive that only moves numbers; `bounds` are theirs after it."""
    forms = [as_form(x) if isinstance(x, Interval) else x for x in operands]
    generators = iter(aligned(*(x for x in forms if isinstance(x, AffineForm))))
    axes = [0 if isinstance(x, AffineForm) else None for x in forms]
    batched = [next(generators) if isinstance(x, AffineForm) else x for x in forms]

    def at(name: str) -> Any:
        return op.bind(*(getattr(x, name) if isinstance(x, AffineForm) else x for x in forms))

    centre, remainder = at("centre"), at("remainder")
    result = jax.vmap(op.bind, in_axes=axes)(*batched)
    make = form if op.primitive.name == "gather" else raw  # gather may fill with NaN
    if not op.primitive.multiple_results:
        return make(centre, result, remainder, bounds)
    return [make(c, g, r, b) for c, g, r, b in zip(centre, result, remainder, bounds, strict=True)]

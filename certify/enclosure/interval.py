"""Intervals: pairs of arrays that stand for every real number between them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from certify.enclosure import direct


class Interval(eqx.Module):
    """All arrays `x` with `lower <= x <= upper` entrywise; a pytree of two arrays.

    The endpoints may be infinite. `[-inf, inf]` means that nothing is known, not even whether the
    value is defined: it is the result of a division by an interval containing zero, of a logarithm
    of a possibly negative number, or of a choice that may jump. Every rule returns it for an
    operand of which nothing is known, so that such trouble cannot disappear again, as it would in
    `tanh([-inf, inf]) = [-1, 1]`. Endpoints are never NaN.

    Attributes:
        lower: Float64 for every proof (booleans inside comparisons).
        upper: An array of the same shape.

    Example:
        >>> import jax.numpy as jnp
        >>> x = Interval(jnp.array(-1.0), jnp.array(2.0))
        >>> float(x.width), bool(x.contains(jnp.array(0.5)))
        (3.0, True)
    """

    lower: Any = eqx.field(converter=lambda value: _as_array(value))
    upper: Any = eqx.field(converter=lambda value: _as_array(value))

    def __check_init__(self):
        lower, upper = self.lower, self.upper
        if not (hasattr(lower, "shape") and hasattr(upper, "shape")):
            return  # equinox and jax rebuild pytrees with leaves that are no arrays
        if lower.shape != upper.shape:
            raise ValueError(
                f"Interval: lower has shape {lower.shape} but upper has shape {upper.shape}; "
                "give equal shapes."
            )

    @classmethod
    def point(cls, value: Any) -> "Interval":
        """Returns the degenerate interval `[value, value]`.

        Both endpoints are one object, by which rules recognise it.
        """
        value = _as_array(value)
        return cls(value, value)

    @classmethod
    def entire(cls, like: Any) -> "Interval":
        """Returns `[-inf, inf]` with the shape of `like`: nothing is known."""
        ones = jnp.ones(jnp.shape(like), jnp.float64)
        return cls(-jnp.inf * ones, jnp.inf * ones)

    @property
    def is_point(self) -> bool:
        """Returns whether it is known, without looking at values, to be a single point."""
        return self.lower is self.upper

    @property
    def is_unknown(self) -> Bool[Array, "..."]:
        """Returns, entry by entry, whether it is `[-inf, inf]`."""
        return direct.both(direct.equal(self.lower, -np.inf), direct.equal(self.upper, np.inf))

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the shape of either endpoint."""
        return self.lower.shape

    @property
    def ndim(self) -> int:
        """Returns the number of axes of either endpoint."""
        return self.lower.ndim

    @property
    def width(self) -> Float[Array, "..."]:
        """Returns `upper - lower`, rounded to nearest (for display and scores, not for proofs)."""
        return self.upper - self.lower

    @property
    def midpoint(self) -> Float[Array, "..."]:
        """Returns a float near the middle (for display and scores; any float is a valid centre)."""
        return 0.5 * self.lower + 0.5 * self.upper

    @property
    def magnitude(self) -> Float[Array, "..."]:
        """Returns the largest absolute value in the interval; exact."""
        return direct.maximum(direct.absolute(self.lower), direct.absolute(self.upper))

    def contains(self, value: Any) -> Bool[Array, "..."]:
        """Returns, entry by entry, whether `value` is inside."""
        return (self.lower <= value) & (value <= self.upper)

    def __repr__(self) -> str:
        return f"Interval(lower={self.lower}, upper={self.upper})"


def is_interval(value: Any) -> bool:
    """Returns whether a value is an interval; for `is_leaf=` in tree operations."""
    return isinstance(value, Interval)


def _as_array(value: Any) -> Any:
    return (
        jnp.asarray(value)
        if isinstance(value, bool | int | float | np.ndarray | np.generic)
        else value
    )


def is_concrete(value: Any) -> bool:
    """Returns whether no leaf of `value` is being traced by a JAX transformation."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))

"""One step of a method as a map of vectors, and its products with directions."""

import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.fields import AbstractField, check_field, prepared
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, ravel

# An augmented state in two parts: its floating-point coordinates, and its counters and the like.
Point = tuple[Float[Array, " coordinates"], PyTree]


class AugmentedStep:
    """One step of a method as a map `T` of augmented states `(x, state)`, laid out as vectors.

    Objects are made where they are used, inside compiled functions, and are not passed to them.

    Attributes:
        start: The augmented state to start from.
        size: The number of coordinates of `x`, which are the first ones of the vector.
    """

    def __init__(
        self,
        field: AbstractField,
        method: AbstractMethod,
        x: Strategy,
        args: PyTree = None,
        state: PyTree = None,
    ):
        self._parts = field, method, args
        self.size = ravel(x)[0].size
        self._given = state
        self.start, self._unravel = self._laid_out(x)

    def __call__(self, point: Point) -> Point:
        """The augmented state after one step."""
        field, method, args = self._parts
        x, state = self.unravel(point)
        moving, fixed = eqx.partition(method.step(field, x, state, args), eqx.is_inexact_array)
        return ravel(moving)[0], fixed

    def unravel(self, point: Point) -> tuple[Strategy, PyTree]:
        """The strategy and the state of the method."""
        vector, fixed = point
        return eqx.combine(self._unravel(vector), fixed)

    def begin(self, x: Strategy) -> Float[Array, " coordinates"]:
        """The vector of a start `x`, with the state that the method gives it or the one given."""
        return self._laid_out(x)[0][0]

    def push(
        self, point: Point, directions: Float[Array, "coordinates count"]
    ) -> Float[Array, "coordinates count"]:
        """The Jacobian of the step times directions: one Jacobian-vector product each."""
        vector, fixed = point
        _, product = jax.linearize(lambda vector: self((vector, fixed))[0], vector)
        return jax.vmap(product, 1, 1)(directions)

    def pull(
        self, point: Point, directions: Float[Array, "coordinates count"]
    ) -> Float[Array, "coordinates count"]:
        """The transposed Jacobian times directions: one vector-Jacobian product each."""
        vector, fixed = point
        _, product = jax.vjp(lambda vector: self((vector, fixed))[0], vector)
        return jax.vmap(lambda direction: product(direction)[0], 1, 1)(directions)

    def _laid_out(self, x: Strategy) -> tuple[Point, Callable]:
        field, method, args = self._parts
        state = method.init(field, x, args) if self._given is None else self._given
        moving, fixed = eqx.partition((x, state), eqx.is_inexact_array)
        vector, unravel = ravel(moving)
        return (vector, fixed), unravel


def checked(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree
) -> tuple[AbstractField, Strategy]:
    """Returns the field of a game and the numbers of a strategy, after checking both."""
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    return field, x


def counted(who: str, **values: Any) -> int:
    """Returns the one value given by name, after checking that it is a positive whole number."""
    ((name, value),) = values.items()
    try:
        whole = operator.index(value)
    except (TypeError, jax.errors.JAXTypeError):
        whole = 0
    if whole < 1 or isinstance(value, bool):
        raise ValueError(f"{who}: {name} must be a whole number, at least 1; got {value!r}")
    return whole


def held_fixed(tree: PyTree) -> PyTree:
    """Returns a pytree through which no derivative passes."""
    return jax.tree.map(
        lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree
    )


def nonzero(norms: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns norms to divide by: one in place of zero."""
    return jnp.where(norms > 0, norms, jnp.ones_like(norms))

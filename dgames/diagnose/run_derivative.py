"""The derivative of many steps along their start, as products with directions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, held_fixed, nonzero
from dgames.diagnose.singular_directions import singular_directions, unit_columns
from dgames.fields import AbstractField
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, ravel


class RunDerivative:
    """The derivative of k steps at a start, up to a factor; no derivative passes through it.

    It keeps the k augmented states of the run, and evaluates the steps again for every product.
    Each step is divided by the growth of one vector that is pushed along, so that products neither
    overflow nor vanish, however long the run; singular directions do not depend on that.
    """

    def __init__(
        self,
        field: AbstractField,
        method: AbstractMethod,
        x: Strategy,
        args: PyTree,
        state: PyTree,
        steps: int,
    ):
        field, method, x, args, state = held_fixed((field, method, x, args, state))
        self.step, self._x = AugmentedStep(field, method, x, args, state), x
        vector, _ = self.step.start
        self.size, self.dtype = vector.size, vector.dtype
        probe, _ = unit_columns(
            jax.random.normal(jax.random.key(1), (vector.size, 1), vector.dtype)
        )

        def advance(carry, _):
            point, probe = carry
            pushed, growth = unit_columns(self.step.push(point, probe))
            return (self.step(point), pushed), (point, nonzero(growth))

        _, (self._points, self._scales) = jax.lax.scan(
            advance, (self.step.start, probe), length=steps
        )

    def forward(
        self, directions: Float[Array, "coordinates count"]
    ) -> Float[Array, "coordinates count"]:
        """The product with displacements of the augmented state at the start."""

        def advance(directions, at):
            point, scale = at
            return self.step.push(point, directions) / scale, None

        return jax.lax.scan(advance, directions, (self._points, self._scales[:, None]))[0]

    def backward(
        self, directions: Float[Array, "coordinates count"]
    ) -> Float[Array, "coordinates count"]:
        """The product of the transpose with directions of the augmented state at the end."""

        def retreat(directions, at):
            point, scale = at
            return self.step.pull(point, directions) / scale, None

        points = (self._points, self._scales[:, None])
        return jax.lax.scan(retreat, directions, points, reverse=True)[0]

    def directions(self, count: int, iterations: int) -> Float[Array, "coordinates count"]:
        """Displacements of the augmented state that grow most."""
        return singular_directions(
            self.forward, self.backward, self.size, count, self.dtype, iterations
        )

    def directions_of_start(
        self, count: int, iterations: int
    ) -> tuple[Float[Array, "strategy count"], Float[Array, "coordinates count"]]:
        """Displacements of the start `x` after which the last strategy has moved most.

        The state of the method follows the start, as `init` says, and is forgotten at the end.

        Returns:
            The displacements of the strategy, and those of the augmented state.
        """
        vector, unravel = ravel(self._x)
        _, lift = jax.linearize(lambda vector: self.step.begin(unravel(vector)), vector)
        _, lower = jax.vjp(lambda vector: self.step.begin(unravel(vector)), vector)
        rest = self.size - vector.size

        def lifted(directions: Array) -> Array:
            return jax.vmap(lift, 1, 1)(directions)

        def forward(directions: Array) -> Array:
            return self.forward(lifted(directions))[: vector.size].astype(vector.dtype)

        def backward(directions: Array) -> Array:
            padded = jnp.pad(directions.astype(self.dtype), ((0, rest), (0, 0)))
            moved = self.backward(padded)
            return jax.vmap(lambda direction: lower(direction)[0], 1, 1)(moved)

        best = singular_directions(forward, backward, vector.size, count, vector.dtype, iterations)
        return best, lifted(best)

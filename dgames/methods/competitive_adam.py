"""Competitive gradient descent with step sizes that adapt to each coordinate."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, own_sets
from dgames.fields.competitive import competitive, multiply
from dgames.methods.method import (
    AbstractMethod,
    State,
    per_player,
    real_hyperparameter,
    subtract,
)
from dgames.strategy import Block, Strategy, map_players


class CompetitiveAdam(AbstractMethod):
    """Competitive gradient descent with step sizes as in Adam without momentum (ACGD).

        v+ = b v + (1 - b) F^2,    H = diag(h sqrt(1 - b^t) / (sqrt(v+) + e)),
        x+ = P(x - d),    (H^-1 + J_o) d = F(x),

    with `v = 0` at first and t the number of the step. `d` is the equilibrium of the local game in
    which coordinate k costs `d_k^2 / (2 H_k)`; `J_o` is the interaction, see `Competitive`. With
    the roots R of H the system is `(I + R J_o R) u = R F` and `d = R u`; it is solved as there,
    from the u of the step before. Two evaluations of the field per step (one of them as N blocks),
    and the products that the solver takes. The state is `(v, b^t, u)`.

    Attributes:
        step_size: h, a positive number or one per player.
        decay: b, in [0, 1).
        epsilon: e, positive.
        solver: As for `Competitive`.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), CompetitiveAdam(0.5, epsilon=0.0)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [round(float(block), 6) for block in x]
    [0.4, 1.2]

    References:
        Schaefer, Zheng and Anandkumar, *Implicit competitive regularization in GANs*, ICML 2020,
        arXiv:1910.05852.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    decay: Float[Array, ""] = eqx.field(converter=real_hyperparameter, default=0.99)
    epsilon: Float[Array, ""] = eqx.field(converter=real_hyperparameter, default=1e-5)
    solver: Any = None

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> tuple[Strategy, Array, Strategy]:
        zero = jax.tree.map(jnp.zeros_like, x)
        return zero, jnp.ones_like(self.decay), zero

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        own_sets(field, x)  # steps of its own for each coordinate select another equilibrium
        squares, power, guess = state
        power = power * self.decay

        def averaged(old: Array, force: Array) -> Array:
            decay = self.decay.astype(old.dtype)
            return decay * old + (1 - decay) * jnp.square(force)

        def roots(step_size: Array, squares: Block) -> Block:
            whole = step_size.astype(power.dtype) * jnp.sqrt(1 - power)

            def root(leaf: Array) -> Array:
                below = _root(leaf) + self.epsilon.astype(leaf.dtype)
                return jnp.sqrt(whole.astype(leaf.dtype) / below)

            return jax.tree.map(root, squares)

        squares = jax.tree.map(averaged, squares, field(x, args))
        weights = map_players(roots, per_player(self.step_size, x), squares)
        guess = competitive(field, x, args, weights, weights, self.solver, guess)
        x = field.project(subtract(x, multiply(weights, guess)))
        return x, (squares, power, guess)


def _root(leaf: Array) -> Array:
    """The square root, with derivative zero at zero."""
    positive = leaf > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, leaf, jnp.ones_like(leaf))), leaf)

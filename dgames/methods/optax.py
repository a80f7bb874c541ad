"""Optimisers of optax as methods."""

from typing import Any

import jax
import optax
from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields import AbstractField, own_sets
from dgames.methods.method import AbstractMethod, State
from dgames.strategy import Strategy, blocks, join, player_names


class Optax(AbstractMethod):
    """Feeds the field to an optax optimiser as if it were a gradient. One evaluation per step.

    The field already points uphill in every player's own cost, so no block needs its sign changed.

    Attributes:
        tx: An `optax.GradientTransformation` (or anything with its `init` and `update`) for the
            whole strategy, or one per player in the first-level structure of the strategy. Two
            optax optimisers are never equal to JAX, even with equal settings, so reuse one object
            to avoid retracing, and `optax.inject_hyperparams` to change its values.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), Optax((optax.sgd(0.5), optax.sgd(0.25)))
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x]
    [0.5, 1.25]
    """

    tx: Any

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> State:
        if _is_transformation(self.tx):
            return self.tx.init(x)
        pairs = zip(self._transformations(x), blocks(x), strict=True)
        return join(x, tuple(tx.init(block) for tx, block in pairs))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        gradient = field(x, args)
        if _is_transformation(self.tx):
            updates, state = _update(self.tx, gradient, state, x)
        else:
            parts = zip(
                self._transformations(x), blocks(gradient), blocks(state), blocks(x), strict=True
            )
            results = [_update(tx, g, s, block) for tx, g, s, block in parts]
            updates = join(x, tuple(update for update, _ in results))
            state = join(x, tuple(new for _, new in results))
        own_sets(field, x)  # steps of its own for each coordinate select another equilibrium
        return field.project(optax.apply_updates(x, updates)), state

    def _transformations(self, x: Strategy) -> tuple[Any, ...]:
        names = player_names(x)
        if player_names(self.tx) != names or not all(map(_is_transformation, blocks(self.tx))):
            raise ValueError(
                "an optax optimiser is a GradientTransformation, or one for each of the players "
                f"{', '.join(names)}; got {', '.join(player_names(self.tx))}"
            )
        return blocks(self.tx)


def _update(tx: Any, gradient: PyTree, state: State, x: PyTree) -> tuple[PyTree, State]:
    with jax.numpy_dtype_promotion("standard"):  # optax mixes floats and counters
        return tx.update(gradient, state, x)


def _is_transformation(tx: Any) -> bool:
    # A GradientTransformation is a tuple itself; others only have its two functions.
    return isinstance(tx, optax.GradientTransformation) or (
        callable(getattr(tx, "init", None)) and callable(getattr(tx, "update", None))
    )

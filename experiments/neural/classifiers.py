"""Classifiers by the sign of a network: their accuracy, and what Adam reaches without a promise."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgames.nn import MLP
from experiments.data.splits import Split
from experiments.storage import Data


def accuracy(model: Any, rows: Any, labels: Any) -> float:
    """The share of rows whose label is the sign of the model."""
    return float(np.mean(np.sign(jax.vmap(model)(jnp.asarray(rows))[:, 0]) == labels))


def accuracies(model: Any, table: Split) -> Data:
    """The accuracy on the rows learnt from, and on those held out."""
    return {
        "learnt": accuracy(model, table.rows, table.labels),
        "held out": accuracy(model, table.held_rows, table.held_labels),
    }


def by_adam(model: MLP, table: Split, steps: int) -> Data:
    """The best accuracy on held-out rows of the model that Adam has trained, by its loss.

    It is taken over the whole run, which favours Adam.
    """
    rows, labels = jnp.asarray(table.rows), jnp.asarray(table.labels)
    optimiser = optax.adam(1e-2)
    losses = {
        "logistic": lambda f: jnp.mean(jax.nn.softplus(-labels * jax.vmap(f)(rows)[:, 0])),
        "squares": lambda f: jnp.mean((labels - jax.vmap(f)(rows)[:, 0]) ** 2),
    }

    def best(loss: Any) -> float:
        @eqx.filter_jit
        def advance(model: Any, state: Any) -> Any:
            def step(carry: Any, _: None) -> Any:
                model, state = carry
                slope = jax.grad(loss)(model)
                with jax.numpy_dtype_promotion("standard"):  # optax counts in integers
                    updates, state = optimiser.update(slope, state)
                return (optax.apply_updates(model, updates), state), None

            return jax.lax.scan(step, (model, state), length=max(1, steps // 20))[0]

        carry, found = (model, optimiser.init(eqx.filter(model, eqx.is_array))), 0.0
        for _ in range(20):
            carry = advance(*carry)
            found = max(found, accuracy(carry[0], table.held_rows, table.held_labels))
        return found

    return {name: best(loss) for name, loss in losses.items()}

"""Training on one data point and one noise point at a time, projected onto the certified box."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import certify
import dgames as dg
from experiments.neural.game import FineTuning


def variance(game: FineTuning, weights: Float[np.ndarray, " n"]) -> Any:
    """The function `v -> E |e|^2` of vectors: e is the error of the pseudo-gradient of a batch.

    A batch is one data point and one noise point, both uniform and independent. The norm is that of
    the metric `sum_k weights_k v_k^2`.
    """
    field, (_, unravel) = dg.pseudo_gradient(game), dg.ravel(game.start)
    everything = tuple(jnp.arange(points.size) for points in (game.data, game.noise))

    def value(vector: Array) -> Array:
        def at(args: Any) -> Array:
            return dg.ravel(field(unravel(vector), args))[0]

        # The payoff is a sum of a mean over data and one over noise. They are drawn independently,
        # so their variances add up.
        whole, total = at(None), jnp.zeros(())
        for k, points in enumerate(everything):
            for point in points:
                batch = (point[None], everything[1]) if k == 0 else (everything[0], point[None])
                error = at(batch) - whole
                total = total + jnp.sum(jnp.asarray(weights) * error**2) / points.size
        return total

    return value


def largest_variance(
    game: FineTuning, box: certify.Box, weights: Float[np.ndarray, " n"]
) -> tuple[float, float]:
    """Proves a bound on the variance over a box, and computes its value in the middle."""
    value = variance(game, weights)
    ends = [jnp.asarray(end) for end in box.bounds()]
    bound = jax.jit(certify.enclose(value))(certify.Interval(*ends))
    return float(bound.upper), float(value(dg.ravel(box.center)[0]))


@eqx.filter_jit
def squared_distances(
    game: FineTuning,
    box: certify.Box,
    center: Float[Array, " n"],
    weights: Float[Array, " n"],
    starts: Float[Array, "runs n"],
    step_size: float,
    steps: int,
    every: int,
    key: Array,
) -> Float[Array, " times"]:
    """The mean squared distance of runs from a point, every so many steps.

    Args:
        game: The game.
        box: Onto which each step is projected.
        center: The point.
        weights: The weights of the norm.
        starts: A row per run.
        step_size: The step size.
        steps: How many.
        every: How often the distance is looked at.
        key: Draws the batches.
    """
    field, (_, unravel) = dg.pseudo_gradient(game), dg.ravel(game.start)
    lower, upper = (dg.ravel(corner)[0] for corner in (box.lower, box.upper))

    def step(vector: Array, key: Array) -> Array:
        one, other = jax.random.split(key)
        batch = (
            jax.random.randint(one, (1,), 0, game.data.size),
            jax.random.randint(other, (1,), 0, game.noise.size),
        )
        force = dg.ravel(field(unravel(vector), batch))[0]
        return jnp.clip(vector - step_size * force, lower, upper)

    def round_of(vectors: Array, key: Array) -> Any:
        def body(k: Any, vectors: Array) -> Array:
            keys = jax.random.split(jax.random.fold_in(key, k), len(vectors))
            return jax.vmap(step)(vectors, keys)

        vectors = jax.lax.fori_loop(0, every, body, vectors)
        return vectors, jnp.mean(jnp.sum(weights * (vectors - center) ** 2, -1))

    return jax.lax.scan(round_of, starts, jax.random.split(key, steps // every))[1]

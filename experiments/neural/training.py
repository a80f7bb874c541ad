"""Training runs, many at a time, and how far from the equilibrium they are."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import dgames as dg


def paths(
    game: dg.Game,
    method: dg.AbstractMethod,
    starts: Float[np.ndarray, "runs n"],
    like: Any,
    steps: int,
) -> Float[np.ndarray, "runs steps n"]:
    """Runs a method from many starts; returns all strategies as vectors, the start first.

    Args:
        game: The game.
        method: How to step.
        starts: A row per run.
        like: A strategy of the right structure.
        steps: How many.
    """
    following = _following(game, method, jnp.asarray(starts), like, steps)
    return np.concatenate([starts[:, None], np.asarray(following)], axis=1)


@eqx.filter_jit
def _following(
    game: dg.Game, method: dg.AbstractMethod, starts: Array, like: Any, steps: int
) -> Array:
    field, (_, unravel) = dg.pseudo_gradient(game), dg.ravel(like)

    def run(start: Array) -> Array:
        x = unravel(start)

        def step(carry: Any, _: Any) -> Any:
            x, state = method.step(field, *carry)
            return (x, state), dg.ravel(x)[0]

        return jax.lax.scan(step, (x, method.init(field, x)), length=steps)[1]

    return jax.vmap(run)(starts)


def ends(
    game: dg.Game,
    method: Callable[[Any], dg.AbstractMethod],
    starts: Float[np.ndarray, "runs n"],
    step_sizes: Float[np.ndarray, " runs"],
    like: Any,
    steps: int,
) -> tuple[Float[np.ndarray, "runs n"], Float[np.ndarray, " runs"]]:
    """Runs a method from many starts; returns the last strategies, and the norm of the field there.

    Args:
        game: The game.
        method: From a step size to a method.
        starts: A row per run.
        step_sizes: One per run.
        like: A strategy of the right structure.
        steps: How many.
    """
    last, residual = _ends(game, method, jnp.asarray(starts), jnp.asarray(step_sizes), like, steps)
    return np.asarray(last), np.asarray(residual)


@eqx.filter_jit
def _ends(
    game: dg.Game,
    method: Callable[[Any], dg.AbstractMethod],
    starts: Array,
    step_sizes: Array,
    like: Any,
    steps: int,
) -> tuple[Array, Array]:
    field, (_, unravel) = dg.pseudo_gradient(game), dg.ravel(like)

    def run(start: Array, step_size: Array) -> Any:
        made, x = method(step_size), unravel(start)
        first = (x, made.init(field, x))
        x, _ = jax.lax.fori_loop(0, steps, lambda _, z: made.step(field, *z), first)
        return dg.ravel(x)[0], jnp.linalg.norm(dg.ravel(field(x))[0])

    return jax.vmap(run)(starts, step_sizes)


def distances(
    points: Float[np.ndarray, "*runs n"],
    center: Float[np.ndarray, " n"],
    metric: Float[np.ndarray, "n n"],
) -> Float[np.ndarray, "*runs"]:
    """Returns distances from a point, in the norm `sqrt(x' metric x)`."""
    moved = (points - center) @ np.linalg.cholesky(metric)
    return np.linalg.norm(moved, axis=-1)


def in_ball(
    center: Float[np.ndarray, " n"],
    metric: Float[np.ndarray, "n n"],
    radius: float,
    count: int,
    key: Array,
) -> Float[np.ndarray, "count n"]:
    """Draws points of a ball of a metric: half of them uniform, half of them near its surface."""
    n = len(center)
    one, other = jax.random.split(key)
    shares = np.asarray(jax.random.uniform(other, (count, 1))) ** (1 / n)
    shares = np.where(np.arange(count)[:, None] < count // 2, 1 - 1e-9, shares)
    moves = radius * shares * directions(count, n, one)
    return center + moves @ np.linalg.inv(np.linalg.cholesky(metric))


def directions(count: int, n: int, key: Array) -> Float[np.ndarray, "count n"]:
    """Draws uniform vectors of length one."""
    vectors = np.asarray(jax.random.normal(key, (count, n)))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slowest(
    paths: Float[np.ndarray, "runs steps n"],
    center: Float[np.ndarray, " n"],
    metric: Float[np.ndarray, "n n"],
    floor: float,
) -> float:
    """The largest factor of any step of any run, as long as it starts farther away than a floor."""
    lengths = distances(paths, center, metric)
    before, after = lengths[:, :-1], lengths[:, 1:]
    return float(np.max(after[before > floor] / before[before > floor]))

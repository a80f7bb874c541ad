"""Starts from which nearby runs separate fastest: the ascent of Lyapunov exponents."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from dgames.arrays import as_float, is_known
from dgames.diagnose.augmented_step import checked, counted
from dgames.diagnose.lyapunov import (
    Objective,
    Variant,
    check_variant,
    exponent_objective,
    exponents_of_run,
)
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, norm


class Ascent(eqx.Module):
    """How `branch` looks for its start.

    Attributes:
        steps: The number of gradient steps; zero to branch where one is.
        radius: How far from the first start the ascent may go, in the Euclidean norm. Without such
            a trust region it runs to where costs explode, and exponents with them.
        optimiser: An optax transformation (default: `optax.adam(0.05)`).
        variant: Which exponents, see `lyapunov_exponents`.
        kind: How several exponents are made one number, see `exponent_objective`.
    """

    steps: int = eqx.field(static=True, default=100)
    radius: Float[Array, ""] = eqx.field(converter=as_float, default=1.0)
    optimiser: optax.GradientTransformation | None = None
    variant: Variant = eqx.field(static=True, default="maximum")
    kind: Objective = eqx.field(static=True, default="sum")

    def __check_init__(self):
        if not isinstance(self.steps, int) or self.steps < 0:
            raise ValueError(f"Ascent: steps must be a whole number, at least 0; got {self.steps}")
        if is_known(self.radius) and not float(self.radius) > 0:
            raise ValueError(f"Ascent: the radius must be positive; got {self.radius}")
        check_variant("Ascent", self.variant)
        exponent_objective(jnp.zeros(1), self.kind)  # raises the error


def ascend_exponent(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    count: int = 1,
    ascent: Ascent | None = None,
    iterations: int = 200,
) -> tuple[Strategy, Float[Array, " times"]]:
    """Ascends Lyapunov exponents in the start, by gradients through all steps.

    Args:
        game: A game, or any field.
        method: The method whose exponents are meant.
        x: The first start, a joint strategy.
        args: Passed to the field.
        steps: The number of steps that exponents look ahead, as for `lyapunov_exponents`.
        count: The number of exponents.
        ascent: How to ascend, and how far (default: `Ascent()`).
        iterations: As for `lyapunov_exponents`.

    Returns:
        The best start that was seen, in the trust region and the strategy set, and the objective at
        each start, the first one included.

    Raises:
        ValueError: If the game, the strategy or an option is malformed.

    >>> from dgames.games import LogitPennies
    >>> from dgames.methods import Simultaneous
    >>> start, values = ascend_exponent(LogitPennies(), Simultaneous(1.0), (1.0, -1.0), steps=5)
    >>> bool(values[-1] > values[0])
    True
    """
    steps = counted("ascend_exponent", steps=steps)
    count = counted("ascend_exponent", count=count)
    field, x = checked(game, x, args)
    return _ascend(field, method, x, args, steps, count, ascent or Ascent(), iterations)


@eqx.filter_jit
def _ascend(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    steps: int,
    count: int,
    ascent: Ascent,
    iterations: int,
) -> tuple[Strategy, Float[Array, " times"]]:
    optimiser = optax.adam(0.05) if ascent.optimiser is None else ascent.optimiser
    centre = x

    def loss(x: Strategy) -> Float[Array, ""]:
        found = exponents_of_run(
            field, method, x, args, None, steps, count, ascent.variant, iterations
        )
        return -exponent_objective(found, ascent.kind)

    if ascent.steps == 0:
        return x, -loss(x)[None]

    def trusted(x: Strategy) -> Strategy:
        away = jax.tree.map(jnp.subtract, x, centre)
        distance = norm(away)
        radius = ascent.radius.astype(distance.dtype)
        share = radius / jnp.maximum(distance, radius)
        near = jax.tree.map(lambda a, c: c + share.astype(a.dtype) * a, away, centre)
        return field.project(near)

    def climb(carry, _):
        x, memory, best, least = carry
        value, slope = jax.value_and_grad(loss)(x)
        better = value < least
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), x, best)
        slope = jax.tree.map(lambda s: jnp.where(jnp.isfinite(s), s, jnp.zeros_like(s)), slope)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes floats and counters
            updates, memory = optimiser.update(slope, memory, x)
            moved = optax.apply_updates(x, updates)
        moved = trusted(moved)
        return (moved, memory, best, jnp.where(better, value, least)), -value

    value = jax.eval_shape(loss, x)
    start = x, optimiser.init(x), x, jnp.full((), jnp.inf, value.dtype)
    (_, _, best, _), values = jax.lax.scan(climb, start, length=ascent.steps + 1)
    return best, values

"""Counts the evaluations of the field that a method needs, while it runs."""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg


def cost(method: dg.AbstractMethod) -> tuple[int, int]:
    """Counts how often a method evaluates the field: in every step, and in addition at the start.

    The reflected form of the optimistic method asks for the same value twice at first, so that its
    start costs nothing.
    """
    if isinstance(method, dg.Optimistic):
        return 1, 0 if method.reflected else 1
    return (2 if isinstance(method, dg.Extragradient) else 1), 0


def complex_momentum(
    step: Any, modulus: Any, angle: Any = np.pi, *, alternating: bool = False
) -> dg.ComplexMomentum:
    """The method with the momentum `modulus e^{i angle}`; negative momentum by default."""
    turned = jax.lax.complex(modulus * jnp.cos(angle), modulus * jnp.sin(angle))
    return dg.ComplexMomentum(step, turned, alternating)


def evaluations(
    game: Any,
    make: Callable[..., dg.AbstractMethod],
    start: Any,
    parameters: tuple[Any, ...],
    *,
    radius: float,
    budget: int,
) -> np.ndarray:
    """Evaluations of the field until the strategy is within `radius` of the origin.

    Runs that blow up stop at once.

    Args:
        game: A game, or any field, with its equilibrium at the origin.
        make: From parameters to a method.
        start: Where all runs start.
        parameters: Arrays of one length, one run for each entry.
        radius: The radius of the ball around the origin.
        budget: Runs stop after that many steps.

    Returns:
        One number per run; infinite for those that did not arrive.
    """
    each, first = cost(make(*(np.asarray(entry)[0] for entry in parameters)))
    arrays = tuple(jnp.asarray(entry) for entry in parameters)
    limits = jnp.asarray(radius, float), jnp.asarray(budget, int)
    arrived, steps = _runner(make)(dg.as_field(game), dg.as_strategy(start), *limits, arrays)
    counts = first + each * np.asarray(steps, float)
    return np.where(np.asarray(arrived), counts, np.inf)


@functools.cache
def _runner(make: Callable[..., dg.AbstractMethod]) -> Callable[..., Any]:
    """Returns a runner, compiled once for each kind of method."""

    @eqx.filter_jit
    def all_runs(field, start, radius, budget, parameters):
        def one(*parameters):
            method = make(*parameters)

            def running(carry):
                x, _, steps = carry
                distance = _norm(x)
                return (distance >= radius) & (distance < 1e9) & (steps < budget)

            def body(carry):
                x, state, steps = carry
                return *method.step(field, x, state), steps + 1

            carry = start, method.init(field, start), jnp.zeros((), int)
            x, _, steps = jax.lax.while_loop(running, body, carry)
            return _norm(x) < radius, steps

        return jax.vmap(one)(*parameters)

    return all_runs


def _norm(x: Any) -> jax.Array:
    return jnp.linalg.norm(dg.ravel(x)[0])

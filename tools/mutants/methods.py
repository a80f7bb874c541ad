"""Runs of the methods of `dgames` on the game of a file; new step sizes compile nothing."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from dgames.sets import AbstractSet

STEPS = 60
METHODS: dict[str, Callable[..., dg.AbstractMethod]] = {
    "simultaneous": dg.Simultaneous,
    "alternating": dg.Alternating,
    "extragradient": dg.Extragradient,
    "optimistic": dg.Optimistic,
    "heun": dg.Heun,
    "ssprk3": dg.SSPRK3,
    "runge_kutta_4": dg.RungeKutta4,
    "momentum": lambda h, real: dg.Momentum(h, momentum=real),
    "complex_momentum": lambda h, real, imaginary: dg.ComplexMomentum(h, real + 1j * imaginary),
}


def projected(kind: tuple, numbers: Any, x: Any) -> Any:
    """The nearest point of a strategy set of a file, of shape (size,).

    Args:
        kind: `("box",)`, `("ball",)`, `("euclidean",)` or `("simplex", *groups)`.
        numbers: Lower and upper ends, or the middle and the radius; shape (2, size).
        x: A block.
    """
    if kind[0] == "box":
        return jnp.clip(x, numbers[0], numbers[1])
    if kind[0] == "ball":
        offset = x - numbers[0]
        length = jnp.sqrt(jnp.maximum(jnp.sum(offset**2), 1e-300))
        return numbers[0] + offset * jnp.minimum(1.0, numbers[1, 0] / length)
    if kind[0] == "simplex":
        ends = np.cumsum([0, *kind[1:]])
        return jnp.concatenate([_on_simplex(x[a:b]) for a, b in pairwise(ends)])
    return x


def _on_simplex(x: Any) -> Any:
    down = -jnp.sort(-x)
    level = (jnp.cumsum(down) - 1.0) / jnp.arange(1, x.size + 1)
    return jnp.maximum(x - level[jnp.sum(down > level) - 1], 0.0)


class _FileSet(AbstractSet):
    """A strategy set as a file gives it."""

    kind: tuple
    numbers: Any

    def project(self, x: Any) -> Any:
        return projected(self.kind, self.numbers, x)

    def contains(self, x: Any, tolerance: float = 0.0) -> Any:
        return jnp.max(jnp.abs(self.project(x) - x)) <= tolerance

    def sample(self, key: Any, like: Any) -> Any:
        return self.project(jax.random.normal(key, like.shape))


@lru_cache(maxsize=64)
def runner(costs: Callable, sizes: tuple[int, ...], kinds: tuple, method: str) -> Callable:
    """Compiles `run(constants, numbers of the sets, step, momentum, starts)`.

    It returns the points of all runs, of shape (starts, STEPS + 1, n).
    """
    ends = np.cumsum([0, *sizes])

    def split(x: Any) -> tuple:
        return tuple(x[a:b] for a, b in pairwise(ends))

    def run(constants: Any, numbers: Any, step: Any, momentum: Any, start: Any) -> Any:
        def cost(x: Any, args: Any) -> Any:
            found = costs(constants, jnp.concatenate(x))
            return tuple(found[k] for k in range(len(sizes)))

        sets = tuple(_FileSet(kind, n) for kind, n in zip(kinds, numbers, strict=True))
        field = dg.pseudo_gradient(dg.game(cost, sets or None))
        count = {"momentum": 1, "complex_momentum": 2}.get(method, 0)
        rule = METHODS[method](step, *(momentum[k] for k in range(count)))

        def move(carry: Any, _: Any) -> Any:
            x, state = rule.step(field, *carry)
            return (x, state), jnp.concatenate(x)

        x = split(start)
        _, points = jax.lax.scan(move, (x, rule.init(field, x)), length=STEPS)
        return jnp.concatenate([start[None], points])

    return jax.jit(jax.vmap(run, in_axes=(None, None, None, None, 0)))

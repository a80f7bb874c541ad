"""Random programs with operations that are undefined near one end of [-0.5, 0.5], and hidden.

What hides them leaves a number that is right wherever the program is defined: so whatever reads
such a program may be tempted to forget why it is not defined everywhere.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Function = Callable[[Any], Any]

# Undefined below -0.4995 or above 0.4995, where random points hardly ever are.
EDGE = 0.4995
PARTIAL: dict[str, Function] = {
    "log": lambda x: jnp.log(x + EDGE),
    "log of a square root": lambda x: jnp.log(jnp.sqrt(x + EDGE)),
    "log1p": lambda x: jnp.log1p(2.0 * x - (1.0 - 2.0 * EDGE)),
    "sqrt": lambda x: jnp.sqrt(EDGE - x),
    "rsqrt": lambda x: lax.rsqrt(x + EDGE),
    "power": lambda x: jnp.power(EDGE - x, 0.3),
    "negative power": lambda x: jnp.power(x + EDGE, -1.5),
    "arcsin": lambda x: jnp.arcsin(x / EDGE),
    "arccos": lambda x: jnp.arccos(x / EDGE),
    "arctanh": lambda x: jnp.arctanh(x / EDGE),
    "arccosh": lambda x: jnp.arccosh(x + EDGE + 1.0),
    "logit": lambda x: jax.scipy.special.logit(x + EDGE),
    "erfinv": lambda x: jax.scipy.special.erfinv(x / EDGE),
    "xlogy": lambda x: jax.scipy.special.xlogy(1.0 + x, x + EDGE),
    "overflow": lambda x: jnp.exp(709.9 / EDGE * x) * 1e-300,
    "log of a determinant": lambda x: jnp.log(
        jnp.linalg.det(jnp.stack([jnp.stack([x + EDGE, 0.0 * x]), jnp.stack([x, 1.0 + 0.0 * x])]))
    ),
    "logsumexp": lambda x: jax.nn.logsumexp(jnp.stack([x, jnp.log(x + EDGE)])),
}


def _stopped(y: Any) -> Any:
    return lax.stop_gradient(y)


# From an undefined number and the argument to another number; of most the result is the argument.
HIDERS: dict[str, Callable[[Any, Any], Any]] = {
    "nothing": lambda y, x: x + 0.01 * y,
    "minus itself": lambda y, x: x + (y - y),
    "added and taken away": lambda y, x: (x + y) - y,
    "times zero": lambda y, x: x + 0.0 * y,
    "times minus zero": lambda y, x: x - (-0.0) * y,
    "share": lambda y, x: x * (jnp.exp(0.1 * y) / jnp.exp(0.1 * y)),
    "over itself": lambda y, x: x * (y / y),
    "power zero": lambda y, x: x * lax.integer_pow(y, 0),
    "power 0.0": lambda y, x: x * jnp.power(y, 0.0),
    "finite guard": lambda y, x: jnp.where(jnp.isfinite(y), x, y),
    "nan guard": lambda y, x: jnp.where(jnp.isnan(y), y, x),
    "unselected": lambda y, x: jnp.where(x > -9.0, x + 0.0 * y, y),
    "branch": lambda y, x: lax.cond(x > -9.0, lambda: x + 0.0 * y, lambda: y),
    "softmax": lambda y, x: x + 0.0 * jax.nn.softmax(jnp.stack([y, x]))[0],
    "softmax of equals": lambda y, x: 2.0 * x * jax.nn.softmax(jnp.stack([y, y]))[0],
    "log softmax": lambda y, x: x + 0.0 * jax.nn.log_softmax(jnp.stack([y, x]))[1],
    "anchor": lambda y, x: (x + _stopped(y)) - _stopped(y),
    "anchored scale": lambda y, x: (
        x * (jnp.exp(0.1 * (x - _stopped(y))) * jnp.exp(0.1 * _stopped(y))) / jnp.exp(0.1 * x)
    ),
    "maximum": lambda y, x: x + 0.0 * jnp.maximum(y, -1e9),
    "minimum": lambda y, x: x + 0.0 * jnp.minimum(y, y),
    "clip": lambda y, x: x + 0.0 * jnp.clip(y, -1e9, 1e9),
    "sum and differences": lambda y, x: jnp.cumsum(jnp.stack([y, x]))[1] - y,
    "largest of equals": lambda y, x: x + (jnp.max(jnp.stack([y, y - 1.0])) - y),
    "product": lambda y, x: x + jnp.prod(jnp.stack([y, 0.0 * x])),
    "dot": lambda y, x: jnp.stack([y, x]) @ jnp.array([0.0, 1.0]),
    "loop": lambda y, x: lax.fori_loop(0, 2, lambda _, s: s + y - y, x),
    "saturated": lambda y, x: x + 0.0 * jnp.tanh(y),
    "exponential": lambda y, x: x + 0.0 * jnp.exp(-jnp.square(y)),
    "cosine": lambda y, x: x * (jnp.square(jnp.cos(y)) + jnp.square(jnp.sin(y))),
    "entry": lambda y, x: jnp.stack([x, y])[0] + 0.0 * jnp.stack([x, y])[1],
    "update": lambda y, x: jnp.stack([x, y]).at[0].add(0.0 * y)[0],
}


def program(seed: int) -> tuple[str, Function]:
    """A name and a function of one number: hidden once, twice or three times."""
    rng = np.random.default_rng(seed)
    partials = [*PARTIAL][seed % len(PARTIAL)]
    # Each hider comes first in turn.
    hiders = [[*HIDERS][seed % len(HIDERS)], *rng.choice([*HIDERS], rng.integers(0, 3))]

    def run(x: Any) -> Any:
        y, result = PARTIAL[partials](x), x
        for name in hiders:
            result = HIDERS[name](y, result)
            y = jnp.sin(y) + 0.0 * result
        return result

    return f"{partials}: {', '.join(hiders)}", run

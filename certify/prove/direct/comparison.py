"""Compares a step as it runs with the map of vectors that was certified, as a last check.

The check proves nothing. It catches the unforeseen: code that runs differently from how it was
traced, or that looks at the class of the field, at the number of its calls, or at types.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.enclosure.registry import EnclosureError
from certify.prove.direct.step_map import StepMap
from certify.prove.direct.straight_code import explained
from dgames.strategy import Strategy, ravel

# Steps from each start, starts that run together, and starts that also run as plain numbers.
_STEPS, _MANY, _FEW = 3, 32, 2
# The largest rounding errors, as shares of all that is added up: usually, and in lower precision.
_ROUNDING, _COARSE = 2.0**-20, 2.0**-4


def require_same(
    step: StepMap,
    run: Callable[[Strategy, int], list[Strategy]],
    unravel: Callable[[jax.Array], Strategy],
    starts: Float[np.ndarray, "s n"],
    *,
    promoted: bool = False,
) -> None:
    """Raises an error if a step, as it runs, differs from the certified map, or is not a number.

    Args:
        step: The certified map.
        run: Returns the strategies after 1, 2, ... steps from a strategy with the first state of
            the method, as the user's own code makes them.
        unravel: Turns a vector into a strategy for `run`.
        starts: Vectors from which to start.
        promoted: Whether the costs themselves round to lower precision when they run.
    """

    def vectors(start: jax.Array, steps: int) -> jax.Array:
        return jnp.stack([ravel(x)[0] for x in run(unravel(start), steps)])

    expected, sizes = zip(*(_expected(step, start) for start in starts), strict=True)
    allowed = (_COARSE if promoted else _ROUNDING) * np.max(sizes, axis=0) + 2.0**-1000
    with explained():
        together = np.asarray(jax.vmap(lambda x: vectors(x, _STEPS))(jnp.asarray(starts)))
        alone = [np.asarray(vectors(jnp.asarray(x), 1)) for x in starts[:_FEW]]
    for k, (start, known) in enumerate(zip(starts, expected, strict=True)):
        for values in (together[k], *alone[k : k + 1]):
            wrong = ~(np.abs(values - known[: len(values)]) <= allowed[: len(values)])
            if wrong.any():
                steps, i = (int(index) for index in np.argwhere(wrong)[0])
                made, meant = values[steps, i], known[steps, i]
                raise EnclosureError(
                    "the step that runs is not the step that was traced: from the strategy "
                    f"{_short(start)}, step {steps + 1} makes coordinate {i} {made:.6g}, and its "
                    f"traced code {meant:.6g}; write it as a function of the field and the "
                    "strategy alone, without branches in Python and sums that cancel."
                )


def starts_in(
    center: Float[np.ndarray, " n"], metric: Float[np.ndarray, "n n"], radius: float
) -> Float[np.ndarray, "s n"]:
    """Returns points of a ball in all directions, near its surface and near its center."""
    n = len(center)
    root = np.linalg.inv(np.linalg.cholesky(metric)).T
    generator = np.random.default_rng(0)
    axes = np.eye(n)[: _MANY // 4]
    others = generator.normal(size=(_MANY - 2 * len(axes), n))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    others *= np.where(np.arange(len(others)) % 2, 1.0, generator.random(len(others)))[:, None]
    # The farthest points along each coordinate axis are included, as branches are likely there.
    covariance = root @ root.T
    far = (covariance / np.sqrt(np.diag(covariance)))[:, : len(axes)].T
    return center + radius * (1 - 2.0**-10) * np.concatenate([others @ root.T, far, -far])


def _expected(step: StepMap, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the strategies by the certified map, and the sizes of the terms in their sums."""
    n = step.strategy
    z, rows, sizes = step.first(start), [], []
    for _ in range(_STEPS):
        z, size = step.next(z)
        rows.append(z[:n])
        sizes.append(size[:n])
    return np.array(rows), np.array(sizes)


def _short(x: np.ndarray) -> str:
    shown = ", ".join(f"{value:.6g}" for value in x[:4])
    return f"[{shown}{', ...' if len(x) > 4 else ''}]"

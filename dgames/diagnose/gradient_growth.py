"""Whether gradients through many steps explode, as they do where runs are chaotic."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, checked, counted
from dgames.diagnose.run_derivative import RunDerivative
from dgames.diagnose.singular_directions import unit_columns
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy


class GradientGrowth(eqx.Module):
    """What `gradient_growth` returns.

    Attributes:
        exponent: `(1/k) log |dx_k / dx_0|`, with the spectral norm: gradients of a cost at the end
            along the start are up to `exp(k exponent)` times as long as along the end.
        late_exponent: The same of the displacement that grows most, over the second half of the
            run alone, where the growth near the start is over.
        log_norms: `log |(dx_t / dx_0) v|` for t = 0 ... k, with the v that is the largest at k.
    """

    exponent: Float[Array, ""]
    late_exponent: Float[Array, ""]
    log_norms: Float[Array, " times"]

    @property
    def explodes(self) -> Bool[Array, ""]:
        """Whether displacements still grow in the second half, which is an estimate from one run.

        Where the run also stays bounded, this is what chaos looks like.
        """
        return self.late_exponent > 0


def gradient_growth(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    state: PyTree = None,
    iterations: int = 200,
) -> GradientGrowth:
    """Measures how derivatives through k steps of a method grow with k.

    Gradients that are propagated through the steps of a run, say to learn its start or its
    hyper-parameters, explode exponentially exactly if the leading Lyapunov exponent is positive.
    Here it is the growth of the strategy along the start: the state of the method follows the
    start as `init` says. Exponents are those of textbooks, of lengths and not of squared ones.

    Args:
        game: A game, or any field.
        method: The method whose steps are taken.
        x: The start, a joint strategy.
        args: Passed to the field.
        steps: The number k of steps, at least 2.
        state: The method's state at the start; if given, it is held fixed.
        iterations: The budget of the search for the leading direction in large games.

    Raises:
        ValueError: If the game, the strategy or an option is malformed.

    References:
        Metz, Freeman, Schoenholz and Kachman, *Gradients are Not All You Need*, 2021,
        arXiv:2111.05803.

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Extragradient, Simultaneous
    >>> game = zero_sum(lambda x, args: x[0] * x[1])
    >>> for method in (Simultaneous(0.5), Extragradient(0.5)):
    ...     growth = gradient_growth(game, method, (1.0, 0.0), steps=10)
    ...     print(bool(growth.explodes), f"{jnp.exp(growth.exponent):.6f}")
    True 1.118034
    False 0.901388
    """
    steps = counted("gradient_growth", steps=steps)
    iterations = counted("gradient_growth", iterations=iterations)
    if steps < 2:
        raise ValueError("gradient_growth: steps must be at least 2")
    field, x = checked(game, x, args)
    logs = _log_norms(field, method, x, args, state, steps, iterations)
    half = steps // 2
    return GradientGrowth(logs[-1] / steps, (logs[-1] - logs[half]) / (steps - half), logs)


@eqx.filter_jit
def _log_norms(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    state: PyTree,
    steps: int,
    iterations: int,
) -> Float[Array, " times"]:
    run = RunDerivative(field, method, x, args, state, steps)
    step = AugmentedStep(field, method, x, args, state)
    _, lifted = run.directions_of_start(1, iterations)

    def length(columns: Float[Array, "coordinates 1"]) -> Float[Array, ""]:
        return jnp.linalg.norm(columns[: step.size])

    def advance(carry, _):
        point, direction, scale = carry
        pushed, growth = unit_columns(step.push(point, direction))
        scale = scale + jnp.log(growth[0])
        return (step(point), pushed, scale), scale + jnp.log(length(pushed))

    start, growth = unit_columns(lifted)
    carry = step.start, start, jnp.log(growth[0])
    _, logs = jax.lax.scan(advance, carry, length=steps)
    return jnp.concatenate([jnp.log(length(lifted))[None], logs])

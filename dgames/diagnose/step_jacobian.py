"""The Jacobian of one step of a method, as a dense matrix."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, checked
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy


def step_jacobian(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    state: PyTree = None,
) -> Float[Array, "coordinates coordinates"]:
    """The dense Jacobian of one step, as a map of augmented states `(x, state)`.

    Its spectral radius at an equilibrium is the local rate of the method; for a linear field the
    matrix is the whole dynamics.

    Args:
        game: A game, or any field.
        method: The method whose step is differentiated.
        x: A joint strategy.
        args: Passed to the field.
        state: The method's state (default: `method.init` at `x`).

    Returns:
        A square matrix over all floating-point coordinates of the augmented state, those of `x`
        first. Counters and other integers are held fixed.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Simultaneous
    >>> step_jacobian(zero_sum(lambda x, args: x[0] * x[1]), Simultaneous(0.5), (0.0, 0.0)).tolist()
    [[1.0, -0.5], [0.5, 1.0]]
    """
    field, x = checked(game, x, args)
    step = AugmentedStep(field, method, x, args, state)
    vector, fixed = step.start
    return jax.jacfwd(lambda vector: step((vector, fixed))[0])(vector)

"""Linear operators of which no matrix is made."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
from jaxtyping import Array, Float, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, checked
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy

# A square lineax operator, or a square matrix.
Operator = lx.AbstractLinearOperator | Float[Array, "n n"] | Float[np.ndarray, "n n"]


def step_operator(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    state: PyTree = None,
) -> lx.AbstractLinearOperator:
    """The Jacobian of `step_jacobian` as a linear operator on vectors: no matrix is made.

    `operator.mv(v)` is one Jacobian-vector product of a step and `operator.T.mv(v)` one
    vector-Jacobian product.

    Args:
        game: A game, or any field.
        method: The method whose step is differentiated.
        x: A joint strategy.
        args: Passed to the field.
        state: The method's state (default: `method.init` at `x`).

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Simultaneous
    >>> game = zero_sum(lambda x, args: x[0] * x[1])
    >>> operator = step_operator(game, Simultaneous(0.5), (0.0, 0.0))
    >>> operator.mv(jax.numpy.array([1.0, 0.0])).tolist()
    [1.0, 0.5]
    """
    field, x = checked(game, x, args)
    step = AugmentedStep(field, method, x, args, state)
    vector, fixed = step.start
    return lx.JacobianLinearOperator(lambda vector, _: step((vector, fixed))[0], vector)


def as_operator(operator: Operator) -> lx.AbstractLinearOperator:
    """Returns a lineax operator for itself or a square matrix.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(operator, lx.AbstractLinearOperator):
        if operator.in_size() != operator.out_size():
            raise ValueError(
                "expected a square operator; got one from "
                f"{operator.in_size()} to {operator.out_size()} coordinates"
            )
        return operator
    check_square(operator)
    return lx.MatrixLinearOperator(jnp.asarray(operator))


def check_square(matrix: Any) -> None:
    """Raises an error unless an array is a square matrix."""
    shape = np.shape(matrix)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(
            f"expected a square matrix or a lineax operator; got an array of shape {shape}"
        )


def zeros_of(operator: lx.AbstractLinearOperator) -> PyTree[Array]:
    """Returns zeros structured like what an operator takes."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), operator.in_structure())

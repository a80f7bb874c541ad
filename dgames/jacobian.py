"""The game Jacobian `J_ij = dF_i / dx_j`: in dense blocks, or matrix-free."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import lineax as lx
from jax.core import Tracer
from jaxtyping import Array, PyTree

from dgames.fields import AbstractField, check_field, prepared
from dgames.game import Game
from dgames.stacked import Stacked, is_stacked
from dgames.strategy import Strategy, dimensions, join, ravel


def jacobian_blocks(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree = None
) -> PyTree:
    """The dense blocks of the game Jacobian at a joint strategy.

    Args:
        game: A game, or any field.
        x: A joint strategy.
        args: Passed to the costs.

    Returns:
        `J[i][j]`, an array of shape `(d_i, d_j)`: the derivative of player i's block of the field
        (rows) along player j's coordinates (columns). Both levels have the first-level structure
        of `x`, so that `J["a"]["b"]` works where `x["a"]` does. Of N stacked players with d
        coordinates each it is one array, `J.blocks.blocks`, of shape `(N, N, d, d)`.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> J = jacobian_blocks(zero_sum(lambda x, args: 3 * x[0] * x[1]), (0.0, 0.0))
    >>> J[0][1].tolist(), J[1][0].tolist()
    ([[3.0]], [[-3.0]])
    """
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    vector, unravel = ravel(x)
    matrix = jax.jacfwd(lambda vector: ravel(field(unravel(vector), args))[0])(vector)
    if is_stacked(x):
        players, size = len(x), vector.size // len(x)
        cut = matrix.reshape(players, size, players, size)
        return Stacked(Stacked(jnp.swapaxes(cut, 1, 2)))
    ends = list(itertools.accumulate(dimensions(x)))
    starts = [0, *ends[:-1]]
    spans = list(zip(starts, ends, strict=True))
    return join(x, tuple(join(x, tuple(_cut(matrix, a, b) for b in spans)) for a in spans))


def _cut(matrix: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Cuts a block out of the matrix.

    Where the matrix is concrete, the offsets are arguments of the compiled slice, so that all
    blocks of one shape share it.
    """
    (a, b), (c, d) = rows, columns
    if isinstance(matrix, Tracer):
        return matrix[a:b, c:d]
    return jax.lax.dynamic_slice(matrix, (a, c), (b - a, d - c))


def jacobian_operator(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree = None
) -> lx.AbstractLinearOperator:
    """The game Jacobian at a joint strategy as a linear operator on pytrees.

    Nothing is materialised: `operator.mv(v)` is one Jacobian-vector product and `operator.T.mv(v)`
    one vector-Jacobian product. `lineax.linearise(operator)` evaluates the field once for many
    products. The operator carries no tags: a game Jacobian is neither symmetric nor definite in
    general.

    Args:
        game: A game, or any field.
        x: A joint strategy.
        args: Passed to the costs.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> import jax.numpy as jnp
    >>> operator = jacobian_operator(zero_sum(lambda x, args: 3 * x[0] * x[1]), (0.0, 0.0))
    >>> [float(v) for v in operator.mv((jnp.array(1.0), jnp.array(0.0)))]
    [0.0, -3.0]
    """
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    return lx.JacobianLinearOperator(field, x, args)

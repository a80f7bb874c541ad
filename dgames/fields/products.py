"""Products with the Jacobian of a field and with its parts, of which no matrix is ever formed.

`J_d` is the part of `J` on the diagonal of the players' blocks and `J_o` the rest, the interaction.
Let `F(u, v)` be the field with player i's own block taken from u and everybody else's from v:
player i's part is `F_i(u_i, v_-i)`. At `u = v = x` its derivative along u is `J_d` and along v is
`J_o`. One evaluation of it costs one block of the field per player. Of a pseudo-gradient, these
cost together what the field does (of a zero-sum game two backward passes in place of one); of a
field that can only be evaluated as a whole, N evaluations.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.network import NetworkGame
from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import Block, Strategy, block, blocks, join, replace

Product = Callable[[Strategy], Strategy]


def product(field: AbstractField, x: Strategy, args: PyTree = None) -> tuple[Strategy, Product]:
    """Returns `F(x)` and the function `v -> J v`: one evaluation, and about one per product.

    >>> from dgames.fields.field import FunctionField
    >>> x = (jnp.array(2.0), jnp.array(3.0))
    >>> force, times = product(FunctionField(lambda x, args: (x[0] * x[1], x[1])), x)
    >>> [float(own) for own in times((jnp.array(1.0), jnp.array(0.0)))]
    [3.0, 0.0]
    """
    return jax.linearize(lambda x: field(x, args), x)


def interaction(field: AbstractField, x: Strategy, args: PyTree = None) -> tuple[Strategy, Product]:
    """Returns `F(x)` and the function `v -> J_o v`: N blocks, and about as much per product.

    >>> from dgames.fields.field import FunctionField
    >>> x = (jnp.array(2.0), jnp.array(3.0))
    >>> force, times = interaction(FunctionField(lambda x, args: (x[0] * x[1], x[1])), x)
    >>> [float(own) for own in times((jnp.array(1.0), jnp.array(1.0)))]
    [2.0, 0.0]
    """
    return jax.linearize(lambda others: separated(field, x, others, args), x)


def own_product(field: AbstractField, x: Strategy, args: PyTree = None) -> tuple[Strategy, Product]:
    """Returns `F(x)` and the function `v -> J_d v`: N blocks, and about as much per product."""
    return jax.linearize(lambda own: separated(field, own, x, args), x)


def block_product(
    field: AbstractField, x: Strategy, rows: int, columns: int, args: PyTree = None
) -> tuple[Block, Callable[[Block], Block]]:
    """Returns player `rows`' block of `F(x)` and the function `v -> J_ij v` of one block of J.

    Args:
        field: The field.
        x: A joint strategy.
        rows: The player i whose block of the field is differentiated.
        columns: The player j along whose block it is.
        args: Passed to the field.
    """
    own = block(x, columns)
    return jax.linearize(lambda own: field.block(replace(x, columns, own), rows, args), own)


def transposed(times: Product, like: Strategy) -> Product:
    """Returns the product with the transposed matrix, say `v -> J' v`, of a linear function.

    Args:
        times: A linear function, such as the product above.
        like: What it takes, for its structure, shapes and dtypes.
    """
    pull = jax.linear_transpose(times, like)
    return lambda v: pull(v)[0]


def separated(
    field: AbstractField, own: Strategy, others: Strategy, args: PyTree = None
) -> Strategy:
    """Returns `F(u, v)`, of which player i's part is `F_i(u_i, v_-i)`.

    Args:
        field: The field.
        own: The joint strategy u that own blocks are taken from.
        others: The joint strategy v that everybody else's are taken from.
        args: Passed to the field.

    >>> from dgames.fields.field import FunctionField
    >>> field = FunctionField(lambda x, args: (x[0] * x[1], x[0] - x[1]))
    >>> separated(field, (2.0, 3.0), (5.0, 7.0))
    (14.0, 2.0)
    """
    if type(field) is PseudoGradient and type(field.game) is NetworkGame:
        return field.game.gradients(own, args, others)
    if is_stacked(own):

        def part(player: Player, block: Block) -> Block:
            return field.block(others.at_player(player, block), player, args)

        return Stacked(jax.vmap(part)(jnp.arange(len(own)), own.blocks))
    parts = enumerate(blocks(own))
    return join(own, tuple(field.block(replace(others, i, part), i, args) for i, part in parts))

"""Joint strategies: any pytree whose first level is the players.

A tuple, list, dict, named tuple or `equinox.Module` of blocks is a joint strategy; a block, the
coordinates of one player, is any pytree of real floating-point arrays. The players' order is the
order of the pytree (dictionaries: sorted keys), and it is the order of every list of players here.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

Strategy = PyTree[Any]
Block = PyTree[Any]


def player_names(x: Strategy) -> tuple[str, ...]:
    """Names of the players: dictionary keys, attribute names, or positions "0", "1", ...

    >>> player_names({"buyer": 0.0, "seller": 1.0})
    ('buyer', 'seller')
    >>> player_names((0.0, 1.0))
    ('0', '1')
    """
    named, _ = jax.tree_util.tree_flatten_with_path(x, is_leaf=lambda y: y is not x)
    return tuple(jax.tree_util.keystr(path, simple=True) for path, _ in named)


def blocks(x: Strategy) -> tuple[Block, ...]:
    """Splits the first level: one block per player, in the players' order.

    >>> blocks({"b": 2.0, "a": 1.0})
    (1.0, 2.0)
    """
    return tuple(jax.tree.leaves(x, is_leaf=lambda y: y is not x))


def join(like: Strategy, blocks: tuple[Any, ...]) -> Strategy:
    """Puts one value per player into the first-level structure of `like`: the inverse of `blocks`.

    >>> join({"a": 1.0, "b": 2.0}, ("x", "y"))
    {'a': 'x', 'b': 'y'}
    """
    return jax.tree.structure(like, is_leaf=lambda y: y is not like).unflatten(blocks)


def dimensions(x: Strategy) -> tuple[int, ...]:
    """Number of coordinates of each player.

    >>> dimensions((jnp.zeros(3), {"mean": jnp.zeros(2), "scale": jnp.ones(())}))
    (3, 3)
    """
    return tuple(sum(jnp.size(leaf) for leaf in jax.tree.leaves(block)) for block in blocks(x))


def ravel(x: Strategy) -> tuple[Float[Array, " coordinates"], Callable[[Array], Strategy]]:
    """Lays a joint strategy out as one vector, player after player.

    Args:
        x: A joint strategy, or any pytree of floating-point arrays.

    Returns:
        The vector, in the widest dtype among the leaves, and the function that rebuilds the pytree
        from such a vector (each leaf in its own dtype).

    >>> vector, unravel = ravel((1.0, jnp.array([2.0, 3.0])))
    >>> vector.tolist(), len(unravel(vector))
    ([1.0, 2.0, 3.0], 2)
    """
    leaves, structure = jax.tree.flatten(x)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    shapes = [leaf.shape for leaf in leaves]
    dtypes = [leaf.dtype for leaf in leaves]
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)
    offsets = np.cumsum([0] + [leaf.size for leaf in leaves]).tolist()
    parts = [leaf.ravel().astype(dtype) for leaf in leaves]
    vector = jnp.concatenate(parts) if parts else jnp.zeros(0, dtype)

    def unravel(vector: Array) -> Strategy:
        pieces = [
            jax.lax.slice(vector, (start,), (stop,)).reshape(shape).astype(dtype)
            for start, stop, shape, dtype in zip(
                offsets[:-1], offsets[1:], shapes, dtypes, strict=True
            )
        ]
        return structure.unflatten(pieces)

    return vector, unravel


def norm(x: PyTree) -> Float[Array, ""]:
    """Euclidean norm over all coordinates, accumulated in float32 at least.

    Its derivative at zero is zero rather than NaN.

    >>> float(norm((3.0, jnp.array([4.0]))))
    5.0
    """
    vector, _ = ravel(x)
    with jax.numpy_dtype_promotion("standard"):
        vector = vector.astype(jnp.promote_types(vector.dtype, jnp.float32))
    square = jnp.sum(vector * vector)
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, jnp.ones_like(square))), square)


def as_strategy(x: Strategy) -> Strategy:
    """Converts every leaf to a JAX array: Python floats and NumPy arrays are welcome.

    Args:
        x: A joint strategy.

    Returns:
        The same pytree with JAX arrays, none of them weakly typed.

    Raises:
        ValueError: If `x` has no players, or a player has no arrays or a leaf that is not real
            floating point.

    >>> as_strategy({"a": 1.0, "b": np.zeros(2, np.float32)})["b"].dtype
    dtype('float32')
    """
    names = player_names(x)
    if jax.tree_util.all_leaves([x]) or not names:
        raise ValueError(
            "a joint strategy is a tuple, dictionary or other pytree with one block per player, "
            f"but this one has no players: {_brief(x)}"
        )
    return join(x, tuple(_as_block(*item) for item in zip(names, blocks(x), strict=True)))


def check_strategy(x: Strategy) -> None:
    """Raises an error unless `x` is a joint strategy of finite real numbers.

    Args:
        x: A joint strategy; values are looked at only where they are concrete (not traced).

    Raises:
        ValueError: As `as_strategy`, or if a coordinate is NaN or infinite.
    """
    x = as_strategy(x)
    for name, block in zip(player_names(x), blocks(x), strict=True):
        for leaf in jax.tree.leaves(block):
            if not isinstance(leaf, Tracer) and not np.all(np.isfinite(np.asarray(leaf))):
                raise ValueError(f"strategies must be finite; player '{name}' has {_brief(leaf)}")


def _as_block(name: str, block: Block) -> Block:
    if not jax.tree.leaves(block):
        raise ValueError(f"every player needs at least one array; player '{name}' has none")
    return jax.tree.map(lambda leaf: _as_leaf(name, leaf), block)


def _as_leaf(name: str, leaf: Any) -> Array:
    if not (eqx.is_array_like(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.floating)):
        found = jnp.result_type(leaf) if eqx.is_array_like(leaf) else type(leaf).__name__
        raise ValueError(
            f"strategies must be real floating point; player '{name}' has {found}: {_brief(leaf)}"
        )
    return jnp.asarray(leaf, jnp.result_type(leaf))


def _brief(value: Any) -> str:
    text = eqx.tree_pformat(value, short_arrays=eqx.is_array(value) and value.size > 4)
    return text if len(text) <= 60 else text[:57] + "..."

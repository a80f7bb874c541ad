"""Joint strategies: any pytree whose first level is the players.

A tuple, list, dict, named tuple or `equinox.Module` of blocks is a joint strategy; a block, the
coordinates of one player, is any pytree of real floating-point arrays. The players' order is the
order of the pytree (dictionaries: sorted keys), and it is the order of every list of players here.

A block may be, or hold, an `equinox.Module`, such as a neural network. Then its coordinates are its
floating-point arrays, as for `eqx.filter_grad`; whatever else is in it stays as it is.

Many players of one shape are a `Stacked`: its first level is the leading axis of its arrays. What
is done for every player is done by `map_players`, which does not loop over those.
"""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from dgames.stacked import Player, Stacked, is_stacked, stack

Strategy = PyTree
Block = PyTree


def player_names(x: Strategy) -> tuple[str, ...]:
    """Returns the players' names: dictionary keys, attribute names, or positions "0", "1", ...

    >>> player_names({"buyer": 0.0, "seller": 1.0})
    ('buyer', 'seller')
    >>> player_names((0.0, 1.0))
    ('0', '1')
    >>> player_names(Stacked(jnp.zeros((3, 2))))
    ('0', '1', '2')
    """
    if is_stacked(x):
        return tuple(map(str, range(len(x))))
    named, _ = jax.tree_util.tree_flatten_with_path(x, is_leaf=lambda y: y is not x)
    return tuple(jax.tree_util.keystr(path, simple=True) for path, _ in named)


def blocks(x: Strategy) -> tuple[Block, ...]:
    """Splits the first level: one block per player, in the players' order.

    That is a Python tuple: of a million stacked players, use `map_players` or `x.blocks` instead.

    >>> blocks({"b": 2.0, "a": 1.0})
    (1.0, 2.0)
    """
    if is_stacked(x):
        return tuple(x)
    return tuple(jax.tree.leaves(x, is_leaf=lambda y: y is not x))


def join(like: Strategy, blocks: tuple[Any, ...]) -> Strategy:
    """Puts one value per player into the first-level structure of `like`: the inverse of `blocks`.

    For stacked players the values are stacked, so they must be arrays or pytrees of them.

    >>> join({"a": 1.0, "b": 2.0}, ("x", "y"))
    {'a': 'x', 'b': 'y'}
    """
    if is_stacked(like):
        return _same_count("join", like, stack(blocks))
    return jax.tree.structure(like, is_leaf=lambda y: y is not like).unflatten(blocks)


def position(x: Strategy, player: str | int, who: str) -> int:
    """Returns the position of a player who is given by name or by position.

    Args:
        x: A joint strategy.
        player: A name or a position.
        who: What the player is, for the message.

    Raises:
        ValueError: If there is no such player.

    >>> position({"b": 2.0, "a": 1.0}, "b", "the leader")
    1
    """
    names = player_names(x)
    if isinstance(player, str) and player in names:
        return names.index(player)
    if not isinstance(player, str) and player in range(len(names)):
        return player
    raise ValueError(f"{who} is {player!r}, who is not among the players {brief_names(x)}")


def block(x: Strategy, player: Player) -> Block:
    """Returns one player's block.

    Args:
        x: A joint strategy.
        player: The position in the players' order; of stacked players, it may be traced.

    >>> block({"b": 2.0, "a": 1.0}, 1)
    2.0
    """
    return x[player] if is_stacked(x) else blocks(x)[player]


def replace(x: Strategy, player: Player, block: Block) -> Strategy:
    """Returns a joint strategy with one player's block replaced.

    Args:
        x: A joint strategy.
        player: The position in the players' order; of stacked players, it may be traced.
        block: The new block.

    >>> replace((1.0, 2.0), 1, 5.0)
    (1.0, 5.0)
    """
    if is_stacked(x):
        return x.at_player(player, block)
    others = blocks(x)
    return join(x, (*others[:player], block, *others[player + 1 :]))


def map_players(fn: Callable, x: Strategy, *rest: Any) -> Strategy:
    """Applies `fn` to every player's block, and puts the results together.

    Stacked players are mapped over by `jax.vmap`, others one by one.

    Args:
        fn: A function of one block of `x` and of the same player's values from `rest`.
        x: A joint strategy.
        rest: One value per player each, in the first-level structure of `x`.

    Returns:
        The results in the first-level structure of `x`.

    >>> map_players(lambda own, scale: scale * own, (1.0, 2.0), (3.0, 4.0))
    (3.0, 8.0)
    >>> map_players(lambda own: jnp.sum(own), Stacked(jnp.ones((3, 2)))).blocks.tolist()
    [2.0, 2.0, 2.0]
    """
    if is_stacked(x):
        others = [_same_count("map_players", x, values).blocks for values in rest]
        return Stacked(eqx.filter_vmap(fn)(x.blocks, *others))
    return join(x, tuple(map(fn, blocks(x), *map(blocks, rest))))


def in_turn(turn: Callable[[Any, Any], Any], x: Strategy, carry: PyTree) -> PyTree:
    """Goes through the players in their order: `carry = turn(player, carry)` for each.

    Args:
        turn: Takes a player's position, which is traced for stacked players, and the carry, whose
            structure, shapes and dtypes it must keep.
        x: A joint strategy, for its players.
        carry: A pytree of arrays.

    >>> in_turn(lambda i, total: total + i, (1.0, 2.0, 3.0), 0)
    3
    """
    if is_stacked(x):
        return jax.lax.fori_loop(0, len(x), turn, carry)
    for player in range(len(blocks(x))):
        carry = turn(player, carry)
    return carry


def same_players(x: Strategy, y: Any) -> bool:
    """Returns whether two pytrees have the same players, by name and in order.

    >>> same_players({"a": 1.0, "b": 2.0}, {"a": "x", "b": "y"})
    True
    """
    if is_stacked(x) and is_stacked(y):
        return len(x) == len(y)
    return not jax.tree_util.all_leaves([y]) and player_names(x) == player_names(y)


def brief_names(x: Strategy) -> str:
    """Returns the players' names for a message, shortened if they are many.

    >>> brief_names(Stacked(jnp.zeros(1000)))
    '0, 1, 2, ..., 999'
    """
    if is_stacked(x) and len(x) > 6:
        return f"0, 1, 2, ..., {len(x) - 1}"
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in player_names(x)]
    return ", ".join(names if len(names) <= 8 else [*names[:6], "...", names[-1]])


def dimensions(x: Strategy) -> tuple[int, ...]:
    """Returns the number of coordinates of each player.

    >>> dimensions((jnp.zeros(3), {"mean": jnp.zeros(2), "scale": jnp.ones(())}))
    (3, 3)
    """
    x = _numbers(x)
    if is_stacked(x):
        return (sum(math.prod(np.shape(leaf)[1:]) for leaf in jax.tree.leaves(x)),) * len(x)
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
    leaves, dtype, unravel = _layout(x)
    parts = [leaf.ravel().astype(dtype) for leaf in leaves]
    return jnp.concatenate(parts) if parts else jnp.zeros(0, dtype), unravel


def unraveler(x: Strategy) -> Callable[[Array], Strategy]:
    """Returns the second part of `ravel(x)`, and computes nothing."""
    return _layout(x)[2]


def _layout(x: Strategy) -> tuple[list[Array], Any, Callable[[Array], Strategy]]:
    """Returns arrays in the order of `ravel`, the widest of their types, and how to go back."""
    numbers = _numbers(x)
    if numbers is not x:
        (leaves, dtype, back), (_, rest) = _layout(numbers), split(as_strategy(x))
        return leaves, dtype, lambda vector: eqx.combine(back(vector), rest)
    items, structure = jax.tree.flatten(x, is_leaf=is_stacked)
    stacks = [item if is_stacked(item) else None for item in items]
    # A stack of players counts as one array, with one row per player.
    leaves = [
        jnp.asarray(item) if stack is None else _rows(stack)[0]
        for item, stack in zip(items, stacks, strict=True)
    ]
    shapes = [leaf.shape for leaf in leaves]
    dtypes = [leaf.dtype for leaf in leaves]
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)
    offsets = np.cumsum([0] + [leaf.size for leaf in leaves]).tolist()

    def unravel(vector: Array) -> Strategy:
        pieces = [
            jax.lax.slice(vector, (start,), (stop,)).reshape(shape).astype(dtype)
            for start, stop, shape, dtype in zip(
                offsets[:-1], offsets[1:], shapes, dtypes, strict=True
            )
        ]
        whole = [
            piece if stack is None else _rows(stack)[1](piece)
            for piece, stack in zip(pieces, stacks, strict=True)
        ]
        return structure.unflatten(whole)

    return leaves, dtype, unravel


def _rows(x: Stacked) -> tuple[Float[Array, "players size"], Callable[[Array], Stacked]]:
    """Returns a stack as a matrix with one row per player, and the function that goes back."""
    leaves, structure = jax.tree.flatten(x)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    shapes = [leaf.shape for leaf in leaves]
    dtypes = [leaf.dtype for leaf in leaves]
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)
    flat = [leaf.reshape(leaf.shape[0], -1).astype(dtype) for leaf in leaves]
    ends = np.cumsum([rows.shape[1] for rows in flat])[:-1].tolist()

    def back(rows: Array) -> Stacked:
        parts = zip(jnp.split(rows, ends, 1), shapes, dtypes, strict=True)
        return structure.unflatten([p.reshape(shape).astype(kind) for p, shape, kind in parts])

    return jnp.concatenate(flat, 1), back


def inner_product(x: PyTree, y: PyTree) -> Float[Array, ""]:
    """The sum of the products of all coordinates of two pytrees of one structure and dtype.

    >>> float(inner_product((jnp.array([1.0, 2.0]), 3.0), (jnp.array([4.0, 5.0]), 6.0)))
    32.0
    """
    return jax.tree.reduce(jnp.add, jax.tree.map(lambda a, b: jnp.sum(a * b), x, y))


def norm(x: PyTree) -> Float[Array, ""]:
    """Returns the Euclidean norm over all coordinates, accumulated in float32 at least.

    Its derivative at zero is zero rather than NaN.

    >>> float(norm((3.0, jnp.array([4.0]))))
    5.0
    """
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(x)]
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(jnp.float32, *leaves)
    # Laying the leaves out as one vector first would cost a copy in every step of a run.
    squares = [jnp.sum(jnp.square(leaf.astype(dtype))) for leaf in leaves]
    square = functools.reduce(operator.add, squares, jnp.zeros((), dtype))
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, jnp.ones_like(square))), square)


def as_strategy(x: Strategy) -> Strategy:
    """Converts every number to a JAX array: Python numbers and NumPy arrays are welcome.

    Python integers become floating point. In an `equinox.Module` with floating-point arrays only
    these are coordinates, as for `eqx.filter_grad`; the rest of it is kept: functions, integers,
    Python numbers.

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
    if hasattr(x, "strategy") and hasattr(x, "history"):
        raise ValueError(
            "a joint strategy is needed, but this is the Solution of a run: give its `strategy`, "
            "and its `state` as state= to continue the run"
        )
    empty = is_stacked(x) and jax.tree.leaves(x) and len(x) == 0
    if jax.tree_util.all_leaves([x]) or empty or not (is_stacked(x) or player_names(x)):
        raise ValueError(
            "a joint strategy is a tuple, dictionary or other pytree with one block per player, "
            f"but this one has no players: {_brief(x)}"
        )
    if is_stacked(x):
        return Stacked(_as_block("each stacked player", x.blocks))
    who = (f"player '{name}'" for name in player_names(x))
    return join(x, tuple(map(_as_block, who, blocks(x))))


def split(x: Strategy) -> tuple[Strategy, PyTree]:
    """Splits off what is not a number in modules; `equinox.combine` puts both parts together.

    Args:
        x: What `as_strategy` returned.

    >>> split({"a": jnp.array(1.0)})[1]
    {'a': None}
    """
    return eqx.partition(x, eqx.is_inexact_array)


def check_strategy(x: Strategy) -> None:
    """Raises an error unless `x` is a joint strategy of finite real numbers.

    Args:
        x: A joint strategy; values are looked at only where they are concrete (not traced).

    Raises:
        ValueError: As `as_strategy`, or if a coordinate is NaN or infinite.
    """
    x, _ = split(as_strategy(x))
    if all(map(_known_finite, jax.tree.leaves(x))):
        return
    for name, block in zip(player_names(x), blocks(x), strict=True):
        for leaf in jax.tree.leaves(block):
            if not _known_finite(leaf):
                raise ValueError(f"strategies must be finite; player '{name}' has {_brief(leaf)}")


def _numbers(x: PyTree) -> PyTree:
    """Returns `x` itself if all of it is numbers, else only the floating-point arrays in it."""

    def is_number(leaf: Any) -> bool:
        return _is_inexact(leaf) or (isinstance(leaf, int | float) and not isinstance(leaf, bool))

    if all(map(is_number, jax.tree.leaves(x))):
        return x
    return split(as_strategy(x))[0]


def _known_finite(leaf: Array) -> bool:
    return isinstance(leaf, Tracer) or bool(np.all(np.isfinite(np.asarray(leaf))))


def _same_count(what: str, x: Stacked, values: Any) -> Stacked:
    if not is_stacked(values) or (jax.tree.leaves(values) and len(values) != len(x)):
        given = f"{len(values)} stacked players" if is_stacked(values) else type(values).__name__
        raise ValueError(
            f"{what}: the strategy has {len(x)} stacked players, so one value per player is a "
            f"dgames.Stacked of {len(x)}; got {given}"
        )
    return values


def _as_block(who: str, block: Block) -> Block:
    def convert(part: Any) -> Any:
        if not isinstance(part, eqx.Module) or not any(map(_is_real, jax.tree.leaves(part))):
            return jax.tree.map(lambda leaf: _as_leaf(who, leaf), part)
        return jax.tree.map(lambda leaf: _as_leaf(who, leaf) if _is_inexact(leaf) else leaf, part)

    block = jax.tree.map(convert, block, is_leaf=lambda part: isinstance(part, eqx.Module))
    if not any(map(eqx.is_inexact_array, jax.tree.leaves(block))):
        raise ValueError(f"every player needs at least one array; {who} has none")
    return block


def _is_inexact(leaf: Any) -> bool:
    """Returns whether a leaf is an array of floating-point or complex numbers."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _is_real(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def _as_leaf(who: str, leaf: Any) -> Array:
    if isinstance(leaf, int | np.integer) and not isinstance(leaf, bool):
        leaf = float(leaf)
    if eqx.is_array_like(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
        return jnp.asarray(leaf, jnp.result_type(leaf))
    if not eqx.is_array_like(leaf):
        what = type(leaf).__name__
        hint = "only an equinox.Module may hold what is not a number" if callable(leaf) else ""
    else:
        what = jnp.result_type(leaf)
        hint = "convert it, say with .astype(float)" if jnp.issubdtype(what, jnp.integer) else ""
        if jnp.issubdtype(what, jnp.complexfloating):
            hint = "dgames.solve, flow, residual and pseudo-gradients of games take complex "
            hint += "strategies as they are; elsewhere, in adjusted fields too, write a pair of "
            hint += "real arrays"
    name = getattr(leaf, "__name__", None)
    raise ValueError(
        f"strategies must be real floating point; {who} has {what}: "
        f"{name if isinstance(name, str) else _brief(leaf)}{'; ' if hint else ''}{hint}"
    )


def _brief(value: Any) -> str:
    text = eqx.tree_pformat(value, short_arrays=eqx.is_array(value) and value.size > 4)
    return text if len(text) <= 60 else text[:57] + "..."

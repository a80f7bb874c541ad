"""Strategy sets: where each player may move.

A set is a set of blocks of one player (any pytree of arrays). `project` is the Euclidean
projection; `dgames.mirror_map` has projections in other geometries.
"""

import abc
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key, PyTree
from typing_extensions import override

from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import (
    Block,
    Strategy,
    blocks,
    brief_names,
    dimensions,
    join,
    map_players,
    norm,
    player_names,
    same_players,
)
from dgames.strategy import block as own_block


class AbstractSet(eqx.Module):
    """A nonempty closed convex set of blocks."""

    @abc.abstractmethod
    def project(self, x: Block) -> Block:
        """The point of the set nearest to `x` in the Euclidean norm; keeps structure and dtypes."""

    @abc.abstractmethod
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        """Whether `x` satisfies every constraint of the set up to an absolute `tolerance`."""

    @abc.abstractmethod
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        """A random point of the set with the structure, shapes and dtypes of `like`.

        Bounded sets sample uniformly; along unbounded directions the law is normal or exponential.
        """


# What `Game.strategy_set` returns: one set for every player, or one set per player.
PlayerSets: TypeAlias = AbstractSet | PyTree


class Euclidean(AbstractSet):
    """The whole space: no constraint.

    >>> Euclidean().project(jnp.array([3.0, -1.0])).tolist()
    [3.0, -1.0]
    """

    @override
    def project(self, x: Block) -> Block:
        return x

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        return jnp.array(True)

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        return _map_with_keys(
            lambda k, leaf: jax.random.normal(k, leaf.shape, leaf.dtype), key, like
        )


class Box(AbstractSet):
    """All `x` with `lower <= x <= upper`, coordinate by coordinate.

    Attributes:
        lower: A number, or arrays in a prefix of the block's structure, broadcast to the block's
            shapes; `-inf` means unbounded.
        upper: The same for the upper bounds; `inf` means unbounded.

    >>> Box(0.0, jnp.inf).project(jnp.array([-2.0, 5.0])).tolist()
    [0.0, 5.0]
    """

    lower: PyTree[Array] = eqx.field(converter=lambda tree: jax.tree.map(_as_float, tree))
    upper: PyTree[Array] = eqx.field(converter=lambda tree: jax.tree.map(_as_float, tree))

    def bounds(self, like: Block) -> tuple[Block, Block]:
        """Returns the lower and upper bounds with the structure, shapes and dtypes of a block."""
        return _broadcast(self.lower, like), _broadcast(self.upper, like)

    @override
    def project(self, x: Block) -> Block:
        return jax.tree.map(jnp.clip, x, *self.bounds(x))

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        def inside(leaf, lower, upper):
            return jnp.all((leaf >= lower - tolerance) & (leaf <= upper + tolerance))

        return _all(jax.tree.map(inside, x, *self.bounds(x)))

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        def draw(key, leaf, lower, upper):
            inner, tail, free = jax.random.split(key, 3)
            below, above = jnp.isfinite(lower), jnp.isfinite(upper)
            finite_lower = jnp.where(below, lower, jnp.zeros_like(lower))
            finite_upper = jnp.where(above, upper, jnp.zeros_like(upper))
            uniform = jax.random.uniform(inner, leaf.shape, leaf.dtype)
            excess = jax.random.exponential(tail, leaf.shape, leaf.dtype)
            between = finite_lower + uniform * (finite_upper - finite_lower)
            half = jnp.where(below, finite_lower + excess, finite_upper - excess)
            whole = jax.random.normal(free, leaf.shape, leaf.dtype)
            sample = jnp.where(below & above, between, jnp.where(below | above, half, whole))
            return jnp.clip(sample, lower, upper)

        return _map_with_keys(draw, key, like, *self.bounds(like))


class Ball(AbstractSet):
    """All `x` with `|x - center| <= radius` in the Euclidean norm over the whole block.

    Attributes:
        center: A number, or arrays in a prefix of the block's structure.
        radius: A positive number.

    >>> Ball(0.0, 1.0).project(jnp.array([3.0, 4.0])).tolist()
    [0.6000000000000001, 0.8]
    """

    center: PyTree[Array] = eqx.field(converter=lambda tree: jax.tree.map(_as_float, tree))
    radius: Array = eqx.field(converter=lambda value: _as_float(value))

    def offset(self, x: Block) -> Block:
        """Returns `x - center`."""
        return jax.tree.map(jnp.subtract, x, _broadcast(self.center, x))

    @override
    def project(self, x: Block) -> Block:
        offset = jax.tree.map(jnp.subtract, x, _broadcast(self.center, x))
        length = norm(offset)
        radius = self.radius.astype(length.dtype)
        outside = length > radius
        factor = jnp.where(outside, radius / jnp.where(outside, length, radius), 1)
        # A point inside is returned unchanged; center + (x - center) would round it.
        return jax.tree.map(
            lambda leaf, shift, d: jnp.where(outside, shift + factor.astype(d.dtype) * d, leaf),
            x,
            _broadcast(self.center, x),
            offset,
        )

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        length = norm(jax.tree.map(jnp.subtract, x, _broadcast(self.center, x)))
        return length <= self.radius.astype(length.dtype) + tolerance

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        direction_key, length_key = jax.random.split(key)
        direction = Euclidean().sample(direction_key, like)
        length = norm(direction)
        share = jax.random.uniform(length_key, (), length.dtype) ** (1 / dimensions((like,))[0])
        scale = self.radius.astype(length.dtype) * share / length
        return jax.tree.map(
            lambda shift, d: shift + scale.astype(d.dtype) * d,
            _broadcast(self.center, like),
            direction,
        )


class Balls(AbstractSet):
    """All arrays whose rows, along the last axis, lie in the ball `|row| <= radius` around zero.

    Attributes:
        radius: A positive number.

    >>> Balls(1.0).project(jnp.array([[3.0, 4.0], [0.0, 0.5]])).tolist()
    [[0.6000000000000001, 0.8], [0.0, 0.5]]
    """

    radius: Array = eqx.field(converter=lambda value: _as_float(value))

    @override
    def project(self, x: Block) -> Block:
        def onto(leaf: Array) -> Array:
            radius = self.radius.astype(leaf.dtype)
            length = jnp.sqrt(jnp.sum(leaf**2, -1, keepdims=True))
            outside = length > radius
            return jnp.where(outside, radius / jnp.where(outside, length, radius) * leaf, leaf)

        return jax.tree.map(onto, jax.tree.map(jnp.asarray, x))

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        def inside(leaf: Array) -> Array:
            length = jnp.sqrt(jnp.sum(leaf**2, -1))
            return jnp.all(length <= self.radius.astype(leaf.dtype) + tolerance)

        return _all(jax.tree.map(inside, jax.tree.map(jnp.asarray, x)))

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        def draw(key: Key[Array, ""], leaf: Array) -> Array:
            direction_key, length_key = jax.random.split(key)
            direction = jax.random.normal(direction_key, leaf.shape, leaf.dtype)
            direction = direction / jnp.sqrt(jnp.sum(direction**2, -1, keepdims=True))
            share = jax.random.uniform(length_key, (*leaf.shape[:-1], 1), leaf.dtype)
            length = self.radius.astype(leaf.dtype) * share ** (1 / leaf.shape[-1])
            return length * direction

        return _map_with_keys(draw, key, like)


class Simplex(AbstractSet):
    """Probability vectors along the last axis of every leaf.

    The projection is exact up to rounding, by sorting: with `u` the coordinates in decreasing
    order, it subtracts `max_k (u_1 + ... + u_k - 1) / k` and clips at zero
    (Held, Wolfe and Crowder, 1974).

    >>> Simplex().project(jnp.array([0.5, 1.5, -1.0])).tolist()
    [0.0, 1.0, 0.0]
    """

    @override
    def project(self, x: Block) -> Block:
        def nearest(leaf):
            descending = -jnp.sort(-leaf, axis=-1)
            counts = jnp.arange(1, leaf.shape[-1] + 1, dtype=leaf.dtype)
            excess = jnp.cumsum(descending, axis=-1) - 1
            means = excess / jnp.broadcast_to(counts, leaf.shape)
            threshold = jnp.max(means, axis=-1, keepdims=True)
            return jnp.maximum(leaf - threshold, 0)

        return jax.tree.map(nearest, x)

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        def inside(leaf):
            total = jnp.sum(leaf, axis=-1)
            return jnp.all(leaf >= -tolerance) & jnp.all(jnp.abs(total - 1) <= tolerance)

        return _all(jax.tree.map(inside, x))

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        def draw(key, leaf):
            weights = jax.random.exponential(key, leaf.shape, leaf.dtype)
            return weights / jnp.sum(weights, axis=-1, keepdims=True)

        return _map_with_keys(draw, key, like)


class Product(AbstractSet):
    """One set per player: the strategy set of a game.

    Attributes:
        sets: Sets in the first-level structure of the joint strategy (or of any block); None for
            a player without constraints.

    >>> Product({"a": Box(0.0, 1.0), "b": Euclidean()}).project({"a": 7.0, "b": 7.0})["b"]
    7.0
    """

    sets: PyTree

    @override
    def project(self, x: Strategy) -> Strategy:
        return map_sets(lambda own, block: own.project(block), self, x)

    @override
    def contains(self, x: Strategy, tolerance: float = 0.0) -> Bool[Array, ""]:
        return _all(map_sets(lambda own, block: own.contains(block, tolerance), self, x))

    @override
    def sample(self, key: Key[Array, ""], like: Strategy) -> Strategy:
        if is_stacked(like):
            keys: Any = Stacked(jax.random.split(key, len(like)))
        else:
            keys = join(like, tuple(jax.random.split(key, len(blocks(like)))))
        return map_sets(lambda own, block, k: own.sample(k, block), self, like, keys)


def map_sets(fn: Callable, strategy_set: PlayerSets, x: Strategy, *rest: Any) -> Strategy:
    """Applies `fn` to every player's set and block: `map_players` with the sets in front.

    Args:
        fn: A function of one player's set, block, and values from `rest`.
        strategy_set: As for `player_sets`.
        x: A joint strategy.
        rest: One value per player each, in the first-level structure of `x`.

    Raises:
        ValueError: If the sets do not name the players of `x`.

    >>> inside = map_sets(lambda own, block: own.project(block), Box(0.0, 1.0), (2.0, -3.0))
    >>> [float(block) for block in inside]
    [1.0, 0.0]
    """
    sets = _own_sets(strategy_set, x)
    if isinstance(sets, AbstractSet):
        return map_players(lambda *values: fn(sets, *values), x, *rest)
    return map_players(lambda block, own, *values: fn(own, block, *values), x, sets, *rest)


def is_constrained(strategy_set: PlayerSets, x: Strategy) -> bool:
    """Whether the set of any player is not the whole space."""
    sets = _own_sets(strategy_set, x)
    if is_stacked(sets):
        return type(sets.blocks) is not Euclidean
    own = (sets,) if isinstance(sets, AbstractSet) else blocks(sets)
    return not all(type(each) is Euclidean for each in own)


def check_sets(strategy_set: PlayerSets, x: Strategy) -> None:
    """Raises an error unless a strategy set fits the players of `x`; see `player_sets`.

    Projections are traced for their shapes; nothing is computed.
    """
    sets = _own_sets(strategy_set, x)
    if is_stacked(x):
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), x.blocks)
        own = sets if isinstance(sets, AbstractSet) else sets[0]
        _check_set("each stacked player", own, one)
        return
    names = player_names(x)
    each = (sets,) * len(names) if isinstance(sets, AbstractSet) else blocks(sets)
    for name, own, block in zip(names, each, blocks(x), strict=True):
        _check_set(f"player '{name}'", own, block)


def _check_set(who: str, own: AbstractSet, block: Block) -> None:
    if type(own) is Euclidean:
        return
    try:
        nearest = eqx.filter_eval_shape(lambda own, block: own.project(block), own, block)
    except Exception as error:
        nearest, reason = None, error
    else:
        reason = None
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(block)]
    if nearest is not None and [leaf.shape for leaf in jax.tree.leaves(nearest)] == shapes:
        return
    raise ValueError(
        f"the set {type(own).__name__} of {who} does not fit the player's strategy of shape "
        f"{', '.join(map(str, shapes))}: its numbers are scalars or arrays that broadcast to it, "
        "and a simplex needs an axis"
    ) from reason


def player_sets(strategy_set: PlayerSets, x: Strategy) -> tuple[AbstractSet, ...]:
    """The set of each player, in the players' order.

    Args:
        strategy_set: A `Product` or a container of sets in the first-level structure of `x` (one
            set per player, or None for one without constraints; of stacked players, a `Stacked`
            set whose arrays have the players as their leading axis); or any other set, which is
            then every player's own; or None.
        x: A joint strategy.

    Raises:
        ValueError: If the sets do not name the players of `x`.

    >>> player_sets((Simplex(), Box(0.0, 1.0)), (jnp.ones(2), 0.5))[0]
    Simplex()
    """
    sets = _own_sets(strategy_set, x)
    return (sets,) * len(player_names(x)) if isinstance(sets, AbstractSet) else blocks(sets)


def player_set(strategy_set: PlayerSets, x: Strategy, player: Player) -> AbstractSet:
    """One player's set.

    Args:
        strategy_set: As for `player_sets`.
        x: A joint strategy.
        player: The position in the players' order; of stacked players, it may be traced.
    """
    sets = _own_sets(strategy_set, x)
    return sets if isinstance(sets, AbstractSet) else own_block(sets, player)


def _own_sets(strategy_set: PlayerSets, x: Strategy) -> PlayerSets:
    """The sets in the first-level structure of the strategy, or one set for every player."""
    if isinstance(strategy_set, Product):
        strategy_set = strategy_set.sets
    if strategy_set is None:
        return Euclidean()
    if isinstance(strategy_set, AbstractSet):
        return strategy_set
    if not is_stacked(strategy_set) and not jax.tree_util.all_leaves([strategy_set]):
        own = blocks(strategy_set)
        if any(each is None for each in own):  # None stands for no constraint
            own = tuple(Euclidean() if each is None else each for each in own)
            strategy_set = join(strategy_set, own)
    if is_stacked(strategy_set) and isinstance(strategy_set.blocks, AbstractSet):
        if not jax.tree.leaves(strategy_set):  # nothing in it tells players apart
            return strategy_set.blocks
        if is_stacked(x) and len(x) == len(strategy_set):
            return strategy_set
    elif not is_stacked(x) and same_players(x, strategy_set) and _all_sets(strategy_set):
        return strategy_set
    if is_stacked(x):
        how = f"one Stacked set of {len(x)} players, each of its arrays with that leading axis"
    else:
        how = f"one set for each of the players {brief_names(x)}"
    raise ValueError(f"a strategy set is one set, or {how}; got {_found(strategy_set)}")


def _all_sets(strategy_set: PlayerSets) -> bool:
    return all(isinstance(own, AbstractSet) for own in blocks(strategy_set))


def _found(strategy_set: PlayerSets) -> str:
    if jax.tree_util.all_leaves([strategy_set]):
        of_class = isinstance(strategy_set, type)
        return f"the class {strategy_set.__name__}" if of_class else type(strategy_set).__name__
    for name, own in zip(player_names(strategy_set), blocks(strategy_set), strict=True):
        if not isinstance(own, AbstractSet):
            return f"a {type(own).__name__} for '{name}', which is no set"
    return brief_names(strategy_set)


def _as_float(value: Any) -> Array:
    if eqx.is_array(value):
        return value
    return jnp.asarray(value, jnp.result_type(float))


def _broadcast(prefix: PyTree, like: Block) -> Block:
    def spread(value, tree):
        return jax.tree.map(lambda x: jnp.broadcast_to(value, x.shape).astype(x.dtype), tree)

    return jax.tree.map(spread, prefix, jax.tree.map(jnp.asarray, like))


def _map_with_keys(fn, key: Key[Array, ""], like: Block, *rest: PyTree) -> Block:
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    others = (structure.flatten_up_to(tree) for tree in rest)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    return structure.unflatten([fn(*item) for item in zip(keys, leaves, *others, strict=True)])


def _all(flags: PyTree) -> Bool[Array, ""]:
    return jnp.all(jnp.stack(jax.tree.leaves(flags)))

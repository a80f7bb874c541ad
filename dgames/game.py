"""Games: what each player pays.

Players minimise their costs. Everything else about a game (its pseudo-gradient, its Jacobian, the
dynamics) is derived from them.
"""

import abc
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.calls import shapes_of
from dgames.constraints.shared_constraints import SharedConstraints, as_shared, check_shared
from dgames.roles import check_roles, minimiser_of
from dgames.sets import AbstractSet, Euclidean, PlayerSets, check_sets
from dgames.stacked import Stacked, is_stacked
from dgames.strategy import (
    Strategy,
    as_strategy,
    blocks,
    brief_names,
    check_strategy,
    join,
    player_names,
)


class Game(eqx.Module):
    """A differentiable game: subclass it and write `costs`.

    Array attributes are parameters: they may be traced, batched and differentiated.

    >>> class Duopoly(Game):
    ...     slope: float = 1.0
    ...
    ...     def costs(self, x, args=None):
    ...         price = 10.0 - self.slope * (x["a"] + x["b"])
    ...         return {"a": -x["a"] * price, "b": -x["b"] * price}
    >>> costs = Duopoly().costs({"a": 2.0, "b": 3.0})
    >>> costs["a"], costs["b"]
    (-10.0, -15.0)
    """

    @abc.abstractmethod
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        """The cost of every player at a joint strategy.

        Args:
            x: A joint strategy: any pytree whose first level is the players.
            args: Anything that the costs depend on and that no player controls.

        Returns:
            One real floating-point scalar per player, in the first-level structure of `x`; of
            stacked players, a `Stacked` array of shape `(N,)`.
        """

    def strategy_set(self, x: Strategy) -> PlayerSets:
        """Where players may move: by default, anywhere.

        Args:
            x: A joint strategy, for its structure and shapes.

        Returns:
            One `AbstractSet`, which is then every player's own, or one set per player: a `Product`
            or a container of sets in the first-level structure of `x`.
        """
        return Euclidean()

    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        """What binds the strategies of several players together: by default, nothing.

        Args:
            x: A joint strategy, for its structure and shapes.

        Returns:
            A tuple of `Polyhedron` and `SharedConstraint`, all of which hold beside the sets.
        """
        return ()


class ZeroSum(Game):
    """A game of two players with one payoff: one minimises it, the other maximises it.

    Subclass it and write `payoff`. Its pseudo-gradient takes a single backward pass.

    Who does what is said by `minimiser` and `maximiser`, of which one suffices:

        class Training(ZeroSum):
            minimiser = "generator"

    Where neither is named, the first player minimises, provided that nobody can be mistaken for the
    first. That is so for tuples. Of dictionaries JAX sorts the keys, so it is an error if they were
    written in another order, or if that order is lost (inside `jax.jit` or `jax.vmap`, and to
    `certify`) and the names do not count by themselves, as "a", "b" or "player1", "player2" do.

    Attributes:
        minimiser: The name of the player who minimises the payoff, or None.
        maximiser: The name of the player who maximises it, or None.
    """

    # These have no annotations, which would make them fields before the fields of every subclass.
    minimiser = cast("str | None", None)
    maximiser = cast("str | None", None)

    @abc.abstractmethod
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        """What the maximiser receives from the minimiser: one real floating-point scalar.

        Args:
            x: A joint strategy of two players.
            args: Anything that the payoff depends on and that no player controls.
        """

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return zero_sum_costs(self, x, args)


def zero_sum_costs(
    game: ZeroSum, x: Strategy, args: PyTree = None, order_is_known: bool = False
) -> PyTree:
    """The costs of a zero-sum game; see `minimiser_of`."""
    if len(player_names(x)) != 2:
        return game.payoff(x, args)
    first = minimiser_of(game, x, order_is_known) == 0
    payoff = game.payoff(x, args)
    return join(x, (payoff, -payoff) if first else (-payoff, payoff))


def is_zero_sum(game: Game) -> bool:
    """Whether the costs of a game are its payoff and the negative of it, by construction.

    A subclass of `ZeroSum` that writes costs of its own is a game like any other.

    >>> class Taxed(ZeroSum):
    ...     def payoff(self, x, args=None):
    ...         return x["x"] * x["y"]
    ...     def costs(self, x, args=None):
    ...         return {"x": x["x"] * x["y"], "y": x["y"] ** 2}
    >>> is_zero_sum(Taxed()), is_zero_sum(zero_sum(lambda x, args: x["x"] * x["y"]))
    (False, True)
    """
    costs = game.costs
    return (
        isinstance(game, ZeroSum)
        and getattr(costs, "__func__", None) is _ZERO_SUM_COSTS
        and getattr(costs, "__self__", None) is game
    )


class _FunctionGame(Game):
    fn: Callable
    sets: PyTree
    shared: Any = ()

    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return self.fn(x, args)

    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.sets

    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.shared


class _FunctionZeroSum(ZeroSum):
    fn: Callable
    sets: PyTree
    # Here they are fields, because each instance has its own.
    minimiser: str | None = eqx.field(static=True, default=None)
    maximiser: str | None = eqx.field(static=True, default=None)
    shared: Any = ()

    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        return self.fn(x, args)

    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.sets

    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.shared


# The function as bound methods show it: equinox wraps what stands in the class.
_ZERO_SUM_COSTS: Any = _FunctionZeroSum(lambda x, args: 0.0, None).costs.__func__  # pyright: ignore


def game(
    costs: Callable,
    strategy_set: AbstractSet | PyTree = None,
    shared: Any = (),
) -> Game:
    """Makes a game of a function `costs(x, args)`.

    Args:
        costs: Maps a joint strategy (and `args`) to one scalar per player, in the first-level
            structure of the strategy. Players minimise. An `equinox.Module` with a `__call__` keeps
            its arrays as parameters of the game.
        strategy_set: One set, which is then every player's own, or one per player (default: no
            constraint); None for a player stands for no constraint.
        shared: What binds several players together: a `Polyhedron`, a `SharedConstraint`, or
            several of them.

    Raises:
        ValueError: If the costs are no function.

    >>> bargain = game(lambda x, args: (x[0] ** 2 - x[0] * x[1], x[1] ** 2 + x[0] * x[1]))
    >>> bargain.costs((1.0, 2.0))
    (-1.0, 6.0)
    """
    return _FunctionGame(
        _function("game", "costs", costs), _or_anywhere(strategy_set), as_shared(shared)
    )


def zero_sum(
    payoff: Callable | None = None,
    strategy_set: AbstractSet | PyTree = None,
    *,
    minimiser: str | None = None,
    maximiser: str | None = None,
    shared: Any = (),
) -> Any:
    """Makes a two-player zero-sum game of a function `payoff(x, args)`.

    Args:
        payoff: Maps a joint strategy of two players (and `args`) to one scalar, which one player
            minimises and the other maximises. Without it, a decorator is returned.
        strategy_set: One set, which is then every player's own, or one per player, None for those
            without (default: no constraint).
        minimiser: The name of the player who minimises; one of the two roles suffices. By default
            it is the first player, provided that nobody can be mistaken for the first: see
            `ZeroSum`.
        maximiser: The name of the player who maximises.
        shared: What binds both players together, as for `game`.

    Returns:
        A `ZeroSum`.

    Raises:
        ValueError: If a role is no name, or one player has both.

    >>> zero_sum(lambda x, args: x["x"] * x["y"]).costs({"x": 2.0, "y": 3.0})
    {'x': 6.0, 'y': -6.0}
    >>> @zero_sum(minimiser="generator", maximiser="discriminator")
    ... def training(x, args):
    ...     return x["generator"] * x["discriminator"]
    >>> training.costs({"generator": 2.0, "discriminator": 3.0})
    {'discriminator': -6.0, 'generator': 6.0}
    """
    check_roles(minimiser, maximiser)
    if payoff is None:
        return lambda fn: zero_sum(
            fn, strategy_set, minimiser=minimiser, maximiser=maximiser, shared=shared
        )
    return _FunctionZeroSum(
        _function("zero_sum", "payoff", payoff),
        _or_anywhere(strategy_set),
        minimiser,
        maximiser,
        as_shared(shared),
    )


def _or_anywhere(strategy_set: PlayerSets) -> PlayerSets:
    return Euclidean() if strategy_set is None else strategy_set


def _function(maker: str, what: str, value: Any) -> Callable:
    if isinstance(value, Game):
        raise ValueError(f"{maker}: this is a game already, not its {what}; use it as it is")
    if not callable(value):
        raise ValueError(
            f"{maker}: the {what} must be a function of the joint strategy and args, not "
            f"{type(value).__name__}"
        )
    return value


class Completed(Game):
    """The game of the numbers of players that are modules, which hold other things too.

    Attributes:
        game: The game.
        rest: The other things in a joint strategy, with None in place of numbers.
    """

    game: Game
    rest: PyTree

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return self.game.costs(eqx.combine(x, self.rest), args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(eqx.combine(x, self.rest))

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(eqx.combine(x, self.rest))


class CompletedZeroSum(ZeroSum):
    """A `Completed` game with one payoff."""

    game: ZeroSum
    rest: PyTree
    minimiser: str | None = eqx.field(static=True, default=None)
    maximiser: str | None = eqx.field(static=True, default=None)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        return self.game.payoff(eqx.combine(x, self.rest), args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(eqx.combine(x, self.rest))

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(eqx.combine(x, self.rest))


def completed(game: Game, rest: PyTree) -> Game:
    """Returns the game of the numbers alone; `rest` is what `dgames.strategy.split` left."""
    if not jax.tree.leaves(rest):
        return game
    if is_zero_sum(game):
        game = cast(ZeroSum, game)
        return CompletedZeroSum(game, rest, game.minimiser, game.maximiser)
    return Completed(game, rest)


def check_shapes(
    game: Game, x: Strategy, args: PyTree = None, order_is_known: bool = False
) -> None:
    """Raises an error unless `game` has a well-formed cost for every player of `x`.

    Nothing is computed: the costs are only traced for their shapes.

    Args:
        game: The game.
        x: A joint strategy.
        args: Passed to the costs.
        order_is_known: As for `minimiser_of`.

    Raises:
        ValueError: As `check_game`.
    """
    if is_zero_sum(game) and len(player_names(x)) == 2:
        minimiser_of(cast(ZeroSum, game), x, order_is_known)
    check_strategy(x)
    x = as_strategy(x)
    check_sets(game.strategy_set(x), x)
    check_shared(game.shared_constraints(x), x, args)
    if is_zero_sum(game):
        game = cast(ZeroSum, game)
        names = player_names(x)
        if len(names) != 2:
            raise ValueError(
                f"a zero-sum game has two players, but the strategy has {len(names)}: "
                f"{brief_names(x)}"
            )
        _check_cost("the payoff", shapes_of("the payoff", game.payoff, x, args, of=_own(game)))
        return
    costs = shapes_of("the costs", game.costs, x, args, of=_own(game))
    if is_stacked(x):
        _check_stacked_costs(x, costs)
        return
    names = player_names(x)
    _check_names(names, costs)
    for name, cost in zip(names, blocks(costs), strict=True):
        _check_cost(f"the cost of player '{name}'", cost)


def _own(game: Game) -> Callable:
    """Returns the function of the costs or of the payoff that the user wrote."""
    while isinstance(game, Completed | CompletedZeroSum):
        game = game.game
    if isinstance(game, _FunctionGame | _FunctionZeroSum):
        return game.fn
    return cast(ZeroSum, game).payoff if is_zero_sum(game) else game.costs


def _check_stacked_costs(x: Stacked, costs: Any) -> None:
    if not is_stacked(costs) or not hasattr(costs.blocks, "shape"):
        what = "a dgames.Stacked of one array" if is_stacked(costs) else "a dgames.Stacked"
        value = costs.blocks if is_stacked(costs) else costs
        raise ValueError(
            f"costs must return {what} for stacked players, of shape ({len(x)},), but it returned "
            f"a single value {_describe(value)}"
        )
    if costs.blocks.shape[:1] != (len(x),):
        raise ValueError(
            f"costs must return one scalar for each of {len(x)} stacked players, but it returned "
            f"an array of shape {costs.blocks.shape}"
        )
    each = jax.ShapeDtypeStruct(costs.blocks.shape[1:], costs.blocks.dtype)
    _check_cost("the cost of each stacked player", each)


def _check_names(names: tuple[str, ...], costs: PyTree) -> None:
    paying = () if jax.tree_util.all_leaves([costs]) else player_names(costs)
    if paying == names:
        return
    missing = [name for name in names if name not in paying]
    extra = [name for name in paying if name not in names]
    if not paying:
        what = f"returned a single value {_describe(costs)}"
    elif missing:
        what = f"returned no cost for player '{missing[0]}', only for {', '.join(paying)}"
    elif extra:
        what = f"returned a cost for '{extra[0]}', who is no player"
    else:
        what = f"returned costs in the order {', '.join(paying)}"
    raise ValueError(f"costs must return one scalar for each of {', '.join(names)}, but it {what}")


def _check_cost(what: str, cost: Any) -> None:
    if isinstance(cost, float):
        return
    shape, dtype = getattr(cost, "shape", None), getattr(cost, "dtype", None)
    if shape is None or dtype is None:
        raise ValueError(f"{what} must be a scalar array, but it is {_describe(cost)}")
    if shape != ():
        raise ValueError(
            f"{what} must be a scalar, but it has shape {shape}: reduce it, say with jnp.sum"
        )
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{what} must be real floating point, but it has dtype {dtype}")


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"of type {type(value).__name__}" if shape is None else f"of shape {shape}"

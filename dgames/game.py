"""Games: what each player pays.

Players minimise their costs. Everything else about a game (its pseudo-gradient, its Jacobian, the
dynamics) is derived from them.
"""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.sets import AbstractSet, Euclidean, check_sets
from dgames.stacked import Stacked, is_stacked
from dgames.strategy import Strategy, blocks, brief_names, check_strategy, join, player_names


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
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree[Any]:
        """The cost of every player at a joint strategy.

        Args:
            x: A joint strategy: any pytree whose first level is the players.
            args: Anything that the costs depend on and that no player controls.

        Returns:
            One real floating-point scalar per player, in the first-level structure of `x`; of
            stacked players, a `Stacked` array of shape `(N,)`.
        """

    def strategy_set(self, x: Strategy) -> Any:
        """Where players may move: by default, anywhere.

        Args:
            x: A joint strategy, for its structure and shapes.

        Returns:
            One `AbstractSet`, which is then every player's own, or one set per player: a `Product`
            or a container of sets in the first-level structure of `x`.
        """
        return Euclidean()


class ZeroSum(Game):
    """A game of two players with one payoff: the first minimises it, the second maximises it.

    Subclass it and write `payoff`. Its pseudo-gradient takes a single backward pass.
    """

    @abc.abstractmethod
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        """What the second player receives from the first: one real floating-point scalar.

        Args:
            x: A joint strategy of two players.
            args: Anything that the payoff depends on and that no player controls.
        """

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree[Any]:
        payoff = self.payoff(x, args)
        return join(x, (payoff, -payoff)) if len(player_names(x)) == 2 else payoff


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

    def costs(self, x: Strategy, args: PyTree = None) -> PyTree[Any]:
        return self.fn(x, args)

    def strategy_set(self, x: Strategy) -> Any:
        return self.sets


class _FunctionZeroSum(ZeroSum):
    fn: Callable
    sets: PyTree

    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        return self.fn(x, args)

    def strategy_set(self, x: Strategy) -> Any:
        return self.sets


# As methods of games show it: equinox wraps what stands in the class.
_ZERO_SUM_COSTS: Any = _FunctionZeroSum(lambda x, args: 0.0, None).costs.__func__  # pyright: ignore


def game(costs: Callable, strategy_set: AbstractSet | PyTree = None) -> Game:
    """Makes a game of a function `costs(x, args)`.

    Args:
        costs: Maps a joint strategy (and `args`) to one scalar per player, in the first-level
            structure of the strategy. Players minimise. An `equinox.Module` with a `__call__` keeps
            its arrays as parameters of the game.
        strategy_set: One set, which is then every player's own, or one per player (default: no
            constraint).

    >>> bargain = game(lambda x, args: (x[0] ** 2 - x[0] * x[1], x[1] ** 2 + x[0] * x[1]))
    >>> bargain.costs((1.0, 2.0))
    (-1.0, 6.0)
    """
    return _FunctionGame(costs, Euclidean() if strategy_set is None else strategy_set)


def zero_sum(payoff: Callable, strategy_set: AbstractSet | PyTree = None) -> ZeroSum:
    """Makes a two-player zero-sum game of a function `payoff(x, args)`.

    Args:
        payoff: Maps a joint strategy of two players (and `args`) to one scalar, which the first
            player minimises and the second maximises.
        strategy_set: One set, which is then every player's own, or one per player (default: no
            constraint).

    >>> zero_sum(lambda x, args: x["x"] * x["y"]).costs({"x": 2.0, "y": 3.0})
    {'x': 6.0, 'y': -6.0}
    """
    return _FunctionZeroSum(payoff, Euclidean() if strategy_set is None else strategy_set)


def check_game(game: Game, x: Strategy, args: PyTree = None) -> None:
    """Raises an error unless `game` has a well-formed cost for every player of `x`.

    Nothing is computed: the costs are only traced for their shapes.

    Args:
        game: The game.
        x: A joint strategy.
        args: Passed to the costs.

    Raises:
        ValueError: If `x` is not a joint strategy, a player has no cost, a cost belongs to no
            player, a cost is not a real floating-point scalar, or the strategy set does not fit.
    """
    check_strategy(x)
    if is_zero_sum(game):
        names = player_names(x)
        if len(names) != 2:
            raise ValueError(
                f"a zero-sum game has two players, but the strategy has {len(names)}: "
                f"{brief_names(x)}"
            )
        _check_cost("the payoff", eqx.filter_eval_shape(game.payoff, x, args))
    elif is_stacked(x):
        _check_stacked_costs(x, eqx.filter_eval_shape(game.costs, x, args))
    else:
        names = player_names(x)
        costs = eqx.filter_eval_shape(game.costs, x, args)
        _check_names(names, costs)
        for name, cost in zip(names, blocks(costs), strict=True):
            _check_cost(f"the cost of player '{name}'", cost)
    check_sets(game.strategy_set(x), x)


def _check_stacked_costs(x: Stacked, costs: Any) -> None:
    if not is_stacked(costs) or not hasattr(costs.blocks, "shape"):
        what = "a dgames.Stacked of one array" if is_stacked(costs) else "a dgames.Stacked"
        found = costs.blocks if is_stacked(costs) else costs
        raise ValueError(
            f"costs must return {what} for stacked players, of shape ({len(x)},), but it returned "
            f"a single value {_describe(found)}"
        )
    if costs.blocks.shape[:1] != (len(x),):
        raise ValueError(
            f"costs must return one scalar for each of {len(x)} stacked players, but it returned "
            f"an array of shape {costs.blocks.shape}"
        )
    each = jax.ShapeDtypeStruct(costs.blocks.shape[1:], costs.blocks.dtype)
    _check_cost("the cost of each stacked player", each)


def _check_names(names: tuple[str, ...], costs: PyTree) -> None:
    found = () if jax.tree_util.all_leaves([costs]) else player_names(costs)
    if found == names:
        return
    missing = [name for name in names if name not in found]
    extra = [name for name in found if name not in names]
    if not found:
        what = f"returned a single value {_describe(costs)}"
    elif missing:
        what = f"returned no cost for player '{missing[0]}', only for {', '.join(found)}"
    elif extra:
        what = f"returned a cost for '{extra[0]}', who is no player"
    else:
        what = f"returned costs in the order {', '.join(found)}"
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

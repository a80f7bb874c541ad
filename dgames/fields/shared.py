"""Fields of games with shared constraints: weights of players, and multipliers as players.

In the Euclidean metric, `PseudoGradient` with its projections finds the *variational* equilibrium,
at which all players have the same multipliers. The fields here find that of Rosen's weights, or
move the multipliers too.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.constraints.coupling import equation_count, force_of, row_count, row_values
from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game
from dgames.sets import Box, PlayerSets, player_sets
from dgames.strategy import Strategy, brief_names, join, map_players, ravel, same_players

MULTIPLIERS = "multipliers"


class Normalised(AbstractField):
    """The pseudo-gradient, projected in a metric with a weight for each player.

    Its equilibria are those that are *normalised* with these weights r: player i has multipliers
    `lambda / r_i` (Rosen, 1965). They are the solutions of the variational inequality of `R F` over
    what sets and shared constraints allow, `R = diag(r_i I)`. Equal weights give the variational
    equilibrium. On shared constraints weights select the equilibrium, so that steps must be the
    same for all players.

    Attributes:
        game: A game.
        weights: One positive number per player, in the first-level structure of the strategy.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> run = dg.solve(Normalised(game, (1.0, 2.0)), dg.Simultaneous(0.4), (0.0, 0.0))
    >>> [round(float(block), 9) for block in run.strategy]
    [0.666666667, 0.333333333]
    """

    game: Game
    weights: PyTree[Array] = eqx.field(converter=lambda tree: jax.tree.map(as_float, tree))

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return PseudoGradient(self.game)(x, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(x)

    @override
    def project(self, x: Strategy) -> Strategy:
        shared = self.shared_constraints(x)
        if not shared:
            return super().project(x)
        from dgames.constraints.projection import project_strategy

        return project_strategy(self.strategy_set(x), shared, x, spread(self.weights, x))


class ExtendedField(AbstractField):
    """The field of players and multipliers `(F(x) + R^-1 Dg(x)' l, -g(x))`, with `l >= 0`.

    Its zeros, within the sets, are the equilibria with their multipliers. The multipliers of all
    rows are one more player, whom `with_multipliers` adds. It is monotone if F is (for equal
    weights) and g is convex, with no margin in the multipliers: `Extragradient` converges with
    steps below one over the Lipschitz constant, and `PrimalDual` was made for it.

    Attributes:
        game: A game with shared constraints, each row for all players or for some of them.
        weights: Rosen's weights r, one positive number per player, or None for equal ones.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> start = dg.with_multipliers(game, (0.0, 0.0))
    >>> run = dg.solve(ExtendedField(game), dg.Extragradient(0.3), start)
    >>> [round(float(jnp.squeeze(block)), 6) for block in run.strategy]
    [0.75, 0.25, 0.5]
    """

    game: Game
    weights: PyTree[Array] = eqx.field(
        default=None, converter=lambda tree: jax.tree.map(as_float, tree)
    )

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        x, multipliers = split_multipliers(x)
        force, values = _pushed(self.game, self.weights, x, multipliers, args)
        return join_multipliers(force, -values)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        players, multipliers = split_multipliers(x)
        free = _equations(self.game.shared_constraints(players), multipliers)
        zero = jnp.zeros_like(multipliers)
        signs = Box(jnp.where(free, -jnp.inf, zero), jnp.full_like(zero, jnp.inf))
        return join_multipliers(_own(self.game, players), signs)


class AugmentedField(AbstractField):
    """A field of players and multipliers that needs no projection onto shared constraints.

        (F(x) + R^-1 Dg(x)' p,  eta (l - p) / rho),   p = max(l + rho g(x), 0)

    (for equations `p = l + rho g(x)`). Its zeros are the equilibria with their multipliers, as
    those of `ExtendedField`; but multipliers that become negative come back by themselves, and the
    field often has a margin, in a metric with entries between strategies and multipliers: then
    simultaneous steps converge at a linear rate, and this can be proved. With a and b the margin
    and the Lipschitz constant of F, take rho between 1 and 3 times `a / |A|^2` and `eta = b rho`.
    The sets of the players remain.

    Attributes:
        game: A game with shared constraints.
        rho: The weight of violated constraints, positive.
        eta: How fast multipliers move, positive.
        weights: Rosen's weights r, one positive number per player, or None for equal ones.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> start = dg.with_multipliers(game, (0.0, 0.0))
    >>> run = dg.solve(AugmentedField(game, 1.0, 2.0), dg.Simultaneous(0.4), start)
    >>> [round(float(jnp.squeeze(block)), 6) for block in run.strategy]
    [0.75, 0.25, 0.5]

    References:
        Qu and Li, *On the exponential stability of primal-dual gradient dynamics*, IEEE Control
        Systems Letters 3 (2019).
    """

    game: Game
    rho: Float[Array, ""] = eqx.field(converter=as_float)
    eta: Float[Array, ""] = eqx.field(converter=as_float)
    weights: PyTree[Array] = eqx.field(
        default=None, converter=lambda tree: jax.tree.map(as_float, tree)
    )

    def __check_init__(self):
        for name, value in (("rho", self.rho), ("eta", self.eta)):
            if is_known(value) and not (jnp.shape(value) == () and float(value) > 0):
                raise ValueError(f"AugmentedField: {name} must be a positive number, not {value}")

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        x, multipliers = split_multipliers(x)
        rho, eta = (value.astype(multipliers.dtype) for value in (self.rho, self.eta))
        constraints = self.game.shared_constraints(x)
        free = _equations(constraints, multipliers)
        pushed = multipliers + rho * row_values(constraints, x, args)
        pushed = jnp.where(free, pushed, jnp.maximum(pushed, 0))
        force, _ = _pushed(self.game, self.weights, x, pushed, args)
        return join_multipliers(force, (eta / rho) * (multipliers - pushed))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        players, _ = split_multipliers(x)
        return join_multipliers(_own(self.game, players), None)


def with_multipliers(
    game: Game, x: Strategy, multipliers: Any = None, args: PyTree = None
) -> Strategy:
    """Adds the multipliers of all rows to a joint strategy, as one more player.

    Args:
        game: A game with shared constraints.
        x: A joint strategy: a tuple, list or dictionary. In a dictionary the new player is called
            "multipliers", otherwise it is the last one.
        multipliers: One number per row (default: zeros).
        args: Passed to the constraints.

    Raises:
        ValueError: If the strategy is neither, or has such a player already.
    """
    rows = row_count(game.shared_constraints(x), x, args)
    dtype = ravel(x)[0].dtype
    start = jnp.zeros(rows, dtype) if multipliers is None else jnp.asarray(multipliers, dtype)
    if start.shape != (rows,):
        raise ValueError(f"with_multipliers: there are {rows} rows, but {start.shape} multipliers")
    if isinstance(x, dict) and MULTIPLIERS in x:
        raise ValueError("with_multipliers: a player is called 'multipliers' already")
    return join_multipliers(x, start)


def join_multipliers(x: Any, multipliers: Any) -> Any:
    """Adds a value for the multipliers to one value per player."""
    if type(x) in (tuple, list):
        return type(x)([*x, multipliers])
    if isinstance(x, dict):
        return {**x, MULTIPLIERS: multipliers}
    raise ValueError(
        "multipliers are added to a tuple, list or dictionary of players, not to "
        f"{type(x).__name__}; give the joint strategy in this form"
    )


def split_multipliers(x: Any) -> tuple[Any, Any]:
    """Splits what `join_multipliers` joined.

    >>> split_multipliers((1.0, 2.0, "l"))
    ((1.0, 2.0), 'l')
    """
    if type(x) in (tuple, list):
        return type(x)(x[:-1]), x[-1]
    if isinstance(x, dict) and MULTIPLIERS in x:
        return {name: own for name, own in x.items() if name != MULTIPLIERS}, x[MULTIPLIERS]
    raise ValueError(
        "this field is of players and multipliers: make its strategies by dgames.with_multipliers"
    )


def spread(weights: PyTree, x: Strategy) -> Strategy:
    """Spreads one weight per player over the coordinates of the players.

    Raises:
        ValueError: If there is not one positive number for each player.
    """
    if not same_players(x, weights):
        raise ValueError(
            f"weights are one positive number for each of the players {brief_names(x)}"
        )
    for own in jax.tree.leaves(weights):
        if is_known(own) and not (np.asarray(own) > 0).all():
            raise ValueError(f"weights of players must be positive, not {own}")

    def fill(block: PyTree, weight: Any) -> PyTree:
        return jax.tree.map(
            lambda leaf: jnp.full_like(leaf, jnp.asarray(weight, leaf.dtype)), block
        )

    return map_players(fill, x, weights)


def _equations(constraints: SharedConstraints, multipliers: Array) -> Bool[Array, " rows"]:
    return jnp.arange(len(multipliers)) >= len(multipliers) - equation_count(constraints)


def _own(game: Game, x: Strategy) -> PlayerSets:
    """Returns one set per player, in the first-level structure of the strategy."""
    return join(x, player_sets(game.strategy_set(x), x))


def _pushed(
    game: Game, weights: Any, x: Strategy, multipliers: Array, args: PyTree
) -> tuple[Strategy, Float[Array, " rows"]]:
    """Returns the pseudo-gradient with the force of multipliers, and the values of the rows."""
    constraints = game.shared_constraints(x)
    push = force_of(constraints, x, multipliers, args)
    if weights is not None:
        push = jax.tree.map(jnp.divide, push, spread(weights, x))
    force = jax.tree.map(jnp.add, PseudoGradient(game)(x, args), push)
    return force, row_values(constraints, x, args)

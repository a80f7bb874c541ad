"""What players could save by deviating alone, where constraints bind them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.constraints.kkt import solve_kkt
from dgames.constraints.shared_constraints import Polyhedron, SharedConstraint, SharedConstraints
from dgames.game import Game, check_shapes
from dgames.sets import PlayerSets, player_sets
from dgames.strategy import Strategy, as_strategy, blocks, join, player_names, ravel, replace


class Deviations(NamedTuple):
    """What every player could save by deviating alone within all constraints.

    Attributes:
        gaps: One number per player, in the first-level structure of the strategy:
            `f_i(x) - min f_i(., x_-i)`. Negative where the strategy breaks a constraint, or where
            the costs are not convex and the response is no minimum.
        responses: The best responses.
        residual: The largest violation of a condition of optimality of any of the responses.
    """

    gaps: PyTree
    responses: Strategy
    residual: Float[Array, ""]


def deviations(
    game: Game, x: Strategy, args: PyTree = None, *, tol: float | int | Array = 1e-8
) -> Deviations:
    """Solves every player's own problem, the others' strategies fixed.

    Costs and constraints must be convex in the player's own block. A player's problem is
    `min f_i(x_i, x_-i)` over their set and those rows that bind them. The strategy x is a
    generalised equilibrium if it is feasible and all gaps are zero, and only then. Responses are
    found by `solve_kkt`, from x: a gap is as exact as the residual says. A response that is
    infeasible by d misses at most `|lambda| d` of the cost, lambda its multipliers.

    Args:
        game: A game, with or without shared constraints.
        x: A joint strategy.
        args: Passed to the costs and the constraints.
        tol: The residual up to which the responses must be solved.

    Raises:
        ValueError: If the game or the strategy is malformed.
        RuntimeError: If a player's problem was not solved, as it is if the others leave them no
            feasible strategy.

    >>> from dgames.games.generalised import two_players_on_a_line
    >>> found = deviations(two_players_on_a_line(), (0.5, 0.5))
    >>> [round(float(gap), 9) for gap in found.gaps]  # an equilibrium, though not the variational
    [0.0, 0.0]
    >>> [round(float(gap), 9) for gap in deviations(two_players_on_a_line(), (0.5, 0.25)).gaps]
    [0.1875, 0.0625]
    """
    check_shapes(game, x, args)
    x = as_strategy(x)
    gaps, responses, residuals = [], [], []
    for i, name in enumerate(player_names(x)):
        own = _OwnGame(game, x, i)
        point = solve_kkt(own, (blocks(x)[i],), args, tol=tol, throw=False)
        solved = point.successful
        if not isinstance(solved, Tracer) and not bool(solved):
            raise RuntimeError(
                f"deviations: the problem of player '{name}' was solved up to "
                f"{float(point.residual):.2g} only; the others may leave them no feasible strategy"
            )
        responses.append(point.strategy[0])
        residuals.append(point.residual)
        gaps.append(blocks(game.costs(x, args))[i] - own.costs(point.strategy, args)[0])
    largest = jnp.max(jnp.stack(residuals))
    return Deviations(join(x, tuple(gaps)), join(x, tuple(responses)), largest)


class _OwnGame(Game):
    """The problem of one player, as a game of one.

    Attributes:
        game: The game of all.
        x: The strategies of all; that of this player does not matter.
        player: The player's position.
    """

    game: Game
    x: Strategy
    player: int = eqx.field(static=True)

    def whole(self, own: Strategy) -> Strategy:
        """Returns the strategies of all."""
        return replace(self.x, self.player, own[0])

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return (blocks(self.game.costs(self.whole(x), args))[self.player],)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return (player_sets(self.game.strategy_set(self.x), self.x)[self.player],)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        name = player_names(self.x)[self.player]
        return tuple(
            self._own(constraint)
            for constraint in self.game.shared_constraints(self.x)
            if isinstance(constraint, Polyhedron)
            or constraint.players is None
            or name in constraint.players
        )

    def _own(self, constraint: Polyhedron | SharedConstraint) -> Polyhedron | SharedConstraint:
        if isinstance(constraint, SharedConstraint):
            return SharedConstraint(lambda x, args: constraint.values(self.whole(x), args))
        rows = constraint.rows(self.x)
        zero = jax.tree.map(jnp.zeros_like, blocks(self.x)[self.player])
        others, _ = ravel(replace(self.x, self.player, zero))
        ones = replace(
            jax.tree.map(jnp.zeros_like, self.x), self.player, jax.tree.map(jnp.ones_like, zero)
        )
        (mine,) = jnp.nonzero(ravel(ones)[0], size=ravel(zero)[0].size)
        A_eq, b_eq = rows.A_eq[:, mine], rows.b_eq - rows.A_eq @ others
        if len(b_eq) == 0:
            return Polyhedron(rows.A[:, mine], rows.b - rows.A @ others)
        return Polyhedron(rows.A[:, mine], rows.b - rows.A @ others, A_eq, b_eq)

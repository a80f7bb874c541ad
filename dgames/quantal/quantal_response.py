"""Logit quantal response equilibria, followed from full randomness towards a Nash equilibrium."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.arrays import as_float, is_known
from dgames.constraints.shared_constraints import refuse_shared
from dgames.game import Game
from dgames.logits import logits, policies
from dgames.quantal.logit_branch import (
    BranchPoint,
    advance,
    beginning,
    first_point,
    is_stuck,
    logit_branch,
    payoff_scale,
)
from dgames.strategy import Strategy, as_strategy, ravel


class QuantalResponses(eqx.Module):
    """Equilibria along the principal branch, as `quantal_responses` returns them.

    Attributes:
        precisions: The precisions that were asked for.
        logits: Joint strategies in `LogitDifferences`, with a leading axis of precisions.
        reached: Whether the branch was followed that far, every step of it accepted; where it was
            not, logits are those of the last point of the branch.
        followed: The precisions of the points returned: the one asked for where it was reached, and
            otherwise that of the last point of the branch.
        turns: The number of times that the branch has turned, from rising to falling precisions or
            back, before each point returned.
    """

    precisions: Float[Array, " precisions"]
    logits: Strategy
    reached: Bool[Array, " precisions"]
    followed: Float[Array, " precisions"]
    turns: Int[Array, " precisions"]

    @property
    def strategies(self) -> Strategy:
        """The equilibria as probabilities, with a leading axis of precisions."""
        return policies(self.logits)


def quantal_responses(
    game: Game, precisions: Any, like: Strategy, args: PyTree = None, *, max_tries: int = 2000
) -> QuantalResponses:
    r"""Logit quantal response equilibria along the principal branch.

    In logit differences x they are the zeros of

        H(x, precision) = x + precision N(x)

    with N the natural gradient of the game: `x_i` is proportional to the expected payoffs. The
    branch starts at the uniform strategies with precision zero and is followed by pseudo-arclength
    continuation (Newton steps normal to a predicted point), through turning points. As the
    precision grows it tends to a Nash equilibrium, for almost all games to one and only one (the
    logit solution). Precision is `1 / temperature` of `dgames.Regularised`.

    A step from z0 to z1 is accepted only if points between the two show no sign that they lie on
    different branches: with M the Jacobian of H, bordered by the tangent at z0,

        |M(z0)^-1 M(z) - I| <= 1/2

    at z1 and halfway (if M is invertible along the whole way, z1 is the only solution in its
    plane), and no probability that matters changes by more than a factor of `e^(1/2)`. Steps that
    fail are shortened. Where branches meet, as they do in games with symmetries, no step is short
    enough: the branch ends there, and greater precisions are not reached.

    Args:
        game: A game on simplices, not regularised.
        precisions: Positive and increasing. Where the branch passes one several times, its first
            pass is meant.
        like: A joint strategy, for its structure and shapes, such as `game.uniform()`.
        args: Passed to the costs.
        max_tries: The number of predictions to try between two precisions.

    Raises:
        ValueError: If the precisions are not positive and increasing.

    Example:
        >>> from dgames.games import MatrixGame
        >>> pennies = MatrixGame([[9.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
        >>> branch = quantal_responses(pennies, [1.0, 1e3], pennies.uniform())
        >>> [f"{p:.6f}" for p in branch.strategies[0][:, 0]], branch.reached.all().item()
        (['0.893576', '0.501099'], True)

        In a game with a symmetry branches meet: here at precision 2, where the run stops.

        >>> meet = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> branch = quantal_responses(meet, [1.0, 3.0], meet.uniform())
        >>> branch.reached.tolist(), [f"{precision:.3f}" for precision in branch.followed]
        ([True, False], ['1.000', '2.000'])

    References:
        McKelvey and Palfrey, *Quantal response equilibria for normal form games*, Games and
        Economic Behavior 10 (1995); Turocy, *A dynamic homotopy interpretation of the logistic
        quantal response equilibrium correspondence*, Games and Economic Behavior 51 (2005).
    """
    start, _ = ravel(logits(as_strategy(like)))
    refuse_shared(
        game.shared_constraints(as_strategy(like)),
        "quantal_responses: logit responses know no shared constraints",
    )
    goals = as_float(precisions).astype(start.dtype)
    if goals.ndim != 1 or (is_known(goals) and not (jnp.diff(goals, prepend=0) > 0).all()):
        raise ValueError(f"precisions are positive and increasing numbers, not {precisions}")
    return _follow(game, goals, as_strategy(like), args, max_tries)


@eqx.filter_jit
def _follow(
    game: Game, goals: Array, like: Strategy, args: PyTree, max_tries: int
) -> QuantalResponses:
    scale = payoff_scale(game, like, args)
    branch = logit_branch(game, like, args, scale)

    def follow(point: BranchPoint, goal: Array) -> tuple[BranchPoint, tuple[Any, ...]]:
        point = point._replace(tries=jnp.zeros((), int), there=jnp.array(False))
        point = jax.lax.while_loop(
            lambda p: ~p.there & ~is_stuck(p) & (p.tries < max_tries),
            lambda p: advance(branch, p, goal),
            point,
        )
        return point, (branch.unravel(point.z[:-1]), point.there, point.z[-1], point.turns)

    first = first_point(branch, *beginning(like))
    _, (points, reached, last, turns) = jax.lax.scan(follow, first, scale * goals)
    followed = jnp.where(reached, goals, last / scale)
    return QuantalResponses(goals, points, reached, followed, turns)

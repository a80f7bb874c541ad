"""What a point of a Stackelberg game is: residuals, curvatures, and the value of leading."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dgames.diagnose import natural_map
from dgames.fields import FunctionField
from dgames.leaders.stackelberg import Stackelberg, own_curvature
from dgames.strategy import Block, Strategy, norm, ravel


class StackelbergPoint(NamedTuple):
    """What `stackelberg_point` finds at (x, y); numbers of one point, which prove nothing.

    Attributes:
        leader_residual: `|x - P(x - D)|`, which is `|D|` for a leader without constraints.
        followers_residual: The largest entry of `y - P(y - G)` in size.
        curvature: The smallest eigenvalue of the reduced curvature f^''.
        own_curvature: The smallest eigenvalue of the followers' own blocks of G_y, on coordinates
            that no bound holds.
        nash_residual: `|x - P(x - f_x)|`: zero if a leader who sees `f_x` alone would stay, too, as
            at a Nash equilibrium.
        weakly_active: Whether a follower lies on a bound without being pressed against it; then D
            is only a generalised derivative, and f^ may have a kink.
    """

    leader_residual: Float[Array, ""]
    followers_residual: Float[Array, ""]
    curvature: Float[Array, ""]
    own_curvature: Float[Array, ""]
    nash_residual: Float[Array, ""]
    weakly_active: Bool[Array, ""]

    def is_differential_stackelberg(self, tolerance: float = 1e-6) -> bool:
        """Returns whether (x, y) is a differential Stackelberg equilibrium, up to a tolerance.

        In a zero-sum game that is a (strict) local minimax point.
        """
        still = max(float(self.leader_residual), float(self.followers_residual)) <= tolerance
        curved = min(float(self.curvature), float(self.own_curvature)) > 0
        return still and curved and not bool(self.weakly_active)


def stackelberg_point(game: Stackelberg, x: Block, y: Strategy) -> StackelbergPoint:
    """Measures how far (x, y) is from a differential Stackelberg equilibrium, and its curvatures.

    The leader's derivatives are those at the answer `r(x)` nearest to y.

    Args:
        game: The game.
        x: The leader's strategy.
        y: The followers' joint strategy.

    Returns:
        A `StackelbergPoint`.

    >>> import dgames as dg
    >>> payoff = lambda x, y: -3.0 * x**2 - y[0] ** 2 + 4.0 * x * y[0]
    >>> game = dg.Stackelberg(payoff, dg.game(lambda y, x: (-payoff(x, y),)))
    >>> point = stackelberg_point(game, jnp.array(0.0), (jnp.array(0.0),))
    >>> point.is_differential_stackelberg(), float(point.curvature)
    (True, 2.0)
    """
    x, y = jax.tree.map(jnp.asarray, (x, y))
    answer = game.response(x, y)
    vector, unravel = ravel(y)

    def alone(slope: Block) -> Float[Array, ""]:
        field = FunctionField(lambda _, args: {"leader": slope}, {"leader": game.leader_set})
        return norm(natural_map(field, {"leader": x}))

    lower, upper = game.bounds(x, y)
    force = ravel(game.force(x, y))[0]
    hessian = game.curvature(x, y)
    return StackelbergPoint(
        alone(game.total_derivative(x, y)),
        jnp.max(jnp.abs(vector - jnp.clip(vector - force, lower, upper))),
        jnp.min(jnp.linalg.eigvalsh((hessian + hessian.T) / 2)),
        own_curvature(game.free_slopes(x, unravel(answer.value), ~answer.active), y),
        alone(jax.grad(game.leader_cost)(x, y)),
        jnp.any(answer.weakly_active),
    )


def value_of_leading(
    game: Stackelberg, x: Block, nash: tuple[Block, Strategy], start: Strategy
) -> Float[Array, ""]:
    """Returns how much less a leader pays at x than at a Nash equilibrium of the same costs.

    It is never negative for a leader who is best off at x: at a Nash equilibrium the followers
    answer best, `y = r(x_nash)`, so that the leader could have had `f^(x_nash) = f(nash)` as well
    (Basar and Olsder, Dynamic Noncooperative Game Theory, proposition 3.16).

    Args:
        game: The game.
        x: The leader's strategy.
        nash: A Nash equilibrium, as the leader's strategy and the followers'.
        start: Near which the followers answer x.

    >>> import dgames as dg
    >>> costs = lambda q, args: tuple(-own * (10.0 - q[0] - q[1]) + own for own in q)
    >>> game = dg.Stackelberg.of(dg.game(costs), 0, (0.0, 0.0))
    >>> float(value_of_leading(game, jnp.array(4.5), (3.0, (3.0,)), (0.0,)))
    1.125
    """
    return jnp.asarray(game.leader_cost(*nash)) - game.reduced_cost(x, start)

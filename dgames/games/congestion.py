"""A mean-field game with congestion: a crowd of players, each of whom is negligible."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.fields import AbstractField
from dgames.sets import Simplex
from dgames.strategy import Strategy, blocks, join


class CongestionGame(AbstractField):
    r"""A stationary mean-field game on finitely many states, in which crowded states pay less.

    A representative player in a crowd follows a policy x of shape `(states, actions)`. Everybody
    following it, the crowd settles at the stationary distribution `mu(x)`; the reward of action a
    in state s is then

        r(s, a) = rewards[s, a] - congestion[s] mu(s) - strength / 2 |x(s)|^2

    and `q(x)` are the discounted action values of x with the crowd held fixed. The field is

        F(x)(s) = strength x(s) - q(x)(s)

    whose zeros on simplices, in the sense of variational inequalities, are the regularised
    mean-field equilibria: nobody gains by another policy while the crowd stays. It is no gradient
    of costs, so this is a field rather than a `Game`; the joint strategy has the one player.

    Policy mirror ascent with step eta, `argmax_u <u, q> - strength |u|^2 / 2 - |u - x|^2 / (2 eta)`
    in each state, is `Simultaneous(eta / (1 + eta strength))` on this field. If q is
    `L`-Lipschitz, it contracts by `(1 + eta L) / (1 + eta strength)`, for every eta if
    `strength > L`.

    Attributes:
        rewards: Shape `(states, actions)`.
        transitions: Shape `(states, actions, states)`. Under every policy the chain must have one
            stationary distribution.
        congestion: Shape `(states,)`: what a state loses per share of the crowd.
        discount: At least 0 and less than 1.
        strength: The positive strength of the regulariser.

    Example:
        >>> game = CongestionGame.two_roads(congestion=1.0, strength=2.0)
        >>> [f"{share:.6f}" for share in game.population(game.uniform())]
        ['0.500000', '0.500000']

    References:
        Yardim, Cayci, Geist and He, *Policy mirror ascent for efficient and independent learning
        in mean field games*, ICML 2023, arXiv:2212.14449.
    """

    rewards: Float[Array, "states actions"] = eqx.field(converter=as_float)
    transitions: Float[Array, "states actions states"] = eqx.field(converter=as_float)
    congestion: Float[Array, " states"] = eqx.field(converter=as_float)
    discount: Float[Array, ""] = eqx.field(converter=as_float)
    strength: Float[Array, ""] = eqx.field(converter=as_float)

    def __check_init__(self):
        states, _ = self.rewards.shape
        if self.transitions.shape != (*self.rewards.shape, states) or self.congestion.shape != (
            states,
        ):
            raise ValueError(
                "rewards, transitions and congestion need shapes (states, actions), (states, "
                f"actions, states) and (states,); got {self.rewards.shape}, "
                f"{self.transitions.shape} and {self.congestion.shape}"
            )
        if is_known(self.discount) and not 0 <= float(self.discount) < 1:
            raise ValueError(f"discount must be at least 0 and less than 1, got {self.discount}")

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        (policy,) = blocks(x)
        return join(x, (self.strength.astype(policy.dtype) * policy - self.action_values(x),))

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()

    def population(self, x: Strategy) -> Float[Array, " states"]:
        """Returns the stationary distribution of a crowd whose members all follow the policy."""
        (policy,) = blocks(x)
        moves = jnp.einsum("sat,sa->ts", self.transitions.astype(policy.dtype), policy)
        # Adding the rank-one matrix of ones makes the solution sum to one.
        matrix = jnp.eye(len(moves), dtype=moves.dtype) - moves + 1
        return jnp.linalg.solve(matrix, jnp.ones(len(moves), moves.dtype))

    def action_values(self, x: Strategy) -> Float[Array, "states actions"]:
        """Returns the values of one action and then the policy, in the crowd that follows it."""
        (policy,) = blocks(x)
        dtype = policy.dtype
        rewards, transitions, congestion, discount, strength = (
            leaf.astype(dtype)
            for leaf in (
                self.rewards,
                self.transitions,
                self.congestion,
                self.discount,
                self.strength,
            )
        )
        costs = congestion * self.population(x) + strength * jnp.sum(policy**2, -1) / 2
        rewards = rewards - costs[:, None]
        moves = jnp.einsum("sat,sa->st", transitions, policy)
        resolved = jnp.eye(len(moves), dtype=dtype) - discount * moves
        values = jnp.linalg.solve(resolved, jnp.sum(policy * rewards, -1))
        return rewards + discount * (transitions @ values)

    def uniform(self) -> tuple[Float[Array, "states actions"]]:
        """The policy that randomises evenly, as a joint strategy of one player."""
        shape = self.rewards.shape
        return (jnp.full(shape, 1 / shape[-1], self.rewards.dtype),)

    @classmethod
    def two_roads(cls, congestion: Any, strength: Any, discount: Any = 0.5) -> "CongestionGame":
        """Two states and two actions: stay with probability 0.9, or switch with 0.9.

        The first state pays 1 more.

        Args:
            congestion: The congestion of both states.
            strength: See the class.
            discount: See the class.
        """
        stay, switch = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.1, 0.9], [0.9, 0.1]])
        return cls(
            rewards=[[1.0, 1.0], [0.0, 0.0]],
            transitions=np.stack([stay, switch], 1),
            congestion=jnp.full(2, as_float(congestion)),
            discount=discount,
            strength=strength,
        )

"""Mean-field games on finitely many states, over a finite horizon: crowds of negligible players."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.arrays import is_known
from dgames.fields import AbstractField
from dgames.sets import Simplex
from dgames.strategy import Strategy, blocks, join


class MeanFieldGame(AbstractField):
    r"""A game of a crowd whose members are negligible, move between states, and see the time.

    A representative player draws a state from `initial` and, at the times t = 0, ..., T, an action
    from a policy `pi_t(a | s)`. The crowd that follows it is described by its *flow*, the share of
    the crowd in each state that takes each action at each time:

        L_t(s, a) = mu_t(s) pi_t(a | s),     mu_{t+1} = sum_{s, a} L_t(s, a) P_t(. | s, a, L_t)

    Rewards `r_t(s, a, L_t)` are collected, and to be large. A policy is a (Nash) equilibrium if
    nobody gains by another one while the crowd stays, that is, if its exploitability

        E(pi) = max_pi' V(pi'; L^pi) - V(pi; L^pi),     V(pi; L) = sum_s mu_0(s) V_0(s)

    is zero. The field is `F(pi) = -Q(pi)`, the values of all actions in the crowd of the policy,
    with the opposite sign, so that methods on simplices apply: `MirrorDescent(h)` is online mirror
    descent, `Simultaneous(h)` projected policy ascent, `FictitiousPlay()` averages flows. A zero of
    the natural residual is a policy that is optimal from every state at every time, whether the
    crowd comes there or not; its exploitability is zero. In numbers: at a residual r,

        E <= (T + 1) r (max |Q_t(s)|_2 + sqrt(2)).

    The field is no gradient of costs, so this is a field rather than a `Game`; the joint strategy
    has the one player, whose block has the shape `(T + 1, states, actions)`.

    Subclasses have the two attributes below and write `reward` and `transition`. Their arrays are
    cast to the dtype of the policy before these are called.

    Attributes:
        initial: Shape `(states,)`: the distribution of states at time 0.
        horizon: T, at least 0: there are T + 1 decisions.
        actions: The number of actions.

    Raises:
        ValueError: If `initial` is no distribution, or rewards or transitions have other shapes
            than theirs below.

    Example:
        >>> from dgames.games import LeftRight
        >>> game = LeftRight()
        >>> float(game.exploitability(game.uniform()))
        0.25

    References:
        Perolat et al., *Scaling up mean field games with online mirror descent*, 2021,
        arXiv:2103.00623.
    """

    initial: eqx.AbstractVar[Float[Array, " states"]]
    horizon: eqx.AbstractVar[int]
    actions: eqx.AbstractVar[int]

    def __check_init__(self):
        start, name = self.initial, type(self).__name__
        if not eqx.is_inexact_array(start) or start.ndim != 1:
            raise ValueError(f"{name}: initial must be an array of probabilities, not {start!r}")
        if is_known(start) and not (
            bool((start >= 0).all()) and abs(float(start.sum()) - 1) < 1e-6
        ):
            raise ValueError(f"{name}: initial must hold probabilities that sum to 1, not {start}")
        if self.horizon < 0 or self.actions < 1:
            raise ValueError(
                f"{name}: there is a horizon of at least 0 and one action or more, not "
                f"{self.horizon} and {self.actions}"
            )
        pairs, t = (self.states, self.actions), jax.ShapeDtypeStruct((), int)
        crowd, game = jax.ShapeDtypeStruct(pairs, start.dtype), self._cast(start.dtype)
        for fn, shape in ((game.reward, pairs), (game.transition, (*pairs, self.states))):
            found = jax.eval_shape(fn, t, crowd).shape
            if found != shape:
                raise ValueError(f"{name}: {fn.__name__} must have the shape {shape}, not {found}")

    @abc.abstractmethod
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        """The reward of every action in every state.

        Args:
            t: The time, which may be traced.
            crowd: `L_t`, the share of the crowd in each state that takes each action.
        """

    @abc.abstractmethod
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        """The probability of each next state, along the last axis, from each state by each action.

        Args:
            t: The time, less than T.
            crowd: As for `reward`.
        """

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return join(x, (-self.action_values(x),))

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()

    @property
    def states(self) -> int:
        """The number of states."""
        return self.initial.shape[0]

    def uniform(self) -> tuple[Float[Array, "times states actions"]]:
        """The policy that randomises evenly, as a joint strategy of one player."""
        shape = (self.horizon + 1, self.states, self.actions)
        return (jnp.full(shape, 1 / self.actions, self.initial.dtype),)

    def flow(self, x: Strategy) -> Float[Array, "times states actions"]:
        """Returns the flow of a crowd whose members all follow the policy.

        Args:
            x: A policy, as a joint strategy of one player.
        """
        return self._flow(self.policy(x), None)

    def response_flow(
        self, x: Strategy, flow: Float[Array, "times states actions"]
    ) -> Float[Array, "times states actions"]:
        """Returns the law of one player who follows a policy while the crowd has a flow.

        Args:
            x: The policy of the player.
            flow: That of the crowd, which decides where actions lead.
        """
        return self._flow(self.policy(x), flow)

    def action_values(
        self, x: Strategy, flow: Float[Array, "times states actions"] | None = None
    ) -> Float[Array, "times states actions"]:
        """Returns the values of one action and then the policy.

        Args:
            x: A policy.
            flow: That of the crowd (default: the flow of the policy itself).
        """
        policy = self.policy(x)
        flow = self._flow(policy, None) if flow is None else flow
        return self.backward(flow, lambda values, own: jnp.sum(own * values, -1), policy)

    def optimal_action_values(
        self, flow: Float[Array, "times states actions"]
    ) -> Float[Array, "times states actions"]:
        """Returns the values of one action and then the best ones, in a crowd with this flow."""
        return self.backward(flow, lambda values, _: jnp.max(values, -1), flow)

    def best_response(
        self, flow: Float[Array, "times states actions"]
    ) -> tuple[Float[Array, "times states actions"]]:
        """Returns a policy that is optimal from every state, in a crowd with this flow.

        Actions of equal value are equally likely.
        """
        values = self.optimal_action_values(flow)
        best = (values == jnp.max(values, -1, keepdims=True)).astype(values.dtype)
        return (best / jnp.sum(best, -1, keepdims=True),)

    def value(
        self, x: Strategy, flow: Float[Array, "times states actions"] | None = None
    ) -> Float[Array, ""]:
        """Returns the expected sum of a player's rewards.

        Args:
            x: The policy of the player.
            flow: That of the crowd (default: the flow of the policy itself).
        """
        policy = self.policy(x)
        return self.at_start(jnp.sum(policy[0] * self.action_values(x, flow)[0], -1))

    def exploitability(self, x: Strategy) -> Float[Array, ""]:
        """Returns what a single player can gain by leaving the policy that all others follow.

        States count as often as they are started from: `max V(pi') - V(pi)`, with `mu_0`. It takes
        one pass forward and two backward.

        Args:
            x: A policy.
        """
        flow = self.flow(x)
        best = self.at_start(jnp.max(self.optimal_action_values(flow)[0], -1))
        return best - self.value(x, flow)

    def backward(
        self,
        flow: Float[Array, "times states actions"],
        summary: Callable[[Array, Array], Array],
        policy: Float[Array, "times states actions"],
    ) -> Float[Array, "times states actions"]:
        """Returns action values by backward induction, in a crowd with a flow.

        Args:
            flow: The flow of the crowd.
            summary: The values of states at one time, shape `(states,)`, from their action values
                and the policy there.
            policy: What `summary` is given at each time.
        """
        game, times = self._cast(flow.dtype), jnp.arange(self.horizon + 1)
        final = game.reward(times[-1], flow[-1])
        if not self.horizon:
            return final[None]

        def back(later: Array, now: tuple) -> tuple[Array, Array]:
            t, crowd, own = now
            values = game.reward(t, crowd) + game.transition(t, crowd) @ later
            return summary(values, own), values

        past = (times[:-1], flow[:-1], policy[:-1])
        _, values = jax.lax.scan(back, summary(final, policy[-1]), past, reverse=True)
        return jnp.concatenate([values, final[None]])

    def at_start(self, values: Float[Array, " states"]) -> Float[Array, ""]:
        """Returns the mean of values of states over the states that players start from."""
        return jnp.sum(self.initial.astype(values.dtype) * values)

    def policy(self, x: Strategy) -> Float[Array, "times states actions"]:
        """Returns the policy that a joint strategy of one player holds.

        Raises:
            ValueError: If its shape is not that of the game.
        """
        (policy,) = blocks(x)
        policy, shape = jnp.asarray(policy), (self.horizon + 1, self.states, self.actions)
        if policy.shape != shape:
            raise ValueError(
                f"{type(self).__name__}: a policy has the shape (times, states, actions) = "
                f"{shape}, not {policy.shape}"
            )
        return policy

    def _flow(
        self,
        policy: Float[Array, "times states actions"],
        crowd: Float[Array, "times states actions"] | None,
    ) -> Float[Array, "times states actions"]:
        """Returns the law of a player in a crowd; without one, the crowd has the same law."""
        game = self._cast(policy.dtype)

        def move(shares: Array, now: tuple) -> tuple[Array, Array]:
            t, own, others = now
            law = shares[:, None] * own
            step = game.transition(t, law if others is None else others)
            return jnp.einsum("sa,sat->t", law, step), law

        if not self.horizon:
            return game.initial[None, :, None] * policy
        others = None if crowd is None else crowd[:-1]
        past = (jnp.arange(self.horizon), policy[:-1], others)
        last, laws = jax.lax.scan(move, game.initial, past)
        return jnp.concatenate([laws, (last[:, None] * policy[-1])[None]])

    def _cast(self, dtype: Any) -> "MeanFieldGame":
        """Returns the game with all its numbers in one dtype."""
        numbers, rest = eqx.partition(self, eqx.is_inexact_array)
        return eqx.combine(jax.tree.map(lambda leaf: leaf.astype(dtype), numbers), rest)

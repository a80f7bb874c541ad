"""Markov games with finitely many states and actions, discounted."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.policy_game import PolicyGame
from dgames.strategy import Strategy, blocks, join

# Beyond so many states the elimination of a library is quicker to compile.
_ELIMINATED = 8


class MarkovGame(PolicyGame):
    r"""A discounted game of N players on finitely many states, played with stationary policies.

    Player i's block is a policy of shape `(states, actions[i])`: a probability vector in each
    state. In state s everybody acts at once; player i receives `rewards[i, s, a]`, and the next
    state is drawn from `transitions[s, a]`. The cost is minus the normalised discounted value,

        f_i(x) = -sum_s d(s) (r_i(s) + temperature * entropy(x_i(s)))
        d      = (1 - discount) (I - discount P^T)^{-1} start

    where `r_i` and `P` are the expected rewards and transitions under the policies, and `d` is the
    discounted occupancy: a probability vector over states. With an entropy that occupancy does not
    weigh, take `dgames.Regularised(game, temperature)`. For logits in place of policies, take
    `dgames.InLogits`; the field of natural policy gradients in logits is `dgames.NaturalGradient`.

    Attributes:
        rewards: Shape `(players, states, *actions)`.
        transitions: Shape `(states, *actions, states)`: probabilities of the next state.
        start: Shape `(states,)`: probabilities of the first state.
        discount: At least 0 and less than 1.
        temperature: The weight of the entropy in the rewards, or None for none.

    Example:
        >>> game = MarkovGame.small_gain_nash()
        >>> always_first = jnp.array([[1.0, 0.0], [1.0, 0.0]])
        >>> [float(cost.round(6)) for cost in game.costs((always_first, always_first))]
        [-1.0, -1.0]
        >>> [f"{share:.4f}" for share in game.occupancy((always_first, always_first))]
        ['0.9100', '0.0900']

    References:
        Shapley, *Stochastic games*, PNAS 39 (1953).
    """

    rewards: Float[Array, "players states *actions"] = eqx.field(converter=as_float)
    transitions: Float[Array, "states *actions states"] = eqx.field(converter=as_float)
    start: Float[Array, " states"] = eqx.field(converter=as_float)
    discount: Float[Array, ""] = eqx.field(converter=as_float)
    temperature: Float[Array, ""] | None = None

    def __init__(
        self,
        rewards: Any,
        transitions: Any,
        *,
        discount: Any,
        start: Any = None,
        temperature: Any = None,
    ):
        """Checks the tables.

        Args:
            rewards: See the class.
            transitions: See the class.
            discount: See the class.
            start: See the class; by default every state is as likely.
            temperature: See the class.

        Raises:
            ValueError: If the shapes do not fit, probabilities do not sum to one, or the discount
                is not in [0, 1).
        """
        self.rewards, self.transitions = as_float(rewards), as_float(transitions)
        players, states = self.rewards.shape[:2]
        actions = self.rewards.shape[2:]
        if len(actions) != players or self.transitions.shape != (states, *actions, states):
            raise ValueError(
                "rewards need the shape (players, states, *actions) with one axis of actions per "
                "player, and transitions (states, *actions, states); got "
                f"{self.rewards.shape} and {self.transitions.shape}"
            )
        uniform = jnp.full(states, 1 / states, self.rewards.dtype)
        self.start = uniform if start is None else as_float(start)
        self.discount = as_float(discount)
        self.temperature = None if temperature is None else as_float(temperature)
        if self.start.shape != (states,):
            raise ValueError(f"start needs one probability per state, got {self.start.shape}")
        _check_probabilities("transitions", self.transitions)
        _check_probabilities("start", self.start)
        if is_known(self.discount) and not 0 <= float(self.discount) < 1:
            raise ValueError(f"discount must be at least 0 and less than 1, got {self.discount}")

    @override
    def policy_costs(self, p: Strategy, log_p: Strategy, args: PyTree = None) -> PyTree:
        rewards, transitions = self._expected(blocks(p))
        if self.temperature is not None:
            temperature = self.temperature.astype(rewards.dtype)
            entropy = [-jnp.sum(q * l, -1) for q, l in zip(blocks(p), blocks(log_p), strict=True)]
            rewards = rewards + temperature * jnp.stack(entropy)
        values = rewards @ self._occupancy(transitions)
        return join(p, tuple(-value for value in values))

    def occupancy(self, x: Strategy) -> Float[Array, " states"]:
        """The discounted occupancy of states under a joint policy: a probability vector.

        Args:
            x: Policies, one array of shape `(states, actions[i])` per player.
        """
        return self._occupancy(self._expected(blocks(x))[1])

    def best_response_cost(self, x: Strategy, player: int) -> Float[Array, ""]:
        """The least cost of a player against the others' policies, by policy iteration.

        Args:
            x: Policies, one array of shape `(states, actions[i])` per player.
            player: The player's position.
        """
        table = self._tables(blocks(x), player)
        players = len(blocks(x))
        discount, start = self._at(table.dtype)
        rewards, transitions = table[player], jnp.moveaxis(table[players:], 0, -1)
        values = _optimal_values(rewards, transitions, discount, self.temperature)
        return (discount - 1) * (start @ values)

    def uniform(self) -> tuple[Float[Array, "states _"], ...]:
        """The joint policy in which everyone randomises evenly in every state."""
        _, states, *actions = self.rewards.shape
        return tuple(jnp.full((states, n), 1 / n, self.rewards.dtype) for n in actions)

    def _expected(
        self, policies: tuple[Array, ...]
    ) -> tuple[Float[Array, "players states"], Float[Array, "states states"]]:
        """Returns rewards of each player and state, and transitions from state to state."""
        tables = self._tables(policies)
        return tables[: len(policies)], tables[len(policies) :].T

    def _tables(
        self, policies: tuple[Array, ...], free: int | None = None
    ) -> Float[Array, "rows states *actions"]:
        """Returns expected rewards of each player, then chances of each next state, in every state.

        Args:
            policies: The policies of all players.
            free: A player whose actions are left open, as the last axis.
        """
        _, states, *actions = self.rewards.shape
        shapes = [jnp.shape(policy) for policy in policies]
        if shapes != [(states, n) for n in actions]:
            raise ValueError(
                f"policies need one probability vector per state, in arrays of shapes "
                f"{[(states, n) for n in actions]}; got {shapes}"
            )
        dtype = jnp.result_type(policies[0])
        moves = jnp.moveaxis(self.transitions.astype(dtype), -1, 0)
        tables = jnp.concatenate([self.rewards.astype(dtype), moves])
        if free is not None:
            tables = jnp.moveaxis(tables, free + 2, -1)
        for i, policy in enumerate(policies):
            if i != free:
                tables = jnp.einsum("ksa...,sa->ks...", tables, policy)
        return tables

    def _occupancy(self, transitions: Float[Array, "states states"]) -> Float[Array, " states"]:
        discount, start = self._at(transitions.dtype)
        return _occupancy(discount, transitions, (1 - discount) * start)

    def _at(self, dtype: np.dtype) -> tuple[Float[Array, ""], Float[Array, " states"]]:
        return self.discount.astype(dtype), self.start.astype(dtype)

    @classmethod
    def small_gain_nash(cls) -> "MarkovGame":
        """Two players, states and actions: both are paid 1 for a match and -1 for a mismatch.

        After a match the next state is, with probability 0.9, the one named by the action; after a
        mismatch both are as likely. The discount is 0.9, and play starts in the first state. With
        `Regularised(game, 1.0)` the uniform policies are an equilibrium, where every curvature is 1
        and the coupling 0.55 in logit differences, along the natural gradient.

        References:
            Sharma, *Small-Gain Nash: Certified Contraction to Nash Equilibria in Differentiable
            Games*, 2025, arXiv:2512.06791.
        """
        reward = np.array([[1.0, -1.0], [-1.0, 1.0]])
        second = np.array([[0.1, 0.5], [0.5, 0.9]])
        return cls(
            np.broadcast_to(reward, (2, 2, 2, 2)),
            np.broadcast_to(np.stack([1 - second, second], -1), (2, 2, 2, 2)),
            discount=0.9,
            start=[1.0, 0.0],
        )


def _occupancy(
    discount: Float[Array, ""],
    transitions: Float[Array, "states states"],
    arrivals: Float[Array, " states"],
) -> Float[Array, " states"]:
    """Solves `(I - discount P^T) x = arrivals`, for few states by elimination without subtractions.

    A pivot is the chance to leave a state: that of stopping, `1 - discount`, and those of going to
    the states that are left. Where it is computed as their sum, and not as one minus the chance of
    staying, nothing cancels, and intervals of policies have narrow intervals of occupancies
    (Grassmann, Taksar and Heyman, 1985).
    """
    states = len(transitions)
    if states > _ELIMINATED:
        return jnp.linalg.solve(_resolved(discount, transitions).T, arrivals)
    moves = [[discount * transitions[i, j] for j in range(states)] for i in range(states)]
    stop, come = [1 - discount] * states, list(arrivals)
    leave = [1 - discount] * states
    for k in reversed(range(states)):
        leave[k] = sum(moves[k][:k], stop[k])
        for i in range(k):
            share = moves[i][k] / leave[k]
            for j in range(k):
                moves[i][j] = moves[i][j] + share * moves[k][j]
            stop[i] = stop[i] + share * stop[k]
            come[i] = come[i] + come[k] * moves[k][i] / leave[k]
    occupied: list[Array] = []
    for k in range(states):
        visits = sum((occupied[i] * moves[i][k] for i in range(k)), come[k])
        occupied.append(visits / leave[k])
    return jnp.stack(occupied)


def _resolved(
    discount: Float[Array, ""], transitions: Float[Array, "states states"]
) -> Float[Array, "states states"]:
    return jnp.eye(len(transitions), dtype=transitions.dtype) - discount * transitions


def _optimal_values(
    rewards: Float[Array, "states actions"],
    transitions: Float[Array, "states actions states"],
    discount: Float[Array, ""],
    temperature: Float[Array, ""] | None,
) -> Float[Array, " states"]:
    """Returns the values of one player's best policy, by policy iteration (soft with entropy)."""
    states, actions = rewards.shape

    def improve(values: Array) -> tuple[Array, Array]:
        """Returns a better policy and its entropies."""
        worth = rewards + discount * (transitions @ values)
        if temperature is None:
            best = jax.nn.one_hot(jnp.argmax(worth, -1), actions, dtype=worth.dtype)
            return best, jnp.zeros(states, worth.dtype)
        log_p = jax.nn.log_softmax(worth / temperature.astype(worth.dtype), -1)
        return jnp.exp(log_p), -temperature.astype(worth.dtype) * jnp.sum(
            jnp.exp(log_p) * log_p, -1
        )

    def evaluate(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        values, _, count = carry
        policy, entropy = improve(values)
        moves = jnp.einsum("sat,sa->st", transitions, policy)
        better = jnp.linalg.solve(
            _resolved(discount, moves), jnp.sum(policy * rewards, -1) + entropy
        )
        # Policies never get worse, so a value that rises by no more than rounding is the best.
        rise = jnp.max(better - values)
        slack = 8 * jnp.finfo(values.dtype).eps * (1 + jnp.max(jnp.abs(better)))
        return better, rise > slack, count + 1

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        return carry[1] & (carry[2] < 1000)

    least = jnp.min(rewards) / (1 - discount)
    start = (jnp.full(states, least), jnp.array(True), jnp.zeros((), int))
    return jax.lax.while_loop(unfinished, evaluate, start)[0]


def _check_probabilities(what: str, table: Array) -> None:
    if not is_known(table):
        return
    values = np.asarray(table, float)
    if (values < 0).any() or not np.allclose(values.sum(-1), 1, rtol=0, atol=1e-6):
        raise ValueError(f"{what} must be probabilities, with sum one along the last axis")

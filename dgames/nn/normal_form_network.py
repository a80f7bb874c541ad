"""A network that reads games in normal form, and answers with a strategy for each player."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Payoffs = Float[Array, "players *actions"]


class _Round(eqx.Module):
    """One exchange of messages: actions look at plays that they are part of, then at each other.

    Attributes:
        read: From what an action sees of a play to its features.
        look: How much attention such features get.
        compare: Scores of an action for each other action of the same player.
        change: From an action, what it saw, and what the others saw, to its change.
    """

    read: Float[Array, "inputs width"]
    look: Float[Array, " width"]
    compare: Float[Array, "width width"]
    change: Float[Array, "joined width"]

    def __call__(self, payoffs: Payoffs, actions: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(self._player(i, payoffs, actions) for i in range(len(actions)))

    def _player(
        self, i: int, payoffs: Payoffs, actions: tuple[Array, ...]
    ) -> Float[Array, "own width"]:
        own, count = actions[i], len(actions)
        shape = payoffs.shape[1:]
        width = own.shape[-1]

        def plays(values: Array) -> Array:
            """Values of plays, with the player's own action first and all others in one axis."""
            rest = values.shape[len(shape) :]
            return jnp.moveaxis(values, i, 0).reshape(shape[i], -1, *rest)

        rivals = sum(payoffs[j] for j in range(count) if j != i) / max(count - 1, 1)
        faced = jnp.zeros((*shape, width), own.dtype)
        for j, theirs in enumerate(actions):
            if j != i:
                axes = [1] * count
                axes[j] = shape[j]
                faced = faced + jnp.broadcast_to(theirs.reshape(*axes, width), faced.shape)
        faced = plays(faced / max(count - 1, 1))
        seen = jnp.concatenate(
            [
                plays(payoffs[i])[..., None],
                plays(jnp.broadcast_to(rivals, shape))[..., None],
                jnp.broadcast_to(own[:, None], faced.shape),
                faced,
            ],
            -1,
        )
        features = jnp.tanh(seen @ self.read)
        weights = jax.nn.softmax(features @ self.look, -1)
        message = jnp.sum(weights[..., None] * features, 1)
        scores = jax.nn.softmax(message @ self.compare @ message.T / math.sqrt(width), -1)
        joined = jnp.concatenate([own, message, scores @ message], -1)
        return own + jnp.tanh(joined @ self.change)


class NormalFormNetwork(eqx.Module):
    r"""An equivariant network from payoffs to a joint strategy.

    It reads a game of any number of players and actions with the same weights. Every action of
    every player has an embedding, zero at first. In each round an action looks at all plays that it
    is part of (what its player and the others receive, and the embeddings of their actions) by
    attention, and then at the messages of its player's other actions. In the end its embedding
    gives its logit. So the answer is *equivariant*, by construction and whatever the weights are:
    if players or actions change places in the payoffs, so they do in the strategies. It also stays
    the same if a player's payoffs are multiplied by a positive number or increased by what depends
    on the other players alone, as equilibria do: payoffs are centred and scaled first.

    It proposes, and proves nothing: `dgames.nash_gap` says how far the answer is from equilibrium.

    Attributes:
        rounds: The exchanges of messages.
        logit: From the last embedding of an action to its logit.

    Args:
        width: The length of embeddings.
        rounds: The number of rounds.
        key: A random key.

    Raises:
        ValueError: If width or rounds are not positive.

    Example:
        >>> net = NormalFormNetwork(8, 2, jax.random.key(0))
        >>> payoffs = jax.random.normal(jax.random.key(1), (2, 3, 4))
        >>> [strategy.shape for strategy in net(payoffs)]
        [(3,), (4,)]
        >>> swapped = net(payoffs[:, ::-1])  # the first player's actions in another order
        >>> bool(jnp.allclose(swapped[0][::-1], net(payoffs)[0], atol=1e-6))
        True

    References:
        Liu, Marris, Piliouras, Gemp and Heess, *NfgTransformer: Equivariant Representation Learning
        for Normal-form Games*, ICLR 2024, arXiv:2402.08393, whose idea it is; here a round has one
        head and no layer of its own after attention.
    """

    rounds: tuple[_Round, ...]
    logit: Float[Array, " width"]

    def __init__(self, width: int, rounds: int, key: Key[Array, ""]):
        if width < 1 or rounds < 1:
            raise ValueError(
                f"NormalFormNetwork: width and rounds are positive; got {width} and {rounds}"
            )

        def drawn(key: Key[Array, ""], inputs: int, *outputs: int) -> Array:
            return jax.random.normal(key, (inputs, *outputs)) / math.sqrt(inputs)

        made, (last, *keys) = [], jax.random.split(key, rounds + 1)
        for own in keys:
            a, b, c, d = jax.random.split(own, 4)
            made.append(
                _Round(
                    read=drawn(a, 2 * width + 2, width),
                    look=drawn(b, width),
                    compare=drawn(c, width, width),
                    change=drawn(d, 3 * width, width),
                )
            )
        self.rounds = tuple(made)
        self.logit = drawn(last, width)

    def __call__(self, payoffs: Payoffs) -> tuple[Array, ...]:
        """A probability vector for each player.

        Args:
            payoffs: As of `dgames.games.MatrixGame`, of shape `(players, *actions)`.

        Raises:
            ValueError: If payoffs do not have an axis for each player.
        """
        if payoffs.ndim != len(payoffs) + 1:
            raise ValueError(
                "NormalFormNetwork: payoffs have the shape (players, *actions), with one axis of "
                f"actions for each player; got {payoffs.shape}"
            )
        payoffs = _normalised(payoffs)
        width = self.logit.size
        actions = tuple(jnp.zeros((n, width), payoffs.dtype) for n in payoffs.shape[1:])
        for each in self.rounds:
            actions = each(payoffs, actions)
        return tuple(jax.nn.softmax(own @ self.logit) for own in actions)


def _normalised(payoffs: Payoffs) -> Payoffs:
    """Each player's payoffs, centred over the own actions against each play of the others."""
    own = []
    for i, values in enumerate(payoffs):
        centred = values - jnp.mean(values, i, keepdims=True)
        size = jnp.sqrt(jnp.mean(centred**2))
        own.append(centred / jnp.where(size > 0, size, 1))
    return jnp.stack(own)

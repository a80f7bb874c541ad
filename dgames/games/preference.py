"""Preference games: each player wants to be preferred to the others."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.policy_game import MultilinearGame
from dgames.strategy import Strategy, blocks, join


class PreferenceGame(MultilinearGame):
    r"""A game on simplices of N players who want their choice to be preferred to the others'.

        f_i(x) = -mean_{j != i} x_i^T P x_j,   P[a, b] = the probability that a is preferred to b

    so that `P + P^T` is one everywhere. The game is symmetric; for two players its value is 1/2,
    and an equilibrium strategy, preferred to any other at least half of the time, always exists
    (von Neumann's winner), even where preferences go in circles.

    Attributes:
        preferences: `P`, of shape `(actions, actions)`.
        players: N, at least two.

    Example:
        >>> circle = PreferenceGame([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])
        >>> [float(cost) for cost in circle.costs(circle.uniform())]
        [-0.5, -0.5]

    References:
        Munos et al., *Nash learning from human feedback*, ICML 2024, arXiv:2312.00886; for more
        than two players Wu et al., *Multiplayer Nash preference optimization*, 2025,
        arXiv:2509.23102.
    """

    preferences: Float[Array, "actions actions"] = eqx.field(converter=as_float)
    players: int = eqx.field(default=2, static=True)

    def __check_init__(self):
        if self.players < 2:
            raise ValueError(f"a preference game has at least two players, not {self.players}")
        if is_known(self.preferences):
            sums = np.asarray(self.preferences + self.preferences.T)
            if not np.allclose(sums, 1, rtol=0, atol=1e-6):
                raise ValueError("preferences[a, b] + preferences[b, a] must be 1 for all a and b")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        mixed = [jnp.asarray(block) for block in blocks(x)]
        if len(mixed) != self.players:
            raise ValueError(f"the game has {self.players} players, the strategy {len(mixed)}")
        table = self.preferences.astype(mixed[0].dtype)
        total = sum(mixed[1:], start=mixed[0])
        others = [(total - own) / (self.players - 1) for own in mixed]
        return join(x, tuple(-(p @ (table @ q)) for p, q in zip(mixed, others, strict=True)))

    def uniform(self) -> tuple[Float[Array, " actions"], ...]:
        """The joint strategy in which everyone randomises evenly."""
        n = len(self.preferences)
        return (jnp.full(n, 1 / n, self.preferences.dtype),) * self.players

    @classmethod
    def bradley_terry(cls, scores: Any, players: int = 2) -> "PreferenceGame":
        """Preferences that scores explain: `P[a, b] = sigmoid(scores[a] - scores[b])`.

        Args:
            scores: One number per action.
            players: As for the class.

        >>> game = PreferenceGame.bradley_terry([0.0, jnp.log(3.0)])
        >>> game.preferences.round(6).tolist()
        [[0.5, 0.25], [0.75, 0.5]]
        """
        scores = as_float(scores)
        return cls(jax.nn.sigmoid(scores[:, None] - scores[None, :]), players)

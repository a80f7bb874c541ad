"""Games in normal form whose players dislike variance."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import Game
from dgames.games.matrix import MatrixGame
from dgames.sets import Simplex
from dgames.strategy import Strategy, blocks, join


class RiskAverse(Game):
    r"""A game in normal form in which players pay for the variance of their payoffs.

        f_i(x) = -E[U_i] + weight_i Var[U_i]

    There are two variances, and they are opposites. With `risk="others"` it is that of what the
    *others* do: the player's expected payoff, given their actions, varies with these,

        Var over a_-i of m_i(a_-i),    m_i(a_-i) = sum over a of x_i[a] U_i[a, a_-i].

    It is `x_i' S x_i` with the covariance S of the payoffs of the player's actions: *convex* in the
    player's own strategy, as in the choice of a portfolio. So players have best replies that mix,
    and since costs are continuous there is an equilibrium (Rosen). It is the risk-averse
    equilibrium of Slumbers and others.

    With `risk="total"` it is the variance of the payoff itself, the player's own dice included,
    `E[U_i^2] - E[U_i]^2`. Both expectations are linear in `x_i`, so the cost is *concave* in it:
    some pure strategy is always a best reply, a mixture is one only between actions of equal costs
    whose payoffs have the same mean, and there may be no equilibrium. These are the players of
    Mavronicolas and Monien. By the law of total variance the two differ by what the player's own
    dice add, `sum over a of x_i[a] E[U_i[a]^2] - E[m_i^2] >= 0`.

    Attributes:
        game: A game in normal form.
        weight: How much variance costs: a number for everyone, or one for each player, not
            negative.
        risk: "others" or "total".

    Raises:
        ValueError: If a weight is negative, or there is neither one nor one for each player.

    Example:
        >>> hunt = MatrixGame([[4.0, 0.0], [3.0, 3.0]], [[4.0, 3.0], [0.0, 3.0]])  # stag or hare
        >>> stag, even = jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])
        >>> float(RiskAverse(hunt, 0.5).costs((stag, even))[0])  # mean 2, variance 4
        0.0
        >>> [float(RiskAverse(hunt, 0.5, r).costs((even, even))[0]) for r in ("others", "total")]
        [-2.0, -1.375]

    References:
        Slumbers, Mguni, Blumberg, McAleer, Yang and Wang, *A game-theoretic framework for managing
        risk in multi-agent systems*, ICML 2023, arXiv:2205.15434 (`risk="others"`); Mavronicolas
        and Monien, *Minimizing expectation plus variance*, SAGT 2012 (`risk="total"`).
    """

    game: MatrixGame
    weight: Float[Array, "*players"] = eqx.field(converter=as_float)
    risk: Literal["others", "total"] = eqx.field(static=True, default="others")

    def __check_init__(self):
        if self.risk not in ("others", "total"):
            raise ValueError(f'RiskAverse: risk is "others" or "total", got {self.risk!r}')
        players = len(self.game.payoffs)
        if self.weight.shape not in ((), (players,)):
            raise ValueError(
                f"RiskAverse: one weight, or one for each of {players} players; got an array of "
                f"shape {self.weight.shape}"
            )
        if is_known(self.weight) and not (self.weight >= 0).all():
            raise ValueError(f"RiskAverse: weights are not negative, got {self.weight}")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        mixed = [jnp.asarray(block) for block in blocks(x)]
        dtype = mixed[0].dtype
        weights = jnp.broadcast_to(self.weight.astype(dtype), (len(mixed),))
        costs = []
        for i, own in enumerate(self.game.payoffs.astype(dtype)):
            others = mixed[:i] + mixed[i + 1 :]
            table = jnp.moveaxis(own, i, 0)
            given = jnp.tensordot(mixed[i], table, axes=((0,), (0,)))
            mean = _expected(given, others)
            if self.risk == "others":
                square = _expected((given - mean) ** 2, others)
            else:
                square = mixed[i] @ _expected((table - mean) ** 2, others)
            costs.append(weights[i] * square - mean)
        return join(x, tuple(costs))

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()

    def uniform(self) -> tuple[Array, ...]:
        """The joint strategy in which everyone randomises evenly."""
        return self.game.uniform()


def _expected(table: Array, mixed: list[Array]) -> Array:
    """The mean over the actions of players, whose axes are the last ones."""
    for own in reversed(mixed):
        table = table @ own
    return table

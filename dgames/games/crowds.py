"""Mean-field games of the literature, on finitely many states."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from typing_extensions import override

from dgames.arrays import as_float
from dgames.crowds.mean_field import MeanFieldGame


def _moves_to(states: list[int], of: int) -> np.ndarray:
    """Returns the transitions of actions that lead to one state each, from anywhere."""
    return np.tile(np.eye(of)[states], (of, 1, 1))


class LeftRight(MeanFieldGame):
    """A crowd chooses left or right, and then pays for company: twice as much on the right.

    State 0 is the start, 1 is left, 2 is right. The one equilibrium sends 2/3 to the left.

    Attributes:
        prices: What a player pays per share of the crowd, on the left and on the right.

    Example:
        >>> game = LeftRight()
        >>> float(game.exploitability(game.uniform()))
        0.25

    References:
        Cui and Koeppl, *Approximately solving mean field games via entropy-regularized deep
        reinforcement learning*, AISTATS 2021, arXiv:2102.01585.
    """

    prices: Float[Array, " 2"] = eqx.field(converter=as_float, default=(1.0, 2.0))
    initial: Float[Array, " 3"] = eqx.field(converter=as_float, default=(1.0, 0.0, 0.0))
    horizon: int = eqx.field(static=True, default=1)
    actions: int = eqx.field(static=True, default=2)

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        shares = jnp.sum(crowd, -1)
        rewards = jnp.concatenate([jnp.zeros_like(shares[:1]), -self.prices * shares[1:]])
        return jnp.broadcast_to(rewards[:, None], crowd.shape)

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        return jnp.asarray(_moves_to([1, 2], 3), crowd.dtype)


class RockPaperScissors(MeanFieldGame):
    """A crowd plays rock, paper, scissors against itself, with stakes that differ.

    State 0 is the start, 1 to 3 are the throws, with the rewards

        2 s - p,    4 r - 2 s,    6 p - 3 r

    from the shares r, p, s of the crowd. The one equilibrium has (26, 20, 31) / 77, where every
    throw is worth 6/11. The game is not monotone: the symmetric part of its rewards has the
    eigenvalues -2.53 and 0.53 on directions that keep the sum.

    Attributes:
        payoffs: Shape (3, 3): the reward of a throw, per share of the crowd with another.

    Example:
        >>> game = RockPaperScissors()
        >>> float(game.exploitability(game.uniform()).round(6))
        0.333333

    References:
        Cui and Koeppl, AISTATS 2021, arXiv:2102.01585; after Shapley (1964).
    """

    payoffs: Float[Array, "3 3"] = eqx.field(
        converter=as_float,
        default=((0.0, -1.0, 2.0), (4.0, 0.0, -2.0), (-3.0, 6.0, 0.0)),
    )
    initial: Float[Array, " 4"] = eqx.field(converter=as_float, default=(1.0, 0.0, 0.0, 0.0))
    horizon: int = eqx.field(static=True, default=1)
    actions: int = eqx.field(static=True, default=3)

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        shares = jnp.sum(crowd, -1)
        rewards = jnp.concatenate([jnp.zeros_like(shares[:1]), self.payoffs @ shares[1:]])
        return jnp.broadcast_to(rewards[:, None], crowd.shape)

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        return jnp.asarray(_moves_to([1, 2, 3], 4), crowd.dtype)


class BeachBar(MeanFieldGame):
    """A crowd on a beach wants to be near the bar, and apart.

    Places are in a row. A player moves by -1, 0 or 1 and is then blown by -1, 0 or 1, at most to
    the ends. The reward is

        -distance to the bar - |move| / places - log(share of the crowd in the same place)

    Attributes:
        distances: Shape `(places,)`. By default four places with the bar at the third one.
        still: The probability of not being blown; both sides are equally likely otherwise.
        initial: By default the crowd is spread evenly.
        horizon: By default 2.

    Example:
        >>> game = BeachBar()
        >>> float(game.exploitability(game.uniform()).round(8))
        1.22126226

    References:
        Perrin et al., NeurIPS 2020, arXiv:2007.03458.
    """

    distances: Float[Array, " places"]
    still: Float[Array, ""]
    initial: Float[Array, " places"]
    horizon: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(
        self,
        distances: Any = (2.0, 1.0, 0.0, 1.0),
        still: Any = 0.5,
        initial: Any = None,
        horizon: int = 2,
    ):
        """Collects the numbers of a beach; see the class."""
        self.distances, self.still = as_float(distances), as_float(still)
        places = len(self.distances)
        self.initial = as_float(np.full(places, 1 / places) if initial is None else initial)
        self.horizon, self.actions = horizon, 3
        if self.distances.ndim != 1 or self.initial.shape != self.distances.shape:
            raise ValueError(
                "BeachBar: distances and initial hold one number per place; got the shapes "
                f"{self.distances.shape} and {self.initial.shape}"
            )

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        places = len(self.distances)
        here = -self.distances - jnp.log(jnp.sum(crowd, -1))
        return here[:, None] - jnp.asarray([[1.0, 0.0, 1.0]], crowd.dtype) / places

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        places = len(self.distances)
        steps = np.arange(places)[:, None, None] + np.arange(-1, 2)[:, None] + np.arange(-1, 2)
        # From a place, by a move and a gust, to a place.
        reached = np.eye(places)[np.clip(steps, 0, places - 1)]
        blown = (1 - self.still) / 2
        gusts = jnp.stack([blown, self.still, blown])
        return jnp.einsum("g,sagt->sat", gusts, jnp.asarray(reached, crowd.dtype))


class SusceptibleInfected(MeanFieldGame):
    """A crowd in an epidemic goes out, or pays for staying at home.

    State 0 is healthy, 1 is infected; action 0 is to go out, 1 to stay. Who goes out is infected
    with `infection` times the share of the crowd that is infected; the infected recover with
    `recovery`. Staying costs 1/2, being infected 1. Its crowd changes where actions lead, and none
    of the methods here is known to converge; from the uniform policy, mirror descent does not.

    Attributes:
        infection: The probability of an infection, when all of the crowd is infected.
        recovery: The probability of a recovery.
        initial: By default 0.4 are healthy.
        horizon: By default 50.

    Example:
        >>> game = SusceptibleInfected()
        >>> f"{game.exploitability(game.uniform()):.3f}"
        '5.467'

    References:
        Cui and Koeppl, AISTATS 2021, arXiv:2102.01585.
    """

    infection: Float[Array, ""] = eqx.field(converter=as_float, default=0.81)
    recovery: Float[Array, ""] = eqx.field(converter=as_float, default=0.3)
    initial: Float[Array, " 2"] = eqx.field(converter=as_float, default=(0.4, 0.6))
    horizon: int = eqx.field(static=True, default=50)
    actions: int = eqx.field(static=True, default=2)

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        return jnp.asarray([[0.0, -0.5], [-1.0, -1.5]], crowd.dtype)

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        caught = self.infection * jnp.sum(crowd[1])
        ill = jnp.stack(
            [jnp.stack([caught, jnp.zeros_like(caught)]), jnp.full(2, 1 - self.recovery)]
        )
        return jnp.stack([1 - ill, ill], -1)

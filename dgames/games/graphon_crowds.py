"""Mean-field games on graphons: crowds whose members meet their neighbourhoods."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from dgames.arrays import as_float
from dgames.crowds.graphons import AbstractGraphon, UniformAttachment, midpoints
from dgames.crowds.mean_field import MeanFieldGame


class GraphonCrowd(MeanFieldGame):
    r"""A crowd on a graphon, whose members stay at their places and meet their neighbourhoods.

    The graphon is cut at K midpoints. A state is a place and a condition, in this order: the state
    `k C + c` is the condition c of C at the place k. Rewards and moves depend on the neighbourhood

        G_t(c) = int W(x, y) mu_t(c; y) dy

    of the own place x, the shares of the conditions there weighted by the graphon.

    Attributes:
        graphon: W.
        start: Shape `(conditions,)`: the distribution of conditions at time 0, at every place.
        places: K.

    References:
        Cui and Koeppl, *Learning graphon mean field games and approximate Nash equilibria*, ICLR
        2022, arXiv:2112.01280.
    """

    graphon: eqx.AbstractVar[AbstractGraphon]
    start: eqx.AbstractVar[Float[Array, " conditions"]]
    places: eqx.AbstractVar[int]

    @abc.abstractmethod
    def reward_near(
        self, t: Int[Array, ""], near: Float[Array, "places conditions"]
    ) -> Float[Array, "places conditions actions"]:
        """The reward of every action, at every place and in every condition.

        Args:
            t: The time.
            near: The neighbourhood of each place.
        """

    @abc.abstractmethod
    def transition_near(
        self, t: Int[Array, ""], near: Float[Array, "places conditions"]
    ) -> Float[Array, "places conditions actions conditions"]:
        """The probability of each next condition, along the last axis.

        Args:
            t: The time.
            near: The neighbourhood of each place.
        """

    def neighbourhood(
        self, crowd: Float[Array, "states actions"]
    ) -> Float[Array, "places conditions"]:
        """Returns the conditions in the neighbourhood of each place."""
        shares = jnp.sum(crowd, -1).reshape(self.places, -1)
        weights = self.graphon.matrix(midpoints(self.places).astype(crowd.dtype))
        return weights @ shares

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        return self.reward_near(t, self.neighbourhood(crowd)).reshape(crowd.shape)

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        near = self.transition_near(t, self.neighbourhood(crowd))
        stay = jnp.eye(self.places, dtype=crowd.dtype)
        return jnp.einsum("kcad,kl->kcald", near, stay).reshape(*crowd.shape, -1)


class InvestmentCrowd(GraphonCrowd):
    """Firms invest in quality, which is worth less the better the neighbours are.

    Quality x of 0, ..., n - 1 begins at 0 and earns `gain x / (1 + m)` with the mean m of the
    neighbourhood; action 1 is to invest, costs `cost`, and raises quality by one with the
    probability `(n - 1 - x) / n`.

    Attributes:
        graphon: By default uniform attachment.
        gain: By default 0.3.
        cost: By default 2.
        qualities: n, by default 10.
        places: By default 10.
        horizon: By default 49, that is 50 decisions.

    Example:
        >>> game = InvestmentCrowd(places=4, horizon=4)
        >>> game.flow(game.uniform()).shape
        (5, 40, 2)
    """

    graphon: AbstractGraphon
    start: Float[Array, " conditions"]
    initial: Float[Array, " states"]
    gain: Float[Array, ""]
    cost: Float[Array, ""]
    places: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(
        self,
        graphon: AbstractGraphon | None = None,
        gain: Any = 0.3,
        cost: Any = 2.0,
        qualities: int = 10,
        places: int = 10,
        horizon: int = 49,
    ):
        """Collects the numbers of a market; see the class."""
        self.graphon = UniformAttachment() if graphon is None else graphon
        self.start = jnp.zeros(qualities).at[0].set(1.0)
        self.initial = jnp.tile(self.start, places) / places
        self.gain, self.cost = as_float(gain), as_float(cost)
        self.places, self.horizon, self.actions = places, horizon, 2

    @override
    def reward_near(self, t: Array, near: Array) -> Array:
        quality = jnp.arange(near.shape[1], dtype=near.dtype)
        mean = near @ quality
        earned = self.gain * quality[None] / (1 + mean)[:, None]
        return jnp.stack([earned, earned - self.cost], -1)

    @override
    def transition_near(self, t: Array, near: Array) -> Array:
        n = near.shape[1]
        raised = (n - 1 - jnp.arange(n, dtype=near.dtype)) / n
        stay = jnp.eye(n, dtype=near.dtype)
        invest = jnp.diag(1 - raised) + jnp.diag(raised[:-1], 1)
        return jnp.broadcast_to(jnp.stack([stay, invest], 1), (len(near), n, 2, n))


class EpidemicCrowd(GraphonCrowd):
    """A crowd on a graphon in an epidemic takes care, or does not.

    Condition 0 is healthy, 1 is infected; action 1 is to take care, at a cost. Who does not is
    infected with `infection` times the infected of the neighbourhood; the infected recover with
    `recovery`.

    Attributes:
        graphon: By default uniform attachment.
        infection: By default 0.8.
        recovery: By default 0.2.
        costs: Of being infected and of taking care, by default 2 and 0.5.
        start: By default half of the crowd is infected at every place.
        places: By default 10.
        horizon: By default 49, that is 50 decisions.
    """

    graphon: AbstractGraphon
    start: Float[Array, " conditions"]
    initial: Float[Array, " states"]
    infection: Float[Array, ""]
    recovery: Float[Array, ""]
    costs: Float[Array, " 2"]
    places: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(
        self,
        graphon: AbstractGraphon | None = None,
        infection: Any = 0.8,
        recovery: Any = 0.2,
        costs: Any = (2.0, 0.5),
        start: Any = (0.5, 0.5),
        places: int = 10,
        horizon: int = 49,
    ):
        """Collects the numbers of an epidemic; see the class."""
        self.graphon = UniformAttachment() if graphon is None else graphon
        self.start = as_float(start)
        self.initial = jnp.tile(self.start, places) / places
        self.infection, self.recovery = as_float(infection), as_float(recovery)
        self.costs = as_float(costs)
        self.places, self.horizon, self.actions = places, horizon, 2

    @override
    def reward_near(self, t: Array, near: Array) -> Array:
        paid = self.costs[0] * jnp.array([[0.0, 0.0], [1.0, 1.0]], near.dtype)
        paid = paid + self.costs[1] * jnp.array([[0.0, 1.0], [0.0, 1.0]], near.dtype)
        return jnp.broadcast_to(-paid, (len(near), 2, 2))

    @override
    def transition_near(self, t: Array, near: Array) -> Array:
        caught = self.infection * near[:, 1]
        healthy = jnp.stack([caught, jnp.zeros_like(caught)], -1)
        infected = jnp.full_like(healthy, 1 - self.recovery)
        ill = jnp.stack([healthy, infected], 1)
        return jnp.stack([1 - ill, ill], -1)

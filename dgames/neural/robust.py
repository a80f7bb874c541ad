"""Distributionally robust training: a network against whoever weighs the data."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.logits import log_of
from dgames.mirror_map import AbstractMirrorMap, EntropyMirror, EuclideanMirror, Pull
from dgames.neural.network_value import AbstractNetworkValue
from dgames.sets import Euclidean, PlayerSets, Simplex
from dgames.strategy import Block, Strategy

Divergence = Literal["entropy", "chi_square"]


class Groups(eqx.Module):
    """A partition of data.

    Attributes:
        labels: The group of every datum, counted from zero.
        count: The number of groups.
    """

    labels: Int[Array, " data"]
    count: int = eqx.field(static=True)


class Robust(AbstractNetworkValue):
    r"""The loss of a network f on data that the second player weighs.

        V(f, p; x, y) = sum_n p_n loss(f(x_n), y_n) - temperature R(p)

    The second player's strategy is a probability vector p over the N data. R says what it costs to
    leave the uniform weights u:

        entropy       R(p) = KL(p | u) = sum_n p_n log(N p_n)
        chi_square    R(p) = N/2 |p - u|^2

    At an equilibrium the network is best against the worst weights that the temperature allows;
    with the entropy, f minimises `temperature log(1/N sum_n exp(loss_n / temperature))`. With
    groups p weighs the groups' mean losses, and N is the number of groups (Sagawa et al.,
    arXiv:1911.08731). Data are a pair (x, y): inputs of shape (N, inputs) and a pytree with N
    entries along its first axes.

    The step of `dgames.MirrorDescent` with the mirror maps `(EuclideanMirror(), EntropyMirror())`,
    or `EuclideanMirror()` for both with "chi_square", takes weight decay and temperature into
    account implicitly: it is the one whose convergence `certify.certify_networks` proves.

    Attributes:
        loss: A function of a vector of outputs and a datum that returns a number, convex in the
            outputs: `dgames.neural.logistic`, `dgames.neural.softmax_cross_entropy`, or your own.
        temperature: A positive number.
        divergence: "entropy" or "chi_square".
        groups: None, or the group of every datum, as whole numbers from zero; none may be empty.

    Raises:
        ValueError: If the temperature is not positive, the divergence unknown, or a group empty;
            and, when the value is computed, if numbers of data, weights and groups do not agree.

    >>> import dgames as dg
    >>> value = dg.Robust(dg.neural.logistic, temperature=0.5)
    >>> f, p = dg.nn.mlp((2, 8, 1), jax.random.key(0), start="antisymmetric"), jnp.full(3, 1 / 3)
    >>> round(float(value(f, p, (jnp.ones((3, 2)), jnp.array([1, 1, -1])))), 6)  # log 2
    0.693147

    References:
        Namkoong and Duchi, *Stochastic gradient methods for distributionally robust optimization
        with f-divergences*, NeurIPS 2016.
    """

    loss: Callable = eqx.field(static=True)
    temperature: float = eqx.field(static=True)
    divergence: Divergence = eqx.field(default="entropy", static=True)
    groups: Groups | None = eqx.field(default=None, converter=lambda value: _as_groups(value))

    def __check_init__(self):
        if not self.temperature > 0:
            raise ValueError(f"Robust: the temperature must be positive, got {self.temperature}")
        if self.divergence not in ("entropy", "chi_square"):
            raise ValueError(
                f'Robust: the divergence is "entropy" or "chi_square", got {self.divergence!r}'
            )

    @override
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        losses = self.losses(first, data)
        if jnp.shape(second) != losses.shape:
            raise ValueError(
                f"Robust: the second player's strategy is one weight for each of the "
                f"{losses.shape[0]} {'data' if self.groups is None else 'groups'}; got an array of "
                f"shape {jnp.shape(second)}"
            )
        return jnp.sum(second * losses) - self.temperature * self.regulariser(second)

    def losses(self, first: Block, data: PyTree) -> Float[Array, " weights"]:
        """What p weighs: the loss at every datum, or the mean loss of every group.

        Args:
            first: The network.
            data: The pair (x, y).
        """
        x, y = data
        losses = jax.vmap(self.loss)(jax.vmap(first)(x), jax.tree.map(jnp.asarray, y))
        if self.groups is None:
            return losses
        labels, count = self.groups.labels, self.groups.count
        if labels.shape != losses.shape:
            raise ValueError(
                f"Robust: groups are one whole number for each of the {losses.shape[0]} data; got "
                f"an array of shape {labels.shape}"
            )
        sizes = jnp.bincount(labels, length=count).astype(losses.dtype)
        return jax.ops.segment_sum(losses, labels, count) / sizes

    def regulariser(self, p: Float[Array, " weights"]) -> Float[Array, ""]:
        """R(p), which vanishes at the uniform weights."""
        if self.divergence == "entropy":
            return jnp.sum(p * (log_of(p) + jnp.log(jnp.asarray(p.size, p.dtype))))
        return p.size * jnp.sum((p - 1 / p.size) ** 2) / 2

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return Euclidean(), Simplex()

    @override
    def pull(
        self, second: Block, mirror: AbstractMirrorMap
    ) -> tuple[AbstractNetworkValue, Pull | None]:
        uniform = jnp.full_like(second, 1 / second.size)
        if isinstance(mirror, EntropyMirror) and self.divergence == "entropy":
            strength = self.temperature
        elif isinstance(mirror, EuclideanMirror) and self.divergence == "chi_square":
            strength = self.temperature * second.size
        else:
            return self, None
        return _MeanLoss(self), Pull(strength, mirror.dual(uniform))


class _MeanLoss(AbstractNetworkValue):
    """A robust value without its regulariser."""

    value: Robust

    @override
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        return jnp.sum(second * self.value.losses(first, data))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.value.strategy_set(x)


def _as_groups(value: Any) -> Groups | None:
    if value is None or isinstance(value, Groups):
        return value
    labels = np.asarray(value)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise ValueError(
            f"Robust: groups are a vector of whole numbers, one per datum; got {labels.dtype} of "
            f"shape {labels.shape}"
        )
    count = int(labels.max()) + 1
    if labels.min() < 0 or len(np.unique(labels)) < count:
        raise ValueError("Robust: groups are counted from zero, and none of them may be empty")
    return Groups(jnp.asarray(labels), count)

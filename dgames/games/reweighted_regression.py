"""Linear classification against whoever weighs the data: distributional robustness."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.logits import log_of
from dgames.methods.mirror import MirrorDescent
from dgames.mirror_map import EntropyMirror, EuclideanMirror, PlayerMirrors, map_mirrors
from dgames.roles import in_roles, minimiser_of
from dgames.sets import Euclidean, PlayerSets, Simplex
from dgames.strategy import Strategy, join


class ReweightedRegression(ZeroSum):
    r"""Logistic regression on data, or groups of data, that the other player weighs.

        V(w, p) = sum_g p_g L_g(w) - temperature R(p) + decay/2 |w|^2

    with the mean logistic loss `L_g` of group g, `log(1 + exp(-y_n x_n' w))` for labels of -1 and
    1, and probabilities p of the G groups. R is `KL(p | u)` ("entropy") or `G/2 |p - u|^2`
    ("chi_square"), with the uniform u. With the entropy, w minimises
    `temperature log(1/G sum_g exp(L_g / temperature)) + decay/2 |w|^2`.

    It is strongly monotone everywhere, with modulus `min(decay, temperature)` in the geometry of R,
    and `certify.certify_closed_form` proves the steps of `method`: mirror descent with both
    regularisers taken implicitly, which takes the weights of a million data in its stride.

    Attributes:
        inputs: x, of shape (N, d).
        labels: y, of shape (N,), of -1 and 1.
        temperature: A positive number.
        decay: A positive number.
        divergence: "entropy" or "chi_square".
        groups: The group of every datum, counted from zero; None where each is its own.
        count: G, the number of groups, or of data.
        minimiser: The name of the player whose strategy is w, see `ZeroSum`.
        maximiser: The name of the other.

    Raises:
        ValueError: If shapes do not fit, labels are not -1 and 1, a group is empty, or a number is
            not positive.

    Example:
        >>> game = ReweightedRegression([[1.0], [2.0]], [1.0, -1.0], 0.5, 0.1)
        >>> w, p = game.start()
        >>> round(float(game.payoff((w, p))), 6)  # log 2
        0.693147

    References:
        Namkoong and Duchi, *Stochastic gradient methods for distributionally robust optimization
        with f-divergences*, NeurIPS 2016; Sagawa et al., arXiv:1911.08731.
    """

    inputs: Float[Array, "data inputs"]
    labels: Float[Array, " data"]
    temperature: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    divergence: str = eqx.field(static=True)
    groups: Int[Array, " data"] | None
    count: int = eqx.field(static=True)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __init__(
        self,
        inputs: Any,
        labels: Any,
        temperature: float,
        decay: float,
        *,
        divergence: str = "entropy",
        groups: Any = None,
        minimiser: str | None = None,
        maximiser: str | None = None,
    ):
        """Collects the data and numbers of a game.

        Args:
            inputs: x, of shape (N, d).
            labels: y, of shape (N,), of -1 and 1.
            temperature: A positive number.
            decay: A positive number.
            divergence: "entropy" or "chi_square".
            groups: The group of every datum, counted from zero; None where each is its own.
            minimiser: The name of the player whose strategy is w.
            maximiser: The name of the other.
        """
        self.inputs, self.labels = as_float(inputs), as_float(labels)
        self.temperature, self.decay = float(temperature), float(decay)
        self.divergence = divergence
        self.minimiser, self.maximiser = minimiser, maximiser
        if self.inputs.ndim != 2 or self.labels.shape != self.inputs.shape[:1]:
            raise ValueError(
                "ReweightedRegression: inputs are rows, with one label each; got shapes "
                f"{self.inputs.shape} and {self.labels.shape}"
            )
        if not (np.abs(np.asarray(self.labels)) == 1).all():
            raise ValueError("ReweightedRegression: labels are -1 and 1")
        if not (self.temperature > 0 and self.decay > 0):
            raise ValueError(
                "ReweightedRegression: temperature and decay are positive numbers; got "
                f"{self.temperature} and {self.decay}"
            )
        if self.divergence not in ("entropy", "chi_square"):
            raise ValueError(
                'ReweightedRegression: the divergence is "entropy" or "chi_square", not '
                f"{self.divergence!r}"
            )
        self.count, self.groups = len(self.inputs), None
        if groups is not None:
            found = np.asarray(groups)
            self.count = int(found.max()) + 1
            if found.shape != self.labels.shape or set(np.unique(found)) != set(range(self.count)):
                raise ValueError(
                    "ReweightedRegression: groups are one whole number per datum, counted from "
                    "zero, and none may be empty"
                )
            self.groups = jnp.asarray(found)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        w, p = (jnp.asarray(block) for block in in_roles(self, x))
        decayed = self.decay * jnp.sum(w**2) / 2
        return p @ self.losses(w) - self.temperature * self.regulariser(p) + decayed

    def losses(self, w: Float[Array, " inputs"]) -> Float[Array, " groups"]:
        """The loss at every datum, or the mean loss of every group."""
        outputs = self.inputs.astype(w.dtype) @ w
        losses = jax.nn.softplus(-self.labels.astype(w.dtype) * outputs)
        if self.groups is None:
            return losses
        sizes = jnp.bincount(self.groups, length=self.count).astype(w.dtype)
        return jax.ops.segment_sum(losses, self.groups, self.count) / sizes

    def regulariser(self, p: Float[Array, " groups"]) -> Float[Array, ""]:
        """R(p), which vanishes at the uniform weights."""
        if self.divergence == "entropy":
            return jnp.sum(p * (log_of(p) + np.log(self.count)))
        return self.count * jnp.sum((p - 1 / self.count) ** 2) / 2

    def without_pulls(
        self, x: Strategy, mirrors: PlayerMirrors
    ) -> tuple[ZeroSum, Strategy, Strategy]:
        """The game without decay and R where mirror maps have them, and these pulls.

        Methods that step in the geometry of mirror maps take them into account implicitly.

        Args:
            x: A joint strategy, for its structure and shapes.
            mirrors: One mirror map, or one per player.

        Returns:
            The game that is left, the strength of each player's pull, and the dual points to which
            it pulls.
        """
        maps = map_mirrors(lambda mirror, _: mirror, mirrors, x)
        (own, other), (w, p) = in_roles(self, maps), in_roles(self, x)
        uniform = jnp.full_like(p, 1 / self.count)
        strength, fits = self.temperature, isinstance(other, EntropyMirror)
        if self.divergence == "chi_square":
            strength, fits = strength * self.count, isinstance(other, EuclideanMirror)
        decays = isinstance(own, EuclideanMirror)
        strengths = self.decay if decays else 0.0, strength if fits else 0.0
        references = own.dual(jnp.zeros_like(w)), other.dual(uniform)
        if minimiser_of(self, x, True) != 0:
            strengths, references = strengths[::-1], references[::-1]
        return _Rest(self, decays, fits), join(x, strengths), join(x, references)

    def method(self, step: float) -> MirrorDescent:
        """The method of the certificate: mirror descent with implicit regularisers.

        Args:
            step: The step h of w and, in the geometry of R, of p; with "chi_square", that is the
                step `h / G` of gradients.
        """
        if self.divergence == "entropy":
            steps, maps = (step, step), (EuclideanMirror(), EntropyMirror())
        else:
            steps, maps = (step, step / self.count), (EuclideanMirror(), EuclideanMirror())
        return MirrorDescent(steps, maps)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        sets = Euclidean(), Simplex()
        return join(x, sets if minimiser_of(self, x, True) == 0 else sets[::-1])

    def start(self) -> tuple[Float[Array, " inputs"], Float[Array, " groups"]]:
        """Zero, and the uniform weights: the joint strategy from which runs start."""
        dtype = self.inputs.dtype
        return jnp.zeros(self.inputs.shape[1], dtype), jnp.full(self.count, 1 / self.count, dtype)


class _Rest(ZeroSum):
    """A game of reweighted data without the regularisers that a method takes implicitly."""

    game: ReweightedRegression
    without_decay: bool = eqx.field(static=True)
    without_divergence: bool = eqx.field(static=True)

    @property
    def minimiser(self) -> str | None:
        return self.game.minimiser

    @property
    def maximiser(self) -> str | None:
        return self.game.maximiser

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        w, p = (jnp.asarray(block) for block in in_roles(self, x))
        value = p @ self.game.losses(w)
        if not self.without_decay:
            value = value + self.game.decay * jnp.sum(w**2) / 2
        if not self.without_divergence:
            value = value - self.game.temperature * self.game.regulariser(p)
        return value

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)

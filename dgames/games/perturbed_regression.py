"""Linear models against an adversary who moves every input, at a price."""

import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import ZeroSum
from dgames.roles import in_roles, minimiser_of
from dgames.sets import Ball, Balls, PlayerSets
from dgames.strategy import Strategy, join

Loss = Literal["square", "logistic"]


class PerturbedRegression(ZeroSum):
    r"""Regression whose inputs the other player moves, with `delta_n = sqrt(N) xi_n`.

        V(w, xi) = 1/N sum_n loss((x_n + delta_n)' w, y_n) - penalty/2 |xi|^2 + decay/2 |w|^2

    The penalty is `penalty/2` times the mean of `|delta_n|^2` (Sinha, Namkoong, Volpi and Duchi,
    arXiv:1710.10571). The loss is `(f - y)^2 / 2` ("square"), or `log(1 + exp(-y f))` with labels
    of -1 and 1 ("logistic"). Strategies are w of shape (d,) with `|w| <= bounds[0]`, and xi of
    shape (N, d) with `|delta_n| <= bounds[1]` for every n.

    Where the penalty exceeds `bounds[0]^2`, or a quarter of that for the logistic loss, the game is
    strongly monotone; `certify.certify_closed_form` proves with which margin. The logistic
    adversary never goes beyond `|delta_n| = |w| / penalty`, and the other one does not go far where
    residuals are small.

    Attributes:
        inputs: x, of shape (N, d).
        targets: y, of shape (N,).
        penalty: A positive number.
        decay: A number that is not negative.
        bounds: The largest `|w|` and the largest `|delta_n|`, positive.
        loss: "square" or "logistic".
        minimiser: The name of the player whose strategy is w, see `ZeroSum`.
        maximiser: The name of the other.

    Raises:
        ValueError: If shapes do not fit, a number is not positive, or logistic targets are not -1
            and 1.

    Example:
        >>> game = PerturbedRegression([[1.0], [2.0]], [1.0, 2.0], 4.0, 0.1, bounds=(1.5, 0.5))
        >>> w, xi = jnp.array([1.0]), jnp.zeros((2, 1))
        >>> round(float(game.payoff((w, xi))), 6), game.strategy_set((w, xi))[0].radius.item()
        (0.05, 1.5)
    """

    inputs: Float[Array, "data inputs"] = eqx.field(converter=as_float)
    targets: Float[Array, " data"] = eqx.field(converter=as_float)
    penalty: float = eqx.field(static=True)
    decay: float = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True, kw_only=True)
    loss: Loss = eqx.field(static=True, default="square", kw_only=True)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.inputs.ndim != 2 or self.targets.shape != self.inputs.shape[:1]:
            raise ValueError(
                "PerturbedRegression: inputs are rows, with one target each; got shapes "
                f"{self.inputs.shape} and {self.targets.shape}"
            )
        if not (self.penalty > 0 and self.decay >= 0 and min(self.bounds) > 0):
            raise ValueError(
                "PerturbedRegression: penalty and bounds are positive numbers and the decay is not "
                f"negative; got {self.penalty}, {self.bounds} and {self.decay}"
            )
        if self.loss not in ("square", "logistic"):
            raise ValueError(
                f'PerturbedRegression: the loss is "square" or "logistic", not {self.loss!r}'
            )
        labels = self.loss == "logistic" and is_known(self.targets)
        if labels and not (np.abs(np.asarray(self.targets)) == 1).all():
            raise ValueError("PerturbedRegression: targets of the logistic loss are -1 and 1")

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        w, xi = (jnp.asarray(block) for block in in_roles(self, x))
        outputs = self.moved(xi) @ w
        targets = self.targets.astype(outputs.dtype)
        if self.loss == "square":
            losses = (outputs - targets) ** 2 / 2
        else:
            losses = jax.nn.softplus(-targets * outputs)
        price = self.penalty * jnp.sum(xi**2) - self.decay * jnp.sum(w**2)
        return jnp.mean(losses) - price / 2

    def moved(self, xi: Float[Array, "data inputs"]) -> Float[Array, "data inputs"]:
        """The inputs where the adversary moves them, `x_n + sqrt(N) xi_n`."""
        return self.inputs.astype(xi.dtype) + math.sqrt(len(self.inputs)) * xi

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        own = Ball(0.0, self.bounds[0])
        rows = Balls(self.bounds[1] / math.sqrt(len(self.inputs)))
        return join(x, (own, rows) if minimiser_of(self, x, True) == 0 else (rows, own))

    def start(self) -> tuple[Float[Array, " inputs"], Float[Array, "data inputs"]]:
        """Zero for both players: the joint strategy from which runs start."""
        return jnp.zeros(self.inputs.shape[1], self.inputs.dtype), jnp.zeros_like(self.inputs)

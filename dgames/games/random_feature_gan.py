"""Generative adversarial networks of which the last layers are trained."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.neural.adversarial import AdversarialLoss, adversarial_value
from dgames.nn.activations import Activation
from dgames.roles import in_roles, minimiser_of
from dgames.sets import Ball, Euclidean, PlayerSets
from dgames.strategy import Strategy, join

# The smallest and the largest value of activation functions that have both.
RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "erf": (-1.0, 1.0), "sin": (-1.0, 1.0)}


def _as_layer(pair: Any) -> tuple[Array, Array]:
    weights, biases = pair
    return as_float(weights), as_float(biases)


class RandomFeatureGAN(ZeroSum):
    r"""A generative adversarial network whose hidden layers are drawn once and never trained.

    The generator moves noise, `G_T(z) = z + T chi(z)`, the discriminator is linear in its features,
    `D_phi(x) = phi . psi(x)`, with

        chi(z) = (s(V z + c) / sqrt(K), 1),        psi(x) = s(W x + b) / sqrt(m)

    and T of shape (d, K + 1), phi of shape (m,) play for

        mean alpha(D_phi(x_n)) + mean beta(D_phi(G_T(z_m))) + decay_1/2 |T|^2 - decay_2/2 |phi|^2

    with alpha and beta as in `dgames.Adversarial`. Each function is seen through all of its
    features (Rahimi and Recht, 2007), as many as one likes: random features approximate a kernel.

    With a bounded activation, of values between l and u, the best reply to any T has
    `|phi| <= (u - l) / decay_2`, whatever the weights and the data: the derivative of the value in
    each `phi_r` is a mean of values between l and u (or zero), weighted by `alpha'` in [0, 1],
    minus another one. That ball is the discriminator's strategy set, and no equilibrium is lost by
    it. `certify.certify_closed_form` proves that there is one equilibrium from the decay, the
    features and the noise, for all T at once.

    Attributes:
        x: Data, of shape (N, d).
        z: Noise, of shape (M, d).
        generator: V and c, of shapes (K, d) and (K,).
        discriminator: W and b, of shapes (m, d) and (m,).
        decay: A positive number for each player.
        loss: "wasserstein" or "logistic".
        activation: s, a bounded one: "tanh", "sigmoid", "erf" or "sin".
        minimiser: The name of the generator, see `ZeroSum`.
        maximiser: The name of the discriminator.

    Raises:
        ValueError: If shapes do not fit together, the decay is not positive, or the activation is
            not bounded.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> x = jax.random.normal(keys[0], (8, 2)) + 0.5
        >>> z = jax.random.normal(keys[1], (8, 2))
        >>> game = RandomFeatureGAN.random(keys[2], x, z, features=(20, 50))
        >>> [block.shape for block in game.start()], float(game.largest_reply())
        ([(2, 21), (50,)], 2.0)
    """

    x: Float[Array, "N d"] = eqx.field(converter=as_float)
    z: Float[Array, "M d"] = eqx.field(converter=as_float)
    generator: tuple[Float[Array, "K d"], Float[Array, " K"]] = eqx.field(converter=_as_layer)
    discriminator: tuple[Float[Array, "m d"], Float[Array, " m"]] = eqx.field(converter=_as_layer)
    decay: tuple[float, float] = eqx.field(static=True, default=(1.0, 1.0))
    loss: AdversarialLoss = eqx.field(static=True, default="wasserstein")
    activation: Activation = eqx.field(static=True, default=Activation("sin"))
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.activation.name not in RANGES:
            raise ValueError(
                f"RandomFeatureGAN: the activation is bounded, one of {', '.join(RANGES)}; got "
                f"{self.activation.name!r}"
            )
        if not min(self.decay) > 0:
            raise ValueError(f"RandomFeatureGAN: either decay is positive; got {self.decay}")
        inputs = jnp.shape(self.x)[1:]
        for what, (weights, biases) in (
            ("generator", self.generator),
            ("discriminator", self.discriminator),
        ):
            if jnp.shape(weights)[-1:] != inputs or jnp.shape(weights)[:-1] != jnp.shape(biases):
                raise ValueError(
                    f"RandomFeatureGAN: the {what} has weights of shape (features, d) and biases "
                    f"of shape (features,), where d is the number of columns of x, {inputs}; got "
                    f"{jnp.shape(weights)} and {jnp.shape(biases)}"
                )
        if jnp.shape(self.z)[1:] != inputs:
            raise ValueError(
                "RandomFeatureGAN: noise has as many columns as data, as it is moved among them; "
                f"got shapes {jnp.shape(self.z)} and {jnp.shape(self.x)}"
            )

    @classmethod
    def random(
        cls,
        key: Key[Array, ""],
        x: Float[Array, "N d"],
        z: Float[Array, "M d"],
        features: tuple[int, int] = (100, 1_000),
        *,
        frequency: float = 0.2,
        activation: str = "sin",
        decay: tuple[float, float] = (1.0, 1.0),
        loss: AdversarialLoss = "wasserstein",
    ) -> "RandomFeatureGAN":
        """Draws the features: normal weights, and biases uniform on the circle.

        Args:
            key: A random key.
            x: Data.
            z: Noise.
            features: The numbers K and m of the generator's and the discriminator's features.
            frequency: The standard deviation of all weights.
            activation: The activation function, a bounded one.
            decay: The weight decay of either player.
            loss: "wasserstein" or "logistic".
        """

        def draw(key: Key[Array, ""], count: int) -> tuple[Array, Array]:
            one, other = jax.random.split(key)
            weights = frequency * jax.random.normal(one, (count, jnp.shape(x)[1]))
            return weights, jax.random.uniform(other, (count,), maxval=2 * math.pi)

        first, second = jax.random.split(key)
        return cls(
            x,
            z,
            draw(first, features[0]),
            draw(second, features[1]),
            decay,
            loss,
            Activation(activation),
        )

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        matrix, phi = (jnp.asarray(block) for block in in_roles(self, x))
        data = self.x.astype(matrix.dtype)
        on_data = self._psi(data) @ phi
        on_samples = self._psi(self.samples(matrix)) @ phi
        own, other = self.decay
        value = adversarial_value(self.loss, on_data, on_samples)
        return value + own / 2 * jnp.sum(matrix**2) - other / 2 * jnp.sum(phi**2)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        sets = (Euclidean(), Ball(0.0, self.largest_reply()))
        return join(x, sets if minimiser_of(self, x, True) == 0 else sets[::-1])

    def samples(self, matrix: Float[Array, "d features"]) -> Float[Array, "M d"]:
        """What the generator makes of the noise.

        Args:
            matrix: The generator's strategy T.
        """
        z = self.z.astype(matrix.dtype)
        return z + self.generator_features(z) @ matrix.T

    def generator_features(self, z: Float[Array, "M d"]) -> Float[Array, "M features"]:
        """The generator's features chi, with the constant one last.

        Args:
            z: Noise.
        """
        chi = _features(self.generator, self.activation, z)
        return jnp.concatenate([chi, jnp.ones_like(z[:, :1])], 1)

    def largest_reply(self) -> float:
        """The radius of the ball that has all best replies of the discriminator."""
        low, high = RANGES[self.activation.name]
        return (high - low) / self.activation.sharpness / self.decay[1]

    def start(self) -> tuple[Float[Array, "d features"], Float[Array, " m"]]:
        """Zero: samples are the noise, and the discriminator knows nothing."""
        (own, _), (other, _) = self.generator, self.discriminator
        return jnp.zeros((self.x.shape[1], own.shape[0] + 1)), jnp.zeros(other.shape[0])

    def _psi(self, x: Float[Array, "N d"]) -> Float[Array, "N m"]:
        return _features(self.discriminator, self.activation, x)


def _features(
    layer: tuple[Array, Array], activation: Activation, x: Float[Array, "N d"]
) -> Float[Array, "N features"]:
    weights, biases = (leaf.astype(x.dtype) for leaf in layer)
    return activation(x @ weights.T + biases[None]) / math.sqrt(biases.shape[0])

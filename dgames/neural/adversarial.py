"""Generative adversarial networks: what a generator and a discriminator play for."""

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.neural.network_value import AbstractNetworkValue
from dgames.strategy import Block

AdversarialLoss = Literal["wasserstein", "logistic"]


class Adversarial(AbstractNetworkValue):
    r"""The value of a generative adversarial network (Goodfellow et al., arXiv:1406.2661).

    A generator G, who minimises, turns noise into samples, and a discriminator D, who maximises,
    has one output, to be large at data and small at samples:

        V(G, D; x, z) = 1/N sum_n alpha(D(x_n)) + 1/M sum_m beta(D(G(z_m)))

        "wasserstein"    alpha(t) =  t                     beta(t) = -t
        "logistic"       alpha(t) = -log(1 + exp(-t))      beta(t) = -log(1 + exp(t))

    Either function is concave, so that whatever in D is linear in its weights does not curve the
    discriminator's side the wrong way. The names are those of the losses; what keeps the
    discriminator smooth is its weight decay, and no constraint. A discriminator that is zero at
    first (`dgames.nn.mlp(..., start="antisymmetric")`) has curvatures that grow with its way from
    the start, which `certify.certify_networks` needs.

    Data are a pair `(x, z)`: samples of shape (N, d) and noise of shape (M, k).

    Attributes:
        loss: "wasserstein" or "logistic".
        residual: Whether samples are `z + G(z)` in place of `G(z)`, which takes noise in the space
            of the data: a generator that is zero at first is then the identity.

    Raises:
        ValueError: If there is no such loss; and in a game, if the networks do not fit the data.

    >>> import dgames as dg
    >>> keys = jax.random.split(jax.random.key(0), 4)
    >>> generator = dg.nn.mlp((2, 32, 2), keys[0], start="antisymmetric")
    >>> discriminator = dg.nn.mlp((2, 32, 1), keys[1], start="antisymmetric", first_scale=0.3)
    >>> x, z = jax.random.normal(keys[2], (16, 2)) + 0.5, jax.random.normal(keys[3], (16, 2))
    >>> start = (generator, discriminator)
    >>> value = dg.Adversarial("wasserstein", residual=True)
    >>> game = dg.ZeroSumNetworks(value, start, decay=(0.7, 0.7))
    >>> run = dg.solve(game, dg.Extragradient(0.5), start, (x, z), max_steps=100)
    >>> before, after = value.samples(generator, z), value.samples(run.strategy[0], z)
    >>> bool((jnp.mean(after) > jnp.mean(before)) & (jnp.mean(after) < jnp.mean(x)))
    True
    """

    loss: AdversarialLoss = eqx.field(static=True, default="wasserstein")
    residual: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if self.loss not in get_args(AdversarialLoss):
            raise ValueError(
                f'Adversarial: the loss is "wasserstein" or "logistic"; got {self.loss!r}'
            )

    @override
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        x, z = data
        samples = self.samples(first, z)
        _check_samples(x, samples)
        on_data, on_samples = jax.vmap(second)(x), jax.vmap(second)(samples)
        if on_data.shape[1:] != (1,):
            raise ValueError(
                "Adversarial: the discriminator has one output; it has the shape "
                f"{on_data.shape[1:]}"
            )
        return adversarial_value(self.loss, on_data, on_samples)

    def samples(
        self, generator: Block, z: Float[Array, "samples noise"]
    ) -> Float[Array, "samples inputs"]:
        """What the generator makes of noise.

        Args:
            generator: The first player's strategy.
            z: Noise, one row per sample.

        Raises:
            ValueError: If `residual` asks for noise in the space of the data, and it is not.
        """
        made = jax.vmap(generator)(z)
        if not self.residual:
            return made
        if made.shape != z.shape:
            raise ValueError(
                "Adversarial: with residual=True noise has as many coordinates as the generator "
                f"has outputs; got {z.shape[1]} and {made.shape[1]}"
            )
        return z + made


def adversarial_value(
    loss: AdversarialLoss, on_data: Float[Array, "*N"], on_samples: Float[Array, "*M"]
) -> Float[Array, ""]:
    """What a discriminator receives for its outputs at data and at samples; see `Adversarial`."""
    if loss == "wasserstein":
        return jnp.mean(on_data) - jnp.mean(on_samples)
    return -jnp.mean(jax.nn.softplus(-on_data)) - jnp.mean(jax.nn.softplus(on_samples))


def _check_samples(x: Array, samples: Array) -> None:
    if jnp.ndim(x) != 2 or x.shape[1] != samples.shape[1]:
        raise ValueError(
            "Adversarial: data are a pair (x, z), where x has one row per datum and as many "
            f"columns as the generator has outputs, {samples.shape[1]}; got an x of shape "
            f"{jnp.shape(x)}"
        )

"""Compositions of layers with Lipschitz constants."""

import math
from itertools import pairwise

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from dgames.nn.activations import Activation, as_activation
from dgames.nn.aol import AOL
from dgames.nn.cayley import Cayley
from dgames.nn.lipschitz_layer import AbstractLipschitzLayer
from dgames.nn.sandwich import Sandwich
from dgames.nn.spectral_normalised import SpectralNormalised


class LipschitzNetwork(eqx.Module):
    r"""Layers one after the other, times a fixed scale.

    The Lipschitz constant of a composition is at most the product of those of its layers.

    Attributes:
        layers: Layers, of sizes that fit.
        scale: A positive number that multiplies the outputs.

    >>> net = LipschitzNetwork.draw((2, 16, 16, 1), jax.random.key(0), scale=5.0)
    >>> net.lipschitz
    5.0
    """

    layers: tuple[AbstractLipschitzLayer, ...]
    scale: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        if not (self.layers and self.scale > 0):
            raise ValueError(
                f"LipschitzNetwork: it has layers and a positive scale; got {len(self.layers)} "
                f"layers and scale {self.scale}"
            )

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The outputs at one input; `jax.vmap` it over many."""
        for layer in self.layers:
            x = layer(x)
        return self.scale * x

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant in the Euclidean norm, the scale times those of the layers."""
        return self.scale * math.prod(layer.lipschitz for layer in self.layers)

    @classmethod
    def draw(
        cls,
        sizes: tuple[int, ...],
        key: Key[Array, ""],
        *,
        layer: type[Cayley] | type[AOL] | type[Sandwich] | type[SpectralNormalised] = Cayley,
        activation: str | Activation | None = None,
        scale: float = 1.0,
    ) -> "LipschitzNetwork":
        """Draws a network of layers of one kind.

        Args:
            sizes: The numbers of inputs, of units of each hidden layer, and of outputs.
            key: A random key.
            layer: The kind of the layers; the last one, which has no activation, is a `Cayley`
                where they are a `Sandwich`.
            activation: The activation function of all layers but the last one. By default
                "groupsort", which loses no gradients, and "softplus" for `Sandwich`.
            scale: A positive number that multiplies the outputs.

        Raises:
            ValueError: If sizes, activation and layers do not fit together.
        """
        if activation is None:
            activation = "softplus" if layer is Sandwich else "groupsort"
        activation = as_activation(activation)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(
                "LipschitzNetwork: sizes are at least two positive whole numbers, inputs and "
                f"outputs; got {sizes}"
            )
        if activation.name == "groupsort" and any(size % 2 for size in sizes[1:-1]):
            raise ValueError(
                "LipschitzNetwork: groupsort takes hidden layers of even size; got sizes "
                f"{sizes}. Another activation takes any, for example 'softplus'."
            )
        *hidden, last = zip(pairwise(sizes), jax.random.split(key, len(sizes) - 1), strict=True)
        layers = [layer.draw(*pair, own, activation=activation) for pair, own in hidden]
        (inputs, outputs), own = last
        final = Cayley if layer is Sandwich else layer
        return cls((*layers, final.draw(inputs, outputs, own)), scale)

"""Multilayer perceptrons with fixed scales, whose weights are a player's strategy."""

import math
from itertools import pairwise
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from dgames.nn.activations import Activation, as_activation

Scale = Literal["ntk", "standard"]
Start = Literal["gaussian", "orthogonal", "antisymmetric"]


class MLP(eqx.Module):
    r"""A multilayer perceptron with smooth activations and fixed scales.

    With `x_0` the input, layers k = 1, ..., L and scales c_k,

        a_k = c_k W_k x_(k-1) + b_k,      x_k = s(a_k) for k < L,      output a_L.

    Its only arrays are weights and biases, so that a network is the strategy of a player as it is.
    In the NTK parametrisation (`scale="ntk"`) the scales are one over the root of the number of
    inputs, and weights of order one; a gradient step then changes the function as much at any
    width, and curvatures fall like one over the root of the width, which is what proofs live on
    (Jacot, Gabriel and Hongler, arXiv:1806.07572; Liu, Zhu and Belkin, arXiv:2010.01092).

    Attributes:
        weights: One matrix per layer, of shape (outputs, inputs).
        biases: One vector per layer, or None for a layer without.
        scales: The numbers c_k.
        activation: The activation function s of all layers but the last one, or its name.
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"] | None, ...]
    scales: tuple[float, ...] = eqx.field(static=True)
    activation: Activation = eqx.field(static=True, converter=as_activation)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The outputs at one input; `jax.vmap` it over many."""
        for k, (weight, bias, scale) in enumerate(
            zip(self.weights, self.biases, self.scales, strict=True)
        ):
            x = scale * (weight @ (self.activation(x) if k else x))
            x = x if bias is None else x + bias
        return x

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units of each hidden layer, and of outputs."""
        return (self.weights[0].shape[1], *(weight.shape[0] for weight in self.weights))


def mlp(
    sizes: tuple[int, ...],
    key: Key[Array, ""],
    *,
    activation: str | Activation = "softplus",
    scale: Scale = "ntk",
    start: Start = "gaussian",
    first_scale: float | None = None,
    output_bias: bool = False,
) -> MLP:
    r"""Draws a multilayer perceptron at random.

    Args:
        sizes: The numbers of inputs, of units of each hidden layer, and of outputs.
        key: A random key.
        activation: The activation function, by name or with a sharpness.
        scale: "ntk": scales of one over the root of the number of inputs, one for the first layer,
            and weights `N(0, 1)`; "standard": scales of one, and weights `N(0, 1 / inputs)`.
        start: "gaussian"; "orthogonal": square hidden matrices are multiples of orthogonal ones,
            whose norm is half that of a Gaussian; "antisymmetric": units come in pairs with equal
            inputs and opposite outputs, so that the network is zero everywhere at first (computed
            ones up to rounding).
        first_scale: Multiplies the weights of the first layer: low frequencies make a smooth
            function. By default 1 with "ntk".
        output_bias: Whether the last layer has a bias.

    Raises:
        ValueError: If sizes, names or starts do not fit together.

    >>> net = mlp((2, 64, 1), jax.random.key(0), start="antisymmetric")
    >>> net.sizes, float(net(jnp.ones(2))[0])
    ((2, 64, 1), 0.0)
    """
    activation = as_activation(activation)
    _check(sizes, activation, scale, start)
    layers = len(sizes) - 1
    weights, biases, scales = [], [], []
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        key, own = jax.random.split(key)
        weight = jax.random.normal(own, (outputs, inputs))
        if start == "orthogonal" and 0 < k < layers - 1:
            q, r = jnp.linalg.qr(weight if outputs >= inputs else weight.T)
            q = q * jnp.sign(jnp.diagonal(r))[None, :]
            weight = (q if outputs >= inputs else q.T) * math.sqrt(inputs)
        if scale == "standard":
            weight = weight / math.sqrt(inputs)
        if k == 0 and first_scale is not None:
            weight = first_scale * weight
        if start == "antisymmetric":
            weight = _paired(weight, k, layers)
        weights.append(weight)
        last = k == layers - 1
        biases.append(None if last and not output_bias else jnp.zeros(outputs))
        scales.append(1.0 if k == 0 or scale == "standard" else 1.0 / math.sqrt(inputs))
    return MLP(tuple(weights), tuple(biases), tuple(scales), activation)


def _paired(weight: Array, k: int, layers: int) -> Array:
    """Makes units come in pairs, with the same inputs and opposite outputs."""
    half = weight[: weight.shape[0] // 2]
    if k < layers - 1:
        return jnp.concatenate([half, half])
    half = weight[:, : weight.shape[1] // 2]
    return jnp.concatenate([half, -half], 1)


def _check(sizes: tuple[int, ...], activation: Activation, scale: str, start: str) -> None:
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(
            f"mlp: sizes are at least two positive whole numbers, inputs and outputs; got {sizes}"
        )
    if scale not in ("ntk", "standard"):
        raise ValueError(f'mlp: the scale is "ntk" or "standard"; got {scale!r}')
    if start not in ("gaussian", "orthogonal", "antisymmetric"):
        raise ValueError(
            f'mlp: the start is "gaussian", "orthogonal" or "antisymmetric"; got {start!r}'
        )
    if start == "antisymmetric" and (len(sizes) != 3 or sizes[1] % 2):
        raise ValueError(
            "mlp: an antisymmetric start is for one hidden layer of an even number of units; got "
            f"sizes {sizes}"
        )
    if activation.name == "groupsort" and any(size % 2 for size in sizes[1:-1]):
        raise ValueError(f"mlp: groupsort takes hidden layers of even size; got sizes {sizes}")

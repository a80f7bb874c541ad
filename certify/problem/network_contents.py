"""Networks and their weights as a neural file has them."""

from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np

import dgames as dg
from certify.checker.neural import NetworkShape, digest_of, read_network
from certify.checker.reader import Reader
from certify.file.contents import Contents
from certify.problem.exact_types import is_as_made
from certify.problem.lq_numbers import flat_hexes
from dgames.nn import MLP, Activation


class FlatWeights(NamedTuple):
    """The weights of a network: matrices layer by layer, row by row, then biases.

    Attributes:
        hexes: The numbers as a file has them.
        digest: Their SHA-256.
    """

    hexes: list[str]
    digest: str

    @property
    def exact(self) -> list[Fraction]:
        """The numbers."""
        return [Fraction(float.fromhex(text)) for text in self.hexes]


def flat_weights(network: MLP) -> FlatWeights:
    """Returns the weights of a network as a file has them."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(network)]
    hexes = flat_hexes(np.concatenate([leaf.ravel() for leaf in leaves]))
    return FlatWeights(hexes, digest_of(hexes))


def flat_moves(moves: np.ndarray) -> FlatWeights:
    """Returns moves of inputs, row by row, as a file has them."""
    hexes = flat_hexes(moves)
    return FlatWeights(hexes, digest_of(hexes))


def require_network(network: Any, what: str) -> MLP:
    """Returns a network that proofs know, a `dgames.nn.MLP` with finite real weights.

    Args:
        network: What was given.
        what: What it is, for the message.

    Raises:
        ValueError: If it is something else.
    """
    if type(network) is not MLP or not is_as_made(network):
        raise ValueError(
            f"certify_networks: {what} is a dgames.nn.MLP; got {type(network).__name__}"
        )
    if type(network.activation) is not Activation:
        raise ValueError(
            f"certify_networks: the activation function of {what} is a dgames.nn.Activation; got "
            f"{type(network.activation).__name__}"
        )
    for leaf in jax.tree.leaves(network):
        array = np.asarray(leaf)
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(
                f"certify_networks: the weights of {what} are finite real numbers, in float arrays"
            )
    _require_layers(network, what)
    return network


def _require_layers(network: MLP, what: str) -> None:
    """Raises an error unless arrays have the shapes of layers, so that nothing is broadcast."""
    shapes = [np.shape(weight) for weight in network.weights]
    chained = bool(shapes) and all(len(shape) == 2 and min(shape) > 0 for shape in shapes)
    chained = chained and all(one[0] == other[1] for one, other in pairwise(shapes))
    lengths = {len(shapes), len(network.biases), len(network.scales)}
    if not chained or len(lengths) != 1:
        raise ValueError(
            f"certify_networks: {what} has a matrix of shape (outputs, inputs), a bias or None, "
            "and a scale for each of its layers, at least one, and takes as many inputs in each as "
            f"the layer before has outputs; got matrices of shapes {shapes}, "
            f"{len(network.biases)} biases and {len(network.scales)} scales"
        )
    for k, (bias, shape) in enumerate(zip(network.biases, shapes, strict=True)):
        if bias is not None and np.shape(bias) != shape[:1]:
            raise ValueError(
                f"certify_networks: the bias of layer {k + 1} of {what} has the shape "
                f"{shape[:1]}; got {np.shape(bias)}"
            )
    if not all(0 < scale < float("inf") for scale in network.scales):
        raise ValueError(
            f"certify_networks: the scales of {what} are positive numbers; got {network.scales}"
        )
    if not 0 < network.activation.sharpness < float("inf"):
        raise ValueError(
            f"certify_networks: the sharpness of {what} is a positive number; got "
            f"{network.activation.sharpness}"
        )


def require_alike(network: MLP, other: MLP, what: str) -> None:
    """Raises an error unless two networks differ in nothing but their weights."""
    shapes = [
        (each.sizes, each.scales, each.activation, [b is None for b in each.biases])
        for each in (network, other)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"certify_networks: {what} is a network like that of the point, of sizes "
            f"{network.sizes}; got {other.sizes} or another scale, bias or activation function"
        )


def network_contents(network: MLP, decay: float, start: MLP | None) -> Contents:
    """Returns the description of a network in a file."""
    return {
        "sizes": list(network.sizes),
        "scales": [float(scale).hex() for scale in network.scales],
        "biases": [bias is not None for bias in network.biases],
        "activation": {
            "name": network.activation.name,
            "sharpness": float(network.activation.sharpness).hex(),
        },
        "decay": float(decay).hex(),
        "start": None if start is None else flat_weights(start).digest,
    }


def shape_of(contents: Contents) -> NetworkShape:
    """Returns a description as the checker reads it."""
    return read_network(Reader(contents))


def network_of(contents: Contents, weights: list[str] | None = None) -> MLP:
    """Returns the network that a file describes, with weights of zero if none are given."""
    shape = shape_of(contents)
    numbers = np.array([float.fromhex(x) for x in weights or []])
    numbers = np.zeros(shape.weights) if weights is None else numbers
    sizes, matrices, biases, start = shape.sizes, [], [], 0
    for before, after in pairwise(sizes):
        part = numbers[start : start + before * after]
        matrices.append(jax.numpy.asarray(part.reshape(after, before)))
        start += before * after
    for after, has in zip(sizes[1:], shape.biases, strict=True):
        part = numbers[start : start + after * has]
        biases.append(jax.numpy.asarray(part) if has else None)
        start += after * has
    activation = dg.nn.Activation(shape.activation.name, float(shape.activation.sharpness))
    scales = tuple(float(scale) for scale in shape.scales)
    return MLP(tuple(matrices), tuple(biases), scales, activation)

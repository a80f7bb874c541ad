"""The data of networks: inputs, and what else a function of outputs takes, as numbers of a file."""

from typing import Any, NamedTuple

import jax
import numpy as np

from certify.problem.lq_numbers import flat_hexes
from dgames.nn import MLP


class OutputArrays(NamedTuple):
    """The data of a value of outputs, in float64.

    Attributes:
        x: The inputs of the first network, (samples, inputs).
        z: Those of the second one.
        rest: A pytree of arrays with samples along their first axes.
    """

    x: np.ndarray
    z: np.ndarray
    rest: Any

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.x)

    @property
    def first(self) -> Any:
        """The first datum of the rest."""
        return jax.tree.map(lambda leaf: leaf[0], self.rest)

    @property
    def numbers(self) -> list[str]:
        """All numbers as a file has them: x, z, and of the rest datum after datum."""
        flat = [leaf.reshape(self.samples, -1) for leaf in jax.tree.leaves(self.rest)]
        datum = np.concatenate(flat, 1) if flat else np.zeros((self.samples, 0))
        return flat_hexes(self.x) + flat_hexes(self.z) + flat_hexes(datum)


def output_arrays(data: Any, networks: list[MLP]) -> OutputArrays:
    """Returns the data `(x, z, rest)` in float64, after looking at their shapes.

    Raises:
        ValueError: If they are no finite real numbers, or do not fit the networks.
    """
    if not isinstance(data, tuple | list) or len(data) != 3:
        raise ValueError(
            "certify_networks: args are the data (x, z, rest) of the game: the inputs of both "
            "networks, and what else the function of outputs takes"
        )
    arrays = (*map(np.asarray, data[:2]), jax.tree.map(np.asarray, data[2]))
    for leaf in jax.tree.leaves(arrays):
        if leaf.dtype.kind != "f" or not np.isfinite(leaf).all():
            raise ValueError("certify_networks: the data are finite real numbers, in float arrays")
    x, z, rest = jax.tree.map(lambda leaf: leaf.astype(np.float64), arrays)
    for name, inputs, network in zip(("x", "z"), (x, z), networks, strict=True):
        if inputs.ndim != 2 or inputs.shape[1] != network.sizes[0]:
            raise ValueError(
                f"certify_networks: the data {name} have the shape (samples, {network.sizes[0]}), "
                f"the inputs of their network; got {inputs.shape}"
            )
    lengths = [leaf.shape[:1] for leaf in (x, z, *jax.tree.leaves(rest))]
    if len(set(lengths)) != 1 or not lengths[0] or not lengths[0][0]:
        raise ValueError(
            f"certify_networks: all data have the same number of samples, at least one; got "
            f"{[length[0] if length else 'a number' for length in lengths]}"
        )
    return OutputArrays(x, z, rest)


class AdversarialArrays(NamedTuple):
    """The data of an adversarial network, in float64.

    Attributes:
        x: The data, (data, inputs of the discriminator).
        z: The noise, (samples, inputs of the generator).
    """

    x: np.ndarray
    z: np.ndarray

    @property
    def numbers(self) -> list[str]:
        """All numbers as a file has them: x, then z."""
        return flat_hexes(self.x) + flat_hexes(self.z)


def adversarial_arrays(data: Any, networks: list[MLP], residual: bool) -> AdversarialArrays:
    """Returns the data `(x, z)` in float64, after looking at their shapes.

    Raises:
        ValueError: If they are no finite real numbers, or do not fit the networks.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError(
            "certify_networks: args are the data (x, z) of the game: samples of the data, and noise"
        )
    generator, discriminator = (network.sizes for network in networks)
    if generator[-1] != discriminator[0] or discriminator[-1] != 1:
        raise ValueError(
            "certify_networks: the discriminator takes what the generator makes, and has one "
            f"output; got networks of sizes {generator} and {discriminator}"
        )
    if residual and generator[0] != generator[-1]:
        raise ValueError(
            "certify_networks: a residual generator has as many outputs as inputs; got sizes "
            f"{generator}"
        )
    arrays = []
    for name, values, size in zip(("x", "z"), data, (discriminator[0], generator[0]), strict=True):
        array = np.asarray(values)
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError("certify_networks: the data are finite real numbers, in float arrays")
        if array.ndim != 2 or array.shape[1] != size or not len(array):
            raise ValueError(
                f"certify_networks: the data {name} have the shape (samples, {size}), the inputs "
                f"of their network; got {array.shape}"
            )
        arrays.append(array.astype(np.float64))
    return AdversarialArrays(*arrays)

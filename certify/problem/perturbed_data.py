"""Values with moved inputs and their data as a neural file has them."""

from typing import Any, NamedTuple

import jax
import numpy as np

from certify.file.contents import Contents
from certify.graph.output_graph import traced_outputs
from certify.problem.lq_numbers import flat_hexes
from certify.problem.robust_data import LOSSES, labelled_arrays
from dgames.neural import Perturbed
from dgames.nn import MLP


class PerturbedArrays(NamedTuple):
    """The data of a value with moved inputs, in float64.

    Attributes:
        x: Inputs, (samples, inputs).
        rest: A pytree of arrays with samples along their first axes.
    """

    x: np.ndarray
    rest: Any

    @property
    def first(self) -> Any:
        """The first datum of the rest."""
        return jax.tree.map(lambda leaf: leaf[0], self.rest)

    @property
    def numbers(self) -> list[str]:
        """All numbers as a file has them: inputs, row by row, then datum after datum."""
        flat = [leaf.reshape(len(self.x), -1) for leaf in jax.tree.leaves(self.rest)]
        datum = np.concatenate(flat, 1) if flat else np.zeros((len(self.x), 0))
        return flat_hexes(self.x) + flat_hexes(datum)


class PerturbedSection(NamedTuple):
    """The section `game.value` of a file, and what was not float64."""

    contents: Contents
    promoted: tuple[str, ...]


def perturbed_arrays(value: Perturbed, network: MLP, data: Any) -> PerturbedArrays:
    """Returns the data `(x, y)` in float64, after looking at them.

    Raises:
        ValueError: If they are no finite real numbers, or do not fit the network or the loss.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError("certify_networks: args are the data (x, y) of a dgames.Perturbed value")
    if value.loss in LOSSES:
        return PerturbedArrays(*labelled_arrays(value.loss, network, data))
    arrays = (np.asarray(data[0]), jax.tree.map(np.asarray, data[1]))
    for leaf in jax.tree.leaves(arrays):
        if leaf.dtype.kind != "f" or not np.isfinite(leaf).all():
            raise ValueError("certify_networks: the data are finite real numbers, in float arrays")
    x, rest = jax.tree.map(lambda leaf: leaf.astype(np.float64), arrays)
    if np.ndim(x) != 2 or x.shape[1] != network.sizes[0] or not len(x):
        raise ValueError(
            f"certify_networks: the inputs x have the shape (samples, {network.sizes[0]}); got "
            f"{np.shape(x)}"
        )
    lengths = [leaf.shape[:1] for leaf in jax.tree.leaves(rest)]
    if any(length != x.shape[:1] for length in lengths):
        raise ValueError(
            f"certify_networks: all data have {len(x)} samples, as x has; got "
            f"{[length[0] if length else 'a number' for length in lengths]}"
        )
    return PerturbedArrays(x, rest)


def perturbed_section(value: Perturbed, network: MLP, arrays: PerturbedArrays) -> PerturbedSection:
    """Returns the section `game.value` of a file.

    Raises:
        ValueError: If the penalty or the radius is infinite.
        GraphError: If the loss has no expression graph.
        EnclosureError: If nothing can be proved of its code.
    """
    if not np.isfinite([value.penalty, value.radius or 0.0]).all():
        raise ValueError("certify_networks: the penalty is finite, and so is the radius, or None")
    contents: Contents = {
        "kind": "perturbed",
        "loss": LOSSES.get(value.loss, "function"),
        "graph": None,
        "datum": 1,
        "penalty": float(value.penalty).hex(),
        "limit": None if value.radius is None else float(value.radius).hex(),
    }
    if value.loss in LOSSES:
        return PerturbedSection(contents, ())
    sizes = (network.sizes[-1], 0)
    traced = traced_outputs(lambda f, _, y: value.loss(f, y), sizes, arrays.first)
    contents |= {"graph": traced.graph, "datum": traced.datum}
    return PerturbedSection(contents, traced.promoted)

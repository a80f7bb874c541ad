"""Robust values and their data as a neural file has them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from certify.file.contents import Contents
from certify.problem.lq_numbers import flat_hexes
from dgames.neural import Robust, logistic, softmax_cross_entropy
from dgames.nn import MLP

# What a file calls the losses that are known.
LOSSES = {logistic: "logistic", softmax_cross_entropy: "softmax"}


class RobustArrays(NamedTuple):
    """The data of a robust value.

    Attributes:
        x: Inputs, (samples, inputs).
        labels: One number for each sample.
    """

    x: np.ndarray
    labels: np.ndarray

    @property
    def numbers(self) -> list[str]:
        """All numbers as a file has them: inputs, row by row, then labels."""
        return flat_hexes(self.x) + flat_hexes(self.labels)


def robust_arrays(value: Robust, network: MLP, data: Any) -> RobustArrays:
    """Returns the data in float64, after looking at them.

    Raises:
        ValueError: If the loss is not known, or the data do not fit the network and the loss.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError("certify_networks: args are the data (x, y) of a dgames.Robust value")
    return labelled_arrays(value.loss, network, data)


def labelled_arrays(loss: Callable, network: MLP, data: Sequence[Any]) -> RobustArrays:
    """Returns inputs and labels in float64, after looking at them.

    Args:
        loss: One of the losses that are known.
        network: The network.
        data: The pair of inputs and labels.

    Raises:
        ValueError: If the loss is not known, or they do not fit the network and the loss.
    """
    if loss not in LOSSES:
        raise ValueError(
            "certify_networks: the losses that are known are dgames.neural.logistic and "
            f"dgames.neural.softmax_cross_entropy; got {loss!r}"
        )
    arrays = [np.asarray(each) for each in data]
    if any(each.dtype.kind not in "fiub" for each in arrays):
        raise ValueError(
            "certify_networks: the data are real numbers; got arrays of the types "
            f"{', '.join(str(each.dtype) for each in arrays)}"
        )
    x, labels = (each.astype(np.float64) for each in arrays)
    inputs, outputs = network.sizes[0], network.sizes[-1]
    if x.ndim != 2 or x.shape[1] != inputs or not len(x) or not np.isfinite(x).all():
        raise ValueError(
            f"certify_networks: inputs x are finite numbers of shape (samples, {inputs}); got "
            f"shape {x.shape}"
        )
    binary = loss is logistic
    if outputs != 1 if binary else outputs < 2:
        raise ValueError(
            "certify_networks: dgames.neural.logistic is a loss of one output, and "
            f"softmax_cross_entropy of two or more; the network has {outputs}"
        )
    allowed = np.array([-1.0, 1.0]) if binary else np.arange(float(outputs))
    if labels.shape != x.shape[:1] or not np.isin(labels, allowed).all():
        said = "-1 or 1" if binary else f"classes from 0 to {outputs - 1}"
        raise ValueError(
            f"certify_networks: labels are {said}, one for each of the {len(x)} samples; got "
            f"shape {labels.shape} and values like {labels.ravel()[:3].tolist()}"
        )
    return RobustArrays(x, labels)


def robust_section(value: Robust) -> Contents:
    """Returns the section `game.value` of a file."""
    return {
        "kind": "robust",
        "loss": LOSSES[value.loss],
        "temperature": float(value.temperature).hex(),
        "divergence": value.divergence,
        "groups": None if value.groups is None else np.asarray(value.groups.labels).tolist(),
    }

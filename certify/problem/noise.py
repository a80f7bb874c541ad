"""Noise of fields: outcomes that multiply them, and batches of data."""

from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from certify.enclosure.programs.promotion import exactly


class Outcomes(NamedTuple):
    """Multiplicative noise: with probability `p_s` a step sees `c_s F` in place of the field F.

    It vanishes at the zeros of F. For noise without bias the mean of the factors is one.

    Attributes:
        scales: The factors `c_s`: of shape (outcomes,), or (outcomes, players) with a factor for
            each player.
        probabilities: Positive numbers, of which only ratios matter; by default all are equal.

    Example:
        >>> Outcomes([3.0, -1.0]).scales
        [3.0, -1.0]
    """

    scales: Float[Array, " outcomes"] | Float[Array, "outcomes players"] | Any
    probabilities: Float[Array, " outcomes"] | Any = None


class Sampling(NamedTuple):
    """The noise of mini-batches: a step sees the mean field of a batch of the data.

    A `dgames.FiniteSum` has the data itself. Else the costs are a function `(x, datum)`, or the
    field is: a datum takes the place of `args`.

    Attributes:
        data: A pytree of arrays of real numbers with the data along the first axis; None for a
            finite sum.
        batch: How many are drawn for a step.
        replace: Whether one may be drawn twice in a batch.
        probabilities: Positive numbers, of which only ratios matter; by default all are equal, as
            they have to be without replacement.

    Example:
        >>> Sampling((np.ones((5, 2)), np.zeros(5)), batch=2).batch
        2
    """

    data: PyTree = None
    batch: int = 1
    replace: bool = True
    probabilities: Float[Array, " data"] | Any = None

    @property
    def first(self) -> PyTree:
        """The first datum."""
        return jax.tree.map(lambda leaf: np.asarray(leaf)[0], self.data)


Noise = Outcomes | Sampling


class Components(NamedTuple):
    """What a file says of the noise, in numbers.

    Attributes:
        weights: Integers, one per component.
        scales: A factor per component and player.
        data: A vector per component, perhaps of no entries.
        size: The size of batches.
        replacement: Whether components may be drawn twice.
    """

    weights: list[int]
    scales: Float[np.ndarray, "components players"]
    data: Float[np.ndarray, "components numbers"]
    size: int
    replacement: bool


def components_of(noise: Noise, players: int) -> Components:
    """Returns the components of a noise, as exact numbers.

    Args:
        noise: The noise.
        players: How many players there are.

    Raises:
        ValueError: If the numbers do not fit together.
    """
    if isinstance(noise, Outcomes):
        scales = _numbers("scales", noise.scales)
        if scales.ndim == 1:
            scales = np.repeat(scales[:, None], players, axis=1)
        if scales.ndim != 2 or scales.shape[1] != players or not len(scales):
            raise ValueError(
                f"Outcomes: the scales have the shape {np.shape(noise.scales)}; it must be "
                f"(outcomes,) or (outcomes, {players}), with a factor for each player"
            )
        weights = _weights(noise.probabilities, len(scales))
        return Components(weights, scales, np.zeros((len(scales), 0)), 1, True)
    if not isinstance(noise, Sampling):
        raise ValueError(
            "certify_mean_square: the noise is certify.Outcomes(scales, probabilities) or "
            f"certify.Sampling(data, batch), not {type(noise).__name__}"
        )
    leaves = [_numbers("data", leaf) for leaf in jax.tree.leaves(noise.data)]
    if any(np.asarray(leaf).dtype.kind in "iu" for leaf in jax.tree.leaves(noise.data)):
        raise ValueError("Sampling: data are floats; write integers as such")
    counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
    if len(counts) != 1 or not min(counts):
        raise ValueError(
            "Sampling: data are arrays with the same positive number of entries along the first "
            f"axis, not {sorted(counts)}"
        )
    count = counts.pop()
    whole = isinstance(noise.batch, int) and not isinstance(noise.batch, bool)
    if not whole or noise.batch < 1 or (not noise.replace and noise.batch > count):
        raise ValueError(
            f"Sampling: the size is {noise.batch!r}; it must be a positive integer, and without "
            f"replacement at most {count}"
        )
    weights = _weights(noise.probabilities, count)
    if not noise.replace and len(set(weights)) > 1:
        raise ValueError("Sampling: without replacement all data have the same probability")
    data = np.concatenate([leaf.reshape(count, -1) for leaf in leaves], axis=1)
    return Components(weights, np.ones((count, players)), data, noise.batch, bool(noise.replace))


def _numbers(what: str, value: Any) -> np.ndarray:
    """Returns real numbers in float64, exactly."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise ValueError(f"certify_mean_square: {what} are real numbers, not {array.dtype}")
    found = np.asarray(exactly(array), np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"certify_mean_square: {what} are finite numbers")
    return found


def _weights(probabilities: Any, count: int) -> list[int]:
    """Returns the smallest integers with the ratios of the probabilities."""
    if probabilities is None:
        return [1] * count
    found = _numbers("probabilities", probabilities)
    if found.shape != (count,) or not (found > 0).all():
        raise ValueError(
            f"certify_mean_square: probabilities are {count} positive numbers, not an array of "
            f"shape {found.shape}"
        )
    exact = [Fraction(p) for p in found.tolist()]
    common = lcm(*(p.denominator for p in exact))
    whole = [int(p * common) for p in exact]
    divisor = gcd(*whole)
    return [weight // divisor for weight in whole]

"""Options for the metric of a proof: one that is chosen, weights, or a matrix."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float

from certify.metric.ladder import Generality, Ladder, Rung
from certify.metric.metric import Metric
from certify.metric.objective import Objective
from certify.problem.messages import clipped, listed


@dataclass(frozen=True)
class AutoMetric:
    """A metric that is chosen by sampling.

    Args:
        generality: How general it may be: "weights" (one per player), "block" (a matrix for each
            player), "full", or "auto", the simplest that promises to suffice.
        objective: What it is chosen for. "margin": the largest margin. "basin": the roundest
            metric, in the units of the region, with at least 95% of the best margin, so that the
            basin is no sliver; if that is less than half as round again as the metric of the best
            margin, the latter. "step" and "rate": the largest step and the best rate of
            simultaneous steps; the region is then cut where the Lipschitz constant is large, too,
            and not only where the margin is small. Weights are at most 10^6 times one another in
            those units, unless only others have a positive margin.

    Raises:
        ValueError: If the generality or the objective is another word.
    """

    generality: Generality = "auto"
    objective: Objective = "basin"

    def __post_init__(self) -> None:
        for name, choices in (("generality", Generality), ("objective", Objective)):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise ValueError(
                    f"AutoMetric: {name} is {clipped(repr(value))}; it must be one of "
                    f"{', '.join(get_args(choices))}."
                )

    def given(self, names: Sequence[str], sizes: Sequence[int]) -> None:
        """Returns None: no metric is given, it is to be chosen."""


@dataclass(frozen=True)
class Weights:
    """The metric `sum_i weights_i |x_i|^2`; all claims are in it, even if another would prove more.

    Args:
        by_player: Positive numbers, by the names of the players.

    Raises:
        ValueError: If they are not positive and finite.
    """

    by_player: Mapping[str, float]

    def __post_init__(self) -> None:
        if not isinstance(self.by_player, Mapping):
            raise ValueError(
                "Weights: give a dictionary of numbers by player, such as {'a': 1.0, 'b': 2.0}."
            )
        values = np.array(list(self.by_player.values()), np.float64)
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise ValueError("Weights: weights must be positive and finite.")

    def given(self, names: Sequence[str], sizes: Sequence[int]) -> Ladder:
        """Returns the metric as a ladder without rungs.

        Raises:
            ValueError: If the names are not those of the players.
        """
        if set(self.by_player) != set(names):
            raise ValueError(
                f"certify: weights are given for {listed(self.by_player)}; "
                f"the players are {listed(names)}."
            )
        values = np.array([self.by_player[name] for name in names], np.float64)
        return Ladder(
            (), Rung("weights that were given", np.repeat(values, sizes), math.nan), math.nan
        )


@dataclass(frozen=True, eq=False)
class Matrix:
    """The metric `x' P x`; all claims are in it, even if another would prove more.

    Args:
        entries: P, in the order of the coordinates, symmetric and positive definite.

    Raises:
        ValueError: If it is not such a matrix.
    """

    entries: Float[np.ndarray, "n n"]

    def __post_init__(self) -> None:
        shape = np.shape(self.entries)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"Matrix: the shape is {shape}; a metric is a square matrix.")
        try:
            Metric(np.array(self.entries, np.float64))
        except ValueError as error:
            raise ValueError(f"Matrix: {error}.") from None

    def given(self, names: Sequence[str], sizes: Sequence[int]) -> Ladder:
        """Returns the metric as a ladder without rungs.

        Raises:
            ValueError: If the matrix is for another number of coordinates.
        """
        matrix = np.array(self.entries, np.float64)
        if len(matrix) != sum(sizes):
            raise ValueError(
                f"certify: the metric has shape {matrix.shape}; there are {sum(sizes)} coordinates."
            )
        return Ladder((), Rung("a matrix that was given", matrix, math.nan), math.nan)


MetricOption = AutoMetric | Weights | Matrix

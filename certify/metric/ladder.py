"""The ladder of metrics, from the simplest to a full matrix, which is climbed as long as it pays.

Everything here is chosen by sampling and proves nothing; cells are searched and proved in whatever
metric comes out. Simple metrics come first because their balls, and so basins, are rounder, because
projections do no harm in them, and because they are found and checked faster.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.best_matrix import Kind, abscissa, best_matrix
from certify.metric.metric import Weighting
from certify.metric.objective import LIMIT, SHARE, Aim
from certify.metric.weights import (
    choose_weights,
    sampled_constants,
    sampled_margin,
    small_gain_weights,
)

Generality = Literal["auto", "weights", "block", "full"]

# Weights are given up for a matrix only if none has a positive margin, or the best margin is less
# than this share of the bound that no metric exceeds and of the margin in the matrix.
_WEIGHTS_SUFFICE = 0.5
# One matrix is given up for a more general one if that has a margin this many times as large.
_PAYS = 1.05


class Rung(NamedTuple):
    """A metric, and its margin as estimated by sampling.

    Attributes:
        name: "Euclidean", "small-gain weights", "weights", "weights by LMI", "block" or "full".
        weighting: One weight per coordinate, or a matrix.
        margin: The margin in it over the samples, an estimate.
    """

    name: str
    weighting: Weighting
    margin: float


class Ladder(NamedTuple):
    """The metrics that were tried, and the one that was chosen.

    Attributes:
        rungs: The metrics tried, from simple to general; none if the metric was given.
        chosen: The metric that was chosen, or given.
        bound: The smallest real part of the eigenvalues of sampled Jacobians: no constant metric
            has a larger sampled margin.
        failed: Rungs in which there was no proof on the cells, and why, in the order tried.
        flat: The player whose own curvature is the smallest, and that curvature, if no matrix was
            tried because of it.
        hurried: Whether some rung was left out for lack of time.
    """

    rungs: tuple[Rung, ...]
    chosen: Rung
    bound: float
    failed: tuple[tuple[str, str], ...] = ()
    flat: tuple[int, float] | None = None
    hurried: bool = False

    def __str__(self) -> str:
        if not self.rungs:
            return self.chosen.name
        tried = ", ".join(f"{rung.name} {rung.margin:.4g}" for rung in self.rungs)
        failed = "".join(f", as there is no proof in '{name}': {why}" for name, why in self.failed)
        return (
            f"{self.chosen.name}{failed}; margins estimated by sampling: {tried}; at most "
            f"{self.bound:.4g} in any constant metric"
        )


def climb(
    jacobians: Float[np.ndarray, "samples n n"],
    sizes: tuple[int, ...],
    choice: Generality = "auto",
    aim: Aim | None = None,
) -> Ladder:
    """Chooses a metric from sampled Jacobians.

    It first tries metrics with one weight per player: all ones, the weights of the small-gain test,
    and those that `choose_weights` finds. With "auto" it stops there if the last have a positive
    margin of at least half the bound. Otherwise semidefinite programs follow, over weights, then
    one block per player, then full matrices. A matrix is taken in place of weights if those have no
    positive margin, or if its own is at least twice as large; a full matrix in place of blocks if
    it gains five per cent. In a matrix, zeros are known to be equilibria only if all players' own
    curvatures are positive; where they are not, and equilibria are wanted, no matrix is tried.

    Args:
        jacobians: Sampled Jacobians, finite, at points of the region.
        sizes: The number of coordinates of each player, n in all.
        choice: "auto", or where to stop and what to take: "weights", "block", "full".
        aim: What the metric is chosen for; a basin in a region of one width when not given.

    Example:
        >>> ladder = climb(np.array([[[1.0, 5.0], [-5.0, 1.0]]]), (1, 1))
        >>> ladder.chosen.name, ladder.chosen.margin
        ('weights', 1.0)
    """
    aim = aim or Aim.usual(sum(sizes))
    if (jacobians == jacobians[0]).all():  # in a quadratic game; they are used thousands of times
        jacobians = jacobians[:1]
    weights = choose_weights(jacobians, sizes, aim)
    small = small_gain_weights(jacobians, sizes)
    candidates = {"Euclidean": np.ones(len(sizes)), "small-gain weights": small, "weights": weights}
    rungs = [
        _rung(name, np.repeat(value, sizes), jacobians)
        for name, value in candidates.items()
        if value is not None
    ]
    chosen, bound = rungs[-1], abscissa(jacobians)
    enough = chosen.margin > 0 and chosen.margin >= _WEIGHTS_SUFFICE * bound
    if choice == "weights" or (choice == "auto" and (enough or bound <= 0)):
        return Ladder(tuple(rungs), chosen, bound)
    curvature = sampled_constants(jacobians, sizes)[0]
    flat = curvature.min() <= 0 and aim.convex
    kinds: tuple[Kind, ...] = ("weights", "block", "full")
    kinds = kinds[:1] if flat else kinds[:2] if choice == "block" else kinds
    hurried, frame = False, chosen.weighting
    for kind in kinds:
        if kind == "block" and len(sizes) == sum(sizes):  # blocks of one coordinate are weights
            continue
        if aim.seconds() < _seconds(kind, sizes):
            hurried = True
            continue
        matrix = best_matrix(jacobians, sizes, kind, frame, SHARE[aim.objective])
        if matrix is None:
            continue
        if kind == "weights":
            rung = _rung("weights by LMI", np.diagonal(matrix).copy(), jacobians)
        else:
            rung = _rung(kind, matrix, jacobians)
        rungs.append(rung)
        if choice == kind or (_pays(rung, chosen) and _is_round(rung, chosen, aim)):
            chosen = rung
        if kind == "weights" and choice == "auto" and chosen.margin >= _WEIGHTS_SUFFICE * bound:
            break
    player = int(curvature.argmin())
    smallest = (player, float(curvature[player])) if flat else None
    return Ladder(tuple(rungs), chosen, bound, flat=smallest, hurried=hurried)


def _seconds(kind: Kind, sizes: tuple[int, ...]) -> float:
    """Estimates how long a semidefinite program takes, from measurements up to 16 coordinates."""
    n = sum(sizes)
    unknown = {"weights": len(sizes), "block": sum(k * k for k in sizes), "full": n * n}[kind]
    return 3.0 * (n / 16) ** 4 * (unknown / 256) ** 0.5


def _is_round(rung: Rung, chosen: Rung, aim: Aim) -> bool:
    """Returns whether balls of a metric are no slivers, or the chosen one has no margin > 0."""
    return chosen.margin <= 0 or aim.roundness(rung.weighting) >= LIMIT**-0.5


def _rung(name: str, weighting: Weighting, jacobians: np.ndarray) -> Rung:
    return Rung(name, weighting, sampled_margin(jacobians, weighting))


def _pays(rung: Rung, chosen: Rung) -> bool:
    """Returns whether a more general metric gains enough over the one chosen so far."""
    if chosen.margin <= 0 or rung.margin <= 0:
        return rung.margin > chosen.margin
    leaves_weights = rung.weighting.ndim == 2 and chosen.weighting.ndim == 1
    return rung.margin >= (1 / _WEIGHTS_SUFFICE if leaves_weights else _PAYS) * chosen.margin

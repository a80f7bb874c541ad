"""The objectives of a proof, and how round its balls are in the units of a region.

Margin, basin, step and rate cannot all be best in one metric. The weights of the largest margin may
differ by so much that the basin, a ball in them, is a sliver: for the costs `(x^2 + x y, y^2)` the
margin grows towards 2 as the weights grow apart without end. So the objective is named, weights
stay within `LIMIT` of each other, and by default a little of the margin is given up for roundness.

Nor do the same cells serve all: for a margin the region is cut where the margin is smallest, for a
step also where the Lipschitz constant is largest.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.metric import Metric, Weighting

Objective = Literal["basin", "step", "rate", "margin"]

# A rounder metric needs this share of the best margin.
SHARE: dict[Objective, float] = {"basin": 0.95, "step": 0.95, "rate": 0.95, "margin": 1.0}
# The power of the Lipschitz constant that the margin is divided by: `2 a / b^2` is the step of
# simultaneous steps, and their rate is the better the larger `a / b`.
LIPSCHITZ_POWER: dict[Objective, int] = {"basin": 0, "step": 2, "rate": 1, "margin": 0}
# In the units of the region, weights are at most so many times one another, unless no such weights
# have a positive margin. At this limit a ball reaches a thousandth of the way to the faces of a
# box.
LIMIT = 1e6
# The metric of the best margin is replaced by another one only if that is this much rounder.
ROUNDER = 1.5


class Aim(NamedTuple):
    """The objective of a metric, the region it is for, and how long the search may take.

    Attributes:
        objective: "margin": the largest margin. "basin": the roundest metric with at least `SHARE`
            of it, if that is `ROUNDER` times as round as the one of the largest margin. "step" and
            "rate": the largest step, and the best rate, of simultaneous steps.
        half_widths: The half-widths of the region, one for each coordinate.
        convex: Whether a zero is to be an equilibrium. If the metric is a matrix, every player's
            own curvature has to be positive for that.
        seconds: Returns how many seconds are left.
    """

    objective: Objective
    half_widths: Float[np.ndarray, " n"]
    convex: bool = True
    seconds: Callable[[], float] = lambda: np.inf

    def spent(self) -> bool:
        """Returns whether no time is left."""
        return self.seconds() <= 0

    def roundness(self, weighting: Weighting) -> float:
        """Returns the roundness of a metric in the units of the region."""
        return roundness(weighting, self.half_widths)

    @classmethod
    def usual(cls, dimension: int) -> "Aim":
        """Returns the aim of a basin in a region of one width in every coordinate."""
        return cls("basin", np.ones(dimension))


def units(half_widths: Float[np.ndarray, " n"], sizes: tuple[int, ...]) -> np.ndarray:
    """Returns weights, one per player, in which a region is about as wide for every player.

    Example:
        >>> units(np.array([1.0, 1.0, 0.1]), (2, 1)).round(6).tolist()
        [1.0, 100.0]
    """
    with np.errstate(divide="ignore"):
        logs = np.clip(np.log(half_widths), -300.0, 300.0)
    means = [part.mean() for part in np.split(logs, np.cumsum(sizes)[:-1])]
    weights = np.exp(-2.0 * np.array(means))
    return weights / weights.min()


def roundness(weighting: Weighting, half_widths: Float[np.ndarray, " n"]) -> float:
    """Returns the reach of a metric's ball in its shortest direction, as a share of its longest.

    Both are measured in half-widths of the region. So for a box this is about the distance from the
    centre, as a share of that to the faces, within which every start is in the largest ball inside.

    Example:
        >>> roundness(np.array([1.0, 25.0]), np.ones(2))
        0.2
    """
    scaled = weighting * (half_widths if weighting.ndim == 1 else np.outer(half_widths, 1.0))
    scaled = scaled * half_widths
    try:
        return float(Metric(scaled).condition ** -0.5)
    except ValueError:  # too flat for float64
        return 0.0

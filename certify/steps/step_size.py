"""What a proof says about the step sizes of one method, and what a rule may use to say it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from certify.metric.block_constants import BlockConstants
from certify.metric.small_gain import SmallGain

# A step as a rule proposes it: the fields of its entry in the file, numbers not yet in hexadecimal.
Step = dict[str, Any]


class StepSize(NamedTuple):
    """Safe step sizes of a method.

    Attributes:
        max: The largest step proved to converge; so does every smaller one, in the same norm.
        best: The step with the best proved factor.
        rate: That factor per iteration, below 1: after k of them the distance to the equilibrium is
            at most `constant * rate^k` times what it was at first.
        norm: The norm in which it is.
        route: "theorem" (from the constants of the game) or "direct" (from the step map itself).
        theorem: The name of the rule in the checker.
        basin: Radius of the ball around the equilibrium's centre, in that norm, from all of whose
            points the method converges at that rate.
        constant: 1 where each iteration brings x nearer; more for methods with a memory.
        momentum: For methods with momentum: the one that all of this is about.
        scale: Where the norm has one, a positive number per player.
    """

    max: float
    best: float
    rate: float
    norm: str
    route: str
    theorem: str
    basin: float
    constant: float = 1.0
    momentum: float | complex | None = None
    scale: dict[str, float] | None = None


class Setting(NamedTuple):
    """The constants that step rules start from; the checker is to prove them, and the steps.

    Attributes:
        margin: Strong-monotonicity modulus of F in the metric.
        lipschitz: Lipschitz constant of F in it.
        weights: One per player, with `sum_i weights_i |x_i|^2` at most the squared norm of the
            metric: equal to it if the metric is made of weights.
        constants: Block constants over the region.
        gain: The small-gain margin of these constants.
        radius: The equilibrium is within this distance of the centre, in the metric.
        reach: Radius of the largest ball of the metric around the centre inside the region.
        reach_in: The same for another metric, given by its weights per player.
        reach_of: The largest r such that all x with `|x_i - c_i| <= r scale_i` for every player i
            are inside the region, given the scales; c is the centre.
    """

    margin: float
    lipschitz: float
    weights: np.ndarray
    constants: BlockConstants
    gain: SmallGain
    radius: float
    reach: float
    reach_in: Callable[[np.ndarray], float]
    reach_of: Callable[[np.ndarray], float]

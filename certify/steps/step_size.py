"""The proved step sizes of one method, and the constants from which a rule finds them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from certify.metric.block_constants import BlockConstants
from certify.metric.rank_one_bounds import StepBound
from certify.metric.small_gain import SmallGain
from certify.metric.term_inequality import TermSides

# A step that a rule proposes: the fields of its entry in the file, with numbers as floats.
Step = dict[str, Any]


class StepSize(NamedTuple):
    """Safe step sizes of a method.

    Attributes:
        max: The largest step proved to converge; every smaller one does, too, in the same norm.
        best: The step with the best proved factor.
        rate: The factor of `best` per iteration, below 1: after k iterations the distance to the
            equilibrium is at most `constant * rate^k` times what it was at first.
        norm: The norm of these distances.
        route: "theorem" (from the constants of the game) or "direct" (from the step map itself).
        theorem: The name of the rule in the checker.
        basin: The radius of a ball around the equilibrium's centre, in that norm; from each of its
            points the method converges at that rate.
        constant: 1 where each iteration brings x nearer; more for methods with a memory.
        momentum: The momentum to which all of this applies, for methods with momentum.
        scale: A positive number per player, for norms that have one.
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


class StepsByTerms(NamedTuple):
    """Steps of simultaneous gradient, in a proof by terms of rank one.

    Attributes:
        sides: The vectors of the terms.
        bound: The steps.
        backoff: The share by which bounds in floating point are backed off.
    """

    sides: TermSides
    bound: StepBound
    backoff: float


class Setting(NamedTuple):
    """The constants that step rules start from; the checker has to prove them, and the steps.

    Attributes:
        margin: The strong-monotonicity modulus of F in the metric.
        lipschitz: The Lipschitz constant of F in the metric.
        weights: A weight per player, with `sum_i weights_i |x_i|^2` at most the squared norm of the
            metric: equal to it if the metric is made of weights.
        constants: The block constants over the region, or None where nothing bounds blocks.
        gain: The small-gain margin of these constants.
        radius: The equilibrium is within this distance of the centre, in the metric.
        reach: The radius of the largest ball of the metric around the centre inside the region.
        reach_in: A function that gives this radius for another metric, from its weights per player.
        reach_of: A function that gives, for scales per player, the largest r such that all x with
            `|x_i - c_i| <= r scale_i` for every player i are inside the region; c is the centre.
        by_terms: In a proof by terms, steps of simultaneous gradient from the terms themselves.
        cocoercivity: A number c with `<F(x) - F(y), x - y> >= |F(x) - F(y)|^2 / c`, or None.
    """

    margin: float
    lipschitz: float
    weights: np.ndarray
    constants: BlockConstants | None
    gain: SmallGain | None
    radius: float
    reach: float
    reach_in: Callable[[np.ndarray], float]
    reach_of: Callable[[np.ndarray], float]
    by_terms: StepsByTerms | None = None
    cocoercivity: float | None = None

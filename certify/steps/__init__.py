"""Finds safe step sizes: there is one file per method, and each rule has its theorem.

A rule turns the constants of a `Setting` into a `Step`, or into None where it proves nothing. The
checker has a function for each method and theorem, which verifies the step.
"""

from collections.abc import Callable

from certify.checker.steps import BLOCKWISE, UNPROJECTED
from certify.checker.steps import STEP_RULES as THEOREMS
from certify.steps import (
    alternating,
    extragradient,
    momentum,
    optimistic,
    runge_kutta,
    simultaneous,
)
from certify.steps.batch_training import BatchTraining as BatchTraining
from certify.steps.batch_training import batch_training as batch_training
from certify.steps.noise import noise_ball as noise_ball
from certify.steps.noise_model import BoundedNoise as BoundedNoise
from certify.steps.noise_model import GaussianNoise as GaussianNoise
from certify.steps.noise_model import SubGaussianNoise as SubGaussianNoise
from certify.steps.noise_tail import noise_tail as noise_tail
from certify.steps.noise_tail import staying_inside as staying_inside
from certify.steps.step_size import Setting as Setting
from certify.steps.step_size import Step as Step
from certify.steps.step_size import StepsByTerms as StepsByTerms
from certify.steps.step_size import StepSize as StepSize
from certify.steps.variance_reduced_rate import VarianceReducedRate as VarianceReducedRate
from certify.steps.variance_reduced_rate import variance_reduced_rate as variance_reduced_rate

STEP_RULES: dict[str, tuple[Callable[[Setting], Step | None], ...]] = {
    "simultaneous": (
        simultaneous.from_lipschitz,
        simultaneous.from_small_gain,
        simultaneous.from_terms,
    ),
    "alternating": (alternating.from_small_gain,),
    "extragradient": (extragradient.from_monotonicity,),
    "optimistic": (optimistic.optimistic,),
    "heun": (runge_kutta.heun,),
    "ssprk3": (runge_kutta.ssprk3,),
    "runge_kutta_4": (runge_kutta.runge_kutta_4,),
    "momentum": (momentum.momentum,),
    "complex_momentum": (momentum.complex_momentum,),
}


def onto_sets(method: str, *, together: bool = False) -> bool:
    """Returns whether a theorem holds for steps of a method that are projected onto sets.

    Args:
        method: The name of the method.
        together: Whether shared constraints couple the players, so that projections do too.
    """
    excluded = UNPROJECTED | BLOCKWISE if together else UNPROJECTED
    return any(name == method and theorem not in excluded for name, theorem in THEOREMS)

"""Safe step sizes: one file per method, each rule with its theorem.

A rule turns the constants of a `Setting` into a `Step`, or None where it gives nothing; the
checker has a function of the same name that verifies it.
"""

from collections.abc import Callable

from certify.checker.steps import STEP_RULES as THEOREMS
from certify.checker.steps import UNPROJECTED
from certify.steps import (
    alternating,
    extragradient,
    momentum,
    optimistic,
    runge_kutta,
    simultaneous,
)
from certify.steps.noise import noise_ball as noise_ball
from certify.steps.step_size import Setting as Setting
from certify.steps.step_size import Step as Step
from certify.steps.step_size import StepSize as StepSize

STEP_RULES: dict[str, tuple[Callable[[Setting], Step | None], ...]] = {
    "simultaneous": (simultaneous.from_lipschitz, simultaneous.from_small_gain),
    "alternating": (alternating.from_small_gain,),
    "extragradient": (extragradient.from_monotonicity,),
    "optimistic": (optimistic.optimistic,),
    "heun": (runge_kutta.heun,),
    "ssprk3": (runge_kutta.ssprk3,),
    "runge_kutta_4": (runge_kutta.runge_kutta_4,),
    "momentum": (momentum.momentum,),
    "complex_momentum": (momentum.complex_momentum,),
}


def onto_sets(method: str) -> bool:
    """Whether a theorem holds for the steps of a method when they are projected onto sets."""
    return any(name == method and theorem not in UNPROJECTED for name, theorem in THEOREMS)

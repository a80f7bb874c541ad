"""Steps of methods from the margin and the Lipschitz constant, and how many are enough."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

import dgames as dg
from certify.problem.exact_types import known_method
from certify.rounding import float_below, root_above
from certify.steps import STEP_RULES, Setting, Step
from certify.steps.enough import steps_enough
from certify.steps.extragradient import squared_factor


class Training(NamedTuple):
    """A method that goes from the start to the equilibrium, and how many steps are enough.

    Attributes:
        method: The name of the method.
        steps: The number of steps.
    """

    method: str
    steps: int


def setting_of(margin: float, lipschitz: float, radius: float, reach: float) -> Setting:
    """Returns what rules of steps start from, in the Euclidean metric of two players."""
    return Setting(
        margin, lipschitz, np.ones(2), None, None, radius, reach, lambda _: 0.0, lambda _: 0.0
    )


def names_of(methods: Sequence[type[dg.AbstractMethod]]) -> list[str]:
    """Returns the names of methods.

    Raises:
        ValueError: If there is no theorem on one of them.
    """
    names = []
    for method in methods if isinstance(methods, tuple | list) else (methods,):
        name = known_method(method)
        if name is None or name == "alternating":
            raise ValueError(
                "certify_networks: methods are classes with theorems: Extragradient, Simultaneous, "
                f"Optimistic, Heun, SSPRK3, RungeKutta4, Momentum, ComplexMomentum; got {method!r}"
            )
        if name not in names:
            names.append(name)
    return names


def steps_for(names: Sequence[str], setting: Setting, away: float) -> dict[str, Step]:
    """Returns steps of methods by name; no entry for a method without any.

    Args:
        names: The methods.
        setting: The constants.
        away: How far the start is from the point, for a basin that contains it; 0 if there is none.
    """
    found = {}
    for name in names:
        proposed = [step for rule in STEP_RULES[name] if (step := rule(setting))]
        if name == "extragradient":
            proposed += _shorter(setting, away, proposed)
        if proposed:
            found[name] = proposed[-1]
    return found


def _shorter(setting: Setting, away: float, proposed: list[Step]) -> list[Step]:
    """Returns an extragradient step with a smaller largest one, if the start is not in the basin.

    The point in the middle of a step is within `stretch` times the distance of its start, and
    smaller steps stretch less.
    """
    if not away or (proposed and away <= proposed[0]["basin"]):
        return []
    a, b = Fraction(setting.margin), Fraction(setting.lipschitz)
    best = proposed[0]["best"] if proposed else float(a / b**2)
    low, high, found = 0.0, float_below(1 / b), []
    for _ in range(40):
        largest = (low + high) / 2
        step = _step(setting, largest, min(best, largest))
        if step["basin"] >= away:
            low, found = largest, [step]
        else:
            high = largest
    return found


def _step(setting: Setting, largest: float, best: float) -> Step:
    a, b, h = (Fraction(x) for x in (setting.margin, setting.lipschitz, largest))
    stretch = root_above(max(Fraction(1), 1 - 2 * h * a + (h * b) ** 2))
    basin = (setting.reach - setting.radius) / stretch * (1 - 2.0**-40) - setting.radius
    return {
        "theorem": "monotonicity",
        "max": largest,
        "best": best,
        "rate": root_above(squared_factor(Fraction(best), a, b)),
        "stretch": stretch,
        "basin": basin * (1 - 2.0**-40),
    }


def training(
    steps: dict[str, Step], basin: float, away: float, radius: float, accuracy: float
) -> Training | None:
    """Returns the method with the fewest steps from the start, or None if no basin contains it."""
    found = [
        Training(
            name, steps_enough(step["rate"], step.get("constant", 1.0), away, radius, accuracy)
        )
        for name, step in steps.items()
        if away <= step.get("basin", basin)
    ]
    return min(found, key=lambda each: each.steps, default=None)

"""Finds safe step sizes of steps with real or complex momentum, by performance estimation.

The theorem is in `certify.checker.performance`, and the search for its numbers is in
`certify.steps.performance`. The momentum is chosen here, from the condition number.
"""

from functools import partial

import dgames as dg
from certify.steps.performance import MethodFamily, from_performance


def negative(margin: float) -> tuple[float]:
    """Chooses the momentum `sqrt(margin / lipschitz) - 1`, rounded to six bits."""
    return (round((margin**0.5 - 1) * 64) / 64,)


def complex_parts(margin: float) -> tuple[float, float]:
    """Chooses the parts of a complex momentum, near the best of a grid.

    The grid was searched for condition numbers of 3, 10 and 40, since no formula is known.
    """
    if margin > 0.75:
        return -0.0625, 0.0625
    return (-0.3125, 0.3125) if margin > 0.25 else (0.0625, 0.59375)


momentum = partial(
    from_performance, MethodFamily("momentum", lambda beta: dg.Momentum(1.0, beta), negative)
)
complex_momentum = partial(
    from_performance,
    MethodFamily(
        "complex_momentum",
        lambda real, imaginary: dg.ComplexMomentum(1.0, complex(real, imaginary)),
        complex_parts,
    ),
)

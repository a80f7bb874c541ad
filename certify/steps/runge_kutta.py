"""Finds safe step sizes of Runge-Kutta steps, by performance estimation.

The theorem is in `certify.checker.performance`, and the search for its numbers is in
`certify.steps.performance`.
"""

from functools import partial

import dgames as dg
from certify.steps.performance import MethodFamily, from_performance

heun = partial(from_performance, MethodFamily("heun", lambda: dg.Heun(1.0)))
ssprk3 = partial(from_performance, MethodFamily("ssprk3", lambda: dg.SSPRK3(1.0)))
runge_kutta_4 = partial(
    from_performance, MethodFamily("runge_kutta_4", lambda: dg.RungeKutta4(1.0))
)

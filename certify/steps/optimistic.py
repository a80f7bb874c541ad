"""Finds safe step sizes of optimistic gradient steps, by performance estimation.

The theorem is in `certify.checker.performance`, and the search for its numbers is in
`certify.steps.performance`.
"""

from functools import partial

import dgames as dg
from certify.steps.performance import MethodFamily, from_performance

optimistic = partial(from_performance, MethodFamily("optimistic", lambda: dg.Optimistic(1.0)))

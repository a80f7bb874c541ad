"""Safe step sizes of optimistic gradient steps, by performance estimation.

The theorem stands in `certify.checker.performance`, the search for its numbers in
`certify.steps.performance`.
"""

from functools import partial

import dgames as dg
from certify.steps.performance import MethodFamily, from_performance

optimistic = partial(from_performance, MethodFamily("optimistic", lambda: dg.Optimistic(1.0)))

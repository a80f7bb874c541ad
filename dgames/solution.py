"""What a run of `dgames.solve` returns."""

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree

from dgames.history import History
from dgames.results import RESULTS
from dgames.strategy import Strategy


class Solution(eqx.Module):
    """What `solve` returns.

    Attributes:
        strategy: The last strategy.
        state: The method's state that belongs to it: `solve(..., solution.strategy,
            state=solution.state)` continues the run.
        residual: The natural residual of `strategy` in units of the field's own: that of
            `dgames.residual`, with every player's block of the field divided by `unit`.
        steps: The number of steps taken.
        result: How the run ended, a member of `RESULTS`.
        history: Residuals along the way, and strategies if they were asked for.
        left: The number of steps after which the strategy was first outside the region of the
            certificate that gave the step size; -1 if it never was, or if there is none.
        unit: One number per player: exactly one for fields of ordinary size, see `solve`.
    """

    strategy: Strategy
    state: PyTree
    residual: Float[Array, "*batch"]
    steps: Int[Array, "*batch"]
    result: RESULTS
    history: History
    left: Int[Array, "*batch"]
    unit: PyTree

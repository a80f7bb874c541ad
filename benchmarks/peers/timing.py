"""Timing two things side by side, fairly: in turns, so that both meet the same load."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Seconds of two things that were run in turns.

    Attributes:
        ours: The median of our seconds.
        theirs: The median of the peer's seconds.
        ratio: The median over all turns of ours divided by theirs: below 1 where we are faster.
        quartiles: The first and the third quartile of those ratios.
        turns: How often both were run.
    """

    ours: float
    theirs: float
    ratio: float
    quartiles: tuple[float, float]
    turns: int


def compared(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Medians, and the ratios turn by turn.

    >>> compared([2.0, 4.0, 9.0], [1.0, 4.0, 3.0])
    Comparison(ours=4.0, theirs=3.0, ratio=2.0, quartiles=(1.5, 2.5), turns=3)
    """
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    low, middle, high = np.quantile(a / b, (0.25, 0.5, 0.75))
    return Comparison(
        ours=float(np.median(a)),
        theirs=float(np.median(b)),
        ratio=float(middle),
        quartiles=(float(low), float(high)),
        turns=len(a),
    )


def in_turns(
    functions: Sequence[Callable[[], Any]],
    turns: int,
    units: Sequence[float] | None = None,
    clock: Callable[[], float] | None = None,
) -> list[list[float]]:
    """Runs A, B, C, A, B, C, ... and returns the seconds of each.

    Args:
        functions: What to run. Whatever JAX still computes when a function returns is waited for.
        turns: How often.
        units: How many units of work each function does: seconds are divided by that.
        clock: What tells the time, by default `time.perf_counter`; with `time.process_time` other
            programs on the machine lengthen nothing, and neither does waiting.
    """
    taken: list[list[float]] = [[] for _ in functions]
    shares = [1.0] * len(functions) if units is None else list(units)
    for _ in range(turns):
        for seconds, function, share in zip(taken, functions, shares, strict=True):
            seconds.append(timed(function, clock)[1] / share)
    return taken


def timed(
    function: Callable[[], Any], clock: Callable[[], float] | None = None
) -> tuple[Any, float]:
    """The result of a function, and the seconds it took on a clock, as for `in_turns`."""
    now = time.perf_counter if clock is None else clock
    start = now()
    result = jax.block_until_ready(function())
    return result, now() - start

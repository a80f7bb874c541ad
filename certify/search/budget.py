"""What a proof may cost, and what it is doing."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a proof has come.

    Attributes:
        cells: Cells so far; 0 before the search for them begins.
        margin: The margin of the worst cell so far, in floating point: yet to be proved. NaN where
            there are no cells.
        target: The margin that would end the search, or NaN.
        seconds: Since the start, or since the search was resumed.
        stage: What is being done, where that is not the search for cells.

    Example:
        >>> Progress(0, float("nan"), float("nan"), 0.1, "tracing the costs").in_words
        'tracing the costs'
    """

    cells: int
    margin: float
    target: float
    seconds: float
    stage: str = ""

    @property
    def in_words(self) -> str:
        """One line for a terminal."""
        return (
            self.stage
            or f"{self.cells} cells, margin to prove {self.margin:.6g} of {self.target:.6g}"
        )


@dataclasses.dataclass(frozen=True)
class Budget:
    """When to stop although the target is not met; looked at between rounds.

    Attributes:
        cells: The most cells.
        seconds: The most seconds, or None.
        start: When they began to count, by `time.perf_counter`.

    Example:
        >>> Budget(cells=100, seconds=3600.0).spent(100)
        'the budget of 100 cells was used up'
    """

    cells: int
    seconds: float | None = None
    start: float = dataclasses.field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.start

    @property
    def left(self) -> float:
        """Seconds, infinitely many without a limit."""
        return math.inf if self.seconds is None else self.seconds - self.elapsed

    def spent(self, cells: int) -> str:
        """Which budget is used up, as a reason; empty if none is."""
        if cells >= self.cells:
            return f"the budget of {self.cells} cells was used up"
        if self.seconds is not None and self.elapsed >= self.seconds:
            return f"the budget of {self.seconds:g} seconds was used up"
        return ""


class OutOfTime(Exception):
    """The seconds of a budget were used up before there were cells; the message is a reason."""


class Stages:
    """What is being done before the search for cells, reported and held to the budget.

    Args:
        budget: Of the whole proof.
        progress: Called with each stage as it begins.
    """

    def __init__(self, budget: Budget, progress: Callable[[Progress], None] | None = None):
        self.budget, self.progress, self._stage = budget, progress, ""

    def begin(self, stage: str, *, must: bool = False) -> None:
        """Reports a stage, unless the time was used up by the one before.

        Args:
            stage: What is done next.
            must: Whether it is done whatever the time.

        Raises:
            OutOfTime: If the time was used up.
        """
        if self._stage and self.budget.left <= 0 and not must:
            raise OutOfTime(
                f"the budget of {self.budget.seconds:g} seconds was used up while {self._stage}"
            )
        self._stage = stage
        if self.progress is not None:
            self.progress(Progress(0, math.nan, math.nan, self.budget.elapsed, stage))

    def deadline(self, share: float) -> Callable[[], float]:
        """A part of what time is left, as the seconds that are left of that part."""
        end = self.budget.elapsed + share * self.budget.left
        return lambda: end - self.budget.elapsed

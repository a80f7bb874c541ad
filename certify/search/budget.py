"""What a search may cost."""

import dataclasses
import math
import time


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

"""The budget of a search: how many cells and seconds it may take."""

import dataclasses
import math
import time


@dataclasses.dataclass(frozen=True)
class Budget:
    """Limits at which a search stops although the target is not met, tested between rounds.

    Attributes:
        cells: The most cells.
        seconds: The most seconds; None for no limit.
        start: When the seconds began to count, by `time.perf_counter`.

    Example:
        >>> Budget(cells=100, seconds=3600.0).spent(100)
        'the budget of 100 cells was used up'
    """

    cells: int
    seconds: float | None = None
    start: float = dataclasses.field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """The seconds since the start."""
        return time.perf_counter() - self.start

    @property
    def left(self) -> float:
        """The seconds that are left; infinity if there is no limit."""
        return math.inf if self.seconds is None else self.seconds - self.elapsed

    def spent(self, cells: int) -> str:
        """Returns a reason that says which limit was reached, or an empty text if none was."""
        if cells >= self.cells:
            return f"the budget of {self.cells} cells was used up"
        if self.seconds is not None and self.elapsed >= self.seconds:
            return f"the budget of {self.seconds:g} seconds was used up"
        return ""

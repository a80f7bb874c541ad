"""The stages of a proof before the search for cells."""

import math
from collections.abc import Callable

from certify.search.budget import Budget
from certify.search.progress import Progress


class OutOfTime(Exception):
    """An error: the seconds were used up before there were cells; its message is a reason."""


class Stages:
    """The stages of a proof before the search for cells, reported and held to the budget.

    Args:
        budget: The budget of the whole proof.
        progress: A function that is called with each stage as it begins.
    """

    def __init__(self, budget: Budget, progress: Callable[[Progress], None] | None = None):
        self.budget, self.progress, self._stage = budget, progress, ""

    def begin(self, stage: str, *, must: bool = False) -> None:
        """Reports a stage, unless the one before used up the time.

        Args:
            stage: What is done next.
            must: Whether the stage is done even if the time was used up.

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
        """Returns a function that gives the seconds left of a share of the remaining time."""
        end = self.budget.elapsed + share * self.budget.left
        return lambda: end - self.budget.elapsed

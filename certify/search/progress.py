"""The report of how far a proof has come."""

from typing import NamedTuple


class Progress(NamedTuple):
    """A report of how far a proof has come.

    Attributes:
        cells: Cells so far; 0 before the search for them begins.
        margin: The margin of the worst cell so far, in floating point and not yet proved; NaN where
            there are no cells. If the search is for more than a margin, that is meant.
        target: The margin that would end the search, or NaN.
        seconds: Seconds since the start, or since the search was resumed.
        stage: What is being done, if not the search for cells.
        goal: What `margin` and `target` are.

    Example:
        >>> Progress(0, float("nan"), float("nan"), 0.1, "tracing the costs").in_words
        'tracing the costs'
    """

    cells: int
    margin: float
    target: float
    seconds: float
    stage: str = ""
    goal: str = "margin"

    @property
    def in_words(self) -> str:
        """The report as one line for a terminal."""
        return (
            self.stage
            or f"{self.cells} cells, {self.goal} to prove {self.margin:.6g} of {self.target:.6g}"
        )

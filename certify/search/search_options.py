"""The options of a search, as one object."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from certify.search.budget import Budget
from certify.search.progress import Progress


@dataclasses.dataclass(frozen=True)
class Search:
    """Options of a search for a proof: how long and how finely, and what reports are made of it.

    Args:
        max_cells: The search stops at this many cells, and what they prove is kept. Each function
            documents its default.
        max_seconds: The search stops after so many seconds of the call. They are looked at between
            stages and between rounds of cells; an enclosure that would take longer to compile than
            there is time makes room for another one, or the status is "undecided". The last round
            may exceed them, and the proof comes after.
        tightness: Cells are cut until the proved margin is at least this share of what further
            cutting could prove, in (0, 1); for `AutoMetric(objective="step")` and "rate", until the
            quotient of margin and Lipschitz constant is. Each function documents its default.
        checkpoint: A file from which the search goes on if it exists and which is written every few
            seconds, when a budget is used up and on Ctrl-C, which still raises `KeyboardInterrupt`.
            After `kill -9` the same call goes on from the last file and gives the same certificate,
            and budgets may be changed. It is never deleted. Its cells are believed, not computed
            again, so keep it where nobody else can write.
        batch_size: Cells evaluated at a time, about. It is rounded up to whole blocks of a fixed
            size (16 cells, fewer of many coordinates) on every device (`jax.local_devices()`), and
            changes speed and memory but not a bit of the certificate.
        n_jobs: The number of processes, as in joblib (-1: all cores). When not given, an active
            `joblib.parallel_config` decides, else there is this process alone.
        progress: A function that is called with a `Progress` as each stage begins, and before each
            round of cells.

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> Search(max_cells=100).max_cells
        100
    """

    max_cells: int | None = None
    max_seconds: float | None = None
    tightness: float | None = None
    checkpoint: str | Path | None = None
    batch_size: int | None = None
    n_jobs: int | None = None
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        for name in ("max_cells", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Search: {name} is {value}; it must be at least 1.")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"Search: max_seconds is {self.max_seconds}; it must be positive.")
        if self.tightness is not None and not 0 < self.tightness < 1:
            raise ValueError(f"Search: tightness is {self.tightness}; it must be between 0 and 1.")
        if self.n_jobs == 0:
            raise ValueError(
                "Search: n_jobs is 0; give a number of processes, or -1 for all cores."
            )

    @property
    def budget(self) -> Budget:
        """The limits on cells and seconds; the seconds begin to count now."""
        return Budget(self.most_cells, self.max_seconds)

    @property
    def most_cells(self) -> int:
        """The limit on cells, once it is known."""
        assert self.max_cells is not None
        return self.max_cells

    @property
    def share(self) -> float:
        """The tightness, once it is known."""
        assert self.tightness is not None
        return self.tightness

    def filled(self, max_cells: int, tightness: float) -> "Search":
        """Returns these options with the given numbers where they had none."""
        return dataclasses.replace(
            self,
            max_cells=self.max_cells if self.max_cells is not None else max_cells,
            tightness=self.tightness if self.tightness is not None else tightness,
        )

    def require_unused(self, caller: str, *names: str) -> None:
        """Raises an error if options are given that mean nothing to a function.

        Raises:
            ValueError: If one of them is given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{caller}: {name} of Search means nothing here; leave it out.")

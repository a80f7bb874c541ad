"""The rows of the comparison with peers, and how they are printed."""

import importlib.util
from dataclasses import dataclass

from benchmarks.peers.timing import Comparison

COLUMNS = (
    "what",
    "peer",
    "ours",
    "theirs",
    "ours / theirs",
    "quartiles",
    "first call: ours",
    "theirs",
    "results",
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: What was computed.
        peer: Against whom.
        time: Seconds per unit, or None if the peer was not run.
        unit: What seconds are counted per, such as "step".
        cold: Seconds of the first call of each, with everything that is compiled or imported then;
            None where that means nothing.
        results: How the results compare; or, where the peer was not run, why.
    """

    what: str
    peer: str
    time: Comparison | None
    unit: str
    cold: tuple[float | None, float | None]
    results: str

    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        if self.time is None:
            return (self.what, self.peer, "-", "-", "-", "-", "-", "-", f"not run: {self.results}")
        low, high = self.time.quartiles
        return (
            self.what,
            self.peer,
            *(f"{duration(value)}/{self.unit}" for value in (self.time.ours, self.time.theirs)),
            f"**{self.time.ratio:.3g}**",
            f"{low:.3g}-{high:.3g}",
            *("-" if value is None else duration(value) for value in self.cold),
            self.results,
        )


def not_run(what: str, peer: str, reason: str) -> Row:
    """A row that says that a peer was not run, and why."""
    return Row(what, peer, None, "", (None, None), reason)


def missing(peer: str) -> bool:
    """Whether a package cannot be imported."""
    return importlib.util.find_spec(peer) is None


def duration(seconds: float) -> str:
    """Seconds with three digits, in a unit that suits them.

    >>> duration(1.2345e-6), duration(0.5), duration(75.0)
    ('1.23 us', '500 ms', '75 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def markdown(rows: list[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

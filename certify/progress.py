"""Progress of a proof on the terminal."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console

from certify.branch import Progress

Report = Callable[[Progress], None]


@contextlib.contextmanager
def on_terminal(console: Console | None = None) -> Iterator[Report]:
    """A report for `certify.certify(progress=...)`: one live line with cells, margin and time.

    Example:
        >>> with on_terminal() as report:  # doctest: +SKIP
        ...     certify(game, region, progress=report)
    """
    console = console or Console(stderr=True)
    with console.status("compiling the enclosures of the game's derivatives") as status:

        def report(state: Progress) -> None:
            status.update(f"{state.in_words}, {state.seconds:.0f} s")

        yield report

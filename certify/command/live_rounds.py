"""Progress of a proof on the terminal."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console

from certify.command.live_line import Say, live_line
from certify.search.progress import Progress

Report = Callable[[Progress], None]

# Seconds between two lines in a file or a pipe, where no line can be replaced by the next.
_EVERY = 30.0


def rounds(say: Say, console: Console | None = None) -> Report:
    """A report for `certify.Search(progress=...)`: cells and margin on the live line.

    In a file or a pipe there is no such line; a long search writes one every half minute there.

    Args:
        say: Of `live_line`.
        console: The same.
    """
    console = console or Console(stderr=True)
    due = time.monotonic() + _EVERY

    def report(state: Progress) -> None:
        nonlocal due
        line = state.in_words
        if console.is_terminal:
            say(line)
        elif time.monotonic() > due:
            due = time.monotonic() + _EVERY
            console.print(f"certify: {line}, {state.seconds:.0f} s", highlight=False, markup=False)

    return report


@contextlib.contextmanager
def on_terminal(console: Console | None = None) -> Iterator[Report]:
    """Shows the live line and reports progress on it, for a single proof.

    Example:
        >>> with on_terminal() as report:  # doctest: +SKIP
        ...     certify(game, region, search=Search(progress=report))
    """
    with live_line("tracing the costs and compiling their derivatives", console) as say:
        yield rounds(say, console)

"""Reports the progress of a proof on the terminal."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console

from certify.command.live_line import Say, live_line
from certify.search.progress import Progress

Report = Callable[[Progress], None]

# Seconds between two lines in a file or a pipe, where a line cannot replace the one before.
_EVERY = 30.0


def rounds(say: Say, console: Console | None = None) -> Report:
    """Returns a function for `certify.Search(progress=...)` that shows cells and margin live.

    A file or a pipe has no live line; a long search writes a new line to it every half minute.

    Args:
        say: The function that `live_line` yields.
        console: The console of `live_line`; standard error when not given.
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
    """Shows a live line for a single proof, and yields the function that reports on it.

    Example:
        >>> with on_terminal() as report:  # doctest: +SKIP
        ...     certify(game, region, search=Search(progress=report))
    """
    with live_line("tracing the costs and compiling their derivatives", console) as say:
        yield rounds(say, console)

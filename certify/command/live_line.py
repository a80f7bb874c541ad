"""Shows on the terminal what a command is doing, before anything large is imported."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]


@contextlib.contextmanager
def live_line(first: str, console: Console | None = None) -> Iterator[Say]:
    """Shows a live line that says what is being done and for how long, even during compilation.

    The line is shown on a terminal only, and disappears afterwards.

    Args:
        first: What is done first.
        console: Where the line is shown; standard error when not given.

    Yields:
        A function to call with what is done next.

    Example:
        >>> with live_line("reading", Console(quiet=True)) as say:
        ...     say("compiling")
    """
    console = console or Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(first, total=None)

        def say(what: str) -> None:
            bar.update(task, description=what)
            bar.refresh()

        yield say

"""What a command is doing, on the terminal: shown before anything large is imported."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]


@contextlib.contextmanager
def live_line(first: str, console: Console | None = None) -> Iterator[Say]:
    """One live line that says what is being done and since when; it moves while code compiles.

    It goes to a terminal only, and is gone afterwards.

    Args:
        first: What is done first.
        console: Where; standard error when not given.

    Yields:
        A function that takes what is done next.

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

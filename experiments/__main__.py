"""The command `python -m experiments`."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from experiments import catalogue
from experiments import expected as expectations
from experiments import run as runs
from experiments.study import Study

# Exit statuses: as expected, not as expected, unusable input, Ctrl-C.
OK, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|all]", help="Which one.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less to do, for a look.")] = False,
    output: Annotated[Path, typer.Option(help="The folder of results.")] = Path("results"),
    seed: Annotated[int | None, typer.Option(help="Another seed than the configured one.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Resume nothing.")] = False,
) -> None:
    """Run an experiment, or list them all.

    Its numbers are compared with the expected ones: exit status 0 if they agree, 1 if not. An
    interrupted run goes on where it stopped when it is started again.
    """
    console = Console()
    if name is None:
        return _list(console)
    try:
        chosen = [catalogue.load(each) for each in (catalogue.names() if name == "all" else [name])]
    except KeyError as error:
        print(f"experiments: {error.args[0]}", file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None
    agree = [_run(study, quick, output, seed, fresh, console) for study in chosen]
    raise typer.Exit(OK if all(agree) else NO)


def _list(console: Console) -> None:
    table = Table("experiment", "what it shows", box=None, pad_edge=False)
    for name in catalogue.names():
        table.add_row(name, catalogue.load(name).summary)
    console.print(table)


def _run(
    study: Study,
    quick: bool,
    output: Path,
    seed: int | None,
    fresh: bool,
    console: Console,
) -> bool:
    """Runs one, prints its numbers; says whether they are as expected."""
    config: Any = study.quick if quick else study.config
    if seed is not None:
        if not hasattr(config, "seed"):
            print(f"experiments: {study.name} has no randomness, so no seed", file=sys.stderr)
            raise typer.Exit(UNUSABLE)
        config = dataclasses.replace(config, seed=seed)
    try:
        results = runs.run(study, config, output=output, fresh=fresh, console=Console(stderr=True))
    except KeyboardInterrupt:
        print("experiments: interrupted; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    expected = expectations.load(study.name, quick)
    faults = expectations.compare(results.numbers, expected)
    console.print(_table(study, results, expected, faults))
    console.print(
        f"{results.seconds:.1f} s; results and figures in {results.folder}", soft_wrap=True
    )
    return not faults


def _table(study: Study, results: runs.Results, expected: Any, faults: Any) -> Table:
    table = Table(
        title=f"{study.name}: {study.summary}", title_justify="left", box=None, pad_edge=False
    )
    for column in ("number", "found", "evidence", "compared with", ""):
        table.add_column(column, overflow="fold")
    for name in [*results.numbers, *(name for name in faults if name not in results.numbers)]:
        entry = expected.get(name)
        table.add_row(
            name,
            _text(results.numbers.get(name)),
            entry.evidence if entry else "",
            entry.source if entry else "",
            f"[red]{faults[name]}[/red]" if name in faults else "as expected",
        )
    return table


def _text(number: Any) -> str:
    if isinstance(number, list):
        return ", ".join(_text(entry) for entry in number)
    return f"{number:.10g}" if isinstance(number, float) else str(number)


if __name__ == "__main__":
    app()

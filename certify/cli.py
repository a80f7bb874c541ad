"""The `certify` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    name="certify",
    help="Prove that learning dynamics of a game converge, and check such proofs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Exit statuses: accepted or proved, rejected or not proved, unusable input, Ctrl-C.
OK, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
# Bytes of a plain file from which on it is worth saying what compression would save.
LARGE = 4 * 2**20


@app.command()
def run(
    target: Annotated[str, typer.Argument(metavar="FILE.py[:NAME]", help="Defines the game.")],
    box: Annotated[str | None, typer.Option(metavar="LOWER:UPPER", help="The region.")] = None,
    around: Annotated[str | None, typer.Option(metavar="X0", help="Centre of a box.")] = None,
    radius: Annotated[float | None, typer.Option(help="Half-width of the box.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Certificate file.")] = None,
    max_cells: Annotated[int, typer.Option(help="Cut no further than this.")] = 10_000,
    max_seconds: Annotated[float | None, typer.Option(help="Cut no longer than this.")] = None,
    metric: Annotated[str, typer.Option(help="auto, weights, block or full.")] = "auto",
    tightness: Annotated[float, typer.Option(help="Share of the reachable margin.")] = 0.97,
    form: Annotated[
        str | None,
        typer.Option(help="How Jacobians are enclosed: affine, arithmetic or interval."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written now and then; resumed if it exists."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Cells at a time.")] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", help="Processes; -1: all.")] = None,
) -> None:
    """Certify the game that a Python file defines.

    FILE.py defines `game` (or NAME) and may define `region`, `methods`, `x0` and `args`;
    options win over the file. Coordinates are comma-separated, player after player; one number
    stands for all.
    """
    _use_float64()
    from certify.certificate import Certificate
    from certify.file import compression
    from certify.progress import on_terminal
    from certify.prove import certify
    from certify.region import Box
    from certify.tables import certificate_table
    from certify.user_file import (
        box_from_text,
        check_costs,
        load_user_file,
        strategy_from_text,
    )

    if output is not None and not output.parent.is_dir():
        raise ValueError(f"the folder of {output} does not exist")
    user = load_user_file(target)
    like = user.x0 if user.x0 is not None else getattr(user.region, "example", None)
    region = user.region
    if box is not None:
        region = box_from_text(box, like)
    elif around is not None or radius is not None:
        center = strategy_from_text(around, like) if around is not None else user.x0
        if center is None or radius is None:
            raise ValueError(
                "a box needs both its centre (--around, or x0 in the file) and --radius"
            )
        region = Box.around(center, radius)
    if region is None:
        raise ValueError(f"{target} defines no region; give --box, or --around and --radius")
    check_costs(user, region)
    console = Console()
    try:
        with on_terminal() as report:
            certificate: Certificate = certify(
                user.game,
                region,
                user.methods,
                args=user.args,
                metric=metric,
                max_cells=max_cells,
                max_seconds=max_seconds,
                tightness=tightness,
                form=form,
                progress=report,
                checkpoint=checkpoint,
                batch_size=batch_size,
                n_jobs=jobs,
            )
    except KeyboardInterrupt:
        kept = checkpoint is not None and checkpoint.exists()
        rest = f"; the same command goes on from {checkpoint}" if kept else ""
        print(f"certify: interrupted, nothing is proved{rest}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    console.print(certificate_table(certificate))
    if certificate.status != "proved":
        raise typer.Exit(NO)
    if output is not None:
        console.print(f"written to {certificate.save(output)}")
        size = output.stat().st_size
        if output.suffix != ".gz" and size > LARGE:
            times = f"{compression(output):.1f} times smaller"
            console.print(f"it has {size / 2**20:.1f} MiB; as {output}.gz it would be {times}")


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="CERTIFICATE", help="Files to check.")],
    level: Annotated[
        int,
        typer.Option(min=1, max=2, help="2: also re-derive all bounds from the costs in the file."),
    ] = 1,
) -> None:
    """Verify every inequality in certificate files with exact arithmetic, independently."""
    from certify.checker.__main__ import check_files

    raise typer.Exit(check_files([str(file) for file in files], level))


@app.command()
def show(file: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="The file.")]) -> None:
    """Show a certificate as a table, with the checker's verdict."""
    _use_float64()
    from certify.certificate import of_data
    from certify.checker import check_data
    from certify.checker.reader import CONTRACTION, POLICIES, read
    from certify.tables import certificate_table, contraction_table, policy_table

    data = read(file)
    verdict = check_data(data)
    if not verdict.ok:
        print(f"rejected: {file}: " + "; ".join(verdict.reasons))
        raise typer.Exit(NO)
    if data["format"] == CONTRACTION:
        Console().print(contraction_table(data, verdict))
        return
    if data["format"] == POLICIES:
        Console().print(policy_table(data, verdict))
        return
    Console().print(certificate_table(of_data(data), verdict))


@app.command()
def report(
    file: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="The file.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The page; by default beside the file, as .html."),
    ] = None,
    level: Annotated[
        int,
        typer.Option(min=1, max=2, help="2: also re-derive all bounds from the costs in the file."),
    ] = 1,
) -> None:
    """Write a page about a certificate: one HTML file that needs nothing else."""
    _use_float64()
    from certify.checker import check_data
    from certify.checker.reader import read
    from certify.file import save_bytes
    from certify.report import page

    plain = file.with_suffix("") if file.suffix == ".gz" else file
    target = plain.with_suffix(".html") if output is None else output
    if target.resolve() == file.resolve():
        raise ValueError(f"the page would replace the certificate {file}; name another -o")
    if not target.parent.is_dir():
        raise ValueError(f"the folder of {target} does not exist")
    data = read(file)
    verdict = check_data(data, level=level)
    if not verdict.ok:
        print(f"rejected: {file}: " + "; ".join(verdict.reasons))
        raise typer.Exit(NO)
    print(f"written to {save_bytes(page(data, verdict, level).encode(), target)}")


@app.command()
def schema(
    contraction: Annotated[
        bool, typer.Option("--contraction", help="Of files of certify.contraction.")
    ] = False,
) -> None:
    """Print the JSON Schema of certificate files."""
    import json

    from certify import file

    print(json.dumps(file.schema("contraction" if contraction else "certificate"), indent=2))


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the certificate.")
    ] = Path("oligopoly.certificate.json"),
) -> None:
    """A real game, start to finish: the five-firm oligopoly of Murphy, Sherali and Soyster."""
    _use_float64()
    from certify.demo import demonstrate

    raise typer.Exit(OK if demonstrate(output, Console()) else NO)


def _use_float64() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)


def main() -> None:
    """Runs the command; bad input ends in one sentence and exit status 2."""
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"certify: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)


if __name__ == "__main__":
    main()

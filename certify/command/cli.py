"""Defines the `certify` command and its subcommands."""

import io
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from certify.command.interruption import INTERRUPTED, heeded, leave
from certify.command.live_line import live_line

if TYPE_CHECKING:
    from certify.claims.checked import Checked

app = typer.Typer(
    name="certify",
    help="Prove that learning dynamics of a game converge, and check such proofs.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Exit statuses besides INTERRUPTED: accepted or proved, rejected or not proved, unusable input. The
# last one says, as shells expect, that whoever reads the output has closed it.
OK, NO, UNUSABLE, CUT_OFF = 0, 1, 2, 141
# From this many bytes of a plain file on, `run` says what compression would save.
LARGE = 4 * 2**20
# The most characters of a message.
LONGEST = 400
# The choices of `certify.certify`, repeated here because that takes seconds to import.
ENCLOSURES = ("auto", "taylor", "affine", "interval", "terms")
METRICS = ("auto", "weights", "block", "full")
OBJECTIVES = ("basin", "margin", "step", "rate")
# The kinds of files, `certify.claims.kinds.KINDS`, repeated for the same reason.
KINDS = ("convergence", "contraction", "policies", "zero", "stackelberg", "feedback")
KINDS += ("mean_square", "neural", "tree", "refutation", "instability", "expansion", "monotone")
KINDS += ("count",)


class Interrupted(Exception):
    """An interruption by Ctrl-C, with the message to end with."""


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"certify {metadata.version('dgames')}")
        raise typer.Exit(OK)
    return wanted


@app.callback()
def certify_command(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Prove that learning dynamics of a game converge, and check such proofs."""


@app.command()
def run(
    target: Annotated[str, typer.Argument(metavar="FILE.py[:NAME]", help="Defines the game.")],
    box: Annotated[str | None, typer.Option(metavar="LOWER:UPPER", help="The region.")] = None,
    around: Annotated[str | None, typer.Option(metavar="X0", help="Centre of a box.")] = None,
    radius: Annotated[float | None, typer.Option(help="Half-width of the box.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Certificate file.")] = None,
    max_cells: Annotated[int, typer.Option(min=1, help="Cut no further than this.")] = 10_000,
    max_seconds: Annotated[float | None, typer.Option(help="Cut no longer than this.")] = None,
    metric: Annotated[
        str,
        typer.Option(
            metavar="|".join(METRICS),
            help="The most general metric to try; auto: the simplest that suffices.",
        ),
    ] = "auto",
    objective: Annotated[
        str,
        typer.Option(
            metavar="|".join(OBJECTIVES),
            help="What metric and cells are chosen for; basin: nearly the best margin, in "
            "round balls.",
        ),
    ] = "basin",
    tightness: Annotated[float, typer.Option(help="Share of the reachable margin.")] = 0.97,
    enclosure: Annotated[
        str,
        typer.Option(
            metavar="|".join(ENCLOSURES),
            help="How Jacobians are enclosed. auto takes taylor for short costs of up to 16 "
            "coordinates, affine for longer ones, up to 48 coordinates, for linear systems and for "
            "sums over many data points, and interval beyond.",
        ),
    ] = "auto",
    monotone: Annotated[
        bool,
        typer.Option(
            "--monotone",
            help="Without a margin: bounds on the residual after k steps of anchored methods.",
        ),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written now and then; resumed if it exists."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Cells at a time.")] = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", help="Processes; -1: all.")] = None,
) -> None:
    """Certify the game that a Python file defines.

    FILE.py defines `game` (or NAME) and may define `region`, `methods`, `x0`
    and `args`; options win over the file. Coordinates are comma-separated,
    player after player; one number stands for all. A game of networks
    (`dgames.ZeroSumNetworks`) is trained first, from `x0` or from its start. A
    tree (`dgames.RegularisedTree`) is certified over all play.
    """
    console, errors = Console(), Console(stderr=True)
    try:
        with live_line("loading JAX", errors) as say:
            certificate = _certificate(
                target,
                box,
                around,
                radius,
                (output, checkpoint),
                say,
                errors,
                dict(metric=metric, objective=objective, enclosure=enclosure),
                monotone,
                dict(
                    max_cells=max_cells,
                    max_seconds=max_seconds,
                    tightness=tightness,
                    checkpoint=checkpoint,
                    batch_size=batch_size,
                    n_jobs=jobs,
                ),
            )
    except KeyboardInterrupt:
        kept = checkpoint is not None and checkpoint.exists()
        rest = f"; the same command goes on from {checkpoint}" if kept else ""
        raise Interrupted(f"interrupted, nothing is proved{rest}") from None
    from certify.command.tables import certificate_table
    from certify.file.save import compression

    console.print(certificate_table(certificate))
    if certificate.status != "proved":
        if output is not None and certificate.refutation is not None:
            print(f"the refutation is written to {certificate.save(output)}")
        raise typer.Exit(NO)
    if output is not None:
        print(f"written to {certificate.save(output)}")
        size = output.stat().st_size
        if output.suffix != ".gz" and size > LARGE:
            times = f"{compression(output):.1f} times smaller"
            print(f"it has {size / 2**20:.1f} MiB; as {output}.gz it would be {times}")


def _certificate(
    target: str,
    box: str | None,
    around: str | None,
    radius: float | None,
    files: tuple[Path | None, Path | None],
    say: Any,
    errors: Console,
    words: dict[str, str],
    monotone: bool,
    search: dict[str, Any],
) -> Any:
    """Does everything that `run` does except its output."""
    for name, value in {"radius": radius, "max-seconds": search["max_seconds"]}.items():
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"--{name} is {value:g}; it must be positive and finite")
    if not 0 < search["tightness"] < 1:
        raise ValueError(f"--tightness is {search['tightness']:g}; it must be between 0 and 1")
    choices = {"enclosure": ENCLOSURES, "metric": METRICS, "objective": OBJECTIVES}
    for name, known in choices.items():
        if words[name] not in known:
            one = f"{', '.join(known[:-1])} or {known[-1]}"
            raise ValueError(f"{name} is {words[name]!r}; it must be {one} (--{name})")
    if search["n_jobs"] == 0:
        raise ValueError("--jobs is 0; give a number of processes, or -1 for all cores")
    if box is not None and (around is not None or radius is not None):
        raise ValueError("give either --box, or --around and --radius: both are a region")
    _check_targets(*files)
    _use_float64()
    import dgames as dg
    from certify.command.live_rounds import rounds
    from certify.command.user_file import (
        box_from_text,
        check_costs,
        load_user_file,
        strategy_from_text,
    )
    from certify.jacobian.enclosure_choice import NAMED
    from certify.metric.metric_options import AutoMetric
    from certify.problem.region import Box
    from certify.prove.certify import certify
    from certify.prove.leader import certify_leader
    from certify.prove.monotone import certify_monotone
    from certify.search.search_options import Search

    say(f"running {target}")
    user = load_user_file(target)
    if any(file is not None and _same(file, user.path) for file in files):
        raise ValueError(f"the output would replace {user.path}, which defines the game")
    if isinstance(user.game, dg.ZeroSumNetworks):
        if monotone or box is not None or around is not None or user.region is not None:
            raise ValueError(
                "games of networks have balls of weights around the end of training as regions: "
                "leave out --monotone, --box, --around and the file's region; --radius is for them"
            )
        from certify.command.training import trained
        from certify.prove.neural import certify_networks

        say("training")
        point = trained(user.game, user.x0, user.args)
        say("bounding curvatures over balls of weights")
        # Files that name no methods have those of the call.
        named: Any = {} if user.methods == (dg.Simultaneous,) else {"methods": user.methods}
        reach: Any = "contains_start" if radius is None else radius
        return certify_networks(user.game, point, reach, start=user.x0, args=user.args, **named)
    if isinstance(user.game, dg.RegularisedTree | dg.games.TreeGame):
        if monotone or radius is not None or not box is around is user.region is None:
            raise ValueError(
                "certificates of trees are about all play: leave out --monotone, --box, --around, "
                "--radius and the file's region"
            )
        if not isinstance(user.game, dg.RegularisedTree):
            raise ValueError(
                f"{target} defines a tree without a temperature: write "
                "game = dgames.RegularisedTree(game, temperature)"
            )
        from certify.prove.trees import certify_tree

        say("proving convergence over all play")
        return certify_tree(user.game)
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
    say("tracing the costs")
    if not isinstance(user.game, dg.Game | dg.AbstractField):
        if monotone:
            raise ValueError("--monotone is for games and fields, not for a leader and followers")
        return certify_leader(
            user.game, region, search=Search(progress=rounds(say, errors), **search)
        )
    check_costs(user, region)
    say("tracing the costs and compiling their derivatives")
    if monotone:
        if (words["metric"], words["objective"]) != ("auto", "basin"):
            raise ValueError("--monotone has one metric; leave out --metric and --objective")
        # Files that name no methods have simultaneous steps, of which no bound is known here.
        named = () if user.methods == (dg.Simultaneous,) else (user.methods,)
        return certify_monotone(
            user.game,
            region,
            *named,
            args=user.args,
            enclosure=NAMED[words["enclosure"]](),
            search=Search(progress=rounds(say, errors), **search),
        )
    generality: Any = words["metric"]
    goal: Any = words["objective"]
    return certify(
        user.game,
        region,
        user.methods,
        args=user.args,
        metric=AutoMetric(generality, goal),
        enclosure=NAMED[words["enclosure"]](),
        search=Search(progress=rounds(say, errors), **search),
    )


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
    contents = _accepted(file, 1)
    _use_float64()
    from certify.claims.kinds import of_contents
    from certify.command.tables import certificate_table

    Console().print(certificate_table(of_contents(contents)))


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
    plain = file.with_suffix("") if file.suffix == ".gz" else file
    target = plain.with_suffix(".html") if output is None else output
    if _same(target, file):
        raise ValueError(f"the page would replace the certificate {file}; name another -o")
    _check_targets(target)
    contents = _accepted(file, level)
    _use_float64()
    from certify.claims.kinds import of_contents
    from certify.file.save import save_bytes
    from certify.report import page

    print(f"written to {save_bytes(page(of_contents(contents)).encode(), target)}")


def _accepted(file: Path, level: int) -> "Checked":
    """Returns the contents of a file that the checker accepts, before JAX is imported."""
    from certify.checker.__main__ import Meter
    from certify.checker.reader import read
    from certify.claims.checked import Checked, NotAccepted

    try:
        return Checked(read(file), Meter(), level=level)
    except NotAccepted as rejection:
        print(f"rejected: {file}: {rejection}")
        raise typer.Exit(NO) from None


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=" or ".join(KINDS))] = KINDS[0],
) -> None:
    """Print the JSON Schema of a kind of certificate files."""
    import json

    from certify.file import save as file

    if kind not in KINDS:
        raise ValueError(f"the kind is {kind!r}; it must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    print(json.dumps(file.schema(kind), indent=2))


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where to write the certificate.")
    ] = Path("oligopoly.certificate.json"),
) -> None:
    """Certify a real game, start to finish: Murphy, Sherali and Soyster's five-firm oligopoly."""
    _check_targets(output)
    with live_line("loading JAX", Console(stderr=True)):
        _use_float64()
        from certify.command.demo import demonstrate

    raise typer.Exit(OK if demonstrate(output, Console()) else NO)


def _check_targets(*targets: Path | None) -> None:
    """Refuses files that cannot be written, before any work."""
    from certify.file.save import check_writable

    given = [target for target in targets if target is not None]
    for target in given:
        check_writable(target)
    if len(given) > 1 and _same(*given[:2]):
        raise ValueError(f"the certificate and the checkpoint cannot both be {given[0]}")


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _use_float64() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)


# The base class of the usage errors of `click`, from whichever copy of it typer brings.
_UsageError: Any = typer.BadParameter.__bases__[0]


def main() -> None:
    """Runs the command; bad input ends in one sentence and exit status 2, Ctrl-C in 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # spells out what a terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    with heeded() as pressed:
        status = _status()
        if status == INTERRUPTED and pressed():
            leave()  # the normal exit of Python waits for compiled code, or crashes in it
    sys.exit(status)


def _status() -> int:
    arguments = sys.argv[1:]
    try:
        status = app(arguments or ["--help"], prog_name="certify", standalone_mode=False)
        if not arguments:
            return UNUSABLE
        if status == INTERRUPTED:
            return _say("interrupted", INTERRUPTED)
        sys.stdout.flush()
        return status or OK
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except Interrupted as interrupted:
        return _say(str(interrupted), INTERRUPTED)
    except _UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "certify"
        return _say(f"{error.format_message().rstrip('.')} ({where} --help)", UNUSABLE)
    except (BrokenPipeError, SystemExit):  # libraries raise it with status 1, "not proved"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains as it exits
        return CUT_OFF
    except (ValueError, OSError) as error:
        return _say(str(error), UNUSABLE)
    except MemoryError as error:
        return _say(f"there is not enough memory: {error}", UNUSABLE)
    except Exception as error:
        return _say(_unexpected(error), UNUSABLE)


def _unexpected(error: Exception) -> str:
    """Describes an unexpected error: what happened, and where."""
    place, step = "", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if "certify" in Path(file).parts:
            place = f" at {Path(file).name}, line {step.tb_lineno}"
        step = step.tb_next
    return f"unexpected {type(error).__name__}{place}, please report it: {error}"


def _say(message: str, status: int) -> int:
    print(f"certify: {sentence(message)}", file=sys.stderr)
    return status


def sentence(message: str) -> str:
    r"""Returns a message as one line of bounded length, without the command's name in front.

    Example:
        >>> sentence("certify: metric is 'foo';\n  it must be a matrix.")
        "metric is 'foo'; it must be a matrix."
    """
    line = " ".join(re.sub(r"^(?:certify(?:_\w+)?: *)+", "", message).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


if __name__ == "__main__":
    main()

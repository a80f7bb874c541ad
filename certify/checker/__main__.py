"""The program `certify-checker`: exit status 0 if files are accepted, 1 if not, 2 if unusable."""

import sys
import time
from pathlib import Path

from . import Unusable, check

# The program runs as a script, or as a module, under the name that the package has.
SCRIPT, MODULE = "certify-checker", f"python -m {check.__module__}"


class Meter:
    """A line on a terminal, from two seconds on, that says how many cells have been checked."""

    def __init__(self) -> None:
        self.due = time.perf_counter() + 2

    def __call__(self, count: int, cells: int) -> None:
        """Shows the line when it is due, at most twice a second; clears it after the last cell."""
        if time.perf_counter() > self.due and sys.stderr.isatty():
            self.due = time.perf_counter() + 0.5
            print(f"\r{count} of {cells} cells\033[K\r", end="", file=sys.stderr, flush=True)
        if count == cells and sys.stderr.isatty():
            print("\033[K", end="", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Runs the program on its arguments, those of the command line by default."""
    levels = {"1": 1, "2": 2}
    level, paths = 1, sys.argv[1:] if arguments is None else arguments
    if paths[:1] == ["--level"] and len(paths) > 1 and paths[1] in levels:
        level, paths = levels[paths[1]], paths[2:]
    if not paths or paths[0].startswith("--"):
        name = SCRIPT if Path(sys.argv[0]).stem == SCRIPT else MODULE
        print(f"usage: {name} [--level 1|2] FILE ...", file=sys.stderr)
        return 2
    return check_files(paths, level)


def check_files(paths: list[str], level: int = 1) -> int:
    """Checks files at a level and prints a line for each; returns the exit status."""
    status = 0
    for path in paths:
        try:
            verdict = check(path, Meter(), level=level)
        except Unusable as error:
            print(f"unusable: {error}", file=sys.stderr)
            status = 2
            continue
        if verdict.ok:
            print(f"accepted: {path} ({verdict.seconds:.2f} s)")
            for sentence in verdict.rederived:
                print(f"  re-derived: {sentence}")
        else:
            print(f"rejected: {path}: " + "; ".join(verdict.reasons))
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""`python -m certify.checker [--level 2] FILE ...`: exit status 0 accepted, 1 not, 2 unusable."""

import sys
import time

from . import Unusable, check


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


def main(arguments: list[str]) -> int:
    """Checks each file and prints one line for it, and at level 2 what was re-derived."""
    levels = {"1": 1, "2": 2}
    level = 1
    if arguments[:1] == ["--level"] and len(arguments) > 1 and arguments[1] in levels:
        level, arguments = levels[arguments[1]], arguments[2:]
    return check_files(arguments, level)


def check_files(paths: list[str], level: int = 1) -> int:
    """The same for given files."""
    if not paths or paths[0].startswith("--"):
        print("usage: python -m certify.checker [--level 1|2] FILE ...", file=sys.stderr)
        return 2
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
                print(f"  re-derived from the costs: {sentence}")
        else:
            print(f"rejected: {path}: " + "; ".join(verdict.reasons))
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

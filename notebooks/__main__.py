"""Runs the notebooks and renews their executed copies.

    python -m notebooks                     # all of them
    python -m notebooks 01 certify          # those with "01" or "certify" in their names
    python -m notebooks --check             # only compare the copies with the scripts

Needs the extra `notebooks`.
"""

import argparse
import sys
import time

from notebooks.copies import CopyError, copy_of, make_copy, same_cells, scripts


def main(arguments: list[str] | None = None) -> int:
    """Makes or compares copies; the exit status is 0 if all went well."""
    parser = argparse.ArgumentParser(prog="python -m notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names; default: all")
    parser.add_argument("--check", action="store_true", help="compare, run nothing")
    options = parser.parse_args(arguments)
    chosen = scripts(options.names)
    if not chosen:
        parser.error("no notebook has such a name")
    failed = 0
    for script in chosen:
        if options.check:
            same = same_cells(script)
            print(f"{copy_of(script).name}: {'as its script' if same else 'NOT as its script'}")
            failed += not same
            continue
        start = time.perf_counter()
        try:
            make_copy(script)
        except CopyError as error:
            print(f"{script.name}: {error}", file=sys.stderr)
            failed += 1
        else:
            print(f"{copy_of(script).name}: {time.perf_counter() - start:.0f} s")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

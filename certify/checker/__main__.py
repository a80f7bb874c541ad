"""`python -m certify.checker FILE ...`: exit status 0 accepted, 1 rejected, 2 unusable."""

import sys

from . import Unusable, check


def main(paths: list[str]) -> int:
    """Checks each file and prints one line for it."""
    if not paths:
        print("usage: python -m certify.checker FILE ...", file=sys.stderr)
        return 2
    status = 0
    for path in paths:
        try:
            verdict = check(path)
        except Unusable as error:
            print(f"unusable: {error}", file=sys.stderr)
            status = 2
            continue
        if verdict.ok:
            print(f"accepted: {path} ({verdict.seconds:.2f} s)")
        else:
            print(f"rejected: {path}: " + "; ".join(verdict.reasons))
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Fuzzes the reader and the checker: of any file a verdict or `Unusable`, in bounded time.

    python benchmarks/fuzz_loader.py --seconds 3600 --folder /tmp/fuzz

With atheris (`pip install atheris`; Python 3.11 to 3.13, Linux and macOS) guided by coverage of the
checker, otherwise by chance alone. Starts from the corpus of the tests, and from what an earlier
run left in the folder. Half of the changes are made to bytes, half to what the bytes mean
(`tools/edits.py`); where the result is JSON its hashes are renewed, and it is
looked at on both levels. Budgets are small here, so that what they do not count is slow, and found.

Findings, other exceptions than those and what keeps the processor for more than ten seconds, are
files in `folder/findings`, one for each place in the code; the lines of each minute name them.
"""

import argparse
import contextlib
import importlib
import json
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

try:
    atheris: Any = importlib.import_module("atheris")
except ImportError:
    atheris = None

with contextlib.nullcontext() if atheris is None else atheris.instrument_imports(["certify"]):
    import certify.checker.exact
    import certify.checker.jets

from certify.checker import Unusable, check_data
from certify.checker.claims import Claims
from certify.checker.krawczyk import ZeroClaims
from certify.checker.reader import Reader, decode, parse
from certify.checker.rederive import rederive
from certify.checker.rederive_zero import rederive_zero
from certify.checker.verdict import Rejected
from tools.edits import edited, sealed_bytes

CORPUS = Path(__file__).parents[1] / "tests" / "certify" / "checker" / "corpus"
SLOW = 10.0  # seconds
LONGEST = 2**16  # bytes
REPORT = 60.0  # seconds between two lines


class Target:
    """What is fuzzed, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.findings = folder / "findings"
        self.findings.mkdir(parents=True, exist_ok=True)
        self.outcomes: Counter[str] = Counter()
        self.found: set[str] = set()
        self.started = self.reported = time.monotonic()

    def __call__(self, content: bytes) -> None:
        """Reads and checks the content as it is, and with its hashes renewed."""
        self.attempt(content, lambda: self.outcome(content))
        try:
            renewed = sealed_bytes(json.loads(content))
        except (ValueError, RecursionError):
            renewed = None
        if renewed is not None:
            self.attempt(renewed, lambda: self.outcome(renewed))
        if time.monotonic() - self.reported > REPORT:
            self.reported = time.monotonic()
            print(self, flush=True)

    def outcome(self, content: bytes) -> str:
        """In one word, both levels."""
        try:
            data = parse(decode(content))
            first = "accepted" if check_data(data).ok else "rejected"
        except Unusable:
            return "unusable"
        if data["kind"] not in ("convergence", "zero") or "graph" not in data["game"]:
            return first
        try:
            # Without the inequalities, which most edits break.
            if data["kind"] == "zero":
                file = Reader(data)
                evidence = file["evidence"]
                rederive_zero(evidence, ZeroClaims(file["game"], file["claims"], evidence))
            else:
                rederive(Reader(data), Claims(Reader(data)))
        except Rejected:
            return f"{first}, not re-derived"
        except Unusable:
            return f"{first}, level 2 unusable"
        return f"{first}, re-derived"

    def attempt(self, content: bytes, run: Callable[[], str]) -> None:
        """Runs, and keeps the content if that is a finding."""
        start = time.process_time()
        try:
            self.outcomes[run()] += 1
        except Exception as error:
            *_, last = traceback.extract_tb(error.__traceback__)
            self.keep(f"{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}", content)
            traceback.print_exc()
        if time.process_time() - start > SLOW:
            self.keep("slow", content)

    def keep(self, name: str, content: bytes) -> None:
        """The first of each kind, and the shortest one."""
        path = self.findings / name
        self.found.add(name)
        if not path.exists() or len(content) < path.stat().st_size:
            path.write_bytes(content)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.started
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        return f"{seconds:.0f} s: {outcomes}; findings: {', '.join(sorted(self.found)) or 'none'}"


def changed(content: bytes, seed: int) -> bytes:
    """With edits to its meaning, if it has one."""
    try:
        return json.dumps(edited(json.loads(content), random.Random(seed))).encode()
    except (ValueError, RecursionError):
        return content


def mutate(content: bytes, longest: int, seed: int) -> bytes:
    """By meaning or, as often, by atheris."""
    if seed % 2:
        found = changed(content, seed)
        if len(found) <= longest:
            return found
    return atheris.Mutate(content, longest)


def without_guidance(target: Target, seeds: list[bytes], seconds: float) -> None:
    """The same without atheris: edits of the seeds, and of what edits gave."""
    chance, pool, end = random.Random(0), list(seeds), time.monotonic() + seconds
    while time.monotonic() < end:
        content = changed(chance.choice(pool), chance.randrange(2**32))
        if chance.random() < 0.3:
            place = chance.randrange(len(content) + 1)
            content = content[:place] + chance.randbytes(chance.randrange(4)) + content[place + 1 :]
        target(content)
        if len(pool) < 1000 and len(content) <= LONGEST:
            pool.append(content)


def main() -> None:
    """Fuzzes for a while."""
    parser = argparse.ArgumentParser(description="Fuzzes the reader and the checker.")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--folder", type=Path, required=True, help="for inputs and findings")
    options = parser.parse_args()
    certify.checker.exact.MAX_WORK = 2**18
    certify.checker.jets.MAX_PRODUCTS = 2**16
    vars(sys.modules["certify.checker.rederive"])["MAX_PIECES"] = 8
    target, inputs = Target(options.folder), options.folder / "inputs"
    inputs.mkdir(exist_ok=True)
    if atheris is None:
        print("atheris is not installed: no coverage guides this run")
        seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
        without_guidance(target, seeds, options.seconds)
        print(target)
        return
    limits = (f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", "-timeout=300")
    quiet = ("-rss_limit_mb=4096", "-report_slow_units=300")
    arguments = [sys.argv[0], *limits, *quiet, str(inputs), str(CORPUS)]
    atheris.Setup(arguments, target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

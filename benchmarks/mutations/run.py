"""Makes the corpus, then mutants of it in two processes, and prints the tables."""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax

from benchmarks.mutations import table
from tools.mutants.corpus import SPECIMENS, certificate, uncovered
from tools.mutants.trial import WRONG, Outcome, outcomes

QUICK = ("linear", "box set", "zero-sum", "step of simultaneous")


def _file(state: str, name: str) -> Path:
    return Path(state) / f"{name}.json"


def _outcomes(state: str, name: str) -> Path:
    return Path(state) / f"{name}.jsonl"


def _float64() -> None:
    jax.config.update("jax_enable_x64", True)


def _make(task: tuple[str, str]) -> str:
    """Makes one certificate, unless it is there."""
    state, name = task
    if not _file(state, name).exists():
        data = certificate(SPECIMENS[name]())
        _file(state, name).write_text(json.dumps(data))
    return f"{name}: certified"


def _try(task: tuple[str, tuple[str, ...], str, int, int]) -> str:
    """Makes all mutants of one certificate, unless they are there; writes one line for each."""
    state, names, name, count, seed = task
    path = _outcomes(state, name)
    if path.exists() and path.read_text().endswith("done\n"):
        return f"{name}: done before"
    files = {other: json.loads(_file(state, other).read_text()) for other in names}
    start, made = time.perf_counter(), 0
    with path.open("w") as lines:
        for outcome in outcomes(name, files, count, seed):
            lines.write(json.dumps(outcome) + "\n")
            lines.flush()
            made += 1
        lines.write("done\n")
    jax.clear_caches()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = time.perf_counter() - start
    return f"{name}: {made} mutants, {seconds:.0f} s, {memory:.1f} GiB at most so far"


def _found(state: str, names: Iterable[str]) -> list[Outcome]:
    """All mutants so far."""
    paths = [_outcomes(state, name) for name in names]
    lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
    return [Outcome(*json.loads(line)) for line in lines if line.endswith("]")]


def _all(pool: Any, work: Callable[[Any], str], tasks: list[Any], start: float) -> None:
    for count, said in enumerate(pool.imap_unordered(work, tasks), 1):
        print(f"{time.perf_counter() - start:6.0f} s  {count}/{len(tasks)}  {said}", flush=True)


def main() -> None:
    """The command line; the exit status is 1 if anything was accepted wrongly."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.mutations")
    parser.add_argument("--mutations", type=int, default=12_000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="four certificates, 600 mutants")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--state", default="", help="a folder, from which the same call goes on")
    parser.add_argument("--markdown", default="", help="write the tables to this file, too")
    options = parser.parse_args()
    names = QUICK if options.quick else tuple(SPECIMENS)
    count = -(-(600 if options.quick else options.mutations) // len(names))
    state = options.state or tempfile.mkdtemp(prefix="mutations-")
    Path(state).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    tasks = [(state, names, name, count, options.seed) for name in names]
    try:
        with multiprocessing.get_context("spawn").Pool(options.processes, _float64) as pool:
            _all(pool, _make, [(state, name) for name in names], start)
            missing = uncovered(json.loads(_file(state, name).read_text()) for name in names)
            print("kinds of claims and evidence in no certificate:", *sorted(missing) or ["none"])
            _all(pool, _try, tasks, start)
    except KeyboardInterrupt:
        print(f"interrupted; --state {state} goes on from here")
    found = _found(state, names)
    table.show(found)
    wrong = sum(outcome.verdict == WRONG for outcome in found)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    slowest = max((outcome.seconds for outcome in found), default=0.0)
    print(
        f"{len(found)} mutants of {len({o.certificate for o in found})} certificates, {wrong} "
        f"accepted wrongly; slowest check {slowest:.1f} s; {time.perf_counter() - start:.0f} s; "
        f"seed {options.seed}; {machine}"
    )
    if options.markdown:
        Path(options.markdown).write_text(table.markdown(found))
    sys.exit(1 if wrong else 0)

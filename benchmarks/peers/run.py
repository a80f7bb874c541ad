"""Runs the comparisons with peers and writes the table."""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import jax

from benchmarks.peers import (
    all_equilibria,
    certificates,
    crowds,
    dynamics,
    enclosures,
    equilibria,
    generalised,
    leaders,
    lipschitz,
    rates,
    running_cost,
    trees,
)
from benchmarks.peers.table import Row, markdown

COMPARISONS: dict[str, ModuleType] = {
    "dynamics": dynamics,
    "running_cost": running_cost,
    "certificates": certificates,
    "enclosures": enclosures,
    "rates": rates,
    "equilibria": equilibria,
    "all_equilibria": all_equilibria,
    "generalised": generalised,
    "crowds": crowds,
    "leaders": leaders,
    "lipschitz": lipschitz,
    "trees": trees,
}

COMMAND = "python -m benchmarks --markdown docs/benchmarks.md"

PACKAGES = (
    *("jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "clarabel", "python-flint"),
    *("torch", "auto_LiRPA", "immrax", "PEPit", "nashopt", "nashpy", "pygambit", "mfglib"),
    "open_spiel",
)

INTRODUCTION = """\
# Side by side with peers

The last run of one command, which writes this page:

```sh
{command}
```

The peers are `python -m pip install -c constraints.txt -e ".[peers]"`, and immrax: it wants an
older matplotlib than `constraints.txt` has, so `python -m pip install immrax` comes last. MFGLib
wants an older osqp than cvxpy does, so it needs an environment of its own, in which certificates
are not made: `python -m pip install mfglib`, and `python -m benchmarks crowds` there. What is not
installed is left out, and says so. `python -m benchmarks rates` runs one comparison; their
names are {names}.

**How it is measured.** Both sides run in one process, in turns (ours, theirs, ours, theirs, ...),
so that both meet the same load. Times are medians of wall-clock seconds, or of processor
seconds where a section says so. *ours / theirs* is the median over the turns of the ratio of the
two, beside its quartiles: below 1 we are quicker.
*First call* is the first one in the process, with all that is compiled or imported then; where
something was compiled for an earlier row already, there is a dash. Results are compared in every
row; where ours are proved and the peer's are not, that is said.

**The machine.** {machine}
"""


def machine(load: tuple[float, float], seconds: float) -> str:
    """Processor, versions and load, without the name of the host."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()}, "
        f"Python {platform.python_version()}, JAX on {jax.default_backend()}. "
        f"{', '.join(versions)}. {time.strftime('%Y-%m-%d', time.gmtime())}, {seconds:.0f} s; "
        f"load average {load[0]:.1f} before the run and {load[1]:.1f} after it"
        "."
    )


def page(found: dict[str, list[Row]], about: str) -> str:
    """The whole page."""
    names = ", ".join(f"`{name}`" for name in COMPARISONS)
    parts = [INTRODUCTION.format(command=COMMAND, names=names, machine=about)]
    for name, rows in found.items():
        comparison = COMPARISONS[name]
        parts.append(f"## {comparison.TITLE}\n\n{comparison.ABOUT.strip()}\n\n{markdown(rows)}\n")
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *COMPARISONS], metavar="name")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, few turns: a test run")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--markdown", type=Path, help="write the page to this file, too")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    before, start = os.getloadavg()[0], time.perf_counter()
    found: dict[str, list[Row]] = {}
    for name in options.names or COMPARISONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = []
        for row in COMPARISONS[name].rows(options.quick):
            print(*row.cells(), sep=" | ", file=sys.stderr, flush=True)
            found[name].append(row)
        print(markdown(found[name]), flush=True)
    about = machine((before, os.getloadavg()[0]), time.perf_counter() - start)
    print(about)
    if options.json:
        data = {name: [dataclasses.asdict(row) for row in rows] for name, rows in found.items()}
        text = json.dumps({"machine": about, "rows": data}, indent=1) + "\n"
        options.json.write_text(text, encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(page(found, about), encoding="utf-8")

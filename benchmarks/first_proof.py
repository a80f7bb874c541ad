"""How long the first proof of a process takes, for the game of the README.

    python -m benchmarks.first_proof --processes 5

Each proof is made in a process of its own, in processor seconds, the median of several: from the
end of the imports to the certificate. "Cold" is a machine on which nothing is remembered;
"remembered" is one that has passed the self-test before; "compiled" has JAX's compilation cache as
well, whatever the programs took to compile. By affine arithmetic, which has to be compiled, the
same proof shows what that cache is for. The second proof of the process stands beside the first.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PROGRAM = """
import time
import jax
import jax.numpy as jnp
begun = time.process_time()
import certify
import dgames as dg
imported = time.process_time() - begun
jax.config.update("jax_enable_x64", True)


def chase(x, args):
    meeting = jnp.sin(x["cat"]) * x["mouse"]
    return {"cat": 0.5 * x["cat"] ** 2 - meeting, "mouse": 0.5 * x["mouse"] ** 2 + meeting}


def seconds():
    start = time.process_time()
    region = certify.Box.around({"cat": 0.0, "mouse": 0.0}, 0.6)
    certificate = certify.certify(dg.game(chase), region, enclosure=certify.ENCLOSURE())
    assert certificate.status == "proved", certificate
    return time.process_time() - start


print(imported, seconds(), seconds())
"""
SETTINGS = ("cold", "remembered", "compiled")


def measured(enclosure: str, setting: str, processes: int, folder: Path) -> list[float]:
    """Median seconds of the imports after JAX's own, of the first proof and of the second."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CERTIFY_CACHE_DIR": "off"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    if setting != "cold":
        environment["CERTIFY_CACHE_DIR"] = str(folder)
    if setting == "compiled":
        environment["JAX_COMPILATION_CACHE_DIR"] = str(folder / f"compiled-{enclosure}")
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    command = [sys.executable, "-c", PROGRAM.replace("ENCLOSURE", enclosure)]
    rows = []
    for number in range(processes + (setting != "cold")):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        if setting == "cold" or number:  # the very first process fills the folders
            rows.append([float(word) for word in done.stdout.split()])
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=5, help="for each row")
    processes = parser.parse_args().processes
    table = Table("enclosure", "setting", "imports", "first proof", "second proof")
    with tempfile.TemporaryDirectory() as folder:
        for enclosure in ("Taylor", "AffineArithmetic"):
            for setting in SETTINGS:
                found = measured(enclosure, setting, processes, Path(folder))
                table.add_row(enclosure, setting, *(f"{seconds:.2f}" for seconds in found))
    console = Console()
    console.print(table)
    console.print(f"processor seconds, {platform.machine()}, jax {jax.__version__}")


if __name__ == "__main__":
    main()

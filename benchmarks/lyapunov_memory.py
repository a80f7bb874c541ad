"""The memory that Lyapunov exponents of large games take: peaks of one process per size.

    python -m benchmarks.lyapunov_memory

Two players meet coordinate by coordinate, and the exponent of the next five steps is computed, and
its gradient along the start. The dense Jacobian of a million coordinates would take eight
terabytes. Vectors are counted above a process that does the same with a game of a thousand.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

STEPS = 5


def measure(size: int) -> dict[str, float]:
    """Computes the exponent and its gradient, and returns the seconds and the peak in bytes."""
    import jax
    import jax.numpy as jnp

    import dgames as dg
    from dgames.diagnose import lyapunov_exponents

    jax.config.update("jax_enable_x64", True)
    strength = jnp.linspace(0.5, 1.0, size // 2).at[3].set(3.0)

    def costs(x, args):
        meeting = jnp.sum(strength * jnp.sin(x[0]) * x[1])
        return meeting + jnp.sum(x[0] ** 2) / 4, -meeting + jnp.sum(x[1] ** 2) / 4

    def exponent(x):
        return lyapunov_exponents(dg.game(costs), dg.Simultaneous(0.5), x, steps=STEPS)[0]

    x = (jnp.full(size // 2, 0.2), jnp.full(size // 2, -0.1))
    begin = time.perf_counter()
    value, slope = jax.value_and_grad(exponent)(x)
    jax.block_until_ready(slope)
    seconds = time.perf_counter() - begin
    return {"exponent": float(value), "seconds": seconds, "peak": peak_memory()}


def peak_memory() -> int:
    """Returns the most bytes that this process has held.

    On Linux `getrusage` would count what its parent held when it started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        held = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        if held is not None:
            return 1024 * int(held[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def measured(size: int) -> dict[str, float]:
    """Returns `measure(size)` of a process of its own, whose peak is nothing else's."""
    command = [sys.executable, "-m", "benchmarks.lyapunov_memory", "--one", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Prints a row per size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--one", type=int, help="measure one size in this process")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one)))
        return
    base = measured(1000)["peak"]
    print(f"{'coordinates':>12} {'exponent':>9} {'seconds':>8} {'peak MB':>8} {'vectors':>8}")
    for size in options.sizes:
        row = measured(size)
        vectors = (row["peak"] - base) / (8 * size)
        print(
            f"{size:12,} {row['exponent']:9.6f} {row['seconds']:8.1f} "
            f"{row['peak'] / 1e6:8.0f} {vectors:8.1f}"
        )


if __name__ == "__main__":
    main()

"""Random programs whose exact values and derivatives are looked for outside their enclosures.

    python benchmarks/soundness.py --seconds 600 --programs 10000 --state /tmp/state.json
    python benchmarks/soundness.py --primitives 1000000

Each program is enclosed over several random boxes at once (value, gradient and Hessian), by numpy
because compiling takes far longer than tracing (`--compiled` compiles all the same), and compared
with the oracle of the tests at random points of each. With `--state` a run goes on where the last
one stopped. Needs python-flint.
"""

import argparse
import collections
import json
import sys
import time
from pathlib import Path

import flint
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(Path(__file__).parents[1]))

from certify.enclosure import Interval, enclose  # noqa: E402
from certify.enclosure.self_test import FUNCTIONS  # noqa: E402
from tests.certify.enclosure import oracle  # noqa: E402
from tests.certify.enclosure.test_random_programs import check  # noqa: E402


def run_programs(options):
    """Checks programs until their number or the time runs out."""
    state = {"next": options.first, "compared": 0, "undecided": 0, "escapes": 0, "errors": 0}
    path = Path(options.state) if options.state else None
    if path and path.exists():
        state = json.loads(path.read_text())
    start, done = time.time(), 0
    while (
        state["next"] < options.first + options.programs and time.time() - start < options.seconds
    ):
        seed = state["next"]
        try:
            program, found, compared, undecided = check(
                seed, options.boxes, options.points, options.method, options.compiled
            )
            state["compared"] += compared
            state["undecided"] += undecided
            state["escapes"] += bool(found)
            if found:
                print(f"ESCAPE seed {seed}: {program.text}\n   {found[:2]}", flush=True)
        except Exception as error:  # counted, and shown: a crash is a finding too
            state["errors"] += 1
            print(f"error seed {seed}: {type(error).__name__} {str(error)[:300]}", flush=True)
        state["next"], done = seed + 1, done + 1
        if done % 50 == 0:
            jax.clear_caches() if done % 500 == 0 else None
            print(f"{time.time() - start:.0f} s: {state}", flush=True)
            if path:
                path.write_text(json.dumps(state))
    print(f"{done} programs in {time.time() - start:.0f} s: {state}")
    if path:
        path.write_text(json.dumps(state))


def run_primitives(options):
    """Point intervals of every elementary function, against ball arithmetic."""
    start = time.time()
    for name, function in FUNCTIONS.items():
        if name in ("add", "mul", "div", "pow", "atan2"):
            continue
        escaped, count = _primitive(name, function, options.primitives)
        print(
            f"{name}: {escaped} escapes of {count} points, {time.time() - start:.0f} s", flush=True
        )


def _primitive(name, function, count):
    rng = np.random.default_rng(sum(map(ord, name)))
    kinds = collections.deque(
        [
            rng.uniform(-3, 3, count),
            rng.uniform(-750, 750, count),
            rng.choice([-1.0, 1.0], count) * 2.0 ** rng.uniform(-1074, 1023, count),
            rng.choice([-1.0, 1.0], count) * (1.0 + 2.0 ** rng.uniform(-52, 0, count) * 0.5),
        ]
    )
    x = np.choose(rng.integers(4, size=count), list(kinds))
    result = jax.jit(enclose(function))(Interval(jnp.asarray(x), jnp.asarray(x)))
    lower, upper = np.asarray(result.lower).tolist(), np.asarray(result.upper).tolist()
    flint.ctx.prec, escaped = 1200 if name in ("sin", "cos", "tan") else 120, 0
    for value, low, high in zip(x.tolist(), lower, upper, strict=True):
        if low == -np.inf and high == np.inf:
            continue
        truth = oracle._TAYLOR[name](flint.arb(value))[0]
        escaped += truth < low or truth > high or low != low or high != high
    return escaped, count


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--boxes", type=int, default=8)
    parser.add_argument("--points", type=int, default=2)
    parser.add_argument("--method", default="interval")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--state", default="")
    parser.add_argument("--primitives", type=int, default=0)
    options = parser.parse_args()
    (run_primitives if options.primitives else run_programs)(options)


if __name__ == "__main__":
    main()

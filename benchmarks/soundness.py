"""Random programs whose exact values and derivatives are looked for outside their enclosures.

    python benchmarks/soundness.py --seconds 600 --programs 10000 --state /tmp/state.json
    python benchmarks/soundness.py --primitives 1000000

Each program is enclosed over several random boxes at once (value, gradient and Hessian), by numpy
because compiling takes far longer than tracing (`--compiled` compiles all the same), and compared
with the oracle of `tools` at random points of each. With `--state` a run goes on where the last
one stopped. Needs python-flint.
"""

import argparse
import json
import operator
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
from tools import oracle  # noqa: E402
from tools.program_checks import check  # noqa: E402


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
        escaped, compared, undecided = _primitive(name, function, options.primitives)
        print(
            f"{name}: {escaped} escapes of {compared} points, {undecided} undecided, "
            f"{time.time() - start:.0f} s",
            flush=True,
        )


# Exact values of functions of two numbers.
_OF_TWO = {
    "add": operator.add,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "atan2": flint.arb.atan2,
}


def _primitive(name, function, count):
    """Escapes, points of which something is known, and those where a ball cannot tell."""
    rng = np.random.default_rng(sum(map(ord, name)))
    points = [_numbers(rng, count)]
    if name in _OF_TWO:
        points = _pairs(rng, name, points[0])
    result = jax.jit(enclose(function))(*(Interval(x, x) for x in map(jnp.asarray, points)))
    lower, upper = np.asarray(result.lower).tolist(), np.asarray(result.upper).tolist()
    flint.ctx.prec = 1200 if name in ("sin", "cos", "tan") else 120
    escaped = compared = undecided = 0
    for *values, low, high in zip(*(x.tolist() for x in points), lower, upper, strict=True):
        if low == -np.inf and high == np.inf:
            continue
        balls = map(flint.arb, values)
        truth = _OF_TWO[name](*balls) if name in _OF_TWO else oracle._TAYLOR[name](*balls)[0]
        # At the ends of a range, as of tanh beyond 50, balls are too wide to tell.
        outside = truth < low or truth > high or low != low or high != high
        escaped += outside
        undecided += not (outside or (truth >= low and truth <= high))
        compared += 1
    return escaped, compared, undecided


def _numbers(rng, count):
    kinds = [
        rng.uniform(-3, 3, count),
        rng.uniform(-750, 750, count),
        rng.choice([-1.0, 1.0], count) * 2.0 ** rng.uniform(-1074, 1023, count),
        rng.choice([-1.0, 1.0], count) * (1.0 + 2.0 ** rng.uniform(-52, 0, count) * 0.5),
    ]
    return np.choose(rng.integers(4, size=count), kinds)


def _pairs(rng, name, x):
    """Two numbers of any size, or such that they cancel, or that the result is near its ends."""
    y = rng.choice([-1.0, 1.0], x.size) * rng.permutation(np.abs(x))
    near = rng.choice([-1.0, 1.0], x.size) * (1.0 + 2.0 ** rng.uniform(-53, 0, x.size))
    with np.errstate(all="ignore"):
        if name == "pow":
            x = np.abs(x)
            other = rng.uniform(-750, 750, x.size) / np.log(x)
        else:
            size = 2.0 ** rng.choice([-1074.0, -1022.0, 0.0, 1023.0], x.size)
            other = near * {"mul": size / x, "div": x / size}.get(name, x)
    related = np.isfinite(other) & (rng.uniform(size=x.size) < 0.5)
    y = np.where(related, other, y)
    return [x, np.where(rng.uniform(size=x.size) < 0.01, 0.0, y)]


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

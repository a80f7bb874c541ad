"""Which features of JAX can be enclosed, by certify and by immrax, in one run.

    python -m benchmarks.coverage

Every probe of `probes.py`, its gradient and its Hessian over a small box: whether an enclosure
comes out and is finite, and whether it contains what JAX computes at points of the box (a test
that can refute an enclosure, not prove it). The same for the `natif` of immrax, which need not be
installed; '-' stands where it is not.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.probes import PROBES, RADIUS, Probe
from certify.enclosure import Interval, enclose
from certify.enclosure.programs.plain import plain

jax.config.update("jax_enable_x64", True)

ORDERS = ("value", "gradient", "Hessian")
# How far JAX's own rounding may put a computed value outside.
_ROUNDING = 1e-9


def derivative(probe: Probe, order: int, change: Callable = lambda function: function) -> Callable:
    """The function (or another in place of it), its gradient or its Hessian."""
    function = change(probe.function)
    if order == 0:
        return function
    gradient = probe.gradient(function)
    return gradient if order == 1 else jax.jacfwd(gradient)


def enclosed(probe: Probe, order: int) -> Callable:
    """What certify encloses: derivatives are those of the code that computes the value."""
    return enclose(derivative(probe, order, plain) if order else probe.function)


def samples(probe: Probe, order: int, count: int = 20) -> np.ndarray:
    """What JAX computes at points of the box, corners among them."""
    shares = np.random.default_rng(0).uniform(-1.0, 1.0, (count, probe.center.size))
    shares[: count // 2] = np.sign(shares[: count // 2])
    points = probe.center + RADIUS * shares
    computed = jax.jit(derivative(probe, order))
    return np.stack([np.asarray(computed(jnp.asarray(x))) for x in points])


def outcome(compute: Callable, probe: Probe, values: np.ndarray) -> str:
    """`ok`, or in a word what went wrong."""
    try:
        lower, upper = compute(probe.center - RADIUS, probe.center + RADIUS)
    except Exception as error:
        return f"error: {type(error).__name__}: {str(error).splitlines()[0][:90]}"
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return "nothing known"
    slack = _ROUNDING * (1.0 + np.abs(values))
    inside = (lower - slack <= values).all() and (values <= upper + slack).all()
    return "ok" if inside else "WRONG"


def by_certify(probe: Probe, order: int) -> Callable:
    """Ends of our enclosure."""
    compute = jax.jit(enclosed(probe, order))

    def ends(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        box = compute(Interval(jnp.asarray(lower), jnp.asarray(upper)))
        return np.asarray(box.lower), np.asarray(box.upper)

    return ends


def by_immrax(immrax: Any, probe: Probe, order: int) -> Callable:
    """Ends of the natural inclusion function of immrax."""
    compute = immrax.natif(derivative(probe, order))

    def ends(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        box = compute(immrax.interval(jnp.asarray(lower), jnp.asarray(upper)))
        return np.asarray(box.lower), np.asarray(box.upper)

    return ends


def main() -> None:
    """Prints a line for each probe, and the totals."""
    warnings.simplefilter("ignore")
    try:
        import immrax  # pyright: ignore[reportMissingImports]
    except ImportError:
        immrax = None
    totals: dict[str, list[int]] = {}
    start = time.perf_counter()
    for name, probe in PROBES.items():
        for order in range(probe.derivatives + 1):
            values = samples(probe, order)
            found = {"certify": outcome(by_certify(probe, order), probe, values)}
            if immrax is not None:
                found["immrax"] = outcome(by_immrax(immrax, probe, order), probe, values)
            for who, what in found.items():
                counts = totals.setdefault(f"{who} {ORDERS[order]}", [0, 0, 0, 0])
                counts[0] += what == "ok"
                counts[1] += what == "WRONG"
                counts[2] += what == "nothing known"
                counts[3] += 1
            print(
                f"{name:24s} {ORDERS[order]:9s} {found['certify']:40s} {found.get('immrax', '-')}"
            )
    print(f"\n{len(PROBES)} probes, {time.perf_counter() - start:.0f} seconds")
    print("contains the samples / excludes some / nothing known / tried")
    for who, counts in sorted(totals.items()):
        print(f"{who:20s} " + " / ".join(map(str, counts)))


if __name__ == "__main__":
    main()

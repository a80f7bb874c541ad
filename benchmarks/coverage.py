"""Which features of JAX can be enclosed, by certify and by immrax, in one run.

    python -m benchmarks.coverage

Every probe of `tools.probes`, its gradient and its Hessian over a small box: whether an enclosure
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

from tools.coverage import ORDERS, by_certify, derivative, outcome, samples
from tools.probes import PROBES, Probe

jax.config.update("jax_enable_x64", True)


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

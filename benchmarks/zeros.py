"""How long proofs of zeros take, and the checker's test of Krawczyk at both levels.

python -m benchmarks.zeros
"""

import platform
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)

# Where the oligopoly of Murphy, Sherali and Soyster is when its total is capped at 150.
CAPPED = (23.588691, 28.684323, 32.021505, 33.287265, 32.418216)


def waves(size: int) -> certify.IsolatedZero:
    """A system of waves, each of all unknowns."""
    mix = np.random.default_rng(size).normal(size=(size, size)) / size

    def system(z: jax.Array, args: None) -> jax.Array:
        return z + 0.5 * jnp.sin(mix @ z) - 0.1

    return certify.certify_zero(system, jnp.full(size, 0.1))


def oligopoly(region: certify.Box | None) -> certify.IsolatedZero:
    """Five firms whose total is capped: six unknowns."""
    firms = dg.games.Oligopoly.murphy_sherali_soyster()
    cap = dg.SharedConstraint(lambda x, args: sum(x) - 150.0)
    game = dg.game(firms.costs, dg.Box(0.0, jnp.inf), shared=cap)
    return certify.certify_kkt(game, CAPPED, region)


def cases() -> Iterator[tuple[str, Callable[[], certify.IsolatedZero]]]:
    """Names, and functions that make a proof."""
    for size in (2, 4, 8, 16):
        yield f"waves, n = {size}", lambda size=size: waves(size)
    yield "oligopoly with a cap", lambda: oligopoly(None)
    for radius in (10.0, 15.0):
        region = certify.Box.around(CAPPED, radius)
        yield f"the same, convex within {radius:g}", lambda region=region: oligopoly(region)


def main() -> None:
    """Prints a table."""
    columns = ("system", "half-width", "cells", "proof, s", "level 1, ms", "level 2, ms")
    table = Table(*columns)
    for name, make in cases():
        make()  # compiles what the comparison of the code takes
        start = time.perf_counter()
        found = make()
        seconds = time.perf_counter() - start
        checks = [min(found.check(level=k).seconds for _ in range(3)) * 1e3 for k in (1, 2)]
        cells = str(found.cells) if found.region is not None else "-"
        numbers = (f"{seconds:.2f}", *(f"{ms:.1f}" for ms in checks))
        table.add_row(name, f"{found.radius:.3g}", cells, *numbers)
    Console().print(table)
    print(f"best of 3 checks; Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()

"""The Markov game of Small-Gain Nash: natural gradients, proved over cubes of logits and globally.

    python -m benchmarks.markov [--everywhere]

Two players, two states, two actions; both are paid 1 for a match and -1 for a mismatch, and try to
keep some entropy. Cubes are of logits, so of logit differences of twice the radius. Sampled margins
bound from above what can be proved in the Euclidean metric of logit differences. With
`--everywhere`, over all policies: that takes a few minutes.
"""

import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import certify
import dgames as dg
from certify.constants import sample_jacobians
from certify.flat import flat_field

jax.config.update("jax_enable_x64", True)

# Of logits, with the share of the margin that is to be reached, and the most cells.
CUBES = ((0.1, 0.95, 1000), (0.5, 0.95, 10_000), (1.0, 0.9, 30_000))


def sampled(field: dg.AbstractField, region: certify.Box | certify.Policies) -> float:
    """The smallest margin of many random points."""
    flat = flat_field(field, region)
    jacobians = sample_jacobians(flat, region, 100_000, jax.random.key(0))
    symmetric = 0.5 * (jacobians + np.swapaxes(jacobians, -1, -2))
    return float(np.linalg.eigvalsh(symmetric)[:, 0].min())


def main() -> None:
    """Prints a table."""
    game = dg.games.MarkovGame.small_gain_nash()
    field, center = dg.NaturalGradient(dg.Regularised(game, 1.0)), dg.logits(game.uniform())
    center = jax.tree.map(jnp.asarray, center)
    cases = [
        (f"logit radius {radius:g}", certify.Box.around(center, 2 * radius), share, cells)
        for radius, share, cells in CUBES
    ]
    if "--everywhere" in sys.argv[1:]:
        cases.append(("all policies", certify.Policies(center), 0.915, 60_000))
    header = ("region", "sampled", "proved", "cells", "cold, s", "again, s", "KiB (gzip)", "check, s")
    table = Table(*header)
    weights = dict.fromkeys(("0", "1"), 1.0)
    for name, region, share, cells in cases:
        seconds: list[float] = []
        for _ in range(2):
            start = time.perf_counter()
            found = certify.certify(
                field, region, weights=weights, tightness=share, max_cells=cells
            )
            seconds.append(time.perf_counter() - start)
        with tempfile.TemporaryDirectory() as folder:
            path = found.save(Path(folder) / "markov.json.gz")
            size, verdict = path.stat().st_size / 1024, certify.check(path)
        assert verdict.ok
        table.add_row(
            name,
            f"{sampled(field, region):.4f}",
            f"{found.margin:.4f}",
            str(found.cells),
            *(f"{value:.1f}" for value in seconds),
            f"{size:.0f}",
            f"{verdict.seconds:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()

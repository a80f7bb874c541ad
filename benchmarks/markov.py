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
from certify.problem.field import flat_field
from certify.prove.estimate import sample_jacobians

jax.config.update("jax_enable_x64", True)

# Of logits, with the share of the margin that is to be reached.
CUBES = ((0.1, 0.95), (0.5, 0.95), (1.0, 0.9))


def game() -> tuple[dg.AbstractField, tuple[jax.Array, jax.Array]]:
    """The natural gradient of the game, and its zero."""
    markov = dg.games.MarkovGame.small_gain_nash()
    return dg.NaturalGradient(dg.Regularised(markov, 1.0)), (jnp.zeros((2, 1)), jnp.zeros((2, 1)))


def sampled(field: dg.AbstractField, region: certify.Box | certify.Policies) -> float:
    """The smallest margin of many random points."""
    flat = flat_field(field, region)
    jacobians = sample_jacobians(flat, region, 100_000, jax.random.key(0))
    symmetric = 0.5 * (jacobians + np.swapaxes(jacobians, -1, -2))
    return float(np.linalg.eigvalsh(symmetric)[:, 0].min())


def tried(
    name: str, field: dg.AbstractField, region: certify.Box | certify.Policies, share: float
) -> list[str]:
    """One row of the table: the first certificate, the same again, and its check."""
    weights: dict[str, float] = {"0": 1.0, "1": 1.0}
    seconds: list[float] = []

    def certified() -> certify.Convergence:
        start = time.perf_counter()
        found = certify.certify(
            field,
            region,
            metric=certify.Weights(weights),
            search=certify.Search(tightness=share, max_cells=60_000),
        )
        seconds.append(time.perf_counter() - start)
        return found

    found = [certified() for _ in range(2)][-1]
    with tempfile.TemporaryDirectory() as folder:
        path = found.save(Path(folder) / "markov.json.gz")
        size, verdict = path.stat().st_size / 1024, certify.check(path)
    assert verdict.ok
    margins = f"{sampled(field, region):.4f}", f"{found.margin:.4f}"
    times = (f"{value:.1f}" for value in (*seconds, verdict.seconds))
    return [name, *margins, str(found.cells), f"{size:.0f}", *times]


def main() -> None:
    """Prints a table."""
    field, center = game()
    cases: list[tuple[str, certify.Box | certify.Policies, float]] = [
        (f"logit radius {radius:g}", certify.Box.around(center, 2 * radius), share)
        for radius, share in CUBES
    ]
    if "--everywhere" in sys.argv[1:]:
        cases.append(("all policies", certify.Policies(center), 0.955))
    header = ("region", "sampled", "proved", "cells", "KiB", "first, s", "again, s", "check, s")
    table = Table(*header)
    for name, region, share in cases:
        table.add_row(*tried(name, field, region, share))
    Console().print(table)


if __name__ == "__main__":
    main()

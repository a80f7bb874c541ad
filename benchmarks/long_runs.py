"""Seconds of the search alone by batch size, processes and checkpoints: always the same tree.

    python benchmarks/long_runs.py

The five-firm oligopoly on the box of radius 20. Compilation is left out: everything runs twice in
the same processes and the second run counts.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import certify
import dgames as dg
from certify.problem.field import flat_field
from certify.prove.margin_search import identity
from certify.prove.workers import crew
from certify.search import checkpoint
from certify.search.budget import Budget
from certify.search.checkpoint import Checkpoint
from certify.search.cover import cover
from certify.search.tree import Split, Tree

jax.config.update("jax_enable_x64", True)

WEIGHTS, TIGHTNESS = np.ones(5), 0.97
ENCLOSURE = certify.AffineArithmetic()


def main() -> None:
    """Prints the table."""
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    region = certify.Box.around(dg.games.Oligopoly.published_equilibrium(), 20.0)
    field = flat_field(game, region)

    def search(file: Checkpoint | None = None, **options: Any) -> tuple[Tree, float]:
        with crew(game, region, None, field, WEIGHTS, ENCLOSURE, **options) as measure:
            start = time.perf_counter()
            budget = Budget(100_000)
            tree = cover(region, measure, tightness=TIGHTNESS, budget=budget, checkpoint=file)
            return tree, time.perf_counter() - start

    print(f"{os.cpu_count()} cores\nbatch size  processes  seconds  cells")
    first = None
    for batch_size, n_jobs in ((1, 1), (16, 1), (64, 1), (None, 1), (16, 2), (64, 2), (None, 2)):
        search(batch_size=batch_size, n_jobs=n_jobs)
        tree, seconds = search(batch_size=batch_size, n_jobs=n_jobs)
        first = first or splits(tree)
        assert splits(tree) == first
        print(
            f"{batch_size or 'default':>10}  {n_jobs:9d}  {seconds:7.2f}  {len(tree.evidence()):5d}"
        )
    checkpoint.SECONDS = 0.2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        tree, seconds = search(
            Checkpoint(path, identity(field, region, WEIGHTS, "margin", TIGHTNESS, ENCLOSURE))
        )
        assert splits(tree) == first
        size = path.stat().st_size / 2**20
    print(f"with a checkpoint ({size:.1f} MiB) every 0.2 s: {seconds:.2f} seconds")


def splits(tree: Tree) -> list[tuple[int, float] | None]:
    """The cuts of a tree in preorder, None for a leaf."""
    return [(n.axis, n.at) if isinstance(n, Split) else None for n in tree.preorder()]


if __name__ == "__main__":
    main()

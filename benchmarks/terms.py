"""Proofs by terms of rank one: seconds, bytes and margins as data and coordinates grow.

    python -m benchmarks.terms [--largest 1600] [--grid 100]

The game is a logistic model of 30 features against an adversary who shifts the label of each row,
everywhere; so n is 30 and the number of rows. If scikit-learn is installed, its breast-cancer data
(569 rows) come first; the other data are random, with correlated features. Beside the proved margin
stands the smallest one at sampled points, near and far, which no proof can exceed. Times are those
of a first call and of the checker at both levels; the last line is the exponent of each in n.

The sparse games are players on a grid, who are drawn to their neighbours by saturating pulls.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from certify.problem.field import compiled_jacobians, flat_field
from experiments.data.games import label_noise
from experiments.data.tables import Table, breast_cancer

jax.config.update("jax_enable_x64", True)

FEATURES = 30


def data(largest: int) -> Iterator[tuple[str, Table]]:
    """Yields a name, and rows with their labels."""
    try:
        yield "breast cancer", breast_cancer()
    except ImportError:
        print("scikit-learn is not installed: random data alone")
    generator, n = np.random.default_rng(0), 100
    while n <= largest:
        mixed = generator.normal(size=(FEATURES, FEATURES)) / FEATURES**0.5
        rows = generator.normal(size=(n - FEATURES, FEATURES)) @ mixed
        rows /= np.sqrt((rows**2).sum(1).mean())
        yield "random", Table(rows, generator.integers(0, 2, n - FEATURES).astype(float))
        n *= 2


def sampled(given: dg.Game, region: certify.Everywhere) -> float:
    """The smallest margin, with equal weights, at a few points near and far."""
    points = region.sample(jax.random.key(0), 8)
    jacobians = np.asarray(compiled_jacobians(flat_field(given, region))(jnp.asarray(points)))
    symmetric = 0.5 * (jacobians + jacobians.swapaxes(1, 2))
    return float(np.linalg.eigvalsh(symmetric)[:, 0].min())


def grid(side: int) -> dg.NetworkGame:
    """Players on a square grid, each drawn to at most four neighbours by at most 0.2."""
    places = np.pad(np.arange(side**2).reshape(side, side), 1, constant_values=-1)
    sides = [places[:-2, 1:-1], places[2:, 1:-1], places[1:-1, :-2], places[1:-1, 2:]]
    neighbours = np.stack(sides, -1).reshape(-1, 4)

    def cost(own: Any, others: Any, parameters: Any, args: Any) -> Any:
        return 0.5 * own**2 - own * (1.0 + jnp.sum(parameters * jnp.tanh(others)))

    return dg.NetworkGame(cost, neighbours, np.where(neighbours >= 0, 0.2, 0.0))


def row(
    name: str, n: int, given: dg.Game, start: Any, most: float
) -> tuple[int, float, float, float, float]:
    """Prints a row: the proof, its file and the checker; returns its numbers."""
    began = time.perf_counter()
    methods = [dg.Simultaneous, dg.Extragradient]
    certificate = certify.certify(given, certify.Everywhere(start), methods)
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        path = certificate.save(Path(folder) / "certificate.json")
        verdicts = [certify.check(path, level=level) for level in (1, 2)]
        size = path.stat().st_size / 1024
    assert all(verdict.ok for verdict in verdicts)
    first, second = (verdict.seconds for verdict in verdicts)
    print(
        f"{name:<14} {n:>6} {certificate.margin:>9.3g} {most:>9.3g} "
        f"{seconds:>8.1f} {first:>10.2f} {second:>10.2f} {size:>8.0f}",
        flush=True,
    )
    return n, seconds, first, second, size


def exponents(found: list[tuple[int, float, float, float, float]]) -> None:
    """Prints the exponents of n in times and size."""
    if len(found) > 2:
        logs = np.log(np.array(found))
        slopes = [np.polyfit(logs[:, 0], column, 1)[0] for column in logs[:, 1:].T]
        print("exponent of n" + " " * 27 + "{:>8.2f} {:>10.2f} {:>10.2f} {:>8.2f}".format(*slopes))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures proofs by terms of rank one.")
    parser.add_argument("--largest", type=int, default=1600, help="coordinates, at most")
    parser.add_argument("--grid", type=int, default=100, help="players on a side, at most")
    options = parser.parse_args()
    print("data                n    margin  at most  proof s  level 1 s  level 2 s      KiB")
    found = []
    for name, table in data(options.largest):
        made = label_noise(table)
        assert isinstance(made.region, certify.Everywhere)
        least = sampled(made.game, made.region)
        line = row(name, made.region.dimension, made.game, made.region.center, least)
        found += [line] if name == "random" else []
    exponents(found)
    sides = [side for side in (25, 50, 100, 200, 300) if side <= options.grid]
    starts = [dg.Stacked(jnp.zeros(side**2)) for side in sides]
    # With all slopes at their largest the Jacobian is `I - 0.2 A`, A being that of the grid.
    most = [1 - 0.8 * np.cos(np.pi / (side + 1)) for side in sides]
    rows = zip(sides, starts, most, strict=True)
    exponents([row("grid", side**2, grid(side), start, m) for side, start, m in rows])


if __name__ == "__main__":
    main()

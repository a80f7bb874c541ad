"""Proofs by terms of rank one: seconds, bytes and margins as data and coordinates grow.

    python -m benchmarks.terms [--largest 1600]

The game is a logistic model of 30 features against an adversary who shifts the label of each row,
everywhere; so n is 30 and the number of rows. If scikit-learn is installed, its breast-cancer data
(569 rows) come first; the other data are random, with correlated features. Beside the proved margin
stands the smallest one at sampled points, near and far, which no proof can exceed. Times are those
of a first call and of the checker at both levels; the last line is the exponent of each in n.
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

jax.config.update("jax_enable_x64", True)

FEATURES = 30


def game(rows: Any, labels: Any) -> dg.ZeroSum:
    """A logistic model against an adversary who shifts its labels, at a price."""
    rows, labels = jnp.asarray(rows), jnp.asarray(labels)

    def payoff(x: Any, args: Any) -> Any:
        z = rows @ x["model"]
        fit = jnp.mean(jax.nn.softplus(z) - (labels + x["shift"]) * z)
        return fit + 0.05 * jnp.sum(x["model"] ** 2) - 0.5 * jnp.mean(x["shift"] ** 2)

    return dg.zero_sum(payoff, minimiser="model")


def data(largest: int) -> Iterator[tuple[str, Any, Any]]:
    """Yields a name, rows and labels."""
    try:
        from sklearn.datasets import load_breast_cancer  # pyright: ignore[reportMissingImports]

        rows, labels = load_breast_cancer(return_X_y=True)
        yield "breast cancer", (rows - rows.mean(0)) / rows.std(0), labels.astype(float)
    except ImportError:
        print("scikit-learn is not installed: random data alone")
    generator, n = np.random.default_rng(0), 100
    while n <= largest:
        mixed = generator.normal(size=(FEATURES, FEATURES)) / FEATURES**0.5
        rows = generator.normal(size=(n - FEATURES, FEATURES)) @ mixed
        yield "random", rows, generator.integers(0, 2, n - FEATURES).astype(float)
        n *= 2


def sampled(given: dg.ZeroSum, region: certify.Everywhere) -> float:
    """The smallest margin, with equal weights, at a few points near and far."""
    points = region.sample(jax.random.key(0), 8)
    jacobians = np.asarray(compiled_jacobians(flat_field(given, region))(jnp.asarray(points)))
    symmetric = 0.5 * (jacobians + jacobians.swapaxes(1, 2))
    return float(np.linalg.eigvalsh(symmetric)[:, 0].min())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures proofs by terms of rank one.")
    parser.add_argument("--largest", type=int, default=1600, help="coordinates, at most")
    options = parser.parse_args()
    print("data               n    margin   sampled  proof s  level 1 s  level 2 s      KiB")
    found = []
    for name, rows, labels in data(options.largest):
        given = game(rows, labels)
        start = {"model": jnp.zeros(FEATURES), "shift": jnp.zeros(len(rows))}
        region, began = certify.Everywhere(start), time.perf_counter()
        certificate = certify.certify(given, region, [dg.Simultaneous, dg.Extragradient])
        seconds = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as folder:
            path = certificate.save(Path(folder) / "certificate.json")
            verdicts = [certify.check(path, level=level) for level in (1, 2)]
            size = path.stat().st_size / 1024
        assert all(verdict.ok for verdict in verdicts)
        first, second = (verdict.seconds for verdict in verdicts)
        n = FEATURES + len(rows)
        print(
            f"{name:<14} {n:>5} {certificate.margin:>9.3g} {sampled(given, region):>9.3g} "
            f"{seconds:>8.1f} {first:>10.2f} {second:>10.2f} {size:>8.0f}"
        )
        if name == "random":
            found.append((n, seconds, first, second, size))
    if len(found) > 2:
        logs = np.log(np.array(found))
        slopes = [np.polyfit(logs[:, 0], column, 1)[0] for column in logs[:, 1:].T]
        print("exponent of n" + " " * 26 + "{:>8.2f} {:>10.2f} {:>10.2f} {:>8.2f}".format(*slopes))


if __name__ == "__main__":
    main()

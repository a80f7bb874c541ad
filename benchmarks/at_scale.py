"""The table of games at scale: proofs, files and both levels of the checker, first and second call.

    python -m benchmarks.at_scale [--units 100] [--only NAME]

Beside the proved margin stands the smallest one at sampled points, in the metric of the proof,
which no proof can exceed. For at most 60 coordinates there is a peer that proves nothing: the best
margin of all multipliers by a conic program in floating point, as a ratio of margins and seconds.
"Cold" is a first call in this process, "warm" a second one, when everything is compiled.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg
from certify.problem.field import compiled_jacobians, flat_field
from experiments.data import games
from experiments.data.games import DataGame
from experiments.data.multipliers import best_multipliers
from experiments.data.tables import Table, breast_cancer

jax.config.update("jax_enable_x64", True)

# The most coordinates of which the conic program is asked.
MOST_OF_PEER = 60


def small() -> DataGame:
    """A logistic model of 4 features against noise in the labels of 8 patients."""
    table = breast_cancer()
    return games.label_noise(Table(table.rows[:8, :4], table.targets[:8]))


def rows(units: int) -> dict[str, Callable[[], DataGame]]:
    """Makes the games of the table, by name; those of other files may be added here."""
    return {"label noise, 4 x 8": small, **games.named(units)}


def sampled(data: DataGame, proof: certify.Convergence) -> float:
    """The smallest margin at a few points, near and far, in the metric of a proof."""
    field = flat_field(data.game, data.region)
    points = jnp.asarray(data.region.sample(jax.random.key(0), 8))
    root = np.sqrt(np.diag(proof.metric))
    jacobians = root[:, None] * np.asarray(compiled_jacobians(field)(points)) / root
    symmetric = 0.5 * (jacobians + jacobians.swapaxes(1, 2))
    return float(np.linalg.eigvalsh(symmetric)[:, 0].min())


def timed(data: DataGame) -> tuple[float, certify.Convergence]:
    """Returns the seconds of a proof, and the proof."""
    began = time.perf_counter()
    methods = [dg.Simultaneous, dg.Extragradient]
    proof = certify.certify(data.game, data.region, methods, enclosure=certify.RankOneTerms())
    return time.perf_counter() - began, proof


def row(name: str, make: Callable[[], DataGame]) -> None:
    """Prints a row."""
    data = make()
    cold, proof = timed(data)
    warm, proof = timed(data)
    where = "all" if isinstance(data.region, certify.Everywhere) else "region"
    if proof.status != "proved":
        print(f"{name:<20} {data.region.dimension:>6} {where:<7} {proof.reasons[0]}", flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = proof.save(Path(folder) / "certificate.json")
        verdicts = [certify.check(path, level=level) for level in (1, 2)]
        size = path.stat().st_size / 1024
    assert all(verdict.ok for verdict in verdicts)
    first, second = (verdict.seconds for verdict in verdicts)
    peer = ""
    if data.region.dimension <= MOST_OF_PEER:
        best = best_multipliers(data.game, data.region, np.diag(proof.metric))
        # Where all terms have parallel vectors the multipliers are known, and nothing is solved.
        ratio = f"{warm / best.seconds:>8.2g}" if best.seconds else f"{'-':>8}"
        peer = f"{proof.margin / best.margin:>8.3f} {ratio}"
    print(
        f"{name:<20} {data.region.dimension:>6} {where:<7} {proof.margin:>9.3g} "
        f"{sampled(data, proof):>9.3g} {cold:>7.1f} {warm:>7.1f} {first:>8.2f} "
        f"{second:>8.2f} {size:>7.0f} {peer}",
        flush=True,
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures proofs at scale.")
    parser.add_argument("--units", type=int, default=100, help="random features of each player")
    parser.add_argument("--only", default="", help="a part of the names of games")
    options = parser.parse_args()
    print(
        "game                      n where      margin   at most  cold s  warm s  level 1  level 2"
        "     KiB of peer  s ratio"
    )
    for name, make in rows(options.units).items():
        if options.only in name:
            row(name, make)


if __name__ == "__main__":
    main()

"""Cells, seconds and bytes of certificates.

    python benchmarks/cells.py

Of the five-firm oligopoly, for each radius: the proved margin and its share of the sampled one,
cells, seconds of a first call (the very first compiles) and of a second, size of the file, seconds
of the checker. Then, for several games, the cells that it takes to come to nine tenths of the
sampled margin with each enclosure of Jacobians, in the same run: interval matrices, affine
arithmetic, Taylor polynomials. Quadratic games are one cell with any of them; bilinear, Dirac and
matrix games have no margin to prove.
"""

import contextlib
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import certify
import dgames as dg
from benchmarks.markov import game as markov
from certify.jacobian.enclosure_choice import DefiniteEnclosure
from certify.metric.weights import sampled_margin
from certify.problem.field import FlatField, compiled_jacobians, flat_field
from certify.prove.margin_measure import in_process
from certify.search.budget import Budget
from certify.search.cover import cover
from certify.search.progress import Progress

jax.config.update("jax_enable_x64", True)

ENCLOSURES = (certify.IntervalMatrices(), certify.AffineArithmetic(), certify.Taylor())

# Per-cell margins with unit weights, sampled: upper bounds on what can be proved.
SAMPLED = {1.0: 0.2078, 5.0: 0.1932, 10.0: 0.179, 20.0: 0.159}


def main() -> None:
    """Prints both tables."""
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    center = dg.games.Oligopoly.published_equilibrium()
    print("radius  margin  share   cells  first s  again s    KiB  check s")
    for radius, sampled in SAMPLED.items():
        region = certify.Box.around(center, radius)
        start = time.perf_counter()
        certificate = certify.certify(game, region)
        first = time.perf_counter() - start
        certify.certify(game, region)
        again = time.perf_counter() - start - first
        with tempfile.TemporaryDirectory() as folder:
            path = certificate.save(Path(folder) / "certificate.json")
            size, verdict = path.stat().st_size, certify.check(path)
        assert verdict.ok
        print(
            f"{radius:6g}  {certificate.margin:.4f}  {certificate.margin / sampled:5.1%}  "
            f"{certificate.cells:5d}  {first:7.1f}  {again:7.1f}  {size / 1024:6.0f}  "
            f"{verdict.seconds:7.2f}"
        )
    print(f"\n{'game':32}" + "".join(f"{one.name:>24}" for one in ENCLOSURES))
    for name, (field, region) in games().items():
        sampled = smallest_margin(field, region)
        columns = []
        for enclosure in ENCLOSURES:
            cells, seconds = cells_needed(field, region, enclosure, 0.9 * sampled)
            columns.append(f"{cells:>12} in {seconds:6.1f} s")
        print(f"{name:32}" + "".join(f"{column:>24}" for column in columns))


def games() -> dict[str, tuple[FlatField, Any]]:
    """Fields and regions, by what they are."""
    oligopoly = dg.games.Oligopoly.murphy_sherali_soyster()
    center = dg.games.Oligopoly.published_equilibrium()
    found: dict[str, tuple[FlatField, Any]] = {}
    for radius in (1.0, 5.0, 10.0):
        region = certify.Box.around(center, radius)
        found[f"oligopoly, radius {radius:g}"] = flat_field(oligopoly, region), region
    for radius in (1.0, 5.0):
        game, region = logistic_regressions(), certify.Box.around((jnp.zeros(2),) * 2, radius)
        found[f"logistic regressions, radius {radius:g}"] = flat_field(game, region), region
    field, center = markov()
    region = certify.Box.around(center, 0.2)
    found["Markov, logit radius 0.1"] = flat_field(field, region), region
    return found


def logistic_regressions() -> dg.Game:
    """Two players with eight data points each, who both enter each other's features."""
    rng = np.random.default_rng(0)
    own, other = (jnp.asarray(s * rng.normal(size=(2, 8, 2))) for s in (1.0, 0.3))

    def loss(i: int, x: Any, y: Any) -> Any:
        return jnp.mean(jax.nn.softplus(own[i] @ x + other[i] @ y)) + 0.05 * x @ x

    return dg.game(lambda x, args: (loss(0, *x), loss(1, x[1], x[0])))


def smallest_margin(field: FlatField, region: Any) -> float:
    """Sampled at random points and at corners: an upper bound on what can be proved."""
    low, high = region.bounds()
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    jacobians = compiled_jacobians(field)
    points = np.concatenate([corners, region.sample(jax.random.key(0), 20_000)])
    return sampled_margin(np.asarray(jacobians(jnp.asarray(points))), np.ones(field.dimension))


class Enough(Exception):
    """The margin has been reached."""


def cells_needed(
    field: FlatField, region: Any, enclosure: DefiniteEnclosure, margin: float
) -> tuple[str, float]:
    """How many cells reach a margin with unit weights, and the seconds without compilation."""
    cells, weights = ">", np.ones(field.dimension)

    def watch(progress: Progress) -> None:
        nonlocal cells
        cells = f"> {progress.cells}"
        if progress.margin >= margin:
            cells = str(progress.cells)
            raise Enough

    measure = in_process(field, weights, enclosure)
    start = time.perf_counter()
    with contextlib.suppress(Enough):
        cover(
            region,
            measure,
            tightness=0.999,
            budget=Budget(100_000, seconds=60.0),
            progress=watch,
        )
    return cells, time.perf_counter() - start


if __name__ == "__main__":
    main()

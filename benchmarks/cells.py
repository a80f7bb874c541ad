"""Cells, seconds and bytes of certificates of the five-firm oligopoly.

    python benchmarks/cells.py

For each radius: the proved margin and its share of the sampled one, cells, seconds of a first
call (the very first compiles) and of a second, size of the file, seconds of the checker. Then, on
small radii, the cells that interval matrices need for the same share of the margin as affine
families, in the same run.
"""

import tempfile
import time
from pathlib import Path

import jax
import numpy as np

import certify
import dgames as dg
from certify.branch import Budget, cover
from certify.enclosure.affine import Form
from certify.flat import FlatField, flat_field
from certify.tree import Tree

jax.config.update("jax_enable_x64", True)

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
    print("\nradius  cells affine  cells interval  ratio  seconds affine  seconds interval")
    for radius in (1.0, 2.0, 5.0):
        region = certify.Box.around(center, radius)
        field = flat_field(game, region)
        (many, slow), (few, fast) = (warm(field, region, form) for form in ("interval", "affine"))
        count, other = len(few.families()), len(many.families())
        at_least = ">" if many.shortfall else ""
        print(
            f"{radius:6g}  {count:12d}  {at_least + str(other):>14}  {other / count:5.0f}  "
            f"{fast:14.2f}  {slow:16.2f}"
        )


def warm(field: FlatField, region: certify.Box, form: Form) -> tuple[Tree, float]:
    """The tree of cells and the seconds for it, without compilation."""

    def run(max_cells: int) -> Tree:
        budget = Budget(max_cells)
        return cover(field, region, np.ones(5), tightness=0.95, budget=budget, form=form)

    run(1)
    start = time.perf_counter()
    tree = run(100_000)
    return tree, time.perf_counter() - start


if __name__ == "__main__":
    main()

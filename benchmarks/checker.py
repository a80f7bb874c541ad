"""How long the checker takes: start, the algebra of large files, and whole claims from the costs.

    python -m benchmarks.checker

Every file is made first, then checked in a process of its own, as `python -m certify.checker FILE`
does; the seconds of the check itself are those it prints, and those of the process are around them.
"""

import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)


class Case(NamedTuple):
    """A file to be made and checked."""

    name: str
    level: int
    certificate: certify.Convergence


def quadratic(coordinates: int) -> certify.Convergence:
    """Two players, strongly coupled: half of it zero-sum."""
    rng, own = np.random.default_rng(0), coordinates // 2
    q = [np.eye(own) + m @ m.T / own for m in rng.normal(size=(2, own, own))]
    pull, push = rng.normal(size=(2, own, own)) / own**0.5
    game = dg.games.Quadratic(q, {(0, 1): pull + 0.1 * push, (1, 0): 0.1 * push.T - pull.T})
    return certify.certify(game, certify.Box.around((jnp.zeros(own), jnp.zeros(own)), 1.0))


def oligopoly(radius: float) -> certify.Convergence:
    """The five firms of Murphy, Sherali and Soyster."""
    center = tuple(jnp.asarray(q) for q in dg.games.Oligopoly.published_equilibrium())
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    return certify.certify(game, certify.Box.around(center, radius))


def markov(radius: float) -> certify.Convergence:
    """Natural gradients in the Markov game of Small-Gain Nash, in logit differences."""
    game = dg.games.MarkovGame.small_gain_nash()
    center = jax.tree.map(lambda p: jnp.zeros((len(p), p.shape[-1] - 1)), game.uniform())
    region = certify.Box.around(center, radius)
    field = dg.NaturalGradient(dg.Regularised(game, 1.0))
    return certify.certify(field, region, search=certify.Search(tightness=0.95))


def cases() -> Iterator[Case]:
    """All of them, made one by one."""
    for coordinates in (64, 128):
        yield Case(f"quadratic, n = {coordinates}", 1, quadratic(coordinates))
    for radius in (5.0, 10.0):
        yield Case(f"five firms, radius {radius:g}", 2, oligopoly(radius))
    yield Case("Markov game, logit radius 0.1", 2, markov(0.2))


def checked(path: Path, level: int) -> tuple[float, float]:
    """Seconds of the check, and of the whole process."""
    command = [sys.executable, "-m", "certify.checker", "--level", str(level), str(path)]
    start = time.perf_counter()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = time.perf_counter() - start
    found = re.search(r"\(([\d.]+) s\)", text)
    assert found is not None, text
    return float(found[1]), seconds


def main() -> None:
    """Prints a table."""
    table = Table("file", "level", "cells", "KiB", "check, s", "process, s")
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases()):
            path = case.certificate.save(Path(folder) / f"{number}.json")
            best = min(checked(path, case.level) for _ in range(3))
            size, cells = path.stat().st_size / 1024, str(case.certificate.cells)
            row = (case.name, str(case.level), cells, f"{size:.0f}", *(f"{s:.2f}" for s in best))
            table.add_row(*row)
    Console().print(table)
    print(f"best of 3; Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()

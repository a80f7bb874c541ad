"""How far each rung of the ladder of metrics reaches, on random quadratic games.

    python benchmarks/metrics.py [GAMES [FILES]]

Of each family, so many games (20) whose Jacobian has no eigenvalue with a real part below 0.1, a
bound that no metric exceeds: for each kind of metric, how many have a positive margin, which
integer arithmetic confirms for the Jacobian taken exactly, and the mean of these margins ("small
gain": the closed form, from norms of blocks alone); the mean of the bound; for what "auto" takes,
the kinds, the largest condition number, and the seconds of choosing.
Then, of the first so many games (2), how many `certify.certify` proves, from costs to file, and the
mean seconds, nearly all of them for compiling.

A player's own block is `G' G / d + 0.75 I` with G standard normal. Couplings are standard normal,
scaled to a spectral norm: 0.5 each; or 2, with `A_ji = -A_ij'` in every pair; or 5 for a player on
those after it and 0.05 for those on it.
"""

import sys
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import certify
import dgames as dg
from certify.checker.exact import positive_definite
from certify.metric.best_matrix import abscissa
from certify.metric.ladder import Rung, climb
from certify.metric.metric import Metric
from certify.metric.weights import sampled_constants, sampled_margin

jax.config.update("jax_enable_x64", True)

LEAST = 0.1
KINDS = ("Euclidean", "small gain", "weights", "weights by LMI", "block", "full", "auto")


def random_game(rng: np.random.Generator, players: int, d: int, kind: str) -> dg.games.Quadratic:
    """One game of a family: "random", "zero-sum" (in every pair) or "asymmetric"."""

    def own() -> np.ndarray:
        root = rng.standard_normal((d, d))
        return root.T @ root / d + 0.75 * np.eye(d)

    def coupling(norm: float) -> np.ndarray:
        matrix = rng.standard_normal((d, d))
        return norm * matrix / np.linalg.norm(matrix, 2)

    A = {}
    for i in range(players):
        for j in range(i):
            if kind == "zero-sum":
                A[j, i] = coupling(2.0)
                A[i, j] = -A[j, i].T
            else:
                strong, weak = (5.0, 0.05) if kind == "asymmetric" else (0.5, 0.5)
                A[j, i], A[i, j] = coupling(strong), coupling(weak)
    b = [rng.standard_normal(d) for _ in range(players)]
    return dg.games.Quadratic([own() for _ in range(players)], A, b)


def games(seed: int, players: int, d: int, kind: str, count: int) -> list[dg.games.Quadratic]:
    """So many games of a family whose bound is at least `LEAST`, of at most fifty times as many."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(50 * count):
        game = random_game(rng, players, d, kind)
        if abscissa(np.asarray(game.jacobian())[None]) >= LEAST:
            found.append(game)
        if len(found) == count:
            break
    return found


def proved(J: np.ndarray, weighting: np.ndarray) -> float | None:
    """A margin in a metric, confirmed with integers, of one matrix; None if there is none."""
    margin = sampled_margin(J[None], weighting)
    margin -= 1e-9 * abs(margin) + 1e-12
    P = [[Fraction(float(x)) for x in row] for row in Metric(weighting).matrix]
    exact = [[Fraction(float(x)) for x in row] for row in J]
    n, a = range(len(J)), Fraction(margin)
    product = [[sum(P[i][k] * exact[k][j] for k in n) for j in n] for i in n]
    gap = [[product[i][j] + product[j][i] - 2 * a * P[i][j] for j in n] for i in n]
    return margin if margin > 0 and all(map(_positive_definite, (P, gap))) else None


def _positive_definite(matrix: list[list[Fraction]]) -> bool:
    unit = max(x.denominator for row in matrix for x in row)
    return positive_definite([[int(x * unit) for x in row] for row in matrix])


def closed_form(J: np.ndarray, sizes: tuple[int, ...]) -> float:
    """The small-gain margin from the norms of the blocks."""
    low, _, coupling = sampled_constants(J[None], sizes)
    return certify.small_gain(low, coupling).margin


def rungs(J: np.ndarray, sizes: tuple[int, ...]) -> dict[str, Rung]:
    """The rungs of the ladder for one matrix, and which of them "auto" takes."""
    full = climb(J[None], sizes, "full").rungs
    found = {rung.name: rung for rung in full}
    return {**found, "auto": climb(J[None], sizes).chosen}


def main(count: int = 20, files: int = 2) -> None:
    """Prints one line per family."""
    columns = ("game", *KINDS, "bound", "auto takes", "condition", "s", "files", "s")
    print(" | ".join(columns))
    print("|".join(["---"] * len(columns)))
    for players, d in ((2, 4), (4, 3), (8, 2), (16, 1), (4, 4)):
        for kind in ("random", "zero-sum", "asymmetric"):
            found = games(0, players, d, kind, count)
            line = [f"{players} x {d} {kind}", *measured(found, (d,) * players)]
            print(" | ".join([*line, *written(found[:files])]), flush=True)


def measured(found: list[dg.games.Quadratic], sizes: tuple[int, ...]) -> list[str]:
    """Of some games: margins by kind, their bound, and what "auto" takes."""
    margins, taken, conditions, seconds, bounds = {k: [] for k in KINDS}, Counter(), [], [], []
    for game in found:
        J = np.asarray(game.jacobian())
        bounds.append(abscissa(J[None]))
        tried = rungs(J, sizes)
        for kind in KINDS:
            if kind in tried and (margin := proved(J, tried[kind].weighting)) is not None:
                margins[kind].append(margin)
        if (gain := closed_form(J, sizes)) > 0:
            margins["small gain"].append(gain)
        taken[tried["auto"].name] += 1
        conditions.append(Metric(tried["auto"].weighting).condition)
        start = time.perf_counter()
        climb(J[None], sizes)
        seconds.append(time.perf_counter() - start)
    if sum(sizes) == len(sizes):  # blocks of one coordinate are weights
        margins["block"] = margins["weights by LMI"]
    cells = [
        f"{len(values)}/{len(found)}" + (f" {np.mean(values):.3f}" if values else "")
        for values in margins.values()
    ]
    kinds = ", ".join(f"{name} {k}" for name, k in taken.most_common())
    largest = f"{max(conditions, default=np.nan):.2g}"
    mean = [f"{np.mean(values):.3f}" if values else "" for values in (bounds, seconds)]
    return [*cells, mean[0], kinds, largest, mean[1]]


def written(found: list[dg.games.Quadratic]) -> list[str]:
    """How many of some games are certified, and the mean seconds."""
    start = time.perf_counter()
    statuses = [
        certify.certify(game, certify.Box.around(game.equilibrium(), 1.0)).status for game in found
    ]
    seconds = (time.perf_counter() - start) / max(len(found), 1)
    return [f"{statuses.count('proved')}/{len(found)}", f"{seconds:.1f}"]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

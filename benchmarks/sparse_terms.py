"""Proofs of sparse games by terms: seconds, bytes and memory from 10^3 to 10^5 coordinates.

    python -m benchmarks.sparse_terms [--largest 100000] [--games grid chain path tracking]

All games are proved everywhere. `grid` and `chain` are networks of players, who are drawn to their
neighbours by saturating pulls: on a square grid, and to two on either side in a line. `path` and
`tracking` are two players who plan paths of four coordinates over a horizon, with a price on their
speeds and pushes (first and second differences of the own path, whose position is the strategy) and
on their distance to a reference; they meet at each time, bilinearly or by saturating functions.

Beside the proved margin stands a number that no proof can exceed: of networks the exact margin, as
their Jacobian is worst at zero, of paths the smallest one at sampled points. Each size runs in a
process of its own: "cold" is its first proof, "warm" the same of an equal game, "MiB" its peak
memory. The last lines are the exponents of n.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

import certify
import dgames as dg
from benchmarks.terms import grid

jax.config.update("jax_enable_x64", True)

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
_WIDTH, _PULL = 4, 0.2
_COLUMNS = ("cold s", "warm s", "level 1 s", "level 2 s", "file KiB", "MiB")


def chain(count: int) -> dg.NetworkGame:
    """Players in a line, each drawn to two on either side by at most a fifth."""
    places = np.arange(count)[:, None] + np.array([-2, -1, 1, 2])
    neighbours = np.where((places >= 0) & (places < count), places, -1)

    def cost(own: Any, others: Any, parameters: Any, args: Any) -> Any:
        return 0.5 * own**2 - own * (1.0 + jnp.sum(parameters * jnp.tanh(others)))

    return dg.NetworkGame(cost, neighbours, np.where(neighbours >= 0, _PULL, 0.0))


def paths(horizon: int, saturating: bool) -> dg.Game:
    """Two players who plan paths; one wants to meet the other, who wants to get away."""
    times = jnp.linspace(0.0, 6.0, horizon)[:, None]
    reference = jnp.sin(times * jnp.arange(1.0, _WIDTH + 1))

    def cost(path: Any, other: Any, start: Any, sign: float) -> Any:
        whole = jnp.concatenate([start[None], path])
        speed, push = jnp.diff(whole, axis=0), jnp.diff(whole, 2, axis=0)
        effort = 0.5 * jnp.sum(speed**2) + 2.0 * jnp.sum(push**2)
        meeting = jnp.sum(path * (jnp.tanh(other) if saturating else other))
        return 0.5 * jnp.sum((path - reference) ** 2) + effort + sign * 0.3 * meeting

    def costs(x: Any, args: Any) -> Any:
        one, other = x["pursuer"], x["evader"]
        return {
            "pursuer": cost(one, other, jnp.zeros(_WIDTH), -1.0),
            "evader": cost(other, one, jnp.ones(_WIDTH), 1.0),
        }

    return dg.game(costs)


def problem(name: str, size: int) -> tuple[dg.Game, Any, int]:
    """Returns a game of about so many coordinates, where its strategies start, and their number."""
    if name == "grid":
        side = round(size**0.5)
        return grid(side), dg.Stacked(jnp.zeros(side**2)), side**2
    if name == "chain":
        return chain(size), dg.Stacked(jnp.zeros(size)), size
    horizon = size // (2 * _WIDTH)
    start = {player: jnp.zeros((horizon, _WIDTH)) for player in ("pursuer", "evader")}
    return paths(horizon, name == "tracking"), start, 2 * _WIDTH * horizon


def limit(name: str, n: int, given: dg.Game, start: Any) -> float:
    """Returns a number that no margin exceeds."""
    if name == "grid":
        return 1 - 4 * _PULL * np.cos(np.pi / (n**0.5 + 1))
    if name == "chain":
        beside: Any = [-2, -1, 1, 2]
        band = sp.diags_array([_PULL] * 4, offsets=beside, shape=(n, n))
        spread = scipy.sparse.linalg.eigsh(band, k=1, which="LA", return_eigenvectors=False)
        return 1 - float(spread[0])
    field = dg.as_field(given)
    flat, unravel = jax.flatten_util.ravel_pytree(start)

    def force(x: Any) -> Any:
        return jax.flatten_util.ravel_pytree(field(unravel(x), None))[0]

    least = []
    for scale in (0.0, 0.3, 3.0):
        point = scale * jax.random.normal(jax.random.key(0), flat.shape)
        pull, push = jax.linearize(force, point)[1], jax.vjp(force, point)[1]
        linear: Any = scipy.sparse.linalg.LinearOperator
        operator = linear(
            (n, n), lambda v, f=pull, g=push: 0.5 * np.asarray(f(v) + g(v)[0]), dtype=float
        )
        tolerance: Any = 1e-3
        found: Any = scipy.sparse.linalg.eigsh(
            operator, k=1, which="SA", tol=tolerance, return_eigenvectors=False
        )
        least.append(found[0])
    return float(min(least))


def timed(given: dg.Game, start: Any) -> tuple[certify.Convergence, float]:
    """Proves a game everywhere; returns the certificate and the seconds that it took."""
    began = time.perf_counter()
    methods = [dg.Simultaneous, dg.Extragradient]
    certificate = certify.certify(given, certify.Everywhere(start), methods)
    assert certificate.status == "proved", certificate.reasons
    return certificate, time.perf_counter() - began


def measured(name: str, size: int) -> list[float]:
    """Proves a game twice and has the file checked; returns n, two margins, and the columns."""
    given, start, n = problem(name, size)
    runs = [timed(problem(name, size)[0], start) for _ in range(2)]
    certificate = runs[1][0]
    seconds = [seconds for _, seconds in runs]
    with tempfile.TemporaryDirectory() as folder:
        path = certificate.save(Path(folder) / "certificate.json")
        verdicts = [certify.check(path, level=level) for level in (1, 2)]
        kib = path.stat().st_size / 1024
    assert all(verdict.ok for verdict in verdicts)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    most = limit(name, n, given, start)
    levels = [verdict.seconds for verdict in verdicts]
    return [n, certificate.margin, most, *seconds, *levels, kib, mib]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures proofs of sparse games.")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="coordinates, at most")
    games = ("grid", "chain", "path", "tracking")
    parser.add_argument("--games", nargs="+", choices=games, default=games)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measured(options.one[0], int(options.one[1])))
        return
    head = f"{'game':<10}{'n':>8}{'margin':>11}{'at most':>11}"
    print(head + "".join(f"{column:>11}" for column in _COLUMNS))
    for name in options.games:
        rows = []
        for size in (size for size in SIZES if size <= options.largest):
            command = [sys.executable, "-m", "benchmarks.sparse_terms", "--one", name, str(size)]
            done = subprocess.run(
                command, capture_output=True, text=True, env=os.environ, check=False
            )
            if done.returncode:
                print(f"{name:<10}{size:>8}  failed: {done.stderr.strip().splitlines()[-1]}")
                continue
            n, margin, most, *others = map(float, done.stdout.split())
            print(f"{name:<10}{int(n):>8}{margin:>11.6f}{most:>11.6f}", end="")
            print("".join(f"{x:>11.1f}" for x in others), flush=True)
            rows.append([n, *others])
        if len(rows) > 2:
            logs = np.log(np.array(rows))
            slopes = [np.polyfit(logs[:, 0], column, 1)[0] for column in logs[:, 1:].T]
            print(f"{'exponent of n':<40}" + "".join(f"{slope:>11.2f}" for slope in slopes))


if __name__ == "__main__":
    main()

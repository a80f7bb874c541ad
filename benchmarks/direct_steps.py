"""Steps proved by the direct route, against the spectral limit that no proof can pass.

    python benchmarks/direct_steps.py [ensemble | oligopoly | sgn]

- `ensemble`: random LQ games (30 seeds; two players, `Q_i = R'R + I`, couplings `lambda 10 R` and
  `lambda 0.05 R'` with `|R| = 1`; lambda up to 2.5): how many are certified with simultaneous
  steps, and the ratio of the proved step to the true limit.
- `oligopoly`: the five-firm oligopoly on a small box, every method.
- `sgn`: the 64-dimensional game of Small-Gain Nash at lambda = 1.
"""

import functools
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

sys.path.insert(0, str(Path(__file__).parents[1]))

import certify
import dgames as dg

jax.config.update("jax_enable_x64", True)

LAMBDAS = (0.0, 0.417, 0.833, 1.25, 1.667, 2.083, 2.5)

METHODS: dict[str, Any] = {
    "simultaneous": dg.Simultaneous,
    "alternating": dg.Alternating,
    "extragradient": dg.Extragradient,
    "optimistic": dg.Optimistic,
    "optimistic, reflected": functools.partial(dg.Optimistic, reflected=True),
    "momentum -0.2": functools.partial(dg.Momentum, momentum=-0.2),
    "momentum 0.3": functools.partial(dg.Momentum, momentum=0.3),
    "complex momentum 0.3i": functools.partial(dg.ComplexMomentum, momentum=0.3j),
    "runge-kutta 4": dg.RungeKutta4,
    "optax sgd, momentum 0.2": lambda h: dg.Optax(optax.sgd(h, momentum=0.2)),
}


def random_lq(seed: int, lam: float, dim: int = 4) -> dg.games.Quadratic:
    """A game of the ensemble."""
    generator = np.random.default_rng(seed)

    def unit() -> np.ndarray:
        matrix = generator.standard_normal((dim, dim))
        return matrix / np.linalg.norm(matrix, 2)

    own = [r.T @ r + np.eye(dim) for r in (unit(), unit())]
    first, second = unit(), unit()
    return dg.games.Quadratic(own, {(0, 1): lam * 10.0 * first, (1, 0): lam * 0.05 * second})


def true_limit(jacobian: np.ndarray) -> float:
    """Where the spectral radius of `I - h J` reaches 1."""
    values = np.linalg.eigvals(jacobian)
    return float((2 * values.real / np.abs(values) ** 2).min())


def ensemble(seeds: int = 30) -> None:
    """Prints certified fractions and ratios, by coupling strength."""
    print("lambda  certified  median ratio  smallest")
    for lam in LAMBDAS:
        ratios = []
        for seed in range(seeds):
            game = random_lq(seed, lam)
            limit = true_limit(np.asarray(game.jacobian()))
            region = certify.Box.around(game.equilibrium(), 1.0)
            step = 0.99 * limit
            found = certify.contraction(game, dg.Simultaneous(step), region)
            ratios.append(step / limit if found.status == "proved" else 0.0)
        share = np.mean(np.array(ratios) > 0)
        print(
            f"{lam:6.3f}  {share:9.2f}  {np.median(ratios):12.4f}  {min(ratios):8.4f}", flush=True
        )


def table(game: dg.Game, region: certify.Box, methods: dict[str, Any]) -> None:
    """Prints the largest proved step of each method."""
    print(f"{'method':24}  proved     limit   ratio  best     rate     cells  seconds")
    for name, method in methods.items():
        start = time.perf_counter()
        found = certify.largest_step(game, method, region)
        seconds = time.perf_counter() - start
        cells = found.at_max.cells if found.max else 0
        print(
            f"{name:24}  {found.max:7.5f}  {found.limit:7.5f}  {found.max / found.limit:.4f}  "
            f"{found.best:7.5f}  {found.rate:.5f}  {cells:5d}  {seconds:7.1f}",
            flush=True,
        )


def main() -> None:
    """Prints the tables asked for."""
    wanted = sys.argv[1:] or ["sgn", "ensemble", "oligopoly"]
    if "sgn" in wanted:
        game = dg.games.Quadratic.small_gain_nash(1.0)
        region = certify.Box.around((jnp.zeros(32), jnp.zeros(32)), 1.0)
        table(game, region, {"simultaneous": dg.Simultaneous})
    if "ensemble" in wanted:
        ensemble()
    if "oligopoly" in wanted:
        center = dg.games.Oligopoly.published_equilibrium()
        game = dg.games.Oligopoly.murphy_sherali_soyster()
        table(game, certify.Box.around(center, 1.0), METHODS)


if __name__ == "__main__":
    main()

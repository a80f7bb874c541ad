"""Network games of a thousand to a million players: constants, small gain, equilibrium.

    python -m benchmarks.network             # all sizes
    python -m benchmarks.network 100000      # one of them

Player i minimises `x_i^2 - x_i (b_i + tanh(sum_j W_ij x_j))` over a random graph of degree four,
on the box [-1, 2].
"""

import resource
import subprocess
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import certify
import dgames as dg

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DEGREE = 4


def cost(own: Any, others: Any, parameters: Any, args: Any) -> Any:
    """What one player pays."""
    return own**2 - own * (parameters["base"] + jnp.tanh(parameters["weights"] @ others))


def game(players: int, seed: int = 0) -> dg.NetworkGame:
    """A random game: heavy-tailed weights, nobody their own neighbour."""
    rng = np.random.default_rng(seed)
    shift = rng.integers(1, players, (players, DEGREE))
    neighbours = (np.arange(players)[:, None] + shift) % players
    weights = np.minimum(rng.lognormal(-2.0, 0.7, shift.shape), 0.45)
    base = rng.uniform(0.0, 1.0, players)
    return dg.NetworkGame(cost, neighbours, {"weights": weights, "base": base})


def row(players: int) -> None:
    """One row, in a process of its own so that its peak memory is its own."""
    jax.config.update("jax_enable_x64", True)
    network = game(players)
    box = certify.Box(dg.Stacked(-jnp.ones(players)), dg.Stacked(2 * jnp.ones(players)))
    start = time.perf_counter()
    constants = certify.network_constants(network, box)
    constants_done = time.perf_counter()
    gain = certify.small_gain(constants.curvature, constants.coupling)
    gain_done = time.perf_counter()
    proof = certify.certify_network(network, box)
    all_done = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert proof.step is not None, proof.reasons
    print(
        f"{players:9d}  {constants.coupling.nnz:9d}  {constants_done - start:11.2f}  "
        f"{gain_done - constants_done:10.2f}  {all_done - gain_done:9.2f}  {memory:10.0f}  "
        f"{gain.margin:8.5f}  {proof.step.best:6.4f}  {proof.step.rate:6.4f}  "
        f"{proof.equilibrium.radius.max():8.1e}  {proof.equilibrium.basin:6.3f}",
        flush=True,
    )


def main(sizes: tuple[int, ...]) -> None:
    """The table; everything includes compiling."""
    print(
        "  players  couplings  constants s  small gain s  whole s  memory MiB    margin    step    "
        "rate    radius   basin"
    )
    for players in sizes:
        program = f"from benchmarks.network import row; row({players})"
        subprocess.run([sys.executable, "-c", program], check=True)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)

"""Demonstrates the package on a published game: equilibrium, proof, check, learning."""

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

import dgames as dg
from certify.checker import check
from certify.claims.convergence import Convergence
from certify.command.live_line import live_line
from certify.command.live_rounds import on_terminal
from certify.command.tables import certificate_table
from certify.problem.region import Box
from certify.prove.certify import certify
from certify.search.search_options import Search
from dgames.strategy import Strategy, ravel

RADIUS = 10.0


def demonstrate(output: Path, console: Console) -> bool:
    """Certifies the five-firm oligopoly in a box of radius 10; returns whether all claims held."""
    start = time.perf_counter()
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    console.rule("1. Learning finds the equilibrium")
    begin = tuple(jnp.asarray(30.0) for _ in range(5))
    with live_line("compiling the steps, and learning"):
        solution = dg.solve(game, dg.Extragradient(0.5), begin, max_steps=20_000, tol=1e-11)
    found = ", ".join(f"{float(q):.3f}" for q in solution.strategy)
    console.print(f"outputs ({found}) after {int(solution.steps)} steps of extragradient;")
    console.print("published in 1982: (36.933, 41.818, 43.707, 42.659, 39.179)")

    console.rule(f"2. A proof for the box of radius {RADIUS:g} around it")
    region = Box.around(solution.strategy, RADIUS)
    with on_terminal() as report:
        certificate = certify(
            game,
            region,
            methods=[dg.Simultaneous, dg.Extragradient],
            search=Search(progress=report),
        )
    if certificate.status != "proved":
        console.print(certificate_table(certificate))
        return False
    path = certificate.save(output)
    verdict = check(path)
    console.print(certificate_table(certificate))
    console.print(f"certificate written to {path} ({path.stat().st_size / 1024:.0f} KiB)")

    console.rule("3. Learning with the certified steps, from anywhere in the basin")
    kept = verdict.ok
    for method in (dg.Simultaneous, dg.Extragradient):
        name = dg.method_name(method)
        step = certificate.step_sizes[name]
        for size, bound in ((step.best, step.rate), (step.max, 1.0)):
            with live_line("64 runs from random starts"):
                observed = worst_factor(game, certificate, name, method(size))
            kept = kept and observed <= bound
            promise = f"proved {bound:.6f}" if bound < 1 else "proved below 1"
            console.print(
                f"{name} with step {size:.4f}: observed from 64 random starts, a factor of "
                f"at most {observed:.6f} per iteration; {promise}"
            )
    console.print(f"{time.perf_counter() - start:.0f} s in all")
    return kept


def worst_factor(
    game: dg.Game,
    certificate: Convergence,
    name: str,
    method: dg.AbstractMethod,
    starts: int = 64,
    steps: int = 200,
) -> float:
    """Returns the largest factor of any step, from random starts at the edge of the basin.

    Distances are to the equilibrium, in the norm in which the certificate promises contraction;
    steps that begin within 10^-6 of the equilibrium are left out, where rounding would dominate.
    """
    step = certificate.step_sizes[name]
    center, unravel = ravel(certificate.equilibrium.center)
    sizes = dg.dimensions(certificate.equilibrium.center)
    small_gain = np.repeat(list(certificate.small_gain.weights.values()), sizes)
    metric = np.diag(small_gain) if step.theorem == "small_gain" else certificate.metric
    factor = jnp.asarray(np.linalg.cholesky(metric).T)  # |x|_P = |factor x|

    def length(vector: jax.Array) -> jax.Array:
        if step.scale is None:
            return jnp.linalg.norm(factor @ vector)
        parts = zip(jnp.split(vector, np.cumsum(sizes)[:-1]), step.scale.values(), strict=True)
        return jnp.max(jnp.stack([jnp.linalg.norm(part) / scale for part, scale in parts]))

    direction = jax.random.normal(jax.random.key(1), (starts, center.size), jnp.float64)
    direction /= jax.vmap(length)(direction)[:, None]
    field = dg.pseudo_gradient(game)

    def distance(x: Strategy) -> jax.Array:
        return length(ravel(x)[0] - center)

    def run(start: jax.Array) -> jax.Array:
        x = unravel(start)

        def advance(carry, _):
            after = method.step(field, carry[0], carry[1], None)
            before, now = distance(carry[0]), distance(after[0])
            return after, jnp.where(before > 1e-6, now / before, 0.0)

        return jnp.max(jax.lax.scan(advance, (x, method.init(field, x, None)), None, steps)[1])

    return float(jnp.max(jax.jit(jax.vmap(run))(center[None, :] + step.basin * direction)))

"""Width and speed of enclosures, side by side with immrax where it is installed.

    python benchmarks/enclosures.py

1. The widest entry of Jacobians and Hessians of random tanh networks over boxes, against what
   sampling finds (a lower bound on any enclosure).
2. Products of interval matrices.
3. Jacobians of a two-player, two-dimensional game over many cells at once.

immrax is no dependency; install it beside this package to compare. Its enclosures do not account
for rounding.
"""

import importlib
import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import certify
from certify.enclosure.programs.plain import plain

jax.config.update("jax_enable_x64", True)

try:
    immrax: Any = importlib.import_module("immrax")
except ImportError:
    immrax = None

NETWORKS = ((2, 16, 1), (2, 16, 16, 1), (4, 32, 32, 1), (8, 64, 64, 1))
RADII = (0.05, 0.2, 0.5)


def main() -> None:
    """Prints the three tables."""
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, immrax: {immrax is not None}")
    networks()
    products()
    cells()


def network(sizes: tuple[int, ...], seed: int = 0) -> Callable:
    """A tanh network with weights of variance 1 / inputs."""
    rng = np.random.default_rng(seed)
    layers = [
        (
            jnp.asarray(rng.standard_normal((b, a)) / np.sqrt(a)),
            jnp.asarray(0.1 * rng.standard_normal(b)),
        )
        for a, b in itertools.pairwise(sizes)
    ]

    def apply(x: Any) -> Any:
        for weights, bias in layers[:-1]:
            x = jnp.tanh(weights @ x + bias)
        weights, bias = layers[-1]
        return (weights @ x + bias)[0]

    return apply


def networks() -> None:
    """Widths of derivatives, and seconds to compile and to run."""
    print("\nWidest entry over boxes of that radius (sampled is a lower bound)")
    print("network        radius  derivative  sampled   affine  interval   immrax  immrax/best")
    for sizes in NETWORKS:
        function = network(sizes)
        centre = 0.5 * jax.random.normal(jax.random.key(1), (sizes[0],))
        for order, derivative, enclosed in (
            ("Jacobian", jax.jacrev, certify.enclose_jacobian),
            ("Hessian", jax.hessian, certify.enclose_hessian),
        ):
            ours = {
                method: jax.jit(enclosed(function, method=method))
                for method in (("affine", "interval") if order == "Jacobian" else ("interval",))
            }
            theirs = natural(derivative(function))
            sampled = jax.jit(jax.vmap(derivative(function)))
            for radius in RADII:
                box = certify.Interval(centre - radius, centre + radius)
                points = _points(centre, radius)
                values = sampled(points)
                truth = float(jnp.max(values.max(0) - values.min(0)))
                widths = {}
                for method, compute in ours.items():
                    result = compute(box)
                    inside = (result.lower <= values) & (values <= result.upper)
                    assert bool(inside.all()), "a sampled derivative escapes"
                    widths[method] = float(result.width.max())
                other = theirs(box)
                ratio = f"{other / min(widths.values()):11.1f}" if other else "          -"
                print(
                    f"{'-'.join(map(str, sizes)):14} {radius:6} {order:>11} {truth:8.3f} "
                    f"{_number(widths.get('affine'))} {_number(widths['interval'])} "
                    f"{_number(other)} {ratio}"
                )


def natural(function: Callable) -> Callable:
    """The widest entry of immrax's natural inclusion function, or None."""
    if immrax is None:
        return lambda box: None
    compute = jax.jit(immrax.natif(function))

    def widest(box: certify.Interval) -> float:
        result = compute(immrax.interval(box.lower, box.upper))
        return float(jnp.max(result.upper - result.lower))

    return widest


def products(sizes: tuple[int, ...] = (64, 256)) -> None:
    """Seconds and width of an interval matrix product."""
    print("\nProduct of two n x n interval matrices, median of 7 runs")
    print("  n      ours s    immrax s    ratio   width ratio (ours / immrax)")
    for n in sizes:
        rng = np.random.default_rng(n)
        middles, radii = rng.standard_normal((2, n, n)), 1e-3 * rng.random((2, n, n))
        x, y = (
            certify.Interval(jnp.asarray(m - r), jnp.asarray(m + r))
            for m, r in zip(middles, radii, strict=True)
        )
        ours = jax.jit(certify.enclose(jnp.matmul))
        mine = seconds(ours, x, y)
        if immrax is None:
            print(f"{n:4} {mine:11.5f}           -        -             -")
            continue
        theirs = jax.jit(immrax.natif(jnp.matmul))
        pair = [immrax.interval(z.lower, z.upper) for z in (x, y)]
        other = seconds(theirs, *pair)
        result = theirs(*pair)
        width = float(jnp.mean(ours(x, y).width) / jnp.mean(result.upper - result.lower))
        print(f"{n:4} {mine:11.5f} {other:11.5f} {other / mine:8.1f} {width:13.3f}")


def cells(count: int = 2**17) -> None:
    """Cells per second of the Jacobian of a smooth game with two coordinates."""

    def costs(x: Any) -> Any:
        first = 0.5 * x[0] ** 2 + jnp.tanh(x[0]) * jnp.sin(x[1])
        second = 0.5 * x[1] ** 2 - jnp.sin(x[0]) * jnp.tanh(x[1])
        return first, second

    def field(x: Any) -> Any:
        first, second = plain(lambda x: costs(x)[0]), plain(lambda x: costs(x)[1])
        return jnp.stack([jax.grad(first)(x)[0], jax.grad(second)(x)[1]])

    def raw(x: Any) -> Any:
        gradients = [jax.grad(lambda x, k=k: costs(x)[k])(x)[k] for k in range(2)]
        return jnp.concatenate([value[None] for value in gradients])  # immrax has no stack

    lower = jax.random.uniform(jax.random.key(0), (count, 2), minval=-1.0, maxval=1.0)
    upper = lower + 0.05
    print(f"\nJacobians over {count} cells of a game with two coordinates, cells per second")
    ours = jax.jit(
        jax.vmap(lambda a, b: _ends(certify.enclose(jax.jacfwd(field))(certify.Interval(a, b))))
    )
    mine = count / seconds(ours, lower, upper)
    print(f"ours, outward rounded, exact ranges   {mine:12.3g}")
    if immrax is not None:
        theirs = immrax.natif(jax.jacfwd(raw))
        batched = jax.jit(jax.vmap(lambda a, b: _ends(theirs(immrax.interval(a, b)))))
        other = count / seconds(batched, lower, upper)
        mean = [float(jnp.mean(f(lower, upper)[1] - f(lower, upper)[0])) for f in (ours, batched)]
        print(f"immrax natif                          {other:12.3g}")
        print(f"mean width, immrax / ours             {mean[1] / mean[0]:12.2f}")


def seconds(function: Callable, *arguments: Any, runs: int = 7) -> float:
    """The median of several runs after a first."""
    jax.block_until_ready(jax.tree.leaves(function(*arguments)))
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(jax.tree.leaves(function(*arguments)))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _ends(x: Any) -> Any:
    return x.lower, x.upper


def _points(centre: Any, radius: float) -> Any:
    inside = jax.random.uniform(jax.random.key(2), (4000, centre.size), minval=-1.0)
    corners = jax.random.rademacher(jax.random.key(3), (2000, centre.size), jnp.float64)
    return centre + radius * jnp.concatenate([inside, corners])


def _number(value: float | None) -> str:
    return "       -" if value is None else f"{value:8.3f}"


if __name__ == "__main__":
    main()

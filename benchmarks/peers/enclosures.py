"""Widths and times of enclosures, beside immrax."""

import importlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import certify
from benchmarks.enclosures import NETWORKS, network
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Enclosures"

ABOUT = """\
Seconds for the enclosure of a derivative over a box, compiled on both sides, and how much wider
the peer's widest entry is. immrax's natural inclusion functions round to nearest: they do not
account for rounding errors and are no proof by themselves; ours are rounded outwards in every
operation. Affine arithmetic buys its narrowness with work; the rows *interval* are the same kind
of arithmetic as immrax's. More widths are printed by `python benchmarks/enclosures.py`, and which
primitives can be enclosed at all by `python -m benchmarks.coverage`.
"""

RADIUS = 0.2


def ends(box: Any) -> tuple[jax.Array, jax.Array]:
    """Both ends of an interval of either library."""
    return box.lower, box.upper


def row(what: str, ours: Any, theirs: Any, lower: Any, upper: Any, turns: int) -> Row:
    """Times of both, and the ratio of their widest entries."""
    if theirs is None:
        return not_run(what, "immrax", "not installed")
    mine, other = lambda: ours(lower, upper), lambda: theirs(lower, upper)
    ((a, b), cold), ((c, d), their_cold) = timed(mine), timed(other)
    wider = float(jnp.max(d - c) / jnp.max(b - a))
    seconds = in_turns((mine, other), turns)
    results = f"theirs {wider:.3g} times as wide"
    return Row(what, "immrax", compared(*seconds), "box", (cold, their_cold), results)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    immrax: Any = None if missing("immrax") else importlib.import_module("immrax")
    turns = 3 if quick else 31

    def natural(function: Any) -> Any:
        if immrax is None:
            return None
        compute = immrax.natif(function)
        return jax.jit(lambda a, b: ends(compute(immrax.interval(a, b))))

    for sizes in NETWORKS[:1] if quick else NETWORKS[1:]:
        function = network(sizes)
        center = 0.5 * jax.random.normal(jax.random.key(1), (sizes[0],))
        name = "-".join(map(str, sizes))
        for order, derivative, enclose, methods in (
            ("Jacobian", jax.jacrev, certify.enclose_jacobian, ("affine", "interval")),
            ("Hessian", jax.hessian, certify.enclose_hessian, ("interval",)),
        ):
            theirs = natural(derivative(function))
            for method in methods:
                enclosed = enclose(function, method=method)  # pyright: ignore[reportArgumentType]

                def ours(a: Any, b: Any, enclosed: Any = enclosed) -> Any:
                    return ends(enclosed(certify.Interval(a, b)))

                what = f"{order} of a {name} network, {method}"
                box = center - RADIUS, center + RADIUS
                yield row(what, jax.jit(ours), theirs, *box, turns)
    for n in (8,) if quick else (64, 256):
        rng = np.random.default_rng(n)
        middles, radii = rng.standard_normal((2, n, n)), 1e-3 * rng.random((2, n, n))
        lower, upper = jnp.asarray(middles - radii), jnp.asarray(middles + radii)

        def product(a: Any, b: Any) -> Any:
            pair = (certify.Interval(a[i], b[i]) for i in range(2))
            return ends(certify.enclose(jnp.matmul)(*pair))

        theirs = natural(lambda pair: pair[0] @ pair[1])
        what = f"product of {n} x {n} interval matrices"
        yield row(what, jax.jit(product), theirs, lower, upper, turns)

"""Whether a probe can be enclosed: whether bounds come out, are finite, and hold what JAX computes.

See `probes` for the functions, and `python -m benchmarks.coverage` for a table of all of them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from certify.enclosure import Interval, enclose
from certify.enclosure.programs.plain import plain
from tools.probes import RADIUS, Probe

ORDERS = ("value", "gradient", "Hessian")
# How far JAX's own rounding may put a computed value outside.
_ROUNDING = 1e-9


def derivative(probe: Probe, order: int, change: Callable = lambda function: function) -> Callable:
    """The function (or another in place of it), its gradient or its Hessian."""
    function = change(probe.function)
    if order == 0:
        return function
    gradient = probe.gradient(function)
    return gradient if order == 1 else jax.jacfwd(gradient)


def enclosed(probe: Probe, order: int) -> Callable:
    """What certify encloses: derivatives are those of the code that computes the value."""
    return enclose(derivative(probe, order, plain) if order else probe.function)


def samples(probe: Probe, order: int, count: int = 20) -> np.ndarray:
    """What JAX computes at points of the box, corners among them."""
    shares = np.random.default_rng(0).uniform(-1.0, 1.0, (count, probe.center.size))
    shares[: count // 2] = np.sign(shares[: count // 2])
    points = probe.center + RADIUS * shares
    computed = jax.jit(derivative(probe, order))
    return np.stack([np.asarray(computed(jnp.asarray(x))) for x in points])


def outcome(compute: Callable, probe: Probe, values: np.ndarray) -> str:
    """`ok`, or in a word what went wrong."""
    try:
        lower, upper = compute(probe.center - RADIUS, probe.center + RADIUS)
    except Exception as error:
        return f"error: {type(error).__name__}: {str(error).splitlines()[0][:90]}"
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return "nothing known"
    slack = _ROUNDING * (1.0 + np.abs(values))
    inside = (lower - slack <= values).all() and (values <= upper + slack).all()
    return "ok" if inside else "WRONG"


def by_certify(probe: Probe, order: int) -> Callable:
    """Ends of our enclosure."""
    compute = jax.jit(enclosed(probe, order))

    def ends(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        box = compute(Interval(jnp.asarray(lower), jnp.asarray(upper)))
        return np.asarray(box.lower), np.asarray(box.upper)

    return ends

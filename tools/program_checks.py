"""Random programs, boxes and points: values, gradients and Hessians against the oracle."""

import jax
import jax.numpy as jnp
import numpy as np

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.derivatives import Method, derivative_enclosure
from tools import numpy_jaxpr, oracle
from tools import random_programs as programs

BOXES, POINTS = 6, 2


def enclosures(program, lower, upper, method: Method = "interval", compiled=False):
    """Bounds of value, gradient and Hessian over a batch of boxes; None where refused."""
    found = []
    for order in range(3):

        def ends(low, high, order=order):
            if order == 0:
                box = enclose(program.function)(Interval(low, high))
                return box.lower, box.upper
            code = derivative_enclosure(
                lambda x: jnp.reshape(program.function(x), (1,)), order, method, 64
            )
            box = code(Interval(low, high))
            return box.lower[0], box.upper[0]

        run = jax.vmap(ends)
        try:
            if compiled:
                found.append(list(map(np.asarray, jax.jit(run)(lower, upper))))
            else:
                with np.errstate(all="ignore"):
                    code = jax.make_jaxpr(run)(lower, upper)
                    found.append(numpy_jaxpr.run(code, [lower, upper]))
        except EnclosureError:
            found.append(None)
    return found


def check(seed, boxes=BOXES, points=POINTS, method: Method = "interval", compiled=False):
    """The escapes of one program, how many numbers were compared, and undecided points."""
    program = programs.random_program(seed)
    rng = np.random.default_rng([seed, 1])
    ends = [programs.random_box(rng, program.size) for _ in range(boxes)]
    lower, upper = (np.stack([end[k] for end in ends]) for k in range(2))
    bounds = enclosures(program, lower, upper, method, compiled)
    found, compared, undecided = [], 0, 0
    for k in range(boxes):
        here = [None if b is None else [b[0][k], b[1][k]] for b in bounds]
        for point in programs.random_points(rng, lower[k], upper[k], points):
            inside = bool(np.all((lower[k] < point) & (point < upper[k])))
            try:
                new, count = programs.escapes(program.function, point, inside, here)
            except (oracle.Undecided, OverflowError):
                undecided += 1
                continue
            found += [(lower[k].tolist(), upper[k].tolist(), escape) for escape in new]
            compared += count
    return program, found, compared, undecided

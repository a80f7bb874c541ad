"""Random programs, boxes and points: values, gradients and Hessians against the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.derivatives import Method, derivative_enclosure
from tests.certify.enclosure import numpy_jaxpr, oracle
from tests.certify.enclosure import random_programs as programs

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


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(2))
def test_no_escapes(batch):
    compared = 0
    with jax.numpy_rank_promotion("allow"):
        for seed in range(20 * batch, 20 * batch + 12):
            program, found, count, _ = check(seed, boxes=10)
            assert not found, (seed, program.text, found[0])
            compared += count
    assert compared > 500


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 6])
def test_no_escapes_of_compiled_code(seed):
    with jax.numpy_rank_promotion("allow"):
        program, found, _, _ = check(seed, compiled=True)
    assert not found, (program.text, found[0])


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "compiled"), [(1002, False), (1005, True), (1007, False)])
def test_no_escapes_of_affine_forms(seed, compiled):
    with jax.numpy_rank_promotion("allow"):
        program, found, _, _ = check(seed, method="affine", compiled=compiled)
    assert not found, (program.text, found[0])


def test_the_oracle_against_closed_forms():
    def function(x):
        return jnp.exp(x[0]) * x[1] ** 2 + jnp.abs(x[0] - x[1])

    point, direction = np.array([0.3, -0.4]), np.array([1.0, 2.0])
    ((value, slope, curvature),) = oracle.directional(function, point, direction)
    e = np.exp(0.3)
    assert abs(float(value) - (e * 0.16 + 0.7)) < 1e-15
    assert abs(float(slope) - (e * 0.16 - 2 * e * 0.8 - 1.0)) < 1e-14
    assert abs(float(curvature) - (e * 0.16 - 4 * e * 0.8 + 8 * e)) < 1e-13

"""Random programs: their values, gradients and Hessians are in their enclosures.

`python benchmarks/soundness.py` takes as many as there is time for.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tools import oracle
from tools.program_checks import check


@pytest.mark.full
@pytest.mark.parametrize("batch", range(2))
def test_no_escapes(batch):
    compared = 0
    with jax.numpy_rank_promotion("allow"):
        for seed in range(20 * batch, 20 * batch + 7):
            program, found, count, _ = check(seed, boxes=10)
            assert not found, (seed, program.text, found[0])
            compared += count
    assert compared > 250


@pytest.mark.full
@pytest.mark.parametrize("seed", [2])
def test_no_escapes_of_compiled_code(seed):
    with jax.numpy_rank_promotion("allow"):
        program, found, _, _ = check(seed, compiled=True)
    assert not found, (program.text, found[0])


@pytest.mark.full
@pytest.mark.parametrize(("seed", "compiled"), [(1002, False), (1005, True)])
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

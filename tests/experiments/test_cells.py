"""Equal cells: what they prove about a field whose Jacobian is known."""

import itertools

import numpy as np
import pytest

import certify
import dgames as dg
from experiments import cells

# J = [[1 + x^2, y / 2], [-1, 1]]
FIELD = dg.FunctionField(lambda z, args: (z[0] + z[0] ** 3 / 3 + z[1] ** 2 / 4, z[1] - z[0]))
POINTS = np.random.default_rng(0).uniform(-1, 1, (500, 2))
JACOBIANS = np.array([[[1 + x**2, y / 2], [-1.0, 1.0]] for x, y in POINTS.tolist()])


@pytest.fixture(scope="module")
def found():
    return cells.cells_of(FIELD, certify.Box.around((0.0, 0.0), 1.0), 4)


def test_every_jacobian_lies_in_its_cell(found):
    edges = np.linspace(-1, 1, 5)
    for k, (i, j) in enumerate(itertools.product(range(4), repeat=2)):
        low, high = edges[[i, j]], edges[[i + 1, j + 1]]
        inside = JACOBIANS[((low <= POINTS) & (high >= POINTS)).all(1)]
        assert len(inside) and (found.lower[k] <= inside).all() and (inside <= found.upper[k]).all()
        # No wider than x^2 and y / 2 are on a cell of width 1/2, and a little.
        assert (found.upper[k] - found.lower[k] <= [[1.01, 0.251], [1e-12, 1e-12]]).all()


def test_constants_bound_all_samples(found):
    symmetric = 0.5 * (JACOBIANS + JACOBIANS.swapaxes(1, 2))
    sampled = np.linalg.eigvalsh(symmetric)[:, 0].min()
    assert sampled - 0.3 <= cells.margin(found) <= sampled
    norm = np.linalg.norm(JACOBIANS, 2, (1, 2)).max()
    assert norm <= cells.lipschitz(found) <= norm + 0.6
    curvature, coupling = cells.constants(found)
    assert (curvature <= 1).all() and (curvature >= 0.74).all()
    assert coupling[0, 1] >= 0.5 and coupling[1, 0] >= 1.0 and coupling[0, 0] == 0


@pytest.mark.parametrize("steps", [(0.1, 0.1), (0.4, 0.4), (0.2, 0.6), (0.9, 0.3), (1.5, 1.5)])
def test_factors_are_no_smaller_than_those_of_samples(found, steps):
    h = np.array(steps)
    root = 1 / np.sqrt(h)
    maps = root[:, None] * (np.eye(2) - h[:, None] * JACOBIANS) / root
    norm = np.linalg.norm(maps, 2, (1, 2)).max()
    assert norm <= cells.contraction(found, steps) <= norm + 0.6


def test_the_largest_step_is_the_last_that_contracts(found):
    step = cells.largest_step(found, 2.0)
    assert (
        cells.contraction(found, (step, step)) < 1 <= cells.contraction(found, (step + 2e-3,) * 2)
    )

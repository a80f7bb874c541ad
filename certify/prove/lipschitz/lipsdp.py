"""Multipliers of the sector inequality by semidefinite programming, for small networks."""

import numpy as np

from certify.prove.lipschitz.pivots import Centres
from certify.prove.lipschitz.sector_inequality import Multipliers
from certify.prove.lipschitz.unit_slopes import UnitSlopes

# Larger inequalities take minutes and gigabytes.
LARGEST = 400


def best_multipliers(centres: Centres, slopes: list[UnitSlopes]) -> Multipliers:
    """Solves the semidefinite program; the result is a guess.

    Only diagonal multipliers are used: those that couple neurons, of the first version of LipSDP,
    prove false constants (Pauli, Koch, Berberich, Kohler and Allgower, arXiv:2005.02929).

    Raises:
        ValueError: If the network is too large, or the solver failed.
    """
    import cvxpy as cp

    sizes = [matrix.shape[1] for matrix in centres]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    n = int(starts[-1])
    if n > LARGEST:
        raise ValueError(
            f"lipschitz: the semidefinite program has {n} rows, inputs and hidden units, more than "
            f'{LARGEST}; use method="pivots"'
        )
    # M is a constant, plus the square and every multiplier times a matrix of its own.
    basis = np.eye(n)
    square = cp.Variable(nonneg=True)
    constant = np.zeros((n, n))
    constant[starts[-2] :, starts[-2] :] = -centres[-1].T @ centres[-1]
    first = np.zeros((n, n))
    first[: sizes[0], : sizes[0]] = np.eye(sizes[0])
    inequality, variables = constant + square * first, []
    for k, slope in enumerate(slopes):
        weight = cp.Variable(len(slope.lower) // slope.tied, nonneg=True)
        variables.append(weight)
        own = cp.diag(cp.hstack([weight[r // slope.tied] for r in range(len(slope.lower))]))
        unit = basis[:, starts[k + 1] : starts[k + 2]]
        before = basis[:, starts[k] : starts[k + 1]] @ centres[k].T
        low, high = unit - before * slope.lower, before * slope.upper - unit
        inequality = inequality - 0.5 * (low @ own @ high.T + high @ own @ low.T)
    problem = cp.Problem(cp.Minimize(square), [inequality >> 0])
    try:
        problem.solve(solver=cp.CLARABEL)
    except cp.SolverError as error:
        raise ValueError(f"lipschitz: the semidefinite solver failed: {error}") from error
    if square.value is None or not square.value > 0:
        raise ValueError(f"lipschitz: the semidefinite solver failed: {problem.status}")
    floor = 1e-9 * max(float(np.max(weight.value)) for weight in variables)
    return [
        np.repeat(np.maximum(weight.value, floor), slope.tied) / float(square.value)
        for weight, slope in zip(variables, slopes, strict=True)
    ]

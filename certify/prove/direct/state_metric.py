"""Guesses metrics on augmented states in which a step may contract; all are to be verified."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

# Metrics with a larger condition number, after the coordinates are scaled, are dropped.
_CONDITION = 1e9


def candidates(jacobian: Float[np.ndarray, "m m"]) -> Iterator[Float[np.ndarray, "m m"]]:
    """Yields metrics for one Jacobian, that at the fixed point.

    Some are from eigenvectors, `P = (V V*)^-1`, in which a diagonalisable matrix shrinks distances
    by its spectral radius. Others are from the discrete Lyapunov equation, `P = sum_k (T'/g)^k W
    (T/g)^k`, in which a matrix shrinks distances by `g`, for every `g` above the spectral radius,
    however ill-conditioned the eigenvectors are.

    Args:
        jacobian: The Jacobian, of spectral radius below one.
    """
    values, vectors = np.linalg.eig(jacobian)
    radius = float(np.abs(values).max())
    m = len(jacobian)
    yield from _usable(np.eye(m))
    with np.errstate(all="ignore"):
        gram = np.real(vectors @ vectors.conj().T)
    for floor in (1e-13, 1e-7, 1e-4):
        spectrum, directions = np.linalg.eigh(gram)
        spectrum = np.maximum(spectrum, floor * spectrum[-1])
        yield from _usable((directions / spectrum) @ directions.T)
    for share in (0.02, 0.1, 0.3, 0.6, 0.9):
        shrunk = jacobian / (radius + share * (1 - radius))
        weights = np.eye(m)
        for _ in range(2):  # the second time with coordinates in their natural units
            try:
                metric = scipy.linalg.solve_discrete_lyapunov(shrunk.T, weights)
            except (np.linalg.LinAlgError, ValueError):
                break
            yield from _usable(metric)
            weights = np.diag(np.maximum(np.diag(metric), 1e-12 * np.abs(metric).max()))


def _usable(metric: np.ndarray) -> list[np.ndarray]:
    if not np.isfinite(metric).all() or not (np.diag(metric) > 0).all():
        return []
    metric = 0.5 * (metric + metric.T)
    root = 1 / np.sqrt(np.diag(metric))
    spectrum = np.linalg.eigvalsh(metric * root[:, None] * root)
    if spectrum[0] * _CONDITION < spectrum[-1]:
        return []
    return [metric / np.abs(metric).max()]


def factor(jacobians: Float[np.ndarray, "count m m"], metric: Float[np.ndarray, "m m"]) -> float:
    """Returns the largest factor of some Jacobians in a metric."""
    left = np.linalg.cholesky(metric)
    half = left.T @ jacobians
    scaled = np.swapaxes(np.linalg.solve(left, np.swapaxes(half, -1, -2)), -1, -2)
    return float(np.linalg.norm(scaled, 2, axis=(-2, -1)).max())


def robust(
    jacobians: Float[np.ndarray, "count m m"], like: Float[np.ndarray, "m m"], target: float
) -> np.ndarray | None:
    """Looks for a metric in which several Jacobians contract at once, by a semidefinite program.

    Args:
        jacobians: The Jacobians.
        like: A metric whose units are used: the program is well-scaled where it is the identity.
        target: The factor to aim at.

    Returns:
        A guess, or None if there is no solver or the solver finds nothing.
    """
    try:
        import cvxpy as cp
    except ImportError:
        return None
    m = len(like)
    left = np.linalg.cholesky(like)
    metric = cp.Variable((m, m), symmetric=True)
    gap = cp.Variable()
    constraints: list[Any] = [metric >> np.eye(m), metric << 1e4 * np.eye(m)]
    for jacobian in jacobians:
        scaled = np.linalg.solve(left, (left.T @ jacobian).T).T
        constraints.append(target**2 * metric - scaled.T @ metric @ scaled >> gap * np.eye(m))
    try:
        with warnings.catch_warnings():  # inaccurate guesses are as welcome as others
            warnings.simplefilter("ignore")
            cp.Problem(cp.Maximize(gap), constraints).solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return None
    if metric.value is None or not np.isfinite(metric.value).all():
        return None
    found = _usable(left @ (0.5 * (metric.value + metric.value.T)) @ left.T)
    return found[0] if found else None

"""Finds quadratic forms that grow along unstable directions; what is found proves nothing."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

# The growth of a form is that of the fastest direction, to the power of one minus one of these.
_SHARES = (2.0**-14, 2.0**-7, 2.0**-4, 2.0**-1)
# Rounding errors of eigenvalues, in units of the largest entry of a matrix.
_NOISE = 1e-13
# The share of its part that grows that a form has to have at the start, to count as positive.
_CLEARLY = 2.0**-6
# By how much the unstable part of a form is enlarged, until it is positive where methods start.
_WEIGHTS = tuple(4.0**k for k in range(16))
# Bits of integers in the form and in the direction.
_BITS, _DIRECTION_BITS = 60, 20


class GrowingForm(NamedTuple):
    """A quadratic form `V(d) = d' P d` that grows along a linear system.

    Attributes:
        matrix: P, integers row by row.
        growth: The factor of V in a step; of the flow half its rate.
        direction: Integers: a direction of strategies in which V is positive at the start.
    """

    matrix: list[int]
    growth: float
    direction: list[int]


def spectral_size(matrix: Float[np.ndarray, "m m"], *, flow: bool) -> float:
    """Returns the spectral radius of a step, or the largest real part of the flow `d' = A d`."""
    values = np.linalg.eigvals(matrix)
    return float((values.real if flow else np.abs(values)).max())


def growing_forms(
    matrix: Float[np.ndarray, "m m"], start: Float[np.ndarray, "m n"], *, flow: bool
) -> Iterator[GrowingForm]:
    """Yields forms to try, the fastest first.

    With the invariant subspaces of what grows faster than r and of the rest, and Lyapunov's
    equations on both, `P = weight P_fast - P_slow` obeys `A' P A > r^2 P`.

    Args:
        matrix: The Jacobian of the step, or minus that of the field for the flow.
        start: From directions of strategies to those of augmented states at the start.
        flow: Whether it is the flow.
    """
    top, size = spectral_size(matrix, flow=flow), float(np.abs(matrix).max())
    if not top > (0 if flow else 1) + _NOISE * size:
        return
    for share in _SHARES:
        rate = top * (1 - share) if flow else top ** (1 - share)
        growth = rate if flow else rate**2
        try:
            with np.errstate(all="ignore"):
                fast, slow = _parts(matrix, rate, flow=flow)
        except (np.linalg.LinAlgError, ValueError):
            continue
        if not (np.isfinite(fast).all() and np.isfinite(slow).all()):
            continue
        for weight in _WEIGHTS:
            form = weight * fast - slow
            values, vectors = np.linalg.eigh(start.T @ form @ start)
            if values[-1] > _CLEARLY * weight * np.abs(start.T @ fast @ start).max():
                yield GrowingForm(
                    _integers(form, _BITS), growth, _integers(vectors[:, -1], _DIRECTION_BITS)
                )
                break


def _parts(matrix: np.ndarray, rate: float, *, flow: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns the forms of what grows faster than a rate, and of the rest, both semidefinite."""
    # SciPy looks at the arguments of the function, which it must not find wrapped.
    triangle, basis, count = _schur(
        matrix, lambda real, imaginary: (real if flow else np.hypot(real, imaginary)) > rate
    )
    if not count:
        raise ValueError("nothing grows as fast")
    above, across, below = (
        triangle[:count, :count],
        triangle[:count, count:],
        triangle[count:, count:],
    )
    # In the basis `basis [[I, X], [0, I]]` the matrix is block diagonal.
    coupling = scipy.linalg.solve_sylvester(above, -below, -across) if len(below) else across
    left = (
        np.block([[np.eye(count), -coupling], [np.zeros(coupling.T.shape), np.eye(len(below))]])
        @ basis.T
    )
    fast = left[:count].T @ lyapunov(above, rate, flow=flow) @ left[:count]
    if not len(below):
        return fast, np.zeros_like(fast)
    slow = left[count:].T @ -lyapunov(below, rate, flow=flow) @ left[count:]
    return fast, slow * (np.abs(fast).max() / np.abs(slow).max())


def _schur(
    matrix: np.ndarray, first: Callable[[float, float], bool]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns a real Schur form, its basis, and how many of its eigenvalues were to come first."""
    found: Any = scipy.linalg.schur(matrix, output="real", sort=first)
    return found


def lyapunov(
    matrix: Float[np.ndarray, "m m"], rate: float, *, flow: bool
) -> Float[np.ndarray, "m m"]:
    """Solves `A' X A - X = I` for `A = matrix / rate`, of the flow `A' X + X A = I`, shifted.

    Raises:
        LinAlgError: If the equation is singular.
    """
    identity = np.eye(len(matrix))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            if flow:
                shifted = matrix - rate * identity
                return scipy.linalg.solve_continuous_lyapunov(shifted.T, identity)
            return scipy.linalg.solve_discrete_lyapunov((matrix / rate).T, -identity)
        except RuntimeWarning as warning:
            raise np.linalg.LinAlgError(str(warning)) from None


def _integers(numbers: np.ndarray, bits: int) -> list[int]:
    """Returns numbers as integers in units of the largest; symmetric matrices stay symmetric."""
    if numbers.ndim == 2:
        numbers = 0.5 * (numbers + numbers.T)
    scale = 2.0**bits / np.abs(numbers).max()
    return [int(x) for x in np.rint(numbers * scale).ravel()]

"""Local rates from characteristic polynomials: how one step acts on one eigenvalue of the game.

A method with memory, applied to a linear game `F(x) = J x`, acts on each eigenvalue `nu` of `J`
alone: its multipliers are the roots of a polynomial, and the largest modulus is the rate. The
gradients enter complex momentum through the filter

    Re(mu) = -G(z) F,      G(z) = z (z - Re b) / (z^2 - 2 Re(b) z + |b|^2),

so that simultaneous steps `(z - 1) x = h Re(mu)` have the cubic

    (z - 1) (z^2 - 2 Re(b) z + |b|^2) + h nu z (z - Re b) = 0,

and alternating ones on `min_x max_y s x y`, where the second player sees `z x` for `x`,

    ((z - 1) (z^2 - 2 Re(b) z + |b|^2))^2 + h^2 s^2 z^3 (z - Re b)^2 = 0.
"""

from typing import Any

import numpy as np
from scipy.optimize import minimize


def largest_modulus(coefficients: np.ndarray) -> np.ndarray:
    """The largest modulus of a root, of many monic polynomials.

    Args:
        coefficients: Shape `(..., degree + 1)`, from the leading one, which is 1, to the constant.

    Returns:
        Shape `(...)`.
    """
    degree = coefficients.shape[-1] - 1
    companion = np.zeros((*coefficients.shape[:-1], degree, degree), complex)
    companion[..., 0, :] = -coefficients[..., 1:]
    below = np.arange(degree - 1)
    companion[..., below + 1, below] = 1
    return np.abs(np.linalg.eigvals(companion)).max(-1)


def gradient(step: Any, eigenvalue: Any) -> np.ndarray:
    """Rates of simultaneous gradient steps."""
    return np.abs(1 - step * eigenvalue)


def extragradient(step: Any, eigenvalue: Any) -> np.ndarray:
    """Rates of extragradient steps, of two evaluations each."""
    return np.abs(1 - step * eigenvalue + (step * eigenvalue) ** 2)


def optimistic(step: Any, eigenvalue: Any) -> np.ndarray:
    """Rates of optimistic steps: roots of `z^2 - (1 - 2 h nu) z - h nu`."""
    turn = np.asarray(step * eigenvalue, complex)
    return largest_modulus(np.stack([np.ones_like(turn), -1 + 2 * turn, -turn], -1))


def momentum(step: Any, momentum: Any, eigenvalue: Any) -> np.ndarray:
    """Rates of heavy-ball steps: roots of `(z - 1) (z - b) + h nu z`."""
    turn, b = np.broadcast_arrays(np.asarray(step * eigenvalue, complex), momentum)
    return largest_modulus(np.stack([np.ones_like(turn), turn - 1 - b, b], -1))


def complex_momentum(step: Any, momentum: Any, eigenvalue: Any) -> np.ndarray:
    """Rates of simultaneous steps with complex momentum: roots of the cubic."""
    turn, b = np.broadcast_arrays(np.asarray(step * eigenvalue, complex), momentum)
    real, square = np.real(b), np.abs(b) ** 2
    cubic = [np.ones_like(turn), turn - 1 - 2 * real, square + 2 * real - turn * real, -square]
    return largest_modulus(np.stack(cubic, -1))


def alternating(step: Any, momentum: Any, singular: Any) -> np.ndarray:
    """Rates of alternating steps with complex momentum on `s x y`: roots of the sextic."""
    pull, b = np.broadcast_arrays(np.square(step * singular), momentum)
    real, square = np.real(b), np.abs(b) ** 2
    one = np.ones_like(real)
    cubic = np.stack([one, -1 - 2 * real, square + 2 * real, -square])
    sextic = _squared(cubic)
    for degree, factor in enumerate((one, -2 * real, real**2), start=1):
        sextic[degree] += pull * factor
    return largest_modulus(np.moveaxis(sextic, 0, -1))


def _squared(polynomials: np.ndarray) -> np.ndarray:
    """Squares of polynomials whose coefficients lie along the first axis."""
    square = np.zeros((2 * len(polynomials) - 1, *polynomials.shape[1:]))
    for i, first in enumerate(polynomials):
        square[i : i + len(polynomials)] += first * polynomials
    return square


def polar(modulus: Any, angle: Any) -> Any:
    """`modulus e^{i angle}`."""
    return modulus * np.exp(1j * np.asarray(angle))


def smallest(rate: Any, starts: np.ndarray, restarts: int = 3) -> tuple[float, np.ndarray]:
    """Minimises a rate over a few parameters by local searches.

    Rates have kinks where roots meet, so the simplex is set up again where it has collapsed.

    Args:
        rate: A function of a vector of parameters.
        starts: Where to start, shape `(number, parameters)`.
        restarts: How often each search starts again.

    Returns:
        The smallest rate of the searches, which bounds the minimum from above, and its parameters.
    """
    best, where = np.inf, starts[0]
    for start in starts:
        for _ in range(restarts):
            minimum = minimize(
                rate, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13}
            )
            start = minimum.x
            if minimum.fun < best:
                best, where = float(minimum.fun), minimum.x
    return best, where

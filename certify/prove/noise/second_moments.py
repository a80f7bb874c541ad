"""The recursion of second moments of a method under noise, in floating point."""

from typing import NamedTuple

import numpy as np
import scipy.sparse.linalg

from certify.checker.mean_square import RandomStep

# The size of matrices from which on eigenvalues are found by Arnoldi's method.
_LARGE = 300
# How often units of the state are chosen anew.
_BALANCING = 3


class Moments(NamedTuple):
    """The recursion of second moments in floating point.

    Attributes:
        maps: The matrices A of all components.
        shifts: The vectors e.
        probabilities: Their probabilities.
        spread: The number c of `certify.checker.sampled_fields`.
        operator: The matrix of `P -> L(P)` on the upper triangles of symmetric matrices.
    """

    maps: np.ndarray
    shifts: np.ndarray
    probabilities: np.ndarray
    spread: float
    operator: np.ndarray

    @classmethod
    def of(cls, step: RandomStep) -> "Moments":
        """Computes them from the exact step."""
        one, tail = step.denominator, step.denominator * step.tail
        maps = np.array([[[x / one for x in row] for row in own] for own in step.maps])
        shifts = np.array([[x / tail for x in shift] for shift in step.shifts])
        p = np.array([weight / step.fields.total for weight in step.fields.weights])
        return cls._with(maps, shifts, p, float(step.fields.spread))

    @classmethod
    def _with(cls, maps: np.ndarray, shifts: np.ndarray, p: np.ndarray, spread: float) -> "Moments":
        m, flat = maps.shape[1], maps.reshape(len(maps), -1)
        mean = p @ flat
        pairs = spread * (flat.T * p) @ flat + (1 - spread) * np.outer(mean, mean)
        # Entry (i, j) of A'P A is the sum of A_ki A_lj P_kl.
        whole = pairs.reshape(m, m, m, m).transpose(1, 3, 0, 2)
        rows, columns = np.triu_indices(m)
        upper = whole[rows, columns]
        operator = upper[:, rows, columns] + (rows != columns) * upper[:, columns, rows]
        return cls(maps, shifts, p, spread, operator)

    def in_units(self, units: np.ndarray) -> "Moments":
        """Returns the same recursion with each coordinate of the state in a unit of its own."""
        maps = self.maps * units / units[:, None]
        return self._with(maps, self.shifts / units, self.probabilities, self.spread)

    @property
    def states(self) -> int:
        """The number of coordinates of the state."""
        return self.maps.shape[1]

    def radius(self) -> float:
        """Estimates the spectral radius of L."""
        if len(self.operator) < _LARGE:
            return float(np.abs(np.linalg.eigvals(self.operator)).max())
        start = self.packed(np.eye(self.states))
        values = scipy.sparse.linalg.eigs(
            self.operator, k=1, which="LM", v0=start, return_eigenvectors=False
        )
        return float(np.abs(np.asarray(values)).max())

    def packed(self, matrix: np.ndarray) -> np.ndarray:
        """Returns the upper triangle."""
        return matrix[np.triu_indices(self.states)]

    def unpacked(self, upper: np.ndarray) -> np.ndarray:
        """Returns the symmetric matrix with an upper triangle."""
        found = np.zeros((self.states, self.states))
        found[np.triu_indices(self.states)] = upper
        return found + np.triu(found, 1).T

    def resolvent(self, rate: float, side: np.ndarray) -> np.ndarray:
        """Solves `rate P - L(P) = side`."""
        system = rate * np.eye(len(self.operator)) - self.operator
        return self.unpacked(np.linalg.solve(system, self.packed(side)))

    def applied(self, form: np.ndarray) -> np.ndarray:
        """Returns `L(P)`."""
        return self.unpacked(self.operator @ self.packed(form))

    def of_noise(self, form: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns q and r of a matrix P."""
        weighted = self.spread * self.probabilities
        pulled = self.shifts @ form
        q = np.einsum("s,ski,sk->i", weighted, self.maps, pulled)
        return q, float(weighted @ np.einsum("sk,sk->s", pulled, self.shifts))

    def form(self, rate: float) -> np.ndarray:
        """Returns a matrix `P >= 0` with `rate P - L(P) > 0`, for a rate above the radius.

        Buffers may be many times larger or smaller than strategies, so units are chosen in which
        the diagonal is about one, and the right-hand side is the identity in these.
        """
        units, one = np.ones(self.states), np.eye(self.states)
        for _ in range(_BALANCING):
            form = self.in_units(units).resolvent(rate, one)
            form = form / np.abs(form).max()
            units = units / np.sqrt(np.clip(np.diag(form), 2.0**-40, None))
        form = self.in_units(units).resolvent(rate, one)
        form = form / np.abs(form).max()
        return form / np.outer(units, units)

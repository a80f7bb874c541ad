"""Proved bounds from a solver's guesses, by rounding, backing off and an exact decision."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.exact import rational_positive_definite
from certify.checker.performance import Form
from certify.checker.schemes import Vector
from certify.rates.problems import BoundProblem
from certify.rates.semidefinite import smallest_bound

# How far inside the cone the solver is asked to stay; the first slack with a proof is taken.
SLACKS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
BITS = 44


class Bound(NamedTuple):
    """A proved `lower <= value * upper` on every trajectory.

    Attributes:
        value: The factor, exact.
        multipliers: One non-negative exact number per inequality of the problem.
    """

    value: Fraction
    multipliers: tuple[Fraction, ...]


def proves(problem: BoundProblem, bound: Bound) -> bool:
    """Returns whether a bound follows from its multipliers, decided in exact arithmetic.

    If `value * upper - lower - sum_k multiplier_k inequality_k` is positive definite and no
    multiplier is negative, then `lower <= value * upper` wherever no inequality is negative, which
    is on every trajectory.
    """
    if len(bound.multipliers) != len(problem.inequalities) or min(bound.multipliers, default=0) < 0:
        return False
    terms = [(bound.value, problem.upper), (Fraction(-1), problem.lower)]
    terms += [(-m, form) for m, form in zip(bound.multipliers, problem.inequalities, strict=True)]
    axes = range(len(problem.upper))

    def entry(i: int, j: int) -> Fraction:
        return sum((factor * form[i][j] for factor, form in terms), Fraction(0))

    return rational_positive_definite([[entry(i, j) for j in axes] for i in axes])


def prove_bound(problem: BoundProblem) -> Bound | None:
    """Returns the bound with the smallest slack of those found and proved, or None.

    Args:
        problem: The forms of the bound.
    """
    upper, lower = as_floats(problem.upper), as_floats(problem.lower)
    inequalities = stacked(problem.inequalities, len(upper))
    for slack in SLACKS:
        guess = smallest_bound(upper, lower, inequalities, slack)
        if guess is None:
            continue
        multipliers = tuple(max(dyadic(x), Fraction(0)) for x in guess[1])
        bound = Bound(dyadic(guess[0]), multipliers)
        if proves(problem, bound):
            return bound
    return None


def dyadic(value: float) -> Fraction:
    """Returns the nearest multiple of `2^-BITS`."""
    scale = 2**BITS
    return Fraction(round(float(value) * scale), scale)


def as_floats(matrix: Sequence[Vector]) -> Float[np.ndarray, "m n"]:
    """Rounds a rational matrix to floats."""
    return np.array([[float(x) for x in row] for row in matrix], np.float64)


def stacked(matrices: Sequence[Form], size: int) -> Float[np.ndarray, "k {size} {size}"]:
    """Rounds several rational matrices of one size to floats and stacks them."""
    if not matrices:
        return np.zeros((0, size, size))
    return np.stack([as_floats(matrix) for matrix in matrices])

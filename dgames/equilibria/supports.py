"""Extreme equilibria by enumeration of supports: the second algorithm, which checks the first."""

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat

from dgames.equilibria.exact_equilibrium import is_equilibrium, normalised

Point = tuple[Fraction, ...]


def extreme_by_supports(a: np.ndarray, b: np.ndarray) -> list[tuple[Point, Point]]:
    """Returns all extreme equilibria of a game with positive payoffs, each once.

    One of the strategies of an extreme equilibrium, say x, divided by the other's payoff, is a
    basic solution: for rows I and as many columns J, with `B[I, J]` regular, it solves
    `B[I, J]' x_I = 1` and is zero elsewhere. All these are tried for both players; the pairs that
    are equilibria by definition are kept. That takes time exponential in the number of actions.

    Args:
        a: Positive fractions or integers, of shape (rows, columns).
        b: Those of the column player.
    """
    xs = sorted(set(_basic(b)))
    ys = sorted(set(_basic(a.T)))
    return [(x, y) for x in xs for y in ys if is_equilibrium(a, b, x, y)]


def _basic(table: np.ndarray) -> Iterator[Point]:
    """Yields strategies of the player of the rows that are basic and make columns best."""
    rows, columns = table.shape
    exact = [[_rational(value) for value in row] for row in table.T.tolist()]
    for size in range(1, min(rows, columns) + 1):
        one = fmpq_mat(size, 1, [1] * size)
        for own in itertools.combinations(range(rows), size):
            for other in itertools.combinations(range(columns), size):
                matrix = fmpq_mat(size, size, [exact[j][i] for j in other for i in own])
                try:
                    found = matrix.solve(one)
                except ZeroDivisionError:
                    continue
                values = [found[k, 0] for k in range(size)]
                if min(values) < 0:
                    continue
                x = [Fraction(0)] * rows
                for i, value in zip(own, values, strict=True):
                    x[i] = Fraction(int(value.p), int(value.q))
                if max((table.T * np.array(x, object)).sum(1)) <= 1:
                    yield normalised(x)


def _rational(value: Fraction | int) -> fmpq:
    exact = Fraction(value)
    return fmpq(exact.numerator, exact.denominator)

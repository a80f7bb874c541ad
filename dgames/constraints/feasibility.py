"""Points that all constraints allow, and proofs that there are none."""

from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree
from scipy.optimize import linprog

from dgames.constraints.feasible_set import FeasibleSet, feasible_set
from dgames.game import Game, check_shapes
from dgames.strategy import Strategy, as_strategy, ravel

# A point that is further inside all inequalities than this, in units of rows, is a Slater point.
_INSIDE = 1e-9


class InfeasibilityProof(NamedTuple):
    """Farkas multipliers: a proof in exact numbers that `G x <= h, E x = f` has no solution.

    If `y >= 0`, `y'G + z'E = 0` and `y'h + z'f < 0`, then a solution would give
    `0 = y'G x + z'E x <= y'h + z'f < 0`. The rows of G are those of A, then the lower and the upper
    bounds of the coordinates that have one; the numbers of constraints and multipliers are exact.

    Attributes:
        G: Inequalities, as rows of fractions.
        h: Their right sides.
        E: Equations.
        f: Their right sides.
        y: Multipliers of the inequalities.
        z: Multipliers of the equations.
    """

    G: list[list[Fraction]]
    h: list[Fraction]
    E: list[list[Fraction]]
    f: list[Fraction]
    y: list[Fraction]
    z: list[Fraction]

    def verify(self) -> bool:
        """Returns whether the proof is one, by exact arithmetic."""
        multipliers, rows = [*self.y, *self.z], [*self.G, *self.E]
        if not rows or len(multipliers) != len(rows) or any(y < 0 for y in self.y):
            return False
        columns = zip(*rows, strict=True)
        cancels = all(_dot(multipliers, column) == 0 for column in columns)
        return cancels and _dot(multipliers, [*self.h, *self.f]) < 0


class FeasiblePoint(NamedTuple):
    """A joint strategy that all constraints allow.

    Attributes:
        strategy: The strategy; found in floating point, so that it may be off by rounding errors.
        slack: How far it is inside all inequalities, each divided by the length of its row; the
            most that is possible, but at most 1. Zero means that there is no Slater point.
    """

    strategy: Strategy
    slack: float


class InfeasibleError(ValueError):
    """No joint strategy satisfies all constraints.

    Attributes:
        proof: The proof, or None where the solver said so and no exact proof was found.
    """

    def __init__(self, message: str, proof: InfeasibilityProof | None):
        super().__init__(message)
        self.proof = proof


def feasible_point(game: Game, x: Strategy, args: PyTree = None) -> FeasiblePoint:
    """Finds a joint strategy that sets and shared rows allow, as far inside as possible.

    It is found by a linear program. Where there is none, multipliers that prove it are found and
    verified exactly, in fractions.

    Args:
        game: A game whose sets and constraints are polyhedra.
        x: A joint strategy, for its structure and shapes.
        args: Passed to the costs, which are checked for their shapes.

    Raises:
        InfeasibleError: If there is none; it carries the proof.
        ValueError: If the game is malformed, or a constraint is not linear.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2), dg.Box(0.0, jnp.inf), line)
    >>> feasible_point(game, (0.0, 0.0)).slack > 0.2
    True
    >>> empty = dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2), dg.Box(1.0, 2.0), line)
    >>> try:
    ...     feasible_point(empty, (0.0, 0.0))
    ... except InfeasibleError as error:
    ...     error.proof.verify(), [str(y) for y in error.proof.y[:3]]
    (True, ['1', '1', '1'])
    """
    check_shapes(game, x, args)
    x = as_strategy(x)
    _, unravel = ravel(x)
    feasible = feasible_set(game.strategy_set(x), game.shared_constraints(x), x)
    vector, slack = inner_point(feasible)
    return FeasiblePoint(unravel(jnp.asarray(vector, feasible.lower.dtype)), slack)


def inner_point(feasible: FeasibleSet) -> tuple[Float[np.ndarray, " coordinates"], float]:
    """Returns a vector in a polyhedron, and how far inside it is; see `feasible_point`.

    Raises:
        InfeasibleError: If it is empty.
    """
    G, h, E, f = _stacked(feasible)
    size = np.linalg.norm(G, axis=1)
    size[size == 0] = 1
    cost = np.zeros(G.shape[1] + 1)
    cost[-1] = -1
    found = linprog(
        cost,
        np.column_stack([G / size[:, None], np.ones(len(G))]) if len(G) else None,
        h / size if len(G) else None,
        np.column_stack([E, np.zeros(len(E))]) if len(E) else None,
        f if len(E) else None,
        [(None, None)] * G.shape[1] + [(0, 1)],
    )
    if found.status == 0:
        slack = float(found.x[-1])
        return found.x[:-1], slack if slack > _INSIDE else 0.0
    if found.status != 2:
        raise ValueError(f"feasible_point: the linear program was not solved: {found.message}")
    proof = infeasibility_proof(feasible)
    how = (
        "multipliers that prove it, exactly, are the error's `proof`"
        if proof is not None
        else "the solver of linear programs says so, and no exact proof was found"
    )
    raise InfeasibleError(f"no joint strategy satisfies all constraints; {how}", proof)


def infeasibility_proof(feasible: FeasibleSet) -> InfeasibilityProof | None:
    """Looks for multipliers that prove exactly that a polyhedron is empty, or returns None."""
    G, h, E, f = _stacked(feasible)
    every, right = np.concatenate([G, E, -E]), np.concatenate([h, f, -f])
    if not len(every):
        return None
    found = linprog(
        right, np.ones((1, len(every))), [1.0], every.T, np.zeros(G.shape[1]), (0, None)
    )
    if found.status != 0 or not found.fun < 0:
        return None
    count = len(G)
    y, plus, minus = np.split(found.x, [count, count + len(E)])
    rough = np.concatenate([y, plus - minus])
    rows = [[Fraction(v) for v in row] for row in np.concatenate([G, E]).tolist()]
    used = [i for i in range(len(rows)) if abs(rough[i]) > 1e-9]
    exact = _cancelling([rows[i] for i in used], [rough[i] for i in used])
    multipliers = [Fraction(0)] * len(rows)
    for i, value in zip(used, exact, strict=True):
        multipliers[i] = value
    proof = InfeasibilityProof(
        rows[:count],
        [Fraction(v) for v in h.tolist()],
        rows[count:],
        [Fraction(v) for v in f.tolist()],
        multipliers[:count],
        multipliers[count:],
    )
    return proof if proof.verify() else None


def dependent_equations(feasible: FeasibleSet) -> list[int]:
    """Returns equations that are linear combinations of those before them, exactly.

    Projections need independent ones; those that are named here can be left out where they agree
    with the others.
    """
    rows = [[Fraction(v) for v in row] for row in np.asarray(feasible.rows.A_eq).tolist()]
    pivots: list[tuple[int, list[Fraction]]] = []
    dependent = []
    for place, row in enumerate(rows):
        for column, pivot in pivots:
            if row[column]:
                share = row[column] / pivot[column]
                row = [a - share * b for a, b in zip(row, pivot, strict=True)]
        column = next((j for j, value in enumerate(row) if value), None)
        if column is None:
            dependent.append(place)
        else:
            pivots.append((column, row))
    return dependent


def _cancelling(rows: list[list[Fraction]], rough: list[float]) -> list[Fraction]:
    """Returns exact multipliers near given ones with which the rows add up to zero.

    The equations are solved for as many of them as possible; the others are the simplest fractions
    near their rough values.
    """
    largest = max(map(abs, rough))
    values = [Fraction(v / largest).limit_denominator(10**6) for v in rough]
    matrix = [list(column) for column in zip(*rows, strict=True)]
    pivots: list[int] = []
    for row in matrix:
        for done, pivot in zip(matrix, pivots, strict=False):
            if row[pivot]:
                share = row[pivot]
                row[:] = [a - share * b for a, b in zip(row, done, strict=True)]
        pivot = next((j for j in reversed(range(len(row))) if row[j]), None)
        if pivot is None:
            pivots.append(0)
            row[:] = [Fraction(0)] * len(row)
            continue
        row[:] = [a / row[pivot] for a in row]
        for done in matrix[: len(pivots)]:
            if done[pivot]:
                share = done[pivot]
                done[:] = [a - share * b for a, b in zip(done, row, strict=True)]
        pivots.append(pivot)
    solved = {p: row for p, row in zip(pivots, matrix, strict=True) if any(row)}
    free = [j for j in range(len(values)) if j not in solved]
    for pivot, row in solved.items():
        values[pivot] = -sum((row[j] * values[j] for j in free), Fraction(0))
    return values


def _stacked(feasible: FeasibleSet) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns all inequalities, bounds among them, and all equations."""
    (A, b, E, f), lower, upper = jax.tree.map(np.asarray, feasible)
    below, above, eye = np.isfinite(lower), np.isfinite(upper), np.eye(lower.size)
    G = np.concatenate([A, -eye[below], eye[above]])
    return G, np.concatenate([b, -lower[below], upper[above]]), E, f


def _dot(a: object, b: object) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))  # pyright: ignore

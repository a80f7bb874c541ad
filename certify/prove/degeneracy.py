"""Finds directions along which a field does not change, so that no equilibrium is isolated."""

import numpy as np
from jaxtyping import Float

from certify.problem.field import FlatField
from certify.problem.messages import coordinate_names, vector_in_words

# Singular values are zero below this share of the largest one, times the number of coordinates.
_ZERO = 1e-14
# How many Jacobians are looked at.
_SAMPLES = 32
# A direction with at most so many coordinates is written out as a vector.
_SHORT = 12


def null_directions(
    jacobians: Float[np.ndarray, "samples n n"],
) -> Float[np.ndarray, "directions n"]:
    """Returns directions v with `J v = 0`, up to rounding, for the first 32 of some Jacobians.

    They are written in simple numbers.

    Example:
        >>> shift = np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
        >>> null_directions(shift[None]).tolist()
        [[1.0, 1.0, 0.0]]
    """
    some = jacobians[:_SAMPLES]
    # The costs of each player may have their own unit, and so may each coordinate.
    rows = np.abs(some).max((0, 2))
    some = some / np.where(rows > 0, rows, 1.0)[:, None]
    columns = np.abs(some).max((0, 1))
    columns = np.where(columns > 0, columns, 1.0)
    stacked = (some / columns).reshape(-1, some.shape[-1])
    values, right = np.linalg.svd(stacked, full_matrices=False)[1:]
    return _simple(right[values <= _ZERO * len(columns) * max(values[0], 1e-300)] / columns)


def degenerate(
    field: FlatField, jacobians: Float[np.ndarray, "samples n n"], where: str
) -> str | None:
    """Returns a sentence about a direction along which all the Jacobians are singular, or None.

    Args:
        field: The field, for the names and sizes of its players.
        jacobians: Finite Jacobians of the field.
        where: Where they were taken, in words.
    """
    if not field.dimension:
        return None
    directions = null_directions(jacobians)
    if not len(directions):
        return None
    first = directions[0]
    if len(first) <= _SHORT:
        along = "(" + ", ".join(f"{x + 0.0:.4g}" for x in first) + ")"
    else:
        moving = np.flatnonzero(first)
        called = coordinate_names(field.names, field.sizes)
        along = vector_in_words(first[moving], [called[k] for k in moving])
    more = len(directions) - 1
    others = f" and {more} more direction{'s' if more > 1 else ''}" if more else ""
    what = f"the Jacobian {where} is singular along {along}{others}"
    sentence = f"{what}, so no metric has a positive margin"
    alone = [block for block in np.split(first, np.cumsum(field.sizes)[:-1]) if block.any()]
    if len(alone) == 1 and len(alone[0]) > 1 and np.isin(alone[0], (0.0, 1.0)).all():
        sentence += (
            ": if these are logits, they are defined up to a constant: use one less of them "
            "(dg.LogitDifferences)"
        )
    return sentence


def _simple(rows: np.ndarray) -> np.ndarray:
    """Returns a rounded basis of the same space in reduced row echelon form, largest entries 1."""
    rows = rows.copy()
    pivots, k = [], 0
    for column in range(rows.shape[1]):
        if k == len(rows):
            break
        best = k + int(np.abs(rows[k:, column]).argmax())
        if abs(rows[best, column]) < 1e-6:
            continue
        rows[[k, best]] = rows[[best, k]]
        rows[k] /= rows[k, column]
        others = np.arange(len(rows)) != k
        rows[others] -= np.outer(rows[others, column], rows[k])
        pivots.append(column)
        k += 1
    rows = rows[:k]
    size = np.abs(rows).max(1, keepdims=True) if k else 1.0
    return np.round(rows / size, 6) + 0.0

"""Shared constraints as functions of the joint strategy: values, forces of multipliers, owners.

Rows are counted constraint by constraint, first all inequalities (of a `Polyhedron` those of A, of
a `SharedConstraint` its values), then all equations. A row with value g means `g <= 0`, or `g = 0`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from dgames.calls import shapes_of
from dgames.constraints.shared_constraints import Polyhedron, SharedConstraint, SharedConstraints
from dgames.strategy import Strategy, blocks, join, player_names, ravel


def row_values(
    constraints: SharedConstraints, x: Strategy, args: PyTree = None
) -> Float[Array, " rows"]:
    """The values of all rows at a joint strategy.

    >>> line = Polyhedron([[1.0, 1.0]], [1.0], A_eq=[[1.0, -1.0]], b_eq=[0.0])
    >>> row_values((line,), (jnp.array(2.0), jnp.array(1.0))).tolist()
    [2.0, 1.0]
    """
    vector, _ = ravel(x)
    inequalities, equations = [jnp.zeros(0, vector.dtype)], []
    for constraint in constraints:
        if isinstance(constraint, SharedConstraint):
            inequalities.append(constraint.values(x, args))
            continue
        rows = constraint.rows(x)
        inequalities.append(rows.A @ vector - rows.b)
        equations.append(rows.A_eq @ vector - rows.b_eq)
    return jnp.concatenate([*inequalities, *equations])


def equation_count(constraints: SharedConstraints) -> int:
    """Returns how many rows are equations; they are the last ones."""
    polyhedra = (c for c in constraints if isinstance(c, Polyhedron))
    return sum(0 if c.b_eq is None else len(c.b_eq) for c in polyhedra)


def row_count(constraints: SharedConstraints, x: Strategy, args: PyTree = None) -> int:
    """Returns the number of rows."""
    return sum(_inequalities(constraints, x, args)) + equation_count(constraints)


def owners_of(
    constraints: SharedConstraints, x: Strategy, args: PyTree = None
) -> Bool[np.ndarray, "rows players"]:
    """Returns which players each row binds."""
    names = player_names(x)
    rows = []
    for constraint, count in zip(constraints, _inequalities(constraints, x, args), strict=True):
        bound = constraint.players if isinstance(constraint, SharedConstraint) else None
        rows.append(np.tile([bound is None or name in bound for name in names], (count, 1)))
    rows.append(np.ones((equation_count(constraints), len(names)), bool))
    return np.concatenate(rows)


def force_of(
    constraints: SharedConstraints,
    x: Strategy,
    multipliers: Float[Array, " rows"],
    args: PyTree = None,
) -> Strategy:
    """What multipliers add to the pseudo-gradient: `Dg(x)' multipliers`, to those who are bound.

    >>> line = Polyhedron([[1.0, 3.0]], [1.0])
    >>> force = force_of((line,), (jnp.array(2.0), jnp.array(1.0)), jnp.array([0.5]))
    >>> [float(block) for block in force]
    [0.5, 1.5]
    """
    vector, unravel = ravel(x)
    total = jnp.zeros_like(vector)
    start, equation = 0, len(multipliers) - equation_count(constraints)
    for constraint, count in zip(constraints, _inequalities(constraints, x, args), strict=True):
        own, start = multipliers[start : start + count], start + count
        if isinstance(constraint, SharedConstraint):
            total = total + ravel(_pulled(constraint, x, own, args))[0]
            continue
        rows = constraint.rows(x)
        total = total + rows.A.T @ own
        own, equation = multipliers[equation : equation + len(rows.b_eq)], equation + len(rows.b_eq)
        total = total + rows.A_eq.T @ own
    return unravel(total)


def _pulled(constraint: SharedConstraint, x: Strategy, own: Array, args: PyTree) -> Strategy:
    (force,) = jax.vjp(lambda x: constraint.values(x, args), x)[1](own)
    if constraint.players is None:
        return force
    bound = [name in constraint.players for name in player_names(x)]
    kept = zip(blocks(force), bound, strict=True)
    return join(x, tuple(g if own else jax.tree.map(jnp.zeros_like, g) for g, own in kept))


def _inequalities(constraints: SharedConstraints, x: Strategy, args: PyTree) -> list[int]:
    """Returns the number of inequalities of each constraint."""
    counts = []
    for constraint in constraints:
        if isinstance(constraint, Polyhedron):
            counts.append(len(constraint.b))
        else:
            function = constraint.function
            values = shapes_of("the shared constraint", constraint.values, x, args, of=function)
            counts.append(values.shape[0])
    return counts

"""The joint strategies that sets and shared linear constraints allow, as one polyhedron."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dgames.constraints.shared_constraints import Polyhedron, Rows, SharedConstraints
from dgames.sets import AbstractSet, Box, Euclidean, PlayerSets, Product, Simplex, player_sets
from dgames.strategy import Block, Strategy, blocks, ravel


class FeasibleSet(NamedTuple):
    """All vectors with `lower <= x <= upper`, `A x <= b` and `A_eq x = b_eq`.

    Attributes:
        rows: The rows; equations of simplices come after those of polyhedra.
        lower: Lower bounds, `-inf` where there are none.
        upper: Upper bounds.
    """

    rows: Rows
    lower: Float[Array, " coordinates"]
    upper: Float[Array, " coordinates"]

    def violation(self, x: Float[Array, " coordinates"]) -> Float[Array, ""]:
        """The largest amount by which a vector violates a constraint; zero if it violates none."""
        amounts = (
            self.rows.A @ x - self.rows.b,
            jnp.abs(self.rows.A_eq @ x - self.rows.b_eq),
            self.lower - x,
            x - self.upper,
        )
        return jnp.max(jnp.concatenate(amounts), initial=0.0)


def feasible_set(
    strategy_set: PlayerSets, constraints: SharedConstraints, x: Strategy
) -> FeasibleSet:
    """Writes strategy sets and shared constraints as one polyhedron.

    Args:
        strategy_set: As for `dgames.player_sets`.
        constraints: What `Game.shared_constraints` returned.
        x: A joint strategy, for its structure and shapes.

    Raises:
        ValueError: If a set or a constraint is not given by linear equations and inequalities.

    >>> line = Polyhedron([[1.0, 1.0]], [1.0])
    >>> feasible_set(Box(0.0, jnp.inf), (line,), (jnp.array(0.0), jnp.array(0.0))).lower.tolist()
    [0.0, 0.0]
    """
    vector, _ = ravel(x)
    sets = player_sets(strategy_set, x)
    bounds = [_bounds(own, block) for own, block in zip(sets, blocks(x), strict=True)]
    lower, upper = (
        jnp.concatenate(side).astype(vector.dtype) for side in zip(*bounds, strict=True)
    )
    equations = [_equations(own, block) for own, block in zip(sets, blocks(x), strict=True)]
    own = jax.scipy.linalg.block_diag(*(jnp.asarray(rows) for rows in equations))
    own = own.reshape(-1, vector.size).astype(vector.dtype)
    parts = [_rows(constraint, x) for constraint in constraints]
    empty = jnp.zeros((0, vector.size), vector.dtype)
    none = jnp.zeros(0, vector.dtype)
    of_sets = Rows(empty, none, own, jnp.ones_like(own[:, 0]))
    rows = Rows(*(jnp.concatenate(part) for part in zip(*parts, of_sets, strict=True)))
    return FeasibleSet(rows, lower, upper)


def _rows(constraint: object, x: Strategy) -> Rows:
    if not isinstance(constraint, Polyhedron):
        raise ValueError(
            "projections onto sets that a SharedConstraint bounds are not known: write linear "
            "constraints as a Polyhedron, or use dgames.solve_kkt or dgames.AugmentedField"
        )
    return constraint.rows(x)


def _bounds(own: AbstractSet, block: Block) -> tuple[Array, Array]:
    """Returns lower and upper bounds on the coordinates of a block."""
    infinite = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.inf), block)
    if isinstance(own, Box):
        # Projections of infinite points are the bounds, whatever the structure they are given in.
        ends = own.project(jax.tree.map(jnp.negative, infinite)), own.project(infinite)
    elif isinstance(own, Simplex):
        ends = jax.tree.map(jnp.zeros_like, infinite), infinite
    elif isinstance(own, Euclidean):
        ends = jax.tree.map(jnp.negative, infinite), infinite
    elif isinstance(own, Product):
        inner = [
            _bounds(*pair) for pair in zip(player_sets(own, block), blocks(block), strict=True)
        ]
        return tuple(jnp.concatenate(side) for side in zip(*inner, strict=True))  # pyright: ignore
    else:
        raise ValueError(
            f"with shared constraints a player's set is a Box, a Simplex or Euclidean, not a "
            f"{type(own).__name__}; write it as a SharedConstraint of this player, and use "
            "dgames.solve_kkt"
        )
    return ravel(ends[0])[0], ravel(ends[1])[0]


def _equations(own: AbstractSet, block: Block) -> Float[Array, "equations coordinates"]:
    """Returns rows e with `e x = 1` for the vectors x of a block; they are those of simplices."""
    if isinstance(own, Product):
        inner = [
            _equations(*pair) for pair in zip(player_sets(own, block), blocks(block), strict=True)
        ]
        return jax.scipy.linalg.block_diag(*inner)
    size = ravel(block)[0].size
    if not isinstance(own, Simplex):
        return jnp.zeros((0, size))
    parts = [
        jnp.kron(jnp.eye(leaf.size // leaf.shape[-1]), jnp.ones((1, leaf.shape[-1])))
        for leaf in jax.tree.leaves(block)
    ]
    return jax.scipy.linalg.block_diag(*parts)

"""The conditions of optimality of all players together, as functions of vectors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.constraints.coupling import equation_count, owners_of, row_values
from dgames.constraints.feasible_set import feasible_set
from dgames.constraints.shared_constraints import SharedConstraint, SharedConstraints
from dgames.fields import PseudoGradient
from dgames.fields.shared import spread
from dgames.game import Game
from dgames.sets import Ball, Euclidean, player_sets
from dgames.strategy import Strategy, blocks, dimensions, join, player_names, ravel


class KKTSystem(NamedTuple):
    """The conditions of optimality as functions of vectors.

    Attributes:
        force: F, on vectors.
        values: The values of all rows, on vectors.
        row_of: For each multiplier, the row that it belongs to.
        shares: For each multiplier, what of its force reaches each coordinate.
        equation: Which multipliers are those of equations.
        lower: Lower bounds.
        upper: Upper bounds.
    """

    force: Callable
    values: Callable
    row_of: Int[np.ndarray, " multipliers"]
    shares: Float[Array, "multipliers coordinates"]
    equation: Bool[np.ndarray, " multipliers"]
    lower: Float[Array, " coordinates"]
    upper: Float[Array, " coordinates"]

    def both(self, x: Array, multipliers: Array) -> tuple[Array, Array]:
        """Returns the forces with those of the multipliers, and the values of their rows."""
        inside = jnp.where(x < self.lower, self.lower, jnp.where(x > self.upper, self.upper, x))
        gradients = jax.jacrev(self.values)(x)[self.row_of] * self.shares
        return self.force(inside) + gradients.T @ multipliers, self.values(x)[self.row_of]

    def smooth(self, y: tuple[Array, Array], smoothing: Any) -> tuple[Array, Array]:
        """The conditions with Fischer's function in place of complementarity, smoothed."""
        x, multipliers = y
        force, values = self.both(x, multipliers)
        below, above = jnp.isfinite(self.lower), jnp.isfinite(self.upper)
        lower, upper = jnp.where(below, self.lower, x), jnp.where(above, self.upper, x)
        capped = jnp.where(above, -_fischer(upper - x, -force, smoothing), force)
        stationary = jnp.where(below, _fischer(x - lower, capped, smoothing), capped)
        slack = _fischer(multipliers, -values, smoothing)
        return stationary, jnp.where(self.equation, values, slack)

    def sharp(self, y: tuple[Array, Array]) -> tuple[Array, Array]:
        """The conditions with minima in place of complementarity: see `kkt_residual`."""
        return self.held(y, self.faces(y))

    def faces(self, y: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        """Returns which coordinates are at lower and upper bounds, and which rows are active."""
        x, multipliers = y
        force, values = self.both(x, multipliers)
        low, high = x - force < self.lower, x - force > self.upper
        return low, high, (multipliers + values > 0) | self.equation

    def held(self, y: tuple[Array, Array], faces: Any) -> tuple[Array, Array]:
        """The conditions of which constraints are active and which are not: smooth equations."""
        x, multipliers = y
        low, high, active = faces
        force, values = self.both(x, multipliers)
        bound = jnp.where(low, self.lower, jnp.where(high, self.upper, x))
        stationary = jnp.where(low | high, x - bound, force)
        return stationary, jnp.where(active, values, multipliers)


def kkt_system(
    game: Game, x: Strategy, args: PyTree, notion: str, weights: PyTree
) -> tuple[KKTSystem, Bool[np.ndarray, "rows players"]]:
    """Returns the conditions of optimality, and which player is bound by which row.

    After the rows of the game come those of the players' balls and simplices.
    """
    constraints, sets = game.shared_constraints(x), player_sets(game.strategy_set(x), x)
    balls = _balls(sets, x)
    feasible = feasible_set(
        join(x, tuple(Euclidean() if isinstance(own, Ball) else own for own in sets)), (), x
    )
    _, unravel = ravel(x)

    def values(vector: Array) -> Array:
        point, rows = unravel(vector), feasible.rows
        parts = (row_values(constraints, point, args), row_values(balls, point, args))
        return jnp.concatenate([*parts, rows.A_eq @ vector - rows.b_eq])

    def force(vector: Array) -> Array:
        return ravel(PseudoGradient(game)(unravel(vector), args))[0]

    shared, own = owners_of(constraints, x, args), owners_of(balls, x, args)
    simplices = len(feasible.rows.b_eq)
    sizes = np.array(dimensions(x))
    player = np.repeat(np.arange(len(sizes)), sizes)
    is_equation = np.zeros(len(shared) + len(own) + simplices, bool)
    equations = equation_count(constraints)
    is_equation[len(shared) - equations : len(shared)] = True
    is_equation[len(shared) + len(own) :] = True
    # The equations of a simplex have no other coordinates than those of their player.
    owners = np.concatenate([shared, own, np.ones((simplices, len(sizes)), bool)])
    if notion == "generalised":
        shared_rows, players = np.nonzero(shared)
        others = np.arange(len(shared), len(owners))
        row_of = np.concatenate([shared_rows, others])
        each = np.concatenate([player == players[:, None], owners[others][:, player]])
    else:
        row_of, each = np.arange(len(owners)), owners[:, player]
    vector, _ = ravel(x)
    shares = jnp.asarray(each, vector.dtype)
    if weights is not None:
        shares = shares / ravel(spread(weights, x))[0][None]
    equation = is_equation[row_of]
    return KKTSystem(
        force, values, row_of, shares, equation, feasible.lower, feasible.upper
    ), shared


def _balls(sets: tuple, x: Strategy) -> SharedConstraints:
    """Returns the balls among the players' sets as constraints of these players."""
    found = []
    for place, (name, own) in enumerate(zip(player_names(x), sets, strict=True)):
        if isinstance(own, Ball):

            def excess(x: Strategy, _: Any, own: Ball = own, place: int = place) -> Array:
                offset, _ = ravel(own.offset(blocks(x)[place]))
                return jnp.sum(jnp.square(offset)) - own.radius.astype(offset.dtype) ** 2

            found.append(SharedConstraint(excess, (name,)))
    return tuple(found)


def row_scales(system: KKTSystem, x: Array) -> Float[Array, " multipliers"]:
    """Returns factors by which the gradients of rows have length one at the start."""
    size = jnp.linalg.norm(jax.jacrev(system.values)(x)[system.row_of] * system.shares, axis=1)
    usable = jnp.isfinite(size) & (size > 0)
    return 1 / jnp.where(usable, size, 1)


def rescaled(system: KKTSystem, scales: Array) -> KKTSystem:
    """Returns the system with every row divided; its multipliers are multiplied in turn."""
    by_row = jnp.ones(np.max(system.row_of, initial=-1) + 1, scales.dtype)
    by_row = by_row.at[system.row_of].set(scales)
    # Copies of a row have scales of their own, which the shares make good.
    shares = system.shares * (scales / by_row[system.row_of])[:, None]
    return system._replace(values=lambda x: system.values(x) * by_row, shares=shares)


def on_faces(system: KKTSystem, y: tuple[Array, Array], faces: Any) -> tuple[Array, Array]:
    """Puts coordinates on their bounds, and the multipliers of other rows to zero, exactly."""
    low, high, active = faces
    x = jnp.where(low, system.lower, jnp.where(high, system.upper, y[0]))
    return x, jnp.where(active, y[1], 0)


def _fischer(p: Array, q: Array, smoothing: Any) -> Array:
    """`p + q - sqrt(p^2 + q^2 + smoothing)`: without smoothing zero where the lesser of both is."""
    return p + q - jnp.sqrt(p * p + q * q + jnp.asarray(smoothing, p.dtype))


def largest(parts: tuple[Array, Array]) -> Float[Array, ""]:
    """Returns the largest entry in size of both parts of the conditions."""
    return jnp.max(jnp.abs(jnp.concatenate(parts)), initial=0.0)

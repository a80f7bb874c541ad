"""The Euclidean projection onto a treeplex: policy iteration with passes up and down the tree."""

from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

if TYPE_CHECKING:
    from dgames.trees.treeplex import Treeplex


def nearest(tree: "Treeplex", x: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
    r"""The strategy nearest to x, exact up to rounding; differentiable where it is.

    Let `c_j(t)` be the least half squared distance that the sequences below the information set j
    can have if j is reached with mass t. Its derivative `m_j(t)` is the multiplier of the
    constraint `sum_a q_ja = t`. From the leaves up,

        h_ja(q) = q - x_ja + sum of m_j'(q) over all j' with p(j') = ja,

    and an action takes the mass q with `h_ja(q) = m`, or none where `h_ja(0) >= m`. So by induction
    `m_j` is increasing, concave and piecewise linear: `m_j(t)` is the least of `m_j^A(t)` over all
    sets A of sequences that have something of every information set, where `m_j^A` are the linear
    functions of the equations without signs in which the sequences outside A have no mass.

    The projection is found by policy iteration: for a set A, a pass up gives the linear functions
    and a pass down, from mass one, multipliers and masses, where those that would be negative count
    as zero; the next A are the sequences with `h_ja^A(0) < m_j`. Multipliers of the first level
    never increase: if A' is next, each of its actions can take at least its mass at the multiplier
    of before, since the functions below it are not larger there (by induction), and actions that
    leave had none; so all can take at least the mass of j together, and `m_j^A'(t) <= m_j^A(t)`.
    Where they are equal, masses stay, and the same holds on the next level. There are finitely many
    sets, so it ends, and then signs and equations hold together. On a simplex it is the method of
    Michelot; in practice it takes a few rounds.

    Args:
        tree: The strategies.
        x: Any vector.

    References:
        Michelot, *A finite algorithm for finding the projection of a point onto the canonical
        simplex of R^n*, J. Optim. Theory Appl. 50 (1986).
    """
    wide = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
    return _nearest(tree, wide).astype(x.dtype) if tree.infosets else jnp.ones_like(x)


@eqx.filter_custom_jvp
def _nearest(tree: "Treeplex", x: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
    return _iterate(tree, x)[1].strategy


@_nearest.def_jvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (tree, x), (_, dx) = primals, tangents
    active, found = _iterate(tree, x)
    if dx is None:
        dx = jnp.zeros_like(x)
    return found.strategy, _along_face(tree, dx, active)


class _Round(NamedTuple):
    """What one set of active sequences leads to.

    Attributes:
        strategy: The masses of sequences.
        excess: By how much multipliers are larger than where sequences begin to have mass.
    """

    strategy: Float[Array, " sequences"]
    excess: Float[Array, " sequences"]


def _iterate(
    tree: "Treeplex", x: Float[Array, " sequences"]
) -> tuple[Bool[Array, " sequences"], _Round]:
    """The last set of active sequences, and what it leads to."""
    rounding = 16 * (1 + len(tree.levels)) * jnp.finfo(x.dtype).eps * (1 + jnp.max(jnp.abs(x)))

    def goes_on(carry: tuple[Array, _Round, Array, Array]) -> Array:
        *_, changed, rounds = carry
        return changed & (rounds < tree.sequences + 8)

    def improve(carry: tuple[Array, _Round, Array, Array]) -> tuple[Array, _Round, Array, Array]:
        active, last, _, rounds = carry
        active = jnp.where(rounds == 0, active, _next(tree, last))
        found = _pass(tree, x, active)
        changed = jnp.any((_next(tree, found) != active) & (jnp.abs(found.excess) > rounding))
        return active, found, changed, rounds + 1

    start = (jnp.ones(x.shape, bool), _Round(x, x), jnp.array(True), jnp.array(0))
    active, found, *_ = jax.lax.while_loop(goes_on, improve, start)
    return active, found


def _next(tree: "Treeplex", found: _Round) -> Bool[Array, " sequences"]:
    # One action that begins first is always there: with no mass, none has to be above zero.
    most = jnp.max(tree.rows(found.excess, -jnp.inf), -1)
    return (found.excess > 0) | (found.excess >= most[jnp.maximum(tree.owners, 0)])


def _multipliers(
    tree: "Treeplex", x: Float[Array, " sequences"], on: Bool[Array, "infosets actions"]
) -> tuple[Array, Array, Array, Array]:
    """Multipliers as linear functions of masses: their values at mass zero, and their slopes.

    The first two are those of sequences, the others those of information sets by the mass of the
    sequence that leads to them; actions that are on have mass.
    """
    table = tree.table
    at_zero, steep = -x, jnp.ones_like(x)
    bases = slopes = jnp.zeros(tree.infosets, x.dtype)
    for rows in reversed(tree.rows_of_levels()):
        ease = jnp.where(on[rows], 1 / steep.at[table[rows]].get(mode="fill", fill_value=1), 0)
        slope = 1 / jnp.sum(ease, -1)
        base = slope * jnp.sum(ease * at_zero.at[table[rows]].get(mode="fill", fill_value=0), -1)
        at_zero = at_zero.at[tree.parents[rows]].add(base)
        steep = steep.at[tree.parents[rows]].add(slope)
        bases, slopes = bases.at[rows].set(base), slopes.at[rows].set(slope)
    return at_zero, steep, bases, slopes


def _pass(
    tree: "Treeplex", x: Float[Array, " sequences"], active: Bool[Array, " sequences"]
) -> _Round:
    table, on = tree.table, tree.rows(active, False)
    at_zero, steep, bases, slopes = _multipliers(tree, x, on)
    begin, steep = tree.rows(at_zero, 0), tree.rows(steep, 1)
    masses, multipliers = jnp.zeros_like(x).at[0].set(1), jnp.zeros(tree.infosets, x.dtype)
    q = masses
    for rows in tree.rows_of_levels():
        multiplier = bases[rows] + slopes[rows] * masses[tree.parents[rows]]
        own = jnp.maximum(multiplier[:, None] - begin[rows], 0) / steep[rows]
        masses = masses.at[table[rows]].set(own, mode="drop")
        multipliers = multipliers.at[rows].set(multiplier)
        # Rounding errors of sums are not handed on to the strategy.
        own = jnp.where(on[rows], own, 0)
        total, mass = jnp.sum(own, -1), q[tree.parents[rows]]
        scale = jnp.where(total > 0, mass / jnp.where(total > 0, total, 1), 0)
        q = q.at[table[rows]].set(scale[:, None] * own, mode="drop")
    excess = multipliers[tree.owners] - at_zero
    return _Round(q, excess)


def _along_face(
    tree: "Treeplex", dx: Float[Array, " sequences"], active: Bool[Array, " sequences"]
) -> Float[Array, " sequences"]:
    """The derivative of the projection: that onto the directions of its face, which is linear."""
    table, on = tree.table, tree.rows(active, False)
    at_zero, steep, bases, slopes = _multipliers(tree, dx, on)
    begin, steep = tree.rows(at_zero, 0), tree.rows(steep, 1)
    moved = jnp.zeros_like(dx)
    for rows in tree.rows_of_levels():
        multiplier = bases[rows] + slopes[rows] * moved[tree.parents[rows]]
        own = jnp.where(on[rows], (multiplier[:, None] - begin[rows]) / steep[rows], 0)
        moved = moved.at[table[rows]].set(own, mode="drop")
    return moved

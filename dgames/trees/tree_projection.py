"""The Euclidean projection onto a treeplex, by one pass up the tree and one down."""

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

if TYPE_CHECKING:
    from dgames.trees.treeplex import Treeplex


def nearest(tree: "Treeplex", x: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
    r"""The strategy nearest to x, exact up to rounding; differentiable where it is.

    Let `c_j(t)` be the least half squared distance that the sequences of information set j and
    below it can have if j is reached with mass t. Its derivative `m_j(t)` is the multiplier of the
    constraint `sum_a q_ja = t`, and it is increasing, concave and piecewise linear, as is shown
    from the leaves up: an action takes the mass q with

        q - x_ja + sum of m_j'(q) over all j' with p(j') = ja  =  m      (0 where the left is more)

    whose left side is increasing and concave, so q is an increasing convex function of m, a sum of
    hinges `slope max(0, m - position)`; and so is the mass of j, the sum over its actions, whose
    inverse is `m_j`. A pass up computes the hinges of all functions, level by level, by sorting: of
    each sequence there is one. A pass down, from mass one, finds which sequences have any mass.
    Given these, the projection is the solution of a linear system in the shape of the tree.

    Args:
        tree: The strategies.
        x: Any vector.
    """
    wide = x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
    active = _active(tree, jax.lax.stop_gradient(wide))
    return _on_face(tree, wide, active).astype(x.dtype)


class _Hinges(NamedTuple):
    """Of one level: the hinges of its sequences, in the order of information sets.

    Attributes:
        sequences: The sequence of each hinge.
        infosets: The information set of that.
        positions: Where each hinge starts.
        slopes: By how much the slope of masses changes there.
        masses: What mass the information set has there.
        bends: By how much the slope of the multiplier changes there.
    """

    sequences: Int[Array, " hinges"]
    infosets: Int[Array, " hinges"]
    positions: Float[Array, " hinges"]
    slopes: Float[Array, " hinges"]
    masses: Float[Array, " hinges"]
    bends: Float[Array, " hinges"]


def _active(tree: "Treeplex", x: Float[Array, " sequences"]) -> Bool[Array, " sequences"]:
    """Which sequences have mass in the projection."""
    levels = list(zip(tree.starts[:-1], tree.starts[1:], strict=True))
    start = -x  # from where on a sequence has mass
    below = None
    passed: list[_Hinges] = []
    for first, end in reversed(levels):
        own = jnp.arange(first, end)
        sequences, masses, bends = (
            own,
            jnp.zeros(end - first, x.dtype),
            jnp.zeros_like(x[first:end]),
        )
        if below is not None:
            least = _least(below, tree, x.dtype)
            start = start.at[tree.parents].add(jnp.where(jnp.isfinite(least), least, 0))
            sequences = jnp.concatenate([own, tree.parents[below.infosets]])
            masses = jnp.concatenate([masses, below.masses])
            bends = jnp.concatenate([bends, below.bends])
        order = jnp.lexsort((masses, sequences))
        sequences, masses, bends = sequences[order], masses[order], bends[order]
        steep = 1 + _running(bends, sequences)
        positions = start[sequences] + _integral(steep, masses, sequences)
        slopes = _differences(1 / steep, sequences)
        infosets = tree.owners[sequences]
        order = jnp.lexsort((positions, infosets))
        sequences, infosets = sequences[order], infosets[order]
        positions, slopes = positions[order], slopes[order]
        steep = _running(slopes, infosets)
        masses = _integral(steep, positions, infosets)
        below = _Hinges(
            sequences, infosets, positions, slopes, masses, _differences(1 / steep, infosets)
        )
        passed.append(below)
    mass = jnp.zeros_like(x).at[0].set(1)
    active = jnp.zeros(x.shape, bool).at[0].set(True)
    for hinges, (first, end) in zip(reversed(passed), levels, strict=True):
        least = _least(hinges, tree, x.dtype)
        reached = mass[tree.parents][hinges.infosets]
        more = hinges.bends * jnp.maximum(reached - hinges.masses, 0)
        multiplier = least + jnp.zeros_like(least).at[hinges.infosets].add(more)
        share = hinges.slopes * jnp.maximum(multiplier[hinges.infosets] - hinges.positions, 0)
        mass = mass.at[hinges.sequences].add(share)
        own = tree.owners[first:end]
        begins = start[first:end]
        has = (begins < multiplier[own]) | (begins <= least[own])
        active = active.at[first:end].set(active[tree.parents[own]] & has)
    return active


def _least(hinges: _Hinges, tree: "Treeplex", dtype) -> Float[Array, " infosets"]:
    nowhere = jnp.full(tree.infosets, jnp.inf, dtype)
    return nowhere.at[hinges.infosets].min(hinges.positions)


def _running(values: Array, group: Array) -> Array:
    """Sums from the start of each group, in which values are contiguous."""

    def add(total: Array, value: tuple[Array, Array]) -> tuple[Array, Array]:
        total = jnp.where(value[0], 0, total) + value[1]
        return total, total

    return jax.lax.scan(add, jnp.zeros((), values.dtype), (_firsts(group), values))[1]


def _firsts(group: Array) -> Bool[Array, " values"]:
    return jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1]])


def _differences(values: Array, group: Array) -> Array:
    """Differences to the value before, which is zero before the first one of a group."""
    before = jnp.concatenate([jnp.zeros(1, values.dtype), values[:-1]])
    return values - jnp.where(_firsts(group), 0, before)


def _integral(steep: Array, at: Array, group: Array) -> Array:
    """The values at `at` of functions that are zero at the first one, steep from each one on."""
    before = jnp.concatenate([jnp.zeros(1, steep.dtype), steep[:-1]])
    width = jnp.where(_firsts(group), 0, at - jnp.concatenate([at[:1], at[:-1]]))
    return _running(before * width, group)


def _on_face(
    tree: "Treeplex", x: Float[Array, " sequences"], active: Bool[Array, " sequences"]
) -> Float[Array, " sequences"]:
    """The nearest vector on the face of the treeplex whose other entries are zero."""
    table = tree.table
    at_zero, steep = -x, jnp.ones_like(x)  # the multiplier as a function of mass, of a sequence
    bases, slopes = jnp.zeros(tree.infosets, x.dtype), jnp.zeros(tree.infosets, x.dtype)
    for rows in reversed(tree.rows_of_levels()):
        on = active.at[table[rows]].get(mode="fill", fill_value=False)
        easy = jnp.where(on, 1 / steep.at[table[rows]].get(mode="fill", fill_value=1), 0)
        total = jnp.sum(easy, -1)
        slope = jnp.where(total > 0, 1 / jnp.where(total > 0, total, 1), 0)
        base = slope * jnp.sum(easy * at_zero.at[table[rows]].get(mode="fill", fill_value=0), -1)
        at_zero = at_zero.at[tree.parents[rows]].add(base)
        steep = steep.at[tree.parents[rows]].add(slope)
        bases, slopes = bases.at[rows].set(base), slopes.at[rows].set(slope)
    q = jnp.zeros_like(x).at[0].set(1)
    for rows in tree.rows_of_levels():
        on = active.at[table[rows]].get(mode="fill", fill_value=False)
        mass = q[tree.parents[rows]]
        multiplier = bases[rows] + slopes[rows] * mass
        own = multiplier[:, None] - at_zero.at[table[rows]].get(mode="fill", fill_value=0)
        own = own / steep.at[table[rows]].get(mode="fill", fill_value=1)
        own = jnp.where(on, jnp.maximum(own, 0), 0)
        total = jnp.sum(own, -1)
        scale = jnp.where(total > 0, mass / jnp.where(total > 0, total, 1), 0)
        q = q.at[table[rows]].set(scale[:, None] * own, mode="drop")
    return q

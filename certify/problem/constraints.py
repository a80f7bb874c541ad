"""Strategy sets and shared rows in coordinates: what they restrict, and how a file states them."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

import dgames as dg
from certify.checker.reader import Reader
from certify.checker.sets import StrategySet, read_set
from certify.enclosure.programs.promotion import exactly
from certify.enclosure.programs.walk import is_dependent
from certify.problem.exact_types import is_as_made
from certify.problem.linear_rows import LinearRows
from certify.problem.region import Box, Limits, Region
from certify.problem.shared_functions import SharedFunctions
from dgames.sets import AbstractSet, player_sets
from dgames.strategy import blocks, player_names, ravel, unraveler


class OutsideStrategySet(ValueError):
    """The region is not inside the game's strategy set, or its shared constraints."""


@dataclass(frozen=True)
class Constraints:
    """The product K of the players' strategy sets, and shared rows; their numbers in float64.

    Attributes:
        names: The players.
        sets: The strategy set of each player.
        center: A joint strategy, for its structure.
        rows: The shared linear constraints; None if there are no shared constraints at all.
        functions: The shared constraints that are functions; None if there are none.
        shared: All of these, as the game has them.
    """

    names: tuple[str, ...]
    sets: tuple[AbstractSet, ...]
    center: Any
    rows: LinearRows | None = None
    functions: SharedFunctions | None = None
    shared: tuple[Any, ...] = ()

    @classmethod
    def of(
        cls, game: dg.Game | dg.AbstractField, region: Region, args: Any = None
    ) -> "Constraints":
        """Makes the constraints of a game or a field, with the structure of a region.

        Args:
            game: The game or the field.
            region: The region.
            args: Passed to shared constraints that are functions.

        Raises:
            OutsideStrategySet: If the sets depend on the strategy.
        """
        _require_fixed(game, region.example, args)
        sets = player_sets(game.strategy_set(region.example), region.example)
        # In lower precision, tests for membership would round.
        sets = jax.tree.map(lambda leaf: exactly(leaf) if hasattr(leaf, "dtype") else leaf, sets)
        shared = LinearRows.of(game, region), SharedFunctions.of(game, region, args)
        given = game.shared_constraints(region.example)
        return cls(player_names(region.center), sets, region.center, *shared, given)

    @property
    def bind(self) -> bool:
        """Whether any player is restricted at all."""
        return self.rows is not None or any(type(own) is not dg.Euclidean for own in self.sets)

    @property
    def couple(self) -> bool:
        """Whether something shared couples players, so that the metric selects the equilibrium."""
        rows = self.rows is not None and self.rows.couple(_sizes(self.center))
        return rows or self.functions is not None

    @property
    def shared_count(self) -> int:
        """The number of shared constraints, functions and rows."""
        rows = 0 if self.rows is None else len(self.rows.bounds)
        return rows + (0 if self.functions is None else self.functions.count)

    @property
    def is_equality(self) -> Bool[np.ndarray, " constraints"]:
        """Which shared constraints are equations; functions, which come after rows, are none."""
        rows = np.zeros(0, bool) if self.rows is None else self.rows.is_equality
        return np.pad(rows, (0, self.shared_count - len(rows)))

    def lines_at(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, "constraints n"]:
        """Returns all shared rows, and after them the gradients of shared functions at a point."""
        functions = self.functions
        matrix = np.zeros((0, len(x))) if self.rows is None else self.rows.matrix
        if functions is None:
            return matrix
        gradients = jax.jacfwd(lambda x: jnp.stack(functions.values(x)))(jnp.asarray(x))
        return np.concatenate([matrix, np.asarray(gradients)])

    @property
    def coordinates(self) -> list[slice]:
        """The coordinates of each player."""
        return [slice(*ends) for ends in pairwise(accumulate(_sizes(self.center), initial=0))]

    def require_known(self) -> None:
        """Raises unless something is known about each player's set.

        Nothing is known about subclasses: they may project as they like.
        """
        for name, own in zip(self.names, self.sets, strict=True):
            if type(own) not in _KNOWN or not is_as_made(own):
                raise OutsideStrategySet(
                    f"nothing is known about the strategy set of player '{name}' "
                    f"({type(own).__name__}), so no region is known to be inside; use "
                    f"{', '.join(kind.__name__ for kind in _KNOWN)}."
                )
        for constraint in self.shared:
            if type(constraint) not in _SHARED or not is_as_made(constraint):
                raise OutsideStrategySet(
                    f"nothing is known about a shared constraint ({type(constraint).__name__}); "
                    f"use {', '.join(kind.__name__ for kind in _SHARED)}."
                )
        if self.rows is not None and any(type(own) is dg.Ball for own in self.sets):
            raise OutsideStrategySet(
                "shared constraints go with strategy sets that are boxes or simplices, and a "
                "player's set is a ball."
            )

    def outside(self, region: Region) -> str | None:
        """Says what is not known to contain the region; None if all sets and rows do."""
        if isinstance(region, Box):
            ends = [region.lower, region.upper]
        else:
            ends = [unraveler(self.center)(jnp.asarray(end)) for end in region.bounds()]
        rows = zip(self.names, self.sets, *map(blocks, ends), strict=True)
        for name, own, *corners in rows:
            if not contains_box(own, *corners):
                return f"the strategy set of player '{name}' ({type(own).__name__})"
        inside = self.rows is None or self.rows.contain(*region.bounds())
        inside = inside and self.functions is None
        return None if inside else "the shared constraints"

    def require_inside(self, region: Region) -> None:
        """Raises unless the region is inside the strategy set.

        A convex set contains a box if it contains its corners; for boxes the extreme two suffice,
        for a ball the farthest one.
        """
        left = self.outside(region)
        if left is not None:
            raise OutsideStrategySet(
                f"the region leaves {left}; this is about points inside, so give a region within."
            )

    def limits(self, region: Region) -> Limits:
        """Says beyond which lower and which upper faces of a region's bounding box K extends."""
        extents = [extent for own in self.exact() for extent in own.extents]
        low, high = (np.empty(len(extents), bool) for _ in range(2))
        for k, ((least, most), lower, upper) in enumerate(
            zip(extents, *region.bounds(), strict=True)
        ):
            # Fractions and floats, infinite ones too, are compared exactly.
            low[k] = least is None or least < float(lower)
            high[k] = most is None or most > float(upper)
        return low, high

    def clipped(self, region: Box) -> Box:
        """Returns the part of a box within the bounds of each coordinate of K."""
        pairs = zip(self.sets, blocks(self.center), strict=True)
        least, most = np.concatenate([_extent(*pair) for pair in pairs], axis=1)
        lower, upper = region.bounds()
        low, high = np.maximum(lower, least), np.minimum(upper, most)
        unravel = unraveler(region.center)
        return Box(unravel(jnp.asarray(low)), unravel(jnp.asarray(high)), like=region.example)

    def exact(self) -> list[StrategySet]:
        """Returns the sets as the checker reads them."""
        triples = zip(self.to_json(float.hex), _sizes(self.center), strict=True)
        return [read_set(Reader(file), size) for file, size in triples]

    def project(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Returns the point of K nearest to a vector, in ordinary floating point; traceable."""
        pairs = zip(self.sets, blocks(unraveler(self.center)(x)), strict=True)
        return jnp.concatenate([ravel(own.project(block))[0] for own, block in pairs])

    def snapped(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Moves a point that is in K up to rounding to one that is in K exactly."""
        parts = np.split(x, np.cumsum(_sizes(self.center))[:-1])
        triples = zip(self.sets, blocks(self.center), parts, strict=True)
        return np.concatenate([_snapped(*triple) for triple in triples])

    def to_json(self, number: Callable[[float], str]) -> list[dict[str, Any]]:
        """Returns the description of the sets in a certificate file."""
        pairs = zip(self.sets, blocks(self.center), strict=True)
        return [_described(own, block, number) for own, block in pairs]


def _require_fixed(game: dg.Game | dg.AbstractField, example: Any, args: Any) -> None:
    """Raises if a game's strategy sets depend on the strategy: nothing is known about such sets.

    So do shared constraints if their rows do, or the values of their functions at one point.
    """
    moves = OutsideStrategySet(
        "the strategy set depends on the strategy at which it is asked for, so no region is known "
        "to be inside it; strategy_set(x) and shared_constraints(x) may look at the structure and "
        "the shapes of x alone."
    )

    def arrays(x: Any) -> list[Any]:
        shared = game.shared_constraints(x)
        found = [
            each.rows(x) if isinstance(each, dg.Polyhedron) else each.values(example, args)
            for each in shared
        ]
        leaves = jax.tree.leaves((game.strategy_set(x), shared, found))
        return [jnp.asarray(leaf) for leaf in leaves if eqx.is_array_like(leaf)]

    try:
        code = jax.make_jaxpr(arrays)(jax.tree.map(jnp.asarray, example)).jaxpr
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        raise moves from None
    if is_dependent(code):
        raise moves


def contains_box(own: Any, low: Any, high: Any) -> bool:
    """Returns whether a player's set is known to contain the box between two of its blocks."""
    if type(own) is dg.Euclidean:
        return True
    if type(own) is dg.Box:
        return bool(own.contains(low)) and bool(own.contains(high))
    if type(own) is dg.Ball:
        center = dg.Ball(own.center, jnp.zeros(())).project(low)
        farthest = jax.tree.map(
            lambda c, a, b: jnp.where(jnp.abs(a - c) > jnp.abs(b - c), a, b), center, low, high
        )
        return bool(dg.Ball(own.center, own.radius * (1 - 1e-12)).contains(farthest))
    # A simplex contains no box of full dimension, and nothing is known about other sets,
    # subclasses included.
    return False


# The classes of shared constraints; of subclasses nothing is known either.
_SHARED = (dg.Polyhedron, dg.SharedConstraint)
# Nothing is known about other sets, subclasses of these included: they may project as they like.
_KNOWN = (dg.Euclidean, dg.Box, dg.Ball, dg.Simplex)


def _extent(own: AbstractSet, block: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns approximate bounds of a player's coordinates; those of a box are exact."""
    flat, unravel = ravel(block)
    match own:
        case dg.Box():
            ends = (unravel(jnp.full_like(flat, end)) for end in (-jnp.inf, jnp.inf))
            low, high = (np.asarray(ravel(own.project(end))[0]) for end in ends)
            return low, high
        case dg.Ball():
            middle, radius = _middle(own, block), float(own.radius)
            return middle - radius, middle + radius
        case dg.Simplex():
            return np.zeros(flat.size), np.ones(flat.size)
    return np.full(flat.size, -np.inf), np.full(flat.size, np.inf)


def _snapped(own: AbstractSet, block: Any, x: np.ndarray) -> np.ndarray:
    """Moves a point that is in a player's set up to rounding to one that is in it exactly."""
    match own:
        case dg.Box():
            return np.clip(x, *_extent(own, block))
        case dg.Ball():
            middle, radius = _middle(own, block), Fraction(float(own.radius))
            for share in (0.0, *(2.0**-k for k in range(53, 40, -1))):
                inner = middle + (1 - share) * (x - middle)
                offset = (Fraction(a) - Fraction(b) for a, b in zip(inner, middle, strict=True))
                if sum(o * o for o in offset) <= radius**2:
                    return inner
            return middle
        case dg.Simplex():
            # On a grid of dyadic numbers sums are exact; the largest coordinate takes the rest.
            whole = np.round(np.clip(x, 0.0, 1.0) * 2.0**52).astype(np.int64)
            for group in np.split(whole, np.cumsum(_groups(block))[:-1]):
                group[group.argmax()] += 2**52 - int(group.sum())
            return whole / 2.0**52
    return x


def _described(own: AbstractSet, block: Any, number: Callable[[float], str]) -> dict[str, Any]:
    """Describes a player's set as a certificate file does."""
    match own:
        case dg.Box():
            low, high = (
                [number(x) if np.isfinite(x) else str(x) for x in end.tolist()]
                for end in _extent(own, block)
            )
            return {"kind": "box", "lower": low, "upper": high}
        case dg.Ball():
            middle = [number(x) for x in _middle(own, block).tolist()]
            return {"kind": "ball", "center": middle, "radius": number(float(own.radius))}
        case dg.Simplex():
            return {"kind": "simplex", "groups": _groups(block)}
    return {"kind": "euclidean"}


def _middle(own: dg.Ball, block: Any) -> np.ndarray:
    return np.asarray(ravel(dg.Ball(own.center, jnp.zeros(())).project(block))[0])


def _groups(block: Any) -> list[int]:
    """Returns the sizes of the probability vectors along the last axes of a block."""
    leaves = jax.tree.leaves(block)
    return [leaf.shape[-1] for leaf in leaves for _ in range(leaf.size // leaf.shape[-1])]


def _sizes(x: Any) -> list[int]:
    return [sum(leaf.size for leaf in jax.tree.leaves(block)) for block in blocks(x)]

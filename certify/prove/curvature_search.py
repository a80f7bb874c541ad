"""Looks for a player's own cost that is not convex, and proves that it is not."""

from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.checker import Unusable
from certify.checker.graph import game_hash
from certify.checker.nonconvexity import MAX_OWN
from certify.checker.reader import FORMAT, REFUTATION, VERSION
from certify.claims.checked import Checked, NotAccepted
from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.file.cells import integers
from certify.file.provenance import provenance
from certify.problem.draws import first_key
from certify.problem.field import FlatField
from certify.problem.messages import clipped, coordinate_names, vector_in_words
from certify.problem.region import Region
from certify.prove.file_parts import game_in_file, graph_in_file, hexadecimal
from certify.rounding import float_above

# How many points are tried for each player, and the half-width of the box around each, in
# half-widths of the region.
_TRIED = 3
_NEAR = 2.0**-36
# Bits of the integers in a file, and the factor by which remainders are enlarged, because the
# bounds of level 2 may be a little wider.
_BITS, _ROOM = 50, 2.0

TRUSTED = (
    "Statement (B) of certify/checker/nonconvexity.py: that the player's cost is twice "
    "continuously differentiable on the box, with its Hessian in the stated interval matrix. Level "
    "2 of the checker re-derives it from the costs in this file; else it comes from "
    "certify.enclosure, and rests on JAX's derivative rules for their code, IEEE-754 arithmetic, "
    "and the error margins for JAX's float64 functions in certify/enclosure/elementary.",
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly.",
    "The checker and the Python interpreter that runs it.",
)


class NonconvexCost(NamedTuple):
    """A proof that a cost is not convex.

    Attributes:
        sentence: Whose cost it is, where and along what.
        contents: The contents of a file, which the checker has accepted.
    """

    sentence: str
    contents: Checked


class _OwnHessian(NamedTuple):
    """The Hessian of a cost in the own strategy, in integers: within `remainder` of `centre`."""

    unit: int
    centre: np.ndarray
    remainder: np.ndarray

    def curvature(self, direction: np.ndarray) -> Fraction:
        """Bounds the curvature along a direction from above."""
        v = [Fraction(x) for x in direction.tolist()]
        entries = zip(self.centre.tolist(), self.remainder.tolist(), strict=True)
        total = Fraction(0)
        for a, (middle, loose) in zip(v, entries, strict=True):
            along = sum(b * int(x) for b, x in zip(v, middle, strict=True))
            total += a * along + abs(a) * sum(
                abs(b) * int(x) for b, x in zip(v, loose, strict=True)
            )
        return total * Fraction(2) ** self.unit


def nonconvex_cost(
    field: FlatField, region: Region, jacobians: Float[np.ndarray, "samples n n"]
) -> NonconvexCost | None:
    """Proves that some player's cost is not convex near a point of the region, or returns None.

    The code of a derivative proves nothing at a single point: `where(x == p, x**2 - 9 * (x - p)**2,
    x**2)` is `x**2`. So all costs are shown to be smooth on a small box around the point, where no
    choice of the code is left undecided, and the curvature is shown to be negative on all of it.

    Args:
        field: The pseudo-gradient of a game.
        region: The region to look in.
        jacobians: Jacobians at the points `region.sample(jax.random.key(0), samples)`.
    """
    points = region.sample(first_key(0), len(jacobians))
    ends = accumulate(field.sizes, initial=0)
    for player, (first, last) in enumerate(pairwise(ends)):
        if last - first > MAX_OWN:
            continue
        own = jacobians[:, first:last, first:last]
        values, vectors = np.linalg.eigh(0.5 * (own + np.swapaxes(own, -1, -2)))
        for worst in np.argsort(values[:, 0])[:_TRIED].tolist():
            if values[worst, 0] >= 0:
                break
            found = _proved(field, region, player, points[worst], vectors[worst, :, 0])
            if found is not None:
                return found
    return None


def _proved(
    field: FlatField, region: Region, player: int, point: np.ndarray, direction: np.ndarray
) -> NonconvexCost | None:
    """Returns the proof at a point, if the curvature along a direction is negative around it."""
    first = sum(field.sizes[:player])
    own = slice(first, first + field.sizes[player])
    lower, upper = region.bounds()
    width = _NEAR * (upper - lower) + 2.0**-48 * np.abs(point)
    box = Interval(jnp.asarray(point - width), jnp.asarray(point + width))
    hessian = _own_hessian(field, box, own)
    most = None if hessian is None else hessian.curvature(direction)
    if hessian is None or most is None or most >= 0:
        return None
    curvature = float_above(most)
    contents = _contents(field, region, player, box, direction, curvature, hessian)
    if contents is None:
        return None
    called = coordinate_names(field.names, field.sizes)
    sentence = (
        f"the cost of player '{clipped(field.names[player])}' is not convex in the player's own "
        f"strategy: at {vector_in_words(point, called)} its curvature along "
        f"{vector_in_words(direction, called[own])} is at most {curvature:.6g}"
    )
    return NonconvexCost(sentence, contents)


def _own_hessian(field: FlatField, box: Interval, own: slice) -> _OwnHessian | None:
    """Encloses the Hessian of a player's cost on a box; returns None if it may not exist.

    The costs are enclosed too, because a derivative may be defined where the cost is not, such as
    1 / x where log(x) is not.
    """
    rules, basis = RULES | SMOOTH_RULES, jnp.eye(box.lower.size)[own]

    def hessian(x: Any) -> Any:
        return jax.vmap(lambda along: jax.jvp(field.function, (x,), (along,))[1][own])(basis)

    bound = enclose(hessian, rules)(box)
    values = [enclose(function, rules)(box) for function in (field.costs, field.function)]
    if not all(np.isfinite(x).all() for x in jax.tree.leaves((values, bound))):
        return None
    lower, upper = np.asarray(bound.lower), np.asarray(bound.upper)
    largest = max(np.abs(lower).max(), np.abs(upper).max())
    unit = int(np.clip(np.ceil(np.log2(max(largest, 2.0**-900))), -1100, 1000)) - _BITS
    centre = np.rint(np.ldexp(0.5 * lower + 0.5 * upper, -unit)) + 0.0
    # In units, ends are exact but for subnormal numbers, which two more units pay for.
    loose = np.maximum(np.ldexp(upper, -unit) - centre, centre - np.ldexp(lower, -unit))
    return _OwnHessian(unit, centre, np.ceil(_ROOM * np.maximum(loose, 0.0)) + 2.0)


def _contents(
    field: FlatField,
    region: Region,
    player: int,
    box: Interval,
    direction: np.ndarray,
    curvature: float,
    hessian: _OwnHessian,
) -> Checked | None:
    """Returns the contents of a file, if the checker accepts them."""
    graph, without_graph = graph_in_file(field)
    game = game_in_file(field, region, None, graph)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "kind": REFUTATION,
        "game": {**game, "hash": game_hash(game)},
        "region": region.to_json(hexadecimal),
        "claims": {
            "player": player,
            "lower": hexadecimal(box.lower),
            "upper": hexadecimal(box.upper),
            "direction": hexadecimal(direction),
            "curvature": hexadecimal(curvature),
        },
        **({"promoted": list(field.promoted)} if field.promoted else {}),
        "trusted": [*TRUSTED, *field.promoted],
        "provenance": {
            **provenance(),
            **({} if graph is not None else {"no_graph": without_graph}),
        },
        "evidence": {
            "unit": hessian.unit,
            "hessian": {
                "centre": integers(hessian.centre),
                "remainder": integers(hessian.remainder),
            },
        },
    }
    try:
        return Checked(data)
    except (NotAccepted, Unusable):
        return None

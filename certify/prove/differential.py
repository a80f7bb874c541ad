"""Runs the user's own code at a few thousand points, as a last check before a claim is proved.

The check proves nothing. Proofs rest on an expression graph or on enclosures that were read from
the code. If these differ from what the code computes by more than rounding, at any of the points
that `probes` chooses, an unforeseen mistake was made, and an error shows the point.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker.graph import read_graph
from certify.checker.reader import Reader
from certify.checker.rederive import entries
from certify.graph.builder import GraphError
from certify.graph.floats import evaluate
from certify.graph.shared_graph import shared_data
from certify.graph.trace import graph_of
from certify.jacobian.family import AffineFamily
from certify.problem.constraints import Constraints
from certify.problem.exact_types import is_pseudo_gradient
from certify.problem.field import FlatField, compiled_jacobians
from certify.problem.messages import coordinate_names, vector_in_words
from certify.problem.region import Region
from certify.prove.mismatch import MismatchError, require_same
from certify.prove.probes import probes
from certify.search.tree import Leaf, Split, Tree
from dgames.strategy import Strategy, blocks, ravel

# Differences count as rounding errors up to these shares of the largest number on the way and of
# the result. Code in lower precision differs more from the real numbers that it stands for, so its
# shares are larger.
_OF_SCALE, _OF_VALUE = 1e-9, 1e-6
_OF_SCALE_LOW, _OF_VALUE_LOW = 2.0**-7, 2.0**-4
# Points at which Jacobians are computed: as many as are sampled to choose a metric, so that the
# program compiled for those serves again.
_JACOBIANS = 256


class Read(NamedTuple):
    """What a proof takes a field and costs to be, at some points.

    Attributes:
        field: The field, shape (points, n).
        costs: The costs, shape (points, players), if the proof knows them.
        field_scale: The size of the numbers of which rounding errors are shares, for entries of the
            field or for all of a point, shape (points, n) or (points, 1).
        cost_scale: The same for the costs, shape (points, 1).
    """

    field: np.ndarray
    costs: np.ndarray | None
    field_scale: np.ndarray
    cost_scale: np.ndarray


# Returns it for a field, some points, and the number of entries that the code returns.
Expected = Callable[[FlatField, np.ndarray, int], Read]


def compare(
    game: dg.Game | dg.AbstractField,
    region: Region,
    args: Any,
    field: FlatField,
    tree: Tree[AffineFamily] | None = None,
    expected: Expected | None = None,
) -> None:
    """Compares the user's code with the graph and the families that a proof rests on.

    Args:
        game: The game or the field, as the user gave it.
        region: The region of the proof.
        args: Passed to the game or the field.
        field: The field that was read from its code.
        tree: Cells with their families, to be compared with Jacobians.
        expected: What the proof takes the field and the costs to be, at points; that of the
            expression graph by default.

    Raises:
        MismatchError: If they differ at a point, or the code is not finite there.
    """
    given = dg.as_field(game)
    if field.constraints is not None:
        _compare_sets(given, region, args, field)
    points = probes(field, region)
    if field.natural is None:
        _compare_values(given, region, args, field, points, expected or _by_graph)
    if field.constraints is not None and field.constraints.functions is not None:
        _compare_functions(given, region, args, field, points)
    if tree is not None:
        _compare_families(field, tree, region, points[:_JACOBIANS])


def _compare_sets(given: dg.AbstractField, region: Region, args: Any, field: FlatField) -> None:
    """Requires that the strategy sets, read again, are the same: impure code may give others."""
    again = Constraints.of(given, region, args)
    if not eqx.tree_equal(field.constraints.sets, again.sets):
        raise MismatchError(
            "certify: the strategy sets are others each time that they are asked for, so nothing "
            "is proved; let strategy_set be a function of nothing but the structure of a strategy."
        )
    if shared_data(field.constraints) != shared_data(again):
        raise MismatchError(
            "certify: the shared constraints are others each time that they are asked for, so "
            "nothing is proved; let shared_constraints be a function of nothing but the structure "
            "of a strategy."
        )


def _compare_values(
    given: dg.AbstractField,
    region: Region,
    args: Any,
    field: FlatField,
    points: Float[np.ndarray, "points n"],
    read: Expected,
) -> None:
    if set(region.types) != {"float64"}:
        # The code runs in the user's own types: a number that overflows there is not finite, even
        # if it would be in float64.
        unravel = ravel(region.example)[1]
        rounded = jax.vmap(lambda point: ravel(unravel(point))[0])(jnp.asarray(points))
        points = np.asarray(rounded, np.float64)
    lower, upper = region.bounds()
    points = points[((lower <= points) & (points <= upper)).all(1)]
    force, costs = (
        np.asarray(found, np.float64) for found in _computed(given, region.example, args, points)
    )
    whole = np.isfinite(force).all(1) & np.isfinite(costs).all(1)
    if not whole.all():
        k = int(np.flatnonzero(~whole)[0])
        what = "the field" if np.isfinite(costs[k]).all() else "a cost"
        raise MismatchError(
            f"certify: {what} is not finite at {_shown(field, points[k])}, where the region has "
            "been shown to be harmless in real arithmetic; the code divides by zero, overflows, or "
            "differentiates a branch that it does not take (guard the argument, not the result)."
        )
    low = bool(field.promoted)
    of_scale = _OF_SCALE_LOW if low else _OF_SCALE
    of_value = _OF_VALUE_LOW if low else _OF_VALUE
    known = read(field, points, force.shape[1])
    for what, mine, theirs, scale in (
        ("the field", known.field, force, known.field_scale),
        ("the costs", known.costs, costs, known.cost_scale),
    ):
        if mine is None or not mine.size:
            continue
        slack = of_scale * scale + of_value * np.abs(theirs)

        def where(k: int, column: int, what: str = what) -> str:
            return f"at {_shown(field, points[k])} entry {column} of {what}"

        require_same("certify", theirs, mine, slack, where)


def _compare_functions(
    given: dg.AbstractField,
    region: Region,
    args: Any,
    field: FlatField,
    points: Float[np.ndarray, "points n"],
) -> None:
    """Compares shared constraints that are functions with their graph."""
    data, count = shared_data(field.constraints), field.constraints.functions.count
    assert data is not None
    lower, upper = region.bounds()
    points = points[((lower <= points) & (points <= upper)).all(1)]
    known = evaluate(read_graph(Reader(data["functions"]), field.dimension, count), points)
    example, unravel = region.example, ravel(region.example)[1]
    functions = [
        each for each in given.shared_constraints(example) if isinstance(each, dg.SharedConstraint)
    ]

    def values(point: Any) -> Any:
        return jnp.concatenate([each.values(unravel(point), args) for each in functions])

    theirs = np.asarray(jax.jit(jax.vmap(values))(jnp.asarray(points)), np.float64)
    low = set(region.types) != {"float64"}
    of_scale, of_value = (_OF_SCALE_LOW, _OF_VALUE_LOW) if low else (_OF_SCALE, _OF_VALUE)
    slack = of_scale * known.scale[:, None] + of_value * np.abs(theirs)

    def where(k: int, column: int) -> str:
        return f"at {_shown(field, points[k])} entry {column} of the shared constraints"

    require_same("certify", theirs, known.outputs, slack, where)


@eqx.filter_jit
def _computed(given: dg.AbstractField, example: Strategy, args: Any, points: Any) -> Any:
    """Runs the user's code at points, as joint strategies like the example."""
    unravel = ravel(example)[1]

    def at(point: Any) -> Any:
        strategy = unravel(point)
        return ravel(given(strategy, args))[0], _own_costs(given, strategy, args)

    return jax.vmap(at)(points)


@functools.lru_cache(maxsize=32)
def _compiled_values(field: FlatField) -> Callable:
    return jax.jit(jax.vmap(field.function))


def _own_costs(given: dg.AbstractField, x: Strategy, args: Any) -> Any:
    """Returns all costs as the game computes them, in one array; for a field, an empty array."""
    if not is_pseudo_gradient(given):
        return jnp.zeros(0)
    costs = given.game.costs(x, args)
    if isinstance(costs, dg.Stacked):
        return jnp.ravel(costs.blocks)
    return jnp.stack([jnp.asarray(cost) for cost in blocks(costs)])


def _by_graph(field: FlatField, points: np.ndarray, size: int) -> Read:
    """Returns the field and the costs of the expression graph, else those of the traced code."""
    try:
        graph = graph_of(field)
    except GraphError:
        force = np.asarray(_compiled_values(field)(points))
        scale = 1 + np.abs(force).max(1, initial=0.0, keepdims=True)
        return Read(force, None, scale, scale)
    found = evaluate(graph, points)
    scale = found.scale[:, None]
    if not field.is_gradient:
        return Read(found.outputs, None, scale, scale)
    made = entries([*field.sizes], field.zero_sum, True)
    columns = [sign * found.gradients[:, output, variables[0]] for output, sign, variables in made]
    costs = found.outputs
    if field.zero_sum:
        costs = np.concatenate([costs, -costs], 1)
    force = np.stack(columns, 1) if size else found.outputs[:, :0]
    return Read(force, costs, scale, scale)


def _compare_families(
    field: FlatField,
    tree: Tree[AffineFamily],
    region: Region,
    points: Float[np.ndarray, "points n"],
) -> None:
    jacobians = np.asarray(compiled_jacobians(field)(points))
    for family, rows in _cells(tree, region, points):
        reach = np.abs(np.asarray(family.generators)).sum(0) + np.asarray(family.remainder)
        found = jacobians[rows]
        slack = _OF_VALUE * (1 + np.abs(found).max((1, 2), keepdims=True))
        wrong = ~(np.abs(found - np.asarray(family.centre)) <= reach + slack)
        if wrong.any():
            k, i, j = map(int, np.argwhere(wrong)[0])
            raise MismatchError(
                f"certify: at {_shown(field, points[rows[k]])} entry ({i}, {j}) of the Jacobian is "
                f"{found[k, i, j]:.6g}, which is outside of its enclosure; nothing is proved. "
                "Please report this game."
            )


def _cells(
    tree: Tree[AffineFamily], region: Region, points: np.ndarray
) -> list[tuple[AffineFamily, np.ndarray]]:
    """Returns the families of the cells that contain some of the points, and the points in each."""
    pending, found = [(0, np.arange(len(points)))], []
    while pending:
        number, rows = pending.pop()
        node = tree.nodes[number]
        if isinstance(node, Leaf):
            if len(rows) and node.evidence is not None:
                found.append((node.evidence, rows))
        elif isinstance(node, Split) and len(rows):
            below = points[rows, node.axis] <= node.at
            pending += [(node.below, rows[below]), (node.above, rows[~below])]
    return found


def _shown(field: FlatField, point: np.ndarray) -> str:
    """Describes a point in words, by all of its coordinates or the largest few."""
    words = vector_in_words(point, coordinate_names(field.names, field.sizes), digits=17)
    return words if field.natural is None else f"the policies {words}"

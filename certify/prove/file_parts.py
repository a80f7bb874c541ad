"""Writes parts of a certificate file: hexadecimal numbers, game, metric, and what is trusted."""

from typing import Any, NamedTuple

from certify.checker.graph import game_hash
from certify.checker.reader import CONVERGENCE, FORMAT, VERSION
from certify.file.provenance import provenance
from certify.graph.builder import GraphError
from certify.graph.shared_graph import shared_data
from certify.graph.trace import graph_data
from certify.metric.metric import Metric
from certify.problem.constraints import Constraints
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.problem.structure import describe
from certify.prove.reach import BELOW, Reach, weights_below
from certify.prove.shared_multipliers import shared_parts
from certify.steps import Step

_BY_CELLS = (
    "Statement (B) of certify/checker/proof.py: that the Jacobian of the pseudo-gradient lies in "
    "the stated family on each cell, and the residual bound. Level 2 of the checker re-derives it "
    "from the costs in this file; else it comes from certify.enclosure. Where provenance says that "
    "the enclosure is 'taylor', families rest on IEEE-754 arithmetic in NumPy, python-flint, and "
    "the graph of the costs in this file being that of their code; so does the residual of costs "
    "that are short enough for Taylor polynomials, whatever the enclosure. All other residuals and "
    "families rest on JAX's derivative rules for that code, IEEE-754 arithmetic, and the error "
    "margins for JAX's float64 functions in certify/enclosure/elementary. Where the file calls "
    "the game zero-sum, (B) also says that the two costs are a payoff and its negative."
)
_BY_TERMS = (
    "Statement (B) of certify/checker/proof.py: that the Jacobian of the pseudo-gradient is the "
    "sum of the stated terms, mirrored ones with one slope for both parts, with slopes in their "
    "ranges all over the region, and the residual bound. Level 2 of the checker re-derives it from "
    "the costs in this file; else it rests on the same code, which found the terms: on Python's "
    "integers, python-flint, and the graph of the costs in this file being that of their code. "
    "Where the file calls the game zero-sum, (B) also says that the two costs are a payoff and its "
    "negative."
)
_ALWAYS = (
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic.",
    "The checker and the Python interpreter that runs it.",
)
TRUSTED_BY_CELLS, TRUSTED_BY_TERMS = (_BY_CELLS, *_ALWAYS), (_BY_TERMS, *_ALWAYS)


class Place(NamedTuple):
    """Where the equilibrium is, around a centre, and from where it is reached, in the metric.

    Attributes:
        radius: Of the ball that contains the equilibrium.
        ball: Radius of the largest ball in the region.
        basin: Radius of the ball of starts.
    """

    radius: float
    ball: float
    basin: float


def place_of(reach: Reach, metric: Metric, margin: float, lipschitz: float) -> Place:
    """Returns where the equilibrium is; the basin is not positive if that is not in the region."""
    radius = max(reach.equilibrium(metric, margin, lipschitz), 1e-150)
    ball = reach.of(metric)
    return Place(radius, ball, ball - 2 * radius * (1 + 2.0**-40))


def convergence_in_file(
    field: FlatField,
    region: Region,
    metric: Metric,
    reach: Reach,
    bounds: dict[str, Any],
    place: Place,
    steps: dict[str, Step],
    graph: dict[str, Any] | None,
    trusted: tuple[str, ...],
    notes: dict[str, Any],
    evidence: dict[str, Any],
) -> dict[str, Any]:
    """Returns the contents of a file that claims convergence.

    Args:
        field: The pseudo-gradient.
        region: Where.
        metric: The metric of all claims.
        reach: Where the equilibrium is.
        bounds: The margin, the Lipschitz constant, and the small-gain test if there is one.
        place: How far the equilibrium and the starts may be from the centre.
        steps: Safe steps, by method.
        graph: The costs as a graph, if there is one.
        trusted: What the claims rest on.
        notes: Words on how the proof was found.
        evidence: What proves the bounds.
    """
    onto, shared = reach.onto(metric), None
    if onto is not None and onto.constraints.rows is not None:
        shared = shared_parts(
            onto.constraints,
            reach.point,
            onto.value,
            onto.residual,
            reach.multipliers(metric),
            reach.function_bounds(metric),
            weights_below(metric, field.sizes).tolist(),
            bounds["lipschitz"],
            place.radius,
        )
        evidence = evidence | shared.evidence
    claims = {
        **bounds,
        "equilibrium": {
            "center": reach.point,
            **({} if onto is None else {"value": onto.value}),
            "residual": reach.residual(metric),
            "radius": place.radius,
        },
        "basin": {"radius": place.basin},
        "steps": [{"method": name, **step} for name, step in steps.items()],
    }
    data = {
        "format": FORMAT,
        "version": VERSION,
        "kind": CONVERGENCE,
        "game": game_in_file(field, region, None if onto is None else onto.constraints, graph),
        "region": region.to_json(hexadecimal),
        "claims": {
            **metric_in_file(metric, field.sizes),
            **hexadecimal(claims),
            **({} if shared is None else {"shared": shared.claims}),
        },
        **({"promoted": list(field.promoted)} if field.promoted else {}),
        "trusted": [*trusted, *field.promoted],
        "provenance": {**provenance(), **notes},
        "evidence": evidence,
    }
    data["game"]["hash"] = game_hash(data["game"])
    return data


OUTSIDE = "the ball that contains the equilibrium is not inside the region"


def game_in_file(
    field: FlatField,
    region: Region,
    constraints: Constraints | None,
    graph: dict[str, Any] | None,
) -> dict[str, Any]:
    """Returns the game as data: its players, its costs as a graph if possible, its sets."""
    players = [
        {"name": name, "size": size} for name, size in zip(field.names, field.sizes, strict=True)
    ]
    natural = field.natural
    shared = None if constraints is None else shared_data(constraints)
    return {
        "name": field.name,
        "code": field.hash,
        "players": players,
        **({"zero_sum": True} if field.zero_sum else {}),
        **({} if field.is_gradient else {"field": field.name}),
        **(
            {}
            if natural is None
            else {
                "natural": {
                    "temperature": hexadecimal(natural.temperature),
                    "reference": hexadecimal(list(natural.reference)),
                }
            }
        ),
        **({} if constraints is None else {"sets": constraints.to_json(hexadecimal)}),
        **({} if shared is None else {"shared": shared}),
        "structure": describe(region.center),
        **({} if graph is None else {"graph": graph}),
    }


def graph_in_file(field: FlatField) -> tuple[dict[str, Any] | None, str]:
    """Returns the costs spelled out as a graph, or None and why they cannot be."""
    try:
        return graph_data(field), ""
    except GraphError as error:
        return None, str(error)


def metric_in_file(metric: Metric, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Returns the metric as data, with bounds from below if it is a matrix."""
    if not metric.is_matrix:
        return {"weights": hexadecimal(weights_below(metric, sizes))}
    lower = [hexadecimal(row[: i + 1]) for i, row in enumerate(metric.weighting)]
    smallest = hexadecimal(BELOW * metric.smallest)
    coordinate = hexadecimal(BELOW * metric.coordinate)
    return {"metric": {"lower": lower, "smallest": smallest, "coordinate": coordinate}}


def hexadecimal(value: Any) -> Any:
    """Writes numbers as the file holds them, in arrays, lists and dictionaries too.

    It keeps text, and integers, which are places and not quantities.
    """
    if isinstance(value, dict):
        return {key: hexadecimal(item) for key, item in value.items()}
    if isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0):
        return [hexadecimal(item) for item in value]
    return float(value).hex()

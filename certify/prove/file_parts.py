"""Writes parts of a certificate file: hexadecimal numbers, game, metric, and what is trusted."""

from typing import Any

from certify.graph.builder import GraphError
from certify.graph.trace import graph_data
from certify.metric.metric import Metric
from certify.problem.constraints import Constraints
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.problem.structure import describe
from certify.prove.reach import BELOW, weights_below

TRUSTED = (
    "Statement (B) of certify/checker/proof.py: that the Jacobian of the pseudo-gradient lies in "
    "the stated family on each cell, and the residual bound. Level 2 of the checker re-derives it "
    "from the costs in this file; else it comes from certify.enclosure. Where provenance says that "
    "the enclosure is 'taylor', families rest on IEEE-754 arithmetic in NumPy, python-flint, and "
    "the graph of the costs in this file being that of their code; so does the residual of costs "
    "that are short enough for Taylor polynomials, whatever the enclosure. All other residuals and "
    "families rest on JAX's derivative rules for that code, IEEE-754 arithmetic, and the error "
    "margins for JAX's float64 functions in certify/enclosure/elementary. Where the file calls "
    "the game zero-sum, (B) also says that the two costs are a payoff and its negative.",
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic.",
    "The checker and the Python interpreter that runs it.",
)


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
    """Writes numbers as the file holds them, in arrays, lists and dictionaries too; keeps text."""
    if isinstance(value, dict):
        return {key: hexadecimal(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0):
        return [hexadecimal(item) for item in value]
    return float(value).hex()

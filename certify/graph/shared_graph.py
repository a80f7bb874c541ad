"""Shared constraints as a file holds them: rows, and functions spelled out as a graph of arrays."""

from typing import Any

from certify.graph.trace import array_graph
from certify.problem.constraints import Constraints


def shared_data(constraints: Constraints) -> dict[str, Any] | None:
    """Returns `game.shared` of a file; None if there are no shared constraints.

    Raises:
        GraphError: If a function uses a primitive that graphs of arrays do not have.
    """
    rows, functions = constraints.rows, constraints.functions
    if rows is None:
        return None
    data: dict[str, Any] = {"rows": rows.to_json(lambda number: float(number).hex())}
    if functions is not None:
        size = constraints.coordinates[-1].stop
        data["functions"] = array_graph(functions.values, size)
    return data

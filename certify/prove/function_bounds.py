"""What is proved of shared constraints that are functions, at a point and over a region."""

from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

from certify.checker.forms import NotRidges
from certify.checker.graph import Graph, read_graph
from certify.checker.intervals import BallInterval
from certify.checker.reader import Reader
from certify.checker.rederive_functions import known_of
from certify.checker.rederive_terms import PRECISION
from certify.graph.builder import GraphError
from certify.graph.shared_graph import shared_data
from certify.jacobian.rank_one import exact_region
from certify.problem.constraints import Constraints
from certify.problem.region import Region
from certify.prove.no_proof import NoProof
from certify.rounding import float_above

# Room for a checker whose radii are rounded in another order.
_ROOM = 1 + 2.0**-16


def function_bounds(
    constraints: Constraints,
    region: Region,
    point: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> dict[str, Any]:
    """Returns `evidence.functions` of a file, but for the multipliers, as floats.

    Args:
        constraints: The constraints, with functions.
        region: Where the functions are to be convex.
        point: Where their values and gradients are wanted.
        weights: The metric in which their gradients have Lipschitz constants.

    Raises:
        NoProof: If a function was not shown to be convex.
    """
    try:
        data = shared_data(constraints)
        assert data is not None and constraints.functions is not None
        graph = read_graph(Reader(data["functions"]), len(point), constraints.functions.count)
        return _bounds(graph, region, point, weights)
    except (GraphError, NotRidges) as error:
        raise NoProof(f"a shared constraint was not shown to be convex: {error}") from None


def _bounds(
    graph: Graph,
    region: Region,
    point: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: []
        for name in ("values", "value_errors", "smoothness", "gradients", "gradient_errors")
    }
    center, spread = ([Fraction(x) for x in vector.tolist()] for vector in (point, weights))
    with ctx.workprec(PRECISION):
        for number, known in enumerate(known_of(graph, exact_region(region), center, spread)):
            if known is None:
                raise NoProof(f"shared constraint {number} was not shown to be convex")
            (value, error), *pairs = map(_rounded, [known.value, *known.gradient])
            found["values"].append(value)
            found["value_errors"].append(error)
            found["smoothness"].append(float_above(known.smoothness) * _ROOM)
            found["gradients"].append([middle for middle, _ in pairs])
            found["gradient_errors"].append([off for _, off in pairs])
    return found


def _rounded(x: BallInterval) -> tuple[float, float]:
    """Returns a float near a number, and a bound on its error."""
    middle = float(x.low)
    error = float((x - BallInterval.point(Fraction(middle))).magnitude().upper())
    return middle, float(np.nextafter(error * _ROOM, np.inf)) if error else 0.0

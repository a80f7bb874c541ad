"""Elementary functions: one record each, and the tables by name that are made from the records."""

from collections.abc import Callable, Iterator
from typing import Any

from certify.enclosure.elementary import (
    arithmetic,
    error_functions,
    exponentials,
    hyperbolic,
    powers,
    trigonometric,
)
from certify.enclosure.elementary.record import Elementary
from certify.enclosure.elementary.univariate import DERIVATIVES, slope_of_derivative
from certify.enclosure.interval import Interval
from certify.enclosure.margins import MARGINS
from certify.enclosure.registry import RULES, SMOOTH_RULES, rule

_FAMILIES = (arithmetic, powers, exponentials, trigonometric, hyperbolic, error_functions)

RECORDS: dict[str, Elementary] = {
    record.name: record for family in _FAMILIES for record in family.RECORDS
}


def _named(part: str) -> Iterator[tuple[str, Any]]:
    """Yields a part of each record that has it, under every name of the primitive."""
    for record in RECORDS.values():
        value = getattr(record, part)
        if value is not None:
            yield from ((name, value) for name in (record.name, *record.aliases))


for _table, _part in ((RULES, "rule"), (SMOOTH_RULES, "smooth_rule")):
    for _name, _rule in _named(_part):
        rule(_name, table=_table)(_rule)
MARGINS.update((record.name, record.margin) for record in RECORDS.values() if record.margin)
DERIVATIVES.update(_named("derivatives"))

# The ranges of derivatives, by which affine arithmetic linearises functions.
SLOPES: dict[str, Callable[..., Interval]] = {
    **dict(_named("slope_rule")),
    "derivative": slope_of_derivative,
}
# Code that JAX differentiates in place of a primitive.
REPLACEMENTS: dict[str, Callable] = dict(_named("replacement"))
# Functions that add a function to an expression graph, given numbers of nodes.
GRAPH: dict[str, Callable[..., int]] = dict(_named("graph_builder"))
# Operations of expression graphs, with their derivatives, in NumPy.
FLOATS: dict[str, tuple[Callable, Callable]] = dict(_named("floats"))

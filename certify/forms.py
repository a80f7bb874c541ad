"""How the Jacobians of a field are enclosed unless the user says otherwise."""

import functools

from certify.enclosure.affine import Form, jacobian_form
from certify.enclosure.taylor_family import is_affordable
from certify.flat import FlatField
from certify.graph import graph_of
from certify.graph_builder import GraphError


@functools.lru_cache(maxsize=32)
def usual_form(field: FlatField) -> Form:
    """The form that suits a field: `jacobian_form`, but Taylor polynomials for short costs."""
    usual = jacobian_form(field.function, field.dimension)
    return "taylor" if usual == "affine" and by_taylor(field) else usual


def by_taylor(field: FlatField) -> bool:
    """Whether the costs can be spelled out, briefly enough for Taylor polynomials."""
    try:
        return is_affordable(graph_of(field))
    except GraphError:
        return False

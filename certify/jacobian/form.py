"""How the Jacobians of a field are enclosed unless the user says otherwise."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from certify.enclosure.programs.compiling import equations, seconds_to_compile
from certify.enclosure.programs.plain import plain
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import Form, jacobian_form
from certify.jacobian.by_taylor import is_affordable
from certify.problem.field import FlatField

# Equations of an enclosure for each one of the code of the Jacobian, about.
_EQUATIONS: dict[Form, int] = {"affine": 30, "arithmetic": 140, "interval": 12}
# Seconds per equation of a program that is run operation by operation, about, the first time.
_AT_ONCE = 0.001
# Linear systems are left to Taylor polynomials where anything else would take longer to compile.
_SOLVES = 60.0
# Without a budget, no form is compiled that would take longer, if there is another one.
PATIENCE = 900.0


class Plan(NamedTuple):
    """How the cells of a search are to be measured.

    Attributes:
        form: How Jacobians are enclosed.
        compiled: Whether by a compiled program; if not, operation by operation.
        short: Why there is no time for that either; empty if there is.
    """

    form: Form
    compiled: bool = True
    short: str = ""


@functools.lru_cache(maxsize=32)
def usual_form(field: FlatField) -> Form:
    """The form that suits a field: `jacobian_form`, but Taylor polynomials for short costs.

    And for linear systems whose affine arithmetic would take minutes to compile.
    """
    usual = jacobian_form(field.function, field.dimension)
    if usual == "arithmetic" and _solves(field) and seconds(field, usual) > _SOLVES:
        return "taylor" if by_taylor(field) else usual
    return "taylor" if usual == "affine" and by_taylor(field) else usual


def by_taylor(field: FlatField) -> bool:
    """Whether the costs can be spelled out, briefly enough for Taylor polynomials."""
    try:
        return is_affordable(graph_of(field))
    except GraphError:
        return False


def plan(field: FlatField, form: Form, left: float, *, free: bool) -> Plan:
    """A form for which there is time.

    Args:
        field: The pseudo-gradient as a function of vectors.
        form: The one that suits it, or that was asked for.
        left: Seconds.
        free: Whether another form may take its place.
    """
    if form in ("taylor", "constant"):  # these compile little
        return Plan(form)
    needed = seconds(field, form)
    if needed <= left:
        return Plan(form)
    if free and field.is_gradient and by_taylor(field):
        return Plan("taylor")
    if free and seconds(field, "interval") <= left:
        return Plan("interval")
    if free and _AT_ONCE * _EQUATIONS["interval"] * _length(field) <= left:
        return Plan("interval", compiled=False)
    other = "" if free else ", and neither form nor checkpoint leave another one"
    return Plan(
        form,
        short=f"compiling the form {form!r} would take about {needed:.0f} s, and {left:.0f} s are "
        f"left of the budget{other}",
    )


def seconds(field: FlatField, form: Form) -> float:
    """About how long the enclosures of a form take to compile."""
    return seconds_to_compile(_EQUATIONS.get(form, 0) * _length(field))


@functools.lru_cache(maxsize=32)
def _length(field: FlatField) -> int:
    """Equations of the code of the Jacobian."""
    point = jax.ShapeDtypeStruct((field.dimension,), jnp.float64)
    return equations(jax.make_jaxpr(jax.jacfwd(plain(field.function)))(point).jaxpr)


def _solves(field: FlatField) -> bool:
    """Whether the code of the Jacobian solves linear systems."""
    point = jax.ShapeDtypeStruct((field.dimension,), jnp.float64)
    jaxpr = jax.make_jaxpr(jax.jacfwd(plain(field.function)))(point)
    return any(equation.primitive.name == "solution" for equation in jaxpr.eqns)

"""Whether the results of traced code depend on its operands."""

from jax.extend import core


def depends_on_input(jaxpr: core.Jaxpr) -> bool:
    """Whether a result is computed from an operand at all."""
    tainted = set(jaxpr.invars)
    for equation in jaxpr.eqns:
        if any(not isinstance(atom, core.Literal) and atom in tainted for atom in equation.invars):
            tainted.update(equation.outvars)
    return any(not isinstance(atom, core.Literal) and atom in tainted for atom in jaxpr.outvars)

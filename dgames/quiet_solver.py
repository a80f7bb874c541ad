"""Linear solvers that raise no error where there is no solution."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import PyTree
from typing_extensions import override


class QuietSolver(lx.AbstractLinearSolver):
    """A linear solver that raises no error: it returns zeros where there is no solution.

    Derivatives of other solvers raise an error there, even with `throw=False`, and so do numbers
    that are not finite. The statistics say as "found" whether there is a solution.

    Attributes:
        solver: The solver that does the work.
    """

    solver: lx.AbstractLinearSolver

    @override
    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> PyTree:
        return self.solver.init(operator, options)

    @override
    def compute(self, state: PyTree, vector: PyTree, options: dict[str, Any]) -> PyTree:
        value, result, statistics = self.solver.compute(state, vector, options)
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(value)]
        found = jnp.all(jnp.stack([result == lx.RESULTS.successful, *finite]))
        value = jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf), leaf, 0), value)
        return value, lx.RESULTS.successful, {**statistics, "found": found}

    @override
    def transpose(self, state: PyTree, options: dict[str, Any]) -> PyTree:
        return self.solver.transpose(state, options)

    @override
    def conj(self, state: PyTree, options: dict[str, Any]) -> PyTree:
        return self.solver.conj(state, options)

    @override
    def assume_full_rank(self) -> bool:
        return self.solver.assume_full_rank()

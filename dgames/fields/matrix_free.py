"""Solves linear systems whose matrix is known by its products only, or forms it if asked to."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from dgames.strategy import norm, ravel


def solved(
    product: Callable[[PyTree], PyTree],
    right: PyTree,
    solver: Any = None,
    *,
    definite: bool = False,
    guess: PyTree = None,
) -> PyTree:
    """Returns the `u` with `M u = b`, or NaN where the solver does not find it.

    The system is solved in float32 at least, and for a right-hand side of norm one, so that
    tolerances are relative to the whole of it and not to each coordinate.

    Args:
        product: The linear function `u -> M u`, from pytrees like `right` to such pytrees.
        right: b.
        solver: A solver of lineax; by default `lineax.CG` for a definite matrix and
            `lineax.GMRES` for others, until the residual is below `eps^(3/4) |b|`: about 1e-12 in
            float64 and 1e-5 in float32. With `lineax.LU()` the matrix is formed and
            `jnp.linalg.solve` solves the system, which `certify` can enclose.
        definite: Whether M is symmetric and positive definite.
        guess: Where iterations start, by default at zero; direct solvers take none.
    """
    import lineax as lx

    from dgames.quiet_solver import QuietSolver

    if isinstance(solver, lx.LU):
        return _directly(product, right)
    leaves = jax.tree.leaves(right)
    dtype = _wide(*leaves)
    wide = jax.tree.map(lambda leaf: leaf.astype(dtype), right)
    size = jax.lax.stop_gradient(norm(wide))
    size = jnp.where(size > 0, size, jnp.ones_like(size)).astype(dtype)

    def operator(u: PyTree) -> PyTree:
        value = product(_like(u, right))
        return jax.tree.map(lambda leaf: leaf.astype(dtype), value)

    if solver is None:
        tolerance = float(max(jnp.finfo(leaf.dtype).eps for leaf in leaves)) ** 0.75
        solver = (lx.CG if definite else lx.GMRES)(rtol=tolerance, atol=tolerance)
    tags = lx.positive_semidefinite_tag if definite else ()
    matrix = lx.FunctionLinearOperator(operator, jax.eval_shape(lambda: wide), tags)
    options = {}
    if guess is not None:
        guess = jax.lax.stop_gradient(guess)  # the solution does not depend on it
        options["y0"] = jax.tree.map(lambda leaf: leaf.astype(dtype) / size, guess)
    unit = jax.tree.map(lambda leaf: leaf / size, wide)
    solution = lx.linear_solve(matrix, unit, QuietSolver(solver), options=options, throw=False)
    factor = jnp.where(solution.stats["found"], size, jnp.full_like(size, jnp.nan))
    return _like(jax.tree.map(lambda leaf: factor * leaf, solution.value), right)


def _directly(product: Callable[[PyTree], PyTree], right: PyTree) -> PyTree:
    vector, unravel = ravel(right)
    wide = _wide(vector)

    def column(unit: Array) -> Array:
        return ravel(product(unravel(unit)))[0].astype(wide)

    matrix = jax.vmap(column, out_axes=1)(jnp.eye(vector.size, dtype=vector.dtype))
    return unravel(jnp.linalg.solve(matrix, vector.astype(wide)).astype(vector.dtype))


def _wide(*leaves: Array) -> Any:
    """Returns the widest type among those of the leaves and float32."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(jnp.float32, *leaves)


def _like(value: PyTree, like: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf, kind: leaf.astype(kind.dtype), value, like)

"""Halpern's iteration: a nonexpansive map, averaged with the start."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, has_constraints
from dgames.methods.method import (
    AbstractMethod,
    State,
    real_hyperparameter,
    scale,
    subtract,
    towards,
)
from dgames.strategy import Strategy, ravel


class HalpernState(NamedTuple):
    """The strategy of the start, projected, and the number of steps."""

    anchor: Strategy
    steps: Int[Array, ""]


class Halpern(AbstractMethod):
    """Halpern's iteration: `z+ = b z_0 + (1 - b) T(z)` with `b = 1 / (k + 2)`.

    For every nonexpansive `T` with a fixed point `z*`, `|z_k - T(z_k)| <= 2 |z_0 - z*| / (k + 1)`
    (Lieder, 2021). There are two such maps:

    * explicit, `T(z) = P(z - h F(z))`: nonexpansive if F is cocoercive, `<F(x) - F(y), x - y> >=
      h/2 |F(x) - F(y)|^2`; one evaluation per step. Bilinear games are not of this kind.
    * the resolvent, `T(z) = w` with `w + h F(w) = z`, nonexpansive for every monotone F and all
      steps. Newton's method finds `w` to about twelve digits; where it fails, the step raises an
      error. GMRES solves its linear equations, so no Jacobian is ever formed. With constraints the
      equation would have kinks that defeat Newton's method, so there must be none.

    Attributes:
        step_size: `h`, a positive number or one per player.
        resolvent: Whether to take the second map.
        solver: A root finder of optimistix for the resolvent (default: as above).

    Raises:
        ValueError: If the resolvent is asked for with constraints.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), Halpern(1.0, resolvent=True)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [round(float(block), 9) for block in x]
    [0.5, 1.0]

    References:
        Halpern, *Fixed points of nonexpanding maps*, Bulletin of the American Mathematical Society
        73 (1967); Lieder, *On the convergence rate of the Halpern-iteration*, Optimization Letters
        15 (2021).
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    resolvent: bool = eqx.field(default=False, static=True)
    solver: Any = None

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> HalpernState:
        if self.resolvent and has_constraints(field, x):
            raise ValueError(
                "Halpern: the resolvent is solved for without constraints only; take the explicit "
                "form for cocoercive fields, or FastExtragradient for monotone ones"
            )
        return HalpernState(field.project(x), jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, HalpernState]:
        if self.resolvent:
            image = self._resolvent(field, x, args)
        else:
            image = field.project(subtract(x, scale(self.step_size, field(x, args))))
        # The average of two points of the sets may leave them by a rounding error.
        x = field.project(towards(image, state.anchor, 1 / (state.steps + 2)))
        return x, HalpernState(state.anchor, state.steps + 1)

    def _resolvent(self, field: AbstractField, x: Strategy, args: PyTree) -> Strategy:
        import lineax as lx  # a while to import, and needed here alone
        import optimistix as optx

        wide = jax.tree.map(_at_least_single, x)
        start, unravel = ravel(wide)
        tolerance = float(jnp.finfo(start.dtype).eps) ** 0.75
        krylov = lx.GMRES(rtol=tolerance, atol=tolerance, restart=min(50, start.size))
        solver = self.solver or optx.Newton(tolerance, tolerance, linear_solver=krylov)

        def excess(w: Array, fixed: PyTree) -> Array:
            step_size, end = fixed
            return w - ravel(subtract(end, scale(step_size, field(unravel(w), args))))[0]

        found = optx.root_find(excess, solver, start, (self.step_size, wide), max_steps=100).value
        return jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), unravel(found), x)


def _at_least_single(leaf: Array) -> Array:
    """Newton's method needs more digits than short types have."""
    with jax.numpy_dtype_promotion("standard"):
        return leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))

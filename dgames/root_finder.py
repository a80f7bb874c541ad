"""Makes root finders of optimistix out of methods."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree
from typing_extensions import override

from dgames.fields import FunctionField
from dgames.fields.marks import ignores_sets
from dgames.methods import AbstractMethod
from dgames.scale import default_tolerance, force_and_gains, times, unit_of
from dgames.strategy import Strategy, map_players, norm


class MethodRootFinder(optx.AbstractRootFinder):
    """A method as an `optimistix.AbstractRootFinder`; made by `as_root_finder`.

    It stops when the norm of the field at the strategy it returns is at most `atol`, in units of
    the field's own as for `dgames.solve`; or, if `suited`, at most the default tolerance there.
    """

    method: AbstractMethod
    rtol: float
    atol: float
    norm: Callable[[PyTree], Float[Array, ""]] = norm
    suited: bool = False

    @override
    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> PyTree:
        del options, f_struct, aux_struct, tags
        if ignores_sets(getattr(fn, "jaxpr", None)):
            raise ValueError(
                "as_root_finder: the field has strategy sets, which optimistix cannot see; use "
                "dgames.solve, whose strategies have the derivatives of the equilibrium, with "
                "active sets too"
            )
        field = _field(fn)
        force, gains = force_and_gains(field, y, args)
        shares = jax.tree.map(lambda gain: 1 / unit_of(gain), gains)
        return self.method.init(field, y, args), self._size(force, shares), shares

    @override
    def step(self, fn, y, args, options, state, tags) -> PyTree:
        del options, tags
        inner, _, shares = state
        y, inner = self.method.step(_field(fn), y, inner, args)
        value, aux = fn(y, args)
        return y, (inner, self._size(value, shares), shares), aux

    def _size(self, force: Strategy, shares: Strategy) -> Float[Array, ""]:
        return self.norm(map_players(times, force, shares))

    @override
    def terminate(self, fn, y, args, options, state, tags) -> tuple[Bool[Array, ""], optx.RESULTS]:
        del fn, args, options, tags
        residual = state[1]
        atol = default_tolerance(y) if self.suited else self.atol
        finite = jnp.isfinite(residual)
        result = optx.RESULTS.where(finite, optx.RESULTS.successful, optx.RESULTS.nonfinite)
        return residual <= atol, result

    @override
    def postprocess(self, fn, y, aux, args, options, state, tags, result) -> PyTree:
        del fn, args, options, tags, result
        return y, aux, {"residual": state[1]}


def as_root_finder(method: Any, tol: float | None = None) -> MethodRootFinder:
    """Makes a method solve `F(x) = 0` inside optimistix.

    `optimistix.root_find` then differentiates the equilibrium by the implicit function theorem,
    whatever the method was. It sees the field only as a function, so that a field with strategy
    sets is an error: use `dgames.solve`, which has such derivatives too. The norm of the field at
    the solution is in `solution.stats["residual"]`.

    Args:
        method: How to step; one evaluation of the field per step is added for the residual.
        tol: The norm of the field at which to stop, with the default of `dgames.solve`.

    >>> import jax, optimistix as optx
    >>> from dgames import Extragradient, game, pseudo_gradient
    >>> field = pseudo_gradient(game(lambda x, target: ((x[0] - target) ** 2, (x[1] - x[0]) ** 2)))
    >>> finder = as_root_finder(Extragradient(0.2), tol=1e-12)
    >>> def equilibrium(target):
    ...     start = (jnp.array(0.0), jnp.array(0.0))
    ...     return optx.root_find(field, finder, start, target, max_steps=1000).value[1]
    >>> [round(float(v), 6) for v in jax.value_and_grad(equilibrium)(3.0)]
    [3.0, 1.0]
    """
    if not isinstance(method, AbstractMethod):
        raise ValueError(
            f"as_root_finder: a method is needed, such as Simultaneous(0.1), not {method!r:.60}"
        )
    given = 1e-8 if tol is None else tol
    return MethodRootFinder(method=method, rtol=given, atol=given, suited=tol is None)


def _field(fn: Callable[[Strategy, PyTree], tuple[Strategy, Any]]) -> FunctionField:
    return FunctionField(lambda x, args: fn(x, args)[0])

"""Methods as optimistix root finders, for equilibria with derivatives."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree
from typing_extensions import override

from dgames.fields import FunctionField
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, norm


class MethodRootFinder(optx.AbstractRootFinder):
    """A method as an `optimistix.AbstractRootFinder`; made by `as_root_finder`.

    It stops when the norm of the field at the strategy it returns is at most `atol`.
    """

    method: AbstractMethod
    rtol: float
    atol: float
    norm: Callable[[PyTree], Float[Array, ""]] = norm

    @override
    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> Any:
        del options, f_struct, aux_struct, tags
        field = _field(fn)
        return self.method.init(field, y, args), self.norm(field(y, args))

    @override
    def step(self, fn, y, args, options, state, tags) -> Any:
        del options, tags
        y, state = self.method.step(_field(fn), y, state[0], args)
        value, aux = fn(y, args)
        return y, (state, self.norm(value)), aux

    @override
    def terminate(self, fn, y, args, options, state, tags) -> tuple[Bool[Array, ""], optx.RESULTS]:
        del fn, y, args, options, tags
        residual = state[1]
        finite = jnp.isfinite(residual)
        result = optx.RESULTS.where(finite, optx.RESULTS.successful, optx.RESULTS.nonfinite)
        return residual <= self.atol, result

    @override
    def postprocess(self, fn, y, aux, args, options, state, tags, result) -> Any:
        del fn, args, options, tags, result
        return y, aux, {"residual": state[1]}


def as_root_finder(method: AbstractMethod, tol: float = 1e-8) -> MethodRootFinder:
    """Makes a method solve `F(x) = 0` inside optimistix.

    `optimistix.root_find` then differentiates the equilibrium by the implicit function theorem,
    whatever the method was. It sees the field only as a function, so strategy sets are not
    enforced: this is for interior equilibria. The norm of the field at the solution is in
    `solution.stats["residual"]`.

    Args:
        method: How to step; one evaluation of the field per step is added for the residual.
        tol: The norm of the field at which to stop, an absolute number.

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
    return MethodRootFinder(method=method, rtol=tol, atol=tol)


def _field(fn: Callable[[Strategy, PyTree], tuple[Strategy, Any]]) -> FunctionField:
    return FunctionField(lambda x, args: fn(x, args)[0])

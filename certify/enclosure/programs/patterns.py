"""Formulas that are better understood as a whole than operation by operation.

Code is replayed with a memory of which value is the exponential of which, and so on, until a
formula is complete:

    exp(x) / sum(exp(x))     log(sum(exp(x)))     x - log(sum(exp(x)))     x log(x)

Values are recognised by being the very same object, so these are identities of real numbers,
whoever wrote the code.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.extend import core

from certify.enclosure.elementary.univariate import derivative
from certify.enclosure.rules.softmax import log_softmax, logsumexp, softmax


class _Exponential(NamedTuple):
    """The value `exp(x)`."""

    x: Any


class _Logarithm(NamedTuple):
    """The value `log(x)`."""

    x: Any


class _Sum(NamedTuple):
    """The value `sum(exp(x), axes)`: its axes are removed, kept with length one or spread again."""

    x: Any
    axes: tuple[int, ...]
    removed: bool


class _LogSum(NamedTuple):
    """The value `log(sum(exp(x)))`, the logarithm of a `_Sum`."""

    x: Any
    axes: tuple[int, ...]
    removed: bool


class Patterns:
    """Meanings of the values of one replay, and replacements that use them.

    Attributes:
        replacements: Replacements for `inline.replay`, by primitive name.
    """

    def __init__(self) -> None:
        # Values are kept alive, so that no other object can have their identity.
        self._known: dict[int, tuple[Any, Any]] = {}
        self.replacements: dict[str, Any] = {
            "exp": self._exp,
            "log": self._log,
            "abs": self._abs,
            "reduce_sum": self._reduce_sum,
            "broadcast_in_dim": self._broadcast,
            "reshape": self._reshape,
            "div": self._div,
            "sub": self._sub,
            "mul": self._mul,
        }

    def _note(self, value: Any, meaning: Any) -> list[Any]:
        self._known[id(value)] = value, meaning
        return [value]

    def _meaning(self, value: Any) -> Any:
        return self._known[id(value)][1] if id(value) in self._known else None

    def _exp(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        (x,) = operands
        return self._note(_bind(equation, x), _Exponential(x))

    def _log(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        (x,) = operands
        meaning = self._meaning(x)
        if not isinstance(meaning, _Sum):
            return self._note(_bind(equation, x), _Logarithm(x))
        result = logsumexp(meaning.x, meaning.axes)
        if not meaning.removed:
            result = jnp.broadcast_to(jnp.expand_dims(result, meaning.axes), x.shape)
        return self._note(result, _LogSum(*meaning))

    def _abs(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        (x,) = operands
        positive = isinstance(self._meaning(x), _Sum | _Exponential)
        return [x] if positive else [_bind(equation, x)]

    def _reduce_sum(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        (x,) = operands
        meaning, axes = self._meaning(x), tuple(equation.params["axes"])
        result = _bind(equation, x)
        if isinstance(meaning, _Exponential) and axes and x.size:
            return self._note(result, _Sum(meaning.x, axes, True))
        return [result]

    def _broadcast(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        """Keeps track of sums, or of their logarithms, whose axes come back."""
        x, *_rest = operands
        result = _bind(equation, *operands)
        meaning = self._meaning(x)
        if isinstance(meaning, _Sum | _LogSum):
            shape = meaning.x.shape
            where = tuple(equation.params["broadcast_dimensions"])
            kept = tuple(k for k in range(len(shape)) if k not in meaning.axes)
            fits = result.ndim == len(shape) and all(
                result.shape[k] in (1, shape[k]) if k in meaning.axes else True
                for k in range(result.ndim)
            )
            if fits and where == (kept if meaning.removed else tuple(range(len(shape)))):
                return self._note(result, meaning._replace(removed=False))
        return [result]

    def _reshape(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        """Keeps track of sums that `keepdims=True` reshapes to axes of length one."""
        x, *_rest = operands
        result = _bind(equation, *operands)
        meaning = self._meaning(x)
        if isinstance(meaning, _Sum | _LogSum) and meaning.removed:
            kept = tuple(1 if k in meaning.axes else n for k, n in enumerate(meaning.x.shape))
            if result.shape == kept:
                return self._note(result, meaning._replace(removed=False))
        return [result]

    def _div(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        x, y = operands
        above, below = self._meaning(x), self._meaning(y)
        if isinstance(above, _Exponential) and isinstance(below, _Sum) and above.x is below.x:
            scalar = below.removed and len(below.axes) == x.ndim
            if x.shape == above.x.shape and (not below.removed or scalar):
                return [softmax(above.x, below.axes)]
        return [_bind(equation, x, y)]

    def _sub(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        x, y = operands
        meaning = self._meaning(y)
        whole = isinstance(meaning, _LogSum) and meaning.x is x
        if whole and (not meaning.removed or len(meaning.axes) == x.ndim):
            return [log_softmax(x, meaning.axes)]
        return [_bind(equation, x, y)]

    def _mul(self, equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
        x, y = operands
        for a, b in ((x, y), (y, x)):
            meaning = self._meaning(b)
            if isinstance(meaning, _Logarithm) and meaning.x is a and jnp.shape(a) == jnp.shape(b):
                return [derivative("entropy", a)]
        return [_bind(equation, x, y)]


def _bind(equation: core.JaxprEqn, *operands: Any) -> Any:
    return equation.primitive.bind(*operands, **equation.params)

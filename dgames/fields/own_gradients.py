"""Computes the gradients of many costs, each along its own player's block only."""

import collections
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, PyTree

from dgames.strategy import Block, Strategy, blocks

# Up to so many equations may read a value, and so many values may stand side by side, before it
# pays to treat them specially; and up to so many numbers a value is small.
_FEW, _SMALL = 8, 1024


def own_gradients(costs: Callable[[Strategy], Sequence[Any]], x: Strategy) -> tuple[Block, ...]:
    """Returns the gradient of every player's cost along the player's own block.

    The costs are linearised once. A player's gradient transposes only the part of that linear code
    that lies between the player's block and the player's cost. Added up over N players, these parts
    grow like the code of the costs, while N transposes of the whole would grow with the square of
    N.

    Args:
        costs: From a joint strategy to one scalar per player.
        x: A joint strategy.

    >>> gradients = own_gradients(lambda x: (x[0] * x[1], x[1] * (x[0] + x[1])), (2.0, 3.0))
    >>> [float(own) for own in gradients]
    [3.0, 8.0]
    """
    leaves, structure = jax.tree.flatten(x)
    written = jax.make_jaxpr(lambda *leaves: costs(jax.tree.unflatten(structure, leaves)))(*leaves)
    values, derivative = jax.linearize(lambda *leaves: _written_out(written, leaves), *leaves)
    code = _Linear(jax.make_jaxpr(derivative)(*leaves), x)
    return tuple(
        code.gradient(i, block, jnp.ones((), jnp.result_type(value)))
        for i, (block, value) in enumerate(zip(blocks(x), values, strict=True))
    )


class _Linear:
    """Linear code from all blocks to all costs, and its part between each block and its cost."""

    def __init__(self, closed: core.ClosedJaxpr, x: Strategy):
        self._jaxpr = closed.jaxpr
        self._values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        sizes = [len(jax.tree.leaves(block)) for block in blocks(x)]
        players = [player for player, size in enumerate(sizes) for _ in range(size)]
        self._inputs = [[] for _ in sizes]
        for player, variable in zip(players, closed.jaxpr.invars, strict=True):
            self._inputs[player].append(variable)
        # Sets of players are integers, one bit per player. First: on whose blocks a value depends.
        self._sources = dict(zip(closed.jaxpr.invars, (1 << p for p in players), strict=True))
        for equation in closed.jaxpr.eqns:
            sources = self._union(self._sources, equation.invars)
            self._sources.update(dict.fromkeys(equation.outvars, sources))
            if not sources:  # the value depends on no block
                self._compute(equation)
        # Then: whose costs depend on it.
        targets: dict[core.Var, int] = {}
        for player, variable in enumerate(closed.jaxpr.outvars):
            self._add(targets, variable, 1 << player)
        self._between = [[] for _ in sizes]
        for equation in reversed(closed.jaxpr.eqns):
            costs = self._union(targets, equation.outvars)
            for variable in equation.invars:
                self._add(targets, variable, costs)
            for player in _bits(costs & self._union(self._sources, equation.outvars)):
                self._between[player].append(equation)
        self._zeros: dict[Any, Any] = {}

    def gradient(self, player: int, block: Block, unit: Array) -> Block:
        """Returns the gradient of a player's cost along the player's block."""
        inputs, output = self._inputs[player], self._jaxpr.outvars[player]
        if not self._union(self._sources, [output]) >> player & 1:
            return jax.tree.map(jnp.zeros_like, block)
        order = self._between[player][::-1]

        def derivative(*leaves: Array) -> Any:
            values = dict(zip(inputs, leaves, strict=True))
            for equation in order:
                results = _placed(equation, values)
                if results is None:
                    operands = [self._read(atom, values) for atom in equation.invars]
                    results = _run(equation, operands)
                values.update(zip(equation.outvars, results, strict=True))
            return values[output]

        leaves, structure = jax.tree.flatten(block)
        return structure.unflatten(jax.linear_transpose(derivative, *leaves)(unit))

    def _read(self, atom: Any, values: dict[Any, Any]) -> Any:
        """Returns an operand, which is zero if it depends on the blocks of other players only."""
        if isinstance(atom, core.Literal):
            return atom.val
        if atom in values:
            return values[atom]
        if not self._sources.get(atom):
            return self._values[atom]
        kind = (atom.aval.shape, atom.aval.dtype)
        if kind not in self._zeros:
            self._zeros[kind] = jnp.zeros(*kind)
        return self._zeros[kind]

    def _compute(self, equation: core.JaxprEqn) -> None:
        operands = [
            atom.val if isinstance(atom, core.Literal) else self._values[atom]
            for atom in equation.invars
        ]
        results = _run(equation, operands)
        self._values.update(zip(equation.outvars, results, strict=True))

    @staticmethod
    def _union(sets: dict[core.Var, int], variables: Sequence[core.Var | core.Literal]) -> int:
        union = 0
        for variable in variables:
            if not isinstance(variable, core.Literal):
                union |= sets.get(variable, 0)
        return union

    @staticmethod
    def _add(sets: dict[core.Var, int], variable: core.Var | core.Literal, more: int) -> None:
        if not isinstance(variable, core.Literal):
            sets[variable] = sets.get(variable, 0) | more


def _bits(number: int) -> list[int]:
    """Returns the positions of the ones in the binary digits of a number."""
    places = []
    while number:
        lowest = number & -number
        places.append(lowest.bit_length() - 1)
        number ^= lowest
    return places


def _placed(equation: core.JaxprEqn, values: dict[Any, Any]) -> list[Any] | None:
    """Returns the result of an equation that puts one value beside many zeros, or None.

    The transpose of the padding used here takes one slice, while the transpose of the equation
    itself takes one slice for each value.
    """
    name = equation.primitive.name
    if name not in ("stack", "concatenate") or len(equation.invars) <= _FEW:
        return None
    axis = equation.params["axis" if name == "stack" else "dimension"]
    present = [k for k, atom in enumerate(equation.invars) if atom in values]
    if len(present) > 1:
        return None
    (k,) = present
    value = values[equation.invars[k]]
    if name == "stack":
        value, before, length = jnp.expand_dims(value, axis), k, len(equation.invars)
    else:
        lengths = [cast(Any, atom.aval).shape[axis] for atom in equation.invars]
        before, length = sum(lengths[:k]), sum(lengths)
    margins = [(0, 0, 0)] * value.ndim
    margins[axis] = (before, length - before - value.shape[axis], 0)
    return [jax.lax.pad(value, jnp.zeros((), value.dtype), margins)]


def _written_out(closed: core.ClosedJaxpr, operands: Sequence[Any]) -> list[Any]:
    """Runs code with the bodies of compiled functions in place of their calls.

    Values that many equations read go through `_held`.
    """
    values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(closed.jaxpr.invars, operands, strict=True))
    readers = collections.Counter(
        atom
        for equation in closed.jaxpr.eqns
        for atom in equation.invars
        if not isinstance(atom, core.Literal)
    )

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in closed.jaxpr.eqns:
        inputs = list(map(read, equation.invars))
        if equation.primitive.name in ("jit", "pjit"):
            results = _written_out(equation.params["jaxpr"], inputs)
        else:
            results = _run(equation, inputs)
        for variable, value in zip(equation.outvars, results, strict=True):
            values[variable] = _held(value) if readers[variable] > _FEW else value
    return list(map(read, closed.jaxpr.outvars))


def _held(value: Any) -> Any:
    """Returns a value as the product `(v, 0) . (1, 1)`, so that XLA computes it once.

    XLA fuses nothing with such a product. Otherwise it computes a small value again for each of its
    readers: the sum of N strategies N times, in N pieces of code with N operands each.
    """
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating) or jnp.size(value) > _SMALL:
        return value
    zero = jnp.zeros((), value.dtype)
    rows = jax.lax.pad(jnp.reshape(value, (-1, 1)), zero, [(0, 0, 0), (0, 1, 0)])
    ones = jnp.ones(2, value.dtype)
    product = jax.lax.dot(rows, ones, precision=jax.lax.Precision.HIGHEST)
    return jnp.reshape(product, jnp.shape(value))


def _run(equation: core.JaxprEqn, operands: Sequence[Any]) -> PyTree:
    results = equation.primitive.bind(
        *operands, **equation.primitive.get_bind_params(equation.params)
    )
    return results if equation.primitive.multiple_results else [results]

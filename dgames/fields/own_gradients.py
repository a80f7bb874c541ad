"""The gradients of many costs, each along its own player's block only."""

import collections
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, PyTree

from dgames.strategy import Block, Strategy, blocks

_FEW = 8  # readers of a value, or values side by side
_SMALL = 1024  # numbers


def own_gradients(costs: Callable[[Strategy], Sequence[Any]], x: Strategy) -> tuple[Block, ...]:
    """The gradient of every player's cost along the player's own block.

    The costs are linearised once. Of that linear code each player's gradient transposes only what
    lies between the player's block and the player's cost, with zeros for all other blocks; so its
    size, added up over N players, grows like that of the costs, where N transposes of the whole
    would grow with the square of N.

    Args:
        costs: From a joint strategy to one scalar per player.
        x: A joint strategy.

    >>> found = own_gradients(lambda x: (x[0] * x[1], x[1] * (x[0] + x[1])), (2.0, 3.0))
    >>> [float(own) for own in found]
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
    """Linear code from all blocks to all costs, and what lies between each block and its cost."""

    def __init__(self, closed: core.ClosedJaxpr, x: Strategy):
        self._jaxpr = closed.jaxpr
        self._values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        sizes = [len(jax.tree.leaves(block)) for block in blocks(x)]
        players = [player for player, size in enumerate(sizes) for _ in range(size)]
        self._inputs = [[] for _ in sizes]
        for player, variable in zip(players, closed.jaxpr.invars, strict=True):
            self._inputs[player].append(variable)
        # Sets of players, as the bits of integers: whose blocks a value depends on, ...
        self._sources = dict(zip(closed.jaxpr.invars, (1 << p for p in players), strict=True))
        for equation in closed.jaxpr.eqns:
            found = self._union(self._sources, equation.invars)
            self._sources.update(dict.fromkeys(equation.outvars, found))
            if not found:  # a number, whatever the blocks
                self._compute(equation)
        # ... and whose costs depend on it.
        targets: dict[Any, int] = {}
        for player, variable in enumerate(closed.jaxpr.outvars):
            self._add(targets, variable, 1 << player)
        self._between = [[] for _ in sizes]
        for equation in reversed(closed.jaxpr.eqns):
            found = self._union(targets, equation.outvars)
            for variable in equation.invars:
                self._add(targets, variable, found)
            for player in _bits(found & self._union(self._sources, equation.outvars)):
                self._between[player].append(equation)
        self._zeros: dict[Any, Array] = {}

    def gradient(self, player: int, block: Block, unit: Array) -> Block:
        """The gradient of a player's cost along the player's block."""
        inputs, output = self._inputs[player], self._jaxpr.outvars[player]
        if not self._union(self._sources, [output]) >> player & 1:
            return jax.tree.map(jnp.zeros_like, block)
        order = self._between[player][::-1]

        def derivative(*leaves: Array) -> Array:
            values = dict(zip(inputs, leaves, strict=True))
            for equation in order:
                found = _placed(equation, values)
                if found is None:
                    operands = [self._read(atom, values) for atom in equation.invars]
                    found = _run(equation, operands)
                values.update(zip(equation.outvars, found, strict=True))
            return values[output]

        leaves, structure = jax.tree.flatten(block)
        return structure.unflatten(jax.linear_transpose(derivative, *leaves)(unit))

    def _read(self, atom: Any, values: dict[Any, Array]) -> Any:
        """What an equation reads: of this player, a number, or zero of what others' blocks move."""
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
        found = _run(equation, operands)
        self._values.update(zip(equation.outvars, found, strict=True))

    @staticmethod
    def _union(sets: dict[Any, int], variables: Sequence[Any]) -> int:
        found = 0
        for variable in variables:
            if not isinstance(variable, core.Literal):
                found |= sets.get(variable, 0)
        return found

    @staticmethod
    def _add(sets: dict[Any, int], variable: Any, more: int) -> None:
        if not isinstance(variable, core.Literal):
            sets[variable] = sets.get(variable, 0) | more


def _bits(number: int) -> list[int]:
    """Where a number has ones."""
    places = []
    while number:
        lowest = number & -number
        places.append(lowest.bit_length() - 1)
        number ^= lowest
    return places


def _placed(equation: core.JaxprEqn, values: dict[Any, Array]) -> list[Array] | None:
    """One value among many zeros, where an equation puts values side by side.

    Its transpose takes one slice, where that of the equation itself takes one of each value.
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

    What many equations read is held first, see `_held`.
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
            found = _written_out(equation.params["jaxpr"], inputs)
        else:
            found = _run(equation, inputs)
        for variable, value in zip(equation.outvars, found, strict=True):
            values[variable] = _held(value) if readers[variable] > _FEW else value
    return list(map(read, closed.jaxpr.outvars))


def _held(value: Any) -> Any:
    """The same value, computed once: a product `(v, 0) . (1, 1)`, with which XLA fuses nothing.

    Otherwise it computes small values anew for each of their readers: the sum of N strategies N
    times, in N pieces of code with N operands each.
    """
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating) or jnp.size(value) > _SMALL:
        return value
    zero = jnp.zeros((), value.dtype)
    rows = jax.lax.pad(jnp.reshape(value, (-1, 1)), zero, [(0, 0, 0), (0, 1, 0)])
    ones = jnp.ones(2, value.dtype)
    product = jax.lax.dot(rows, ones, precision=jax.lax.Precision.HIGHEST)
    return jnp.reshape(product, jnp.shape(value))


def _run(equation: core.JaxprEqn, operands: Sequence[Any]) -> PyTree:
    found = equation.primitive.bind(
        *operands, **equation.primitive.get_bind_params(equation.params)
    )
    return found if equation.primitive.multiple_results else [found]

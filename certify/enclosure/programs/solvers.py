"""The meaning of `lax.custom_linear_solve`: with a solver of JAX, the solution of the system.

`custom_linear_solve(matvec, b, solve)` computes whatever `solve` computes, and takes for its
derivative that of the `x` with `matvec(x) = b`. The two agree if `solve` substitutes into factors
of the very matrix that `matvec` multiplies by, as `jnp.linalg.solve`, `inv` and their kin do. This
is read off the code, by following which factors are those of which matrix. For anybody's own
solver the value is enclosed, with the derivative of that value; where JAX's derivative counts, such
a solver is refused.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.enclosure.programs.walk import CALLS, body
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.linear_systems import solution


class Factors:
    """A record of which values of one replay are factors of which matrices.

    Attributes:
        own_solvers: Whether solvers are allowed of which nothing is known.
    """

    def __init__(self, own_solvers: bool = True) -> None:
        self.own_solvers = own_solvers
        # Values are kept alive, so that no other object can have their identity.
        self._known: dict[int, tuple[Any, str, Any]] = {}

    def note(self, equation: core.JaxprEqn, operands: list[Any], results: list[Any]) -> None:
        """Remembers the results of an equation if they are factors, or a stopped matrix."""
        name = equation.primitive.name
        if name == "stop_gradient" and results[0] is not operands[0]:
            self._keep(results[0], "matrix", self._matrix(operands[0]))
        elif name == "lu":
            matrix = self._matrix(operands[0])
            for value, kind in zip(results, ("lu", "pivots", "permutation"), strict=True):
                self._keep(value, kind, matrix)
        elif name in CALLS and len(results) == 1 and len(operands) == 1:
            kind = _cholesky(body(equation).jaxpr)
            if kind:
                self._keep(results[0], kind, self._matrix(operands[0]))

    def _keep(self, value: Any, kind: str, matrix: Any) -> None:
        self._known[id(value)] = value, kind, matrix

    def _matrix(self, value: Any) -> Any:
        _, kind, matrix = self._known.get(id(value), (None, "", None))
        return matrix if kind == "matrix" else value

    def kinds(self, values: list[Any], matrix: Any) -> tuple[str, ...]:
        """Returns which factor of that matrix each value is."""
        found = [self._known.get(id(value), (None, "", None)) for value in values]
        return tuple(kind if of is matrix else "" for _, kind, of in found)


_OF_CHOLESKY = {"cholesky", "transpose", "iota", "add", "ge", "broadcast_in_dim", "select_n"}


def _cholesky(jaxpr: core.Jaxpr) -> str:
    """Returns which triangle JAX's code of Cholesky factors gives; empty for other code."""
    names = [equation.primitive.name for equation in jaxpr.eqns]
    if names.count("cholesky") != 1 or not set(names) <= _OF_CHOLESKY:
        return ""
    return "upper" if "transpose" in names else "lower"


def linear_solve(
    equation: core.JaxprEqn, operands: list[Any], again: Callable, factors: Factors
) -> list[Any]:
    """Returns what a `custom_linear_solve` computes.

    That is the solution of the system that its `matvec` spells out if the code solves it by
    substitution into factors of its matrix, else whatever its `solve` says.

    Raises:
        EnclosureError: If that is not allowed.
    """
    lengths, jaxprs = equation.params["const_lengths"], equation.params["jaxprs"]
    constants, right = operands[: lengths.matvec], operands[sum(lengths) :]
    start = lengths.matvec + lengths.vecmat
    own = operands[start : start + lengths.solve]
    if len(right) == len(equation.outvars) == 1:
        (b,) = right
        flat = jax.make_jaxpr(lambda *values: again(jaxprs.matvec, values))(*constants, b)
        solver = jax.make_jaxpr(lambda *values: again(jaxprs.solve, values))(*own, b)
        product = _matrix_product(flat, constants, b)
        if product is not None:
            kinds = factors.kinds(own, product.matrix)
            if _substitutes(solver.jaxpr, kinds, product.transposed):
                return [product.solved(b, kinds[0])]
    if not factors.own_solvers:
        raise EnclosureError(
            "'custom_linear_solve' with a solver of its own has a hand-written derivative, which "
            "cannot be verified; use jnp.linalg.solve"
        )
    return again(jaxprs.solve, [*own, *right])


_MOVES = {"broadcast_in_dim", "reshape", "squeeze", "transpose", "copy"}
_INDICES = {"lt", "add", "select_n", "convert_element_type", *_MOVES}

# Maps what is known of the operands of a substitution, its triangle, whether that is transposed and
# whether it has a diagonal of ones, to what is known of the result.
_SUBSTITUTIONS = {
    ("lu", "permuted", True, False, True): "half",
    ("lu", "half", False, False, False): "solved",
    ("lu", "right", False, True, False): "half transposed",
    ("lu", "half transposed", True, True, True): "permuted solution",
    ("upper", "right", False, True, False): "half",
    ("upper", "half", False, False, False): "solved",
    ("lower", "right", True, False, False): "half",
    ("lower", "half", True, True, False): "solved",
}


def _substitutes(jaxpr: core.Jaxpr, kinds: tuple[str, ...], transposed: bool) -> bool:
    """Returns whether code solves a system, or the transposed one, by the factors that it is given.

    Args:
        jaxpr: Code on the factors and the right-hand side, without calls.
        kinds: Which factors these are.
        transposed: Which of the two systems it is to solve.
    """
    if kinds not in (("lu", "permutation"), ("upper",), ("lower",)):
        return False
    known: dict[Any, str] = dict(zip(jaxpr.invars, (*kinds, "right"), strict=True))
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        inputs = [
            "" if isinstance(atom, core.Literal) else known.get(atom, "constant")
            for atom in equation.invars
        ]
        result = ""
        if name == "iota":
            result = "iota"
        elif name == "sort" and inputs == ["permutation", "iota"]:
            known.update(zip(equation.outvars, ("iota", "inverse"), strict=True))
            continue
        elif name in _INDICES and {"permutation", "inverse"} & set(inputs):
            result = ({"permutation", "inverse"} & set(inputs)).pop()
        elif name in _MOVES and inputs[0] not in kinds:
            result = inputs[0]
        elif name == "gather":
            result = {
                ("right", "permutation"): "permuted",
                ("permuted solution", "inverse"): "solved transposed",
            }.get((inputs[0], inputs[1]), "")
        elif name == "triangular_solve" and params["left_side"] and not params["conjugate_a"]:
            key = (params["lower"], params["transpose_a"], params["unit_diagonal"])
            result = _SUBSTITUTIONS.get((inputs[0], inputs[1], *key), "")
        if not result:
            return False
        known.update(dict.fromkeys(equation.outvars, result))
    if isinstance(jaxpr.outvars[0], core.Literal):
        return False
    by_order = kinds == ("lu", "permutation") and transposed
    return known.get(jaxpr.outvars[0]) == ("solved transposed" if by_order else "solved")


class _Product(NamedTuple):
    """The code `A x`, for one matrix or many.

    Attributes:
        matrix: The matrix as it stands in the code.
        transposed: Whether the code multiplies by its transpose.
        square: `A`, with its rows and columns last.
        order: The axes of `x`: those of the matrices, that of the unknowns, those of further
            right-hand sides.
        batches: The number of axes of the first kind.
    """

    matrix: Any
    transposed: bool
    square: Any
    order: tuple[int, ...]
    batches: int

    def solved(self, b: Any, kind: str) -> Any:
        """Returns `x` with `A x = b`; Cholesky's factors come from one triangle of the matrix."""
        square = self.square
        if kind in ("lower", "upper"):
            square = _mirrored(square, (kind == "lower") != self.transposed)
        moved = jnp.transpose(b, self.order)
        columns = moved.reshape((*moved.shape[: self.batches + 1], -1))
        x = solution(square, columns).reshape(moved.shape)
        return jnp.transpose(x, [self.order.index(i) for i in range(jnp.ndim(b))])


def _mirrored(square: Any, lower: bool) -> Any:
    """Returns the symmetric matrices with that triangle."""
    n = square.shape[-1]
    inside = np.tril(np.ones((n, n), bool)) if lower else np.triu(np.ones((n, n), bool))
    inside = jnp.broadcast_to(inside, square.shape)
    return jnp.where(inside, square, jnp.swapaxes(square, -1, -2))


def _matrix_product(flat: core.ClosedJaxpr, constants: list[Any], b: Any) -> _Product | None:
    """Reads code that is a product with a matrix, or many, and transpositions; else None.

    Axes of the unknown are followed through the code by number; `row` is that of the product.
    """
    row = -1
    jaxpr = flat.jaxpr
    values = dict(zip(jaxpr.constvars, flat.consts, strict=True))
    values.update(zip(jaxpr.invars[:-1], constants, strict=True))
    axes = {jaxpr.invars[-1]: tuple(range(jnp.ndim(b)))}
    found = None
    for equation in jaxpr.eqns:
        atoms, name = equation.invars, equation.primitive.name
        moving = [not isinstance(atom, core.Literal) and atom in axes for atom in atoms]
        if not any(moving):
            inputs = [a.val if isinstance(a, core.Literal) else values[a] for a in atoms]
            results = equation.primitive.bind(*inputs, **equation.params)
            results = results if equation.primitive.multiple_results else [results]
            values.update(zip(equation.outvars, results, strict=True))
        elif name == "reduce_sum" and not equation.params["axes"]:
            axes[equation.outvars[0]] = axes[atoms[0]]
        elif name == "transpose":
            old = axes[atoms[0]]
            axes[equation.outvars[0]] = tuple(old[i] for i in equation.params["permutation"])
        elif name == "dot_general" and sum(moving) == 1 and found is None:
            side = moving.index(True)
            contract, batch = equation.params["dimension_numbers"]
            old, other = axes[atoms[side]], atoms[1 - side]
            matrix = other.val if isinstance(other, core.Literal) else values[other]
            used = (*contract[1 - side], *batch[1 - side])
            rows = [i for i in range(jnp.ndim(matrix)) if i not in used]
            if len(contract[side]) != 1 or len(rows) != 1:
                return None
            of_batch = [old[i] for i in batch[side]]
            unknown = old[contract[side][0]]
            free = [old[i] for i in range(len(old)) if i not in (*contract[side], *batch[side])]
            axes[equation.outvars[0]] = (
                *of_batch,
                *((*free, row) if side == 0 else (row, *free)),
            )
            square = jnp.transpose(matrix, (*batch[1 - side], *rows, *contract[1 - side]))
            transposed = rows[0] > contract[1 - side][0]
            order = (*of_batch, unknown, *free)
            found = _Product(matrix, transposed, square, order, len(of_batch)), unknown
        else:
            return None
    if found is None or isinstance(jaxpr.outvars[0], core.Literal):
        return None
    product, unknown = found
    expected = tuple(row if i == unknown else i for i in range(jnp.ndim(b)))
    fits = axes.get(jaxpr.outvars[0]) == expected
    return product if fits and product.square.shape[-1] == product.square.shape[-2] else None

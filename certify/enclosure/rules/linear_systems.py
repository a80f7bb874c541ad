"""Solutions of linear systems, which `jnp.linalg.solve` and `inv` mean, enclosed as a whole.

JAX solves by a factorisation that chooses pivots and hides the matrix from differentiation. What
the code means in real numbers is the `x` with `A x = b`, and that is the primitive `solution` here:
its derivative is `x' = A^-1 (b' - A' x)`, whatever the factorisation, and its enclosure is verified
afterwards (Rump, Verification methods, Acta Numerica 19, 2010, section 10; Neumaier, Interval
methods for systems of equations, 1990, chapter 4).

With any float matrix `C` near the inverse of the middle of `A`, and any floats `x0` near the
solution, every solution `x = x0 + e` satisfies `G e = r` with `G = C A` and `r = C (b - A x0)`. Let
`R >= |I - G|` over all `A`. If `R v <= q v` with `q < 1` for some `v > 0`, then every `G`, hence
every `A` and `C`, is invertible, so the solutions exist, and

    |e_i| <= v_i max_j(|r_j| / v_j) / (1 - q).

Gauss-Seidel sweeps `e_i = (r_i - sum_(j != i) G_ij e_j) / G_ii` then narrow this. If the test fails
nothing is known: some `A` may be singular.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from certify.enclosure.elementary.arithmetic import add, div, mul, sub
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import EnclosureError, Operation, rule
from certify.enclosure.rules.linear import dot_general
from certify.rounding import TINY

_SWEEPS = 3
solution_p = core.Primitive("solution")


def solution(a: Any, b: Any) -> Any:
    """Returns `x` with `a x = b`, of shapes `(..., n, n)` and `(..., n, k)`, as one primitive."""
    batch = jnp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = jnp.broadcast_to(a, (*batch, *a.shape[-2:]))
    return solution_p.bind(a, jnp.broadcast_to(b, (*batch, *b.shape[-2:])))


def _batched(operands: Any, axes: Any) -> tuple[Any, int]:
    """Batches by making several right-hand sides for one matrix its columns."""
    (a, b), (of_a, of_b) = operands, axes
    if of_a is None:
        b = jnp.moveaxis(b, of_b, -1)
        columns = solution_p.bind(a, b.reshape((*b.shape[:-2], -1)))
        return columns.reshape(b.shape), b.ndim - 1
    a = jnp.moveaxis(a, of_a, 0)
    if of_b is None:
        b, of_b = jnp.broadcast_to(b, (a.shape[0], *b.shape)), 0
    return solution_p.bind(a, jnp.moveaxis(b, of_b, 0)), 0


def _transposed(cotangent: Any, a: Any, b: Any) -> Any:
    if ad.is_undefined_primal(a):
        raise EnclosureError("the derivative of a linear system by its matrix is not linear")
    return None, solution(jnp.swapaxes(a, -1, -2), cotangent)


solution_p.def_impl(jax.jit(jnp.linalg.solve))
solution_p.def_abstract_eval(lambda _, b: b)
mlir.register_lowering(solution_p, mlir.lower_fun(jnp.linalg.solve, multiple_results=False))
batching.primitive_batchers[solution_p] = _batched
ad.defjvp2(
    solution_p,
    lambda tangent, x, a, _: solution(a, -(tangent @ x)),
    lambda tangent, _, a, __: solution(a, tangent),
)
ad.primitive_transposes[solution_p] = _transposed


@rule("solution")
def enclose_solution(op: Operation, a: Interval, b: Interval) -> Interval:
    """Returns the verified enclosure described above; nothing is known where it fails."""
    unknown = (
        jnp.any(a.is_unknown, (-2, -1))[..., None, None] | jnp.any(b.is_unknown, -2)[..., None, :]
    )
    if a.shape[-1] == 1:
        return where_entire(unknown, div(op, b, a))
    c = Interval.point(_normal(approximate_inverse(a.midpoint)))
    g = matmul(c, a)
    identity = Interval.point(jnp.broadcast_to(jnp.eye(a.shape[-1]), a.shape))
    distance = sub(op, g, identity).magnitude
    factor, v = contraction(distance)
    start = Interval.point(_normal(c.lower @ b.midpoint))
    r = matmul(c, sub(op, b, matmul(a, start)))
    share = jnp.max(div(op, Interval.point(r.magnitude), v).upper, -2, keepdims=True)
    gap = sub(op, Interval.point(jnp.ones(())), Interval.point(factor))
    reach = mul(op, div(op, Interval.point(share), gap), v).upper
    e = Interval(-reach, reach)
    for _ in range(_SWEEPS):
        e = _sweep(op, g, r, e)
    failed = ~(factor < 1.0) | jnp.isnan(e.lower) | jnp.isnan(e.upper)
    return where_entire(unknown | failed, add(op, start, e))


@rule("triangular_solve")
def triangular_solve(op: Operation, a: Interval, b: Interval) -> Interval:
    """Solves with one triangle of `a`; the rest of `a` is not read."""
    params = op.params
    n = a.shape[-1]
    triangle = np.tril(np.ones((n, n), bool)) if params["lower"] else np.triu(np.ones((n, n), bool))
    inside = jnp.broadcast_to(
        triangle & ~(params["unit_diagonal"] & np.eye(n, dtype=bool)), a.shape
    )
    unit = jnp.broadcast_to(params["unit_diagonal"] * np.eye(n), a.shape)
    a = Interval(jnp.where(inside, a.lower, unit), jnp.where(inside, a.upper, unit))
    if params["transpose_a"]:
        a = _swapped(a)
    if params["left_side"]:
        return enclose_solution(op, a, b)
    return _swapped(enclose_solution(op, _swapped(a), _swapped(b)))


def _swapped(x: Interval) -> Interval:
    return Interval(jnp.swapaxes(x.lower, -1, -2), jnp.swapaxes(x.upper, -1, -2))


def contraction(distance: Any) -> tuple[Any, Interval]:
    """Returns an upper bound on `max_i (R v)_i / v_i` for some `v > 0`, and `v` as a column."""
    op = Operation(None, {})
    v = jnp.ones((*distance.shape[:-1], 1))
    for _ in range(4):
        v = 1.0 + distance @ v
    # Far from a contraction these may overflow; then any `v` fails.
    v = Interval.point(jnp.where(v < 1e100, v, 1.0))
    ratio = div(op, matmul(Interval.point(distance), v), v).upper
    return jnp.max(ratio, -2, keepdims=True), v


def _sweep(op: Operation, g: Interval, r: Interval, e: Interval) -> Interval:
    n = g.shape[-1]
    on_diagonal = jnp.broadcast_to(jnp.eye(n, dtype=bool), g.shape)
    others = Interval(jnp.where(on_diagonal, 0.0, g.lower), jnp.where(on_diagonal, 0.0, g.upper))
    pivots = Interval(
        *(jnp.diagonal(end, axis1=-2, axis2=-1)[..., None] for end in (g.lower, g.upper))
    )
    again = div(op, sub(op, r, matmul(others, e)), pivots)
    return Interval(jnp.maximum(e.lower, again.lower), jnp.minimum(e.upper, again.upper))


def matmul(x: Interval, y: Interval) -> Interval:
    """Multiplies stacks of matrices, also of unequal shapes."""
    batch = tuple(range(x.ndim - 2))
    dimensions = (((x.ndim - 1,), (y.ndim - 2,)), (batch, batch))
    return dot_general(Operation(None, {"dimension_numbers": dimensions}), x, y)


def _normal(value: Any) -> Any:
    """Replaces floats that are not finite, or not normal, by zero; any floats will do."""
    usable = jnp.isfinite(value) & (jnp.abs(value) >= TINY)
    return jnp.where(usable, value, 0.0)


def approximate_inverse(a: Any) -> Any:
    """Returns floats near the inverse, by formulas fast for many small matrices at once."""
    n = a.shape[-1]
    if n <= 3:
        return _cramer(a)
    return _gauss_jordan(a) if n <= 8 else jnp.linalg.inv(a)


def _cramer(a: Any) -> Any:
    def entry(i: int, j: int) -> Any:
        return a[..., i, j]

    n = a.shape[-1]
    if n == 2:
        rows = [[entry(1, 1), -entry(0, 1)], [-entry(1, 0), entry(0, 0)]]
    else:

        def cofactor(i: int, j: int) -> Any:
            (p, q), (s, t) = ((i + 1) % 3, (i + 2) % 3), ((j + 1) % 3, (j + 2) % 3)
            return entry(p, s) * entry(q, t) - entry(p, t) * entry(q, s)

        rows = [[cofactor(j, i) for j in range(3)] for i in range(3)]
    determinant = sum(entry(0, j) * rows[j][0] for j in range(n))
    adjugate = jnp.stack([jnp.stack(row, -1) for row in rows], -2)
    return adjugate / jnp.asarray(determinant)[..., None, None]


def _gauss_jordan(a: Any) -> Any:
    """Inverts column by column; the pivot is the largest entry in the rows not used yet."""
    n = a.shape[-1]
    both = jnp.concatenate([a, jnp.broadcast_to(jnp.eye(n), a.shape)], -1)
    free = jnp.ones(a.shape[:-1])
    places = []
    for k in range(n):
        column = both[..., k]
        place = jax.nn.one_hot(jnp.argmax(jnp.abs(column) * free - (1.0 - free), -1), n)
        free, places = free * (1.0 - place), [*places, place]
        row = jnp.sum(place[..., None] * both, -2)
        row = row / row[..., k][..., None]
        both = both - (column - place)[..., None] * row[..., None, :]
    order = jnp.stack(places, -2)
    return order @ both[..., n:]

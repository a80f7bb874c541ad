"""Small functions, one per feature of JAX, on which enclosures are tried out.

Each is a probe: a function of one real array, and the middle of the box to try it on. Most return a
scalar, so that their gradients and Hessians can be tried too; the others say how many derivatives
make sense.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erfinv, logsumexp, xlogy

# Half the width of the boxes around the centers.
RADIUS = 0.01


class Probe(NamedTuple):
    """A function to enclose around a point.

    Attributes:
        function: Of one float64 array.
        center: Of the box.
        derivatives: 2 where gradient and Hessian can be enclosed, 0 where only the value can: at
            kinks and jumps nothing is true of derivatives.
        gradient: How to differentiate.
    """

    function: Callable
    center: np.ndarray
    derivatives: int = 2
    gradient: Callable = jax.grad


_X = np.array([0.3, -0.4, 0.7])
_POSITIVE = np.array([0.3, 0.4, 0.7])
_M = np.array([[4.0, 1.0, 0.5], [-0.5, 3.0, 1.0], [1.0, 0.25, 5.0]])
_W = np.array([[0.5, -0.3, 0.2], [0.1, 0.4, -0.6]])


def _each(function: Callable, center: np.ndarray = _X, derivatives: int = 2) -> Probe:
    """A function of single numbers; weighted differently and summed."""
    return Probe(lambda x: jnp.sum(jnp.array([1.0, -2.0, 0.5]) * function(x)), center, derivatives)


def _matrix(x: jax.Array) -> jax.Array:
    return jnp.asarray(_M) + jnp.outer(x, jnp.sin(x))


def _symmetric(x: jax.Array) -> jax.Array:
    return jnp.eye(3) * 3.0 + jnp.outer(x, x)


def _scan(x: jax.Array) -> jax.Array:
    last, found = lax.scan(lambda c, e: (jnp.sin(c) + e, c * e), x[0], x)
    return last * jnp.sum(found)


def _mlp(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.tanh(_W.T @ jnp.tanh(_W @ x)))


def _custom_jvp(x: jax.Array) -> jax.Array:
    @jax.custom_jvp
    def cube(x: jax.Array) -> jax.Array:
        return x**3

    cube.defjvp(lambda primals, tangents: (cube(*primals), 3.0 * primals[0] ** 2 * tangents[0]))
    return jnp.sum(cube(x))


def _custom_vjp(x: jax.Array) -> jax.Array:
    @jax.custom_vjp
    def cube(x: jax.Array) -> jax.Array:
        return x**3

    cube.defvjp(lambda x: (cube(x), x), lambda x, g: (3.0 * x**2 * g,))
    return jnp.sum(cube(x))


def _linear_solve(x: jax.Array) -> jax.Array:
    def matvec(y: jax.Array) -> jax.Array:
        return 2.0 * y + jnp.sin(x[0]) * jnp.roll(y, 1)

    def solve(matvec: Callable, b: jax.Array) -> jax.Array:
        return jnp.linalg.solve(jax.jacobian(matvec)(b), b)

    return lax.custom_linear_solve(matvec, x, solve, transpose_solve=solve)[0]


def _pool(reducer: Callable, edge: float) -> Callable:
    return lambda x: jnp.sum(lax.reduce_window(x, edge, reducer, (2,), (1,), "VALID") ** 2)


PROBES: dict[str, Probe] = {
    # One number at a time.
    "abs": _each(jnp.abs),
    "sign": _each(jnp.sign),
    "floor": _each(jnp.floor),
    "ceil": _each(jnp.ceil),
    "round": _each(jnp.round),
    "clip": _each(lambda x: jnp.clip(x, -0.5, 0.5)),
    "maximum": _each(lambda x: jnp.maximum(x, 0.1)),
    "minimum": _each(lambda x: jnp.minimum(x, 0.1)),
    "mod": _each(lambda x: jnp.mod(x, 0.25)),
    "fmod": _each(lambda x: jnp.fmod(x, 0.25)),
    "where": _each(lambda x: jnp.where(x > 0.0, x * x, x)),
    "where at a kink": _each(lambda x: jnp.where(x > 0.3, x, -x), derivatives=0),
    "piecewise": _each(
        lambda x: jnp.piecewise(x, [x < 0.0, x > 0.5], [lambda x: -x, lambda x: x * x, jnp.exp])
    ),
    "sin": _each(jnp.sin),
    "cos": _each(jnp.cos),
    "tan": _each(jnp.tan),
    "arcsin": _each(jnp.arcsin),
    "arccos": _each(jnp.arccos),
    "arctan": _each(jnp.arctan),
    "arctan2": _each(lambda x: jnp.arctan2(x, 1.0 + x)),
    "sinh": _each(jnp.sinh),
    "cosh": _each(jnp.cosh),
    "tanh": _each(jnp.tanh),
    "arcsinh": _each(jnp.arcsinh),
    "arccosh": _each(lambda x: jnp.arccosh(2.0 + x)),
    "arctanh": _each(jnp.arctanh),
    "exp": _each(jnp.exp),
    "exp2": _each(jnp.exp2),
    "expm1": _each(jnp.expm1),
    "log": _each(jnp.log, _POSITIVE),
    "log1p": _each(jnp.log1p),
    "log2": _each(jnp.log2, _POSITIVE),
    "sqrt": _each(jnp.sqrt, _POSITIVE),
    "rsqrt": _each(lax.rsqrt, _POSITIVE),
    "cbrt": _each(jnp.cbrt),
    "reciprocal": _each(jnp.reciprocal),
    "integer power": _each(lambda x: x**-3),
    "real power": _each(lambda x: (x + 1.0) ** 1.5),
    "power of powers": _each(lambda x: (x + 1.0) ** x),
    "square": _each(jnp.square),
    "hypot": _each(lambda x: jnp.hypot(x, 1.0)),
    "logistic": _each(jax.nn.sigmoid),
    "erf": _each(lax.erf),
    "erfc": _each(lax.erfc),
    "erf_inv": _each(erfinv),
    "sinc": _each(jnp.sinc),
    "xlogy": _each(lambda x: xlogy(x, x), _POSITIVE),
    # Activations.
    "relu": _each(jax.nn.relu),
    "relu at a kink": _each(lambda x: jax.nn.relu(x - 0.3), derivatives=0),
    "relu6": _each(jax.nn.relu6),
    "leaky_relu": _each(jax.nn.leaky_relu),
    "hard_tanh": _each(jax.nn.hard_tanh),
    "softplus": _each(jax.nn.softplus),
    "gelu": _each(jax.nn.gelu),
    "exact gelu": _each(lambda x: jax.nn.gelu(x, approximate=False)),
    "silu": _each(jax.nn.silu),
    "elu": _each(jax.nn.elu),
    "selu": _each(jax.nn.selu),
    "celu": _each(jax.nn.celu),
    "soft_sign": _each(jax.nn.soft_sign),
    "log_sigmoid": _each(jax.nn.log_sigmoid),
    "mish": _each(jax.nn.mish),
    "softmax": _each(jax.nn.softmax),
    "log_softmax": _each(jax.nn.log_softmax),
    "logsumexp": Probe(logsumexp, _X),
    "logaddexp": Probe(lambda x: jnp.logaddexp(x[0], x[1] * x[2]), _X),
    "entropy": Probe(lambda x: -jax.nn.softmax(x) @ jax.nn.log_softmax(x), _X),
    # Reductions and order.
    "sum": Probe(lambda x: jnp.sum(x * x), _X),
    "mean and variance": Probe(lambda x: jnp.mean(x) * jnp.var(x), _X),
    "norm": Probe(jnp.linalg.norm, _X),
    "prod": Probe(jnp.prod, _X),
    "max": Probe(lambda x: jnp.max(x) ** 2, _X),
    "min": Probe(lambda x: jnp.min(x) ** 2, _X),
    "argmax": Probe(lambda x: jnp.asarray(jnp.argmax(x), jnp.float64) * x[0], _X),
    "entry of argmax": Probe(lambda x: (x * x)[jnp.argmax(x)], _X),
    "undecided argmin": Probe(lambda x: x[jnp.argmin(x * x)], _X * 0.0, 0),
    "cumsum": _each(lambda x: jnp.cumsum(x) ** 2),
    "cumprod": _each(jnp.cumprod),
    "cummax": _each(lax.cummax),
    "cumlogsumexp": _each(lax.cumlogsumexp),
    "sort": _each(lambda x: jnp.sort(x) ** 2),
    "argsort": _each(lambda x: x[jnp.argsort(x)] ** 2),
    "median": Probe(lambda x: jnp.median(x) ** 2, _X),
    "top_k": Probe(lambda x: jnp.sum(lax.top_k(x, 2)[0] ** 2), _X),
    "all and any": Probe(
        lambda x: jnp.where(jnp.all(x < 1.0) & ~jnp.any(x > 2.0), jnp.sum(x * x), 0.0), _X
    ),
    # Moving numbers.
    "reshape and transpose": Probe(lambda x: jnp.sum(jnp.outer(x, x).T.reshape(-1)[2:7] ** 2), _X),
    "indexing": Probe(lambda x: x[0] * x[jnp.array([2, 1])] @ x[1:], _X),
    "roll and flip": Probe(lambda x: jnp.roll(x, 1) @ (x[::-1] ** 2), _X),
    "repeat and tile": Probe(lambda x: jnp.repeat(x, 2) @ jnp.tile(x, 2), _X),
    "pad": Probe(lambda x: jnp.sum(jnp.pad(x, 1, constant_values=2.0) ** 2), _X),
    "set": Probe(lambda x: jnp.sum(x.at[1].set(x[0] ** 2) ** 2), _X),
    "add at": Probe(lambda x: jnp.sum(x.at[jnp.array([1, 1])].add(x[0] ** 2) ** 2), _X),
    "multiply at": Probe(lambda x: jnp.sum(x.at[1].mul(x[0]) ** 2), _X),
    "max at": Probe(lambda x: jnp.sum(x.at[1].max(x[0]) ** 2), _X, 0),
    "dynamic_slice": Probe(lambda x: jnp.sum(lax.dynamic_slice(x, (1,), (2,)) ** 2), _X),
    "dynamic_update_slice": Probe(
        lambda x: jnp.sum(lax.dynamic_update_slice(x, x[:2] ** 2, (1,)) ** 2), _X
    ),
    "triu and diag": Probe(lambda x: jnp.sum(jnp.triu(jnp.outer(x, x)) @ jnp.diag(x)), _X),
    # Products.
    "matrix products": Probe(lambda x: x @ _M @ jnp.tanh(x), _X),
    "einsum": Probe(lambda x: jnp.einsum("i,ij,j->", x, _M, x * x), _X),
    "convolve": Probe(lambda x: jnp.sum(jnp.convolve(x, x * x) ** 2), _X),
    "convolution": Probe(
        lambda x: jnp.sum(
            lax.conv(jnp.outer(x, x)[None, None], _matrix(x)[None, None, :2, :2], (1, 1), "SAME")
            ** 2
        ),
        _X,
    ),
    "average pooling": Probe(_pool(lax.add, 0.0), _X),
    "max pooling": Probe(_pool(lax.max, -np.inf), _X),
    "multilayer perceptron": Probe(_mlp, _X),
    # Control flow.
    "scan": Probe(_scan, _X),
    "fori_loop": Probe(lambda x: lax.fori_loop(0, 3, lambda k, c: c * x[k] + 1.0, 1.0), _X),
    "while_loop": Probe(
        lambda x: lax.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.sin(c[1] + x)), (0, x)
        )[1][0],
        _X,
        gradient=jax.jacfwd,
    ),
    "map": Probe(lambda x: jnp.sum(lax.map(lambda e: e**3, x)), _X),
    "associative_scan": _each(lambda x: lax.associative_scan(jnp.multiply, x)),
    "cond": Probe(lambda x: lax.cond(x[0] > 0.0, lambda: x[1] ** 2, lambda: x[2]), _X),
    "undecided cond": Probe(lambda x: lax.cond(x[0] > 0.3, lambda: x[1] ** 2, lambda: x[2]), _X, 0),
    "switch": Probe(lambda x: lax.switch(1, [lambda: x[0], lambda: x[1] ** 2]), _X),
    "checkpoint": Probe(lambda x: jnp.sum(jax.checkpoint(lambda e: jnp.sin(e) ** 2)(x)), _X),
    "custom_jvp": Probe(_custom_jvp, _X),
    # JAX does not differentiate twice what has a custom_vjp.
    "custom_vjp": Probe(_custom_vjp, _X, 1),
    "stop_gradient": Probe(lambda x: jnp.sum(lax.stop_gradient(x) * x), _X, 0),
    "vmap": Probe(lambda x: jnp.sum(jax.vmap(lambda e: jnp.tanh(e * x))(x)), _X),
    "gradient step": Probe(lambda x: _mlp(x - 0.1 * jax.grad(_mlp)(x)), _X),
    "integers": Probe(
        lambda x: jnp.sum(x ** (jnp.arange(3) % 2 + 1).astype(jnp.float64)), _POSITIVE
    ),
    # Linear algebra.
    "solve": Probe(lambda x: jnp.sum(jnp.linalg.solve(_matrix(x), x)), _X),
    "solve many": Probe(
        lambda x: jnp.sum(
            jnp.linalg.solve(
                jnp.stack([_matrix(x), _matrix(2.0 * x)]), jnp.stack([x, x])[..., None]
            )
        ),
        _X,
    ),
    "inv": Probe(lambda x: jnp.sum(jnp.linalg.inv(_matrix(x)) ** 2), _X),
    "det": Probe(lambda x: jnp.linalg.det(_matrix(x)), _X),
    "det of five rows": Probe(
        lambda x: jnp.linalg.det(jnp.pad(_matrix(x), (0, 2)) + jnp.eye(5) + x[0]), _X
    ),
    "slogdet": Probe(lambda x: jnp.linalg.slogdet(_matrix(x))[1], _X),
    "cholesky": Probe(lambda x: jnp.sum(jnp.linalg.cholesky(_symmetric(x)) ** 3), _X),
    "cho_solve": Probe(lambda x: x @ jax.scipy.linalg.solve(_symmetric(x), x, assume_a="pos"), _X),
    "solve_triangular": Probe(
        lambda x: jnp.sum(jax.scipy.linalg.solve_triangular(_matrix(x), x, lower=True)), _X
    ),
    "matrix_power": Probe(lambda x: jnp.sum(jnp.linalg.matrix_power(_matrix(x), 3)), _X),
    "custom_linear_solve": Probe(_linear_solve, _X),
}

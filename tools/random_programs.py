"""Random programs, boxes and points, on which enclosures are compared with the oracle."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import entr, logsumexp, xlogy

from tools import oracle


class Program(NamedTuple):
    """A scalar function of a vector, and how it was made."""

    function: Any
    size: int
    text: str


def _weights(rng, shape):
    sizes = rng.choice([1.0, 1.0, 1.0, 0.1, 10.0, 1e-8, 1e8], shape)
    return np.round(rng.normal(size=shape), 3) * sizes


def number(rng):
    """A constant of any magnitude, ordinary more often than not."""
    kind = rng.integers(10)
    if kind < 7:
        return float(np.round(rng.normal(), 2))
    if kind < 8:
        return float(rng.choice([0.0, 1.0, -1.0, 0.1, 1.0 / 3.0, 1e8, -1e8, 1e-300, 5e-324, 1e300]))
    return float(rng.normal() * 10.0 ** rng.uniform(-20, 20))


def _by_hand(x):
    return jnp.exp(x) / jnp.sum(jnp.exp(x))


def _solved(x, w):
    n = x.shape[0]
    matrix = 4.0 * jnp.eye(n) + 0.5 * jnp.tanh(jnp.outer(x, jnp.asarray(w[0, :n])))
    return jnp.linalg.solve(matrix, jnp.sin(x))


def _solved_rows(x, w):
    n = x.shape[0]
    matrix = 3.0 * jnp.eye(n) - 0.5 * jax.nn.softmax(jnp.outer(x, jnp.asarray(w[1, :n])), 1)
    return jnp.linalg.solve(matrix, jnp.ones((n, 2)))[:, 0] * x


def _scan(x, w):
    last, found = lax.scan(lambda c, e: (jnp.tanh(c) + e, c * e), x[0], x)
    return found + last


def _two_norm(x, w):
    return x / jnp.sqrt(1e-3 + jnp.sum(x * x))


# Functions of a vector and a matrix of constants that give a vector.
VECTOR = {
    "softmax": lambda x, w: jax.nn.softmax(x),
    "log_softmax": lambda x, w: jax.nn.log_softmax(x),
    "softmax by hand": lambda x, w: _by_hand(x),
    "softmax of few": lambda x, w: jax.nn.softmax(jnp.stack([x, -x]), 0)[0],
    "log softmax by hand": lambda x, w: x - jnp.log(jnp.sum(jnp.exp(x))),
    "matmul": lambda x, w: jnp.asarray(w[: x.shape[0], : x.shape[0]]) @ x,
    "matmul left": lambda x, w: x @ jnp.asarray(w[: x.shape[0], : x.shape[0]]),
    "quadratic": lambda x, w: jnp.outer(x, x) @ jnp.asarray(w[0, : x.shape[0]]),
    "cumsum": lambda x, w: jnp.cumsum(x),
    "cumsum back": lambda x, w: jnp.flip(jnp.cumsum(jnp.flip(x))),
    "cumprod": lambda x, w: jnp.cumprod(jnp.tanh(x)),
    "cummax": lambda x, w: lax.cummax(x),
    "sort": lambda x, w: jnp.sort(x),
    "roll": lambda x, w: jnp.concatenate([x[1:], x[:1]]),
    "normalised": _two_norm,
    "shifted": lambda x, w: x - jnp.max(x),
    "centred": lambda x, w: x - jnp.mean(x),
    "solve": _solved,
    "solve rows": _solved_rows,
    "scan": _scan,
    "gather": lambda x, w: x[jnp.array([0, x.shape[0] - 1])[jnp.arange(x.shape[0]) % 2]],
}
UNARY = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu tanh": jax.nn.gelu,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "celu": jax.nn.celu,
    "selu": jax.nn.selu,
    "mish": jax.nn.mish,
    "leaky": jax.nn.leaky_relu,
    "hard tanh": jax.nn.hard_tanh,
    "soft sign": jax.nn.soft_sign,
    "log sigmoid": jax.nn.log_sigmoid,
    "relu6": jax.nn.relu6,
    "squareplus": jax.nn.squareplus,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "log": jnp.log,
    "log of positive": lambda x: jnp.log(0.5 + x * x),
    "log1p": jnp.log1p,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "asin": lambda x: jnp.arcsin(0.9 * jnp.tanh(x)),
    "acos": lambda x: jnp.arccos(0.9 * jnp.sin(x)),
    "atan": jnp.arctan,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "asinh": jnp.arcsinh,
    "acosh": lambda x: jnp.arccosh(2.0 + x * x),
    "atanh": lambda x: jnp.arctanh(0.9 * jnp.tanh(x)),
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "sqrt": jnp.sqrt,
    "root": lambda x: jnp.sqrt(1.0 + x * x),
    "rsqrt": lambda x: lax.rsqrt(0.1 + x * x),
    "cbrt": jnp.cbrt,
    "square": jnp.square,
    "cube": lambda x: x**3,
    "inverse square": lambda x: x**-2,
    "power": lambda x: (1.5 + jnp.tanh(x)) ** 2.5,
    "abs": jnp.abs,
    "neg": lambda x: -x,
    "reciprocal": lambda x: 1.0 / x,
    "tame reciprocal": lambda x: 1.0 / (2.0 + jnp.sin(x)),
    "entropy": lambda x: x * jnp.log(x),
    "tame entropy": lambda x: (lambda p: p * jnp.log(p))(jax.nn.sigmoid(x)),
    "entr": entr,
    "clip": lambda x: jnp.clip(x, -0.5, 0.7),
    "where": lambda x: jnp.where(x > 0.25, x * x, 0.5 * x - 0.0625),
    "where jump": lambda x: jnp.where(x > 0.25, x, x + 1.0),
    "where abs": lambda x: jnp.where(x < 0.0, -x, x),
    "safe where": lambda x: jnp.where(x > 0.1, jnp.log(jnp.where(x > 0.1, x, 1.0)), 0.0),
    "shift": lambda x: (x + 1e8) - 1e8,
    "third": lambda x: x / 3.0,
    "tenth": lambda x: 0.1 * x,
    "floor": jnp.floor,
    "sign": jnp.sign,
    "constant": lambda x: 0.0 * x,
}
BINARY = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "mul again": jnp.multiply,
    "div": jnp.divide,
    "tame div": lambda x, y: x / (1.0 + y * y),
    "max": jnp.maximum,
    "min": jnp.minimum,
    "hypot": lambda x, y: jnp.sqrt(x * x + y * y),
    "atan2": jnp.arctan2,
    "logaddexp": jnp.logaddexp,
    "pow": lambda x, y: (1.0 + x * x) ** y,
    "xlogy": lambda x, y: xlogy(x, 1.0 + y * y),
    "where": lambda x, y: jnp.where(x > y, x * y, y * y),
    "where tie": lambda x, y: jnp.where(x > y, x - y, 0.0),
    "difference": lambda x, y: (x + y) - y,
}
REDUCED = {
    "sum": jnp.sum,
    "mean": jnp.mean,
    "prod": jnp.prod,
    "max": jnp.max,
    "min": jnp.min,
    "logsumexp": logsumexp,
    "logsumexp by hand": lambda x: jnp.log(jnp.sum(jnp.exp(x))),
    "norm": jnp.linalg.norm,
    "squares": lambda x: jnp.sum(x * x),
    "root of squares": lambda x: jnp.sqrt(1e-6 + jnp.sum(x * x)),
    "dot itself": lambda x: x @ x,
    "variance": jnp.var,
}


def random_program(seed):
    """An expression of up to twelve operations on vectors, summed up at the end."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 5))
    weights = _weights(rng, (4, 4))
    steps = []
    # Short programs have narrow enclosures, from which it is easier to escape.
    for _ in range(int(rng.choice(np.array([1, 2, 3, 4, rng.integers(5, 13)])))):
        kind = rng.choice(["unary", "binary", "vector", "reduced", "constant", "again"],
                          p=[0.38, 0.24, 0.16, 0.1, 0.1, 0.02])  # fmt: skip
        pool = {"unary": UNARY, "binary": BINARY, "vector": VECTOR, "reduced": REDUCED}.get(kind)
        name = str(rng.choice(list(pool))) if pool else str(rng.choice(["+", "*", "-"]))
        # Mostly the latest value, so that programs are deep.
        places = [-1 - int(min(rng.geometric(0.6) - 1, len(steps))) for _ in range(2)]
        steps.append((str(kind), name, places, number(rng)))
    end = str(rng.choice(["sum", "sum", "mean", "logsumexp", "squares"]))
    last = int(rng.integers(1, 3))

    def function(x):
        values = [x]
        for kind, name, (i, j), c in steps:
            a, b = values[i], values[j]
            if kind == "unary":
                result = UNARY[name](a)
            elif kind == "binary":
                result = BINARY[name](a, b)
            elif kind == "vector":
                result = VECTOR[name](a, weights)
            elif kind == "reduced":
                result = REDUCED[name](a) * jnp.ones_like(a) + 0.5 * b
            elif kind == "again":
                result = a - a if name == "-" else a * a
            else:
                result = {"+": a + c, "*": a * c, "-": c - a}[name]
            values.append(result)
        return REDUCED[end](sum(values[-last:]))

    text = f"n={size} {steps} end={end} of {last}"
    return Program(function, size, text)


def random_box(rng, size):
    """Mostly ordinary, sometimes a point, huge, subnormal or wide; each coordinate on its own."""
    kind = rng.integers(12)
    centre = rng.normal(size=size)
    if kind == 0:
        centre = centre * 10.0 ** rng.uniform(-300, 300, size)
    elif kind == 1:
        centre = centre * 2.0 ** rng.uniform(-1074, -1010, size)
    elif kind == 2:
        centre = np.round(centre)
    elif kind == 3:
        centre = np.full(size, centre[0])
    width = np.choose(
        rng.integers(6, size=size) if rng.integers(2) else np.full(size, rng.integers(6)),
        [
            np.zeros(size),
            10.0 ** rng.uniform(-17, -6, size),
            10.0 ** rng.uniform(-4, -1, size),
            rng.uniform(0, 0.3, size),
            rng.uniform(0, 3, size),
            10.0 ** rng.uniform(0, 6, size),
        ],
    )
    share = rng.choice([0.0, 0.5, 1.0, rng.uniform()], size)
    lower = centre - share * width
    return lower, np.maximum(lower, lower + width)


def random_points(rng, lower, upper, count):
    """Corners, faces and inner points."""
    share = rng.choice([0.0, 1.0, 0.5, 2.0, 2.0, 2.0], (count, lower.size))
    share = np.where(share > 1.0, rng.uniform(size=share.shape), share)
    return np.clip(lower + share * (upper - lower), lower, upper)


class Escape(NamedTuple):
    """A number that is not in its enclosure."""

    what: str
    place: tuple
    point: list
    truth: str
    lower: float
    upper: float


def _outside(truth, lower, upper):
    return truth < lower or truth > upper


def escapes(function, point, inside, ends):
    """Compares the enclosures over one box with the oracle at one of its points.

    Args:
        function: Of a vector, with one number.
        point: Where to compare.
        inside: Whether the point is inside the box, not on its boundary.
        ends: Lower and upper bounds of the value, or None, of the gradient, and of the Hessian.

    Returns:
        The escapes, and how many numbers were compared.
    """
    found, compared = [], 0
    value, gradient, hessian = ends
    size = point.size

    def compare(what, index, truth, bounds):
        nonlocal compared
        low, high = float(bounds[0][index]), float(bounds[1][index])
        if np.isnan(low) or np.isnan(high) or low > high:
            found.append(Escape(what, index, point.tolist(), "NaN or empty", low, high))
        if low == -np.inf and high == np.inf:
            return
        compared += 1
        if _outside(truth, low, high):
            found.append(Escape(what, index, point.tolist(), truth.str(25), low, high))

    def along(direction):
        """One way and back; None where they disagree, at kinks."""
        (there,), (back,) = (
            oracle.directional(function, point, sign * direction) for sign in (1.0, -1.0)
        )
        return there, back

    def nothing_to_compare(bounds):
        return bounds is None or bool(np.all(np.isinf(bounds[0]) & np.isinf(bounds[1])))

    if value is not None:
        ((truth, _, _),) = oracle.directional(function, point, np.zeros(size))
        compare("value", (), truth, value)
    if nothing_to_compare(gradient) and nothing_to_compare(hessian):
        return found, compared
    curvatures = []
    for i in range(size):
        there, back = along(np.eye(size)[i])
        smooth = there[1].overlaps(-back[1])
        if gradient is not None and (smooth or inside):
            compare("gradient", (i,), there[1], gradient)
            compare("gradient", (i,), -back[1], gradient)
        curvatures.append(there[2])
        if hessian is not None and smooth and there[2].overlaps(back[2]):
            compare("hessian", (i, i), there[2], hessian)
    if not nothing_to_compare(hessian):
        for i in range(size):
            for j in range(i):
                there, back = along(np.eye(size)[i] + np.eye(size)[j])
                if there[1].overlaps(-back[1]) and there[2].overlaps(back[2]):
                    mixed = (there[2] - curvatures[i] - curvatures[j]) / 2
                    compare("hessian", (i, j), mixed, hessian)
                    compare("hessian", (j, i), mixed, hessian)
    return found, compared

"""Values and slopes of activation functions on intervals, with every rounding error paid."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.enclosure.elementary.univariate import derivative
from certify.enclosure.enclose import enclose, require_x64
from certify.enclosure.interval import Interval
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import next_above, next_below
from dgames.nn import Activation

Ends = tuple[Float[np.ndarray, "*_"], Float[np.ndarray, "*_"]]


class Turn(NamedTuple):
    """A place where a slope has a local extremum.

    Attributes:
        place: Floats below and above it.
        value: Floats below and above the extremal slope.
    """

    place: tuple[float, float]
    value: tuple[float, float]


class Curve(NamedTuple):
    """An activation function with sharpness one.

    Attributes:
        value: The function, in JAX.
        slope: Its derivative, in JAX, from the left and from the right: they differ at kinks.
        turns: Where slopes have local extrema; between them, slopes are monotone.
        direct: Whether the derivative is enclosed on whole intervals as narrowly as possible.
    """

    value: Callable
    slope: tuple[Callable, Callable]
    turns: tuple[Turn, ...] = ()
    direct: bool = False


def _smooth(value: Callable, slope: Callable, *turns: Turn, direct: bool = False) -> Curve:
    return Curve(value, (slope, slope), turns, direct)


def _silu_slope(x: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(x) + x * derivative("logistic", x, 1)


def _gelu_slope(x: jax.Array) -> jax.Array:
    half = derivative("erf", x * np.sqrt(0.5), 1) * (0.5 * np.sqrt(0.5))
    return 0.5 + 0.5 * jax.scipy.special.erf(x * np.sqrt(0.5)) + x * half


def _stairs(left: float, right: float) -> tuple[Callable, Callable]:
    """Slopes with one step at zero: from the left, and from the right."""
    return (
        lambda x: jnp.where(x <= 0.0, left, right),
        lambda x: jnp.where(x < 0.0, left, right),
    )


CURVES: dict[str, Curve] = {
    "tanh": _smooth(jnp.tanh, lambda x: derivative("tanh", x, 1), direct=True),
    "sigmoid": _smooth(jax.nn.sigmoid, lambda x: derivative("logistic", x, 1), direct=True),
    "softplus": _smooth(jax.nn.softplus, jax.nn.sigmoid, direct=True),
    "erf": _smooth(jax.scipy.special.erf, lambda x: derivative("erf", x, 1), direct=True),
    "sin": _smooth(jnp.sin, jnp.cos, direct=True),
    # The roots of `x tanh(x / 2) = 2`.
    "silu": _smooth(
        jax.nn.silu,
        _silu_slope,
        Turn((2.399357280515467, 2.399357280515468), (1.0998393201288666, 1.0998393201288672)),
        Turn((-2.399357280515468, -2.399357280515467), (-0.09983932012886694, -0.0998393201288669)),
    ),
    # At `sqrt(2)` and `-sqrt(2)`.
    "gelu": _smooth(
        lambda x: jax.nn.gelu(x, approximate=False),
        _gelu_slope,
        Turn((1.4142135623730947, 1.4142135623730954), (1.1289041451851545, 1.128904145185155)),
        Turn(
            (-1.4142135623730954, -1.4142135623730947), (-0.12890414518515482, -0.12890414518515475)
        ),
    ),
    "relu": Curve(jax.nn.relu, _stairs(0.0, 1.0)),
    "leaky_relu": Curve(jax.nn.leaky_relu, _stairs(0.01, 1.0)),
    "abs": Curve(jnp.abs, _stairs(-1.0, 1.0)),
    "elu": _smooth(jax.nn.elu, lambda x: jnp.exp(jnp.minimum(x, 0.0))),
    "softsign": _smooth(
        jax.nn.soft_sign, lambda x: 1.0 / (1.0 + jnp.abs(x)) ** 2, Turn((0.0, 0.0), (1.0, 1.0))
    ),
}


@functools.cache
def _compiled(name: str, part: str) -> Callable:
    """The enclosure of a function, compiled once per size of a padded array."""
    curve = CURVES[name]
    code = {"value": curve.value, "left": curve.slope[0], "right": curve.slope[1]}[part]
    enclosed = enclose(code)

    def ends(lower: jax.Array, upper: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = enclosed(Interval(lower, upper))
        return found.lower, found.upper

    return jax.jit(ends)


def _ends(name: str, part: str, lower: np.ndarray, upper: np.ndarray) -> Ends:
    """Encloses a function over many intervals, padded to a power of two of them."""
    require_x64()
    count = lower.size
    room = max(256, 2 ** (count - 1).bit_length())
    padded = np.zeros((2, room))
    padded[0, :count], padded[1, :count] = lower.ravel(), upper.ravel()
    low, high = _compiled(name, part)(*padded)
    shape = lower.shape
    return np.asarray(low)[:count].reshape(shape), np.asarray(high)[:count].reshape(shape)


def values(activation: Activation, points: Float[np.ndarray, "*shape"]) -> Ends:
    """Bounds the values at points from below and from above.

    >>> low, high = values(Activation("relu"), np.array([-1.0, 2.0]))
    >>> bool(low[1] <= 2.0 <= high[1])
    True
    """
    sharpness = activation.sharpness
    if sharpness == 1.0:
        return _ends(activation.name, "value", points, points)
    low, high = _ends(activation.name, "value", *_times(points, points, sharpness))
    return next_below(low / sharpness), next_above(high / sharpness)


def slopes(
    activation: Activation, lower: Float[np.ndarray, "*shape"], upper: Float[np.ndarray, "*shape"]
) -> UnitSlopes:
    """Bounds all slopes over intervals, those on either side of kinks inside included.

    >>> found = slopes(Activation("relu"), np.array([-1.0, 0.0, -2.0]), np.array([2.0, 2.0, -1.0]))
    >>> found.lower.tolist(), found.upper.tolist()
    ([0.0, 1.0, 0.0], [1.0, 1.0, 0.0])
    """
    curve = CURVES[activation.name]
    if activation.sharpness != 1.0:
        lower, upper = _times(lower, upper, activation.sharpness)
    if curve.direct:
        low, high = _ends(activation.name, "left", lower, upper)
        return UnitSlopes(low, high)
    first = _ends(activation.name, "right", lower, lower)
    last = _ends(activation.name, "left", upper, upper)
    low, high = np.minimum(first[0], last[0]), np.maximum(first[1], last[1])
    for turn in curve.turns:
        inside = (lower <= turn.place[1]) & (turn.place[0] <= upper)
        low = np.where(inside, np.minimum(low, turn.value[0]), low)
        high = np.where(inside, np.maximum(high, turn.value[1]), high)
    return UnitSlopes(low, high)


def _times(lower: np.ndarray, upper: np.ndarray, factor: float) -> Ends:
    return next_below(lower * factor), next_above(upper * factor)

"""Derivatives of small networks in NumPy, by formulas and complex steps, to attack bounds with."""

import numpy as np
from scipy import special

from dgames.nn import MLP

_STEP = 1e-30


def _logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def _gauss(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)


def _normal(x):
    return 0.5 * (1.0 + special.erf(x / np.sqrt(2.0)))


# Values and slopes, for complex numbers too.
_UNITS = {
    "tanh": (np.tanh, lambda x: 1.0 / np.cosh(x) ** 2),
    "softplus": (lambda x: np.log1p(np.exp(x)), _logistic),
    "sigmoid": (_logistic, lambda x: _logistic(x) * _logistic(-x)),
    "silu": (
        lambda x: x * _logistic(x),
        lambda x: _logistic(x) * (1.0 + x * _logistic(-x)),
    ),
    "gelu": (lambda x: x * _normal(x), lambda x: _normal(x) + x * _gauss(x)),
    "erf": (special.erf, lambda x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x)),
    "sin": (np.sin, np.cos),
    "identity": (lambda x: x, np.ones_like),
}


def value(activation, a):
    """Returns the values of an activation; pairs are along the last axis."""
    t = activation.sharpness
    if activation.name == "groupsort":
        first, second = a[..., 0::2], a[..., 1::2]
        larger = first + np.log1p(np.exp(t * (second - first))) / t
        return np.stack([larger, first + second - larger], -1).reshape(a.shape)
    return _UNITS[activation.name][0](t * a) / t


def pulled_back(activation, a, adjoint):
    """Returns the adjoint of what enters an activation, given that of what leaves it."""
    t = activation.sharpness
    if activation.name == "groupsort":
        p = _logistic(t * (a[..., 0::2] - a[..., 1::2]))
        first, second = adjoint[..., 0::2], adjoint[..., 1::2]
        mixed = [p * first + (1.0 - p) * second, (1.0 - p) * first + p * second]
        return np.stack(mixed, -1).reshape(adjoint.shape)
    return _UNITS[activation.name][1](t * a) * adjoint


def flat(net: MLP) -> list[np.ndarray]:
    """Returns the weights of each layer, those of its bias too, as one vector."""
    return [
        np.concatenate([np.ravel(weight), *([] if bias is None else [bias])])
        for weight, bias in zip(net.weights, net.biases, strict=True)
    ]


def gradient(net: MLP, vectors: list[np.ndarray], unit: np.ndarray):
    """Returns the outputs, and the gradient of `unit . output`, for many inputs and weights.

    Args:
        net: Gives shapes, scales and the activation.
        vectors: Inputs, then weights of each layer with biases, each of shape (many, entries).
        unit: Of shape (many, outputs).
    """
    x, layers, entering, before = vectors[0], [], [], []
    for weights, old, bias, scale in zip(
        vectors[1:], net.weights, net.biases, net.scales, strict=True
    ):
        if before:
            x = value(net.activation, before[-1])
        weight = weights[:, : old.size].reshape(-1, *old.shape)
        layers.append(scale * weight)
        entering.append(x)
        x = scale * np.einsum("nij,nj->ni", weight, x)
        before.append(x if bias is None else x + weights[:, old.size :])
        x = before[-1]
    adjoint, found = unit, []
    for k in reversed(range(len(layers))):
        by_weight = net.scales[k] * adjoint[:, :, None] * entering[k][:, None, :]
        by_bias = [] if net.biases[k] is None else [adjoint]
        found.insert(0, np.concatenate([by_weight.reshape(len(unit), -1), *by_bias], 1))
        adjoint = np.einsum("nij,ni->nj", layers[k], adjoint)
        if k:
            adjoint = pulled_back(net.activation, before[k - 1], adjoint)
    return x, [adjoint, *found]


def derivatives(net: MLP, vectors: list[np.ndarray], unit: np.ndarray):
    """Returns outputs, Jacobians by inputs and by each layer, and Hessians of `unit . output`."""
    many, outputs = unit.shape
    rows = [gradient(net, vectors, np.tile(row, (many, 1))) for row in np.eye(outputs)]
    jacobians = [np.stack(parts, 1) for parts in zip(*(row for _, row in rows), strict=True)]
    point = np.concatenate(vectors, 1)
    size = point.shape[1]
    steps = point[:, None, :] + _STEP * 1j * np.eye(size)[None]
    cuts = np.cumsum([vector.shape[1] for vector in vectors])[:-1].tolist()
    steps = np.split(steps.reshape(many * size, size), cuts, 1)
    _, moved = gradient(net, steps, np.repeat(unit, size, 0))
    hessians = np.imag(np.concatenate(moved, 1)).reshape(many, size, size) / _STEP
    return rows[0][0], jacobians, hessians


def nearby(net: MLP, radii, inputs, input_radius: float, generator: np.random.Generator):
    """Returns random points on the boundary of the region; in half of them few weights move."""
    many = len(inputs)
    centers = [np.asarray(inputs), *(np.tile(layer, (many, 1)) for layer in flat(net))]
    points = []
    for center, radius in zip(centers, [input_radius, *np.asarray(radii)], strict=True):
        step = generator.normal(size=center.shape)
        step = np.where(np.arange(many)[:, None] % 2 == 0, step, step**7)
        points.append(center + radius * step / np.linalg.norm(step, axis=1, keepdims=True))
    return points

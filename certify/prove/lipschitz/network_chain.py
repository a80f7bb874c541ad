"""Networks as chains of affine maps with activation functions between them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from certify.problem.exact_types import is_as_made
from certify.prove.lipschitz.ball_products import BallMatrix, product, rescaled, total
from certify.prove.lipschitz.unit_slopes import SLOPES
from dgames.nn import (
    AOL,
    LDL,
    MLP,
    AbstractAffineLayer,
    Activation,
    Cayley,
    LipschitzNetwork,
    Sandwich,
    SpectralNormalised,
)


class AffineMap(NamedTuple):
    """The map `x -> C x + b`.

    Attributes:
        matrix: C, of shape (outputs, inputs).
        bias: b.
    """

    matrix: BallMatrix
    bias: BallMatrix


class NetworkChain(NamedTuple):
    """The network `C_L s(C_(L-1) ... s(C_1 x + b_1) ...) + b_L`, with its own s at each place.

    Attributes:
        maps: L affine maps.
        activations: L - 1 activation functions, by name and sharpness.
    """

    maps: tuple[AffineMap, ...]
    activations: tuple[Activation, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units of each hidden layer, and of outputs."""
        shapes = [part.matrix.centre.shape for part in self.maps]
        return (shapes[0][1], *(shape[0] for shape in shapes))


# Layers of an affine map and an activation function.
AFFINE_LAYERS = (AOL, Cayley, SpectralNormalised)

# Activation functions of other libraries' layers, by the function itself.
FUNCTIONS: dict[Callable, str] = {
    jax.nn.relu: "relu",
    jnp.tanh: "tanh",
    jax.lax.tanh: "tanh",
    jax.nn.softplus: "softplus",
    jax.nn.sigmoid: "sigmoid",
    jax.nn.silu: "silu",
    jax.nn.leaky_relu: "leaky_relu",
    jax.nn.elu: "elu",
    jax.nn.soft_sign: "softsign",
    jnp.sin: "sin",
    jax.lax.sin: "sin",
    jax.scipy.special.erf: "erf",
    jax.lax.erf: "erf",
    jnp.abs: "abs",
}

_UNKNOWN = (
    "lipschitz: {what} cannot be read; it is made of dgames.nn.MLP, LDL, Cayley, AOL, "
    "SpectralNormalised and Sandwich, or of equinox.nn.MLP, Sequential, Linear, Identity and "
    "Lambda with an activation function among {known}"
)


def chain_of(module: Any) -> NetworkChain:
    """Reads a network.

    Args:
        module: A `dgames.nn.MLP`, a layer of `dgames.nn` that is not residual, an
            `equinox.nn.MLP`, a linear layer, or a sequence of layers. Layers whose matrices are
            computed count with the floats that their `matrices()` returns.

    Raises:
        ValueError: If it is none of these, its shapes do not fit, or a weight is not finite.

    >>> import dgames as dg
    >>> chain_of(dg.nn.mlp((2, 8, 1), jax.random.key(0))).sizes
    (2, 8, 1)
    """
    return _joined(_parts(module))


def _parts(module: Any) -> list[AffineMap | Activation]:
    """The parts of a network in the order in which they act.

    Classes are looked at exactly: a class that is derived from one of them may do anything.
    """
    kind = type(module)
    if type(module) is Activation:
        return [module]
    if isinstance(module, eqx.Module) and not is_as_made(module):
        raise ValueError(_unreadable(f"a module of type {kind.__name__} with other attributes"))
    if type(module) is MLP:
        parts: list[AffineMap | Activation] = []
        layers = zip(module.weights, module.biases, module.scales, strict=True)
        for k, (weight, bias, scale) in enumerate(layers):
            parts += [_activation(module.activation)] if k else []
            parts.append(_affine(weight, bias, scale, f"layer {k + 1}"))
        return parts
    if isinstance(module, AbstractAffineLayer) and kind in AFFINE_LAYERS:
        name = f"a {kind.__name__} layer"
        return [_affine(module.matrix(), module.bias, 1.0, name), _activation(module.activation)]
    if type(module) is LDL:
        return _parts(module.as_mlp())
    if type(module) is Sandwich:
        return _sandwich(module)
    if type(module) is LipschitzNetwork:
        parts = _parts(module.layers)
        outputs = [part.bias.centre.size for part in parts if isinstance(part, AffineMap)][-1]
        return [*parts, _affine(np.eye(outputs), None, module.scale, "the end")]
    if type(module) is eqx.nn.Linear:
        return [_affine(module.weight, module.bias, 1.0, "a linear layer")]
    if type(module) is eqx.nn.MLP:
        parts = []
        for k, layer in enumerate(module.layers):
            parts += [_activation(module.activation)] if k else []
            parts += _parts(layer)
        return [*parts, _activation(module.final_activation)]
    if type(module) is eqx.nn.Sequential or type(module) is tuple or type(module) is list:
        return [part for layer in module for part in _parts(layer)]
    if type(module) is eqx.nn.Identity:
        return [Activation("identity")]
    if type(module) is eqx.nn.Lambda:
        return [_activation(module.fn)]
    if callable(module) and not isinstance(module, eqx.Module):
        return [_activation(module)]
    raise ValueError(_unreadable(f"a module of type {type(module).__name__}"))


def _sandwich(layer: Sandwich) -> list[AffineMap | Activation]:
    """`sqrt2 A' Psi s(sqrt2 Psi^(-1) B x + b)`, with balls that hold both products.

    Each entry is three operations of floats away from them; the balls have room for eight.
    """
    a, b = (as_floats(part, "the matrices of a Sandwich layer") for part in layer.matrices())
    psi = as_floats(jnp.exp(layer.log_psi), "the scales of a Sandwich layer")[:, None]
    bias = as_floats(layer.bias, "the bias of a Sandwich layer")
    first, second = (
        BallMatrix(centre, 8 * 2.0**-52 * np.abs(centre) + 2.0**-1000)
        for centre in (np.sqrt(2) * b / psi, (np.sqrt(2) * psi * a).T)
    )
    none = np.zeros_like(bias)
    return [
        AffineMap(first, BallMatrix.exact(bias)),
        _activation(layer.activation),
        AffineMap(second, BallMatrix.exact(none)),
    ]


def _activation(function: Any) -> Activation:
    if type(function) is Activation:
        return function
    try:
        name = FUNCTIONS.get(function)
    except TypeError:
        name = None
    if name is None and getattr(function, "__name__", "") in ("_identity", "<lambda>"):
        name = _identity_name(function)
    if name is None:
        what = getattr(function, "__name__", type(function).__name__)
        raise ValueError(_unreadable(f"the activation function {what}"))
    return Activation(name)


def _identity_name(function: Any) -> str | None:
    """Recognises equinox's own identity, which is what its layers have by default."""
    module = getattr(function, "__module__", "") or ""
    return "identity" if module.startswith("equinox.") else None


def _unreadable(what: str) -> str:
    known = ", ".join(sorted(set(FUNCTIONS.values())))
    return _UNKNOWN.format(what=what, known=known)


def _affine(weight: Any, bias: Any, scale: float, where: str) -> AffineMap:
    """Takes the floats of a layer as exact numbers; their product with the scale is a ball."""
    matrix = as_floats(weight, f"the weights of {where}")
    if matrix.ndim != 2:
        raise ValueError(
            f"lipschitz: the weights of {where} are a matrix (outputs, inputs); got shape "
            f"{matrix.shape}"
        )
    offset = np.zeros(len(matrix)) if bias is None else as_floats(bias, f"the bias of {where}")
    if offset.shape != (len(matrix),):
        raise ValueError(
            f"lipschitz: the bias of {where} has shape {offset.shape}, but its weights have "
            f"shape {matrix.shape}"
        )
    if not np.isfinite(scale):
        raise ValueError(f"lipschitz: the scale of {where} is {scale}; it must be finite")
    return AffineMap(rescaled(BallMatrix.exact(matrix), float(scale)), BallMatrix.exact(offset))


def as_floats(values: Any, what: str) -> np.ndarray:
    """Takes numbers as float64, exactly.

    Raises:
        ValueError: If one is NaN or infinite, or they are no real floats.
    """
    array = np.asarray(values)
    if not (np.issubdtype(array.dtype, np.floating) or array.dtype == jnp.bfloat16):
        raise ValueError(f"lipschitz: {what} are real floats; got {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"lipschitz: {what} contain NaN or infinity")
    return array


def _joined(parts: list[AffineMap | Activation]) -> NetworkChain:
    """Merges affine maps that follow each other, and gives both ends an affine map."""
    maps: list[AffineMap] = []
    activations: list[Activation] = []
    waiting: Activation | None = None
    for part in parts:
        if isinstance(part, Activation):
            if part.name not in SLOPES or not part.sharpness > 0:
                raise ValueError(
                    f"lipschitz: the activation is one of {', '.join(SLOPES)}, with a positive "
                    f"sharpness; got {part}"
                )
            if part.name == "identity":
                continue
            if waiting is not None:
                maps.append(_identity(maps[-1].matrix.centre.shape[0]))
                activations.append(waiting)
            if not maps:
                raise ValueError("lipschitz: a network begins with a linear layer")
            waiting = part
            continue
        inputs = part.matrix.centre.shape[1]
        if maps and maps[-1].matrix.centre.shape[0] != inputs:
            raise ValueError(
                f"lipschitz: a layer takes {inputs} numbers, but the one before it has "
                f"{maps[-1].matrix.centre.shape[0]}"
            )
        if waiting is not None:
            activations.append(waiting)
            maps.append(part)
            waiting = None
        elif maps:
            maps[-1] = _composed(part, maps[-1])
        else:
            maps.append(part)
    if not maps:
        raise ValueError("lipschitz: a network has at least one linear layer")
    if waiting is not None:
        activations.append(waiting)
        maps.append(_identity(maps[-1].matrix.centre.shape[0]))
    for affine, activation in zip(maps, activations, strict=False):
        if affine.matrix.centre.shape[0] % SLOPES[activation.name].tied:
            raise ValueError(f"lipschitz: {activation.name} takes layers of even size")
    return NetworkChain(tuple(maps), tuple(activations))


def _composed(second: AffineMap, first: AffineMap) -> AffineMap:
    matrix = product(second.matrix, first.matrix)
    return AffineMap(matrix, total(product(second.matrix, first.bias), second.bias))


def _identity(size: int) -> AffineMap:
    return AffineMap(BallMatrix.exact(np.eye(size)), BallMatrix.exact(np.zeros(size)))

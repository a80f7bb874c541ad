r"""What bounds of a network need to know of its centre: proved scalars per layer and per sample.

At the weights of the network, layers k = 1, ..., L, with the adjoints of the outputs

    Mu_L = I,    Lam_k = C_(k+1)' Mu_(k+1),    Mu_k = s'(a_k) * Lam_k,    C_k = c_k W_k

(one column per output, row by row a number times a row), the scalars are norms of what a forward
and a backward pass compute. Both passes are plain JAX code, which `certify.enclose` runs in
interval arithmetic; the upper ends of the results are the bounds. Spectral norms of weights come
from Gram iteration (`gram_norm`), never from power iteration, which approaches them from below.

Activations are elementwise but for groupsort. There `Mu_k = J' Lam_k` with the symmetric Jacobian
`[[p, q], [q, p]]` of a pair, and adjoints are measured by half the difference within pairs; see
`dgames.nn.activations.SUPREMA`.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from certify.enclosure import Interval, enclose
from certify.enclosure.enclose import require_x64
from certify.prove.neural.activation_derivatives import DERIVATIVES
from certify.prove.neural.gram_norm import gram_norm
from certify.rounding import raised
from dgames.nn import MLP, Activation


class CenterScalars(NamedTuple):
    """Upper bounds at the centre, for L layers and N samples; `|.|` is the Euclidean norm.

    The measure `|.|_*` of adjoints is the largest norm of a row, and for groupsort half the largest
    norm of a difference of the rows of a pair.

    Attributes:
        weight_norms: `||C_k||`, k = 1, ..., L.
        input_norms: `|x_k|` of what enters layer k + 1, k = 0, ..., L - 1.
        slopes: `max_r |s'(a_kr)|` of the hidden layers, k = 1, ..., L - 1.
        adjoint_norms: `||Mu_k||`, k = 1, ..., L - 1.
        adjoints: `|Lam_k|_*`, k = 1, ..., L - 1.
        curvatures: `|s''(a_k) * Lam_k|_*`, k = 1, ..., L - 1.
        input_slopes: `||Lam_0||`, the norm of the derivative by the input.
        outputs: Boxes of the outputs.
    """

    weight_norms: Float[Array, " L"]
    input_norms: Float[Array, "N L"]
    slopes: Float[Array, "N hidden"]
    adjoint_norms: Float[Array, "N hidden"]
    adjoints: Float[Array, "N hidden"]
    curvatures: Float[Array, "N hidden"]
    input_slopes: Float[Array, " N"]
    outputs: Interval


def center_scalars(net: MLP, inputs: Float[Array, "N d"]) -> CenterScalars:
    """Bounds the scalars of a network at its weights, every rounding error paid.

    Args:
        net: The network; weights in lower precision are the real numbers that they are.
        inputs: The samples.

    Raises:
        ValueError: If the inputs do not fit the network, or are not finite.

    >>> from dgames.nn import mlp
    >>> net = mlp((2, 8, 1), jax.random.key(0), start="antisymmetric")
    >>> scalars = center_scalars(net, jnp.ones((3, 2)))
    >>> scalars.weight_norms.shape, scalars.input_norms.shape, scalars.curvatures.shape
    ((2,), (3, 2), (3, 1))
    """
    check_network("center_scalars", net, inputs)
    return _center_scalars(net, inputs)


def check_network(caller: str, net: MLP, inputs: Array) -> None:
    """Raises `ValueError` unless bounds of the network at the inputs make sense."""
    require_x64()
    if inputs.ndim != 2 or inputs.shape[1] != net.sizes[0] or not len(inputs):
        raise ValueError(
            f"{caller}: inputs are an array of shape (samples, {net.sizes[0]}) for this network, "
            f"at least one sample; got shape {inputs.shape}"
        )
    if not all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((net, inputs))):
        raise ValueError(f"{caller}: weights and inputs are finite numbers; got inf or NaN")


def _center_scalars(net: MLP, inputs: Float[Array, "N d"]) -> CenterScalars:
    weights, biases, x = jax.tree.map(_in_float64, (net.weights, net.biases, inputs))
    scales = [jnp.asarray(scale, jnp.float64) for scale in net.scales]
    layers = list(zip(weights, scales, strict=True))
    x, norms, before = Interval(x, x), [], []
    for k, ((weight, scale), bias) in enumerate(zip(layers, biases, strict=True)):
        if k:
            x = _activated(net.activation, before[-1])
        a, norm = _forwards(weight, bias, scale, x)
        norms.append(norm)
        before.append(a)
    hidden = []
    adjoint = _last_adjoint(*layers[-1], len(inputs))
    for a, layer in list(zip(before, layers, strict=True))[-2::-1]:
        found, adjoint = _backwards(net.activation, *layer, a, adjoint)
        hidden.insert(0, found)
    nothing = jnp.zeros((len(inputs), 0))
    columns = [jnp.stack(values, 1) for values in zip(*hidden, strict=True)]
    slopes, adjoint_norms, adjoints, curvatures = columns or [nothing] * 4
    return CenterScalars(
        weight_norms=jnp.stack([_weight_norm(*layer) for layer in layers]),
        input_norms=jnp.stack(norms, 1),
        slopes=slopes,
        adjoint_norms=adjoint_norms,
        adjoints=adjoints,
        curvatures=curvatures,
        input_slopes=_spectral(adjoint),
        outputs=before[-1],
    )


def _in_float64(values: Array) -> Array:
    return values.astype(jnp.float64)


# Each of these is compiled once per shape, in less time than all together.


@jax.jit
def _weight_norm(
    weight: Float[Array, "outputs inputs"], scale: Float[Array, ""]
) -> Float[Array, ""]:
    return raised(jnp.abs(scale) * gram_norm(weight), 1)


@eqx.filter_jit
def _forwards(
    weight: Float[Array, "outputs inputs"],
    bias: Float[Array, " outputs"] | None,
    scale: Float[Array, ""],
    x: Interval,
) -> tuple[Interval, Float[Array, " N"]]:
    """Encloses what a layer makes of what enters it, and bounds the norm of the latter."""

    def code(weight: Any, bias: Any, scale: Any, x: Any) -> Any:
        a = scale * (x @ weight.T)
        return a if bias is None else a + bias[None], jnp.sqrt(jnp.sum(x**2, 1))

    a, norm = enclose(code)(weight, bias, scale, x)
    return a, norm.upper


@eqx.filter_jit
def _activated(activation: Activation, a: Interval) -> Interval:
    """Encloses the values of the activation."""
    if activation.name == "groupsort":
        return enclose(activation)(a)
    value, sharpness = DERIVATIVES[activation.name].value, activation.sharpness
    return enclose(lambda a: value(a) if sharpness == 1.0 else value(sharpness * a) / sharpness)(a)


@functools.partial(jax.jit, static_argnums=2)
def _last_adjoint(
    weight: Float[Array, "outputs inputs"], scale: Float[Array, ""], samples: int
) -> Interval:
    """Encloses the adjoint of what enters the last layer, which is equal for all samples."""
    adjoint = enclose(lambda weight, scale: scale * weight.T)(weight, scale)
    return jax.tree.map(lambda end: jnp.broadcast_to(end, (samples, *end.shape)), adjoint)


@eqx.filter_jit
def _backwards(
    activation: Activation,
    weight: Float[Array, "units inputs"],
    scale: Float[Array, ""],
    a: Interval,
    adjoint: Interval,
) -> tuple[tuple[Any, Any, Any, Any], Interval]:
    """Goes from the adjoint of what leaves an activation to that of what enters the layer.

    Returns:
        Upper bounds of the largest slope, of the norm of the adjoint between activation and layer,
        of the measure of the first adjoint, and of that times the curvature; and the last adjoint.
    """

    def code(weight: Any, scale: Any, a: Any, adjoint: Any) -> Any:
        pair = _of_pairs if activation.name == "groupsort" else _of_units
        slope, measure, curvature, between = pair(activation, a, adjoint)
        entering = scale * jnp.einsum("nro,ri->nio", between, weight)
        return slope, measure, curvature, between, entering

    slope, measure, curvature, between, entering = enclose(code)(weight, scale, a, adjoint)
    return (slope.upper, _spectral(between), measure.upper, curvature.upper), entering


def _of_units(activation: Activation, a: Any, adjoint: Any) -> tuple[Any, Any, Any, Any]:
    t, derivatives = activation.sharpness, DERIVATIVES[activation.name]
    slope, sizes = derivatives.slope(t * a), jnp.sqrt(jnp.sum(adjoint**2, 2))
    curvature = jnp.max(jnp.abs(t * derivatives.curvature(t * a)) * sizes, 1)
    return jnp.max(jnp.abs(slope), 1), jnp.max(sizes, 1), curvature, slope[..., None] * adjoint


def _of_pairs(activation: Activation, a: Any, adjoint: Any) -> tuple[Any, Any, Any, Any]:
    """The same for groupsort, whose slopes are eigenvalues."""
    difference = activation.sharpness * (a[:, 0::2] - a[:, 1::2])
    p, q = jax.nn.sigmoid(difference)[..., None], jax.nn.sigmoid(-difference)[..., None]
    first, second = adjoint[:, 0::2], adjoint[:, 1::2]
    half = 0.5 * jnp.sqrt(jnp.sum((first - second) ** 2, 2))
    curvature = jnp.max(half * (4.0 * activation.sharpness * (p * q)[..., 0]), 1)
    between = jnp.stack([p * first + q * second, q * first + p * second], 2)
    between = between.reshape(between.shape[0], -1, between.shape[-1])
    return jnp.ones(len(a)), jnp.max(half, 1), curvature, between


@jax.jit
def _spectral(adjoint: Interval) -> Float[Array, " N"]:
    """Bounds the norms of enclosed matrices: those of their centres, and of Frobenius of radii."""
    center = adjoint.midpoint
    radius = raised(jnp.maximum(adjoint.upper - center, center - adjoint.lower), 1)
    terms = radius.shape[1] * radius.shape[2]
    spread = raised(jnp.sqrt(raised(jnp.sum(radius**2, (1, 2)), terms + 1)), 1)
    return raised(gram_norm(center) + spread, 1)

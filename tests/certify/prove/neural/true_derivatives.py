"""Derivatives of small networks, exactly as JAX has them, to attack bounds with."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dgames.nn import MLP


def parts(net: MLP) -> list[Array]:
    """Returns the weights of each layer, those of its bias too, as one vector."""
    return [
        jnp.concatenate([weight.ravel(), *([] if bias is None else [bias])])
        for weight, bias in zip(net.weights, net.biases, strict=True)
    ]


def rebuilt(net: MLP, vectors: list[Array]) -> MLP:
    """Returns the network with other weights."""
    weights, biases = [], []
    for weight, bias, vector in zip(net.weights, net.biases, vectors, strict=True):
        weights.append(vector[: weight.size].reshape(weight.shape))
        biases.append(None if bias is None else vector[weight.size :])
    return MLP(tuple(weights), tuple(biases), net.scales, net.activation)


def moved(net: MLP, key: Key[Array, ""], radii: Float[Array, " L"], concentrated: Array) -> MLP:
    """Returns a network on the boundary of the region; concentrated moves are along few weights."""
    vectors = []
    for k, vector in enumerate(parts(net)):
        step = jax.random.normal(jax.random.fold_in(key, k), vector.shape)
        step = jnp.where(concentrated, step**5, step)
        vectors.append(vector + radii[k] * step / jnp.linalg.norm(step))
    return rebuilt(net, vectors)


@eqx.filter_jit
def derivatives(
    net: MLP, x: Float[Array, " d"], unit: Float[Array, " outputs"]
) -> tuple[list[Array], Array, Array]:
    """Returns Jacobians by input and layers, the Hessian of `unit . output`, and outputs."""
    vectors = [x, *parts(net)]
    sizes = [len(vector) for vector in vectors]
    cuts = np.cumsum(sizes)[:-1].tolist()

    def output(flat: Array) -> Array:
        x, *weights = jnp.split(flat, cuts)
        return rebuilt(net, weights)(x)

    flat = jnp.concatenate(vectors)
    jacobian = jax.jacfwd(output)(flat)
    hessian = jax.hessian(lambda flat: unit @ output(flat))(flat)
    return jnp.split(jacobian, cuts, 1), hessian, output(flat)

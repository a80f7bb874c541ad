"""Perceptrons: what they compute, how they start, and that they are modules like any other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from dgames import nn


def test_perceptrons_compute_what_their_formula_says():
    weights = (jnp.array([[1.0, 2.0], [0.0, -1.0]]), jnp.array([[3.0, 4.0]]))
    net = nn.MLP(weights, (jnp.array([0.5, 0.0]), None), (2.0, 0.1), "tanh")
    hidden = np.tanh([2 * (0.3 + 2 * 0.2) + 0.5, 2 * -0.2])
    np.testing.assert_allclose(net(jnp.array([0.3, 0.2])), [0.1 * (3 * hidden[0] + 4 * hidden[1])])
    assert net.sizes == (2, 2, 1)
    assert net.activation == nn.Activation("tanh", 1.0)


@pytest.mark.thin(3)
@pytest.mark.parametrize("width", [64, 4, 1024])
def test_outputs_are_of_order_one_at_any_width(width, key):
    """A linear network of NTK scale has outputs of variance `|x|^2` at any width."""
    nets = jax.jit(
        jax.vmap(lambda key: nn.mlp((2, width, 1), key, activation="identity")(jnp.ones(2)))
    )
    outputs = nets(jax.random.split(key, 600))
    assert abs(jnp.mean(outputs)) < 0.2 and abs(jnp.var(outputs) - 2) < 0.6


@pytest.mark.parametrize("scale", ["ntk", "standard"])
def test_scales_and_weights_multiply_to_the_same_function(scale, key):
    """The parametrisation moves a factor between scales and weights, but for the first layer."""
    net = nn.mlp((3, 16, 2), key, scale=scale)
    assert net.scales == ((1.0, 1 / 4) if scale == "ntk" else (1.0, 1.0))
    size = float(jnp.std(net.weights[1]))
    assert abs(size - (1.0 if scale == "ntk" else 1 / 4)) < 0.5 * size
    assert net.biases[1] is None and jnp.all(net.biases[0] == 0)


@pytest.mark.thin(3)
@pytest.mark.parametrize("sizes", [(2, 12, 6, 1), (2, 8, 8, 1), (2, 6, 12, 1)])
def test_orthogonal_starts_are_orthogonal(sizes, key):
    """The matrix between hidden layers times its scale is, and only that one."""
    net = nn.mlp(sizes, key, start="orthogonal")
    matrix = np.asarray(net.scales[1] * net.weights[1])
    values = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(values, 1.0, rtol=1e-12)
    assert np.linalg.norm(net.weights[0], ord=2) > 1.2


def test_antisymmetric_starts_are_zero_with_gradients(key):
    net = nn.mlp((3, 10, 2), key, start="antisymmetric", activation="tanh")
    x = jnp.array([0.3, -1.0, 2.0])
    assert jnp.max(jnp.abs(net(x))) < 1e-15
    assert jnp.array_equal(net.weights[0][:5], net.weights[0][5:])
    assert jnp.array_equal(net.weights[1][:, :5], -net.weights[1][:, 5:])
    gradient = jax.jit(jax.grad(lambda net: net(x)[0]))(net)
    assert float(jnp.linalg.norm(gradient.weights[1])) > 0.3


def test_first_scales_and_output_biases(key):
    net = nn.mlp((3, 10, 2), key)
    low = nn.mlp((3, 10, 2), key, first_scale=0.25, output_bias=True)
    np.testing.assert_allclose(low.weights[0], 0.25 * net.weights[0])
    bias = low.biases[1]
    assert bias is not None and bias.shape == (2,) and jnp.all(bias == 0)


@pytest.mark.full
def test_perceptrons_are_modules_like_any_other(key, tmp_path):
    """Weights are replaced, mapped over, compiled, written to files, and cast."""
    net = nn.mlp((2, 4, 1), key)
    x = jnp.array([[0.3, -0.2], [1.0, 0.5]])
    outputs = eqx.filter_jit(lambda net, x: jax.vmap(net)(x))(net, x)
    assert outputs.shape == (2, 1)
    doubled = eqx.tree_at(lambda net: net.weights[1], net, 2 * net.weights[1])
    np.testing.assert_allclose(jax.vmap(doubled)(x), 2 * outputs)
    eqx.tree_serialise_leaves(tmp_path / "net.eqx", doubled)
    loaded = eqx.tree_deserialise_leaves(tmp_path / "net.eqx", net)
    assert jnp.array_equal(jax.vmap(loaded)(x), jax.vmap(doubled)(x))
    many = eqx.filter_vmap(lambda key: nn.mlp((2, 4, 1), key))(jax.random.split(key, 3))
    each = eqx.filter_vmap(lambda net, x: net(x), in_axes=(0, None))(many, x[0])
    assert each.shape == (3, 1)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net)
    assert single(x[0].astype(jnp.float32)).dtype == jnp.float32
    assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(net))


@pytest.mark.parametrize(
    ("sizes", "kwargs", "words"),
    [
        ((2,), {}, "mlp: sizes are at least two"),
        ((2, 0, 1), {}, "mlp: sizes are at least two"),
        ((2, 3, 1), {"scale": "wide"}, "mlp: the scale is"),
        ((2, 3, 1), {"start": "zero"}, "mlp: the start is"),
        ((2, 3, 1), {"start": "antisymmetric"}, "mlp: an antisymmetric start is"),
        ((2, 3, 1), {"activation": "groupsort"}, "mlp: groupsort takes hidden layers"),
    ],
)
def test_errors_say_what_is_wrong(sizes, kwargs, words, key):
    with pytest.raises((ValueError, TypeCheckError), match=rf"{words}|Type-check error"):
        nn.mlp(sizes, key, **kwargs)

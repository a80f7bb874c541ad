"""`certify.lipschitz`: closed forms, samples below, and errors that say what is wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.nn import MLP, Activation


def sampled(net, key, count=200, spread=1.0):
    """The largest norm of the Jacobian at random inputs: the true constant is not below it."""
    inputs = spread * jax.random.normal(key, (count, net.sizes[0]))
    jacobians = jax.vmap(jax.jacobian(net))(inputs)
    return float(np.linalg.norm(np.asarray(jacobians), 2, (1, 2)).max())


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    "activation", ["tanh", "softplus", "sigmoid", "silu", "gelu", "erf", "sin", "groupsort"]
)
def test_samples_stay_below(activation):
    net = dg.nn.mlp((3, 8, 8, 2), jax.random.key(1), activation=activation)
    net = jax.tree.map(lambda x: 2.0 * x, net)
    below = sampled(net, jax.random.key(2))
    assert (
        below
        <= certify.lipschitz(net).constant
        <= certify.lipschitz(net, method="product").constant
    )


def test_linear_networks_have_the_norm_of_their_matrix():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 4)), rng.standard_normal((3, 5))
    net = dg.nn.MLP(
        (jnp.asarray(a), jnp.asarray(b)), (None, None), (1.0, 0.5), dg.nn.Activation("identity")
    )
    truth = np.linalg.norm(0.5 * b @ a, 2)
    assert truth <= certify.lipschitz(net).constant <= truth * (1 + 1e-10)
    largest = np.abs(0.5 * b @ a).sum(1).max()
    assert largest * (1 - 1e-14) <= certify.lipschitz(net, norm="linf").constant
    assert certify.lipschitz(net, norm="linf").constant <= largest * (1 + 1e-12)


def test_orthogonal_networks_are_nonexpansive():
    rng = np.random.default_rng(0)
    weights = tuple(jnp.asarray(np.linalg.qr(rng.standard_normal((6, 6)))[0]) for _ in range(3))
    net = dg.nn.MLP(weights, (None,) * 3, (1.0,) * 3, dg.nn.Activation("tanh", 3.0))
    for method in ("product", "pivots"):
        assert 1.0 - 1e-14 <= certify.lipschitz(net, method=method).constant <= 1.0 + 1e-5


@pytest.mark.parametrize("factor", [1e-160, 1e-30, 1e30, 1e160])
def test_units_do_not_matter(factor):
    net = dg.nn.mlp((2, 4, 4, 1), jax.random.key(0), activation="tanh", scale="standard")
    scales = (factor, 1.0, 1.0)
    scaled = dg.nn.MLP(net.weights, net.biases, scales, net.activation)
    for method in ("product", "pivots"):
        one = certify.lipschitz(net, method=method).constant
        other = certify.lipschitz(scaled, method=method).constant
        assert other == pytest.approx(factor * one, rel=1e-3 if method == "pivots" else 1e-12)


def test_equinox_networks_are_read():
    key = jax.random.key(0)
    mlp = eqx.nn.MLP(2, 1, 8, 2, activation=jnp.tanh, key=key)
    weights = tuple(layer.weight for layer in mlp.layers)
    biases = tuple(layer.bias for layer in mlp.layers)
    same = dg.nn.MLP(weights, biases, (1.0,) * 3, dg.nn.Activation("tanh"))
    assert certify.lipschitz(mlp).constant == certify.lipschitz(same).constant
    layers = [mlp.layers[0], eqx.nn.Lambda(jnp.tanh), mlp.layers[1], jnp.tanh, mlp.layers[2]]
    assert certify.lipschitz(layers).constant == certify.lipschitz(mlp).constant
    assert certify.lipschitz(eqx.nn.MLP(2, 1, 8, 1, key=key)).proved  # relu
    assert certify.lipschitz(eqx.nn.Linear(2, 2, key=key)).proved


def test_a_zero_layer_makes_a_constant_function():
    net = dg.nn.mlp((2, 4, 1), jax.random.key(0))
    zero = jax.tree.map(jnp.zeros_like, net)
    assert certify.lipschitz(zero).constant <= 1e-300


def with_weight(net, value):
    return eqx.tree_at(lambda n: n.weights[1], net, net.weights[1].at[0, 0].set(value))


LINEAR = eqx.nn.Linear(2, 3, key=jax.random.key(0))
NET = dg.nn.mlp((2, 4, 1), jax.random.key(0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: certify.lipschitz(with_weight(NET, jnp.nan)), "NaN"),
        (lambda: certify.lipschitz(with_weight(NET, jnp.inf)), "infinity"),
        (
            lambda: certify.lipschitz(NET, norm="l1"),  # pyright: ignore[reportArgumentType]
            "norm is",
        ),
        (
            lambda: certify.lipschitz(NET, method="sampling"),  # pyright: ignore[reportArgumentType]
            "method is one of",
        ),
        (
            lambda: certify.lipschitz(NET, certify.Everywhere((0.0, 0.0))),  # pyright: ignore[reportArgumentType]
            "domain is",
        ),
        (lambda: certify.lipschitz(NET, certify.Box.around((jnp.zeros(3),), 1.0)), "3 coord"),
        (lambda: certify.lipschitz(lambda x: x), "cannot be read"),
        (lambda: certify.lipschitz([eqx.nn.Dropout(0.5)]), "Dropout cannot be read"),
        (lambda: certify.lipschitz([]), "at least one"),
        (lambda: certify.lipschitz([LINEAR, jnp.tanh, LINEAR]), "takes 2 numbers"),
    ],
)
def test_errors_are_clear(call, words):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=rf"{words}|Type-check error"):
        call()


class Lies(MLP):
    """Another function with the weights of a network."""

    def __call__(self, x):
        return 100 * super().__call__(x)


class LyingActivation(Activation):
    """Another function under the name of an activation function."""

    def __call__(self, x):
        return 100 * x


class LyingLinear(eqx.nn.Linear):
    """Another function with the weights of a linear layer."""

    def __call__(self, x, *, key=None):
        return 100 * x


def test_derived_classes_may_do_anything():
    net = dg.nn.mlp((2, 4, 1), jax.random.key(0))
    parts = net.weights, net.biases, net.scales
    linear = LyingLinear(2, 2, key=jax.random.key(0))  # pyright: ignore[reportCallIssue]
    changed = dg.nn.mlp((2, 4, 1), jax.random.key(0))
    object.__setattr__(changed, "__call__", lambda x: 100 * x)
    for module in (Lies(*parts, "tanh"), MLP(*parts, LyingActivation("tanh")), linear, changed):
        with pytest.raises(ValueError, match="cannot be read"):
            certify.lipschitz(module)
        with pytest.raises(ValueError, match="cannot be read"):
            certify.lipschitz((net, module))


def test_activation_functions_in_sequences():
    linear = eqx.nn.Linear(2, 2, key=jax.random.key(0))
    found, same = (
        certify.lipschitz((linear, function)) for function in (Activation("tanh", 2.0), jnp.tanh)
    )
    assert found.constant == same.constant

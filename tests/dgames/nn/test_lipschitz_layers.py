"""Layers whose Lipschitz constant is a theorem: sampled Jacobians, closed forms, LipSDP."""

import math
from itertools import pairwise

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import TypeCheckError

import dgames as dg
from dgames import nn


def perturbed(module, size=1.0):
    """A module whose free parameters are somewhere else than at the start."""
    random = np.random.default_rng(7)
    return jax.tree.map(
        lambda leaf: leaf + jnp.asarray(size * random.normal(size=leaf.shape)), module
    )


def norm(matrix):
    return np.linalg.norm(matrix, ord=2)


LAYERS = {
    "sll": lambda key: nn.SLL.draw(5, 8, key, activation=nn.Activation("softplus", 20.0)),
    "cayley-square": lambda key: nn.Cayley.draw(6, 6, key, activation="groupsort"),
    "cayley-tall": lambda key: nn.Cayley.draw(3, 6, key, activation="tanh"),
    "cayley-wide": lambda key: nn.Cayley.draw(6, 3, key),
    "aol-tall": lambda key: nn.AOL.draw(4, 8, key, activation="softplus"),
    "aol-wide": lambda key: nn.AOL.draw(8, 4, key, activation="sin"),
    "ldl": lambda key: nn.LDL.draw((4, 6, 2), key, activation="tanh"),
    "spectral": lambda key: nn.SpectralNormalised.draw(5, 7, key, activation="tanh"),
    "sandwich-up": lambda key: nn.Sandwich.draw(4, 6, key, activation=nn.Activation("tanh", 3.0)),
    "sandwich-down": lambda key: nn.Sandwich.draw(6, 4, key),
    "network": lambda key: nn.LipschitzNetwork.draw((3, 6, 4, 1), key),
}


def layers(*names):
    return pytest.mark.parametrize("draw", [LAYERS[name] for name in names], ids=names)


def inputs_of(module):
    if isinstance(module, nn.LipschitzNetwork):
        return inputs_of(module.layers[0])
    if isinstance(module, nn.Sandwich):
        return module.weight.shape[0] - module.weight.shape[1]
    if isinstance(module, nn.LDL):
        return module.weights[0].shape[1]
    if isinstance(module, nn.Cayley):
        return module.weight.shape[0 if module.wide else 1]
    return module.weight.shape[1]


def sampled_constant(draw, key, modules, points):
    """The largest norm of Jacobians over random parameters and inputs, times 1 / lipschitz."""

    def of_module(key):
        one, two, three, four = jax.random.split(key, 4)
        start, unravel = jax.flatten_util.ravel_pytree(draw(one))
        size = jnp.exp(jax.random.uniform(four, minval=-3.0, maxval=2.0))
        module = unravel(start + size * jax.random.normal(two, start.shape))
        x = 3 * jax.random.normal(three, (points, inputs_of(module)))
        return jax.vmap(jax.jacfwd(module))(x) / module.lipschitz

    jacobians = jax.jit(jax.vmap(of_module))(jax.random.split(key, modules))
    return np.max(np.linalg.norm(jacobians, ord=2, axis=(-2, -1)))


@layers("sll", "ldl")
def test_no_jacobian_is_larger_than_the_constant(draw, key):
    assert 0.2 < sampled_constant(draw, key, 8, 25) <= 1 + 1e-12


@pytest.mark.full
@layers("spectral", "cayley-wide", "aol-tall", "sll", "sandwich-down", "ldl", "network")
def test_no_jacobian_of_ten_thousand_is_larger(draw, key):
    assert 0.6 < sampled_constant(draw, key, 100, 100) <= 1 + 1e-12


@pytest.mark.full
@layers("spectral", "cayley-square", "sandwich-up", "ldl")
def test_layers_are_modules_like_any_other(draw, key, tmp_path):
    """They are mapped, compiled, differentiated, trained by optax, and written to a file."""
    module = perturbed(eqx.filter_jit(draw)(key), 0.3)
    x = jnp.asarray(np.random.default_rng(3).normal(size=(4, inputs_of(module))))

    @jax.jit
    def loss(module):
        return jnp.sum(jax.vmap(module)(x) ** 2)

    gradient = jax.jit(jax.grad(loss))(module)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert all(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(module))
    step = optax.sgd(1e-4)
    moved = eqx.apply_updates(module, step.update(gradient, step.init(module))[0])
    assert loss(moved) < loss(module) and moved.lipschitz == module.lipschitz
    eqx.tree_serialise_leaves(tmp_path / "layer.eqx", moved)
    loaded = eqx.tree_deserialise_leaves(tmp_path / "layer.eqx", module)
    assert loss(loaded) == loss(moved)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), module)
    value = eqx.filter_jit(lambda module, x: module(x))(single, x[0].astype(jnp.float32))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, module(x[0]), atol=1e-4)


@pytest.mark.thin(4)
@pytest.mark.parametrize(("inputs", "outputs"), [(8, 3), (5, 5), (3, 8), (4, 1)])
def test_cayley_layers_are_orthonormal(inputs, outputs, key):
    layer = perturbed(nn.Cayley.draw(inputs, outputs, key))
    q = np.asarray(jax.jit(lambda layer: layer.matrix())(layer))
    gram = q.T @ q if outputs >= inputs else q @ q.T
    assert q.shape == (outputs, inputs)
    assert np.max(np.abs(gram - np.eye(min(inputs, outputs)))) < 1e-13


def test_the_cayley_transform_of_a_number_and_of_a_plane():
    """One column (u, v) has A = v^2: `(1 - v^2, -2 v) / (1 + v^2)`; a plane turns by 2 arctan."""
    tall = nn.Cayley(jnp.array([[7.0], [2.0]]), None)
    assert jnp.allclose(tall.matrix(), jnp.array([[-3.0], [-4.0]]) / 5)
    turn = nn.Cayley(jnp.array([[0.0, 0.5], [0.0, 0.0]]), None).matrix()
    angle = 2 * math.atan(0.5)
    expected = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    assert jnp.allclose(turn, jnp.array(expected))


def test_almost_orthogonal_layers_in_closed_form():
    """Two unit columns with inner product c: both are divided by the root of 1 + |c|."""
    c = 0.28
    weight = jnp.array([[1.0, c], [0.0, 0.96]])
    assert jnp.allclose(nn.AOL(weight, None).matrix(), weight / math.sqrt(1 + c))
    # The larger singular value is sqrt(1 + c) before, so that the bound is attained.
    assert abs(norm(nn.AOL(weight, None).matrix()) - 1) < 1e-14
    assert jnp.allclose(nn.AOL(jnp.array([[3.0, 4.0]]), None).matrix(), jnp.array([[0.6, 0.8]]))
    assert jnp.all(nn.AOL(jnp.zeros((3, 2)), None).matrix() == 0)


@pytest.mark.full
def test_random_almost_orthogonal_layers_are_contractive(key):
    """The norm of a Gaussian layer of 64 by 32 is .77 or so."""
    assert 0.7 < norm(nn.AOL(jax.random.normal(key, (64, 32)), None).matrix()) < 0.85


@pytest.mark.full
def test_spectral_normalisation_is_sharp(key):
    weight = jax.random.normal(key, (40, 60))
    layer = nn.SpectralNormalised(weight, None, iterations=9)
    assert 1 - 2e-3 < norm(eqx.filter_jit(lambda layer: layer.matrix())(layer)) <= 1
    zero = nn.SpectralNormalised(jnp.zeros((3, 2)), None)
    compute = jax.value_and_grad(lambda layer: jnp.sum(layer(jnp.ones(2))))
    value, gradient = eqx.filter_jit(compute)(zero)
    assert value == 0 and np.all(np.isfinite(gradient.weight))


@pytest.mark.full
def test_residual_layers_scale_as_they_say(key):
    """T is the largest of this form: `T^(-1) - W W'` is singular where signs allow, here always."""
    layer = perturbed(nn.SLL.draw(4, 6, key))
    weight, scales = layer.matrices()
    m = jnp.sqrt(scales)[:, None] * weight
    assert norm(m) <= 1 + 1e-14
    q = jnp.exp(layer.log_q)
    sums = [sum(abs(weight[i] @ weight[j]) * q[j] / q[i] for j in range(6)) for i in range(6)]
    assert jnp.allclose(1 / scales, jnp.stack(sums))
    positive = nn.SLL(jnp.abs(weight), layer.log_q, layer.bias, "softplus")
    weight, scales = positive.matrices()
    m = jnp.sqrt(scales)[:, None] * weight
    assert abs(norm(m) - 1) < 1e-13


@pytest.mark.full
@pytest.mark.parametrize(("inputs", "outputs"), [(5, 5), (3, 6), (6, 3)])
def test_sandwich_layers_have_orthonormal_rows_and_start_as_isometries(inputs, outputs, key):
    layer = nn.Sandwich.draw(inputs, outputs, key, activation="identity")
    jacobian = jax.jacobian(layer)(jnp.ones(inputs))
    values = jnp.linalg.svd(jacobian, compute_uv=False)
    assert jnp.allclose(values, 1.0, atol=1e-12)
    a, b = perturbed(layer).matrices()
    assert jnp.allclose(a @ a.T + b @ b.T, jnp.eye(outputs), atol=1e-13)
    assert a.shape == (outputs, outputs) and b.shape == (outputs, inputs)


def lipsdp_matrix(weights, multipliers, gamma):
    """The matrix of LipSDP, written down block by block."""
    sizes = [weight.shape[1] for weight in weights]
    starts = np.cumsum([0, *sizes])
    matrix = np.zeros((starts[-1], starts[-1]))
    blocks = [slice(a, b) for a, b in pairwise(starts)]
    matrix[blocks[0], blocks[0]] = gamma**2 * np.eye(sizes[0])
    for k, (weight, multiplier) in enumerate(zip(weights, multipliers, strict=False), 1):
        lam = np.diag(multiplier)
        matrix[blocks[k], blocks[k]] = 2 * lam
        matrix[blocks[k], blocks[k - 1]] = -lam @ weight
        matrix[blocks[k - 1], blocks[k]] = -(lam @ weight).T
    matrix[blocks[-1], blocks[-1]] -= np.asarray(weights[-1]).T @ weights[-1]
    return matrix


@pytest.mark.thin(2)
@pytest.mark.parametrize("gamma", [2.5, 1.0])
def test_ldl_networks_satisfy_lipsdp(gamma, key):
    start = nn.LDL.draw((3, 6, 4, 5, 2), key, constant=gamma)
    compute = eqx.filter_jit(lambda net: (net.matrices(), net.multipliers()))
    for size in (0.1, 0.3, 0.5):
        weights, multipliers = compute(perturbed(start, size))
        smallest = np.linalg.eigvalsh(lipsdp_matrix(weights, multipliers, gamma))[0]
        product = math.prod(norm(w) for w in weights)
        assert smallest > 1e-7 and product > 0.5 * gamma
        # A constant of little less is not certified by these multipliers for long.
        assert np.linalg.eigvalsh(lipsdp_matrix(weights, multipliers, gamma / 10))[0] < 0


@pytest.mark.full
def test_ldl_networks_are_perceptrons(key):
    net = perturbed(nn.LDL.draw((3, 4, 4, 2), key), 0.3)
    x = jnp.array([0.3, -1.0, 2.0])
    assert jnp.array_equal(net(x), net.as_mlp()(x))
    assert net.as_mlp().sizes == (3, 4, 4, 2)


@pytest.mark.full
def test_every_network_that_lipsdp_certifies_is_one(key):
    """The other direction: free parameters are found from the weights of a feasible network."""
    original = perturbed(nn.LDL.draw((3, 4, 3, 2), key), 0.3)
    compute = eqx.filter_jit(lambda net: (net.matrices(), net.multipliers()))
    weights, multipliers = compute(original)
    root, free = np.eye(3), []
    for k, weight in enumerate(weights):
        half = np.ones(2) if k == len(weights) - 1 else np.sqrt(multipliers[k] / 2)
        q = np.linalg.solve(root, (half[:, None] * weight).T).T
        # With I + V'V = L L' and Q = V L'^(-1), I - Q'Q = L^(-1) L'^(-1); so V is Q L'.
        free.append(q @ np.linalg.inv(np.linalg.cholesky(np.eye(q.shape[1]) - q.T @ q)).T)
        lower = np.linalg.cholesky(np.eye(q.shape[0]) + free[-1] @ free[-1].T)
        root = 2 * half[:, None] * np.linalg.inv(lower).T
    found = eqx.tree_at(lambda net: net.weights, original, tuple(map(jnp.asarray, free)))
    for a, b in zip(compute(found)[0], weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.full
def test_deep_networks_start_near_isometries(key):
    """With slopes of one the input arrives; from random free matrices it does not."""
    deep = nn.LDL.draw((8,) * 8, key, activation="identity")
    values = jnp.linalg.svd(jax.jacobian(deep)(jnp.ones(8)), compute_uv=False)
    assert jnp.allclose(values, 4 / math.sqrt(17))
    random = perturbed(deep)
    assert norm(jax.jacobian(random)(jnp.ones(8))) < 0.5


@pytest.mark.full
def test_networks_multiply_constants(key):
    one, two = jax.random.split(key)
    layers = (
        nn.AOL.draw(2, 6, one, activation="gelu"),
        nn.SLL.draw(6, 9, two),
        nn.Cayley.draw(6, 1, one, activation="sigmoid"),
    )
    net = nn.LipschitzNetwork(layers, 3.0)
    assert net.lipschitz == pytest.approx(3 * 1.1289043 / 4)
    x = jnp.array([0.3, -0.4])
    assert jnp.allclose(net(x), 3 * layers[2](layers[1](layers[0](x))))


@pytest.mark.full
@pytest.mark.parametrize("layer", [nn.Cayley, nn.AOL, nn.Sandwich, nn.SpectralNormalised])
def test_networks_of_one_kind(layer, key):
    net = nn.LipschitzNetwork.draw((3, 6, 4, 2), key, layer=layer, scale=2.0)
    assert net(jnp.ones(3)).shape == (2,) and net.lipschitz == 2.0
    last = net.layers[-1]
    assert isinstance(last, nn.AbstractAffineLayer) and last.activation.name == "identity"


@pytest.mark.full
def test_layers_play_games(key):
    """A critic of Lipschitz constant one plays for the distance of two points: it is their norm."""
    critic = nn.LipschitzNetwork.draw((2, 8, 1), key)
    points = jnp.array([[0.0, 0.0], [3.0, 4.0]])

    def payoff(critic, args):
        values = jax.vmap(critic)(points)[:, 0]
        return -(values[1] - values[0])

    game = dg.game(lambda x, args: (payoff(x[0], args),))
    run = dg.solve(game, dg.Simultaneous(0.05), (critic,), max_steps=400)
    distance = -payoff(run.strategy[0], None)
    assert 4.9 < distance <= 5 + 1e-12


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda k: nn.SLL.draw(3, 4, k, activation="groupsort"), "SLL: the activation has slopes"),
        (lambda k: nn.Sandwich.draw(3, 4, k, activation="sin"), "Sandwich: the activation has"),
        (lambda k: nn.LDL.draw((3, 4, 1), k, activation="erf"), "LDL: the activation has slopes"),
        (lambda k: nn.LDL.draw((3, 4, 1), k, constant=0.0), "LDL: the Lipschitz constant is pos"),
        (lambda k: nn.LDL.draw((3,), k), "LDL: sizes are at least two"),
        (lambda k: nn.LDL((jnp.eye(2),), (jnp.ones(2),), (jnp.ones(2),)), "LDL: every layer has"),
        (lambda k: nn.Cayley(jnp.ones((2, 3)), None), "Cayley: the free matrix has at least as"),
        (lambda k: nn.AOL.draw(2, 3, k, activation="relu"), "An activation is one of tanh"),
        (lambda k: nn.LipschitzNetwork(()), "LipschitzNetwork: it has layers"),
        (lambda k: nn.LipschitzNetwork.draw((2, 3, 1), k), "groupsort takes hidden layers of even"),
        (lambda k: nn.LipschitzNetwork.draw((2,), k), "LipschitzNetwork: sizes are at least two"),
    ],
)
def test_errors_say_what_is_wrong(make, words, key):
    with pytest.raises((ValueError, TypeCheckError), match=rf"{words}|Type-check error"):
        make(key)

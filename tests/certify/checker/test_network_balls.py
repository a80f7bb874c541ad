"""Networks in ball arithmetic, against NumPy and JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb_mat, ctx

from certify.checker.network_balls import norm_above
from certify.checker.rederive_neural import PRECISION
from certify.problem.network_contents import flat_weights, network_contents
from certify.prove.neural.ball_bounds import ball_network
from dgames.nn import Activation, mlp
from dgames.strategy import ravel

OTHERS = ("softplus", "sigmoid", "silu", "gelu", "erf", "sin", "identity")
EVERY = ["tanh", "groupsort", *(pytest.param(name, marks=pytest.mark.full) for name in OTHERS)]
X = jax.random.normal(jax.random.key(5), (3, 2))


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(PRECISION):
        yield


def floats(matrix):
    return np.array([[float(x) for x in row] for row in matrix.tolist()])


@pytest.mark.parametrize("name", EVERY)
def test_values_and_gradients_are_those_of_the_code(name):
    net = mlp((2, 4, 6, 2), jax.random.key(0), activation=Activation(name, 2.0), output_bias=True)
    balls = ball_network(network_contents(net, 1.0, None), flat_weights(net))
    at = balls.run(arb_mat(np.asarray(X).T.tolist()))
    assert np.allclose(floats(at.outputs).T, jax.vmap(net)(X), atol=1e-12)
    adjoints = np.random.default_rng(0).normal(size=(2, 3))
    gradient = balls.gradient(at, arb_mat(adjoints.tolist()))
    true = jax.grad(lambda net: jnp.sum(jax.vmap(net)(X) * adjoints.T))(net)
    assert np.allclose([float(x) for x in gradient], ravel((true,))[0], atol=1e-12)


@pytest.mark.parametrize("name", EVERY)
def test_scalars_are_those_of_their_definitions(name):
    net = mlp((2, 4, 1), jax.random.key(0), activation=name)
    balls = ball_network(network_contents(net, 1.0, None), flat_weights(net))
    found = balls.scalars(balls.run(arb_mat(np.asarray(X).T.tolist())))
    a = X @ net.weights[0].T
    hidden = jax.vmap(net.activation)(a)
    lam = net.scales[1] * net.weights[1][0]
    slopes = jax.vmap(jax.jacobian(net.activation))(a)
    assert np.allclose([float(x) for x in found.inputs[1]], jnp.linalg.norm(hidden, axis=1))
    assert np.allclose([float(x) for x in found.slopes[0]], np.linalg.norm(slopes, 2, (1, 2)))
    assert np.allclose([float(x) for x in found.adjoints[0]], jnp.linalg.norm(slopes @ lam, axis=1))
    # The form <lam, s''(a)[u, u]>, whose norm is the curvature.
    form = jax.vmap(jax.hessian(lambda a: lam @ net.activation(a)))(a)
    assert np.allclose([float(x) for x in found.curvatures[0]], np.linalg.norm(form, 2, (1, 2)))
    sizes = abs(lam[::2] - lam[1::2]) / 2 if name == "groupsort" else abs(lam)
    assert np.allclose([float(x) for x in found.entries[0]], max(sizes))


def test_scalars_of_several_outputs_bound_those_of_all_unit_vectors():
    net = mlp((2, 5, 4, 3), jax.random.key(1), activation="tanh")
    balls = ball_network(network_contents(net, 1.0, None), flat_weights(net))
    at = balls.run(arb_mat(np.asarray(X).T.tolist()))
    found = balls.scalars(at)
    rng = np.random.default_rng(0)
    for _ in range(20):
        unit = rng.normal(size=3)
        adjoint = np.tile((unit / np.linalg.norm(unit))[:, None], 3)
        after, before = balls.adjoints(at, arb_mat(adjoint.tolist()))
        for k in range(2):
            for n in range(3):
                size = np.linalg.norm(floats(after[k])[:, n])
                assert size <= float(found.adjoints[k][n]) * (1 + 1e-12)
                assert abs(floats(before[k])[:, n]).max() <= float(found.entries[k][n])


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (3, 20), (40, 30)])
def test_norms_are_bounded_closely_from_above(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    bound, true = float(norm_above(arb_mat(matrix.tolist()))), np.linalg.norm(matrix, 2)
    assert true * (1 - 1e-14) <= bound <= true * (1 + 1e-5)


def test_norms_of_zero_and_of_rank_one():
    assert float(norm_above(arb_mat(2, 3))) == 0
    assert np.isclose(float(norm_above(arb_mat([[2.0, 4.0], [1.0, 2.0]]))), 5.0, rtol=1e-12)

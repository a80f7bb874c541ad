"""Theorem B in exact numbers, against derivatives of networks at points of the region."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker.neural_recursion import (
    BITS,
    Layers,
    Scalars,
    above,
    bend,
    norm_above,
    power_above,
    root_above,
)
from certify.checker.rederive_neural import PRECISION
from certify.problem.network_contents import flat_weights, network_contents, shape_of
from certify.prove.neural.ball_bounds import ball_network, bound_in_file
from dgames.nn import MLP, Activation, mlp
from tests.certify.prove.neural.true_derivatives import derivatives, nearby

NUMBERS = st.fractions(min_value=0, max_value=2**40, max_denominator=2**40)


def number(ball):
    return Fraction(float.fromhex(bound_in_file(ball)))


def bends(net, inputs, radii, input_radius=0.0):
    """The bounds of all inputs, one per row."""
    described = network_contents(net, 1.0, None)
    shape = shape_of(described)
    with ctx.workprec(PRECISION):
        balls = ball_network(described, flat_weights(net))
        at = balls.run(arb_mat(np.asarray(inputs).T.tolist()))
        found = [[[number(x) for x in row] for row in rows] for rows in balls.scalars(at)]
        norms = [number(x) for x in balls.norms()]
    layers = Layers(
        shape.scales,
        shape.biases,
        shape.activation,
        norms,
        [Fraction(float(r)) for r in radii],
        Fraction(float(np.linalg.norm(radii))),
    )
    scalars = [Scalars(*([row[n] for row in rows] for rows in found)) for n in range(len(inputs))]
    return [bend(layers, each, Fraction(input_radius)) for each in scalars]


def violations(net, radius, input_radius, seed, trials=8):
    """Counts how often true derivatives exceed their bounds, at points of the region."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(trials, net.sizes[0]))
    radii = radius * generator.uniform(size=len(net.weights)) ** 2
    found = bends(net, inputs, radii, input_radius)
    unit = generator.normal(size=(trials, net.sizes[-1]))
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    points = nearby(net, radii, inputs, input_radius, generator)
    outputs, jacobians, hessians = derivatives(net, points, unit)
    start, _, _ = derivatives(net, nearby(net, 0 * radii, inputs, 0.0, generator), unit)
    cuts, exceeded = np.cumsum([j.shape[2] for j in jacobians])[:-1].tolist(), 0
    gradients = np.array([[float(x) for x in each.outputs] for each in found])
    second = np.array([[[float(x) for x in row] for row in each.second] for each in found])
    reach = np.array([float(each.reach) for each in found])
    for j, jacobian in enumerate(jacobians):
        norms = np.linalg.norm(jacobian, 2, (1, 2))
        exceeded += int((norms > gradients[:, j] * (1 + 1e-9)).sum())
    for i, rows in enumerate(np.split(hessians, cuts, 1)):
        for j, block in enumerate(np.split(rows, cuts, 2)):
            norms = np.linalg.norm(block, 2, (1, 2))
            exceeded += int((norms > second[:, i, j] * (1 + 1e-9) + 1e-13).sum())
    distance = np.linalg.norm(outputs - start, axis=1)
    return exceeded + int((distance > reach * (1 + 1e-9) + 1e-13).sum())


def drawn(sizes, activation, seed, scale="ntk"):
    """A network with biases, of which some make activations flat."""
    key = jax.random.key(seed)
    net = mlp(sizes, key, activation=activation, scale=scale, output_bias=True)  # pyright: ignore[reportArgumentType]
    generator = np.random.default_rng(seed)
    biases = [generator.normal(size=len(weight)) for weight in net.weights]
    return MLP(net.weights, tuple(map(jnp.asarray, biases)), net.scales, net.activation)


@pytest.mark.parametrize("activation", ["tanh", "groupsort", Activation("softplus", 3.0)])
def test_derivatives_on_the_region_are_within_their_bounds(activation):
    for seed in range(4):
        net = drawn((4, 4, 4, 4), activation, seed)
        assert violations(net, (0.0, 0.1, 1.0, 4.0)[seed], 0.3 * (seed % 2), seed) == 0


EVERY = ["tanh", "softplus", "sigmoid", "silu", "gelu", "erf", "sin", "groupsort", "identity"]


@pytest.mark.full
@pytest.mark.parametrize("activation", EVERY)
def test_derivatives_of_every_activation(activation):
    for seed in range(6):
        sizes = ((4, 4, 4), (4, 4, 4, 4))[seed % 2]
        net = drawn(sizes, Activation(activation, (1.0, 3.0)[seed // 3]), seed, "standard")
        assert violations(net, 10.0 ** (seed % 3 - 2), 0.1 * (seed % 2), seed) == 0


def test_one_hidden_layer_is_nearly_exact_at_a_point():
    """Bound over truth; the comparison of blocks of layers costs a little."""
    net = mlp((4, 32, 1), jax.random.key(1), activation="tanh")
    inputs, none = np.random.default_rng(2).normal(size=(4, 4)), np.zeros(2)
    found = bends(net, inputs, none)
    points = nearby(net, none, inputs, 0.0, np.random.default_rng(0))
    _, _, hessians = derivatives(net, points, np.ones((4, 1)))
    for hessian, each in zip(hessians, found, strict=True):
        true = np.linalg.norm(hessian[4:, 4:], 2)
        bound = float(norm_above([row[1:] for row in each.second[1:]]))
        assert true <= bound <= 1.35 * true
        assert each.reach == 0


def test_a_linear_network_does_not_bend():
    """One layer: the output is linear in its weights, and in both together it is bilinear."""
    net = mlp((3, 2), jax.random.key(0))
    (found,) = bends(net, jnp.ones((1, 3)), [0.5], 0.25)
    assert found.second[1][1] == 0 and found.second[0][1] == 1
    wide = np.linalg.norm(np.asarray(net.weights[0]), 2) + 0.5
    assert np.isclose(float(found.outputs[0]), wide)
    assert np.isclose(float(found.outputs[1]), 3**0.5 + 0.25)


@settings(max_examples=50, deadline=None)
@given(x=NUMBERS, y=NUMBERS)
def test_rounding_is_upward_and_small(x, y):
    assert x <= above(x) <= x * (1 + Fraction(2, 2**BITS))
    assert above(x).numerator.bit_length() <= BITS + 1 or above(x) == x
    assert x <= root_above(x) ** 2 <= x * (1 + Fraction(1, 2**60))
    assert (
        (x / (1 + x)) ** 7 <= power_above(x / (1 + x), 7) <= (x / (1 + x)) ** 7 + Fraction(1, 2**80)
    )
    if x != y:
        assert (above(x) <= above(y)) == (x < y) or above(x) == above(y)


def test_powers_without_end():
    assert 0 < power_above(Fraction(1, 2), 2**60) < Fraction(1, 2**1000)
    assert power_above(Fraction(1, 3), 0) == 1 and power_above(Fraction(0), 5) == 0


@settings(max_examples=30, deadline=None)
@given(entries=st.lists(st.floats(0, 1e6), min_size=10, max_size=10))
def test_norms_are_bounded_from_above_and_closely(entries):
    matrix = np.zeros((4, 4))
    matrix[np.triu_indices(4)] = entries
    matrix = np.maximum(matrix, matrix.T)
    true = np.linalg.norm(matrix, 2)
    bound = float(norm_above([[Fraction(x) for x in row] for row in matrix.tolist()]))
    assert true * (1 - 1e-12) <= bound
    assert bound <= true * 1.5 + 1e-300


def test_norms_of_positive_matrices_are_close():
    matrix = np.random.default_rng(0).uniform(0.1, 1.0, (5, 5))
    matrix = matrix + matrix.T
    bound = norm_above([[Fraction(x) for x in row] for row in matrix.tolist()])
    assert np.isclose(float(bound), np.linalg.norm(matrix, 2), rtol=1e-12)

"""Activation functions by name: values, sharpness, slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb
from jaxtyping import TypeCheckError

from dgames import nn

SCALAR = [name for name in nn.ACTIVATIONS if name != "groupsort"]
# Derivatives in ball arithmetic.
SQRT_PI = arb.pi().sqrt()
DERIVATIVES = {
    "tanh": lambda t: 1 / t.cosh() ** 2,
    "softplus": lambda t: 1 / (1 + (-t).exp()),
    "sigmoid": lambda t: 1 / (2 + t.exp() + (-t).exp()),
    "silu": lambda t: (1 + t / (1 + t.exp())) / (1 + (-t).exp()),
    "gelu": lambda t: (
        (1 + (t / arb(2).sqrt()).erf()) / 2 + t * (-t * t / 2).exp() / (arb(2).sqrt() * SQRT_PI)
    ),
    "erf": lambda t: 2 * (-t * t).exp() / SQRT_PI,
    "sin": lambda t: t.cos(),
    "identity": lambda t: arb(1),
}


@pytest.mark.parametrize("name", SCALAR)
def test_slopes_enclose_the_derivative_closely(name):
    """Points all over the line, in ball arithmetic; extremes are within 2e-7 of the numbers."""
    low, high = nn.Activation(name).slopes
    found = [DERIVATIVES[name](arb(float(t))) for t in np.linspace(-14, 14, 20_001)]
    middles = [float(value.mid()) for value in found]
    assert arb(low) <= min(middles) + 1e-15 and max(middles) <= high + 1e-15
    assert min(middles) - low < 2e-6 and high - max(middles) < 2e-6
    assert nn.Activation(name).steepest == max(-low, high)


def test_derivatives_are_of_the_functions():
    """Guards the test above: the formulas there are derivatives of what JAX computes."""
    points = jnp.linspace(-3.0, 3.0, 13)
    slopes = jax.jit(lambda t: [jax.vmap(jax.grad(nn.Activation(name)))(t) for name in SCALAR])
    for name, found in zip(SCALAR, slopes(points), strict=True):
        expected = [float(DERIVATIVES[name](arb(float(t))).mid()) for t in points]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.thin(3)
@pytest.mark.parametrize("name", ["groupsort", "tanh", "softplus"])
def test_sharpness_keeps_slopes_and_multiplies_curvatures(name):
    sharp, plain = nn.Activation(name, 4.0), nn.Activation(name)
    x = jnp.array([0.3, -0.2])

    @jax.jit
    def derivatives(x):
        return [
            (s(t), jax.jacfwd(s)(t), jax.jacfwd(jax.jacfwd(s))(t))
            for s, t in ((sharp, x), (plain, 4 * x))
        ]

    for k, (one, other) in enumerate(zip(*derivatives(x), strict=True)):
        np.testing.assert_allclose(one, 4.0 ** (k - 1) * other, rtol=1e-12)
    assert sharp.slopes == plain.slopes


def test_groupsort_sorts_pairs_and_keeps_sums():
    """Sharp, it is the sorting of pairs; its Jacobian has eigenvalues 1 and 2 p - 1."""
    x = jnp.array([1.0, 3.0, 5.0, 2.0])
    sharp = nn.Activation("groupsort", 200.0)
    np.testing.assert_allclose(sharp(x), [3.0, 1.0, 5.0, 2.0], atol=1e-12)
    smooth = nn.Activation("groupsort")
    np.testing.assert_allclose(smooth(x)[0::2] + smooth(x)[1::2], [4.0, 7.0])
    values = np.linalg.eigvals(jax.jit(jax.jacfwd(smooth))(jnp.array([1.0, 3.0])))
    p = 1 / (1 + np.exp(2.0))
    np.testing.assert_allclose(sorted(values), [2 * p - 1, 1.0], atol=1e-12)


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", list(nn.ACTIVATIONS))
def test_activations_keep_the_precision_that_they_are_given(name):
    x = jnp.array([0.5, -1.0], jnp.float32)
    assert nn.Activation(name, 2.0)(x).dtype == jnp.float32
    assert nn.Activation(name)(x).shape == (2,)


@pytest.mark.parametrize("wrong", ["relu", nn.Activation("tanh", 0.0), nn.Activation("tanh", -1.0)])
def test_unknown_activations_are_errors(wrong, key):
    words = "An activation is one of tanh, softplus"
    with pytest.raises((ValueError, TypeCheckError), match=rf"{words}|Type-check error"):
        nn.mlp((2, 3, 1), key, activation=wrong)

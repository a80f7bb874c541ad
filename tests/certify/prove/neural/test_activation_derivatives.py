"""Activations as code to be enclosed: their derivatives, and exact constants."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import enclose
from certify.prove.neural.activation_derivatives import DERIVATIVES
from dgames.nn import ACTIVATIONS

X = jnp.linspace(-6.0, 6.0, 49)


def test_every_elementwise_activation_is_there():
    assert {*DERIVATIVES, "groupsort"} == {*ACTIVATIONS}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_those_of_the_activation(name):
    own, true = DERIVATIVES[name], ACTIVATIONS[name]
    first = jax.grad(lambda x: true(x).sum())
    second = jax.grad(lambda x: first(x).sum())
    for code, reference in zip(own, (true, first, second), strict=True):
        assert np.asarray(code(X)) == pytest.approx(np.asarray(reference(X)), abs=1e-13)


def test_constants_are_exact():
    """The enclosures of erf and gelu hold the true numbers, for which floats would not do."""
    x, root = flint.arb("0.75"), flint.arb(2).sqrt()
    gauss = (-x * x / 2).exp() / (2 * flint.arb.pi()).sqrt()
    below = (1 + (x / root).erf()) / 2
    true = {
        "erf": (x.erf(), 2 * (-x * x).exp() / flint.arb.pi().sqrt()),
        "gelu": (x * below, below + x * gauss),
    }
    for name, values in true.items():
        for code, value in zip(DERIVATIVES[name], values, strict=False):
            box = enclose(code)(jnp.array(0.75))
            assert flint.arb(float(box.lower)) < value < flint.arb(float(box.upper))
            assert float(box.width) < 1e-13

"""Layers of `dgames.nn` that have a constant by construction: what is proved is theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
from dgames import nn

LAYERS = {
    "cayley": lambda key: nn.Cayley.draw(4, 6, key, activation="tanh"),
    "aol": lambda key: nn.AOL.draw(6, 4, key),
    "spectral": lambda key: nn.SpectralNormalised.draw(5, 4, key),
    "sandwich": lambda key: nn.Sandwich.draw(4, 6, key, activation="tanh"),
    "ldl": lambda key: nn.LDL.draw((4, 6, 5, 2), key, constant=3.0),
    "network": lambda key: nn.LipschitzNetwork.draw((3, 6, 4, 1), key, scale=2.0),
}


@pytest.mark.thin(3)
@pytest.mark.parametrize("draw", LAYERS.values(), ids=LAYERS)
def test_proved_constants_are_those_of_the_theorems(draw, key):
    """Up to rounding errors; and no sampled Jacobian is larger than what is proved."""
    random = np.random.default_rng(4)
    module = jax.tree.map(
        lambda leaf: leaf + jnp.asarray(0.3 * random.normal(size=leaf.shape)), draw(key)
    )
    proved = certify.lipschitz(module).constant
    assert proved <= module.lipschitz * (1 + (0.05 if isinstance(module, nn.LDL) else 1e-8))
    inputs = {"network": 3, "aol": 6, "spectral": 5}.get(
        next(name for name, other in LAYERS.items() if other is draw), 4
    )
    points = jnp.asarray(random.normal(size=(50, inputs)))
    jacobians = jax.jit(jax.vmap(jax.jacfwd(module)))(points)
    assert np.max(np.linalg.norm(jacobians, ord=2, axis=(1, 2))) <= proved


@pytest.mark.full
def test_scales_of_sandwich_layers_are_read(key):
    """Products of norms see Psi, which pivots cancel."""
    layer = nn.Sandwich.draw(3, 3, key)
    scaled = nn.Sandwich(layer.weight, jnp.array([0.0, 2.0, -1.0]), layer.bias, "softplus")
    assert certify.lipschitz(scaled, method="product").constant > 3
    assert certify.lipschitz(scaled, method="pivots").constant < 1.1


def test_residual_layers_are_not_chains(key):
    with pytest.raises(ValueError, match="a module of type SLL cannot be read"):
        certify.lipschitz(nn.SLL.draw(3, 4, key))

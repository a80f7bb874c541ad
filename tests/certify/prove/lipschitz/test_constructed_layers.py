"""Layers of `dgames.nn` that have a constant by construction: what is proved is theirs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
from dgames import nn
from dgames.nn import AOL, LDL, SLL, Cayley, LipschitzNetwork, Sandwich, SpectralNormalised

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


KEY = jax.random.key(0)


@pytest.mark.thin(2)
@pytest.mark.parametrize("layer", [Cayley, AOL, SpectralNormalised, Sandwich])
def test_layers_have_the_constant_of_their_theorem(layer):
    net = layer.draw(6, 6, KEY)
    moved = eqx.tree_at(lambda n: n.weight, net, net.weight + 0.3)
    for each in (net, moved):
        found = certify.lipschitz(each, method="product").constant
        largest = np.linalg.norm(np.asarray(jax.jacobian(each)(jnp.ones(6))), 2)
        assert largest * (1 - 1e-14) <= found <= 1.0 + 1e-12


def test_residual_layers_have_one(monkeypatch):
    layer = SLL.draw(4, 8, KEY)
    net = LipschitzNetwork((layer, Cayley.draw(4, 3, KEY)), 2.0)
    for module, truth in ((layer, 1.0), (net, 2.0)):
        assert truth <= certify.lipschitz(module).constant <= truth * (1 + 1e-12)
    # Scales that are too large make it more than one: 2 |W|^2 - 1 = 7 with |W| = 2.
    wrong = SLL(jnp.array([[2.0]]), jnp.zeros(1), jnp.zeros(1))
    with monkeypatch.context() as patch:
        patch.setattr(SLL, "scales", lambda self: jnp.ones(1))
        assert 7.0 <= certify.lipschitz(wrong).constant <= 7.0 * (1 + 1e-12)
    with pytest.raises(ValueError, match="residual layers"):
        certify.lipschitz(layer, norm="linf")


@pytest.mark.full
def test_the_multipliers_of_a_whole_network_are_verified():
    net = LDL.draw((2, 8, 8, 1), KEY, constant=3.0)
    keys = jax.random.split(jax.random.key(1), 3)
    weights = tuple(
        w + jax.random.normal(k, w.shape) for w, k in zip(net.weights, keys, strict=True)
    )
    net = eqx.tree_at(lambda n: n.weights, net, weights)
    assert certify.lipschitz(net, method="product").constant <= 3.0 * (1 + 1e-6)
    # A perceptron that is nearly the same does not have the constant.
    assert certify.lipschitz(net.as_mlp(), method="product").constant > 4.0


@pytest.mark.full
def test_networks_of_layers_are_products_and_chains():
    net = LipschitzNetwork.draw((2, 8, 8, 1), KEY, layer=Sandwich, scale=5.0)
    product = certify.lipschitz(net, method="product").constant
    assert product == pytest.approx(5.0, rel=1e-12)
    pivots = certify.lipschitz(net, method="pivots").constant
    assert pivots <= product * (1 + 1e-3)
    sorted_ = LipschitzNetwork.draw((2, 8, 1), KEY, scale=0.5)  # groupsort
    assert certify.lipschitz(sorted_, method="product").constant == pytest.approx(0.5, rel=1e-9)
    jacobian = np.asarray(jax.jacobian(net)(jnp.ones(2)))
    box = certify.Box.around((jnp.ones(2),), 1e-8)
    local = certify.lipschitz(net, box).constant
    assert local == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-5)


def test_floats_that_break_a_theorem_are_noticed():
    weight = jnp.array([[1.0, jnp.nan], [0.0, 1.0]])
    with pytest.raises(ValueError, match="NaN"):
        certify.lipschitz(Cayley(weight, None))
    single = Cayley(jnp.array([[0.0, 0.3], [0.1, 0.0]], jnp.float32), None)
    found = certify.lipschitz(single, method="product").constant
    truth = np.linalg.norm(np.asarray(single.matrix(), np.float64), 2)
    assert truth <= found <= truth * (1 + 1e-13)  # about 1 + 1e-8

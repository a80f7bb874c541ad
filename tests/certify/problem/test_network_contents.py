"""Networks that proofs know are those whose code is the one of the file."""

import jax.numpy as jnp
import pytest

from certify.problem.network_contents import require_network
from dgames.nn import MLP, Activation

HIDDEN, LAST = jnp.ones((4, 1)), jnp.ones((1, 4))


class Lies(Activation):
    """Something else under the name of an activation function."""

    def __call__(self, x):
        return jnp.sin(100 * x)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        # As many numbers as in a network of one output, but this one has four.
        (MLP((HIDDEN, LAST), (jnp.ones(1), jnp.ones(4)), (1.0, 1.0), "tanh"), "bias of layer 1"),
        (MLP((HIDDEN, LAST), (jnp.ones(4), jnp.ones(())), (1.0, 1.0), "tanh"), "bias of layer 2"),
        (MLP((HIDDEN, LAST[0]), (None, None), (1.0, 1.0), "tanh"), "matrices of shapes"),
        (MLP((HIDDEN, LAST), (None,), (1.0, 1.0), "tanh"), "1 biases"),
        (MLP((), (), (), "tanh"), "at least one"),
        (MLP((HIDDEN, LAST), (None, None), (1.0, -1.0), "tanh"), "positive"),
        (MLP((HIDDEN, LAST), (None, None), (1.0, 1.0), Lies("tanh")), "Lies"),
        (MLP((HIDDEN.astype(int), LAST), (None, None), (1.0, 1.0), "tanh"), "float arrays"),
    ],
)
def test_other_networks_are_refused(network, words):
    with pytest.raises(ValueError, match=words):
        require_network(network, "the network")


def test_a_network_is_returned_as_it_is():
    network = MLP((HIDDEN, LAST), (jnp.ones(4), None), (1.0, 0.5), "tanh")
    assert require_network(network, "the network") is network

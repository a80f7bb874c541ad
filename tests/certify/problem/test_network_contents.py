"""Networks that proofs know are those whose code is the one of the file."""

import jax.numpy as jnp
import jaxtyping
import pytest

from certify.problem.network_contents import require_network
from dgames.nn import MLP, Activation

HIDDEN, LAST = jnp.ones((4, 1)), jnp.ones((1, 4))


class Lies(Activation):
    """Something else under the name of an activation function."""

    def __call__(self, x):
        return jnp.sin(100 * x)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        # As many numbers as in a network of one output, but this one has four.
        (((HIDDEN, LAST), (jnp.ones(1), jnp.ones(4)), (1.0, 1.0), "tanh"), "bias of layer 1"),
        (((HIDDEN, LAST), (jnp.ones(4), jnp.ones(())), (1.0, 1.0), "tanh"), "bias of layer 2"),
        (((HIDDEN, LAST[0]), (None, None), (1.0, 1.0), "tanh"), "matrices of shapes"),
        (((HIDDEN, LAST), (None,), (1.0, 1.0), "tanh"), "1 biases"),
        (((), (), (), "tanh"), "at least one"),
        (((HIDDEN, LAST), (None, None), (1.0, -1.0), "tanh"), "positive"),
        (((HIDDEN, LAST), (None, None), (1.0, 1.0), Lies("tanh")), "Lies"),
        (((HIDDEN.astype(int), LAST), (None, None), (1.0, 1.0), "tanh"), "float arrays"),
    ],
)
def test_other_networks_are_refused(parts, words):
    errors = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(errors, match=rf"{words}|Type-check error"):
        require_network(MLP(*parts), "the network")


def test_a_network_is_returned_as_it_is():
    network = MLP((HIDDEN, LAST), (jnp.ones(4), None), (1.0, 0.5), "tanh")
    assert require_network(network, "the network") is network

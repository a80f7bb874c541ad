"""Moves by NumPy are those of JAX's primitives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.graph.moves import move

X = np.arange(24).reshape(2, 3, 4)
CASES = {
    "slice": lambda x: lax.slice(x, (0, 1, 0), (2, 3, 3)),
    "slice with strides": lambda x: lax.slice(x, (0, 0, 1), (2, 3, 4), (1, 2, 3)),
    "reshape": lambda x: lax.reshape(x, (4, 6)),
    "broadcast_in_dim": lambda x: lax.broadcast_in_dim(x, (2, 5, 3, 4), (0, 2, 3)),
    "broadcast_in_dim of one": lambda x: lax.broadcast_in_dim(x[:1], (6, 3, 4), (0, 1, 2)),
    "squeeze": lambda x: lax.squeeze(x[:, :1], (1,)),
    "transpose": lambda x: lax.transpose(x, (2, 0, 1)),
    "concatenate": lambda x: lax.concatenate([x, x[:, :2]], 1),
    "rev": lambda x: lax.rev(x, (0, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_they_are_those_of_jax(name):
    code = jax.make_jaxpr(CASES[name])(X).jaxpr
    values = {code.invars[0]: X}
    for equation in code.eqns:
        operands = [values[x] for x in equation.invars]
        found = move(equation.primitive.name, equation.params, operands)
        assert found is not None
        values[equation.outvars[0]] = found
    assert code.eqns[-1].primitive.name == name.split()[0]
    assert (values[code.outvars[0]] == np.asarray(CASES[name](jnp.asarray(X)))).all()


def test_others_are_left_to_jax():
    assert move("gather", {}, [X]) is None
    assert move("reshape", {"new_sizes": (24,), "dimensions": (2, 1, 0)}, [X]) is None
    assert move("broadcast_in_dim", {}, [X, X]) is None

"""Moves by NumPy are those of JAX's primitives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure.programs.walk import bound, walk
from certify.graph import moves
from certify.graph.builder import GraphError
from certify.graph.moves import MOVED

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
def test_they_are_those_of_jax(name, monkeypatch):
    code = jax.make_jaxpr(CASES[name])(X).jaxpr
    expected = np.asarray(CASES[name](jnp.asarray(X)))
    monkeypatch.setattr(moves, "bound", None)  # JAX is not asked
    values = {code.invars[0]: X}
    for equation in code.eqns:
        operands = [values[x] for x in equation.invars]
        (values[equation.outvars[0]],) = moves.moved(equation, operands, [])
    assert code.eqns[-1].primitive.name == name.split()[0]
    assert (values[code.outvars[0]] == expected).all()


OTHERS = {
    "pad": lambda x: lax.pad(x, x[0, 0, 0], [(1, 0, 0), (0, 0, 1), (0, 0, 0)]),
    "gather": lambda x: x[:, jnp.array([2, 0])],
    "reshape in another order": lambda x: lax.reshape(x, (24,), (2, 1, 0)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_left_to_jax(name):
    def evaluate(equation, operands):
        own = equation.primitive.name
        if own not in MOVED:
            return bound(equation, map(jnp.asarray, operands))
        count = len(operands) if MOVED[own] is None else MOVED[own]
        return moves.moved(equation, list(map(np.asarray, operands[:count])), operands[count:])

    (found,) = walk(jax.make_jaxpr(OTHERS[name])(X), [X], evaluate)
    assert (np.asarray(found) == np.asarray(OTHERS[name](jnp.asarray(X)))).all()


def test_what_is_outside_of_an_array_is_refused():
    code = jax.make_jaxpr(lambda x: x.at[jnp.array([0, 5])].get(mode="fill"))(np.arange(3)).jaxpr
    gather = code.eqns[-1]
    assert gather.primitive.name == "gather"
    with pytest.raises(GraphError, match="outside of an array"):
        moves.moved(gather, [np.arange(3)], [np.array([[0], [5]])])

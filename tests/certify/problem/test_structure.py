"""Stacks of players survive in the file, in the players' order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from certify.checker import Unusable
from certify.problem.structure import describe, players, rebuild


def test_stacks_keep_their_players_in_order():
    x = dg.Stacked({"b": jnp.arange(24.0).reshape(12, 2), "a": -jnp.arange(12.0)})
    description = describe(x)
    assert players(description) == list(zip(dg.player_names(x), dg.dimensions(x), strict=True))
    back = rebuild(description, np.asarray(dg.ravel(x)[0]))
    assert jax.tree.structure(back) == jax.tree.structure(x)
    assert jnp.array_equal(back.blocks["b"], x.blocks["b"])  # not in the order "0", "1", "10", ...


@pytest.mark.parametrize("count", [0, 10**9, -1])
def test_impossible_stacks_are_refused(count):
    description = {"kind": "stacked", "count": count, "block": {"kind": "array", "shape": []}}
    with pytest.raises(Unusable, match="cannot be stacked"):
        rebuild(description, np.ones(3))

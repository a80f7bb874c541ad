"""Random games, and whether all that is proved of them is so, by means that certify has not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from tools.adversarial import games
from tools.adversarial.oracle import examined

pytestmark = pytest.mark.thin(5)

# A game of each kind; `python -m benchmarks.adversarial` takes more, and more regions.
REGIONS = 8


@pytest.mark.full
@pytest.mark.parametrize("seed", range(len(games.KINDS)))
def test_all_that_is_proved_is_so(seed):
    """Regions around the equilibrium are mostly proved."""
    assert examined(seed, REGIONS) >= 2


def test_costs_are_the_same_for_all():
    """Otherwise the oracle would speak of another game."""
    for seed, kind in enumerate(games.KINDS):
        numbers = games.parameters(seed, kind)
        oracle, x = games.Oracle(numbers, kind), np.linspace(-0.5, 0.7, sum(kind.sizes))
        strategy = tuple(map(jnp.asarray, np.split(x, np.cumsum(kind.sizes)[:-1])))
        args = jax.tree.map(jnp.asarray, numbers)
        field = dg.pseudo_gradient(games.game(kind))(strategy, args)
        assert np.allclose(np.concatenate(field), oracle.field(x), rtol=1e-13, atol=1e-13)
        zero = oracle.exact_zero(oracle.zeros(np.random.default_rng(0).normal(size=(9, len(x))))[0])
        assert np.abs(oracle.field(np.array([float(value) for value in zero]))).max() < 1e-13

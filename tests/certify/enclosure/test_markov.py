"""A Markov game whose values solve a linear system: its Jacobians are enclosed in few cells."""

import pytest

from benchmarks.markov import SAMPLED, search


@pytest.mark.slow
def test_the_margin_over_the_cube_is_nearly_the_sampled_one():
    tree, margin = search()
    assert not tree.shortfall
    assert 0.95 * SAMPLED <= margin <= SAMPLED
    assert len(tree.families()) <= 20

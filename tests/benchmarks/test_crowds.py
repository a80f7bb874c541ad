"""The comparison with MFGLib: the same flows, or a row that says that it is not installed."""

import numpy as np
import pytest

from benchmarks.peers import crowds


@pytest.mark.parametrize("case", crowds.cases(), ids=lambda case: f"{case[0]}, {case[2]}")
def test_mfglib_makes_the_same_flows(case):
    if crowds.missing("mfglib"):
        pytest.skip("mfglib is not installed: it needs an environment of its own")
    name, game, rate = case
    ours, theirs = crowds.by_us(game, rate, 20)(), crowds.by_mfglib(name, rate, 20)()
    np.testing.assert_allclose(game.flow((ours,)), game.flow((theirs,)), atol=1e-12)


def test_a_row_says_that_mfglib_is_not_installed(monkeypatch):
    monkeypatch.setattr(crowds, "missing", lambda peer: True)
    rows = list(crowds.rows(quick=True))
    assert len(rows) == len(crowds.cases()) and {row.peer for row in rows} == {"MFGLib"}
    assert all(row.cells()[-1] == "not run: not installed" for row in rows)
    assert "susceptible infected, mirror descent" in {row.what for row in rows}


@pytest.mark.full
def test_our_side_is_mirror_descent_from_the_uniform_policy():
    """One step is a softmax of the values, times the rate."""
    _, game, rate = crowds.cases()[3]
    values = np.asarray(game.action_values(game.uniform()))
    weights = np.exp(rate * values)
    expected = weights / weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(crowds.by_us(game, rate, 1)(), expected, rtol=1e-12)

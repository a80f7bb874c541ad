"""The comparison with OpenSpiel: the same exploitability, or a row that says what is missing."""

import pytest

from benchmarks.peers import trees


@pytest.mark.parametrize("method", trees.METHODS)
def test_openspiel_has_the_same_exploitability(method):
    if trees.missing("pyspiel"):
        pytest.skip("OpenSpiel is not installed: `python -m pip install open_spiel`")
    kuhn = trees.MATCHES[0]
    sides = trees.Ours(kuhn, method), trees.OpenSpiel(kuhn, method, trees.OpenSpiel.PEERS[0])
    for side in sides:
        side.play(3)
        side.play(7)
    assert sides[0].exploitability() == pytest.approx(sides[1].exploitability(), rel=1e-9)


def test_rows_say_that_openspiel_is_not_installed(monkeypatch):
    monkeypatch.setattr(trees, "missing", lambda peer: True)
    rows = list(trees.rows())
    assert len(rows) == 15 and {row.peer for row in rows} == set(trees.OpenSpiel.PEERS)
    assert all(row.cells()[-1] == "not run: not installed" for row in rows)
    assert not any(row.peer.endswith("JAX") for row in rows if row.what.endswith("CFR"))

"""Comparisons with peers: same results, the arithmetic of timing, a page that fits its command."""

import json
import re
import time
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import dgames as dg
from benchmarks.peers import (
    all_equilibria,
    dynamics,
    equilibria,
    generalised,
    lipschitz,
    rates,
    run,
)
from benchmarks.peers.table import COLUMNS, Row, duration, markdown, missing, not_run
from benchmarks.peers.timing import Comparison, compared, in_turns, timed

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
STEPS = 12


# The timing.


def test_ratios_are_taken_turn_by_turn():
    """A load that slows both down in the same turn cancels."""
    found = compared([1.0, 10.0, 100.0], [2.0, 20.0, 200.0])
    assert found == Comparison(10.0, 20.0, 0.5, (0.5, 0.5), 3)
    # Medians of the sides may come from different turns; the ratio does not.
    assert compared([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).ratio == 1.0
    assert compared([1.0, 9.0, 9.0], [1.0, 3.0, 9.0]).quartiles == (1.0, 2.0)


def test_functions_run_in_turns():
    order = []
    names = "abc"
    functions = [lambda name=name: order.append(name) for name in names]
    seconds = in_turns(functions, 3)
    assert "".join(order) == "abcabcabc"
    assert [len(column) for column in seconds] == [3, 3, 3]
    assert all(value >= 0 for column in seconds for value in column)


def test_seconds_are_per_unit(monkeypatch):
    clock = iter([0.0, 6.0, 6.0, 10.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert in_turns([lambda: None, lambda: None], 1, (3, 8)) == [[2.0], [0.5]]


def test_results_are_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(jax, "block_until_ready", lambda x: waited.append(x) or x)
    assert timed(lambda: 7)[0] == 7 and waited == [7]


# The table.


def test_rows_render():
    time = Comparison(2e-6, 1e-3, 0.002, (0.001, 0.004), 5)
    row = Row("a game", "somebody", time, "step", (1.5, None), "same")
    cells = ("a game", "somebody", "2 us/step", "1 ms/step", "**0.002**", "0.001-0.004", "1.5 s")
    assert row.cells() == (*cells, "-", "same")
    absent = not_run("a game", "nobody", "not installed")
    lines = markdown([row, absent]).splitlines()
    assert all(line.count("|") == len(COLUMNS) + 1 for line in lines) and len(lines) == 4
    assert lines[3].endswith("| not run: not installed |")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ns"), (9.994e-7, "999 ns"), (1e-6, "1 us"), (0.0123, "12.3 ms"), (61.0, "61 s")],
)
def test_durations_have_units(seconds, text):
    assert duration(seconds) == text


# The comparisons compute the same.


def problems():
    return [dynamics.quadratic(4, (STEPS, STEPS)), dynamics.networks(3, 5, (STEPS, STEPS))]


@pytest.mark.full
@pytest.mark.parametrize(
    ("which", "name", "tests"),
    [
        (0, "simultaneous", "same work"),
        (0, "optimistic", "no test"),
        (0, "complex momentum", "residual test"),
        (1, "extragradient", "same work"),
    ],
)
def test_loops_by_hand_follow_the_same_path(which, name, tests):
    problem, method = problems()[which], dynamics.METHODS[name]
    ours = dynamics.by_us(problem, method)(STEPS)
    assert dynamics.distance(ours, problem.start) > 1e-3
    theirs = dynamics.by_hand(problem, method, tests)(STEPS)
    assert dynamics.distance(ours, theirs) < 1e-13


def test_the_loop_of_optax_follows_the_same_path():
    problem = problems()[0]
    for name, rule in (
        ("simultaneous", optax.sgd(dynamics.STEP)),
        ("optimistic, reflected", optax.optimistic_gradient_descent(dynamics.STEP)),
    ):
        ours = dynamics.by_us(problem, dynamics.METHODS[name])(STEPS)
        theirs = dynamics.by_optax(problem, rule)(STEPS)
        assert dynamics.distance(ours, theirs) < 1e-13


def test_pytorch_follows_the_same_path():
    if missing("torch"):
        pytest.skip("torch is not installed: extra `peers`")
    for problem in problems():
        for name in ("extragradient", "complex momentum"):
            method = dynamics.METHODS[name]
            ours = dynamics.by_us(problem, method)(3)
            theirs = dynamics.by_torch(problem, method, compiled=False)(3)
            assert dynamics.distance(ours, theirs) < 1e-13


def test_loops_by_hand_stop_at_the_tolerance():
    """Where ours stops: a loop that goes on would be no fair peer."""
    problem, method = problems()[0], dynamics.METHODS["extragradient"]
    (game, start), budget = problem.game, STEPS
    residuals = dg.solve(game, method.ours, start, max_steps=budget, tol=0).history.residual
    tol = float(residuals[5] + residuals[6]) / 2  # they fall
    ours = dg.solve(game, method.ours, start, max_steps=budget, tol=tol)
    assert int(ours.steps) == 6
    for tests, stops in (("same work", True), ("residual test", True), ("no test", False)):
        theirs = dynamics.by_hand(problem, method, tests)(budget, tol)
        assert (dynamics.distance(jax.tree.leaves(ours.strategy), theirs) < 1e-13) == stops


@pytest.mark.full
def test_example_games_have_their_published_equilibria():
    """The README of nashopt gives one; the market has a closed form; the third is at its bounds."""
    three, market, two = equilibria.examples()
    np.testing.assert_allclose(equilibria.by_us(three)(), [1.0, 0.0, 0.0, 0.5], atol=1e-9)
    # x_i = 600 - c_i - S with the sum S = (6000 - sum c) / 11.
    costs = 10 * (1 + np.arange(10) / 2)
    total = (6000 - costs.sum()) / 11
    np.testing.assert_allclose(equilibria.by_us(market)(), 600 - costs - total, atol=1e-8)
    np.testing.assert_allclose(equilibria.by_us(two)(), [-1.5] * 10 + [3.0] * 10, atol=1e-9)
    for example in (three, market, two):
        if example.shared is not None:
            assert bool((example.shared[0](equilibria.by_us(example)()) <= 1e-9).all())


@pytest.mark.parametrize("name", equilibria.matrix_games())
def test_matrix_games_have_no_gap(name):
    payoffs = equilibria.matrix_games()[name]
    solver = equilibria.by_quantal_responses if name == "README" else equilibria.by_mirror
    assert float(dg.nash_gap(dg.games.MatrixGame(*payoffs), solver(payoffs)())) < 1e-8


def test_peers_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(equilibria, "missing", lambda peer: True)
    monkeypatch.setattr(rates, "missing", lambda peer: True)
    rows = [equilibria.nashpy_row("pennies", (np.eye(2), -np.eye(2)), "Lemke-Howson", 1)]
    rows += [*rates.rows(quick=True), *equilibria.nashopt_rows(1)]
    assert all(row.time is None and "not installed" in row.cells()[-1] for row in rows)
    assert {"nashpy, Lemke-Howson", "PEPit", "nashopt"} == {row.peer for row in rows}


def test_all_equilibria_are_compared_as_sets(monkeypatch):
    sets: dict = {"ours": None}

    def peer(tables):
        found = dg.bimatrix_equilibria(tables)
        sets["ours"] = [(e.x, e.y) for e in found]
        return lambda: sets["ours"][1:] + [("another", "pair")] * sets["more"]

    monkeypatch.setattr(all_equilibria, "by_gambit", peer)
    found = []
    for more, kind in enumerate(all_equilibria.KINDS):
        sets["more"] = more
        for tables in all_equilibria.draws(1, kind):
            assert tables.shape[0] == 2 and max(tables.shape) <= 6
            found.append(all_equilibria.compare(tables, "pygambit"))
    assert [(one.lacks, one.more) for one in found] == [(1, 0), (1, 1), (1, 1)]
    assert "the same sets in 0; others in" in all_equilibria.summary(found)
    assert "lack 3 equilibria and have 2 more" in all_equilibria.summary(found)
    same = [all_equilibria.Found((1.0, 1.0), False, 0, 0)]
    assert all_equilibria.summary(same) == "1 games, 0 degenerate: the same sets"


def test_lipschitz_constants_agree_with_those_of_a_solver(monkeypatch):
    monkeypatch.setattr(lipschitz, "missing", lambda peer: True)
    rows = list(lipschitz.rows(quick=True))
    assert [row.time is None for row in rows] == [True, False]
    ours, theirs = re.findall(r"(?:ours|theirs) ([\d.]+)", rows[1].results)
    assert float(ours) == pytest.approx(float(theirs), rel=0.01)


# The command and its page.


def test_the_command_writes_the_page_and_the_numbers(tmp_path, monkeypatch, capsys):
    class Fake:
        TITLE, ABOUT = "A comparison", "What is compared.\n"

        @staticmethod
        def rows(quick):
            assert quick
            return [not_run("a game", "nobody", "not installed")]

    monkeypatch.setitem(run.COMPARISONS, "dynamics", Fake)
    files = tmp_path / "page.md", tmp_path / "rows.json"
    options = ["--quick", "--markdown", str(files[0]), "--json", str(files[1])]
    run.main(["dynamics", *options])
    text = files[0].read_text()
    assert run.COMMAND in text and "## A comparison\n\nWhat is compared.\n\n| what |" in text
    data = json.loads(files[1].read_text())
    assert [row["peer"] for row in data["rows"]["dynamics"]] == ["nobody"]
    assert "jax " in data["machine"] and "not run: not installed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run.main(["no such comparison"])


def test_the_page_is_of_the_present_command():
    text = PAGE.read_text(encoding="utf-8")
    assert f"```sh\n{run.COMMAND}\n```" in text
    assert "\nPython " not in text and re.search(r"\d+ cores \(.+\), Linux, Python 3\.\d+", text)
    for name, comparison in run.COMPARISONS.items():
        section = text.partition(f"## {comparison.TITLE}\n")[2].partition("\n## ")[0]
        assert comparison.ABOUT.strip() in section, f"run the command again: {name}"
        table = [line for line in section.splitlines() if line.startswith("| ")]
        assert table[0] == f"| {' | '.join(COLUMNS)} |"
        assert len(table) > 3 and len({line.count("|") for line in table}) == 1


def test_the_page_has_a_row_for_every_peer():
    text = PAGE.read_text(encoding="utf-8")
    peers = {line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ")}
    wanted = {"optax", "immrax", "PEPit", "nashopt", "PyTorch, eager", "procedure, 256 corners"}
    assert wanted | {"loop, same work", "nashpy, support enumeration"} <= peers
    assert "not run" not in text


@pytest.mark.full
@pytest.mark.parametrize("problem", generalised.problems(), ids=lambda each: each.example.name)
def test_games_with_shared_constraints_are_proved(problem):
    found = generalised.proof(problem)
    assert found.status == "proved" and found.check(level=2).ok
    ours = generalised.by_us(problem)()
    gap = np.abs(np.concatenate([np.ravel(x) for x in found.equilibrium.center]) - ours)
    assert gap.max() <= found.equilibrium.radius + 1e-8

"""The running cost of newer methods and fields: loops by hand and in PyTorch do the same."""

import functools
import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from benchmarks.peers import competitive_gradients, dynamics, fields_by_hand, running_cost
from benchmarks.peers.methods_by_hand import METHODS
from benchmarks.peers.table import missing

STEPS = 12
NAMES = [
    *(f"{name}, loop, same work" for name in (*METHODS, *fields_by_hand.FIELDS)),
    "variance-reduced Halpern, 16 data, loop, same work",
    *(
        f"{name}, loop, {solvers}"
        for name in ("competitive Adam", *fields_by_hand.DEFINITE, *fields_by_hand.GENERAL)
        for solvers in ("lineax", "JAX's solver")
    ),
]
QUICK = ("moving anchor", "stable opponent shaping", "competitive Adam, loop, lineax")


@functools.cache
def cases(kind):
    size = (STEPS, STEPS)
    problem = dynamics.quadratic(4, size) if kind == "quadratic" else dynamics.networks(3, 5, size)
    both = running_cost.cases(problem), running_cost.solving_cases(problem)
    return {f"{case.name}, {case.peer}": case for case in itertools.chain(*both)}


def compare(case):
    """The loop by hand ends where ours does."""
    ours, theirs = case.ours()(STEPS), case.theirs()(STEPS)
    assert dynamics.distance(ours, case.problem.start) > 1e-3
    assert dynamics.distance(ours, theirs) < 1e-12


def test_all_cases_are_named_here():
    assert sorted(cases("quadratic")) == sorted(NAMES)
    definite = running_cost.solving_cases(dynamics.quadratic(4), general=False)
    assert not {case.name for case in definite} & {*fields_by_hand.GENERAL}


@pytest.mark.parametrize(
    "name",
    [
        name if name.startswith(QUICK) else pytest.param(name, marks=pytest.mark.full)
        for name in NAMES
    ],
)
def test_loops_by_hand_follow_the_same_path(name):
    compare(cases("quadratic")[name])


@pytest.mark.full
@pytest.mark.parametrize(
    "name",
    [
        "K-beam, 4 candidates, loop, same work",
        "variance-reduced Halpern, 16 data, loop, same work",
        "LOLA, loop, same work",
    ],
)
def test_loops_by_hand_follow_the_same_path_on_networks(name):
    compare(cases("networks")[name])


def test_competitive_gradients_of_pytorch_are_ours():
    if missing("torch"):
        pytest.skip("torch is not installed: extra `peers`")
    instance = competitive_gradients.instance(3)
    ours = competitive_gradients.by_us(instance)(STEPS)
    theirs = competitive_gradients.by_torch(instance)(STEPS)
    assert dynamics.distance(ours, jax.tree.leaves(instance[1])) > 1e-3
    assert dynamics.distance(ours, theirs) < 1e-11


def test_competitive_gradients_on_covariances_are_those_of_the_dense_system():
    """The side that is ours, where PyTorch may be missing."""
    game, (W, V) = competitive_gradients.instance(2)
    alpha = competitive_gradients.ALPHA
    found = competitive_gradients.by_us((game, (W, V)))(1)
    S, W, V = map(np.asarray, (game.covariance, W, V))
    force = np.concatenate([(V @ V.T - S).ravel(), (-(W + W.T) @ V).ravel()])
    one = np.eye(4).reshape(4, 2, 2)
    across = np.stack([(U @ V.T + V @ U.T).ravel() for U in one], 1)
    back = np.stack([(-(U + U.T) @ V).ravel() for U in one], 1)
    zero = np.zeros((4, 4))
    step = np.linalg.solve(np.eye(8) + alpha * np.block([[zero, across], [back, zero]]), force)
    expected = np.concatenate([W.ravel(), V.ravel()]) - alpha * step
    np.testing.assert_allclose(np.concatenate([np.ravel(x) for x in found]), expected, atol=1e-12)


def test_rows_say_that_pytorch_is_not_installed(monkeypatch):
    monkeypatch.setattr(competitive_gradients, "missing", lambda peer: True)
    rows = list(competitive_gradients.rows())
    assert [row.what for row in rows] == [competitive_gradients.name(d) for d in (20, 40, 60)]
    assert all(row.cells()[-1] == "not run: not installed" for row in rows)


def test_a_row_has_times_and_agreement():
    """Of the cheapest case, timed so briefly that a turn is the smallest number of steps."""
    case = cases("quadratic")["rescaled, loop, same work"]
    row = running_cost.row(case, turns=2, seconds=0.0, compiled=False)
    assert row.time is not None and row.time.turns == 2 and row.unit == "step"
    assert row.what == "quadratic, 2 x 4: rescaled" and row.cold[0] is not None
    assert row.results.startswith("after 10 steps ") and float(row.results.split()[3]) < 1e-13
    assert running_cost.row(case, 1, 0.0, compiled=True).cold[0] is None


def test_steps_are_counted_where_both_sides_stop():
    """A step of length one ends at the zero of the field, but for roundings of 0.002."""
    game = dg.zero_sum(lambda x, args: 0.5 * (x[0] ** 2 - x[1] ** 2))
    start = (jnp.array(1.0), jnp.array(1.0))
    problem = replace(dynamics.quadratic(4), game=(dg.Rescaled(game, 500.0), start))
    case = running_cost.Case("", "", problem, running_cost.SIMULTANEOUS, problem.field)
    assert case.taken(1) == 1 <= case.taken(100) < 100


def test_steps_are_doubled_until_they_take_long_enough(monkeypatch):
    monkeypatch.setattr(running_cost, "timed", lambda fn, clock: (None, float(fn())))
    assert running_cost.enough(lambda steps: steps, 75.0, 1000) == 80
    assert running_cost.enough(lambda steps: steps, 1e9, 100) == 100

"""The ladder of metrics: how far it reaches, when it is climbed, and solvers that lie."""

import sys

import numpy as np
import pytest

import certify
import dgames as dg
from certify.metric import best_matrix as lmi
from certify.metric.best_matrix import abscissa, best_matrix, margin_in
from certify.metric.ladder import climb
from certify.metric.metric import Metric

pytestmark = pytest.mark.thin(3)

# All eigenvalues are 1, yet no metric of weights has a margin of more than -1: two players whose
# couplings are -2 both ways have an eigenvalue -1 among themselves.
SHEAR = np.array([[1.0, -2.0, 2.0], [-2.0, 1.0, 0.0], [-2.0, 0.0, 1.0]])


def random_jacobian(rng, players, d, kind):
    """As in benchmarks/metrics.py."""
    n = players * d
    J = np.zeros((n, n)).reshape(players, d, players, d)
    for i in range(players):
        root = rng.standard_normal((d, d))
        J[i, :, i] = root.T @ root / d + 0.75 * np.eye(d)
        for j in range(i):
            for a, b, norm in ((i, j, 0.05), (j, i, 5.0)):
                matrix = rng.standard_normal((d, d))
                norm = {"random": 0.5, "zero-sum": 2.0}.get(kind, norm)
                J[a, :, b] = norm * matrix / np.linalg.norm(matrix, 2)
            if kind == "zero-sum":
                J[i, :, j] = -J[j, :, i].T
    return J.reshape(n, n)


@pytest.mark.parametrize(("players", "d"), [(2, 4), (4, 3), (8, 2)])
@pytest.mark.parametrize("kind", ["random", "zero-sum", "asymmetric"])
def test_games_with_a_margin_in_any_metric_get_one(players, d, kind):
    rng, found = np.random.default_rng(0), 0
    for _ in range(40):
        J = random_jacobian(rng, players, d, kind)
        bound = abscissa(J[None])
        if bound < 0.1:
            continue
        ladder = climb(J[None], (d,) * players)
        assert 0 < ladder.chosen.margin <= bound + 1e-9
        assert ladder.chosen.margin >= 0.45 * bound
        found += 1
        if found == 3:
            break
    assert found or (players, kind) in ((8, "random"), (8, "asymmetric"))


def test_what_each_rung_gives():
    ladder = climb(SHEAR[None], (1, 1, 1))
    margins = {rung.name: rung.margin for rung in ladder.rungs}
    assert margins["Euclidean"] == pytest.approx(-1.0)
    assert margins["weights"] == pytest.approx(-1.0, abs=1e-2)
    assert margins["weights by LMI"] == pytest.approx(-1.0, abs=1e-2)
    assert ladder.chosen.name == "full"
    assert 0.75 < ladder.chosen.margin < ladder.bound == pytest.approx(1.0, abs=1e-4)
    assert "full" in str(ladder)
    assert "estimated by sampling" in str(ladder)


def test_weights_are_kept_where_they_suffice(monkeypatch):
    def never(*arguments):
        raise AssertionError("no semidefinite program was needed")

    monkeypatch.setattr("certify.metric.ladder.best_matrix", never)
    for J in (
        [[1.0, 10.0], [0.05, 1.0]],
        [[1.0, 100.0], [-100.0, 1.0]],
        [[0.5, 100.0], [-100.0, 1.0]],
        [[0.0, 1.0], [-1.0, 0.0]],  # no metric has a margin
    ):
        assert climb(np.array([J]), (1, 1)).chosen.name == "weights"
    assert climb(SHEAR[None], (1, 1, 1), "weights").chosen.name == "weights"


def test_a_metric_for_each_player():
    """A rotation between the players that blocks undo: block metrics reach the bound."""
    rng = np.random.default_rng(1)
    P = [np.diag([1.0, 9.0]), np.diag([1.0, 0.1])]
    own, A = [np.eye(2), np.eye(2)], 3.0 * rng.normal(size=(2, 2))
    J = np.block([[own[0], np.linalg.solve(P[0], A)], [-np.linalg.solve(P[1], A.T), own[1]]])
    ladder = climb(J[None], (2, 2))
    assert ladder.chosen.name == "block"
    assert ladder.chosen.margin == pytest.approx(1.0, abs=0.08)
    assert climb(J[None], (2, 2), "block").chosen.name == "block"
    off = ladder.chosen.weighting[:2, 2:]
    assert not off.any()


def test_many_jacobians_at_once():
    """The program sees few of them; the metric has to serve all."""
    rng = np.random.default_rng(2)
    J = SHEAR + 0.02 * rng.normal(size=(200, 3, 3))
    matrix = best_matrix(J, (1, 1, 1), "full", np.ones(3))
    assert matrix is not None
    assert 0.9 * abscissa(J) < margin_in(J, matrix) < abscissa(J)
    assert Metric(matrix).condition <= lmi.CONDITION


def test_the_program_learns_from_a_solution_that_is_worse_elsewhere():
    """A zero-sum game in whose worst corners the identity is as good as it is anywhere."""
    a, b = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 256))
    turn = 3.0 + 6.0 * b**2
    rows = [[np.full(256, 0.1), turn], [-turn, 4.0 - 12.0 * a * b]]
    J = np.moveaxis(np.array(rows), -1, 0)
    matrix = best_matrix(J, (1, 1), "full", np.ones(2))
    assert matrix is not None
    assert margin_in(J, np.eye(2)) < 0.11 < 0.7 * abscissa(J) < margin_in(J, matrix)


def never_below(shear, certificate):
    """What is proved of all points is true of one."""
    step = np.asarray(dg.step_jacobian(shear.game, dg.Simultaneous(1.0), shear.region.center))
    assert margin_in((np.eye(3) - step)[None], certificate.metric) >= certificate.margin


LIES = {
    "NaN": lambda margin: np.full((3, 3), np.nan),
    "nothing": lambda margin: None,
    "text": lambda margin: "optimal",
    "indefinite": lambda margin: np.diag([1.0, 1.0, -1.0]),
    "singular": lambda margin: np.ones((3, 3)),
    "wrong": lambda margin: np.diag([1.0, 1e6, 1e-6]),
    "wrong shape": lambda margin: np.eye(2),
    "not symmetric": lambda margin: np.triu(np.ones((3, 3))),
    "complex": lambda margin: np.eye(3) * 1j,
}


@pytest.mark.full
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_when_the_solver_lies_nothing_false_is_proved(shear, lie, monkeypatch):
    monkeypatch.setattr(lmi, "program", lambda *arguments: lie)
    with_lyapunov = certify.certify(shear.game, shear.region)
    assert with_lyapunov.status == "proved"
    never_below(shear, with_lyapunov)
    monkeypatch.setattr(lmi, "_lyapunov", lambda jacobian: [lie(0.0)])
    assert certify.certify(shear.game, shear.region).status == "undecided"


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.diag([1.0, 1e6, 1e-6]), np.eye(3) + 0.9 * (1 - np.eye(3))]
)
def test_when_the_whole_ladder_lies_nothing_is_proved(shear, matrix, monkeypatch):
    """Sampling is lied about as well: then it is the cells that have no margin."""
    monkeypatch.setattr("certify.metric.ladder.sampled_margin", lambda *arguments: 1.0)
    found = certify.certify(shear.game, shear.region, metric=certify.Matrix(matrix))
    assert found.status == "undecided"
    assert "margin" in found.reasons[0]


def test_without_cvxpy_the_ladder_is_shorter(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    ladder = climb(SHEAR[None], (1, 1, 1))
    assert [rung.name for rung in ladder.rungs] == [
        "Euclidean",
        "small-gain weights",
        "weights",
        "full",
    ]
    assert ladder.chosen.name == "full"
    assert ladder.chosen.margin > 0.5


def test_no_matrix_without_curvature():
    """A margin in a matrix, but a player whose cost is not convex: no equilibrium would follow."""
    J = np.array([[1.0, 3.0], [-2.0, -0.2]])
    assert abscissa(J[None]) > 0.3
    ladder = climb(J[None], (1, 1))
    assert ladder.chosen.weighting.ndim == 1
    assert ladder.chosen.margin <= 0

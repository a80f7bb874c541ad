"""Hexner's game: published and closed values, and the belief tree by convex hulls on a grid."""

import jaxtyping
import numpy as np
import pytest

from dgames.dynamic import Hexner

REST = np.zeros(2)


def test_values_and_times_of_the_double_integrator():
    game = Hexner.double_integrator(0.025, 0.1)
    assert game.value(REST, REST, 0.5) == pytest.approx(-1 / 3, abs=1e-12)
    assert game.reveal_time() == pytest.approx(1 - 0.15 ** (1 / 3), abs=1e-12)
    assert game.value(REST, REST, 0.25) == pytest.approx(-0.29025, abs=5e-6)
    assert game.value(REST, REST, 0.1) == pytest.approx(-0.223041, abs=5e-7)
    # Full information: everybody aims at the target from the start.
    assert game.value(REST, REST, 1.0) == pytest.approx(-0.1610017889, abs=1e-10)
    # A player who is not cheaper to move never reveals.
    strong = Hexner.double_integrator(0.1, 0.025)
    assert strong.value(REST, REST, 0.5) == 0.0 and strong.reveal_time() == 1.0
    assert strong.value(REST, REST, 1.0) == pytest.approx(0.1610017889, abs=1e-10)


def test_the_single_integrator():
    game = Hexner.single_integrator(0.025, 0.1)
    assert game.value([0.0], [0.0], 0.5) == pytest.approx(-1 / 3, abs=1e-12)
    assert game.reveal_time() == pytest.approx(1 - np.sqrt(0.0025), abs=1e-12)
    assert game.advantage(0.3) == pytest.approx(0.025 / 0.325 - 0.1 / 0.4, abs=1e-12)


def test_discrete_time():
    game = Hexner.double_integrator(0.025, 0.1, steps=10)
    assert game.value(REST, REST, 0.5) == pytest.approx(-0.3306061112, abs=1e-10)
    assert game.reveal_time() == 0.5
    fine = Hexner.double_integrator(0.025, 0.1, steps=2000)
    assert fine.value(REST, REST, 0.5) == pytest.approx(-1 / 3, abs=1e-6)


def test_the_belief_tree_on_a_grid():
    """Backwards over steps: play one step, then take the convex hull over what can be believed."""
    steps, step = 10, 0.1
    game = Hexner.double_integrator(0.025, 0.1, steps=steps)
    A, B = np.array([[1.0, step], [0.0, 1.0]]), np.array([[step**2 / 2], [step]])
    beliefs = np.linspace(0, 1, 101)
    means = 2 * beliefs - 1
    # Of each mean: player i's P and its linear and constant terms, by scalar Riccati steps.
    P = [np.diag([1.0, 0.0])] * 2
    aims = np.array([1.0, 0.0])  # x - m aim, with the aim where nothing has to be done
    secret = np.zeros(len(beliefs))
    for _ in range(steps):
        aims = np.linalg.solve(A, aims)
        for i, cost in enumerate((0.025, 0.1)):
            gain = np.linalg.solve(step * cost + B.T @ P[i] @ B, B.T @ P[i] @ A)
            P[i] = A.T @ P[i] @ A - A.T @ P[i] @ B @ gain
        advantage = aims @ (P[0] - P[1]) @ aims
        total = secret + means**2 * advantage
        hull = lower_hull(means, total)
        secret = hull - means**2 * advantage
    value = means**2 * (aims @ (P[0] - P[1]) @ aims) + secret
    for p in (0.5, 0.25, 0.9):
        at = round(100 * p)
        assert value[at] == pytest.approx(game.value(REST, REST, p), abs=1e-12)


def lower_hull(x, y):
    """The largest convex function below the points, on their grid."""
    kept = []
    for point in zip(x, y, strict=True):
        while len(kept) > 1:
            (a, b), (c, d) = kept[-2:]
            if (d - b) * (point[0] - a) < (point[1] - b) * (c - a):
                break
            kept.pop()
        kept.append(point)
    corners = np.array(kept)
    return np.interp(x, corners[:, 0], corners[:, 1])


def test_play_has_the_value():
    """With the optimal gains the cost of the true path, averaged over types, is the value."""
    game, pieces = Hexner.double_integrator(0.025, 0.1), 4000
    h, reveal = 1 / pieces, game.reveal_time()
    total = 0.0
    for kind in (1.0, -1.0):
        x = np.zeros((2, 2))
        for k in range(pieces):
            t = (k + 0.5) * h
            aim = kind * game.target if t >= reveal else 0 * game.target
            back = np.array([[1.0, -(1 - t)], [0.0, 1.0]])  # exp(-A s)
            u = np.array([-(game.gain(i + 1, t) @ (x[i] - back @ aim))[0] for i in (0, 1)])
            total += h * (0.025 * u[0] ** 2 - 0.1 * u[1] ** 2) / 2
            x = x + h * np.stack([x[:, 1] + h * u / 2, u], axis=1)
        miss = (x[:, 0] - kind) ** 2
        total += (miss[0] - miss[1]) / 2
    assert total == pytest.approx(-1 / 3, abs=2e-3)


def test_bad_games_are_one_sentence():
    with pytest.raises(ValueError, match="R1 must be positive definite"):
        Hexner.double_integrator(0.0, 0.1)
    with pytest.raises(ValueError, match="must be positive"):
        Hexner.double_integrator(0.1, 0.1, duration=0.0)
    game = Hexner.double_integrator(0.1, 0.2)
    with pytest.raises(ValueError, match="the belief is 2"):
        game.value(REST, REST, 2.0)
    with pytest.raises(ValueError, match="the time is 3"):
        game.reveal_time(3.0)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"shape|Type-check error"):
        Hexner(np.eye(2), np.eye(2), np.eye(3), np.eye(2), np.eye(2), np.ones(2))

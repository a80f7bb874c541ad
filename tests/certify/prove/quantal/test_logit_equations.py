"""Balls of the logit equations, against floats inside them and finite differences."""

import numpy as np
import pytest

from certify.prove.quantal.ball_arrays import BallArray, products_of_probabilities, softmax
from certify.prove.quantal.logit_equations import LogitEquations
from dgames.games import MatrixGame, PreferenceGame


def inside(ball, values, slack=1e-12):
    return np.all(ball.lower - slack <= values) and np.all(values <= ball.upper + slack)


def probabilities(logits):
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


@pytest.mark.parametrize("size", (1, 2, 4))
@pytest.mark.parametrize("radius", (0.0, 1e-3, 3.0))
def test_probabilities_and_their_products(size, radius):
    random = np.random.default_rng(size)
    for _ in range(5):
        box = BallArray(random.normal(0, 5, size), np.full(size, radius))
        p = softmax(box)
        pairs = products_of_probabilities(p)
        points = box.middle + radius * random.choice([-1, -0.3, 1], (40, size))
        every = np.array([probabilities(point) for point in points])
        products = np.array([np.outer(q, q) * (1 - np.eye(size)) for q in every])
        assert inside(p, every) and inside(pairs, products)
        if size > 1 and radius:
            # The corners are attained.
            first = box.middle + radius * np.where(np.arange(size) == 0, 1, -1)
            assert abs(p.upper[0] - probabilities(first)[0]) < 1e-12


def test_extreme_logits():
    p = softmax(BallArray(np.array([-2000.0, 0.0, 900.0]), np.array([0.0, 1800.0, 0.0])))
    assert inside(p, [0.0, 0.0, 1.0]) and inside(p, [0.0, 1.0, 0.0])
    assert p.upper[0] < 1e-300
    assert inside(softmax(BallArray(np.array([1e300, 0.0]), np.zeros(2))), [1.0, 0.0])


GAMES = (
    MatrixGame(*np.random.default_rng(0).normal(size=(2, 3, 2))),
    MatrixGame(*np.random.default_rng(1).normal(size=(3, 2, 3, 2))),
    PreferenceGame([[0.5, 0.3, 0.9], [0.7, 0.5, 0.25], [0.1, 0.75, 0.5]], 3),
)


@pytest.mark.parametrize("game", GAMES)
def test_derivatives(game):
    equations = LogitEquations(game)
    random = np.random.default_rng(2)
    count = equations.count + 1
    box = BallArray(random.normal(size=count) + 0.5, np.full(count, 0.05))
    bounds = equations.linearised(box)
    value, _ = equations.in_floats(box.middle)
    assert inside(bounds.value, value) and np.all(bounds.value.radius < 1e-13)
    way = random.normal(size=count)
    bending = equations.bending(box, BallArray(way, np.zeros(count)))
    h = 1e-5
    for _ in range(20):
        z = box.middle + random.uniform(-1, 1, count) * (0.05 - 3 * h)
        ahead, behind = (equations.in_floats(z + s * h * way) for s in (1, -1))
        jacobian = equations.in_floats(z)[1]
        assert inside(bounds.jacobian, jacobian)
        np.testing.assert_allclose((ahead[0] - behind[0]) / (2 * h), jacobian @ way, atol=1e-8)
        assert inside(bending, (ahead[1] - behind[1]) @ way / (2 * h), 1e-8)
    point = equations.bending(BallArray(box.middle, 0 * way), BallArray(way, 0 * way))
    assert np.all(point.radius < 1e-12)
    assert np.all(point.radius <= bending.radius) and np.all(bending.radius < 5)

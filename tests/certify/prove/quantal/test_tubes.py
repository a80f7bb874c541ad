"""Tubes: around one curve, around two, and where curves meet."""

import numpy as np

from certify.prove.quantal.ball_arrays import BallArray, exactly
from certify.prove.quantal.logit_equations import LogitEquations
from certify.prove.quantal.tubes import find_tangent, find_tube
from dgames.games import MatrixGame

# Two who want to do alike: branches meet at precision 2, which is 2 in units of one.
ALIKE = LogitEquations(MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]))
LAST = 2


def symmetric(begin, end, least=1e-3):
    """A tube around uniform play, with the precision as its pivot."""
    unit = ALIKE.unit
    centre = np.array([0.0, 0.0, 0.5 * (begin + end) * unit])
    ends = begin * unit, end * unit
    return find_tube(ALIKE, LAST, centre, np.array([0.0, 0.0, 1.0]), ends, np.full(3, least))


def test_around_one_curve():
    tube = symmetric(1.0, 1.2)
    assert tube is not None
    unit = ALIKE.unit
    assert tube.contains(exactly(np.array([0.0, 0.0, 1.1 * unit])))
    assert not tube.contains(exactly(np.array([0.0, 0.0, 1.3 * unit])))
    assert not tube.contains(BallArray(np.array([0.0, 0.0, 1.1 * unit]), np.full(3, 0.2)))
    assert not tube.contains(exactly(np.array([0.0, 0.5, 1.1 * unit])))
    # The curve is a straight line.
    thin = symmetric(1.0, 1.2, least=1e-9)
    assert thin is not None and np.all(thin.slopes.radius < 1e-8)
    bend = thin.curvatures(ALIKE)
    assert bend is not None and np.all(bend.magnitude < 1e-7)


def test_where_curves_meet():
    assert symmetric(1.9, 2.1) is None
    assert symmetric(1.999, 2.001) is None
    assert symmetric(2.05, 2.06) is not None


def test_around_more_than_one_curve():
    """At precision 3 there are others, at logits x = 3 tanh(x / 2), which is 2.5757."""
    assert symmetric(3.0, 3.01) is not None
    assert symmetric(3.0, 3.01, least=3.0) is None


def test_away_from_curves():
    """Up to precision 2 there is one zero, the uniform one: a tube has it, or none is found."""
    found = []
    for size in (0.5, 5.0, 30.0):
        for precision in (0.5, 1.0, 1.8):
            centre = np.array([size, -size, precision * ALIKE.unit])
            ends = centre[LAST], centre[LAST] + 0.01
            tube = find_tube(ALIKE, LAST, centre, np.eye(3)[LAST], ends, np.full(3, 1e-3))
            zero = exactly(np.array([0.0, 0.0, centre[LAST]]))
            found.append(tube is not None)
            assert tube is None or tube.contains(zero)
    assert 0 < sum(found) < 9


def test_tangents():
    """From `D` and its derivative by hand: here `y = precision (p - 1 / 2) 2` for both."""
    unit = ALIKE.unit
    p = 0.9
    y = np.log(p / (1 - p))
    precision = y / (2 * p - 1)
    slope = (2 * p - 1) / (1 - 2 * precision * p * (1 - p)) / unit
    point = BallArray(np.array([y, y, precision * unit]), np.full(3, 1e-9))
    error = find_tangent(ALIKE, point, LAST, np.array([slope, slope, 1.0]))
    assert error is not None and np.all(error < 1e-6)
    wrong = find_tangent(ALIKE, point, LAST, np.array([slope + 0.1, slope, 1.0]))
    assert wrong is None or wrong[0] >= 0.1

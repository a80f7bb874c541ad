"""Strategy sets of the checker, against what normals are by definition."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from certify.checker.reader import Reader, Unusable
from certify.checker.sets import read_set

HALVES = st.integers(-6, 6).map(lambda k: Fraction(k, 2))


def hexes(values):
    return [x if isinstance(x, str) else float(x).hex() for x in values]


def box(lower, upper):
    file = {"kind": "box", "lower": hexes(lower), "upper": hexes(upper)}
    return read_set(Reader(file), len(lower))


def ball(center, radius):
    file = {"kind": "ball", "center": hexes(center), "radius": float(radius).hex()}
    return read_set(Reader(file), len(center))


def simplex(*groups):
    return read_set(Reader({"kind": "simplex", "groups": list(groups)}), sum(groups))


# Sets with corners and faces, points of them and other points of them to look at.
PROBABILITIES = [
    [Fraction(a, 4), Fraction(b, 4), Fraction(4 - a - b, 4)] for a in range(5) for b in range(5 - a)
]
CASES = {
    "box": (box([-1, 0, 2], [1, "inf", 2]), [[a, b, 2] for a in (-1, 0, 1) for b in (0, 1, 5)]),
    "space": (
        read_set(Reader({"kind": "euclidean"}), 3),
        [[a, b, 0] for a in (-9, 0, 9) for b in (-9, 9)],
    ),
    "simplex": (simplex(3), PROBABILITIES),
    "two simplices": (simplex(1, 2), [[1, a, 1 - a] for a in (0, Fraction(1, 4), 1)]),
    # Pythagorean points, so that the sphere is met exactly.
    "ball": (ball([1, 0, 0], 5), [[1, 3, 4], [4, 4, 0], [1, 0, 0], [-4, 0, 0], [1, 1, 1]]),
}


@pytest.mark.parametrize("name", CASES)
@given(value=st.tuples(HALVES, HALVES, HALVES), data=st.data())
def test_a_defect_bounds_the_variational_inequality(name, value, data):
    """`<v, z - c> >= -sum errors_k |z_k - c_k|` at points of the set, where the shift is zero."""
    own, points = CASES[name]
    center = [Fraction(x) for x in data.draw(st.sampled_from(points))]
    assert own.contains(center)
    defect = own.defect(center, list(value))
    assert defect.shift == 0 and min(defect.errors) >= 0
    for other in points:
        moves = [Fraction(z) - c for z, c in zip(other, center, strict=True)]
        gain = sum(v * m for v, m in zip(value, moves, strict=True))
        assert gain >= -sum(e * abs(m) for e, m in zip(defect.errors, moves, strict=True))


@pytest.mark.parametrize(
    ("own", "center", "value"),
    [
        (box([0, 0], [1, 1]), [0, 1], [3, -2]),
        (box(["-inf", 0], [0, 0]), [0, 0], [-1, 7]),
        (simplex(3), [Fraction(1, 2), Fraction(1, 2), 0], [2, 2, 5]),
        (simplex(2, 2), [1, 0, 0, 1], [-1, 0, 4, 3]),
        (ball([0, 0], 5), [3, 4], [-6, -8]),
    ],
)
def test_solutions_on_the_boundary_have_no_defect(own, center, value):
    center = [Fraction(c) for c in center]
    assert own.defect(center, [Fraction(v) for v in value]).errors == [0, 0, 0, 0][: len(center)]
    # Pulled the other way they are far from solving anything.
    assert max(own.defect(center, [Fraction(-v) for v in value]).errors) >= Fraction(1, 2)


def test_a_point_next_to_a_sphere():
    """The nearest point of the sphere, and what the definition asks of it."""
    own, center = ball([0.0, 0.0], 1.0), [Fraction(0.7071067811865475)] * 2
    assert own.contains(center)
    value = [Fraction(-3), Fraction(-3)]
    defect = own.defect(center, value)
    assert 0 < defect.shift < 1e-15 and max(defect.errors) < 1e-15
    length = np.linalg.norm([float(c) for c in center])
    assert float(defect.shift) >= 1 - length
    assert float(defect.pull) == pytest.approx(3 / 0.7071067811865475)


def test_outside():
    assert not box([0], [1]).contains([Fraction(2)])
    assert not ball([0], 1).contains([Fraction(1) + Fraction(1, 2**60)])
    assert not simplex(2).contains([Fraction(1, 2), Fraction(1, 2) + Fraction(1, 2**60)])
    assert not simplex(2).contains([Fraction(-1), Fraction(2)])


@pytest.mark.parametrize(
    "file",
    [
        {"kind": "cone"},
        {"kind": "euclidean", "more": 1},
        {"kind": "box", "lower": hexes([0]), "upper": hexes([0])},
        {"kind": "box", "lower": ["inf", "-inf"], "upper": hexes([0, 0])},
        {"kind": "ball", "center": hexes([0, 0]), "radius": (-1.0).hex()},
        {"kind": "simplex", "groups": [3]},
        {"kind": "simplex", "groups": [2, 0]},
        {"kind": "simplex", "groups": [-1, 3]},
        {"kind": "simplex", "groups": []},
        {"kind": "simplex", "groups": [True, True]},
    ],
)
def test_unusable(file):
    with pytest.raises(Unusable):
        read_set(Reader(file), 2)

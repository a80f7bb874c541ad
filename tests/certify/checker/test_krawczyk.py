"""Files about zeros: nothing false is accepted, and each number of a file is needed."""

import copy
import json
import time
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from certify.checker import Unusable, check_data
from certify.checker.exact import Work
from certify.checker.graph import game_hash, graph_hash
from certify.checker.krawczyk import semidefinite
from certify.checker.reader import FORMAT, VERSION, ZERO, parse
from tests.certify.checker.polynomial_zero import Polynomials, inverted, zero_file
from tools.edits import edited, sealed

SMALL = st.integers(-3, 3)
# Multiples of 1/8 have exact floats, and so have products of a few of them.
EIGHTHS = st.integers(-24, 24).map(lambda k: Fraction(k, 8))


@st.composite
def systems(draw: Any) -> Polynomials:
    n = draw(st.integers(1, 3))
    square = st.lists(st.lists(SMALL, min_size=n, max_size=n), min_size=n, max_size=n)
    a, b = draw(square), draw(square)
    for matrix in (a, b):
        try:
            inverted([[Fraction(x) for x in row] for row in matrix])
        except ZeroDivisionError:
            assume(False)
    roots = draw(st.lists(st.lists(EIGHTHS, min_size=1, max_size=3), min_size=n, max_size=n))
    return Polynomials(a, b, roots, draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))


def rounded(x: Fraction) -> Fraction:
    return Fraction(float(x))


def inverse_at(system: Polynomials, center: list[Fraction]) -> list[list[Fraction]]:
    point = [(x, x) for x in center]
    try:
        return inverted([[low for low, _ in row] for row in system.jacobian(point)])
    except ZeroDivisionError:
        return [[Fraction(i == j) for j in range(len(center))] for i in range(len(center))]


def around(center: list[Fraction], radii: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    return [(rounded(c - r), rounded(c + r)) for c, r in zip(center, radii, strict=True)]


def inside(z: list[Fraction], box: list[tuple[Fraction, Fraction]]) -> bool:
    return all(low <= x <= high for x, (low, high) in zip(z, box, strict=True))


def boxes(file: dict[str, Any]) -> list[list[tuple[Fraction, Fraction]]]:
    numbers = [
        [
            [Fraction(float.fromhex(x)) for x in file["claims"][name][end]]
            for end in ("lower", "upper")
        ]
        for name in ("box", "zero")
    ]
    return [list(zip(*pair, strict=True)) for pair in numbers]


def is_true(system: Polynomials, file: dict[str, Any]) -> bool:
    """Whether exactly one of all zeros is in the box, and it is in the box of the zero."""
    box, zero = boxes(file)
    found = [z for z in {tuple(z) for z in system.zeros} if inside([*z], box)]
    return len(found) == 1 and inside([*found[0]], zero)


@given(systems(), st.data())
@settings(max_examples=150, deadline=None)
def test_no_false_claim_is_accepted_with_correct_bounds(system, data):
    """Boxes of any place and size, around zeros and beside them."""
    n, zeros = len(system.a), system.zeros
    near = data.draw(st.sampled_from(zeros))
    shift = data.draw(
        st.sampled_from([Fraction(0), Fraction(1, 2**20), Fraction(1, 16), Fraction(2)])
    )
    center = [rounded(x + shift * data.draw(SMALL)) for x in near]
    size = data.draw(st.integers(-30, 3))
    radii = [Fraction(2) ** size * data.draw(st.integers(1, 4)) for _ in range(n)]
    share = data.draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 2**16)]))
    inverse = inverse_at(system, center)
    box, zero = around(center, radii), around(center, [share * r for r in radii])
    file = zero_file(system, center, box, zero, inverse)
    for level in (1, 2):
        if check_data(file, level=level).ok:
            assert is_true(system, file)


@given(systems(), st.data())
@settings(max_examples=60, deadline=None)
def test_small_boxes_around_simple_zeros_are_accepted(system, data):
    """So the test above is not about an empty set of files."""
    assume(all(len(set(roots)) == len(roots) for roots in system.roots))
    center = [rounded(x) for x in data.draw(st.sampled_from(system.zeros))]
    n = len(center)
    box = around(center, [Fraction(1, 2**24)] * n)
    zero = around(center, [Fraction(1, 2**30)] * n)
    file = zero_file(system, center, box, zero, inverse_at(system, center), room=16)
    assert check_data(file).ok and check_data(file, level=2).ok
    assert is_true(system, file)


@given(systems(), st.randoms(use_true_random=False), st.data())
@settings(max_examples=150, deadline=None)
def test_edited_files_are_true_or_not_accepted_at_level_2(system, random, data):
    """The system stays what it is, and everything that is said of it is edited at random."""
    assume(all(len(set(roots)) == len(roots) for roots in system.roots))
    center = [rounded(x) for x in data.draw(st.sampled_from(system.zeros))]
    n = len(center)
    box = around(center, [Fraction(1, 2**12)] * n)
    zero = around(center, [Fraction(1, 2**30)] * n)
    file = zero_file(system, center, box, zero, inverse_at(system, center), room=16)
    said = {name: file[name] for name in ("claims", "evidence")}
    try:
        changed = parse(json.dumps(sealed({**file, **edited(said, random)})))
        accepted = check_data(changed, level=2).ok
    except Unusable:
        return
    assert not accepted or is_true(system, changed)


# One system of two equations: z0^2 + z1^2 = 2 has the zeros (1, 1), ... by way of A and B.
CIRCLES = Polynomials(
    [[1, 1], [1, -1]], [[1, 1], [1, -1]], [[Fraction(-2), Fraction(2)], [Fraction(0)]], [0, 0]
)


@pytest.fixture
def file():
    center = [Fraction(1), Fraction(1)]
    box, zero = around(center, [Fraction(1, 8)] * 2), around(center, [Fraction(1, 2**20)] * 2)
    return zero_file(CIRCLES, center, box, zero, inverse_at(CIRCLES, center))


def changed(file, path, change):
    file = copy.deepcopy(file)
    part = file
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = change(part[path[-1]])
    return file


def hexadecimal(value):
    return lambda _: float(value).hex()


FALSE = [
    (("claims", "box", "lower", 0), hexadecimal(-1.5), "the Krawczyk box is in the interior"),
    (("claims", "box", "lower", 0), hexadecimal(1.0 - 2.0**-19), "the Krawczyk box is in the"),
    (("claims", "box", "upper", 0), hexadecimal(1.0 + 2.0**-19), "the Krawczyk box is in the"),
    (("claims", "box", "upper", 0), hexadecimal(1.0), "the box of the zero is in the box"),
    (("claims", "zero", "lower", 1), hexadecimal(1.0), "the Krawczyk box of the zero"),
    (("claims", "zero", "upper", 1), hexadecimal(2.0), "the box of the zero is in the box"),
    (("claims", "zero", "lower", 0), hexadecimal(1.0 + 2.0**-21), "the centre is in the box"),
    (("evidence", "center", 0), hexadecimal(1.0 + 2.0**-10), "the centre is in the box"),
    (("evidence", "residual", 0), hexadecimal(2.0**-10), "the Krawczyk box of the zero"),
    (("evidence", "residual", 0), hexadecimal(-1.0), "the residual is not negative"),
    (("evidence", "unit"), lambda x: x + 1, "the Krawczyk box is in the interior"),
    (("evidence", "inverse", "unit"), lambda x: x + 1, "the Krawczyk box is in the interior"),
    (("evidence", "inverse", "matrix", 0), lambda x: -x, "the Krawczyk box is in the interior"),
    (("evidence", "jacobian", "centre", 0), lambda x: -x, "the Krawczyk box is in the interior"),
    (("evidence", "jacobian", "remainder", 3), lambda x: x << 8, "the Krawczyk box is in"),
    (("evidence", "jacobian", "remainder", 3), lambda x: -x, "remainder is not negative"),
    (("game", "hash"), lambda x: x[::-1], "the hash is that of the game"),
]


@pytest.mark.parametrize(("path", "change", "reason"), FALSE)
def test_each_number_made_false_is_rejected(file, path, change, reason):
    assert check_data(file, level=2).ok
    verdict = check_data(changed(file, path, change))
    assert not verdict.ok and reason in verdict.reasons[0]


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("evidence", "residual", 0), hexadecimal(0.0), None),
        (("evidence", "center", 0), hexadecimal(1.0 + 2.0**-30), "the residual at the centre"),
        (("evidence", "jacobian", "centre", 1), lambda x: x + x // 100, "the Jacobian is in"),
        (("evidence", "jacobian", "remainder", 2), lambda x: x // 2, "the Jacobian is in"),
    ],
)
def test_level_2_finds_bounds_that_are_false(file, path, change, reason):
    """All of these pass level 1, which takes bounds as given. The first one is true by chance."""
    new = changed(file, path, change)
    assert check_data(new).ok
    verdict = check_data(new, level=2)
    assert verdict.ok == (reason is None)
    assert reason is None or reason in verdict.reasons[0]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "box", "lower"), lambda x: x[:1]),
        (("claims", "zero"), lambda x: {**x, "radius": "0x0.0p+0"}),
        (("evidence", "jacobian", "centre"), lambda x: x[:3]),
        (("evidence", "jacobian"), lambda x: {**x, "generators": []}),
        (("evidence", "bounds"), lambda x: ["0x0.0p+0"]),
        (("evidence", "forms"), lambda x: [{}]),
        (("evidence", "unit"), lambda x: -1201),
        (("evidence", "inverse", "unit"), lambda x: 1000),
        (("game", "system", "kind"), lambda x: "riddle"),
        (("game", "system", "conditions"), lambda x: 1),
        (("game", "system", "matrices"), lambda x: [2**10]),
        (("game", "players", 0, "size"), lambda x: 3),
        (("game", "players", 0, "size"), lambda x: 2**13),
        (("game", "graph", "nodes", 0), lambda x: ["riddle"]),
    ],
)
def test_what_does_not_fit_together_is_unusable(file, path, change):
    with pytest.raises(Unusable):
        check_data(sealed(changed(file, path, change)))


def test_a_file_of_much_work_is_refused_before_it_is_done():
    """A system of 400 unknowns, with entries of a thousand bits."""
    n, long = 400, [2**1000 - 1] * 400**2
    outputs = list(range(n))
    graph = {"hash": graph_hash([], outputs), "nodes": [], "outputs": outputs}
    game = {
        "name": "long",
        "players": [{"name": "z", "size": n}],
        "system": {"kind": "equations", "conditions": 0, "matrices": []},
        "graph": graph,
    }
    ends = {"lower": [(-1.0).hex()] * n, "upper": [(1.0).hex()] * n}
    evidence = {
        "center": [(0.0).hex()] * n,
        "residual": [(5e-324).hex()] * n,
        "unit": -1000,
        "jacobian": {"centre": long, "remainder": long},
        "inverse": {"unit": -1000, "matrix": long},
        "bounds": [],
        "forms": [],
    }
    file = {
        **{"format": FORMAT, "version": VERSION, "kind": ZERO},
        "game": game | {"hash": game_hash(game)},
        **{"claims": {"box": ends, "zero": ends}, "evidence": evidence},
    }
    start = time.process_time()
    with pytest.raises(Unusable, match="too much work"):
        check_data(file)
    assert time.process_time() - start < 5


def test_a_file_without_evidence_of_another_kind_is_unusable(file):
    for name in file["evidence"]:
        new = copy.deepcopy(file)
        del new["evidence"][name]
        with pytest.raises(Unusable, match="missing"):
            check_data(new)


def test_a_double_zero_is_not_accepted():
    """Its Jacobian is singular, and no box around it has anything else."""
    system = Polynomials([[1]], [[1]], [[Fraction(0), Fraction(0)]], [0])
    for inverse in (Fraction(0), Fraction(1), Fraction(2**20)):
        for radius in (Fraction(1), Fraction(1, 2**10)):
            box = around([Fraction(0)], [radius])
            verdict = check_data(zero_file(system, [Fraction(0)], box, box, [[inverse]]))
            assert not verdict.ok


@given(
    st.lists(st.lists(st.integers(-4, 4), min_size=3, max_size=3), min_size=1, max_size=3),
    st.data(),
)
@settings(max_examples=100, deadline=None)
def test_semidefinite_matrices_are_decided_exactly(factor, data):
    """Squares of any rank are; with one diagonal entry lowered below the least, they are not."""
    n = range(3)
    square = [[sum(row[i] * row[j] for row in factor) for j in n] for i in n]
    exact = [[0] * 3 for _ in n]
    assert semidefinite(square, exact, Work())
    assert not semidefinite([[0, 1], [1, 0]], [[0] * 2] * 2, Work())
    lowered = [[*row] for row in square]
    k = data.draw(st.integers(0, 2))
    lowered[k][k] = -1
    assert not semidefinite(lowered, exact, Work())
    if any(map(any, square)):
        off = [[1] * 3 for _ in n]
        negative = any(x < 1 for x in (square[i][i] for i in n))
        assert not (negative and semidefinite(square, off, Work()))

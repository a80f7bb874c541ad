"""False statements on shared rows are rejected, one by one, and so are files that make no sense."""

import copy
import time
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.exact import Work
from certify.checker.graph import Graph, Node
from certify.checker.reader import Reader
from certify.checker.rederive_functions import known_of
from certify.checker.region import Region
from certify.checker.shared_rows import Row, _solution
from certify.checker.verdict import Rejected


def costs(x, args=None):
    return ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2)


@pytest.fixture(scope="module")
def line():
    """A file of two players on `x + y <= 1`, whose own sets and another row have no effect."""
    rows = dg.Polyhedron([[1.0, 1.0], [1.0, -1.0]], [1.0, 2.0])
    game = dg.game(costs, dg.Box(-5.0, jnp.inf), rows)
    found = certify.certify(game, certify.Box.around((0.7, 0.3), 1.0))
    return copy.deepcopy(found.data)


def changed(line, *path, to):
    data = copy.deepcopy(line)
    place = data
    for key in path[:-1]:
        place = place[key]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return data


def hexes(*numbers):
    return [float(x).hex() for x in numbers]


SHARED = ("claims", "shared")
FALSE = [
    # The row is moved, so that the centre is not on it, or the point is not within it.
    ("game", "shared", "rows", 0, "bound", (1.0 + 1e-9).hex()),
    ("game", "shared", "rows", 0, "bound", (1.0 - 1e-9).hex()),
    ("game", "shared", "rows", 0, "values", hexes(1.0, 1.0 + 1e-9)),
    ("game", "shared", "rows", 1, "bound", (0.25).hex()),
    (*SHARED, "multipliers", hexes(0.5 + 1e-9, 0.0)),
    (*SHARED, "multipliers", hexes(0.0, 0.0)),
    (*SHARED, "multipliers", hexes(-0.5, 0.0)),
    (*SHARED, "multipliers", hexes(0.5, 1e-9)),
    (*SHARED, "multipliers", hexes(0.5, -1e-9)),
    (*SHARED, "notion", "nash"),
    (*SHARED, "states", ["inactive", "inactive"]),
    (*SHARED, "states", ["active", "active"]),
    (*SHARED, "radius", hexes(1e-300, 0.0)),
    (*SHARED, "radius", hexes(1.0, 0.0)),
    (*SHARED, "radius", hexes(-1.0, 0.0)),
    ("claims", "weights", hexes(1.0, 1.0 + 2**-52)),
    ("claims", "equilibrium", "center", hexes(0.75 + 1e-9, 0.25)),
    ("claims", "equilibrium", "radius", (1e-300).hex()),
    ("claims", "equilibrium", "value", hexes(-0.5 + 1e-9, -0.5)),
    ("evidence", "shared", "inverse", [hexes(0.0, 0.0)]),
]


@pytest.mark.parametrize("change", FALSE, ids=lambda change: ".".join(map(str, change[:-1])))
def test_false_statements_are_rejected(line, change):
    *path, to = change
    assert check_data(line).ok
    assert not check_data(changed(line, *path, to=to)).ok


def test_what_is_true_as_well_is_accepted(line):
    weaker = changed(line, *SHARED, "states", to=["possible", "possible"])
    weaker["claims"]["shared"]["notion"] = "normalised"
    del weaker["claims"]["shared"]["radius"]
    assert check_data(weaker).ok
    both = changed(line, *SHARED, "states", to=["possible", "inactive"])
    assert check_data(both).ok


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        (("game", "shared"), None, "missing"),
        (("claims", "shared"), None, "missing"),
        (("game", "sets"), None, "boxes or simplices"),
        (("game", "shared", "rows", 0, "equality"), True, "equalities"),
        (("game", "shared", "rows"), [], "rows"),
        (("game", "shared", "rows", 0, "columns"), [1, 0], "in order"),
        (("game", "shared", "rows", 0, "columns"), [0, 0], "in order"),
        (("game", "shared", "rows", 0, "columns"), [0, 2], "integer from 0 to 1"),
        (("game", "shared", "rows", 0, "columns"), [], "at least one"),
        (("game", "shared", "rows", 0, "values"), hexes(1.0, 0.0), "not zero"),
        (("game", "shared", "rows", 0, "values"), hexes(1.0), "2 entries"),
        (("game", "shared", "rows", 0, "more"), 1, "nothing but"),
        ((*SHARED, "notion"), "generalised", "variational"),
        ((*SHARED, "states"), ["equality", "inactive"], "equalities"),
        ((*SHARED, "states"), ["active"], "2 entries"),
        ((*SHARED, "multipliers"), hexes(0.5), "2 entries"),
        ((*SHARED, "more"), 1, "nothing but"),
        (("evidence", "shared"), None, "missing"),
        (("evidence", "shared", "inverse"), [], "1 entries"),
        (("evidence", "shared", "levels"), hexes(1.0), "0 entries"),
    ],
)
def test_senseless_files_are_unusable(line, path, to, message):
    with pytest.raises(Unusable, match=message):
        check_data(changed(line, *path, to=to))


def test_balls_are_refused(line):
    ball = {"kind": "ball", "center": hexes(0.0), "radius": (9.0).hex()}
    with pytest.raises(Unusable, match="boxes or simplices"):
        check_data(changed(line, "game", "sets", 0, to=ball))


NUMBERS = st.integers(-4, 4).map(Fraction)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_elimination_solves_what_can_be_solved(data):
    """Rows through a known point, dependent ones among them, have solutions; others are refused."""
    size, count = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    point = [data.draw(NUMBERS) / 3 for _ in range(size)]
    center = [data.draw(NUMBERS) / 7 for _ in range(size)]
    lines = [[data.draw(NUMBERS) for _ in range(size)] for _ in range(count)]
    rows = [
        Row(entries, sum((a * point[k] for k, a in entries.items()), Fraction(0)), True)
        for line in lines
        if (entries := {k: a for k, a in enumerate(line) if a})
    ]
    moves = _solution(rows, center, set(range(size)), Work())
    moved = [c + moves.get(k, 0) for k, c in enumerate(center)]
    assert all(row.slack(moved) == 0 for row in rows) and len(moves) <= len(rows)
    if rows:
        contradiction = rows[0]._replace(bound=rows[0].bound + 1)
        with pytest.raises(Rejected):
            _solution([*rows, contradiction], center, set(range(size)), Work())


@pytest.fixture(scope="module")
def disk():
    """A file of two players within the unit disk, who would like to be at (1, 1)."""
    circle = dg.SharedConstraint(
        lambda x, args: jnp.stack([x[0] ** 2 + x[1] ** 2 - 1.0, x[0] - 5.0 + 0.5 * x[1] ** 2])
    )
    game = dg.game(lambda x, args: ((x[0] - 1.0) ** 2, (x[1] - 1.0) ** 2), shared=circle)
    found = certify.certify(game, certify.Box.around((0.7, 0.7), 1.0))
    return copy.deepcopy(found.data)


PROOF = ("evidence", "functions")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ((*PROOF, "values"), hexes(1e-9, -4.0)),  # outside of the disk
        ((*PROOF, "values"), hexes(-1e-9, -4.0)),  # too far inside of it
        ((*PROOF, "value_errors"), hexes(1e-9, 0.0)),
        ((*PROOF, "multipliers"), hexes(0.0, 0.0)),
        ((*PROOF, "multipliers"), hexes(0.415, 0.0)),
        ((*PROOF, "multipliers"), hexes(-0.41421356, 0.0)),
        ((*PROOF, "multipliers"), hexes(0.41421356, 1e-6)),
        ((*PROOF, "gradients"), [hexes(1.0, 1.5), hexes(1.0, 0.7)]),
        ((*PROOF, "gradient_errors"), [hexes(1e-3, 0.0), hexes(0.0, 0.0)]),
        (("claims", "shared", "functions"), ["inactive", "inactive"]),
        (("claims", "shared", "notion"), "nash"),
        (("claims", "equilibrium", "radius"), (1e-10).hex()),
    ],
)
def test_false_statements_on_functions_are_rejected(disk, path, to):
    assert check_data(disk).ok and check_data(disk, level=2).ok
    assert disk["claims"]["shared"]["functions"] == ["possible", "inactive"]
    assert not check_data(changed(disk, *path, to=to)).ok


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("smoothness", hexes(1.0, 10.0)),
        ("smoothness", hexes(10.0, 0.5)),
        ("value_errors", hexes(0.0, 0.0)),
        ("values", hexes(-2e-16, -3.9)),
        ("gradients", [hexes(1.4142135623730947, 1.4142135623730947), hexes(1.1, 0.7)]),
    ],
)
def test_level_two_derives_what_is_stated_of_functions(disk, name, to):
    assert not check_data(changed(disk, *PROOF, name, to=to), level=2).ok


def test_files_on_functions_that_make_no_sense(disk):
    for path, to, message in (
        ((*PROOF,), None, "missing"),
        ((*PROOF, "values"), hexes(0.0), "2 entries"),
        (("claims", "shared", "functions"), ["active", "inactive"], "inactive"),
        (("claims", "shared", "functions"), ["possible"], "outputs"),
        (("claims", "shared", "functions"), None, "missing"),
        (("game", "shared", "functions", "hash"), "0", "hash"),
    ):
        with pytest.raises(Unusable, match=message):
            check_data(changed(disk, *path, to=to))


def test_steps_player_by_player_are_refused_where_functions_couple_players(disk):
    # Alternating steps stop at any generalised equilibrium on the circle.
    free = certify.certify(
        dg.game(costs), certify.Box.around((0.7, 0.3), 1.0), [dg.Alternating, dg.Simultaneous]
    )
    for step in free.data["claims"]["steps"]:
        assert step["theorem"] == "small_gain"
        small = step | {"basin": (0.05).hex(), "equilibrium_radius": (0.01).hex()}
        reasons = check_data(changed(disk, "claims", "steps", to=[small])).reasons
        assert "holds for steps onto shared constraints" in " ".join(reasons)


@pytest.mark.parametrize("slope", [-4.0, -1.0, 0.0, 0.25, 4.0])
def test_gradients_are_as_smooth_as_the_norm_of_the_hessian(slope):
    # The Hessian of x (x + a y) + a^2 y^2 is [[2, a], [a, 2 a^2]], from a part of two directions.
    nodes = [
        Node("constant", (), Fraction(slope)),
        Node("mul", (2, 1), None),
        Node("add", (0, 3), None),
        Node("mul", (0, 4), None),
        Node("mul", (3, 3), None),
        Node("add", (5, 6), None),
    ]
    box = {"kind": "box", "lower": hexes(-1.0, -1.0), "upper": hexes(1.0, 1.0)}
    weights = [Fraction(1), Fraction(4)]
    (known,) = known_of(Graph(2, nodes, [7]), Region(Reader(box), 2), [Fraction(0)] * 2, weights)
    assert known is not None
    scaled = np.array([[2.0, slope / 2], [slope / 2, slope**2 / 2]])
    assert known.smoothness >= np.linalg.norm(scaled, 2) - 1e-12


def test_norms_of_long_rows_in_many_weights_take_no_long_numbers():
    count = 30_000
    weights = [Fraction(2**53 - 2 * k - 1) for k in range(count)]
    row = Row({k: Fraction(1) for k in range(count)}, Fraction(1), False)
    start = time.process_time()
    radius = Fraction(2) ** 18  # times the norm of the row, sqrt(30000 / 2^53), it is 0.48
    assert row.is_beyond([Fraction(0)] * count, weights, radius)
    assert not row.is_beyond([Fraction(0)] * count, weights, 4 * radius)
    assert time.process_time() - start < 10

"""Refutations: each number of a file is needed, and nothing false is accepted."""

import copy
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from certify.checker import Unusable, check_data
from certify.checker.graph import game_hash, graph_hash
from certify.checker.reader import FORMAT, REFUTATION, VERSION
from tests.certify.checker.mutations import mutated

WIDTH = 2.0**-10


def hexes(*numbers):
    return [float(x).hex() for x in numbers]


def refutation(a, b, c, direction, *, at=(0.25, 0.5), sum_to_zero=False):
    """A file on the cost `a x^2 + b x y + c y^2` of a player with both coordinates, and `z^2`.

    With `sum_to_zero` the player is the second one of a zero-sum game, whose payoff it is up to the
    sign; the first has `z`. The Hessian is constant, and stated with the unit 2^-20.
    """
    x, y, sign = (1, 2, -1) if sum_to_zero else (0, 1, 1)
    z = 3 - x - y
    nodes = [["constant", *hexes(sign * k)] for k in (a, b, c)]
    nodes += [["power", x, 2], ["mul", x, y], ["power", y, 2], ["power", z, 2]]
    nodes += [["mul", 3, 6], ["mul", 4, 7], ["mul", 5, 8], ["add", 10, 11], ["add", 13, 12]]
    outputs = [14] if sum_to_zero else [14, 9]
    graph = {"hash": graph_hash(nodes, outputs), "nodes": nodes, "outputs": outputs}
    players = [{"name": "pair", "size": 2}, {"name": "other", "size": 1}]
    point = [*at, 0.0]
    if sum_to_zero:
        players, point = players[::-1], [0.0, *at]
    game = {
        "name": "quadratic",
        "players": players,
        **({"zero_sum": True} if sum_to_zero else {}),
        "graph": graph,
    }
    hessian = [int(k * 2**20) for k in (2 * a, b, b, 2 * c)]
    own = [hessian[:2], hessian[2:]]
    v = [Fraction(float(t)) for t in direction]
    curvature = sum(
        s * t * x for s, row in zip(v, own, strict=True) for t, x in zip(v, row, strict=True)
    )
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": REFUTATION,
        "game": {**game, "hash": game_hash(game)},
        "region": {"kind": "box", "lower": hexes(-1, -1, -1), "upper": hexes(1, 1, 1)},
        "claims": {
            "player": int(sum_to_zero),
            "lower": hexes(*(t - WIDTH for t in point)),
            "upper": hexes(*(t + WIDTH for t in point)),
            "direction": hexes(*direction),
            "curvature": float(curvature * Fraction(1, 2**20)).hex(),
        },
        "evidence": {"unit": -20, "hessian": {"centre": hessian, "remainder": [0] * 4}},
    }


SADDLE = refutation(1, 4, 1, (1, -1))  # the eigenvalues are 6 and -2


def test_a_saddle_is_no_convex_cost():
    for level in (1, 2):
        assert check_data(SADDLE, level=level).ok
        assert check_data(refutation(1, 4, 1, (1, -1), sum_to_zero=True), level=level).ok
    assert SADDLE["claims"]["curvature"] == (-4.0).hex()


def number(value):
    return lambda _: float(value).hex()


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (("claims", "curvature"), number(-4.0000001), "the curvature is at most what is stated"),
        (("claims", "curvature"), number(0.0), "the curvature is negative"),
        (("claims", "curvature"), number(1.0), "the curvature is negative"),
        (("claims", "direction", 1), number(1.0), "the curvature is at most what is stated"),
        (("claims", "direction"), lambda _: hexes(0, 0), "the curvature is at most what"),
        (("claims", "lower", 2), number(-1.5), "the box is in the region"),
        (("claims", "upper", 0), number(1.5), "the box is in the region"),
        (("claims", "upper", 0), number(0.25 - WIDTH), "the box is not empty"),
        (
            ("region",),
            lambda _: {"kind": "ball", "center": hexes(0, 0, 0), "radius": (0.5).hex()},
            "the box is in",
        ),
        (("evidence", "hessian", "centre", 1), lambda x: x - 1, "the curvature is at most what"),
        (("evidence", "hessian", "remainder", 3), lambda _: 1, "the curvature is at most what"),
        (("evidence", "hessian", "remainder", 3), lambda _: -1, "remainder is not negative"),
        (("evidence", "unit"), lambda x: x - 1, "the curvature is at most what is stated"),
    ],
)
def test_each_number_made_false_is_rejected(path, change, reason):
    verdict = check_data(mutated(SADDLE, path, change))
    assert not verdict.ok and reason in verdict.reasons[0]


def test_a_ball_contains_all_corners_of_the_box():
    far = (0.25**2 + 0.5**2) ** 0.5
    for radius, ok in ((far + 2 * WIDTH, True), (far, False)):
        ball = {"kind": "ball", "center": hexes(0, 0, 0), "radius": radius.hex()}
        assert check_data(mutated(SADDLE, ("region",), lambda _, ball=ball: ball)).ok == ok


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        (
            ("evidence", "hessian", "centre"),
            lambda x: [x[0], x[1] + 1, x[2], x[3]],
            "the Hessian is in",
        ),
        (("evidence", "hessian", "centre", 0), lambda x: x - 2**18, "the Hessian is in"),
        (("game", "graph"), lambda graph: kinked(graph), "defined and smooth on the box"),
        (("game", "graph"), lambda graph: undefined(graph), "defined and smooth on the box"),
        (("game", "hash"), lambda text: text[::-1], "the hash is that of the game"),
    ],
)
def test_level_2_finds_bounds_that_are_false(path, change, reason):
    """All of these pass level 1, which takes bounds as given."""
    new = mutated(SADDLE, path, change)
    assert check_data(new).ok
    verdict = check_data(new, level=2)
    assert not verdict.ok and reason in verdict.reasons[0]


def kinked(graph):
    """Adds `|x - 1/4|` to the first cost: convex, and with a kink in the middle of the box."""
    nodes = [
        *graph["nodes"],
        ["constant", (0.25).hex()],
        ["sub", 0, 15],
        ["abs", 16],
        ["add", 14, 17],
    ]
    return {"hash": graph_hash(nodes, [18, 9]), "nodes": nodes, "outputs": [18, 9]}


def undefined(graph):
    """Adds `0 log(z)`, which is undefined on half of the box, of another player's coordinate."""
    nodes = [
        *graph["nodes"],
        ["log", 2],
        ["constant", (0.0).hex()],
        ["mul", 15, 16],
        ["add", 14, 17],
    ]
    return {"hash": graph_hash(nodes, [18, 9]), "nodes": nodes, "outputs": [18, 9]}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "direction"), lambda x: x[:1]),
        (("claims", "player"), lambda _: 1),
        (("evidence", "hessian", "centre"), lambda x: x[:3]),
        (("game", "players", 1, "name"), lambda _: "pair"),
        (("region",), lambda _: {"kind": "policies", "groups": [1, 1, 1]}),
        (("game", "zero_sum"), None),
    ],
)
def test_what_does_not_fit_together_is_unusable(path, change):
    new = copy.deepcopy(SADDLE)
    if change is None:
        new["game"]["zero_sum"] = True
    else:
        new = mutated(SADDLE, path, change)
    with pytest.raises(Unusable):
        check_data(new)


def test_level_2_needs_the_costs():
    new = copy.deepcopy(SADDLE)
    del new["game"]["graph"]
    assert check_data(new).ok
    with pytest.raises(Unusable, match="no graph of the costs"):
        check_data(new, level=2)


EIGHTHS = st.integers(-16, 16).map(lambda k: k / 8)


@given(EIGHTHS, EIGHTHS, EIGHTHS, st.tuples(EIGHTHS, EIGHTHS), st.booleans())
@settings(max_examples=200, deadline=None)
def test_convex_quadratics_are_never_refuted(a, b, c, direction, sum_to_zero):
    """With the true curvature along any direction, whatever the sign of the cost."""
    file = refutation(a, b, c, direction, sum_to_zero=sum_to_zero)
    ok = check_data(file, level=2).ok
    curvature = (
        2 * a * direction[0] ** 2 + 2 * b * direction[0] * direction[1] + 2 * c * direction[1] ** 2
    )
    assert ok == (curvature < 0)
    if ok:
        assert min(2 * a, 2 * c, 4 * a * c - b**2) < 0

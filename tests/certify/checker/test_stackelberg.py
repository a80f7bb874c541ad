"""The checker of files about a leader: every number made false is refused."""

import copy
import math

import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.graph import game_hash
from certify.checker.reader import digest
from tests.certify.checker.mutations import mutated, nudged


def game():
    """Two followers with curved costs, of which one has two coordinates, and a leader of two."""

    def costs(y, x):
        a, b = y
        first = jnp.exp(0.3 * a) + a**2 - a * x[0] + 0.2 * a * b[0]
        second = jnp.sum(b**2) + 0.1 * b[0] ** 4 - b[1] * x[1] + 0.3 * a * b[1] - 0.2 * b[0]
        return first, second

    def leader(x, y):
        return jnp.sum((x - 0.5) ** 2) + 0.3 * jnp.sin(y[0]) + 0.2 * y[1][0] * y[1][1]

    return dg.Stackelberg(leader, dg.game(costs))


@pytest.fixture(scope="module")
def proof():
    zero = {"leader": jnp.array([0.5, 0.5]), "followers": (jnp.array(0.1), jnp.zeros(2))}
    found = certify.certify_leader(
        game(), certify.Box.around(zero, 0.7), search=certify.Search(tightness=0.5)
    )
    assert found.status == "proved", found.reasons
    return found


@pytest.fixture
def data(proof):
    return copy.deepcopy(proof.data)


def reasons(data, level=1):
    data = {**data, "digest": digest(data)}
    verdict = check_data(data, level=level)
    return " ".join(verdict.reasons)


def test_the_file_is_accepted(proof):
    assert proof.check().ok
    verdict = proof.check(level=2)
    assert verdict.ok and len(verdict.rederived) == 3
    followers, leader = proof.cells
    assert followers >= 1 and leader >= 1


CLAIMS = [
    (("margin",), nudged(1.3), "the followers' margin holds"),
    (("weights", 0), nudged(50.0), "the followers' margin holds"),
    (("weights", 0), nudged(-1.0), "the weights are positive"),
    (("margin",), nudged(-1.0), "are positive"),
    (("curvature",), nudged(1.5), "the curvature holds"),
    (("curvature",), nudged(-1.0), "are positive"),
    (("smoothness",), nudged(0.8), "the smoothness holds"),
    (("optimum", "radius"), nudged(0.9), "total derivative is small enough"),
    (("optimum", "radius"), nudged(-1.0), "has a positive radius"),
    (("optimum", "radius"), nudged(1e9), "ball of the optimum is in its box"),
    (("optimum", "center", 0), nudged(1 + 1e-12), "around the point of its box"),
    (("optimum", "followers", "center", 1), nudged(1 + 1e-12), "around the point of its box"),
    (("optimum", "followers", "radius", 2), nudged(0.9), "answer at the optimum is as near"),
    (("optimum", "slopes", "lower", 0), nudged(1 + 1e-9), "slopes of the answer at the"),
    (("optimum", "slopes", "upper", 3), lambda x: (-1.0).hex(), "slopes of the answer at the"),
    (("optimum", "curvature", "lower", 3), nudged(1 + 1e-9), "curvature at the optimum"),
    (("optimum", "curvature", "upper", 0), nudged(1 - 1e-9), "curvature at the optimum"),
    (("optimum", "value", "lower", 0), nudged(1 + 1e-9), "the value at the optimum"),
    (("optimum", "value", "upper", 0), nudged(1 - 1e-9), "the value at the optimum"),
    (("basin", "radius"), nudged(1.01), "the basin is in the leader's region"),
    (("basin", "radius"), nudged(-1.0), "the basin has a positive radius"),
    (("step", "best"), nudged(1.2), "the factor of the best step"),
    (("step", "best"), nudged(-1.0), "the factor of the best step"),
    (("step", "rate"), nudged(0.9), "the factor of the best step"),
    (("step", "rate"), lambda x: (1.0).hex(), "the factor of the best step"),
    (("region", "leader", "upper", 0), nudged(0.4), ""),
    (("region", "followers", "upper", 0), nudged(0.3), "followers' region"),
    (("region", "followers", "lower", 0), lambda x: (5.0).hex(), "is not empty"),
]


@pytest.mark.parametrize(("path", "change", "words"), CLAIMS)
def test_every_claim_made_false_is_refused(data, path, change, words):
    found = reasons(mutated(data, ("claims", *path), change))
    assert found and words in found


def leaf(data, part):
    """The place of the first cell of a tree."""
    nodes = data["evidence"][part]
    return next(k for k, node in enumerate(nodes) if "centre" in node)


CELLS = [
    ("inverse", 0, nudged(3.0), "have an answer"),
    ("slope", 0, lambda x: (9.0).hex(), "have an answer"),
    ("scale", 0, nudged(1e6), "have an answer"),
    ("scale", 0, nudged(-1.0), "is positive"),
    ("scaling", 0, nudged(-1.0), "is positive"),
    ("scaling", 0, nudged(1e9), "holds on"),
    ("left", 0, lambda x: (90.0).hex(), "holds on"),
    ("residual", 0, lambda x: (0.1).hex(), "have an answer"),
    ("residual", 0, lambda x: (-1e-9).hex(), "is not negative"),
    ("point", 0, lambda x: (9.0).hex(), "point is in the cell"),
    ("point", 3, lambda x: (9.0).hex(), "point is in the cell"),
    ("upper", 0, lambda x: (9.0).hex(), "within the followers' region"),
    ("lower", 1, lambda x: (-9.0).hex(), "within the followers' region"),
    ("remainder", 5, lambda x: -1, "is not negative"),
    ("remainder", 0, lambda x: 2**90, "holds on"),
]


@pytest.mark.parametrize(("name", "k", "change", "words"), CELLS)
def test_evidence_that_proves_too_little_is_refused(data, name, k, change, words):
    path = ("evidence", "leader", leaf(data, "leader"), name, k)
    assert words in reasons(mutated(data, path, change))


def test_the_box_around_the_answer_must_hold_it(data):
    cell = data["evidence"]["leader"][leaf(data, "leader")]
    n, k = 2, 0
    middle = float.fromhex(cell["point"][n + k])
    cell["upper"][k] = math.nextafter(middle, math.inf).hex()
    assert "have an answer" in reasons(data)


def test_the_box_of_the_optimum_is_in_the_region(data):
    ends = data["evidence"]["optimum"]["region"]
    ends["upper"][0] = (7.0).hex()
    assert "the box of the optimum is in the leader's region" in reasons(data)


def test_a_bad_left_factor_costs_what_it_leaves(data):
    best = data["evidence"]["optimum"]
    best["left"] = [(0.0).hex()] * len(best["left"])
    best["residual"][:2] = [(0.0).hex()] * 2
    data["claims"]["optimum"]["radius"] = (1e-18).hex()
    assert "total derivative is small enough" in reasons(data)


@pytest.fixture
def at_zero():
    """A file whose point is the optimum itself, with the cost 0, so that nothing is lost."""
    follower = dg.game(lambda y, x: (jnp.exp(y[0]) + 0.5 * y[0] ** 2 - x * y[0],))
    led = dg.Stackelberg(lambda x, y: 0.5 * (x - 1.0) ** 2 + 0.5 * y[0] ** 2, follower)
    region = certify.Box.around({"leader": 1.0, "followers": (0.0,)}, 0.25)
    return copy.deepcopy(certify.certify_leader(led, region).data)


def test_an_optimum_away_from_the_point_costs_less(at_zero):
    assert not reasons(at_zero)
    at_zero["claims"]["optimum"]["value"]["lower"] = [(0.0).hex()]
    at_zero["evidence"]["optimum"]["residual"] = [
        x.replace("-", "") for x in at_zero["evidence"]["optimum"]["residual"]
    ]
    assert not reasons(at_zero)
    at_zero["evidence"]["optimum"]["residual"][0] = (1e-13).hex()
    assert "the value at the optimum" in reasons(at_zero)


def test_the_basin_leaves_room_for_the_ball_of_the_optimum(at_zero):
    at_zero["claims"]["basin"]["radius"] = (0.25).hex()
    assert "the basin is in the leader's region" in reasons(at_zero)


# What level 1 believes, and level 2 does not: enclosures moved by more than their radius.
STATED = [
    ("followers", "centre"),
    ("leader", "centre"),
    ("followers", "remainder"),
    ("leader", "remainder"),
    ("optimum", "remainder"),
    ("leader", "residual"),
    ("optimum", "residual"),
    ("value", "at"),
]


@pytest.mark.parametrize(("part", "name"), STATED)
def test_false_enclosures_are_found_at_level_2(data, part, name):
    evidence = data["evidence"]
    cell = evidence[part][leaf(data, part)] if part in ("followers", "leader") else evidence[part]
    if name == "centre":
        k = 0 if part == "followers" else 2
        cell["centre"][k] += cell["remainder"][k] + 2
        cell["remainder"][k] = max(cell["remainder"][k] - 1, 0)
    elif name == "remainder":
        cell["remainder"] = [0 for _ in cell["remainder"]]
    elif name == "residual":
        cell["residual"] = [(0.0).hex() for _ in cell["residual"]]
    else:
        cell["at"] = (float.fromhex(cell["at"]) + 1e-6).hex()
        cell["residual"] = (1e-300).hex()
        for end in ("lower", "upper"):
            ends = data["claims"]["optimum"]["value"]
            ends[end][0] = (float.fromhex(ends[end][0]) + 1e-6).hex()
        ends["lower"][0] = (float.fromhex(ends["lower"][0]) - 1e-9).hex()
        ends["upper"][0] = (float.fromhex(ends["upper"][0]) + 1e-9).hex()
    assert "(level 2)" in reasons(data, level=2)


def test_another_game_in_the_file_is_found_at_level_2(data):
    graph = data["game"]["graph"]
    k = next(k for k, node in enumerate(graph["nodes"]) if node == ["constant", (0.3).hex()])
    graph["nodes"][k][1] = (0.31).hex()
    graph["hash"] = certify.checker.graph.graph_hash(graph["nodes"], graph["outputs"])
    assert "the hash is that of the game" in reasons(data, level=2)
    data["game"]["hash"] = game_hash(data["game"])
    assert "(level 2)" in reasons(data, level=2)


def test_files_that_cannot_be_read(data):
    del data["game"]["graph"]
    assert not reasons(data)
    with pytest.raises(Unusable, match="no graph"):
        reasons(data, level=2)
    small = copy.deepcopy(data)
    small["game"]["followers"][0]["size"] = 95
    with pytest.raises(Unusable, match="at most 96 coordinates"):
        reasons(small)
    small["game"]["followers"][0]["name"] = small["game"]["leader"]["name"]
    with pytest.raises(Unusable, match="different names"):
        reasons(small)
    data["evidence"]["leader"][leaf(data, "leader")]["generators"] = [[0] * 64]
    with pytest.raises(Unusable, match="no matrices"):
        reasons(data)

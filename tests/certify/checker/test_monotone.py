"""Files about monotone fields, made by hand: accepted as they are, rejected with a false number."""

import copy
import itertools

import numpy as np
import pytest

from certify.checker import Unusable, check_data
from certify.checker.exact import MAX_WORK, Work
from certify.checker.graph import game_hash, graph_hash
from certify.checker.reader import MONOTONE
from certify.checker.semidefinite import connected, exactly_semidefinite, family_semidefinite
from tools.edits import sealed

ONE, ZERO = (1.0).hex(), (0.0).hex()
FAR = 4.0
BOX = {"kind": "box", "lower": [ZERO] * 2, "upper": [ONE] * 2}


def cell(centre, remainder=None, generators=()):
    size = round(len(centre) ** 0.5)
    return {
        "centre": list(centre),
        "generators": [list(g) for g in generators],
        "remainder": remainder or [0] * len(centre),
        "along": [-1] * len(generators),
        "monotone_scaling": [1] * size,
        "lipschitz_scaling": [1] * (2 * size),
    }


def hexadecimal(*numbers):
    return [float(x).hex() for x in numbers]


def described(centre=(0, 1, -1, 0), zero_sum=False, **solution):
    """A game `x y` in all of a box, with what is claimed of it; without a graph."""
    players = [{"name": name, "size": 1} for name in ("x", "y")]
    stated = {"kind": "point", "center": [ZERO] * 2, "residual": [ZERO] * 2, **solution}
    return {
        "format": "dgames certificate",
        "version": 2,
        "kind": MONOTONE,
        "game": {"players": players, **({"zero_sum": True} if zero_sum else {})},
        "region": {"kind": "box", "lower": hexadecimal(-FAR, -FAR), "upper": hexadecimal(FAR, FAR)},
        "claims": {
            "weights": [ONE, ONE],
            "lipschitz": (1.0 + 2.0**-20).hex(),
            "solution": stated,
            "starts": {"center": [ZERO] * 2, "radius": (2.0).hex()},
            "distance": (2.0).hex(),
            "methods": [
                method("fast_extragradient", "anchored", 0.5, 8.0),
                method("anchored_extragradient", "constant", 0.25, 17.0),
                method("anchored_extragradient", "varying", 0.5, 11.5),
                method("accelerated_optimistic", "anchored", 0.125, 32.5),
                method("extragradient", "last_iterate", 0.5, 4.7),
            ],
        },
        "evidence": {"unit": 0, "cells": [cell(centre)]},
    }


def method(name, theorem, step, constant):
    return {
        "method": name,
        "theorem": theorem,
        **dict(zip(("step", "constant"), hexadecimal(step, constant), strict=True)),
    }


def reasons(data):
    return check_data(sealed(data)).reasons


def changed(data, *path, to):
    data = part = copy.deepcopy(data)
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    return data


def onto_sets(**solution):
    """The same game, each in [0, 1], where it has a solution at zero."""
    data = described(**{"value": [ZERO] * 2, **solution})
    data["game"]["sets"] = [
        {"kind": "box", "lower": [ZERO], "upper": [ONE]},
        {"kind": "box", "lower": [ZERO], "upper": [ONE]},
    ]
    data["claims"]["distance"] = (1.4143).hex()
    data["claims"]["methods"] = [
        method("fast_extragradient", "anchored", 0.5, 5.7),
        method("extragradient", "best_iterate", 0.5, 3.3),
    ]
    return data


def isolated(centre=(0, 1, -1, 0), **evidence):
    """The same game, whose zero is in a small box by Krawczyk's test."""
    residual, reach = hexadecimal(2.0**-30, 2.0**-30), hexadecimal(2.0**-20, 2.0**-20)
    data = described(centre, kind="zero", residual=residual, reach=reach)
    data["claims"]["distance"] = (2.0001).hex()
    for stated in data["claims"]["methods"]:
        stated["constant"] = (float.fromhex(stated["constant"]) + 0.01).hex()
    data["evidence"] |= {"inverse": {"unit": 0, "matrix": [0, -1, 1, 0]}, **evidence}
    return data


def moved(data, place):
    """The same claims of another point, and none of methods."""
    for part in ("solution", "starts"):
        data["claims"][part]["center"] = hexadecimal(place, place)
    data["claims"]["methods"] = []
    return data


@pytest.mark.parametrize(
    "data",
    [described(), described(zero_sum=True), onto_sets(), isolated(), moved(isolated(), 3.5)],
)
def test_true_files_are_accepted(data):
    assert reasons(data) == ()


@pytest.mark.parametrize("kind", ["compact", "point"])
def test_solutions_in_bounded_sets(kind):
    assert reasons(onto_sets(kind=kind)) == ()
    # The value of another point is no normal there.
    value = hexadecimal(-0.5, 0.5)
    found = reasons(onto_sets(kind=kind, value=value))
    assert ("the centre solves the variational inequality" in found) == (kind == "point")


SMALL = [
    ("the field is monotone on", ("evidence", "cells", 0, "centre"), [0, 1, -2, 0]),
    ("the field is monotone on", ("evidence", "cells", 0, "centre"), [-1, 0, 0, 0]),
    ("the field is monotone on", ("evidence", "cells", 0, "remainder"), [1, 0, 0, 0]),
    ("the field is monotone on", ("evidence", "cells", 0, "remainder"), [0, 1, 0, 0]),
    ("the Lipschitz constant holds", ("claims", "lipschitz"), ONE),
    ("the value at the centre is exact", ("claims", "solution", "residual"), [ONE, ZERO]),
    ("the distance of starts", ("claims", "distance"), (1.9999).hex()),
    ("the distance of starts", ("claims", "starts", "radius"), (2.01).hex()),
    ("the distance of starts", ("claims", "starts", "center"), hexadecimal(0.1, 0)),
    ("weights are positive", ("claims", "weights"), [ONE, ZERO]),
    ("the field is monotone on", ("claims", "weights"), hexadecimal(1, 2)),
    ("its points are inside the region", ("region", "upper"), hexadecimal(2.9, 4)),
    ("constant holds", ("claims", "methods", 0, "constant"), (7.99).hex()),
    ("constant holds", ("claims", "methods", 1, "constant"), (16.4).hex()),
    ("constant holds", ("claims", "methods", 2, "constant"), (10.5).hex()),
    ("constant holds", ("claims", "methods", 3, "constant"), (32.1).hex()),
    ("constant holds", ("claims", "methods", 4, "constant"), (4.6).hex()),
    ("step is at most that", ("claims", "methods", 0, "step"), ONE),
    ("step is at most that", ("claims", "methods", 1, "step"), (0.3).hex()),
    ("step is at most that", ("claims", "methods", 2, "step"), (0.62).hex()),
    ("step is at most that", ("claims", "methods", 3, "step"), (0.19).hex()),
    ("step is at most that", ("claims", "methods", 4, "step"), ONE),
]


@pytest.mark.parametrize("sentence, path, value", SMALL)
def test_each_number_made_false_is_rejected(sentence, path, value):
    found = reasons(changed(described(), *path, to=value))
    assert any(sentence in reason for reason in found), found


def test_couplings_of_zero_sum_games_cancel_and_others_do_not():
    loose = [0, 1, 1, 0]
    path = ("evidence", "cells", 0, "remainder")
    wide = changed(described(zero_sum=True), "claims", "lipschitz", to=(2.01).hex())
    for stated in wide["claims"]["methods"]:
        stated["step"] = (0.05).hex()
        stated["constant"] = (200.0).hex()
    assert reasons(changed(wide, *path, to=loose)) == ()
    apart = changed(wide, *path, to=loose)
    del apart["game"]["zero_sum"]
    assert any("monotone" in reason for reason in reasons(apart))


@pytest.mark.parametrize(
    "sentence, data",
    [
        ("Krawczyk's test", isolated(inverse={"unit": 0, "matrix": [0, 1, 1, 0]})),
        ("Krawczyk's test", isolated(inverse={"unit": 0, "matrix": [0, 0, 0, 0]})),
        ("Krawczyk's test", changed(isolated(), "claims", "solution", "residual", to=[ONE, ONE])),
        ("sets are bounded", changed(onto_sets(), "game", "sets", 0, "upper", to=["inf"])),
        ("sets are inside", changed(onto_sets(), "region", "upper", to=hexadecimal(0.5, 4))),
        (
            "its points are inside the region",
            changed(onto_sets(), "region", "upper", to=hexadecimal(1.7, 4)),
        ),
        # Families say nothing of a box outside of all cells, or partly so.
        ("solution is inside", moved(isolated(), 100.0)),
        ("solution is inside", moved(isolated(), FAR)),
        ("solution is inside", moved(described(), 5.0)),
        ("without strategy sets", {**isolated(), "game": onto_sets()["game"]}),
    ],
)
def test_solutions_that_are_not_shown(sentence, data):
    if "sets" in data["game"]:
        data["claims"]["solution"].setdefault("value", [ZERO] * 2)
        data["claims"]["methods"] = onto_sets()["claims"]["methods"]
    assert any(sentence in reason for reason in reasons(data)), reasons(data)


@pytest.mark.parametrize(
    "path, value, sentence",
    [
        (("claims", "methods", 0, "theorem"), "best_iterate", "no theorem"),
        (("claims", "solution", "kind"), "somewhere", "one of zero, point, compact"),
        (("region",), {"kind": "everywhere"}, "cells of a box or a ball"),
        (("game", "shared"), {}, "cells of a box or a ball"),
        (
            ("game", "sets"),
            [{"kind": "box", "lower": [ONE], "upper": [x]} for x in (ZERO, ONE)],
            "the set is empty",
        ),
        (("claims", "margin"), ONE, "nothing but"),
    ],
)
def test_what_cannot_be_read(path, value, sentence):
    with pytest.raises(Unusable, match=sentence):
        check_data(sealed(changed(described(), *path, to=value)))


@pytest.mark.parametrize("step", [2.0**-1022, 2.0**-1074, 2.0**-500])
@pytest.mark.parametrize("number", range(5))
def test_tiny_steps_are_no_trouble(step, number):
    data = changed(described(), "claims", "methods", number, "step", to=step.hex())
    assert any("constant holds" in reason for reason in reasons(data))


def test_a_method_stands_once():
    data = described()
    data["claims"]["methods"].append(data["claims"]["methods"][0])
    with pytest.raises(Unusable, match="does not occur before"):
        check_data(sealed(data))


def test_semidefinite_matrices_are_told_from_others():
    rng = np.random.default_rng(3)
    for size in range(1, 7):
        for rank in range(size + 1):
            factor = rng.integers(-5, 6, (size, rank))
            matrix = (factor @ factor.T).tolist()
            assert exactly_semidefinite(matrix, Work())
            assert family_semidefinite(matrix, [], [[0] * size] * size, [1] * size, Work())
            if np.linalg.matrix_rank(factor) < size:
                # Less by the least amount in a direction of the null space, it is none.
                scaled = (np.array(matrix) * 1000 - np.eye(size, dtype=int)).tolist()
                assert not exactly_semidefinite(scaled, Work())
                assert not family_semidefinite(scaled, [], [[0] * size] * size, [1] * size, Work())


def test_minors_decide_as_elimination_in_fractions_does():
    """All principal minors are not negative: where pivots are zero, in between and at the end."""
    rng = np.random.default_rng(8)
    found = []
    for _ in range(300):
        size = int(rng.integers(1, 5))
        rows = rng.integers(-2, 3, (size, size)) * (rng.random((size, 1)) < 0.7)
        matrix = rows @ rows.T
        i, j = rng.integers(0, size, 2)
        matrix[i, j] = matrix[j, i] = matrix[i, j] + rng.integers(-1, 2)
        choices = itertools.chain(
            *(itertools.combinations(range(size), k) for k in range(1, size + 1))
        )
        minors = [round(np.linalg.det(matrix[np.ix_(own, own)])) for own in choices]
        found.append(min(minors) >= 0)
        for factor in (1, 2**70, 3**40):
            scaled = [[factor * int(x) for x in row] for row in matrix]
            assert exactly_semidefinite(scaled, Work()) == found[-1], matrix
    assert 60 < sum(found) < 240


def test_a_singular_matrix_of_long_numbers_costs_what_it_takes():
    """At the price of its length: what is not paid for in full would take an hour."""
    factor = 2**500 + np.arange(30, dtype=object)[:, None] ** 7
    matrix = (factor @ factor.T).tolist()
    work = Work()
    assert exactly_semidefinite(matrix, work)
    assert MAX_WORK - work.left > 30**3 * (30 * 1000 // 1024) ** 2
    with pytest.raises(Unusable, match="too much work"):
        exactly_semidefinite([[x << 20_000 | 1 for x in row] for row in matrix], Work())


def test_blocks_are_looked_at_one_by_one():
    centre = [[4, 0, 0], [0, 1, 1], [0, 1, 1]]
    moving = [[[3, 0, 0], [0, 0, 0], [0, 0, 0]]]
    nothing = [[0] * 3] * 3
    assert connected([centre, *moving]) == [[0], [1, 2]]
    assert family_semidefinite(centre, moving, nothing, [1] * 3, Work())
    assert not family_semidefinite(centre, moving, [[2, 0, 0], *nothing[1:]], [1] * 3, Work())
    # A block with nothing to spare bears no uncertainty at all.
    loose = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert not family_semidefinite(centre, moving, loose, [1] * 3, Work())
    assert family_semidefinite(plus_one(centre), moving, loose, [1] * 3, Work())


def plus_one(matrix):
    return [[x + (i == j) for j, x in enumerate(row)] for i, row in enumerate(matrix)]


def test_graphs_of_other_costs_do_not_pass_at_level_2():
    pytest.importorskip("flint")
    data = described(zero_sum=True)
    nodes, outputs = [["mul", 0, 1]], [2]
    graph = {"nodes": nodes, "outputs": outputs, "hash": graph_hash(nodes, outputs)}
    data["game"]["graph"] = graph
    data["game"]["hash"] = game_hash(data["game"])
    assert check_data(sealed(data), level=2).ok
    nodes = [["mul", 0, 1], ["mul", 2, 0], ["add", 2, 3]]
    data["game"]["graph"] = {"nodes": nodes, "outputs": [4], "hash": ""}
    assert not check_data(sealed(data), level=2).ok

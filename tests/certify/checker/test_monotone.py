"""Files about monotone fields, made by hand: accepted as they are, rejected with a false number."""

import copy
import itertools
from fractions import Fraction

import numpy as np
import pytest

from certify.checker import Unusable, check_data
from certify.checker.exact import MAX_WORK, Work
from certify.checker.graph import game_hash, graph_hash
from certify.checker.monotone import MonotoneClaims
from certify.checker.reader import MONOTONE, Reader
from certify.checker.semidefinite import connected, exactly_semidefinite, family_semidefinite
from certify.checker.verdict import Rejected
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
    ("the residual is not negative", ("claims", "solution", "residual"), hexadecimal(-1, 0)),
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


SMALL += [
    ("step is positive", ("claims", "methods", number, "step"), step)
    for number, step in enumerate([(-0.5).hex(), ZERO, (-0.5).hex(), ZERO, (-0.5).hex()])
]


@pytest.mark.parametrize("sentence, path, value", SMALL)
def test_each_number_made_false_is_rejected(sentence, path, value):
    found = reasons(changed(described(), *path, to=value))
    assert any(sentence in reason for reason in found), found


def test_the_size_of_the_box_of_a_zero_counts():
    """It adds 2^-20 sqrt(2), about 1.35e-6, to distances and to the ball of all points."""
    found = reasons(changed(isolated(), "claims", "distance", to=(2.000001).hex()))
    assert found == ("the distance of starts from a solution",)
    for side, inside in ((3.00015 + 1.3e-6, False), (3.00015 + 1.4e-6, True)):
        region = {"lower": hexadecimal(-side, -side), "upper": hexadecimal(side, side)}
        data = changed(isolated(), "region", to={"kind": "box", **region})
        data["claims"]["methods"] = data["claims"]["methods"][:1]
        assert (reasons(data) == ()) == inside
    with pytest.raises(Rejected, match="box of the zero is not empty"):
        MonotoneClaims(Reader(changed(isolated(), "claims", "solution", "reach", 0, to=ZERO)))


def test_the_radius_of_starts_counts():
    data = changed(
        onto_sets(kind="compact"), "claims", "starts", "center", to=hexadecimal(0.5, 0.5)
    )
    data["claims"]["starts"]["radius"] = (0.1).hex()
    for distance, holds in ((0.8, False), (0.81, True)):
        data["claims"]["distance"] = distance.hex()
        assert (reasons(data) == ()) == holds
    data["claims"]["starts"]["radius"] = (-0.1).hex()
    assert reasons(data) == ("the radius of the starts is not negative",)


def test_a_point_is_in_the_sets_exactly():
    # Were the field zero at (2, 0), which is outside of the sets, that would be no solution.
    data = onto_sets(kind="point", center=hexadecimal(2, 0), value=hexadecimal(0, 0))
    data["claims"]["distance"] = (9.0).hex()
    for stated in data["claims"]["methods"]:
        stated["constant"] = (99.0).hex()
    assert reasons(data) == ("the centre solves the variational inequality",)
    data["claims"]["solution"]["center"] = hexadecimal(0, 0)
    assert reasons(data) == ()
    # A push out of a ball is met by a normal on the sphere, and not a little inside.
    for edge, holds in ((1.0, True), (1 - 2.0**-50, False)):
        data["game"]["sets"][1] = {"kind": "ball", "center": [ZERO], "radius": ONE}
        data["claims"]["solution"] |= {
            "center": hexadecimal(0, edge),
            "value": hexadecimal(1, -1),
        }
        assert (reasons(data) == ()) == holds


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
        (
            "game.sets[1] is not empty",
            changed(onto_sets(kind="compact"), "game", "sets", 1, "lower", to=hexadecimal(1.01)),
        ),
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


def test_what_is_lost_to_a_remainder_is_rounded_up_and_scaled_in_each_block():
    coupled = [[0, 1], [1, 0]]
    # A third of a unit is lost on the diagonal, where there is nothing.
    assert not family_semidefinite([[9, 0], [0, 0]], [], coupled, [1, 3], Work())
    assert family_semidefinite([[9, 0], [0, 1]], [], coupled, [1, 3], Work())
    centre, loose = [[4, 0, 0], [0, 1, 0], [0, 0, 9]], [[0, 0, 0], [0, 0, 2], [0, 2, 0]]
    assert family_semidefinite(centre, [], loose, [1, 3, 1], Work())
    assert not family_semidefinite(centre, [], loose, [3, 1, 1], Work())


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


# Of a ball, a product of two simplices and a segment: extreme points, and coordinates' ends.
SETS = [
    {"kind": "ball", "center": hexadecimal(1, 0), "radius": (2.0).hex()},
    {"kind": "simplex", "groups": [3, 1]},
    {"kind": "box", "lower": hexadecimal(-1), "upper": hexadecimal(3)},
]
SPREAD = np.repeat([4.0, 0.25, 9.0], [2, 4, 1])
LOW, HIGH = np.array([-1, -2, 0, 0, 0, 0, -1.0]), np.array([3, 2, 1, 1, 1, 1, 3.0])


def claims_of_sets(region):
    """The claims of a file about three players in the sets above, with weights 4, 1/4 and 9."""
    data = described(value=[ZERO] * 7, center=[ZERO] * 7, residual=[ZERO] * 7, kind="compact")
    sizes = {"x": 2, "y": 4, "z": 1}
    data["game"] = {
        "players": [{"name": name, "size": size} for name, size in sizes.items()],
        "sets": SETS,
    }
    data["claims"] |= {
        "weights": hexadecimal(4, 0.25, 9),
        "starts": {"center": [ZERO] * 7, "radius": ZERO},
    }
    return MonotoneClaims(Reader(data | {"region": region}))


def box_around_sets(spare):
    return {
        "kind": "box",
        "lower": hexadecimal(*(LOW - spare)),
        "upper": hexadecimal(*(HIGH + spare)),
    }


def test_how_far_apart_points_of_sets_are():
    claims = claims_of_sets(box_around_sets(np.zeros(7)))
    ends = [np.array([1.0, 2.0]), np.array([1.0, 0, 0, 1]), np.array([3.0])]
    others = [np.array([1.0, -2.0]), np.array([0.0, 1, 0, 1]), np.array([-1.0])]
    gap = np.concatenate(ends) - np.concatenate(others)
    assert float(claims.diameter_above()) == pytest.approx(np.sqrt(SPREAD @ gap**2))
    # The point is outside the sets, the segment's coordinate nearer to its lower end.
    point = np.array([4.0, 4.0, 0.2, 0.5, 0.1, 0.7, -0.5])
    far = np.array([1 - 2 * 0.6, -2 * 0.8, 0, 0, 1, 1, 3.0])
    found = float(claims.farthest_above([Fraction(x) for x in point]))
    assert found == pytest.approx(np.sqrt(SPREAD @ (far - point) ** 2))
    beyond = np.array([*point[:-1], 7.0])
    far[-1] = -1.0
    found = float(claims.farthest_above([Fraction(x) for x in beyond]))
    assert found == pytest.approx(np.sqrt(SPREAD @ (far - beyond) ** 2))


def test_regions_that_contain_all_points_near_sets():
    """Within 3 of them in the metric: 3 / 2, 6 or 1 along a coordinate of the three players."""
    spare, room = 3 / np.sqrt(SPREAD), Fraction(3)
    assert claims_of_sets(box_around_sets(spare * (1 + 1e-12))).contains_sets(room)
    for k in range(7):
        small = spare * (1 + 1e-12) - 1e-9 * (np.arange(7) == k)
        assert not claims_of_sets(box_around_sets(small)).contains_sets(room)
    corner = np.linalg.norm(np.maximum(-(LOW - spare), HIGH + spare))
    ball = {"kind": "ball", "center": hexadecimal(*np.zeros(7))}
    for factor in (1 - 1e-9, 1 + 1e-9):
        claims = claims_of_sets(ball | {"radius": float(factor * corner).hex()})
        assert claims.contains_sets(room) == (factor > 1)


def quarters(cells, inverse, residual, reach):
    """A field of two coordinates alike around zero, with Jacobians in quarters."""
    data = described(kind="zero", residual=hexadecimal(*residual), reach=hexadecimal(*reach))
    data["claims"] |= {"lipschitz": (8.0).hex(), "distance": (9.0).hex(), "methods": []}
    cuts = [{"split": 0, "at": ZERO}] if len(cells) == 2 else []
    matrix = [inverse, 0, 0, inverse]
    data["evidence"] = {
        "unit": -2,
        "cells": [*cuts, *cells],
        "inverse": {"unit": 0, "matrix": matrix},
    }
    return data


def alike(middle, remainder=0, generator=0):
    """A cell whose Jacobians are a multiple of the identity, in between."""
    generators = [[generator, 0, 0, generator]] if generator else []
    return cell([middle, 0, 0, middle], [remainder, 0, 0, remainder], generators)


# With Y: Y residual + q reach < reach has to hold, where q bounds |1 - Y J|.
KRAWCZYK = [
    ([alike(4)], 1, 0.99, 1.0, True),
    ([alike(4)], 1, 1.0, 1.0, False),
    ([alike(4, 1)], 1, 0.74, 1.0, True),
    ([alike(4, 1)], 1, 0.75, 1.0, False),
    ([alike(4, 0, 1)], 1, 0.74, 1.0, True),
    ([alike(4, 0, 1)], 1, 0.75, 1.0, False),
    ([alike(4, 1, 1)], 1, 0.5, 1.0, False),
    ([alike(3)], 1, 0.74, 1.0, True),
    ([alike(3)], 1, 0.75, 1.0, False),
    # 1 - 2 (1/2 +- 1/4) is within one half.
    ([alike(2, 1)], 2, 0.24, 1.0, True),
    ([alike(2, 1)], 2, 0.25, 1.0, False),
    ([alike(2)], 2, 0.5, 1.0, False),
    # Both cells count, and the two that are touched only: half a quarter of one is not enough.
    ([alike(4), alike(4, 2)], 1, 0.49, 1.0, True),
    ([alike(4), alike(4, 2)], 1, 0.5, 1.0, False),
    ([alike(4, 2), alike(4)], 1, 0.5, 1.0, False),
    ([alike(4, 2), alike(3)], 1, 0.5, 1.0, False),
]


@pytest.mark.parametrize("cells, inverse, residual, reach, holds", KRAWCZYK)
def test_krawczyks_test(cells, inverse, residual, reach, holds):
    """The same along both coordinates, and along each of them if nothing is to be shown of one."""
    for own in ((residual, residual), (residual, 0.0), (0.0, residual)):
        found = reasons(quarters(cells, inverse, own, (reach, reach)))
        assert found == (() if holds else ("Krawczyk's test holds for the box of the zero",))


@pytest.mark.parametrize("place, holds", [(1.0, False), (2.0, False), (-1.0, False), (2.25, True)])
def test_all_cells_that_the_box_of_a_zero_meets_count(place, holds):
    """The Jacobians left of zero allow no such box; a box that touches that cell has some too."""
    data = quarters([alike(4, 4), alike(4)], 1, (0.5, 0.5), (2.0, 2.0))
    for part in ("solution", "starts"):
        data["claims"][part]["center"] = hexadecimal(place, 0)
    data["region"]["upper"] = hexadecimal(8, 4)
    assert (reasons(data) == ()) == holds


def quartic(middle, remainder, slope=0, along=0):
    """Of the payoff `x y + x^4`: an own curvature from 0 to 192, in a family with one generator."""
    generators = [[slope, 0, 0, 0]] if slope else []
    data = described(zero_sum=True)
    data["evidence"]["cells"] = [cell([middle, 1, -1, 0], [remainder, 0, 0, 0], generators)]
    data["evidence"]["cells"][0]["along"] = [along] * len(generators)
    nodes, outputs = [["mul", 0, 1], ["power", 0, 4], ["add", 2, 3]], [4]
    graph = {"nodes": nodes, "outputs": outputs, "hash": graph_hash(nodes, outputs)}
    data["game"]["graph"] = graph
    data["game"]["hash"] = game_hash(data["game"])
    return Reader(data)


@pytest.mark.parametrize(
    "numbers, holds",
    [
        ((96, 96), True),
        ((96, 95), False),
        ((95, 96), False),
        ((97, 96), False),
        ((97, 97), True),
        # A generator is part of the family: at x = -4 it takes one away.
        ((96, 96, 1), False),
        ((96, 97, 1), True),
        # One that goes along no coordinate may be of any sign, so that zero is chosen.
        ((96, 96, 1, -1), True),
        ((96, 95, 1, -1), False),
    ],
)
def test_ranges_that_end_at_zero_are_shown_at_level_2(numbers, holds):
    pytest.importorskip("flint")
    from certify.checker.rederive import rederive

    file = quartic(*numbers)
    if holds:
        assert len(rederive(file, MonotoneClaims(file))) == 3
        return
    with pytest.raises(Rejected, match="the Jacobian is in the stated family"):
        rederive(file, MonotoneClaims(file))

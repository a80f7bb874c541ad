"""Generalised Nash equilibria by Krawczyk's test: known problems, proved or refused."""

import copy

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.graph import game_hash
from tests.certify.prove.zero import generalised_games as problems


def entries(x):
    return np.concatenate([np.ravel(part) for part in x])


def encloses(found, solution, digits=1e-9):
    """The enclosure is narrow, and the published digits are those of a point in it."""
    lower, upper = entries(found.zero.lower), entries(found.zero.upper)
    assert (upper - lower <= 1e-11).all()
    return np.abs(lower - entries(solution)).max() <= digits


@pytest.fixture(scope="module")
def oligopoly():
    region = certify.Box.around(problems.OLIGOPOLY_150, 10.0)
    return certify.certify_kkt(
        problems.oligopoly(150.0), problems.OLIGOPOLY_150, region, radius=1.0
    )


@pytest.fixture(scope="module")
def switching():
    x = problems.SWITCHING
    lower, upper = ((0.3 + s, *(q + t for q in x[1:])) for s, t in ((0.0, -0.02), (0.04, 0.02)))
    return certify.certify_kkt(problems.switching(), x, certify.Box(lower, upper))


def test_the_capped_oligopoly(oligopoly):
    assert oligopoly.status == "proved", oligopoly.reasons
    assert encloses(oligopoly, problems.OLIGOPOLY_150)
    assert abs(oligopoly.multipliers.lower[0] - problems.PRICE_150) < 1e-9
    assert oligopoly.check(level=2).ok
    assert 0.999 <= oligopoly.radius <= 1.0
    words = " ".join(str(part) for line in oligopoly.rows() for part in line.parts)
    assert "generalised Nash equilibrium within the region; there may be others" in words


def test_a_box_that_is_too_large_is_refused():
    """The mean value theorem narrows bounds, so that the radius 2 is proved, but 3 is not."""
    game, x = problems.oligopoly(150.0), problems.OLIGOPOLY_150
    assert certify.certify_kkt(game, x, radius=2.0).status == "proved"
    found = certify.certify_kkt(game, x, radius=3.0)
    assert found.status == "undecided"
    assert found.reasons[0].startswith("Krawczyk's test does not hold for the box of radius 3")


@pytest.mark.parametrize("game", ["oligopoly", "switching"])
def test_own_multipliers_of_a_shared_row_are_refused(game):
    """The system is singular by structure."""
    game, x = {
        "oligopoly": (problems.oligopoly(150.0, own=True), problems.OLIGOPOLY_150),
        "switching": (problems.switching(second=True, own=True), problems.SWITCHING_2),
    }[game]
    found = certify.certify_kkt(game, x)
    assert found.status == "undecided" and "singular" in found.reasons[-1]


def test_what_is_not_monotone_is_proved():
    """The symmetric part of the Jacobian has the eigenvalue -20."""
    ends = [tuple(s * jnp.full(size, 10.0) for size in (3, 2, 2)) for s in (-1, 1)]
    zeros = tuple(jnp.zeros(size) for size in (3, 2, 2))
    found = certify.certify_kkt(problems.three_quadratic(), zeros, certify.Box(*ends))
    assert found.status == "proved", found.reasons
    assert encloses(found, problems.THREE_QUADRATIC)
    assert found.multipliers.upper.tolist() == [0.0] * 4 and found.check(level=2).ok


def test_a_privileged_player_at_a_bound(switching):
    assert switching.status == "proved", switching.reasons
    assert encloses(switching, problems.SWITCHING, 1e-12)
    assert float(switching.zero.lower[0]) == float(switching.zero.upper[0]) == 0.3
    bound = float.fromhex(switching.data["evidence"]["bounds"][-1])
    assert 0.26951 < bound < 0.26952


def test_the_river(oligopoly):
    region = certify.Box((0.0,) * 3, (50.0,) * 3)
    found = certify.certify_kkt(problems.river(), problems.RIVER, region)
    assert found.status == "proved" and found.check(level=2).ok
    assert encloses(found, problems.RIVER)
    assert np.abs(found.multipliers.lower - problems.RIVER_MULTIPLIERS).max() < 1e-9


def test_without_strict_complementarity_there_is_no_proof():
    found = certify.certify_kkt(problems.two_lines(), (jnp.array([0.0, 11.0]), jnp.array(8.0)))
    assert found.status == "undecided"
    assert "the multiplier of the lower bound of 0[0] is positive was not shown" in found.reasons[0]


def test_a_wrong_guess_of_the_active_set_is_not_proved():
    game = problems.on_a_line()
    inactive = certify.certify_kkt(game, (0.75, 0.25), active=[False])
    assert "constraint 0 is inactive was not shown" in inactive.reasons[0]
    loose = dg.game(
        lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2),
        shared=dg.Polyhedron([[1.0, 1.0]], [2.0]),
    )
    active = certify.certify_kkt(loose, (1.25, 0.75))
    assert "the multiplier of active constraint 0 is negative" in active.reasons[0]
    with pytest.raises(ValueError, match="active has 2 entries; there are 1 rows"):
        certify.certify_kkt(game, (0.75, 0.25), active=[True, True])


def test_equations_have_multipliers_of_any_sign():
    """The same line as an equation, from the other side: it pushes upward."""
    game = dg.game(
        lambda x, _: (x[0] ** 2, x[1] ** 2),
        shared=dg.Polyhedron(jnp.zeros((0, 2)), jnp.zeros(0), [[1.0, 1.0]], [1.0]),
    )
    found = certify.certify_kkt(game, (0.4, 0.6), certify.Box((-2.0, -2.0), (2.0, 2.0)))
    assert found.status == "proved", found.reasons
    assert encloses(found, (0.5, 0.5)) and abs(found.multipliers.lower[0] + 1.0) < 1e-12
    assert found.check(level=2).ok
    active = changed(found.data, ("game", "system", "constraints", 0, "role"), lambda x: "active")
    assert check_data(active, level=2).reasons == ("the multipliers are positive",)


@pytest.mark.parametrize(("best", "status"), [(3.0, "proved"), (-3.0, "undecided")])
def test_an_upper_bound_pushes_downward(best, status):
    game = dg.game(lambda x, _: ((x[0] - best) ** 2, (x[1] - 0.5) ** 2), dg.Box(0.0, 1.0))
    found = certify.certify_kkt(game, (1.0, 0.4), certify.Box((0.0, 0.0), (2.0, 1.0)))
    assert found.status == status
    if status == "proved":
        assert float.fromhex(found.data["evidence"]["bounds"][0]) == 4.0


def test_constraints_of_others_make_no_cost_convex():
    """Only the first player is bound by the disk, in which the second one is a parameter."""
    disk = dg.SharedConstraint(lambda x, _: x[0] ** 2 + x[1] ** 2 - 1.0, players="0")
    region = certify.Box((-2.0, -2.0), (2.0, 2.0))
    for curvature, status in ((0.1, "proved"), (-0.1, "undecided")):
        game = dg.game(lambda x, _, c=curvature: (-x[0], c * (x[1] - 0.1 * x[0]) ** 2), shared=disk)
        found = certify.certify_kkt(
            game, (0.99, 0.1), region, active=[True], search=certify.Search(max_cells=4)
        )
        assert found.status == status, found.reasons


def test_a_saddle_of_a_cost_is_no_equilibrium():
    """The Krawczyk test holds, but the first cost is concave in the own strategy."""
    game = dg.game(lambda x, _: (-((x[0] - x[1]) ** 2) + x[0] * x[1], x[1] ** 2 - x[0]))
    region = certify.Box((-1.0, -1.0), (1.0, 1.0))
    assert certify.certify_kkt(game, (0.1, 0.1)).status == "proved"
    found = certify.certify_kkt(game, (0.1, 0.1), region, search=certify.Search(max_cells=8))
    assert found.reasons == (
        "the Lagrangian of player 0 was not shown to be convex on the region; the budget of 8 "
        "cells was used up",
    )


def test_convexity_of_the_lagrangian_is_enough():
    """Neither cost is strictly convex; the active constraint of the first player is."""
    disk = dg.SharedConstraint(lambda x, _: x[0] @ x[0] + x[1] ** 2 - 1.0, players="0")
    game = dg.game(
        lambda x, _: (-x[0][0] - x[0][1], (x[1] - 0.1 * x[0][0]) ** 2),
        shared=disk,
    )
    region = certify.Box((jnp.full(2, -2.0), jnp.array(-2.0)), (jnp.full(2, 2.0), jnp.array(2.0)))
    guess = (jnp.array([0.7, 0.7]), jnp.array(0.07))
    found = certify.certify_kkt(game, guess, region, active=[True])
    assert found.status == "proved" and found.check(level=2).ok
    x, y = found.zero.lower
    assert abs(float(x[0]) ** 2 * 2 + float(y) ** 2 - 1) < 1e-12


def test_sets_other_than_boxes_are_refused():
    game = dg.game(lambda x, _: (x[0] @ x[0],), dg.Ball(0.0, 1.0))
    with pytest.raises(ValueError, match="strategy sets have to be boxes"):
        certify.certify_kkt(game, (jnp.zeros(2),))
    with pytest.raises(ValueError, match="the radius is -1"):
        certify.certify_kkt(problems.on_a_line(), (0.75, 0.25), radius=-1.0)
    with pytest.raises(ValueError, match="tightness of Search means nothing here"):
        certify.certify_kkt(
            problems.on_a_line(), (0.75, 0.25), search=certify.Search(tightness=0.5)
        )


def changed(data, path, change):
    data = copy.deepcopy(data)
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = change(part[path[-1]])
    data["game"]["hash"] = game_hash(data["game"])
    return data


def number(value):
    return lambda _: float(value).hex()


def of_player(role, players=(0, 1, 2, 3, 4)):
    return lambda _: {"players": list(players), "role": role}


CLAIMS = ("claims", "zero")
FALSE = [
    ("oligopoly", ("claims", "region", "lower", 0), number(23.6), "the zero is in the region"),
    ("oligopoly", ("claims", "region", "lower", 0), number(9.0), "is in evidence.cells"),
    ("oligopoly", (*CLAIMS, "lower", 5), number(7.2), "claims.zero is not empty"),
    ("oligopoly", (*CLAIMS, "upper", 0), number(23.5), "claims.zero is not empty"),
    ("oligopoly", ("claims", "box", "upper", 0), number(60.0), "interior of the box"),
    ("oligopoly", ("game", "system", "constraints", 0), of_player("active", [0]), "residual"),
    ("oligopoly", ("game", "sets", 0, "lower", 0), number(24.0), "in the strategy sets"),
    (
        "oligopoly",
        ("evidence", "cells", 0, "forms", 2, "matrix", "centre", 0),
        lambda x: -x,
        "the Lagrangian of player 2 is positive semidefinite",
    ),
    ("switching", ("game", "sets", 0, "upper", 0), number(0.25), "game.sets[0] is not empty"),
    ("switching", ("game", "sets", 1, "lower", 0), number(0.07), "in the strategy sets"),
    ("switching", ("game", "sets", 0, "lower", 0), number(0.35), "region"),
    ("switching", ("evidence", "bounds", 0), number(0.1), "the conditions are as large"),
    ("switching", ("evidence", "bounds", 1), number(0.27), "the conditions are as large"),
    ("switching", ("evidence", "bounds", 1), number(-0.1), "the conditions are positive"),
    ("switching", ("claims", "region", "upper", 3), number(0.9), "is in evidence.cells"),
]


@pytest.mark.parametrize(("name", "path", "change", "reason"), FALSE)
def test_each_claim_made_false_is_rejected(name, path, change, reason, request):
    data = request.getfixturevalue(name).data
    verdict = check_data(changed(data, path, change), level=2)
    assert not verdict.ok and reason in verdict.reasons[0]


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        ("oligopoly", ("game", "system", "constraints", 0), of_player("inactive")),
        ("oligopoly", ("game", "system", "constraints", 0), of_player("active", [])),
        ("oligopoly", ("game", "system", "constraints", 0), of_player("active", [7])),
        ("oligopoly", ("game", "system", "constraints", 0), of_player("riddle")),
        ("switching", ("game", "system", "constraints", 0), of_player("active")),
        ("switching", ("game", "system", "fixed"), lambda x: []),
        ("switching", ("game", "system", "fixed"), lambda x: x * 2),
        ("switching", ("game", "system", "fixed", 0, "coordinate"), lambda x: 10),
        ("switching", ("game", "system", "fixed", 0, "at"), lambda x: "middle"),
        ("switching", ("game", "sets", 0), lambda x: {"kind": "simplex", "groups": [1]}),
        ("switching", ("game", "sets", 0, "lower", 0), lambda x: "-inf"),
    ],
)
def test_another_system_does_not_fit_the_file(name, path, change, request):
    with pytest.raises(certify.Unusable):
        check_data(changed(request.getfixturevalue(name).data, path, change))


def test_a_fixed_coordinate_at_the_other_bound_is_rejected(switching):
    """There its multiplier has the other sign; the functions are others, too."""
    data = changed(switching.data, ("game", "system", "fixed", 0, "at"), lambda x: "upper")
    data["claims"]["region"]["upper"][0] = (0.5).hex()
    verdict = check_data(data, level=2)
    assert not verdict.ok

"""Files that violate one condition of the checker, and no other: each condition is needed.

They are made by hand, so that nothing but the checker has to be right. Each change is small enough
that a checker without the condition would accept the file.
"""

import copy
from fractions import Fraction

import pytest

from certify.checker import Unusable, check_data
from certify.checker.contraction import Symmetric
from certify.checker.exact import Work, family_positive_definite, generator, root_above
from certify.checker.payoffs import Payoffs, quadrilateral
from certify.checker.policies import Couplings, check_mirror_descent
from certify.checker.reader import Reader
from certify.checker.region import Region
from certify.checker.verdict import Rejected
from tests.certify.checker.quadratic import ONE, ZERO, cell, contraction, quadratic
from tools.edits import sealed

HALF = (0.5).hex()


def reasons(data):
    verdict = check_data(data)
    assert verdict.ok == (not verdict.reasons)
    return " ".join(verdict.reasons)


def with_steps(step, *, gradient=True):
    data = quadratic([1, 1], steps=[dict(step)])
    if not gradient:
        data["game"]["field"] = "some field"
    return data


def number(**fields):
    return {name: x if isinstance(x, str) else float(x).hex() for name, x in fields.items()}


def test_radii_are_positive():
    equilibrium = {"center": [ZERO], "residual": [ZERO], "radius": (-0.25).hex()}
    assert reasons(quadratic([1])) == ""
    assert "positive radius" in reasons(quadratic([1], equilibrium=equilibrium))


def test_a_basin_leaves_room_for_the_equilibrium_twice():
    """The region reaches up to 1, and the equilibrium is within 1/4 of the centre."""
    for basin, expected in ((0.5, ""), (0.625, "the basin is inside the region")):
        assert reasons(quadratic([1], basin={"radius": basin.hex()})) == expected


def test_players_are_not_coupled_to_themselves():
    """A negative coupling would make up for curvature that is not there."""
    data = quadratic([1, 1])
    small = data["claims"]["small_gain"]["coupling"][0][1]
    data["claims"]["small_gain"] |= {
        "margin": ONE,
        "coupling": [[(-1.0).hex(), small], [small, (-1.0).hex()]],
    }
    assert "coupling bounds" in reasons(data)


def test_units_of_evidence_are_within_bounds():
    data = quadratic([1])
    data["evidence"]["unit"] = 1
    with pytest.raises(Unusable, match=r"evidence\.unit"):
        check_data(data)


def on_a_disk(at, first, second):
    data = quadratic([2])
    data["region"] = {"kind": "ball", "center": [ZERO, ZERO], "radius": ONE}
    split = {"split": 0, "at": float(at).hex()}
    data["evidence"]["cells"] = [split, first, second]
    return data


def test_only_what_is_outside_is_left_out():
    """Half of a disk is not outside of it, though corners of the cell are."""
    assert reasons(on_a_disk(0.5, cell(2), cell(2))) == ""
    assert "lies outside" in reasons(on_a_disk(0.5, cell(2), {"outside": 0}))


def test_cells_of_policies_are_outside_where_no_policy_is():
    region = Region(Reader({"kind": "policies", "groups": [2]}), 2)
    third, most = Fraction(1, 3), Fraction(2, 3)
    assert not region.misses([third, third], [most, most])
    assert region.misses([most, most], [Fraction(1), Fraction(1)])


def test_jacobians_of_zero_sum_games_are_antisymmetric():
    data = quadratic([1, 1])
    data["game"]["zero_sum"] = True
    data["claims"]["small_gain"]["coupling"] = [[ZERO, HALF], [HALF, ZERO]]
    data["evidence"]["unit"] = -4
    for entry in (-1, 1):
        data["evidence"]["cells"] = [cell(2) | {"centre": [16, 1, entry, 16]}]
        assert reasons(data) == ("" if entry < 0 else "evidence.cells[0] is of a zero-sum game")


# Steps on `F(x) = x` for two players, of whom it is known that the margin is 1/2 and the Lipschitz
# constant 2, that curvatures are from 1/2 to 2 and that couplings are small. Beside each step stand
# changes that make it wrong in one way only, and what the checker says of them.
LIPSCHITZ = {"method": "simultaneous", "theorem": "lipschitz"}
SMALL_GAIN = {"method": "simultaneous", "theorem": "small_gain"}
ALTERNATING = {"method": "alternating", "theorem": "small_gain"}
EXTRAGRADIENT = {"method": "extragradient", "theorem": "monotonicity"}
NEAR = {"equilibrium_radius": 0.3, "basin": 0.39}
STEPS = {
    # Safe below 2 margin / lipschitz^2 = 1/4; 1 - 0.11 + 0.0484 = 0.9384 = 0.9687^2.
    "lipschitz": (
        LIPSCHITZ | number(max=0.24, best=0.11, rate=0.97),
        [
            ({"max": 0.26}, "below 2 margin"),
            ({"rate": 0.96}, "the rate holds"),
            ({"best": -0.11}, "best is positive"),
            ({"max": 0.1}, "the best step is at most the largest"),
            ({"best": 0.24, "max": 0.245, "rate": 1.0}, "the rate is below 1"),
        ],
    ),
    # Safe below 1, where |1 - 2 h| is 1; 1 - h / 2 = 0.75 and 2 h - 1 = 0 for h = 1/2.
    "small gain": (
        SMALL_GAIN | number(max=0.95, best=0.5, rate=0.76, **NEAR),
        [
            ({"max": 1.0}, "the largest step contracts"),
            ({"rate": 0.74}, "the rate holds"),
            ({"best": 0.9, "rate": 0.6}, "the rate holds"),
            ({"equilibrium_radius": 0.24}, "x* is near the centre"),
            ({"basin": 0.45}, "the basin is inside the region"),
        ],
    ),
    "alternating": (
        ALTERNATING
        | number(max=0.95, best=0.5, rate=0.76, **NEAR)
        | {"inner": [ONE, ONE], "outer": [ONE, ONE]},
        [
            ({"max": 1.0}, "the largest step contracts"),
            ({"rate": 0.74}, "the rate holds"),
            ({"equilibrium_radius": 0.24}, "x* is near the centre"),
            ({"basin": 0.45}, "the basin is inside the region"),
            ({"outer": [HALF, HALF]}, "the outer one not below the inner one"),
        ],
    ),
    # Safe below 1 / lipschitz = 1/2; 1 - 2 h a s / (s + 2 h a) = 0.8125 = 0.9014^2 for h = 1/4 and
    # s = 3/4; 1 - 0.49 + 0.9604 = 1.2125^2.
    "extragradient": (
        EXTRAGRADIENT | number(max=0.49, best=0.25, rate=0.91, stretch=1.22, basin=0.35),
        [
            ({"max": 0.5, "stretch": 1.23}, "below 1 / lipschitz"),
            ({"rate": 0.9}, "the rate holds"),
            ({"stretch": 1.2}, "the stretch is large enough"),
            ({"basin": 0.4}, "the basin is inside the region"),
        ],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_each_condition_of_a_step_is_needed(name):
    right, wrong = STEPS[name]
    assert reasons(with_steps(right)) == ""
    for change, claim in wrong:
        changed = {k: x if isinstance(x, list) else float(x).hex() for k, x in change.items()}
        assert claim in reasons(with_steps(right | changed)), (change, claim)


@pytest.mark.parametrize(("left", "right"), [((1.0, 4.0), (1.0, 1.0)), ((1.0, 1.0), (1.0, 0.25))])
def test_a_small_gain_is_one_of_rows_and_of_columns(left, right):
    """The first player sees the second, by 1/4 at most: 0.75 + 0.125 for h = 1/2.

    With the vectors given, either columns or rows alone would say 0.75 + 0.125 / 4.
    """
    step = SMALL_GAIN | number(max=0.51, best=0.5, rate=0.8, equilibrium_radius=0.15, basin=0.39)
    data = with_steps(step)
    data["claims"]["equilibrium"]["radius"] = (0.0625).hex()
    data["claims"]["small_gain"] |= {
        "left": [x.hex() for x in left],
        "right": [x.hex() for x in right],
    }
    assert reasons(data) == ""
    data["claims"]["small_gain"]["coupling"][0][1] = (0.25).hex()
    assert "the rate holds" in reasons(data)


def test_a_disk_is_smaller_than_its_box():
    """All x with `|x_i| <= r` for two players are in the unit disk up to r = 0.7 only."""
    step, _ = STEPS["alternating"]
    data = with_steps(step)
    data["region"] = {"kind": "ball", "center": [ZERO, ZERO], "radius": ONE}
    assert "the basin is inside the region" in reasons(data)
    data["claims"]["steps"][0] |= number(basin=0.1)
    assert reasons(data) == ""


def test_small_gain_steps_need_the_symmetry_of_pseudo_gradients():
    step, _ = STEPS["small gain"]
    assert "no pseudo-gradients" in reasons(with_steps(step, gradient=False))


@pytest.mark.parametrize(("radius", "accepted"), [(16, True), (12, False)])
def test_a_centre_beside_the_sphere_has_its_price(radius, accepted):
    """The field is x, the set a unit ball around (2, 0): the equilibrium is (1, 0).

    The centre is d inside of the sphere, so `shift` is about 2 d: the defect is 4 d for the
    Lipschitz constant 2, and 2 d for the normal, whose length is about 1. So for the margin 1/2 a
    radius of 14 d is needed, and one part of the defect alone would allow for 12 d.
    """
    d = 2.0**-45
    value = [(1 + d).hex(), ZERO]
    equilibrium = {"center": value, "residual": [ZERO, ZERO], "radius": (radius * d).hex()}
    data = quadratic([2], equilibrium={**equilibrium, "value": value})
    data["game"]["sets"] = [{"kind": "ball", "center": [(2.0).hex(), ZERO], "radius": ONE}]
    data["region"] = {"kind": "box", "lower": [ZERO, (-1.0).hex()], "upper": [(2.0).hex(), ONE]}
    assert ("the defect of the centre" not in reasons(data)) == accepted


def test_modes_are_bounded_from_both_sides():
    """`1 + 2 e` is not positive for all `|e| <= 1`, whatever the sign of the mode."""
    for strength in (2, -2):
        moving = [generator([[strength]], [[strength, 1]], Work())]
        assert not family_positive_definite([[1]], moving, [[0]], [1], Work())
        assert family_positive_definite([[3]], moving, [[0]], [1], Work())


def test_what_a_remainder_takes_is_rounded_up():
    """`[[3, 1 + e], [1 + e, 1]]` is not positive definite at `e = 1`."""
    assert not family_positive_definite([[3, 1], [1, 1]], [], [[0, 1], [1, 0]], [2, 3], Work())
    assert family_positive_definite([[4, 1], [1, 3]], [], [[0, 1], [1, 0]], [2, 3], Work())


@pytest.mark.parametrize("square", [Fraction(2), Fraction(1, 3), Fraction(4), Fraction(1, 2**900)])
def test_roots_are_rounded_up(square):
    assert square < root_above(square) ** 2 < square * (1 + Fraction(1, 2**50))


def step_of_mirror_descent(**fields):
    check_mirror_descent(Reader(number(**fields)), Fraction(1), Fraction(1))


def test_steps_of_mirror_descent():
    """Margin and Lipschitz constant 1: below 2 all steps contract, by `h min(1, 2 - h)`."""
    step_of_mirror_descent(max=2.0, best=1.5, gain=0.75)
    for wrong, claim in (
        ({"max": 2.0, "best": 1.5, "gain": 0.76}, "gain"),
        ({"max": 2.5, "best": 1.5, "gain": 0.75}, "every step"),
        ({"max": 1.25, "best": 1.5, "gain": 0.75}, "below the largest"),
    ):
        with pytest.raises(Rejected, match=claim):
            step_of_mirror_descent(**wrong)


def test_couplings_are_those_of_the_worst_policies():
    """The first player sees the second only where the third plays a certain action."""
    for seen in (0, 1):
        table = [ZERO] * 8
        table[seen] = (3.0).hex()
        term = {"players": [0, 1, 2], "divisor": 1, "payoffs": table}
        payoffs = Payoffs(Reader([2, 2, 2]), Reader([term]))
        found = Couplings(payoffs, [1, 1, 1], Work())
        size = quadrilateral([[3, 0], [0, 0]])
        assert found.single[0][1] == found.joint[0][1] == size


# The step `z -> z / 2` on the box from -1 to 1, where a rate of 3/4 is claimed.
CONTRACTIONS = [
    ({"rate": 1.0}, "the rate is between 0 and 1"),
    ({"rate": 0.5}, "the rate holds"),
    ({"center": [3.0]}, "the center is inside the box"),
    ({"basin": 1.0}, "the basin is inside the box"),
    ({"residual": [0.001]}, "the fixed point is within the radius"),
    ({"radius": 0.0}, "positive radii"),
]


@pytest.mark.parametrize(("change", "claim"), CONTRACTIONS)
def test_each_condition_of_a_contraction_is_needed(change, claim):
    data = contraction(1)
    assert reasons(data) == ""
    for name, x in change.items():
        data["claims"][name] = [y.hex() for y in x] if isinstance(x, list) else x.hex()
    assert claim in reasons(data)


def test_a_metric_has_its_inverse():
    """Less than the inverse, but hardly less; and both are positive."""
    for entry, claim in ((2**20 + 8, "at least the given one"), (2**19, "hardly more")):
        data = contraction(1)
        data["evidence"]["inverse"]["matrix"] = [entry]
        assert claim in reasons(data)
    data = contraction(1)
    data["claims"]["metric"]["matrix"] = [-1]
    assert "the metric is positive definite" in reasons(data)


def started(first, metric, **changes):
    """With a buffer, whose first state is `first` times the strategy, and starts in a ball."""
    data = contraction(2)
    data["coordinates"] = {"strategy": 1, "state": 1}
    numbers = {"stretch": 1.25, "radius": 0.25, "residual": [0.0, 0.0], **changes}
    data["claims"]["start"] = {
        "metric": {"unit": metric - 20, "matrix": [2**20]},
        "stretch": numbers["stretch"].hex(),
        "residual": [x.hex() for x in numbers["residual"]],
        "radius": numbers["radius"].hex(),
    }
    family = {"centre": first, "generators": [], "remainder": [0, 0], "scaling": [1, 1, 1]}
    data["evidence"]["start"] = family
    return data


def test_each_condition_of_the_starts_is_needed():
    """All `x` with `|x| <= 1/4` and the state `(x, 0)`; the basin is 1/2."""
    assert reasons(started([2, 0], 0)) == ""
    assert "the stretch of the first state" in reasons(started([2, 0], 0, stretch=0.9))
    assert "in the basin" in reasons(started([2, 0], 0, residual=[0.3, 0.0]))
    assert "in the basin" in reasons(started([2, 0], 0, radius=0.5))
    # All `x` with `|x| / 4 <= 0.3`, which are not in the box, though their states would be.
    assert "the starts are in the box" in reasons(started([0, 0], -4, stretch=0.5, radius=0.3))
    assert reasons(started([0, 0], -4, stretch=0.5, radius=0.2)) == ""


def test_entries_of_a_metric_count_by_their_size():
    matrix = Symmetric(Reader({"unit": 0, "matrix": [2, -1, -1, 2]}), 2)
    assert matrix.largest_square([Fraction(1), Fraction(1)]) == 6


def test_what_moves_a_step_counts():
    """A remainder of 1/4 adds to the factor of 1/2."""
    for rate, claim in ((0.75, "the rate holds"), (0.78, "")):
        data = contraction(1)
        data["claims"]["rate"] = rate.hex()
        data["evidence"] |= {"unit": -2}
        data["evidence"]["cells"][0] |= {"centre": [2], "remainder": [1]}
        assert claim in reasons(data) and (claim or reasons(data) == "")


# Level 2, of one player with the cost `x^2 / 2 + x^4 / 16`: the Jacobian is `1 + 3/4 x^2`.
QUARTIC = [
    ["power", 0, 2],
    ["constant", HALF],
    ["mul", 1, 2],
    ["power", 0, 4],
    ["constant", (2.0**-4).hex()],
    ["mul", 4, 5],
    ["add", 3, 6],
]


def rederived(nodes, centre, remainder, unit=-4):
    data = quadratic([1])
    data["game"]["graph"] = {"hash": "", "nodes": nodes, "outputs": [7]}
    family = {"centre": [centre], "remainder": [remainder]}
    data["evidence"] |= {"unit": unit, "cells": [cell(1) | family]}
    return sealed(data)


def test_curvature_counts_in_full():
    """From 1 to 7/4; with half of the second derivative it would be 11/8 at most."""
    assert check_data(rederived(QUARTIC, 22, 7), level=2).ok
    verdict = check_data(rederived(QUARTIC, 19, 4), level=2)
    assert not verdict.ok and "stated family" in verdict.reasons[0]


def test_what_no_output_needs_has_to_be_defined_all_over_the_region():
    """A logarithm that is defined at the middle, and not on all of the cell."""
    for shift, accepted in ((2.0, True), (0.5, False)):
        nodes = [*QUARTIC, ["constant", shift.hex()], ["add", 0, 8], ["log", 9]]
        assert check_data(rederived(nodes, 22, 7), level=2).ok == accepted


def test_the_hash_is_that_of_the_game():
    data = rederived(QUARTIC, 22, 7)
    data["game"] = {**data["game"], "hash": "0" * 64}
    assert check_data(data).ok
    assert "the hash" in check_data(data, level=2).reasons[0]


def test_the_files_themselves_are_not_changed():
    data = quadratic([1])
    kept = copy.deepcopy(data)
    assert check_data(data).ok and data == kept

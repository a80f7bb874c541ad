"""Files that violate one condition of the checker, and no other: each condition is needed.

They are made by hand, so that nothing but the checker has to be right. Each change is small enough
that a checker without the condition would accept the file.
"""

import copy
from fractions import Fraction

import pytest

from certify.checker import Unusable, check_data
from certify.checker.exact import Work, family_positive_definite, generator, root_above
from certify.checker.payoffs import Payoffs, quadrilateral
from certify.checker.policies import Couplings, check_mirror_descent
from certify.checker.reader import Reader
from certify.checker.region import Region
from certify.checker.verdict import Rejected
from tests.certify.checker.quadratic import ONE, ZERO, cell, quadratic

HALF = (0.5).hex()


def reasons(data):
    verdict = check_data(data)
    assert verdict.ok == (not verdict.reasons)
    return " ".join(verdict.reasons)


def with_steps(step, *, gradient=True):
    data = quadratic([1, 1], steps=[step])
    if not gradient:
        data["game"]["field"] = "some field"
    return data


def number(**fields):
    return {name: x if isinstance(x, str) else float(x).hex() for name, x in fields.items()}


def test_radii_are_positive():
    equilibrium = {"center": [ZERO], "residual": [ZERO], "radius": (-0.25).hex()}
    assert reasons(quadratic([1])) == ""
    assert "positive radius" in reasons(quadratic([1], equilibrium=equilibrium))


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


LIPSCHITZ = {"method": "simultaneous", "theorem": "lipschitz"}
SMALL_GAIN = {"method": "simultaneous", "theorem": "small_gain"}


def test_the_best_step_is_one_of_the_safe_ones():
    """The margin is 1/2 and the Lipschitz constant 2, so that steps below 1/4 are safe."""
    for largest, expected in ((0.125, ""), (0.1, "the best step is at most the largest")):
        step = LIPSCHITZ | number(max=largest, best=0.11, rate=0.98)
        assert expected in reasons(with_steps(step)) and (expected or not reasons(with_steps(step)))


def test_small_gain_steps_need_the_symmetry_of_pseudo_gradients():
    step = SMALL_GAIN | number(max=0.9, best=0.5, rate=0.8, equilibrium_radius=0.3, basin=2**-20)
    assert reasons(with_steps(step)) == ""
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


def test_the_files_themselves_are_not_changed():
    data = quadratic([1])
    kept = copy.deepcopy(data)
    assert check_data(data).ok and data == kept

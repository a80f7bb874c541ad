"""Files about feedback equilibria: rational recursions, and each number made false."""

import copy
import random
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

from certify.checker import Unusable, check_data
from certify.checker.exact import Work
from certify.checker.feedback import within
from certify.checker.fixed_point import FixedPoint, MatrixEnclosure
from certify.checker.lq_data import LQData
from certify.checker.polynomial_pairs import common_zeros
from certify.checker.reader import Reader
from certify.checker.real_roots import RealRoots
from certify.checker.scalar_feedback import ScalarGame, equilibria
from certify.prove.feedback_proof import certify_feedback
from dgames.dynamic import LQGame

ONE = np.eye(1)
BOTH = {"a": ONE, "b": ONE}


def scalar(a=1.0, q=(1.0, 1.0)):
    return LQGame(a * ONE, BOTH, {"a": q[0] * ONE, "b": q[1] * ONE}, BOTH)


@pytest.fixture(scope="module")
def files():
    """One file of each scope; the stationary one has two states, of two players."""
    r = np.random.default_rng(0)
    B = {i: np.round(r.normal(size=(2, 1)), 3) for i in "ab"}
    plane = LQGame(
        np.array([[1.0, 0.25], [0.0, 1.0]]), B, {"a": np.eye(2), "b": np.diag([2.0, 0.5])}, BOTH
    )
    found = {
        "finite": certify_feedback(plane, 3),
        "stationary": certify_feedback(plane),
        "all": certify_feedback(scalar(2.0), time="continuous", every=True),
    }
    assert all(each.status == "proved" for each in found.values())
    return {scope: each.data for scope, each in found.items()}


def numbers(value, path=()):
    """The paths of all numbers in the claims of a file."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, (*path, key))
    elif isinstance(value, list):
        for k, item in enumerate(value):
            yield from numbers(item, (*path, k))
    elif isinstance(value, str) and "0x" in value:
        yield path


def changed(data, path, value):
    data = copy.deepcopy({k: v for k, v in data.items() if k != "digest"})
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return data


def number_at(data, path):
    for key in path:
        data = data[key]
    return float.fromhex(data)


@pytest.mark.parametrize("scope", ["finite", "stationary", "all"])
@pytest.mark.parametrize("level", [1, 2])
def test_true_files_are_accepted(files, scope, level):
    verdict = check_data(files[scope], level=level)
    assert verdict.ok and bool(verdict.rederived) == (level == 2)


@pytest.mark.parametrize("scope", ["finite", "stationary", "all"])
def test_each_number_made_false_is_rejected(files, scope):
    data, count = files[scope], 0
    for path in numbers(data["claims"], ("claims",)):
        x = number_at(data, path)
        if "radius" in str(path[-1]):
            false = (0.0, -x)  # no floats are the exact numbers of these games
        elif path[-1] == "rate":
            false = (x * 0.5, 1.0, -x)
        else:
            false = (x + 1e-9, x - 1e-9)
        for value in false:
            verdict = check_data(changed(data, path, value.hex()))
            assert not verdict.ok and len(verdict.reasons) == 1, (path, value)
            count += 1
    assert count > 8


def test_evidence_that_proves_nothing_is_rejected(files):
    data = files["stationary"]
    for path, value in (
        (("evidence", "preconditioner", 0), 1e3),
        (("evidence", "lyapunov", 0), -1.0),
        (("evidence", "lyapunov", 1), number_at(data, ("evidence", "lyapunov", 1)) * 1.5),
    ):
        assert not check_data(changed(data, path, value.hex())).ok
    zero = [(0.0).hex()] * len(data["evidence"]["preconditioner"])
    assert not check_data(changed(data, ("evidence", "preconditioner"), zero)).ok
    # A box that is too large for Krawczyk's test, and one that is too small for the solution.
    for radius in (1e3, 1e-30):
        assert not check_data(changed(data, ("claims", "radius"), radius.hex())).ok
    assert not check_data(changed(files["finite"], ("evidence", "bits"), 32)).ok


def test_a_changed_game_is_rejected(files):
    """Each number of the game matters; one half of a symmetric pair makes it no game."""
    for scope, data in files.items():
        for path in numbers(data["game"], ("game",)):
            if path[1] == "terminal" and scope != "finite":
                continue  # without an end, nothing is paid there
            x = number_at(data, path)
            verdict = check_data(changed(data, path, (x + 1e-3).hex()))
            symmetric = path[1] in ("Q", "terminal") and path[-1] in (1, 2)
            assert not verdict.ok, (scope, path)
            assert ("symmetric" in verdict.reasons[0]) == (symmetric and scope != "all"), path


def test_an_incomplete_list_is_rejected(files):
    data = files["all"]
    listed = data["claims"]["equilibria"]
    assert len(listed) == 3
    for false in (listed[:2], listed[1:], [*listed, listed[0]], listed[::-1], []):
        assert not check_data(changed(data, ("claims", "equilibria"), false)).ok


@pytest.mark.parametrize(
    ("scope", "path", "value"),
    [
        ("finite", ("claims", "horizon"), 2),
        ("finite", ("claims", "horizon"), 0),
        ("finite", ("evidence", "bits"), 2**40),
        ("finite", ("game", "time"), "continuous"),
        ("finite", ("game", "time"), "none"),
        ("finite", ("claims", "scope"), "stationary"),
        ("finite", ("claims", "more"), 1),
        ("finite", ("evidence", "more"), 1),
        ("finite", ("more",), 1),
        ("stationary", ("claims", "scope"), "all"),
        ("stationary", ("claims", "scope"), "every"),
        ("stationary", ("evidence", "preconditioner"), []),
        ("stationary", ("game", "states"), 3),
        ("stationary", ("game", "players"), ["a", "a"]),
        ("all", ("game", "sizes"), [1, 0]),
        ("all", ("game", "B", 0, 0), (0.0).hex()),
        ("all", ("game", "R", 0, 0, 0), (-1.0).hex()),
        ("all", ("game", "A", 0), (1e300).hex()),
        ("all", ("game", "A", 0), "nan"),
        ("all", ("evidence",), [{}]),
        ("all", ("evidence",), {"bits": 64}),
    ],
)
def test_what_is_no_such_file_is_unusable(files, scope, path, value):
    with pytest.raises(Unusable):
        check_data(changed(files[scope], path, value))


def test_the_recursion_encloses_rational_gains():
    data = certify_feedback(scalar(), 3).data
    exact = [Fraction(1181, 3323), Fraction(11, 31), Fraction(1, 3)]
    radius = Fraction(float.fromhex(data["claims"]["gain_radius"]))
    assert radius < Fraction(1, 2**50)
    for stated, gain in zip(data["claims"]["gains"], exact, strict=True):
        for each in stated:
            assert abs(Fraction(float.fromhex(each)) - gain) <= radius
    cost = Fraction(float.fromhex(data["claims"]["costs"][0][0]))
    assert abs(cost - 1 - Fraction(2529702, 11042329)) <= Fraction(1, 2**50)


def fractions(r, rows, columns):
    draw = r.integers(-999, 999, (rows, columns))
    return [[Fraction(int(x), 7) for x in row] for row in draw]


def test_fixed_point_operations_enclose_exact_ones():
    r = np.random.default_rng(1)
    for bits in (20, 60):
        point, one = FixedPoint(bits, Work()), 1 << bits
        a, b = fractions(r, 3, 3), fractions(r, 3, 2)
        columns = list(zip(*b, strict=True))
        exact = [[sum(map(Fraction.__mul__, row, c), Fraction(0)) for c in columns] for row in a]
        found = point.times(point.enclosed(a), point.enclosed(b))
        solved = point.solve(point.enclosed(a), point.enclosed(exact))
        assert solved is not None
        for enclosure, truth in ((found, exact), (solved, b)):
            for row, radii, true in zip(*enclosure, truth, strict=True):
                for x, radius, t in zip(row, radii, true, strict=True):
                    assert abs(Fraction(x, one) - t) <= Fraction(radius, one)
                    assert Fraction(radius, one) < Fraction(1, 2 ** (bits // 4))
    point = FixedPoint(60, Work())
    singular = point.enclosed([[Fraction(1, 3), Fraction(2, 3)], [Fraction(1), Fraction(2)]])
    assert point.solve(singular, singular) is None
    assert not point.all_positive_definite(point.enclosed([[Fraction(1), Fraction(1)]] * 2))
    half = Fraction(1, 2)
    assert point.all_positive_definite(point.enclosed([[Fraction(1), half], [half, Fraction(1)]]))


def test_enclosures_with_a_bad_member_prove_nothing():
    point, one = FixedPoint(40, Work()), 1 << 40
    narrow = [[one, 0], [0, one // 1000]]
    wide = MatrixEnclosure(narrow, [[0, 0], [0, one // 100]])
    assert point.solve(MatrixEnclosure(narrow, [[0, 0], [0, 0]]), wide) is not None
    assert point.solve(wide, wide) is None
    coupled = MatrixEnclosure([[one, 0], [0, one]], [[0, 2 * one], [2 * one, 0]])
    assert not point.all_positive_definite(coupled)


def test_all_of_an_enclosure_has_to_be_within_the_radius():
    unit = Fraction(1, 16)
    enclosure = MatrixEnclosure([[16, 0]], [[3, 0]])
    centre = [[1 + 2 * unit, Fraction(0)]]
    assert within(enclosure, centre, 5 * unit, 4)
    assert not within(enclosure, centre, 4 * unit, 4)
    assert not within(enclosure, [[1 - 2 * unit, Fraction(0)]], 4 * unit, 4)


def test_an_unstable_closed_loop_has_no_lyapunov_matrix(files):
    """`x' = x + u` with costs of u alone: doing nothing solves the equations, and S = -1 too."""
    one, zero = (1.0).hex(), (0.0).hex()
    game = {"time": "continuous", "players": ["a"], "sizes": [1], "states": 1, "A": [one]}
    game |= {"B": [[one]], "Q": [[zero]], "R": [[[one]]], "terminal": [[zero]], "name": ""}
    claims = {"scope": "stationary", "costs": [[zero]], "gains": [zero], "radius": (0.01).hex()}
    file = changed(files["stationary"], ("game",), game)
    inverse = [(0.5).hex(), zero, (0.5).hex(), one]
    for sign, rate in ((-1.0, 0.1), (1.0, 0.1)):
        file["claims"] = {**claims, "rate": rate.hex()}
        file["evidence"] = {"preconditioner": inverse, "lyapunov": [sign.hex()]}
        verdict = check_data(file)
        assert verdict.reasons == ("the closed loop is stable at the stated rate",)


def first(pair: Any) -> Any:
    return pair[0]


def test_real_roots_are_those_of_ball_arithmetic():
    chance = random.Random(3)
    for _ in range(60):
        p = flint.fmpz_poly([chance.randint(-9, 9) for _ in range(chance.randint(2, 8))])
        q = flint.fmpz_poly([chance.randint(-3, 3) for _ in range(3)])
        if p == 0 or q == 0:
            continue
        product = p * q * q
        roots = RealRoots([Fraction(int(x)) for x in product.coeffs()], Work())
        found = [roots.refined(root, Fraction(1, 2**80)) for root in roots.isolated()]
        expected = sorted(float(z.real) for z in map(first, product.complex_roots()) if z.imag == 0)
        assert [float(root.upper) for root in found] == pytest.approx(expected, abs=1e-12)


def test_zeros_of_two_polynomials():
    """A circle and a hyperbola, which touch in the second case."""
    circle = {(2, 0): Fraction(1), (0, 2): Fraction(1), (0, 0): Fraction(-5)}
    nowhere = lambda x, y: False  # noqa: E731
    found = common_zeros(circle, {(1, 1): Fraction(1), (0, 0): Fraction(-2)}, nowhere, Work())
    assert found is not None
    middles = sorted((round(float(z.x[0]), 9), round(float(z.y[0]), 9)) for z in found)
    assert middles == [(-2.0, -1.0), (-1.0, -2.0), (1.0, 2.0), (2.0, 1.0)]
    touching = {(1, 1): Fraction(1), (0, 0): Fraction(-5, 2)}
    assert common_zeros(circle, touching, nowhere, Work()) is None
    only_far = lambda x, y: x[0] < 3 and y[0] < 3  # noqa: E731
    assert common_zeros(circle, touching, only_far, Work()) == []
    assert common_zeros(circle, circle, nowhere, Work()) is None


def continuous(a, sigma):
    one, none = (Fraction(1), Fraction(1)), (Fraction(0), Fraction(0))
    return ScalarGame(False, Fraction(a), one, sigma, one, none)


def test_enumerations_agree_with_a_search_from_many_starts():
    """Asymmetric players: Newton's method from a grid finds those of the list, and no others."""
    chance = random.Random(5)
    for _ in range(12):
        a = Fraction(chance.randint(-20, 40), 10)
        sigma = Fraction(chance.randint(1, 30), 10), Fraction(chance.randint(1, 30), 10)
        listed = equilibria(continuous(a, sigma), Work())
        grid = np.linspace(-1, 8, 25)
        y = np.stack(np.meshgrid(grid, grid)).reshape(2, -1)
        s = np.array([[float(x)] for x in sigma])
        with np.errstate(all="ignore"):
            for _ in range(60):
                c = float(a) - y.sum(0)
                value = s + y**2 + 2 * c * y
                own, cross = 2 * c, -2 * y  # d/dy_i of y_i^2 + 2 c y_i is 2 c
                step = own * value - cross * value[::-1]
                y = y - step / (own * own - cross[0] * cross[1])
            c = float(a) - y.sum(0)
            good = np.isfinite(y).all(0) & (c < 0) & (np.abs(s + y**2 + 2 * c * y).max(0) < 1e-9)
        found = {(round(p, 5), round(q, 5)) for p, q in y[:, good].T}
        exact = {tuple(round(float(g[0]), 5) for g in each.gains) for each in listed}
        assert found == exact, (a, sigma)


def test_the_reader_of_games_takes_what_is_written():
    data = certify_feedback(scalar(), 1).data
    read = LQData(Reader(data["game"], "game"))
    assert (read.states, read.sizes, read.dynamics) == (1, [1, 1], [[Fraction(1)]])

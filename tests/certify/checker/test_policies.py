"""The checker of policies files: what it proves, and every changed file that it must refuse."""

import copy
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import certify
from certify.checker import Unusable, check_data
from certify.checker.exact import Work
from certify.checker.payoffs import Payoffs, quadrilateral
from certify.checker.policies import tangential
from certify.checker.reader import Reader
from dgames.games import MatrixGame, PolymatrixGame


@pytest.fixture(scope="module")
def files():
    """Proved through couplings with weights, and through a form."""
    first, second = np.array([[2.0, 0.3], [0.0, 1.0]]), np.array([[1.0, 0.7], [0.1, 5.0]])
    pairs = itertools.permutations(range(3), 2)
    avoiding = PolymatrixGame({pair: -np.eye(2) for pair in pairs})
    return {
        "coupling": certify.certify_policies(MatrixGame(first, second), 2.0).data,
        "form": certify.certify_policies(avoiding, 0.75).data,
    }


@pytest.fixture(params=["coupling", "form"])
def data(files, request):
    found = copy.deepcopy(files[request.param])
    assert found["evidence"]["kind"] == request.param
    return found


def changed(data, path, change):
    """Applies a change to the entry at a path; a number is meant where the file has its text."""
    data = copy.deepcopy(data)
    *way, last = path
    node = data
    for key in way:
        node = node[key]
    old = node[last]
    node[last] = change(float.fromhex(old)).hex() if isinstance(old, str) else change(old)
    return data


def up(x):
    return math.nextafter(x, math.inf)


def down(x):
    return math.nextafter(x, -math.inf)


def test_files_are_accepted(data):
    verdict = check_data(data)
    assert verdict.ok and verdict.rederived and check_data(data, level=2).ok


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("claims", "lipschitz"), down),
        (("claims", "step", "best"), lambda x: 2.01 * x),
        (("claims", "step", "gain"), up),
        (("claims", "step", "gain"), lambda x: -x),
        (("claims", "step", "max"), up),
        (("claims", "margin"), lambda x: -x),
        (("claims", "margin"), lambda x: 10 * x),
        (("claims", "weights", 0), lambda x: -x),
        (("claims", "weights", 0), lambda x: 8 * x),
        (("claims", "equilibrium", "radius"), lambda x: (1 - 2.0**-20) * x),
        (("claims", "equilibrium", "radius"), lambda x: -x),
        (("claims", "equilibrium", "center", 0, 0), lambda x: x + 1e-9),
        (("claims", "equilibrium", "center", 0, 0), lambda x: 0.0),
        (("evidence", "left", 0), lambda x: -x),
        (("evidence", "right", 1), lambda x: 2 * x),
        (("evidence", "spread", 0), lambda x: -x),
        (("evidence", "spread", 1), lambda x: 2 * x + 1e-9),
        (("game", "temperature"), lambda x: 0.9 * x),
        (("game", "temperature"), lambda x: 0.0),
        (("game", "reference", 0, 1), lambda x: 1.5 * x),
        (("game", "reference", 0, 1), lambda x: 0.0),
        (("game", "terms", 0, "payoffs", 0), lambda x: x - 3),
        (("game", "terms", 1, "payoffs", 3), lambda x: x + 4),
        (("game", "terms", 0, "divisor"), lambda x: x + 1),
        (("game", "terms", 0, "players"), lambda x: x[::-1]),
    ],
)
def test_changed_files_are_rejected(data, path, change):
    verdict = check_data(changed(data, path, change))
    assert not verdict.ok and verdict.reasons


def test_no_larger_margin_is_accepted(files):
    """The margin of a coupling is the largest float; that of a form is the best up to rounding."""
    assert not check_data(changed(files["coupling"], ("claims", "margin"), up)).ok
    skewed = changed(files["coupling"], ("evidence", "scaling", 0), lambda x: 1.001 * x)
    assert not check_data(skewed).ok
    assert not check_data(changed(files["form"], ("claims", "margin"), lambda x: x + 1e-9)).ok
    assert files["form"]["claims"]["margin"] != (0.25).hex()


def test_the_proofs_cannot_be_exchanged(files):
    form = copy.deepcopy(files["form"])
    form["evidence"] |= {"kind": "coupling", "scaling": [(1.0).hex()] * 3}
    assert not check_data(form).ok  # couplings do not know that the three cannot all agree
    form["evidence"] |= {"kind": "guess"}
    with pytest.raises(Unusable, match='"coupling" or "form"'):
        check_data(form)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("game", "sizes"), [2, 0], "positive numbers of actions"),
        (("game", "sizes"), [True, 2], "integers"),
        (("game", "sizes"), [600, 600], "512 in all"),
        (("game", "terms", 0, "players"), [0, 0], "different players"),
        (("game", "terms", 0, "players"), [0, 2], "numbered from 0 to 1"),
        (("game", "terms", 0, "players"), [-1, 0], "numbered from 0 to 1"),
        (("game", "terms", 0, "players"), [], "different players"),
        (("game", "terms", 0, "divisor"), 0, "an integer from 1"),
        (("game", "terms", 0, "payoffs"), [], "a list of 4"),
        (("game", "extra"), 1, "nothing can verify extra"),
        (("claims", "extra"), 1, "nothing can verify extra"),
        (("evidence", "extra"), 1, "nothing can verify extra"),
        (("claims", "margin"), 0.5, "a finite hexadecimal float|text"),
        (("claims", "weights"), [], "a list of 2"),
    ],
)
def test_malformed_files_are_unusable(files, path, value, message):
    data = copy.deepcopy(files["coupling"])
    *way, last = path
    node = data
    for key in way:
        node = node[key]
    node[last] = value
    with pytest.raises(Unusable, match=message):
        check_data(data)


def test_too_much_work_is_refused_before_it_is_done(files, monkeypatch):
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 50)
    with pytest.raises(Unusable, match="too much work"):
        check_data(files["coupling"])
    # Enough for the three couplings, not for the matrix of order three that they make.
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 1000)
    with pytest.raises(Unusable, match="too much work"):
        check_data(files["form"])


def test_quadrilaterals_are_norms_on_tangents():
    rng = np.random.default_rng(0)
    matrix = rng.integers(-50, 50, (4, 3))
    corners = [
        abs(matrix[a, b] - matrix[c, b] - matrix[a, d] + matrix[c, d])
        for a, c in itertools.product(range(4), repeat=2)
        for b, d in itertools.product(range(3), repeat=2)
    ]
    assert quadrilateral(matrix.tolist()) == max(corners)
    assert quadrilateral([[1, 2, 3]]) == 0
    left, right = (np.vstack([np.eye(n - 1), -np.ones((1, n - 1))]) for n in (4, 3))
    expected = (left.T @ matrix @ right).astype(int).tolist()
    assert tangential(matrix.tolist()) == expected


def test_payoffs_are_those_of_the_game():
    """Gradients and couplings of a game with three players, against sums over all profiles."""
    rng = np.random.default_rng(1)
    sizes, table = [2, 3, 2], rng.integers(-9, 9, (3, 2, 2)).astype(float)
    terms = [
        {"players": [1, 2, 0], "divisor": 3, "payoffs": [x.hex() for x in table.ravel().tolist()]},
        {"players": [1], "divisor": 1, "payoffs": [x.hex() for x in (0.5, 0.0, 0.25)]},
    ]
    game = Payoffs(Reader(sizes, "sizes"), Reader(terms, "terms"))
    x = [[1, 3], [1, 1, 1], [2, 3]]
    first, last = np.array([1, 3]) / 4, np.array([2, 3]) / 5
    expected = -np.einsum("bca,c,a->b", table, last, first) / 3 - np.array([0.5, 0.0, 0.25])
    assert np.allclose([float(g) for g in game.gradient(1, x)], expected, rtol=1e-14)
    assert game.gradient(0, x) == [Fraction(0)] * 2
    assert game.influential(1, 0) == {2} and game.influential(0, 1) == set()
    profiles = list(game.profiles({2}, [(1, 0)], Work()))
    assert profiles == [{2: 0}, {2: 1}]
    for profile in profiles:
        block = np.array(game.coupling(1, 0, profile)) * float(game.unit)
        assert np.allclose(block, -table[:, profile[2], :] / 3, rtol=1e-14)

"""Files about mean squares: the random step, its moments, and each number made false."""

import copy
import itertools
import json
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.affine_methods import METHODS
from certify.checker.exact import Work
from certify.checker.mean_square import RandomStep
from certify.checker.reader import Reader, decode, parse
from certify.checker.verdict import Rejected
from certify.prove.noise.mean_square_file import method_contents
from tests.certify.checker.test_fuzz import CORPUS
from tools.edits import sealed

NAMES = ("stable", "unstable", "partly_unstable")
STABLE, UNSTABLE, PARTLY = (
    parse(decode(CORPUS[f"valid_mean_square_{name}.json"])) for name in NAMES
)


def changed(data, path, value):
    """A copy with one thing changed, and true hashes."""
    data = copy.deepcopy(data)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return parse(json.dumps(sealed(data)))


def reason(data):
    verdict = check_data(data)
    assert not verdict.ok
    return verdict.reasons[0]


def scaled(data, path, factor):
    part = data
    for key in path:
        part = part[key]
    return changed(data, path, (float.fromhex(part) * factor).hex())


def test_true_files_are_accepted():
    for data in (STABLE, UNSTABLE, PARTLY):
        assert check_data(data).ok and not check_data(data).rederived
        assert check_data(data, level=2).rederived == (
            "the fields of all components and the steps along them",
        )


@pytest.mark.parametrize(
    ("path", "factor", "words"),
    [
        (("rate",), 0.999, "decreases at the rate"),
        (("rate",), 1.2, "between 0 and 1"),
        (("rate",), -1.0, "between 0 and 1"),
        (("noise",), 0.9, "decreases at the rate"),
        (("noise",), -1.0, "noise is not negative"),
        (("limit",), 0.999999, "at most the limit"),
        (("equilibrium", "radius"), 0.999, "within the radius"),
        (("equilibrium", "center", 0), 1.000001, "within the radius"),
    ],
)
def test_each_number_of_a_stable_file_made_false(path, factor, words):
    assert words in reason(scaled(STABLE, ("claims", *path), factor))


def test_each_number_of_an_unstable_file_made_false():
    assert "grows at the rate" in reason(scaled(UNSTABLE, ("claims", "rate"), 1.001))
    assert "more than 1" in reason(scaled(UNSTABLE, ("claims", "rate"), 0.9))
    size = len(UNSTABLE["claims"]["metric"]["matrix"])
    for matrix, words in (
        ([0] * size, "metric is positive definite"),
        ([-x for x in UNSTABLE["claims"]["metric"]["matrix"]], "grows at the rate"),
    ):
        assert words in reason(changed(UNSTABLE, ("claims", "metric", "matrix"), matrix))


def test_a_start_that_does_not_diverge():
    """The first of two players converges, the second one does not."""
    assert PARTLY["claims"]["starts"] == "some"
    for start in ([1, 0], [0, 0]):
        assert "one that diverges" in reason(changed(PARTLY, ("evidence", "start"), start))
    assert check_data(changed(PARTLY, ("evidence", "start"), [0, -3])).ok
    everywhere = copy.deepcopy(PARTLY)
    everywhere["evidence"] = {}
    assert "positive definite" in reason(changed(everywhere, ("claims", "starts"), "all"))
    with pytest.raises(Unusable, match='"all" or "some"'):
        check_data(changed(PARTLY, ("claims", "starts"), "none"))


def test_matrices_that_prove_nothing():
    matrix = STABLE["claims"]["metric"]["matrix"]
    half = [x // 2 for x in matrix]
    assert "more than the distance" in reason(changed(STABLE, ("claims", "metric", "matrix"), half))
    one = [2**40 * (k % 5 == 0) for k in range(16)]
    for unit in (-40, 30):  # the identity, and a large one
        symmetric = {"unit": unit, "matrix": one}
        assert not check_data(changed(STABLE, ("evidence", "variance"), symmetric)).ok
    variance = STABLE["evidence"]["variance"]["matrix"]
    for matrix, words in (
        ([-x for x in variance], "variance is positive definite"),
        ([x - x // 8 for x in variance], "decreases by the distance"),
    ):
        assert words in reason(changed(STABLE, ("evidence", "variance", "matrix"), matrix))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("noise", "batch", "size"), 1, "decreases at the rate"),
        (("noise", "components", 0, "datum", 0), (2.0).hex(), "within the radius"),
        (("noise", "components", 0, "scales", 0), (2.0).hex(), "within the radius"),
        (("method", "step_size", 0), (0.5).hex(), "decreases at the rate"),
        (("method", "momentum", 0), (0.75).hex(), "decreases at the rate"),
    ],
)
def test_of_another_game_noise_or_method_the_claims_are_false(path, value, words):
    assert words in reason(changed(STABLE, path, value))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("noise", "components", 0, "weight"), 2, "different weights"),
        (("noise", "components", 0, "weight"), 0, "from 1 to"),
        (("noise", "components"), [], "from 1 to 4096 components"),
        (("noise", "batch", "size"), 4, "from 1 to 3"),
        (("method", "name"), "optimistic", "nothing but name, step_size"),
        (("method", "name"), "newton", '"simultaneous" or'),
        (("game", "players", 0, "size"), 2, "graph"),
        (("game", "players", 0, "size"), 65, "from 1 to 64"),
        (("game", "players", 0, "name"), "v", "different names"),
        (("game", "zero_sum"), True, "outputs of 1"),
        (("game", "data"), 2, "inputs"),
        (("claims", "stable"), False, "claims.starts"),
        (("claims", "more"), 1, "nothing but"),
        (("evidence", "more"), 1, "nothing but"),
        (("game", "more"), 1, "nothing but"),
        (("more",), 1, "nothing but"),
    ],
)
def test_what_is_no_such_file_is_unusable(path, value, words):
    with pytest.raises(Unusable, match=words):
        check_data(changed(STABLE, path, value))


def test_a_weaker_claim_of_growth_is_true():
    assert check_data(scaled(UNSTABLE, ("claims", "rate"), 0.9999)).ok
    assert check_data(changed(UNSTABLE, ("claims", "noise"), (0.5).hex())).ok
    variance = UNSTABLE["claims"]["metric"]
    with pytest.raises(Unusable, match="evidence"):
        check_data(changed(UNSTABLE, ("evidence", "variance"), variance))


def plane(x, datum):
    a, b, c = datum
    turn = x["u"] @ jnp.array([1.0, 2.0]) * x["v"]
    return {
        "u": 0.5 * a * jnp.sum(x["u"] ** 2) + turn - b * x["u"][0],
        "v": c * x["v"] ** 2 - 0.5 * turn + b * x["v"],
    }


LIKE = {"u": jnp.zeros(2), "v": jnp.zeros(())}
DATA = tuple(map(np.array, ([1.0, 0.5, 2.0, 1.5], [1.0, -1.0, 0.25, 2.0], [0.5, 0.75, 1.0, 0.25])))
STEPS = {"u": 0.125, "v": 0.0625}
OF_DGAMES = {
    "simultaneous": dg.Simultaneous(STEPS),
    "extragradient": dg.Extragradient(STEPS),
    "optimistic": dg.Optimistic(STEPS),
    "reflected": dg.Optimistic(STEPS, reflected=True),
    "momentum": dg.Momentum(STEPS, {"u": 0.5, "v": -0.25}),
    "optimistic_separated": dg.OptimisticSeparated(STEPS, {"u": 0.0625, "v": 0.03125}),
}


def contents_of(data, batch=1, replace=True):
    """The game and the noise of a file, from one about a method that has no zero to move."""
    noise = certify.Sampling(data, batch, replace)
    proof = certify.certify_mean_square(dg.game(plane), dg.Simultaneous(STEPS), LIKE, noise)
    assert proof.status == "proved"
    return {key: proof.data[key] for key in ("game", "noise")}


@pytest.fixture(scope="module")
def additive():
    return contents_of(DATA)


def posed(contents, method):
    return RandomStep(Reader({**contents, "method": method_contents(method, LIKE)}), Work())


@pytest.mark.parametrize("name", OF_DGAMES)
def test_steps_are_those_of_dgames(name, additive):
    """The step is affine, so that its derivative and its value at the equilibrium say it all."""
    method, field, data = OF_DGAMES[name], dg.pseudo_gradient(dg.game(plane)), DATA
    assert method_contents(method, LIKE)["name"] == name and name in METHODS
    if name == "extragradient":
        with pytest.raises(Rejected, match="a step does not move the zero"):
            posed(additive, method)
        data = (DATA[0], np.zeros(4), DATA[2])  # all components have the same zero
    step = posed(additive if data is DATA else contents_of(data), method)
    first = tuple(part[0] for part in data)
    whole = LIKE, method.init(field, LIKE, first)
    numbers, counters = eqx.partition(whole, eqx.is_inexact_array)
    state, unravel = ravel_pytree(numbers)
    zero = np.concatenate([[float(x) for x in step.zero], np.zeros(state.size - 3)])

    @jax.jit
    def move(z, datum):
        x, state = eqx.combine(unravel(z), counters)
        moved = method.step(field, x, state, datum)
        return ravel_pytree(eqx.filter(moved, eqx.is_inexact_array))[0]

    for s, (exact, shift) in enumerate(zip(step.maps, step.shifts, strict=True)):
        datum = tuple(part[s] for part in data)
        columns = [np.asarray(move(row, datum)) for row in (*np.eye(state.size), 0.0 * zero)]
        matrix = np.stack(columns[:-1]) - columns[-1]
        rows = np.array([[x / step.denominator for x in row] for row in exact])
        assert rows == pytest.approx(matrix.T, abs=1e-13)
        moved = np.array([x / step.denominator / step.tail for x in shift])
        assert moved == pytest.approx(np.asarray(move(zero, datum)) - zero, abs=1e-13)
    assert step.multiplicative == (data is not DATA)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (1, 2, 5, 2), None])
def test_moments_are_those_of_all_batches(weights, additive):
    """Batches of two of four data, each enumerated; without replacement if there are no weights."""
    contents = copy.deepcopy(additive)
    contents["noise"]["batch"] = {"size": 2, "replacement": weights is not None}
    for component, weight in zip(contents["noise"]["components"], weights or [1] * 4, strict=True):
        component["weight"] = weight
    step = posed(contents, dg.Momentum(STEPS, 0.5))
    pairs = [*itertools.product(range(4), repeat=2)]
    draws = [pair for pair in pairs if weights or pair[0] != pair[1]]
    shares = [float(np.prod([(weights or [1] * 4)[s] for s in draw])) for draw in draws]
    maps = np.tile(np.eye(7), (4, 1, 1))
    maps[:, :-1, :-1] = np.array(step.maps, float) / step.denominator
    maps[:, :-1, -1] = np.array(step.shifts, float) / step.denominator / step.tail
    batches = np.array([maps[list(draw)].mean(0) for draw in draws])
    form = np.arange(36).reshape(6, 6) + 7 * np.eye(6, dtype=int)
    form = form + form.T
    squares = [own.T @ np.pad(form, (0, 1)) @ own for own in batches]
    expected = np.average(squares, axis=0, weights=shares)
    found = np.array(
        [[float(Fraction(x, step.scale)) for x in row] for row in step.moment(form.tolist())]
    )
    found[-1] /= step.tail
    found[:, -1] /= step.tail
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_zero_is_that_of_the_mean_field(additive):
    step = posed(additive, dg.Simultaneous(STEPS))
    field = dg.pseudo_gradient(dg.game(plane))
    x = {"u": jnp.array([float(x) for x in step.zero[:2]]), "v": jnp.asarray(float(step.zero[2]))}
    values = [ravel_pytree(field(x, tuple(part[s] for part in DATA)))[0] for s in range(4)]
    assert sum(values) == pytest.approx(np.zeros(3), abs=1e-14)

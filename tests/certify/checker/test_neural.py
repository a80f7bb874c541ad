"""Files about games of networks: each number made false, at the level that should notice."""

import copy
import json

import jax
import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.neural import MAX_LEVEL_2, digest_of, level_2_work, read_network
from certify.checker.reader import Reader, decode, parse
from tests.certify.checker.test_fuzz import CORPUS
from tools.edits import sealed

FILE = parse(decode(CORPUS["valid_neural.json"]))


def at(data, path):
    for key in path:
        data = data[key]
    return data


def changed(path, value, data=FILE):
    """A copy with one thing changed, and true hashes."""
    data = copy.deepcopy(data)
    at(data, path[:-1])[path[-1]] = value
    return parse(json.dumps(sealed(data)))


def scaled(path, factor, data=FILE):
    return changed(path, (float.fromhex(at(data, path)) * factor).hex(), data)


def reason(data, level=1):
    verdict = check_data(data, level=level)
    assert not verdict.ok
    return verdict.reasons[0]


def test_the_file_is_accepted_at_both_levels():
    assert check_data(FILE).ok and not check_data(FILE).rederived
    verdict = check_data(FILE, level=2)
    assert verdict.ok and len(verdict.rederived) == 3


@pytest.mark.parametrize(
    ("path", "factor", "words"),
    [
        (("margin",), 1 + 1e-9, "margin is what decay leaves"),
        (("margin",), -1.0, "margin is positive"),
        (("lipschitz",), 1 - 1e-9, "Lipschitz constant holds"),
        (("equilibrium", "radius"), 1 - 1e-9, "at most margin * radius"),
        (("basin", "radius"), 1 + 1e-9, "basin is inside the region"),
        (("region", "radius", 0), 1 + 1e-9, "within reach"),
        (("region", "radius", 1), 1 - 1e-9, "basin is inside the region"),
        (("region", "radii", 0, 1), 1 - 1e-9, "basin is inside the region"),
        (("region", "radii", 0, 0), 1 + 1e-6, ""),
        (("steps", 0, "max"), 1 + 1e-9, "extragradient"),
        (("steps", 0, "rate"), 1 - 1e-9, "rate holds"),
        (("steps", 0, "stretch"), 1 - 1e-9, "stretch is large enough"),
        (("steps", 0, "basin"), 1 + 1e-9, "basin is inside the region"),
        (("steps", 1, "max"), 1 + 1e-6, "simultaneous"),
        (("start", "distance"), 100.0, "start is in the basin"),
        (("start", "accuracy"), 0.5, "so many steps are enough"),
    ],
)
def test_each_claim_made_false_is_rejected_at_level_1(path, factor, words):
    assert words in reason(scaled(("claims", *path), factor))


def test_fewer_steps_than_it_takes():
    steps = FILE["claims"]["start"]["steps"]
    assert "so many steps" in reason(changed(("claims", "start", "steps"), steps - 1))
    assert check_data(changed(("claims", "start", "steps"), 2**60)).ok


def _numbers(part, path=()):
    if isinstance(part, str):
        return [path] if float.fromhex(part) else []
    entries = part.items() if isinstance(part, dict) else enumerate(part)
    return [found for key, value in entries for found in _numbers(value, (*path, key))]


EVIDENCE = [
    *(("networks", *path) for path in _numbers(FILE["evidence"]["networks"])),
    *(("value", *path) for path in _numbers(FILE["evidence"]["value"])),
]


def test_each_bound_lowered_by_a_billionth_is_rejected_at_level_2():
    """Or at level 1 where that can tell: what the outputs reach follows from the rest."""
    assert len(EVIDENCE) > 30
    for path in EVIDENCE:
        data = scaled(("evidence", *path), 1 - 1e-9)
        assert not check_data(data, level=2).ok, path
        if "reach" not in path and "residual" not in path:
            assert "(level 2)" in reason(data, level=2), path


def test_bounds_that_are_larger_than_they_have_to_be_weaken_the_claims():
    data = scaled(("evidence", "value", "function", "slope", 1, 0), 1.5)
    assert "margin" in reason(data)
    data["claims"]["margin"] = (0.5 * float.fromhex(data["claims"]["margin"])).hex()
    data["claims"]["steps"], _ = [], data["claims"].pop("start")
    data["claims"]["lipschitz"] = (2 * float.fromhex(data["claims"]["lipschitz"])).hex()
    data["claims"]["equilibrium"]["radius"] = (0.01).hex()
    data["claims"]["basin"]["radius"] = (0.01).hex()
    assert check_data(parse(json.dumps(sealed(data))), level=2).ok


def test_other_weights_and_data():
    digest = FILE["game"]["networks"][0]["start"]
    weights = FILE["evidence"]["weights"]
    other = [(float.fromhex(x) + 1e-3).hex() for x in weights[digest]]
    words = "weights are those of their hash"
    assert words in reason(changed(("evidence", "weights", digest), other))
    data = [(0.25).hex(), *FILE["evidence"]["data"][1:]]
    assert "the data are those of the hash" in reason(changed(("evidence", "data"), data))
    # With all hashes renewed it is another game, of which the numbers are false.
    false = changed(("evidence", "data"), data)
    assert not check_data(changed(("game", "data", "digest"), digest_of(data), false), level=2).ok
    renamed = json.loads(json.dumps(FILE).replace(digest, digest_of(other)))
    renamed["evidence"]["weights"][digest_of(other)] = other
    assert check_data(parse(json.dumps(sealed(renamed)))).ok  # level 1 takes the bounds as given
    assert not check_data(parse(json.dumps(sealed(renamed))), level=2).ok


def test_a_larger_activation_or_decay_is_another_game():
    name = ("game", "networks", 0, "activation", "name")
    assert not check_data(changed(name, "erf")).ok
    assert not check_data(changed(name, "sigmoid"), level=2).ok
    assert not check_data(changed(("game", "value", "datum"), 2), level=2).ok
    assert not check_data(scaled(("game", "networks", 0, "decay"), 1.5), level=2).ok
    assert not check_data(scaled(("game", "networks", 1, "scales", 0), 1.5), level=2).ok
    assert not check_data(scaled(("game", "networks", 1, "scales", 0), 0.5), level=2).ok


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("game", "value", "kind"), "inputs", "one of the values outputs"),
        (("game", "networks", 0, "sizes"), [1], "sizes"),
        (("game", "networks", 0, "sizes", 1), 2**40, "an integer from"),
        (("game", "networks", 0, "sizes", 1), 10**400, "bits"),
        (("game", "networks", 0, "scales", 0), (0.0).hex(), "positive"),
        (("game", "networks", 0, "decay"), (-1.0).hex(), "not negative"),
        (("game", "networks", 0, "activation", "name"), "relu", "activation functions"),
        (("game", "networks", 0, "activation", "sharpness"), (0.0).hex(), "a positive number"),
        (("game", "networks", 0, "start"), "zero", "SHA-256"),
        (("game", "data", "samples"), 2**40, "an integer from"),
        (("game", "data", "samples"), 3, "a list of"),
        (("claims", "region", "radii", 0), [], "a list of"),
        (("claims", "margins"), 1, "nothing but"),
        (("evidence", "proof"), 1, "nothing but"),
        (("evidence", "weights", "0" * 64), [], "nothing but"),
        (("evidence", "data"), {}, "a list of"),
        (("evidence", "value", "passes", 0, "slopes"), [[]], "list of"),
        (("evidence", "value", "reach"), None, "a list"),
        (("claims", "start", "method"), "optimistic", "a method with steps"),
        (("claims", "steps", 0, "method"), "adam", "no rule"),
        (("claims", "steps", 0, "theorem"), "terms", "one of lipschitz"),
        (("claims", "steps", 0, "theorem"), "small_gain", "one of lipschitz"),
    ],
)
def test_what_cannot_be_read_is_said(path, value, words):
    data = copy.deepcopy(FILE)
    at(data, path[:-1])[path[-1]] = value
    with pytest.raises(Unusable, match=words):
        check_data(parse(json.dumps(sealed(data))))


def test_negative_bounds_are_rejected():
    inputs, mixed = ("value", "passes", 1, "inputs", 0, 0), ("value", "function", "mixed", 0)
    for path in (("networks", 0, "norms", 0), inputs, mixed):
        assert "not negative" in reason(changed(("evidence", *path), (-1.0).hex()))


def test_without_weights_level_2_says_so():
    data = copy.deepcopy(FILE)
    del data["evidence"]["weights"], data["evidence"]["data"]
    data = parse(json.dumps(sealed(data)))
    assert check_data(data).ok
    with pytest.raises(Unusable, match="no weights and data"):
        check_data(data, level=2)
    for name in ("weights", "data"):
        data = copy.deepcopy(FILE)
        del data["evidence"][name]
        with pytest.raises(Unusable, match="missing"):
            check_data(parse(json.dumps(sealed(data))))


@pytest.mark.full
def test_games_of_all_shapes_are_accepted_at_both_levels():
    """Several outputs and layers, groupsort, decay to zero, a function with a loss of its own."""

    def value(f, g, datum):
        return jnp.sum(jnp.log(jnp.cosh(f - datum["y"]))) + f @ g - jnp.sum(g**4) - jnp.sum(g**2)

    keys = jax.random.split(jax.random.key(0), 4)
    nets = tuple(
        dg.nn.mlp((2, 6, 4, 2), key, activation=activation, output_bias=True)
        for key, activation in zip(keys, ("groupsort", "gelu"), strict=False)
    )
    nets = jax.tree.map(lambda leaf: 0.3 * leaf, nets)
    x, z = (jax.random.normal(key, (3, 2)) / 4 for key in keys[2:])
    data = (x, z, {"y": x[:, :2]})
    game = dg.ZeroSumNetworks(dg.OutputValue(value), (None, nets[1]), (4.0, 6.0))
    run = dg.solve(game, dg.Extragradient(0.05), nets, data, tol=1e-11)
    found = certify.certify_networks(game, run.strategy, 0.05, args=data, start=nets)
    assert found.status == "proved", found.reasons
    assert found.check(level=2).ok
    assert found.difference(game, args=data) is None


def test_too_much_work_is_said_before_it_is_done():
    """The level 2 of many samples of wide networks; level 1 of many samples of deep ones."""
    data = copy.deepcopy(FILE)
    for network in data["game"]["networks"]:
        network["sizes"] = [1, 2**24, 1]
    del data["evidence"]["weights"], data["evidence"]["data"]
    assert check_data(parse(json.dumps(sealed(data)))).ok
    shapes = [read_network(Reader(each)) for each in data["game"]["networks"]]
    assert level_2_work(shapes, 2**10) > MAX_LEVEL_2 > level_2_work(shapes, 1) / 100
    with pytest.raises(Unusable, match="too many samples and layers"):
        check_data(changed(("game", "data", "samples"), 2**20))

"""The file: readable, exact, complete, replaced all at once."""

import gzip
import json
from collections import OrderedDict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import digest
from certify.file.save import to_text
from certify.problem.structure import describe, rebuild
from tests.certify.checker.mutations import mutated, nudged

pytestmark = pytest.mark.thin(3)


def test_one_line_for_each_cell(oligopoly_certificate, tmp_path):
    path = oligopoly_certificate.save(tmp_path / "c.json")
    assert path.stat().st_mode & 0o777 == 0o644
    text = path.read_text()
    assert (
        sum(line.lstrip().startswith('{"centre"') for line in text.splitlines())
        == oligopoly_certificate.cells
    )
    assert json.loads(text) == oligopoly_certificate.data


def test_compressed_files(oligopoly_certificate, tmp_path):
    plain = oligopoly_certificate.save(tmp_path / "c.json")
    packed = oligopoly_certificate.save(tmp_path / "c.json.gz")
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert 3 * packed.stat().st_size < plain.stat().st_size
    again = oligopoly_certificate.save(tmp_path / "later.gz")
    assert again.read_bytes() == packed.read_bytes()
    renamed = packed.rename(tmp_path / "renamed.json")
    assert certify.load(renamed).data == certify.load(plain).data
    assert certify.check(renamed).ok


def test_a_claim_that_changes_is_one_line(linear_certificate):
    data = linear_certificate.data
    best = data["claims"]["steps"][0]["best"]
    changed = mutated(data, ("claims", "steps", 0, "best"), nudged(0.5))
    changed["digest"] = digest(changed)
    old, new = (to_text(x).splitlines() for x in (data, changed))
    different = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert [best in a for a, _ in different] == [True, False]  # and the digest
    assert '"digest"' in different[1][1]
    assert json.loads(to_text(data)) == data


def test_files_that_no_reader_would_take_are_not_written(linear_certificate, tmp_path, monkeypatch):
    path, size = tmp_path / "c.json.gz", len(to_text(linear_certificate.data))
    monkeypatch.setattr("certify.checker.reader.MAX_BYTES", size - 1)
    with pytest.raises(ValueError, match=f"would have {size} bytes.*at most {size - 1}"):
        linear_certificate.save(path)
    monkeypatch.setattr("certify.checker.reader.MAX_BYTES", size)
    assert linear_certificate.save(path) == path
    path.unlink()
    monkeypatch.setattr("certify.checker.reader.MAX_VALUES", 50)
    with pytest.raises(ValueError, match="too large"):
        linear_certificate.save(path)
    assert not list(tmp_path.iterdir())


def test_headline_numbers_are_those_of_the_file(oligopoly_certificate):
    claims = oligopoly_certificate.data["claims"]
    assert oligopoly_certificate.margin.hex() == claims["margin"]
    assert oligopoly_certificate.lipschitz.hex() == claims["lipschitz"]
    step = oligopoly_certificate.step_sizes["extragradient"]
    entry = next(s for s in claims["steps"] if s["method"] == "extragradient")
    assert (step.max.hex(), step.rate.hex()) == (entry["max"], entry["rate"])
    assert step.route == "theorem"


def test_loading_checks(linear_certificate, tmp_path):
    data = json.loads(json.dumps(linear_certificate.data))
    data["claims"]["margin"] = (0.5).hex()
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    with pytest.raises(ValueError, match="the checker rejects"):
        certify.load(path)


def test_a_failed_save_leaves_nothing_behind(linear_certificate, tmp_path, monkeypatch):
    path = tmp_path / "c.json"
    path.write_text("old")

    def full_disk(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        linear_certificate.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]
    assert path.read_text() == "old"


class Pair(NamedTuple):
    z: Any
    a: Any


@pytest.mark.full
@pytest.mark.parametrize(
    "like",
    [
        Pair(jnp.zeros(2), 0.0),
        OrderedDict(z=jnp.zeros(2), a=0.0),
        {0: 0.0, 10: jnp.zeros(2), 2: 0.0},
        {"z": {3: 0.0, 20: 0.0}, "a": jnp.zeros((1, 2))},
        [Pair(0.0, 0.0)] * 11,
    ],
)
def test_equilibria_belong_to_their_players(like):
    """Where the players' order is not that of their names, and in containers of any kind."""
    like = dg.as_strategy(like)
    blocks = dict(zip(dg.player_names(like), dg.blocks(like), strict=True))
    targets = {name: 1.0 + i for i, name in enumerate(blocks)}

    def costs(x, args):
        shares = zip(dg.blocks(x), targets.values(), strict=True)
        return dg.join(x, tuple(jnp.sum((dg.ravel(b)[0] - t) ** 2) for b, t in shares))

    center = dg.join(like, tuple(jax.tree.map(lambda b: b + 1.0, b) for b in blocks.values()))
    found = certify.certify(dg.game(costs), certify.Box.around(center, 20.0))
    for point in found.equilibrium[:3]:
        named = zip(dg.player_names(point), dg.blocks(point), strict=True)
        for name, block in named:
            values = np.asarray(dg.ravel(block)[0])
            np.testing.assert_allclose(values, targets[name], atol=1e-9)
            assert values.size == dg.dimensions((blocks[name],))[0]
    assert found.weights.keys() == targets.keys()


def nested(depth):
    inner = {"kind": "array", "shape": [1]}
    for _ in range(depth):
        inner = {"kind": "list", "items": [inner]}
    return inner


def stacks(depth, inner):
    """Blocks of blocks, 10,000 at each level: no time to look at each."""
    for _ in range(depth):
        inner = {"kind": "stacked", "count": 10_000, "block": inner}
    return {"kind": "dict", "items": {"fast": inner, "slow": {"kind": "array", "shape": [1]}}}


@pytest.mark.parametrize(
    "structure",
    [
        None,
        {"kind": "tuple", "items": []},
        {"kind": "torus", "items": {}},
        {"kind": "dict", "items": {"fast": {"kind": "array", "shape": [2]}}},
        {"kind": "dict", "items": {name: {"kind": "array", "shape": [-1]} for name in "ab"}},
        {"kind": "dict", "items": {"fast": {"kind": "array", "shape": []}, "slow": {}}},
        {"kind": "tuple", "items": [{"kind": "array", "shape": []}] * 2},
        stacks(3, {"kind": "array", "shape": [1]}),
        stacks(3, {"kind": "array", "shape": [0]}),
        stacks(3, {"kind": "tuple", "items": []}),
        stacks(200, {"kind": "array", "shape": [0]}),
        {
            "kind": "players",
            "items": [[name, {"kind": "array", "shape": [1]}] for name in ("slow", "fast")],
        },
    ],
)
def test_structures_that_do_not_fit_are_unusable(linear_certificate, structure, tmp_path):
    data = json.loads(json.dumps(linear_certificate.data))
    data["game"]["structure"] = structure
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    with pytest.raises(Unusable, match=r"structure|nested too deeply"):
        certify.load(path)


@pytest.mark.parametrize("depth", [240, 400])
def test_deep_structures_are_read_or_unusable(linear_certificate, depth, tmp_path):
    """How deep Python can go depends on who calls."""
    data = json.loads(json.dumps(linear_certificate.data))
    items = {"fast": nested(depth), "slow": nested(depth)}
    data["game"]["structure"] = {"kind": "dict", "items": items}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    try:
        found = certify.load(path)
    except Unusable as error:
        assert "nested too deeply" in str(error)
    else:
        assert found.status == "proved"


@pytest.mark.parametrize(
    "strategy",
    [
        (1.0, 2.0),
        [np.ones(2), np.zeros((2, 2))],
        {"b": np.ones(3), "a": {"y": np.zeros(()), "x": (np.ones(1), 4.0)}},
    ],
)
def test_structures_survive(strategy):
    strategy = dg.as_strategy(strategy)
    description = json.loads(json.dumps(describe(strategy)))
    vector = np.arange(sum(dg.dimensions(strategy)), dtype=float)
    expected = dg.ravel(strategy)[1](jnp.asarray(vector))
    found = rebuild(description, vector)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert jax.tree.all(jax.tree.map(np.array_equal, found, expected))
    for wrong in (vector[:-1], np.append(vector, 1.0)):
        with pytest.raises(ValueError, match="coordinates"):
            rebuild(description, wrong)

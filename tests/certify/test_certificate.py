"""The file: readable, exact, complete, replaced all at once."""

import json

import numpy as np
import pytest

import certify
from certify.structure import describe, rebuild


def test_one_line_for_each_cell(oligopoly_certificate, tmp_path):
    text = oligopoly_certificate.save(tmp_path / "c.json").read_text()
    assert (
        sum(line.startswith('{"centre"') for line in text.splitlines())
        == oligopoly_certificate.cells
    )
    assert json.loads(text) == oligopoly_certificate.data


def test_headline_numbers_are_those_of_the_file(oligopoly_certificate):
    claims = oligopoly_certificate.data["claims"]
    assert oligopoly_certificate.margin.hex() == claims["margin"]
    assert oligopoly_certificate.lipschitz.hex() == claims["lipschitz"]
    step = oligopoly_certificate.step_sizes["extragradient"]
    entry = next(s for s in claims["steps"] if s["method"] == "extragradient")
    assert (step.max.hex(), step.rate.hex()) == (entry["max"], entry["rate"])
    assert step.route == "theorem"


def test_loading_checks(linear_certificate, tmp_path):
    from certify.checker.reader import digest

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


@pytest.mark.parametrize(
    "strategy",
    [
        (1.0, 2.0),
        [np.ones(2), np.zeros((2, 2))],
        {"b": np.ones(3), "a": {"y": np.zeros(()), "x": (np.ones(1), 4.0)}},
    ],
)
def test_structures_survive(strategy):
    import jax

    import dgames as dg

    strategy = dg.as_strategy(strategy)
    description = json.loads(json.dumps(describe(strategy)))
    vector = np.arange(sum(dg.dimensions(strategy)), dtype=float)
    expected = dg.ravel(strategy)[1](jax.numpy.asarray(vector))
    found = rebuild(description, vector)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert jax.tree.all(jax.tree.map(np.array_equal, found, expected))
    for wrong in (vector[:-1], np.append(vector, 1.0)):
        with pytest.raises(ValueError, match="coordinates"):
            rebuild(description, wrong)

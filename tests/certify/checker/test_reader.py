"""Unusable files: one sentence each, never a traceback, never code."""

import json

import pytest

from certify.checker import Unusable, check
from certify.checker.reader import digest, parse


@pytest.fixture
def text(linear_certificate, tmp_path):
    return linear_certificate.save(tmp_path / "good.json").read_text()


def edited(text, **changes):
    data = json.loads(text) | changes
    return json.dumps(data | {"digest": digest(data)})


def test_good_text_is_read(text):
    assert parse(text)["claims"]["margin"].startswith("0x")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(text, share):
    with pytest.raises(Unusable, match="not complete JSON"):
        parse(text[: int(len(text) * share)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "format version 2; this checker reads 1"),
        ({"version": "1"}, "format version '1'"),
        ({"version": True}, "format version True"),
        ({"format": "something else"}, "is no certificate"),
    ],
)
def test_wrong_format_or_version(text, change, message):
    with pytest.raises(Unusable, match=message):
        parse(edited(text, **change))


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "is no certificate"),
        ("null", "is no certificate"),
        ("1" * 10_000, "not complete JSON|is no certificate"),
        ('{"format": NaN}', "NaN is not exact"),
        ('{"format": Infinity}', "Infinity is not exact"),
        ('{"format": 0.5}', "0.5 is not exact"),
        ('{"format": 1, "format": 2}', "occurs twice"),
    ],
)
def test_hostile_text(hostile, message):
    with pytest.raises(Unusable, match=message):
        parse(hostile)


def test_edited_without_a_new_digest(text):
    data = json.loads(text)
    data["game"]["name"] = "Another"
    with pytest.raises(Unusable, match="damaged or edited"):
        parse(json.dumps(data))


def test_missing_file_folder_and_binary(tmp_path):
    with pytest.raises(Unusable, match="cannot be read"):
        check(tmp_path / "nowhere.json")
    with pytest.raises(Unusable, match="cannot be read"):
        check(tmp_path)
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(Unusable, match="not UTF-8"):
        check(path)


def test_huge_file(tmp_path, monkeypatch):
    monkeypatch.setattr("certify.checker.reader.MAX_BYTES", 10)
    path = tmp_path / "huge.json"
    path.write_text("x" * 11)
    with pytest.raises(Unusable, match="too large"):
        check(path)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("claims", "margin"), "0.5", 'field "claims.margin"'),
        (("claims", "margin"), "nan", 'field "claims.margin"'),
        (("claims", "margin"), "0x1p+99999", 'field "claims.margin"'),
        (("claims", "margin"), "0x1.80000000000000000001p-3", 'field "claims.margin"'),
        (("claims", "margin"), " 0x1.8000000000000p-3", 'field "claims.margin"'),
        (("claims", "margin"), "0x3.0000000000000p-4", 'field "claims.margin"'),
        (("claims", "margin"), 1, 'field "claims.margin"'),
        (("claims", "weights"), [], 'field "claims.weights"'),
        (("claims", "steps"), {}, 'field "claims.steps"'),
        (("region", "kind"), "torus", "region.kind"),
        (("region", "lower"), ["0x0p+0"], 'field "region.lower"'),
        (("game", "players"), [], "a game has players"),
        (("game", "players"), [{"name": "a", "size": 0}], "a game has players"),
        (("claims", "worldwide"), "0x1p+0", "nothing can verify worldwide"),
        (("evidence", "unit"), 5, "evidence.unit"),
        (("evidence", "unit"), -(10**9), "evidence.unit"),
        (("evidence", "cells"), [{}], "evidence.cells"),
    ],
)
def test_fields_of_the_wrong_kind(text, where, value, message, tmp_path):
    data = json.loads(text)
    data[where[0]][where[1]] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    with pytest.raises(Unusable, match=message):
        check(path)


@pytest.mark.parametrize("section", ["game", "region", "claims", "evidence"])
def test_missing_sections(text, section, tmp_path):
    data = json.loads(text)
    del data[section]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    with pytest.raises(Unusable, match=section):
        check(path)

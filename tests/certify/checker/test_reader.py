"""Unusable files: one sentence each, never a traceback, never code."""

import gzip
import json
import os
import zlib

import pytest

from certify.checker import Unusable, check, check_data
from certify.checker.reader import Reader, decode, digest, parse
from tests.certify.checker.quadratic import quadratic


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
        ({"version": 1}, "format version 1; this checker reads 2"),
        ({"version": "2"}, "format version '2'"),
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
        ("1" * 10_000, "an integer of 10000 digits"),
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
    with pytest.raises(Unusable, match="not ASCII"):
        check(path)


def test_compressed(text):
    assert decode(gzip.compress(text.encode())) == text
    # By what it is, not by what it is called; and it need not be good at it.
    assert decode(gzip.compress(text.encode(), 0)) == text


def members(text):
    packed = gzip.compress(text.encode())
    raw = zlib.compressobj(wbits=-15)
    return {
        "truncated": (packed[:-1], "not complete gzip"),
        "header": (packed[:5], "not complete gzip"),
        "trailing": (packed + b"\0", "goes on after the end"),
        "two members": (packed + packed, "goes on after the end"),
        "checksum": (packed[:-8] + bytes(8), "cannot be decompressed"),
        "damaged": (packed[:50] + bytes(50) + packed[100:], "cannot be decompressed"),
        "twice": (gzip.compress(packed), "not ASCII"),
        "zlib": (zlib.compress(text.encode()), "not ASCII"),
        "deflate": (raw.compress(text.encode()) + raw.flush(), "not ASCII"),
        "empty": (gzip.compress(b""), "not complete JSON"),
        "magic alone": (b"\x1f\x8b", "not complete gzip"),
    }


@pytest.mark.parametrize("case", members(""))
def test_gzip_that_is_not_one_whole_member(text, case):
    content, message = members(text)[case]
    with pytest.raises(Unusable, match=message):
        parse(decode(content))


def test_bombs_stop_at_the_bound(monkeypatch):
    monkeypatch.setattr("certify.checker.reader.MAX_BYTES", 1000)
    assert decode(gzip.compress(b"1" * 1000)) == "1" * 1000
    with pytest.raises(Unusable, match="too large: a certificate has at most 1000 bytes"):
        decode(gzip.compress(b"1" * 1001))
    with pytest.raises(Unusable, match="too large"):
        decode(gzip.compress(b"1" * 10**8))


def test_too_many_values(monkeypatch):
    monkeypatch.setattr("certify.checker.reader.MAX_VALUES", 10)
    pairs = (([0] * 7, [0] * 8), ({"a": 1}, {"a": []}), (["a", "b"], ["a", "b", "c"]))
    for fits, too_many in (*pairs, ([[]], [[], []])):
        with pytest.raises(Unusable, match="no certificate"):
            parse(json.dumps(fits))
        with pytest.raises(Unusable, match="at most 10 values"):
            parse(json.dumps(too_many))


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(Unusable, match="not a regular file"):
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


@pytest.mark.parametrize("name", ["format", "kind"])
@pytest.mark.parametrize("value", ["dgames proof", None, 1, ["dgames certificate"], {}])
def test_data_of_no_known_format_or_kind_is_unusable(name, value):
    """Also where it has not been read from a file: nothing is taken for a certificate of a game."""
    with pytest.raises(Unusable, match=name):
        check_data(quadratic([1]) | {name: value})


@pytest.mark.parametrize("value", [None, [], 3, "text"])
def test_an_object_without_members_is_an_object(value):
    with pytest.raises(Unusable, match="an object"):
        Reader(value, "evidence").fields()

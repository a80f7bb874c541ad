"""What the self-test found is remembered for the very same circumstances, and never invented."""

import copy
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import pytest

from certify.enclosure import margins, remembered, self_test
from certify.enclosure.remembered import circumstances, recall, remember

KNOWN = {"system": "one", "options": {"x64": "True"}}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """An empty folder for the files, and nothing tested in this process."""
    monkeypatch.setenv(remembered.VARIABLE, str(tmp_path / "cache"))
    self_test._tested.cache_clear()
    yield tmp_path / "cache"
    self_test._tested.cache_clear()


@pytest.fixture
def measured(monkeypatch):
    names, measure = [], self_test.measure
    monkeypatch.setattr(
        self_test, "measure", lambda functions: names.extend(functions) or measure(functions)
    )
    return names


def the_file(folder):
    (path,) = folder.iterdir()
    return path


def test_names_add_up_and_come_back(folder):
    assert recall(KNOWN) == frozenset()
    remember(KNOWN, ["exp", "add"])
    remember(KNOWN, ["sin"])
    assert recall(KNOWN) == {"add", "exp", "sin"}
    assert oct(the_file(folder).stat().st_mode)[-3:] == "600"
    assert recall({**KNOWN, "system": "two"}) == frozenset()
    remember({**KNOWN, "system": "two"}, ["tan"])
    assert recall(KNOWN) == {"add", "exp", "sin"}


def test_another_process_does_not_test_again(measured):
    margins.units("exp")
    assert sorted(measured) == ["add", "exp", "mul"]
    self_test._tested.cache_clear()  # as if another process began
    margins.units("exp")
    margins.units("log")
    assert measured[3:] == ["log"]


def test_rules_for_nan_are_remembered_and_not_taken_for_granted(monkeypatch, folder):
    margins.units("add")
    path = the_file(folder)
    held = json.loads(path.read_text())
    calls = []
    monkeypatch.setattr(self_test, "_respects_nan", lambda: calls.append(1) or True)
    self_test._tested.cache_clear()
    margins.units("add")
    assert not calls
    path.write_text(json.dumps({**held, "passed": ["add", "mul"]}))
    self_test._tested.cache_clear()
    margins.units("add")
    assert calls


DAMAGE = {
    "empty": lambda text: "",
    "truncated": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: "passed",
    "a list": lambda text: "[]",
    "other circumstances": lambda text: text.replace(jax.__version__, "0.0.1"),
    "no names": lambda text: json.dumps(json.loads(text) | {"passed": 5}),
    "nested": lambda text: json.dumps(json.loads(text) | {"passed": [["exp"], {"exp": 1}]}),
    "deep": lambda text: "[" * 100_000,
    "long": lambda text: text + " " * 2**20,
    "bytes": lambda text: "\udcff",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_tested_anew(measured, folder, damage):
    margins.units("exp")
    path, tested = the_file(folder), len(measured)
    path.write_text(DAMAGE[damage](path.read_text()), errors="surrogateescape")
    self_test._tested.cache_clear()
    margins.units("exp")
    assert sorted(measured[tested:]) == ["add", "exp", "mul"]
    self_test._tested.cache_clear()  # and the file is whole again
    margins.units("exp")
    assert len(measured) == tested + 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_what_others_may_have_written_is_ignored(folder):
    remember(KNOWN, ["exp"])
    path = the_file(folder)
    path.chmod(0o666)
    assert recall(KNOWN) == frozenset()
    path.unlink()
    os.mkfifo(path)  # to read it would wait for ever
    assert recall(KNOWN) == frozenset()


@pytest.mark.parametrize("value", ["", "off"])
def test_it_can_be_switched_off(monkeypatch, folder, value, measured):
    monkeypatch.setenv(remembered.VARIABLE, value)
    for _ in range(2):
        margins.units("exp")
        self_test._tested.cache_clear()
    assert len(measured) == 6 and not folder.exists()


def test_a_folder_that_cannot_be_written(folder):
    folder.write_text("a file in its place")
    remember(KNOWN, ["exp"])
    assert recall(KNOWN) == frozenset()
    assert margins.units("exp") == margins.MARGINS["exp"].units


def test_the_folder_is_that_of_the_system(monkeypatch):
    monkeypatch.delenv(remembered.VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert remembered.folder() == Path("/somewhere/certify")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert remembered.folder() == Path.home() / ".cache" / "certify"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert remembered.folder() == Path.home() / "Library" / "Caches" / "certify"


def test_circumstances_name_what_matters(monkeypatch):
    known = circumstances("cpu")
    assert known is not None and known == circumstances("cpu")
    assert json.loads(json.dumps(known)) == known
    assert known["jax"] == jax.__version__ and known["options"]["jax_enable_x64"] == "True"
    with jax.enable_x64(False):
        assert circumstances("cpu") != known
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert circumstances("cpu") != known
    monkeypatch.undo()
    monkeypatch.setattr(remembered, "_sources", lambda: [Path(__file__)])
    assert circumstances("cpu") != known
    assert circumstances("no such backend") is None


def test_flags_are_those_in_force():
    """A flag set too late is none, and one that was in force is named though it is unset since."""
    program = (
        "import jax, os, jax.numpy as jnp; {}; jnp.zeros(2) + 1; os.environ.pop('XLA_FLAGS', '');"
        "from certify.enclosure.remembered import circumstances; print(circumstances('cpu'))"
    )
    flag = "os.environ['XLA_FLAGS'] = '--xla_cpu_enable_fast_math=true'"
    found = {
        subprocess.run(
            [sys.executable, "-c", program.format(line)], capture_output=True, text=True, check=True
        ).stdout
        for line in ("pass", flag)
    }
    assert len(found) == 2


def test_other_options_in_between_are_not_remembered(monkeypatch, folder):
    known = circumstances("cpu")
    found = iter([known, {**copy.deepcopy(known or {}), "options": {}}])
    monkeypatch.setattr(self_test, "circumstances", lambda backend: next(found))
    margins.units("exp")
    assert not folder.exists()


def test_writers_at_the_same_time_leave_a_whole_file(folder):
    names = sorted(self_test.FUNCTIONS)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: remember(KNOWN, [name]), names * 8))
    assert recall(KNOWN) and recall(KNOWN) <= set(names)
    assert the_file(folder).suffix == ".json"  # no part is left behind

"""Searches that are killed go on to the same certificate; files that are damaged prove nothing."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import certify
import dgames as dg

pytestmark = pytest.mark.thin(4)

ROOT = Path(__file__).parents[3]

# Waits before each round, so that there is time to be interrupted; says when a file can be there.
SEARCH = """
# Where tests run in the background, shells make them ignore Ctrl-C, and so their children.
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import sys, time
import jax
jax.config.update("jax_enable_x64", True)
import certify, certify.search.checkpoint
certify.search.checkpoint.SECONDS, certify.search.checkpoint._SHARE = 1e-3, 1.0
import ripples

def slow(state):
    print(state.cells, flush=True)
    time.sleep(0.3 if state.cells > 60 else 0.0)

search = certify.Search(checkpoint="run.npz", progress=slow)
certify.certify(ripples.game, ripples.region, search=search)
"""


def proof(certificate):
    """What a certificate says, without where and when it was made."""
    ignored = ("provenance", "digest")
    return {key: value for key, value in certificate.data.items() if key not in ignored}


def started(command, folder):
    """A process that writes a line before each round, until there are enough cells."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > 90:
            return process
    raise AssertionError(process.communicate()[1])


@pytest.fixture
def file(ripples, tmp_path):
    """A checkpoint of some fifty cells."""
    path = tmp_path / "run.npz"
    certify.certify(
        ripples.game, ripples.region, search=certify.Search(max_cells=50, checkpoint=path)
    )
    return path


def resumed(ripples, path, **options):
    """The certificate of a run that goes on from a file, and how many cells it began with."""
    states = []
    search = certify.Search(checkpoint=path, progress=states.append, **options)
    found = certify.certify(ripples.game, ripples.region, search=search)
    return found, next(state.cells for state in states if not state.stage)


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle(ripples, whole, tmp_path, how):
    (tmp_path / "ripples.py").write_text((ripples.folder / "ripples.py").read_text())
    process = started([sys.executable, "-c", SEARCH], tmp_path)
    process.send_signal(how)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == -how
    assert ("KeyboardInterrupt" in error) == (how == signal.SIGINT)
    found, begin = resumed(ripples, tmp_path / "run.npz", batch_size=3)
    assert 60 < begin < whole.cells
    assert proof(found) == proof(whole)
    left = {path.name for path in tmp_path.iterdir()} - {"ripples.py", "__pycache__", "run.npz"}
    assert len(left) <= 1 and all(name.endswith(".part") for name in left)


def test_interrupted_in_this_process(ripples, whole, tmp_path):
    path = tmp_path / "run.npz"

    def interrupt(state):
        if state.cells > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify.certify(
            ripples.game, ripples.region, search=certify.Search(checkpoint=path, progress=interrupt)
        )
    found, begin = resumed(ripples, path)
    assert begin > 60
    assert proof(found) == proof(whole)


def test_interrupted_while_a_round_is_entered(ripples, tmp_path, monkeypatch):
    """Half a round is never written: the file is the one before it, or none."""
    from certify.search.frontier import Frontier

    path, add, added = tmp_path / "run.npz", Frontier._add, []

    def interrupted(self, cell, known):
        added.append(cell)
        if len(added) == 60:
            raise KeyboardInterrupt
        return add(self, cell, known)

    with monkeypatch.context() as patch:
        patch.setattr(Frontier, "_add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            certify.certify(ripples.game, ripples.region, search=certify.Search(checkpoint=path))
    assert not path.exists()


@pytest.mark.parametrize("budget", [{"max_cells": 50}, {"max_seconds": 1e-6}, {"max_cells": 1}])
def test_a_larger_budget_goes_on(ripples, whole, tmp_path, budget):
    """Also where the last round was cut short by the budget: it is not part of the file."""
    path = tmp_path / "run.npz"
    certify.certify(ripples.game, ripples.region, search=certify.Search(checkpoint=path, **budget))
    found, begin = resumed(ripples, path)
    assert begin <= 50
    assert proof(found) == proof(whole)
    again, begin = resumed(ripples, path)  # the file stays, and is the end of the search now
    assert begin == whole.cells
    assert proof(again) == proof(whole)


def test_what_is_outside_a_ball_is_remembered(ripples, tmp_path):
    ball, path = certify.Ball((0.0, 0.0), 2.0), tmp_path / "run.npz"
    whole = certify.certify(ripples.game, ball)
    certify.certify(ripples.game, ball, search=certify.Search(max_cells=40, checkpoint=path))
    assert proof(
        certify.certify(ripples.game, ball, search=certify.Search(checkpoint=path))
    ) == proof(whole)


def test_damaged_files_are_refused(ripples, file):
    good = file.read_bytes()
    rng = np.random.default_rng(0)
    flipped = [bytearray(good) for _ in range(20)]
    for damaged, place in zip(flipped, rng.integers(len(good), size=20), strict=True):
        damaged[place] ^= 1 << int(rng.integers(8))
    cut = [good[: int(share * len(good))] for share in (0.0, 0.1, 0.5, 0.9, 0.999)]
    for bad in (*cut, b"not a zip file", *map(bytes, flipped)):
        file.write_bytes(bad)
        try:
            found, _ = resumed(ripples, file)
        except ValueError as error:
            assert str(file) in str(error) and str(error).count("\n") == 0
        else:  # a bit in the directory of the archive that says nothing about its contents
            assert bad in map(bytes, flipped) and found.status == "proved"


def rewritten(file, **changes):
    """Writes a checkpoint anew with other contents, leaving its checksum as it is."""
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files} | changes
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file.write_bytes(buffer.getvalue())


def test_a_changed_number_is_found(ripples, file):
    with np.load(file) as stored:
        remainder = stored["remainder"]
    rewritten(file, remainder=0.5 * remainder)
    with pytest.raises(ValueError, match="checksum is wrong"):
        resumed(ripples, file)


def test_no_code_is_run(ripples, file):
    rewritten(file, at=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ValueError, match="damaged one"):
        resumed(ripples, file)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("game", {"game": dg.game(lambda x, args: (2.0 * x[0] ** 2, x[1] ** 2))}),
        ("region", {"region": certify.Box.around((0.0, 0.0), 2.9)}),
        ("weights", {"metric": certify.Weights({"0": 1.0, "1": 2.0})}),
        ("tightness", {"search": certify.Search(tightness=0.98)}),
        ("enclosure", {"enclosure": certify.IntervalMatrices()}),
    ],
)
def test_files_of_other_runs_are_refused(ripples, file, what, change):
    options = {"game": ripples.game, "region": ripples.region, "search": certify.Search(), **change}
    search = dataclasses.replace(options.pop("search"), checkpoint=file)
    with pytest.raises(ValueError, match=rf"another run \(the {what} differs\)"):
        certify.certify(**options, search=search)


def test_files_of_another_version_are_refused(ripples, file):
    with np.load(file) as stored:
        identity = json.loads(str(stored["identity"]))
    identity["version of certify"] = "0.0.1"
    rewritten(file, identity=np.array(json.dumps(identity)))
    with pytest.raises(ValueError, match="checksum is wrong"):
        resumed(ripples, file)


def test_a_folder_that_does_not_exist(ripples, tmp_path):
    with pytest.raises(ValueError, match=r"the folder of the checkpoint .* does not exist"):
        resumed(ripples, tmp_path / "no" / "run.npz")


@pytest.mark.parametrize("failing", ["open", "os.replace", "os.fsync"])
def test_a_file_that_cannot_be_written_is_no_end(ripples, whole, tmp_path, monkeypatch, failing):
    """A full disk, a read-only folder: one warning, and the search goes on."""
    calls = []

    def fails(*arguments, **options):
        calls.append(arguments)
        raise OSError(28, "No space left on device")

    where = {"open": "builtins.open"}.get(failing, failing)
    real = open

    def only_parts(path, *arguments, **options):
        return (fails if str(path).endswith(".part") else real)(path, *arguments, **options)

    monkeypatch.setattr(where, only_parts if failing == "open" else fails)
    monkeypatch.setattr("certify.search.checkpoint.SECONDS", 0.0)
    with pytest.warns(UserWarning, match="No space left on device") as warned:
        found = certify.certify(
            ripples.game, ripples.region, search=certify.Search(checkpoint=tmp_path / "run.npz")
        )
    assert len(calls) >= 1
    assert len([one for one in warned if "checkpoint" in str(one.message)]) == 1
    assert proof(found) == proof(whole)
    assert not list(tmp_path.iterdir())


def test_two_runs_with_one_file_do_not_meet(ripples, tmp_path, monkeypatch):
    """Each writes under a name of its own before it takes the place of the last file."""
    names, replace = [], os.replace

    def remembered(source, target):
        names.append(Path(source).name)
        replace(source, target)

    monkeypatch.setattr("os.replace", remembered)
    for _ in range(2):
        path = tmp_path / "run.npz"
        path.unlink(missing_ok=True)
        certify.certify(
            ripples.game, ripples.region, search=certify.Search(max_cells=10, checkpoint=path)
        )
    assert len(set(names)) == len(names) >= 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]

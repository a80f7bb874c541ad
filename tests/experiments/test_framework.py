"""Studies in general: what they return is kept, resumed and compared."""

import dataclasses
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments import catalogue, expected, storage
from experiments.__main__ import INTERRUPTED, NO, OK, UNUSABLE, app
from experiments.expected import Expected
from experiments.run import run
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """Of the study below."""

    seed: int = 0
    items: int = 5


class Interrupted(Exception):
    """Stands for Ctrl-C, which would stop the tests."""


def counting(limit=math.inf):
    """A study that squares numbers, and the list of those it had to; it stops after `limit`."""
    calls = []

    def squares(config, run):
        def square(item):
            if len(calls) >= limit:
                raise Interrupted
            calls.append(item)
            return {"square": np.float64(item) ** 2, "missing": float("nan")}

        return run.each(range(config.items), square)

    def total(config, run):
        return sum(entry["square"] for entry in run.data["squares"])

    # The name of a module that exists: results are filed by its source.
    chosen = Study(
        "small_gain_toy",
        "squares",
        Config(),
        Config(items=2),
        {"squares": squares, "total": total},
        lambda data: {"total": data["total"], "items": len(data["squares"])},
    )
    return chosen, calls


def test_interrupted_runs_go_on_where_they_stopped(tmp_path):
    first, calls = counting(limit=3)
    with pytest.raises(Interrupted):
        run(first, output=tmp_path)
    assert calls == [0, 1, 2]
    second, calls = counting()
    assert run(second, output=tmp_path).numbers == {"total": 30.0, "items": 5}
    assert calls == [3, 4]
    third, calls = counting()
    assert run(third, output=tmp_path).numbers["total"] == 30.0
    assert calls == []
    run(third, output=tmp_path, fresh=True)
    assert calls == [0, 1, 2, 3, 4]


def test_a_line_that_was_cut_off_is_computed_again(tmp_path):
    first, _ = counting(limit=3)
    with pytest.raises(Interrupted):
        run(first, output=tmp_path)
    (lines,) = tmp_path.rglob("squares-1.lines")
    lines.write_text(lines.read_text()[:-4])
    second, calls = counting()
    assert run(second, output=tmp_path).numbers["total"] == 30.0
    assert calls == [2, 3, 4]


def test_files_and_loops_of_a_stage_do_not_meet(tmp_path):
    """Neither a file that bears the name of a stage, nor two loops in one."""
    chosen, _ = counting()
    left = []

    def twice(config, run):
        def item(value):
            if not left:
                raise Interrupted
            left.pop()
            return value

        (run.folder / "twice.json").write_text("no data of a stage")
        return [run.each(values, item) for values in ([1, 2], [3, 4])]

    stages = dataclasses.replace(chosen, stages={"twice": twice}, numbers=lambda data: {})
    left[:] = range(3)
    with pytest.raises(Interrupted):
        run(stages, output=tmp_path)
    left[:] = range(1)
    found = run(stages, output=tmp_path)
    assert found.data["twice"] == [[1, 2], [3, 4]]
    assert (found.folder / "files" / "twice.json").read_text() == "no data of a stage"
    assert [path.name for path in (found.folder / "stages").iterdir()] == ["twice.json"]


def test_another_configuration_resumes_nothing(tmp_path):
    chosen, calls = counting()
    assert run(chosen, output=tmp_path).numbers["total"] == 30.0
    assert run(chosen, Config(items=3), output=tmp_path).numbers["total"] == 5.0
    assert calls == [0, 1, 2, 3, 4, 0, 1, 2]
    assert len(list(tmp_path.rglob("results.json"))) == 2


def test_results_on_disk_say_where_they_come_from(tmp_path):
    chosen, _ = counting()
    found = run(chosen, Config(seed=7), output=tmp_path)
    kept = storage.read(found.folder / "results.json")
    assert kept["config"] == {"seed": 7, "items": 5}
    assert kept["numbers"] == found.numbers and {"dgames", "jax"} <= set(kept["versions"])
    assert math.isnan(found.data["squares"][0]["missing"])


def test_what_is_no_plain_data_is_refused():
    assert storage.parse(storage.dump({"a": np.arange(2), "b": (1, math.inf)})) == {
        "a": [0, 1],
        "b": [1, math.inf],
    }
    for value in (object(), np.array([1j]), {"a": {1, 2}}, "nan"):
        with pytest.raises(TypeError):
            storage.dump(value)


@pytest.mark.parametrize(
    ("entry", "right", "wrong"),
    [
        ({"value": 1.0, "absolute": 0.1}, [1.05, 1], [1.2, math.nan, "1.0", [1.0]]),
        ({"value": 100.0, "relative": 0.01}, [99.5], [98.0]),
        ({"value": [1.0, 2.0], "absolute": 0.1}, [[1.05, 2.0]], [[1.0], [1.0, 2.2], 1.0]),
        ({"value": True}, [True], [False, 1]),
        ({"value": "proved"}, ["proved"], ["undecided"]),
        ({"value": 3}, [3], [4, True]),
        ({"value": math.inf}, [math.inf], [1e300, math.nan]),
        ({"least": 0.0}, [0.0, math.inf], [-1e-9, math.nan]),
        ({"least": 0.0, "most": 1.0}, [0.5, [0.0, 1.0]], [1.1, [0.5, 2.0], [math.nan]]),
    ],
)
def test_numbers_are_compared_as_they_say(entry, right, wrong):
    entry = Expected(evidence="measured", source="a test", **entry)
    assert [number for number in right if entry.fault(number) is not None] == []
    assert [number for number in wrong if entry.fault(number) is None] == []


@pytest.mark.parametrize(
    "entry",
    [
        {"evidence": "certain", "source": "a", "value": 1},
        {"evidence": "proved", "source": "", "value": 1},
        {"evidence": "proved", "source": "a"},
        {"evidence": "proved", "source": "a", "value": 1, "least": 0},
    ],
)
def test_expectations_that_say_nothing_are_refused(entry):
    with pytest.raises(ValueError, match="expected numbers"):
        Expected(**entry)


def test_missing_and_extra_numbers_are_faults():
    entry = Expected("measured", "a test", value=1.0)
    faults = expected.compare({"b": 1.0}, {"a": entry})
    assert faults == {"a": "was not computed", "b": "has no expected value"}


def test_every_study_has_numbers_to_compare_with():
    for name in catalogue.names():
        loaded = catalogue.load(name)
        assert loaded.summary and expected.load(name) and expected.load(name, quick=True), name
        assert {field.name for field in dataclasses.fields(loaded.config)}, name
    files = {path.stem for path in expected.FOLDER.glob("*.json")}
    assert files == set(catalogue.names())


def test_every_study_is_described():
    page = (expected.FOLDER.parents[1] / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| .{20,} \|$", page, flags=re.MULTILINE)) == set(
        catalogue.names()
    )


def test_command_lists_runs_and_compares(tmp_path, monkeypatch):
    chosen, calls = counting()
    entries = {
        "total": Expected("measured", "1 + 4", value=1.0),
        "items": Expected("measured", "a", value=2),
    }
    monkeypatch.setattr(catalogue, "load", lambda name: chosen)
    monkeypatch.setattr(expected, "load", lambda name, quick: entries)
    command = CliRunner()
    arguments = ["small_gain_toy", "--quick", "--output", str(tmp_path)]
    done = command.invoke(app, arguments)
    assert done.exit_code == OK and "as expected" in done.output and calls == [0, 1]
    entries["total"] = Expected("measured", "wrong", value=2.0)
    done = command.invoke(app, arguments)
    assert done.exit_code == NO and "1.0 is not 2.0" in " ".join(done.output.split())
    assert calls == [0, 1]  # kept from the first time
    command.invoke(app, [*arguments, "--seed", "3"])
    assert calls == [0, 1, 0, 1]


def test_command_lists_and_refuses_what_there_is_not():
    command = CliRunner()
    listed = command.invoke(app, [])
    assert listed.exit_code == OK and "small_gain_toy" in listed.output
    assert command.invoke(app, ["no_such_study"]).exit_code == UNUSABLE


def test_interrupting_the_command_keeps_what_is_done(tmp_path, monkeypatch):
    chosen, calls = counting()
    stages = {
        **chosen.stages,
        "total": lambda config, run: (_ for _ in ()).throw(KeyboardInterrupt()),
    }
    monkeypatch.setattr(catalogue, "load", lambda name: dataclasses.replace(chosen, stages=stages))
    arguments = ["small_gain_toy", "--quick", "--output", str(tmp_path)]
    command = CliRunner()
    assert command.invoke(app, arguments).exit_code == INTERRUPTED
    assert command.invoke(app, arguments).exit_code == INTERRUPTED and calls == [0, 1]

"""Every notebook runs, ends with assertions, and has an executed copy with the same cells."""

import ast
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "notebooks").glob("[0-9]*.py"))
COMMAND = (
    'python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e ".[notebooks]" '
    "&& .venv/bin/python -m notebooks"
)

# Where something is on the machine at hand: a path that has at least two folders in it.
PATH = re.compile(r"(?<![\w:/.<>])(?:/[\w.+-]+){2,}|\b[A-Z]:\\\\|file://")
# Memory addresses and clock times differ from run to run.
PASSING = re.compile(r"\b0x[0-9a-f]{8,}\b|\b\d\d:\d\d:\d\d\b")

each = pytest.mark.parametrize("script", SCRIPTS, ids=[path.stem for path in SCRIPTS])


def cells(script: Path) -> list[str]:
    """The code cells of a script in percent format."""
    parts = re.split(r"^# %%(.*)\n", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = parts[1::2]
    assert not parts[0].strip(), "a notebook begins with a cell"
    return [
        cell for title, cell in zip(titles, parts[2::2], strict=True) if "markdown" not in title
    ]


def outputs(script: Path) -> list[dict]:
    """All outputs of the executed copy of a script, in their order; each cell prints one text."""
    copy = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in copy["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    for cell in code:
        kinds = [output["output_type"] for output in cell["outputs"]]
        assert ("stream", "stream") not in pairwise(kinds), "texts depend on timing where cut"
    return [output for cell in code for output in cell["outputs"]]


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )


def test_there_are_notebooks():
    assert len(SCRIPTS) >= 1
    copies = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert copies == {path.stem for path in SCRIPTS}


@pytest.mark.full
@each
def test_it_runs_to_its_end_without_a_warning(script, tmp_path):
    done = python("-W", "error", str(script), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@each
def test_its_last_cell_is_of_assertions(script):
    """Of some that look at values computed before, down to the very last statement."""
    last = ast.parse(cells(script)[-1]).body
    found = [node for tree in last for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert len(found) >= 3
    assert any(isinstance(node, ast.Assert) for node in ast.walk(last[-1]))
    for node in found:
        assert any(isinstance(part, ast.Name) for part in ast.walk(node.test)), ast.unparse(node)


@each
def test_its_copy_has_the_same_cells(script):
    pytest.importorskip("jupytext", reason="the extra notebooks is not installed")
    from notebooks.copies import same_cells

    assert same_cells(script), f"python -m notebooks {script.stem} makes the copy anew"


@each
def test_its_copy_ran_without_errors_and_has_figures(script):
    found = outputs(script)
    assert {output["output_type"] for output in found} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert {output.get("name") for output in found} <= {None, "stdout"}
    assert any("image/png" in output.get("data", {}) for output in found)
    assert script.with_suffix(".ipynb").stat().st_size < 300_000


@each
def test_its_copy_tells_nothing_of_the_machine_it_was_made_on(script):
    copy = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))
    assert copy["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(cell["metadata"] == {} for cell in copy["cells"])
    for output in outputs(script):
        data = output.get("data", {})
        text = "".join(output.get("text", [])) + "".join(
            "".join(value) for kind, value in data.items() if kind.startswith("text/")
        )
        assert not PATH.search(text) and not PASSING.search(text), text


# The command that makes the copies.

SMALL = """# %% [markdown]
# # A small one

# %%
import sys
import warnings

import matplotlib.pyplot as plt

figure, ax = plt.subplots()
print(2 + 2)

# %%
assert 2 + 2 == 4
"""


@pytest.mark.full
def test_a_copy_is_made_and_compared(tmp_path):
    pytest.importorskip("nbclient", reason="the extra notebooks is not installed")
    from notebooks.copies import CopyError, copy_of, make_copy, same_cells, scripts

    script = tmp_path / "01_small.py"
    script.write_text(SMALL, encoding="utf-8")
    assert scripts(folder=tmp_path) == scripts(["small"], tmp_path) == [script]
    assert scripts(["large"], tmp_path) == [] and not same_cells(script)

    made = make_copy(script)
    assert made == copy_of(script) and same_cells(script)
    first = made.read_bytes()
    printed, drawn = outputs(script)
    assert printed["text"] == ["4\n"] and set(drawn["data"]) == {"image/png", "text/plain"}
    assert make_copy(script).read_bytes() == first  # nothing in it depends on the run

    script.write_text(SMALL.replace("2 + 2", "2 + 3"), encoding="utf-8")
    assert not same_cells(script)
    script.write_text(SMALL.replace("assert 2 + 2 == 4", "assert 1 + 1 == 3"), encoding="utf-8")
    with pytest.raises(CopyError, match="assert 1 \\+ 1 == 3"):
        make_copy(script)
    assert made.read_bytes() == first


def test_the_list_has_the_command_and_the_notebooks():
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert COMMAND in page.splitlines()
    listed = re.findall(r"\]\((\d\d_\w+)\.ipynb\)", page)
    assert listed == [path.stem for path in SCRIPTS]


def test_the_command_compares_all_copies():
    pytest.importorskip("jupytext", reason="the extra notebooks is not installed")
    done = python("-m", "notebooks", "--check", folder=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(SCRIPTS)
    unknown = python("-m", "notebooks", "no such", folder=ROOT)
    assert unknown.returncode == 2 and "no notebook has such a name" in unknown.stderr

"""The README and the first pages of the docs are true: commands, code, and quoted output."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

SET_UP = (
    "python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt . "
    "&& .venv/bin/certify demo",
    'python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e ".[dev]" '
    "&& .venv/bin/python -m pytest",
)

# Printed code says on the same line what it prints.
EXPECTED = re.compile(r"^print\(.*\)  # (?P<output>.*)$")

# The pages whose command lines are run here.
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/getting-started.md", "docs/long-runs.md")
}
START = PAGES["docs/getting-started.md"]


def fenced(language: str, text: str = README) -> list[str]:
    """The blocks of a language in a page, without their fences."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    """The command lines of all pages, each once, in the order of the pages."""
    blocks = (block for page in PAGES.values() for block in fenced("sh", page))
    return list(dict.fromkeys(line for block in blocks for line in block.splitlines()))


def commands() -> list[list[str]]:
    """The `certify` command lines, without comments, each once."""
    lines = (line for line in shell_lines() if line.startswith("certify "))
    split = (shlex.split(line, comments=True) for line in lines)
    return [list(command) for command in dict.fromkeys(map(tuple, split))]


def experiments() -> list[list[str]]:
    """The command lines of experiments, without comments."""
    lines = (line for line in shell_lines() if "-m experiments" in line)
    return [shlex.split(line, comments=True) for line in lines]


def run(command: list[str], folder: Path, **kwargs) -> str:
    """Runs a command in a folder, without a display and without colours; returns what it prints."""
    environment = {**os.environ, "MPLBACKEND": "Agg", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment.pop("FORCE_COLOR", None)
    environment["PYTHONPATH"] = str(ROOT)  # experiments are not installed
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", **kwargs
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder with the examples in it: where a reader would type the commands."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", path / "examples")
    return path


@pytest.fixture(scope="module")
def outputs(folder):
    """What each `certify` command line but the demo prints, run one after the other."""
    return {
        shlex.join(command): run([*console_script(), *command[1:]], folder)
        for command in commands()
        if "demo" not in command
    }


def console_script() -> list[str]:
    """The installed `certify` command of this environment."""
    path = Path(sys.executable).parent / "certify"
    assert path.exists(), f"{path} is missing: install the project into this environment"
    return [str(path)]


def test_set_up_commands_stand_verbatim_near_the_top():
    block = fenced("sh")[0]
    assert tuple(block.splitlines()) == SET_UP
    assert README.index(block) < 3500
    same, uv = fenced("sh", START)[:2]
    with_uv = [
        line.replace("python3 -m venv .venv", "uv venv").replace(
            ".venv/bin/python -m pip", "uv pip"
        )
        for line in SET_UP
    ]
    assert same == block and uv.splitlines() == with_uv


def test_set_up_commands_name_what_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sentence = re.search(r"^Extras: (.*?)\.", START, flags=re.MULTILINE)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == set(project["optional-dependencies"])
    assert project["scripts"]["certify"] == "certify.command.cli:main"
    assert (ROOT / "constraints.txt").is_file()


def test_links_to_files_are_not_broken():
    for path in (ROOT / name for name in ("README.md", "SECURITY.md", "notebooks/README.md")):
        text = path.read_text(encoding="utf-8")
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        assert targets, path.name
        assert [one for one in targets if not (path.parent / one).exists()] == [], path.name


def test_the_readme_begins_with_a_sentence_a_picture_and_an_example():
    assert len(README.splitlines()) <= 125
    sentence, picture, code = (README.index(mark) for mark in ("\n**", "\n![", "\n```python"))
    assert sentence < picture < code < 800
    (example,) = fenced("python")
    statements = [line for line in example.splitlines() if line and not line.startswith("import")]
    assert len(statements) <= 12


@pytest.mark.full
@pytest.mark.parametrize(
    ("page", "least", "files"),
    [
        ("README.md", 3, {"chase.json"}),
        ("docs/getting-started.md", 8, {"duopoly.json", "duopoly.png"}),
        ("docs/long-runs.md", 1, {"duopoly.npz"}),
    ],
)
def test_python_blocks_print_what_they_say(page, least, files, tmp_path):
    """As one program in a fresh interpreter, at the line numbers of the page."""
    source: list[str] = []
    inside = False
    for line in PAGES[page].splitlines():
        fence = line.startswith("```")
        source.append(line if inside and not fence else "")
        inside = line == "```python" if fence else inside
    program = tmp_path / "page.py"
    program.write_text("\n".join(source) + "\n", encoding="utf-8")
    printed = [line for line in source if line.startswith("print(")]
    expected = [match["output"] for line in printed if (match := EXPECTED.match(line))]
    assert len(expected) == len(printed) >= least
    assert run([sys.executable, str(program)], tmp_path).splitlines() == expected
    assert files <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.full
@pytest.mark.parametrize("command", [shlex.join(c) for c in commands() if "demo" not in c])
def test_command_lines_run(command, outputs):
    verb = command.split()[1]
    promised = {
        "run": "status proved",
        "show": "checker accepted",
        "check": "accepted: ",
        "report": "written to duopoly.html",
    }[verb]
    assert promised in " ".join(outputs[command].split())


@pytest.mark.full
@pytest.mark.parametrize("command", [shlex.join(c) for c in experiments()])
def test_experiments_run(command, tmp_path):
    python, *arguments = shlex.split(command)
    printed = run([sys.executable, *arguments], tmp_path)
    assert python == "python" and "small_gain_toy" in printed
    if len(arguments) > 2:
        assert "results and figures in results/" in printed
        assert list(tmp_path.glob("results/*/*/results.json"))


def test_no_command_is_forgotten():
    """Whatever stands in a block for the shell is one of those that are run, here or by .ci/run."""
    known = ("python3 -m venv .venv && ", "uv venv && ", "certify ", "python -m experiments")
    lines = shell_lines()
    assert lines and [line for line in lines if not line.startswith(known)] == []
    assert "`python " not in README.replace("`python -m sphinx docs build/site`", "")


def test_experiments_are_shown():
    assert len(experiments()) == 2


def test_every_command_is_shown():
    assert {command[1] for command in commands()} == {"run", "check", "show", "report", "demo"}


@pytest.mark.full
def test_demo_prints_what_is_quoted(folder):
    (demo,) = (command for command in commands() if "demo" in command)
    printed = run([*console_script(), *demo[1:]], folder)
    (excerpt,) = fenced("text", START)
    lines = {" ".join(line.split()) for line in printed.splitlines()}
    quoted = [" ".join(line.split()) for line in excerpt.splitlines()]
    assert [line for line in quoted if line not in lines] == []
    assert len(quoted) >= 5
    assert (folder / "oligopoly.json").is_file()

"""The checker as a distribution of its own: built, installed, and run with nothing else."""

import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import certify.checker
from certify.checker.reader import (
    CONTRACTION,
    CONVERGENCE,
    COUNT,
    EXPANSION,
    FEEDBACK,
    INSTABILITY,
    MEAN_SQUARE,
    MONOTONE,
    NEURAL,
    POLICIES,
    REFUTATION,
    STACKELBERG,
    TREE,
    ZERO,
    digest,
)
from tests.certify.checker.quadratic import quadratic

ROOT = Path(__file__).parents[3]
CHECKER = ROOT / "certify" / "checker"
CORPUS = Path(__file__).with_name("corpus")
MODULES = sorted(path.name for path in CHECKER.glob("*.py"))
# Level 2 alone may import ball arithmetic.
FLINT = {
    *("intervals.py", "series.py", "rederive.py"),
    *("univariate.py", "forms.py", "ridges.py", "rederive_terms.py", "rederive_functions.py"),
    *("rederive_zero.py", "rederive_stackelberg.py", "rederive_nonconvexity.py"),
    *("network_balls.py", "rederive_neural.py", "rederive_outputs.py"),
    *("neural_situation.py", "rederive_adversarial.py", "rederive_robust.py"),
    *("rederive_perturbed.py", "rederive_count.py"),
}


def run(*command: str | Path, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, encoding="utf-8", timeout=300, **kwargs
    )


def built(folder: Path, target: str, out: Path) -> Path:
    """What the build backend makes of a folder, without any network."""
    done = run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out, cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(CHECKER, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory):
    """The folder into which the wheel is installed."""
    place = tmp_path_factory.mktemp("installed")
    done = run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"),
        *("--no-deps", "--no-index", "--target", place, wheel),
    )
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def alone(place):
    """Runs the program with the standard library and itself: no site-packages, no environment."""
    program = (
        f"import sys, runpy; sys.path.insert(0, {str(place)!r}); "
        "runpy.run_module('certify_checker', run_name='__main__', alter_sys=True)"
    )
    return lambda *arguments: run(sys.executable, "-I", "-S", "-c", program, *arguments, cwd=place)


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A file whose margin is larger than the margin of its game."""
    data = quadratic([2, 1], margin=(1.5).hex())
    path = tmp_path_factory.mktemp("bad") / "bad.json"
    path.write_text(json.dumps(data | {"digest": digest(data)}))
    return path


def test_the_wheel_holds_the_checker_and_needs_nothing(wheel):
    archive = zipfile.ZipFile(wheel)
    info = f"certify_checker-{certify.checker.__version__}.dist-info"
    names = set(archive.namelist())
    package = {name.removeprefix("certify_checker/") for name in names if info not in name}
    assert package == {*MODULES, "py.typed"}
    assert f"{info}/licenses/LICENSE" in names
    metadata = archive.read(f"{info}/METADATA").decode()
    assert f"\nVersion: {certify.checker.__version__}\n" in metadata
    needed = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    assert len(needed) == 1 and re.fullmatch(r"python-flint\S* ?; extra == 'flint'", *needed)
    assert "\n# certify-checker\n" in metadata


def test_the_source_distribution_makes_the_same_wheel(wheel, tmp_path):
    source = built(CHECKER, "sdist", tmp_path / "sdist")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    again = built(tmp_path / source.name.removesuffix(".tar.gz"), "wheel", tmp_path / "wheel")
    first, second = (
        {name: archive.read(name) for name in archive.namelist()}
        for archive in (zipfile.ZipFile(wheel), zipfile.ZipFile(again))
    )
    assert first == second


def test_files_are_judged_without_any_other_package(alone, bad):
    for name in ("numpy", "jax", "flint", "certify"):
        missing = run(sys.executable, "-I", "-S", "-c", f"import {name}", cwd=bad.parent)
        assert "ModuleNotFoundError" in missing.stderr
    good = [CORPUS / name for name in ("valid_weights.json", "valid_contraction_state.json")]
    accepted = alone(*good)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert accepted.stdout.count("accepted: ") == 2
    rejected = alone(bad, *good)
    assert (rejected.returncode, rejected.stderr) == (1, "")
    assert rejected.stdout.startswith(f"rejected: {bad}: the margin holds on ")
    unusable = alone(bad.with_name("none.json"), bad)
    assert unusable.returncode == 2 and unusable.stderr.startswith("unusable: ")


def test_level_2_says_what_it_needs(alone):
    refused = alone("--level", "2", CORPUS / "valid_zero_sum.json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "unusable: level 2 needs ball arithmetic: install python-flint\n"


def test_the_command_is_the_program(place):
    command, environment = place / "bin" / "certify-checker", {**os.environ, "PYTHONPATH": place}
    done = run(command, "--level", "2", CORPUS / "valid_zero_sum.json", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("re-derived") == 3
    assert run(command, env=environment).stderr.startswith("usage: certify-checker [--level")


def test_it_names_itself_as_it_was_started(alone):
    assert alone().stderr.startswith("usage: python -m certify_checker [--level")
    ours = run(sys.executable, "-m", "certify.checker", cwd=ROOT)
    assert (ours.returncode, ours.stdout) == (2, "")
    assert ours.stderr.startswith("usage: python -m certify.checker [--level")


def test_both_distributions_are_installed_side_by_side(place, bad):
    program = (
        "import sys; import certify.checker, certify_checker; "
        "assert certify.checker.check is not certify_checker.check; "
        "print(certify.checker.check(sys.argv[1])[:2] == certify_checker.check(sys.argv[1])[:2])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(place)])}
    done = run(sys.executable, "-c", program, bad, env=environment)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_only_the_standard_library_and_neighbours_are_imported(name):
    for node in ast.walk(ast.parse((CHECKER / name).read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, "an import from outside of the folder"
            names = [node.module or ""] if node.level == 0 else []
        outside = {each.partition(".")[0] for each in names} - sys.stdlib_module_names
        assert outside <= ({"flint"} if name in FLINT else set())


def test_class_names_are_unique():
    trees = [ast.parse((CHECKER / name).read_text(encoding="utf-8")) for name in MODULES]
    classes = [n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    assert len(set(classes)) == len(classes) > 20


def test_each_kind_has_its_check():
    kinds = {CONVERGENCE, CONTRACTION, POLICIES, ZERO, STACKELBERG, FEEDBACK, MEAN_SQUARE}
    kinds |= {REFUTATION, INSTABILITY, EXPANSION, MONOTONE, NEURAL, COUNT, TREE}
    assert certify.checker.KINDS.keys() == kinds


def test_the_readme_counts_every_file():
    """Within a few per cent, so that it need not be changed with every line."""
    text = (CHECKER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*\.py`) \| (\d+) \|", text, re.MULTILINE)
    named = [re.findall(r"`(\w+\.py)`", names) for names, _ in rows]
    assert sorted(name for names in named for name in names) == MODULES
    for names, (_, stated) in zip(named, rows, strict=True):
        lines = sum(len((CHECKER / name).read_text("utf-8").splitlines()) for name in names)
        assert abs(lines - int(stated)) <= max(10, 0.03 * lines), (names, lines)


def test_the_licence_is_that_of_the_repository():
    assert (CHECKER / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()

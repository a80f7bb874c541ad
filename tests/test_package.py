"""What is shipped: public names, a checker that stands alone, the wheel, the pinned versions."""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import jax.numpy as jnp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import certify.checker
import dgames as dg
from certify.checker.reader import digest
from certify.claims.kinds import KINDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

PUBLIC = {
    dg: "Game game zero_sum pseudo_gradient jacobian_blocks solve flow step_jacobian transforms "
    "games Simultaneous Alternating Extragradient Optimistic Momentum ComplexMomentum Heun "
    "SSPRK3 RungeKutta4 Optax",
    certify: "Certificate Estimate Verdict Interval Box Ball certify load check estimate enclose "
    "small_gain timescale_band contraction largest_step schema",
}


@pytest.mark.parametrize("package", PUBLIC, ids=["dgames", "certify"])
def test_public_names_exist_and_are_listed(package):
    names = PUBLIC[package].split()
    assert [name for name in names if not hasattr(package, name)] == []
    assert set(names) <= set(dir(package))


def test_every_place_states_the_same_version():
    assert dg.__version__ == certify.__version__ == certify.checker.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {dg.__version__}\n" in citation
    newest = re.search(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert newest is not None and newest[1] == dg.__version__


def test_transformations_are_public():
    assert callable(dg.transforms.complex_momentum) and callable(dg.transforms.complex_adam)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        certify.no_such_name  # noqa: B018


# The checker alone.


def python(*arguments: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", timeout=300, **kwargs
    )


def test_importing_the_checker_imports_nothing_else():
    program = "import sys, certify.checker; print(*sorted(sys.modules))"
    start = time.perf_counter()
    done = python("-c", program)
    print(f"start-up of the checker: {time.perf_counter() - start:.2f} s")
    assert done.returncode == 0, done.stderr
    bare = set(python("-c", "import sys; print(*sorted(sys.modules))").stdout.split())
    found = {name for name in done.stdout.split() if name not in bare}
    ours = {name for name in found if name.partition(".")[0] == "certify"}
    assert {name for name in ours if not name.startswith("certify.checker")} == {"certify"}
    others = {name.partition(".")[0] for name in found - ours}
    assert others <= sys.stdlib_module_names, others - sys.stdlib_module_names


@pytest.fixture(scope="module")
def certificate_file(tmp_path_factory):
    """A small certificate."""
    game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
    certificate = certify.certify(game, certify.Box.around((jnp.array(0.0), jnp.array(0.0)), 1.0))
    return certificate.save(tmp_path_factory.mktemp("certificate") / "small.json")


@pytest.fixture(scope="module")
def checker_alone(tmp_path_factory):
    """The checker's folder and the package's `__init__`, in a place of their own."""
    place = tmp_path_factory.mktemp("alone")
    shutil.copytree(
        ROOT / "certify" / "checker",
        place / "certify" / "checker",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "certify" / "__init__.py", place / "certify")
    program = (
        f"import sys, runpy; sys.path.append({str(place)!r}); "
        "runpy.run_module('certify.checker', run_name='__main__', alter_sys=True)"
    )

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        # No site-packages, no environment variables, no current folder: the standard library alone.
        return python("-I", "-S", "-c", program, *map(str, paths), cwd=place)

    return run


def test_the_checker_works_where_there_is_only_the_standard_library(
    checker_alone, certificate_file, tmp_path
):
    missing = python("-I", "-S", "-c", "import numpy")
    assert "ModuleNotFoundError" in missing.stderr

    accepted = checker_alone(certificate_file)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert accepted.stdout.startswith("accepted: ")

    data = json.loads(certificate_file.read_text())
    data["claims"]["margin"] = (2 * float.fromhex(data["claims"]["margin"])).hex()
    data["claims"]["lipschitz"] = (4 * float.fromhex(data["claims"]["lipschitz"])).hex()
    false = tmp_path / "false.json"
    false.write_text(json.dumps({**data, "digest": digest(data)}))
    rejected = checker_alone(false)
    assert (rejected.returncode, rejected.stderr) == (1, "")
    assert "the margin holds" in rejected.stdout

    truncated = tmp_path / "truncated.json"
    truncated.write_text(certificate_file.read_text()[:-100])
    for path in (truncated, tmp_path / "missing.json"):
        unusable = checker_alone(path)
        assert (unusable.returncode, unusable.stdout) == (2, "")
        assert unusable.stderr.startswith("unusable: ") and unusable.stderr.count("\n") == 1


def test_level_2_needs_ball_arithmetic_and_nothing_else(certificate_file):
    """Neither JAX nor NumPy, nor anything else of this project."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['jax', 'numpy', 'scipy', 'dgames'])); "
        "from certify.checker.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = python("-c", program, "--level", "2", str(certificate_file), cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("re-derived") == 3


# What is in the wheel and in the repository.


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():  # unpacked from an archive: it holds the tracked files
        made = {"__pycache__", ".venv", ".pytest_cache", ".ruff_cache", ".hypothesis"}
        files = (path for path in ROOT.rglob("*") if path.is_file())
        return [path for path in files if not made.intersection(path.relative_to(ROOT).parts)]
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_the_wheel_holds_both_packages_and_their_types(tmp_path):
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    info = f"dgames-{certify.checker.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"dgames", "certify", info}
    assert {"dgames/py.typed", "certify/py.typed", f"{info}/licenses/LICENSE"} <= names
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("dgames", "certify")
        for path in (ROOT / package).rglob("*.py")
    }
    assert sources <= names
    # What makes a distribution of the checker alone stays out of this one.
    checker = {name for name in names if name.startswith("certify/checker/")}
    assert {Path(name).suffix for name in checker} == {".py", ".typed"}
    assert {f"certify/file/schemas/{kind}.json" for kind in KINDS} <= names
    entry_points = zipfile.ZipFile(wheel).read(f"{info}/entry_points.txt").decode()
    assert "certify = certify.command.cli:main" in entry_points


def test_no_file_names_a_package_index():
    index = re.compile(
        r"(?:--(?:extra-)?" + r"index-url|--find-" + r"links|https?://[^\s\"']*/simple" + r"\b)"
    )
    found = []
    for path in tracked_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in index.finditer(text)]
    assert found == []


def test_constraints_pin_every_requirement_above_its_lower_bound():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;]+)", x) for x in lines if x[0] != "#"]
    assert all(pins), "only comments and lines of the form name==version"
    versions = {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}
    assert len(versions) == len(pins)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        requirement = Requirement(text)
        if requirement.name != PROJECT["name"]:
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), text


def test_what_takes_long_is_imported_when_it_is_used():
    """And in any order: modules that are called like functions do not hide these."""
    slow = ("optax", "diffrax", "optimistix", "lineax", "scipy", "matplotlib")
    program = f"""
import sys, dgames as dg
print([name for name in {slow} if name in sys.modules])
print(set("solve flow Optax transforms jacobian_operator".split()) <= set(dir(dg)))
import dgames.solve, dgames.flow
from dgames.methods import Optax
from dgames import transforms
print(dg.solve.__qualname__, dgames.flow.__qualname__, dg.Optax is Optax, transforms.__name__)
print(dg.transforms is transforms, sys.modules["dgames.solve"].solve is dg.solve)
print(*(name for name in {slow} if name in sys.modules))
"""
    done = python("-c", program)
    assert done.stdout.splitlines() == [
        "[]",
        "True",
        "solve flow True dgames.transforms",
        "True True",
        "optax diffrax optimistix lineax",
    ], done.stderr


@pytest.mark.parametrize("package", [dg, dg.methods], ids=["dgames", "methods"])
def test_unknown_names_of_dgames_are_attribute_errors(package):
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018

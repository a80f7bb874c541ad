"""Builds both wheels and tries each of them in an environment that holds nothing else.

    python release/build.py                # the wheels are left in dist/

One wheel is the project (`dgames`, `certify`), the other one is the checker alone, which has no
dependencies. The project's wheel proves the demo; the checker's wheel, in an environment without
JAX or NumPy, accepts the file. The script stops at the first thing that does not hold, and it
publishes nothing.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKER = ROOT / "certify" / "checker"


def main() -> None:
    """Checks the versions, builds, tries, and says what lies where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the wheels")
    output = parser.parse_args().output.resolve()
    version = agreed_version()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        built = place / "wheels"
        project, checker = build(ROOT, built), build(CHECKER, built)
        for wheel in (project, checker):
            if f"-{version}-" not in wheel.name:
                raise SystemExit(f"{wheel.name} is not of version {version}")
        certificate = try_project(project, place)
        try_checker(checker, certificate, place)
        output.mkdir(parents=True, exist_ok=True)
        wheels = [shutil.copy2(wheel, output) for wheel in (project, checker)]
    print(f"\nversion {version}, both wheels tried:", *wheels, sep="\n  ")


def agreed_version() -> str:
    """The version, which is the same wherever it is written down.

    Raises:
        SystemExit: If two places disagree.
    """
    stated = {
        "pyproject.toml": project_table(ROOT)["version"],
        "CITATION.cff": re.search(r"^version: (\S+)$", read("CITATION.cff"), re.MULTILINE),
        "CHANGELOG.md": re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE),
    }
    versions = {
        name: value[1] if isinstance(value, re.Match) else value for name, value in stated.items()
    }
    checker = project_table(CHECKER)
    if "version" in checker:  # else it takes the project's
        versions["certify/checker/pyproject.toml"] = checker["version"]
    if len(set(versions.values())) != 1:
        raise SystemExit(f"versions disagree: {versions}")
    return versions["pyproject.toml"]


def read(name: str) -> str:
    """The text of a file at the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def project_table(folder: Path) -> dict:
    """The table `project` of the `pyproject.toml` in a folder."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def build(source: Path, target: Path) -> Path:
    """Builds the wheel of a folder in an isolated environment; returns its path."""
    before = set(target.glob("*.whl"))
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", target, source)
    (wheel,) = set(target.glob("*.whl")) - before
    return wheel


def try_project(wheel: Path, place: Path) -> Path:
    """Installs the project's wheel, proves the demo with it; returns the certificate."""
    python = environment(place / "project")
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
    run(python, "-c", "import dgames, certify; assert dgames.__version__ == certify.__version__")
    certificate = place / "demo.json"
    run(python.parent / "certify", "demo", "-o", certificate, cwd=place)
    return certificate


def try_checker(wheel: Path, certificate: Path, place: Path) -> None:
    """Installs the checker's wheel without its extras: it accepts the file, and brings nothing."""
    python = environment(place / "checker")
    empty = installed(python)
    run(python, "-m", "pip", "install", "-q", "--no-index", wheel)
    added = installed(python) - empty
    if len(added) != 1:
        raise SystemExit(f"the checker brought other packages: {sorted(added)}")
    run(python, "-m", "certify_checker", certificate, cwd=place)


def environment(folder: Path) -> Path:
    """Makes a virtual environment; returns its interpreter."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def installed(python: Path) -> set[str]:
    """The names of the packages of an environment."""
    listed = run(python, "-m", "pip", "list", "--format=freeze", quiet=True)
    return {line.partition("==")[0] for line in listed.splitlines()}


def run(*command: str | Path, cwd: Path = ROOT, quiet: bool = False) -> str:
    """Runs a command and returns what it prints; stops the script where the command fails."""
    words = [str(word) for word in command]
    print("$", *words, flush=True)
    done = subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, encoding="utf-8")
    if not quiet:
        print(done.stdout, end="")
    if done.returncode != 0:
        raise SystemExit(f"exit status {done.returncode}: {' '.join(words)}")
    return done.stdout


if __name__ == "__main__":
    main()

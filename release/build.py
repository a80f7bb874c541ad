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
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKER = ROOT / "certify" / "checker"


def main() -> None:
    """Builds both wheels, compares versions, tries the wheels, and leaves them in a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the wheels")
    output = parser.parse_args().output.resolve()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        project, checker = build(ROOT, place / "wheels"), build(CHECKER, place / "wheels")
        version = agreed_version(project, checker)
        certificate = try_project(project, place)
        try_checker(checker, certificate, place)
        output.mkdir(parents=True, exist_ok=True)
        wheels = [shutil.copy2(wheel, output) for wheel in (project, checker)]
    print(f"\nversion {version}, both wheels tried:", *wheels, sep="\n  ")


def agreed_version(*wheels: Path) -> str:
    """Returns the version of the wheels, the citation and the newest entry of the changelog.

    Raises:
        SystemExit: If two of them differ.
    """
    versions = {wheel.name: wheel.name.split("-")[1] for wheel in wheels}
    for name, pattern in (
        ("CITATION.cff", r"^version: (\S+)$"),
        ("CHANGELOG.md", r"^## \[(.+?)\]"),
    ):
        text = (ROOT / name).read_text(encoding="utf-8")
        match = re.search(pattern, text, flags=re.MULTILINE)
        versions[name] = match[1] if match else "none"
    if len(set(versions.values())) != 1:
        raise SystemExit(f"versions differ: {versions}")
    return versions["CITATION.cff"]


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
    """Installs the checker's wheel, which brings no other package, and has it check the file.

    Level 2 is tried in an environment of its own, with the extra that it needs.
    """
    python = environment(place / "checker")
    empty = installed(python)
    run(python, "-m", "pip", "install", "-q", "--no-index", wheel)
    added = installed(python) - empty
    if len(added) != 1:
        raise SystemExit(f"the checker brought other packages: {sorted(added)}")
    run(python.parent / "certify-checker", certificate, cwd=place)
    python = environment(place / "level-2")
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[flint]")
    run(python, "-m", "certify_checker", "--level", "2", certificate, cwd=place)


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

"""Breaks rules, one at a time, runs their tests, and writes a table of what was noticed.

The tests of a family run in one process (see `session`). What stands in no function is tried in a
process of its own, on a copy of the project; with `--again` so is what survived.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .catalogue import CATALOGUE, files_of_tests
from .source import NotFoundError, Rule, broken

# What a copy consists of; nothing else is read by the tests of rules.
PARTS = ("benchmarks", "certify", "dgames", "experiments", "tests", "tools")
FILES = ("pyproject.toml", "README.md")
KILLED, SURVIVED, MISSING = "killed", "survived", "not found"
# Seconds after which a test that does not end counts as one that failed.
PATIENCE = 900

Results = dict[str, dict[str, Any]]


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", default=".", help="the checkout whose rules are broken")
    parser.add_argument("--family", action="append", help="only these families")
    parser.add_argument("--marks", default="not full", help="which tests run, as for pytest -m")
    parser.add_argument("--again", action="store_true", help="try survivors again, alone")
    parser.add_argument("--state", default="", help="a JSON file, from which the same call goes on")
    parser.add_argument("--markdown", default="", help="write the table to this file, too")
    options = parser.parse_args()
    tree = Path(options.tree).resolve()
    state = Path(options.state) if options.state else None
    known: Results = json.loads(state.read_text()) if state and state.exists() else {}
    settled = (KILLED,) if options.again else (KILLED, SURVIVED)
    rules = [rule for rule in CATALOGUE if not options.family or rule.family in options.family]
    left = [rule for rule in rules if known.get(rule.name, {}).get("verdict") not in settled]

    def note(rule: Rule, found: dict[str, Any]) -> None:
        known[rule.name] = {"family": rule.family, **found}
        print(f"{found['verdict']:>9} {found['seconds']:6.1f} s  {rule.name}", flush=True)
        if state:
            state.write_text(json.dumps(known, indent=1))

    with tempfile.TemporaryDirectory(prefix="broken-rules-") as name:
        folder = Path(name)
        # Most programs are the same for all rules, so that they are compiled once.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/compiled"
        shutil.copytree(Path(__file__).parent, folder / "plugin" / "broken_rules")
        copy = copied(tree, folder / "copy")
        wanted = [] if options.again else left
        found = together(tree, folder, wanted, options.marks, note) if wanted else set()
        for rule in left:
            if rule.name not in found:
                note(rule, alone(copy, tree, rule, options.marks))
    verdicts = [known[rule.name] for rule in rules if rule.name in known]
    counts = Counter(found["verdict"] for found in verdicts)
    total = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    print(f"{len(rules)} rules: {total}; {sum(found['seconds'] for found in verdicts):.0f} s")
    if options.markdown:
        Path(options.markdown).write_text(table(rules, known))
    sys.exit(counts[SURVIVED] > 0)


def together(
    tree: Path,
    folder: Path,
    rules: list[Rule],
    marks: str,
    note: Callable[[Rule, dict[str, Any]], None],
) -> set[str]:
    """Tries rules in one process; returns the names of those of which that is enough."""
    results, byname = folder / "results", {rule.name: rule for rule in rules}
    files: dict[str, list[str]] = {}
    for family in dict.fromkeys(rule.family for rule in rules):
        with contextlib.suppress(NotFoundError):
            files[family] = files_of_tests(tree, family)
    names = [rule.name for rule in rules if rule.family in files]
    setting = {"tree": str(tree), "names": names, "results": str(results), "files": files}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tree), str(folder / "plugin")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BROKEN_RULES": json.dumps(setting),
    }
    paths = list(dict.fromkeys(path for family in files.values() for path in family))
    command = [*_pytest(marks), "-p", "broken_rules.session", *paths]
    results.write_text("")
    done: set[str] = set()
    with open(folder / "output", "w") as output:
        run = subprocess.Popen(command, cwd=tree, env=environment, stdout=output, stderr=output)
        with open(results) as lines:
            ended = False
            while not ended:
                ended = run.poll() is not None
                for line in lines:
                    name, found = json.loads(line)
                    if found["verdict"] in (KILLED, SURVIVED) or "fails anyway" in found["by"]:
                        note(byname[name], found)
                        done.add(name)
                time.sleep(0.5)
    if run.returncode:
        print((folder / "output").read_text()[-3000:], file=sys.stderr)
    return done


def alone(copy: Path, tree: Path, rule: Rule, marks: str) -> dict[str, Any]:
    """What they say of one rule in a fresh process, in a copy that is put right again."""
    start = time.perf_counter()
    found: dict[str, Any] = {"by": "", "seconds": 0.0}
    try:
        path, content = broken(tree, rule)
        command = [*_pytest(marks), "-x", *files_of_tests(tree, rule.family)]
    except NotFoundError as error:
        return {**found, "verdict": MISSING, "by": str(error)}
    target = copy / path.relative_to(tree)
    target.write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        verdict = {0: SURVIVED, 1: KILLED, 2: KILLED}.get(run.returncode, f"exit {run.returncode}")
        lines = [x for x in run.stdout.splitlines() if x.startswith(("FAILED ", "ERROR "))]
        found["by"] = lines[0].partition(" ")[2][:200] if lines else ""
    except subprocess.TimeoutExpired:
        verdict, found["by"] = KILLED, f"no end after {PATIENCE} s"
    finally:
        shutil.copyfile(path, target)
    return {**found, "verdict": verdict, "seconds": round(time.perf_counter() - start, 1)}


def _pytest(marks: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    return [*command, "--tb=line", "-m", marks]


def copied(tree: Path, target: Path) -> Path:
    """A copy of what tests need of a tree."""
    target.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        if (tree / part).is_dir():
            shutil.copytree(tree / part, target / part, ignore=ignored)
    for file in FILES:
        shutil.copyfile(tree / file, target / file)
    return target


def table(rules: list[Rule], known: Results) -> str:
    """All results as a table in Markdown."""
    lines = ["| family | rule | verdict | first test | s |", "|---|---|---|---|---|"]
    for rule in rules:
        found = known.get(rule.name)
        if found is None:
            continue
        name = rule.name.replace("|", "\\|")
        by = found["by"].split(": ")[0].split(" - ")[0]
        lines.append(
            f"| {rule.family} | `{name}` | {found['verdict']} | {by} | {found['seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"

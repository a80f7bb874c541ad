"""Makes the corpus of small files with which reader and checker are tested, from those there are.

    python -m benchmarks.loader_corpus --seconds 300

`tests/certify/checker/corpus` has files named by what the checker says of them: `valid_*` were made
by `certify` or by hand, the others by random edits of these (`tests/certify/checker/edits.py`): for
each sentence that the checker can say, the shortest file that was found to make it say so.

Run this when the format changes, or when the checker says something new. A new version of the
format takes a few lines in `renewed`, which brings a file of the last version to this one. Valid
files that are no longer accepted end the run, before anything is written.
"""

import argparse
import gzip
import json
import random
import re
import time
from pathlib import Path
from typing import Any

from certify.checker import Unusable, check_data
from certify.checker.reader import CONTRACTION, CONVERGENCE, FORMAT, VERSION, decode, digest, parse
from tools.edits import edited, sealed

CORPUS = Path(__file__).parents[1] / "tests" / "certify" / "checker" / "corpus"
# Kinds of files by their `format` in version 1, where each kind had a format of its own.
_LAST = {"dgames certificate": CONVERGENCE, "dgames contraction": CONTRACTION}
# Characters of a sentence in the name of a file; bytes of a file that was made by edits, and of all
# files together, beyond which only sentences that have been there are kept.
_LONGEST, _LARGEST, _MOST = 61, 4200, 13 * 2**15


def renewed(data: Any) -> Any:
    """Returns the contents of a file of the last version as one of this version."""
    if not isinstance(data, dict) or data.get("version") != VERSION - 1:
        return data
    kind = _LAST.get(data["format"])
    if kind is None:
        return data
    head = {"format": FORMAT, "version": VERSION, "kind": kind}
    return head | {key: value for key, value in data.items() if key not in head}


def outcome(content: bytes) -> str:
    """Returns what the checker says of a file, as a name: without numbers and quoted values."""
    try:
        verdict = check_data(parse(decode(content)))
    except Unusable as error:
        return "unusable_" + slug(str(error).removeprefix("the certificate: "))
    return "valid" if verdict.ok else "rejected_" + slug(verdict.reasons[0])


def slug(sentence: str) -> str:
    """Returns a sentence as part of the name of a file.

    Example:
        >>> slug('field "claims.steps[3].max": expected a list of 7 entries')
        'field_claims.steps.max_expected_a_list_of_entries'
    """
    words = re.sub(r"\[\d+\]|'[^']*'|\d", "", sentence.lower())
    return re.sub(r"[^a-z.]+", "_", words).strip("_")[:_LONGEST]


def written(data: Any) -> bytes:
    """Returns a file with true hashes, in few bytes."""
    return json.dumps(sealed(data), separators=(",", ":")).encode()


def rewritten(content: bytes) -> bytes:
    """Returns a file in this version of the format, if it is JSON; a wrong digest stays wrong."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return content
    new = renewed(data)
    if new is data:
        return content
    if data.get("digest") == digest(data):
        new["digest"] = digest(new)
    return json.dumps(new, separators=(",", ":")).encode()


def shortest(files: list[bytes], seconds: float) -> dict[str, bytes]:
    """Returns the shortest file for each outcome, of these files and of edits of them."""
    chance, found = random.Random(0), dict[str, bytes]()

    def keep(content: bytes) -> None:
        if len(content) <= _LARGEST:
            name = outcome(content)
            if name not in found or len(content) < len(found[name]):
                found[name] = content

    for content in files:
        keep(content)
    seeds = [json.loads(decode(content)) for content in files if outcome(content) == "valid"]
    small = [seed for seed in seeds if len(json.dumps(seed)) < _LARGEST]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keep(written(edited(chance.choice(small), chance)))
    found.pop("valid", None)
    return found


def main() -> None:
    """Renews the corpus in its place."""
    parser = argparse.ArgumentParser(description="Makes the corpus of the loader's tests.")
    parser.add_argument("--seconds", type=float, default=300.0, help="of random edits")
    options = parser.parse_args()
    old = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    valid = {name: _valid(name, old[name]) for name in old if name.startswith("valid")}
    files = [*valid.values(), *map(rewritten, old.values())]
    found = shortest(files, options.seconds)
    total, kept = sum(map(len, valid.values())), dict[str, bytes]()
    known = {outcome(content) for content in map(rewritten, old.values())}
    for name, content in sorted(found.items(), key=lambda it: (it[0] not in known, len(it[1]))):
        total += len(content)
        if name in known or total <= _MOST:
            kept[f"{name}.json"] = content
    for path in CORPUS.iterdir():
        path.unlink()
    for name, content in (kept | valid).items():
        (CORPUS / name).write_bytes(content)
    print(f"{len(valid)} valid files, {len(kept)} others; {len(found) - len(kept)} left out")
    print("\n".join(sorted(f"gone: {name}" for name in old.keys() - (kept | valid).keys())))


def _valid(name: str, content: bytes) -> bytes:
    """A valid file in this version, compressed if it was."""
    new = rewritten(decode(content).encode())
    if outcome(new) != "valid":
        raise SystemExit(f"{name} is not valid any more: {outcome(new)}")
    return gzip.compress(new, mtime=0) if name.endswith(".gz") else new


if __name__ == "__main__":
    main()

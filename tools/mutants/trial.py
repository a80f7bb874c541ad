"""One certificate, changed many times: what the checker says, and whether it is right."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from certify.checker import Unusable, check_data
from certify.checker.reader import digest, parse
from tools.mutants.changes import Mutant, field_of, group_of, mutants
from tools.mutants.corpus import SPECIMENS, Specimen
from tools.mutants.oracle import Findings, Oracle
from tools.mutants.reasons import Reason, reason
from tools.mutants.steps import StepOracle

UNUSABLE, FIRST, SECOND = "unusable", "rejected at level 1", "rejected at level 2"
ACCEPTED, WRONG = "accepted", "WRONG"
# Of a check: longer is a finding.
SLOW = 20.0


class Outcome(NamedTuple):
    """What became of one mutant.

    Attributes:
        certificate: The name of the original in the corpus.
        field: What was changed, without indices.
        path: Where exactly.
        kind: How.
        verdict: Of the checker, or `WRONG`.
        reason: Why it may be accepted; the name of a `Reason`.
        note: Of the checker, for rejected files; what is false, for others.
        level: At which it was accepted, 1 where there was nothing for level 2; else 0.
        given: Whether statement (B) was found to be false in an accepted file.
        seconds: That the checker took.
    """

    certificate: str
    group: str
    field: str
    path: str
    kind: str
    verdict: str
    reason: str
    note: str
    level: int
    given: bool
    seconds: float


def verdict(data: dict[str, Any]) -> tuple[str, str, int, float]:
    """What the checker says of the text of a file: the verdict, why, the level, and the seconds."""
    start, level = time.perf_counter(), 1
    try:
        file = parse(json.dumps(data))
        game = file.get("game")
        level = 2 if isinstance(game, dict) and "graph" in game else 1
        try:
            found = check_data(file, level=level)
        except Unusable:  # perhaps something is missing that only level 2 needs
            if level == 1:
                raise
            found, level = check_data(file), 1
    except Unusable as unusable:
        return UNUSABLE, str(unusable), 0, time.perf_counter() - start
    seconds = time.perf_counter() - start
    if found.ok:
        return ACCEPTED, "", level, seconds
    why = found.reasons[0]
    return (SECOND if "(level 2" in why else FIRST), why, 0, seconds


def judged(
    mutant: Mutant, original: dict[str, Any], name: str, findings: Callable[[dict], Findings]
) -> Outcome:
    """The verdict on a mutant, and the oracle's on those that are accepted.

    An accepted file is wrong if a claim of it is false, unless that is because statement (B) is
    false, which was changed, in a file with no graph to derive it from. It is wrong, too, if no
    rule says why the change may be harmless, and if (B) is false where level 2 accepted it.
    """
    said, note, level, seconds = verdict(mutant.data)
    why, given = None, False
    if said == ACCEPTED:
        why = reason(original, mutant.data)
        try:
            found = findings(mutant.data)
        except (KeyError, IndexError, TypeError, ValueError, np.linalg.LinAlgError) as error:
            found = Findings([f"the oracle cannot read it: {error!r}"], [])
        given = bool(found.given)
        excused = given and level == 1 and why is Reason.GIVEN
        false = [*(found.claims if not excused else ()), *(found.given if level == 2 else ())]
        if given and not excused:
            false += found.given
        if why is None:
            false.append("no rule says why it may be accepted")
        if false:
            said = WRONG
        note = "; ".join(false or [*found.given, *found.claims])
    return Outcome(
        name,
        group_of(mutant.path),
        field_of(mutant.path),
        "/".join(map(str, mutant.path)),
        mutant.kind,
        said,
        why.name if why else "",
        note,
        level,
        given,
        seconds,
    )


def oracle_of(specimen: Specimen, whole: dict[str, Any]) -> Callable[[dict], Findings]:
    """What tries the mutants of a certificate; `whole` is its file, with the graph."""
    if specimen.step is not None:
        return StepOracle(specimen, whole).findings
    return Oracle(specimen, whole).findings


def outcomes(
    name: str, files: dict[str, dict[str, Any]], count: int, seed: int
) -> Iterator[Outcome]:
    """So many mutants of one certificate.

    Args:
        name: Of the certificate.
        files: All files of the corpus, with their graphs.
        count: How many mutants.
        seed: Of the choice.

    Raises:
        RuntimeError: If the certificate itself is not accepted, or the oracle finds it false.
    """
    specimen = SPECIMENS[name]()
    whole = files[name]
    data = published(specimen, whole)
    findings = oracle_of(specimen, whole)
    said, note, *_ = verdict(data)
    false = findings(data)
    if said != ACCEPTED or false.claims or false.given:
        raise RuntimeError(f"{name}: {said} {note} {false}")
    others = [file for other, file in files.items() if other != name]
    rng = np.random.default_rng([seed, *map(ord, name)])
    for mutant in mutants(data, others, count, rng):
        yield judged(mutant, data, name, findings)


def published(specimen: Specimen, whole: dict[str, Any]) -> dict[str, Any]:
    """The file as it is mutated: without its graph, if the specimen says so."""
    if not specimen.graph:
        game = {key: value for key, value in whole["game"].items() if key != "graph"}
        provenance = {**whole["provenance"], "no graph": "left out on purpose"}
        whole = {**whole, "game": game, "provenance": provenance}
    return {**whole, "digest": digest(whole)}

"""Mutants of a few certificates, and that what judges them can say no.

Many more are in `docs/mutations.md`, from `python -m benchmarks.mutations`.
"""

import sys

import pytest

from tests.certify.checker.mutations import nudged
from tools.mutants import trial
from tools.mutants.changes import Mutant, changed
from tools.mutants.corpus import SPECIMENS, certificate
from tools.mutants.reasons import Reason, reason

NAMES = ["linear", "box set", "step of simultaneous"]


@pytest.fixture(scope="module")
def files(linear_certificate):
    made = {name: certificate(SPECIMENS[name]()) for name in NAMES[1:]}
    return {"linear": linear_certificate.data, **made}


@pytest.fixture(scope="module")
def oracles(files):
    return {name: trial.oracle_of(SPECIMENS[name](), files[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_false_is_accepted(files, name):
    found = list(trial.outcomes(name, files, 120, 1))
    assert len(found) == 120
    assert not [outcome for outcome in found if outcome.verdict == trial.WRONG]
    verdicts = {outcome.verdict for outcome in found}
    assert verdicts >= {trial.UNUSABLE, trial.FIRST, trial.ACCEPTED}
    assert (trial.SECOND in verdicts) == (name != "step of simultaneous")


FALSE = [
    ("linear", ("claims", "margin"), 1 + 1e-9),
    ("linear", ("claims", "lipschitz"), 1 - 1e-9),
    ("linear", ("claims", "weights", 0), 2.0),
    ("linear", ("claims", "small_gain", "margin"), 1 + 1e-9),
    ("linear", ("claims", "small_gain", "curvature", 0), 1 + 1e-9),
    ("linear", ("claims", "small_gain", "smoothness", 1), 1 - 1e-9),
    ("linear", ("claims", "small_gain", "coupling", 0, 1), 1 - 1e-9),
    ("linear", ("claims", "equilibrium", "radius"), 1e-9),
    ("linear", ("claims", "equilibrium", "center", 0), 1 + 1e-12),
    ("linear", ("claims", "basin", "radius"), 1 + 1e-9),
    ("linear", ("claims", "steps", 0, "max"), 2.0),
    ("linear", ("claims", "steps", 0, "rate"), 0.9),
    ("linear", ("claims", "steps", 1, "basin"), 2.0),
    ("linear", ("region", "lower", 0), 0.95),
    ("box set", ("claims", "margin"), 1 + 1e-9),
    ("box set", ("claims", "equilibrium", "center", 0), 1 + 1e-12),
    ("box set", ("game", "sets", 0, "upper", 0), None),
    ("step of simultaneous", ("claims", "rate"), 0.9),
    ("step of simultaneous", ("claims", "basin"), 1.01),
    ("step of simultaneous", ("claims", "center", 0), None),
    ("step of simultaneous", ("claims", "upper", 0), -1.0),
]


@pytest.mark.parametrize(("name", "path", "factor"), FALSE)
def test_the_oracle_finds_what_is_false(files, oracles, name, path, factor):
    value = files[name]
    for key in path:
        value = value[key]
    new = nudged(factor)(value) if factor else (0.5).hex()
    found = oracles[name](changed(files[name], path, new))
    assert found.claims


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        ("linear", ("claims", "equilibrium", "residual", 0), lambda x: (0.0).hex()),
        ("linear", ("evidence", "cells", 0, "centre", 1), lambda x: x + x // 2**20),
        ("linear", ("evidence", "unit"), lambda x: x + 1),
        ("step of simultaneous", ("evidence", "cells", 0, "remainder"), lambda x: [0] * len(x)),
    ],
)
def test_the_oracle_finds_what_is_not_given(files, oracles, name, path, change):
    value = files[name]
    for key in path:
        value = value[key]
    assert oracles[name](changed(files[name], path, change(value))).given


@pytest.mark.parametrize(
    ("step", "path", "factor"),
    [
        ("check_cells", ("claims", "margin"), 1.1),
        ("check_small_gain", ("claims", "small_gain", "margin"), 1.1),
        ("check_equilibrium", ("claims", "basin", "radius"), 1.1),
        ("check_steps", ("claims", "steps", 0, "max"), 2.0),
    ],
)
def test_a_checker_that_forgets_a_step_is_found_out(
    files, oracles, monkeypatch, step, path, factor
):
    """One step of the checker does nothing any more; what it lets pass is called wrong."""
    data = files["linear"]
    value = data
    for key in path:
        value = value[key]
    mutant = Mutant(path, "planted", changed(data, path, nudged(factor)(value)))
    assert trial.judged(mutant, data, "linear", oracles["linear"]).verdict == trial.FIRST
    monkeypatch.setattr(sys.modules["certify.checker.proof"], step, lambda *args: None)
    assert trial.judged(mutant, data, "linear", oracles["linear"]).verdict == trial.WRONG


def test_reasons_are_rules_of_fields_and_directions(files):
    data = files["linear"]

    def of(path, value):
        return reason(data, changed(data, path, value))

    radius = data["claims"]["basin"]["radius"]
    assert of(("claims", "basin", "radius"), nudged(0.5)(radius)) is Reason.WEAKER
    assert of(("claims", "basin", "radius"), nudged(2.0)(radius)) is Reason.STRONGER
    assert of(("claims", "steps"), data["claims"]["steps"][:1]) is Reason.WEAKER
    assert of(("provenance", "created"), "yesterday") is Reason.TEXT
    assert of(("game", "hash"), "0") is Reason.IDENTITY
    assert of(("evidence", "remark"), 1) is Reason.UNREAD
    assert of(("claims", "remark"), 1) is None
    assert of(("claims", "equilibrium", "center", 0), (0.0).hex()) is Reason.GIVEN

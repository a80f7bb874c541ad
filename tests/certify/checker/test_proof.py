"""Single changes that make a claim false are rejected; so is any change at all, by the digest."""

import contextlib
import copy
import json
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from certify.checker import Unusable, check, check_data
from certify.checker.cells import Family
from certify.checker.exact import Work
from certify.checker.matrices import symmetric
from certify.checker.reader import Reader, digest, parse
from certify.checker.region import Region
from tests.certify.checker.mutations import mutated, nudged


def numbers(value, path=()):
    """Every number in a file, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, (*path, i))
    elif type(value) is int or (isinstance(value, str) and "0x" in value and "p" in value):
        yield path


def step(data, method):
    return next(i for i, s in enumerate(data["claims"]["steps"]) if s["method"] == method)


@pytest.fixture(scope="module")
def data(linear_certificate):
    return linear_certificate.data


def test_the_certificates_themselves_are_accepted(linear_certificate, oligopoly_certificate):
    assert check_data(linear_certificate.data).ok
    assert check_data(oligopoly_certificate.data).ok


# On the linear game the claims are tight to about 1e-11, so these changes make them false.
STRONGER = [
    (("claims", "margin"), 1 + 1e-9, "margin"),
    (("claims", "lipschitz"), 1 - 1e-9, "Lipschitz"),
    (("claims", "weights", 0), 4.0, "margin|Lipschitz"),
    (("claims", "weights", 1), 4.0, "margin|Lipschitz"),
    (("claims", "weights", 0), -1.0, "weights are positive"),
    (("claims", "margin"), -1.0, "margin is positive"),
    (("claims", "small_gain", "margin"), 1 + 1e-9, "small-gain margin"),
    (("claims", "small_gain", "curvature", 0), 1 + 1e-9, "curvature"),
    (("claims", "small_gain", "curvature", 1), 1 + 1e-9, "curvature"),
    (("claims", "small_gain", "smoothness", 0), 1 - 1e-9, "smoothness"),
    (("claims", "small_gain", "smoothness", 1), 1 - 1e-9, "smoothness"),
    (("claims", "small_gain", "coupling", 0, 1), 1 - 1e-9, "coupling"),
    (("claims", "small_gain", "coupling", 1, 0), 1 - 1e-9, "coupling"),
    (("claims", "small_gain", "left", 0), 1.01, "small-gain margin"),
    (("claims", "small_gain", "right", 1), 1.01, "small-gain margin"),
    (("claims", "small_gain", "left", 1), -1.0, "vectors are positive"),
    (("claims", "equilibrium", "radius"), 0.5, "residual"),
    (("claims", "equilibrium", "residual", 0), 4.0, "residual"),
    (("claims", "basin", "radius"), 1 + 1e-6, "basin is inside"),
    (("claims", "basin", "radius"), -1.0, "basin has a positive"),
    (("region", "lower", 0), 0.95, "inside the region"),
    (("region", "upper", 1), 0.6, "inside the region"),
    (("region", "upper", 1), -2.0, "not empty"),
]


@pytest.mark.parametrize(("path", "factor", "reason"), STRONGER)
def test_false_claims_are_rejected_by_the_mathematics(data, path, factor, reason):
    verdict = check_data(mutated(data, path, nudged(factor)))
    assert not verdict.ok
    assert any(re.search(reason, r) for r in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("method", ["simultaneous", "extragradient"])
@pytest.mark.parametrize(
    ("name", "factor"),
    [("max", 1 + 1e-9), ("rate", 1 - 1e-9), ("rate", 2.0), ("best", 4.0), ("best", -1.0)],
)
def test_false_steps_are_rejected(data, method, name, factor):
    path = ("claims", "steps", step(data, method), name)
    assert not check_data(mutated(data, path, nudged(factor))).ok


@pytest.mark.parametrize(
    ("method", "name", "factor"),
    [
        ("simultaneous", "basin", 1.001),
        ("simultaneous", "equilibrium_radius", 0.5),
        ("extragradient", "basin", 1.001),
        ("extragradient", "stretch", 0.9),
    ],
)
def test_false_basins_of_steps_are_rejected(data, method, name, factor):
    path = ("claims", "steps", step(data, method), name)
    assert not check_data(mutated(data, path, nudged(factor))).ok


def test_every_single_changed_number_is_noticed(oligopoly_certificate):
    """Without a new digest, whatever the change: all claims, and a sample of the evidence."""
    data = oligopoly_certificate.data
    places = list(numbers(data))
    rng = np.random.default_rng(0)
    claims = [path for path in places if path[0] != "evidence"]
    evidence = [path for path in places if path[0] == "evidence"]
    sample = [evidence[i] for i in rng.choice(len(evidence), 60, replace=False)]
    for path in claims + sample:
        changed = mutated(
            data, path, lambda x: x + 1 if type(x) is int else (float.fromhex(x) * 1.5 + 1.0).hex()
        )
        with pytest.raises(Unusable, match=r"damaged or edited|version"):
            parse(json.dumps(changed))


def test_worse_evidence_is_rejected(oligopoly_certificate):
    """With a new digest: evidence that no longer supports the claims, cell by cell."""
    data = oligopoly_certificate.data
    cells = data["evidence"]["cells"]
    leaves = [i for i, cell in enumerate(cells) if "centre" in cell]
    unit = 2.0 ** data["evidence"]["unit"]
    for i in leaves[:2]:
        n = len(data["game"]["players"])
        for k in range(n):
            diagonal = ("evidence", "cells", i, "centre", k * n + k)
            assert not check_data(mutated(data, diagonal, lambda x: x - round(0.3 / unit))).ok
            remainder = ("evidence", "cells", i, "remainder", k * n + k)
            assert not check_data(mutated(data, remainder, lambda x: x + round(0.4 / unit))).ok
        negative = ("evidence", "cells", i, "remainder", 0)
        assert not check_data(mutated(data, negative, lambda x: -1)).ok


def test_cells_must_cover_the_region(oligopoly_certificate):
    data = oligopoly_certificate.data
    cells = data["evidence"]["cells"]
    split = next(i for i, cell in enumerate(cells) if "split" in cell)
    changes = {
        "dropped": [*cells[:-1]],
        "extra": [*cells, cells[-1]],
        "none": [],
        "outside": [{"outside": True} if "centre" in cell else cell for cell in cells],
        "split beyond the cell": [
            cell | {"at": (1e6).hex()} if i == split else cell for i, cell in enumerate(cells)
        ],
        "split of no coordinate": [
            cell | {"split": 99} if i == split else cell for i, cell in enumerate(cells)
        ],
    }
    for name, changed in changes.items():
        evidence = data["evidence"] | {"cells": changed}
        assert not check_data(data | {"evidence": evidence}).ok, name


WEIRD = [None, True, "", "x", [], {}, [[]], -1, 0, 7, 2**1100, 2**2000]
WEIRD += [x.hex() for x in (0.0, -0.0, 5e-324, -1.0, 1.0, 1e-300, 1.7e308)]


def places(value, path=()):
    """Everything in a file, with its place."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


@pytest.mark.parametrize("weird", WEIRD, ids=str)
def test_hostile_values_are_rejected_or_unusable(data, weird):
    """Anything anywhere: never a crash. Places that the checker does not look at may hold it."""
    unseen = [("game", name) for name in ("name", "hash", "code", "structure")] + [("game",)]
    for path in places(data):
        if path[:2] in unseen or path[0] in (
            "trusted",
            "provenance",
            "digest",
            "format",
            "version",
        ):
            continue
        with contextlib.suppress(Unusable):
            changed = mutated(data, path, lambda _: weird)
            assert not check_data(changed).ok or isinstance(weird, int | str | list)


def test_nothing_in_a_claim_goes_unverified(data):
    """A field that no theorem speaks of could still be shown to a reader."""
    changed = copy.deepcopy(data)
    step = {
        "method": "simultaneous",
        "theorem": "lipschitz",
        "max": (1e-9).hex(),
        "best": (1e-9).hex(),
        "rate": (1 - 2**-40).hex(),
    }
    changed["claims"]["steps"] = [step]
    assert check_data(changed).ok
    changed["claims"]["steps"] = [step, step]
    with pytest.raises(Unusable, match="does not occur before"):
        check_data(changed)
    changed["claims"]["steps"] = [step | {"basin": (1e300).hex()}]
    with pytest.raises(Unusable, match="nothing can verify basin"):
        check_data(changed)
    for section in ("equilibrium", "basin", "small_gain"):
        with pytest.raises(Unusable, match="nothing can verify global"):
            check_data(mutated(data, ("claims", section), lambda x: x | {"global": True}))


def test_no_residual_is_negative(data):
    """Statement (B) would be false whatever the game, and anything would follow from it."""
    for factor in (-1.0, -1e30):
        path = ("claims", "equilibrium", "residual", 0)
        verdict = check_data(mutated(data, path, nudged(factor)))
        assert verdict.reasons == ("the residual is not negative",)


def test_modes_that_leave_much_are_branched_on_first():
    """Twenty generators, of which all modes but one leave nothing: two signs, not a million."""
    sizes = [4] * 19 + [3]
    node = {
        "centre": [100, 0, 0, 100],
        "generators": [[size, 0, 0, 0] for size in sizes],
        "remainder": [0] * 4,
    }
    work, family = Work(), Family(Reader(node), 2, 2)
    modes = [[[2 * size, 1, 0]] for size in sizes]
    modes[-1][0][0] *= 8
    before = work.left
    family.require_positive(symmetric, [[-1, 0], [0, -1]], "it holds", work, modes=modes)
    assert before - work.left < 10_000


def test_players_have_different_names(data):
    with pytest.raises(Unusable, match="different names"):
        check_data(mutated(data, ("game", "players", 0, "name"), lambda _: "slow"))


def test_files_that_would_take_forever_are_unusable(data, monkeypatch):
    monkeypatch.setattr("certify.checker.exact.MAX_WORK", 1000)
    with pytest.raises(Unusable, match="too much work"):
        check_data(data)


def test_unknown_theorems_are_unusable(data):
    for path in (("claims", "steps", 0, "theorem"), ("claims", "steps", 0, "method")):
        with pytest.raises(Unusable, match="no rule"):
            check_data(mutated(data, path, lambda _: "wishful"))


def test_ball_in_region_is_exact():
    """Balls that touch the boundary are inside; the least bit more is not."""
    box = Region(Reader({"kind": "box", "lower": [(0.0).hex()] * 2, "upper": [(2.0).hex()] * 2}), 2)
    zero, one, tiny, free = Fraction(0), Fraction(1), Fraction(1, 2**80), [(None, None)] * 2
    assert box.contains_ball([one, one], one, [one, one], free)
    assert not box.contains_ball([one, one], one + tiny, [one, one], free)
    assert not box.contains_ball([one, one], one, [one, one - tiny], free)
    ball = Region(Reader({"kind": "ball", "center": [(0.0).hex()] * 2, "radius": (5.0).hex()}), 2)
    three, four = Fraction(3), Fraction(4)
    assert ball.contains_ball([three, zero], Fraction(2), [one, one], free)
    assert ball.contains_ball([three, zero], Fraction(4), [four, four], free)
    assert not ball.contains_ball([three, zero], Fraction(2) + tiny, [one, one], free)
    assert not ball.contains_ball([three, four + tiny], tiny, [one, one], free)
    assert not ball.contains_ball([Fraction(6), zero], tiny, [one, one], free)


def test_faces_of_strategy_sets_are_no_limit_to_balls():
    """Unless the least bit of a set is beyond the face of the region."""
    box = Region(Reader({"kind": "box", "lower": [(0.0).hex()], "upper": [(2.0).hex()]}), 1)
    zero, one, two, tiny = Fraction(0), Fraction(1), Fraction(2), Fraction(1, 2**80)
    assert box.contains_ball([zero], two, [one], [(zero, None)])
    assert not box.contains_ball([zero], two + tiny, [one], [(zero, None)])
    assert not box.contains_ball([zero], tiny, [one], [(-tiny, None)])
    assert box.contains_ball([one], Fraction(100), [one], [(zero, two)])
    assert not box.contains_ball([one], one + tiny, [one], [(zero, two + tiny)])
    assert not box.contains_ball([-tiny], one, [one], [(zero, two)])


def test_checker_runs_as_a_module(linear_certificate, tmp_path):
    good = linear_certificate.save(tmp_path / "good.json")
    changed = mutated(linear_certificate.data, ("claims", "margin"), nudged(1.01))
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(changed | {"digest": digest(changed)}))
    assert not check(bad).ok
    for path, status, word in [
        (good, 0, "accepted"),
        (bad, 1, "the margin holds"),
        (tmp_path / "none.json", 2, "cannot be read"),
    ]:
        run = subprocess.run(
            [sys.executable, "-m", "certify.checker", str(path)], capture_output=True, text=True
        )
        assert run.returncode == status
        assert word in run.stdout + run.stderr
        assert "Traceback" not in run.stderr


def test_progress_counts_every_node(oligopoly_certificate, tmp_path):
    path = oligopoly_certificate.save(tmp_path / "c.json")
    nodes = len(oligopoly_certificate.data["evidence"]["cells"])
    seen = []
    assert check(path, lambda count, cells: seen.append((count, cells))).ok
    assert seen == [(k, nodes) for k in range(nodes + 1)]

"""The checker of files about all stationary points: what is false is rejected."""

import copy
import json
import re
from pathlib import Path

import pytest

from certify.checker import Unusable, check_data
from certify.checker.reader import decode, parse
from tools.edits import sealed

FILE = Path(__file__).parent / "corpus" / "valid_count.json.gz"
DATA = parse(decode(FILE.read_bytes()))
CELLS = DATA["evidence"]["cells"]
LEAF = next(k for k, node in enumerate(CELLS) if "weights" in node)
ZERO_LEAF = next(k for k, node in enumerate(CELLS) if "zero" in node)
PIN = next(k for k, node in enumerate(CELLS) if "pin" in node)
INNER = next(k for k, zero in enumerate(DATA["claims"]["zeros"]) if not zero["fixed"])
FACE = next(k for k, zero in enumerate(DATA["claims"]["zeros"]) if zero["fixed"])
ONE, TINY = (1.0).hex(), (1e-3).hex()


def changed(path, new, data=DATA):
    data = copy.deepcopy(data)
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new(part[path[-1]]) if callable(new) else new
    return parse(json.dumps(sealed(data)))


def verdict(data, level=1):
    return check_data(data, level=level)


def test_the_file_is_accepted():
    assert verdict(DATA).ok and verdict(DATA, 2).ok


@pytest.mark.parametrize(
    ("path", "new", "reason"),
    [
        (("claims", "count"), 4, "the count is the number"),
        (("claims", "open"), 1, "as many cells are open"),
        (("claims", "region", "lower", 0), (-2.5).hex(), "in the strategy sets"),
        (("claims", "zeros", FACE, "fixed", 0, "at"), "upper", "pins of its point|box of its"),
        (("claims", "zeros", INNER, "inside"), False, "outside of the region"),
        (("claims", "zeros", INNER, "box", "upper", 0), TINY, "in the other|interior of the box"),
        (("claims", "zeros", INNER, "box", "upper", 0), (50.0).hex(), "interior of the box"),
        (("evidence", "cells", PIN, "at"), "upper", "reaches"),
        (("evidence", "cells", LEAF, "bound"), (0.0).hex(), "the bound is positive"),
        (("evidence", "zeros", FACE, "bounds", 0), (0.0).hex(), "stay at their ends"),
        (("evidence", "cells"), lambda cells: cells[:-1], "cover the region"),
        (("evidence", "cells"), lambda cells: [*cells, {"open": True}], "form one tree"),
        (("evidence", "cells", LEAF), {"zero": INNER}, "box of its point|pins|reaches"),
        (("evidence", "cells", LEAF), {"open": True}, "as many cells are open"),
    ],
)
def test_what_is_false_is_rejected(path, new, reason):
    found = verdict(changed(path, new))
    assert not found.ok and re.search(reason, found.reasons[0]), found.reasons


def test_a_dropped_point_is_rejected():
    data = copy.deepcopy(DATA)
    for part in (data["claims"], data["evidence"]):
        part["zeros"].append(part["zeros"].pop(INNER))
    data["claims"]["zeros"].pop()
    data["evidence"]["zeros"].pop()
    data["claims"]["count"] -= 1
    with pytest.raises(Unusable, match="an integer from 0 to"):
        for node in data["evidence"]["cells"]:
            if "zero" in node:
                node["zero"] = 2 if node["zero"] == INNER else node["zero"] - (node["zero"] > INNER)
        verdict(parse(json.dumps(sealed(data))))


def test_a_point_listed_twice_is_rejected():
    data = copy.deepcopy(DATA)
    for part in (data["claims"], data["evidence"]):
        part["zeros"].append(part["zeros"][INNER])
    data["claims"]["count"] += 1
    found = verdict(parse(json.dumps(sealed(data))))
    assert not found.ok and "disjoint" in found.reasons[0]


@pytest.mark.parametrize(
    ("path", "new", "reason"),
    [
        (("evidence", "cells", ZERO_LEAF), {"weights": [(0.0).hex(), ONE], "bound": TINY}, "bound"),
        (("evidence", "cells", LEAF, "bound"), (1e6).hex(), "the bound holds"),
        (("evidence", "cells", PIN, "bound"), (1e6).hex(), "the bound holds"),
        (("evidence", "zeros", FACE, "bounds", 0), (1e6).hex(), "as stated at the ends"),
        (("evidence", "zeros", INNER, "residual", 0), (0.0).hex(), "the residual holds"),
        (("evidence", "zeros", INNER, "jacobian", "centre", 0), lambda x: x + 2**90, "Jacobian"),
        (
            ("evidence", "zeros", INNER, "curvature", 0, "matrix", "centre", 0),
            lambda x: x + (2**90 if x > 0 else -(2**90)),
            "curvature of player 0",
        ),
    ],
)
def test_what_is_not_of_the_graph_is_rejected_at_level_2(path, new, reason):
    data = changed(path, new)
    assert verdict(data).ok
    found = verdict(data, 2)
    assert not found.ok and reason in found.reasons[0], found.reasons


PROFILES = parse(decode((FILE.parent / "valid_count_profiles.json.gz").read_bytes()))
NODES = PROFILES["evidence"]["cells"]


def where(key):
    return next(k for k, node in enumerate(NODES) if key in node)


@pytest.mark.parametrize(
    ("path", "new", "reason"),
    [
        (("claims", "count"), 4, "the count is the number"),
        (("claims", "open"), 1, "as many cells are open"),
        (
            ("game", "terms", 0, "payoffs", 0),
            (99.0).hex(),
            "pays more|equilibrium|Krawczyk|no zero",
        ),
        (("claims", "zeros", 0, "support"), [[0], [0], [0]], "strict|numbers"),
        (
            ("claims", "zeros", 0, "zero"),
            lambda box: {"lower": box["upper"], "upper": box["upper"]},
            "in each other|Krawczyk",
        ),
        (("evidence", "cells", where("better"), "better"), lambda b: 1 - b, "pays more"),
        (
            ("evidence", "cells", where("weights"), "weights"),
            lambda w: [(0.0).hex()] * len(w),
            "no zero",
        ),
        (("evidence", "cells", where("weights")), {"zero": 0}, "in the box of its point"),
        (("evidence", "cells", where("zero")), {"weights": []}, "no zero|played or pinned"),
        (("evidence", "cells"), lambda cells: cells[:-1], "cover all profiles"),
    ],
)
def test_what_is_false_of_tables_is_rejected_at_level_1(path, new, reason):
    assert verdict(PROFILES).ok
    try:
        found = verdict(changed(path, new, PROFILES))
    except Unusable:
        return
    assert not found.ok and re.search(reason, found.reasons[0]), found.reasons

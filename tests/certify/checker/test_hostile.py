"""Files made to do harm: a refusal or a verdict, in seconds and within a gigabyte."""

import gzip
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from certify.checker import Unusable, check_data
from certify.checker.graph import Graph, Node
from certify.checker.jets import JetArithmetic
from tests.certify.checker.quadratic import ONE, ZERO, cell, contraction, quadratic
from tools.edits import sealed

pytestmark = pytest.mark.thin(4)

LONGEST = 2**1100 - 1
TINY, HUGE = "0x0.0000000000001p-1022", "0x1.fffffffffffffp+1023"
CUT = {"split": 0, "at": ZERO}


def text(data):
    return json.dumps(sealed(data)).encode()


def with_claims(**claims):
    return text(quadratic([1], **claims))


def with_cells(cells, sizes=(1,), **region):
    data = quadratic(list(sizes))
    data["region"] = region or data["region"]
    data["evidence"]["cells"] = cells
    return text(data)


def with_graph(*nodes, sizes=(1,)):
    """The costs of the first player are the last node, those of others `x_0`."""
    data = quadratic(list(sizes))
    n = sum(sizes)
    outputs = [n + len(nodes) - 1] + [0] * (len(sizes) - 1)
    data["game"]["graph"] = {"hash": "", "nodes": list(nodes), "outputs": outputs}
    return text(data)


def halved():
    """Cuts towards -1 until floats end."""
    at, cells = -0.5, []
    for _ in range(52):
        cells.append({"split": 0, "at": at.hex()})
        at = -1 + (at + 1) / 2
    return with_cells([*cells, *[cell(1)] * 53])


def slim():
    """Cells of width 2^-1000 and less, at the middle."""
    ends = [2.0**-k for k in range(1, 1070)]
    return with_cells([*({"split": 0, "at": end.hex()} for end in ends), *[cell(1)] * 1070])


def unit_of(unit, entry):
    data = quadratic([1], margin=TINY)
    data["evidence"] = {"unit": unit, "cells": [cell(1, 3, entry)]}
    return text(data)


def large_cell():
    """Small numbers that are long in the unit of the claims: gigabytes."""
    data = quadratic([256], margin=TINY)
    data["evidence"]["cells"] = [cell(256, 20, 7)]
    return text(data)


def many_steps(count):
    step = {"method": "simultaneous", "theorem": "lipschitz", "max": TINY, "best": TINY}
    return with_claims(steps=[{**step, "rate": (1 - 2**-53).hex()}] * count)


def many_pieces(count):
    piece = {"low": ZERO, "high": HUGE, "decrease": TINY, "lyapunov": [HUGE]}
    piece |= {"multipliers": [TINY] * 6, "bounds": [[HUGE, TINY, TINY]]}
    numbers = dict.fromkeys(("max", "best", "constant", "stretch", "basin"), HUGE)
    step = {"method": "heun", "theorem": "performance", "rate": (0.5).hex(), **numbers}
    return with_claims(steps=[{**step, "momentum": [], "pieces": [piece] * count}])


GZIP_BOMB = gzip.compress(b" " * (2**27 + 1), 1)
HOSTILE = {
    "no bytes": lambda: b"",
    "lists in lists": lambda: b"[" * 10**5 + b"]" * 10**5,
    "objects in objects": lambda: b'{"a":' * 10**5 + b"1" + b"}" * 10**5,
    "depth beside the format": lambda: (
        b'{"format":"dgames certificate","version":2,"x":' + b"[" * 900 + b"]" * 900 + b"}"
    ),
    "a version of lists": lambda: (
        b'{"format":"dgames certificate","version":' + b"[" * 500 + b"]" * 500 + b"}"
    ),
    "a long version": lambda: text({**quadratic([1]), "version": "9" * 10**6}),
    "version 1": lambda: text({**quadratic([1]), "version": 1}),
    "version 3": lambda: text({**quadratic([1]), "version": 3}),
    "no kind": lambda: text({k: v for k, v in quadratic([1]).items() if k != "kind"}),
    "an unknown kind": lambda: text({**quadratic([1]), "kind": "\x1b[2J" * 10**5}),
    "a kind of lists": lambda: text({**quadratic([1]), "kind": [[]] * 10**5}),
    "another kind": lambda: text({**quadratic([1]), "kind": "policies"}),
    "digits": lambda: b"9" * 10**6,
    "digits in a cell": lambda: with_cells([cell(1)]).replace(b"[1]", b"[" + b"9" * 10**6 + b"]"),
    "many long integers": lambda: b"[" + b",".join([b"9" * 4000] * 5000) + b"]",
    "bits": lambda: with_cells([cell(1, 1, 2**1100)]),
    "hexadecimal digits": lambda: with_claims(margin="0x1." + "0" * 10**5 + "p+0"),
    "exponent": lambda: with_claims(margin="0x1p+99999999"),
    "many exponents": lambda: with_claims(weights=["0x1.0p+" + "9" * 1000] * 10**4),
    "infinity as text": lambda: with_claims(margin="inf"),
    "NaN": lambda: b'{"format": NaN}',
    "infinity": lambda: b'{"format": -Infinity}',
    "overflow": lambda: b'{"format": 1e999}',
    "a long fraction": lambda: b'{"format": 0.' + b"3" * 10**6 + b"}",
    "duplicate keys": lambda: with_claims().replace(b'"unit": 0', b'"unit": 0, "unit": 0'),
    "byte order mark": lambda: b"\xef\xbb\xbf" + with_claims(),
    "UTF-16": lambda: with_claims().decode().encode("utf-16"),
    "not UTF-8": lambda: b'{"format": "\xc3\x28"}',
    "raw letters beyond ASCII": lambda: '{"format": "é"}'.encode(),
    "half a character": lambda: text({**quadratic([1]), "promoted": ["\ud800"]}),
    "NUL": lambda: with_claims() + b"\0",
    "NUL inside": lambda: with_claims().replace(b"Quadratic", b"Quad\0ratic"),
    "unknown names": lambda: with_claims(**{"\x1b[2J" + "a" * 10**6: ONE}),
    "a long kind": lambda: with_cells([cell(1)], kind="\x1b]" * 10**5),
    "many zeros": lambda: with_cells([0] * (2**20 + 1)),
    "more values than any": lambda: b"[" + b"0," * 2**24 + b"0]",
    "many empty lists": lambda: with_claims(steps=[[]] * 10**6),
    "gzip bomb": lambda: GZIP_BOMB,
    "gzip bombs in gzip": lambda: gzip.compress(GZIP_BOMB),
    "cut at the floats' end": halved,
    "slim cells": slim,
    "cuts alone": lambda: with_cells([{"split": 0, "at": ZERO}] * 10**5, [512]),
    "cuts of cuts": lambda: with_cells(
        [{"split": k % 512, "at": (2.0**-k).hex()} for k in range(1, 1075)] * 10, [512]
    ),
    "many cells outside": lambda: with_cells([CUT] + [{"outside": 0}] * 10**5, [512]),
    "cells outside of a huge ball": lambda: with_cells(
        [CUT] + [{"outside": 0}] * 2000, [512], kind="ball", center=[TINY] * 512, radius=HUGE
    ),
    "256 generators": lambda: with_cells([cell(2, 256)]),
    "256 long generators": lambda: with_cells([cell(2, 256, LONGEST)]),
    "257 generators": lambda: with_cells([cell(1, 257)]),
    "256 generators, 512 coordinates": lambda: with_cells(
        [cell(512, 0) | {"generators": [0] * 256}]
    ),
    "a large cell": large_cell,
    "finest unit": lambda: unit_of(-1200, LONGEST),
    "coarsest unit": lambda: unit_of(0, LONGEST),
    "513 coordinates": lambda: text(quadratic([513])),
    "10^300 coordinates": lambda: text(quadratic([1])).replace(
        b'"size": 1', b'"size": 1' + b"0" * 300
    ),
    "many steps": lambda: many_steps(50_000),
    "many pieces": lambda: many_pieces(64),
    "too many pieces": lambda: many_pieces(50_000),
    "wide numbers": lambda: with_claims(weights=[HUGE], margin=TINY, lipschitz=HUGE),
    "wide contraction": lambda: text(
        {**contraction(1), "claims": contraction(1)["claims"] | {"rate": TINY, "radius": TINY}}
    ),
    "long contraction": lambda: (
        json.dumps(sealed(contraction(16))).replace("1048568", str(LONGEST)).encode()
    ),
    "squares of squares": lambda: with_graph(*(["mul", k, k] for k in range(2**13))),
    "sums of sums": lambda: with_graph(*(["add", k, k] for k in range(2**14))),
    "towers of powers": lambda: with_graph(*(["power", k, 1024] for k in range(2**13))),
    "towers of inverses": lambda: with_graph(*(["power", k, -1024] for k in range(2**13))),
    "towers of exponentials": lambda: with_graph(*(["exp", k] for k in range(2**12))),
    "towers of real powers": lambda: with_graph(*(["pow", k, k] for k in range(2**10))),
    "a wave of a square of squares": lambda: with_graph(
        *(["mul", k, k] for k in range(50)), *(["sin", k] for k in range(50, 1000))
    ),
    "copies of a polynomial": lambda: with_graph(
        *(["add", k, 16 + k - 1 if k else 0] for k in range(16)),
        ["power", 31, 4],
        *(["neg", 32 + k] for k in range(600)),
        sizes=[1] * 16,
    ),
    "too many nodes": lambda: with_graph(*[["neg", 0]] * (2**18 + 1)),
    "a graph of 128 coordinates": lambda: with_graph(["power", 0, 2], sizes=[128]),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    paths = {name: folder / f"{number}.json" for number, name in enumerate(HOSTILE)}
    for name, path in paths.items():
        path.write_bytes(HOSTILE[name]())
    return paths


# Within a gigabyte; seconds are those of the processor.
CHECK = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from certify.checker.__main__ import main
for path in sys.argv[2:]:
    start = time.process_time()
    status = main(["--level", sys.argv[1], path])
    print("seconds", status, time.process_time() - start)
"""


@pytest.mark.full
@pytest.mark.parametrize("level", ["1", "2"])
def test_each_is_refused_or_judged(files, level):
    command = [sys.executable, "-c", CHECK, level, *map(str, files.values())]
    root = Path(__file__).parents[3]
    run = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert run.returncode == 0, run.stderr[-2000:]
    lines = [line.split() for line in run.stdout.splitlines() if line.startswith("seconds")]
    for name, (_, status, seconds) in zip(files, lines, strict=True):
        assert status in "012" and float(seconds) < 10, (name, status, seconds)
    # Each in one line, which no terminal obeys.
    assert len(run.stderr.splitlines()) == sum(status == "2" for _, status, _ in lines)
    assert max(map(len, run.stderr.splitlines())) < 1100 and "\x1b" not in run.stderr + run.stdout


def test_what_is_made_by_hand_is_accepted():
    """Otherwise nothing here would look beyond the first claim."""
    for data in (quadratic([1]), quadratic([2, 1]), contraction(2)):
        verdict = check_data(data)
        assert verdict.ok, verdict.reasons


def grown(*nodes):
    """The jet of a chain of nodes at an interval, and the account."""
    graph = Graph(1, [Node(*node) for node in nodes], [len(nodes)])
    arithmetic = JetArithmetic(4)
    box = [(Fraction(2), Fraction(3))]
    return graph.evaluate(arithmetic.inputs(box), arithmetic.operations)[0], arithmetic


def test_numbers_that_double_in_length_are_given_up():
    jet, _ = grown(*(("mul", (k, k), None) for k in range(20)))
    assert jet[()].is_finite()
    jet, _ = grown(*(("mul", (k, k), None) for k in range(40)))
    assert not jet[()].is_finite()
    small, _ = grown(("power", (0,), -1), *(("mul", (k, k), None) for k in range(1, 40)))
    assert not small[()].is_finite()


def test_work_is_counted_where_no_coefficients_are_multiplied(monkeypatch):
    monkeypatch.setattr("certify.checker.jets.MAX_COEFFICIENTS", 1000)
    with pytest.raises(Unusable, match="too much memory"):
        grown(*(("neg", (k,), None) for k in range(1000)))
    _, arithmetic = grown(*[("exp", (0,), None)] * 10)
    assert arithmetic.products > 10 * 2**8


def test_level_2_pays_for_each_piece(monkeypatch):
    data = json.loads(with_graph(["power", 0, 2], sizes=[4]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("certify.checker.jets.MAX_PRODUCTS", 4**3 * 5 // 2 + 1)
        with pytest.raises(Unusable, match="too many Taylor coefficients"):
            check_data(data, level=2)


@pytest.mark.parametrize("name", ["show", "report"])
def test_shown_or_reported(files, command, name, tmp_path):
    """What refuses a file is the same as above; here, that it is one sentence."""
    for case, path in files.items():
        if os.path.getsize(path) > 10**5 or "steps" in case or "graph" in case:
            continue
        arguments = ("-o", tmp_path / "page.html") if name == "report" else ()
        status, out, err = command(name, path, *arguments)
        assert status in (0, 1, 2) and err.count("\n") == (status == 2), (case, err)
        assert "\x1b[2J" not in out + err

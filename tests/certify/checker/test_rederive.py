"""Level 2: the bounds of a certificate from its costs."""

import json
import sys

import hypothesis.strategies as st
import jax.numpy as jnp
import pytest
from hypothesis import given

import certify
import dgames as dg
from certify.checker import Unusable, check_data
from certify.checker.claims import Claims
from certify.checker.graph import graph_hash
from certify.checker.reader import Reader
from certify.checker.rederive import _parabola, rederive
from certify.checker.verdict import Rejected
from tests.certify.checker.mutations import mutated, nudged


@pytest.fixture(scope="module")
def zero_sum():
    game = dg.zero_sum(lambda x, args: x[0] ** 2 + x[0] * x[1] - x[1] ** 2 + 0.1 * jnp.sin(x[0]))
    return certify.certify(game, certify.Box.around((0.0, 0.0), 0.5)).data


@pytest.fixture(scope="module", params=["linear", "oligopoly", "zero-sum"])
def data(request, linear_certificate, oligopoly_certificate, zero_sum):
    return {
        "linear": linear_certificate.data,
        "oligopoly": oligopoly_certificate.data,
        "zero-sum": zero_sum,
    }[request.param]


def rehashed(data):
    """With the hash that its graph has."""
    graph = data["game"]["graph"]
    found = graph_hash(graph["nodes"], graph["outputs"])
    return mutated(data, ("game", "graph", "hash"), lambda _: found)


def test_accepted(data):
    verdict = check_data(data, level=2)
    assert verdict.ok, verdict.reasons
    assert len(verdict.rederived) == 3
    assert not check_data(data).rederived


def test_other_costs_are_rejected(data):
    """Every constant of the costs by a thousandth, the hash renewed: only the mathematics can tell.

    A constant that does not matter for F may change: then the file is about that game as well.
    """
    nodes = data["game"]["graph"]["nodes"]
    rejected = 0
    for k, node in enumerate(nodes):
        if node[0] == "constant" and float.fromhex(node[1]) != 0:
            changed = mutated(data, ("game", "graph", "nodes", k, 1), nudged(1 + 2.0**-10))
            rejected += not check_data(rehashed(changed), level=2).ok
    assert rejected >= 1


@pytest.mark.parametrize("operation", [("add", "sub"), ("mul", "add"), ("sin", "cos")])
def test_other_operations_are_rejected(zero_sum, operation):
    old, new = operation
    nodes = zero_sum["game"]["graph"]["nodes"]
    places = [k for k, node in enumerate(nodes) if node[0] == old]
    assert places
    for k in places:
        changed = rehashed(mutated(zero_sum, ("game", "graph", "nodes", k, 0), lambda _: new))
        assert not check_data(changed, level=2).ok


def rejection(data):
    """What level 2 alone says of a file, whatever the inequalities of level 1 say."""
    with pytest.raises(Rejected) as caught:
        rederive(Reader(data), Claims(Reader(data)))
    return str(caught.value)


def test_false_families_are_rejected(oligopoly_certificate, monkeypatch):
    monkeypatch.setattr(sys.modules["certify.checker.rederive"], "MAX_PIECES", 64)
    data = oligopoly_certificate.data
    cell = next(k for k, node in enumerate(data["evidence"]["cells"]) if "centre" in node)
    path = ("evidence", "cells", cell)
    step = data["evidence"]["cells"][cell]["remainder"][0]
    moved = mutated(data, (*path, "centre", 0), lambda x: x + step)
    narrow = mutated(data, (*path, "remainder"), lambda values: [x // 2 for x in values])
    turned = mutated(data, (*path, "along"), lambda values: values[::-1])
    for changed in (moved, narrow, turned):
        assert "stated family" in rejection(changed)


def test_generators_go_along_coordinates(oligopoly_certificate):
    """Also where level 1 came to no verdict on the cell."""
    cells = oligopoly_certificate.data["evidence"]["cells"]
    cell = next(k for k, node in enumerate(cells) if "centre" in node)
    path = ("evidence", "cells", cell, "along", 0)
    changed = mutated(oligopoly_certificate.data, path, lambda _: 5)
    with pytest.raises(Unusable, match="coordinates, or -1"):
        rederive(Reader(changed), Claims(Reader(changed)))


def test_false_residuals_are_rejected(data):
    changed = mutated(
        data,
        ("claims", "equilibrium", "center"),
        lambda center: [(float.fromhex(x) + 1e-9).hex() for x in center],
    )
    assert "residual at the centre" in rejection(changed)


def test_costs_that_are_not_smooth_are_rejected(zero_sum):
    """A kink of no size: all derivatives on both sides are right."""
    graph = zero_sum["game"]["graph"]
    count, end = 2 + len(graph["nodes"]), graph["outputs"][0]
    nodes = [*graph["nodes"], ["choose", 0, 1, end, end]]
    changed = {"hash": graph_hash(nodes, [count]), "nodes": nodes, "outputs": [count]}
    verdict = check_data(mutated(zero_sum, ("game", "graph"), lambda _: changed), level=2)
    assert "smooth" in verdict.reasons[0]


def test_what_roundings_hide_is_not_shown():
    """`0.5 c x^2` with `c = (2^200 + 1) - 2^200`, which 128 bits take for anything up to 2^73.

    Any family is consistent with that, and no cut makes it better. Accepted, it would prove the
    margin 1000 of a game whose margin is 1.
    """

    def costs(x, args):
        return (0.5 * x[0] ** 2, 0.5 * x[1] ** 2)

    data = certify.certify(dg.game(costs), certify.Box.around((0.0, 0.0), 1.0)).data
    graph = data["game"]["graph"]
    end = 2 + len(graph["nodes"])
    nodes = [
        *graph["nodes"],
        *(["constant", number.hex()] for number in (2.0**200, 1.0)),
        ["add", end, end + 1],
        ["sub", end + 2, end],
        *(["mul", end + 3, cost] for cost in graph["outputs"]),
    ]
    outputs = [end + 4, end + 5]
    hidden = {"hash": graph_hash(nodes, outputs), "nodes": nodes, "outputs": outputs}
    changed = mutated(data, ("game", "graph"), lambda _: hidden)
    assert "lost in roundings" in rejection(changed)
    bolder = mutated(
        changed, ("evidence", "cells", 0, "centre"), lambda values: [1000 * x for x in values]
    )
    assert "lost in roundings" in rejection(bolder)


@given(*[st.fractions(-2, 2, max_denominator=8)] * 5)
def test_parabolas_are_bounded(slope, first, second, half, share):
    from certify.checker.intervals import BallInterval, exact

    low, high = sorted((first, second))
    bound = _parabola(
        BallInterval.point(slope), BallInterval.of(low, high), BallInterval.point(abs(half))
    )
    for curvature in (low, high, (low + high) / 2):
        for d in (half, -half, half * share / 2):
            value = exact(slope * d + curvature * d**2 / 2)
            assert bound.low - 1e-12 <= value <= bound.high + 1e-12


def test_too_many_coefficients_are_unusable(data, monkeypatch):
    monkeypatch.setattr("certify.checker.jets.MAX_PRODUCTS", 1)
    with pytest.raises(Unusable, match="too many Taylor coefficients"):
        check_data(data, level=2)


def test_without_a_graph(data):
    game = {key: value for key, value in data["game"].items() if key != "graph"}
    with pytest.raises(Unusable, match="no graph"):
        check_data({**data, "game": game}, level=2)


def test_without_the_library(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    for module in ("rederive", "jets", "series", "intervals"):
        monkeypatch.delitem(sys.modules, f"certify.checker.{module}")
    with pytest.raises(Unusable, match="python-flint"):
        check_data(data, level=2)
    assert check_data(data).ok


def test_there_are_two_levels(data):
    with pytest.raises(ValueError, match="1 or 2"):
        check_data(data, level=3)


def test_a_rejected_file_is_not_looked_at_any_further(data):
    false = mutated(data, ("claims", "margin"), nudged(2.0))
    verdict = check_data(false, level=2)
    assert not verdict.ok and not verdict.rederived


def test_as_a_command(zero_sum, tmp_path, capsys):
    from certify.checker.__main__ import main

    path = certify.file.save.save_data(zero_sum, tmp_path / "game.json")
    assert main(["--level", "2", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accepted") and all("re-derived" in line for line in lines[1:])
    assert main(["--level", "3", str(path)]) == 2
    assert json.loads(path.read_text())["game"]["graph"]["outputs"]

"""The JSON Schema: as strict as the reader about structure, and never stricter than the checker."""

import copy
import json
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from jsonschema import Draft202012Validator

import certify
from certify.checker import (
    Unusable,
    arrays,
    cells,
    check_data,
    exact,
    forms,
    graph,
    metric,
    outer_products,
    reader,
    ridges,
    schemes,
    sparse,
    steps,
)
from certify.checker.cells import MAX_GENERATORS
from certify.checker.claims import MAX_DIMENSION
from certify.checker.reader import Reader, decode, parse
from certify.claims.kinds import KINDS
from tests.certify.checker.mutations import mutated
from tests.certify.checker.quadratic import ONE, ZERO, cell, contraction, quadratic
from tools.edits import edited, sealed

VALIDATORS = {kind: Draft202012Validator(certify.schema(kind)) for kind in KINDS}
CORPUS = Path(__file__).parents[1] / "checker" / "corpus"
REAL = {path.name: parse(decode(path.read_bytes())) for path in sorted(CORPUS.glob("valid_*"))}
LONG = (0.1).hex()


def fits(data):
    return VALIDATORS[data["kind"]].is_valid(data)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_schemas(kind):
    Draft202012Validator.check_schema(certify.schema(kind))
    assert certify.schema(kind)["properties"]["version"] == {"const": reader.VERSION}
    assert certify.schema(kind)["properties"]["kind"] == {"const": kind}
    known = (
        "contraction, convergence, count, expansion, feedback, instability, mean_square, monotone, "
    )
    known += "neural, policies, refutation, stackelberg, tree, zero"
    with pytest.raises(ValueError, match=f"must be one of {known}"):
        certify.schema(f"{kind}s")


def test_every_kind_has_a_schema_and_a_file():
    folder = files("certify.file").joinpath("schemas")
    assert {file.name for file in folder.iterdir()} == {f"{kind}.json" for kind in KINDS}
    assert {data["kind"] for data in REAL.values()} == KINDS.keys()


@pytest.mark.parametrize("name", REAL)
def test_real_files_fit(name):
    data = REAL[name]
    assert fits(data), next(VALIDATORS[data["kind"]].iter_errors(data)).message
    needs_graph = ("zero", "mean_square", "instability", "expansion", "count")
    if "graph" in data["game"] and data["kind"] not in needs_graph:
        assert fits(data | {"game": {k: v for k, v in data["game"].items() if k != "graph"}})


def at(data, path):
    """A copy, and the part of it at a path."""
    part = data = copy.deepcopy(data)
    for key in path:
        part = part[key]
    return data, part


def changed(data, *path, to):
    data, parent = at(data, path[:-1])
    parent[path[-1]] = to
    return data


def without(data, *path):
    data, parent = at(data, path[:-1])
    del parent[path[-1]]
    return data


def extra(data, *path):
    return changed(data, *path, "unknown", to=1)


def structural():
    """What the reader refuses for its structure, by file, and how it is changed."""
    game, zero_sum = REAL["valid_weights.json"], REAL["valid_zero_sum.json"]
    matrix, ball = REAL["valid_matrix.json"], REAL["valid_ball.json"]
    boxes, simplex = REAL["valid_sets_box.json"], REAL["valid_sets_simplex.json"]
    balls, state = REAL["valid_sets_ball.json"], REAL["valid_contraction_state.json"]
    modes, plain = REAL["valid_modes.json.gz"], REAL["valid_contraction.json"]
    leaf = next(i for i, node in enumerate(game["evidence"]["cells"]) if "centre" in node)
    cut = next(i for i, node in enumerate(game["evidence"]["cells"]) if "split" in node)
    nodes, cells, steps = ("game", "graph", "nodes"), ("evidence", "cells"), ("claims", "steps")
    step = next(i for i, s in enumerate(zero_sum["claims"]["steps"]) if "pieces" in s)
    for section in ("game", "region", "claims", "evidence"):
        yield f"no {section}", without(game, section)
    for path in (
        ("region",),
        ("claims",),
        ("claims", "basin"),
        ("claims", "small_gain"),
        (*steps, 0),
    ):
        yield f"unknown field in {path}", extra(game, *path)
        for key in game[path[0]] if len(path) == 1 else ():
            yield f"no {path[0]}.{key}", without(game, *path, key)
    for number in (1, 0.5, "0.5", "nan", "inf", "0x1p0", "0x1.8p+0", LONG.upper(), " " + LONG):
        yield f"a margin of {number!r}", changed(game, "claims", "margin", to=number)
    for number in ("0x1.0000000000000p+1024", "0x1.0000000000000p+01", "0x0.0p-0", LONG + "\n"):
        yield f"a coordinate of {number!r}", changed(game, "region", "lower", 0, to=number)
    yield "no players", changed(game, "game", "players", to=[])
    yield "a player of no size", changed(game, "game", "players", 0, "size", to=0)
    yield "a player of size true", changed(game, "game", "players", 0, "size", to=True)
    yield "a player whose name is a number", changed(game, "game", "players", 0, "name", to=1)
    yield "a torus", changed(game, "region", "kind", to="torus")
    yield "a ball with bounds", changed(game, "region", "kind", to="ball")
    yield "a ball without a centre", without(ball, "region", "center")
    yield "both metrics", changed(matrix, "claims", "weights", to=[ONE] * 3)
    yield "an unknown field of the metric", extra(matrix, "claims", "metric")
    yield "a value without sets", changed(game, "claims", "equilibrium", "value", to=[ZERO] * 2)
    yield "sets without a value", without(boxes, "claims", "equilibrium", "value")
    yield "an unknown set", changed(boxes, "game", "sets", 0, to={"kind": "cone"})
    yield (
        "a plane with a radius",
        changed(boxes, "game", "sets", 0, to={"kind": "euclidean", "radius": ONE}),
    )
    yield "a set below infinity", changed(boxes, "game", "sets", 0, "lower", 0, to="inf")
    yield "a ball of no radius", changed(balls, "game", "sets", 0, "radius", to=ZERO)
    yield "an empty group", changed(simplex, "game", "sets", 0, "groups", to=[2, 0])
    yield "no groups", changed(simplex, "game", "sets", 0, "groups", to=[])
    yield "a sum that is nearly zero", changed(zero_sum, "game", "zero_sum", to=1)
    yield "an unknown field of the graph", extra(zero_sum, "game", "graph")
    for node in (["exec", 0], ["add", 0], ["add", 0, 0, 0], ["neg", -1], ["neg", 0.5], [], None):
        yield f"the node {node}", changed(zero_sum, *nodes, 0, to=node)
    for node in (["power", 0, 1025], ["power", 0], ["constant", 1], ["choose", 0, 0, 0]):
        yield f"the node {node}", changed(zero_sum, *nodes, 0, to=node)
    yield "two payoffs", changed(zero_sum, "game", "graph", "outputs", to=[0, 0])
    yield "a unit above one", changed(game, "evidence", "unit", to=1)
    yield "a unit of nothing", changed(game, "evidence", "unit", to=-1201)
    yield "no cells", without(game, "evidence", "cells")
    yield "a cell that is none", changed(game, *cells, leaf, to={})
    yield "a cell that is a list", changed(game, *cells, leaf, to=[])
    for key in ("centre", "generators", "remainder", "margin_scaling", "lipschitz_scaling"):
        yield f"a cell without {key}", without(game, *cells, leaf, key)
    yield "an entry that is true", changed(game, *cells, leaf, "centre", 0, to=True)
    yield "an entry that is text", changed(game, *cells, leaf, "centre", 0, to="1")
    yield "257 generators", changed(game, *cells, leaf, to=cell(2, 257))
    yield "a generator along -2", changed(modes, *cells, 0, "along", 0, to=-2)
    yield "a cut without a place", without(game, *cells, cut, "at")
    yield "a cut at a number", changed(game, *cells, cut, "at", to=0)
    yield "an unknown field of modes", extra(modes, *cells, 0, "margin_modes")
    yield "modes without a unit", without(modes, *cells, 0, "margin_modes", "unit")
    yield "an unknown method", changed(game, *steps, 0, "method", to="newton")
    yield "an unknown theorem", changed(game, *steps, 0, "theorem", to="monotone")
    yield "a step without a rate", without(game, *steps, 0, "rate")
    yield "no pieces", changed(zero_sum, *steps, step, "pieces", to=[])
    piece = (*steps, step, "pieces", 0)
    yield "an unknown field of a piece", extra(zero_sum, *piece)
    for key in ("lyapunov", "multipliers", "bounds"):
        yield f"one of {key} too few", mutated(zero_sum, (*piece, key), lambda x: x[:-1])
    yield "momentum to spare", mutated(zero_sum, (*steps, step, "momentum"), lambda x: [*x, ONE])
    yield "a state without a start", without(state, "claims", "start")
    yield "evidence without a start", without(state, "evidence", "start")
    start = state["claims"]["start"]
    yield "a start without a state", changed(plain, "claims", "start", to=start)
    for path in (("claims",), ("coordinates",), ("claims", "metric"), ("claims", "start")):
        yield f"contraction: unknown field in {path}", extra(state, *path)
    for path in (("coordinates", "strategy"), ("evidence", "inverse"), ("evidence", "unit")):
        yield f"contraction: no {path}", without(state, *path)
    yield "contraction: a fine unit", changed(plain, "evidence", "inverse", "unit", to=-1201)
    yield "contraction: no scaling", without(plain, *cells, 0, "scaling")
    policies, form = REAL["valid_policies.json"], REAL["valid_policies_form.json"]
    for section in ("game", "claims", "evidence"):
        yield f"policies: no {section}", without(policies, section)
        yield f"policies: unknown field in {section}", extra(policies, section)
        for key in policies[section]:
            yield f"policies: no {section}.{key}", without(policies, section, key)
    for key in ("players", "divisor", "payoffs"):
        yield f"policies: no {key}", without(policies, "game", "terms", 0, key)
    term = ("game", "terms", 0)
    for players in ([], [0, 0], [-1], "0"):
        yield f"policies: the players {players}", changed(policies, *term, "players", to=players)
    for divisor in (0, 513, True):
        yield f"policies: the divisor {divisor}", changed(policies, *term, "divisor", to=divisor)
    yield "policies: a payoff of 1", changed(policies, *term, "payoffs", 0, to=1)
    yield "policies: no actions", changed(policies, "game", "sizes", 0, to=0)
    yield "policies: another proof", changed(policies, "evidence", "kind", to="guess")
    yield "policies: a form with a scaling", changed(form, "evidence", "scaling", to=[ONE])
    yield "policies: couplings without one", changed(policies, "evidence", "scaling", to=[])
    for path in (("claims", "step"), ("claims", "equilibrium")):
        yield f"policies: unknown field in {path}", extra(policies, *path)
        for key in policies["claims"][path[1]]:
            yield f"policies: no {path}.{key}", without(policies, *path, key)
    yield from structural_trees()
    yield from structural_zeros()
    yield from structural_refutations()
    yield from structural_instabilities()
    yield "contraction: no strategy", changed(contraction(1), "coordinates", "strategy", to=0)


def structural_trees():
    """The same of trees."""
    tree = REAL["valid_tree.json"]
    paths = [("game",), ("claims",), ("evidence",), ("game", "tree"), ("game", "treeplexes", 0)]
    paths += [("claims", name) for name in ("step", "equilibrium", "exploitability", "value")]
    for path in paths:
        yield f"tree: unknown field in {path}", extra(tree, *path)
        for key in at(tree, path)[1]:
            yield f"tree: no {path}.{key}", without(tree, *path, key)
    yield "tree: a third player", mutated(tree, ("game", "treeplexes"), lambda own: own + own[:1])
    yield "tree: a set without actions", changed(tree, *paths[4], "counts", 0, to=0)
    yield "tree: a parent of -1", changed(tree, *paths[4], "parents", 0, to=-1)
    yield "tree: a payoff of 1", changed(tree, "game", "payoffs", 0, 0, to=1)
    yield "tree: a mover of 3", changed(tree, "game", "tree", "movers", 0, to=3)
    yield "tree: another bound", changed(tree, "evidence", "couplings", 0, to="guess")
    yield "tree: a float in the centre", changed(tree, *paths[6], "center", 0, 0, to=ONE)
    yield "tree: a zero in the centre", changed(tree, *paths[6], "center", 0, -1, to=0)


def structural_zeros():
    """The same of files about zeros."""
    zero, kkt = REAL["valid_zero.json"], REAL["valid_zero_equilibrium.json"]
    leader = REAL["valid_zero_stackelberg.json"]
    for section in ("game", "claims", "evidence"):
        yield f"zero: no {section}", without(zero, section)
        if section != "game":
            yield f"zero: unknown field in {section}", extra(zero, section)
            for key in zero[section]:
                yield f"zero: no {section}.{key}", without(zero, section, key)
    for key in ("hash", "players", "system", "graph"):
        yield f"zero: no game.{key}", without(zero, "game", key)
    system, cells = ("game", "system"), ("evidence", "cells", 0)
    yield "zero: an unknown system", changed(zero, *system, "kind", to="riddle")
    yield "zero: a matrix of no size", changed(zero, *system, "matrices", 0, to=0)
    for path in ((*system, "constraints", 0), (*system, "fixed", 0), cells[:2], (*cells, "forms")):
        yield f"zero: an empty {path}", changed(kkt, *path, to={})
    yield "zero: a role", changed(kkt, *system, "constraints", 0, "role", to="riddle")
    yield "zero: a bound", changed(kkt, *system, "fixed", 0, "at", to="middle")
    yield "zero: no sets", without(kkt, "game", "sets")
    yield "zero: sets of equations", changed(zero, "game", "sets", to=[{"kind": "euclidean"}])
    yield "zero: a simplex", changed(kkt, "game", "sets", 0, to={"kind": "simplex", "groups": [1]})
    yield "zero: forms beside cells", changed(kkt, "evidence", "forms", to=[])
    yield "zero: a region without cells", changed(kkt, "evidence", "cells", to=None)
    yield "zero: cells without a region", without(kkt, "claims", "region")
    yield "zero: a weight without rows", without(leader, "evidence", "forms", 1, "rows")
    yield "zero: rows without a weight", without(leader, "evidence", "forms", 1, "weight")
    yield "zero: a matrix without a remainder", without(zero, "evidence", "jacobian", "remainder")
    yield "zero: generators", extra(zero, "evidence", "jacobian")
    yield "zero: a coarse unit", changed(zero, "evidence", "unit", to=1001)
    yield "zero: a fine unit", changed(zero, "evidence", "inverse", "unit", to=-1201)


def structural_refutations():
    """The same of refutations."""
    plain = REAL["valid_refutation.json"]
    for section in ("game", "region", "claims", "evidence"):
        yield f"refutation: no {section}", without(plain, section)
    for section in ("region", "claims", "evidence"):
        yield f"refutation: unknown field in {section}", extra(plain, section)
        for key in plain[section]:
            yield f"refutation: no {section}.{key}", without(plain, section, key)
    yield "refutation: no players", changed(plain, "game", "players", to=[])
    yield "refutation: a field", changed(plain, "game", "field", to="F")
    yield "refutation: a player of text", changed(plain, "claims", "player", to="a")
    yield "refutation: a third player", changed(plain, "claims", "player", to=2)
    yield "refutation: everywhere", changed(plain, "region", to={"kind": "everywhere"})
    yield "refutation: a coarse unit", changed(plain, "evidence", "unit", to=1001)
    yield "refutation: generators", extra(plain, "evidence", "hessian")


def structural_instabilities():
    """The same of equilibria that repel."""
    plain, flow = REAL["valid_instability.json"], REAL["valid_instability_flow.json"]
    for section in ("game", "claims", "evidence"):
        yield f"instability: no {section}", without(plain, section)
    for path in (("claims",), ("evidence",), ("claims", "equilibrium"), ("claims", "method")):
        yield f"instability: unknown field in {path}", extra(plain, *path)
        for key in at(plain, path)[1]:
            yield f"instability: no {path}.{key}", without(plain, *path, key)
    for key in ("hash", "players", "system", "graph"):
        yield f"instability: no game.{key}", without(plain, "game", key)
    for key in plain["evidence"]["equilibrium"]:
        yield f"instability: no {key}", without(plain, "evidence", "equilibrium", key)
    method = ("claims", "method")
    yield "instability: an unknown method", changed(plain, *method, "name", to="newton")
    yield "instability: a flow with steps", changed(plain, *method, "name", to="flow")
    yield "instability: a flow with a step", extra(flow, *method)
    yield "instability: no momentum", changed(plain, *method, "momentum", to=[])
    yield "instability: momentum to spare", changed(plain, *method, "name", to="heun")
    yield "instability: a step of zero", changed(plain, *method, "steps", 0, to=ZERO)
    yield "instability: conditions", changed(plain, "game", "system", "conditions", to=1)
    yield "instability: matrices", changed(plain, "game", "system", "matrices", to=[1])
    yield "instability: sets", changed(plain, "game", "sets", to=[{"kind": "euclidean"}] * 2)
    yield "instability: forms", changed(plain, "evidence", "equilibrium", "forms", to=[{}])
    yield from structural_expansions()
    yield "instability: a direction of text", changed(plain, "claims", "direction", 0, to=ONE)


def structural_expansions():
    """The same of regions that runs leave."""
    plain, flow = REAL["valid_expansion.json"], REAL["valid_expansion_flow.json"]
    for path in (("claims",), ("evidence",), ("claims", "metric"), ("claims", "method")):
        yield f"expansion: unknown field in {path}", extra(plain, *path)
        for key in at(plain, path)[1]:
            yield f"expansion: no {path}.{key}", without(plain, *path, key)
    yield "expansion: an extragradient", changed(plain, "claims", "method", "name", to="heun")
    yield "expansion: a flow with a reference", changed(flow, "evidence", "reference", to=[0] * 4)
    yield "expansion: a cut without a place", without(plain, "evidence", "cells", 0, "at")
    yield "expansion: a cell that is none", changed(plain, "evidence", "cells", 1, to={})
    yield "expansion: generators", extra(flow, "evidence", "cells", 0, "jacobian")
    yield "expansion: no cells", changed(flow, "evidence", "cells", to=None)


MUTANTS = dict(structural())


@pytest.mark.parametrize("name", MUTANTS)
def test_what_the_reader_refuses_does_not_fit(name):
    data = MUTANTS[name]
    with pytest.raises(Unusable):
        check_data(parse(json.dumps(sealed(data))))
    assert not fits(data)


@pytest.mark.full
@given(st.sampled_from(sorted(REAL)), st.randoms(use_true_random=False))
@example("valid_modes.json.gz", None)
@settings(max_examples=300, deadline=None)
def test_what_the_checker_accepts_fits(name, random):
    data = REAL[name] if random is None else edited(REAL[name], random)
    try:
        data = parse(json.dumps(sealed(data)))
        accepted = check_data(data).ok
    except Unusable:
        return
    assert fits(data) or not accepted


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(0.0)
@example(-0.0)
@example(5e-324)
@example(2.0**-1022)
@example(1.7976931348623157e308)
def test_every_float_fits(x):
    pattern = Draft202012Validator({"$ref": "#/$defs/real", "$defs": schema_parts()})
    assert pattern.is_valid(x.hex())
    assert Reader(x.hex()).number() == Fraction(x)
    positive = Draft202012Validator({"$ref": "#/$defs/positive", "$defs": schema_parts()})
    assert positive.is_valid(x.hex()) == (x > 0)


def schema_parts():
    return certify.schema("convergence")["$defs"]


def test_limits_and_names_are_those_of_the_checker():
    whole, parts = certify.schema(), schema_parts()
    assert str(reader.MAX_BYTES) in whole["description"]
    assert str(reader.MAX_BITS) in whole["description"]
    nodes_of_cells = parts["cells"]["properties"]["cells"]
    assert nodes_of_cells["maxItems"] == reader.MAX_ITEMS
    assert parts["vector"]["maxItems"] == MAX_DIMENSION
    assert parts["terms"]["properties"]["terms"]["maxItems"] == reader.MAX_ITEMS
    assert parts["generators"]["maxItems"] == MAX_GENERATORS
    nodes = parts["graph"]["properties"]["nodes"]
    assert nodes["maxItems"] == graph.MAX_NODES
    named = [shape["prefixItems"][0] for shape in nodes["items"]["anyOf"]]
    operations = [name for first in named for name in first.get("enum", [first.get("const")])]
    assert sorted(operations) == sorted([*graph.OPERANDS, *arrays.ARRAYS])
    known = whole["properties"]["claims"]["properties"]["steps"]["items"]["anyOf"]
    rules = [parts[entry["$ref"].split("/")[-1]]["properties"] for entry in known]
    pairs = [(rule["method"]["const"], rule["theorem"]["const"]) for rule in rules]
    assert sorted(pairs) == sorted(steps.STEP_RULES)
    assert {m for m, t in pairs if t == "performance"} == set(schemes.SCHEMES)
    methods = certify.schema("instability")["$defs"]["method"]["anyOf"][1:]
    counts = {
        name: entry["properties"]["momentum"]["maxItems"]
        for entry in methods
        for name in entry["properties"]["name"].get("enum")
    }
    assert counts == {
        name: schemes.MOMENTA.get(name, 0) for name in ("alternating", *schemes.LINEAR_STEPS)
    }


@pytest.mark.parametrize(
    ("limits", "row"),
    [
        ((arrays.MAX_SIZE, graph.MAX_ENTRIES, graph.MAX_TERMS), "entries of an array"),
        ((metric.MAX_ROWS, outer_products.MAX_FULL), "rows of a metric"),
        ((cells.MAX_DEPTH, cells.MAX_ENDS), "cuts within cuts"),
        ((exact.MAX_WORK,), "products of exact numbers"),
        ((sparse.MAX_ENTRIES,), "entries of a sparse matrix"),
        ((forms.MAX_WORK, ridges.MAX_RANGES), "at level 2, terms"),
    ],
)
def test_the_page_has_the_limits_of_the_checker(limits, row):
    page = (Path(__file__).parents[3] / "docs" / "certificate-format.md").read_text("utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {row}"))
    stated = line.split("|")[2].replace(",", "").replace(";", "").split()
    found = [base**exponent for base, exponent in map(_power, stated)]
    assert found == list(limits)


def _power(number):
    """Reads `2^31`, or a plain number."""
    base, _, exponent = number.partition("^")
    return int(base), int(exponent or 1)


def test_made_by_hand_fits():
    assert fits(quadratic([2, 1])) and fits(contraction(2))

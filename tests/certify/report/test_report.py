"""The page about a certificate: true, escaped, self-contained, and readable in a browser."""

import copy
import io
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import certify
import dgames as dg
from certify.checker import Verdict
from certify.checker.graph import read_graph
from certify.checker.reader import Reader, digest
from certify.claims import checked
from certify.claims.checked import Checked
from certify.claims.interior import inside
from certify.claims.kinds import of_contents
from certify.command.tables import certificate_table
from certify.file.save import to_text
from certify.graph.trace import graph_data
from certify.problem.field import flat_field
from certify.report import figures, page, report
from certify.report import markup as words
from certify.report import pieces as cells
from certify.report.projections import projection
from certify.report.run import _natural, pseudo_gradient, simulate
from certify.report.sketch import sketch
from certify.report.svg import Axis, labelled
from tests.certify.checker.quadratic import quadratic

pytestmark = pytest.mark.thin(3)

CORPUS = Path(__file__).parents[1] / "checker" / "corpus"
MOST = (1.7e308).hex()
VOID = {"meta", "link", "br"}
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\u202e&\"'"


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in turn."""

    def __init__(self, source):
        super().__init__()
        self.source, self.open, self.elements, self.numbers = source, [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "data":
            self.numbers.append((data, float.fromhex(self.elements[-1][1]["value"])))

    def drawings(self):
        return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", self.source, re.DOTALL)]

    def titles(self):
        return {drawing.get("aria-label") for drawing in self.drawings()}


def renewed(data):
    return {**data, "digest": digest(data)}


@pytest.fixture(params=["linear", "oligopoly", "shear", "whole"])
def certificate(request):
    """With weights and with a matrix, of two and more players, one cell and many."""
    name = request.param if request.param == "whole" else f"{request.param}_certificate"
    return request.getfixturevalue(name)


@pytest.mark.full
def test_page_is_well_formed_and_loads_nothing(certificate):
    found = Page(report(certificate))
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"script", "iframe", "img", "object", "embed", "base", "form"}
    assert "http:" not in found.source and "https:" not in found.source
    assert "url(" not in found.source and "@import" not in found.source
    references = [a[k] for _, a in found.elements for k in ("src", "href", "xlink:href") if k in a]
    assert references == ["data:,"]
    assert not [a for _, attrs in found.elements for a in attrs if a.startswith("on")]
    drawings = found.drawings()
    assert len(drawings) == [tag for tag, _ in found.elements].count("svg") >= 4
    for drawing in drawings:
        assert drawing.get("role") == "img" and drawing.findtext("title")
        assert drawing.get("aria-label") == drawing.findtext("title")
    assert "nan" not in " ".join(re.findall(r'points="[^"]*"', found.source))


def test_numbers_are_those_of_the_file(certificate):
    found = Page(report(certificate))
    for shown, exact in found.numbers:
        # Two digits, rounded up, are a tenth more at most.
        assert math.isclose(float(shown), exact, rel_tol=0.1), shown
    quoted = {exact for _, exact in found.numbers}
    gain = certificate.small_gain
    expected = {
        certificate.margin,
        certificate.lipschitz,
        certificate.equilibrium.radius,
        certificate.basin.radius,
        gain.margin,
        *gain.curvature.values(),
        *gain.smoothness.values(),
        *(x for s in certificate.step_sizes.values() for x in (s.max, s.best, s.rate, s.basin)),
    }
    if certificate.claims.weights is not None:
        expected |= set(certificate.weights.values())
    assert expected <= quoted
    assert certificate.data["digest"] in found.source
    for sentence in certificate.data["trusted"]:
        assert words.text(sentence, 2000) in found.source


def test_bounds_are_rounded_to_the_safe_side(certificate):
    (formula,) = re.findall(r'<div class="formula">.*?</div></div>', report(certificate))
    margin, lipschitz, radius = re.findall(r"<data [^>]*>([^<]*)</data>", formula)
    assert Decimal(margin) <= Decimal(certificate.margin)
    assert Decimal(lipschitz) >= Decimal(certificate.lipschitz)
    assert Decimal(radius) >= Decimal(certificate.equilibrium.radius)


@pytest.mark.parametrize(
    "value", [0.1, 1 / 3, 2.0, 1e-300, 5e-324, 1.7e308, 123456789.0, -0.7, 0.0]
)
def test_rounding(value):
    def number(markup):
        return Decimal(re.sub("<[^>]*>", "", markup))

    assert number(words.lower(value)) <= Decimal(value) <= number(words.upper(value))
    assert abs(number(words.near(value)) - Decimal(value)) <= abs(Decimal(value)) / 10**5


def test_equilibrium_is_in_the_intervals_shown(linear_certificate):
    source = report(linear_certificate)
    shown = re.findall(r"\[<data [^>]*>(\S+)</data>, <data [^>]*>(\S+)</data>\]", source)
    (low, high), (below, above) = shown[:2]
    assert Decimal(low) <= Decimal("-13.4") <= Decimal(high)
    assert Decimal(below) <= Decimal("1.37") <= Decimal(above)


def hostile(certificate):
    """The same certificate with names that are code, newly signed."""
    data = copy.deepcopy(certificate.data)
    data["game"]["name"] = HOSTILE
    data["game"]["players"][0]["name"] = HOSTILE
    items = data["game"]["structure"]["items"]
    first = data["game"]["players"][0]
    data["game"]["structure"] = {
        "kind": "dict",
        "items": {HOSTILE if i == 0 else k: v for i, (k, v) in enumerate(items.items())},
    }
    assert first["name"] == HOSTILE
    data["trusted"] = [HOSTILE, "\ud800" + HOSTILE * 1000]
    data["provenance"] = {HOSTILE: HOSTILE, "list": [HOSTILE] * 1000}
    return renewed(data)


def test_hostile_text_is_plain_text(linear_certificate):
    data = hostile(linear_certificate)
    found = Page(page(of_contents(Checked(data))))
    usual = Page(report(linear_certificate))
    assert {tag for tag, _ in found.elements} == {tag for tag, _ in usual.elements}
    assert "<script" not in found.source and "<img" not in found.source
    assert "&lt;script&gt;" in found.source
    assert "\u202e" not in found.source
    assert found.drawings()
    found.source.encode()
    assert len(found.source) < 2 * len(usual.source)


@pytest.mark.parametrize("field", ["trusted", "provenance", "game.name", "game.hash", "promoted"])
def test_fields_that_the_checker_ignores_may_be_anything(
    linear_certificate, field, tmp_path, command
):
    data = copy.deepcopy(linear_certificate.data)
    *path, last = field.split(".")
    place = data["game"] if path else data
    place[last] = {"a": [1, {"b": None}]}
    file, target = tmp_path / "c.json", tmp_path / "c.html"
    file.write_text(json.dumps(renewed(data)))
    status, _, err = command("report", file)
    assert status == (0 if field == "provenance" else 2), err
    assert target.exists() == (field == "provenance")


def test_runs_stay_below_what_is_proved(certificate):
    run = simulate(certificate)
    assert not isinstance(run, str)
    assert run.stays_below
    assert (run.distances[:, 1:] <= 1.000001 * run.envelope[1:] + 1e-13).all()
    step = certificate.step_sizes[run.method]
    assert step.rate == min(s.rate for s in certificate.step_sizes.values())
    np.testing.assert_allclose(run.distances[:, 0], step.basin, rtol=1e-8)
    assert run.distances[:, -1].max() < 0.1 * step.basin
    assert "stay below it" in report(certificate)


@pytest.mark.parametrize(
    "method",
    [dg.Simultaneous, dg.Alternating, dg.Extragradient, dg.Optimistic, dg.Heun, dg.SSPRK3],
)
def test_runs_are_those_of_the_methods(linear_game, method):
    region = certify.Box.around({"fast": -13.4, "slow": 1.37}, 1.0)
    certificate = certify.certify(linear_game, region, methods=[method])
    run = simulate(certificate)
    assert not isinstance(run, str) and run.stays_below
    # Against dgames itself, in the norm of the metric, for the methods measured in it.
    step = certificate.step_sizes[dg.method_name(method)]
    if step.norm != "sqrt(sum_i weights_i |x_i|^2)":
        return
    center = np.array([-13.4, 1.37])
    places = np.array([1.0, 2.0])
    direction = np.cos(places * 0.4)
    metric = certificate.metric
    start = center + step.basin * direction / np.sqrt(direction @ metric @ direction)
    x = {"fast": jnp.asarray(start[0]), "slow": jnp.asarray(start[1])}
    done = dg.solve(linear_game, certificate.safe_method(method), x, max_steps=5, tol=0.0)
    gap = np.array([float(done.strategy["fast"]), float(done.strategy["slow"])]) - center
    expected = np.sqrt(gap @ metric @ gap)
    np.testing.assert_allclose(run.distances[0, 5], expected, rtol=1e-5)


def test_gradients_are_those_of_jax(oligopoly_certificate, oligopoly):
    game = oligopoly_certificate.data["game"]
    sizes = [player["size"] for player in game["players"]]
    field = pseudo_gradient(read_graph(Reader(game)["graph"], 5, 5), sizes)
    x = np.array([30.0, 40.0, 41.0, 42.0, 43.0])
    expected = dg.pseudo_gradient(oligopoly)(tuple(map(jnp.asarray, x)))
    np.testing.assert_allclose(field(x), np.array(expected), rtol=1e-12)


def test_without_costs_there_is_no_run(linear_certificate):
    data = copy.deepcopy(linear_certificate.data)
    del data["game"]["graph"]
    data = renewed(data)
    source = page(of_contents(Checked(data)))
    assert "The file does not spell out the costs" in source
    assert "A learning run inside the proved envelope" not in Page(source).titles()


@pytest.mark.full
def test_strategy_sets_project_the_run():
    def costs(x, args=None):
        total = x[0] + x[1]
        return (x[0] * (total - 5.0), x[1] * (total - 2.0))

    game = dg.game(costs, dg.Box(0.0, jnp.inf))
    certificate = certify.certify(
        game, certify.Box((0.0, 0.0), (4.0, 4.0)), [dg.Simultaneous, dg.Extragradient]
    )
    run = simulate(certificate)
    assert not isinstance(run, str) and run.stays_below
    source = report(certificate)
    assert "variational inequality" in source and "stationary" not in source
    assert re.search("box from <data[^>]*>0</data> to ∞", source)
    assert "A learning run inside the proved envelope" in Page(source).titles()


@pytest.mark.parametrize("kind", ["box", "ball", "simplex", "euclidean"])
def test_projections_are_those_of_dgames(kind, key):
    x = np.array([1.7, -0.3, 0.4, 2.0])
    half = (0.5).hex()
    own, other = {
        "box": ({"kind": kind, "lower": [half] * 4, "upper": ["inf"] * 4}, dg.Box(0.5, jnp.inf)),
        "ball": ({"kind": kind, "center": [half] * 4, "radius": half}, dg.Ball(0.5, 0.5)),
        "simplex": ({"kind": kind, "groups": [4]}, dg.Simplex()),
        "euclidean": ({"kind": kind}, dg.Euclidean()),
    }[kind]
    expected = np.asarray(other.project(jnp.asarray(x)))
    np.testing.assert_allclose(projection([own], [4])(x), expected, atol=1e-15)


def test_margin_against_ratio_meets_the_band_and_the_best_weights():
    gain = certify.small_gain([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
    coupling = np.array([[0.0, 10.0], [0.05, 0.0]])
    assert math.isclose(
        figures.margin_of_ratio([1.0, 1.0], coupling, 200.0), gain.margin, rel_tol=1e-6
    )
    for end in certify.timescale_band([1.0, 1.0], coupling):
        assert abs(figures.margin_of_ratio([1.0, 1.0], coupling, end)) < 1e-9


def test_cells_cover_the_region(whole):
    low, high = whole.region.bounds()
    nodes = cells.tree(whole.data["evidence"]["cells"], np.asarray(low), np.asarray(high))
    leaves = [cell for cell in nodes if cell.is_leaf]
    assert len(leaves) == whole.cells > 100
    volumes = [float(np.prod(cell.upper - cell.lower)) for cell in leaves]
    assert math.isclose(sum(volumes), float(np.prod(high - low)))
    found = cells.measures(leaves, whole.data["evidence"]["unit"], whole.metric)
    assert found is not None
    # The matrix in the middle of a cell has at least the proved margin, as all others in it.
    assert min(m.modulus for m in found) >= whole.margin
    assert all(m.variation >= 0 and m.remainder >= 0 for m in found)


def test_few_cells_are_drawn_of_many(whole, monkeypatch):
    low, high = whole.region.bounds()
    nodes = cells.tree(whole.data["evidence"]["cells"], np.asarray(low), np.asarray(high))
    monkeypatch.setattr(cells, "MOST_DRAWN", 50)
    shown, all_of_them = cells.drawable(nodes)
    assert not all_of_them and 10 < len(shown) <= 50
    volumes = [float(np.prod(cell.upper - cell.lower)) for cell in shown]
    assert math.isclose(sum(volumes), float(np.prod(high - low)))
    assert "or groups of them are drawn" in report(whole)


def test_extreme_numbers_leave_out_figures_and_nothing_else():
    def raising():
        raise OverflowError("too large")

    assert "left out" in sketch(raising)
    coupling = np.array([[0.0, 1e308], [5e-324, 0.0]])
    for curvature in ([1e308, 1e308], [5e-324, 1e-300], [-1.0, 1.0]):
        drawn = sketch(
            lambda c=curvature: figures.margin_against_ratio(c, coupling, None, None, ["a", "b"])
        )
        assert "<figure>" in drawn or "left out" in drawn
    assert words.upper(math.inf) == "∞" and words.lower(-math.inf) == "−∞"


def test_all_trusted_sentences_are_accounted_for(linear_certificate):
    data = renewed({**linear_certificate.data, "trusted": [f"axiom {k}." for k in range(70)]})
    source = page(of_contents(Checked(data)))
    assert "axiom 59." in source and "and 10 more in the file" in source


def test_exit_statuses(command, linear_certificate, tmp_path):
    file, target = tmp_path / "linear.json", tmp_path / "page.html"
    linear_certificate.save(file)
    status, out, _ = command("report", file, "-o", target)
    assert (status, out.strip()) == (0, f"written to {target}")
    Page(target.read_text(encoding="utf-8"))

    wrong = copy.deepcopy(linear_certificate.data)
    wrong["claims"]["margin"] = (0.5).hex()
    bad, none = tmp_path / "bad.json", tmp_path / "none.html"
    bad.write_text(to_text(renewed(wrong)))
    status, out, _ = command("report", bad, "-o", none)
    assert (status, out[:9]) == (1, "rejected:") and not none.exists()
    with pytest.raises(ValueError, match="the checker rejects"):
        report(bad)

    bad.write_text("{")
    assert command("report", bad, "-o", none)[0] == 2 and not none.exists()
    assert command("report", file, "-o", tmp_path / "no" / "page.html")[0] == 2
    status, _, err = command("report", file, "-o", file)
    assert status == 2 and "would replace" in err
    assert command("check", file)[0] == 0


def test_level_two_says_what_was_rederived(command, linear_certificate, tmp_path):
    pytest.importorskip("flint")
    file = tmp_path / "linear.json"
    linear_certificate.save(file)
    assert command("report", file, "--level", 2)[0] == 0
    source = (tmp_path / "linear.html").read_text(encoding="utf-8")
    assert "level 2" in source and "Re-derived from the costs in the file" in source


def test_what_is_not_proved_has_no_page():
    with pytest.raises(ValueError, match="undecided"):
        report(certify.Convergence("undecided", ("no margin",)))


def test_name_in_the_package():
    assert certify.report_page is report


def test_promotions_are_told(linear_certificate):
    data = renewed({**linear_certificate.data, "promoted": ["the region was in float32"]})
    assert "the region was in float32" in page(of_contents(Checked(data)))


@pytest.mark.full
def test_single_steps_have_a_shorter_page(linear_game, tmp_path, command):
    region = certify.Box.around({"fast": -13.4, "slow": 1.37}, 1.0)
    found = certify.contraction(linear_game, dg.Optimistic(0.1), region)
    file = tmp_path / "step.json"
    found.save(file)
    assert command("report", file)[0] == 0
    shown = Page((tmp_path / "step.html").read_text(encoding="utf-8"))
    quoted = {exact for _, exact in shown.numbers}
    assert {found.rate, found.radius} <= quoted
    assert shown.titles() == ({"Sizes of the cells"} if found.cells > 1 else set())
    assert "taken as given" in shown.source
    assert command("report", file, "--level", 2)[0] == 2


BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
MEASURE = """<script>
const shown = [...document.querySelectorAll("main *")].filter(e => !e.closest("thead, svg"));
const worst = shown.map(e => e.getBoundingClientRect().right).reduce((a, b) => Math.max(a, b), 0);
const root = document.documentElement;
parent.postMessage([innerWidth, root.scrollWidth, Math.ceil(worst)].join(" "), "*");
</script>"""
# Frames of the widths of a telephone, a tablet, and two windows on a desk.
WIDTHS = (390, 700, 1000, 1200)
FRAMES = """<!DOCTYPE html><body><script>
addEventListener("message", e => { document.body.append("[" + e.data + "]"); });
</script>""" + "".join(
    f'<iframe src="page.html" style="width:{width}px;height:500px;border:0"></iframe>'
    for width in WIDTHS
)


def browse(folder, *options):
    """Runs the browser without a window, in a profile of its own: its output and its log."""
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on the path")
@pytest.mark.parametrize("name", ["oligopoly", "hostile", "long names"])
def test_in_a_browser(request, name, tmp_path):
    """Nothing is wider than the screen, whatever its size; no complaint stands on the console."""
    if name == "oligopoly":
        source = report(request.getfixturevalue("oligopoly_certificate"))
    else:
        of_file = hostile(request.getfixturevalue("linear_certificate"))
        data = of_file if name == "hostile" else odd("long names")
        source = page(of_contents(Checked(data)))
    file = tmp_path / "page.html"
    file.write_text(source, encoding="utf-8")
    dom, log = browse(tmp_path, "--window-size=390,2400", "--dump-dom", file.as_uri())
    assert "What is proved" in dom and "CONSOLE" not in log

    # The page forbids scripts, so that measuring it takes a copy that does not.
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    assert len(policy.findall(source)) == 1
    file.write_text(policy.sub("", source).replace("</body>", MEASURE + "</body>"))
    frames = tmp_path / "frames.html"
    frames.write_text(FRAMES)
    dom, log = browse(tmp_path, "--window-size=1400,3000", "--dump-dom", frames.as_uri())
    found = [tuple(map(int, sizes.split())) for sizes in re.findall(r"\[(\d+ \d+ \d+)\]", dom)]
    assert sorted(width for width, _, _ in found) == list(WIDTHS)
    assert [sizes for sizes in found if max(sizes[1:]) > sizes[0]] == []
    assert "CONSOLE" not in log


# Odd files that the checker accepts


def odd(name):
    """A certificate by hand with something in it that is rare."""
    data = quadratic([2, 1])
    claims, players = data["claims"], data["game"]["players"]
    if name == "one player":
        data = quadratic([3])
    elif name == "no name":
        data["game"]["name"] = ""
    elif name == "function":
        data["game"]["name"] = "_FunctionGame"
    elif name == "negative zero":
        claims["equilibrium"]["center"] = ["-0x0.0p+0"] * 3
        claims["equilibrium"]["radius"] = (2.0**-30).hex()
    elif name == "huge box":
        data["region"] = {"kind": "box", "lower": [(-1e300).hex()] * 3, "upper": [MOST] * 3}
    elif name == "huge ball":
        data["region"] = {"kind": "ball", "center": ["-0x0.0p+0"] * 3, "radius": (1e308).hex()}
    elif name == "huge basin":
        data["region"] = {"kind": "box", "lower": [(-1e300).hex()] * 3, "upper": [MOST] * 3}
        claims["basin"]["radius"] = (1e299).hex()
    elif name == "weights far apart":
        claims["weights"] = [(2.0**-1000).hex(), (2.0**500).hex()]
        claims["basin"]["radius"] = (2.0**-900).hex()
        claims["equilibrium"]["radius"] = (2.0**-800).hex()
    elif name == "provenance":
        data["provenance"] = {"a\x1b": {"b": [1] * 2000}, "metric": [], "": ""}
        data["trusted"] = ["x" * 100_000, ""]
    elif name in ("unicode names", "long names"):
        names = ["Ålesund ✨ 漢字", "x\u202e\x1b[2J\nb"]
        if name == "long names":
            names = ["n" * 5000, "[bold]<b>&" + "漢" * 500]
        for player, own in zip(players, names, strict=True):
            player["name"] = own
        items = data["game"]["structure"]["items"]
        pairs = [list(pair) for pair in zip(names, items, strict=True)]
        data["game"]["structure"] = {"kind": "players", "items": pairs}
    return renewed(data)


ODD = [
    "one player",
    "no name",
    "function",
    "negative zero",
    "huge box",
    "huge ball",
    "huge basin",
    "weights far apart",
    "provenance",
    "unicode names",
    "long names",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_shown(name, command, tmp_path):
    file, target = tmp_path / "odd.json", tmp_path / "odd.html"
    file.write_text(json.dumps(odd(name)))
    assert command("check", file)[0] == 0
    status, out, err = command("show", file)
    assert (status, err) == (0, "")
    assert "\x1b" not in out and "\u202e" not in out and "_Function" not in out
    assert len(out) < 6000 and not re.search(r"-0\b(?!\.)|\bnan\b", out)
    status, out, err = command("report", file)
    assert (status, err) == (0, ""), out
    found = Page(target.read_text(encoding="utf-8"))
    assert "_Function" not in found.source and len(found.source) < 60_000
    assert not re.search(r">-0<|>nan<|>inf<", found.source)
    if name in ("no name", "function"):
        assert "<title>Certificate of a game</title>" in found.source
    if name == "unicode names":
        assert "Ålesund ✨ 漢字" in found.source


@pytest.mark.parametrize("sizes", [[1] * 120, [500]], ids=["players", "coordinates"])
def test_many_players_or_coordinates(sizes, monkeypatch):
    """Without the check, which takes a minute for so many."""
    monkeypatch.setattr(checked, "check_data", lambda *_, **__: Verdict(True, (), 0.0))
    certificate = of_contents(Checked(quadratic(sizes)))
    shown = text_of(certificate_table(certificate))
    assert len(shown) < 8000
    assert ("first 60 of 120 players" in shown) == (len(sizes) == 120)
    found = Page(page(certificate))
    assert len(found.source) < 200_000 and str(max(len(sizes), sizes[0])) in found.source


def text_of(table):
    output = io.StringIO()
    Console(width=100, file=output).print(table)
    return " ".join(output.getvalue().split())


# The one of stacks describes more players than anything is built for.
VALID = sorted(path.name for path in CORPUS.glob("valid_*") if "stacks" not in path.name)


@pytest.mark.parametrize("name", VALID)
def test_every_kind_of_file_has_a_table_and_a_page(name, command, tmp_path):
    file, target = CORPUS / name, tmp_path / "page.html"
    status, out, err = command("show", file)
    assert (status, err) == (0, "")
    sets = name.startswith("valid_sets")
    plain = " ".join(out.split())
    others = ("contraction", "policies", "zero", "stackelberg", "feedback", "mean_square")
    others += ("refutation", "instability", "expansion", "monotone", "neural", "count")
    others += ("tree",)
    if not name.startswith(tuple(f"valid_{kind}" for kind in others)):
        assert ("stationary" in plain) == (not sets)
        assert ("variational inequality" in plain) == sets
    bounds = {"box": "box from 0 to inf", "ball": "ball of radius 1", "simplex": "probability"}
    if sets:
        kind = name.removeprefix("valid_sets_").removesuffix(".json")
        assert bounds[kind] in plain and "every start in the strategy sets" in plain
    assert command("report", file, "-o", target)[0] == 0
    source = target.read_text(encoding="utf-8")
    Page(source)
    if sets:
        assert "stationary" not in source and "the projected flow" in source


HALF = {"kind": "box", "lower": [(0.0).hex(), "-inf"], "upper": ["inf", "inf"]}
DISC = {"kind": "ball", "center": [(0.0).hex()] * 2, "radius": (5.0).hex()}


@pytest.mark.parametrize(
    ("own", "low", "high", "expected"),
    [
        ({"kind": "euclidean"}, [-1e300, -1e300], [1e300, 1e300], True),
        (HALF, [0, 0], [1, 1], False),
        (HALF, [5e-324, -1e300], [1, 1], True),
        (DISC, [-3, 0], [0, 4], False),
        (DISC, [-3, 0], [0, 3.999], True),
        ({"kind": "simplex", "groups": [2]}, [0.4, 0.4], [0.6, 0.6], False),
    ],
)
def test_interiors_of_strategy_sets(own, low, high, expected):
    data = {"game": {"players": [{"name": "a", "size": 2}], "sets": [own]}}
    assert inside(data, np.array(low, float), np.array(high, float)) == expected


def test_an_equilibrium_that_feels_no_strategy_set_is_a_stationary_point(oligopoly_certificate):
    """The firms' outputs are not negative, and far from zero: the region is inside of the sets."""
    assert "sets" in oligopoly_certificate.data["game"]
    shown = text_of(certificate_table(oligopoly_certificate))
    assert "exactly one stationary point, a Nash equilibrium" in shown
    assert "box from 0 to inf" in shown and "every start within" in shown
    source = report(oligopoly_certificate)
    assert "exactly one stationary point x*" in source and "the flow x′ = −F(x)" in source


@pytest.mark.full
def test_all_policies_have_a_table_and_a_page(command, tmp_path):
    """Natural gradients on `certify.Policies`, and files of `certify_policies`."""
    game = dg.Regularised(dg.games.MatrixGame.matching_pennies(), 1.0)
    region = certify.Policies((jnp.zeros(1), jnp.zeros(1)))
    natural = certify.certify(
        dg.NaturalGradient(game), region, (dg.Simultaneous,), search=certify.Search(tightness=0.5)
    )
    files = {"natural": natural, "policies": certify.certify_policies(game)}
    for name, certificate in files.items():
        file = certificate.save(tmp_path / f"{name}.json")
        assert command("check", file, "--level", 2)[0] == 0
        status, out, _ = command("show", file)
        assert status == 0 and "all po" in " ".join(out.split())
        assert command("report", file)[0] == 0
        Page((tmp_path / f"{name}.html").read_text(encoding="utf-8"))
    source = (tmp_path / "natural.html").read_text(encoding="utf-8")
    assert "all policies with positive probabilities of 2, 2 actions" in source
    assert "probability, player 0" in source and "the curve" not in source
    run = simulate(natural)
    assert not isinstance(run, str) and run.stays_below


def test_natural_gradients_of_a_page_are_those_of_dgames(key):
    payoffs = jax.random.normal(key, (2, 3, 4))
    game = dg.Regularised(dg.games.MatrixGame(*payoffs), 0.7)
    region = certify.Policies((jnp.zeros(2), jnp.zeros(3)))
    field = dg.NaturalGradient(game)
    natural = {"temperature": (0.7).hex(), "reference": [(0.0).hex()] * 5}
    data = {"game": {"natural": natural}, "region": {"groups": [2, 3]}}
    _, found = _natural(data, Reader(graph_data(flat_field(field, region))), [2, 3])
    x = jnp.array([0.3, -1.0, 0.2, 2.0, -0.5])
    expected = field((x[:2], x[2:]))
    np.testing.assert_allclose(found(np.asarray(x)), np.concatenate(expected), rtol=1e-12)


# Figures


def test_ticks_that_count_are_whole_numbers():
    for low, high in [(0.0, 0.7), (0.5, 1.5), (-0.5, 2.5), (0.0, 11.3), (0.0, 1e6)]:
        for tick in Axis(low, high, "", whole=True).ticks():
            assert tick == round(tick) and low <= tick <= high
    assert Axis(3.5, 4.5, "", whole=True).ticks() == [4.0]
    assert Axis(0.0, 1.05, "", whole=True).ticks() == [0.0, 1.0]


def test_labels_of_ticks_differ():
    for ticks in ([1e9 + 1, 1e9 + 2], [1.00000001, 1.00000002], [0.0, 1.0], [-0.0, 1e-300]):
        assert len({label for _, label in labelled(ticks)}) == len(ticks)
    for low, high in [(0.0, 0.0), (0.0, math.inf), (math.nan, 1.0)]:
        with pytest.raises(ValueError, match="cannot be drawn"):
            Axis(low, high, "").ticks()


@pytest.mark.full
def test_colours_have_a_bar(whole, oligopoly_certificate):
    titles = {
        drawing.get("aria-label"): "".join(drawing.itertext())
        for certificate in (whole, oligopoly_certificate)
        for drawing in Page(report(certificate)).drawings()
    }
    assert "room for the margin" in titles["The cells of the proof"]
    assert "coupling Lᵢⱼ / curvature μᵢ" in titles["Couplings between the players"]
    counts = re.findall(r"[\d.]+", titles["Sizes of the cells"].split("cells", 1)[0])
    assert all("." not in count for count in counts)

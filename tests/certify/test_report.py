"""The page about a certificate: true, escaped, self-contained, and readable in a browser."""

import copy
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from decimal import Decimal
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.certificate import Certificate
from certify.checker import check_data
from certify.checker.graph import read_graph
from certify.checker.reader import Reader, digest
from certify.file import to_text
from certify.report import cells, figures, page, report, sections, words
from certify.report.projections import projection
from certify.report.run import pseudo_gradient, simulate

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
        assert math.isclose(float(shown), exact, rel_tol=2e-2), shown
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
    found = Page(page(data, check_data(data)))
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
    assert run.stays_below and (run.distances[:, 1:] <= 1.000001 * run.envelope[1:]).all()
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
    source = page(data, check_data(data))
    assert "The file does not spell out the costs" in source
    assert "A learning run inside the proved envelope" not in Page(source).titles()


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

    assert "left out" in sections.sketch(raising)
    coupling = np.array([[0.0, 1e308], [5e-324, 0.0]])
    for curvature in ([1e308, 1e308], [5e-324, 1e-300], [-1.0, 1.0]):
        drawn = sections.sketch(
            lambda c=curvature: figures.margin_against_ratio(c, coupling, None, None, ["a", "b"])
        )
        assert "<figure>" in drawn or "left out" in drawn
    assert words.upper(math.inf) == "∞" and words.lower(-math.inf) == "−∞"


def test_all_trusted_sentences_are_accounted_for(linear_certificate):
    data = renewed({**linear_certificate.data, "trusted": [f"axiom {k}." for k in range(70)]})
    source = page(data, check_data(data))
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
    bad.write_text(to_text(wrong))
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
        report(Certificate("undecided", ("no margin",)))


def test_name_in_the_package():
    assert certify.report_page is report


def test_promotions_are_told(linear_certificate):
    data = renewed({**linear_certificate.data, "promoted": ["the region was in float32"]})
    assert "the region was in float32" in page(data, check_data(data))


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
const root = document.documentElement;
const worst = [...document.querySelectorAll("main > *, section > *")]
  .map(e => e.getBoundingClientRect().right).reduce((a, b) => Math.max(a, b), 0);
root.dataset.widths = [root.scrollWidth, innerWidth, Math.ceil(worst)].join(" ");
</script>"""


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
@pytest.mark.parametrize("name", ["linear", "oligopoly", "hostile"])
def test_in_a_browser(request, name, tmp_path):
    """On a telephone nothing is wider than the screen; no complaint stands on the console."""
    if name == "hostile":
        data = hostile(request.getfixturevalue("linear_certificate"))
        source = page(data, check_data(data))
    else:
        source = report(request.getfixturevalue(f"{name}_certificate"))
    file = tmp_path / "page.html"
    file.write_text(source, encoding="utf-8")
    dom, log = browse(tmp_path, "--window-size=390,2400", "--dump-dom", file.as_uri())
    assert "What is proved" in dom and "CONSOLE" not in log

    # The page forbids scripts, so that measuring it takes a copy that does not.
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    assert len(policy.findall(source)) == 1
    file.write_text(policy.sub("", source).replace("</body>", MEASURE + "</body>"))
    dom, log = browse(tmp_path, "--window-size=390,2400", "--dump-dom", file.as_uri())
    (widths,) = re.findall(r'data-widths="([^"]*)"', dom)
    scroll, window, worst = map(int, widths.split())
    assert window <= 500, "the window is that of a telephone, or what the browser makes of it"
    assert scroll <= window and worst <= window
    assert "CONSOLE" not in log

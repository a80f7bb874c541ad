"""The sections of a page about a certificate, in the order of the argument."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from certify.checker import Verdict
from certify.checker.reader import Reader
from certify.claims.certificate import Certificate
from certify.claims.interior import equilibrium_is_interior, region_is_interior
from certify.metric.timescale_band import timescale_band
from certify.problem.naming import shown_name
from certify.report import figures
from certify.report import pieces as cells
from certify.report.markup import (
    Markup,
    enclosure,
    facts,
    listing,
    lower,
    name,
    near,
    paragraph,
    section,
    table,
    text,
    upper,
    vector,
)
from certify.report.run import policies_of, simulate
from dgames.strategy import blocks, ravel

# Rows of a table, and entries of a list.
MOST_ROWS = 60
HARDEST = 8
# Names, or bounds, in one line.
MOST_NAMED = 6


def sketch(draw: Callable[[], Markup]) -> Markup:
    """A figure, or a sentence where its numbers are too extreme for floating point.

    The checker reads numbers of any size that a float has; a page is not to fail on them.
    """
    try:
        with np.errstate(all="ignore"):
            return draw()
    except (ArithmeticError, np.linalg.LinAlgError, ValueError):
        return paragraph("(A figure is left out: its numbers are too large or too small to draw.)")


def parts(certificate: Certificate, verdict: Verdict, level: int) -> tuple[Markup, list[Markup]]:
    """The title and the sections."""
    game = shown_name(Reader(certificate.data["game"])["name"].text())
    title = Markup(f"Certificate of {name(game)}")
    sections = [
        Markup(f"<h1>{title}</h1>"),
        judgement(verdict, level),
        claim(certificate),
        place(certificate),
        players(certificate),
        small_gain(certificate),
        steps(certificate),
        learning(certificate),
        proof(certificate),
        trust(certificate.data),
    ]
    return Markup(f"Certificate of {text(game, 80)}"), sections


def judgement(verdict: Verdict, level: int) -> Markup:
    """Proved, and checked: by whom, and how."""
    how = (
        "Every inequality in the file was verified in exact arithmetic when this page was made"
        f" (level {level}, {verdict.seconds:.2f} s)."
    )
    if level == 1:
        how += (
            " The bounds on derivatives that the file states were taken as given:"
            " see “What this rests on”."
        )
    rederived = ""
    if verdict.rederived:
        rederived = "<p>Re-derived from the costs in the file:</p>" + listing(verdict.rederived)
    return Markup(
        '<div class="verdict"><p><strong>Proved</strong>, and <strong>checked</strong>: the '
        f"independent checker accepts this certificate. {text(how)}</p>{rederived}</div>"
    )


def claim(certificate: Certificate) -> Markup:
    """In words and as formulas."""
    sets = "sets" in certificate.data["game"]
    inside = "the region and the strategy sets" if sets else "the region"
    projected = not region_is_interior(certificate)
    start = "every start in the strategy sets" if projected else "every start"
    flow = "the projected flow" if projected else "the flow x′ = −F(x)"
    return section(
        "What is proved",
        paragraph(
            f"{_what(certificate)}, and {flow} converges to it from every start in the "
            "basin below; so does every method in the table of step sizes from every start in its "
            "own basin, with every step size up to its largest"
            f"{_projected(sets)}. In detail, for all points x and y of {inside}"
            f"{_whose(certificate)}:"
        ),
        Markup(
            '<div class="formula"><div>⟨F(x) − F(y), x − y⟩<sub>P</sub> ≥ '
            f"{lower(certificate.margin)} ‖x − y‖<sub>P</sub>²</div>"
            "<div>‖F(x) − F(y)‖<sub>P</sub> ≤ "
            f"{upper(certificate.lipschitz)} ‖x − y‖<sub>P</sub></div>"
            f"<div>‖x* − c‖<sub>P</sub> ≤ {upper(certificate.equilibrium.radius, 3)}</div></div>"
        ),
        facts(
            [
                ("margin", Markup(f"at least {lower(certificate.margin)}: strong monotonicity")),
                ("Lipschitz", Markup(f"constant at most {upper(certificate.lipschitz)}")),
                (
                    "basin",
                    Markup(
                        f"{start} within {lower(certificate.basin.radius)} of the centre c, "
                        f"in the metric; from there {flow} stays in the region and "
                        "converges at the rate of the margin"
                    ),
                ),
                ("metric", metric(certificate)),
                *(("promoted", sentence) for sentence in _promoted(certificate.data)[:MOST_ROWS]),
            ]
        ),
        Markup(
            '<p class="note">Bounds are rounded to the safe side: lower bounds down, upper bounds '
            "up. The exact numbers stand in the file.</p>"
        ),
    )


def _what(certificate: Certificate) -> str:
    """What there is one of."""
    sets = not equilibrium_is_interior(certificate)
    if certificate.field is not None:
        kind = "solution x* of the variational inequality" if sets else "zero x*"
        return (
            f"In the region below the field F = {certificate.field} has exactly one {kind} (of "
            "equilibria nothing is said: F is no pseudo-gradient)"
        )
    if sets:
        return (
            "In the region below the game has exactly one solution x* of the variational "
            "inequality of the strategy sets: a Nash equilibrium within them, which may be on "
            "their boundary"
        )
    return (
        "In the region below the game has exactly one stationary point x*. It is a Nash "
        "equilibrium of the game restricted to that region"
    )


def _projected(sets: bool) -> str:
    return "; steps and starts are projected onto the strategy sets" if sets else ""


def _whose(certificate: Certificate) -> str:
    return ", F being the gradients of the players’ own costs" if certificate.field is None else ""


def _promoted(data: dict[str, Any]) -> list[str]:
    file = Reader(data)
    return [item.text() for item in file["promoted"].items()] if "promoted" in file else []


def metric(certificate: Certificate) -> Markup:
    """The norm of all this."""
    matrix = certificate.metric
    values = np.linalg.eigvalsh(matrix)
    with np.errstate(all="ignore"):
        number = near(float(values[-1] / values[0]), 4)
    if certificate.claims.weights is not None:
        words = "‖x‖<sub>P</sub>² = Σ wᵢ ‖xᵢ‖², one weight per player (in the table)"
    else:
        words = "‖x‖<sub>P</sub>² = x′Px with a matrix P that is not made of weights"
    shown = ""
    if certificate.claims.weights is None and len(matrix) <= 6:
        rows = "; ".join(" ".join(near(x, 4) for x in row) for row in matrix.tolist())
        shown = f"; P = [{rows}]"
    return Markup(f"{words}; condition number {number}{shown}")


def place(certificate: Certificate) -> Markup:
    """Where: the region and the strategy sets."""
    region = certificate.data["region"]
    if region["kind"] == "box":
        words = Markup(f"box from {_hexes(region['lower'])} to {_hexes(region['upper'])}")
    elif region["kind"] == "policies":
        sizes = ", ".join(str(size + 1) for size in region["groups"][:MOST_NAMED])
        more = ", …" * (len(region["groups"]) > MOST_NAMED)
        words = Markup(
            f"all policies with positive probabilities of {sizes}{more} actions, as differences of "
            "logits; cells are boxes of the probabilities of all actions but the last"
        )
    else:
        words = Markup(
            f"ball of radius {_hex(region['radius'])} around {_hexes(region['center'])}, Euclidean"
        )
    rows: list[tuple[str, Any]] = [("region", words)]
    if sets := certificate.data["game"].get("sets"):
        rows.append(("strategy sets", strategy_sets(certificate, sets)))
    return section("Where", facts(rows))


def strategy_sets(certificate: Certificate, sets: list[dict[str, Any]]) -> Markup:
    """Each set with its bounds, once for all players who have the same."""
    owners: dict[str, list[str]] = {}
    for who, own in zip(certificate.small_gain.curvature, sets, strict=True):
        owners.setdefault(_set(own), []).append(who)
    lines = []
    for words, names in list(owners.items())[:MOST_NAMED]:
        more = f", … ({len(names)} players)" if len(names) > MOST_NAMED else ""
        lines.append(f"{', '.join(map(name, names[:MOST_NAMED]))}{more}: {words}")
    more = [f"… ({len(sets)} players in all)"] if len(owners) > MOST_NAMED else []
    return Markup("<br>".join([*lines, *more]))


def _set(own: dict[str, Any]) -> str:
    """A strategy set in words, as markup."""
    if own["kind"] == "box":
        return f"box from {_hexes(own['lower'])} to {_hexes(own['upper'])}"
    if own["kind"] == "ball":
        return f"ball of radius {_hex(own['radius'])} around {_hexes(own['center'])}"
    if own["kind"] == "simplex":
        sizes = own["groups"][:MOST_NAMED]
        more = ", …" * (len(own["groups"]) > MOST_NAMED)
        return f"probability vectors of {', '.join(map(str, sizes))}{more} entries"
    return "anywhere" if own["kind"] == "euclidean" else text(own["kind"])


def _hex(value: str) -> Markup:
    return near(float.fromhex(value))


def _hexes(values: list[str]) -> Markup:
    numbers = [float.fromhex(value) for value in values]
    return vector(numbers) if len(numbers) > 1 else near(numbers[0])


def players(certificate: Certificate) -> Markup:
    """The equilibrium, and the constants of each player."""
    gain, weights = certificate.small_gain, certificate.claims.weights
    ends = zip(*(blocks(side) for side in certificate.equilibrium[:2]), strict=True)
    names = list(gain.curvature)
    rows = []
    for who, (low, high) in list(zip(names, ends, strict=True))[:MOST_ROWS]:
        lows, highs = (ravel(side)[0].tolist() for side in (low, high))
        shown = list(map(enclosure, lows[:4], highs[:4]))
        more = [Markup(f"… ({len(lows)} in all)")] if len(lows) > 4 else []
        rows.append(
            (
                name(who),
                Markup("<br>".join([*shown, *more])),
                "–" if weights is None else near(weights[who]),
                lower(gain.curvature[who]),
                upper(gain.smoothness[who]),
            )
        )
    header = ("player", "equilibrium in", "weight wᵢ", "curvature μᵢ ≥", "smoothness ≤")
    return section("The players", table("Each player", header, rows), _rest(len(names)))


def _rest(count: int) -> Markup:
    if count <= MOST_ROWS:
        return Markup("")
    return Markup(f'<p class="note">The first {MOST_ROWS} of {count} players are shown.</p>')


def small_gain(certificate: Certificate) -> Markup:
    """The small-gain test, and how far the weights may move."""
    gain = certificate.small_gain
    names, curvature = list(gain.curvature), list(gain.curvature.values())
    proves = "" if gain.margin > 0 else ", which proves nothing"
    words = paragraph(
        "With each player’s curvature and couplings aggregated over the whole region, the "
        "small-gain test gives the margin ",
        lower(gain.margin),
        f"{proves}; the margin above, cell by cell in one metric, is ",
        lower(certificate.margin),
        ".",
    )
    if len(names) == 1:
        return section("Small gain", paragraph("A single player has no couplings."))
    if len(names) > 2:
        picture = sketch(lambda: figures.couplings(curvature, gain.coupling, names))
        return section("Small gain", words, picture, _totals(certificate))
    try:
        band = timescale_band(curvature, gain.coupling)
    except ValueError:
        band = None
    weights = certificate.claims.weights
    chosen = None if weights is None else weights[names[1]] / weights[names[0]]
    picture = sketch(
        lambda: figures.margin_against_ratio(curvature, gain.coupling, band, chosen, names)
    )
    return section("Small gain", words, picture, _totals(certificate))


def _totals(certificate: Certificate) -> Markup:
    gain = certificate.small_gain
    rows = []
    for i, who in enumerate(list(gain.curvature)[:MOST_ROWS]):
        row = gain.coupling[i]
        strongest = int(row.argmax())
        rows.append(
            (
                name(who),
                lower(gain.curvature[who]),
                upper(math.nextafter(math.fsum(row.tolist()), math.inf)),
                Markup(
                    f"{upper(float(row[strongest]))} by {name(list(gain.curvature)[strongest])}"
                ),
                near(gain.weights[who]),
            )
        )
    header = ("player", "curvature μᵢ ≥", "couplings Σⱼ Lᵢⱼ ≤", "strongest ≤", "small-gain weight")
    return table("Constants of the small-gain test", header, rows)


def steps(certificate: Certificate) -> Markup:
    """All methods side by side."""
    found = certificate.step_sizes
    if not found:
        return section("Step sizes", paragraph("The certificate states no step sizes."))
    rows = []
    for method, step in found.items():
        momentum = "" if step.momentum is None else f", momentum {step.momentum:g}"
        rows.append(
            (
                text(method.replace("_", " ") + momentum),
                lower(step.max),
                near(step.best),
                upper(step.rate),
                upper(_decade(step.rate), 4),
                near(step.constant) if step.constant != 1 else "1",
                lower(step.basin),
                text(step.theorem.replace("_", " ")),
                text(_words_of_norm(step.norm)),
            )
        )
    header = (
        "method",
        "every step up to",
        "best step",
        "rate at best ≤",
        "iterations per factor 10",
        "constant",
        "basin",
        "theorem",
        "norm",
    )
    return section(
        "Step sizes",
        paragraph(
            "With the best step the distance to x* after k iterations is at most constant · rateᵏ "
            "times what it was; so many iterations for each factor of 10 are ln 10 / −ln rate."
        ),
        sketch(lambda: figures.step_bars(found)),
        table("Safe steps of each method", header, rows),
    )


def _decade(rate: float) -> float:
    """Iterations per factor of 10."""
    return math.log(10.0) / -math.log(rate)


def _words_of_norm(norm: str) -> str:
    return {
        "sqrt(sum_i weights_i |x_i|^2)": "‖·‖_P",
        "sqrt(x' metric x)": "‖·‖_P",
        "sqrt(sum_i small_gain.weights_i |x_i|^2)": "small-gain weights",
        "max_i |x_i| / scale_i": "maximum over players",
    }.get(norm, norm)


def learning(certificate: Certificate) -> Markup:
    """A run, where the file has the costs."""

    def draw() -> Markup:
        run = simulate(certificate)
        return paragraph(run) if isinstance(run, str) else figures.envelope(run)

    return section("A learning run", sketch(draw))


def proof(certificate: Certificate) -> Markup:
    """The cells: how many, where, and which were hardest."""
    evidence = certificate.data["evidence"]
    low, high = certificate.region.bounds()
    nodes = cells.tree(evidence["cells"], np.asarray(low), np.asarray(high))
    leaves = [cell for cell in nodes if cell.is_leaf]
    found = cells.measures(leaves, evidence["unit"], certificate.metric)
    count = len(leaves)
    words = paragraph(
        "The proof cuts the region into ",
        Markup(f"<strong>{count} cell{'s' * (count > 1)}</strong>"),
        " and bounds the Jacobian of F on each of them.",
    )
    names = _coordinates(certificate)
    content = [words]
    if len(low) > 1:
        content.append(sketch(lambda: _map(certificate, nodes, leaves, found, names)))
    if len(low) != 2 and count > 1:
        content.append(figures.histogram(nodes))
    content.append(_hardest(nodes[0], leaves, found, names))
    return section("The proof", *content)


def _map(certificate: Certificate, nodes: Any, leaves: Any, found: Any, names: list[str]) -> Markup:
    size = len(names)
    cuts = np.bincount([c.node["split"] for c in nodes if "split" in c.node], minlength=size)
    pair = sorted(np.argsort(-cuts, kind="stable")[:2].tolist())
    center = np.array(
        [float.fromhex(c) for c in certificate.data["claims"]["equilibrium"]["center"]]
    )
    region = certificate.data["region"]
    overlays = []
    if region["kind"] == "policies":
        center = policies_of(center, region["groups"])
        words = "The dot is the policy at the centre of the equilibrium."
    else:
        outline = figures.ellipse(certificate.metric, center, certificate.basin.radius, pair)
        overlays.append((outline, "basin"))
        words = "The dot is the centre of the equilibrium, the curve around it the basin."
    if region["kind"] == "ball":
        middle = np.array([float.fromhex(c) for c in region["center"]])
        circle = figures.ellipse(np.eye(size), middle, float.fromhex(region["radius"]), pair)
        overlays.append((circle, "region"))
    if size > 2:
        words = (
            f"The shadow of the cells on the two coordinates of {size} that were cut most often. "
            + words.replace("around it the basin", "the shadow of the basin")
        )
    rank: dict[int, float] = {}
    ends = None
    if found is not None:
        words += " Cells of stronger colour have less room: a smaller modulus, or more that varies."
        room = np.array([m.modulus - m.variation - m.remainder for m in found])
        ends = float(room.max()), float(room.min())
        span = ends[0] - ends[1] or 1.0
        hard = ((room.max() - room) / span).tolist()
        rank = {id(cell): share for cell, share in zip(leaves, hard, strict=True)}
    labels = [names[k] for k in pair]
    return figures.picture(nodes, rank, pair, labels, overlays, center, words, ends)


def _coordinates(certificate: Certificate) -> list[str]:
    """Names of all coordinates, short enough for an axis."""
    named = certificate.data["game"]["players"]
    of_policies = certificate.data["region"]["kind"] == "policies"
    what = "probability, player" if of_policies else "player"
    return [
        f"{what} {figures.clipped(player['name'], 20)}" + (f" [{k}]" if player["size"] > 1 else "")
        for player in named
        for k in range(player["size"])
    ]


def _hardest(
    root: cells.Cell,
    leaves: list[cells.Cell],
    found: list[cells.Measure] | None,
    names: list[str],
) -> Markup:
    measured: list[cells.Measure | None] = [None] * len(leaves)
    if found is not None:
        measured = [*found]
    ranked = sorted(
        zip(leaves, measured, strict=True),
        key=lambda both: (
            -both[0].depth,
            0.0 if both[1] is None else both[1].modulus - both[1].variation - both[1].remainder,
        ),
    )
    rows = []
    for number, (cell, measure) in enumerate(ranked[:HARDEST], 1):
        numbers = ["–"] * 3 if measure is None else [near(x, 4) for x in measure]
        rows.append((str(number), _extent(root, cell, names), str(cell.depth), *numbers))
    header = ("cell", "where", "cuts", "modulus in the middle", "variation", "remainder")
    note = (
        "Those with the most cuts first, then those with the least room. Modulus, variation and "
        "remainder are sizes of the matrices of the cell in the metric, computed in floating point "
        "for this page: they bound nothing."
    )
    return Markup(table("The hardest cells", header, rows) + f'<p class="note">{note}</p>')


def _extent(root: cells.Cell, cell: cells.Cell, names: list[str]) -> Markup:
    """Its range in the coordinates that were cut for it."""
    cut = np.flatnonzero((cell.lower > root.lower) | (cell.upper < root.upper)).tolist()
    shown = [
        f"{text(names[k])} in [{near(float(cell.lower[k]), 5)}, {near(float(cell.upper[k]), 5)}]"
        for k in cut[:4]
    ]
    more = [f"… ({len(cut)} in all)"] if len(cut) > 4 else []
    return Markup("<br>".join([*shown, *more]) or "the whole region")


def sentences(file: Reader) -> Markup:
    """A list of the file, and how many it leaves out."""
    items = [item.text() for item in file.items()]
    more = [f"… and {len(items) - MOST_ROWS} more in the file"] if len(items) > MOST_ROWS else []
    return listing([*items[:MOST_ROWS], *more])


def trust(data: dict[str, Any]) -> Markup:
    """What is believed without proof, and where the file comes from."""
    file = Reader(data)
    provenance = file["provenance"].value
    entries = list(provenance.items()) if isinstance(provenance, dict) else []
    rows: list[tuple[str, Any]] = [(str(key), value) for key, value in entries[:MOST_ROWS]]
    rows.append(("hash of the game", Markup(f"<code>{text(file['game']['hash'].text())}</code>")))
    rows.append(("digest", Markup(f"<code>{text(data['digest'])}</code>")))
    return Markup(
        section(
            "What this rests on",
            paragraph("The checker cannot see the following; a proof is worth no more than this:"),
            sentences(file["trusted"]),
        )
        + section("Where it comes from", facts(rows))
    )

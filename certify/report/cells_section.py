"""The section of a page about the cells of a proof: a map, and a table of the hardest cells."""

import numpy as np

from certify.claims.convergence import Convergence
from certify.report import figures
from certify.report.markup import Markup, near, paragraph, section, table, text
from certify.report.pieces import Difficulty, FileCell, measures, tree
from certify.report.run import policies_of
from certify.report.sketch import sketch

# The number of cells in the table.
HARDEST = 8


def cells_section(certificate: Convergence) -> Markup:
    """Shows the cells of a certificate: how many, where, and which were hardest."""
    evidence = certificate.data["evidence"]
    low, high = certificate.region.bounds()
    nodes = tree(evidence["cells"], np.asarray(low), np.asarray(high))
    leaves = [cell for cell in nodes if cell.is_leaf]
    found = measures(leaves, evidence["unit"], certificate.metric)
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


def _map(
    certificate: Convergence,
    nodes: list[FileCell],
    leaves: list[FileCell],
    found: list[Difficulty] | None,
    names: list[str],
) -> Markup:
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


def _coordinates(certificate: Convergence) -> list[str]:
    """Returns the names of all coordinates, short enough for an axis."""
    named = certificate.data["game"]["players"]
    of_policies = certificate.data["region"]["kind"] == "policies"
    what = "probability, player" if of_policies else "player"
    return [
        f"{what} {figures.clipped(player['name'], 20)}" + (f" [{k}]" if player["size"] > 1 else "")
        for player in named
        for k in range(player["size"])
    ]


def _hardest(
    root: FileCell,
    leaves: list[FileCell],
    found: list[Difficulty] | None,
    names: list[str],
) -> Markup:
    measured: list[Difficulty | None] = [None] * len(leaves)
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


def _extent(root: FileCell, cell: FileCell, names: list[str]) -> Markup:
    """Returns the range of a cell in the coordinates that were cut for it."""
    cut = np.flatnonzero((cell.lower > root.lower) | (cell.upper < root.upper)).tolist()
    shown = [
        f"{text(names[k])} in [{near(float(cell.lower[k]), 5)}, {near(float(cell.upper[k]), 5)}]"
        for k in cut[:4]
    ]
    more = [f"… ({len(cut)} in all)"] if len(cut) > 4 else []
    return Markup("<br>".join([*shown, *more]) or "the whole region")

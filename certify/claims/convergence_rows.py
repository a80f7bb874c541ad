"""Rows and tables that show what a certificate of convergence says."""

import math

import numpy as np

from certify.claims.convergence_claims import (
    ConvergenceClaims,
    GainReport,
    read_methods_without_step,
)
from certify.claims.interior import equilibrium_is_interior, region_is_interior
from certify.claims.rows import (
    Cell,
    Column,
    Name,
    Part,
    Row,
    Table,
    about,
    at_least,
    at_most,
    row,
    shortened,
    vector,
)
from certify.claims.shared_report import NOTIONS, SharedReport, read_shared
from certify.file.contents import Contents
from dgames.strategy import blocks, dimensions, player_names, ravel

# The most rows of a table, entries of a list, and entries of a vector that is written out.
MOST_ROWS, MOST_ENTRIES, MOST_SHOWN = 60, 6, 3
# The most coordinates of a matrix that is written out.
MOST_WRITTEN = 6


def claim_rows(data: Contents, claims: ConvergenceClaims) -> list[Row]:
    """Returns the claims: where, in which metric, how strongly, and what follows.

    Args:
        data: The contents of the file.
        claims: The claims read from them.
    """
    sets = data["game"].get("sets")
    starts = "every start" + ("" if region_is_interior(data) else " in the strategy sets")
    everywhere = data["region"]["kind"] == "everywhere"
    players = [player["name"] for player in data["game"]["players"]]
    return [
        row("region", *region_in_words(data["region"])),
        *([row("strategy sets", *_sets(sets, players))] if sets else []),
        *_shared(read_shared(data)),
        row("metric", *_metric(claims)),
        *_matrix(claims),
        row("margin", "strongly monotone with modulus at least ", at_least(claims.margin)),
        row("Lipschitz constant", "at most ", at_most(claims.lipschitz)),
        *(
            []
            if claims.cocoercivity is None
            else [
                row(
                    "cocoercivity",
                    "<F(x) - F(y), x - y> is at least |F(x) - F(y)|^2 / c, with c = ",
                    at_most(claims.cocoercivity),
                )
            ]
        ),
        row("equilibrium", *_what(data, claims), ", enclosed to +-", _width(claims)),
        row("basin", starts)
        if everywhere
        else row(
            "basin",
            f"{starts} within ",
            at_least(claims.basin.radius),
            " of its centre, in the metric",
        ),
        *(
            row("no step", "of ", Name(method), f": {reason}")
            for method, reason in read_methods_without_step(data).items()
        ),
        row("terms", f"{claims.terms} of rank one, and one matrix for all of the region")
        if claims.terms
        else row("cells", str(claims.cells)),
    ]


def _what(data: Contents, claims: ConvergenceClaims) -> Cell:
    """Returns the words for what the region has exactly one of, such as a zero of a field."""
    on_boundary = not equilibrium_is_interior(data, claims.equilibrium)
    if "field" in data["game"]:
        kind = "solution of the variational inequality" if on_boundary else "zero"
        return [f"exactly one {kind} of ", Name(data["game"]["field"]), " in the region"]
    if on_boundary and "shared" in data["game"]:
        return [
            "exactly one solution of the variational inequality in the metric, a generalised Nash "
            "equilibrium within strategy sets and shared constraints"
        ]
    # Not "exactly one Nash equilibrium": where a region confines players together, as a ball does,
    # points of its boundary may be equilibria of the game restricted to it, too.
    if on_boundary:
        return [
            "exactly one solution of the variational inequality, a Nash equilibrium within the "
            "strategy sets"
        ]
    return ["exactly one stationary point, a Nash equilibrium"]


def _shared(shared: SharedReport | None) -> list[Row]:
    """Returns rows on shared constraints: how many are active, and with which multipliers."""
    if shared is None:
        return []
    count = len(shared.states) + len(shared.functions)
    rows = row("shared constraints", f"{count}: {shared.summary()} at x*")
    notion = row("notion", f"{NOTIONS[shared.notion]}; others may exist")
    if not shared.states:
        return [rows, notion]
    if not shared.unique:
        return [rows, notion, row("multipliers", "not claimed to be unique")]
    middle = (shared.lower + shared.upper) / 2
    width = float((shared.upper - shared.lower).max()) / 2
    shown = vector(middle.tolist(), MOST_ENTRIES)
    return [rows, notion, row("multipliers", *shown, ", unique, enclosed to +-", at_most(width, 2))]


def _width(claims: ConvergenceClaims) -> Part:
    lower, upper = (ravel(end)[0] for end in claims.equilibrium[:2])
    return at_most(float((upper - lower).max()) / 2, 2)


def _metric(claims: ConvergenceClaims) -> Cell:
    metric = claims.matrix
    values = np.sort(claims.spread) if metric is None else np.linalg.eigvalsh(metric)
    with np.errstate(all="ignore"):
        condition = float(values[-1] / values[0])
    kind = "one weight per player"
    if metric is not None:
        center = claims.equilibrium.center
        owners = np.repeat(range(len(blocks(center))), dimensions(center))
        off = metric[owners[:, None] != owners]
        kind = "a matrix for each player" if not off.any() else "a full matrix"
    return [f"{kind}, condition number ", about(condition, 4)]


def _matrix(claims: ConvergenceClaims) -> list[Row]:
    """Returns a row with the matrix of the metric, if it is small enough to be written out."""
    matrix = claims.matrix
    if matrix is None or len(matrix) > MOST_WRITTEN:
        return []
    parts: list[Part] = []
    for index, line in enumerate(matrix.tolist()):
        parts.append("; " if index else "[")
        parts += shortened(([about(x, 4)] for x in line), MOST_WRITTEN, between=" ")
    return [row("matrix", *parts, "]")]


def _hexes(values: list[str]) -> Cell:
    return vector([float.fromhex(value) for value in values], MOST_ENTRIES)


def region_in_words(region: Contents) -> Cell:
    """Describes a region."""
    if region["kind"] == "everywhere":
        return ["everywhere: all strategies, however large"]
    if region["kind"] != "policies":
        return _extent(region)
    sizes = shortened(([str(size + 1)] for size in region["groups"]), MOST_ENTRIES, total=False)
    return [
        "all policies with positive probabilities of ",
        *sizes,
        " actions, as differences of logits; cells are boxes of the probabilities of all actions "
        "but the last",
    ]


def _extent(own: Contents) -> Cell:
    """Describes a region or a strategy set."""
    if own["kind"] == "box":
        return ["box from ", *_hexes(own["lower"]), " to ", *_hexes(own["upper"])]
    if own["kind"] == "ball":
        radius = about(float.fromhex(own["radius"]))
        return ["ball of radius ", radius, " around ", *_hexes(own["center"])]
    if own["kind"] == "simplex":
        sizes = shortened(([str(size)] for size in own["groups"]), MOST_ENTRIES, total=False)
        return ["probability vectors of ", *sizes, " entries"]
    return ["anywhere" if own["kind"] == "euclidean" else str(own["kind"])]


def _sets(sets: list[Contents], players: list[str]) -> Cell:
    """Lists the strategy sets with their bounds, one line for all players who have the same."""
    owners: dict[Cell, list[str]] = {}
    for name, own in zip(players, sets, strict=True):
        owners.setdefault(tuple(_extent(own)), []).append(name)
    lines: list[Cell] = []
    for words, names in list(owners.items())[:MOST_ENTRIES]:
        listed = shortened(([Name(name)] for name in names), MOST_ENTRIES, total=False)
        count = [f" ({len(names)} players)"] if len(names) > MOST_ENTRIES else []
        lines.append([*listed, *count, ": ", *words])
    if len(owners) > MOST_ENTRIES:
        lines.append([f"... ({len(sets)} players in all)"])
    return shortened(lines, len(lines), between="\n")


def tables(data: Contents, claims: ConvergenceClaims) -> list[Table]:
    """Returns the numbers of each player and of each method."""
    everywhere = data["region"]["kind"] == "everywhere"
    return [_players(claims), *([_steps(claims, everywhere)] if claims.step_sizes else [])]


def _players(claims: ConvergenceClaims) -> Table:
    gain, weights = claims.small_gain, claims.weights
    lower, upper, center = map(blocks, claims.equilibrium[:3])
    names = player_names(claims.equilibrium.center)
    rows: list[list[Cell]] = []
    for name, low, high, middle in list(zip(names, lower, upper, center, strict=True))[:MOST_ROWS]:
        ends = zip(*(ravel(end)[0].tolist() for end in (low, high)), strict=True)
        rows.append(
            [
                [Name(name)],
                ["-"] if weights is None else [about(weights[name])],
                *([] if gain is None else _curvatures(gain, name)),
                shortened(([_center(x)] for x in ravel(middle)[0].tolist()), MOST_SHOWN),
                shortened((_enclosure(*end) for end in ends), MOST_SHOWN, between="\n"),
            ]
        )
    rest = f"the first {MOST_ROWS} of {len(names)} players; " if len(names) > MOST_ROWS else ""
    columns = [] if gain is None else [Column("curvature >="), Column("smoothness <=")]
    return Table(
        "Players",
        [
            Column("player"),
            Column("weight"),
            *columns,
            Column("equilibrium"),
            Column("which is in", on_page_only=True),
        ],
        rows,
        [rest, *_gain_in_words(gain, claims.margin)],
    )


def _curvatures(gain: GainReport, name: str) -> list[Cell]:
    return [[at_least(gain.curvature[name])], [at_most(gain.smoothness[name])]]


def _gain_in_words(gain: GainReport | None, margin: float) -> Cell:
    if gain is None:
        return ["margin in one metric: ", at_least(margin)]
    proves = "" if gain.margin > 0 else " (proves nothing)"
    return [
        "small gain with constants aggregated over the region: margin ",
        at_least(gain.margin),
        f"{proves}; cell by cell in one metric: ",
        at_least(margin),
    ]


def _center(value: float) -> Part:
    """Shows a number with six digits after the point; with six in all below 1 or from 1e6."""
    before = len(str(int(abs(value)))) if 1 <= abs(value) < 1e6 else 0
    return about(value, 6 + before)


def _enclosure(low: float, high: float) -> Cell:
    """Shows an interval with just enough digits to tell its width."""
    width, size = high - low, max(abs(low), abs(high))
    digits = 3
    while digits < 17 and width < size * 10.0 ** (1 - digits) * 2:
        digits += 1
    return ["[", at_least(low, digits), ", ", at_most(high, digits), "]"]


def _steps(claims: ConvergenceClaims, everywhere: bool) -> Table:
    rows: list[list[Cell]] = []
    for name, step in claims.step_sizes.items():
        momentum = "" if step.momentum is None else f", momentum {step.momentum:g}"
        rows.append(
            [
                [name + momentum],
                [at_least(step.max)],
                [about(step.best)],
                [at_most(step.rate)],
                [at_most(math.log(10.0) / -math.log(step.rate), 4)],
                [about(step.constant)],
                [step.theorem],
                [step.norm],
                ["every start" if everywhere else at_least(step.basin)],
            ]
        )
    return Table(
        "Step sizes",
        [
            Column("method"),
            Column("largest"),
            Column("best"),
            Column("rate at best"),
            Column("iterations per factor 10", on_page_only=True),
            Column("constant", on_page_only=True),
            Column("theorem"),
            Column("norm", on_page_only=True),
            Column("basin"),
        ],
        rows,
        [
            "With the best step the distance to the equilibrium after k iterations is at most "
            "constant * rate^k times what it was."
        ],
    )

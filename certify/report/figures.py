"""The figures of a page about a certificate."""

import math
from collections.abc import Sequence

import numpy as np

from certify.report.markup import Markup, lower, text, upper
from certify.report.pieces import FileCell, drawable
from certify.report.run import Run
from certify.report.svg import WIDTH, Axis, Plot, brief, colour_bar, figure, label, labelled
from certify.steps.step_size import StepSize

Outline = list[tuple[float, float]]

# The number of players whose couplings are drawn one by one, at most.
MOST_PLAYERS = 24


def padded(low: float, high: float, label: str) -> Axis:
    """Returns an axis with a little room at both ends."""
    room = 0.05 * (high - low) or 1e-12 * max(abs(low), abs(high)) or 1.0
    return Axis(low - room, high + room, label)


def margin_of_ratio(curvature: Sequence[float], coupling: np.ndarray, ratio: float) -> float:
    """Returns the small-gain margin of two players in the metric `|x_1|^2 + ratio |x_2|^2`.

    It is the smallest eigenvalue of the symmetric part of `W^(1/2) (diag(mu) - L) W^(-1/2)`,
    computed in floating point.

    Example:
        >>> margin_of_ratio([2.0, 2.0], np.array([[0.0, 4.0], [1.0, 0.0]]), 4.0)
        0.0
    """
    root = math.sqrt(ratio)
    off = 0.5 * (coupling[0, 1] / root + root * coupling[1, 0])
    mean, half = (curvature[0] + curvature[1]) / 2, (curvature[0] - curvature[1]) / 2
    return mean - math.hypot(half, off)


def margin_against_ratio(
    curvature: Sequence[float],
    coupling: np.ndarray,
    band: tuple[float, float] | None,
    chosen: float | None,
    names: Sequence[str],
) -> Markup:
    """Draws the margin by small gain against the ratio of the weights of two players."""
    best = math.sqrt(float(coupling[0, 1]) / float(coupling[1, 0]))
    middle = math.log10(best if math.isfinite(best) and best > 0 else 1.0)
    reach = 1.5
    marks = [x for x in (*(band or ()), chosen) if x is not None and 0 < x < math.inf]
    for mark in marks:
        reach = max(reach, 1.15 * abs(math.log10(mark) - middle))
    reach = min(reach, 12.0)
    ratios = np.logspace(middle - reach, middle + reach, 241)
    margins = np.array([margin_of_ratio(curvature, coupling, r) for r in ratios.tolist()])
    top = float(margins.max())
    bottom = min(-0.35 * abs(top), 0.0) if top > 0 else 2 * top - 1e-9
    plot = Plot(
        Axis(float(ratios[0]), float(ratios[-1]), "weight ratio w₂ / w₁", log=True),
        Axis(bottom, top + 0.12 * abs(top) + 1e-12, "small-gain margin"),
    )
    shown = [(r, m) for r, m in zip(ratios.tolist(), margins.tolist(), strict=True) if m >= bottom]
    parts = [plot.frame()]
    if band is not None:
        ends = [max(band[0], plot.x.low), min(band[1], plot.x.high)]
        corners = [
            (ends[0], bottom),
            (ends[1], bottom),
            (ends[1], plot.y.high),
            (ends[0], plot.y.high),
        ]
        parts.append(plot.area(corners, "band"))
    parts.append(plot.line([(plot.x.low, 0.0), (plot.x.high, 0.0)], "zero"))
    parts.append(plot.line(shown, "curve"))
    words = f"Player 1 is {text(names[0], 80)}, player 2 is {text(names[1], 80)}. "
    if band is None:
        words += "No ratio of weights gives a positive margin with these constants."
    else:
        words += (
            f"The shaded timescale band, from {lower_up(band[0])} to {upper_down(band[1])}, holds "
            "the ratios with a positive margin (its ends are proved)."
        )
    if chosen is not None:
        parts.append(plot.dot(chosen, margin_of_ratio(curvature, coupling, chosen), "mark"))
        words += " The dot is at the weights of this certificate."
    title = "Margin by small gain against the weight ratio"
    return figure(title, Markup(words), plot.height, *parts)


def lower_up(value: float) -> str:
    """Returns the lower end of a band as text, rounded into the band."""
    return upper(value)


def upper_down(value: float) -> str:
    """Returns the upper end of a band as text, rounded into the band."""
    return "∞" if math.isinf(value) else lower(value)


def couplings(curvature: Sequence[float], coupling: np.ndarray, names: Sequence[str]) -> Markup:
    """Draws the couplings, relative to the curvatures of who feels them, as a heat map."""
    shown = names[:MOST_PLAYERS]
    count = len(shown)
    side = (WIDTH - 70) / count
    own = np.array(curvature[:count])[:, None]
    share = np.where(own > 0, coupling[:count, :count] / np.where(own > 0, own, 1.0), np.inf)
    top = max(float(share[np.isfinite(share)].max(initial=0.0)), 1e-300)
    parts = []
    for i in range(count):
        for j in range(count):
            opacity = 1.0 if not np.isfinite(share[i, j]) else float(share[i, j]) / top
            where = f'x="{62 + j * side:.1f}" y="{24 + i * side:.1f}"'
            size = f'width="{side:.1f}" height="{side:.1f}"'
            words = f"{shown[i]} feels {shown[j]}: {coupling[i, j]:.4g}"
            parts.append(
                f'<rect class="heat" {where} {size} fill-opacity="{opacity:.3f}">'
                f"<title>{text(words, 200)}</title></rect>"
            )
        if count <= 12 or i % 4 == 0:
            parts.append(
                label(58.0, 24 + (i + 0.6) * side, f"{i + 1}: {clipped(shown[i], 6)}", "end")
            )
            parts.append(label(62 + (i + 0.5) * side, 20.0, f"{i + 1}", "middle"))
    more = f" The first {count} of {len(names)} players are drawn." if len(names) > count else ""
    bottom = 28 + count * side
    title = "coupling Lᵢⱼ / curvature μᵢ"
    parts.append(colour_bar(bottom, "0", f"{top:.3g}", 0.0, 1.0, title))
    caption = (
        "Row i, column j: the coupling Lᵢⱼ relative to the curvature μᵢ of the player who feels "
        f"it. A row that adds up to less than 1 is a player "
        f"whose own curvature outweighs all the others.{more}"
    )
    return figure("Couplings between the players", caption, bottom + 30, *parts)


def clipped(words: str, length: int) -> str:
    """Returns a name, cut to a length that fits."""
    return words if len(words) <= length else words[: length - 1] + "…"


def step_bars(steps: dict[str, StepSize]) -> Markup:
    """Draws the step sizes of all methods side by side."""
    top = max(step.max for step in steps.values())
    axis = Axis(0.0, 1.05 * top, "step size")
    height = 46.0 + 40.0 * len(steps)
    across = WIDTH - 24
    parts = []
    for k, (method, step) in enumerate(steps.items()):
        y = 16.0 + 40.0 * k
        parts.append(label(12.0, y, method.replace("_", " ")))
        for length, kind in ((step.max, "bar"), (step.best, "bar strong")):
            width = across * axis.share(length)
            parts.append(
                f'<rect class="{kind}" x="12" y="{y + 5}" width="{width:.1f}" height="14"/>'
            )
    for tick, words in labelled(axis.ticks()):
        x = 12 + across * axis.share(tick)
        parts.append(label(x, height - 22, words, "middle"))
    parts.append(label(WIDTH / 2, height - 7, "step size", "middle"))
    caption = (
        "The whole bar is proved to converge; its strong part ends at the step with the best "
        "proved rate. A larger step is not a faster method: compare the rates in the table."
    )
    return figure("Safe step sizes", caption, height, *parts)


def ellipse(metric: np.ndarray, center: np.ndarray, radius: float, pair: list[int]) -> Outline:
    """Returns points on the outline of the shadow of a metric ball on two coordinates."""
    shadow = np.linalg.cholesky(np.linalg.inv(metric)[np.ix_(pair, pair)])
    angles = np.linspace(0.0, 2 * np.pi, 121)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    across, up = (center[pair, None] + radius * shadow @ circle).tolist()
    return list(zip(across, up, strict=True))


def picture(
    cells: Sequence[FileCell],
    rank: dict[int, float],
    pair: list[int],
    labels: Sequence[str],
    overlays: Sequence[tuple[Outline, str]],
    center: np.ndarray,
    words: str,
    room: tuple[float, float] | None = None,
) -> Markup:
    """Draws the cells in two coordinates.

    Args:
        cells: The tree; its first node is the bounding box of the region.
        rank: How hard each cell is, from 0 to 1, by the `id` of the cell.
        pair: The two coordinates that are drawn.
        labels: The names of these coordinates.
        overlays: Outlines (of the basin, of the region) and their classes in the style sheet.
        center: The centre of the equilibrium, shape (n,).
        words: What the caption begins with.
        room: The room of the easiest and of the hardest cell, where it was measured.
    """
    root, shown = cells[0], drawable(cells)
    low, high = root.lower[pair].tolist(), root.upper[pair].tolist()
    plot = Plot(padded(low[0], high[0], labels[0]), padded(low[1], high[1], labels[1]), 330.0)
    parts, seen = [], set()
    for cell in shown[0]:
        low, high = cell.lower[pair].tolist(), cell.upper[pair].tolist()
        if (*low, *high) in seen:  # many cells may cast one shadow
            continue
        seen.add((*low, *high))
        kind = "cell outside" if "outside" in cell.node else "cell"
        note = f"{cell.depth} cuts"
        shade = _shade(rank.get(id(cell), 0.0))
        box = plot.box(low, high, kind, note)
        parts.append(box.replace("<polygon", f'<polygon fill-opacity="{shade:.2f}"'))
    parts += [plot.line(outline, kind) for outline, kind in overlays]
    parts.append(plot.dot(float(center[pair[0]]), float(center[pair[1]]), "mark"))
    whole = "" if shown[1] else f" Of the cells, {len(shown[0])} or groups of them are drawn."
    height = plot.height
    if room is not None and room[0] > room[1]:
        most, least = (brief(value, 3) for value in room)
        parts.append(
            colour_bar(height, most, least, _shade(0.0), _shade(1.0), "room for the margin")
        )
        height += 34
    return figure("The cells of the proof", words + whole, height, plot.frame(), *parts)


def _shade(rank: float) -> float:
    return 0.06 + 0.6 * rank


def histogram(cells: Sequence[FileCell]) -> Markup:
    """Draws a histogram of the number of cuts that made each cell."""
    depths = np.array([cell.depth for cell in cells if cell.is_leaf])
    counts = np.bincount(depths)
    first = int(depths.min())
    plot = Plot(
        Axis(first - 0.5, len(counts) - 0.5, "cuts that made a cell", whole=True),
        Axis(0.0, 1.05 * float(counts.max()), "cells", whole=True),
        200.0,
    )
    bars = [
        plot.box((k - 0.4, 0.0), (k + 0.4, float(counts[k])), "bar", f"{counts[k]} cells")
        for k in range(first, len(counts))
    ]
    caption = "Each cut makes two cells of one: those with the most cuts were the hardest."
    return figure("Sizes of the cells", caption, plot.height, plot.frame(), *bars)


def envelope(run: Run) -> Markup:
    """Draws the distances of a learning run, and the proved bound on them."""
    floor = max(run.radius / 3, 1e-17 * float(run.envelope[0]))
    count = len(run.envelope) - 1
    lows = float(np.maximum(run.distances, floor).min())
    plot = Plot(
        Axis(0.0, float(max(count, 1)), "iterations", whole=True),
        Axis(lows / 2, 3 * float(run.envelope.max()), "distance to the centre", log=True),
    )
    above = [(float(k), e) for k, e in enumerate(run.envelope.tolist())]
    region = [(0.0, plot.y.low), *above, (float(count), plot.y.low)]
    parts = [plot.frame(), plot.area(region, "band"), plot.line(above, "curve")]
    for row in run.distances:
        points = [(float(k), d) for k, d in enumerate(np.maximum(row, floor).tolist())]
        parts.append(plot.line(points, "trace"))
    stays = "stay below it" if run.stays_below else "do not all stay below it: rounding errors?"
    caption = (
        f"The thick line is proved: no run of {run.method.replace('_', ' ')} with its best step "
        "from the basin is ever above it, in the norm of its theorem. "
        f"The {len(run.distances)} thin lines are runs in "
        "floating point from the edge of the basin (or from where the strategy sets meet it), made "
        f"for this page; they {stays}."
    )
    return figure("A learning run inside the proved envelope", caption, plot.height, *parts)

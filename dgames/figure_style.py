"""The style of all figures: colours, markers, frames, legends and ticks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.axis

# The palette of Okabe and Ito, which every kind of colour vision can tell apart, without its
# yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
FAINT = "#B8BEC6"
DARK = "#30363D"
GRID = "#E6E9ED"
WIDTH = 1.8

# Settings of matplotlib for figures that this package makes; see `axes_of`.
_SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": DARK,
    "axes.labelcolor": DARK,
    "axes.linewidth": 0.8,
    "text.color": DARK,
    "xtick.color": DARK,
    "ytick.color": DARK,
}


def axes_of(ax: "matplotlib.axes.Axes | None", size: tuple[float, float]) -> "matplotlib.axes.Axes":
    """Returns the given Axes, or those of a new figure in our style, of a size in inches."""
    try:
        import matplotlib as mpl
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'figures need matplotlib, which is optional: pip install "dgames[plot]"'
        ) from error
    if ax is not None:
        return ax
    with mpl.rc_context(_SETTINGS):  # for this figure only
        return plt.subplots(figsize=size, layout="compressed")[1]


def line_style(i: int) -> dict[str, Any]:
    """Returns the style of the line with an index: colours first, then dashes."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": DASHES[i // len(COLOURS) % len(DASHES)],
        "linewidth": WIDTH,
    }


def quiet_frame(ax: "matplotlib.axes.Axes") -> None:
    """Leaves two sides of the frame, and draws a faint grid below everything."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def whole_ticks(axis: "matplotlib.axis.Axis") -> None:
    """Puts ticks at whole numbers only, for an axis that counts."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def colours_of_many(ax: "matplotlib.axes.Axes", count: int, what: str) -> list[Any]:
    """Returns colours for more lines than the palette has, and draws a bar of their numbers."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    shades = mpl.colormaps["viridis"]
    # The scale ends at 0.9, because the brightest yellow is hard to see on white.
    table = shades.resampled(256)(range(231))
    numbers = Normalize(0, max(count - 1, 1))
    scale = ScalarMappable(numbers, ListedColormap(table))
    bar = ax.figure.colorbar(scale, ax=ax, label=what)
    whole_ticks(bar.ax.yaxis)
    return [tuple(colour) for colour in np.atleast_2d(scale.to_rgba(np.arange(count)))]


def legend_width(labels: Sequence[str] | None) -> float:
    """Estimates the width of a legend beside the axes, in inches."""
    return 0.0 if labels is None else 0.6 + 0.075 * max(map(len, labels), default=0)


def legend(ax: "matplotlib.axes.Axes", beside: bool) -> None:
    """Draws a legend: beside the axes on a figure of our own, inside them on a figure of others."""
    owner, place = (ax.figure, "outside right center") if beside else (ax, "best")
    owner.legend(loc=place, frameon=True, framealpha=0.92, edgecolor="none", fontsize="small")

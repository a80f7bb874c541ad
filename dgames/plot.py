"""Figures: phase portraits, residuals and spectra.

Every function draws on the `ax` it is given, or on a new figure, and returns the Axes; nothing is
shown or saved. What `jax.vmap` made of runs or matrices, with any number of batch axes, is drawn
one by one: in colours of their own, or by number with a colour bar where they are many. Needs
matplotlib: `pip install "dgames[plot]"`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from dgames import figure_style as style
from dgames.fields import AbstractField, check_field, prepared
from dgames.figure_style import COLOURS as COLOURS
from dgames.game import Game
from dgames.strategy import Strategy, as_strategy, player_names, ravel

if TYPE_CHECKING:
    import matplotlib.axes


def phase_portrait(
    game: Game | AbstractField | Callable,
    xlim: tuple[float | int, float | int] = (-2.0, 2.0),
    ylim: tuple[float | int, float | int] = (-2.0, 2.0),
    *,
    trajectories: Any = (),
    labels: Sequence[str] | None = None,
    equilibrium: Strategy | None = None,
    like: Strategy = (0.0, 0.0),
    args: PyTree = None,
    density: float | int = 1.0,
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.axes.Axes":
    """Draws where the players of a game with two coordinates would move, and how they did.

    Streamlines follow `-F`, the way players go, with darker lines where they go faster. Each
    trajectory starts at a circle and ends at a dot.

    Args:
        game: A game of two coordinates in all, or any field.
        xlim: Range of the first coordinate.
        ylim: Range of the second coordinate.
        trajectories: A list, or one, of: what `solve(..., save_every=...)` or `flow` returns; a
            history; an array of shape `(points, 2)`. A list may also hold strategies stacked along
            a new first axis. All may have batch axes before that.
        labels: One name per trajectory, or per entry of the list, for a legend.
        equilibrium: A joint strategy to mark with a star.
        like: A joint strategy, for its structure: `{"a": 0.0, "b": 0.0}` for players a and b, whose
            names then label the axes.
        args: Passed to the costs.
        density: How close the streamlines are.
        ax: Where to draw.

    Returns:
        The Axes.

    Raises:
        ImportError: Without matplotlib.
        ValueError: If the game does not have two coordinates, or a run holds no strategies.

    Example:
        >>> import dgames as dg
        >>> from dgames import plot
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> run = dg.solve(game, dg.Extragradient(0.3), (1.0, 1.0), save_every=1)
        >>> ax = plot.phase_portrait(game, trajectories=run, equilibrium=(0.0, 0.0))
        >>> ax.figure.savefig("portrait.png")  # doctest: +SKIP
    """
    field, like, _ = prepared(game, like)
    vector, unravel = ravel(like)
    if vector.size != 2:
        raise ValueError(
            f"a phase portrait needs two coordinates in all, but `like` has {vector.size}"
        )
    check_field(field, like, args)
    tall = (ylim[1] - ylim[0]) / (xlim[1] - xlim[0])
    axes = style.axes_of(
        ax, (4.9 + style.legend_width(labels), min(max(4.2 * tall, 1.6), 7.0) + 0.4)
    )

    _draw_streams(
        axes,
        lambda point: ravel(field(unravel(point.astype(vector.dtype)), args))[0],
        xlim,
        ylim,
        density,
    )
    paths = [_paths(run, like) for run in _several(trajectories)]
    looks = _looks(axes, [len(entry) for entry in paths], labels, "trajectory")
    for path, look in zip((path for entry in paths for path in entry), looks, strict=True):
        _draw_path(axes, path, look, xlim, ylim)
    if equilibrium is not None:
        point, _ = ravel(as_strategy(equilibrium))
        axes.plot(*np.asarray(point), "*", color="black", markersize=12, zorder=5)

    names = player_names(like)
    if all(name.isdigit() for name in names):
        names = ("$x_1$", "$x_2$")
    if len(names) == 2:
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
    axes.set_xlim(xlim)
    axes.set_ylim(ylim)
    axes.set_aspect("equal")
    if labels is not None:
        style.legend(axes, beside=ax is None)
    return axes


def residual_history(
    runs: Any, labels: Sequence[str] | None = None, *, ax: "matplotlib.axes.Axes | None" = None
) -> "matplotlib.axes.Axes":
    """Draws residuals against steps, on a logarithmic scale.

    Args:
        runs: A list, or one, of: what `solve` returns; a history; an array of residuals, one per
            step. All may have batch axes before that: then there is one line for each run.
        labels: One name per run, or per entry of the list, for a legend.
        ax: Where to draw.

    Returns:
        The Axes.

    Raises:
        ImportError: Without matplotlib.
        ValueError: If a run has no residuals along the way, or there are too many or few labels.

    Example:
        >>> import dgames as dg
        >>> from dgames import plot
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> methods = (dg.Extragradient(0.5), dg.Optimistic(0.5))
        >>> runs = [dg.solve(game, method, (1.0, 1.0)) for method in methods]
        >>> ax = plot.residual_history(runs, ["extragradient", "optimistic"])
    """
    entries = [_residuals(run) for run in _several(runs)]
    axes = style.axes_of(ax, (5.6, 3.8))
    looks = _looks(axes, [len(entry) for entry in entries], labels, "run")
    for line, look in zip((line for entry in entries for line in entry), looks, strict=True):
        axes.plot(*line, **look)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("residual")
    style.whole_ticks(axes.xaxis)
    style.quiet_frame(axes)
    if labels is not None:
        style.legend(axes, beside=False)
    return axes


def spectrum(
    matrices: Any, labels: Sequence[str] | None = None, *, ax: "matplotlib.axes.Axes | None" = None
) -> "matplotlib.axes.Axes":
    """Draws eigenvalues in the complex plane, with the unit circle.

    Of the one-step map of a method (`dgames.step_jacobian`), eigenvalues inside the circle decay;
    the legend gives the spectral radius `rho`. Marks are hollow, each of its own form and smaller
    than the one before, so that eigenvalues that coincide all stay visible.

    Args:
        matrices: A square matrix, or a list of them; they may have batch axes before the two.
        labels: One name per matrix.
        ax: Where to draw.

    Returns:
        The Axes.

    Raises:
        ImportError: Without matplotlib.
        ValueError: If a matrix is not square or not finite, or there are too many or few labels.

    Example:
        >>> import dgames as dg
        >>> from dgames import plot
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> methods = {"simultaneous": dg.Simultaneous(0.5), "extragradient": dg.Extragradient(0.5)}
        >>> steps = [dg.step_jacobian(game, method, (0.0, 0.0)) for method in methods.values()]
        >>> ax = plot.spectrum(steps, list(methods))
    """
    spectra = [values for entry in _several(matrices) for values in _eigenvalues(entry)]
    if labels is not None and len(labels) != len(spectra):
        raise ValueError(
            f"spectrum: {len(spectra)} matrices need as many labels, not {len(labels)}"
        )
    many = labels is None and len(spectra) > len(style.MARKERS)
    room = [f"{name}, rho = 0.1234" for name in labels or ("",)]
    axes = style.axes_of(ax, (4.9 + style.legend_width(None if many else room), 4.6))
    from matplotlib.patches import Circle

    axes.axhline(0, color=style.FAINT, linewidth=0.8, zorder=0)
    axes.axvline(0, color=style.FAINT, linewidth=0.8, zorder=0)
    axes.add_patch(Circle((0, 0), 1, facecolor="#F3F5F7", edgecolor="none", zorder=-1))
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=style.DARK, linewidth=1.0, zorder=1))
    radii = [float(np.max(np.abs(values), initial=0)) for values in spectra]
    if many:
        colours = style.colours_of_many(axes, len(spectra), "matrix")
        for values, colour in zip(spectra, colours, strict=True):
            axes.plot(values.real, values.imag, "o", color=colour, markersize=4, zorder=2)
    else:
        sizes = np.linspace(14, 6, len(spectra)) if len(spectra) > 1 else (8,)
        for i, (values, radius, size) in enumerate(zip(spectra, radii, sizes, strict=True)):
            name = "" if labels is None else f"{labels[i]}, "
            axes.plot(
                values.real,
                values.imag,
                style.MARKERS[i % len(style.MARKERS)],
                color=COLOURS[i % len(COLOURS)],
                markerfacecolor="none",
                markeredgewidth=1.6,
                markersize=size,
                linestyle="none",
                zorder=2 + i,
                label=rf"{name}$\rho = {radius:.4g}$",
            )
        style.legend(axes, beside=ax is None)
    reach = 1.12 * max([1.0, *radii])
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel(r"Re $\lambda$")
    axes.set_ylabel(r"Im $\lambda$")
    return axes


def _eigenvalues(matrices: Any) -> list[Any]:
    """Returns the eigenvalues of each matrix, whatever the batch axes."""
    table = np.asarray(matrices)
    if table.ndim < 2 or table.shape[-1] != table.shape[-2]:
        raise ValueError(f"spectrum: a matrix must be square, not of shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("spectrum: a matrix has entries that are not finite, so no eigenvalues")
    return list(np.linalg.eigvals(table.reshape(-1, *table.shape[-2:])))


def _looks(ax: Any, counts: list[int], labels: Any, what: str) -> list[dict[str, Any]]:
    """Returns the style of each line, where an entry may hold several lines.

    Args:
        ax: The axes in which the lines will be drawn.
        counts: The number of lines of each entry.
        labels: One per line, one per entry, or None.
        what: The word for a line in messages.
    """
    total = sum(counts)
    if labels is not None and len(labels) not in (total, len(counts)):
        raise ValueError(
            f"{len(labels)} labels do not fit: give one for each {what}, which are {total}, or for "
            f"each entry of the list, which are {len(counts)}"
        )
    if labels is None and len(counts) == 1 and total > len(COLOURS):
        colours = style.colours_of_many(ax, total, what)
        return [{"color": colour, "linewidth": style.WIDTH / 2} for colour in colours]
    if len(counts) == 1 or total == len(counts) or (labels is not None and len(labels) == total):
        names = labels if labels is not None and len(labels) == total else None
        looks = [style.line_style(i) for i in range(total)]
        if labels is not None and names is None:  # one name for all the lines of one entry
            looks = [style.line_style(0) for _ in range(total)]
            names = [labels[0], *([None] * (total - 1))]
        return [
            look | {"label": None if names is None else names[i]} for i, look in enumerate(looks)
        ]
    looks = []
    for i, count in enumerate(counts):
        faint = {"linewidth": style.WIDTH / 2, "alpha": 0.7} if count > 1 else {}
        for k in range(count):
            label = labels[i] if labels is not None and k == 0 else None
            looks.append(style.line_style(i) | faint | {"label": label})
    return looks


def _draw_streams(ax: Any, field: Callable, xlim: Any, ylim: Any, density: float | int) -> None:
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    columns, rows = (np.linspace(low, high, 61) for low, high in (xlim, ylim))
    points = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    flow = -np.asarray(jax.jit(jax.vmap(field))(jnp.asarray(points)))
    flow = np.where(np.isfinite(flow), flow, np.nan)
    u, v = flow.T.reshape(2, len(rows), len(columns))
    speed = np.hypot(u, v)
    # Shades depend on the rank of speeds, which often span many orders of magnitude.
    rank = np.searchsorted(np.sort(speed, axis=None), speed, side="right") / speed.size
    ax.streamplot(
        columns,
        rows,
        u,
        v,
        density=density,
        minlength=0.25,
        color=rank,
        cmap=LinearSegmentedColormap.from_list("streams", ["#DDE1E6", "#8B949E"]),
        norm=Normalize(0, 1),
        linewidth=0.9,
        arrowsize=0.9,
        zorder=1,
    )


def _draw_path(ax: Any, path: np.ndarray, look: dict[str, Any], xlim: Any, ylim: Any) -> None:
    ax.plot(*path.T, zorder=3, **look | {"linestyle": "-"})
    for point, size, face in ((path[:1], 6.5, "white"), (path[-1:], 5.5, look["color"])):
        inside = np.all((point >= (xlim[0], ylim[0])) & (point <= (xlim[1], ylim[1])))
        ax.plot(
            *point.T,
            "o",
            color=look["color"],
            markerfacecolor=face,
            markersize=size,
            clip_on=not inside,
            zorder=4,
        )


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _residuals(run: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns steps and residuals of each run, whatever the batch axes."""
    history = getattr(run, "history", run)
    values = getattr(history, "residual", history)
    # A flow has the residual of its last strategy only.
    of_a_flow = hasattr(history, "residual") and not hasattr(history, "steps")
    if of_a_flow or jnp.ndim(values) == 0:
        raise ValueError(
            "residual_history: residuals are an array with one per step, or what `solve` returns; "
            f"{type(run).__name__} has none along the way"
        )
    residual = np.asarray(values, float)
    steps = np.asarray(getattr(history, "steps", np.arange(residual.shape[-1])))
    steps = np.broadcast_to(steps, residual.shape).reshape(-1, residual.shape[-1])
    lines = residual.reshape(steps.shape)
    lines = np.where((lines > 0) & (steps >= 0), lines, np.nan)
    return list(zip(steps, lines, strict=True))


def _paths(run: Any, like: Strategy) -> list[np.ndarray]:
    """Returns the points of each trajectory, of shape (points, 2), whatever the batch axes."""
    strategies, steps = getattr(run, "strategies", None), None
    if strategies is None and any(hasattr(run, name) for name in ("history", "strategy")):
        history = getattr(run, "history", run)
        strategies, steps = history.strategy, getattr(history, "steps", None)
        if strategies is None:
            raise ValueError("this run kept no strategies: solve it with `save_every=1`")
    leaves = [
        np.asarray(leaf) for leaf in jax.tree.leaves(run if strategies is None else strategies)
    ]
    axes = [jnp.ndim(leaf) for leaf in jax.tree.leaves(like)]
    if len(axes) != len(leaves):  # such as one array with both coordinates
        axes = [1] * len(leaves) if len(leaves) == 1 else [0] * len(leaves)
    batch = np.shape(steps)[:-1] if steps is not None else leaves[0].shape[: -1 - axes[0]]
    points = leaves[0].shape[len(batch)] if leaves[0].ndim > len(batch) else 0
    count = int(np.prod(batch))
    path = np.concatenate([leaf.reshape(count, points, -1) for leaf in leaves], axis=2)
    if path.shape[2] != 2:
        raise ValueError(f"a trajectory here has two coordinates, got {path.shape[2]}")
    used = np.all(np.isfinite(path), axis=2)
    if steps is not None:
        used &= np.asarray(steps).reshape(count, points) >= 0
    return [one[kept] for one, kept in zip(path, used, strict=True)]

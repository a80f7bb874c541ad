"""Figures: phase portraits, residuals and spectra.

Every function draws on the `ax` it is given, or on a new figure, and returns the Axes; nothing is
shown or saved. Needs matplotlib: `pip install "dgames[plot]"`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from dgames.fields import AbstractField, check_field, prepared
from dgames.game import Game
from dgames.strategy import Strategy, as_strategy, player_names, ravel

if TYPE_CHECKING:
    import matplotlib.axes

# Okabe and Ito's palette without its yellow: told apart with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", "-.", ":")
_FAINT = "#B8BEC6"
_DARK = "#30363D"


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
            a new first axis.
        labels: One name per trajectory, for a legend.
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
    axes = _axes(ax, (4.9 + _legend_width(labels), min(max(4.2 * tall, 1.6), 7.0) + 0.4))

    _draw_streams(
        axes,
        lambda point: ravel(field(unravel(point.astype(vector.dtype)), args))[0],
        xlim,
        ylim,
        density,
    )
    for i, run in enumerate(_several(trajectories)):
        label = None if labels is None else labels[i]
        _draw_path(axes, _path(run), COLOURS[i % len(COLOURS)], label, xlim, ylim)
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
        _legend(axes, beside=ax is None)
    return axes


def residual_history(
    runs: Any, labels: Sequence[str] | None = None, *, ax: "matplotlib.axes.Axes | None" = None
) -> "matplotlib.axes.Axes":
    """Draws residuals against steps, on a logarithmic scale.

    Args:
        runs: A list, or one, of: what `solve` returns; a history; an array of residuals, one per
            step.
        labels: One name per run, for a legend.
        ax: Where to draw.

    Returns:
        The Axes.

    Raises:
        ImportError: Without matplotlib.

    Example:
        >>> import dgames as dg
        >>> from dgames import plot
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> methods = (dg.Extragradient(0.5), dg.Optimistic(0.5))
        >>> runs = [dg.solve(game, method, (1.0, 1.0)) for method in methods]
        >>> ax = plot.residual_history(runs, ["extragradient", "optimistic"])
    """
    axes = _axes(ax, (5.6, 3.8))
    for i, run in enumerate(_several(runs)):
        history = getattr(run, "history", run)
        residual = np.asarray(getattr(history, "residual", history), float)
        steps = np.asarray(getattr(history, "steps", np.arange(residual.size)))
        axes.plot(
            steps,
            np.where((residual > 0) & (steps >= 0), residual, np.nan),
            color=COLOURS[i % len(COLOURS)],
            linestyle=_DASHES[i // len(COLOURS) % len(_DASHES)],
            linewidth=1.8,
            label=None if labels is None else labels[i],
        )
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("residual")
    _quiet_frame(axes)
    if labels is not None:
        _legend(axes, beside=False)
    return axes


def spectrum(
    matrices: Any, labels: Sequence[str] | None = None, *, ax: "matplotlib.axes.Axes | None" = None
) -> "matplotlib.axes.Axes":
    """Draws eigenvalues in the complex plane, with the unit circle.

    Of the one-step map of a method (`dgames.step_jacobian`), eigenvalues inside the circle decay;
    the legend gives the spectral radius `rho`. Each further series is drawn smaller, so that
    eigenvalues that coincide all stay visible.

    Args:
        matrices: A square matrix, or a list of them.
        labels: One name per matrix.
        ax: Where to draw.

    Returns:
        The Axes.

    Raises:
        ImportError: Without matplotlib.

    Example:
        >>> import dgames as dg
        >>> from dgames import plot
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> methods = {"simultaneous": dg.Simultaneous(0.5), "extragradient": dg.Extragradient(0.5)}
        >>> steps = [dg.step_jacobian(game, method, (0.0, 0.0)) for method in methods.values()]
        >>> ax = plot.spectrum(steps, list(methods))
    """
    axes = _axes(
        ax, (4.9 + _legend_width([f"{name}, rho = 0.1234" for name in labels or ("",)]), 4.6)
    )
    from matplotlib.patches import Circle

    axes.axhline(0, color=_FAINT, linewidth=0.8, zorder=0)
    axes.axvline(0, color=_FAINT, linewidth=0.8, zorder=0)
    axes.add_patch(Circle((0, 0), 1, facecolor="#F3F5F7", edgecolor="none", zorder=-1))
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=_DARK, linewidth=1.0, zorder=1))
    reach = 1.0
    for i, matrix in enumerate(_several(matrices)):
        values = np.linalg.eigvals(np.asarray(matrix))
        radius = float(np.max(np.abs(values)))
        reach = max(reach, radius)
        name = "" if labels is None else f"{labels[i]}, "
        axes.plot(
            values.real,
            values.imag,
            _MARKERS[i % len(_MARKERS)],
            color=COLOURS[i % len(COLOURS)],
            markeredgecolor="white",
            markeredgewidth=0.7,
            markersize=max(9 - 1.5 * i, 4),
            linestyle="none",
            zorder=2 + i,
            label=rf"{name}$\rho = {radius:.4g}$",
        )
    reach *= 1.12
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel(r"Re $\lambda$")
    axes.set_ylabel(r"Im $\lambda$")
    _legend(axes, beside=ax is None)
    return axes


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    """The given Axes, or those of a new figure of a size in inches."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'figures need matplotlib, which is optional: pip install "dgames[plot]"'
        ) from error
    return plt.subplots(figsize=size, layout="compressed")[1] if ax is None else ax


def _draw_streams(ax: Any, field: Callable, xlim: Any, ylim: Any, density: float | int) -> None:
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    columns, rows = (np.linspace(low, high, 61) for low, high in (xlim, ylim))
    points = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    flow = -np.asarray(jax.jit(jax.vmap(field))(jnp.asarray(points)))
    flow = np.where(np.isfinite(flow), flow, np.nan)
    u, v = flow.T.reshape(2, len(rows), len(columns))
    speed = np.hypot(u, v)
    # Shades go by rank, as speeds often span many orders of magnitude.
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


def _draw_path(
    ax: Any, path: np.ndarray, colour: str, label: str | None, xlim: Any, ylim: Any
) -> None:
    ax.plot(*path.T, color=colour, linewidth=1.6, zorder=3, label=label)
    for point, size, face in ((path[0], 6.5, "white"), (path[-1], 5.5, colour)):
        inside = np.all((point >= (xlim[0], ylim[0])) & (point <= (xlim[1], ylim[1])))
        ax.plot(
            *point,
            "o",
            color=colour,
            markerfacecolor=face,
            markersize=size,
            clip_on=not inside,
            zorder=4,
        )


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _has_strategies(run: Any) -> bool:
    return any(hasattr(run, name) for name in ("history", "strategies", "strategy"))


def _path(run: Any) -> np.ndarray:
    """The points of a trajectory, of shape (points, 2)."""
    strategies = getattr(run, "strategies", None)
    if strategies is None and _has_strategies(run):
        strategies = getattr(run, "history", run).strategy
        if strategies is None:
            raise ValueError("this run kept no strategies: solve it with `save_every=1`")
    leaves = map(np.asarray, jax.tree.leaves(run if strategies is None else strategies))
    path = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    if path.shape[1] != 2:
        raise ValueError(f"a trajectory here has two coordinates, got {path.shape[1]}")
    return path[np.all(np.isfinite(path), axis=1)]


def _quiet_frame(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, which="major", color="#E6E9ED", linewidth=0.8)
    ax.set_axisbelow(True)


def _legend_width(labels: Sequence[str] | None) -> float:
    """Room in inches that a legend beside the axes takes, about."""
    return 0.0 if labels is None else 0.6 + 0.075 * max(map(len, labels), default=0)


def _legend(ax: Any, beside: bool) -> None:
    # Beside the axes on a figure of our own; inside, where there may be neighbours.
    owner, place = (ax.figure, "outside right center") if beside else (ax, "best")
    owner.legend(loc=place, frameon=True, framealpha=0.92, edgecolor="none", fontsize="small")

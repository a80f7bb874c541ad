"""Figures are drawn off screen and read back: what they show, and on whose axes."""

import sys
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import dgames as dg
from dgames import games, plot

pytestmark = pytest.mark.thin(3)

GAME = games.Bilinear()
START = (jnp.array(1.0), jnp.array(1.0))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def runs():
    methods = (dg.Simultaneous(0.1), dg.Extragradient(0.5))
    return [dg.solve(GAME, method, START, max_steps=40, save_every=1) for method in methods]


def lines(ax):
    """The points of everything drawn that has at least two."""
    drawn = [np.asarray(line.get_xydata(), float) for line in ax.get_lines()]
    return [data for data in drawn if len(data) >= 2]


def saved_without_a_warning(ax, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(path)
    return path.stat().st_size > 5000


@pytest.mark.full
def test_phase_portrait(runs, tmp_path):
    ax = plot.phase_portrait(
        GAME, trajectories=runs, labels=["GDA", "EG"], equilibrium=GAME.equilibrium()
    )
    assert saved_without_a_warning(ax, tmp_path / "portrait.png")
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")
    for run, data in zip(runs, lines(ax), strict=True):
        np.testing.assert_array_equal(data, np.stack(run.history.strategy, axis=1))
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["GDA", "EG"]


def test_phase_portrait_flows_the_way_players_go(monkeypatch):
    """Against the field: towards the origin, if everyone's cost is `x^2 / 2`."""
    drawn = {}

    def streamplot(self, x, y, u, v, **kwargs):
        drawn.update(x=x, y=y, u=u, v=v)

    monkeypatch.setattr("matplotlib.axes.Axes.streamplot", streamplot)
    game = games.Quadratic([[[1.0]], [[2.0]]])
    plot.phase_portrait(game, (-1, 1), (0, 3), like=(jnp.ones(1), jnp.ones(1)))
    x, y = np.meshgrid(drawn["x"], drawn["y"])
    np.testing.assert_allclose(drawn["u"], -x, atol=1e-12)
    np.testing.assert_allclose(drawn["v"], -2 * y, atol=1e-12)


@pytest.mark.full
def test_phase_portrait_of_a_flow_with_named_players():
    game = dg.zero_sum(lambda x, args: x["buyer"] * x["seller"], minimiser="buyer")
    like = {"buyer": 0.0, "seller": 0.0}
    path = dg.flow(game, {"buyer": 1.0, "seller": 0.5}, 1.0)
    ax = plot.phase_portrait(game, trajectories=path, like=like, equilibrium=like)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("buyer", "seller")
    assert lines(ax)[0][0].tolist() == [1.0, 0.5]


@pytest.mark.full
def test_trajectories_in_every_form(runs):
    run = runs[0]
    points = np.stack(run.history.strategy, axis=1)
    expected = lines(plot.phase_portrait(GAME, trajectories=[run]))[0]
    for one in (run, run.history, points, [run.history.strategy], [points]):
        np.testing.assert_array_equal(
            lines(plot.phase_portrait(GAME, trajectories=one))[0], expected
        )


def test_portrait_of_a_field():
    field = dg.FunctionField(lambda x, args: (x[0], args * x[1]))
    assert plot.phase_portrait(field, args=2.0, xlim=(-1, 1), ylim=(0, 3)).get_ylim() == (0, 3)


def test_portrait_with_a_singular_corner(tmp_path):
    """The price of an oligopoly is infinite where nobody sells."""
    duopoly = games.Oligopoly([1.0, 2.0], [5.0, 5.0], [1.0, 0.5], 1.1)
    ax = plot.phase_portrait(duopoly, (0, 60), (0, 60), like=(1.0, 1.0))
    assert saved_without_a_warning(ax, tmp_path / "duopoly.png")


def test_portrait_in_single_precision(runs):
    like = (jnp.float32(0.0), jnp.float32(0.0))
    assert plot.phase_portrait(GAME, like=like, trajectories=runs[0]).has_data()


def test_phase_portrait_misuse():
    with pytest.raises(ValueError, match=r"needs two coordinates in all, but `like` has 3"):
        plot.phase_portrait(GAME, like=(jnp.ones(2), 0.0))
    with pytest.raises(ValueError, match="save_every=1"):
        plot.phase_portrait(GAME, trajectories=dg.solve(GAME, dg.Extragradient(0.5), START))
    with pytest.raises(ValueError, match="two coordinates, got 3"):
        plot.phase_portrait(GAME, trajectories=np.ones((5, 3)))


def test_residual_history(runs, tmp_path):
    ax: Any = plot.residual_history(runs, ["GDA", "EG"])
    assert saved_without_a_warning(ax, tmp_path / "residual.png")
    assert ax.get_yscale() == "log"
    for run, data in zip(runs, lines(ax), strict=True):
        np.testing.assert_array_equal(data[:, 0], run.history.steps)
        np.testing.assert_array_equal(data[:, 1], run.history.residual)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["GDA", "EG"]


def test_residuals_of_zero_are_left_out():
    ax = plot.residual_history(np.array([1.0, 0.1, 0.0]))
    assert np.isnan(lines(ax)[0][2, 1])
    assert lines(ax)[0][:, 0].tolist() == [0, 1, 2]


def test_many_runs_stay_distinct():
    ax = plot.residual_history([np.array([1.0, 0.5])] * 20, [str(i) for i in range(20)])
    styles = [(line.get_color(), line.get_linestyle()) for line in ax.get_lines()]
    assert len(set(styles)) == 20


def test_spectrum(tmp_path):
    methods = (dg.Simultaneous(0.5), dg.Extragradient(0.5))
    steps = [dg.step_jacobian(GAME, method, (0.0, 0.0)) for method in methods]
    ax = plot.spectrum(steps, ["GDA", "EG"])
    assert saved_without_a_warning(ax, tmp_path / "spectrum.png")
    assert ax.get_aspect() == 1
    (legend,) = ax.figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [r"GDA, $\rho = 1.118$", r"EG, $\rho = 0.9014$"]
    drawn = np.concatenate(lines(ax)[2:]).round(6).tolist()  # after the two axes of the plane
    assert sorted(drawn) == [[0.75, -0.5], [0.75, 0.5], [1, -0.5], [1, 0.5]]


def test_spectrum_shows_everything():
    ax = plot.spectrum(np.diag([-7.0, 0.2]))
    assert ax.get_xlim()[0] < -7
    assert ax.get_ylim()[1] > 1


@pytest.mark.parametrize(
    "draw",
    (
        lambda ax: plot.phase_portrait(GAME, ax=ax),
        lambda ax: plot.residual_history(np.array([1.0, 0.1]), ["a"], ax=ax),
        lambda ax: plot.spectrum(np.eye(2), ["a"], ax=ax),
    ),
)
def test_draws_on_the_axes_it_is_given(draw):
    figure, (left, right) = plt.subplots(1, 2)
    assert draw(right) is right
    assert not left.has_data()
    assert figure.legends == []
    assert plt.get_fignums() == [figure.number]


def test_names_the_extra_when_matplotlib_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (
        lambda: plot.phase_portrait(GAME),
        lambda: plot.residual_history(np.ones(2)),
        lambda: plot.spectrum(np.eye(2)),
    ):
        with pytest.raises(ImportError, match=r"pip install \"dgames\[plot\]\""):
            draw()


# --- what `jax.vmap` made of runs ---------------------------------------------------------------


@pytest.fixture(scope="module")
def sweep():
    """Two starts, three step sizes: runs with two batch axes, which end at different steps."""
    game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))

    def run(start, h):
        return dg.solve(game, dg.Simultaneous(h), (start, 1.0), max_steps=60, save_every=5)

    each = jax.vmap(jax.vmap(run, (None, 0)), (0, None))
    return each(jnp.array([1.0, -0.5]), jnp.array([0.05, 0.1, 0.3]))


def picked(sweep, i, j):
    return jax.tree.map(lambda leaf: leaf[i, j], sweep.history)


@pytest.mark.full
def test_residuals_of_a_sweep_are_one_line_per_run(sweep):
    drawn = lines(plot.residual_history(sweep))
    assert len(drawn) == 6
    for data, (i, j) in zip(drawn, np.ndindex(2, 3), strict=True):
        one = picked(sweep, i, j)
        used = np.asarray(one.steps) >= 0
        np.testing.assert_array_equal(data[used, 0], one.steps[used])
        np.testing.assert_array_equal(data[used, 1], one.residual[used])
        assert np.isnan(data[~used, 1]).all()
    one_axis = jax.tree.map(lambda leaf: leaf[0], sweep.history)
    assert len(lines(plot.residual_history(one_axis))) == 3
    assert len(lines(plot.residual_history(np.ones((2, 3, 4))))) == 6


@pytest.mark.full
def test_paths_of_a_sweep_are_one_per_run(sweep):
    drawn = lines(plot.phase_portrait(GAME, trajectories=sweep))
    assert len(drawn) == 6
    for data, (i, j) in zip(drawn, np.ndindex(2, 3), strict=True):
        one = picked(sweep, i, j)
        used = np.asarray(one.steps) >= 0
        np.testing.assert_array_equal(data, np.stack(one.strategy, axis=1)[used])
    flows = jax.vmap(lambda a: dg.flow(GAME, (a, 0.5), 1.0))(jnp.arange(3.0))
    drawn = lines(plot.phase_portrait(GAME, trajectories=flows))
    assert [path[0].tolist() for path in drawn] == [[0, 0.5], [1, 0.5], [2, 0.5]]
    one_player = dg.FunctionField(lambda x, args: x)
    arrays = np.random.default_rng(0).normal(size=(2, 5, 2))
    for paths in (arrays, [tuple(np.moveaxis(arrays, -1, 0))]):
        for data, path in zip(
            lines(plot.phase_portrait(one_player, trajectories=paths)), arrays, strict=True
        ):
            np.testing.assert_array_equal(data, path)


@pytest.mark.full
def test_spectra_of_many_matrices():
    def matrix(h):
        return dg.step_jacobian(GAME, dg.Extragradient(h), (0.0, 0.0))

    few, many = jax.vmap(matrix)(jnp.arange(3) / 3), jax.vmap(matrix)(jnp.linspace(0, 1, 20))
    assert len(lines(plot.spectrum(few, list("abc")))) == 2 + 3
    ax = plot.spectrum(many)
    assert len(lines(ax)) == 2 + 20
    _, bar = ax.figure.axes
    assert bar.get_ylabel() == "matrix"
    assert (np.asarray(bar.get_yticks()) % 1 == 0).all()


def test_many_runs_of_one_sweep_are_coloured_by_number():
    ax = plot.residual_history(np.geomspace(1, 1e-3, 4) * np.ones((30, 1)))
    assert len({tuple(np.atleast_1d(line.get_color())) for line in ax.get_lines()}) == 30
    _, bar = ax.figure.axes
    assert bar.get_ylabel() == "run"


def test_labels_of_lines_and_of_entries(sweep):
    def named(ax):
        return [text.get_text() for text in ax.get_legend().get_texts()]

    alone = np.array([1.0, 0.1])
    assert named(plot.residual_history(sweep, list("abcdef"))) == list("abcdef")
    assert named(plot.residual_history(sweep, ["all"])) == ["all"]
    ax = plot.residual_history([sweep, alone], ["sweep", "alone"])
    assert named(ax) == ["sweep", "alone"]
    assert len({line.get_color() for line in ax.get_lines()}) == 2
    with pytest.raises(ValueError, match=r"2 labels do not fit: .* 6, or .* 1$"):
        plot.residual_history(sweep, ["a", "b"])
    with pytest.raises(ValueError, match="3 labels do not fit"):
        plot.phase_portrait(GAME, trajectories=sweep, labels=list("abc"))
    with pytest.raises(ValueError, match="2 matrices need as many labels, not 1"):
        plot.spectrum([np.eye(2)] * 2, ["a"])


@pytest.mark.parametrize("number", (1, 2, 5, 7))
def test_marks_of_spectra_stay_visible(number):
    """Hollow, of different forms and sizes, none less than 6 points: also where they coincide."""
    ax = plot.spectrum([np.diag([0.5, 1.0])] * number)
    marks: list[Any] = ax.get_lines()[2:]
    sizes = [mark.get_markersize() for mark in marks]
    assert min(sizes) >= 6 and sizes == sorted(set(sizes), reverse=True)
    assert len({mark.get_marker() for mark in marks}) == number
    assert {mark.get_markerfacecolor() for mark in marks} == {"none"}
    assert all(mark.get_markeredgecolor() == mark.get_color() for mark in marks)


def test_one_style_and_nobody_elses(sweep):
    before = dict(matplotlib.rcParams)
    axes = [
        plot.residual_history(sweep),
        plot.spectrum(np.eye(2)),
        plot.phase_portrait(GAME),
    ]
    assert dict(matplotlib.rcParams) == before
    assert len({ax.xaxis.label.get_color() for ax in axes}) == 1
    steps = plot.residual_history(np.array([1.0, 0.1, 0.01])).get_xticks()
    assert (np.asarray(steps) % 1 == 0).all()


@pytest.mark.full
@pytest.mark.parametrize(
    ("draw", "message"),
    (
        (lambda: plot.residual_history(1.0), "residuals are an array with one per step"),
        (lambda: plot.residual_history([1.0, 0.1]), "residuals are an array with one per step"),
        (lambda: plot.residual_history(dg.flow(GAME, START, 1.0)), "Trajectory has none along"),
        (
            lambda: plot.residual_history(
                jax.vmap(lambda a: dg.flow(GAME, (a, 0.5), 1.0))(jnp.arange(3.0))
            ),
            "Trajectory has none along",
        ),
        (lambda: plot.spectrum(np.ones(3)), r"square, not of shape \(3,\)"),
        (lambda: plot.spectrum(np.ones((2, 3))), r"square, not of shape \(2, 3\)"),
        (lambda: plot.spectrum(np.full((2, 2), np.nan)), "not finite"),
        (lambda: plot.phase_portrait(GAME, trajectories=np.ones((4, 5, 3))), "coordinates, got 3"),
    ),
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(draw, message):
    with pytest.raises(ValueError, match=message) as caught:
        draw()
    assert len(str(caught.value)) < 250

"""Figures are drawn off screen and read back: what they show, and on whose axes."""

import sys
import warnings
from typing import Any

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import dgames as dg
from dgames import games, plot

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


def test_phase_portrait_of_a_flow_with_named_players():
    game = dg.zero_sum(lambda x, args: x["buyer"] * x["seller"], minimiser="buyer")
    like = {"buyer": 0.0, "seller": 0.0}
    path = dg.flow(game, {"buyer": 1.0, "seller": 0.5}, 1.0)
    ax = plot.phase_portrait(game, trajectories=path, like=like, equilibrium=like)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("buyer", "seller")
    assert lines(ax)[0][0].tolist() == [1.0, 0.5]


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

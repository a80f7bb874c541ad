"""Running fields in continuous time."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import expm

import dgames as dg

ORBIT = dg.zero_sum(lambda x, args: x[0] * x[1])
SPIRAL = dg.game(
    lambda x, args: {
        "a": x["a"] ** 2 / 2 + x["a"] * x["b"],
        "b": x["b"] ** 2 / 2 - x["a"] * x["b"],
    }
)


@pytest.mark.full
def test_bilinear_play_cycles_and_has_not_converged():
    trajectory = dg.flow(ORBIT, (1.0, 0.0), t1=2 * jnp.pi)
    assert trajectory.times.shape == (101,) and trajectory.time == 2 * jnp.pi
    assert np.allclose(trajectory.strategies[0], np.cos(trajectory.times), atol=1e-5)
    assert np.allclose(trajectory.strategies[1], np.sin(trajectory.times), atol=1e-5)
    assert diffrax.is_okay(trajectory.result) and not trajectory.converged


@pytest.mark.full
def test_linear_flows_are_matrix_exponentials():
    J = jnp.array([[1.0, 1.0], [-1.0, 1.0]])
    trajectory = dg.flow(SPIRAL, {"a": 1.0, "b": -0.5}, t1=3.0, t0=1.0)
    expected = expm(-2.0 * J) @ jnp.array([1.0, -0.5])
    assert np.allclose((trajectory.strategy["a"], trajectory.strategy["b"]), expected, atol=1e-6)
    assert trajectory.times[0] == 1.0
    assert np.isclose(trajectory.residual, dg.residual(SPIRAL, trajectory.strategy))


@pytest.mark.full
def test_stopping_at_an_equilibrium():
    trajectory = dg.flow(SPIRAL, {"a": 1.0, "b": -0.5}, t1=1e4, stop=True, tol=1e-5)
    assert trajectory.converged and 1e-7 < trajectory.residual <= 1e-5
    assert 5 < trajectory.time < 50
    assert np.all(np.isfinite(trajectory.times)) and trajectory.times[-1] == trajectory.time
    assert trajectory.strategies["a"].shape == trajectory.times.shape
    on = dg.flow(SPIRAL, {"a": 1.0, "b": -0.5}, t1=30.0, tol=1e-5)
    assert on.converged and on.time == 30.0


@pytest.mark.full
def test_constrained_flows_stay_inside_and_rest_at_the_boundary():
    game = dg.game(lambda x, args: ((x[0] - 3) ** 2, (x[1] - x[0]) ** 2), dg.Box(0.0, 1.0))
    trajectory = dg.flow(game, (0.0, 0.5), t1=100.0, stop=True)
    assert trajectory.converged and np.allclose(trajectory.strategy, (1.0, 1.0), atol=1e-5)
    path = np.asarray(trajectory.strategies)
    assert path.min() >= 0 and path.max() <= 1 + 1e-9


def test_other_solvers_and_save_times():
    trajectory = dg.flow(
        SPIRAL,
        {"a": 1.0, "b": -0.5},
        t1=1.0,
        solver=diffrax.Heun(),
        dt0=0.25,
        stepsize_controller=diffrax.ConstantStepSize(),
        saveat=diffrax.SaveAt(steps=True),
    )
    assert np.allclose(trajectory.times, [0.25, 0.5, 0.75, 1.0])
    h, J = 0.25, np.array([[1.0, 1.0], [-1.0, 1.0]])
    step = np.eye(2) - h * J + h * h * J @ J / 2
    expected = np.linalg.matrix_power(step, 4) @ [1.0, -0.5]
    assert np.allclose((trajectory.strategy["a"], trajectory.strategy["b"]), expected, atol=1e-13)


@pytest.mark.full
def test_dtypes_are_kept():
    start = {"a": jnp.array(1.0, jnp.float32), "b": jnp.array(-0.5, jnp.float32)}
    trajectory = dg.flow(SPIRAL, start, t1=1.0, rtol=1e-4, atol=1e-5)
    assert {leaf.dtype for leaf in jax.tree.leaves(trajectory.strategies)} == {jnp.dtype("float32")}


@pytest.mark.full
def test_batches_derivatives_and_no_recompilation():
    traces = []

    def costs(x, args):
        traces.append(None)
        return (args * x[0] ** 2 / 2,)

    game = dg.game(costs)

    def end(rate):
        return dg.flow(game, (1.0,), t1=1.0, args=rate).strategy[0]

    rates = jnp.array([0.5, 1.0])
    assert np.allclose(jax.vmap(end)(rates), np.exp(-rates), atol=1e-6)
    assert np.isclose(jax.grad(end)(jnp.array(1.0)), -np.exp(-1.0), atol=1e-5)
    end(jnp.array(1.0))
    traces.clear()
    end(jnp.array(2.0))
    assert len(traces) == 1  # the shape check


@pytest.mark.full
def test_progress_and_malformed_games(capfd):
    dg.flow(SPIRAL, {"a": 1.0, "b": -0.5}, t1=1.0, progress=True)
    assert capfd.readouterr().out.split()[-1] == "100.00%"
    with pytest.raises(ValueError, match="no cost for player 'b'"):
        dg.flow(dg.game(lambda x, args: {"a": x["a"]}), {"a": 1.0, "b": 1.0}, t1=1.0)

"""Games of controls: states and costs, costates, published and rational equilibria, bad input."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg
from dgames.dynamic import unicycle_ride
from dgames.games import Trajectory


def scalar(horizon, weights=(1.0, 1.0)):
    """The game `x+ = x + u1 + u2` with costs `q_i sum x_t^2 + sum u_i^2` over t = 1 ... T."""
    q = dict(zip("ab", weights, strict=True))

    def stage(x, u):
        following = x + u["a"] + u["b"]
        return {i: jnp.sum(q[i] * following**2 + u[i] ** 2) for i in "ab"}

    return Trajectory(lambda x, u: x + u["a"] + u["b"], stage, None, [1.0], horizon)


def zeros(horizon, players):
    return {i: jnp.zeros((horizon, 1)) for i in players}


def newton(game, u, steps):
    field, unravel = dg.pseudo_gradient(game), dg.ravel(u)[1]
    flat = dg.ravel(u)[0]

    def gradient(z):
        return dg.ravel(field(unravel(z)))[0]

    @jax.jit
    def run(z):
        def step(_, z):
            return z - jnp.linalg.solve(jax.jacfwd(gradient)(z), gradient(z))

        return jax.lax.fori_loop(0, steps, step, z)

    return unravel(run(flat))


@pytest.mark.parametrize(
    ("horizon", "costs", "controls"),
    [
        (10, (2.75836327767, 0.183153208874), (-0.292243486943, 0.366306417748)),
        pytest.param(
            *(20, (6.64720725817, 0.229637161486), (-1.77742322225, 0.459274322973)),
            marks=pytest.mark.full,
        ),
    ],
)
def test_the_unicycle_has_its_known_equilibrium(horizon, costs, controls):
    game = unicycle_ride(horizon)
    u = newton(game, zeros(horizon, ("steer", "speed")), 12)
    assert float(dg.residual(game, u)) < 1e-12
    found = game.costs(u)
    assert [found["steer"], found["speed"]] == pytest.approx(costs, abs=1e-10)
    assert [u["steer"][0, 0], u["speed"][0, 0]] == pytest.approx(controls, abs=1e-10)


@pytest.mark.parametrize(
    ("horizon", "weights", "table"),
    [
        (1, (1, 1), (["-1/3"], ["-1/3"])),
        (2, (1, 1), (["-4/11", "-1/11"],) * 2),
        (3, (1, 1), (["-15/41", "-4/41", "-1/41"],) * 2),
        (2, (1, 2), (["-5/19", "-1/19"], ["-10/19", "-2/19"])),
    ],
)
def test_open_loop_controls_are_rational(horizon, weights, table):
    u = newton(scalar(horizon, weights), zeros(horizon, "ab"), 1)
    for own, exact in zip("ab", table, strict=True):
        assert u[own][:, 0] == pytest.approx([float(Fraction(x)) for x in exact], abs=1e-13)


@pytest.mark.full
def test_costates_give_the_gradient_in_the_controls():
    game = unicycle_ride(7)
    u = {
        i: jnp.asarray(np.random.default_rng(k).normal(size=(7, 1)))
        for k, i in enumerate(("steer", "speed"))
    }
    states, costates, gradient = game.rollout(u), game.costates(u), dg.pseudo_gradient(game)(u)
    for t in (0, 3, 6):
        now = {i: own[t] for i, own in u.items()}
        pushed = jax.jacfwd(game.dynamics, argnums=1)(states[t], now)
        paid = jax.jacfwd(game.stage_costs, argnums=1)(states[t], now)
        for i in u:
            expected = paid[i][i] + pushed[i].T @ costates[i][t]
            assert expected == pytest.approx(np.asarray(gradient[i][t]), abs=1e-12)


def test_terminal_costs_are_paid_at_the_end_and_args_are_the_first_state():
    game = Trajectory(
        lambda x, u: x + u["a"],
        lambda x, u: {"a": jnp.sum(u["a"] ** 2)},
        lambda x: {"a": jnp.sum((x - 3) ** 2)},
        [1.0, 2.0],
        2,
    )
    u = {"a": jnp.array([[1.0, 0.0], [0.0, 2.0]])}
    assert float(game.costs(u)["a"]) == 5 + 1 + 1
    assert float(game.costs(u, jnp.array([0.0, 0.0]))["a"]) == 5 + 4 + 1
    assert game.rollout(u, [0.0, 0.0])[-1].tolist() == [1.0, 2.0]
    assert game.from_state([0.0, 0.0]).costs(u)["a"] == game.costs(u, jnp.zeros(2))["a"]


@pytest.mark.full
def test_shifted_controls_start_the_next_problem_near_its_solution():
    game = scalar(12)
    u = newton(game, zeros(12, "ab"), 1)
    moved = game.from_state(game.rollout(u)[1])
    assert float(dg.residual(moved, game.shifted(u))) < 1e-3
    assert float(dg.residual(moved, zeros(12, "ab"))) > 0.1
    assert game.shifted(u)["a"][-1] == u["a"][-1]


@pytest.mark.full
def test_bounds_on_controls_are_strategy_sets():
    parts = scalar(3)
    game = Trajectory(
        parts.dynamics, parts.stage_costs, None, [1.0], 3, {"a": dg.Box(-0.1, 0.1), "b": None}
    )
    run = dg.solve(game, dg.Extragradient(0.02), zeros(3, "ab"), max_steps=5000, tol=1e-12)
    assert float(run.strategy["a"][0, 0]) == -0.1
    assert float(dg.residual(game, run.strategy)) < 1e-11


def test_rows_on_states_are_rows_on_controls():
    A = jnp.array([[1.0, 0.1], [0.0, 1.0]])
    B = {"a": jnp.array([[0.0], [0.1]]), "b": jnp.array([[0.1, 0.0], [0.0, 0.2]])}
    game = Trajectory(
        lambda x, u: A @ x + B["a"] @ u["a"] + B["b"] @ u["b"] + 0.5,
        lambda x, u: {i: jnp.sum(u[i] ** 2) for i in u},
        None,
        [1.0, -1.0],
        4,
    )
    like = {"a": jnp.zeros((4, 1)), "b": jnp.zeros((4, 2))}
    rows, bound = jnp.array([[1.0, 2.0], [0.0, -1.0], [1.0, 0.0]]), jnp.array([1.0, 2.0, 3.0])
    matrix, right = game.state_rows(like, rows, bound)
    assert matrix["a"].shape == (12, 4) and matrix["b"].shape == (12, 8)
    u = {i: jax.random.normal(jax.random.key(k), like[i].shape) for k, i in enumerate(like)}
    slack = right - matrix["a"] @ u["a"].ravel() - matrix["b"] @ u["b"].ravel()
    direct = np.asarray(bound[None, :] - game.rollout(u)[1:] @ rows.T)
    assert slack.reshape(4, 3) == pytest.approx(direct, abs=1e-13)
    with pytest.raises(ValueError, match="affine in controls"):
        unicycle_ride(2).state_rows(zeros(2, ("steer", "speed")), jnp.eye(4), 1.0)
    with pytest.raises(ValueError, match="one column for each of the 2 coordinates"):
        game.state_rows(like, jnp.eye(3), 1.0)


def _scalar_parts(**changed):
    given = {
        "dynamics": lambda x, u: x + u["a"],
        "stage_costs": lambda x, u: {"a": jnp.sum(x**2)},
        "terminal_costs": None,
        "x0": [1.0],
        "horizon": 2,
    }
    return Trajectory(**{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x0": 1.0}, "first state is a vector"),
        ({"x0": [np.nan]}, "not finite"),
        ({"horizon": 0}, "positive number of steps"),
        ({"horizon": 2.5}, "positive number of steps"),
        ({"dynamics": 3}, "dynamics must be a function"),
    ],
)
def test_bad_parts_are_one_sentence(changed, words):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=f"{words}|Type-check error"):
        _scalar_parts(**changed)


@pytest.mark.parametrize(
    ("changed", "u", "words"),
    [
        ({}, (1.0,), "controls are a dictionary"),
        ({}, {"a": jnp.zeros(2)}, r"must be \(2, m\)"),
        ({}, {"a": jnp.zeros((3, 1))}, r"must be \(2, m\)"),
        ({}, {"a": jnp.zeros((2, 1)), "b": jnp.zeros((2, 1))}, "scalar for each of the players"),
        ({"dynamics": lambda x, u: x[0]}, {"a": jnp.zeros((2, 1))}, r"return \(\) for a state"),
        (
            {"stage_costs": lambda x, u: {"a": x}},
            {"a": jnp.zeros((2, 1))},
            "it must be a scalar",
        ),
        (
            {"dynamics": lambda x, u: jnp.exp(200 * x)},
            {"a": jnp.zeros((2, 1))},
            "not finite after step 2",
        ),
    ],
)
def test_bad_controls_and_dynamics_are_one_sentence(changed, u, words):
    with pytest.raises(ValueError, match=words):
        _scalar_parts(**changed).rollout(u)

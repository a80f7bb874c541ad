"""Stackelberg games against closed forms: answers, derivatives, fields, and what a point is."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optimistix as optx
import pytest

import dgames as dg

ZERO = jnp.array(0.0)


def cournot(q, args):
    """Price a - b (q1 + q2) with a = 10, b = 1, and costs 1 per unit."""
    price = 10.0 - q[0] - q[1]
    return tuple((1.0 - price) * own for own in q)


def duopoly(x, args=None):  # that of the README of the examples, in which "a" leads here
    a, b = x["a"], x["b"]
    return {"a": a**2 - a * (10.0 - a - b), "b": b**2 / 2 - b * (10.0 - a - b)}


def payoff(x, y):
    return -3.0 * x**2 - y[0] ** 2 + 4.0 * x * y[0]


MINIMAX = dg.Stackelberg(payoff, dg.game(lambda y, x: (-payoff(x, y),)))
IMPLICIT = dg.Stackelberg(
    lambda x, y: 0.5 * (x - 1.0) ** 2 + 0.5 * y[0] ** 2,
    dg.game(lambda y, x: (jnp.exp(y[0]) + 0.5 * y[0] ** 2 - x * y[0],)),
)


def led(game, start, x0, step, **options):
    field = dg.StackelbergGradient(game, start)
    run = dg.solve(field, dg.Simultaneous(step), {"leader": x0}, tol=1e-11, **options)
    assert run.residual <= 1e-11
    return run.strategy["leader"]


def field_jacobian(field, z):
    step = dg.step_jacobian(field, dg.Simultaneous(1.0), z)
    return np.eye(len(step)) - np.asarray(step)


def test_a_cournot_leader_and_the_value_of_leading():
    game = dg.Stackelberg.of(dg.game(cournot), 0, (0.0, 0.0))
    x = led(game, (1.0,), 1.0, 0.5)
    (y,) = game.best_response(x, (1.0,))
    assert np.allclose([x, y, game.reduced_cost(x, (1.0,))], [4.5, 2.25, -10.125], atol=1e-10)
    gain = dg.value_of_leading(game, x, (3.0, (3.0,)), (1.0,))  # at Nash both earn 9
    assert np.isclose(gain, 1.125, atol=1e-10)
    point = dg.stackelberg_point(game, x, (y,))
    assert point.is_differential_stackelberg() and point.nash_residual > 1
    at_nash = dg.stackelberg_point(game, jnp.array(3.0), (jnp.array(3.0),))
    assert at_nash.nash_residual < 1e-12 and not at_nash.is_differential_stackelberg()


@pytest.mark.full
def test_a_leader_by_name():
    game = dg.Stackelberg.of(dg.game(duopoly), "a", {"a": 0.0, "b": 0.0})
    x = led(game, {"b": 0.0}, 0.0, 0.2)
    y = game.best_response(x, {"b": 0.0})
    assert np.allclose([x, y["b"], game.reduced_cost(x, y)], [2, 8 / 3, -20 / 3], atol=1e-9)
    assert np.allclose(game.curvature(x, y), 10 / 3)
    with pytest.raises(ValueError, match="'c' must be one of at least two players; they are a, b"):
        dg.Stackelberg.of(dg.game(duopoly), "c", {"a": 0.0, "b": 0.0})


@pytest.mark.full
def test_quadratic_costs_of_a_leader_and_two_followers(key):
    keys = jax.random.split(key, 6)
    A, B, C, E = (jax.random.normal(k, (3, 3)) for k in keys[:4])
    H, b = jax.random.normal(keys[4], (3, 3)), jax.random.normal(keys[5], (3,))
    A, C, E = A @ A.T + 9 * jnp.eye(3), C @ C.T, E + 5 * jnp.eye(3)

    def f(x, y):
        z = jnp.concatenate(y)
        return 0.5 * x @ A @ x + x @ B @ z + 0.5 * z @ C @ z + b @ z

    def g(y, x):  # two followers of 1 and 2 coordinates, whose G is symmetrised E z + H x
        z = jnp.concatenate(y)
        own = jnp.concatenate([jnp.zeros(1), jnp.ones(2)])
        pull = (H @ x) @ z

        def cost(mask):
            mine = mask * z
            rest = z - mine
            return 0.5 * mine @ E @ mine + mine @ E @ rest + pull

        return cost(1 - own), cost(own)

    S = jnp.block(
        [[E[:1, :1], E[:1, 1:]], [E[1:, :1], (E[1:, 1:] + E[1:, 1:].T) / 2]]
    )  # own blocks of a gradient are symmetric
    game, start = dg.Stackelberg(f, dg.game(g)), (jnp.zeros(1), jnp.zeros(2))
    r = -jnp.linalg.solve(S, H)
    x = jnp.array([0.3, -0.2, 0.5])
    slopes = jax.jacfwd(lambda x: jnp.concatenate(game.best_response(x, start)))(x)
    assert np.allclose(slopes, r)
    curvature = A + B @ r + r.T @ B.T + r.T @ C @ r
    assert np.allclose(game.curvature(x, start), curvature)
    total = (A + B @ r) @ x + r.T @ (B.T @ x + C @ (r @ x) + b)
    assert np.allclose(game.total_derivative(x, start), total)
    y = game.best_response(x, start)
    assert np.allclose(game.leader_force(x, y, game.adjoint(x, y)), total)


def test_derivatives_of_an_implicit_answer_of_any_order():
    @jax.jit
    def numbers(x):
        def r(x):
            return IMPLICIT.best_response(x, (0.3,))[0]

        return r(x), jax.grad(r)(x), jax.jacfwd(jax.grad(r))(x), IMPLICIT.curvature(x, (0.3,))

    y, slope, bend, curvature = numbers(jnp.array(1.0))
    assert np.allclose([y, slope, bend, curvature[0, 0]], [0, 1 / 2, -1 / 8, 5 / 4], atol=1e-12)


def test_fields_at_a_local_minimax_that_is_no_nash_equilibrium():
    z = {"leader": ZERO, "followers": (ZERO,)}
    zero_sum = dg.game(lambda v, args: (payoff(v[0], v[1:]), -payoff(v[0], v[1:])))
    plain = field_jacobian(dg.as_field(zero_sum), (0.0, 0.0))
    assert np.allclose(np.linalg.eigvals(plain), -2, atol=1e-6)  # descent-ascent diverges
    for field in (dg.TwoTimescale(MINIMAX), dg.FollowTheRidge(MINIMAX)):
        assert np.allclose(np.linalg.eigvals(field_jacobian(field, z)), 2, atol=1e-6)
    point = dg.stackelberg_point(MINIMAX, ZERO, (ZERO,))
    assert point.is_differential_stackelberg() and np.isclose(point.curvature, 2)


def test_the_single_loop_is_stable_for_speeds_above_the_root_of_three():
    z = {"leader": ZERO, "followers": (ZERO,), "adjoint": (ZERO,)}

    def slowest(speed):
        return np.linalg.eigvals(field_jacobian(dg.SingleLoop(MINIMAX, speed), z)).real.min()

    assert slowest(3**0.5 - 1e-4) < -1e-6 and slowest(3**0.5 + 1e-4) > 1e-6


@pytest.mark.full
def test_every_field_of_learning_ends_at_the_same_point():
    start = {"leader": jnp.array(2.0), "followers": (jnp.array(0.5),)}
    for field in (dg.TwoTimescale(IMPLICIT, 2.0), dg.SingleLoop(IMPLICIT, 4.0)):
        z = start | ({"adjoint": (ZERO,)} if isinstance(field, dg.SingleLoop) else {})
        run = dg.solve(field, dg.Simultaneous(0.05), z, tol=1e-10)
        assert np.allclose([run.strategy["leader"], *run.strategy["followers"]], [1, 0], atol=1e-8)


def test_the_bias_of_unrolled_derivatives_falls_with_the_steps():
    x, exact = {"leader": jnp.array(2.0)}, IMPLICIT.total_derivative(jnp.array(2.0), (0.0,))

    def bias(steps, truncate=None):
        field = dg.UnrolledGradient(IMPLICIT, (0.0,), 0.2, steps, truncate)
        return abs(float(field(x)["leader"] - exact))

    assert bias(40) < 1e-4 * bias(2) and bias(80, 40) < 1e-7
    assert bias(80, 0) > 0.1  # without its last steps a leader sees f_x alone
    with pytest.raises(ValueError, match="truncate from 0 to steps; got 3 and 4"):
        dg.UnrolledGradient(IMPLICIT, (0.0,), 0.2, 3, 4)


def test_stackelberg1_of_macmpec():
    def f(x, y):
        return (0.5 * x + 0.5 * y[0] - 95.0) * x

    follower = dg.game(lambda y, x: (y[0] ** 2 + (0.5 * x - 100.0) * y[0],), dg.Box(0.0, jnp.inf))
    game = dg.Stackelberg(f, follower, dg.Box(0.0, 200.0))
    x = led(game, (0.0,), 10.0, 1.0)
    assert np.allclose([x, *game.best_response(x, (0.0,))], [280 / 3, 80 / 3], atol=1e-8)
    assert np.isclose(game.reduced_cost(x, (0.0,)), -3266.0 - 2 / 3, atol=1e-8)


@pytest.mark.full
def test_example_1_of_bard_with_bounds_that_move():
    follower = dg.game(lambda y, x: ((y[0] - 1.0) ** 2 - 1.5 * x * y[0],))

    def bounds(x):
        return dg.Box(jnp.maximum(0.0, 2 * x - 8), jnp.minimum(3 * x - 3, 7 - x))

    def f(x, y):
        return (x - 5.0) ** 2 + (2 * y[0] + 1.0) ** 2

    game = dg.Stackelberg(f, follower, dg.Box(1.0, 7.0), bounds)
    x = led(game, (0.0,), 3.0, 0.02)
    assert x == 1 and np.isclose(game.reduced_cost(x, (0.0,)), 17, atol=1e-12)
    answer = game.response(jnp.array(1.2), (0.0,))
    assert bool(answer.active[0]) and np.isclose(answer.value[0], 0.6)
    assert np.isclose(jax.grad(lambda x: game.best_response(x, (0.0,))[0])(1.2), 3)


def test_weakly_active_bounds_are_reported_and_count_as_free():
    follower = dg.game(lambda y, x: (0.5 * (y[0] - x) ** 2,), dg.Box(0.0, jnp.inf))
    game = dg.Stackelberg(lambda x, y: 0.5 * x**2 + y[0], follower)
    weak = game.response(ZERO, (1.0,))
    assert weak.weakly_active.tolist() == [True] and not weak.active[0]
    assert bool(dg.stackelberg_point(game, ZERO, (ZERO,)).weakly_active)
    slopes = [game.total_derivative(jnp.array(x), (1.0,)) for x in (-0.5, 0.0, 0.5)]
    assert np.allclose(slopes, [-0.5, 1.0, 1.5])


@pytest.mark.parametrize(
    ("cost", "start", "words"),
    [
        (lambda y, x: ((y[0] ** 2 - 1.0) ** 2,), 0.0, "not curved upwards"),
        (lambda y, x: (0.0 * y[0],), 0.0, "Jacobian is singular"),
        (lambda y, x: (jnp.exp(y[0]) + x * y[0],), 0.0, "solver stopped before"),
    ],
)
def test_followers_without_one_answer(cost, start, words):
    game = dg.Stackelberg(lambda x, y: x**2, dg.game(cost))
    with pytest.raises(ValueError, match=words):
        game.best_response(jnp.array(1.0), (start,))
    with pytest.raises(Exception, match=words):
        jax.block_until_ready(jax.jit(game.best_response)(jnp.array(1.0), (start,)))


def test_refusals():
    follower = dg.game(lambda y, x: (jnp.sum(y[0] ** 2),), dg.Simplex())
    game = dg.Stackelberg(lambda x, y: x**2, follower)
    with pytest.raises(ValueError, match=r"sets that are a dgames\.Box; got a Simplex"):
        game.best_response(jnp.array(1.0), (jnp.ones(2) / 2,))
    with pytest.raises(ValueError, match="takes no args"):
        dg.TwoTimescale(MINIMAX)({"leader": ZERO, "followers": (ZERO,)}, 1.0)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="followers"):
        dg.Stackelberg(lambda x, y: x, lambda y, x: (y[0],))  # pyright: ignore


@pytest.mark.full
def test_answers_within_bounds_from_anywhere(key):
    """A kernel machine, from some starts of which Newton's method alone goes around in circles."""
    keys = jax.random.split(key, 3)
    points, labels = jax.random.normal(keys[0], (20, 2)), jax.random.normal(keys[1], (20,))
    far = jnp.sum((points[:, None] - points[None]) ** 2, -1)
    Q = jnp.outer(jnp.sign(labels), jnp.sign(labels)) * jnp.exp(-far / 8) + 0.1 * jnp.eye(20)
    follower = dg.game(lambda y, x: (0.5 * y[0] @ Q @ y[0] - x * jnp.sum(y[0]),), dg.Box(0.0, 1.0))
    game = dg.Stackelberg(lambda x, y: x**2, follower)
    starts = jax.random.uniform(keys[2], (20, 20))
    answers = jax.jit(jax.vmap(lambda y: game.response(jnp.array(1.0), (y,))))(starts)
    assert bool(answers.converged.all())
    assert np.allclose(answers.value, answers.value[0], atol=1e-7)
    y = answers.value[0]
    assert np.allclose(y, np.clip(y - (Q @ y - 1), 0, 1), atol=1e-7)


@pytest.mark.full
def test_another_solver():
    solver = optx.Dogleg(1e-10, 1e-10)
    game = dg.Stackelberg(IMPLICIT.leader_cost, IMPLICIT.followers, solver=solver)
    assert np.isclose(game.best_response(jnp.array(1.0), (3.0,))[0], 0, atol=1e-8)

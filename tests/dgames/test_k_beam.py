"""K-beam minimax against gradient descent-ascent, on the surfaces of Hamm and Noh."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

import dgames as dg
from dgames.games import Surface
from dgames.methods.k_beam import shortest_in_hull

pytestmark = pytest.mark.thin(4)

SADDLE = dg.pseudo_gradient(dg.zero_sum(lambda x, args: x[0] * x[1] - 0.3 * x[1] ** 2))


@functools.cache
def run(name, epsilon=None, steps=1000):
    """The program that runs from a start with candidates."""
    field = dg.pseudo_gradient(Surface(name))

    def last(x, candidates):
        method = dg.KBeam(0.1, candidates, epsilon)
        start = (x, jnp.zeros(()))
        carry = (start, method.init(field, start))
        (x, _), _ = jax.lax.scan(lambda c, _: (method.step(field, *c), None), carry, length=steps)
        return x[0]

    return jax.jit(jax.vmap(last))


def errors(name, count, epsilon=None):
    """Distances from the nearest minimiser of 100 random starts, as in the paper's table."""
    rng = np.random.default_rng(0)
    starts, candidates = rng.uniform(-0.45, 0.45, 100), rng.uniform(-0.45, 0.45, (100, count))
    found = np.asarray(run(name, epsilon)(jnp.asarray(starts), jnp.asarray(candidates)))
    return np.min([np.abs(found - end) for end in Surface(name).minimisers()], 0)


@pytest.mark.parametrize("name", Surface.names())
def test_minimisers_of_surfaces_on_a_grid(name):
    grid = np.linspace(-0.5, 0.5, 401)
    values = jax.vmap(lambda x: jax.vmap(lambda y: Surface(name).payoff((x, y)))(grid))(grid)
    worst = np.asarray(values).max(1)
    least = grid[worst <= worst.min() + 1e-9]
    assert np.allclose(least, Surface(name).minimisers(), atol=1e-12)


def test_unknown_surfaces_are_named():
    with pytest.raises(ValueError, match="a surface is one of saddle, rotated saddle"):
        Surface("horse")


def test_one_candidate_always_ends_at_the_boundary_of_the_anti_saddle():
    found = errors("anti-saddle", 1)
    assert np.allclose(found, 0.5, atol=1e-12)


def test_one_candidate_misses_the_weapons_by_as_much_as_known():
    """Most runs end where y = 1/2 and the slope in x vanishes; the mean of all is published."""
    found = errors("weapons", 1)
    assert np.isclose(np.median(found), (4 - 5 / np.e) / (10 + 10 / np.e), atol=1e-6)
    assert np.isclose(found.mean(), 0.138, atol=0.012)  # three standard errors


@pytest.mark.parametrize(
    "name",
    [
        "anti-saddle",
        *(pytest.param(n, marks=pytest.mark.full) for n in ("seesaw", "monkey saddle", "weapons")),
    ],
)
def test_more_candidates_miss_less(name):
    means = [errors(name, count).mean() for count in (1, 2, 5, 10)]
    assert means[0] > 1.5 * means[1] and means[1] > 2 * means[2]
    assert means[0] > 0.13 and means[3] < 0.06 and means[3] < means[2] + 0.001


@pytest.mark.full
@pytest.mark.parametrize("name", ["saddle", "rotated saddle"])
def test_saddle_points_need_no_candidates(name):
    for count in (1, 5):
        assert errors(name, count).max() < 0.01


def test_one_candidate_is_descent_ascent_in_alternation():
    x = (jnp.array(0.4), jnp.array(-0.3))
    beam = dg.KBeam(0.2, x[1][None])
    y, state = x, beam.init(SADDLE, x)
    for t in range(1, 6):
        x, _ = dg.Alternating(0.2 / t**0.5).step(SADDLE, x, None)
        y, state = beam.step(SADDLE, y, state)
        assert np.allclose(x, y, atol=1e-15) and state.round == t + 1


def test_a_step_by_hand_with_roles_by_name_and_steps_per_player():
    game = dg.zero_sum(
        lambda x, args: args * jnp.sum(x["least"]["u"] * x["most"]) - jnp.sum(x["most"] ** 2),
        {"least": dg.Euclidean(), "most": dg.Box(-1.0, 1.0)},
        minimiser="least",
    )
    field = dg.pseudo_gradient(game)
    x = {"least": {"u": jnp.array([1.0, -2.0])}, "most": jnp.zeros(2)}
    candidates = jnp.array([[1.0, 0.5], [0.2, -0.9], [-1.0, 1.0]])
    method = dg.KBeam({"least": 0.5, "most": 0.25}, candidates)
    new, state = method.step(field, x, method.init(field, x), 2.0)
    payoffs = [2.0 * np.dot([1.0, -2.0], y) - y @ y for y in np.asarray(candidates)]
    best = int(np.argmax(payoffs))
    assert best == 1
    moved = np.array([1.0, -2.0]) - 0.5 * 2.0 * np.asarray(candidates[best])
    assert np.allclose(new["least"]["u"], moved)
    after = np.clip(
        np.asarray(candidates) + 0.25 * (2.0 * moved - 2 * np.asarray(candidates)), -1, 1
    )
    assert np.allclose(state.candidates, after) and np.allclose(new["most"], after[best])
    new, state = method.step(field, new, state, 2.0)
    assert state.round == 3
    assert np.allclose(new["least"]["u"], moved - 0.5 / 2**0.5 * 2.0 * after[1])


@pytest.mark.parametrize("dtype", [jnp.float64, pytest.param(jnp.float32, marks=pytest.mark.full)])
def test_the_shortest_point_of_a_hull(dtype):
    """It is in the hull, and the whole hull is on the far side of it."""
    rng, shortest = np.random.default_rng(4), jax.jit(shortest_in_hull)
    for shift in (0.0, 0.0, 0.5, 1.0, 3.0):
        points = rng.standard_normal((6, 3)) + shift
        points[4:] = points[0]  # copies
        found = shortest(jnp.asarray(points, dtype))
        assert found.dtype == dtype
        found = np.asarray(found, float)
        _, distance = nnls(np.vstack([points.T, np.ones(6)]), np.append(found, 1.0))
        assert distance < 1e-6 and np.all(points @ found >= found @ found - 1e-6)
    assert np.array_equal(shortest(jnp.zeros((6, 3), dtype)), np.zeros(3))


@pytest.mark.full
def test_balanced_candidates_hold_the_minimiser_where_it_is():
    """At a kink the gradient at one candidate pushes away; the shortest one vanishes."""
    field = dg.pseudo_gradient(dg.zero_sum(lambda x, args: x[0] * x[1], dg.Box(-1.0, 1.0)))
    x = (jnp.array(0.0), jnp.array(0.0))
    candidates = jnp.array([-1.0, 1.0, 0.2])
    plain, careful = (dg.KBeam(0.5, candidates, epsilon) for epsilon in (None, 0.1))
    assert abs(plain.step(field, x, plain.init(field, x))[0][0]) == 0.5
    assert abs(careful.step(field, x, careful.init(field, x))[0][0]) < 1e-6
    # Out of reach of epsilon, only the best counts.
    away = (jnp.array(0.4), jnp.array(0.0))
    assert np.isclose(careful.step(field, away, careful.init(field, away))[0][0], 0.4 - 0.5)


@pytest.mark.full
def test_careful_steps_find_minimisers_too():
    assert errors("anti-saddle", 10, 0.01).mean() < 0.05


def test_new_candidates_do_not_retrace():
    traces = []

    @jax.jit
    def step(method, x):
        traces.append(1)
        return method.step(SADDLE, x, method.init(SADDLE, x))[0]

    x = (jnp.array(0.4), jnp.array(-0.3))
    first = step(dg.KBeam(0.2, jnp.array([0.1, 0.2])), x)
    assert (
        len(traces) == 1
        and step(dg.KBeam(0.1, jnp.array([0.3, 0.2])), x) != first
        and len(traces) == 1
    )


def test_errors_say_what_is_needed():
    x = (jnp.zeros(2), jnp.zeros(3))
    field = dg.pseudo_gradient(dg.games.Bilinear(jnp.ones((2, 3))))
    for wrong in (
        jnp.zeros(3),
        jnp.zeros((4, 2)),
        jnp.zeros((0, 3)),
        1.0,
        (jnp.zeros((2, 3)),) * 2,
    ):
        with pytest.raises(ValueError, match="stacked along a new first axis"):
            dg.KBeam(0.1, wrong).init(field, x)
    for other in (SADDLE.game, dg.game(lambda x, args: x)):
        field = dg.FunctionField(lambda x, args, other=other: dg.pseudo_gradient(other)(x))
        with pytest.raises(ValueError, match="pseudo-gradient of a zero-sum game"):
            dg.KBeam(0.1, jnp.zeros((2, 3))).init(field, x)

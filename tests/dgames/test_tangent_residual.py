"""Tangent residuals against quadratic programs and each other, and the gaps that they bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

import dgames as dg
from dgames.strategy import norm
from dgames.tangent_residual import diameter, project_tangent

pytestmark = pytest.mark.thin(4)

RNG = np.random.default_rng(2)


def from_normals(direction, normals, lines=()):
    """The projection onto the polar of the cone of `normals` and both senses of `lines`."""
    generators = np.array([*normals, *lines, *(-np.asarray(line) for line in lines)])
    if not len(generators):
        return direction
    weights, _ = nnls(generators.T, direction)
    return direction - generators.T @ weights


def normals_of_box(x, low, high):
    eye = np.eye(len(x))
    return [*(eye[x >= high]), *(-eye[x <= low])]


@pytest.mark.parametrize("case", range(12))
def test_projections_onto_tangent_cones_by_least_squares(case):
    """By Moreau's decomposition: what is taken away is the projection onto the normal cone."""
    v = RNG.standard_normal(6)
    x = np.clip(RNG.standard_normal(6) * 2, -1.0, 0.5)
    box = project_tangent(dg.Box(-1.0, 0.5), jnp.asarray(x), jnp.asarray(v))
    assert np.allclose(box, from_normals(v, normals_of_box(x, -1.0, 0.5)), atol=1e-12)

    p = np.asarray(dg.Simplex().project(jnp.asarray(RNG.standard_normal(6))))
    simplex = project_tangent(dg.Simplex(), jnp.asarray(p), jnp.asarray(v))
    expected = from_normals(v, list(-np.eye(6)[p == 0]), [np.ones(6)])
    assert np.allclose(simplex, expected, atol=1e-12)

    centre = RNG.standard_normal(6) * 5
    ball = dg.Ball(jnp.asarray(centre), 0.7)
    y = ball.project(jnp.asarray(centre + RNG.standard_normal(6)))
    outwards = np.asarray(y) - centre
    on_it = project_tangent(ball, y, jnp.asarray(v))
    assert np.allclose(on_it, from_normals(v, [outwards]), atol=1e-12)
    inside = project_tangent(ball, jnp.asarray(centre + 0.9 * outwards), jnp.asarray(v))
    assert np.array_equal(inside, v)


def test_corners_where_both_bounds_meet_and_many_simplices():
    point = project_tangent(dg.Box(1.0, 1.0), jnp.ones(2), jnp.array([3.0, -3.0]))
    assert point.tolist() == [0.0, 0.0]
    p, v = jnp.array([[1.0, 0.0], [0.5, 0.5]]), jnp.array([[2.0, 1.0], [2.0, 1.0]])
    assert project_tangent(dg.Simplex(), p, v).tolist() == [[0.0, 0.0], [0.5, -0.5]]
    assert project_tangent(dg.Simplex(), jnp.ones(1), jnp.ones(1)).tolist() == [0.0]
    near = jnp.array([1e-9, 0.5])
    push = jnp.array([-1.0, -1.0])
    assert project_tangent(dg.Box(0.0, 1.0), near, push).tolist() == [-1.0, -1.0]
    assert project_tangent(dg.Box(0.0, 1.0), near, push, 1e-8).tolist() == [0.0, -1.0]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_projected_points_are_on_the_boundary(dtype):
    """Rounding puts a point of a sphere inside it about every other time."""
    ball = dg.Ball(jnp.full(3, 10.0, dtype), 1.0)
    points = jnp.asarray(RNG.standard_normal((200, 3)) * 20, dtype)
    points = jax.vmap(ball.project)(points)
    out = points - 10
    left = jax.vmap(lambda x, d: project_tangent(ball, x, d))(points, out)
    assert jnp.all(jnp.abs(left) < 1e3 * jnp.finfo(dtype).eps)


def test_diameters():
    assert np.isclose(diameter(dg.Box(-1.0, 2.0), jnp.zeros((2, 2))), 6.0)
    assert diameter(dg.Ball(3.0, 2.0), jnp.zeros(2)) == 4.0
    assert np.isclose(
        diameter(dg.Simplex(), {"u": jnp.zeros((3, 2)), "v": jnp.zeros((5, 1))}), 6**0.5
    )
    assert diameter(dg.Euclidean(), jnp.zeros(2)) == diameter(dg.Box(0.0, jnp.inf), 1.0) == jnp.inf


MIXED = {"a": dg.Simplex(), "b": dg.Box(-1.0, 1.0), "c": dg.Ball(0.0, 1.0)}


def costs(x, args):
    a, b, c = x["a"], x["b"], x["c"]
    return {
        "a": a @ b + 0.1 * a @ a,
        "b": jnp.sum((b - 2.0 * a) ** 2) - b @ c,
        "c": jnp.sum((c + b) ** 4) / 4 + a @ c,
    }


GAME = dg.game(costs, MIXED)


def profiles(count):
    x = {name: jnp.asarray(RNG.standard_normal((count, 3)) * 1.5) for name in "abc"}
    return jax.vmap(dg.pseudo_gradient(GAME).project)(x)


@pytest.mark.full
def test_it_lies_between_the_natural_residual_and_the_field():
    def three(x):
        force = norm(dg.pseudo_gradient(GAME)(x))
        return dg.residual(GAME, x), dg.tangent_residual(GAME, x), force

    natural, tangent, force = jax.jit(jax.vmap(three))(profiles(100))
    assert jnp.all(natural <= tangent + 1e-12) and jnp.all(tangent <= force + 1e-12)
    assert jnp.any(tangent < 0.99 * force) and jnp.any(natural < 0.99 * tangent)


def test_gaps_are_below_their_bound():
    """Against best responses among many points, which find at least a part of each gap."""
    others = profiles(200)

    def gap(x):
        cost = costs(x, None)
        for name in "abc":
            tried = jax.vmap(lambda own, name=name: costs({**x, name: own}, None)[name])(
                others[name]
            )
            yield cost[name] - jnp.min(tried)

    both = jax.jit(jax.vmap(lambda x: (sum(gap(x)), dg.gap_bound(GAME, x))))(profiles(50))
    assert jnp.all(both[0] <= both[1]) and jnp.all(both[1] > 0)


def test_the_bound_of_a_matrix_game_and_where_it_ends():
    game = dg.games.MatrixGame.rock_paper_scissors()
    x = (jnp.array([0.5, 0.25, 0.25]), jnp.array([0.2, 0.3, 0.5]))
    assert 0 < dg.nash_gap(game, x) <= dg.gap_bound(game, x)
    assert np.isclose(dg.gap_bound(game, game.uniform()), 0.0, atol=1e-15)
    free = dg.zero_sum(lambda x, args: x[0] * x[1])
    assert dg.gap_bound(free, (1.0, 1.0)) == jnp.inf
    assert dg.gap_bound(free, (0.0, 0.0)) == 0.0


def test_stacked_players_and_players_one_by_one():
    boxes = dg.Stacked(dg.Box(jnp.array([-1.0, 0.0]), jnp.array([0.0, 1.0])))
    x = dg.Stacked(jnp.array([[-1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]))
    force = jnp.array([[1.0, 2.0, -3.0], [1.0, 2.0, -3.0]])
    together = dg.FunctionField(lambda x, args: dg.Stacked(force), boxes)
    apart = dg.FunctionField(lambda x, args: tuple(force), dg.blocks(boxes))
    expected = np.sqrt(2**2 + 2**2)
    assert np.isclose(dg.tangent_residual(together, x), expected)
    assert np.isclose(dg.tangent_residual(apart, dg.blocks(x)), expected)


def test_what_is_not_known_is_an_error():
    class Half(dg.AbstractSet):
        def project(self, x):
            return jnp.maximum(x, 0)

        def contains(self, x, tolerance=0.0):
            return jnp.all(x >= -tolerance)

        def sample(self, key, like):
            return jnp.abs(like)

    game = dg.game(lambda x, args: (x[0] ** 2,), Half())
    for ask in (dg.tangent_residual, dg.gap_bound):
        with pytest.raises(ValueError, match="tangent cones of Half have no closed form"):
            ask(game, (1.0,))
    with pytest.raises(ValueError, match="diameter of Half"):
        diameter(Half(), 1.0)
    shared = dg.game(lambda x, args: (x[0] ** 2,), shared=dg.Polyhedron([[1.0]], [1.0]))
    with pytest.raises(ValueError, match="shared constraints"):
        dg.tangent_residual(shared, (1.0,))

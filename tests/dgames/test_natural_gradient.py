"""Logits, regularised games, the natural gradient, and the Markov game."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import MarkovGame, MatrixGame

pytestmark = pytest.mark.thin(3)

GAUGES = pytest.mark.parametrize("gauge", (dg.LogitDifferences(), dg.TangentBasis()), ids=str)
GAME = MarkovGame.small_gain_nash()
MARKOV = dg.Regularised(GAME, 1.0)
UNIFORM = (jnp.zeros((2, 1)), jnp.zeros((2, 1)))


def random_markov(key, temperature=None):
    """Two players with 2 and 3 actions, in three states."""
    shapes = (2, 3, 2, 3), (3, 2, 3, 3)
    first, second = jax.random.split(key)
    return MarkovGame(
        jax.random.normal(first, shapes[0]),
        jax.nn.softmax(jax.random.normal(second, shapes[1])),
        discount=0.7,
        start=[0.5, 0.2, 0.3],
        temperature=temperature,
    )


def normal_logits(key, *shapes):
    keys = jax.random.split(key, len(shapes))
    return tuple(jax.random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True))


@GAUGES
def test_logits_and_policies_are_inverse(gauge, key):
    (x,) = normal_logits(key, (4, 2))
    p = dg.policies(x, gauge)
    assert p.shape == (4, 3)
    assert_allclose(jnp.sum(p, -1), 1, rtol=1e-15)
    assert_allclose(dg.logits(p, gauge), x, rtol=1e-12, atol=1e-12)
    assert_allclose(gauge.coordinates(gauge.logits(x) + 7.0), x, rtol=1e-12, atol=1e-12)


def test_tangent_basis_is_orthonormal(key):
    (x,) = normal_logits(key, (5,))
    logits = dg.TangentBasis().logits(x)
    assert_allclose(jnp.linalg.norm(logits), jnp.linalg.norm(x))
    assert_allclose(jnp.sum(logits), 0, atol=1e-14)


@pytest.mark.full
def test_small_gain_nash_at_the_uniform_policies():
    """The published centre: curvature 1, coupling 0.55, margin 0.45."""
    field = dg.NaturalGradient(MARKOV)
    assert_allclose(field(UNIFORM), np.zeros((2, 2, 1)), atol=1e-15)
    J = eqx.filter_jit(dg.jacobian_blocks)(field, UNIFORM)
    own = [np.linalg.eigvalsh(J[i][i] + J[i][i].T).min() / 2 for i in (0, 1)]
    coupling = [np.linalg.norm(J[i][1 - i], 2) for i in (0, 1)]
    assert_allclose(own, 1.0, rtol=1e-14)
    assert_allclose(coupling, 0.55, rtol=1e-14)
    whole = np.block([[*J[0]], [*J[1]]])
    assert_allclose(np.linalg.eigvalsh(whole + whole.T).min() / 2, 0.45, rtol=1e-13)


def flat(field):
    """A field of the Markov game on vectors: of player 0's states, then player 1's."""
    return lambda v: jnp.concatenate([b.ravel() for b in field((v[:2, None], v[2:, None]))])


@pytest.mark.full
def test_small_gain_nash_at_the_vertices_of_the_cube():
    """The published (sampled) constants of the Fisher-scaled Hessians over the cube of 0.1."""
    points = jnp.array(list(itertools.product((-0.2, 0.0, 0.2), repeat=4)))  # of differences
    slopes = flat(dg.pseudo_gradient(dg.InLogits(MARKOV)))
    p = np.asarray(jax.nn.sigmoid(points))
    root = np.sqrt(p * (1 - p))
    H = np.asarray(jax.jit(jax.vmap(jax.jacfwd(slopes)))(points))
    H = H / (root[:, :, None] * root[:, None, :])
    own = min(np.linalg.eigvalsh(H[:, i : i + 2, i : i + 2]).min() for i in (0, 2))
    coupling = max(np.linalg.norm(H[:, i : i + 2, 2 - i : 4 - i], 2, (1, 2)).max() for i in (0, 2))
    assert_allclose((own, coupling), (0.934394, 0.6009186), atol=6e-8)
    # The published weights are 0.9771242, a point of a grid, where 1 is best.
    ratio = 0.9771242**0.5
    margin = own - coupling * (ratio + 1 / ratio) / 2
    scale = np.repeat([1.0, ratio], 2)
    lipschitz = np.linalg.norm(scale[:, None] * H / scale[None, :], 2, (1, 2)).max()
    assert_allclose((margin, lipschitz), (0.3334352, 1.571832), atol=6e-7)


JACOBIANS = jax.jit(jax.vmap(jax.jacfwd(flat(dg.NaturalGradient(MARKOV)))))


@pytest.mark.full
@pytest.mark.parametrize(
    ("radius", "margin", "lipschitz"),
    ((0.1, 0.3782, 1.5801), (0.25, 0.2931, None), (0.5, 0.1957, None)),
)
def test_natural_gradient_on_cubes(radius, margin, lipschitz):
    """What sampling finds in the constant metric of logit differences."""
    cube = jax.random.uniform(jax.random.key(0), (1000, 4), minval=-1.0, maxval=1.0)
    corners = jnp.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=4)))
    points = 2 * radius * jnp.concatenate([corners, cube])
    J = JACOBIANS(points)
    assert_allclose(np.linalg.eigvalsh(J + jnp.swapaxes(J, 1, 2)).min() / 2, margin, atol=6e-5)
    if lipschitz is not None:
        assert_allclose(np.linalg.norm(J, 2, (1, 2)).max(), lipschitz, atol=6e-5)


@pytest.mark.full
@GAUGES
def test_natural_gradient_is_fisher_inverse_times_gradient(gauge, key):
    game = random_markov(key, temperature=0.3)
    reference = dg.policies(normal_logits(jax.random.key(3), (3, 1), (3, 2)))
    game = dg.Regularised(game, 0.2, reference)
    x = normal_logits(jax.random.key(4), (3, 1), (3, 2))

    @jax.jit
    def fields(x):
        differences = dg.logits(dg.policies(x, gauge))
        gradient = dg.pseudo_gradient(dg.InLogits(game, gauge))(x)
        return gradient, dg.NaturalGradient(game, gauge)(x), dg.NaturalGradient(game)(differences)

    gradient, natural, forces = fields(x)
    for own, slope, given, force in zip(x, gradient, natural, forces, strict=True):
        p = dg.policies(own, gauge)
        fisher = jax.vmap(jnp.diag)(p) - p[:, :, None] * p[:, None, :]
        slope_of_logits = jnp.einsum("sab,sb->sa", fisher, gauge.logits(given))
        (metric_times_natural,) = jax.vjp(gauge.logits, own)[1](slope_of_logits)
        assert_allclose(metric_times_natural, slope, rtol=1e-9, atol=1e-12)
        assert_allclose(dg.LogitDifferences().coordinates(gauge.logits(given)), force, rtol=1e-9)


def test_value_is_the_discounted_sum_of_rewards(key):
    game = random_markov(key)
    x = dg.policies(normal_logits(jax.random.key(1), (3, 1), (3, 2)))
    rewards = np.einsum("isab,sa,sb->is", game.rewards, *x)
    moves = np.einsum("sabt,sa,sb->st", game.transitions, *x)
    states, occupancy, values = np.asarray(game.start), np.zeros(3), np.zeros(2)
    for t in range(150):
        occupancy += 0.3 * 0.7**t * states
        values += 0.3 * 0.7**t * rewards @ states
        states = states @ moves
    assert_allclose(eqx.filter_jit(game.occupancy)(x), occupancy, rtol=1e-12)
    assert_allclose(eqx.filter_jit(game.costs)(x), -values, rtol=1e-12)


@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float64))
def test_nothing_breaks_at_the_boundary(dtype):
    """Logits of 1e6 are probabilities of exp(-1e6), which no float can hold."""
    rewards, transitions = 1e6 * GAME.rewards, GAME.transitions
    x = (jnp.array([[1e6], [-1e6]], dtype), jnp.array([[0.0], [-700.0]], dtype))

    @jax.jit
    def everything(temperature):
        game = MarkovGame(rewards, transitions, discount=0.9, temperature=temperature)
        field = dg.NaturalGradient(dg.Regularised(game, temperature))
        return field(x), dg.InLogits(field.game).costs(x), dg.jacobian_blocks(field, x)

    for temperature in (1e-4, 1.0, 1e4):
        for leaf in jax.tree.leaves(everything(temperature)):
            assert np.isfinite(leaf).all() and leaf.dtype == dtype


def test_entropy_pulls_exactly_where_probabilities_underflow():
    free = MatrixGame(jnp.zeros((2, 2)), jnp.zeros((2, 2)))
    x = (jnp.array([-2000.0]), jnp.array([3000.0]))
    assert dg.NaturalGradient(dg.Regularised(free, 0.5))(x) == (-1000.0, 1500.0)


def test_policies_that_do_not_fit():
    with pytest.raises(ValueError, match=r"one probability vector per state, .* got \[\(2,\), "):
        GAME.costs((jnp.ones(2) / 2, jnp.ones((2, 2)) / 2))


@pytest.mark.parametrize(
    ("change", "message"),
    (
        ({"transitions": np.full((1, 2, 2, 1), 0.5)}, "probabilities"),
        ({"discount": 1.0}, "less than 1"),
        ({"start": [0.5, 0.5]}, "one probability per state"),
        ({"rewards": np.zeros((1, 1, 2, 2))}, "one axis of actions per player"),
    ),
)
def test_tables_that_do_not_fit(change, message):
    tables = {"rewards": np.zeros((2, 1, 2, 2)), "transitions": np.ones((1, 2, 2, 1))}
    with pytest.raises(ValueError, match=message):
        MarkovGame(**{**tables, "discount": 0.5, **change})

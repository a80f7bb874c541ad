"""Games on simplices beyond matrices, and what is measured on them, against closed forms."""

import itertools
import runpy
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import lambertw

import dgames as dg
from dgames.games import CongestionGame, MarkovGame, MatrixGame, PolymatrixGame, PreferenceGame

pytestmark = pytest.mark.thin(3)

KEY = jax.random.key(11)


def random_strategy(key, *shapes):
    keys = jax.random.split(key, len(shapes))
    return tuple(
        jax.nn.softmax(jax.random.normal(k, shape)) for k, shape in zip(keys, shapes, strict=True)
    )


# --- games ------------------------------------------------------------------------------------


def random_polymatrix():
    sizes, keys = (2, 3, 2), iter(jax.random.split(KEY, 6))
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    return PolymatrixGame(
        {(i, j): jax.random.normal(next(keys), (sizes[i], sizes[j])) for i, j in pairs}
    )


def test_a_polymatrix_game_is_a_matrix_game():
    game, x = random_polymatrix(), random_strategy(KEY, (2,), (3,), (2,))
    table = np.zeros((3, 2, 3, 2))
    for i, j in itertools.permutations(range(3), 2):
        axes = sorted((i, j))
        matrix = np.asarray(game.payoffs[i][j])
        shape = [1, 1, 1]
        shape[i], shape[j] = matrix.shape
        table[i] += (matrix if axes == [i, j] else matrix.T).reshape(shape)
    full = MatrixGame(*table)
    assert_allclose(game.costs(x), full.costs(x), rtol=1e-12)
    gap = eqx.filter_jit(dg.nash_gap)
    assert_allclose(gap(game, x), gap(full, x), rtol=1e-12)
    assert [p.shape for p in game.uniform()] == [(2,), (3,), (2,)]


@pytest.mark.parametrize(
    ("payoffs", "message"),
    (
        ({(0, 1): np.eye(2)}, r"none for \[1\]"),
        (
            {(0, 1): np.eye(2), (1, 0): np.ones((3, 2))},
            r"payoffs\[1\]\[0\] must have shape \(2, 2\)",
        ),
        ({(0, 0): np.eye(2), (0, 1): np.eye(2), (1, 0): np.eye(2)}, "nobody plays alone"),
    ),
)
def test_polymatrix_games_that_do_not_fit(payoffs, message):
    with pytest.raises(ValueError, match=message):
        PolymatrixGame(payoffs)


def test_preference_games_of_many_players():
    """Symmetric; pairs of players exchange what one wins of the other."""
    game = PreferenceGame.bradley_terry([0.3, -1.0, 2.0], players=4)
    x = random_strategy(KEY, *[(3,)] * 4)
    costs = game.costs(x)
    assert_allclose(sum(costs), -2.0, rtol=1e-14)  # each pair shares one
    swapped = game.costs((x[1], x[0], *x[2:]))
    assert_allclose(swapped[0], costs[1], rtol=1e-14)
    best = (jnp.array([0.0, 0.0, 1.0]),) * 4  # the highest score is preferred to all
    assert dg.nash_gap(game, best) == 0
    assert_allclose(game.costs(best), -0.5)
    with pytest.raises(ValueError, match="must be 1 for all"):
        PreferenceGame([[0.5, 0.9], [0.2, 0.5]])
    with pytest.raises(ValueError, match="has 4 players, the strategy 2"):
        game.costs(best[:2])


# --- gaps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", (None, 0.3))
def test_gaps_of_multilinear_games(temperature):
    """Against a search over the first player's simplex, in logits."""
    game, x = random_polymatrix(), random_strategy(KEY, (2,), (3,), (2,))
    if temperature is not None:
        game = dg.Regularised(
            game, temperature, random_strategy(jax.random.key(1), (2,), (3,), (2,))
        )

    @jax.jit
    def cost(z):
        return game.costs((x[0], jax.nn.softmax(z), x[2]))[1]

    found = minimize(cost, np.zeros(3), jac=jax.jit(jax.grad(cost)), tol=1e-12).fun
    tolerance = 1e-3 if temperature is None else 1e-9  # a vertex is far away in logits
    assert_allclose(dg.best_response_costs(game, x)[1], found, rtol=0, atol=tolerance)
    assert dg.best_response_costs(game, x)[1] <= found + 1e-12
    gaps = dg.nash_gaps(game, x)
    assert_allclose(gaps[1], game.costs(x)[1] - dg.best_response_costs(game, x)[1], rtol=1e-14)
    assert_allclose(dg.nash_gap(game, x), sum(gaps), rtol=1e-14)
    assert_allclose(dg.exploitability(game, x), sum(gaps) / 3, rtol=1e-14)


@pytest.mark.full
def test_stacked_players_are_players_like_others():
    game = PreferenceGame.bradley_terry([0.3, -1.0, 2.0], players=4)
    soft, x = dg.Regularised(game, 0.5), random_strategy(KEY, *[(3,)] * 4)
    stacked = dg.stack(x)
    method, field = dg.MirrorProx(0.5), dg.pseudo_gradient(soft)

    @jax.jit
    def all_of_it(x):
        measures = (dg.nash_gap, dg.exploitability, dg.quantal_response_residual)
        moved, _ = method.step(field, x, method.init(field, x))
        return moved, [measure(soft, x) for measure in measures]

    (one, numbers), (other, others) = all_of_it(x), all_of_it(stacked)
    assert_allclose(others, numbers, rtol=1e-12)
    assert_allclose(other.blocks, jnp.stack(one), rtol=1e-12)


@pytest.mark.full
def test_one_state_is_a_matrix_game():
    """Three players; whatever the discount, the value is the expected payoff."""
    payoffs = jax.random.normal(KEY, (3, 2, 3, 2))
    x = random_strategy(KEY, (1, 2), (1, 3), (1, 2))
    game = MarkovGame(payoffs[:, None], jnp.ones((1, 2, 3, 2, 1)), discount=0.9)
    flat, p = MatrixGame(*payoffs), tuple(block[0] for block in x)
    gaps = eqx.filter_jit(lambda game, x: (game.costs(x), dg.nash_gap(game, x)))
    for ours, theirs in zip(gaps(game, x), gaps(flat, p), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)


def random_markov(temperature):
    first, second = jax.random.split(KEY)
    return MarkovGame(
        jax.random.normal(first, (2, 3, 2, 3)),
        jax.nn.softmax(jax.random.normal(second, (3, 2, 3, 3))),
        discount=0.8,
        temperature=temperature,
    )


@pytest.mark.full
def test_best_responses_in_markov_games():
    """All deterministic policies, tried one by one."""
    game, x = random_markov(None), random_strategy(KEY, (3, 2), (3, 3))
    tables = np.eye(3)[np.array(list(itertools.product(range(3), repeat=3)))]
    costs = jax.jit(jax.vmap(lambda own: game.costs((x[0], own))[1]))(jnp.asarray(tables))
    best = eqx.filter_jit(dg.best_response_costs)(game, x)
    assert_allclose(best[1], costs.min(), rtol=1e-12)


@pytest.mark.full
def test_best_responses_with_discounted_entropy():
    """At the regularised best response the natural gradient vanishes."""
    game, x = random_markov(0.4), random_strategy(KEY, (3, 2), (3, 3))
    gap = eqx.filter_jit(dg.nash_gaps)(game, x)[0]
    field = eqx.filter_jit(dg.NaturalGradient(game))
    theirs = dg.logits(x)[1]

    def body(own, _):
        return own - 10.0 * field((own, theirs))[0], None

    own, _ = jax.lax.scan(body, dg.logits(x)[0], length=400)
    assert_allclose(field((own, theirs))[0], 0, atol=1e-12)
    costs = eqx.filter_jit(game.costs)
    best = costs((dg.policies((own,))[0], x[1]))[0]
    assert_allclose(costs(x)[0] - best, gap, rtol=1e-10)


def test_games_without_known_best_responses():
    game = random_markov(None)
    with pytest.raises(ValueError, match="multilinear games only, not for MarkovGame"):
        dg.nash_gap(dg.Regularised(game, 1.0), game.uniform())
    with pytest.raises(ValueError, match="best responses of Bilinear have no closed form"):
        dg.nash_gap(dg.games.Bilinear(), (1.0, 1.0))


def test_regularisers_that_do_not_fit():
    game, x = MatrixGame.matching_pennies(), random_strategy(KEY, (2,), (2,))
    with pytest.raises(ValueError, match="temperature must be positive"):
        dg.Regularised(game, 0.0)
    with pytest.raises(ValueError, match="every action a positive probability"):
        dg.Regularised(game, 1.0, (jnp.array([1.0, 0.0]), x[1]))
    with pytest.raises(ValueError, match="reference must be structured like the strategy"):
        dg.Regularised(game, 1.0, x).costs({"a": x[0], "b": x[1]})


def test_occupancy_weights_make_the_natural_policy_gradient_of_kakade():
    """Divided by the occupancy, forces are differences of action values."""
    game, x = random_markov(None), random_strategy(KEY, (3, 2), (3, 3))
    rewards = np.einsum("sab,sb->sa", game.rewards[0], x[1])
    moves = np.einsum("sabt,sb->sat", game.transitions, x[1])
    chain = np.einsum("sat,sa->st", moves, x[0])
    values = np.linalg.solve(np.eye(3) - 0.8 * chain, np.sum(x[0] * rewards, -1))
    q = rewards + 0.8 * moves @ values
    force = eqx.filter_jit(dg.NaturalGradient(game, weights=game.occupancy))(dg.logits(x))[0]
    assert_allclose(force, q[:, -1:] - q[:, :-1], rtol=1e-9)


# --- the quantal response branch ----------------------------------------------------------------


@pytest.mark.full
def test_asymmetric_matching_pennies():
    """`p = s(l (10 q - 1))`, `q = s(l (1 - 2 p))`, towards the equilibrium (1/2, 1/10)."""
    game = MatrixGame([[9.0, 0], [0, 1]], [[0.0, 1], [1, 0]])
    found = dg.quantal_responses(game, [0.5, 1, 2, 5, 1e5], game.uniform())
    assert found.reached.all()
    p, q = (block[:, 0] for block in found.strategies)
    assert_allclose(p[:4], (0.83067059, 0.89357633, 0.86075439, 0.70198424), atol=6e-9)
    assert_allclose(q[:4], (0.41807747, 0.31278038, 0.19107849, 0.11713529), atol=6e-9)
    assert_allclose((p[4], q[4]), (0.5, 0.1), atol=2e-5)


@pytest.mark.full
def test_branch_meets_magnetic_mirror_descent():
    """The equilibrium at temperature 0.05, from both sides."""
    table = (np.array([[0.0, -3, 3], [3, 0, -1], [-3, 1, 0]]) + 3) / 6
    game = PreferenceGame(table)
    found = dg.quantal_responses(game, [2.0, 20.0], game.uniform())
    assert_allclose(found.strategies[0][1], (0.1517447, 0.46794775, 0.38030755), atol=6e-9)
    x = tuple(block[1] for block in found.strategies)
    assert dg.quantal_response_residual(dg.Regularised(game, 1 / 20), x) < 1e-14


@pytest.mark.full
@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float64), ids=("f32", "f64"))
def test_huge_payoffs_on_the_branch(dtype):
    game = MatrixGame([[9e6, 0], [0, 1e6]], [[0.0, 1e6], [1e6, 0]])
    like = tuple(block.astype(dtype) for block in game.uniform())
    found = dg.quantal_responses(game, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2], like)
    assert found.reached.all()
    assert found.logits[0].dtype == dtype
    assert_allclose(
        found.strategies[0][0, 0], 0.89357633, rtol=1e-4 if dtype == jnp.float32 else 1e-8
    )
    with pytest.raises(ValueError, match="positive and increasing"):
        dg.quantal_responses(game, [2.0, 1.0], like)


# --- the loss of Gemp, Marris and Piliouras ------------------------------------------------------


def profiles_of(game):
    return list(itertools.product(*map(range, game.payoffs.shape[1:])))


def payoffs_by_hand(game, x):
    """Each player's payoffs of actions, expected and for every pair of the others' actions."""
    tables = [np.moveaxis(np.asarray(game.payoffs[k]), k, 0) for k in range(3)]
    others = [[np.asarray(x[j]) for j in range(3) if j != k] for k in range(3)]
    means = [
        np.einsum("abc,b,c->a", table, *pair) for table, pair in zip(tables, others, strict=True)
    ]
    return tables, others, means


@pytest.mark.full
def test_two_samples_are_unbiased_by_enumeration():
    """Value and gradient, over all pairs of profiles; the loss and one sample twice by hand."""
    game = MatrixGame(*np.random.default_rng(0).random((3, 3, 2, 4)))
    x, temperature = random_strategy(KEY, (3,), (2,), (4,)), 0.3
    profiles = jnp.array(profiles_of(game))

    def chances(x):
        return jnp.prod(jnp.stack([p[profiles[:, i]] for i, p in enumerate(x)]), 0)

    def estimate(x, one, other):
        pair = (tuple(one), tuple(other))
        return dg.estimated_nash_loss(game, x, pair, temperature)

    row = jax.vmap(jax.value_and_grad(estimate), (None, None, 0))
    values, slopes = jax.jit(jax.vmap(row, (None, 0, None)))(x, profiles, profiles)
    weights = chances(x)[:, None] * chances(x)[None, :]
    loss = jax.jit(jax.value_and_grad(lambda x: dg.nash_loss(game, x, temperature)))
    expected, gradient = loss(x)
    assert_allclose(jnp.sum(weights * values), expected, rtol=1e-12)
    for slope, whole in zip(slopes, gradient, strict=True):
        assert_allclose(jnp.einsum("ij,ijk->k", weights, slope), whole, rtol=1e-10)

    tables, others, means = payoffs_by_hand(game, x)
    adjusted = [g - temperature * np.log(p) for g, p in zip(means, x, strict=True)]
    assert_allclose(expected, sum(np.var(g) * len(g) for g in adjusted), rtol=1e-12)
    # The square of a single sample is larger by the variances of centred payoffs.
    excess = 0.0
    for table, (one, other), mean in zip(tables, others, means, strict=True):
        around = table - mean[:, None, None]
        squares = np.sum((around - around.mean(0)) ** 2, 0)
        excess += one @ squares @ other
    twice = jnp.sum(chances(x) * jnp.diagonal(values))
    assert_allclose(twice, expected + excess, rtol=1e-12)
    assert excess > 0.1


@pytest.mark.full
def test_the_gradient_of_the_loss_by_its_formula():
    """`2 sum_k B_kl' P g_k` with `B_ll = -temperature P diag(1 / x_l)` and `B_kl = P H_kl`."""
    game = MatrixGame(*np.random.default_rng(1).random((3, 3, 2, 4)))
    x, temperature = random_strategy(KEY, (3,), (2,), (4,)), 0.3
    tables, others, means = payoffs_by_hand(game, x)
    found = jax.jit(jax.grad(lambda x: dg.nash_loss(game, x, temperature)))(x)
    for player in range(3):
        expected = np.zeros(len(x[player]))
        for k, (table, pair, mean) in enumerate(zip(tables, others, means, strict=True)):
            adjusted = mean - temperature * np.log(x[k])
            centred = adjusted - adjusted.mean()
            if k == player:
                expected -= 2 * temperature * centred / x[k]
            else:
                first = player == min(j for j in range(3) if j != k)
                marginal = table @ pair[1] if first else np.einsum("abc,b->ac", table, pair[0])
                expected += 2 * marginal.T @ centred
        assert_allclose(found[player], expected, rtol=1e-11)


def test_the_loss_vanishes_at_interior_equilibria():
    chicken = MatrixGame([[0.0, 7], [2, 6]], [[0.0, 2], [7, 6]])
    mixed = (jnp.array([1 / 3, 2 / 3]),) * 2
    assert_allclose(dg.nash_loss(chicken, mixed), 0, atol=1e-28)
    dilemma = MatrixGame([[-1.0, -3], [0, -2]], [[-1.0, 0], [-3, -2]])
    losses = [
        dg.nash_loss(dilemma, random_strategy(jax.random.key(i), (2,), (2,))) for i in range(3)
    ]
    assert_allclose(losses, 1.0, rtol=1e-12)  # rows differ by a constant


@pytest.mark.full
def test_the_loss_bounds_the_gaps():
    """In 2,000 random games, at random strategies and temperatures (lemma 14)."""

    def shares(key):
        games, strategies, temperatures = jax.random.split(key, 3)
        game = MatrixGame(*jax.random.uniform(games, (2, 3, 3)))
        x = tuple(jax.nn.softmax(3 * jax.random.normal(strategies, (2, 3))))
        temperature = jax.random.uniform(temperatures)
        loss = dg.nash_loss(game, x, temperature)
        bound = dg.nash_loss_bound(game, loss, temperature)
        return jnp.max(jnp.stack(dg.nash_gaps(game, x))) / bound

    worst = jax.jit(jax.vmap(shares))(jax.random.split(KEY, 2000)).max()
    assert 0.05 < worst < 0.5


def test_the_bound_has_the_constant_of_lambert():
    """At loss zero, n temperature (W(1/e) + (m - 2) / e); else 2 sqrt(n m loss) on top."""
    game = MatrixGame(*np.zeros((2, 3, 4)))
    bias = 2 * 0.1 * (lambertw(1 / np.e).real + 2 / np.e)
    assert_allclose(lambertw(1 / np.e).real, 0.2784645, atol=5e-8)
    assert_allclose(dg.nash_loss_bound(game, 0.0, 0.1), bias, rtol=1e-14)
    assert_allclose(dg.nash_loss_bound(game, 0.5, 0.1), bias + 2 * np.sqrt(8 * 0.5), rtol=1e-14)


@pytest.mark.full
def test_sampled_profiles_follow_the_strategy():
    x = (jnp.array([0.2, 0.8]), jnp.array([0.0, 0.5, 0.5]))
    draws = jax.vmap(lambda k: jnp.stack(dg.sample_profile(k, x)))(jax.random.split(KEY, 4000))
    assert_allclose(np.mean(draws[:, 0]), 0.8, atol=0.03)
    assert_allclose(np.bincount(draws[:, 1], minlength=3) / 4000, x[1], atol=0.03)


# --- the congestion game -----------------------------------------------------------------------


def action_values(game, stay):
    return game.action_values((jnp.stack([stay, 1 - stay], -1),))


def lipschitz(game):
    """Of action values (up to constants per state) in the policy, the largest on a fine grid."""
    grid = jnp.linspace(0, 1, 41)
    points = jnp.stack(jnp.meshgrid(grid, grid), -1).reshape(-1, 2)
    slopes = jax.jit(jax.vmap(jax.jacfwd(lambda stay: action_values(game, stay))))(points)
    centred = slopes - jnp.mean(slopes, 2, keepdims=True)
    # Moving the probability of staying by one moves the policy by sqrt(2).
    return np.linalg.norm(centred.reshape(-1, 4, 2), 2, (1, 2)).max() / np.sqrt(2)


@pytest.mark.full
def test_policy_mirror_ascent_contracts():
    """By `(1 + eta L) / (1 + eta strength)`, to one fixed point for all steps, if strength > L."""
    game = CongestionGame.two_roads(congestion=0.5, strength=3.0, discount=0.3)
    bound = lipschitz(game)
    assert bound < 2.5
    x, y = random_strategy(KEY, (2, 2), (2, 2))

    def distance(a, b):
        return np.linalg.norm(a[0] - b[0])

    ends = []
    advance = jax.jit(lambda method, z: method.step(game, z, None)[0])
    for eta in (0.1, 1.0, 10.0):
        step = dg.Simultaneous(eta / (1 + 3.0 * eta))
        a, b = (x,), (y,)
        for _ in range(4):
            before = distance(a, b)
            a, b = advance(step, a), advance(step, b)
            assert distance(a, b) <= (1 + eta * bound) / (1 + 3.0 * eta) * before
        solution = dg.solve(game, step, (x,), tol=1e-13)
        assert solution.result == dg.RESULTS.successful
        ends.append(solution.strategy[0])
    assert_allclose(ends[1:], [ends[0]] * 2, atol=1e-12)
    assert 0.5 < game.population((ends[0],))[0] < 0.9  # more of the crowd where it pays


@pytest.mark.full
def test_policy_mirror_ascent_cycles_in_crowds_that_matter_too_much():
    game = CongestionGame.two_roads(congestion=20.0, strength=0.5)
    assert lipschitz(game) > 0.5
    step = dg.Simultaneous(10.0 / (1 + 10.0 * 0.5))
    solution = dg.solve(game, step, (jnp.array([[0.6, 0.4], [0.5, 0.5]]),), max_steps=500)
    assert solution.residual > 0.1


def test_the_crowd_is_stationary():
    game = CongestionGame.two_roads(congestion=1.0, strength=2.0)
    (x,) = random_strategy(KEY, (2, 2))
    crowd = game.population((x,))
    assert_allclose(np.einsum("s,sa,sat->t", crowd, x, game.transitions), crowd, rtol=1e-13)
    assert_allclose(crowd.sum(), 1, rtol=1e-14)


# --- the example ------------------------------------------------------------------------------


@pytest.mark.full
def test_the_example_prints_what_it_should(capsys):
    """Its last strategies circle, and its branch ends at the equilibrium (1, 3, 3) / 7."""
    path = Path(__file__).parents[2] / "examples" / "policies.py"
    runpy.run_path(str(path), run_name="__main__")
    *lines, last = capsys.readouterr().out.splitlines()
    gaps = {line[:24].strip(): float(line.split()[-1]) for line in lines[:4]}
    assert gaps["multiplicative weights"] > 0.1
    assert max(gaps["the same, averaged"], gaps["Nash mirror prox"]) < 5e-3
    assert last == "precision   1000: 0.1429 0.4276 0.4295"

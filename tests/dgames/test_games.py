"""The zoo: one conformance table, then closed forms and published numbers."""

import itertools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.special import expit

import dgames as dg
from dgames import games

pytestmark = pytest.mark.thin(3)

KEY = jax.random.key(7)
THREE_BY_TWO = jnp.arange(6.0).reshape(3, 2)

# Adding a game means adding a line: the game, and a point where it is smooth.
GAMES = {
    "bilinear": (games.Bilinear(), (1.0, -0.5)),
    "bilinear-matrix": (games.Bilinear(THREE_BY_TWO), (jnp.ones(3), jnp.array([1.0, -2.0]))),
    "dirac_gan": (games.DiracGAN(), (1.5, -0.5)),
    "hard_instance": (
        games.HardInstance(3),
        (jnp.array([1.0, -0.5, 2.0]), jnp.array([0.3, 0.7, -1.1])),
    ),
    "surface": (games.Surface("weapons"), (0.2, -0.3)),
    "first_price_auction": (
        games.FirstPriceAuction(0.2, grid=12, pay_as_bid=True),
        (jnp.array([0.0, 0.3, 0.5]), jnp.array([0.1, 0.2, 0.55])),
    ),
    "matrix": (
        games.MatrixGame(THREE_BY_TWO, -(THREE_BY_TWO**2)),
        (jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4])),
    ),
    "matrix-three_players": (
        games.MatrixGame(*jax.random.normal(KEY, (3, 2, 3, 2))),
        (jnp.array([0.2, 0.8]), jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4])),
    ),
    "markov": (
        games.MarkovGame(
            np.ones((2, 1, 2, 2)), np.ones((1, 2, 2, 1)), discount=0.8, temperature=0.1
        ),
        (jnp.array([[0.2, 0.8]]), jnp.array([[0.6, 0.4]])),
    ),
    "polymatrix": (
        games.PolymatrixGame({(0, 1): THREE_BY_TWO, (1, 0): -THREE_BY_TWO.T}),
        (jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4])),
    ),
    "preference": (
        games.PreferenceGame.bradley_terry([0.0, 1.0], players=3),
        (jnp.array([0.2, 0.8]), jnp.array([0.6, 0.4]), jnp.array([0.5, 0.5])),
    ),
    "regularised": (
        dg.Regularised(games.MatrixGame.matching_pennies(), 0.5),
        (jnp.array([0.2, 0.8]), jnp.array([0.6, 0.4])),
    ),
    "in_logits": (
        dg.InLogits(dg.Regularised(games.MatrixGame.matching_pennies(), 0.5)),
        (jnp.array([0.2]), jnp.array([-0.6])),
    ),
    "logit_pennies": (games.LogitPennies(), (0.0, 0.0)),
    "iterated_prisoners_dilemma": (
        games.IteratedPrisonersDilemma(),
        (jnp.linspace(-1.0, 1.0, 5), jnp.linspace(0.5, -0.7, 5)),
    ),
    "iterated_prisoners_dilemma-small": (games.SmallIteratedPrisonersDilemma(), (1.0, -1.0)),
    "iterated_prisoners_dilemma-projected": (
        games.ProjectedIteratedPrisonersDilemma.random(KEY, 2),
        (jnp.array([0.3, -0.2]), jnp.array([0.5, 0.1])),
    ),
    "mixture": (
        games.Mixture((games.LogitPennies(), games.SmallIteratedPrisonersDilemma()), [0.25, 0.75]),
        (1.0, -1.0),
    ),
    "oligopoly": (games.Oligopoly.murphy_sherali_soyster(), (30.0, 40.0, 50.0, 40.0, 30.0)),
    "random_feature_gan": (
        games.RandomFeatureGAN.random(KEY, THREE_BY_TWO, THREE_BY_TWO[:2], (2, 3), loss="logistic"),
        (jnp.arange(6.0).reshape(2, 3) / 5, jnp.array([0.3, -0.7, 0.4])),
    ),
    "quadratic": (games.Quadratic.random(KEY, (3, 2)), (jnp.ones(3), jnp.array([1.0, -2.0]))),
    "quadratic-uncoupled": (games.Quadratic([[[2.0]], [[3.0]]]), (jnp.ones(1), jnp.ones(1))),
}
every_game = pytest.mark.parametrize(("game", "x"), GAMES.values(), ids=GAMES.keys())


def floats(tree):
    return [float(leaf) for leaf in jax.tree.leaves(tree)]


def assert_close(tree, like, **tolerances):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerances), tree, like)


def play(field, method, x, steps):
    def step(carry, _):
        return method.step(field, *carry), None

    (x, _), _ = jax.lax.scan(step, (x, method.init(field, x)), length=steps)
    return x


# --- conformance -----------------------------------------------------------------------------


@every_game
def test_is_a_well_formed_game(game, x):
    dg.check_game(game, x)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(game))
    jax.tree.map(np.testing.assert_array_equal, game, jax.tree.map(lambda leaf: leaf, game))


@every_game
@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float64))
def test_dtype_follows_the_strategy(game, x, dtype):
    cast = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), x)
    for result in (game.costs(cast), dg.pseudo_gradient(game)(cast)):
        assert {leaf.dtype for leaf in jax.tree.leaves(result)} == {np.dtype(dtype)}
    tolerance = 1e-12 if dtype == jnp.float64 else 1e-5
    assert_close(game.costs(cast), game.costs(dg.as_strategy(x)), rtol=tolerance)


@every_game
def test_any_container_of_players(game, x):
    names = [f"player{i}" for i in range(len(x))]
    named = game.costs(dict(zip(names, x, strict=True)))
    assert list(named) == names
    assert_close(tuple(named.values()), game.costs(x), rtol=0)


@every_game
def test_pseudo_gradient_is_every_players_own_derivative(game, x):
    """Against central differences of the costs, player by player."""
    x = dg.as_strategy(x)
    field = dg.pseudo_gradient(game)(x)
    for i, own in enumerate(x):
        flat, unravel = ravel_pytree(own)

        def cost(flat, i=i, unravel=unravel):
            return game.costs((*x[:i], unravel(flat), *x[i + 1 :]))[i]

        steps = 1e-5 * jnp.eye(flat.size)
        slopes = [(cost(flat + h) - cost(flat - h)) / 2e-5 for h in steps]
        assert_close(ravel_pytree(field[i])[0], jnp.stack(slopes), rtol=1e-6, atol=1e-7)


@pytest.mark.full
@every_game
def test_jit_vmap_and_derivatives_of_every_order(game, x):
    x = dg.as_strategy(x)
    field = dg.pseudo_gradient(game)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.1 * leaf]), x)
    batched = jax.jit(jax.vmap(field))(batch)
    assert_close(jax.tree.map(lambda leaf: leaf[0], batched), field(x), rtol=1e-12, atol=1e-13)
    flat, unravel = ravel_pytree(x)

    def flat_field(flat):
        return ravel_pytree(field(unravel(flat)))[0]

    @jax.jit
    def derivatives(flat):
        forward, reverse = jax.jacfwd(flat_field), jax.jacrev(flat_field)
        return forward(flat), reverse(flat), jax.jacfwd(forward)(flat)

    forward, reverse, third = derivatives(flat)
    assert_close(forward, reverse, rtol=1e-9, atol=1e-12)
    assert bool(jnp.all(jnp.isfinite(third)))


@every_game
def test_parameters_can_be_batched_and_differentiated(game, x):
    def first_cost(game):
        return game.costs(x)[0]

    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), game)
    if jax.tree.leaves(game):
        costs = eqx.filter_jit(eqx.filter_vmap(first_cost))(stacked)
        assert_close(costs, jnp.full(2, float(first_cost(game))), rtol=1e-12)
        slopes = eqx.filter_jit(eqx.filter_grad(first_cost))(game)
        assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    "name", [name for name, (game, _) in GAMES.items() if hasattr(game, "equilibrium")]
)
def test_stated_equilibrium_is_a_zero(name):
    game, x = GAMES[name]
    found = game.equilibrium()
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, x)
    assert_close(dg.pseudo_gradient(game)(found), jax.tree.map(jnp.zeros_like, found), atol=1e-12)


@pytest.mark.full
def test_single_precision_is_the_default_without_x64():
    with jax.enable_x64(False):
        for game in (
            games.Bilinear(np.eye(2)),
            games.MatrixGame.rock_paper_scissors(),
            games.Oligopoly.murphy_sherali_soyster(),
            games.Quadratic.small_gain_nash(1.0, dim=3),
            games.Quadratic.random(jax.random.key(0), (2, 2)),
        ):
            assert {leaf.dtype for leaf in jax.tree.leaves(game)} == {np.dtype("float32")}


# --- quadratic -------------------------------------------------------------------------------


@pytest.mark.full
def test_quadratic_jacobian_is_the_derivative_of_the_field():
    game = games.Quadratic.random(KEY, (3, 2, 2))
    blocks = dg.jacobian_blocks(game, (jnp.ones(3), jnp.ones(2), jnp.ones(2)))
    assert_close(jnp.block([list(row) for row in blocks]), game.jacobian(), rtol=1e-12)


def test_quadratic_random_has_the_stated_constants():
    game = games.Quadratic.random(KEY, (3, 2, 2), curvature=0.7, coupling=0.3)
    assert all(float(jnp.linalg.eigvalsh(Q)[0]) >= 0.7 for Q in game.Q)
    norms = [np.linalg.norm(M, 2) for row in game.A for M in row if M is not None]
    assert norms == pytest.approx([0.3] * 6)
    symmetric = game.jacobian() + game.jacobian().T
    assert float(jnp.linalg.eigvalsh(symmetric)[0]) / 2 >= 0.7 - 2 * 0.3


def test_quadratic_players_in_another_order():
    game = games.Quadratic.random(KEY, (3, 2, 2))
    order = (2, 0, 1)
    couplings = [[game.A[i][j] for j in order] for i in order]
    permuted = games.Quadratic([game.Q[i] for i in order], couplings, [game.b[i] for i in order])
    there = permuted.equilibrium()
    assert_close(there, tuple(game.equilibrium()[i] for i in order), rtol=1e-9, atol=1e-12)
    assert_close(permuted.costs(there), tuple(game.costs(game.equilibrium())[i] for i in order))


def test_quadratic_keeps_the_symmetric_part_and_accepts_nested_couplings():
    couplings = [[None, [[1], [2]]], [None, None]]
    lopsided = games.Quadratic([[[2.0, 4.0], [0.0, 2.0]], [[1.0]]], couplings)
    assert lopsided.Q[0].tolist() == [[2, 2], [2, 2]]
    assert lopsided.jacobian().tolist() == [[2, 2, 1], [2, 2, 2], [0, 0, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (([[1.0]],), r"Q\[0\] must be a square matrix"),
        (([[[1.0]], [[1.0]]], {(0, 0): [[1.0]]}), "belongs to Q"),
        (([[[1.0]], [[1.0]]], {(0, 2): [[1.0]]}), "no players; there are 2"),
        (([[[1.0]], [[1.0]]], {(0, 1): [[1.0, 2.0]]}), r"A\[0\]\[1\] must have shape \(1, 1\)"),
        (([[[1.0]], [[1.0]]], [[None]]), "2 rows of 2 couplings"),
        (([[[1.0]], [[1.0]]], (), [[1.0]]), "one vector per player"),
    ),
)
def test_quadratic_misuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        games.Quadratic(*arguments)


@pytest.mark.parametrize(
    ("lam", "margin", "lipschitz"),
    (
        (0.0, 1.0, 1.0),
        (0.25, 0.8232233047033631, 1.176776695296637),
        (0.5, 0.6464466094067263, 1.3535533905932737),
        (0.75, 0.4696699141100894, 1.5303300858899105),
        (1.0, 0.29289321881345254, 1.7071067811865475),
    ),
)
def test_small_gain_nash_closed_forms(lam, margin, lipschitz):
    """The margins and Lipschitz constants of arXiv:2512.06791, Euclidean and weighted."""
    game = games.Quadratic.small_gain_nash(lam)
    J = np.asarray(game.jacobian())
    assert J.shape == (64, 64)
    assert np.linalg.eigvalsh(J + J.T)[0] / 2 == pytest.approx(1 - 5.025 * lam, abs=1e-12)
    root = np.sqrt(np.repeat([1.0, 200.0], 32))
    weighted = root[:, None] * J / root
    assert np.linalg.eigvalsh(weighted + weighted.T)[0] / 2 == pytest.approx(margin, abs=1e-12)
    assert np.linalg.norm(weighted, 2) == pytest.approx(lipschitz, abs=1e-12)
    assert max(abs(np.linalg.eigvals(J) - 1)) == pytest.approx(lam / np.sqrt(2), abs=1e-7)


def test_small_gain_nash_draws_the_published_rotation():
    R = games.Quadratic.small_gain_nash(1.0).jacobian()[:32, 32:]
    drawn, _ = np.linalg.qr(np.random.default_rng(12345).standard_normal((32, 32)))
    assert_close(R / 10, drawn, atol=1e-12)
    assert_close(R @ R.T / 100, jnp.eye(32), atol=1e-12)


def test_small_gain_nash_along_a_traced_strength():
    jacobians = jax.vmap(lambda lam: games.Quadratic.small_gain_nash(lam, 2).jacobian())
    norms = jnp.linalg.norm(jacobians(jnp.array([0.0, 1.0]))[:, :2, 2:], axis=(1, 2))
    assert_close(norms, jnp.array([0.0, 10 * np.sqrt(2)]), rtol=1e-12)


# --- bilinear and Dirac-GAN --------------------------------------------------------------------


def test_bilinear_misuse():
    with pytest.raises(ValueError, match="a matrix or a number"):
        games.Bilinear(jnp.ones(3))


def test_bilinear_number_is_a_multiple_of_the_identity():
    x = (jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0]))
    assert_close(games.Bilinear(2.0).costs(x), games.Bilinear(2 * jnp.eye(2)).costs(x), rtol=1e-15)


# The distance from the equilibrium of `alpha x y` after 50 steps of 0.2 from (0.5, 0.5), as in the
# experiments of Schäfer and Anandkumar, arXiv:1905.12103. The past gradient of OGDA starts at zero.
@pytest.mark.parametrize(
    ("alpha", "gradient", "optimistic"),
    ((1.0, 1.8850e0, 2.6010e-1), (3.0, 1.5416e3, 1.8322e1), (6.0, 3.4216e9, 2.4327e18)),
)
def test_bilinear_game_of_competitive_gradient_descent(alpha, gradient, optimistic):
    field = dg.pseudo_gradient(games.Bilinear(alpha))
    start = (jnp.array(0.5), jnp.array(0.5))

    x = play(field, dg.Simultaneous(0.2), start, 50)
    assert float(jnp.hypot(*x)) == pytest.approx(gradient, rel=1e-4)
    method = dg.Optimistic(0.2, reflected=True)
    x, state = start, jax.tree.map(jnp.zeros_like, start)
    for _ in range(50):
        x, state = method.step(field, x, state)
    assert float(jnp.hypot(*x)) == pytest.approx(optimistic, rel=1e-4)


@pytest.mark.parametrize(("theta", "psi"), ((1.0, 1.0), (-2.0, 0.5), (40.0, 30.0), (-40.0, 30.0)))
def test_dirac_gan_field(theta, psi):
    s = expit(-psi * theta)
    F = dg.pseudo_gradient(games.DiracGAN())((theta, psi))
    assert floats(F) == pytest.approx([psi * s, -theta * s], rel=1e-12)
    value, _ = games.DiracGAN().costs((theta, psi))
    assert float(value) == pytest.approx(-np.logaddexp(0, -psi * theta), rel=1e-12)


@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float64))
def test_dirac_gan_far_away(dtype):
    """No overflow where the exponential has none left."""
    for theta in (1e3, -1e3):
        x = (jnp.asarray(theta, dtype), jnp.asarray(1e2, dtype))
        J = dg.jacobian_blocks(games.DiracGAN(), x)
        assert bool(jnp.all(jnp.isfinite(jnp.stack(jax.tree.leaves(J)))))
        assert all(np.isfinite(floats(games.DiracGAN().costs(x))))


def test_dirac_gan_derivatives_are_made_of_the_logistic_function():
    field = dg.pseudo_gradient(games.DiracGAN())
    jaxpr = jax.make_jaxpr(jax.jacfwd(field))((jnp.array(1.0), jnp.array(1.0)))
    used = {eqn.primitive.name for eqn in jaxpr.jaxpr.eqns}
    assert "logistic" in str(jaxpr)
    assert not used & {"select_n", "max", "min", "log1p", "div"}


def test_dirac_gan_jacobian_at_the_origin():
    J = dg.jacobian_blocks(games.DiracGAN(), (0.0, 0.0))
    assert [float(J[i][j][0, 0]) for i, j in np.ndindex(2, 2)] == [0.0, 0.5, -0.5, 0.0]


# --- matrix games ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "game", (games.MatrixGame.rock_paper_scissors(), games.MatrixGame.matching_pennies())
)
def test_uniform_play_is_the_equilibrium(game):
    """At an interior equilibrium every action costs the same."""
    F = dg.pseudo_gradient(game)(game.uniform())
    assert all(float(jnp.ptp(costs)) < 1e-15 for costs in F)
    assert game.pure_equilibria() == []
    assert sum(game.costs(game.uniform())) == 0


def test_expected_payoff_by_enumeration():
    tensor = np.asarray(jax.random.normal(KEY, (3, 2, 3, 2)))
    game = games.MatrixGame(*tensor)
    x = dg.Product((dg.Simplex(),) * 3).sample(KEY, game.uniform())
    p, q, r = map(np.asarray, x)
    for i, cost in enumerate(game.costs(x)):
        expected = sum(tensor[i, a, b, c] * p[a] * q[b] * r[c] for a, b, c in np.ndindex(2, 3, 2))
        assert float(cost) == pytest.approx(-expected, rel=1e-12)


def test_bimatrix_pseudo_gradient_is_linear_in_the_opponent():
    A, B = jax.random.normal(KEY, (2, 3, 2))
    x = (jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4]))
    assert_close(
        dg.pseudo_gradient(games.MatrixGame(A, B))(x), (-A @ x[1], -B.T @ x[0]), rtol=1e-12
    )


def test_what_others_do_to_a_payoff_does_not_move_its_player():
    """Adding to `U_i` a function of the others' actions, or scaling it, keeps best responses."""
    A, B = jax.random.normal(KEY, (2, 3, 2))
    x = (jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4]))
    shifted = games.MatrixGame(2 * A + jnp.array([[5.0, -7.0]]), B)
    before, after = (dg.pseudo_gradient(g)(x)[0] for g in (games.MatrixGame(A, B), shifted))
    assert_close(jnp.diff(after), 2 * jnp.diff(before), rtol=1e-12)


def test_players_stay_on_their_simplex():
    game = games.MatrixGame.rock_paper_scissors()
    x = (jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.4, 0.0]))
    field, method = dg.pseudo_gradient(game), dg.Extragradient(0.2)
    x = play(field, method, x, 300)
    assert all(bool(dg.Simplex().contains(block, 1e-12)) for block in x)
    assert_close(x, game.uniform(), atol=1e-3)


def test_pure_equilibria():
    dilemma = games.MatrixGame([[3, 0], [5, 1]], [[3, 5], [0, 1]])
    assert dilemma.pure_equilibria() == [(1, 1)]
    # three players who all want to choose alike
    alike = jnp.zeros((2, 2, 2)).at[0, 0, 0].set(1.0).at[1, 1, 1].set(1.0)
    assert games.MatrixGame(alike, alike, alike).pure_equilibria() == [(0, 0, 0), (1, 1, 1)]
    assert games.MatrixGame.from_table([[1, 3, 3, 2]]).pure_equilibria() == [(1,), (2,)]


@pytest.mark.parametrize("unit", (1.0, 1e-9, 1e9))
@pytest.mark.parametrize(
    ("payoffs", "ties"),
    (
        ((0.1 + 0.2, 0.3, 0.0), 2),
        ((0.1 + 0.2 - 0.3, 0.0, -1.0), 2),
        ((sum([0.1] * 10), 1.0, 0.5), 2),
        ((1 / 3 + 1 / 3 + 1 / 3, 1.0, 49 * (1 / 49)), 3),
        ((0.3, 0.3 - 1e-12, 0.0), 1),
        ((1.0, 1.0 + 1e-9, 1.0), 1),
        ((2.0, 1.0, -1e18), 1),  # a penalty, which says nothing about the others
        ((2.0, -np.inf, 2.0), 2),
        ((-np.inf, -np.inf, -np.inf), 3),
        ((np.nan, 1.0, 0.0), 0),
    ),
)
def test_ties_are_meant_up_to_rounding(payoffs, ties, unit):
    table = unit * np.array(payoffs)[:, None]
    game = games.MatrixGame(table * np.ones(2), np.array([1.0, 0.0]) * np.ones((3, 2)))
    assert len(game.pure_equilibria()) == ties
    flipped = games.MatrixGame(
        np.ones((2, 3)) * np.array([[1.0], [0.0]]), np.ones((2, 1)) * table.T
    )
    assert [i for i, _ in flipped.pure_equilibria()] == [0] * ties


def test_pure_equilibria_in_single_precision():
    payoffs = np.array([[0.1], [0.2]], np.float32) + np.array([[0.2], [0.1]], np.float32)
    own = np.concatenate([payoffs, [[np.float32(0.3)]]]).astype(np.float32)
    assert len(games.MatrixGame(own, np.zeros((3, 1), np.float32)).pure_equilibria()) == 3


def test_pure_equilibria_of_large_games():
    """In milliseconds; a loop over profiles took 20 s."""
    payoffs = np.random.default_rng(0).normal(size=(2, 256, 256))
    rows, columns = payoffs
    best = (rows == rows.max(0, keepdims=True)) & (columns == columns.max(1, keepdims=True))
    start = time.process_time()
    found = games.MatrixGame(*payoffs).pure_equilibria()
    assert time.process_time() - start < 2
    assert found == [tuple(profile) for profile in np.argwhere(best).tolist()]
    assert games.MatrixGame(*np.zeros((3, 4, 5, 6))).pure_equilibria() == list(
        itertools.product(range(4), range(5), range(6))
    )


@pytest.mark.parametrize(
    "payoffs", ((np.ones(3),), (np.ones((2, 2)), np.ones((2, 3))), (np.ones((2, 2)),) * 3)
)
def test_matrix_game_misuse(payoffs):
    with pytest.raises(ValueError, match="N axes, one per player"):
        games.MatrixGame(*payoffs)


# --- oligopoly ---------------------------------------------------------------------------------


@pytest.mark.full
def test_oligopoly_published_equilibrium():
    game, q = games.Oligopoly.murphy_sherali_soyster(), games.Oligopoly.published_equilibrium()
    assert max(abs(np.array(floats(dg.pseudo_gradient(game)(q))))) < 1e-8
    blocks = dg.jacobian_blocks(game, q)
    J = np.array([[float(entry[0, 0]) for entry in row] for row in blocks])
    # Newton's step from the published decimals stays within their last digit: they are all right.
    newton = np.linalg.solve(J, floats(dg.pseudo_gradient(game)(q)))
    assert max(abs(newton)) < 1e-7
    assert np.linalg.eigvalsh(J + J.T)[0] > 0


def test_oligopoly_costs_as_in_the_paper():
    game, q = games.Oligopoly.murphy_sherali_soyster(), (30.0, 40.0, 50.0, 40.0, 30.0)
    beta = np.array([1.2, 1.1, 1.0, 0.9, 0.8])
    own = np.array(q)
    production = np.array([10, 8, 6, 4, 2]) * own + beta / (1 + beta) * 5 ** (-1 / beta) * own ** (
        (1 + beta) / beta
    )
    price = 5000 ** (1 / 1.1) * sum(q) ** (-1 / 1.1)
    assert floats(game.costs(q)) == pytest.approx((production - price * own).tolist(), rel=1e-12)


def test_oligopoly_firms_produce_something():
    game = games.Oligopoly.murphy_sherali_soyster()
    field = dg.pseudo_gradient(game)
    assert floats(field.project((-1.0, 2.0, -3.0, 0.0, -5.0))) == [0, 2, 0, 0, 0]
    q = play(field, dg.Simultaneous(1.0), (jnp.array(10.0),) * 5, 500)
    assert floats(q) == pytest.approx(games.Oligopoly.published_equilibrium(), abs=1e-7)


@pytest.mark.full
def test_oligopoly_misuse():
    with pytest.raises(ValueError, match="one entry per firm"):
        games.Oligopoly([1.0, 2.0], [5.0], [1.0, 1.0], 1.1)

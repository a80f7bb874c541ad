"""Adjusted fields: against dense linear algebra, closed forms, and published numbers."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

import dgames as dg
from dgames.games import Bilinear, CovarianceEstimation, Tandem

BIL = dg.zero_sum(lambda x, args: x[0] * x[1])
ORIGIN = (jnp.array(0.0), jnp.array(0.0))
A, W = 0.3, 0.7  # alpha and weight


def flat(x):
    return np.asarray(dg.ravel(x)[0])


def quadratic(forms, linear, starts):
    """Costs `x' Q_i x / 2 + c_i x`; coordinates of player i begin at `starts[i]`."""

    def costs(x, args=None):
        v, _ = dg.ravel(x)
        values = [0.5 * v @ (Q @ v) + c @ v for Q, c in zip(forms, linear, strict=True)]
        return dg.join(x, tuple(values))

    rows = [slice(a, b) for a, b in itertools.pairwise(starts)]
    J = np.concatenate([np.asarray(Q)[r] for Q, r in zip(forms, rows, strict=True)])
    c = np.concatenate([np.asarray(v)[r] for v, r in zip(linear, rows, strict=True)])
    return dg.game(costs), J, c, rows


def random_forms(seed, players, size):
    rng = np.random.default_rng(seed)
    forms = rng.normal(size=(players, size, size))
    return jnp.array(forms + forms.transpose(0, 2, 1)), jnp.array(rng.normal(size=(players, size)))


def fields_of(game):
    return {
        "hamiltonian": dg.Hamiltonian(game),
        "consensus": dg.Consensus(game, W),
        "symplectic": dg.SymplecticAdjusted(game, W),
        "aligned": dg.SymplecticAdjusted(game, W, aligned=True),
        "surgery": dg.SymplecticSurgery(game),
        "regularised": dg.SymplecticSurgery(game, 0.1),
        "look ahead": dg.LookAhead(game, A),
        "lola": dg.LOLA(game, A),
        "exact": dg.LOLA(game, A, exact=True),
        "sos": dg.StableOpponentShaping(game, A),
        "competitive": dg.Competitive(game, A),
        "direct": dg.Competitive(game, A, solver=lx.LU()),
        "consensus of rescaled": dg.Consensus(dg.Rescaled(game, 3.0, leader=0), W),
    }


def expected_of(forms, linear, J, c, rows, x):
    """All of them by dense matrices."""
    F, eye = J @ x + c, np.eye(len(x))
    Jd = np.zeros_like(J)
    for r in rows:
        Jd[r, r] = J[r, r]
    Jo = J - Jd
    turned = (J.T @ F - J @ F) / 2
    sign = np.sign((F @ J.T @ F) * (turned @ J.T @ F) / len(x) + 0.1)
    ahead, shaping, exact = F - A * Jo @ F, np.zeros_like(x), np.zeros_like(x)
    for Q, b, r in zip(forms, linear, rows, strict=True):
        others = eye.copy()
        others[r] = 0
        shaping[r] = (others @ J[:, r]).T @ (Q @ x + b)
        moved = x - A * others @ F
        exact[r] = ((eye - A * others @ J)[:, r]).T @ (Q @ moved + b)
    gain = -A * shaping @ ahead
    p = 1.0 if gain >= 0 else min(1.0, -0.5 * ahead @ ahead / gain)
    p = min(p, F @ F if np.linalg.norm(F) < 0.1 else 1.0)
    R = np.diag([1.0 if k < rows[0].stop else 3.0 for k in range(len(x))])
    competitive = np.linalg.solve(eye + A * Jo, F)
    return {
        "hamiltonian": J.T @ F,
        "consensus": F + W * J.T @ F,
        "symplectic": F + W * turned,
        "aligned": F + W * sign * turned,
        "surgery": (F + J.T @ np.linalg.solve(J, F)) / 2,
        "regularised": (F + J.T @ np.linalg.solve(J.T @ J + 0.1 * eye, J.T @ F)) / 2,
        "look ahead": ahead,
        "lola": ahead - A * shaping,
        "exact": exact,
        "sos": ahead - p * A * shaping,
        "competitive": competitive,
        "direct": competitive,
        "consensus of rescaled": R @ F + W * (R @ J).T @ R @ F,
    }


@eqx.filter_jit
def evaluated(game, x, names=None):
    return {name: field(x) for name, field in fields_of(game).items() if name in (names or [name])}


FEW = ("aligned", "lola", "sos", "exact", "competitive", "regularised")


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    "sizes, names", [((2, 1, 3), FEW), ((2, 1, 3), None), ((2, 3), None)], ids=str
)
def test_dense_algebra_of_quadratic_games(sizes, names):
    starts = np.cumsum([0, *sizes]).tolist()
    forms, linear = random_forms(1, len(sizes), sum(sizes))
    game, J, c, rows = quadratic(forms, linear, starts)
    signs = set()
    for seed in range(4):
        # The last two points are near a zero of F, where shaping fades.
        x = np.random.default_rng(seed).normal(size=len(J))
        if seed > 1:
            x = np.linalg.solve(J, -c) + 0.01 * x
        _, unravel = dg.ravel(tuple(jnp.zeros(size) for size in sizes))
        found = evaluated(game, unravel(jnp.array(x)), names)
        expected = expected_of(np.asarray(forms), np.asarray(linear), J, c, rows, x)
        for name, value in found.items():
            np.testing.assert_allclose(flat(value), expected[name], 1e-9, 1e-11, err_msg=name)
        signs.add(bool(np.allclose(expected["aligned"], expected["symplectic"])))
        assert not np.allclose(expected["lola"], expected["sos"]) or seed <= 1
    assert len(sizes) == 2 or signs == {True, False}


@pytest.mark.thin(2)
@pytest.mark.parametrize("names", [("sos",), ("exact", "lola", "consensus of rescaled")], ids=str)
def test_stacked_players(names):
    forms, linear = random_forms(2, 3, 6)
    game, *_ = quadratic(forms, linear, [0, 2, 4, 6])

    def costs(x, args=None):
        return dg.stack(list(dg.blocks(game.costs(tuple(x), args))))

    x = dg.stack(list(jnp.array(np.random.default_rng(3).normal(size=(3, 2)))))
    found, expected = evaluated(dg.game(costs), x, names), evaluated(game, tuple(x), names)
    for name in names:
        assert isinstance(found[name], dg.Stacked)
        np.testing.assert_allclose(flat(found[name]), flat(expected[name]), 1e-9, err_msg=name)


def test_products_of_a_network_take_each_neighbour_once():
    """A ring of 50,000 players: a product for each player would not fit into memory."""
    players = 50_000
    ring = (np.arange(players)[:, None] + np.array([1, -1])) % players

    def cost(own, others, parameters, args):
        return own**2 + own * (2.0 * others[0] + others[1])

    game = dg.NetworkGame(cost, ring)
    v = np.random.default_rng(4).normal(size=players)

    def interact(v):
        return 2 * np.roll(v, -1) + np.roll(v, 1)

    F = 2 * v + interact(v)
    found = dg.LookAhead(game, A)(dg.Stacked(jnp.array(v)))
    np.testing.assert_allclose(found.blocks, F - A * interact(F), atol=1e-12)


@pytest.mark.full
def test_competitive_gradients_of_a_network():
    neighbours = (np.arange(1000)[:, None] + np.array([1, -1])) % 1000
    game = dg.NetworkGame(
        lambda own, others, *_: own**2 + own * (2 * others[0] + others[1]), neighbours
    )
    v = np.random.default_rng(4).normal(size=1000)

    def interact(v):
        return 2 * np.roll(v, -1) + np.roll(v, 1)

    d = np.asarray(dg.Competitive(game, 0.1)(dg.Stacked(jnp.array(v))).blocks)
    np.testing.assert_allclose(d + 0.1 * interact(d), 2 * v + interact(v), atol=1e-9)


def test_zero_sum_games_of_two_players():
    """With curvature and unequal numbers of coordinates, whichever player is eliminated."""
    rng = np.random.default_rng(5)
    B, P, Q = rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=(3, 3))

    def payoff(x, args=None):
        a, b = dg.blocks(x)
        return a @ B @ b + 0.5 * a @ P @ P.T @ a - 0.5 * b @ (Q @ Q.T + jnp.eye(3)) @ b

    J = np.block([[P @ P.T, B], [-B.T, Q @ Q.T + np.eye(3)]])
    v = rng.normal(size=5)
    x = (jnp.array(v[:2]), jnp.array(v[2:]))
    game = dg.zero_sum(payoff)
    off = J.copy()
    off[:2, :2] = off[2:, 2:] = 0
    d = np.linalg.solve(np.eye(5) + A * off, J @ v)
    ridge = J @ v - np.concatenate(
        [np.zeros(2), np.linalg.solve(J[2:, 2:], J[2:, :2] @ (J @ v)[:2])]
    )

    @eqx.filter_jit
    def values(x):
        swapped = dg.zero_sum(lambda x, args: -payoff(x[::-1]))
        return [
            dg.Competitive(game, A)(x),
            dg.Competitive(swapped, A)(x[::-1])[::-1],
            dg.FollowTheRidge(game)(x),
            dg.FollowTheRidge(game, solver=lx.LU())(x),
            dg.SymplecticAdjusted(game, A)(x),
            dg.LookAhead(game, A)(x),
            dg.LOLA(game, A)(x),
            dg.StableOpponentShaping(game, A)(x),
        ]

    found = [flat(value) for value in values(x)]
    lcgd = J @ v - A * off @ J @ v
    shaping = off.T @ -(J @ v)  # the gradient of a cost along the other player is minus theirs
    gain = -A * shaping @ lcgd
    share = 1.0 if gain >= 0 else min(1.0, -0.5 * lcgd @ lcgd / gain)
    lola, sos = lcgd - A * shaping, lcgd - A * share * shaping
    for value, expected in zip(found, [d, d, ridge, ridge, lcgd, lcgd, lola, sos], strict=True):
        np.testing.assert_allclose(value, expected, 1e-9)


# Spectra on x y, and on quadratics


def spectrum(field, step=1.0, x=ORIGIN):
    matrix = dg.step_jacobian(field, dg.Simultaneous(step), x)
    return np.linalg.eigvals(np.asarray(matrix))


def jacobian(field, x=ORIGIN):
    return np.eye(2) - np.asarray(dg.step_jacobian(field, dg.Simultaneous(1.0), x))


def test_spectra_on_the_bilinear_game():
    steps = np.array([0.1, 0.5, 1.3])
    curved = np.sqrt((1 - steps) ** 2 + steps**2)
    for field, expected in (
        (dg.Hamiltonian(BIL), np.abs(1 - steps)),
        (dg.Consensus(BIL, 1.0), curved),
        (dg.SymplecticAdjusted(BIL, 1.0), curved),
        # J + J' = 0: nothing pulls to zeros that are no strict equilibria.
        (dg.SymplecticSurgery(BIL, solver=lx.LU()), np.ones(3)),
    ):
        values = 1 - np.multiply.outer(steps, np.linalg.eigvals(jacobian(field)))
        np.testing.assert_allclose(np.abs(values).max(-1), expected, atol=1e-12)
    assert np.isclose(curved[1], 0.7071068, atol=5e-8)


def test_spectra_of_competitive_gradients():
    competitive = jax.jit(
        jax.vmap(lambda a, h: dg.step_jacobian(dg.Competitive(BIL, a), dg.Simultaneous(h), ORIGIN))
    )
    a = jnp.array([1.0, 2.0, 0.5, 0.1, 0.3, 1.7])
    h = jnp.array([1.0, 1.0, 1.0, 0.5, 0.3, 1.7])
    found = np.abs(np.linalg.eigvals(np.asarray(competitive(a, h)))).max(-1)
    np.testing.assert_allclose(found[:4], [0.7071068, 0.6324555, 1, 1.0716879], atol=5e-8)
    np.testing.assert_allclose(found[4:], 1 / np.sqrt(1 + np.asarray(h[4:]) ** 2), atol=1e-12)
    np.testing.assert_allclose(found**2, 1 - 2 * h * a / (1 + a**2) + h**2 / (1 + a**2), atol=1e-12)
    assert abs(found[2] - 1) < 1e-12  # exactly one at h = 2 a


def test_ridge_and_timescales():
    minimax = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
    not_minimax = dg.zero_sum(lambda x, args: 3 * x[0] ** 2 + x[1] ** 2 + 4 * x[0] * x[1])
    for game, sign in ((minimax, 1), (not_minimax, -1)):
        # Double eigenvalues, defective: they keep half of the digits.
        ridge = np.linalg.eigvals(jacobian(dg.FollowTheRidge(game)))
        np.testing.assert_allclose(ridge, [2 * sign] * 2, atol=1e-6)
        gradient = np.linalg.eigvals(jacobian(dg.pseudo_gradient(game)))
        np.testing.assert_allclose(gradient, [-2 * sign] * 2, atol=1e-6)
    for tau in (2.9, 3.0, 3.1):
        J = jacobian(dg.Rescaled(minimax, tau, leader=0))
        np.testing.assert_allclose([np.trace(J), np.linalg.det(J)], [2 * tau - 6, 4 * tau])
        stable = np.linalg.eigvals(J).real.min() > 1e-12
        assert stable == (tau > 3.0)
    grown = np.linalg.matrix_power(np.eye(2) - 0.05 * jacobian(dg.pseudo_gradient(minimax)), 30)
    assert np.isclose(np.linalg.norm(grown @ [5.0, 7.0]), 124, atol=0.5)


@pytest.mark.full
def test_the_third_ridge_game_converges():
    def payoff(x, args=None):
        a, b = x
        inner = 0.4 * a**2 - 0.1 * (b - 3 * a + 0.05 * a**3) ** 2 - 0.01 * b**4
        return inner * jnp.exp(-0.01 * (a**2 + b**2))

    field = dg.FollowTheRidge(dg.zero_sum(payoff), solver=lx.LU())
    run = dg.solve(field, dg.Simultaneous(0.05), (7.0, 5.0), max_steps=20_000)
    assert run.residual < 1e-7 and np.abs(np.array(run.strategy)).max() < 1e-6


# Runs


def test_bilinear_table():
    """Fifty steps of 0.2 from (1/2, 1/2), for couplings 1, 3 and 6."""
    h = 0.2
    makers = {
        "gda": dg.pseudo_gradient,
        "lcgd": lambda game: dg.LookAhead(game, h),
        "sga": lambda game: dg.SymplecticAdjusted(game, 1.0),
        "consensus": lambda game: dg.Consensus(game, 1.0),
        "cgd": lambda game: dg.Competitive(game, h),
    }

    def length(field, method, state):
        def step(carry, _):
            return method.step(field, *carry), None

        start = (jnp.array(0.5), jnp.array(0.5))
        (x, _), _ = jax.lax.scan(step, (start, state), length=50)
        return jnp.hypot(*x)

    @jax.jit
    @jax.vmap
    def table(coupling):
        game = Bilinear(coupling)
        found = {name: length(of(game), dg.Simultaneous(h), None) for name, of in makers.items()}
        zero = (jnp.array(0.0), jnp.array(0.0))
        found["ogda"] = length(dg.pseudo_gradient(game), dg.Optimistic(h, reflected=True), zero)
        return found

    expected = {
        "gda": [1.8850e0, 1.5416e3, 3.4216e9],
        "lcgd": [2.6567e-1, 1.0142e-3, 1.5071e5],
        "sga": [4.5942e-5, 7.0711e-1, 7.3852e39],
        "consensus": [4.5942e-5, 7.0711e-1, 7.3852e39],
        "ogda": [2.6010e-1, 1.8322e1, 2.4327e18],
    }
    found = table(jnp.array([1.0, 3.0, 6.0]))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=6e-5, err_msg=name)
    np.testing.assert_allclose(found["cgd"], [2.652476e-1, 3.243488e-4, 1.461300e-10], rtol=2e-7)


@pytest.mark.parametrize("sign", [1, -1])
def test_separable_quadratics(sign):
    """Competitive gradients change nothing, and consensus multiplies the factor."""
    game = dg.zero_sum(lambda x, args: sign * 6 * (x[0] ** 2 - x[1] ** 2))
    competitive, consensus = dg.Competitive(game, 0.2), dg.Consensus(game, 1.0)
    factor, larger = (-1.4, -30.2) if sign == 1 else (3.4, -25.4)
    np.testing.assert_allclose(spectrum(competitive, 0.2), [factor] * 2)
    np.testing.assert_allclose(spectrum(dg.pseudo_gradient(game), 0.2), [factor] * 2)
    np.testing.assert_allclose(spectrum(consensus, 0.2), [larger] * 2)


@pytest.mark.parametrize(
    "make, total, costs",
    [
        (lambda: dg.LookAhead(Tandem(), 0.1), 1, (-0.15, 0.15)),
        (lambda: dg.StableOpponentShaping(Tandem(), 0.1), 1, (-0.15, 0.15)),
        (lambda: dg.LOLA(Tandem(), 0.1), 4 / 3, (0.294444, 0.594444)),
    ],
    ids=["look ahead", "stable", "lola"],
)
def test_tandem(make, total, costs):
    run = dg.solve(make(), dg.Simultaneous(0.1), (0.1, -0.05), tol=1e-12)
    assert np.isclose(sum(run.strategy), total, atol=1e-9)
    np.testing.assert_allclose(Tandem().costs(run.strategy), costs, atol=1e-6)


@pytest.mark.full
def test_covariance_estimation(key):
    game, x = CovarianceEstimation.random(key, 4)

    @eqx.filter_jit
    def distances(field, x):
        def step(x, _):
            x, _ = dg.Simultaneous(0.1).step(field, x, None)
            return x, game.distance(x)

        return jax.lax.scan(step, x, length=300)[1]

    near = distances(dg.Competitive(game, 0.1), x)
    assert near[-1] < 0.05 * game.distance(x)


def test_equilibria_of_covariance_estimation(key):
    game, (W, V) = CovarianceEstimation.random(key, 4)
    turn = jnp.triu(W, 1) - jnp.triu(W, 1).T  # antisymmetric: it changes nothing
    equilibrium = (turn, jnp.linalg.cholesky(game.covariance))
    assert game.distance(equilibrium) < 1e-12 and dg.residual(game, equilibrium) < 1e-12
    assert game.distance((W, V)) > 1 and dg.residual(game, (W, V)) > 1


# Composition


def test_methods_on_adjusted_fields():
    """OCGO, extragradient on competitive gradients, by its matrix; and fields of fields."""
    a, h = 0.8, 0.4
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    M = np.linalg.solve(np.eye(2) + a * turn, turn)
    found = dg.step_jacobian(dg.Competitive(BIL, a), dg.Extragradient(h), ORIGIN)
    np.testing.assert_allclose(found, np.eye(2) - h * M @ (np.eye(2) - h * M), atol=1e-12)
    nested = dg.SymplecticAdjusted(dg.Consensus(BIL, W), A)
    C = turn + W * turn.T @ turn
    found = jacobian(nested)
    np.testing.assert_allclose(found, C + A * (C.T - C) / 2 @ C, atol=1e-12)


def test_constraints_are_passed_on():
    line, box = dg.Polyhedron([[1.0, 1.0]], [1.0]), dg.Box(-1.0, 0.25)
    x = (jnp.array(3.0), jnp.array(-2.0))
    free = dg.zero_sum(lambda x, args: x[0] * x[1], box)
    bound = dg.zero_sum(lambda x, args: x[0] * x[1], box, shared=line)
    field = dg.Hamiltonian(dg.Consensus(free, 1.0))
    assert field.strategy_set(x) is box
    assert [float(own) for own in field.project(x)] == [0.25, -1.0]
    field = dg.Consensus(dg.Normalised(bound, (1.0, 2.0)), 1.0)
    assert field.shared_constraints(x)[0] is line
    with pytest.raises(ValueError, match="rates select another equilibrium"):
        dg.Rescaled(bound, 2.0)(x)


def test_names_whose_order_was_seen():
    """Inside of transformations the order in which names were written is lost."""
    game = dg.zero_sum(lambda x, args: x["generator"] * x["writer"])
    value = dg.SymplecticAdjusted(dg.Consensus(game, 1.0), 1.0)({"generator": 1.0, "writer": 2.0})
    C = np.array([[1.0, 1.0], [-1.0, 1.0]])
    expected = (C + (C.T - C) / 2 @ C) @ np.array([1.0, 2.0])
    np.testing.assert_allclose([value["generator"], value["writer"]], expected)
    with pytest.raises(ValueError, match="must know who minimises"):
        dg.Hamiltonian(game)({"writer": 1.0, "generator": 2.0})


@pytest.mark.full
def test_players_that_are_networks():
    first, second = (eqx.nn.MLP(1, 1, 2, 1, key=jax.random.key(k)) for k in (0, 1))
    x = {"generator": second, "writer": first}

    def payoff(x, args):
        inputs = jnp.array([0.3])
        return jnp.sum(x["generator"](inputs) * x["writer"](inputs))

    game = dg.zero_sum(payoff)
    value, plain = dg.LOLA(game, 0.5)(x), dg.pseudo_gradient(game)(x)
    assert jax.tree.structure(value) == jax.tree.structure(plain)
    run = dg.solve(dg.Competitive(game, 0.1), dg.Simultaneous(0.1), x, max_steps=3)
    assert int(run.steps) == 3 and np.isfinite(float(run.residual))


@pytest.mark.full
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_low_precision(dtype):
    forms, linear = random_forms(1, 3, 6)
    game, J, c, rows = quadratic(forms / 4, linear, [0, 2, 3, 6])

    def low(x, args=None):
        high = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), x)
        return jax.tree.map(lambda leaf: leaf.astype(dtype), game.costs(high))

    x = (jnp.array([0.5, -1.0]), jnp.array([0.25]), jnp.array([1.0, 0.5, -0.5]))
    expected = expected_of(np.asarray(forms) / 4, np.asarray(linear), J, c, rows, flat(x))
    names = ("symplectic", "sos", "competitive", "regularised", "consensus of rescaled")
    given = jax.tree.map(lambda leaf: leaf.astype(dtype), x)
    found = evaluated(dg.game(low), given, names)
    tolerance = {jnp.float32: 2e-4, jnp.bfloat16: 0.1}[dtype]
    for name in names:
        assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(found[name]))
        value = flat(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), found[name]))
        largest = np.abs(expected[name]).max()
        np.testing.assert_allclose(value, expected[name], atol=tolerance * largest, err_msg=name)


def test_no_matrix_of_a_hundred_thousand_coordinates_is_formed():
    """It would have 80 gigabytes."""
    game = dg.zero_sum(lambda x, args: 2.0 * jnp.vdot(x[0], jnp.roll(x[1], 1)))
    x = tuple(jax.random.normal(jax.random.key(i), (50_000,)) for i in range(2))

    def rotated(v):
        return 2 * jnp.roll(v[1], 1), -2 * jnp.roll(v[0], -1)

    F = rotated(x)

    def plus(weight, change):
        return [f + weight * c for f, c in zip(F, change, strict=True)]

    # J J = -4 I, so that (I + a J)^-1 = (I - a J) / (1 + 4 a^2).
    for field, expected in (
        (dg.SymplecticAdjusted(game, W), plus(-W, rotated(F))),
        (dg.Consensus(game, W), plus(-W, rotated(F))),
        (dg.Competitive(game, A), [v / (1 + 4 * A**2) for v in plus(-A, rotated(F))]),
        (dg.SymplecticSurgery(game), [0 * f for f in F]),
    ):
        np.testing.assert_allclose(flat(eqx.filter_jit(field)(x)), flat(expected), atol=1e-9)


@pytest.mark.full
def test_derivatives_of_competitive_gradients():
    """Along the step as well, and where a solver finds nothing the field is NaN."""

    def first(a):
        return dg.Competitive(dg.zero_sum(lambda x, args: x[0] * x[1]), a)((1.0, 3.0))[0]

    value, slope = jax.jvp(first, (jnp.array(1.0),), (jnp.array(1.0),))
    assert np.isclose(value, 2.0) and np.isclose(slope, 1 / 2 - 2 * 4 / 4)
    few = lx.CG(rtol=0.0, atol=1e-30, max_steps=1)
    game = dg.zero_sum(lambda x, args: x[0] @ (jnp.array([[1.0, 2.0], [0.0, 3.0]]) @ x[1]))
    x = (jnp.ones(2), jnp.array([1.0, -3.0]))
    assert np.isnan(flat(dg.Competitive(game, 1.0, few)(x))).all()


def test_what_is_refused():
    with pytest.raises(ValueError, match="differentiates costs, which a field does not have"):
        dg.LOLA(dg.Hamiltonian(BIL), 0.1)
    with pytest.raises(ValueError, match="two players are needed, but there are 3"):
        dg.FollowTheRidge(dg.FunctionField(lambda x, args: x))((1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="the leader is 'c', who is not among the players 0, 1"):
        dg.Rescaled(BIL, 2.0, leader="c")(ORIGIN)
    with pytest.raises(ValueError, match="one for each of the players 0, 1"):
        dg.Rescaled(BIL, (1.0, 2.0, 3.0))(ORIGIN)
    with pytest.raises(ValueError, match="rates are positive numbers"):
        dg.Rescaled(BIL, (1.0, -2.0))


def test_a_singular_system_ends_a_run():
    """The derivative along which the unit is measured raises no error either."""
    game = dg.game(lambda x, args: (x[0] * x[1], x[0] * x[1]))
    run = dg.solve(dg.Competitive(game, 1.0), dg.Simultaneous(0.1), (1.0, 2.0))
    assert run.result == dg.RESULTS.field_not_finite

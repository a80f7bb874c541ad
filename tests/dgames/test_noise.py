"""Methods for noisy feedback, and their second moments, which need no sampling."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg

NOISY = dg.zero_sum(lambda x, noise: noise * x[0] * x[1])
BIL = dg.zero_sum(lambda x, args: x[0] * x[1])
ORIGIN = (jnp.array(0.0), jnp.array(0.0))
SHARED = jnp.array([3.0, -1.0])  # of both players, at even odds: mean 1, mean square 5


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, 0, None))
def radius(gamma, eta, noise):
    return dg.second_moment_radius(NOISY, dg.OptimisticSeparated(gamma, eta), ORIGIN, noise)


def separated_radius(gamma, eta):
    return radius(gamma, eta, SHARED)


def eigenvalues(method):
    values = np.linalg.eigvals(np.asarray(dg.step_jacobian(BIL, method, ORIGIN)))
    return np.sort_complex(np.round(values, 12) + 0.0)


def roots(gamma, eta):
    """Of `z^2 - (1 - (gamma + eta) nu) z - gamma nu` for the eigenvalues `nu = +-i` of the game."""
    found = [np.roots([1, -(1 - (gamma + eta) * nu), -gamma * nu]) for nu in (1j, -1j)]
    return np.concatenate(found)


@pytest.mark.parametrize(
    ("gamma", "eta"), [(0.4, 0.15), pytest.param(0.3, 0.3, marks=pytest.mark.full)]
)
def test_spectrum_of_separated_steps(gamma, eta):
    expected = np.sort_complex(np.round(roots(gamma, eta), 12) + 0.0)
    assert np.allclose(eigenvalues(dg.OptimisticSeparated(gamma, eta)), expected, atol=1e-11)
    # Dual averaging has the start in its state, which stays, and x, which it does not look at.
    expected = np.sort_complex(np.concatenate([expected, [1, 1, 0, 0]]))
    found = eigenvalues(dg.OptimisticDualAveraging(gamma, eta))
    assert np.allclose(np.sort(np.abs(found)), np.sort(np.abs(expected)), atol=1e-7)


def test_radii_of_second_moments():
    """With equal steps, at those of the theorem, and at the best ones."""
    table = {
        (0.001, 0.001): 1.00000300,
        (0.01, 0.01): 1.00030063,
        (0.05, 0.05): 1.00790646,
        (0.1, 0.1): 1.03715591,
        (0.2, 0.2): 1.27617353,
        (1 / 72, 1 / 720): 0.99997107,
    }
    pairs = jnp.asarray(list(table))
    radii = separated_radius(pairs[:, 0], pairs[:, 1])
    assert np.allclose(radii, list(table.values()), rtol=0, atol=5e-9)
    etas = jnp.linspace(0.018, 0.02, 201)
    radii = separated_radius(jnp.full_like(etas, 0.1), etas)
    assert np.isclose(radii.min(), 0.99809, rtol=0, atol=5e-6)
    assert np.isclose(etas[radii.argmin()], 0.01903, rtol=0, atol=2e-5)


def test_second_moments_vanish_up_to_the_threshold():
    """At `2 gamma (1 - M gamma^2) / (M (1 + gamma^2))` the radius is one, for `M = 5`."""
    gamma = jnp.array([0.001, 0.05, 0.1, 0.2, 0.4])
    eta = 2 * gamma * (1 - 5 * gamma**2) / (5 * (1 + gamma**2))
    assert np.isclose(eta[0] / gamma[0], 0.4, atol=3e-6)  # the share 2 / M of short steps
    assert np.allclose(eta[1:4], [0.0197007, 0.0376238, 0.0615385], rtol=0, atol=5e-8)
    assert np.allclose(separated_radius(gamma, eta), 1, atol=1e-9)
    assert (separated_radius(gamma, 0.99 * eta) < 1).all()
    assert (separated_radius(gamma, 1.01 * eta) > 1).all()


def test_without_noise_the_radius_is_the_square_of_the_spectral_radius():
    steps = jnp.array([0.1, 0.3])
    found = radius(steps, steps, jnp.ones(2))
    assert np.allclose(found, [0.98989795, 0.9], rtol=0, atol=5e-9)


@pytest.mark.full
def test_second_moments_are_means_of_kronecker_products():
    """The whole operator by NumPy; outcomes that differ between players, and their odds."""
    game = dg.game(lambda x, s: (0.5 * x[0] ** 2 + s["a"] * x[0] * x[1], -s["b"] * x[0] * x[1]))
    outcomes = {"a": jnp.array([1.0, 2.0, 0.5]), "b": jnp.array([0.5, 1.0, 2.0])}
    odds, method = np.array([0.5, 0.2, 0.3]), dg.Optimistic(0.3)
    total = 0.0
    for k, p in enumerate(odds):
        outcome = jax.tree.map(lambda leaf, k=k: leaf[k], outcomes)
        A = np.asarray(dg.step_jacobian(game, method, ORIGIN, outcome))
        total = total + p * np.kron(A, A)
    found = dg.second_moment_radius(game, method, ORIGIN, outcomes, odds)
    assert np.isclose(found, np.abs(np.linalg.eigvals(total)).max(), rtol=1e-12)
    S = np.cov(np.random.default_rng(0).normal(size=(4, 9)))
    operator = dg.second_moment_operator(game, method, ORIGIN, outcomes, odds)
    moved = (total @ S.ravel()).reshape(4, 4)
    rows = np.triu_indices(4)
    assert np.allclose(operator @ S[rows], moved[rows], atol=1e-14)


def test_malformed_outcomes():
    method = dg.Simultaneous(0.1)
    with pytest.raises(ValueError, match="stacked along the first axis"):
        dg.second_moment_radius(NOISY, method, ORIGIN, jnp.array(3.0))
    with pytest.raises(ValueError, match="one probability for each of 2 outcomes"):
        dg.second_moment_radius(NOISY, method, ORIGIN, SHARED, [1.0])
    with pytest.raises(ValueError, match="their sum is one"):
        dg.second_moment_radius(NOISY, method, ORIGIN, SHARED, [0.7, 0.7])


# Rules against plain loops, on a field that is not linear.

FIELD = dg.FunctionField(lambda x, args: (jnp.sin(x[0]) + x[1], jnp.tanh(2 * x[1]) - x[0]))
START = (jnp.array(0.7), jnp.array(-1.2))


def force(x):
    return np.array([np.sin(x[0]) + x[1], np.tanh(2 * x[1]) - x[0]])


def run(method, field, x, steps):
    state = method.init(field, x)
    trajectory = [x]
    for _ in range(steps):
        x, state = method.step(field, x, state)
        trajectory.append(x)
    return np.array(trajectory), state


def test_constant_steps_make_dual_averaging_and_separated_steps_the_same():
    one, _ = run(dg.OptimisticSeparated(0.3, 0.1), FIELD, START, 12)
    other, _ = run(dg.OptimisticDualAveraging(0.3, 0.1), FIELD, START, 12)
    assert np.allclose(one, other, atol=1e-13)
    popov, _ = run(dg.Optimistic(0.2), FIELD, START, 12)
    assert np.allclose(run(dg.OptimisticSeparated(0.2, 0.2), FIELD, START, 12)[0], popov)
    assert not np.allclose(one, popov, atol=1e-2)


def test_schedules_see_the_number_of_the_step():
    """`gamma_t` and `eta_(t+1)`, t = 1, 2, ...; one schedule per player, and one of a function."""
    gamma = dg.PowerDecay((0.4, 0.3), 0.25, logarithms=0.5, shift=1.0)
    x, past, total = np.array(START), force(START), np.zeros(2)
    lazy = x
    expected, expected_lazy, past_lazy = [x], [x], past
    for t in range(1, 8):
        extrapolation = np.array([0.4, 0.3]) / ((t + 1) ** 0.25 * np.log(t + 1) ** 0.5)
        update = 0.2 / np.sqrt(t + 1)
        past = force(x - extrapolation * past)
        x = x - update * past
        past_lazy = force(lazy - extrapolation * past_lazy)
        total = total + past_lazy
        lazy = np.array(START) - update * total
        expected.append(x)
        expected_lazy.append(lazy)

    def eta(t):
        return 0.2 / jnp.sqrt(t)

    assert np.allclose(run(dg.OptimisticSeparated(gamma, eta), FIELD, START, 7)[0], expected)
    found, state = run(dg.OptimisticDualAveraging(gamma, eta), FIELD, START, 7)
    assert np.allclose(found, expected_lazy) and state.steps == 7
    assert not np.allclose(expected, expected_lazy, atol=1e-2)


def test_schedules_are_leaves_that_do_not_retrace():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def step(method):
        return method.step(FIELD, START, method.init(FIELD, START))[0][0]

    steps = [step(dg.OptimisticSeparated(dg.PowerDecay(h, 0.25), h)) for h in (0.1, 0.2)]
    assert steps[0] != steps[1]


@pytest.mark.parametrize(("q", "h"), [(0.25, 1.0), (0.1, 0.3)])
def test_adaptive_steps_are_delayed_by_two_rounds(q, h):
    """Whole histories are kept here, and the sums are those of the paper for t = 1, 2, ..."""
    forces, plays, past = [], [np.array(START)], force(START)
    for t in range(1, 9):
        known = forces[: max(t - 2, 0)]
        gamma = h * (1 + h * sum(g**2 for g in known)) ** (q - 0.5)
        past = force(plays[-1] - gamma * past)
        forces.append(past)
        known = [
            h * g**2 + (a - b) ** 2 / h
            for g, a, b in zip(forces[: t - 1], plays[: t - 1], plays[1:t], strict=True)
        ]
        eta = h / np.sqrt(1 + sum(known))
        plays.append(plays[0] - eta * sum(forces))
    method = dg.AdaptiveOptimisticDualAveraging(q, h)
    found, state = run(method, FIELD, START, 8)
    assert np.allclose(found, plays, rtol=1e-12)
    assert np.allclose(state.latest, forces[-1] ** 2)


def test_a_step_size_of_the_adaptive_method_is_a_unit_of_strategies():
    c = 0.5
    rescaled = dg.FunctionField(
        lambda y, args: jax.tree.map(lambda f: c * f, FIELD(jax.tree.map(lambda b: c * b, y)))
    )
    one, _ = run(dg.AdaptiveOptimisticDualAveraging(), rescaled, tuple(b / c for b in START), 9)
    other, _ = run(dg.AdaptiveOptimisticDualAveraging(step_size=c**2), FIELD, START, 9)
    assert np.allclose(c * one, other)


def test_adaptive_norms_are_those_of_whole_blocks():
    field = dg.FunctionField(lambda x, args: jax.tree.map(lambda leaf: leaf, x))
    x = {"a": {"u": jnp.array([3.0, 0.0]), "v": jnp.array(4.0)}, "b": jnp.array([[1.0]])}
    method = dg.AdaptiveOptimisticDualAveraging(step_size=0.5)
    y, state = method.step(field, x, method.init(field, x))
    assert np.allclose([state.latest["a"], state.latest["b"]], [6.25, 0.25])  # at half of x
    assert np.allclose([state.travelled["a"], state.travelled["b"]], [25 / 16, 1 / 16])
    assert np.allclose(y["a"]["v"], 3.0)


@pytest.mark.full
def test_stacked_players_have_steps_of_their_own():
    def costs(x, args=None):
        return dg.Stacked(jnp.sum(x.blocks**2, -1) + x.blocks[:, 0] * jnp.sum(x.blocks[:, 1]))

    apart = dg.game(lambda x, args=None: tuple(costs(dg.stack(x)).blocks))
    x = (jnp.array([1.0, 2.0]), jnp.array([-1.0, 0.5]), jnp.array([0.3, 0.1]))
    method = dg.AdaptiveOptimisticDualAveraging()
    one, other = dg.pseudo_gradient(apart), dg.pseudo_gradient(dg.game(costs))
    y, states = dg.stack(x), [method.init(one, x), method.init(other, dg.stack(x))]
    for _ in range(4):
        x, states[0] = method.step(one, x, states[0])
        y, states[1] = method.step(other, y, states[1])
    assert np.allclose(np.stack(x), y.blocks)
    assert len(set(np.asarray(states[1].settled.blocks).tolist())) == 3


def test_longest_steps_of_the_theorem():
    method = dg.OptimisticSeparated.constant_steps(2, 1.0, 4.0)
    assert np.allclose([method.extrapolation, method.update], [1 / 72, 1 / 720])
    for noise in (0.0, 0.1, 1.0, 30.0):
        method = dg.OptimisticSeparated.constant_steps(2, 1.0, noise)
        gamma, M = float(method.extrapolation), 1 + noise
        assert 3 * method.update < 2 * gamma * (1 - M * gamma**2) / (M * (1 + gamma**2))
    free = dg.OptimisticSeparated.constant_steps(2, 1.0, 0.0)
    assert np.allclose([free.extrapolation, free.update], [1 / 6, 1 / 12])


@pytest.mark.full
def test_noisy_runs_follow_the_second_moments():
    """Longer updates blow up, shorter ones do not: many runs under the same noise."""

    @jax.jit
    @jax.vmap
    def last(key, gamma, eta):
        method, field = dg.OptimisticSeparated(gamma, eta), dg.pseudo_gradient(NOISY)
        x = (jnp.array(1.0), jnp.array(0.0))

        def step(carry, sign):
            x, state = carry
            return method.step(field, x, state, jnp.where(sign, 3.0, -1.0)), None

        signs = jax.random.bernoulli(key, shape=(3000,))
        (x, _), _ = jax.lax.scan(step, (x, method.init(field, x, jnp.array(1.0))), signs)
        return jnp.hypot(*x)

    keys = jax.random.split(jax.random.key(3), 64)
    ones = jnp.ones(64)
    assert jnp.median(last(keys, 0.1 * ones, 0.02 * ones)) < 0.1
    assert jnp.median(last(keys, 0.2 * ones, 0.2 * ones)) > 1e3


@pytest.mark.parametrize(
    "method",
    [
        dg.OptimisticSeparated(0.4, 0.05),
        pytest.param(dg.OptimisticDualAveraging(0.4, 0.05), marks=pytest.mark.full),
        pytest.param(dg.AdaptiveOptimisticDualAveraging(), marks=pytest.mark.full),
    ],
    ids=dg.method_name,
)
def test_runs_end_at_constrained_solutions(method):
    game = dg.game(lambda x, args: ((x[0] - 3) ** 2, (x[1] - x[0]) ** 2), dg.Box(0.0, 1.0))
    run = dg.solve(game, method, (0.2, 0.3), max_steps=4000)
    assert run.result == dg.RESULTS.successful
    assert np.allclose(run.strategy, [1.0, 1.0], atol=1e-7)


@pytest.mark.full
def test_shared_constraints_with_one_step_for_all():
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    run = dg.solve(game, dg.OptimisticSeparated(0.2, 0.1), (0.0, 0.0))
    assert np.allclose(run.strategy, [0.75, 0.25], atol=1e-7)


def test_steps_of_their_own_are_refused_with_shared_constraints():
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    field, x = dg.pseudo_gradient(game), (jnp.array(0.0), jnp.array(0.0))
    for method in (
        dg.OptimisticSeparated((0.1, 0.2), 0.1),
        dg.OptimisticDualAveraging(0.1, dg.PowerDecay((0.1, 0.2), 0.5)),
        dg.AdaptiveOptimisticDualAveraging(),
    ):
        with pytest.raises(ValueError, match="shared constraints"):
            method.step(field, x, method.init(field, x))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        dg.OptimisticSeparated("fast", 0.1)

"""Mirror maps and the methods on them, against closed forms and the numbers of papers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames import methods
from dgames.games import MarkovGame, MatrixGame, PreferenceGame

pytestmark = pytest.mark.thin(3)

# Perturbed rock, paper, scissors, as preferences.
PERTURBED = PreferenceGame((np.array([[0.0, -3, 3], [3, 0, -1], [-3, 1, 0]]) + 3) / 6)
NASH = np.array([1, 3, 3]) / 7


@eqx.filter_jit
def orbit(field, method, x, steps):
    """The strategies after 1, ..., `steps` steps."""

    def body(carry, _):
        carry = method.step(field, *carry)
        return carry, carry[0]

    return jax.lax.scan(body, (x, method.init(field, x)), length=steps)[1]


def both(p):
    return (jnp.asarray(p),) * 2


def kl(p, q):
    """KL(p || q) along the last axis."""
    p, q = np.asarray(p), np.asarray(q)
    return np.sum(p * (np.log(p) - np.log(q)), -1)


def tournament(rng, actions=10):
    """Entries below the diagonal uniform, those above their complements."""
    lower = np.tril(rng.random((actions, actions)), -1)
    return lower + np.triu(1 - lower.T, 1) + np.eye(actions) / 2


# --- mirror maps -----------------------------------------------------------------------------


def test_divergences():
    x, w = jnp.array([0.2, 0.3, 0.5]), jnp.array([0.6, 0.3, 0.1])
    assert_allclose(dg.divergence(dg.EntropyMirror(), (x,), (w,)), kl(x, w), rtol=1e-14)
    assert_allclose(dg.kl_divergence((x, x), (w, x)), kl(x, w), rtol=1e-14)
    expected = 0.5 * np.sum((x - w) ** 2)
    assert_allclose(dg.divergence(dg.EuclideanMirror(), (x,), (w,)), expected, rtol=1e-14)


@pytest.mark.parametrize("mirror", (dg.EntropyMirror(), dg.EuclideanMirror()), ids=str)
def test_settled_duals_minimise_the_bregman_objective(mirror, key):
    """`psi(x) - <y, x>` is least over the simplex at `primal(settle(y))`, compared at samples."""
    simplex, y = dg.Simplex(), jnp.array([0.3, -1.2, 0.7, 0.1])
    best = mirror.primal(mirror.settle(simplex, y))
    assert simplex.contains(best, 1e-14)

    def objective(x):
        square = jnp.sum(x**2, -1) / 2
        psi = square if isinstance(mirror, dg.EuclideanMirror) else jnp.sum(x * jnp.log(x), -1)
        return psi - x @ y

    samples = simplex.sample(key, jnp.zeros((2000, 4)))
    assert np.all(objective(samples) >= objective(best))
    assert objective(samples).min() < objective(best) + 0.02


def test_entropy_needs_simplices():
    field = dg.pseudo_gradient(dg.zero_sum(lambda x, args: jnp.sum(x[0] * x[1])))
    x, method = (jnp.ones(2), jnp.ones(2)), dg.MirrorDescent(0.1)
    with pytest.raises(ValueError, match=r"probability vectors \(dgames.Simplex\), not Euclidean"):
        method.step(field, x, method.init(field, x))


# --- magnetic mirror descent: the published numbers --------------------------------------------


@pytest.mark.parametrize(
    ("temperature", "equilibrium", "first", "factor", "steps"),
    (
        (0.5, (0.29813319, 0.41382045, 0.28804635), 0.028343, 0.6477, 60),
        (0.2, (0.22364492, 0.47798817, 0.29836691), 0.099940, 0.9262, 359),
        (0.1, (0.17347803, 0.48630324, 0.34021873), 0.154661, 0.9807, 1437),
        (0.05, (0.1517447, 0.46794775, 0.38030755), 0.178917, 0.9951, 5758),
    ),
)
def test_magnetic_mirror_descent(temperature, equilibrium, first, factor, steps):
    """Quantal response equilibria, and a linear rate that no step falls behind (theorem 3.4)."""
    game = dg.Regularised(PERTURBED, temperature)
    start = PERTURBED.uniform()
    run = orbit(dg.pseudo_gradient(game), dg.MirrorDescent(temperature), start, 9000)
    assert_allclose(run[0][-1], equilibrium, rtol=0, atol=6e-9)
    assert_allclose(run[0], run[1], rtol=1e-12)  # a symmetric game from a symmetric start
    last = tuple(block[-1] for block in run)
    assert dg.quantal_response_residual(game, last) < 1e-9
    assert dg.nash_gap(game, last) < 1e-14
    distances = np.concatenate([2 * kl(last[0], np.full(3, 1 / 3))[None], 2 * kl(last[0], run[0])])
    assert_allclose(distances[0], first, rtol=0, atol=6e-7)
    count = int(np.argmax(distances < 1e-13))  # of steps; the published one starts at zero
    assert abs(count - 1 - steps) <= 2  # the last digits of KL are rounding errors
    ratios = distances[1:count] / distances[: count - 1]
    assert np.all(ratios[distances[: count - 1] > 1e-11] <= 1 / (1 + temperature**2))
    middle = count // 3
    assert_allclose((distances[2 * middle] / distances[middle]) ** (1 / middle), factor, atol=6e-4)


def test_moving_magnet_finds_the_equilibrium_of_the_game_itself():
    field = dg.pseudo_gradient(PERTURBED)
    for rate, expected in ((0.05, 5.9e-6), (0.01, 4.5e-4)):
        method = methods.magnetic_mirror_descent(0.1, 1.0, rate=rate)
        run = orbit(field, method, PERTURBED.uniform(), 20_000)
        last = tuple(block[-1] for block in run)
        assert_allclose(dg.exploitability(PERTURBED, last), expected, rtol=0.02)


def test_magnet_replaced_in_stages():
    """Magnetic preference optimisation: the divergence from the equilibrium after each stage."""
    method = methods.magnetic_preference_optimisation(0.2, 0.2, period=300)
    run = orbit(dg.pseudo_gradient(PERTURBED), method, PERTURBED.uniform(), 9000)
    found = [kl(NASH, run[0][300 * stages - 1]) for stages in (1, 5, 10, 20, 30)]
    assert_allclose(found, (4.44e-2, 3.99e-3, 1.61e-4, 2.76e-7, 4.68e-10), rtol=3e-3)


def test_annealed_temperature():
    """Temperatures that vanish, with step sizes that follow, lead to the equilibrium."""
    method = methods.magnetic_mirror_descent(
        lambda t: 1 / jnp.sqrt(t + 10.0), lambda t: 1 / jnp.sqrt(t + 10.0)
    )
    run = orbit(dg.pseudo_gradient(PERTURBED), method, PERTURBED.uniform(), 20_000)
    gaps = [float(dg.nash_gap(PERTURBED, tuple(b[t] for b in run))) for t in (199, 1999, 19_999)]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2]
    assert gaps[2] < 5e-3


# --- preference optimisation --------------------------------------------------------------------


@pytest.fixture(scope="module")
def contest():
    """The tournament and the reference policy of the published table."""
    rng = np.random.default_rng(0)
    return PreferenceGame(tournament(rng)), both(
        jax.nn.softmax(jnp.asarray(rng.standard_normal(10)))
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ("temperature", "make", "gaps"),
    (
        (0.1, methods.inpo, (1.60e-5, 0, 0)),
        (0.1, methods.egpo, (3.38e-6, 0, 0)),
        (0.1, methods.nash_md, (3.23e-4, 2.21e-4, 2.21e-4)),
        (0.01, methods.inpo, (0.433, 0.579, None)),  # goes in circles
        (0.01, methods.egpo, (0.1135, 7.0e-7, 0)),
        (0.01, methods.nash_md, (0.432, 0.577, None)),
    ),
)
def test_preference_optimisation(temperature, make, gaps, contest):
    """Gaps of the regularised game after 100, 1000 and 4000 steps of 0.5.

    Those that circle amplify rounding errors: their digits after 4000 steps mean nothing.
    """
    game = dg.Regularised(contest[0], temperature, contest[1])
    method = make(2.0 if make is methods.inpo else 0.5)
    run = orbit(dg.pseudo_gradient(game), method, contest[1], 4000)
    for steps, expected in zip((100, 1000, 4000), gaps, strict=True):
        gap = dg.nash_gap(game, tuple(block[steps - 1] for block in run))
        if expected is None:
            assert gap > 0.1
        else:
            assert_allclose(gap, expected, rtol=2e-3, atol=5e-10)


@pytest.mark.full
@pytest.mark.parametrize(("temperature", "floor"), ((1.0, 1.7e-6), (0.1, 8.2e-6)))
def test_nash_md_stops_beside_the_equilibrium(temperature, floor, contest):
    game = dg.Regularised(contest[0], temperature, contest[1])
    field = dg.pseudo_gradient(game)
    run = orbit(field, methods.nash_md(0.1), contest[1], 4000)
    last = tuple(block[-1] for block in run)
    assert_allclose(dg.nash_gap(game, last), floor, rtol=0.03)
    solution = dg.solve(field, methods.egpo(0.1), contest[1], tol=1e-13, max_steps=4000)
    assert dg.nash_gap(game, solution.strategy) < 1e-12


def test_nash_mirror_prox_contracts_in_every_step():
    """By `1 / (1 + 2 c)`, in twenty random tournaments."""

    def ratios(temperature, table, reference):
        game = dg.Regularised(PreferenceGame(table), temperature, both(reference))
        field = dg.pseudo_gradient(game)
        run = orbit(field, methods.nash_mirror_prox(), both(reference), 1500)[0]
        equilibrium = run[-1]
        run = jnp.concatenate([reference[None], run[:200]])
        terms = jnp.broadcast_to(equilibrium, run.shape)
        distances = jnp.sum(terms * (jnp.log(terms) - jnp.log(run)), -1)
        fit = distances[:-1] > 1e-9  # below, they are rounding errors
        return jnp.max(jnp.where(fit, distances[1:] / distances[:-1], 0))

    rng = np.random.default_rng(1)
    tables = jnp.stack([jnp.asarray(tournament(rng)) for _ in range(20)])
    references = jax.nn.softmax(jnp.asarray(rng.standard_normal((20, 10))))
    worst = jax.jit(jax.vmap(ratios, (None, 0, 0)))
    for temperature in (1.0, 0.1, 0.01):
        bound = 1 / (1 + 2 * temperature)
        assert 0.3 * bound < np.max(worst(temperature, tables, references)) < bound


def test_a_step_of_inpo():
    game = dg.Regularised(PERTURBED, 0.1, both([0.5, 0.3, 0.2]))
    x, method, field = both([0.2, 0.5, 0.3]), methods.inpo(0.3), dg.pseudo_gradient(game)
    (p, q), _ = method.step(field, x, method.init(field, x))
    assert_allclose(p, (0.20677766, 0.52965688, 0.26356545), atol=6e-9)
    assert_allclose(q, p, rtol=1e-15)


@pytest.mark.full
def test_averages_of_multiplicative_weights_converge():
    """Self-play: the average is nearly preferred to all, the last strategy is not."""
    field = dg.pseudo_gradient(PERTURBED)
    method = dg.Averaged(methods.multiplicative_weights(0.1))
    run = orbit(field, method, PERTURBED.uniform(), 9999)
    gaps = [dg.exploitability(PERTURBED, tuple(b[t - 2] for b in run)) for t in (100, 1000, 10_000)]
    assert_allclose(gaps, (6.66e-2, 7.32e-3, 1.07e-3), rtol=4e-3)
    last = orbit(field, method.method, PERTURBED.uniform(), 9999)
    worst = jax.vmap(lambda *x: dg.exploitability(PERTURBED, x))(*last)
    assert worst[-500:].max() > 0.4
    assert worst[-500:].min() > 0.05
    assert_allclose(np.mean(np.concatenate([[[1 / 3] * 3], last[0]]), 0), run[0][-1], rtol=1e-10)


# --- what coincides ---------------------------------------------------------------------------


def random_policy_game(temperature=0.2):
    keys = jax.random.split(jax.random.key(5), 4)
    payoffs = jax.random.normal(keys[0], (3, 2, 3, 2))
    shapes = zip(keys[1:], (2, 3, 2), strict=True)
    reference = tuple(jax.nn.softmax(jax.random.normal(key, (n,))) for key, n in shapes)
    return dg.Regularised(MatrixGame(*payoffs), temperature, reference), reference


COINCIDE = {
    "MMD with its own magnet": (
        lambda r: methods.magnetic_mirror_descent(0.3, 0.2, reference=r),
        lambda r: dg.MirrorDescent(0.3),
    ),
    "INPO is MMD": (lambda r: methods.inpo(1 / 0.3), lambda r: dg.MirrorDescent(0.3 / (1 - 0.06))),
    "EGPO is Nash mirror prox": (
        lambda r: methods.egpo(0.3),
        lambda r: methods.nash_mirror_prox(0.3 / (1 - 0.06)),
    ),
}


@pytest.mark.full
@pytest.mark.parametrize(("one", "other"), COINCIDE.values(), ids=COINCIDE)
def test_methods_that_coincide(one, other):
    game, reference = random_policy_game()
    x = dg.policies((jnp.zeros(1), jnp.zeros(2), jnp.zeros(1)))
    inner = one(reference).magnet is not None
    field = dg.pseudo_gradient(game)
    first = orbit(dg.pseudo_gradient(game.game) if inner else field, one(reference), x, 20)
    second = orbit(field, other(reference), x, 20)
    for a, b in zip(first, second, strict=True):
        assert_allclose(a, b, rtol=1e-12)


@pytest.mark.full
def test_mirror_descent_is_natural_gradient_descent_in_logits():
    """On a Markov game with discounted entropy and a reference: natural policy gradient."""
    game = MarkovGame(
        *(getattr(MarkovGame.small_gain_nash(), name) for name in ("rewards", "transitions")),
        discount=0.9,
        temperature=0.05,
    )
    p = both([[0.3, 0.7], [0.6, 0.4]])
    game = dg.Regularised(game, 0.1, p)
    mirror = orbit(dg.pseudo_gradient(game), dg.MirrorDescent(0.5, implicit=False), p, 20)
    natural = orbit(dg.NaturalGradient(game), dg.Simultaneous(0.5), dg.logits(p), 20)
    for a, b in zip(mirror, natural, strict=True):
        assert_allclose(a, dg.policies((b,))[0], rtol=1e-11)


@pytest.mark.parametrize(
    ("mirror", "plain"),
    (
        (dg.MirrorDescent, dg.Simultaneous),
        (dg.MirrorProx, dg.Extragradient),
        (dg.OptimisticMirrorDescent, dg.Optimistic),
    ),
)
def test_euclidean_mirror_methods_are_the_plain_ones(mirror, plain):
    """With projections: from there on strategies touch the boundary."""
    game = MatrixGame(*jax.random.normal(jax.random.key(5), (3, 2, 3, 2)))
    field, x = dg.pseudo_gradient(game), game.uniform()
    first = orbit(field, mirror(0.3, dg.EuclideanMirror()), x, 20)
    for a, b in zip(first, orbit(field, plain(0.3), x, 20), strict=True):
        assert_allclose(a, b, rtol=1e-14, atol=1e-15)
    assert min(leaf.min() for leaf in first) == 0


def test_euclidean_magnet():
    """`(x + h c m - h F(x)) / (1 + h c)`, projected."""
    x, magnet, field = jnp.array([2.0, -1.0]), jnp.array([1.0, 1.0]), lambda x, args: (3.0 * x[0],)
    method = dg.MirrorDescent(0.5, dg.EuclideanMirror(), dg.Magnet(0.4, (magnet,)))
    field = dg.FunctionField(field)
    (moved,), _ = method.step(field, (x,), method.init(field, (x,)))
    assert_allclose(moved, (x + 0.2 * magnet - 1.5 * x) / 1.2, rtol=1e-15)


# --- robustness -------------------------------------------------------------------------------

EVERY = {
    "prox": dg.MirrorProx,
    "optimistic": dg.OptimisticMirrorDescent,
    "nash_md": dg.NashMD,
    "moving": lambda h: dg.MirrorDescent(h, magnet=dg.Magnet(1e-2, rate=0.1, period=3)),
}


@pytest.mark.parametrize(("name", "dtype"), [*((n, jnp.float32) for n in EVERY), ("prox", float)])
def test_nothing_breaks(name, dtype):
    """Probabilities of 1e-300 (or 0), payoffs of 1e6, temperatures from 1e-4 to 1e4."""
    base = MatrixGame([[0.0, 1e6], [-1e6, 1.0]], [[-1e6, 1.0], [1e6, 0.0]])
    x = both(jnp.array([1e-300, 1.0], dtype))

    @jax.jit
    def run(temperature, step_size):
        field = dg.pseudo_gradient(dg.Regularised(base, temperature))
        return tuple(block[-1] for block in orbit(field, EVERY[name](step_size), x, 30))

    for temperature in (1e-4, 1.0, 1e4):
        for step_size in (1e-3, 1.0):
            p, q = run(temperature, step_size)
            assert p.dtype == q.dtype == dtype
            assert np.isfinite(p).all() and np.isfinite(q).all()
            assert_allclose([p.sum(), q.sum()], 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float64), ids=("f32", "f64"))
def test_measures_at_the_boundary(dtype):
    """At vertices, with payoffs of 1e6: no NaN, and the gap that a vertex has."""
    base = MatrixGame([[0.0, 1e6], [-1e6, 1.0]], [[-1e6, 1.0], [1e6, 0.0]])
    x = both(jnp.array([0.0, 1.0], dtype))

    @jax.jit
    def measures(temperature):
        game = dg.Regularised(base, temperature)
        return dg.nash_gap(game, x), dg.residual(game, x), dg.quantal_response_residual(game, x)

    for temperature in (1e-4, 1.0, 1e4):
        gap, residual, distance = measures(temperature)
        # The players make 1 and 0, and each could make 1e6. Entropies add at most log(2) each.
        assert_allclose(gap, 2e6 - 1, rtol=1e-6, atol=2 * temperature * np.log(2))
        assert np.isfinite(residual) and 0 <= distance <= 1


def test_the_state_remembers_what_the_strategy_cannot():
    """A probability of exp(-1000) comes back, as it must, after as many steps."""
    table = jnp.array([0.0, 1.0])
    field = dg.FunctionField(lambda x, args: (args * table,), dg.Simplex())
    x, method = (jnp.array([0.5, 0.5]),), dg.MirrorDescent(1.0)
    carry = x, method.init(field, x)
    for slope in (1000.0, -1000.0):
        carry = method.step(field, *carry, jnp.asarray(slope))
    assert_allclose(carry[0][0], x[0], rtol=1e-12)


@pytest.mark.full
def test_many_step_sizes_at_once():
    game = dg.Regularised(PERTURBED, 0.5)
    field, x = dg.pseudo_gradient(game), PERTURBED.uniform()

    def last(h):
        return orbit(field, dg.MirrorProx(h), x, 10)[0][-1]

    batch = jax.vmap(last)(jnp.array([0.1, 0.5]))
    assert_allclose(batch[1], last(0.5), rtol=1e-12)
    per_player = orbit(field, dg.MirrorDescent((0.1, 0.5)), x, 1)
    for i, h in enumerate((0.1, 0.5)):
        assert_allclose(per_player[i], orbit(field, dg.MirrorDescent(h), x, 1)[i], rtol=1e-14)


@pytest.mark.full
def test_solve_stops_at_a_quantal_response_equilibrium():
    game = dg.Regularised(PERTURBED, 0.5)
    solution = dg.solve(game, dg.MirrorProx(0.5), PERTURBED.uniform(), tol=1e-10)
    assert solution.result == dg.RESULTS.successful
    assert dg.quantal_response_residual(game, solution.strategy) < 1e-9

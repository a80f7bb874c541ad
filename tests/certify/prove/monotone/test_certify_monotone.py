"""Merely monotone games: what is proved of them, never beaten by runs, and what is not proved."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from certify.prove.monotone.constant_entries import is_exact

AROUND = certify.Box.around
PAIR = (0.0, 0.0)
ALL = [dg.FastExtragradient, dg.AnchoredExtragradient, dg.AcceleratedOptimistic]
ALL += [dg.Extragradient]


def product(x, args):
    return x[0] * x[1]


@pytest.fixture(scope="module")
def skew():
    return certify.certify_monotone(dg.zero_sum(product), AROUND(PAIR, 2.0), ALL)


def worst_residuals(method, field, starts, count, measure):
    """The largest residual of many runs after k steps, for all k below a count."""

    def run(x):
        def step(carry, _):
            x, state = carry
            return method.step(field, x, state), measure(x, state)

        return jax.lax.scan(step, (x, method.init(field, x)), length=count)[1]

    return np.asarray(jax.jit(jax.vmap(run))(starts)).max(0)


def in_a_ball(center, radius, count, seed):
    """Starts on a sphere around a centre, which is a vector, and some inside."""
    rng = np.random.default_rng(seed)
    way = rng.normal(size=(count, len(center)))
    share = np.where(np.arange(count) % 10, 1.0, rng.uniform(size=count))
    return center + (radius * share / np.linalg.norm(way, axis=1))[:, None] * way


def length(blocks):
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(blocks)))


def test_a_product_has_no_margin_and_bounds(skew, tmp_path):
    assert skew.status == "proved" and skew.lipschitz == pytest.approx(1.0)
    assert skew.solution == PAIR and skew.cells == 1
    d = skew.distance
    # Steps of EAG-V stray the most from the solution: by 1 + a times the distance of the start.
    assert d == pytest.approx(2.0 / 1.618)
    closed = {
        "fast_extragradient": lambda k: 2 * d / k,
        "anchored_extragradient": lambda k: 5.1335 * d / (k + 1),
        "accelerated_optimistic": lambda k: (1 + np.sqrt(1 + 18 / 256)) * 16 / 3 * d / (k + 1),
        "extragradient": lambda k: 2 * d / np.sqrt(k + 1),
    }
    for (name, bound), method in zip(closed.items(), ALL, strict=True):
        for k in (1, 10, 1000):
            assert skew.residual_bound(method, k) == pytest.approx(bound(k), rel=1e-4)
            assert skew.residual_bound(method, k) == skew.residual_bound(name, k)
    assert skew.residual_bound(dg.FastExtragradient, 0) == np.inf
    assert [name for name, _ in skew.all_bounds].count("anchored_extragradient") == 2
    assert skew.check(level=2).ok
    path = skew.save(tmp_path / "skew.json")
    loaded = certify.load(path)
    assert isinstance(loaded, certify.MonotoneConvergence) and loaded.bounds == skew.bounds
    assert certify.check(path, game=dg.zero_sum(product)).ok
    assert not certify.check(path, game=dg.zero_sum(lambda x, _: 2 * product(x, _))).ok


@pytest.mark.parametrize("method", ALL)
def test_runs_never_beat_the_bound(skew, method):
    field = dg.pseudo_gradient(dg.zero_sum(product))
    center, radius = skew.starts
    points = jnp.asarray(in_a_ball(np.array(center), radius * (1 - 1e-12), 200, 0))
    starts = (points[:, 0], points[:, 1])
    assert jax.vmap(skew.is_start)(starts).all()
    assert not skew.is_start((1.001 * radius, 0.0))
    safe = skew.safe_method(method)
    found = worst_residuals(safe, field, starts, 300, lambda x, state: length(field(x)))
    bounds = np.array([skew.residual_bound(method, k) for k in range(300)])
    assert (found <= bounds * (1 + 1e-9)).all()
    assert (found > 0.5 * bounds)[2:20].any()


@pytest.mark.parametrize(
    "costs, proved",
    [
        # The same float in both costs cancels, whatever it is; the next one does not.
        (lambda x, _: (0.1 * x[0] * x[1], -0.1 * x[0] * x[1]), True),
        (lambda x, _: (0.1 * x[0] * x[1], -np.nextafter(0.1, 1) * x[0] * x[1]), False),
        # A cost of one player's own may be singular, but not negative, however little.
        (lambda x, _: (x[0] * x[1] + x[1] ** 3, -x[0] * x[1]), True),
        (lambda x, _: (x[0] * x[1], 2.0**-60 * x[1] ** 2 - x[0] * x[1]), True),
        (lambda x, _: (x[0] * x[1], -(2.0**-60) * x[1] ** 2 - x[0] * x[1]), False),
    ],
)
def test_what_cancels_exactly_and_what_does_not(costs, proved):
    found = certify.certify_monotone(dg.game(costs), AROUND(PAIR, 2.0))
    assert (found.status == "proved") == proved, found.reasons
    if not proved:
        assert found.reasons


def test_a_cost_that_is_not_convex_is_a_refutation():
    game = dg.zero_sum(lambda x, args: x[0] * x[1] - 0.1 * x[0] ** 2)
    found = certify.certify_monotone(game, AROUND(PAIR, 1.0))
    assert found.status == "refuted" and "not convex" in found.reasons[0]


@pytest.mark.parametrize(
    "payoff",
    [
        lambda x, args: x[0] * x[1] + x[0] ** 4,
        lambda x, args: x[0] * x[1] + 0.1 * x[0] ** 4 - 0.3 * x[1] ** 6,
    ],
)
def test_curvatures_that_are_zero_at_a_point(payoff):
    found = certify.certify_monotone(dg.zero_sum(payoff), AROUND(PAIR, 1.0))
    assert found.status == "proved", found.reasons
    assert found.solution == PAIR and found.check(level=2).ok, found.check(level=2).reasons


def test_a_quartic_that_dips_is_not_proved():
    """Curvature 12 x^2 - 12 e x is negative between zero and e, by less than any enclosure sees."""
    game = dg.zero_sum(lambda x, args: x[0] * x[1] + x[0] ** 4 - 2e-5 * x[0] ** 3)
    search = certify.Search(max_cells=20)
    found = certify.certify_monotone(game, AROUND(PAIR, 1.0), search=search)
    assert found.status != "proved"


def test_a_value_below_all_floats_is_not_taken_for_zero():
    """The slope at the centre is 2e-400, which is zero in floating point only."""
    game = dg.zero_sum(lambda x, args: x[0] * x[1] + 1e-200 * x[0] ** 2)
    field = certify.flat_field(game, AROUND(PAIR, 1.0))
    zero = np.zeros(2)
    assert is_exact(field, zero, zero)
    assert not is_exact(field, np.array([1e-200, 0.0]), np.array([0.0, -1e-200]))
    assert is_exact(field, np.array([1.0, 0.0]), np.array([2e-200, -1.0]))


def test_weights_make_couplings_cancel():
    game = dg.game(lambda x, args: {"a": 2 * x["a"] * x["b"], "b": -x["a"] * x["b"]})
    region = AROUND({"a": 0.0, "b": 0.0}, 2.0)
    assert certify.certify_monotone(game, region).status == "undecided"
    found = certify.certify_monotone(game, region, metric=certify.Weights({"a": 1.0, "b": 2.0}))
    assert found.status == "proved" and found.weights == {"a": 1.0, "b": 2.0}
    # |J|_W of [[0, 2], [-1, 0]] is sqrt(2) for these weights.
    assert found.lipschitz == pytest.approx(np.sqrt(2))


@pytest.fixture(scope="module")
def curved():
    """One player's curvature varies, the other has none; the zero is at no short number."""
    game = dg.zero_sum(lambda x, args: (x[0] - 0.3) ** 2 + jnp.sin(x[0]) * (x[1] - 0.1))
    return certify.certify_monotone(game, AROUND(PAIR, 1.0))


def test_a_jacobian_that_varies_and_a_zero_in_a_box(curved):
    assert curved.status == "proved" and curved.cells > 1, curved.reasons
    assert curved.data["claims"]["solution"]["kind"] == "zero"
    assert curved.check(level=2).ok
    rows = {label: parts for label, parts in curved.rows()}
    assert rows["solution"][0].startswith("a zero of the field, in a small box")
    # The zero solves sin(a) = 0 and 2 (a - 0.3) + cos(a) (b - 0.1) = 0.
    assert np.allclose(curved.solution, (0.0, 0.7), atol=1e-9)
    # J = [[2 - sin(a) (b - 0.1), cos a], [-cos a, 0]]; its norm is largest at a corner of the box.
    grid = np.linspace(-1, 1, 41)
    norms = [
        np.linalg.norm([[2 - np.sin(a) * (b - 0.1), np.cos(a)], [-np.cos(a), 0.0]], 2)
        for a in grid
        for b in grid
    ]
    assert max(norms) <= curved.lipschitz <= 1.12 * max(norms)


@pytest.fixture(scope="module")
def pennies():
    game = dg.games.MatrixGame.matching_pennies()
    uniform = (jnp.full(2, 0.5), jnp.full(2, 0.5))
    return certify.certify_monotone(game, AROUND(uniform, 2.0), ALL)


def test_sets_are_bounded_and_all_of_them_are_starts(pennies):
    assert pennies.status == "proved", pennies.reasons
    # Every vertex of the square of two simplices is one from the middle, which is the equilibrium.
    assert pennies.distance == pytest.approx(1.0) and pennies.starts[1] >= 1.0
    assert pennies.lipschitz == pytest.approx(2.0)
    assert pennies.bounds["extragradient"].theorem == "best_iterate"
    assert pennies.bounds.keys() == {"extragradient", "fast_extragradient"}
    assert "onto strategy sets" in pennies.methods_without_bound["accelerated_optimistic"]
    assert pennies.check(level=2).ok


@pytest.mark.parametrize("method", [dg.FastExtragradient, dg.Extragradient])
def test_projected_runs_never_beat_the_bound(pennies, method):
    field = dg.pseudo_gradient(dg.games.MatrixGame.matching_pennies())
    safe, h = pennies.safe_method(method), pennies.bounds[pennies.name_of(method)].step
    rng = np.random.default_rng(5)
    starts = jax.tree.map(jnp.asarray, tuple(rng.dirichlet([0.3, 0.3], (2, 200))))

    def residual(x, state):
        if method is dg.FastExtragradient:
            return length(jax.tree.map(lambda f, push: f + push / h, field(x), state.push))
        moved = jax.tree.map(lambda a, f: a - h * f, x, field(x))
        return length(jax.tree.map(jnp.subtract, x, field.project(moved))) / h

    found = worst_residuals(safe, field, starts, 100, residual)
    if method is dg.Extragradient:
        found = np.minimum.accumulate(found)
    bounds = np.array([pennies.residual_bound(method, k) for k in range(100)])
    assert (found <= bounds * (1 + 1e-9)).all()


def test_sets_that_reach_beyond_the_region_have_fewer_bounds():
    game = dg.games.MatrixGame.matching_pennies()
    uniform = (jnp.full(2, 0.5), jnp.full(2, 0.5))
    found = certify.certify_monotone(game, AROUND(uniform, 0.5), ALL)
    # Only extragradient evaluates the field within the sets alone.
    assert found.bounds.keys() == {"extragradient"}
    assert "in the region" in found.methods_without_bound["fast_extragradient"]


@pytest.mark.full
def test_random_zero_sum_games_and_costs_of_one_player():
    """Coefficients that are no short numbers; J is compared with what the certificate says."""
    rng, region = np.random.default_rng(11), AROUND((jnp.zeros(2), jnp.zeros(2)), 1.0)
    for _ in range(2):
        coupling, own = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
        a, b = jnp.asarray(coupling), jnp.asarray(own)

        def payoff(x, args, a=a, b=b):
            return x[0] @ a @ x[1] + jnp.sum(jnp.square(b @ x[0]))

        found = certify.certify_monotone(dg.zero_sum(payoff), region)
        assert found.status == "proved", found.reasons
        jacobian = np.block([[2 * own.T @ own, coupling], [-coupling.T, np.zeros((2, 2))]])
        assert found.lipschitz == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-6)
    # The maximiser's payoff is not concave, by very little.
    bent = dg.zero_sum(lambda x, args: payoff(x, args) + 1e-9 * x[1][0] ** 2)
    assert certify.certify_monotone(bent, region).status != "proved"


def test_runs_take_the_step_of_a_certificate_and_are_warned_of_other_starts(skew):
    game = dg.zero_sum(product)
    run = dg.solve(game, dg.FastExtragradient, (0.5, 0.5), step_size=skew, max_steps=10, tol=0.0)
    assert run.residual <= skew.residual_bound(dg.FastExtragradient, 10)
    with pytest.warns(UserWarning, match="outside the certified basin"):
        dg.solve(game, dg.FastExtragradient, (1.3, 0.0), step_size=skew, max_steps=1)
    with pytest.raises(ValueError, match="no bound for Heun"):
        skew.in_basin(dg.Heun, PAIR)


def test_a_zero_outside_of_a_ball_is_no_solution_in_it():
    """It is in the box around the ball, where Newton's method looks for it."""
    game = dg.zero_sum(product)
    found = certify.certify_monotone(game, certify.Ball((0.5, 0.5), 0.6), start=(0.5, 0.5))
    assert found.reasons == ("no zero of the field was found in the region",)
    found = certify.certify_monotone(game, certify.Ball((0.5, 0.5), 0.8), (), start=(0.5, 0.5))
    assert found.status == "proved" and found.solution == PAIR


def test_starts_of_a_users_own():
    game, region = dg.zero_sum(product), AROUND(PAIR, 4.0)
    found = certify.certify_monotone(game, region, start=(1.0, 1.0))
    assert found.starts[1] == 0.0 and found.distance == pytest.approx(np.sqrt(2))
    wide = certify.certify_monotone(game, region, start=(1.0, 1.0), start_radius=0.5)
    assert wide.distance == pytest.approx(np.sqrt(2) + 0.5)
    # Nearer to the corner, the points of fast extragradient may leave the region.
    methods = (dg.FastExtragradient, dg.AnchoredExtragradient)
    far = certify.certify_monotone(game, region, methods, start=(1.7, 1.7), start_radius=0.3)
    assert far.bounds.keys() == {"anchored_extragradient"}
    assert "in the region" in far.methods_without_bound["fast_extragradient"]
    with pytest.raises(ValueError, match="no bound for FastExtragradient, only for anchored"):
        far.residual_bound(dg.FastExtragradient, 10)


def test_what_is_asked_for_wrongly():
    game, region = dg.zero_sum(product), AROUND(PAIR, 1.0)
    with pytest.raises(ValueError, match=r"no theorem bounds the residual of Simultaneous"):
        certify.certify_monotone(game, region, [dg.Simultaneous])
    with pytest.raises(ValueError, match=r"start_radius is -1.0; it must be"):
        certify.certify_monotone(game, region, start_radius=-1.0)
    with pytest.raises(ValueError, match=r"a certify.Box or a certify.Ball"):
        certify.certify_monotone(game, certify.Everywhere(PAIR))
    wrong: tuple = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(wrong, match=r"metric is certify.Weights|Type-check error"):
        certify.certify_monotone(game, region, metric=certify.Matrix(np.eye(2)))  # pyright: ignore
    with pytest.raises(ValueError, match="checkpoint of Search means nothing here"):
        certify.certify_monotone(game, region, search=certify.Search(checkpoint="x"))
    found = certify.certify_monotone(game, region)
    with pytest.raises(ValueError, match="steps is -1"):
        found.residual_bound(dg.FastExtragradient, -1)
    with pytest.raises(ValueError, match="has no bound for Heun"):
        found.residual_bound(dg.Heun, 1)


def test_sets_without_bounds_need_not_have_a_solution():
    game = dg.zero_sum(product, (dg.Box(0.0, jnp.inf), dg.Euclidean()))
    found = certify.certify_monotone(game, AROUND(PAIR, 1.0))
    assert found.status == "undecided" and "not bounded" in found.reasons[0]


def test_without_any_bound_nothing_is_said_to_be_proved():
    """The reasons say how far points may be; without any method, being monotone is enough."""
    game, box = dg.games.Bilinear(1.0), certify.Box.around((0.0, 0.0), 1.0)
    found = certify.certify_monotone(game, box, start_radius=10.0)
    assert found.status == "undecided" and "15 from a solution" in found.reasons[0]
    assert certify.certify_monotone(game, box, (), start_radius=10.0).status == "proved"
    with pytest.raises(ValueError, match="the start is not in the region"):
        certify.certify_monotone(game, box, start=(5.0, 5.0))

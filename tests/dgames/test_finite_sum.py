"""Averages over data, batches of them, and variance reduction with exact counts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg

# Mean-square cocoercive: each component is the gradient of a convex quadratic of each player.
N = 16
DATA = {"at": jnp.linspace(-1.0, 2.0, N), "weight": jnp.linspace(0.5, 1.5, N)}


def pulls(x, datum):
    one = datum["weight"] * (x["a"] - datum["at"]) ** 2 / 2
    return {"a": one, "b": (x["b"] - datum["at"] * datum["weight"]) ** 2 / 2}


PULLS = dg.FiniteSum(dg.game(pulls), DATA)
FREE = dg.pseudo_gradient(PULLS)
BOXED = dg.pseudo_gradient(dg.FiniteSum(dg.game(pulls, dg.Box(-5.0, 0.2)), DATA))
ON_BOTH = pytest.mark.parametrize(
    "field", [pytest.param(FREE, marks=pytest.mark.full, id="free"), pytest.param(BOXED, id="box")]
)
SELDOM = dg.Stepwise(lambda step: None, mean=None, every=10)
X = {"a": jnp.array(-3.0), "b": jnp.array(-4.0)}


@eqx.filter_jit
def run(method, field, x, steps):
    start = (x, method.init(field, x))
    return jax.lax.fori_loop(0, steps, lambda _, carry: method.step(field, *carry), start)


def test_costs_are_means_over_all_data_or_over_a_batch():
    dg.check_game(PULLS, X)
    at, weight = np.asarray(DATA["at"]), np.asarray(DATA["weight"])
    assert np.isclose(PULLS.costs(X)["a"], np.mean(weight * (-3 - at) ** 2 / 2))
    batch = jnp.array([3, 3, 5])
    assert np.isclose(PULLS.costs(X, batch)["b"], np.mean((-4 - (at * weight)[batch]) ** 2 / 2))
    assert np.isclose(FREE(X, batch)["a"], np.mean((weight * (-3 - at))[batch]))
    assert PULLS.size == N
    # The mean over all single components is the whole.
    singles = jax.jit(jax.vmap(lambda i: FREE(X, i[None])))(jnp.arange(N))
    assert np.isclose(singles["a"].mean(), FREE(X)["a"])


def test_a_finite_sum_of_zero_sum_games_keeps_the_roles_and_the_sets():
    component = dg.zero_sum(lambda x, d: d * x["me"] * x["all"], dg.Box(-1.0, 1.0), minimiser="me")
    game = dg.FiniteSum(component, jnp.array([1.0, 3.0]))
    field = dg.pseudo_gradient(game)
    value = eqx.filter_jit(field)({"me": jnp.array(1.0), "all": jnp.array(2.0)})
    assert np.allclose([value["me"], value["all"]], [4.0, -2.0])
    assert isinstance(game.strategy_set(value), dg.Box)


def test_malformed_sums():
    with pytest.raises(
        (ValueError, jaxtyping.TypeCheckError), match=r"game of one datum|Type-check"
    ):
        dg.FiniteSum(pulls, DATA)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one entry per datum"):
        dg.FiniteSum(dg.game(pulls), {"at": jnp.zeros(3), "weight": jnp.zeros(4)})
    with pytest.raises(ValueError, match="one entry per datum"):
        dg.FiniteSumField(FREE, jnp.array(1.0))
    with pytest.raises(ValueError, match="a vector of whole numbers; got an array of float"):
        PULLS.costs(X, jnp.array([1.0]))
    with pytest.raises(ValueError, match=r"got an array of shape \(\)"):
        PULLS.costs(X, jnp.array(1))
    with pytest.raises(ValueError, match="a batch of 17 from 16"):
        dg.Batches(jax.random.key(0), N, 17, replace=False)


@pytest.mark.parametrize("replace", [pytest.param(True, marks=pytest.mark.full), False])
def test_batches_are_unbiased_with_the_variance_that_they_say(replace, key):
    batches = dg.Batches(key, N, 6, replace)
    assert (batches(3) == eqx.filter_jit(batches)(jnp.array(3))).all()
    drawn = jax.jit(jax.vmap(lambda k: batches(k)))(jnp.arange(20_000))
    assert drawn.shape == (20_000, 6) and drawn.min() == 0 and drawn.max() == N - 1
    distinct = [len(set(row)) == 6 for row in np.asarray(drawn[:200]).tolist()]
    assert all(distinct) != replace
    values = np.asarray(DATA["at"])[drawn].mean(1)
    variance = np.var(DATA["at"]) / 6 * (1 if replace else (N - 6) / (N - 1))
    assert np.isclose(values.mean(), DATA["at"].mean(), atol=4 * np.sqrt(variance / 20_000))
    assert np.isclose(values.var(), variance, rtol=0.05)


def test_every_method_runs_on_batches(key):
    """With steps that decrease, to the equilibrium."""
    batches = dg.Stepwise(dg.Batches(key, N, 4), mean=None, every=100)
    method = dg.OptimisticSeparated(dg.PowerDecay(0.5, 0.25), dg.PowerDecay(1.0, 1.0))

    run = dg.solve(PULLS, method, X, batches, max_steps=4000)
    x = run.strategy
    whole = np.average(DATA["at"], weights=DATA["weight"])
    assert abs(x["a"] - whole) < 0.05
    assert abs(x["b"] - np.mean(DATA["at"] * DATA["weight"])) < 0.05


# Variance-reduced Halpern


@ON_BOTH
def test_whole_fields_make_halperns_iteration(field):
    """By hand, with the anchor inside of the projection."""
    method = dg.VarianceReducedHalpern(0.4, jax.random.key(0), refresh=1.0)
    x, state = run(method, field, X, 9)
    expected = X
    for k in range(9):
        share, force = 2 / (k + 4), FREE(expected)
        expected = field.project(
            jax.tree.map(
                lambda x0, x, f, s=share: s * x0 + (1 - s) * x - 0.4 * f, X, expected, force
            )
        )
    assert np.allclose([x["a"], x["b"]], [expected["a"], expected["b"]], atol=1e-14)
    assert state.evaluations == 9 * N and state.steps == 9


def test_evaluations_are_counted_exactly():
    """Against the field's own count, over a run with both kinds of steps."""
    calls = []

    class Counting(dg.FiniteSumField):
        def __call__(self, x, args=None):
            count = self.size if args is None else len(args)
            jax.debug.callback(lambda: calls.append(count), ordered=True)
            return super().__call__(x, args)

    field = Counting(dg.FunctionField(lambda x, d: (x[0] - d,)), jnp.arange(9.0))
    x = (jnp.array(0.0),)
    halpern = dg.VarianceReducedHalpern(0.2, jax.random.key(1), batch=2)
    for method in (halpern, dg.VarianceReducedInexactHalpern(3.0, 0.05, jax.random.key(1), 0.5)):
        calls.clear()
        _, state = run(method, field, x, 12)
        jax.effects_barrier()
        assert int(state.evaluations) == sum(calls)
        assert {2, 9} & set(calls) and len(set(calls)) == 2


def test_probabilities_are_those_of_the_paper():
    method = dg.VarianceReducedHalpern(0.1, jax.random.key(0))
    found = [float(method.probability(jnp.array(float(k)), 50)) for k in range(12)]
    late = 4 / (np.sqrt(50) + 5)
    assert np.allclose(found, [1, 1] + [4 / (k + 4) for k in range(2, 9)] + [late] * 3)
    assert method.batch_size(50) == 7


@ON_BOTH
def test_the_last_iterate_obeys_the_bound(field):
    """The mean of the squared residual of many runs, at the largest step of the theorem."""
    lipschitz = 1.5  # the largest curvature of a component
    h = dg.VarianceReducedHalpern.largest_step(lipschitz, N)
    solution = dg.solve(field, dg.Simultaneous(0.5), X, tol=1e-12).strategy
    distance = np.hypot(X["a"] - solution["a"], X["b"] - solution["b"])
    first = np.hypot(*FREE(X).values())

    @jax.jit
    @jax.vmap
    def squares(key):
        method = dg.VarianceReducedHalpern(h, key)

        def step(carry, _):
            x, state = method.step(field, *carry)
            force = FREE(x)
            # At the upper end of the box a negative force is balanced by a normal vector.
            if field is BOXED:
                force = jax.tree.map(
                    lambda f, x: jnp.where(x >= 0.2, jnp.maximum(f, 0), f), force, x
                )
            return (x, state), force["a"] ** 2 + force["b"] ** 2

        return jax.lax.scan(step, (X, method.init(field, X)), length=400)[1]

    means = np.asarray(squares(jax.random.split(jax.random.key(5), 50))).mean(0)
    k = np.arange(1, 401)
    bound = 2 * (distance + np.sqrt(distance**2 + 3 * h**2 * first**2 / (k + 3))) / (h * (k + 2))
    assert (means <= bound**2).all()
    assert means[-1] < 5e-3 * means[0]


def test_the_largest_step_is_that_of_the_proof():
    """`t (1 - t) / (t + r (1 - t))` at its best t, and the form that has to be negative."""
    t = np.linspace(1e-4, 1 - 1e-4, 200_001)
    for size, batch in ((50, 7), (10_000, 100), (100, 30)):
        ratio = (np.sqrt(size) + 1) / batch
        best = (t * (1 - t) / (t + ratio * (1 - t))).max()
        assert np.isclose(dg.VarianceReducedHalpern.largest_step(2.0, size, batch), best / 2)
    # |G_k|^2, |G_(k+1)|^2 and their product, after the maximum over H, for h = a.
    k = np.arange(1000)
    s, sigma = 0.5, (k + 4) / (k + 2)
    old = s**2 - s * (k + 2) / (k + 4)
    new = (1 - s * sigma) ** 2 - 1 + s * (k + 3) / (k + 2)
    mixed = s * (1 - s * sigma)
    assert (old <= 0).all() and (new <= 0).all() and (old * new - mixed**2 >= -1e-12).all()


def test_inner_steps_reach_the_resolvent():
    """`(I + c F)^-1`, in closed form for a linear field; and its step is that of the estimate."""
    matching = dg.zero_sum(lambda x, datum: datum * x[0] * x[1])
    field = dg.pseudo_gradient(dg.FiniteSum(matching, jnp.linspace(0.5, 1.5, N)))
    c, mean_square = 4.0, np.sqrt(np.mean(np.linspace(0.5, 1.5, N) ** 2))
    s = dg.VarianceReducedInexactHalpern.largest_step(c, mean_square, N)
    assert np.isclose(s, np.sqrt(1 / N * (1 - 1 / N)) / (c * mean_square + 1))
    method = dg.VarianceReducedInexactHalpern(c, s, jax.random.key(2), effort=60.0)
    x = (jnp.array(1.0), jnp.array(2.0))
    y, _ = run(method, field, x, 1)
    resolvent = np.linalg.solve(np.array([[1, c], [-c, 1]]), np.array(x))
    assert np.allclose(y, 0.5 * np.array(x) + 0.5 * resolvent, atol=1e-6)


@pytest.mark.full
def test_resolvents_within_sets():
    matching = dg.zero_sum(lambda x, datum: datum * (x[0] - 2) * x[1], dg.Box(0.0, 1.0))
    field = dg.pseudo_gradient(dg.FiniteSum(matching, jnp.linspace(0.5, 1.5, N)))
    s = dg.VarianceReducedInexactHalpern.largest_step(4.0, 1.05, N)
    method = dg.VarianceReducedInexactHalpern(4.0, s, jax.random.key(2), effort=2.0)
    x, _ = run(method, field, (jnp.array(1.0), jnp.array(1.0)), 30)
    assert np.allclose(x, [1.0, 0.0], atol=0.05)


def test_variance_reduction_needs_a_sum_and_draws_its_own_batches():
    method = dg.VarianceReducedHalpern(0.1, jax.random.key(0))
    with pytest.raises(ValueError, match=r"dgames.FiniteSumField; this is a PseudoGradient"):
        method.init(dg.pseudo_gradient(dg.game(pulls)), X)
    with pytest.raises(ValueError, match="args must be None"):
        method.step(FREE, X, method.init(FREE, X), jnp.array([0]))
    with pytest.raises(ValueError, match="one for each of 16 data; got 17"):
        dg.VarianceReducedHalpern(0.1, jax.random.key(0), batch=17).init(FREE, X)


def test_solve_runs_variance_reduction_and_keeps_the_dtype():
    method = dg.VarianceReducedHalpern(0.2, jax.random.key(0))
    x, data = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (X, DATA))
    run = dg.solve(dg.FiniteSum(dg.game(pulls), data), method, x, SELDOM, tol=0.03, max_steps=5000)
    assert run.result == dg.RESULTS.successful and run.strategy["a"].dtype == jnp.float32
    assert 0 < run.state.evaluations < run.steps * N and run.steps % 10 == 0


@pytest.mark.full
def test_the_hard_instance_of_fifty_components():
    """Published settings: the same residual for about half of the evaluations."""
    game = dg.games.HardInstance(50)
    field, whole, x = game.by_coordinates(), dg.pseudo_gradient(game), game.start()
    assert np.allclose(np.stack(field(x)), np.stack(whole(x)), atol=1e-15)
    # Column 3 of the Jacobian alone.
    J = jax.jacfwd(lambda z: jnp.stack(whole(tuple(z))))(jnp.zeros((2, 50)))[..., 3]
    z = jnp.stack([jnp.arange(50.0), jnp.ones(50)])
    expected = 50 * J @ z[:, 3] + jnp.stack(whole((0 * z[0], 0 * z[1])))
    assert np.allclose(np.stack(field(tuple(z), jnp.array([3]))), expected, atol=1e-13)
    plain, _ = run(dg.VarianceReducedHalpern(0.3, jax.random.key(0), refresh=1.0), field, x, 20_000)
    assert np.isclose(dg.residual(whole, plain), 0.0686013, rtol=0, atol=5e-8)
    reduced, state = run(dg.VarianceReducedHalpern(0.3, jax.random.key(0)), field, x, 20_000)
    assert np.isclose(dg.residual(whole, reduced), 0.0686010, rtol=0, atol=5e-6)
    # A step costs 50 or 14; the number of whole ones is binomial, but for the first few.
    late = 4 / (np.sqrt(50) + 5)
    mean = 20_000 * (50 * late + 14 * (1 - late)) / 50
    deviation = 36 * np.sqrt(20_000 * late * (1 - late)) / 50
    assert abs(state.evaluations / 50 - mean) < 4 * deviation
    assert abs(10_425 - mean) < 2 * deviation


@pytest.mark.full
def test_inexact_resolvents_beat_gradient_steps_on_the_hard_instance():
    """With as many evaluations as descent by whole fields at the same count."""
    game = dg.games.HardInstance(50)
    field, whole, x = game.by_coordinates(), dg.pseudo_gradient(game), game.start()
    s = dg.VarianceReducedInexactHalpern.largest_step(7.0, 7.0, 50)
    method = dg.VarianceReducedInexactHalpern(7.0, s, jax.random.key(0), effort=3.0)
    y, state = run(method, field, x, 400)
    count = int(state.evaluations) // 100
    z, _ = run(dg.Extragradient(0.6), whole, x, count)
    assert dg.residual(whole, y) < dg.residual(whole, z)


def test_indices_outside_the_data_are_no_data():
    game = dg.FiniteSum(dg.game(lambda x, datum: ((x[0] - datum) ** 2,)), jnp.arange(10.0))
    for wrong in (10, -11):
        with pytest.raises(ValueError, match=r"below the number of data, 10"):
            game.costs((jnp.array(0.0),), np.array([wrong]))
    assert float(game.costs((jnp.array(0.0),), jnp.array([-1]))[0]) == 81.0
    batches = dg.Stepwise(dg.Batches(jax.random.key(0), 1000, 5), mean=None)
    run = dg.solve(game, dg.Simultaneous(0.05), (0.0,), batches, max_steps=200)
    assert run.result == dg.RESULTS.field_not_finite
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"whole number|Type-check"):
        dg.Batches(jax.random.key(0), 10, 2.5)  # pyright: ignore[reportArgumentType]

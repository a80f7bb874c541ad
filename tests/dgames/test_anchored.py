"""Anchored methods: published and derived numbers, their rates, and what constraints do."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.strategy import norm
from dgames.tangent_residual import project_tangent

pytestmark = pytest.mark.thin(4)

HARD = dg.games.HardInstance()
L = 0.8088739928550179
BIL = dg.pseudo_gradient(dg.games.Bilinear())
ONES = (jnp.array(1.0), jnp.array(1.0))
GOLDEN = 0.618


def difference(x, y):
    return jax.tree.map(jnp.subtract, x, y)


@functools.partial(eqx.filter_jit)
def path(method, field, x, steps):
    """All strategies and states of a run, from the start on."""

    def step(carry, _):
        return method.step(field, *carry), carry

    last, rest = jax.lax.scan(step, (x, method.init(field, x)), length=steps)
    return jax.tree.map(lambda all, end: jnp.concatenate([all, end[None]]), rest, last)


@functools.cache
def forces(name, steps):
    """The norms of the field on the hard instance, from the start on."""
    points, _ = path(METHODS[name][0], dg.pseudo_gradient(HARD), HARD.start(), steps)
    return np.asarray(jax.vmap(norm)(jax.vmap(dg.pseudo_gradient(HARD))(points)))


# With |F(z_k)| after 100, 1000, 10000 and 20000 steps.
METHODS = {
    "EG": (dg.Extragradient(0.5 / L), [2.4650, 2.3573, 2.0058, 1.7665]),
    "past EG": (dg.Optimistic(0.4 / L), [2.4709, 2.3763, 2.0824, 1.8774]),
    "EAG-C": (dg.AnchoredExtragradient(0.125 / L), [2.4898, 2.3368, 0.096184, 0.092220]),
    "EAG-V": (dg.AnchoredExtragradient(GOLDEN / L, L), [2.4453, 1.8543, 0.18360, 0.076304]),
    "FEG": (dg.FastExtragradient(1 / L), [2.3683, 0.61493, 0.067800, 0.033741]),
    "AOG": (dg.AcceleratedOptimistic(6**-0.5 / L), [2.4496, 1.9039, 0.094773, 0.080592]),
    "ARG": (
        dg.AcceleratedOptimistic(1 / 12 / L, reflected=True),
        [2.4964, 2.3939, 1.0041, 0.42837],
    ),
    "Tran-Dinh": (dg.NesterovOptimistic(0.25 / L), [2.4541, 1.9232, 0.19412, 0.095680]),
}


# The hard instance.


def test_the_hard_instance_has_the_known_constants():
    assert np.isclose(HARD.lipschitz(), L, rtol=1e-14)
    start, end = HARD.start(), HARD.equilibrium()
    assert np.isclose(norm(difference(start, end)), 581.61415, atol=5e-6)
    assert np.isclose(dg.residual(HARD, start), 2.5124717, atol=5e-8)
    assert dg.residual(HARD, end) == 0.0
    assert np.array_equal(end, np.stack([np.arange(1.0, 101.0), np.full(100, -0.5)]))
    # The limits of large instances are 1/2 for the coupling and half of the golden ratio for all.
    coupling = jax.jit(jax.jacfwd(lambda x: dg.pseudo_gradient(HARD)((x, end[1]))[1]))
    assert np.isclose(np.linalg.norm(coupling(end[0]), 2), 0.4999389, rtol=0, atol=5e-8)
    assert np.isclose(L, 0.8088740, rtol=0, atol=5e-8)
    limit = dg.games.HardInstance(10**6).lipschitz()
    assert np.isclose(limit, (1 + 5**0.5) / 4, rtol=0, atol=1e-11)
    assert np.isclose(limit, 0.8090170, rtol=0, atol=5e-8)


def test_the_hard_instance_is_the_quadratic_of_its_matrices():
    n = 5
    A = np.zeros((n, n))
    for i in range(n):
        A[i, n - 1 - i] = 0.25
        if i < n - 1:
            A[i, n - 2 - i] = -0.25
    game = dg.games.HardInstance(n, radius=6.0)
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(v) for v in rng.standard_normal((2, n)))
    h, b = np.eye(n)[-1] / 4, np.full(n, 0.25)
    force = dg.pseudo_gradient(game)((x, y))
    assert np.allclose(force[0], 2 * A.T @ A @ x - h - A.T @ y, atol=1e-15)
    assert np.allclose(force[1], A @ x - b, atol=1e-15)
    jacobian = np.block([[2 * A.T @ A, -A.T], [A, np.zeros((n, n))]])
    assert np.isclose(game.lipschitz(), np.linalg.norm(jacobian, 2), rtol=1e-13)
    assert dg.Product((game.strategy_set((x, y)),) * 2).contains(game.equilibrium())
    with pytest.raises(ValueError, match=r"size 5 have the shape \(5,\)"):
        game.costs((jnp.zeros(4), y))
    with pytest.raises(ValueError, match="positive size"):
        dg.games.HardInstance(0)


@pytest.mark.parametrize("name", METHODS)
def test_fields_on_the_hard_instance(name):
    found = forces(name, 1000)[[100, 1000]]
    assert np.allclose(found, METHODS[name][1][:2], rtol=3e-5)


@pytest.mark.full
@pytest.mark.parametrize("name", METHODS)
def test_fields_on_the_hard_instance_in_the_long_run(name):
    found = forces(name, 20_000)
    assert np.allclose(found[[10_000, 20_000]], METHODS[name][1][2:], rtol=5e-5)
    # Anchors divide the field by 6 to 75 while extragradient loses less than 30 percent.
    low, high = (0.7, 0.75) if name in ("EG", "past EG") else (1 / 75, 1 / 5.8)
    assert low < found[20_000] / found[0] < high


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "most"), [("FEG", 1.98), ("EAG-V", 4.54), ("AOG", 4.85), ("EAG-C", 15.9)]
)
def test_the_largest_of_all_scaled_fields(name, most):
    scaled = np.arange(20_001) * forces(name, 20_000) / (L * 581.61415)
    assert np.isclose(scaled.max(), most, atol=0.03)


# On x y.


def test_two_steps_of_the_accelerated_optimistic_method():
    points, _ = path(dg.AcceleratedOptimistic(6**-0.5), BIL, ONES, 1000)
    assert np.allclose([points[0][1], points[1][1]], [0.42508504, 1.24158162], atol=5e-9)
    assert np.allclose([points[0][2], points[1][2]], [0.0440996, 1.17812263], atol=5e-8)
    # The starts are `x_1`, so that entry k is the iterate of index k + 1, after k steps.
    scaled = [k * float(norm((points[0][k], points[1][k]))) / 2**0.5 for k in (100, 1000)]
    assert np.allclose(scaled, [2.42551, 2.44705], atol=5e-6)


def test_the_first_step_of_anchored_extragradient():
    points, _ = path(dg.AnchoredExtragradient(0.125), BIL, ONES, 1)
    assert [points[0][1], points[1][1]] == [0.859375, 1.109375]


def test_without_constraints_reflections_change_nothing():
    plain, reflected = (
        path(dg.AcceleratedOptimistic(0.3, reflected=r), BIL, ONES, 50) for r in (False, True)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), plain, reflected)


def test_reflections_with_constraints_by_hand():
    h, box = 0.3, (-0.2, 0.85)
    game = dg.zero_sum(lambda x, args: x[0] * x[1] + 0.1 * x[0], dg.Box(*box))
    points, _ = path(
        dg.AcceleratedOptimistic(h, reflected=True),
        dg.pseudo_gradient(game),
        dg.as_strategy((0.8, 0.7)),
        12,
    )
    found = np.stack(points, 1)

    def field(z):
        return np.array([z[1] + 0.1, -z[0]])

    start = x = np.array([0.8, 0.7])
    w = x - h * field(x)
    expected = [x]
    for t in range(1, 13):
        before, x = x, np.clip(x + (start - x) / (t + 1) - h * field(w), *box)
        expected.append(x)
        w = 2 * x - before + (start - x) / (t + 2) - (start - before) / (t + 1)
    assert np.allclose(found, expected, atol=1e-14)
    assert np.any(found == box[0]) and np.any(found == box[1])


def test_the_resolvent_halves_errors_like_k():
    points, _ = path(dg.Halpern(1.0, resolvent=True), BIL, ONES, 1000)
    found = [float(norm((points[0][k], points[1][k]))) for k in (10, 100, 1000)]
    assert np.allclose(found, [0.18468094, 0.01980198, 0.00199800], rtol=0, atol=5e-9)


def test_steps_of_anchored_extragradient_fall_to_a_limit():
    _, state = path(dg.AnchoredExtragradient(GOLDEN, 1.0), BIL, ONES, 10_000)
    sizes = np.asarray(state.step_size)
    assert sizes[0] == GOLDEN and np.all(np.diff(sizes) < 0)
    assert np.isclose(sizes[1], GOLDEN * (1 - GOLDEN**2 / (1 - GOLDEN**2) / 3), rtol=1e-15)
    square = sizes[-1] ** 2
    limit = sizes[-1] * (1 - square / (1 - square) / 10_000)  # all later steps, up to k^-2
    assert np.isclose(limit, 0.436541, rtol=0, atol=5e-7)
    constant = 4 * (1 + GOLDEN * limit) / limit**2  # of the theorem, used below
    assert np.isclose(constant, 26.65, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("method", "roots"),
    [
        (dg.AnchoredExtragradient(0.3), [(1 - 0.3j) / 2 - 0.09, 1]),
        (dg.FastExtragradient(0.3), [0, 1]),
        (dg.AcceleratedOptimistic(0.3), [*np.roots([1, 0.3j - (1 - 0.3j) / 2, -0.15j]), 1]),
        (dg.Halpern(0.3), [(1 - 0.3j) / 2, 1]),
        (dg.Halpern(0.3, resolvent=True), [0.5 / (1 + 0.3j), 1]),
        (dg.NesterovOptimistic(0.3), [*np.roots([1, 0.3j - 1.25, 0.25 - 0.15j, 0]), 0]),
        (dg.MovingAnchor(dg.Simultaneous(0.3), 0.5, 10), [0.85 - 0.3j, 1]),
    ],
    ids=["EAG", "FEG", "AOG", "Halpern", "resolvent", "Tran-Dinh", "moving anchor"],
)
def test_spectra_of_the_first_step(method, roots):
    """Weights change from step to step, except between moves of an anchor; 1 is the anchor's."""
    zero = (jnp.array(0.0), jnp.array(0.0))
    matrix = dg.step_jacobian(dg.games.Bilinear(), method, zero)
    found = np.linalg.eigvals(np.asarray(matrix))
    expected = np.concatenate([roots, np.conj(roots)])
    distances = np.abs(found[:, None] - expected[None])
    assert distances.min(0).max() < 1e-7 and distances.min(1).max() < 1e-7


def test_later_steps_of_the_fast_extragradient_method():
    state = dg.FastExtragradient(0.3).init(BIL, ONES)._replace(steps=jnp.array(3))
    zero = (jnp.array(0.0), jnp.array(0.0))
    matrix = dg.step_jacobian(dg.games.Bilinear(), dg.FastExtragradient(0.3), zero, None, state)
    found = np.linalg.eigvals(np.asarray(matrix[:2, :2]))
    expected = 0.75 * (1 - 0.3j - 0.09)
    assert (
        np.abs(found - expected).min() < 1e-14 and np.abs(found - np.conj(expected)).min() < 1e-14
    )


# Rates on random monotone games, whose solutions are chosen first.

SETS = {
    "free": (dg.Euclidean(), dg.Euclidean()),
    "boxes": (dg.Box(-1.0, 1.0), dg.Box(0.0, jnp.inf)),
    "ball": (dg.Ball(0.5, 1.0), dg.Box(-1.0, 2.0)),
    "simplices": (dg.Simplex(), dg.Simplex()),
}
GAMES, STEPS = 20, 200


def random_problems(sets):
    """Fields `J x + b` of norm 1, starts, and solutions on the boundaries of the sets."""
    rng = np.random.default_rng(5)
    root, turn = rng.standard_normal((GAMES, 8, 3)), rng.standard_normal((GAMES, 8, 8))
    jacobians = 0.2 * root @ root.transpose(0, 2, 1) + turn - turn.transpose(0, 2, 1)
    jacobians /= np.linalg.norm(jacobians, 2, (1, 2))[:, None, None]
    points, normals, starts = [], [], []
    for own in sets:
        far, start = rng.standard_normal((2, GAMES, 4)) * 3
        points.append(np.asarray(jax.vmap(own.project)(jnp.asarray(far))))
        normals.append(far - points[-1])
        starts.append(jax.vmap(own.project)(jnp.asarray(start)))
    solutions = np.concatenate(points, 1)
    shifts = -np.einsum("gij,gj->gi", jacobians, solutions) - np.concatenate(normals, 1)
    fields = tuple(map(jnp.asarray, (jacobians, shifts)))
    return fields, tuple(starts), tuple(map(jnp.asarray, points))


def linear(sets, coefficients):
    def field(x, args):
        jacobian, shift = coefficients
        force = jacobian @ jnp.concatenate(x) + shift
        return force[:4], force[4:]

    return dg.FunctionField(field, sets)


@functools.cache
def runs(name, sets_name):
    """Of random games: fields with normals, starts less strategies, states, and how far it is."""
    sets, method = SETS[sets_name], RATED[name]

    def run(coefficients, start, solution):
        field = linear(sets, coefficients)
        points, states = path(method, field, start, STEPS)
        values = jax.vmap(field)(points)
        if states.push is not None:
            h = method.step_size if states.step_size is None else states.step_size
            steps = jnp.broadcast_to(h, (STEPS + 1,))[:, None]
            values = jax.tree.map(lambda f, e: f + e / steps, values, states.push)
        residuals = jax.vmap(lambda x: dg.tangent_residual(field, x))(points)
        at_solution = dg.tangent_residual(field, solution)
        return values, points, states, residuals, norm(difference(start, solution)), at_solution

    return jax.jit(jax.vmap(run))(*random_problems(sets))


RATED = {
    "FEG": dg.FastExtragradient(1.0),
    "EAG-C": dg.AnchoredExtragradient(0.125),
    "EAG-V": dg.AnchoredExtragradient(GOLDEN, 1.0),
}
COUNTS = np.arange(STEPS + 1)


def lengths(values):
    return np.sqrt(sum(np.square(np.asarray(part)).sum(-1) for part in values))


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("FEG", "free"),
        ("FEG", "boxes"),
        ("FEG", "simplices"),
        pytest.param("FEG", "ball", marks=pytest.mark.full),
        pytest.param("EAG-V", "boxes", marks=pytest.mark.full),
        pytest.param("EAG-V", "simplices", marks=pytest.mark.full),
    ],
)
def test_potentials_never_grow_and_bound_the_residual(name, sets):
    """The proof, step by step, with the elements of the normal cone that the method carries."""
    values, points, states, residuals, distance, at_solution = runs(name, sets)
    assert np.all(np.asarray(at_solution) < 1e-12)
    sizes = lengths(values)
    products = [
        np.sum(np.asarray(f) * np.asarray(anchor - z), -1)
        for f, anchor, z in zip(values, states.anchor, points, strict=True)
    ]
    inner = np.sum(products, 0)
    if name == "FEG":
        potential = COUNTS**2 / 2 * sizes**2 - COUNTS * inner
        bounds = 2 * np.asarray(distance)[:, None] / COUNTS[1:]
        assert np.all(sizes[:, 1:] <= bounds * (1 + 1e-12))
    else:
        h = np.asarray(states.step_size)
        main = h * (COUNTS + 1) * (COUNTS + 2) / 2 * sizes**2
        potential = main - (COUNTS + 1) * inner
        first = GOLDEN * sizes[:, :1] ** 2
        assert np.all(main <= (COUNTS + 1) * sizes * np.asarray(distance)[:, None] + first + 1e-9)
    assert np.all(np.diff(potential, axis=1) <= 1e-9)
    assert np.any(np.diff(potential, axis=1) < -1e-3)
    assert np.all(np.asarray(residuals) <= sizes + 1e-9)
    if states.push is not None:  # what is carried is in the normal cone
        for own, x, push in zip(SETS[sets], points, states.push, strict=True):
            along = jax.vmap(jax.vmap(functools.partial(project_tangent, own)))(x, push)
            assert np.all(np.abs(np.asarray(along)) < 1e-12)


@pytest.mark.parametrize("name", ["EAG-C", "EAG-V"])
def test_anchored_extragradient_obeys_its_theorems(name):
    values, *_, distance, _ = runs(name, "free")
    squares = np.square(lengths(values)) / np.square(np.asarray(distance))[:, None]
    if name == "EAG-C":
        most = 4 * (1 + 1 / 8 + 1 / 64) / (1 / 64 * (1 + 1 / 8))
        assert np.isclose(most, 259.6, atol=0.05)
        assert np.all(squares <= most / (COUNTS + 1) ** 2)
    else:
        assert np.all(squares <= 26.65 / ((COUNTS + 1) * (COUNTS + 2)))


def test_halpern_obeys_its_theorem_on_cocoercive_fields():
    (jacobians, _), starts, solutions = random_problems(SETS["free"])

    def run(jacobian, start, solution):
        hessian = jacobian @ jacobian.T
        field = linear(SETS["free"], (hessian, -hessian @ jnp.concatenate(solution)))
        points, _ = path(dg.Halpern(2.0), field, start, STEPS)
        return jax.vmap(lambda x: norm(field(x)))(points) / norm(difference(start, solution))

    shares = np.asarray(jax.jit(jax.vmap(run))(jacobians, starts, solutions))
    assert np.all(2 * shares <= 2 / (COUNTS + 1) + 1e-12)


# Moving anchors.


def test_a_moving_anchor_by_hand():
    h, m, period = 0.1, 0.5, 3
    game = dg.zero_sum(lambda x, args: x[0] * x[1], dg.Box(-0.5, 1.0))
    method = dg.MovingAnchor(dg.Simultaneous(h), m, period)
    points, states = path(method, dg.pseudo_gradient(game), ONES, 10)
    start = anchor = x = np.ones(2)
    k, expected = 1, [x]
    for t in range(10):
        centre = (k * anchor + start) / (k + 1)
        x = np.clip(x - h * (np.array([x[1], -x[0]]) + m * (x - centre)), -0.5, 1.0)
        expected.append(x)
        if (t + 1) % period == 0:
            k, anchor = k + 1, x
    assert np.allclose(np.stack(points, 1), expected, atol=1e-15)
    assert states.epoch[-1] == k == 4


@pytest.mark.full
def test_a_moving_anchor_contracts_within_an_epoch_and_finds_the_equilibrium():
    game = dg.games.MatrixGame.rock_paper_scissors()
    field = dg.pseudo_gradient(game)
    x = (jnp.array([0.8, 0.1, 0.1]), jnp.array([0.2, 0.7, 0.1]))
    m, lipschitz = 0.5, 3**0.5
    h = 0.9 * m / (lipschitz + m) ** 2
    perturbed = dg.FunctionField(
        lambda y, args: jax.tree.map(lambda f, own, c: f + m * (own - c), field(y), y, x),
        dg.Simplex(),
    )
    solution = dg.solve(perturbed, dg.Extragradient(0.2), x, tol=1e-14).strategy
    for boosted in (True, False):
        method = dg.MovingAnchor(dg.Simultaneous(h), m, 200, boosted=boosted)
        points, _ = path(method, field, x, 2000)
        away = [
            np.asarray(z)[:60] - np.asarray(end) for z, end in zip(points, solution, strict=True)
        ]
        errors = lengths(away)
        assert np.all(errors[1:] ** 2 <= errors[:-1] ** 2 / (1 + h * m) + 1e-20)
        end = jax.tree.map(lambda z: z[-1], points)
        assert dg.nash_gap(game, end) < 0.05 * dg.nash_gap(game, x)


# Errors.


def test_steps_that_vary_are_checked():
    for h in (0.75, 0.0, -0.1):
        with pytest.raises(ValueError, match=r"between 0 and 3 / \(4 lipschitz\)"):
            dg.AnchoredExtragradient(h, 1.0)
    with pytest.raises(ValueError, match="one number for all players"):
        dg.AnchoredExtragradient((0.1, 0.2), 1.0)


def test_the_resolvent_refuses_constraints():
    field = dg.pseudo_gradient(dg.games.MatrixGame.matching_pennies())
    with pytest.raises(ValueError, match="without constraints only"):
        dg.Halpern(1.0, resolvent=True).init(field, (jnp.ones(2) / 2,) * 2)

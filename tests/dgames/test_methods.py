"""One conformance test for all methods, and each method against an oracle."""

import math
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(4)

PLAYERWISE = {"a": optax.sgd(0.05), "b": optax.adam(0.05), "c": optax.sgd(0.05, momentum=0.3)}
SGD = optax.sgd(0.1, momentum=0.2)


class Case(NamedTuple):
    make: Any  # step size -> method
    evaluations: float  # of the whole field per step
    at_start: int = 0
    rest: float = 1e-12  # how far three steps lead away from an equilibrium, by rounding
    linear: bool = True  # whether errors fall geometrically on strongly monotone games


METHODS = {
    "simultaneous": Case(dg.Simultaneous, 1),
    "alternating": Case(dg.Alternating, 1),
    "extragradient": Case(dg.Extragradient, 2),
    "optimistic": Case(dg.Optimistic, 1, 1),
    "optimistic, reflected": Case(lambda h: dg.Optimistic(h, reflected=True), 1, 1),
    "momentum": Case(lambda h: dg.Momentum(h, -0.2), 1),
    "complex_momentum": Case(lambda h: dg.ComplexMomentum(h, 0.4 + 0.3j), 1),
    "complex_momentum, alternating": Case(
        lambda h: dg.ComplexMomentum(h, 0.4 + 0.3j, alternating=True), 1
    ),
    "complex_momentum, complex step": Case(
        lambda h: dg.ComplexMomentum(jnp.asarray(h).astype(complex) * (1 - 0.2j), 0.3j), 1
    ),
    "mirror_prox": Case(lambda h: dg.MirrorProx(h, dg.EuclideanMirror()), 2),
    "optimistic_mirror_descent": Case(
        lambda h: dg.OptimisticMirrorDescent(h, dg.EuclideanMirror()), 1, 1
    ),
    "anchored_extragradient": Case(dg.AnchoredExtragradient, 2, linear=False),
    "anchored_extragradient, varying": Case(
        lambda h: dg.AnchoredExtragradient(h, 1.0), 2, linear=False
    ),
    "fast_extragradient": Case(dg.FastExtragradient, 2, linear=False),
    "accelerated_optimistic": Case(dg.AcceleratedOptimistic, 1, 1, linear=False),
    "accelerated_optimistic, reflected": Case(
        lambda h: dg.AcceleratedOptimistic(h, reflected=True), 1, 1, linear=False
    ),
    "nesterov_optimistic": Case(dg.NesterovOptimistic, 1, 1, linear=False),
    "halpern": Case(dg.Halpern, 1, linear=False),
    "moving_anchor": Case(lambda h: dg.MovingAnchor(dg.Simultaneous(h), 0.5, 2), 1, linear=False),
    "heun": Case(dg.Heun, 2),
    "ssprk3": Case(dg.SSPRK3, 3),
    "runge_kutta_4": Case(dg.RungeKutta4, 4),
    "competitive_adam": Case(dg.CompetitiveAdam, 2, rest=1e-5),
    "optimistic_separated": Case(lambda h: dg.OptimisticSeparated(h, h / 2), 1, 1),
    "optimistic_dual_averaging": Case(lambda h: dg.OptimisticDualAveraging(h, h / 2), 1, 1),
    "adaptive_optimistic_dual_averaging": Case(
        lambda h: dg.AdaptiveOptimisticDualAveraging(step_size=h), 1, 1
    ),
    "optax": Case(lambda h: dg.Optax(SGD), 1),
}
ALL = pytest.mark.parametrize("case", METHODS.values(), ids=METHODS)
# The step size is a leaf of every method but this one.
TUNABLE = pytest.mark.parametrize(
    "case", [METHODS[name] for name in METHODS if name != "optax"], ids=[*METHODS][:-1]
)


class Trio(NamedTuple):
    a: Any
    b: Any
    c: Any


def costs(x, args=None):
    """Strongly monotone, three players, one of them with a nested block."""
    a, b, c = dg.blocks(x)
    one, two, three = jnp.sum(a["u"]) + jnp.sum(a["v"]), jnp.sum(b), jnp.sum(c)
    squares = jnp.sum(a["u"] ** 2) + jnp.sum(a["v"] ** 2)
    return dg.join(
        x,
        (
            squares + one * two + one,
            jnp.sum(b**2) - one * two + two * three,
            jnp.sum(c**2) - two * three - three,
        ),
    )


GAME = dg.game(costs)
FIELD = dg.pseudo_gradient(GAME)


def start(container: Any = dict, dtype: Any = jnp.float64) -> Any:
    leaves = dict(
        a={"u": jnp.array([0.5, -1.0], dtype), "v": jnp.array(0.25, dtype)},
        b=jnp.array([[1.0, 2.0]], dtype),
        c=jnp.array(-0.5, dtype),
    )
    return tuple(leaves.values()) if container is tuple else container(**leaves)


def run(method, field, x, steps=3):
    state = method.init(field, x)
    for _ in range(steps):
        x, state = method.step(field, x, state)
    return x, state


def close(x, y, atol=1e-12):
    return all(
        np.allclose(a, b, rtol=0, atol=atol)
        for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    )


def uneven_costs(x, factor):
    return dg.join(x, tuple(factor * jnp.tanh(cost / 4) for cost in dg.blocks(costs(x))))


@ALL
def test_runs_are_continued_to_the_last_bit(case, tmp_path):
    """From a file: N steps and then M are N + M, where the field depends on the step, too."""
    game, method = dg.game(uneven_costs), case.make(0.05)
    factors = dg.Stepwise(lambda step: 1 + jnp.sin(step.astype(float)) / 2)

    def go(x=None, steps=0, **options):
        x = start() if x is None else x
        found = dg.solve(game, method, x, factors, max_steps=steps, **options)
        return (found.strategy, found.state, found.steps, found.unit), found.history

    part = go(steps=4)[0]
    eqx.tree_serialise_leaves(tmp_path / "run.eqx", part)
    x, state, first, unit = eqx.tree_deserialise_leaves(tmp_path / "run.eqx", part)
    end, history = go(x, 5, state=state, first_step=first, unit=unit)
    whole, all_history = go(steps=9)
    assert eqx.tree_equal(end, whole) and end[2] == 9
    assert history.steps.tolist() == [4, 5, 6, 7, 8, 9]
    assert np.allclose(history.residual, all_history.residual[4:], rtol=1e-13)
    other, _ = go(x, 5, state=state, first_step=first - 4, unit=unit)
    assert not eqx.tree_equal(other[0], whole[0])  # other factors


@ALL
@pytest.mark.parametrize(
    "container, dtype",
    [(Trio, jnp.float64), (tuple, jnp.float32), (dict, jnp.bfloat16)],
    ids=["named tuple, float64", "tuple, float32", "dict, bfloat16"],
)
def test_structure_shapes_and_dtypes_are_kept(case, container, dtype):
    x, method = start(container, dtype), case.make(0.1)
    state = method.init(FIELD, x)
    new_x, new_state = method.step(FIELD, x, state)
    for old, new in ((x, new_x), (state, new_state)):
        assert jax.tree.structure(old) == jax.tree.structure(new)
        for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(new_x))
    # Low precision follows high precision.
    reference, _ = method.step(FIELD, start(dict), method.init(FIELD, start(dict)))
    tolerance = {jnp.float64: 1e-14, jnp.float32: 1e-6, jnp.bfloat16: 0.05}[dtype]
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), new_x)
    assert close(jax.tree.leaves(low), jax.tree.leaves(reference), tolerance)


@ALL
def test_the_name_is_the_class_in_snake_case(case):
    method = case.make(0.1)
    name = next(name for name, other in METHODS.items() if other is case).split(",")[0]
    assert dg.method_name(method) == dg.method_name(type(method)) == name


@ALL
def test_jit_changes_nothing(case):
    method, x = case.make(0.1), start()
    jitted = eqx.filter_jit(lambda method, x: run(method, FIELD, x))
    assert close(run(method, FIELD, x), jitted(method, x), 1e-13)


@pytest.mark.full
@ALL
def test_batches_of_strategies(case, key):
    method, x = case.make(0.1), start()
    batch = jax.vmap(lambda key: dg.Euclidean().sample(key, x))(jax.random.split(key, 3))
    together = jax.jit(jax.vmap(lambda x: run(method, FIELD, x, 2)))(batch)
    alone = run(method, FIELD, jax.tree.map(lambda leaf: leaf[1], batch), 2)
    assert close(jax.tree.map(lambda leaf: leaf[1], together), alone)


@TUNABLE
def test_batches_of_methods(case):
    sizes = jnp.array([0.01, 0.1, 0.3])
    methods = eqx.filter_vmap(case.make)(sizes)
    several = eqx.filter_vmap(lambda method: run(method, FIELD, start(), 2))
    together = eqx.filter_jit(several)(methods)
    alone = run(case.make(0.1), FIELD, start(), 2)
    assert close(jax.tree.map(lambda leaf: leaf[1], together), alone)


@pytest.mark.full
@TUNABLE
def test_derivatives_of_a_step(case, key):
    vector, unravel = dg.ravel(start())

    def last(h, vector):
        return dg.ravel(run(case.make(h), FIELD, unravel(vector), 2)[0])[0]

    primal, tangent = (
        (jnp.array(0.1), vector),
        (jnp.array(1.0), jax.random.normal(key, vector.shape)),
    )
    _, forward = jax.jit(lambda p, t: jax.jvp(last, p, t))(primal, tangent)
    near = [
        jnp.stack([p + s * 1e-6 * t for s in (1, -1)]) for p, t in zip(primal, tangent, strict=True)
    ]
    ahead, behind = jax.jit(jax.vmap(last))(*near)
    assert np.allclose(forward, (ahead - behind) / 2e-6, atol=1e-7)
    back_h, back_x = jax.jit(lambda primal, forward: jax.vjp(last, *primal)[1](forward))(
        primal, forward
    )
    assert np.isclose(back_h + back_x @ tangent[1], forward @ forward)


@TUNABLE
def test_new_values_do_not_retrace(case):
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def step(method, x):
        return run(method, FIELD, x, 1)

    results = [step(case.make(h), start()) for h in (0.1, jnp.array(0.2), np.float64(0.3))]
    assert not close(results[0], results[2], 1e-6)


@ALL
def test_a_step_costs_what_it_says(case):
    """Counts evaluations of single blocks: a whole evaluation is one for each of three players."""
    calls = []

    class Counting(dg.AbstractField):
        def __call__(self, x, args=None):
            calls.append(3)
            return FIELD(x, args)

        def block(self, x, player, args=None):
            calls.append(1)
            return FIELD.block(x, player, args)

    method = case.make(0.1)
    state = method.init(Counting(), start())
    assert sum(calls) == 3 * case.at_start
    calls.clear()
    method.step(Counting(), start(), state)
    assert sum(calls) == 3 * case.evaluations


@ALL
def test_steps_stay_in_the_strategy_set(case):
    sets = {"a": dg.Ball(0.0, 0.5), "b": dg.Simplex(), "c": dg.Box(0.2, 0.3)}
    field = dg.pseudo_gradient(dg.game(costs, sets))
    x = field.project(start())
    x, _ = run(case.make(0.2), field, x, 4)
    assert dg.Product(sets).contains(x, 1e-12)
    free, _ = run(case.make(0.2), FIELD, field.project(start()), 4)
    assert not dg.Product(sets).contains(free, 1e-3)


@pytest.mark.full
@ALL
def test_runs_end_at_the_equilibrium(case):
    J = dg.jacobian_blocks(GAME, start())
    dense = jnp.concatenate([jnp.concatenate([J[i][j] for j in J], axis=1) for i in J])
    zero, unravel = dg.ravel(jax.tree.map(jnp.zeros_like, start()))
    equilibrium = unravel(jnp.linalg.solve(dense, -dg.ravel(FIELD(unravel(zero)))[0]))
    tolerance = 1e-11 if case.linear else 2e-2
    solution = dg.solve(GAME, case.make(0.1), start(), tol=tolerance)
    assert solution.result == dg.RESULTS.successful
    assert close(solution.strategy, equilibrium, 10 * tolerance)
    # ... and rest there.
    x, _ = run(case.make(0.1), FIELD, equilibrium)
    assert close(x, equilibrium, case.rest)


@pytest.mark.parametrize(
    "case",
    [case for name, case in METHODS.items() if "alternating" not in name],
    ids=[name for name in METHODS if "alternating" not in name],
)
def test_players_can_be_renamed(case):
    """Permuting the players commutes with every method that treats them alike."""
    order = {"p": "c", "q": "a", "r": "b"}

    def renamed(x, args=None):
        value = costs({old: x[new] for new, old in order.items()})
        return {new: value[old] for new, old in order.items()}

    x, _ = run(case.make(0.1), FIELD, start())
    y, _ = run(
        case.make(0.1),
        dg.pseudo_gradient(dg.game(renamed)),
        {new: start()[old] for new, old in order.items()},
    )
    assert close({old: y[new] for new, old in order.items()}, x)


@pytest.mark.parametrize(
    "name", ["simultaneous", "alternating", "extragradient", "optimistic", "fast_extragradient"]
)
def test_one_step_size_per_player(name):
    make = METHODS[name].make
    same = run(make({"a": 0.1, "b": 0.1, "c": 0.1}), FIELD, start())
    assert close(same, run(make(0.1), FIELD, start()))
    frozen, _ = run(make({"a": 0.1, "b": 0.0, "c": 0.1}), FIELD, start())
    assert close(frozen["b"], start()["b"]) and not close(frozen["a"], start()["a"], 0.01)
    with pytest.raises(ValueError, match="each of the players a, b, c; got one for each of 0, 1"):
        run(make((0.1, 0.2)), FIELD, start())
    with pytest.raises(ValueError, match=r"one scalar per player; got an array of shape \(3,\)"):
        run(make(jnp.ones(3)), FIELD, start())


# Oracles


@pytest.mark.full
def test_simultaneous_is_the_euler_method_of_diffrax():
    flow = dg.flow(
        GAME,
        start(),
        t1=1.0,
        solver=diffrax.Euler(),
        dt0=0.1,
        stepsize_controller=diffrax.ConstantStepSize(),
    )
    assert close(flow.strategy, run(dg.Simultaneous(0.1), FIELD, start(), 10)[0])


@pytest.mark.parametrize(
    "method, tx",
    [
        (dg.Simultaneous(0.1), optax.sgd(0.1)),
        (dg.Momentum(0.1, 0.4), optax.sgd(0.1, momentum=0.4)),
        (dg.Momentum(0.1, -0.4), optax.sgd(0.1, momentum=-0.4)),
        (dg.Optimistic(0.1, reflected=True), optax.optimistic_gradient_descent(0.1)),
        (
            dg.ComplexMomentum(0.1, 0.7 * jnp.exp(0.3j)),
            dg.transforms.complex_momentum(0.1, decay=0.7, angle=0.3),
        ),
    ],
    ids=["sgd", "momentum", "negative momentum", "optimistic", "complex momentum"],
)
def test_optax_has_the_same_rule(method, tx):
    ours, _ = run(method, FIELD, start(), 7)
    theirs, _ = run(dg.Optax(tx), FIELD, start(), 7)
    assert close(ours, theirs)


def test_momentum_buffers_have_the_sign_of_the_step():
    _, ours = run(dg.Momentum(0.1, 0.4), FIELD, start(), 5)
    _, theirs = run(dg.Optax(optax.trace(0.4)), FIELD, start(), 1)
    _, first = run(dg.Momentum(0.1, 0.4), FIELD, start(), 1)
    assert close(first, jax.tree.map(jnp.negative, theirs.trace))
    assert not close(ours, first, 1e-3)


def test_optax_per_player():
    def alone(name, steps):
        """The same player under the same optimiser for all, everyone else's block overwritten."""
        x, states = start(), {n: PLAYERWISE[n].init(start()[n]) for n in PLAYERWISE}
        for _ in range(steps):
            forces = FIELD(x)
            for n, tx in PLAYERWISE.items():
                with jax.numpy_dtype_promotion("standard"):
                    update, states[n] = tx.update(forces[n], states[n], x[n])
                x = {**x, n: optax.apply_updates(x[n], update)}
        return x[name]

    x, state = run(dg.Optax(PLAYERWISE), FIELD, start(), 4)
    assert all(close(x[name], alone(name, 4)) for name in x)
    assert set(state) == {"a", "b", "c"}
    with pytest.raises(ValueError, match="each of the players a, b, c; got a, b"):
        dg.Optax({"a": SGD, "b": SGD}).init(FIELD, start())


@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("h", [0.1, 0.1 - 0.05j])
def test_complex_momentum_is_complex_arithmetic(alternating, h):
    b = 0.6 * np.exp(0.4j)
    method = dg.ComplexMomentum(h, b, alternating)
    x, buffers = start(), jax.tree.map(np.zeros_like, start())
    for _ in range(4):
        present = x
        for name in "abc":
            force = FIELD(x if alternating else present)[name]
            buffers[name] = jax.tree.map(
                lambda f, m: b * np.asarray(m) - np.asarray(f),
                force,
                buffers[name],
            )
            move = jax.tree.map(lambda m: jnp.asarray(np.real(h * m)), buffers[name])
            x = {**x, name: jax.tree.map(jnp.add, x[name], move)}
    ours, (real, imaginary) = run(method, FIELD, start(), 4)
    assert close(ours, x)
    assert close(real, jax.tree.map(np.real, buffers))
    assert close(imaginary, jax.tree.map(np.imag, buffers))


def test_real_complex_momentum_is_momentum():
    ours, _ = run(dg.ComplexMomentum(0.1, 0.5 + 0j), FIELD, start(), 6)
    assert close(ours, run(dg.Momentum(0.1, 0.5), FIELD, start(), 6)[0])


def test_alternating_is_gauss_seidel():
    x = start()
    for _ in range(3):
        for name in "abc":
            move = jax.tree.map(lambda f: -0.1 * f, FIELD(x)[name])
            x = {**x, name: jax.tree.map(jnp.add, x[name], move)}
    assert close(run(dg.Alternating(0.1), FIELD, start(), 3)[0], x)


def test_trial_points_of_the_optimistic_method_follow_the_reflected_one():
    popov, reflected = dg.Optimistic(0.1), dg.Optimistic(0.1, reflected=True)
    x, state = start(), popov.init(FIELD, start())
    trials = []
    for _ in range(5):
        trials.append(jax.tree.map(lambda a, g: a - 0.1 * g, x, state))
        x, state = popov.step(FIELD, x, state)
    for k in range(1, 4):
        y, _ = reflected.step(FIELD, trials[k], FIELD(trials[k - 1]))
        assert close(y, trials[k + 1])


@pytest.mark.full
@pytest.mark.parametrize(("make", "order"), [(dg.Heun, 2), (dg.SSPRK3, 3), (dg.RungeKutta4, 4)])
def test_runge_kutta_is_the_expansion_of_the_flow(make, order):
    J = dg.jacobian_blocks(GAME, start())
    dense = np.concatenate([np.concatenate([J[i][j] for j in J], axis=1) for i in J])
    terms = [np.linalg.matrix_power(-0.2 * dense, k) / math.factorial(k) for k in range(order + 1)]
    assert np.allclose(dg.step_jacobian(GAME, make(0.2), start()), sum(terms))


def test_heun_and_ssprk3_are_made_of_gradient_steps():
    """By hand, on a field that is not linear: what Shu and Osher wrote."""
    field = dg.FunctionField(lambda x, args: (jnp.sin(x[0]) + x[1], x[1] ** 3 - x[0]))
    x = (jnp.array(0.7), jnp.array(-1.2))

    def gradient_step(x):
        return np.array([x[0] - 0.3 * (np.sin(x[0]) + x[1]), x[1] - 0.3 * (x[1] ** 3 - x[0])])

    start = np.array([0.7, -1.2])
    first = gradient_step(start)
    second = gradient_step(first)
    heun, third = 0.5 * (start + second), gradient_step(0.75 * start + 0.25 * second)
    assert np.allclose(dg.Heun(0.3).step(field, x, None)[0], heun, atol=1e-15)
    ssprk3 = start / 3 + 2 / 3 * third
    assert np.allclose(dg.SSPRK3(0.3).step(field, x, None)[0], ssprk3, atol=1e-15)


@pytest.mark.full
def test_extragradient_by_hand_on_a_simplex():
    """One step of a matrix game, with the projections written out."""
    payoff = jnp.array([[0.0, 1.0], [2.0, 0.0]])
    field = dg.pseudo_gradient(dg.zero_sum(lambda x, args: x[0] @ payoff @ x[1], dg.Simplex()))
    x = (jnp.array([0.5, 0.5]), jnp.array([0.5, 0.5]))
    # Forces (0.5, 1), (-1, -0.5): the trial point moves mass 0.025, at step 0.1, either way.
    trial = (np.array([0.525, 0.475]), np.array([0.525, 0.475]))
    first, second = payoff @ trial[1], -payoff.T @ trial[0]
    shift = (0.05 * (first[1] - first[0]), 0.05 * (second[1] - second[0]))
    expected = tuple(np.array([0.5 + s, 0.5 - s]) for s in shift)
    assert close(run(dg.Extragradient(0.1), field, x, 1)[0], expected)

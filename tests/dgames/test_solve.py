"""Running methods until the residual is small."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(3)

SADDLE = dg.zero_sum(lambda x, args: (x["a"] - args) * (x["b"] + 2))
START = {"a": jnp.array(0.0), "b": jnp.array(0.0)}
ONE = jnp.array(1.0)


def as_function(game):
    """The pseudo-gradient of a game, as a function."""
    return lambda x, args: dg.pseudo_gradient(game)(x, args)


def test_the_residual_is_that_of_the_strategy_returned():
    solution = dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE, tol=1e-6)
    assert solution.result == dg.RESULTS.successful
    assert solution.residual == dg.residual(SADDLE, solution.strategy, ONE) <= 1e-6
    # One step earlier it was not yet there.
    before = dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE, max_steps=int(solution.steps) - 1)
    assert before.residual > 1e-6
    assert before.result == dg.RESULTS.max_steps_reached


def test_an_equilibrium_takes_no_steps():
    solution = dg.solve(SADDLE, dg.Optimistic(0.5), {"a": 1.0, "b": -2.0}, ONE)
    assert solution.steps == 0 and solution.result == dg.RESULTS.successful
    assert solution.history.steps.tolist() == [0]


def test_divergence_is_noticed():
    solution = dg.solve(SADDLE, dg.Simultaneous(1.0), START, ONE)
    assert solution.result == dg.RESULTS.diverged and solution.steps < 200


@pytest.mark.parametrize(
    "cost",
    [
        lambda a: jnp.sqrt(a - 0.5),  # the iterates leave the domain: NaN
        lambda a: -(a**6),  # they run off to infinity within a few steps
        lambda a: -jnp.log(a) * 0 + jnp.where(a < 0.6, jnp.inf * a, a),
    ],
)
@pytest.mark.parametrize("tol", [1e-8, jnp.inf])
def test_success_is_never_claimed_without_finite_numbers(cost, tol):
    game = dg.game(lambda x, args: (cost(x[0]),))
    solution = dg.solve(game, dg.Simultaneous(0.3), (0.51,), tol=tol)
    finite = np.isfinite(solution.residual) and np.isfinite(solution.strategy[0])
    assert solution.result != dg.RESULTS.successful or finite
    if tol == 1e-8:
        bad = (dg.RESULTS.diverged, dg.RESULTS.field_not_finite)
        assert any(solution.result == result for result in bad)


def test_an_infinite_tolerance_still_wants_a_number():
    game = dg.game(lambda x, args: (jnp.sqrt(x[0]),))
    solution = dg.solve(game, dg.Simultaneous(0.1), (0.0,), tol=jnp.inf, max_steps=5)
    assert not np.isfinite(solution.residual)
    assert solution.result == dg.RESULTS.field_not_finite


def test_constraints():
    """Both maximise; one is stopped by a wall, the other settles inside."""
    game = dg.game(
        lambda x, args: (-x[0] * (3 - x[0] - x[1]), -x[1] * (3 - x[0] - x[1]) + x[1]),
        (dg.Box(0.0, 0.5), dg.Box(0.0, 10.0)),
    )
    # Player 0 stops at 0.5; player 1 answers (3 - 1 - 0.5) / 2.
    for method in (dg.Simultaneous(0.2), dg.Alternating(0.2), dg.Optimistic(0.2)):
        solution = dg.solve(game, method, (0.1, 0.1), tol=1e-10)
        assert solution.result == dg.RESULTS.successful
        assert np.allclose(solution.strategy, (0.5, 0.75), atol=1e-9)


def test_a_matrix_game_on_simplices():
    """Rock, paper, scissors with uneven stakes: the mix is inverse to the stakes."""
    payoff = jnp.array([[0.0, -1.0, 3.0], [1.0, 0.0, -2.0], [-3.0, 2.0, 0.0]])
    game = dg.zero_sum(lambda x, args: x[0] @ payoff @ x[1], dg.Simplex())
    start = (jnp.array([0.5, 0.3, 0.2]),) * 2
    solution = dg.solve(game, dg.Extragradient(0.2), start, tol=1e-9, max_steps=50_000)
    assert solution.result == dg.RESULTS.successful
    assert np.allclose(solution.strategy[0], np.array([2, 3, 1]) / 6, atol=1e-7)


def test_history_without_thinning():
    solution = dg.solve(SADDLE, dg.Extragradient(0.3), START, ONE, save_every=7)
    history = solution.history
    steps = history.steps.tolist()
    assert steps == [*range(0, int(solution.steps), 7), int(solution.steps)]
    for i in (0, 3, -1):
        saved = jax.tree.map(lambda leaf, i=i: leaf[i], history.strategy)
        assert np.isclose(history.residual[i], dg.residual(SADDLE, saved, ONE), rtol=1e-12)
    assert eqx.tree_equal(jax.tree.map(lambda leaf: leaf[-1], history.strategy), solution.strategy)


@pytest.mark.parametrize("budget", [0, 1, 1022, 1023, 1024, 1025, 2047, 2048, 30_000])
def test_long_histories_are_thinned_evenly(budget):
    orbit = dg.zero_sum(lambda x, args: x[0] * x[1])
    solution = dg.solve(orbit, dg.Alternating(0.1), (1.0, 0.0), max_steps=budget)
    steps = np.asarray(solution.history.steps)
    assert steps[0] == 0 and steps[-1] == budget == solution.steps
    assert len(steps) <= 1024 and len(steps) >= min(budget + 1, 512)
    gaps = np.unique(np.diff(steps)[:-1])
    assert len(gaps) <= 1 and np.all(np.log2(gaps) % 1 == 0)
    # The thinned record is a part of the full one.
    if budget == 2048:
        full = dg.solve(orbit, dg.Alternating(0.1), (1.0, 0.0), max_steps=budget, save_every=1)
        assert np.array_equal(solution.history.residual, full.history.residual[steps])


@pytest.mark.parametrize(
    "method",
    [
        dg.ComplexMomentum(0.05, 0.5 + 0.5j),
        dg.Momentum(0.05, 0.5),
        dg.Optimistic(0.1),
        dg.Averaged(dg.Extragradient(0.1)),
        dg.Optax(optax.adam(0.05)),
        dg.Simultaneous(0.1),
    ],
    ids=dg.method_name,
)
def test_state_continues_the_run(method):
    """Two halves are the whole, to the last bit; steps and history are of each call."""
    options: Any = dict(max_steps=5, tol=0.0, save_every=1)
    first = dg.solve(SADDLE, method, START, ONE, **options)
    second = dg.solve(SADDLE, method, first.strategy, ONE, state=first.state, **options)
    whole = dg.solve(SADDLE, method, START, ONE, **{**options, "max_steps": 10})
    assert eqx.tree_equal((second.strategy, second.state), (whole.strategy, whole.state))
    assert second.steps == 5 and second.history.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(second.history.residual, whole.history.residual[5:])
    other = dg.solve(SADDLE, method, first.strategy, ONE, **options)
    alone = jax.tree.leaves(first.state) == []
    assert eqx.tree_equal(other.strategy, whole.strategy) == alone


@pytest.mark.parametrize(
    "state", [3.0, (1.0, 2.0), {"a": 1.0}, (jnp.zeros(2),) * 2, "state"], ids=str
)
def test_a_state_of_something_else_is_refused(state):
    with pytest.raises(ValueError, match="not a state of Momentum"):
        dg.solve(SADDLE, dg.Momentum(0.1, 0.5), START, ONE, state=state)


@pytest.mark.full
def test_under_jit_and_vmap():
    def run(target):
        return dg.solve(SADDLE, dg.Extragradient(0.5), START, target)

    targets = jnp.array([-1.0, 0.0, 2.5])
    together = jax.jit(jax.vmap(run))(targets)
    for i, target in enumerate(targets):
        alone = run(target)
        assert np.isclose(together.strategy["a"][i], alone.strategy["a"], atol=1e-14)
        assert together.steps[i] == alone.steps
        used = np.asarray(together.history.steps[i] >= 0)
        assert np.array_equal(together.history.steps[i][used], alone.history.steps)
        assert np.allclose(together.history.residual[i][used], alone.history.residual)


def test_methods_can_be_swept():
    sizes = jnp.array([0.1, 0.5, 0.7])
    steps = eqx.filter_vmap(lambda h: dg.solve(SADDLE, dg.Extragradient(h), START, ONE).steps)(
        sizes
    )
    assert steps[0] > steps[1] > steps[2]


def test_new_values_do_not_recompile():
    traces = []

    def payoff(x, args):
        traces.append(None)
        return (x["a"] - args) * (x["b"] + 2)

    game = dg.zero_sum(payoff)
    dg.solve(game, dg.Extragradient(0.5), START, ONE, max_steps=100, tol=1e-3)
    compiling = len(traces)
    traces.clear()
    for h, target, budget, tol in ((0.4, 2.0, 200, 1e-5), (0.3, 3.0, 300, 0)):
        x0 = {"a": target, "b": 1.0}
        dg.solve(game, dg.Extragradient(h), x0, jnp.array(target), max_steps=budget, tol=tol)
    assert compiling > 2 and not traces


@pytest.mark.parametrize(
    ("method", "evaluations"),
    [
        (dg.Simultaneous(0.1), 1),
        (dg.Momentum(0.1, 0.5), 1),
        (dg.ComplexMomentum(0.1, 0.5j), 1),
        (dg.Optimistic(0.1, reflected=True), 1),
        (dg.Extragradient(0.1), 2),
        (dg.RungeKutta4(0.1), 4),
        (dg.Optimistic(0.1), 2),  # its own is elsewhere, so the residual costs a second one
    ],
)
@pytest.mark.parametrize("as_given", [lambda game: game, dg.pseudo_gradient, as_function])
def test_the_field_is_evaluated_no_more_than_needed(method, evaluations, as_given):
    """In the loop's program, not just in Python: count the payoff's one exponential."""
    game = as_given(dg.zero_sum(lambda x, args: jnp.exp(x[0] * x[1])))
    jaxpr = jax.make_jaxpr(lambda x: dg.solve(game, method, x).strategy)(
        (jnp.array(0.1), jnp.array(0.2))
    )
    # Once in the first residual, and the rest in the body of the loop.
    assert str(jaxpr).count("= exp ") == 1 + evaluations


@pytest.mark.parametrize("method", [dg.Extragradient(0.1), dg.Alternating(0.1), dg.Heun(0.1)])
def test_what_is_remembered_is_what_would_be_evaluated(method):
    """Against a field of a class that nothing is remembered of."""

    class Own(dg.AbstractField):
        def __call__(self, x, args=None):
            return dg.pseudo_gradient(SADDLE)(x, args)

    found = dg.solve(SADDLE, method, START, ONE, max_steps=100)
    plain = dg.solve(Own(), method, START, ONE, max_steps=100)
    assert found.steps == plain.steps
    for name in START:
        assert np.isclose(found.strategy[name], plain.strategy[name], rtol=1e-12)


def test_methods_may_pass_the_field_on():
    """Into a function of their own that is compiled: there it is evaluated again."""

    class Passes(dg.AbstractMethod):
        def init(self, field, x, args=None):
            return None

        def step(self, field, x, state, args=None):
            step = eqx.filter_jit(lambda field, x: dg.Simultaneous(0.1).step(field, x, None, args))
            return step(field, x)

    for game in (SADDLE, as_function(SADDLE)):
        found = dg.solve(game, Passes(), START, ONE, max_steps=9).strategy
        plain = dg.solve(game, dg.Simultaneous(0.1), START, ONE, max_steps=9).strategy
        assert all(np.isclose(found[name], plain[name], rtol=1e-12) for name in START)


def test_methods_that_ask_for_the_class_of_a_field_get_it():
    class Asks(dg.AbstractMethod):
        def init(self, field, x, args=None):
            return None

        def step(self, field, x, state, args=None):
            assert isinstance(field, dg.PseudoGradient) and isinstance(field.game, type(SADDLE))
            return dg.Simultaneous(0.1).step(field, x, state, args)

    assert dg.solve(SADDLE, Asks(), START, ONE, max_steps=3).steps == 3


def test_a_traced_run_is_the_same_run():
    """Under `jax.jit` the loop is another one."""
    orbit = dg.zero_sum(lambda x, args: x[0] * x[1])
    start = (jnp.array(1.0), jnp.array(0.0))

    def run(start):
        return dg.solve(orbit, dg.Alternating(0.1), start, max_steps=5000)

    alone, traced = run(start), jax.jit(run)(start)
    assert np.allclose(alone.strategy, traced.strategy, rtol=0, atol=1e-12)
    used = np.asarray(traced.history.steps) >= 0
    assert np.array_equal(traced.history.steps[used], alone.history.steps)
    assert np.allclose(traced.history.residual[used], alone.history.residual, rtol=1e-12)
    for found in (alone, traced):
        assert found.residual == found.history.residual[np.asarray(found.history.steps) == 5000]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_low_precision(dtype):
    start = (jnp.array([1.0, -1.0], dtype), jnp.array(2.0, dtype))
    game = dg.game(lambda x, args: (jnp.sum(x[0] ** 2) + jnp.sum(x[0]) * x[1], x[1] ** 2))
    solution = dg.solve(game, dg.Optimistic(0.1), start, tol=1e-3, save_every=50)
    assert solution.result == dg.RESULTS.successful
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(solution.strategy))
    assert solution.residual.dtype == jnp.float32


def test_forward_mode_derivatives():
    def end(target):
        return dg.solve(SADDLE, dg.Extragradient(0.5), START, target).strategy["a"]

    _, slope = jax.jvp(end, (ONE,), (ONE,))
    assert np.isclose(slope, 1.0, atol=1e-6)


def test_progress_reaches_the_terminal(capfd):
    dg.solve(SADDLE, dg.Extragradient(0.1), START, ONE, progress=True)
    lines = capfd.readouterr().out.split()
    shares = [float(line.rstrip("%")) for line in lines]
    assert shares[0] == 0 and shares[-1] == 100 and len(shares) > 10
    assert shares == sorted(shares)
    dg.solve(SADDLE, dg.Extragradient(0.1), START, ONE)
    assert capfd.readouterr().out == ""


def test_any_meter_of_diffrax_and_batches(capfd):
    meter = diffrax.TextProgressMeter(minimum_increase=0.4)
    targets = jnp.array([1.0, 2.0])
    jax.vmap(lambda t: dg.solve(SADDLE, dg.Extragradient(0.5), START, t, progress=meter).steps)(
        targets
    )
    lines = capfd.readouterr().out.split()
    assert lines[-1] == "100.00%" and 3 <= len(lines) <= 5


def test_throw():
    with pytest.raises(RuntimeError, match="step budget ran out"):
        dg.solve(SADDLE, dg.Simultaneous(0.01), START, ONE, max_steps=3, throw=True)
    assert dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE, throw=True).residual < 1e-8


def test_fields_and_functions_are_welcome():
    for game in (dg.pseudo_gradient(SADDLE), lambda x, args: dg.pseudo_gradient(SADDLE)(x, args)):
        solution = dg.solve(game, dg.Extragradient(0.5), START, ONE)
        assert np.isclose(solution.strategy["a"], 1.0)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"max_steps": -1}, "must not be negative"),
        ({"save_every": 0}, "save_every must be at least"),
    ],
)
def test_malformed_options(kwargs, message):
    with pytest.raises(ValueError, match=message):
        dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE, **kwargs)


def test_malformed_games_and_strategies_are_found_first():
    with pytest.raises(ValueError, match="the payoff must be a scalar"):
        dg.solve(
            dg.zero_sum(lambda x, args: x[0]), dg.Simultaneous(0.1), (jnp.ones(2), jnp.ones(2))
        )
    with pytest.raises(ValueError, match="player 'b' has int"):
        dg.solve(SADDLE, dg.Simultaneous(0.1), {"a": 0.0, "b": jnp.array(0)}, ONE)
    with pytest.raises(ValueError, match="finite; player 'b'"):
        dg.solve(SADDLE, dg.Simultaneous(0.1), {"a": 0.0, "b": jnp.nan}, ONE)


class _Interval(eqx.Module):
    low: float
    high: float

    def contains(self, x):
        return jnp.all((x["a"] >= self.low) & (x["a"] <= self.high))


class _Steps:
    """As a certificate has them, for one method."""

    region = _Interval(-10.0, 10.0)

    def safe_method(self, method):
        if method is not dg.Extragradient:
            raise ValueError(f"no step for {method.__name__}")
        return method(0.5)

    def require_game(self, game, x, args=None):
        if args is not None and float(args) != float(ONE):
            raise ValueError("steps are for other args")

    def in_basin(self, method, x):
        return jnp.abs(x["a"]) < 20.0


class TestStepSize:
    def test_of_a_certificate(self):
        start = {"a": 0.0, "b": 0.0}
        found = dg.solve(SADDLE, dg.Extragradient, start, ONE, step_size=_Steps())
        plain = dg.solve(SADDLE, dg.Extragradient(0.5), start, ONE)
        assert found.left == plain.left == -1
        assert found.steps == plain.steps and found.strategy["a"] == plain.strategy["a"]

    def test_a_strategy_that_leaves_the_region(self):
        with pytest.warns(UserWarning, match="outside the certified region after 0 steps"):
            found = dg.solve(
                SADDLE, dg.Extragradient, {"a": 11.0, "b": 0.0}, ONE, step_size=_Steps()
            )
        assert found.left == 0
        narrow = _Steps()
        narrow.region = _Interval(-10.0, 0.3)
        start = {"a": 0.0, "b": 0.0}
        history = dg.solve(SADDLE, dg.Extragradient(0.5), start, ONE, save_every=1).history
        first = int(np.argmax(np.asarray(history.strategy["a"]) > 0.3))
        with pytest.warns(UserWarning, match=f"after {first} steps"):
            found = dg.solve(SADDLE, dg.Extragradient, start, ONE, step_size=narrow)
        assert found.left == first > 0

    def test_a_start_outside_of_the_basin(self):
        start = {"a": -21.0, "b": 0.0}
        wide = _Steps()
        wide.region = _Interval(-1e6, 1e6)
        with pytest.warns(UserWarning, match="start is outside the certified basin"):
            dg.solve(SADDLE, dg.Extragradient, start, ONE, step_size=wide, max_steps=1)

    def test_steps_of_another_game(self):
        with pytest.raises(ValueError, match="other args"):
            dg.solve(SADDLE, dg.Extragradient, START, 2 * ONE, step_size=_Steps())

    def test_a_game_that_cannot_be_compared(self):
        def end(a):
            return dg.solve(SADDLE, dg.Extragradient, START, a, step_size=_Steps()).strategy["a"]

        with pytest.raises(ValueError, match="cannot be compared"):
            jax.jit(end)(ONE)

    def test_numbers(self):
        found = dg.solve(SADDLE, dg.Extragradient, START, ONE, step_size=0.5)
        assert found.steps == dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE).steps

    @pytest.mark.parametrize(
        ("method", "step_size", "message"),
        [
            (dg.Extragradient(0.5), 0.5, "has a step size already"),
            (dg.Extragradient, None, "is no method"),
            (dg.Simultaneous, _Steps(), "no step for Simultaneous"),
            (lambda h: dg.Extragradient(h), _Steps(), "identifies methods by their classes"),
        ],
    )
    def test_what_does_not_fit(self, method, step_size, message):
        with pytest.raises(ValueError, match=message):
            dg.solve(SADDLE, method, START, ONE, step_size=step_size)


def test_units_may_be_given():
    game = dg.game(lambda x, args: (1e-4 * x[0] ** 2, 1e-4 * (x[1] - x[0]) ** 2))
    measured = dg.solve(game, dg.Simultaneous(100.0), (1.0, 1.0))
    plain = dg.solve(game, dg.Simultaneous(100.0), (1.0, 1.0), unit=1.0)
    assert measured.unit[0] < 1 and plain.unit == (1.0, 1.0)
    assert plain.residual == dg.residual(game, plain.strategy) and plain.steps < measured.steps
    with pytest.raises(ValueError, match="unit must be positive"):
        dg.solve(game, dg.Simultaneous(100.0), (1.0, 1.0), unit=(1.0, 0.0))


@pytest.mark.parametrize("first", [-1, 0.5, (1, 2)], ids=str)
def test_a_first_step_is_a_number(first: Any):
    with pytest.raises(
        (ValueError, jaxtyping.TypeCheckError), match=r"first_step must be|Type-check error"
    ):
        dg.solve(SADDLE, dg.Simultaneous(0.1), START, ONE, first_step=first)


@pytest.mark.parametrize("step", [-0.1, float("nan"), (0.1, -0.1)])
def test_steps_are_not_negative(step):
    game = dg.zero_sum(lambda x, args: x[0] * x[1])
    with pytest.raises(ValueError, match="step sizes are positive; Extragradient has one of"):
        dg.solve(game, dg.Averaged(dg.Extragradient(step)), (1.0, 1.0))

"""Arguments drawn in every step: batches and keys in `solve`, against loops written out."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(2)

KEY = jax.random.key(3)
TARGETS = jnp.asarray(np.random.default_rng(0).normal(size=(40, 2)))
START = {"a": jnp.array(2.0), "b": jnp.array(-1.0)}


def costs(x, rows):
    """A regularised bilinear game, whose centre is the mean of some rows; None means all."""
    a, b = jnp.mean(TARGETS if rows is None else TARGETS[rows], 0)
    both = (x["a"] - a) * (x["b"] - b)
    return {"a": 0.5 * (x["a"] - a) ** 2 + both, "b": 0.5 * (x["b"] - b) ** 2 - both}


GAME = dg.game(costs)
CENTRE = np.mean(TARGETS, 0)


class Batches(eqx.Module):
    """Rows of a step, with a parameter."""

    key: Any
    size: int = eqx.field(static=True, default=5)

    def __call__(self, step):
        return jax.random.randint(jax.random.fold_in(self.key, step), (self.size,), 0, 40)


def residual(x, rows):
    return dg.residual(GAME, x, rows)


@eqx.filter_jit
def one_step(method, field, x, state, args):
    return method.step(field, x, state, args)


def by_hand(method, args_of, steps, first=0, x: Any = START, state: Any = None):
    """The loop that users write: strategies, one per step, and the last state."""
    field = dg.pseudo_gradient(GAME)
    state = method.init(field, x, args_of(first)) if state is None else state
    strategies = [x]
    for k in range(first, first + steps):
        x, state = one_step(method, field, x, state, args_of(k))
        strategies.append(x)
    return strategies, state


METHODS = [
    dg.Extragradient(0.2),
    dg.Optimistic(0.1),
    dg.Alternating(0.1),
    dg.Averaged(dg.Momentum(0.05, 0.5)),
    dg.Optax(optax.adam(0.05)),
]


@pytest.mark.parametrize("method", METHODS, ids=dg.method_name)
def test_each_step_sees_its_arguments(method):
    batches = Batches(KEY)
    run = dg.solve(GAME, method, START, dg.Stepwise(batches), max_steps=12, save_every=1)
    strategies, _ = by_hand(method, batches, 12)
    assert run.steps == 12 and run.result == dg.RESULTS.max_steps_reached
    for name in START:
        expected = np.array([x[name] for x in strategies])
        assert np.allclose(run.history.strategy[name], expected, rtol=1e-13)
    # Noisy residuals are those with the arguments of the step to come.
    noisy = [residual(x, batches(k)) for k, x in enumerate(strategies)]
    assert np.allclose(run.history.residual, noisy, rtol=1e-12)
    assert np.isclose(run.residual, noisy[-1], rtol=1e-12)


def test_with_a_mean_the_run_is_judged_by_it():
    """Steps on all data but the tenth: the mean field's residual, and its equilibrium."""
    every = dg.Stepwise(lambda step: jnp.arange(40), mean=None)
    run = dg.solve(GAME, dg.Extragradient(0.4), START, every, save_every=1)
    plain = dg.solve(GAME, dg.Extragradient(0.4), START)
    assert run.result == dg.RESULTS.successful and run.steps == plain.steps
    assert np.allclose([run.strategy["a"], run.strategy["b"]], CENTRE, atol=1e-7)
    noisy = dg.Stepwise(Batches(KEY), mean=None)
    run = dg.solve(GAME, dg.Extragradient(0.1), START, noisy, max_steps=20, save_every=1)
    strategies, _ = by_hand(dg.Extragradient(0.1), Batches(KEY), 20)
    mean = [residual(x, None) for x in strategies]
    assert np.allclose(run.history.residual, mean, rtol=1e-12)


def test_residuals_now_and_then():
    """Every seventh step and at the end; in between the history repeats the last one."""
    seldom = dg.Stepwise(Batches(KEY), mean=None, every=7)
    run = dg.solve(GAME, dg.Extragradient(0.1), START, seldom, max_steps=20, save_every=1)
    strategies, _ = by_hand(dg.Extragradient(0.1), Batches(KEY), 20)
    judged = [*(k - k % 7 for k in range(20)), 20]
    assert np.allclose(
        run.history.residual, [residual(strategies[k], None) for k in judged], rtol=1e-12
    )
    loose = dg.solve(GAME, dg.Extragradient(0.1), START, seldom, tol=0.5)
    assert loose.result == dg.RESULTS.successful and loose.steps % 7 == 0


def test_under_transformations():
    """Batched over keys; and the derivatives of a noisy run are those of its steps."""
    mean = jnp.array([0.5, -0.5])

    def end(key, shift):
        game = dg.game(
            lambda x, key: ((x[0] - shift + jnp.sum(mean * jax.random.normal(key, (2,)))) ** 2 / 2,)
        )
        keys = dg.Stepwise(lambda step: jax.random.fold_in(key, step))
        return dg.solve(game, dg.Simultaneous(0.25), (1.0,), keys, max_steps=3).strategy[0]

    keys = jax.random.split(KEY, 2)
    together = jax.vmap(end, (0, None))(keys, 0.0)
    assert np.allclose(together, [end(key, 0.0) for key in keys], rtol=1e-12)
    assert np.isclose(jax.jvp(lambda s: end(KEY, s), (0.3,), (1.0,))[1], 1 - 0.75**3)


def test_new_parameters_do_not_recompile():
    traces = []

    def noisy(x, key):
        traces.append(None)
        return ((x[0] + jax.random.normal(key)) ** 2,)

    class Keys(eqx.Module):
        key: Any

        def __call__(self, step):
            return jax.random.fold_in(self.key, step)

    game = dg.game(noisy)
    runs = []
    for seed in (0, 1, 2):
        runs.append(
            dg.solve(game, dg.Simultaneous(0.1), (1.0,), dg.Stepwise(Keys(jax.random.key(seed))))
        )
        if seed == 0:
            traces.clear()
    assert not traces and len({float(run.strategy[0]) for run in runs}) == 3


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="does not stop at one"):
        dg.solve(GAME, dg.Extragradient(0.1), START, dg.Stepwise(Batches(KEY)), tol=1e-3)
    wrong: Any = KEY
    with pytest.raises(
        (ValueError, jaxtyping.TypeCheckError), match=r"a function of the number|Type-check error"
    ):
        dg.Stepwise(wrong)
    with pytest.raises(ValueError, match="every must be a whole number"):
        dg.Stepwise(Batches(KEY), every=0)

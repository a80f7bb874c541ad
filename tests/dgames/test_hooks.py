"""What `solve` keeps and tells along the way: `save` and `callback`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

pytestmark = pytest.mark.thin(2)

SADDLE = dg.zero_sum(lambda x, args: (x["a"] - args) * (x["b"] + 2))
START = {"a": jnp.array(0.0), "b": jnp.array(0.0)}
ONE = jnp.array(1.0)


def facts(x, state, args):
    return {"product": x["a"] * x["b"], "off": x["a"] - args, "state": state, "count": 1}


@pytest.mark.parametrize("budget", [3, 20, 21])
def test_what_is_saved_is_that_of_the_strategies(budget):
    method = dg.Momentum(0.1, -0.3)
    plain = dg.solve(SADDLE, method, START, ONE, max_steps=budget, save_every=7)
    saved = dg.solve(SADDLE, method, START, ONE, max_steps=budget, save_every=7, save=facts)
    x, values = plain.history.strategy, saved.history.saved
    assert plain.history.saved is None and saved.history.strategy is None
    assert saved.history.steps.tolist() == plain.history.steps.tolist()
    assert np.allclose(values["product"], x["a"] * x["b"], rtol=1e-12)
    assert np.allclose(values["off"], x["a"] - 1, rtol=1e-12)
    assert values["count"].tolist() == [1] * len(x["a"])
    last = jax.tree.map(lambda leaf: leaf[-1], values["state"])
    assert eqx.tree_equal(last, saved.state, rtol=1e-12)


def test_without_an_interval_what_is_saved_is_thinned_as_residuals_are():
    orbit = dg.zero_sum(lambda x, args: x[0] * x[1])
    run = dg.solve(
        orbit, dg.Alternating(0.1), (1.0, 0.0), max_steps=5001, save=lambda x, state, args: x
    )
    steps = run.history.steps
    assert 512 <= len(steps) <= 1024 and steps[-1] == 5001
    for record in (0, 1, 300, -2, -1):
        x = jax.tree.map(lambda leaf, record=record: leaf[record], run.history.saved)
        assert np.isclose(run.history.residual[record], dg.residual(orbit, x), rtol=1e-12)
    assert run.history.saved[0][-1] == run.strategy[0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_callback_is_told_in_order(compiled):
    told = []

    def callback(step, x, residual):
        told.append((step, float(x["a"]), residual))

    def run(target):
        return dg.solve(
            SADDLE, dg.Extragradient(0.5), START, target, save_every=7, callback=callback
        )

    found = (jax.jit(run) if compiled else run)(ONE)
    jax.effects_barrier()
    history = dg.solve(SADDLE, dg.Extragradient(0.5), START, ONE, save_every=7).history
    assert [step for step, *_ in told] == history.steps.tolist() and len(told) > 3
    assert np.allclose([a for _, a, _ in told], history.strategy["a"], rtol=1e-12)
    assert np.allclose([r for *_, r in told], history.residual, rtol=1e-9)
    assert told[-1][0] == found.steps


def test_a_callback_sees_whole_modules_and_numbers_of_steps():
    class Player(eqx.Module):
        weight: jax.Array
        name: str = "kept"

    told = []

    class Callback(eqx.Module):
        scale: jax.Array

        def __call__(self, step, x, residual):
            told.append((step, x["a"].name, float(self.scale * x["a"].weight)))

    game = dg.game(lambda x, args: {"a": x["a"].weight ** 2 / 2})
    dg.solve(
        game,
        dg.Simultaneous(0.5),
        {"a": Player(jnp.array(8.0))},
        max_steps=2,
        first_step=10,
        callback=Callback(jnp.array(2.0)),
        save=lambda x, state, args: x["a"].weight,
    )
    assert told == [(10, "kept", 16.0), (11, "kept", 8.0), (12, "kept", 4.0)]


def test_errors_of_a_callback_end_the_run():
    def callback(step, x, residual):
        if step == 3:
            raise RuntimeError("enough of this")

    with pytest.raises(Exception, match="enough of this"):
        run = dg.solve(SADDLE, dg.Extragradient(0.1), START, ONE, callback=callback)
        jax.block_until_ready(run.strategy)

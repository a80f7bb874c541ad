"""Networks on rows of data: batches, and what a snapshot makes of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg

N = 24
Z = jax.random.normal(jax.random.key(2), (N, 1))
DATA = (Z + 0.1, Z, jnp.sin(Z[:, 0]))
NETS = tuple(dg.nn.mlp((1, 6, 1), jax.random.key(i), start="antisymmetric") for i in (0, 1))
GAME = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), NETS, decay=(0.2, 0.4))
SAMPLED = dg.Sampled(GAME, DATA)


def flat(x):
    return np.asarray(dg.ravel(x)[0])


def test_batches_are_rows_and_their_mean_is_the_whole():
    rows = jnp.array([3, 3, 5])
    chosen = jax.tree.map(lambda leaf: leaf[rows], DATA)
    field = dg.pseudo_gradient(GAME)
    sampled = eqx.filter_jit(SAMPLED)
    assert np.allclose(flat(sampled(NETS, rows)), flat(field(NETS, chosen)), atol=1e-15)
    singles = jax.jit(jax.vmap(lambda i: SAMPLED(NETS, i[None])))(jnp.arange(N))
    mean = jax.tree.map(lambda leaf: leaf.mean(0), singles)
    assert SAMPLED.size == N and np.allclose(flat(mean), flat(field(NETS, DATA)), atol=1e-14)


def test_solve_sees_fresh_rows_in_every_step(key):
    batches = SAMPLED.batches(key, 8, replace=False, every=50)
    run = dg.solve(SAMPLED, dg.Simultaneous(0.1), NETS, batches, max_steps=100)

    @eqx.filter_jit
    def by_hand(x):
        method = dg.Simultaneous(0.1)
        return jax.lax.fori_loop(
            0, 100, lambda k, x: method.step(SAMPLED, x, None, batches.fn(k))[0], x
        )

    x = by_hand(NETS)
    assert np.allclose(flat(run.strategy), flat(x), atol=1e-12)
    assert np.isclose(run.residual, dg.residual(SAMPLED, x))


@pytest.mark.full
def test_a_snapshot_makes_batches_converge(key):
    """To the equilibrium of all data, where plain batches stay noisy."""
    seldom = dg.Stepwise(lambda step: None, mean=None, every=100)
    method = dg.VarianceReduced(0.1, key, batch=4)
    run = dg.solve(SAMPLED, method, NETS, seldom, tol=1e-12, max_steps=20_000)
    assert run.result == dg.RESULTS.successful
    whole = dg.solve(GAME, dg.Extragradient(0.3), NETS, DATA, tol=1e-13)
    assert np.abs(flat(run.strategy) - flat(whole.strategy)).max() < 1e-11
    steps, renewals = int(run.steps), 4 / N * int(run.steps)
    assert abs(int(run.state.evaluations) - N - 8 * steps - N * renewals) < 5 * N * renewals**0.5
    plain = dg.solve(SAMPLED, dg.Simultaneous(0.1), NETS, SAMPLED.batches(key, 4), max_steps=500)
    assert plain.residual > 1e-4


def test_one_step_by_hand():
    """With one datum per batch, all of which are equal to the one that is drawn."""
    pull = dg.FunctionField(lambda x, datum: (datum * x[0],))
    field = dg.FiniteSumField(pull, jnp.array([1.0, 3.0]))
    x, w = (jnp.array(2.0),), (jnp.array(0.5),)
    for make in (dg.VarianceReduced, dg.VarianceReducedExtragradient):
        method = make(0.1, jax.random.key(0), 1e-9)
        state = method.init(field, w)
        assert int(state.evaluations) == 2 and float(state.force[0]) == 1.0
        new, state = method.step(field, x, state)
        if make is dg.VarianceReduced:
            expected = [2 - 0.1 * (s * 1.5 + 1.0) for s in (1, 3)]
        else:
            middle = 2.0 - 1.5e-9
            expected = [middle - 0.1 * (1.0 + s * (middle - 0.1 - 0.5)) for s in (1, 3)]
        assert min(abs(float(new[0]) - value) for value in expected) < 1e-12
        assert float(state.snapshot[0]) == 0.5 and int(state.evaluations) == 4
        sure = make(0.1, jax.random.key(0), 1 - 1e-12)
        new, state = sure.step(field, x, sure.init(field, w))
        kept = x if make is dg.VarianceReduced else new
        assert float(state.snapshot[0]) == float(kept[0]) and int(state.evaluations) == 6


def test_the_fields_that_are_sums():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"game or a field|Type-check"):
        dg.Sampled(lambda x, rows: x, DATA)
    with pytest.raises(ValueError, match="one entry per datum"):
        dg.Sampled(GAME, (Z, Z[:3], DATA[2]))
    method = dg.VarianceReduced(0.1, jax.random.key(0), batch=N + 1)
    with pytest.raises(ValueError, match="one for each of 24 data; got 25"):
        method.init(SAMPLED, NETS)
    with pytest.raises(ValueError, match="args must be None"):
        dg.VarianceReduced(0.1, jax.random.key(0)).init(SAMPLED, NETS, DATA)

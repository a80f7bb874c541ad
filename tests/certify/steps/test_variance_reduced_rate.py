"""Linear rates with mini-batches and a snapshot, against exact second moments and many runs."""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

N, D = 50, 6


def linear_components(seed):
    """Random monotone matrices with offsets, their constants in mean square, and the solution."""
    rng = np.random.default_rng(seed)
    skew = rng.normal(size=(N, D, D))
    roots = rng.normal(size=(N, D, 2)) / 2
    matrices = 0.2 * np.eye(D) + 0.3 * (skew - skew.transpose(0, 2, 1)) / 2
    matrices = matrices + roots @ roots.transpose(0, 2, 1) / 4
    offsets = rng.normal(size=(N, D))
    mean = matrices.mean(0)
    constants = {
        "margin": np.linalg.eigvalsh((mean + mean.T) / 2)[0] * (1 - 1e-12),
        "lipschitz": np.linalg.norm(mean, 2) * (1 + 1e-12),
        "component_lipschitz": np.sqrt(
            np.linalg.eigvalsh(np.mean(matrices.transpose(0, 2, 1) @ matrices, 0))[-1]
        )
        * (1 + 1e-12),
    }
    return matrices, offsets, constants, np.linalg.solve(mean, -offsets.mean(0))


def as_field(matrices, offsets):
    pull = dg.FunctionField(lambda x, datum: (datum[0] @ x[0] + datum[1],))
    return dg.FiniteSumField(pull, (jnp.array(matrices), jnp.array(offsets)))


def test_the_simple_rate_is_never_better():
    """`max(1 - h a, 1 - p/2)` at `h = a / (6 L^2)`, and the best step is better still."""
    for a, b, L, p in ((0.2, 1.0, 2.0, 0.02), (0.1, 0.1, 0.1, 0.5), (1.0, 7.0, 9.0, 1.0)):
        h = Fraction(a) / (6 * Fraction(L) ** 2)
        proved = certify.variance_reduced_rate(a, b, L, p, step_size=h)
        assert proved.rate <= float(max(1 - h * Fraction(a), 1 - Fraction(p) / 2))
        assert certify.variance_reduced_rate(a, b, L, p).rate <= proved.rate


@pytest.mark.parametrize("extragradient", [False, True])
def test_exact_second_moments_fall_as_proved(extragradient):
    """Of one dimension: the moments of (x, w) obey a linear recursion."""
    slopes, p = np.array([0.5, 1.0, 2.5]), 0.3
    a, L = slopes.mean(), np.sqrt(np.mean(slopes**2))
    proved = certify.variance_reduced_rate(
        a * (1 - 1e-12), a * (1 + 1e-12), L * (1 + 1e-12), p, extragradient=extragradient
    )
    h = proved.step_size
    steps = []
    for s in slopes:  # one step maps (x, w) linearly, if the equilibrium is zero
        if extragradient:
            y = np.array([1 - p, p - h * a])
            new = np.array([1 - p, p - h * a]) - h * s * (y - np.array([0.0, 1.0]))
        else:
            new = np.array([1 - h * s, h * s - h * a])
        kept = np.array([new, [0.0, 1.0]])
        fresh = np.array([new, new if extragradient else [1.0, 0.0]])
        steps += [(p / 3, fresh), ((1 - p) / 3, kept)]
    operator = sum(chance * np.kron(step, step) for chance, step in steps)
    radius = np.abs(np.linalg.eigvals(operator)).max()
    assert radius <= proved.rate < 1
    moments, bound = np.ones(4), proved.constant
    for _ in range(200):
        moments, bound = operator @ moments, bound * proved.rate
        assert moments[0] <= bound


@pytest.mark.full
@pytest.mark.parametrize("extragradient", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
def test_runs_converge_linearly_and_as_proved(extragradient, batch, key):
    matrices, offsets, constants, solution = linear_components(3)
    field, p = as_field(matrices, offsets), 1 / N
    proved = certify.variance_reduced_rate(
        **constants, probability=p, batch=batch, extragradient=extragradient
    )
    make = dg.VarianceReducedExtragradient if extragradient else dg.VarianceReduced

    @eqx.filter_jit
    @eqx.filter_vmap(in_axes=(0, None))
    def squares(key, h):
        method = make(h, key, p, batch)
        start = ((jnp.zeros(D),), method.init(field, (jnp.zeros(D),)))

        def some(carry, _):
            carry = jax.lax.fori_loop(0, 50, lambda _, c: method.step(field, *c), carry)
            return carry, jnp.sum((carry[0][0] - solution) ** 2)

        return jax.lax.scan(some, start, length=60)[1]

    found = np.asarray(squares(jax.random.split(key, 200), proved.step_size))
    k = 50 * np.arange(1, 61)
    bound = proved.constant * proved.rate**k * np.sum(solution**2)
    assert (found.mean(0)[:30] <= bound[:30]).all()  # later means are of rare runs
    assert (np.median(found, 0) <= bound).all()
    # The proof is for the worst game: it is at most a few times too slow.
    observed = (np.median(found[:, -1]) / np.sum(solution**2)) ** (1 / 3000)
    assert observed <= proved.rate


@pytest.mark.full
def test_linear_to_machine_precision(key):
    matrices, offsets, constants, solution = linear_components(3)
    field = as_field(matrices, offsets)
    seldom = dg.Stepwise(lambda step: None, mean=None, every=200)
    for make, extragradient in (
        (dg.VarianceReduced, False),
        (dg.VarianceReducedExtragradient, True),
    ):
        proved = certify.variance_reduced_rate(
            **constants, probability=1 / N, extragradient=extragradient
        )
        method = make(4 * proved.step_size if not extragradient else proved.step_size, key)
        run = dg.solve(field, method, (jnp.zeros(D),), seldom, tol=1e-13, max_steps=40_000)
        assert np.abs(run.strategy[0] - solution).max() < 1e-12


def test_batches_help_and_all_data_are_no_noise():
    rates = [
        certify.variance_reduced_rate(0.2, 1.0, 2.0, 0.5, batch=b, size=16).rate
        for b in (1, 4, 15, 16)
    ]
    assert rates[0] > rates[1] > rates[2] > rates[3]
    assert rates[3] == pytest.approx(1 - 0.2**2, rel=1e-3)  # gradient steps


def test_numbers_out_of_range():
    rate = certify.variance_reduced_rate
    with pytest.raises(ValueError, match="between 0 and 1"):
        rate(0.2, 1.0, 2.0)
    with pytest.raises(ValueError, match="below 1 for extragradient"):
        rate(0.2, 1.0, 2.0, 1.0, extragradient=True)
    with pytest.raises(ValueError, match="component_lipschitz is missing"):
        rate(0.2, 1.0, probability=0.1)
    with pytest.raises(ValueError, match="below the margin"):
        rate(0.2, 1.0, 0.1, 0.1)
    with pytest.raises(ValueError, match="no rate below 1"):
        rate(0.2, 1.0, 2.0, 0.1, step_size=0.5)
    with pytest.raises(ValueError, match="radius is a positive"):
        rate(0.2, 1.0, 2.0, 0.1).leaving(0.1, 0.0)
    assert rate(0.2, 1.0, 2.0, 0.1).leaving(1.0, 0.5) == 1.0

"""Proved rates: the known tight ones, other theorems, simulations, and a counterexample."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.steps.extragradient import squared_factor

pytestmark = pytest.mark.thin(3)

# Tight factors found elsewhere by performance estimation, at these steps; Lipschitz constant 1.
AT_STEPS = [
    (dg.Simultaneous(0.5), 2, 0.86603),
    (dg.Simultaneous(0.01), 100, 0.99995),
    (dg.Optimistic(0.525), 2, 0.81200),
    (dg.Optimistic(0.575), 5, 0.90487),
    (dg.Extragradient(0.6), 2, 0.81544),
    (dg.Extragradient(0.75), 5, 0.88831),
    (dg.Extragradient(0.85), 10, 0.93015),
    (dg.Extragradient(0.9), 20, 0.95920),
    (dg.Extragradient(0.95), 50, 0.98174),
    (dg.Extragradient(0.95), 100, 0.99063),
]
# The best over the step, on a grid of steps; so ours may be a little better, never worse.
BEST = [
    ("optimistic", dg.Optimistic(1.0), {10: 0.94743}),
    ("extragradient", dg.Extragradient(1.0), {10: 0.93015}),
    ("runge_kutta_4", dg.RungeKutta4(1.0), {2: 0.538, 10: 0.916, 100: 0.9952}),
]
NEGATIVE_MOMENTUM = {2: 0.75638, 100: 0.99938}


@pytest.mark.parametrize(("method", "kappa", "known"), AT_STEPS)
def test_known_rates(method, kappa, known):
    found = certify.rate(method, 1 / kappa, 1.0)
    assert found.verify()
    # The table's steps are rounded, and extragradient's best step is flat.
    assert found.rate == pytest.approx(known, abs=2e-5)
    assert found.constant >= 1 and found.stage_radius >= 1


@pytest.mark.parametrize(("name", "method", "known"), BEST)
def test_known_best_rates(name, method, known):
    for kappa, value in known.items():
        found = certify.best_rate_step(method, 1 / kappa, 1.0)
        assert value - 2e-3 <= found.rate <= value + 1e-4, (name, kappa)


def test_negative_momentum():
    for kappa, value in NEGATIVE_MOMENTUM.items():
        found = certify.best_rate_step(dg.Momentum(1.0, kappa**-0.5 - 1), 1 / kappa, 1.0)
        assert value - 2e-3 <= found.rate <= value + 1e-4, kappa
        assert found.verify()


def test_units_do_not_matter():
    plain = certify.rate(dg.Optimistic(0.5), 0.2, 1.0)
    scaled = certify.rate(dg.Optimistic(0.125), 0.8, 4.0)
    assert scaled.rate == pytest.approx(plain.rate, abs=1e-7)


# Largest steps that contract, times the Lipschitz constant.
PAIRWISE = {
    1.5: (1.333, 1.333, 1.662, 1.558, 0.823, 0.517),
    2: (1.0, 1.0, 1.247, 1.090, 0.556, 0.361),
    5: (0.4, 0.4, 0.500, 0.4054, 0.203, 0.135),
    10: (0.2, 0.2, 0.250, 0.2007, 0.100, 0.067),
    100: (0.02, 0.02, 0.025, 0.0200, 0.010, 0.0067),
}
NAMES = ("euler", "heun", "ssprk3", "rk4", "midpoint", "extragradient")


@pytest.mark.parametrize("kappa", PAIRWISE)
def test_largest_contracting_steps(kappa):
    for name, known in zip(NAMES, PAIRWISE[kappa], strict=True):
        method = certify.RungeKutta.named(name, 1.0)
        step = certify.largest_rate_step(method, 1 / kappa, 1.0, convergence="pairwise")
        assert step == pytest.approx(known, rel=1e-2, abs=6e-4), name
        if name == "euler":
            assert step < 2 / kappa


@pytest.mark.parametrize(
    ("kappa", "name", "known"),
    [
        (10, "extragradient", 0.98),
        (10, "heun", 0.98),
        (10, "ssprk3", 0.89),
        (10, "rk4", 1.44),
        (100, "extragradient", 0.95),
        (100, "rk4", 0.83),
        (100, "heun", 0.43),
    ],
)
def test_largest_steps_towards_the_equilibrium(kappa, name, known):
    """At least what a grid search found; 40 times Euler's step for Runge-Kutta at 100."""
    step = certify.largest_rate_step(certify.RungeKutta.named(name, 1.0), 1 / kappa, 1.0)
    assert known <= step <= 1.1 * known
    if (kappa, name) == (100, "rk4"):
        assert step >= 40 * 2 / kappa


def test_cocoercivity_helps():
    method = certify.RungeKutta.named("rk4", 1.0)
    assert certify.largest_rate_step(method, 0.01, 1.0, 1.0, "pairwise") == pytest.approx(2.0, 0.01)
    assert certify.best_rate_step(method, 0.01, 1.0, 1.0).rate == pytest.approx(0.9864, abs=1e-4)
    euler = certify.rate(dg.Simultaneous(1.0), 0.5, 1.0, 1.0)
    # A cocoercive field with these constants: the best known factor of one step.
    assert euler.rate < certify.rate(dg.Simultaneous(1.0), 0.5, 1.0).rate
    assert euler.verify()


@pytest.mark.parametrize("h", [0.2, 0.6, 0.9])
def test_extragradient_without_memory_is_the_theorem_of_certificates(h):
    """The closed form of the step rule "monotonicity" is the tight factor of one step."""
    method = certify.RungeKutta.named("extragradient", h)
    for a in (0.5, 0.1, 0.01):
        closed = float(squared_factor(Fraction(h), Fraction(a), Fraction(1))) ** 0.5
        assert certify.rate(method, a, 1.0).rate <= closed + 1e-7


@pytest.mark.parametrize(
    ("kappa", "known"), [(1.5, 2.35), (2, 3.20), (5, 4.73), (10, 5.24), (100, 5.70)]
)
def test_runge_kutta_is_refused_as_a_contraction(kappa, known):
    """At the step 2.5 / lipschitz."""
    found = certify.rate(dg.RungeKutta4(2.5), 1 / kappa, 1.0, convergence="pairwise")
    assert found.verify()
    assert found.rate == pytest.approx(known, abs=6e-3)


def test_runge_kutta_does_expand():
    """A field with margin 0.1 and Lipschitz constant 1 that one step at 2.5 expands by 5.24.

    `F(s, x) = (0.1 s, 0.1 x - w(s) S x)` with S the rotation by 90 degrees: the four stages see
    `s = 1000 (1, 0.875, 0.890625, 0.77734375)`, where w alternates between W and -W.
    """
    size, turn, reach = 1000.0, 0.9949, 1e-5
    low, high = 0.875 * size, 0.890625 * size

    def field(z, args=None):
        s, x = z
        w = turn * jnp.clip((2 * s - low - high) / (high - low), -1.0, 1.0)
        return 0.1 * s, 0.1 * x - w * jnp.array([-x[1], x[0]])

    # J = [[0.1, 0], [-w'(s) S x, 0.1 I - w S]] for |x| at most 4 reach, as at all stages.
    slope = 2 * turn / (high - low) * 4 * reach
    margin, lipschitz = 0.1 - slope / 2, (0.01 + turn**2) ** 0.5 + slope
    assert lipschitz <= 1 and margin > 0.09999
    method, values = dg.RungeKutta4(2.5), []
    for x in ([0.0, 0.0], [reach, 0.0]):
        start = (jnp.asarray(size), jnp.asarray(x))
        after, _ = method.step(dg.FunctionField(field), start, None)
        values.append(np.concatenate([[float(after[0])], np.asarray(after[1])]))
    factor = np.linalg.norm(values[1] - values[0]) / reach
    assert factor > 5.23
    proved = certify.rate(method, margin, 1.0, convergence="pairwise").rate
    assert factor <= proved < factor + 0.01


MU = 0.2
TRAJECTORIES = [
    dg.Simultaneous(0.2),
    dg.Extragradient(0.75),
    dg.Optimistic(0.575),
    dg.Optimistic(0.5, reflected=True),
    dg.Momentum(0.6, -0.5),
    dg.ComplexMomentum(0.6, -0.25 + 0.375j),
    dg.RungeKutta4(1.2),
]


def operators(count):
    """`a x + c clip(x, -t, t) + b S x`, with S a rotation by 90 degrees, for 2 x count values x.

    Strongly monotone with modulus a, and Lipschitz with `sqrt((a + c/2)^2 + b^2) + c/2 <= 1`.
    A third is linear and extreme: the circle of norm 1.
    """
    rng = np.random.default_rng(0)
    a = MU + (1 - MU) * rng.random(count) ** 3
    c = rng.random(count) * (1 - a) * (rng.random(count) < 0.5)
    b = np.sqrt(np.maximum((1 - c / 2) ** 2 - (a + c / 2) ** 2, 0)) * rng.uniform(-1, 1, count)
    extreme = rng.random(count) < 1 / 3
    angle = rng.uniform(0, np.arccos(MU), count)
    a, b = np.where(extreme, np.cos(angle), a), np.where(extreme, np.sin(angle), b)
    a[:2], b[:2] = MU, (1 - MU**2) ** 0.5
    a, b, c, t = map(jnp.asarray, (a, b, np.where(extreme, 0, c), rng.random(count)))
    c = c.at[:2].set(0.0)

    def field(z, args=None):
        x, y = z
        return (
            a * x + c * jnp.clip(x, -t, t) - b * y,
            a * y + c * jnp.clip(y, -t, t) + b * x,
        )

    starts = rng.normal(size=(2, count)) * rng.exponential(size=count)
    return dg.FunctionField(field), tuple(map(jnp.asarray, starts))


@pytest.mark.parametrize("method", TRAJECTORIES, ids=lambda m: dg.method_name(m))
def test_no_trajectory_is_slower(method):
    """Thirty steps on 2000 operators: |x_k| <= constant rate^k |x_0| and the stage radius."""
    proved = certify.rate(method, MU, 1.0)
    assert proved.rate < 1
    field, x = operators(2000)
    state, first = method.init(field, x), np.hypot(*map(np.asarray, x))
    step = jax.jit(lambda x, state: method.step(field, x, state))
    before = now = first
    for k in range(1, 31):
        before = np.hypot(*map(np.asarray, x))
        x, state = step(x, state)
        now = np.hypot(*map(np.asarray, x))
        assert (now <= proved.constant * proved.rate**k * first * (1 + 1e-12)).all()
        if proved.constant == 1:
            assert (now <= proved.rate * before * (1 + 1e-12)).all()
    if isinstance(method, dg.Simultaneous):  # the extreme rotation attains it
        assert (now / before).max() == pytest.approx(proved.rate, abs=1e-6)


def test_no_pair_of_trajectories_separates():
    """Ten thousand pairs, one step each."""
    for name in ("euler", "heun"):
        proved = certify.rate(certify.RungeKutta.named(name, 0.3), MU, 1.0, None, "pairwise")
        assert proved.constant == 1 and proved.rate < 1
    proved = certify.rate(dg.RungeKutta4(0.4), MU, 1.0, convergence="pairwise")
    field, x = operators(10_000)
    y = tuple(jnp.asarray(np.random.default_rng(1).normal(size=10_000)) for _ in range(2))
    step = jax.jit(lambda x: dg.RungeKutta4(0.4).step(field, x, None)[0])
    before = np.hypot(*(np.asarray(a - b) for a, b in zip(x, y, strict=True)))
    after = np.hypot(*(np.asarray(a - b) for a, b in zip(step(x), step(y), strict=True)))
    assert (after <= proved.rate * before * (1 + 1e-12)).all()


def test_false_rates_do_not_verify():
    proved = certify.rate(dg.Optimistic(0.5), MU, 1.0)
    assert proved.verify()
    assert not proved._replace(rate=proved.rate * (1 - 1e-6)).verify()
    assert not proved._replace(constant=proved.constant * (1 - 1e-6)).verify()
    assert not proved._replace(stage_radius=proved.stage_radius * (1 - 1e-6)).verify()
    assert not proved._replace(method=dg.Optimistic(0.6)).verify()
    assert not proved._replace(margin=0.19).verify()
    assert not proved._replace(lyapunov=-proved.lyapunov).verify()
    assert not proved._replace(proof=proved.proof[:-1]).verify()
    assert not proved._replace(convergence="pairwise").verify()
    first, *rest = proved.proof
    for k in range(len(first.multipliers)):
        changed = list(first.multipliers)
        changed[k] = -changed[k] - 1
        bound = first._replace(multipliers=tuple(changed))
        assert not proved._replace(proof=(bound, *rest)).verify()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0), "margin"),
        ((2.0, 1.0), "margin"),
        ((0.5, 1.0, 0.25), "cocoercivity"),
    ],
)
def test_impossible_constants_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        certify.rate(dg.Simultaneous(0.1), *arguments)

"""Lyapunov exponents: published values, linear maps, dense oracles, and memory."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

import dgames as dg
from benchmarks import lyapunov_memory
from dgames import games
from dgames.diagnose import exponent_objective, gradient_growth, lyapunov_exponents
from dgames.diagnose.run_derivative import RunDerivative

VARIANTS = ("lower", "maximum", "upper")
PENNIES, DILEMMA, MIXED = (1.0, 0.0), (0.0, 1.0), (0.25, 0.75)
SADDLE = (0.41790334, 0.41790334)


# Quick to compile, and far from symmetric.
CHASE = dg.game(
    lambda x, args: (x[0] ** 2 - jnp.sin(x[0]) * x[1], x[1] ** 2 / 4 + jnp.sin(2 * x[0]) * x[1])
)


def game_of(weights):
    """Matching pennies and the iterated prisoners' dilemma, compiled once for all weights."""
    return games.Mixture((games.LogitPennies(), games.SmallIteratedPrisonersDilemma()), weights)


def exponents(weights, x, method, variant, steps=10, **options):
    game = game_of(weights)
    return lyapunov_exponents(game, method, x, steps=steps, count=2, variant=variant, **options)


# --- published values ------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_matching_pennies_at_its_equilibrium(variant):
    for step_size in (1.0, 5.0):
        found = exponents(PENNIES, (0.0, 0.0), dg.Simultaneous(step_size), variant)
        assert np.allclose(found, math.log(1 + step_size**2 / 16), atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "x", "step_size", "upper", "maximum"),
    [
        (PENNIES, (1.0, -1.0), 1.0, 0.147444, 0.115050),
        (PENNIES, (1.0, -1.0), 5.0, 0.787198, 0.123447),
        (DILEMMA, (0.0, 0.0), 1.0, 0.043762, 0.043762),
        (DILEMMA, (0.0, 0.0), 5.0, 0.113533, 0.113533),
        (DILEMMA, (1.0, -1.0), 5.0, 0.162107, 0.159375),
        (MIXED, (1.0, -1.0), 5.0, 0.401278, 0.230022),
        (DILEMMA, SADDLE, 1.0, 0.0769993, 0.0769993),
        (DILEMMA, SADDLE, 5.0, 0.3583865, 0.3583865),
    ],
)
def test_games_of_generalised_ridge_rider(weights, x, step_size, upper, maximum):
    method = dg.Simultaneous(step_size)
    found = [float(exponents(weights, x, method, variant)[0]) for variant in VARIANTS]
    assert found[1:] == pytest.approx([maximum, upper], abs=6e-7)
    assert sorted(found) == pytest.approx(found, abs=1e-12)


# --- definitions, against dense matrices -----------------------------------------------------


def jacobians(game, method, x, steps):
    """Jacobians of the augmented step along a run."""
    jacobian = eqx.filter_jit(dg.step_jacobian)
    field = dg.pseudo_gradient(game)
    x = dg.as_strategy(x)
    state, found = method.init(field, x), []
    for _ in range(steps):
        found.append(np.asarray(jacobian(game, method, x, None, state)))
        x, state = method.step(field, x, state)
    return found


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    "method", [dg.Simultaneous(3.0), dg.Optimistic(1.0), dg.Momentum(1.0, 0.5)]
)
def test_definitions(method):
    x, steps = (1.0, -0.5), 10
    each = jacobians(game_of(MIXED), method, x, steps)
    product = np.linalg.multi_dot(each[::-1])
    logs = 2 * np.log([np.linalg.svd(J, compute_uv=False)[:2] for J in each])
    assert np.allclose(exponents(MIXED, x, method, "upper"), logs.mean(0), atol=1e-12)
    maximum = 2 * np.log(np.linalg.svd(product, compute_uv=False)[:2]) / steps
    assert np.allclose(exponents(MIXED, x, method, "maximum"), maximum, atol=1e-9)
    textbook = exponents(MIXED, x, method, "maximum", squared=False)
    assert np.allclose(textbook, maximum / 2, atol=1e-9)
    _, triangle = np.linalg.qr(product @ np.linalg.svd(each[0])[2][:2].T)
    lower = 2 * np.log(np.abs(np.diag(triangle))) / steps
    assert np.allclose(exponents(MIXED, x, method, "lower"), lower, atol=1e-9)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3))
def test_variants_are_ordered(seed):
    """For the sums of the first exponents, of games drawn at random far from linear."""
    keys = jax.random.split(jax.random.key(seed), 2)
    weights = jax.random.normal(keys[0], (2, 2, 4))
    game = dg.game(lambda x, args: tuple(jnp.sum(jnp.sin(W @ jnp.concatenate(x))) for W in weights))
    x = jax.random.normal(keys[1], (2, 2))
    lower, maximum, upper = (
        np.cumsum(
            lyapunov_exponents(
                game, dg.Simultaneous(0.5), tuple(x), steps=7, count=4, variant=variant
            )
        )
        for variant in VARIANTS
    )
    assert (lower <= maximum + 1e-9).all() and (maximum <= upper + 1e-9).all()
    assert lower[0] < maximum[0] < upper[0]
    # All directions together span everything: their volume grows in one way only.
    assert np.allclose((lower[-1], maximum[-1]), upper[-1], atol=1e-9)


@pytest.mark.thin(2)
@pytest.mark.parametrize("method", [dg.Simultaneous(0.2), dg.Optimistic(0.2)])
def test_exponents_of_linear_maps_are_logarithms_of_eigenvalue_moduli(method):
    """By QR; what the first steps add falls out of the difference of two times."""
    matrix = jnp.array([[1.0, 2.0, 0.0], [-2.0, 0.5, 0.3], [0.1, 0.0, -1.0]])

    def force(x, args):
        value = matrix @ jnp.concatenate(x)
        return value[:2], value[2:]

    field, x = dg.FunctionField(force), (jnp.array([0.3, -0.2]), jnp.array([0.1]))
    step = np.asarray(dg.step_jacobian(field, method, x))
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(step))))[::-1]

    def growth(steps):
        return steps * lyapunov_exponents(
            field, method, x, steps=steps, count=len(step), variant="lower", squared=False
        )

    found = np.cumsum((growth(400) - growth(300)) / 100)
    # The directions of a complex pair turn for ever: only the sum of its two exponents settles.
    gaps = np.flatnonzero(np.append(expected[:-1] - expected[1:], 1.0) > 1e-3)
    assert len(gaps) >= 2
    assert np.allclose(found[gaps], np.cumsum(expected)[gaps], atol=1e-9)


# --- directions, derivatives -----------------------------------------------------------------


def test_directions_are_right_singular_vectors():
    """And not left ones: the product is not symmetric."""
    method, x = dg.Simultaneous(0.7), dg.as_strategy((1.0, -0.5))
    product = np.linalg.multi_dot(jacobians(CHASE, method, x, 6)[::-1])
    left, _, right = np.linalg.svd(product)

    @jax.jit
    def directions():
        run = RunDerivative(dg.pseudo_gradient(CHASE), method, x, None, None, 6)
        return run.directions(2, 9)[:, 0], run.directions_of_start(2, 9)[0][:, 0]

    found, of_start = directions()
    assert abs(found @ right[0]) == pytest.approx(1, abs=1e-12)
    assert abs(found @ left[:, 0]) < 0.9
    assert np.allclose(of_start, found)


@pytest.mark.thin(2)
@pytest.mark.parametrize("variant", ["maximum", "upper"])
def test_derivative_along_the_start(variant):
    def exponent(x, step_size=0.7):
        method = dg.Simultaneous(step_size)
        return lyapunov_exponents(CHASE, method, x, steps=5, variant=variant)[0]

    x, h = (jnp.array(1.0), jnp.array(-0.5)), 1e-5
    slope, along_step = jax.grad(exponent, (0, 1))(x, 0.7)
    by_differences = [
        (exponent((x[0] + a, x[1] + b)) - exponent((x[0] - a, x[1] - b))) / (2 * h)
        for a, b in ((h, 0.0), (0.0, h))
    ]
    assert np.allclose(slope, by_differences, rtol=1e-6)
    difference = (exponent(x, 0.7 + h) - exponent(x, 0.7 - h)) / (2 * h)
    assert np.isclose(along_step, difference, rtol=1e-6)


def test_objectives():
    exponents = jnp.array([0.5, -0.25, 0.125])
    found = [float(exponent_objective(exponents, kind)) for kind in ("sum", "minimum", "entropy")]
    assert found == [0.375, -0.25, 0.625]


def test_lost_directions_and_long_runs():
    """A step onto the solution loses everything; one that overflows alone does not."""
    game = dg.game(lambda x, args: (x[0] ** 2 / 2, -2 * x[1] ** 2))
    found = lyapunov_exponents(game, dg.Simultaneous(1.0), (1.0, 0.0), steps=3, count=2)
    assert np.allclose(found, [2 * math.log(5), -np.inf])
    single = (jnp.float32(1.0), jnp.float32(0.0))  # 5^2000 is no number, not even squared once
    found = lyapunov_exponents(game, dg.Simultaneous(1.0), single, steps=2000)
    assert found.dtype == jnp.float32 and np.isclose(found[0], 2 * math.log(5), rtol=1e-5)


# --- large games -----------------------------------------------------------------------------


def large(size):
    """A game whose players meet coordinate by coordinate, with one pair that is far apart."""
    strength = jnp.linspace(0.5, 1.0, size // 2).at[3].set(3.0)

    def costs(x, args):
        meeting = jnp.sum(strength * jnp.sin(x[0]) * x[1])
        return meeting + jnp.sum(x[0] ** 2) / 4, -meeting + jnp.sum(x[1] ** 2) / 4

    return dg.game(costs), (jnp.full(size // 2, 0.2), jnp.full(size // 2, -0.1))


@pytest.mark.thin(3)
@pytest.mark.parametrize("variant", ["maximum", "upper", "lower"])
def test_products_with_vectors_agree_with_dense_matrices(variant):
    game, x = large(120)
    method, steps = dg.Simultaneous(0.5), 4
    found = lyapunov_exponents(game, method, x, steps=steps, count=2, variant=variant)
    each = jacobians(game, method, x, steps)
    if variant == "upper":
        logs = np.log([np.linalg.svd(J, compute_uv=False)[:2] for J in each])
        expected = 2 * logs.mean(0)
    else:
        product = np.linalg.multi_dot(each[::-1])
        if variant == "lower":
            product = np.linalg.qr(product @ np.linalg.svd(each[0])[2][:2].T)[1]
            expected = 2 * np.log(np.abs(np.diag(product))) / steps
        else:
            expected = 2 * np.log(np.linalg.svd(product, compute_uv=False)[:2]) / steps
    assert np.allclose(found, expected, atol=1e-6 if variant == "lower" else 1e-10)


def largest(jaxpr):
    """The number of elements of the largest array in a program and all that it calls."""
    sizes = [0]
    for equation in jaxpr.eqns:
        sizes += [math.prod(getattr(out.aval, "shape", ())) for out in equation.outvars]
        sizes += [largest(inner) for inner in jaxprs_in_params(equation.params)]
    return max(sizes)


@pytest.mark.thin(3)
@pytest.mark.parametrize("variant", ["maximum", "upper", "lower"])
def test_a_million_coordinates_take_a_few_vectors(variant):
    """In the whole program, derivatives included, no array is larger than ten vectors."""
    size, steps = 1_000_000, 5
    game, x = large(size)
    method = dg.Simultaneous(0.5)

    def exponent(x):
        return lyapunov_exponents(game, method, x, steps=steps, variant=variant)[0]

    program = eqx.filter_make_jaxpr(jax.value_and_grad(exponent))(x)[0]
    assert size <= largest(program.jaxpr) <= 10 * size


@pytest.mark.full
def test_a_million_coordinates_fit_in_little_memory():
    """Measured: a process peaks less than a hundred vectors above one with a small game."""
    small, large = lyapunov_memory.measured(1000), lyapunov_memory.measured(1_000_000)
    assert 0 < large["peak"] - small["peak"] < 100 * 8 * 1_000_000
    assert large["exponent"] == pytest.approx(small["exponent"], abs=1e-9)


# --- gradients through many steps ------------------------------------------------------------


def test_gradients_explode_where_the_exponent_is_positive():
    """The logistic map at r = 4 has the exponent log 2, at r = 3.2 a stable cycle."""

    logistic = dg.FunctionField(lambda x, r: (x[0] - r * x[0] * (1 - x[0]),))
    chaos, cycle = (
        gradient_growth(logistic, dg.Simultaneous(1.0), (0.3,), jnp.array(r), steps=2000)
        for r in (4.0, 3.2)
    )
    assert float(chaos.exponent) == pytest.approx(math.log(2), abs=0.02)
    assert float(chaos.late_exponent) == pytest.approx(math.log(2), abs=0.03) and chaos.explodes
    # The multiplier of the cycle of two is `4 + 2 r - r^2 = 0.16`.
    assert float(cycle.late_exponent) == pytest.approx(math.log(0.16) / 2, abs=1e-6)
    assert not cycle.explodes


@pytest.mark.full
def test_gradient_growth_is_the_norm_of_the_gradient():
    """The state of the method follows the start, as in a run that is differentiated."""
    method, x, steps = dg.Optimistic(1.0), jnp.array([1.0, -0.5]), 6
    field = dg.pseudo_gradient(game_of(MIXED))

    def end(x, steps):
        x = (x[0], x[1])
        state = method.init(field, x)
        for _ in range(steps):
            x, state = method.step(field, x, state)
        return jnp.stack(x)

    growth = gradient_growth(game_of(MIXED), method, (1.0, -0.5), steps=steps)
    derivative = jax.jacfwd(end)(x, steps)
    _, stretches, rows = np.linalg.svd(derivative)
    assert np.isclose(growth.exponent, np.log(stretches[0]) / steps, atol=1e-12)
    middle = np.linalg.norm(jax.jacfwd(end)(x, 3) @ rows[0])
    assert np.isclose(growth.log_norms[3], np.log(middle), atol=1e-12)
    assert growth.log_norms.shape == (steps + 1,) and abs(float(growth.log_norms[0])) < 1e-12


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps must be a whole number"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"count": 3}, "2 coordinates have as many"),
        ({"variant": "best"}, "'maximum', 'lower' or 'upper'"),
    ],
)
def test_malformed_options(options, words):
    expected = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(expected, match=f"{words}|Type-check error"):
        lyapunov_exponents(
            game_of(PENNIES), dg.Simultaneous(1.0), (0.0, 0.0), **{"steps": 3, **options}
        )

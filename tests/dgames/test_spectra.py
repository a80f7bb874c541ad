"""Published and derived numbers of the methods, through their one-step Jacobians.

`BIL` is the game `x y`; a quoted "best" value is the minimum of the spectral radius.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import dgames as dg

pytestmark = pytest.mark.thin(3)

BIL = dg.zero_sum(lambda x, args: x[0] * x[1])
ORIGIN = (jnp.array(0.0), jnp.array(0.0))
TURN = np.exp(1j * np.pi / 8)


@functools.cache
def matrices(make):
    """Jitted batches of one-step matrices of `make(*parameters)` on BIL."""
    return jax.jit(jax.vmap(lambda *p: dg.step_jacobian(BIL, make(*p), ORIGIN)))


def radii(make, *parameters):
    batches = np.broadcast_arrays(*parameters)
    batch = matrices(make)(*(jnp.asarray(p).ravel() for p in batches))
    values = np.abs(np.linalg.eigvals(np.asarray(batch))).max(-1)
    return values.reshape(batches[0].shape)


def radius(make, *parameters):
    return float(radii(make, *parameters))


def reflected(h):
    return dg.Optimistic(h, reflected=True)


def complex_simultaneous(h, b):
    return dg.ComplexMomentum(h, b)


def complex_alternating(h, b):
    return dg.ComplexMomentum(h, b, alternating=True)


def best(make, start, *rest):
    """Minimises the radius over `make(h, |b| exp(i arg b))`, the argument possibly given."""

    def objective(p):
        argument = rest[0] if rest else p[2]
        return radius(make, p[0], p[1] * np.exp(1j * argument))

    options = dict(xatol=1e-9, fatol=1e-12)
    for _ in range(3):  # the radius has kinks: restart where the simplex collapsed
        start = minimize(objective, start, method="Nelder-Mead", options=options).x
    return objective(start)


def distance(found, expected):
    """Hausdorff distance of two sets of complex numbers."""
    distances = np.abs(found[:, None] - expected[None, :])
    return max(distances.min(0).max(), distances.min(1).max())


STEPS = np.array([0.05, 0.3, 0.5, 0.7, 1.0, 1.5, 1.9])


def test_simultaneous():
    assert np.allclose(radii(dg.Simultaneous, STEPS), np.sqrt(1 + STEPS**2), atol=1e-14)


def test_alternating_is_bounded_below_two():
    assert np.allclose(radii(dg.Alternating, STEPS), 1, atol=1e-14)
    assert radius(dg.Alternating, 2.1) > 1.5


def test_alternating_is_defective_at_two():
    matrix = np.asarray(dg.step_jacobian(BIL, dg.Alternating(2.0), ORIGIN))
    nilpotent = matrix + np.eye(2)
    assert np.linalg.norm(nilpotent) > 1 and np.allclose(nilpotent @ nilpotent, 0)
    # Hence linear growth: (-1)^k (I - k N).
    tenth = np.linalg.matrix_power(matrix, 10)
    assert np.allclose(tenth, np.eye(2) - 10 * nilpotent)


def test_extragradient():
    assert np.allclose(radii(dg.Extragradient, STEPS), np.sqrt(1 - STEPS**2 + STEPS**4), atol=1e-14)
    assert np.isclose(radius(dg.Extragradient, 0.5), 0.9013878, atol=5e-8)
    grid = np.linspace(0.01, 1, 2001)
    values = radii(dg.Extragradient, grid)
    assert np.isclose(values.min(), np.sqrt(3) / 2, atol=1e-6)
    assert np.isclose(grid[values.argmin()], 1 / np.sqrt(2), atol=1e-3)


@pytest.mark.parametrize("make", [dg.Optimistic, reflected])
def test_optimistic(make):
    expected = [np.abs(np.roots([1, -(1 - 2j * h), -1j * h])).max() for h in STEPS]
    found = radii(make, STEPS)
    assert np.allclose(found, expected, atol=1e-7)  # the double root costs half the digits
    assert np.isclose(radius(make, 0.5), 1 / np.sqrt(2), atol=1e-7)
    eigenvalues = np.linalg.eigvals(np.asarray(dg.step_jacobian(BIL, make(0.5), ORIGIN)))
    assert distance(eigenvalues, np.array([1 - 1j, 1 + 1j]) / 2) < 1e-6
    grid = np.linspace(0.4, 0.6, 401)
    assert np.isclose(grid[radii(make, grid).argmin()], 0.5, atol=1e-3)


def test_runge_kutta():
    """`|R(-i h)|` for the stability functions: the exponential series, cut off."""
    expected = {
        dg.Heun: np.sqrt(1 + STEPS**4 / 4),
        dg.SSPRK3: np.sqrt(1 - STEPS**4 / 12 + STEPS**6 / 36),
        dg.RungeKutta4: np.sqrt(1 - STEPS**6 / 72 + STEPS**8 / 576),
    }
    for make, values in expected.items():
        assert np.allclose(radii(make, STEPS), values, atol=1e-14), make


ALPHAS = np.array([0.001, 0.01, 0.02, 0.05, 0.1])
TABLE = {
    complex_simultaneous: [0.999995, 0.999455, 0.997803, 0.985690, 1.052984],
    complex_alternating: [0.999994, 0.999390, 0.997552, 0.984567, 1.050928],
}


@pytest.mark.parametrize("make, expected", TABLE.items(), ids=["simultaneous", "alternating"])
def test_complex_momentum_table(make, expected):
    assert np.allclose(radii(make, ALPHAS, 0.9 * TURN), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make, step, rate, limit",
    [
        (complex_simultaneous, 0.0601, 0.97900, 0.0721),
        (complex_alternating, 0.0589, 0.97860, 0.0715),
    ],
    ids=["simultaneous", "alternating"],
)
def test_complex_momentum_best_step_and_stability_limit(make, step, rate, limit):
    grid = np.linspace(0.05, 0.07, 2001)
    values = radii(make, grid, 0.9 * TURN)
    assert np.isclose(values.min(), rate, rtol=0, atol=1e-5)
    assert np.isclose(grid[values.argmin()], step, rtol=0, atol=1e-4)
    assert radius(make, limit - 2e-4, 0.9 * TURN) < 1 < radius(make, limit + 2e-4, 0.9 * TURN)


@pytest.mark.parametrize(
    "argument, start, rate",
    [
        (1 / 16, (0.02780036, 0.8872734), 0.963799),
        (1 / 8, (0.09585054, 0.8058747), 0.935381),
        (7 / 8, (1.8584338, 0.9339129), 0.995674),
        (15 / 16, (1.9622945, 0.9814962), 0.999658),
    ],
)
def test_complex_momentum_best_at_given_arguments(argument, start, rate):
    """The minimum over step and modulus: attained nearby, and nothing on a grid is below it."""
    assert rate - 1e-6 <= best(complex_simultaneous, start, np.pi * argument) <= rate + 1e-5
    steps, moduli = np.meshgrid(np.geomspace(1e-3, 3, 60), np.linspace(0.02, 0.998, 60))
    values = radii(complex_simultaneous, steps, moduli * np.exp(1j * np.pi * argument))
    assert values.min() >= rate - 1e-6


def test_complex_momentum_overall_optimum():
    start = (0.5535384, 0.6678677, 0.3727011 * np.pi)
    assert 0.888193 <= best(complex_simultaneous, start) <= 0.888199
    steps, moduli, arguments = np.meshgrid(
        np.linspace(0.4, 0.7, 15), np.linspace(0.5, 0.8, 15), np.linspace(0.9, 1.5, 15)
    )
    values = radii(complex_simultaneous, steps, moduli * np.exp(1j * arguments))
    assert values.min() >= 0.888193


def test_alternating_complex_momentum_goes_far_lower():
    """With small, nearly real negative momentum; six eigenvalues nearly meet, so digits matter."""
    b = 0.09734412146187382 * np.exp(1.1606957813817897j * np.pi)
    assert np.isclose(radius(complex_alternating, 1.781008331662968, b), 0.34145, atol=1e-4)


def test_real_momentum_never_converges():
    steps, momenta = np.meshgrid(np.linspace(1e-3, 3, 200), np.linspace(-0.995, 0.995, 120))
    values = radii(dg.Momentum, steps, momenta)
    assert values.shape == (120, 200) and (values > 1).all()
    lowest = np.unravel_index(values.argmin(), values.shape)
    assert (steps[lowest], momenta[lowest]) == (1e-3, -0.995)
    assert np.isclose(values.min() - 1, 3.2e-10, rtol=0, atol=1e-11)


@pytest.mark.full
@pytest.mark.parametrize("h, b", [(0.05, 0.9 * TURN), (0.3, -0.2 + 0.5j), (1.0, 0.3 + 0j)])
def test_complex_momentum_eigenvalues_are_the_roots_of_a_cubic(h, b, key):
    """`(z - 1)(z^2 - 2 Re(b) z + |b|^2) + h nu z (z - Re b)` for each eigenvalue `nu` of `J`."""
    J = np.asarray(jax.random.normal(key, (5, 5)))
    split = {"a": jnp.zeros(2), "b": jnp.zeros(3)}

    def field(x, args):
        y = jnp.asarray(J) @ jnp.concatenate([x["a"], x["b"]])
        return {"a": y[:2], "b": y[2:]}

    found = np.linalg.eigvals(np.asarray(dg.step_jacobian(field, dg.ComplexMomentum(h, b), split)))
    cubics = [
        np.polyadd(
            np.polymul([1, -1], [1, -2 * b.real, abs(b) ** 2]), [h * nu, -h * nu * b.real, 0]
        )
        for nu in np.linalg.eigvals(J)
    ]
    roots = np.concatenate([np.roots(cubic) for cubic in cubics])
    assert found.shape == roots.shape == (15,)
    assert distance(found, roots) < 1e-12


@pytest.mark.parametrize(
    "make, kappa, evaluations",
    [
        (dg.Optimistic, 1, 40),
        (dg.Extragradient, 1, 192),
        (dg.Extragradient, 3, 586),
        (dg.Optimistic, 3, 724),
        (dg.Extragradient, 10, 5.6e3),
        (dg.Optimistic, 10, 8.3e3),
    ],
)
def test_evaluations_to_six_digits_on_spread_singular_values(make, kappa, evaluations):
    """Best-tuned: `log(1e-6) / log(rate)` steps, the rate of the worst of the singular values."""
    sigma = jnp.linspace(1 / kappa, 1, 5)
    game = dg.zero_sum(lambda x, args: jnp.sum(sigma * x[0] * x[1]))
    zero = (jnp.zeros(5), jnp.zeros(5))
    steps = jnp.linspace(0.3, 1.1, 801)
    batch = jax.jit(jax.vmap(lambda h: dg.step_jacobian(game, make(h), zero)))(steps)
    rate = np.abs(np.linalg.eigvals(np.asarray(batch))).max(-1).min()
    each = 2 if make is dg.Extragradient else 1
    count = each * np.log(1e-6) / np.log(rate)
    assert np.isclose(count, evaluations, rtol=1e-2, atol=0.5)


# The Dirac-GAN: log-likelihood ratio `-log(1 + exp(-psi theta))`, start (1, 1), until |z| < 1e-4.

DIRAC = dg.pseudo_gradient(dg.zero_sum(lambda x, args: -jax.nn.softplus(-x[0] * x[1])))


@functools.cache
def counter(evaluations, at_start):
    @jax.jit
    def count(method, budget):
        x = (jnp.array(1.0), jnp.array(1.0))

        def running(carry):
            x, _, steps = carry
            return (x[0] ** 2 + x[1] ** 2 >= 1e-8) & (steps < budget)

        def body(carry):
            x, state, steps = carry
            x, state = method.step(DIRAC, x, state)
            return x, state, steps + 1

        carry = (x, method.init(DIRAC, x), 0)
        return at_start + evaluations * jax.lax.while_loop(running, body, carry)[2]

    return lambda method, budget: int(count(method, budget))


@pytest.mark.parametrize(
    "alternating, counts",
    [
        (False, {0.01: 70_443, 0.03: 7_787, 0.06: 1_915, 0.1: 665, 0.12: 450}),
        (True, {0.01: 62_870, 0.03: 6_970, 0.06: 1_728, 0.1: 616, 0.12: 420}),
    ],
)
def test_dirac_gan_complex_momentum(alternating, counts):
    for h, expected in counts.items():
        method = dg.ComplexMomentum(h, 0.9 * TURN, alternating)
        assert counter(1, 0)(method, 100_000) == expected


def test_dirac_gan_extragradient():
    for h, expected in {0.3: 1_728, 1.0: 188, 1.3: 146}.items():
        assert counter(2, 0)(dg.Extragradient(h), 100_000) == expected


def test_dirac_gan_optimistic():
    """The reflected form; the extrapolating one is two evaluations ahead of it."""
    for h, expected in {0.3: 827, 0.6: 187, 1.0: 53}.items():
        assert counter(1, 0)(reflected(h), 100_000) == expected
    for h, expected in {0.3: 825, 0.6: 185}.items():
        assert counter(1, 0)(dg.Optimistic(h), 100_000) == expected


def test_dirac_gan_defeats_real_momentum():
    for method in (dg.Momentum(0.03, 0.9), dg.Momentum(0.03, -0.9), dg.Simultaneous(0.1)):
        assert counter(1, 0)(method, 20_000) == 20_000

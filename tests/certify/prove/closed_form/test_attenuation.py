"""Open-loop control against disturbances: dense Jacobians, exact recursions, and long horizons."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.prove.closed_form.quadratic_sums import largest_proved, positive, proves_nonnegative
from dgames.games import Attenuation

A = np.array([[1.0, 0.125], [-0.25, 0.75]])
B, D = np.array([[0.0], [1.0]]), np.array([[0.5, 0.0], [0.25, 0.5]])
Q, R, LAST = np.diag([1.0, 0.0]), np.array([[0.5]]), np.diag([2.0, 1.0])


def attenuation(horizon, gamma=12.0, **options):
    return Attenuation(A, B, D, Q, R, gamma, horizon, [1.0, -2.0], P=LAST, **options)


def dense(game):
    force, (flat, unravel) = dg.pseudo_gradient(game), dg.ravel(game.start())
    return np.asarray(jax.jacobian(lambda z: dg.ravel(force(unravel(z)))[0])(flat))


@pytest.mark.parametrize(
    "horizon", [9, *(pytest.param(T, marks=pytest.mark.full) for T in (1, 40))]
)
def test_the_margin_is_that_of_the_dense_jacobian(horizon):
    game = attenuation(horizon)
    proof = certify.certify_closed_form(game)
    jacobian = dense(game)
    true = np.linalg.eigvalsh(jacobian + jacobian.T)[0] / 2
    assert true * (1 - 1e-8) <= proof.margin <= true * (1 + 1e-13)
    norm = np.linalg.norm(jacobian, 2)
    assert norm <= proof.lipschitz <= 1.5 * norm
    solution = np.linalg.solve(jacobian, -dg.ravel(dg.pseudo_gradient(game)(game.start()))[0])
    away = np.linalg.norm(np.asarray(dg.ravel(proof.equilibrium.center)[0]) - solution)
    assert away <= proof.equilibrium.radius + 1e-12 and proof.equilibrium.radius < 1e-10


def test_the_threshold_is_that_of_the_exact_recursion_and_of_dense_matrices():
    """`level I - D_c' Q D_c > 0`, decided in rationals from the last time to the first."""

    def exactly(level, horizon):
        a, d, q, P = ([[Fraction(x) for x in row] for row in m] for m in (A, D, Q, LAST))
        for _ in range(horizon):
            pivot = plus(scale(level, identity(2)), scale(-1, sandwich(d, P)))
            if not (pivot[0][0] > 0 and determinant(pivot) > 0):
                return False
            cross = times(transposed(d), times(P, a))
            P = plus(q, sandwich(a, P))
            P = plus(P, times(transposed(cross), times(inverse(pivot), cross)))
        return True

    horizon = 6
    jacobian = dense(attenuation(horizon))
    true = 144 - np.linalg.eigvalsh(jacobian[horizon:, horizon:])[0]
    for level, holds in ((true * (1 + 1e-9), True), (true * (1 - 1e-9), False)):
        assert exactly(Fraction(level), horizon) == holds
    for level, holds in ((true * (1 + 1e-7), True), (true * (1 - 1e-12), False)):
        assert proves_nonnegative(A, D, -Q, level * np.eye(2), -LAST, horizon) == holds


def identity(n):
    return [[Fraction(i == j) for j in range(n)] for i in range(n)]


def transposed(m):
    return [list(column) for column in zip(*m, strict=True)]


def times(a, b):
    return [
        [sum(x * y for x, y in zip(row, col, strict=True)) for col in transposed(b)] for row in a
    ]


def plus(a, b):
    return [[x + y for x, y in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def scale(c, a):
    return [[c * x for x in row] for row in a]


def sandwich(d, P):
    return times(transposed(d), times(P, d))


def determinant(m):
    return m[0][0] * m[1][1] - m[0][1] * m[1][0]


def inverse(m):
    return scale(1 / determinant(m), [[m[1][1], -m[0][1]], [-m[1][0], m[0][0]]])


@pytest.mark.full
def test_long_horizons_take_no_longer_and_margins_decrease_to_a_limit():
    margins = [certify.certify_closed_form(attenuation(T)).margin for T in (5, 2_000)]
    assert margins[0] >= margins[1] > 0.99 * margins[0]


@pytest.mark.full
def test_a_level_that_cannot_be_reached_is_undecided():
    proof = certify.certify_closed_form(attenuation(9, gamma=1.0))
    assert proof.status == "undecided" and proof.margin < 0


@pytest.mark.full
def test_an_unstable_system_has_a_margin_on_a_short_horizon_only():
    def game(horizon):
        return Attenuation([[2.0]], [[1.0]], [[1.0]], [[1.0]], [[1.0]], 40.0, horizon, [1.0])

    assert certify.certify_closed_form(game(4)).status == "proved"
    assert certify.certify_closed_form(game(40)).status == "undecided"


@pytest.mark.full
def test_proved_steps_converge(key):
    game = attenuation(9)
    proof = certify.certify_closed_form(game, methods=(dg.Extragradient,))
    center = proof.equilibrium.center
    start = tuple(jax.random.normal(key, block.shape) for block in center)
    first = float(jnp.linalg.norm(dg.ravel(start)[0] - dg.ravel(center)[0])) + 1e-9
    count = proof.iterations(dg.Extragradient, first, 1e-6)
    run = dg.solve(game, proof.safe_method(dg.Extragradient), start, max_steps=count, tol=0.0)
    assert jnp.linalg.norm(dg.ravel(run.strategy)[0] - dg.ravel(center)[0]) <= 1.1e-6


def test_the_residual_is_a_bound_at_any_point(key):
    game = attenuation(9)
    for size in (1e-3, 1.0, 1e3):
        point = tuple(size * jax.random.normal(key, block.shape) for block in game.start())
        proof = certify.certify_closed_form(game, point=point)
        force = jnp.linalg.norm(dg.ravel(dg.pseudo_gradient(game)(point))[0])
        assert force * (1 - 1e-12) <= proof.equilibrium.radius * proof.margin <= force * 1.001


def test_matrices_that_are_not_semidefinite_are_not_proved_to_be():
    generator = np.random.default_rng(0)
    for _ in range(50):
        basis = np.linalg.qr(generator.normal(size=(4, 4))).Q
        for low, holds in ((1e-10, True), (-1e-13, False)):
            matrix = (basis * [low, 1.0, 2.0, 3.0]) @ basis.T
            matrix = (matrix + matrix.T) / 2
            assert positive(matrix, 1e-16 * np.abs(matrix)) == holds
    assert largest_proved(lambda a: a <= 0.3, 1.0, 1.0) == pytest.approx(0.3, rel=1e-8)


def test_wrong_shapes_are_errors():
    with pytest.raises(ValueError, match="Attenuation: A, B, D, Q, R, P and x0 have"):
        Attenuation(A, B, D, Q, np.eye(2), 1.0, 3, [1.0, 0.0])
    with pytest.raises(ValueError, match="gamma and the horizon are positive"):
        attenuation(0)

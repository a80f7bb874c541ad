"""Lyapunov spectra of long runs: maps with known exponents, Sato's chaos, and certified runs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.diagnose import lyapunov_spectrum
from dgames.games import MatrixGame


def test_a_linear_map_has_the_moduli_of_its_eigenvalues():
    matrix = jnp.array([[0.5, 3.0, 0.0], [0.0, -2.0, 1.0], [0.0, 0.0, 0.1]])
    found = lyapunov_spectrum(
        lambda x, args: matrix @ x / 4, jnp.ones(3), steps=40, discard=60, count=3, blocks=2
    )
    expected = np.log(np.array([2.0, 0.5, 0.1]) / 4)
    assert np.allclose(found.exponents, expected, atol=1e-10)
    assert np.allclose(found.running, expected, atol=1e-10)


def test_henons_exponents_add_up_to_the_logarithm_of_his_determinant():
    def henon(z, args):
        return jnp.stack([1 - 1.4 * z[0] ** 2 + z[1], 0.3 * z[0]])

    found = lyapunov_spectrum(henon, jnp.array([0.1, 0.1]), steps=20_000, count=2)
    assert abs(found.exponents.sum() - math.log(0.3)) < 1e-9
    # Published: 0.4192.
    assert abs(found.exponents[0] - 0.4192) < 4 * found.errors[0] < 0.02
    assert found.is_chaotic


def of_sato(tie, k, time, step=0.02):
    x = jnp.array([0.5, 0.01 * k, 0.5 - 0.01 * k]), jnp.array([0.5, 0.25, 0.25])
    field = dg.NaturalGradient(MatrixGame.rock_paper_scissors((tie, -tie)))
    return lyapunov_spectrum(
        *(field, dg.logits(x), dg.RungeKutta4(step)),
        steps=int(time / step), count=4, every=10, unit=step,
    )  # fmt: skip


@pytest.mark.full
def test_learning_is_chaotic_where_sato_says():
    regular = of_sato(0.0, 1, 20_000.0, 0.1)
    # Published with the method (thousandths): 0.40, after 0.81 halfway. It falls like log T / T.
    assert np.allclose(1e3 * np.asarray(regular.exponents)[[0, 3]], [0.40, -0.40], atol=0.1)
    assert 1.5 < regular.halfway[0] / regular.exponents[0] < 2.5
    assert not regular.is_chaotic
    chaotic = of_sato(0.5, 1, 20_000.0, 0.1)
    # Published: 51.9, -51.9. One run differs from another by its standard error.
    assert abs(1e3 * chaotic.exponents[0] - 51.9) < 4e3 * chaotic.errors[0]
    assert chaotic.is_chaotic
    assert abs(chaotic.exponents.sum()) < 1e-4  # Hamiltonian


def test_learning_in_rock_paper_scissors_keeps_its_constant():
    x = jnp.array([0.5, 0.01, 0.49]), jnp.array([0.5, 0.25, 0.25])
    field, method = dg.NaturalGradient(MatrixGame.rock_paper_scissors()), dg.RungeKutta4(0.02)

    def constant(logits):
        return -sum(jnp.sum(own) for own in dg.log_policies(logits)) / 3

    z = dg.logits(x)
    assert abs(constant(z) - 3.159134) < 1e-6
    step = jax.jit(lambda z, _: (method.step(field, z, None)[0], None))
    z, _ = jax.lax.scan(step, z, length=5000)
    assert abs(constant(z) - 3.159134) < 1e-6


def test_no_exponent_of_a_certified_run_is_above_the_logarithm_of_its_rate():
    game = dg.game(
        lambda x, args: (x[0] ** 2 + jnp.sin(x[0]) * x[1], x[1] ** 2 - jnp.sin(x[0]) * x[1])
    )
    certificate = certify.certify(game, certify.Box.around((0.0, 0.0), 0.5), [dg.Simultaneous])
    step = certificate.step_sizes["simultaneous"]
    found = lyapunov_spectrum(
        *(game, (0.3, -0.2), dg.Simultaneous(step.best)), steps=200, count=2, blocks=2
    )
    assert step.rate < 1
    assert (found.exponents <= math.log(step.rate)).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 10, "every": 3, "blocks": 2}, "multiples of every"),
        ({"steps": 10, "blocks": 20}, "at least one decomposition"),
        ({"steps": 40, "count": 2}, "1 coordinates have as many exponents"),
        ({"steps": 40, "unit": 0.0}, "must be positive"),
        ({"steps": 0}, "whole number"),
    ],
)
def test_malformed_options_are_told(options, words):
    with pytest.raises(ValueError, match=words):
        lyapunov_spectrum(lambda x, args: 0.5 * x, jnp.array(1.0), **options)


def test_a_game_needs_a_method():
    with pytest.raises(ValueError, match="needs a method"):
        lyapunov_spectrum(MatrixGame.rock_paper_scissors(), jnp.array(1.0), steps=40)

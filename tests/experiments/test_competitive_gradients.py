"""Competitive gradients on bilinear games and in the estimation of covariances."""

import jax
import jax.numpy as jnp
import pytest

import dgames as dg
from dgames.games import Bilinear
from experiments import competitive_gradients, expected


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("competitive_gradients").numbers
    assert expected.compare(found, expected.load("competitive_gradients", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("competitive_gradients").figures
    assert [path.name for path in figures] == ["bilinear.png", "covariance.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_iterations_are_as_many_as_different_singular_values():
    """Of these games; one more is made because the solver waits until its last change is small."""
    x = tuple(jax.random.normal(key, (6,)) for key in jax.random.split(jax.random.key(0)))
    values = jnp.array([[2.0] * 6, [1.0, 1.0, 2.0, 2.0, 2.0, 1.0], [1.0, 2.0, 3.0, 3.0, 2.0, 1.0]])

    @jax.jit
    @jax.vmap
    def counts(values):
        field = dg.pseudo_gradient(Bilinear(jnp.diag(values)))
        return competitive_gradients.iterations(field, x, jnp.array(1.0))

    assert counts(values).tolist() == [2, 3, 4]


def test_the_best_step_is_that_of_competitive_gradient_descent():
    factor = competitive_gradients.factor
    assert factor(0.3, 0.3) == pytest.approx(1 / 1.09**0.5)
    assert factor(0.3, 0.3) < min(factor(0.29, 0.3), factor(0.31, 0.3))

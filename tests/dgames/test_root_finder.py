"""Methods inside optimistix, and derivatives of equilibria."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx
import pytest

import dgames as dg

A = jnp.array([[2.0, 0.5], [0.5, 1.0]])
B = jnp.array([[0.3, -1.0], [0.8, 0.2]])
START = {"a": jnp.zeros(2), "b": jnp.zeros(2)}


def costs(x, args):
    """A linear-quadratic game whose pseudo-gradient is `M x + q`."""
    return {
        "a": x["a"] @ A @ x["a"] / 2 + x["a"] @ B @ x["b"] + args @ x["a"],
        "b": x["b"] @ x["b"] - x["b"] @ B.T @ x["a"] + 2 * args @ x["b"],
    }


M = jnp.block([[A, B], [-B.T, 2 * jnp.eye(2)]])
FIELD = dg.pseudo_gradient(dg.game(costs))
METHODS = [
    dg.Simultaneous(0.2),
    dg.Alternating(0.2),
    dg.Optimistic(0.2),
    dg.ComplexMomentum(0.1, 0.3 + 0.2j),
    dg.Heun(0.3),
    dg.SSPRK3(0.3),
    dg.RungeKutta4(0.3),
]


def equilibrium(q):
    return jnp.linalg.solve(M, -jnp.concatenate([q, 2 * q]))


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS, ids=dg.method_name)
def test_equilibria_and_their_derivatives_are_the_closed_form(method):
    finder = dg.as_root_finder(method, tol=1e-11)

    def found(q):
        solution = optx.root_find(FIELD, finder, START, q, max_steps=5000)
        return dg.ravel(solution.value)[0]

    q = jnp.array([1.0, -2.0])
    assert np.allclose(found(q), equilibrium(q), atol=1e-10)
    assert np.allclose(jax.jacrev(found)(q), jax.jacrev(equilibrium)(q), atol=1e-9)
    if isinstance(method, dg.Simultaneous):
        assert np.allclose(jax.jacfwd(found)(q), jax.jacfwd(equilibrium)(q), atol=1e-9)


def test_the_residual_in_the_statistics_is_that_of_the_value():
    q = jnp.array([1.0, -2.0])
    finder = dg.as_root_finder(dg.Extragradient(0.2), tol=1e-6)
    solution = optx.root_find(FIELD, finder, START, q, max_steps=5000)
    assert np.isclose(solution.stats["residual"], dg.residual(FIELD, solution.value, q), rtol=1e-10)
    assert solution.stats["residual"] <= 1e-6


@pytest.mark.full
def test_other_linear_solvers():
    q = jnp.array([1.0, -2.0])
    adjoint = optx.ImplicitAdjoint(linear_solver=lx.GMRES(rtol=1e-10, atol=1e-10))
    finder = dg.as_root_finder(dg.Extragradient(0.2), tol=1e-11)

    def found(q):
        value = optx.root_find(FIELD, finder, START, q, max_steps=5000, adjoint=adjoint).value
        return value["a"].sum()

    expected = jax.grad(lambda q: equilibrium(q)[:2].sum())(q)
    assert np.allclose(jax.grad(found)(q), expected, atol=1e-8)


@pytest.mark.full
def test_failures_are_reported():
    q = jnp.array([1.0, -2.0])
    slow = dg.as_root_finder(dg.Simultaneous(1e-6))
    solution = optx.root_find(FIELD, slow, START, q, max_steps=10, throw=False)
    assert solution.result == optx.RESULTS.nonlinear_max_steps_reached
    wild = dg.as_root_finder(dg.Simultaneous(1e200))
    solution = optx.root_find(FIELD, wild, START, q, max_steps=10, throw=False)
    assert solution.result == optx.RESULTS.nonfinite

"""Eigenvalues along runs, leading ones without matrices, and pseudospectra."""

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg
from dgames.diagnose import (
    arnoldi,
    leading_eigenvalues,
    pseudospectrum,
    spectra_along,
    step_operator,
)

RANDOM = np.random.default_rng(0)
CHASE = dg.game(
    lambda x, args: (x[0] ** 2 - jnp.sin(x[0]) * x[1], x[1] ** 2 / 4 + jnp.sin(x[0]) * x[1])
)
GRCAR = np.eye(48) - np.eye(48, k=-1) + np.eye(48, k=1) + np.eye(48, k=2) + np.eye(48, k=3)


def closed_form(x):
    """The Jacobian of the field of CHASE."""
    a, b = x
    return np.array([[2 + np.sin(a) * b, -np.cos(a)], [np.cos(a), 0.5]])


@pytest.mark.parametrize("of", ["field", "step"])
def test_eigenvalues_along_a_run(of):
    found = spectra_along(CHASE, dg.Simultaneous(0.3), (1.0, -2.0), steps=4, of=of)
    strategies = np.stack(found.strategies, 1)
    assert found.eigenvalues.shape == (5, 2) and np.array_equal(strategies[0], (1.0, -2.0))
    for x, values in zip(strategies, found.eigenvalues, strict=True):
        exact = np.linalg.eigvals(closed_form(x))
        exact = 1 - 0.3 * exact if of == "step" else exact
        size = np.abs(values) if of == "step" else values.real
        assert np.allclose(np.sort_complex(values), np.sort_complex(exact), atol=1e-12)
        assert size[0] >= size[1] - 1e-12


def test_leading_ones_of_large_games_need_no_matrix():
    """Of a game of 40 coordinates, 80 with the state: the same as all of them, by ARPACK."""
    strength = jnp.linspace(0.1, 1.0, 20).at[7].set(4.0).at[9].set(3.0)
    game = dg.zero_sum(lambda x, args: jnp.sum(strength * jnp.sin(x[0]) * x[1]))
    x, method = (jnp.full(20, 0.2), jnp.full(20, 0.1)), dg.Optimistic(0.3)
    few = spectra_along(game, method, x, steps=1, count=3).eigenvalues
    every = spectra_along(game, method, x, steps=1).eigenvalues
    assert few.shape == (2, 3) and every.shape == (2, 80)
    assert np.allclose(np.abs(few), np.abs(every[:, :3]), rtol=1e-9)
    operator = step_operator(game, method, x)
    assert np.allclose(np.abs(leading_eigenvalues(operator, count=3)), np.abs(few[0]), rtol=1e-9)


def test_leading_eigenvalues_of_matrices():
    values = np.concatenate([[5.0, -7.0], np.linspace(-1, 1, 98)])
    basis = np.linalg.qr(RANDOM.standard_normal((100, 100)))[0]
    matrix = basis * values @ basis.T
    assert np.allclose(leading_eigenvalues(matrix, count=2), [-7.0, 5.0])
    assert np.allclose(leading_eigenvalues(matrix, count=2, by="real part"), [5.0, 1.0])
    assert np.allclose(leading_eigenvalues(np.diag([1.0, -2.0]), count=1), [-2.0])


def test_arnoldi_factorises():
    matrix = jnp.asarray(RANDOM.standard_normal((30, 30)))
    basis, hessenberg = arnoldi(matrix, jnp.ones(30), steps=12)
    assert np.allclose(matrix @ basis[:, :12], basis @ hessenberg, atol=1e-13)
    assert np.allclose(basis.T @ basis, np.eye(13), atol=1e-14)
    assert np.array_equal(hessenberg, np.triu(hessenberg, -1))


def test_arnoldi_stops_where_the_space_is_exhausted():
    """On players, through an operator: two eigenvalues are all that the start sees."""
    game = dg.game(lambda x, args: (x[0] ** 2, jnp.sum(x[1] ** 2) / 2))
    start = (jnp.array(1.0), jnp.array([1.0, 2.0]))
    basis, hessenberg = arnoldi(dg.jacobian_operator(game, start), start, steps=3)
    assert np.allclose(np.sort(np.linalg.eigvals(hessenberg[:2, :2])), [1.0, 2.0])
    assert not basis[:, 2:].any() and not hessenberg[2:].any() and not hessenberg[:, 2].any()


# --- pseudospectra ---------------------------------------------------------------------------


def exact(matrix, z):
    shifted = np.asarray(z)[..., None, None] * np.eye(len(matrix)) - matrix
    return np.linalg.svd(shifted, compute_uv=False)[..., -1]


def test_pseudospectra_of_small_matrices():
    """Of a Jordan block in closed form, and of a normal matrix: the distance to its eigenvalues."""
    z = np.array([[0.5, 2.0j], [1.0 + 1.0j, 0.0]])
    jordan = pseudospectrum(np.array([[0.0, 1.0], [0.0, 0.0]]), z)
    a = np.abs(z)
    assert np.allclose(jordan, np.sqrt(a**2 + 0.5 - np.sqrt(a**2 + 0.25)), atol=1e-12)
    normal = pseudospectrum(jnp.array([[0.0, 1.0], [-1.0, 0.0]]), z)
    assert np.allclose(normal, np.minimum(abs(z - 1j), abs(z + 1j)), atol=1e-12)


def test_pseudospectra_by_schur_form():
    """Of Grcar's matrix, far from normal, at 48 coordinates."""
    z = np.array([0.0, 1.5 + 2.0j, 3.0, -0.5 + 1.0j])
    assert np.allclose(pseudospectrum(GRCAR, z), exact(GRCAR, z), rtol=1e-8)
    triangle = np.triu(np.ones((45, 45)))
    assert pseudospectrum(triangle, 1.0) == 0.0


def test_pseudospectra_by_arnoldi_are_contained_in_the_true_ones():
    z = np.array([0.0, 1.5 + 2.0j, 3.0, -0.5 + 1.0j])
    bounds = [pseudospectrum(GRCAR, z, steps=steps) for steps in (12, 24, 48)]
    assert (bounds[0] >= bounds[1]).all() and (bounds[1] >= exact(GRCAR, z) - 1e-12).all()
    assert (bounds[0] > exact(GRCAR, z) + 1e-3).any()
    assert np.allclose(bounds[2], exact(GRCAR, z), atol=1e-9)


# --- errors ----------------------------------------------------------------------------------


REFUSED = (ValueError, jaxtyping.TypeCheckError)


def test_malformed_options():
    square = r"a square matrix or a lineax operator|Type-check error"
    with pytest.raises(REFUSED, match=square):
        leading_eigenvalues(np.ones((2, 3)))
    with pytest.raises(REFUSED, match=square):
        pseudospectrum(np.ones((2, 3)), 0.0)
    with pytest.raises(ValueError, match="3 coordinates has as many eigenvalues"):
        leading_eigenvalues(np.eye(3), count=4)
    with pytest.raises(ValueError, match="3 coordinates allows as many steps"):
        arnoldi(np.eye(3), jnp.ones(3), steps=4)
    operator = dg.jacobian_operator(CHASE, (1.0, 2.0))
    with pytest.raises(ValueError, match="the number of Arnoldi's steps"):
        pseudospectrum(operator, 0.0)
    with pytest.raises(REFUSED, match=r"'step' or 'field'|Type-check error"):
        spectra_along(CHASE, dg.Simultaneous(0.1), (1.0, 1.0), steps=2, of="flow")  # pyright: ignore[reportArgumentType]

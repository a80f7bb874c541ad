"""Projections onto what sets and shared linear constraints allow together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

import dgames as dg
from dgames.constraints.feasible_set import FeasibleSet, feasible_set
from dgames.constraints.projection import project_onto
from dgames.constraints.shared_constraints import Rows

COUNT, SIZE, ROWS = 40, 5, 4


def problems(seed: int) -> tuple[FeasibleSet, np.ndarray, np.ndarray]:
    """Random polyhedra through a point, many with active, repeated and degenerate rows."""
    rng = np.random.default_rng(seed)
    inner = rng.uniform(size=(COUNT, SIZE))
    A = rng.normal(size=(COUNT, ROWS, SIZE))
    A[::2, -1] = 2.0 * A[::2, 0]
    b = np.einsum("kij,kj->ki", A, inner) + rng.choice([0.0, 0.3], size=(COUNT, ROWS))
    b[::2, -1] = 2.0 * b[::2, 0]
    E = rng.normal(size=(COUNT, 1, SIZE))
    lower = np.where(rng.uniform(size=(COUNT, SIZE)) < 0.6, 0.0, -np.inf)
    upper = np.where(rng.uniform(size=(COUNT, SIZE)) < 0.3, 1.0, np.inf)
    rows = Rows(*map(jnp.asarray, (A, b, E, np.einsum("kij,kj->ki", E, inner))))
    feasible = FeasibleSet(rows, jnp.asarray(lower), jnp.asarray(upper))
    return feasible, 3 * rng.normal(size=(COUNT, SIZE)), rng.uniform(0.3, 3, size=(COUNT, SIZE))


def test_batched_weighted_projections_satisfy_the_conditions_of_optimality():
    feasible, z, metric = problems(0)
    x = jax.jit(jax.vmap(project_onto))(feasible, jnp.asarray(z), jnp.asarray(metric))
    assert float(jax.vmap(FeasibleSet.violation)(feasible, x).max()) < 1e-14
    for k in range(COUNT):
        own = jax.tree.map(lambda leaf, k=k: np.asarray(leaf[k]), feasible)
        at = np.asarray(x[k])
        A = own.rows.A[own.rows.A @ at > own.rows.b - 1e-9]
        eye, E = np.eye(SIZE), own.rows.A_eq
        normals = [A, -eye[at < own.lower + 1e-9], eye[at > own.upper - 1e-9], E, -E]
        # What is left of the way back is a nonnegative combination of normals.
        assert nnls(np.concatenate(normals).T, metric[k] * (z[k] - at))[1] < 1e-12


def test_derivatives_hold_active_constraints():
    x = (jnp.array(0.0), jnp.array(0.0), jnp.array(0.0))
    half = feasible_set(dg.Box(0.0, jnp.inf), (dg.Polyhedron([[1.0, 2.0, 2.0]], 1.0),), x)
    z = jnp.array([3.0, 1.0, -5.0])
    project = jax.jit(
        lambda z: (project_onto(half, z), jax.jacrev(lambda z: project_onto(half, z))(z))
    )
    onto, jacobian = project(z)
    assert np.allclose(onto, [1.0, 0.0, 0.0], atol=1e-15)
    # From here it is inside the edge x1 + 2 x2 = 1, x3 = 0, whose direction is (2, -1) / sqrt(5).
    onto, along = project(jnp.array([1.0, 0.9, -5.0]))
    assert np.allclose(onto, [0.64, 0.18, 0.0], atol=1e-15)
    assert np.allclose(
        along,
        np.array([[4.0, -2.0, 0.0], [-2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]) / 5,
        atol=1e-14,
    )
    assert np.allclose(jacobian, 0.0, atol=1e-14)


def test_simplices_and_products_are_polyhedra_too():
    x = {"mix": jnp.array([0.3, 0.9, 0.1]), "amount": jnp.array(2.0)}
    sets = {"mix": dg.Simplex(), "amount": dg.Box(0.0, 5.0)}
    free = feasible_set(sets, (), x)
    vector, unravel = dg.ravel(x)
    project = jax.jit(project_onto)
    onto = unravel(project(free, vector))
    assert np.allclose(onto["mix"], dg.Simplex().project(x["mix"]), atol=1e-15)
    assert float(onto["amount"]) == 2.0
    coupled = feasible_set(sets, (dg.Polyhedron(np.array([[1.0, 0, 0, 1.0]]), 1.0),), x)
    onto = project(coupled, vector)
    assert np.allclose(onto, [1.0, 0.2, 0.8, 0.0], atol=1e-15)


@pytest.mark.parametrize(
    ("sets", "shared", "words"),
    [
        (dg.Ball(0.0, 1.0), dg.Polyhedron([[1.0, 1.0]], 1.0), "not a Ball"),
        (None, dg.SharedConstraint(lambda x, _: x[0] ** 2 - 1.0), "SharedConstraint"),
    ],
)
def test_what_is_no_polyhedron_is_refused(sets, shared, words):
    game = dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2), sets, shared)
    with pytest.raises(ValueError, match=words):
        dg.solve(game, dg.Simultaneous(0.1), (0.5, 0.5))

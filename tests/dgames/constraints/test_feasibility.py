"""Feasible points, and exact proofs that there are none."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.constraints.feasibility import dependent_equations
from dgames.constraints.feasible_set import feasible_set
from dgames.games import RiverBasin


def game(rows, sets=None):
    return dg.game(lambda x, _: tuple(own**2 for own in x), sets, rows)


def test_slater_points_are_inside():
    found = dg.feasible_point(RiverBasin(), (0.0, 0.0, 0.0))
    x = jnp.stack(found.strategy)
    basin = RiverBasin()
    size = jnp.linalg.norm(basin.load, axis=1)
    assert found.slack == 1.0
    assert bool((basin.load @ x <= basin.limit - (1 - 1e-9) * size).all() and (x >= 1 - 1e-9).all())


def test_sets_without_inner_points_have_no_slack():
    thin = dg.Polyhedron([[1.0, 1.0], [-1.0, -1.0]], [1.0, -1.0])
    found = dg.feasible_point(game(thin), (0.0, 0.0))
    assert found.slack == 0.0 and np.isclose(sum(found.strategy), 1.0)


def test_infeasibility_is_proved_exactly():
    rng = np.random.default_rng(0)
    for _ in range(20):
        A = rng.normal(size=(6, 4))
        A[-1] = -(rng.uniform(size=5) @ A[:-1])
        b = rng.normal(size=6)
        b[-1] -= 30.0
        empty = game(dg.Polyhedron(A, b), dg.Box(-5.0, jnp.inf))
        with pytest.raises(dg.InfeasibleError, match="proof") as caught:
            dg.feasible_point(empty, (0.0,) * 4)
        proof = caught.value.proof
        assert proof is not None and proof.verify()
        # The data are those of the game, exactly, and any other multiplier is refused.
        assert proof.G[0] == [Fraction(v) for v in A[0].tolist()]
        place = next(i for i, y in enumerate(proof.y) if y)
        worse = list(proof.y)
        worse[place] *= Fraction(1001, 1000)
        assert not proof._replace(y=worse).verify()
        assert not proof._replace(y=[-y for y in proof.y]).verify()
        assert not proof._replace(h=[h + 1000 for h in proof.h]).verify()


def test_equations_may_contradict_each_other_or_depend_on_each_other():
    x = (0.0, 0.0)
    none = np.zeros((0, 2)), np.zeros(0)
    apart = dg.Polyhedron(*none, [[0.125, 0.25], [0.375, 0.75]], [1.0, 2.0])
    with pytest.raises(dg.InfeasibleError) as caught:
        dg.feasible_point(game(apart), x)
    proof = caught.value.proof
    assert proof is not None and proof.verify()
    twice = dg.Polyhedron(*none, [[1.0, 2.0], [0.5, 1.0], [0.0, 1.0]], [1.0, 0.5, 1.0])
    x = dg.as_strategy(x)
    assert dependent_equations(feasible_set(dg.Euclidean(), (twice,), x)) == [1]


def test_runs_refuse_constraints_that_they_cannot_project_onto():
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    with pytest.raises(dg.InfeasibleError, match="no joint strategy") as caught:
        dg.solve(game(line, dg.Box(1.0, 2.0)), dg.Simultaneous(0.1), (1.0, 1.0))
    proof = caught.value.proof
    assert proof is not None and proof.verify()
    none = np.zeros((0, 2)), np.zeros(0)
    twice = dg.Polyhedron(*none, [[1.0, 2.0], [0.5, 1.0]], [1.0, 0.5])
    with pytest.raises(ValueError, match="equation 1 is"):
        dg.solve(game(twice), dg.Simultaneous(0.1), (1.0, 1.0))

"""Worst-case residuals after a few steps: closed forms, runs, and the constants of theorems."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker.anchored import UNCONSTRAINED

METHODS = {
    ("fast_extragradient", "anchored"): lambda a: dg.FastExtragradient(a),
    ("anchored_extragradient", "constant"): lambda a: dg.AnchoredExtragradient(a),
    ("anchored_extragradient", "varying"): lambda a: dg.AnchoredExtragradient(a, lipschitz=1.0),
    ("accelerated_optimistic", "anchored"): lambda a: dg.AcceleratedOptimistic(a),
    ("extragradient", "last_iterate"): lambda a: dg.Extragradient(a),
}


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_the_constant_of_fast_extragradient_is_the_best(steps):
    """The theorem is attained by what the inequalities between pairs of points allow."""
    found = certify.worst_residual(dg.FastExtragradient(1.0), steps)
    assert found == pytest.approx(2 / steps, abs=1e-6) and found >= 2 / steps


def test_one_step_of_extragradient_in_closed_form():
    # |F(z)| falls by the factor 1 - a^2 + a^4 in square along rotations, from |F(z_0)| = 1.
    found = certify.worst_residual(dg.Extragradient(0.5), 1)
    assert found == pytest.approx(np.sqrt(1 - 0.25 + 0.0625), abs=1e-6)
    assert certify.worst_residual(dg.Extragradient(0.5), 0) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_theorems_are_never_better_than_the_worst_case(rule, steps):
    theorem = UNCONSTRAINED[rule]
    a = 0.7071 if rule[0] == "extragradient" else float(theorem.limit) * (1 - 1e-9)
    bound = theorem.bound(Fraction(a), Fraction(1), Fraction(1))
    assert bound is not None
    count = steps + theorem.shift
    proved = float(bound) / (np.sqrt(count) if theorem.root else count)
    worst = certify.worst_residual(METHODS[rule](a), steps)
    assert worst <= proved * (1 + 1e-6)
    # And no run is worse than the worst case: along rotations, and with some curvature.
    for turn in (np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[0.6, 0.8], [-0.8, 0.6]])):
        matrix = jnp.asarray(turn)
        field = dg.FunctionField(lambda x, args, m=matrix: {"z": m @ x["z"]})
        method, x = METHODS[rule](a), {"z": jnp.array([1.0, 0.0])}
        state = method.init(field, x)
        for _ in range(steps):
            x, state = method.step(field, x, state)
        assert float(jnp.linalg.norm(matrix @ x["z"])) <= worst * (1 + 1e-9)


def test_units_and_what_is_asked_for_wrongly():
    one = certify.worst_residual(dg.AcceleratedOptimistic(0.125), 3)
    scaled = certify.worst_residual(dg.AcceleratedOptimistic(0.0625), 3, lipschitz=2.0)
    assert scaled == pytest.approx(2 * one, rel=1e-6)
    with pytest.raises(ValueError, match=r"Heun is not one of the methods"):
        certify.worst_residual(dg.Heun(0.1), 2)
    with pytest.raises(ValueError, match="steps is 13; it must be from 0 to 12"):
        certify.worst_residual(dg.Extragradient(0.1), 13)
    with pytest.raises(ValueError, match=r"lipschitz is 0.0; it must be positive"):
        certify.worst_residual(dg.Extragradient(0.1), 2, lipschitz=0.0)

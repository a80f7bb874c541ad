"""Leader, followers and adjoint that move together, certified as a field like any other."""

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg


def payoff(x, y):
    return -3.0 * x**2 - y[0] ** 2 + 4.0 * x * y[0]


MINIMAX = dg.Stackelberg(payoff, dg.game(lambda y, x: (-payoff(x, y),)))
IMPLICIT = dg.Stackelberg(
    lambda x, y: 0.5 * (x - 1.0) ** 2 + 0.5 * y[0] ** 2,
    dg.game(lambda y, x: (jnp.exp(y[0]) + 0.5 * y[0] ** 2 - x * y[0],)),
)


def around(x, y, radius):
    return certify.Box.around({"leader": x, "followers": (y,), "adjoint": (0.0,)}, radius)


@pytest.mark.parametrize(("speed", "status"), [(1.7, "undecided"), (1.8, "proved")])
def test_a_local_minimax_attracts_the_single_loop_from_the_root_of_three_on(speed, status):
    """No weights do: the leader's own block is -6. A matrix does, and fields need no convexity."""
    found = certify.certify(dg.SingleLoop(MINIMAX, speed), around(0.0, 0.0, 1.0), [dg.Simultaneous])
    assert found.status == status, found.reasons
    if status == "proved":
        assert found.check(level=2).ok and found.margin > 0
        step = found.step_sizes["simultaneous"].best
        run = dg.solve(
            dg.SingleLoop(MINIMAX, speed),
            dg.Simultaneous(step),
            {"leader": 0.1, "followers": (0.1,), "adjoint": (0.0,)},
            max_steps=50_000,
        )
        assert run.residual < 1e-4


@pytest.mark.full
def test_a_nonlinear_single_loop_by_theorem_and_by_the_direct_route():
    field, region = dg.SingleLoop(IMPLICIT, 2.0), around(1.0, 0.0, 0.3)
    proof = certify.certify(field, region, [dg.Simultaneous, dg.Extragradient])
    assert proof.status == "proved" and proof.margin > 0.8 and proof.check(level=2).ok
    assert np.allclose(proof.equilibrium.center["leader"], 1.0, atol=1e-12)
    step = certify.contraction(field, dg.Simultaneous(0.2), region)
    assert step.status == "proved" and step.rate < 0.9

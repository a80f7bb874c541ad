"""Branching: the saddle of the small iterated prisoners' dilemma leads to both of its ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import dgames as dg
from dgames import games
from dgames.diagnose import Ascent, ascend_exponent, branch, lyapunov_exponents

DILEMMA = games.SmallIteratedPrisonersDilemma()
STEP = dg.Simultaneous(5.0)
SADDLE = (0.41790334, 0.41790334)


def test_branches_at_the_saddle_find_defection_and_tit_for_tat():
    found = branch(
        DILEMMA,
        STEP,
        SADDLE,
        steps=10,
        ascent=Ascent(steps=0),
        max_steps=4000,
        descriptor=lambda x: jax.tree.map(jax.nn.sigmoid, x),
    )
    assert np.allclose(found.objective, 2 * np.log(1 + 5 * 0.03925038))
    ridge = np.stack(found.directions, 1)[0]
    assert np.allclose(np.abs(ridge), np.sqrt(0.5)) and ridge[0] * ridge[1] > 0
    assert found.solutions.residual.shape == (2,)
    policies = np.sort([float(jax.nn.sigmoid(x[0])) for x in found.archive])
    costs = sorted(float(DILEMMA.costs(x)[0]) for x in found.archive)
    assert np.allclose(policies, [3.3e-4, 0.99998], atol=1e-4)
    assert np.allclose(costs, [1.00013, 1.95902], atol=1e-4)
    assert found.distinct == (0, 1)


@pytest.mark.full
def test_the_ascent_stays_within_its_region_and_returns_the_best():
    ascent = Ascent(steps=40, radius=0.5, optimiser=optax.adam(0.1))
    start, values = ascend_exponent(DILEMMA, STEP, (0.0, 0.5), steps=10, ascent=ascent)
    assert values.shape == (41,) and float(values.max()) > float(values[0]) + 0.1
    assert float(np.hypot(start[0], start[1] - 0.5)) <= 0.5 + 1e-12
    best = lyapunov_exponents(DILEMMA, STEP, start, steps=10)
    assert np.isclose(best[0], values.max(), atol=1e-12)


@pytest.mark.full
def test_branches_of_modules_in_boxes_by_another_method():
    """Wells at -1 and 1, of which the box holds the second one and its own edge."""

    class Point(eqx.Module):
        place: jax.Array
        name: str

    def costs(x, args):
        z = x["a"].place
        return {"a": z**4 / 4 - z**2 / 2, "b": (x["b"] - z) ** 2}

    game = dg.game(costs, {"a": dg.Box(-0.5, 2.0), "b": None})
    x = {"a": Point(jnp.array(0.2), "well"), "b": 0.0}
    found = branch(
        game, dg.Simultaneous(0.2), x, steps=4, distance=0.3, run_method=dg.Extragradient(0.2)
    )
    assert sorted(round(float(x["a"].place), 5) for x in found.archive) == [-0.5, 1.0]
    assert found.archive[0]["a"].name == found.start["a"].name == "well"


def test_malformed_options():
    with pytest.raises(ValueError, match="the distance must be positive"):
        branch(DILEMMA, STEP, SADDLE, steps=2, distance=0.0)
    with pytest.raises(ValueError, match="2 coordinates have as many"):
        branch(DILEMMA, STEP, SADDLE, steps=2, count=3)
    with pytest.raises(ValueError, match="the radius must be positive"):
        Ascent(radius=-1.0)
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match=r"'sum', 'minimum' or 'entropy'|Type-check error"):
        Ascent(kind="mean")  # pyright: ignore[reportArgumentType]

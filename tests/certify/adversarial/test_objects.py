"""Objects of known classes that were given methods of their own: they run otherwise."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.core import Tracer

import certify
import dgames as dg

BOX = certify.Box.around({"a": 0.1, "b": 0.0}, 0.5)


def costs(x, args=None):
    a, b = x["a"], x["b"]
    return {"a": 0.5 * a**2 + 0.1 * jnp.sin(a) * b, "b": 0.5 * b**2}


def changed(thing, **attributes):
    for name, value in attributes.items():
        object.__setattr__(thing, name, value)
    return thing


def upwards(x, args=None):
    return {"a": -(x["a"] ** 2), "b": x["b"] ** 2}


def nailed(x):
    return jax.tree.map(lambda leaf: 0.0 * leaf + 0.3, x)


def test_games_are_certified_with_the_costs_that_they_have():
    game = changed(dg.game(costs), costs=upwards)
    assert certify.certify(game, BOX, search=certify.Search(max_cells=4)).status != "proved"
    zero_sum = changed(
        dg.zero_sum(lambda x, args: x["a"] ** 2 - x["b"] ** 2, minimiser="a"), costs=upwards
    )
    assert (
        certify.certify(zero_sum, BOX, [dg.Alternating], search=certify.Search(max_cells=4)).status
        != "proved"
    )


def test_fields_with_blocks_of_their_own_have_no_alternating_steps():
    field = changed(dg.pseudo_gradient(dg.game(costs)), block=lambda x, i, args=None: -x["a"])
    found = certify.certify(field, BOX, [dg.Alternating])
    assert "alternating" not in found.step_sizes and "alternating" in found.methods_without_step


def test_projections_of_their_own_are_refused():
    field = changed(dg.pseudo_gradient(dg.game(costs)), project=nailed)
    with pytest.raises(ValueError, match="projects in a way of its own"):
        certify.certify(field, BOX)
    sets = {"a": changed(dg.Box(-3.0, 3.0), project=nailed), "b": dg.Euclidean()}
    game = changed(dg.game(costs), strategy_set=lambda x: sets)
    with pytest.raises(ValueError, match="nothing is known about the strategy set of player 'a'"):
        certify.certify(game, BOX)


def test_steps_that_know_their_field_are_not_certified():
    """They take another step when they are traced for a proof."""

    def by_class(field, x):
        h = 3.0 if isinstance(field, dg.PseudoGradient) else 0.3
        return jax.tree.map(lambda a, b: a - h * b, x, field(x))

    def by_trace(field, x):
        h = 0.3 if isinstance(x["a"], Tracer) else 3.0
        return jax.tree.map(lambda a, b: a - h * b, x, field(x))

    for step in (by_class, by_trace):
        with pytest.raises(certify.EnclosureError, match="is not the step that was traced"):
            certify.contraction(dg.game(costs), step, BOX)


@pytest.mark.parametrize("kind", [jnp.float32, jnp.bfloat16])
def test_staircases_in_lower_precision_are_no_rounding(kind):
    """Fewer bits than any type of numbers has."""

    def quantised(x, args):
        low = lax.reduce_precision(x["a"].astype(kind), 8, 3).astype(jnp.float64)
        found = costs(x)
        return {**found, "a": found["a"] + 1e-3 * low}

    with pytest.raises(certify.EnclosureError, match="reduce_precision"):
        certify.certify(dg.game(quantised), BOX)

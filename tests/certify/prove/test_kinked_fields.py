"""Fields with kinks inside the region: margins of both sides, and nothing for costs with kinks."""

import copy

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

BOTH = [dg.Simultaneous, dg.Extragradient]


def certified(fn, radius=1.0, center=(0.1, 0.0), **options):
    field = dg.FunctionField(lambda x, args: tuple(fn(*x)))
    return certify.certify(field, certify.Box.around(center, radius), BOTH, **options)


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    ("bend", "margin", "lipschitz"),
    [
        (lambda x: x + 0.5 * jnp.abs(x), 0.5, 1.5),
        (lambda x: x + 2.0 * jnp.maximum(x, 0.0), 1.0, 3.0),
        (lambda x: 3.0 * x - 2.0 * jnp.maximum(x, 0.0), 1.0, 3.0),
        (lambda x: x + jnp.minimum(x, 0.25), 1.0, 2.0),
        (lambda x: x + jnp.clip(x, -0.5, 0.5), 1.0, 2.0),
        (lambda x: x + jnp.maximum(jnp.maximum(x, 0.0) - 0.5, 0.0), 1.0, 2.0),
    ],
)
def test_slopes_of_both_sides(bend, margin, lipschitz):
    found = certified(lambda x, y: (bend(x), y))
    assert found.status == "proved" and found.check(level=2).ok
    assert margin * 0.97 <= found.margin <= margin
    assert lipschitz <= found.lipschitz <= 1.01 * lipschitz


@pytest.mark.thin(5)
@pytest.mark.parametrize(
    "fn",
    [
        lambda x, y: (x - 1.01 * jnp.maximum(x, 0.3), y),  # not monotone beyond the kink
        lambda x, y: (x + 0.1 * jnp.abs(x) ** 3, y),  # smooth, but not known to be
        lambda x, y: (x + x * jnp.abs(x), y),
        lambda x, y: (x + jnp.where(x > 0.3, 0.5, 0.0), y),  # a jump
        lambda x, y: (x + jnp.where(x > 0.3, 2 * x, 0.0), y),
    ],
)
def test_other_fields_are_undecided(fn):
    assert certified(fn).status == "undecided"


def test_costs_with_kinks_are_undecided():
    # The own cost of x is convex, but its derivative jumps: no margin, no Lipschitz constant.
    game = dg.game(lambda x, args: (x[0] ** 2 + jnp.abs(x[0]), x[1] ** 2))
    assert certify.certify(game, certify.Box.around((0.1, 0.0), 1.0)).status == "undecided"


def test_a_kink_through_the_zero():
    found = certified(lambda x, y: (x + jnp.abs(x - 0.2) - 0.2, y), center=(0.2, 0.0))
    assert found.status in ("proved", "undecided")  # exactly on the kink: a margin of zero below it
    found = certified(lambda x, y: (2 * x + jnp.abs(x), y), center=(0.0, 0.0))
    assert found.status == "proved" and found.check(level=2).ok
    assert np.allclose(found.equilibrium.center, 0.0)


AUGMENTED = {"rho": 1e-3, "eta": 1e-4}


def river(z, args=None):
    """The augmented field of the river basin of Krawczyk and Uryasev, with its active row."""
    row = jnp.array([3.25, 1.25, 4.125])
    x, force = z["x"], jnp.maximum(z["l"] + AUGMENTED["rho"] * (row @ z["x"] - 100.0), 0.0)
    own = jnp.array([0.04, 0.12, 0.04]) * x + 0.01 * (jnp.sum(x) - x)
    constant = jnp.array([-2.9, -2.88, -2.85])
    return {
        "l": AUGMENTED["eta"] * (z["l"] - force) / AUGMENTED["rho"],
        "x": own + constant + row * force,
    }


def test_river_basin_across_its_kink():
    center = {
        "l": jnp.array(0.5743599994),
        "x": jnp.array([21.1447960154, 16.027853447, 2.7259627]),
    }
    field, box = dg.FunctionField(river), certify.Box.around(center, 20.0)
    found = certify.certify(field, box, BOTH, metric=certify.AutoMetric(objective="margin"))
    assert found.status == "proved" and found.check(level=2).ok
    assert found.margin >= 0.0295 and found.lipschitz <= 0.127
    # A semidefinite program over the two sides of the kink, floor on the margin, has this metric.
    metric = np.array(
        [
            [33183.0, 119.06, 122.95, 145.33],
            [119.06, 1.0, 0.69355, 1.13852],
            [122.95, 0.69355, 5.1345, 0.66113],
            [145.33, 1.13852, 0.66113, 1.6624],
        ]
    )
    found = certify.certify(field, box, BOTH, metric=certify.Matrix(metric))
    assert found.status == "proved" and found.margin >= 0.027 and found.lipschitz <= 0.126
    solved = dg.solve(
        field, dg.Extragradient(4.82), {"l": 0.0, "x": jnp.zeros(3)}, max_steps=450, tol=1e-11
    )
    assert solved.residual < 1e-10


def test_false_families_are_rejected_at_level_two():
    found = certified(lambda x, y: (x + 0.5 * jnp.abs(x), y))
    data = copy.deepcopy(found.data)
    cell = next(node for node in data["evidence"]["cells"] if node.get("generators"))
    assert cell["along"] == [2]
    for change in (
        {"along": [-1]},
        {"along": [0]},
        {"generators": [[x // 2 for x in cell["generators"][0]]]},
        {"generators": [[-x for x in cell["generators"][0]]]},
    ):
        wrong = copy.deepcopy(data)
        for node in wrong["evidence"]["cells"]:
            if node.get("generators"):
                node.update(change)
        assert not certify.checker.check_data(wrong, level=2).ok
    cell["along"] = [3]
    with pytest.raises(certify.checker.Unusable, match="coordinates"):
        certify.checker.check_data(data)

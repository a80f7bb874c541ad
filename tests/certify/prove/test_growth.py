"""The largest region with a proof: known where the margin is lost at a known radius."""

import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg


@dg.game
def loses_its_margin(x, args):
    """Own curvatures `2 - 12 x^2`: convex up to `1 / sqrt 6`, and no further."""
    return (x[0] ** 2 - x[0] ** 4 + 0.1 * x[0] * x[1], x[1] ** 2 - x[1] ** 4 - 0.1 * x[0] * x[1])


@pytest.mark.full
@pytest.mark.parametrize("shape", ["ball", "box"])
def test_up_to_where_the_margin_is_lost(shape):
    tried = []
    found = certify.grow(
        loses_its_margin,
        (0.0, 0.0),
        shape=shape,
        most=2.0,
        on_try=lambda radius, certificate: tried.append((radius, certificate.status)),
    )
    limit = 1 / np.sqrt(6)
    _, upper = found.region.bounds()
    assert limit / 1.06 < upper[0] <= limit
    assert found.status == "proved"
    assert all((status == "proved") == (radius < limit) for radius, status in tried)


def test_no_proof_at_all():
    found = certify.grow(dg.game(lambda x, args: (-(x[0] ** 2), x[1] ** 2)), (0.0, 0.0))
    assert found.status == "refuted"


class InABox(dg.Game):
    def costs(self, x, args=None):
        return (x[0] ** 2, x[1] ** 2)

    def strategy_set(self, x):
        return tuple(dg.Box(-jnp.full((), 3.0), jnp.full((), 3.0)) for _ in x)


def test_not_beyond_the_strategy_set():
    found = certify.grow(InABox(), (0.0, 0.0), shape="box")
    assert 3.0 / 1.06 < found.region.bounds()[1][0] <= 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 2.0, "most": 1.0}, "in order"),
        ({"accuracy": 0.0}, "between 0 and 1"),
        ({"search": certify.Search(checkpoint="run.npz")}, "checkpoint of Search means nothing"),
    ],
)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        certify.grow(loses_its_margin, (0.0, 0.0), **options)

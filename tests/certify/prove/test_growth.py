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


def test_the_largest_region_is_certified_with_all_care():
    """Tries are content with few cells; what is returned is what `certify` says of that region."""
    tried = {}
    found = certify.grow(
        loses_its_margin, (0.0, 0.0), least=0.1, most=0.36, on_try=tried.__setitem__
    )
    assert isinstance(found.region, certify.Ball) and found.region.radius == 0.36 == max(tried)
    whole = certify.certify(loses_its_margin, found.region)
    for part in ("claims", "evidence"):
        assert found.data[part] == whole.data[part]
    assert tried[0.36].cells < found.cells and 0 < tried[0.36].margin < found.margin


def test_a_rough_margin_that_is_too_small_is_no_answer(monkeypatch):
    """Where few cells have a positive margin and yet no proof, more are tried."""
    shares = []

    def certified(*args, search, **options):
        shares.append(search.tightness)
        rough = search.tightness < 0.9
        certificate = certify.certify(*args, search=search, **options)
        return certify.Convergence("undecided", ("too rough",)) if rough else certificate

    monkeypatch.setattr("certify.prove.growth.certify", certified)
    found = certify.grow(loses_its_margin, (0.0, 0.0), least=0.1, most=0.1)
    assert found.status == "proved"
    assert shares == [0.25, 0.97, 0.97]


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

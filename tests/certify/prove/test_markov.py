"""Natural gradients in the Markov game of Small-Gain Nash: margins near those of samples."""

import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.checker import check_data

GAME = dg.games.MarkovGame.small_gain_nash()
FIELD = dg.NaturalGradient(dg.Regularised(GAME, 1.0))
CENTER = (jnp.zeros((2, 1)), jnp.zeros((2, 1)))
# Of 100,000 samples, in the cube of logits of radius 0.1, so of differences of radius 0.2.
SAMPLED = 0.3782


@pytest.fixture(scope="module")
def certificate():
    return certify.certify(
        FIELD, certify.Box.around(CENTER, 0.2), search=certify.Search(tightness=0.95)
    )


@pytest.mark.full
def test_the_margin_over_the_cube_is_nearly_the_sampled_one(certificate):
    assert certificate.status == "proved"
    assert 0.95 * SAMPLED <= certificate.margin <= SAMPLED
    assert certificate.cells <= 20


@pytest.mark.full
def test_from_the_file_alone(certificate):
    verdict = check_data(certificate.data, level=2)
    assert verdict.ok and len(verdict.rederived) == 3


def test_the_zero_is_the_uniform_policy(certificate):
    lower, upper = certificate.equilibrium[:2]
    for low, high in zip(lower, upper, strict=True):
        assert (low <= 0).all() and (high >= 0).all() and (high - low < 1e-10).all()

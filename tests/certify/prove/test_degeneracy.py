"""A direction along which nothing changes is named, before any search."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.prove.degeneracy import null_directions


def entropy(p):
    return -jnp.sum(p * jnp.log(p))


def logits(n, m):
    A = jax.random.normal(jax.random.key(0), (n, m))

    @dg.zero_sum
    def payoff(x, args):
        p, q = jax.nn.softmax(x["p"]), jax.nn.softmax(x["q"])
        return p @ A @ q - 0.5 * entropy(p) + 0.5 * entropy(q)

    return payoff, {"p": jnp.zeros(n), "q": jnp.zeros(m)}


@pytest.fixture
def no_search(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("the search was to be spared")

    monkeypatch.setattr("certify.prove.question.find_zero", never)
    monkeypatch.setattr("certify.prove.margin_search.cover", never)


def test_logits_are_defined_up_to_a_constant(no_search):
    game, centre = logits(3, 2)
    (reason,) = certify.certify(game, certify.Box.around(centre, 0.2)).reasons
    assert "singular along (1, 1, 1, 0, 0) and 1 more direction" in reason
    assert "dg.LogitDifferences" in reason


@pytest.mark.parametrize(
    ("costs", "centre", "words"),
    [
        # Both players see the sum alone.
        (lambda x, a: ((x[0] + x[1]) ** 2, (x[0] + x[1]) ** 2), (0.0, 0.0), r"\(1, -1\)"),
        # One coordinate does not matter at all.
        (lambda x, a: (x[0][0] ** 2, x[1] ** 2), (jnp.zeros(2), 0.0), r"\(0, 1, 0\)"),
        # A ratio is what counts.
        (
            lambda x, a: ((x[0][0] - 2 * x[0][1]) ** 2, x[1] ** 2),
            (jnp.zeros(2), 0.0),
            r"\(1, 0.5, 0\)",
        ),
        (
            lambda x, a: (jnp.exp(x[0] + x[1]) - x[0], jnp.exp(x[0] + x[1]) - x[1]),
            (0.0, 0.0),
            r"\(1, -1\)",
        ),
        (lambda x, a: (x[0] * 1.0, x[1] ** 2), (0.0, 0.0), r"\(1, 0\)"),
    ],
)
def test_other_directions(costs, centre, words, no_search):
    found = certify.certify(dg.game(costs), certify.Box.around(centre, 0.5))
    assert found.status == "undecided"
    assert (reason := found.reasons[0]) and "is singular along" in reason
    import re

    assert re.search(words, reason), reason


def test_many_coordinates_are_named():
    game = dg.game(lambda x, a: ((jnp.sum(x[0]) ** 2), x[1] ** 2))
    found = certify.certify(game, certify.Box.around((jnp.zeros(30), 0.0), 0.5))
    assert "0[" in found.reasons[0] and len(found.reasons[0]) < 400


def test_singular_at_the_equilibrium_alone():
    game = dg.game(lambda x, a: (x[0] ** 4, x[1] ** 2))
    found = certify.certify(game, certify.Box.around((0.0, 0.0), 0.5))
    assert "the Jacobian at the equilibrium is singular along (1, 0)" in found.reasons[0]


def test_units_are_no_degeneracy():
    """Costs and coordinates in any units, and time scales far apart, are none."""
    rng = np.random.default_rng(0)
    J = 2 * np.eye(4) + 0.3 * rng.normal(size=(5, 4, 4))
    units = np.array([1e-12, 1.0, 1e9, 1e-3])
    for scaled in (J, J * units, J * units[:, None], J * units[:, None] / units):
        assert not len(null_directions(scaled))
    assert not len(null_directions(np.diag([1.0, 1e-13, 1e13])[None]))
    singular = J.copy()
    singular[:, :, 3] = singular[:, :, 0] * 2
    found = null_directions(singular * units)
    assert len(found) == 1 and np.abs((singular * units) @ found[0]).max() < 1e-9

"""The one decision on how Jacobians are enclosed: which, why, and what cannot be had."""

import jax
import jax.numpy as jnp
import pytest

import certify
import dgames as dg
from certify.jacobian import enclosure_choice as enclosures
from certify.jacobian.enclosure_choice import NAMED, ConstantJacobian

RNG = jax.random.normal(jax.random.key(0), (9, 2))


def field_of(costs, *blocks):
    """Of a game around the origin."""
    center = tuple(jnp.zeros(size) for size in blocks)
    return certify.flat_field(dg.game(costs), certify.Box.around(center, 0.5))


def quartic(x, args):
    a, b = x
    return jnp.sum(a**4) + jnp.sum(a) * jnp.sum(b), jnp.sum(b**4) + jnp.sum(b**2)


def quadratic(x, args):
    a, b = x
    return jnp.sum(a**2) + jnp.sum(a) * jnp.sum(b), jnp.sum(b**2)


def solving(x, args):
    a, b = x
    matrix = jnp.eye(2) * 3.0 + jnp.outer(a, a)
    return jnp.sum(jnp.linalg.solve(matrix, a)), jnp.sum(b**2)


def summing(x, args):
    a, b = x
    return jnp.mean(jax.nn.softplus(RNG @ a)) + a @ a, jnp.sum(b**2) + jnp.sum(a * b)


@pytest.mark.parametrize(
    ("costs", "sizes", "enclosure", "why"),
    [
        (quadratic, (1, 1), ConstantJacobian(), "the same everywhere"),
        (quartic, (1, 1), certify.Taylor(), "short enough for Taylor polynomials"),
        (quartic, (9, 8), certify.AffineArithmetic(), "Taylor polynomials are for at most 16"),
        (quartic, (25, 24), certify.IntervalMatrices(), "affine arithmetic is for at most 48"),
        (solving, (2, 1), certify.AffineArithmetic(), "solve linear systems"),
        (summing, (2, 2), certify.AffineArithmetic(), "9 smooth units, more than 4"),
    ],
)
def test_what_suits_a_field_and_why(costs, sizes, enclosure, why):
    found = certify.AutoEnclosure().select(field_of(costs, *sizes))
    assert found.enclosure == enclosure and why in found.why
    assert found.compiled and not found.shortfall


def test_costs_that_no_polynomials_are_taken_of(monkeypatch):
    field = field_of(quartic, 1, 1)
    monkeypatch.setattr("certify.jacobian.enclosure_choice.is_affordable", lambda graph: False)
    enclosures.is_short.cache_clear()
    enclosures._suited.cache_clear()
    found = certify.AutoEnclosure().select(field)
    enclosures.is_short.cache_clear()
    enclosures._suited.cache_clear()
    assert found.enclosure == certify.AffineArithmetic()
    assert "too long for Taylor polynomials" in found.why


def test_costs_with_branches_have_polynomials_too():
    """A branch is a choice of the expression graph."""

    def costs(x, args):
        a, b = x
        return jnp.sum(jax.lax.cond(a[0] > 9.0, lambda t: t**2, lambda t: t**4, a)), jnp.sum(b**2)

    field = field_of(costs, 1, 1)
    assert enclosures.is_short(field)
    assert certify.AutoEnclosure().select(field).enclosure == certify.Taylor()


@pytest.mark.parametrize("name", [name for name in NAMED if name not in ("auto", "terms")])
def test_what_is_asked_for_is_taken(name):
    enclosure = NAMED[name]()
    assert enclosure.select(field_of(quartic, 1, 1)).enclosure == enclosure
    # Of a constant Jacobian nothing is enclosed.
    assert enclosure.select(field_of(quadratic, 1, 1)).enclosure == ConstantJacobian()


def test_terms_are_no_enclosure_of_cells():
    with pytest.raises(ValueError, match="no cells"):
        certify.RankOneTerms().select(field_of(quartic, 1, 1))


@pytest.mark.parametrize(
    ("enclosure", "size"), [(certify.Taylor(), 17), (certify.AffineArithmetic(), 49)]
)
def test_too_many_coordinates(enclosure, size):
    with pytest.raises(ValueError, match=f"{size} coordinates; .* for at most {size - 1}"):
        enclosure.select(field_of(quartic, size - 1, 1))

"""Suprema of the derivatives of activations, against ball arithmetic on a cover of the line."""

import math

import flint
import jax
import numpy as np
import pytest

from dgames.nn import ACTIVATIONS, Activation
from dgames.nn.activations import SUPREMA

ELEMENTWISE = [name for name in ACTIVATIONS if name not in ("groupsort", "identity")]


def series(name: str, x: flint.arb) -> flint.arb_series:
    """Returns the Taylor series of an activation at a ball, to the third power."""
    h = flint.arb_series([x, 1])
    one = flint.arb_series([1])
    if name == "tanh":
        return one - 2 * one / ((2 * h).exp() + 1)
    if name == "softplus":
        return (one + h.exp()).log()
    if name == "sin":
        return h.sin()
    if name == "erf":
        return h.erf()
    if name == "gelu":
        return h * (one + (h / flint.arb(2).sqrt()).erf()) / 2
    logistic = one / (one + (-h).exp())
    return logistic if name == "sigmoid" else h * logistic


def derivatives(name: str, x: flint.arb) -> list[flint.arb]:
    """Encloses the first three derivatives on a ball."""
    coefficients = series(name, x)
    return [coefficients[k] * factorial for k, factorial in ((1, 1), (2, 2), (3, 6))]


@pytest.fixture(autouse=True)
def short_series_in_high_precision():
    old = flint.ctx.cap, flint.ctx.prec
    flint.ctx.cap, flint.ctx.prec = 4, 100
    yield
    flint.ctx.cap, flint.ctx.prec = old


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("share", [1e-2, pytest.param(1e-3, marks=pytest.mark.full)])
def test_suprema_hold_on_a_cover(name, share):
    """Cells are cut until each proves that no derivative exceeds its supremum by more than a share.

    Beyond 16 all derivatives have passed their last extremes and go to 0, or to 1 from below; sin
    has a period.
    """
    suprema = [(1.0 + share) * bound for bound in SUPREMA[name]]
    cells = [(float(k), k + 1.0) for k in range(-16, 16)]
    tried = 0
    while cells:
        low, high = cells.pop()
        tried += 1
        assert tried < 200_000
        ball = flint.arb((low + high) / 2, (high - low) / 2)
        found = derivatives(name, ball)
        if not all(abs(d) <= bound for d, bound in zip(found, suprema, strict=True)):
            cells += [(low, (low + high) / 2), ((low + high) / 2, high)]


@pytest.mark.parametrize(
    ("name", "order", "where"),
    [
        *[("tanh", 3, "0"), ("softplus", 2, "0"), ("sigmoid", 1, "0"), ("sigmoid", 3, "0")],
        *[("silu", 1, "2.3993572805154677"), ("silu", 2, "0"), ("silu", 3, "1.0319582417807485")],
        *[
            ("gelu", 1, "1.4142135623730951"),
            ("gelu", 2, "0"),
            ("gelu", 3, str(math.sqrt((7.0 - math.sqrt(33.0)) / 2.0))),
        ],
        *[("erf", 1, "0"), ("erf", 2, "0.7071067811865476"), ("erf", 3, "0")],
        *[("tanh", 2, "0.6584789484624084"), ("softplus", 3, "1.3169578969248166")],
        ("sigmoid", 2, "1.3169578969248166"),
    ],
)
def test_suprema_are_rounded_up_by_a_unit(name, order, where):
    """The value at the extreme is at most the bound, and within a few units of it."""
    true = abs(derivatives(name, flint.arb(where))[order - 1])
    bound = SUPREMA[name][order - 1]
    assert true.lower() <= bound
    assert bound <= float(true) * (1.0 + 4e-16)


def test_pairs():
    """The quadratic form of a sorted pair, and its change, against automatic derivatives."""
    activation = Activation("groupsort", 2.0)
    slope, curvature, change = activation.suprema
    generator = np.random.default_rng(0)

    def form(a, lam):
        return jax.hessian(lambda a: lam @ activation(a))(a)

    # The largest curvature is at equal numbers, the largest change at p q = 1/6.
    apart = np.concatenate([[0.0, 0.6584789484624084], generator.normal(size=98)])
    a = np.stack([apart, np.zeros(100)], 1)
    lam = np.concatenate([np.tile([1.0, -1.0], (2, 1)), generator.normal(size=(98, 2))])
    measure = np.abs(lam[:, 0] - lam[:, 1]) / 2
    forms = jax.jit(jax.vmap(form))(a, lam)
    changes = jax.jit(jax.vmap(jax.jacfwd(form)))(a, lam)
    norms = np.linalg.norm(np.asarray(forms), 2, (1, 2))
    # The change is a multiple of d (x) d (x) d, d = (1, -1), whose norm as a trilinear form is that
    # of its entries.
    rates = np.sqrt((np.asarray(changes) ** 2).sum((1, 2, 3)))
    assert (norms <= measure * curvature * (1 + 1e-12)).all()
    assert (rates <= measure * change * (1 + 1e-12)).all()
    assert norms[0] == pytest.approx(curvature * measure[0])
    assert rates[1] == pytest.approx(change * measure[1])
    assert slope == 1.0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_sharpness(name):
    """It multiplies curvatures once and their changes twice, rounded up."""
    plain, sharp = Activation(name).suprema, Activation(name, 3.0).suprema
    assert sharp[0] == plain[0]
    assert sharp[1] == pytest.approx(3.0 * plain[1])
    assert sharp[2] == pytest.approx(9.0 * plain[2])
    assert sharp[1] >= 3.0 * plain[1]
    assert sharp[2] >= 9.0 * plain[2]
    assert plain[0] <= Activation(name).steepest

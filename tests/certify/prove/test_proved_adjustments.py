"""Proofs for adjusted fields, of games whose own field has no margin."""

import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data

LU = lx.LU()
BIL = dg.zero_sum(lambda x, args: x[0] * x[1])
BENT = dg.zero_sum(lambda x, args: jnp.sin(x[0]) * x[1] + 0.1 * x[0] ** 2 * x[1])
CURVED = dg.zero_sum(lambda x, args: x[0] ** 2 + 3 * jnp.sin(x[0]) * x[1] - x[1] ** 2)
MINIMAX = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
BOX = certify.Box.around((0.0, 0.0), 0.5)


def proved(field, region=BOX):
    found = certify.certify(field, region, [dg.Simultaneous])
    assert found.status == "proved", found.reasons
    for level in (1, 2):
        verdict = check_data(found.data, level=level)
        assert verdict.ok, verdict.reasons
    step = found.step_sizes["simultaneous"]
    return step.max, step.rate


# The field, the largest step for which simultaneous steps converge, and the best factor.
LINEAR = {
    "consensus": (lambda: dg.Consensus(BIL, 1.0), 1.0, np.sqrt(0.5)),
    "competitive": (lambda: dg.Competitive(BIL, 1.0, LU), 2.0, np.sqrt(0.5)),
    "competitive, weak": (lambda: dg.Competitive(BIL, 0.25, LU), 0.5, 1 / np.sqrt(1 + 1 / 16)),
    "symplectic": (lambda: dg.SymplecticAdjusted(BIL, 1.0), 1.0, np.sqrt(0.5)),
    "aligned": (lambda: dg.SymplecticAdjusted(BIL, 1.0, aligned=True), 1.0, np.sqrt(0.5)),
    "hamiltonian": (lambda: dg.Hamiltonian(BIL), 2.0, 0.0),
    "look ahead": (lambda: dg.LookAhead(BIL, 0.5), 0.8, 1 / np.sqrt(1.25)),
    "lola": (lambda: dg.LOLA(BIL, 0.5), 1.0, np.sqrt(0.5)),
    "lola, exact": (lambda: dg.LOLA(BIL, 0.5, exact=True), 1.0, np.sqrt(0.5)),
    "rescaled": (lambda: dg.Rescaled(dg.Consensus(BIL, 1.0), 2.0), 0.5, np.sqrt(0.5)),
}


@pytest.mark.thin(5)
@pytest.mark.parametrize("make, most, best", LINEAR.values(), ids=LINEAR)
def test_what_is_proved_of_the_bilinear_game_is_what_is_true(make, most, best):
    """No step that does not converge is proved, and nearly all that do."""
    step, rate = proved(make())
    assert most * (1 - 1e-6) < step <= most
    assert best <= rate < best + 1e-5


def test_of_the_field_itself_nothing_is_proved():
    assert certify.certify(BIL, BOX, [dg.Simultaneous]).status == "undecided"


BENDING = {
    "symplectic": lambda: dg.SymplecticAdjusted(BENT, 1.0),
    "look ahead": lambda: dg.LookAhead(BENT, 0.5),
    "competitive": lambda: dg.Competitive(BENT, 1.0, LU),
    "surgery": lambda: dg.SymplecticSurgery(CURVED, solver=LU),
    "ridge": lambda: dg.FollowTheRidge(MINIMAX, solver=LU),
    "timescales": lambda: dg.Rescaled(MINIMAX, 10.0, leader=0),
}


@pytest.mark.full
@pytest.mark.parametrize("make", BENDING.values(), ids=BENDING)
def test_games_that_bend_are_proved_and_their_steps_converge(make):
    field = make()
    step, rate = proved(field)
    run = dg.solve(field, dg.Simultaneous(0.5 * step), (0.3, -0.2), tol=1e-10, max_steps=20_000)
    assert run.result == dg.RESULTS.successful and rate < 1
    assert np.abs(np.array(run.strategy)).max() < 1e-8


@pytest.mark.full
def test_two_timescales_below_the_threshold_are_not_proved():
    assert certify.certify(dg.Rescaled(MINIMAX, 2.9, leader=0), BOX).status != "proved"


@pytest.mark.full
def test_three_players_in_a_circle():
    def costs(x, args=None):
        a, b, c = x
        return a * b - a * c, -b * a + b * jnp.sin(c), c * a - c * b + 0.5 * c**2

    region = certify.Box.around((0.0, 0.0, 0.0), 0.1)
    for field in (dg.Consensus(dg.game(costs), 1.0), dg.SymplecticAdjusted(dg.game(costs), 0.5)):
        step, _ = proved(field, region)
        run = dg.solve(field, dg.Simultaneous(0.5 * step), (0.05, 0.05, -0.05), tol=1e-9)
        assert run.result == dg.RESULTS.successful


@pytest.mark.full
@pytest.mark.parametrize(
    "field, method",
    [
        (dg.Consensus(BENT, 0.5), dg.Optimistic(0.3)),
        (dg.Competitive(BIL, 1.0, LU), dg.Extragradient(0.5)),
    ],
    ids=["optimistic on consensus", "extragradient on competitive"],
)
def test_steps_by_the_direct_route(field, method):
    """Among them the optimistic variant of competitive gradient optimisation."""
    found = certify.contraction(field, method, certify.Box.around((0.0, 0.0), 0.05))
    verdict = check_data(found.data)
    assert verdict.ok, verdict.reasons
    z = (jnp.array(0.0), jnp.array(0.0))
    spectrum = np.linalg.eigvals(np.asarray(dg.step_jacobian(field, method, z)))
    assert np.abs(spectrum).max() <= found.rate < 1


def test_projections_are_those_of_the_field_that_is_adjusted():
    class Odd(dg.AbstractField):
        def __call__(self, x, args=None):
            return x

        def project(self, x):
            return (x[1], x[0])

    with pytest.raises(ValueError, match="projects in a way of its own"):
        certify.certify(dg.Consensus(Odd(), 1.0), BOX)


def test_iterative_solvers_have_no_enclosure():
    with pytest.raises(certify.EnclosureError, match=r"solve .* directly, with solver=lineax.LU"):
        certify.certify(dg.Competitive(BIL, 1.0), BOX)

"""What the studies of complex momentum share."""

import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from experiments import expected, storage
from experiments.momentum import spectra
from experiments.momentum.counting import cost, evaluations

REPRODUCTION, REFERENCE = (expected.FOLDER.parent / name for name in ("reproduction", "reference"))
STEPS = np.array([0.05, 0.3, 0.5, 0.9])


def test_rates_of_known_methods():
    assert np.allclose(spectra.gradient(STEPS, 1j), np.sqrt(1 + STEPS**2))
    assert np.allclose(spectra.extragradient(STEPS, 1j), np.sqrt(1 - STEPS**2 + STEPS**4))
    # A double root at (1 - i) / 2.
    assert np.isclose(spectra.optimistic(0.5, 1j), np.sqrt(0.5), atol=1e-7)
    # Polyak's best momentum for curvatures between 1 / 9 and 1 has the rate 1 / 2.
    curvatures = np.array([1 / 9, 0.5, 1.0])
    assert np.allclose(spectra.momentum(2.25, 0.25, curvatures), 0.5, atol=1e-6)


def test_complex_momentum_contains_the_others():
    eigenvalues = np.array([1j, 0.5 + 0.2j, 0.7])[:, None]
    for b in (-0.4, 0.0, 0.6):
        found = spectra.complex_momentum(STEPS, b + 0j, eigenvalues)
        assert np.allclose(found, spectra.momentum(STEPS, b, eigenvalues), atol=1e-6)
    # Alternating gradient steps only turn.
    assert np.allclose(spectra.alternating(STEPS, 0j, 1.0), 1)
    # Roots come in conjugate pairs: both signs of the angle are one method.
    momenta = spectra.polar(0.8, np.array([0.3, -0.3]))
    assert np.ptp(spectra.complex_momentum(0.1, momenta, 1j)) < 1e-12


def test_largest_modulus_of_known_roots():
    roots = np.array([[0.5, -0.25j, 2.0], [0.1, 0.2, 0.3]])
    polynomials = np.stack([np.poly(row) for row in roots])
    assert np.allclose(spectra.largest_modulus(polynomials), [2.0, 0.3])


def test_searches_find_minima():
    found, where = spectra.smallest(
        lambda p: float(spectra.extragradient(p[0], 1j)), np.array([[0.3]])
    )
    assert np.isclose(found, np.sqrt(3) / 2) and np.isclose(where[0], np.sqrt(0.5), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "costs"),
    [
        (dg.Extragradient, (2, 0)),
        (dg.Optimistic, (1, 1)),
        (lambda h: dg.Optimistic(h, reflected=True), (1, 0)),
        (dg.Simultaneous, (1, 0)),
    ],
)
def test_evaluations_are_counted(make, costs):
    each, first = costs
    assert cost(make(0.5)) == costs
    shrink = dg.FunctionField(lambda x, args: x)
    # Far fewer than the budget; steps of the gradient halve the distance, so that there are ten.
    found = evaluations(shrink, make, (1.0,), (np.array([0.5]),), radius=0.9e-3, budget=100)
    assert (found - first) % each == 0
    if make is dg.Simultaneous:
        assert found == 11


def test_runs_that_do_not_arrive_cost_infinitely_much():
    game = dg.games.Bilinear()
    found = evaluations(
        game, dg.Simultaneous, (1.0, 1.0), (jnp.array([0.1, 0.9]),), radius=0.1, budget=50
    )
    assert np.isinf(found).all()


def test_every_cell_of_the_comparison_with_the_paper_stands_on_something():
    table = storage.read(REPRODUCTION / "complex_momentum.json")
    reference = storage.read(REFERENCE / "complex_momentum.json")
    assert table["title"] and table["paper"] and len(table["rows"]) >= 12
    for row in table["rows"]:
        assert set(row) == {"quantity", "paper", "reference", "measured", "proved"}
        for kind in ("paper", "reference", "measured", "proved"):
            cell = row[kind]
            if "study" in cell:
                entry = expected.load(cell["study"])[cell["number"]]
                proofs = {"proved", "checked"}
                assert (entry.evidence in proofs) == (kind == "proved"), row["quantity"]
            elif "file" in cell:
                value = reference
                for key in cell["path"]:
                    value = value[key]
            else:
                assert cell.get("why") or cell.get("text")

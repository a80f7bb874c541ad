"""What happens when the cells have no proof in the metric that sampling chose."""

import numpy as np
import pytest

import certify
import dgames as dg
from certify.metric.best_matrix import margin_in
from certify.metric.ladder import Ladder, Rung, climb

ONES = Rung("weights", np.ones(3), 1.0)
LIES = {
    "ill-conditioned": np.array([[1.0, 0.0, 0.0], [0.0, 1e-6, 9e-4], [0.0, 9e-4, 1.0]]),
    "of another game": np.eye(3) + 0.9 * (1 - np.eye(3)),
    "of unequal weights": np.diag([1.0, 1e6, 1e-6]),
}


@pytest.fixture
def sampling_lies(monkeypatch):
    """Whatever metric comes first is called a good one."""
    monkeypatch.setattr("certify.prove.metric_choice.sampled_margin", lambda *arguments: 1.0)


def choose(monkeypatch, chosen, *others):
    """The ladder comes out with these rungs; further climbing is not disturbed."""

    def climbed(jacobians, sizes, choice="auto", aim=None):
        return (
            climb(jacobians, sizes, choice, aim)
            if choice == "full"
            else Ladder((*others, chosen), chosen, 1.0)
        )

    monkeypatch.setattr("certify.prove.metric_choice.climb", climbed)


def nothing_false_at(game, region, found):
    """What is proved of all points is true of one."""
    step = np.asarray(dg.step_jacobian(game, dg.Simultaneous(1.0), region.center))
    jacobian = np.eye(len(step)) - step
    assert margin_in(jacobian[None], np.array(found.metric)) >= found.margin


def nothing_false(found, shear):
    nothing_false_at(shear.game, shear.region, found)


@pytest.fixture(scope="module")
def small(shear):
    """So small a region that one cell will do, in whatever metric the search was."""
    return certify.Box.around((0.1, 0.2, 0.2), 0.02)


@dg.zero_sum
def pull(x, args):
    """The coupling cancels in weights; in the full matrix that promises more it does not."""
    a, b = x["a"], x["b"]
    return 0.05 * a**2 + 3.0 * a * b + 2.0 * a * b**3 - 2.0 * b**2


def test_weights_prove_what_a_matrix_does_not_on_few_cells():
    region = certify.Box.around({"a": 0.0, "b": 0.0}, 0.36)
    few, many = (
        certify.certify(pull, region, search=certify.Search(max_cells=most)) for most in (1, 100)
    )
    assert few.status == many.status == "proved"
    assert few.cells == 1 and few.margin == pytest.approx(0.1, abs=1e-3)
    assert few.weights["a"] == pytest.approx(few.weights["b"], rel=0.01)
    said = few.data["provenance"]["metric"]
    assert said.startswith("weights")
    assert "no proof in 'full': the margin on some cell is not positive" in said
    assert "full 1." in said  # what sampling promised
    assert many.margin > 5 * few.margin and many.metric[0, 1] != 0
    assert "no proof" not in many.data["provenance"]["metric"]


@pytest.mark.full
def test_a_matrix_made_for_the_cells():
    """Four cells, with remainders that no sample knows of: more than weights have."""
    region = certify.Box.around({"a": 0.0, "b": 0.0}, 0.45)
    found = certify.certify(pull, region, search=certify.Search(max_cells=4))
    assert found.status == "proved" and found.cells == 4
    assert found.data["provenance"]["metric"].startswith("full, for the cells, as there is no")
    assert found.margin > 0.15
    nothing_false_at(pull, region, found)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_when_the_chosen_matrix_is_a_lie_another_one_is_found(
    shear, small, lie, sampling_lies, monkeypatch
):
    choose(monkeypatch, Rung("full", lie, 1.0), ONES)
    found = certify.certify(shear.game, small)
    assert found.status == "proved"
    nothing_false(found, shear)
    said = found.data["provenance"]["metric"]
    assert said.startswith("full")
    assert "as there is no proof in 'full': the margin on some cell" in said


def test_a_matrix_where_weights_promise_too_much(shear, small, sampling_lies, monkeypatch):
    choose(monkeypatch, ONES)
    found = certify.certify(shear.game, small)
    assert found.status == "proved" and found.metric[0, 1] != 0
    nothing_false(found, shear)
    # Who asks for weights gets no matrix.
    refused = certify.certify(shear.game, small, metric=certify.AutoMetric("weights"))
    assert refused.status == "undecided"
    assert "margin" in refused.reasons[0]


def test_when_everything_lies_nothing_is_proved(shear, small, sampling_lies, monkeypatch):
    rungs = tuple(Rung(name, lie, 1.0) for name, lie in LIES.items())
    for place in ("metric_choice", "terms_metric"):
        monkeypatch.setattr(
            f"certify.prove.{place}.climb", lambda *_: Ladder(rungs, rungs[-1], 1.0)
        )
    found = certify.certify(shear.game, small)
    assert found.status == "undecided"
    assert "the margin on some cell is not positive" in found.reasons[0]
    for name in list(LIES)[:-1]:
        assert any(f"in the metric '{name}'" in reason for reason in found.reasons)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_about_the_cells_proves_nothing_false(shear, small, lie, sampling_lies, monkeypatch):
    """The matrix made for the cells is one more guess."""
    monkeypatch.setattr("certify.prove.attempts.cell_metric", lambda *_, **__: lie)
    choose(monkeypatch, Rung("full", LIES["of another game"], 1.0), ONES)
    found = certify.certify(shear.game, small)
    assert found.status == "proved"
    nothing_false(found, shear)


def test_a_metric_that_was_given_is_the_only_one_tried(shear, small, sampling_lies):
    found = certify.certify(shear.game, small, metric=certify.Matrix(LIES["of another game"]))
    assert found.status == "undecided"
    assert not any("in the metric" in reason for reason in found.reasons)

"""Networks trained with a guarantee: their data, and the quick run of the study."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import expected
from experiments.data.splits import split
from experiments.neural.classifiers import accuracy
from experiments.neural.moment_games import structural
from experiments.neural_frontier import Config, instrumented


class TestSplits:
    @pytest.mark.parametrize(("name", "rows"), [("breast cancer", 569), ("digits", 357)])
    def test_everything_is_either_learnt_or_held_out(self, name, rows):
        table = split(name, 0)
        assert len(table.rows) + len(table.held_rows) == rows
        assert len(table.held_rows) == pytest.approx(rows / 4, abs=1)
        assert set(table.labels) == set(table.held_labels) == {-1.0, 1.0}

    @pytest.mark.parametrize("name", ["breast cancer", "digits"])
    def test_what_is_held_out_does_not_move_what_is_learnt(self, name):
        table = split(name, 3)
        assert np.abs(table.rows.mean(0)).max() < 1e-4
        assert (table.rows**2).sum(1).mean() == pytest.approx(1.0, abs=1e-3)
        assert np.abs(table.held_rows.mean(0)).max() > 1e-3
        assert np.array_equal(table.rows * 2**16, np.round(table.rows * 2**16))

    def test_fewer_rows_are_the_first_ones_and_the_held_out_ones_stay(self):
        whole, few = split("digits", 0), split("digits", 0, most=20)
        assert len(few.rows) == 20
        assert np.array_equal(few.labels, whole.labels[:20])
        assert np.array_equal(few.held_labels, whole.held_labels)


def test_accuracy_by_hand():
    rows = np.array([[1.0], [-2.0], [3.0], [-1.0]])
    assert accuracy(lambda x: 2 * x, rows, np.array([1.0, -1.0, -1.0, 1.0])) == 0.5


def test_errors_move_inputs_and_outputs_but_not_instruments():
    """So regression on the inputs is biased, and that on the instruments is not."""
    inputs, instruments, outputs = instrumented(Config(samples=20_000))
    errors, moved = outputs - structural(inputs), inputs - instruments
    assert float(jnp.mean(errors * moved[:, 0])) == pytest.approx(0.04, rel=0.1)
    assert jnp.abs(jnp.mean(errors[:, None] * instruments, 0)).max() < 0.005


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("neural_frontier").numbers
    assert expected.compare(found, expected.load("neural_frontier", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("neural_frontier").figures
    assert [path.stem for path in figures] == ["frontier", "training"]
    assert all(path.stat().st_size > 10_000 for path in figures)

"""Branch and bound: one answer however the cells are batched, and budgets that are kept."""

import time

import numpy as np
import pytest

import certify
from certify.jacobian.family import AffineFamily
from certify.problem.field import flat_field
from certify.prove.margin_measure import in_process
from certify.search.budget import Budget
from certify.search.cover import cover
from certify.search.frontier import Frontier
from certify.search.measure import Measured, Merit
from certify.search.tree import Split

FAMILY = AffineFamily(
    np.eye(2), np.zeros((0, 2, 2)), np.zeros((2, 2)), np.zeros((2, 2, 2)), np.array(True)
)


def proof(certificate):
    """What a certificate says, without where and when it was made."""
    ignored = ("provenance", "digest")
    return {key: value for key, value in certificate.data.items() if key not in ignored}


class TestOneAnswer:
    def test_there_is_something_to_search(self, whole):
        assert whole.cells > 150

    @pytest.mark.parametrize("batch_size", [1, 2, 7, 16, 33, 64, 10_000])
    def test_any_batch_size(self, ripples, whole, batch_size):
        found = certify.certify(
            ripples.game, ripples.region, search=certify.Search(batch_size=batch_size)
        )
        assert proof(found) == proof(whole)

    def test_nothing_compiles_again(self, ripples, whole, caplog):
        """Blocks have one shape: after the first run no program is compiled for another batch."""
        import jax

        with jax.log_compiles(), caplog.at_level("WARNING"):
            certify.certify(ripples.game, ripples.region, search=certify.Search(batch_size=5))
        assert not [record for record in caplog.records if "evaluate" in record.getMessage()]
        assert not [record for record in caplog.records if "Compiling" in record.getMessage()]


class TestSearch:
    @pytest.mark.full
    @pytest.mark.parametrize("tightness", [0.5, 0.97, 0.995])
    def test_every_cell_reaches_the_target(self, ripples, tightness):
        field = flat_field(ripples.game, ripples.region)
        states = []
        tree = cover(
            ripples.region,
            in_process(field, np.ones(2), certify.Taylor()),
            tightness=tightness,
            budget=Budget(10_000),
            progress=states.append,
        )
        assert tree.shortfall == ""
        assert states[-1].margin >= tightness * tree.peak
        assert [state.cells for state in states] == sorted({state.cells for state in states})
        assert states[-1].cells == len(tree.evidence())

    @pytest.mark.parametrize("levels", [1, 3, 1000])
    def test_the_worst_cells_are_cut_and_ties_go_by_age(self, ripples, levels):
        rng = np.random.default_rng(levels)
        margins = []

        def measured(cells):
            margins.extend(rng.integers(levels, size=len(cells)).tolist())
            scores = np.array([1.0, 0.5])
            fresh = margins[-len(cells) :]
            return [Measured(FAMILY, (Merit(float(margin), 1.0, scores),)) for margin in fresh]

        frontier = Frontier(ripples.region)
        frontier.start(measured(frontier.root()))
        remaining = {0}
        for _ in range(12):
            cuts = frontier.plan(5, 2000.0)
            assert cuts is not None and frontier.plan(5, 2000.0) == cuts  # planning changes nothing
            numbers = [cut.number for cut in cuts]
            assert numbers == sorted(remaining, key=lambda number: (margins[number], number))[:5]
            inside, halves = frontier.children(cuts)
            before = len(frontier.nodes)
            frontier.enter(cuts, halves, measured(inside))
            remaining = remaining - set(numbers) | set(range(before, len(frontier.nodes)))
            assert len(frontier) == len(remaining)
            assert frontier.worst == min(margins[number] for number in remaining)
        assert all(
            isinstance(frontier.nodes[n], Split)
            for n in range(len(frontier.nodes))
            if n not in remaining
        )

    def test_cells_below_the_target_only(self, ripples):
        frontier = Frontier(ripples.region)
        frontier.start([Measured(FAMILY, (Merit(0.5, 1.0, np.ones(2)),))])
        assert frontier.plan(5, 0.5) == []
        assert frontier.plan(5, 0.6) is not None

    def test_each_figure_of_merit_has_its_own_worst_cells(self, ripples):
        """Cells are cut that fail in either, along what helps there; the product is what counts."""
        frontier = Frontier(ripples.region)

        def measured(*pairs):
            first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
            return [
                Measured(FAMILY, (Merit(a, 1.0, first), Merit(b, 2.0, second))) for a, b in pairs
            ]

        def planned(share):
            cuts = frontier.plan(5, share)
            assert cuts is not None
            return cuts

        def enter(cuts, *pairs):
            frontier.enter(cuts, frontier.children(cuts)[1], measured(*pairs))

        frontier.start(measured((0.5, 2.0)))
        (cut,) = planned(0.81)
        assert (cut.number, cut.axis) == (0, 0)
        enter([cut], (0.9, 0.4), (1.0, 1.98))
        assert frontier.worst == pytest.approx(0.9 * 0.4) and frontier.peak == 2.0
        (cut,) = planned(0.81)  # nine tenths of each; the second cell has them
        assert (cut.number, cut.axis) == (1, 1)
        enter([cut], (0.95, 2.0), (1.0, 2.0))
        assert frontier.worst == pytest.approx(0.95 * 1.98)
        assert [(cut.number, cut.axis) for cut in planned(0.999)] == [(3, 0), (2, 1)]
        assert planned(0.81) == []

    def test_balls_leave_out_what_is_outside(self, ripples):
        ball = certify.Ball((0.0, 0.0), 2.0)
        inside = certify.certify(ripples.game, ball)
        assert inside.status == "proved"
        assert any("outside" in node for node in inside.data["evidence"]["cells"])


class TestBudgets:
    def test_cells(self, ripples):
        for most in (1, 3, 50):
            states = []
            found = certify.certify(
                ripples.game,
                ripples.region,
                search=certify.Search(max_cells=most, progress=states.append),
            )
            assert max(state.cells for state in states) == most
            if found.status != "proved":
                assert f"budget of {most} cells" in found.reasons[-1]

    def test_seconds(self, ripples):
        found = certify.certify(
            ripples.game, ripples.region, search=certify.Search(max_seconds=1e-6)
        )
        assert found.status == "undecided"
        assert "the budget of 1e-06 seconds was used up" in found.reasons[-1]

    def test_seconds_end_a_search_between_rounds(self, ripples):
        states = []

        def slow(state):
            if not state.stage:
                states.append(state)
                time.sleep(0.2)

        certify.certify(
            ripples.game, ripples.region, search=certify.Search(max_seconds=1.5, progress=slow)
        )
        assert 1 <= len(states) <= 8  # of more than twenty
        assert states[-1].seconds >= 1.2

    def test_what_was_reached_is_proved(self, ripples, whole):
        """A budget that ends the search early costs margin, not truth."""
        found = certify.certify(
            ripples.game, ripples.region, search=certify.Search(max_cells=whole.cells - 20)
        )
        assert found.status == "proved"
        assert 0 < found.margin <= whole.margin

    @pytest.mark.parametrize(
        "options",
        [{"max_seconds": 0.0}, {"max_seconds": float("nan")}, {"batch_size": 0}, {"n_jobs": 0}],
    )
    def test_bad_options_are_one_sentence(self, options):
        (name,) = options
        with pytest.raises(ValueError, match=f"Search: {name} is"):
            certify.Search(**options)

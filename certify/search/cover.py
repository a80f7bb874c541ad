"""Cuts a region into cells, by branch and bound, until each is good enough."""

from collections.abc import Callable

from certify.search.budget import Budget
from certify.search.checkpoint import Checkpoint
from certify.search.frontier import Frontier
from certify.search.measure import Domain, Evidence, Measure
from certify.search.progress import Progress
from certify.search.tree import Tree


def cover(
    region: Domain,
    measure: Measure[Evidence],
    *,
    tightness: float,
    budget: Budget,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Tree[Evidence]:
    """Cuts a region into cells until each is good, worst cell first.

    Cells are cut in rounds whose sizes depend on the number of cells alone. So the tree is the same
    however many cells are measured at a time, on however many devices or processes, and whether
    or not the search was interrupted on the way.

    Args:
        region: What is to be covered.
        measure: Measures the cells of a round.
        tightness: Stop when the cells reach this share of what smaller cells could reach.
        budget: When to stop although the target is not met.
        progress: A function that is called before each round.
        checkpoint: The file that the search resumes from and writes.

    Returns:
        The tree of cells with their evidence. Figures of merit only guide the search; the checker
        has to prove what they promise.

    Raises:
        ValueError: If the checkpoint cannot be used.
        KeyboardInterrupt: When interrupted, after the checkpoint has been written.
    """
    frontier = checkpoint.resume(region, measure) if checkpoint is not None else None
    if frontier is None:
        frontier = Frontier[Evidence](region)
        frontier.start(list(measure(frontier.root())))
    most = measure.most_cells(frontier.example)
    comparable = True  # whether a search with a larger budget would have these cells, too
    try:
        while True:
            peak = frontier.peak
            target = tightness * peak if peak > 0 else peak
            if progress is not None:
                progress(Progress(len(frontier), frontier.worst, target, budget.elapsed))
            if frontier.worst >= target:
                return frontier.tree("")
            if peak <= 0:
                return frontier.tree("smaller cells are not expected to reach a positive margin")
            if spent := budget.spent(len(frontier)):
                return frontier.tree(spent)
            cuts = frontier.plan(round_size(len(frontier)), tightness)
            if cuts is None:
                return frontier.tree("the cells have become as small as float64 allows")
            if len(frontier) >= most:
                return frontier.tree(
                    f"a file of more than {most} cells would be too large to check"
                )
            room = min(budget.cells, most) - len(frontier)
            if len(cuts) > room:
                # The last round is cut short; from here on the tree depends on the budget.
                if checkpoint is not None and comparable:
                    checkpoint.save(frontier, measure)
                cuts, comparable = cuts[:room], False
            inside, halves = frontier.children(cuts)
            frontier.enter(cuts, halves, list(measure(inside)))
            if checkpoint is not None and comparable:
                checkpoint.save_if_due(frontier, measure)
    finally:
        # However the search ends: by success, a spent budget, an error, or Ctrl-C during a round.
        if checkpoint is not None and comparable and frontier.whole:
            checkpoint.save(frontier, measure)


def round_size(cells: int) -> int:
    """Returns how many cells to cut at a time.

    Each round lowers the margin that can be reached, so small rounds waste no cuts, and large ones
    waste no time. A sixteenth of the cells, and at least eight, was measured to cost a few per
    cent.

    Example:
        >>> round_size(1), round_size(1600)
        (8, 100)
    """
    return max(8, cells // 16)

"""Proofs by cells: the region is cut until the Jacobian on each cell has a margin in one metric."""

import functools

from certify.claims.checked import Checked
from certify.metric.metric_options import AutoMetric
from certify.metric.objective import Aim
from certify.problem.region import half_widths
from certify.prove.assembly import Assembly
from certify.prove.attempts import attempt
from certify.prove.differential import compare
from certify.prove.margin_search import searched
from certify.prove.metric_choice import choose, climb_on
from certify.prove.no_proof import NoProof
from certify.prove.proof_task import ProofTask
from certify.prove.question import posed

_NOT_SMOOTH = "on some cell the costs were not shown to be smooth"


def prove_by_cells(task: ProofTask) -> Checked:
    """Returns the contents of a certificate by cells, which the checker has accepted.

    Raises:
        NoProof: If there is no proof; it says why.
        OutOfTime: If the time was used up.
        MismatchError: If the code of the game is not what was read from it.
    """
    game, region, args, field, methods, metric, enclosure, search, stages, budget = task
    # Pose the problem.
    question = posed(game, region, args, field, methods, metric, enclosure, stages)
    # Choose a metric.
    stages.begin("choosing a metric")
    objective = metric.objective if isinstance(metric, AutoMetric) else "basin"
    aim = Aim(objective, half_widths(region), field.is_gradient, stages.deadline(0.3))
    ladder = choose(question, aim)
    # Search.
    stages.begin("preparing the enclosures of the game's derivatives")
    found = searched(question, ladder.chosen.weighting, objective, enclosure, search, budget)
    if not found.smooth:
        raise NoProof(_NOT_SMOOTH, *filter(None, [found.tree.shortfall]))
    # Assemble.
    aim = aim._replace(seconds=lambda: budget.left)
    goal = objective if question.given is None else "none: the metric was given"
    notes = {"enclosure": found.enclosure.name, "objective": goal}
    assembly = Assembly(question, found.tree, aim, notes, budget)
    # Check.
    free = question.given is None and question.generality == "auto" and budget.left > 0
    onward = functools.partial(climb_on, question, aim) if free else None
    proved = attempt(assembly, ladder, onward)
    if proved.contents is None:
        raise NoProof(*proved.reasons, *filter(None, [found.tree.shortfall]))
    compare(game, region, args, field, found.tree)
    return proved.contents

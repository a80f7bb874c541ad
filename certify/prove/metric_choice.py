"""Chooses the metric of a proof: the metric that the user gave, or one found by sampling."""

from certify.metric.ladder import Ladder, climb
from certify.metric.objective import Aim
from certify.metric.weights import sampled_margin
from certify.problem.field import FlatField
from certify.problem.messages import clipped
from certify.prove.no_proof import NoProof
from certify.prove.question import Question


def choose(question: Question, aim: Aim) -> Ladder:
    """Returns the ladder of metrics, with the metric for the search for cells as its chosen one.

    Raises:
        NoProof: If that metric has no positive margin at the sampled points.
    """
    samples, field = question.samples, question.field
    ladder = question.given or climb(samples, field.sizes, question.generality, aim)
    if sampled_margin(samples, ladder.chosen.weighting) <= 0:
        raise NoProof(_no_metric(ladder, field))
    return ladder


def climb_on(question: Question, aim: Aim) -> Ladder:
    """Returns the ladder of metrics up to full matrices."""
    return climb(question.samples, question.field.sizes, "full", aim)


def _no_metric(ladder: Ladder, field: FlatField) -> str:
    """Explains in a sentence why no metric was found."""
    reason = f"no metric with a positive margin was found by sampling ({ladder})"
    if ladder.flat is not None:
        player, curvature = ladder.flat
        reason += (
            f"; no matrix was tried: the own curvature of '{clipped(field.names[player])}' is "
            f"{curvature + 0.0:.4g}, and a zero of the field is known to be an equilibrium only "
            "where all of them are positive"
        )
    if ladder.hurried:
        reason += "; some matrices were not tried for want of time"
    return reason

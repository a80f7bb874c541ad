"""Tries the proof in the chosen metric, and if it fails there, in other metrics.

A metric is chosen by sampling, and only the cells show whether it has a margin everywhere. The
Jacobians of the cells do not depend on the metric, so other rungs of the ladder can be tried on the
same cells, and so can a matrix made for these cells.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from certify.checker import Unusable
from certify.claims.checked import Checked, NotAccepted
from certify.metric.best_matrix import Kind
from certify.metric.cell_metric import cell_metric
from certify.metric.ladder import Ladder, Rung
from certify.metric.metric import Weighting
from certify.prove.assembly import Assembly

# A matrix is made for the cells up to so many coordinates; with more, that takes too long.
_SMALL = 16
# The matrix is tried before simpler metrics if its margin on the cells is so many times theirs.
_PAYS = 1.5
# Floating-point bounds are backed off by a little, and by more if that does not suffice for an
# exact proof.
_BACKOFFS = (2.0**-42, 2.0**-36, 2.0**-28, 2.0**-20)


class Attempts(NamedTuple):
    """The outcome of the attempts at a proof.

    Attributes:
        contents: The contents of the file, accepted by the checker; or None.
        ladder: The ladder, whose chosen rung is that of the proof, and which lists the rungs that
            failed with reasons.
    """

    contents: Checked | None
    ladder: Ladder

    @property
    def reasons(self) -> tuple[str, ...]:
        """Says why there is no proof in the chosen metric, and then in the others."""
        (_, first), *others = self.ladder.failed
        return first, *(f"in the metric '{name}': {reason}" for name, reason in others)


def attempt(assembly: Assembly, ladder: Ladder, climb_on: Callable[[], Ladder] | None) -> Attempts:
    """Proves in the chosen metric of a ladder, or else in another one.

    Other metrics are tried if their margin is positive both as sampled and on the cells: first the
    rungs below the chosen one, from general to simple, then those above it. A matrix made for the
    cells is tried before them if it is much better, and else after them. Sampling, solvers and
    floating point decide only what is tried; the checker has accepted what is returned.

    Args:
        assembly: Makes the contents of a file from the cells.
        ladder: The rungs and the one that was chosen; without rungs no other metric is tried.
        climb_on: Returns further rungs; called only when all known ones have failed.
    """
    failed: list[tuple[str, str]] = []
    for rung in _candidates(assembly, ladder, climb_on):
        if failed and (margin := assembly.margin(rung.weighting)) <= 0:
            failed.append((rung.name, f"a margin of {margin:.4g} on the worst cell"))
            continue
        current = ladder._replace(chosen=rung, failed=tuple(failed))
        contents, reason = checked(assembly, rung.weighting, str(current))
        if contents is not None:
            return Attempts(contents, current)
        failed.append((rung.name, reason))
    return Attempts(None, ladder._replace(failed=tuple(failed)))


def checked(
    assembly: Assembly, weighting: Weighting, metric_in_words: str
) -> tuple[Checked | None, str]:
    """Returns contents that the checker has accepted, or None and why there are none."""
    reason = ""
    for backoff in _BACKOFFS:
        data, reason = assembly.contents(weighting, backoff, metric_in_words)
        if data is None:
            return None, reason
        try:
            return Checked(data), ""
        except NotAccepted as rejection:
            reason = f"the bounds could not be proved exactly: {rejection}"
        except Unusable as error:  # too large to be checked
            return None, str(error)
    return None, reason


def _candidates(
    assembly: Assembly, ladder: Ladder, climb_on: Callable[[], Ladder] | None
) -> Iterator[Rung]:
    """Yields the chosen metric, then others from the ladder, then those from a longer ladder."""
    yield ladder.chosen
    tried = [ladder.chosen.weighting]
    for climbed in (lambda: ladder, climb_on):
        if climbed is None:
            continue
        for rung in _others(assembly, climbed(), ladder.chosen):
            if not any(np.array_equal(rung.weighting, other) for other in tried):
                tried.append(rung.weighting)
                yield rung


def _others(assembly: Assembly, ladder: Ladder, chosen: Rung) -> list[Rung]:
    """Returns the other metrics of a ladder in the order in which to try them."""
    names = [rung.name for rung in ladder.rungs]
    place = names.index(chosen.name) if chosen.name in names else len(names)
    promising = [(k, rung) for k, rung in enumerate(ladder.rungs) if rung.margin > 0]
    below = [rung for k, rung in reversed(promising) if k < place]
    rungs = below + [rung for k, rung in promising if k >= place]
    kinds: list[Kind] = [kind for kind in ("full", "block") if kind in names]
    if not kinds or assembly.field.dimension > _SMALL or assembly.aim.spent():
        return rungs
    margins = [(assembly.margin(rung.weighting), rung) for rung in [chosen, *rungs]]
    best, start = max(margins, key=lambda pair: pair[0])
    made = _made_for_the_cells(assembly, kinds[0], start)
    if made is None or made.margin <= max(best, 0.0):
        return rungs
    return [made, *rungs] if made.margin >= _PAYS * best else [*rungs, made]


def _made_for_the_cells(assembly: Assembly, kind: Kind, start: Rung) -> Rung | None:
    field, weighting = assembly.field, start.weighting
    matrix = weighting if weighting.ndim == 2 else np.diag(weighting)
    try:
        found = cell_metric(
            assembly.families, field.sizes, kind, matrix, field.signs, mirrored=field.zero_sum
        )
    except ImportError:  # without cvxpy
        return None
    return Rung(f"{kind}, for the cells", found, assembly.margin(found))

"""Searches for cells on which a metric has a good margin, or a good step or rate."""

import functools
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax

import certify
from certify.jacobian.enclosure_choice import PATIENCE, DefiniteEnclosure, Enclosure
from certify.jacobian.family import AffineFamily
from certify.metric.metric import Weighting
from certify.metric.objective import Objective
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.prove.no_proof import NoProof
from certify.prove.question import Question
from certify.prove.workers import crew
from certify.search.budget import Budget
from certify.search.checkpoint import Checkpoint, Identity, source_hash
from certify.search.cover import cover
from certify.search.progress import Progress
from certify.search.search_options import Search
from certify.search.tree import Tree

# The code that determines the cells and their margins.
_SOURCES = (
    *("checker", "rounding.py", "enclosure", "problem", "graph", "jacobian", "metric", "search"),
    *("prove/margin_measure.py", "prove/family_measure.py", "prove/workers.py"),
)


# What the figures of merit of the cells make together, in words.
_GOALS: dict[Objective, str] = {
    **{"basin": "margin", "margin": "margin"},
    **{"step": "step", "rate": "margin / Lipschitz constant"},
}


class Searched(NamedTuple):
    """The result of a search.

    Attributes:
        tree: The cells, with their families of Jacobians.
        enclosure: How the Jacobians were enclosed.
    """

    tree: Tree[AffineFamily]
    enclosure: DefiniteEnclosure

    @property
    def smooth(self) -> bool:
        """Says whether the costs were shown to be smooth on all cells."""
        return all(family.finite for family in self.tree.evidence())


def searched(
    question: Question,
    weighting: Weighting,
    objective: Objective,
    enclosure: Enclosure,
    search: Search,
    budget: Budget,
) -> Searched:
    """Cuts the region of a question into cells.

    Raises:
        NoProof: If there is no time to compile the enclosures.
        ValueError: If the checkpoint cannot be used.
    """
    game, region, field = question.game, question.region, question.field
    left = PATIENCE if budget.seconds is None else budget.left
    chosen = enclosure.select(field, left, fallback=search.checkpoint is None)
    if chosen.shortfall and budget.seconds is not None:
        raise NoProof(chosen.shortfall)
    file = None
    if search.checkpoint is not None:
        found = identity(field, region, weighting, objective, search.share, chosen.enclosure)
        file = Checkpoint(search.checkpoint, found)
    with crew(
        game,
        region,
        question.args,
        field,
        weighting,
        chosen.enclosure,
        objective,
        batch_size=search.batch_size,
        n_jobs=search.n_jobs,
        compile=chosen.compiled,
    ) as measure:
        tree = cover(
            region,
            measure,
            tightness=search.share,
            budget=budget,
            progress=_reporting(search.progress, _GOALS[objective]),
            checkpoint=file,
        )
    return Searched(tree, chosen.enclosure)


def _reporting(
    progress: Callable[[Progress], None] | None, goal: str
) -> Callable[[Progress], None] | None:
    """Returns a function that passes reports on, with the goal of the search."""
    return None if progress is None else lambda state: progress(state._replace(goal=goal))


def identity(
    field: FlatField,
    region: Region,
    weighting: Weighting,
    objective: Objective,
    tightness: float,
    enclosure: DefiniteEnclosure,
) -> Identity:
    """Returns everything that determines the cells of a search, by name."""
    packages = ("jax", "jaxlib", "numpy")
    return {
        "game": field.hash,
        "players": json.dumps([field.names, field.sizes]),
        "region": json.dumps(region.to_json(float.hex)),
        "weights": json.dumps([float(weight).hex() for weight in weighting.flat]),
        "objective": _GOALS[objective],
        "tightness": float(tightness).hex(),
        "enclosure": enclosure.name,
        "version of certify": _source(),
        "version of JAX or NumPy": ", ".join(f"{name} {version(name)}" for name in packages),
        "platform": jax.default_backend(),
    }


@functools.cache
def _source() -> str:
    """Returns a hash of the code that determines the cells, more exact than a version number."""
    root = Path(certify.__path__[0])
    return source_hash([root / name for name in _SOURCES])

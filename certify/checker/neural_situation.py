"""What the modules of values are given to derive their evidence again, and how they compare it."""

from fractions import Fraction
from typing import NamedTuple

from .intervals import exact
from .network_balls import Ball, BallNetwork, LayerScalars
from .neural import NetworkShape
from .reader import Reader
from .verdict import require


class Situation(NamedTuple):
    """What a module of a value gets for level 2.

    Attributes:
        game: The section of the file.
        evidence: The section `evidence.value`.
        shapes: The networks.
        centre: The networks at the centre of the region.
        point: The networks at e.
        data: All numbers of the data, in their order.
        samples: How many samples there are.
        moves: The vectors xi of a second player who moves inputs, at the centre, at e and, if there
            is one, at the start; or None.
    """

    game: Reader
    evidence: Reader
    shapes: list[NetworkShape]
    centre: list[BallNetwork]
    point: list[BallNetwork]
    data: list[Fraction]
    samples: int
    moves: list[list[Fraction]] | None = None


def require_bound(found: Ball, stated: Fraction, what: str) -> None:
    """Requires that a stated number is at least what a ball says."""
    holds = bool(found <= exact(stated))
    require(holds, f"{what} are at most what is stated (level 2)")


def require_scalars(found: LayerScalars, file: Reader, batch: range | None = None) -> None:
    """Requires that stated scalars of a network are at least what was found.

    Args:
        found: What was found, of all samples or of some.
        file: What the file states, of all samples.
        batch: Which samples these are; None for all.
    """
    for name, rows in zip(LayerScalars._fields, found, strict=True):
        for row, stated in zip(rows, file[name].items(), strict=True):
            listed = stated.numbers(len(stated.value))
            part = listed if batch is None else listed[batch.start : batch.stop]
            for value, number in zip(row, part, strict=True):
                require_bound(value, number, f"{name} of networks")

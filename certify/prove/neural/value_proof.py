"""The parts of a proof about networks that belong to what they play for."""

import abc
from typing import Any

from certify.checker.network_balls import Ball, BallNetwork
from certify.checker.neural_recursion import Layers
from certify.file.contents import Contents
from certify.problem.network_contents import FlatWeights
from dgames.nn import MLP


class AbstractValueProof(abc.ABC):
    """What a file says of a value, a subclass of `dgames.neural.AbstractNetworkValue`.

    To add one: write a subclass, and list it in `value_table.py`; write the modules of the checker
    that `certify/checker/neural.py` asks for, and how two values are compared in
    `certify/claims/same_networks.py`. Balls are of the precision of level 2, whose functions do the
    work here, so that stated bounds are those that it finds.

    Attributes:
        section: The section `game.value` of the file; its `kind` is a key of the checker's table.
        numbers: All numbers of the data, as a file has them.
        samples: How many samples there are.
        promoted: What was not float64, sentences.
        moves: Of a second player who moves inputs, the strategies at the centre, at the point and,
            if there is one, at the start; they are set before anything else is asked for.

    Args:
        value: The value.
        networks: The networks, for their shapes.
        described: Their descriptions in the file.
        data: The data.

    Raises:
        ValueError: If the data do not fit the networks.
        GraphError: If a function has no expression graph.
        EnclosureError: If nothing can be proved of its code.
    """

    section: Contents
    numbers: list[str]
    samples: int
    promoted: tuple[str, ...] = ()
    moves: list[FlatWeights] | None = None

    @abc.abstractmethod
    def __init__(
        self, value: Any, networks: list[MLP], described: list[Contents], data: Any
    ) -> None: ...

    @abc.abstractmethod
    def start(self, centre: list[BallNetwork]) -> None:
        """Runs the networks at the centre of the region, before any region is asked for."""

    @abc.abstractmethod
    def evidence(self, networks: list[Layers], radius: tuple[float, ...]) -> Contents:
        """Returns the section `evidence.value` for a region.

        Args:
            networks: The networks with their region.
            radius: The radius of the region for each player.
        """

    @abc.abstractmethod
    def gradients(self, point: list[BallNetwork]) -> list[list[Ball]]:
        """Returns the gradients of all players' costs at a point, without decay."""

"""The enclosure of an equilibrium, and the ball from which every start converges to it."""

from typing import NamedTuple

from dgames.strategy import Strategy


class Equilibrium(NamedTuple):
    """An enclosure of the unique equilibrium of a game in a region.

    Attributes:
        lower: A joint strategy below the equilibrium in every coordinate.
        upper: A joint strategy above it in every coordinate.
        center: The point around which the enclosure was proved.
        radius: The equilibrium is within this distance of `center` in the metric.
    """

    lower: Strategy
    upper: Strategy
    center: Strategy
    radius: float


class Basin(NamedTuple):
    """A ball of starting points from all of which the flow, and every certified step, converges.

    Attributes:
        center: Its centre, a joint strategy.
        radius: Its radius in the metric of the certificate.
    """

    center: Strategy
    radius: float

"""The slopes of the units of a layer."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dgames.nn import Activation


class SlopeRange(NamedTuple):
    """An enclosure of all slopes of an activation function.

    Attributes:
        lower: No slope is smaller.
        upper: No slope is larger.
        tied: How many neighbouring units are mixed by the function, 1 if it acts on each alone.
    """

    lower: float
    upper: float
    tied: int = 1


# The slopes on the whole line: closed forms, or extremal values at the roots of the second
# derivative (tests compare with ball arithmetic), rounded outward.
SLOPES: dict[str, SlopeRange] = {
    "identity": SlopeRange(1.0, 1.0),
    "tanh": SlopeRange(0.0, 1.0),
    "softplus": SlopeRange(0.0, 1.0),
    "sigmoid": SlopeRange(0.0, 0.25),
    "silu": SlopeRange(-0.09983932012886694, 1.0998393201288672),
    "gelu": SlopeRange(-0.12890414518515482, 1.128904145185155),
    "erf": SlopeRange(0.0, 1.1283791670955128),
    "sin": SlopeRange(-1.0, 1.0),
    # The Jacobian of a pair is symmetric with eigenvalues 1 and 2p - 1, between -1 and 1.
    "groupsort": SlopeRange(-1.0, 1.0, 2),
    "relu": SlopeRange(0.0, 1.0),
    "leaky_relu": SlopeRange(0.01, 1.0),
    "elu": SlopeRange(0.0, 1.0),
    "abs": SlopeRange(-1.0, 1.0),
    "softsign": SlopeRange(0.0, 1.0),
}


class UnitSlopes(NamedTuple):
    """Enclosures of the slopes of all units of a layer.

    Attributes:
        lower: No slope of a unit is smaller; exact floats.
        upper: No slope of a unit is larger.
        tied: How many neighbouring units are mixed; with more than one, the slopes are bounds on
            the eigenvalues of their symmetric Jacobian.
    """

    lower: Float[np.ndarray, " units"]
    upper: Float[np.ndarray, " units"]
    tied: int = 1

    @property
    def size(self) -> Float[np.ndarray, " units"]:
        """The largest sizes of slopes."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))


def global_slopes(activation: Activation, units: int) -> UnitSlopes:
    """The slopes of an activation function on the whole line; sharpness does not change them.

    >>> global_slopes(Activation("tanh"), 2).upper.tolist()
    [1.0, 1.0]
    """
    known = SLOPES[activation.name]
    return UnitSlopes(np.full(units, known.lower), np.full(units, known.upper), known.tied)

"""Decides whether a box is inside strategy sets and shared rows, where these have no effect."""

from fractions import Fraction
from typing import Any

import numpy as np

from certify.checker.reader import Reader
from certify.checker.sets import BallSet, BoxSet, read_set
from certify.claims.convergence_claims import read_region
from certify.claims.equilibrium import Equilibrium
from certify.claims.shared_report import has_slack
from certify.file.contents import Contents
from dgames.strategy import ravel


def equilibrium_is_interior(data: Contents, equilibrium: Equilibrium) -> bool:
    """Says whether the equilibrium is known not to be on the boundary of a strategy set.

    If so, it is a stationary point as well. Without strategy sets the answer is always yes.

    Args:
        data: The contents of the file.
        equilibrium: The equilibrium read from them.
    """
    return inside(data, *(np.asarray(ravel(end)[0]) for end in equilibrium[:2]))


def region_is_interior(data: Contents) -> bool:
    """Says whether the region of a file is known to be in the interior of all strategy sets."""
    return inside(data, *read_region(data).bounds())


def inside(data: Contents, lower: np.ndarray, upper: np.ndarray) -> bool:
    """Says whether a box is in the interior of the strategy sets and rows of a file, exactly.

    Args:
        data: The contents of the file; without strategy sets every box is in the interior.
        lower: The lower corner of the box, shape (n,).
        upper: The upper corner of the box, shape (n,).

    Example:
        >>> own = {"kind": "box", "lower": ["0x0.0p+0"], "upper": ["inf"]}
        >>> game = {"players": [{"name": "a", "size": 1}], "sets": [own]}
        >>> inside({"game": game}, np.array([0.1]), np.array([7.0]))
        True
        >>> inside({"game": game}, np.array([0.0]), np.array([7.0]))
        False
    """
    game = data["game"]
    if "sets" not in game:
        return True
    if not has_slack(data, lower, upper):
        return False
    low, high = ([_exact(x) for x in end.tolist()] for end in (lower, upper))
    first = 0
    for player, own in zip(game["players"], game["sets"], strict=True):
        last = first + player["size"]
        known = read_set(Reader(own), player["size"])
        if not _inside(known, low[first:last], high[first:last]):
            return False
        first = last
    return True


def _exact(x: float) -> Any:
    """Returns a float as a fraction, with which floats are compared exactly, unless infinite."""
    return Fraction(x) if np.isfinite(x) else x


def _inside(own: Any, lower: list[Any], upper: list[Any]) -> bool:
    if isinstance(own, BoxSet):
        return all(
            (least is None or least < low) and (most is None or high < most)
            for low, high, (least, most) in zip(lower, upper, own.extents, strict=True)
        )
    if isinstance(own, BallSet):
        ends = zip(lower, upper, own.middle, strict=True)
        return sum(max(m - low, high - m) ** 2 for low, high, m in ends) < own.radius**2
    return False  # a simplex has no interior

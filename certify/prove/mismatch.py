"""Compares code as it runs with what was read from it: a last check, and no proof."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float


class MismatchError(ArithmeticError):
    """Code computes something else than what was about to be proved of it; shows where."""


def require_same(
    caller: str,
    ran: Float[np.ndarray, "points entries"],
    read: Float[np.ndarray, "points entries"],
    slack: Float[np.ndarray, "points entries"],
    where: Callable[[int, int], str],
) -> None:
    """Raises where what ran differs from what was read from its code by more than rounding.

    Args:
        caller: The function that the user called.
        ran: What the user's own code made of some points.
        read: The same by what the proof speaks of.
        slack: What rounding may do.
        where: Names a point and an entry, in a message.

    Raises:
        MismatchError: If they differ; it shows where.
    """
    wrong: Bool[np.ndarray, "points entries"] = ~(np.abs(read - ran) <= slack)
    if wrong.any():
        k, column = map(int, np.argwhere(wrong)[0])
        raise MismatchError(
            f"{caller}: {where(k, column)} is {ran[k, column]:.6g}, but what was read from the "
            f"code gives {read[k, column]:.6g}; nothing is proved. The code has to be a pure "
            "function; if it is one, please report this game."
        )

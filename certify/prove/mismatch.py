"""Compares code as it runs with what was read from it, as a last check that proves nothing."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float


class MismatchError(ArithmeticError):
    """The error that code computes something else than what was read from it; it shows where."""


def require_same(
    caller: str,
    ran: Float[np.ndarray, "points entries"],
    read: Float[np.ndarray, "points entries"],
    slack: Float[np.ndarray, "points entries"],
    where: Callable[[int, int], str],
) -> None:
    """Raises an error if code, as it ran, differs from what was read from it by more than rounding.

    Args:
        caller: The function that the user called.
        ran: Values of the user's own code at some points.
        read: Values at the same points of the function that the proof is about.
        slack: The largest differences that rounding may cause.
        where: Describes an entry and its point, given by their numbers, for a message.

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

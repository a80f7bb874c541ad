"""Vectors and lists in messages: shortened to fit, with the names of players and coordinates."""

from collections.abc import Iterable, Sequence

import numpy as np

# How many entries of a vector, and names of a list, fit into a sentence.
_MOST = 4
# How many characters of a name are shown.
_LONGEST = 40


def listed(names: Iterable[str]) -> str:
    """Joins a list of names, shortened in the middle.

    Example:
        >>> listed(["a", "b"])
        'a, b'
        >>> listed(map(str, range(500)))
        '0, 1, 2, ..., 499 (500 in all)'
    """
    known = [clipped(name) for name in names]
    if len(known) <= _MOST + 2:
        return ", ".join(known)
    return f"{', '.join(known[: _MOST - 1])}, ..., {known[-1]} ({len(known)} in all)"


def clipped(name: str) -> str:
    """Shortens a name so that it fits into a line.

    Example:
        >>> len(clipped("n" * 1000))
        40
    """
    return name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."


def coordinate_names(names: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Returns the names of the coordinates, player after player.

    Example:
        >>> coordinate_names(["a", "b"], [1, 2])
        ['a', 'b[0]', 'b[1]']
    """
    return [
        clipped(name) + (f"[{k}]" if size > 1 else "")
        for name, size in zip(names, sizes, strict=True)
        for k in range(size)
    ]


def vector_in_words(
    values: Sequence[float] | np.ndarray, names: Sequence[str], *, digits: int = 6
) -> str:
    """Writes a vector with the names of its coordinates; of a long one, the largest entries alone.

    Args:
        values: The entries of the vector.
        names: The names of its coordinates (see `coordinate_names`).
        digits: How many digits of each entry to write.

    Example:
        >>> vector_in_words([0.5, -0.0], ["a", "b"])
        '(a = 0.5, b = 0)'
        >>> vector_in_words(np.arange(500.0), coordinate_names(["a"], [500]))
        '(a[496] = 496, a[497] = 497, a[498] = 498, a[499] = 499; the largest 4 of 500 coordinates)'
    """
    entries = np.asarray(values, float)
    shown = range(len(entries))
    if len(entries) > _MOST + 2:
        order = np.argsort(-np.abs(entries), kind="stable")
        shown = sorted(order[:_MOST].tolist())
    words = ", ".join(f"{names[k]} = {entries[k] + 0.0:.{digits}g}" for k in shown)
    more = len(entries) - len(shown)
    return (
        f"({words}; the largest {len(shown)} of {len(entries)} coordinates)"
        if more
        else (f"({words})")
    )

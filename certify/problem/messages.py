"""Vectors and lists in messages: short, whatever their length, with players and coordinates."""

from collections.abc import Iterable, Sequence

import numpy as np

# Entries of a vector, and names of a list, that a sentence has room for.
_MOST = 4
# Characters of a name.
_LONGEST = 40


def listed(names: Iterable[str]) -> str:
    """A list of names, shortened in the middle.

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
    """A name that fits into a line.

    Example:
        >>> len(clipped("n" * 1000))
        40
    """
    return name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."


def coordinate_names(names: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """What the coordinates are called, player after player.

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
    """A vector with the names of its coordinates: all of a short one, the largest of a long one.

    Args:
        values: Of the vector.
        names: Of its coordinates, see `coordinate_names`.
        digits: Of each entry.

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

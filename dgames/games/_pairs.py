"""One matrix for each pair of players."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Array, Float

from dgames.arrays import as_float

Pairs = Mapping[tuple[int, int], Any] | Sequence[Sequence[Any]]
PairTable = tuple[tuple[Float[Array, "_ _"] | None, ...], ...]


def pair_table(name: str, pairs: Pairs, sizes: Sequence[int], diagonal: str) -> PairTable:
    """Collects the matrices that couple players to each other, and checks their shapes.

    Args:
        name: What the user calls them.
        pairs: A mapping `{(i, j): matrix}`, or nested sequences with `None` for those that are not.
        sizes: Coordinates of each player; the matrix of (i, j) has shape `(sizes[i], sizes[j])`.
        diagonal: What to do about a player coupled with itself, for the message.

    Raises:
        ValueError: If a pair is no pair of two players, or a shape does not fit.
    """
    players = range(len(sizes))
    if isinstance(pairs, Mapping):
        unknown = [pair for pair in pairs if pair not in {(i, j) for i in players for j in players}]
        if unknown:
            raise ValueError(
                f"{name} names pairs {unknown} that are no players; there are {len(sizes)}"
            )
        pairs = [[pairs.get((i, j)) for j in players] for i in players]
    elif len(pairs) == 0:
        pairs = [[None] * len(sizes) for _ in players]
    if len(pairs) != len(sizes) or any(len(row) != len(sizes) for row in pairs):
        raise ValueError(f"{name} must hold {len(sizes)} rows of {len(sizes)} couplings each")
    for i in players:
        if pairs[i][i] is not None:
            raise ValueError(f"{name}[{i}][{i}] couples player {i} with itself: {diagonal}")
    table = tuple(tuple(None if m is None else as_float(m) for m in row) for row in pairs)
    for i, row in enumerate(table):
        for j, matrix in enumerate(row):
            if matrix is not None and matrix.shape != (sizes[i], sizes[j]):
                expected = (sizes[i], sizes[j])
                raise ValueError(f"{name}[{i}][{j}] must have shape {expected}, got {matrix.shape}")
    return table

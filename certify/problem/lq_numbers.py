"""The numbers of a linear-quadratic game, as a file has them."""

from typing import Any

import numpy as np

from certify.file.contents import Contents
from dgames.dynamic import LQGame


def lq_contents(game: LQGame, time: str, name: str = "LQGame") -> Contents:
    """Returns the game as the section `game` of a feedback file.

    A game with linear costs or an offset gets one more coordinate of the state, the last one, which
    is always 1: then its costs are quadratic and its dynamics linear.

    Args:
        game: The game.
        time: "discrete" or "continuous".
        name: A name, for reading.
    """
    A, players = np.asarray(game.A, np.float64), game.players
    B = [np.asarray(game.B[i], np.float64) for i in players]
    Q = [np.asarray(game.Q[i], np.float64) for i in players]
    last = [np.asarray(game.terminal[i], np.float64) for i in players]
    if is_affine(game):
        slopes = [np.asarray(game.linear[i], np.float64) for i in players]
        A = np.block(
            [[A, np.asarray(game.offset, np.float64)[:, None]], [np.eye(1, len(A) + 1, len(A))]]
        )
        B = [np.vstack([own, np.zeros((1, own.shape[1]))]) for own in B]
        Q = [_bordered(own, q) for own, q in zip(Q, slopes, strict=True)]
        last = [_bordered(own, q) for own, q in zip(last, slopes, strict=True)]
    weights = [
        [np.asarray(game.R[i].get(j, np.zeros((m, m))), np.float64) for j, m in _sized(game)]
        for i in players
    ]
    return {
        "name": name,
        "time": time,
        "players": [str(player) for player in players],
        "sizes": list(game.sizes),
        "states": len(A),
        "A": flat_hexes(A),
        "B": [flat_hexes(own) for own in B],
        "Q": [flat_hexes(own) for own in Q],
        "R": [[flat_hexes(own) for own in row] for row in weights],
        "terminal": [flat_hexes(own) for own in last],
    }


def is_affine(game: LQGame) -> bool:
    """Says whether a game has linear costs or an offset."""
    return any(bool(np.any(np.asarray(v) != 0)) for v in (*game.linear.values(), game.offset))


def flat_hexes(array: Any) -> list[str]:
    """Returns the entries of an array, row by row, as exact numbers of a file."""
    return [float(x).hex() for x in np.asarray(array, np.float64).ravel()]


def _bordered(matrix: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.block([[matrix, slope[:, None]], [slope[None, :], np.zeros((1, 1))]])


def _sized(game: LQGame) -> list[tuple[Any, int]]:
    return list(zip(game.players, game.sizes, strict=True))

"""Games on simplices in the exact form that a file holds: sums of payoff tables."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

import dgames as dg
from certify.problem.exact_types import is_as_made
from dgames.games import MatrixGame, PolymatrixGame, PreferenceGame

# The classes whose tables are defined below; others may be registered.
KNOWN = (MatrixGame, PolymatrixGame, PreferenceGame)
# Products of two numbers of this size do not overflow.
LARGEST = 2.0**500


class PayoffTable(NamedTuple):
    """One term of a game: what the first of its players is paid.

    Attributes:
        players: Different players, one per axis of the payoffs.
        payoffs: Finite numbers.
        divisor: An integer from 1 to 512 by which all payoffs are divided.
    """

    players: tuple[int, ...]
    payoffs: np.ndarray
    divisor: int = 1


@functools.singledispatch
def game_terms(game: Any) -> list[PayoffTable]:
    """Returns the payoff tables of a game whose costs are minus the sums of expected payoffs.

    Register a function for a class of your own to certify its games. Functions are for one class,
    not for classes derived from it, which may have other costs.

    Raises:
        ValueError: If nothing is registered for games of this class.

    Example:
        >>> from dgames.games import MatrixGame
        >>> [table.players for table in game_terms(MatrixGame.matching_pennies())]
        [(0, 1), (1, 0)]
    """
    raise _unknown(game)


def _unknown(game: Any) -> ValueError:
    return ValueError(
        f"certify_policies needs the payoffs of a game, and knows MatrixGame, PolymatrixGame and "
        f"PreferenceGame, not {type(game).__name__}; register its tables with "
        "certify.game_terms.register, or prove it in logits with certify.certify."
    )


@game_terms.register
def _(game: MatrixGame) -> list[PayoffTable]:
    payoffs = _exact(game.payoffs)
    players = range(len(payoffs))
    if payoffs.ndim != len(payoffs) + 1:
        raise ValueError(
            f"the payoffs of {len(payoffs)} players have one axis for players and one for each "
            f"player's actions; got an array of shape {payoffs.shape}"
        )
    return [
        PayoffTable((i, *(j for j in players if j != i)), np.moveaxis(payoffs[i], i, 0))
        for i in players
    ]


@game_terms.register
def _(game: PolymatrixGame) -> list[PayoffTable]:
    return [
        PayoffTable((i, j), _exact(matrix))
        for i, row in enumerate(game.payoffs)
        for j, matrix in enumerate(row)
        if matrix is not None
    ]


@game_terms.register
def _(game: PreferenceGame) -> list[PayoffTable]:
    players, table = range(game.players), _exact(game.preferences)
    return [
        PayoffTable((i, j), table, game.players - 1) for i in players for j in players if i != j
    ]


def tables_data(game: dg.Game) -> dict[str, Any]:
    """Returns the payoff tables of a game, as a file has them.

    Raises:
        ValueError: If its class is not known, or a number is not finite.
    """
    if type(game) not in game_terms.registry:
        raise _unknown(game)
    if not is_as_made(game):
        raise ValueError(
            f"certify_policies: this {type(game).__name__} has attributes that its class does "
            "not declare, which may hide its costs; prove it in logits with certify.certify."
        )
    tables = game_terms(game)
    sizes = {
        player: size
        for table in tables
        for player, size in zip(table.players, table.payoffs.shape, strict=True)
    }
    return {
        "name": type(game).__name__,
        "sizes": [sizes[player] for player in sorted(sizes)],
        "terms": [
            {
                "players": list(table.players),
                "divisor": table.divisor,
                "payoffs": hexes(table.payoffs),
            }
            for table in tables
        ],
    }


def game_data(game: dg.Regularised) -> dict[str, Any]:
    """Returns the description of a game for a file of policies.

    Raises:
        ValueError: If its class is not known, or a number is not finite.
    """
    tables = tables_data(game.game)
    actions = tables["sizes"]
    if game.reference is None:
        reference = [np.ones(size) for size in actions]
    else:
        reference = [_exact(leaf) for leaf in jax.tree.leaves(game.reference)]
        if not all((leaf > 0).all() for leaf in reference):
            raise ValueError("the reference must give every action a positive probability")
        if [leaf.shape for leaf in reference] != [(size,) for size in actions]:
            raise ValueError(
                f"the reference must hold one vector per player, of lengths {actions}; got shapes "
                f"{[leaf.shape for leaf in reference]}"
            )
    return {
        **tables,
        "temperature": hexes(_exact(game.temperature))[0],
        "reference": [hexes(leaf) for leaf in reference],
    }


def hexes(values: Any) -> list[str]:
    """Writes floats as the file holds them."""
    return [float(value).hex() for value in np.ravel(np.asarray(values, np.float64))]


def _exact(values: Any) -> np.ndarray:
    found = np.asarray(values).astype(np.float64)
    if not (np.abs(found) < LARGEST).all():
        raise ValueError(
            "payoffs, the temperature and the reference must be finite, and below 2^500 in size"
        )
    return found

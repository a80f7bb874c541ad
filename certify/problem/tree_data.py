"""Extensive-form games in the exact form that a file holds: treeplexes, leaves and the tree."""

from typing import Any

import equinox as eqx
import numpy as np

import dgames as dg
from certify.problem.exact_types import is_as_made
from certify.problem.payoff_tables import LARGEST, hexes
from dgames.games import TreeGame
from dgames.strategy import blocks


def tree_data(game: Any, temperature: Any, reference: Any = None) -> dict[str, Any]:
    """Returns the description of a game in sequence form for a file of the kind "tree".

    Args:
        game: A game of two players.
        temperature: A positive number.
        reference: None, or the behaviour of each player that the pull is towards, in sequence form.

    Raises:
        ValueError: If its class is not known, it has not two players, its strategies are not those
            of its treeplexes, the temperature is not one positive number, or a payoff is not
            finite.
    """
    if type(game) is not TreeGame or not is_as_made(game):
        raise ValueError(
            f"certify_tree needs a dgames.TreeGame as it was made, not {type(game).__name__}"
        )
    if len(game.treeplexes) != 2:
        raise ValueError(
            f"certify_tree: the theorem is about two players; the game has {len(game.treeplexes)}"
        )
    for i, own in enumerate(game.treeplexes):
        if not _is_of_its_numbers(own):
            raise ValueError(
                f"certify_tree: the treeplex of player {i} is no dgames.Treeplex as it is made "
                "from its parents and counts, so that its strategies are others"
            )
    if np.shape(temperature) != () or not 0 < np.asarray(temperature) < np.inf:
        raise ValueError("certify_tree: the temperature is one positive number, for all players")
    if not eqx.is_inexact_array(game.payoffs) or np.iscomplexobj(game.payoffs):
        raise ValueError("certify_tree: payoffs are real numbers")
    payoffs = np.asarray(game.payoffs, np.float64)
    if not (np.abs(payoffs) < LARGEST).all():
        raise ValueError("certify_tree: payoffs must be finite, and below 2^500 in size")
    tree = game.tree
    return {
        "name": "TreeGame",
        "treeplexes": [
            {"parents": _integers(own.parents), "counts": _integers(own.counts)}
            for own in game.treeplexes
        ],
        "leaves": [_integers(own) for own in game.sequences],
        "payoffs": [hexes(own) for own in payoffs],
        "tree": None
        if tree is None
        else {
            "parents": _integers(tree.parents),
            "movers": _integers(tree.movers),
            "sequences": _integers(tree.sequences),
        },
        "temperature": hexes(temperature)[0],
        "reference": [[], []] if reference is None else _behaviours(game, reference),
    }


def _behaviours(game: TreeGame, reference: Any) -> list[list[str]]:
    """Returns the behaviours of a joint strategy, action by action.

    As in the game, those of an information set add up to one, even if what is given does not add up
    to its parents.
    """
    found = []
    for own, q in zip(game.treeplexes, blocks(reference), strict=True):
        mass = np.asarray(q, np.float64)
        if mass.shape != (own.sequences,) or not (mass > 0).all():
            raise ValueError(
                "certify_tree: the reference must be a strategy of each player in which every "
                "sequence has a positive probability"
            )
        own_set = np.asarray(own.owners)[1:]
        totals = np.bincount(own_set, mass[1:], own.infosets)
        found.append(hexes(mass[1:] / totals[own_set]))
    return found


def _is_of_its_numbers(given: Any) -> bool:
    """Says whether a treeplex has the strategies of its parents and counts."""
    if type(given) is not dg.Treeplex or not is_as_made(given):
        return False
    return bool(eqx.tree_equal(given, dg.Treeplex(given.parents, given.counts)))


def tree_difference(data: dict[str, Any], game: dg.Game | dg.AbstractField) -> str | None:
    """Compares the game of a file of the kind "tree" with a given one."""
    given = dg.as_field(game)
    inner = given.game if type(given) is dg.PseudoGradient and is_as_made(given) else None
    parts = regularised_parts(inner)
    known = parts is not None and type(parts[0]) is TreeGame and len(parts[0].treeplexes) == 2
    if parts is not None and known and tree_data(*parts) == data["game"]:
        return None
    return "its tree, payoffs, temperature or reference are others"


def regularised_parts(game: Any) -> tuple[Any, Any, Any] | None:
    """Returns the game, the temperature and the reference of a regularised tree; None of others."""
    if type(game) is not dg.RegularisedTree or not is_as_made(game):
        return None
    return game.game, game.temperature, game.reference


def _integers(values: Any) -> list[int]:
    if np.asarray(values).dtype.kind not in "iu":
        raise ValueError("certify_tree: sequences, parents and counts are integers")
    return np.asarray(values).astype(int).tolist()

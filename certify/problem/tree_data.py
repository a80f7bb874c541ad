"""Extensive-form games in the exact form that a file holds: treeplexes, leaves and the tree."""

from typing import Any

import jax
import numpy as np

import dgames as dg
from certify.problem.exact_types import is_as_made
from certify.problem.payoff_tables import LARGEST, hexes
from dgames.games import TreeGame


def tree_data(game: Any, temperature: Any, reference: Any = None) -> dict[str, Any]:
    """Returns the description of a game in sequence form for a file of the kind "tree".

    Args:
        game: A game of two players.
        temperature: A positive number.
        reference: None, or the behaviour of each player that the pull is towards, in sequence form.

    Raises:
        ValueError: If its class is not known, it has not two players, or a number is not finite.
    """
    if type(game) is not TreeGame or not is_as_made(game):
        raise ValueError(
            f"certify_tree needs a dgames.TreeGame as it was made, not {type(game).__name__}"
        )
    if len(game.treeplexes) != 2:
        raise ValueError(
            f"certify_tree: the theorem is about two players; the game has {len(game.treeplexes)}"
        )
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
    """Returns the behaviours of a joint strategy, action by action."""
    found = []
    for own, q in zip(game.treeplexes, jax.tree.leaves(reference), strict=True):
        mass = np.asarray(q, np.float64)
        if mass.shape != (own.sequences,) or not (mass > 0).all():
            raise ValueError(
                "certify_tree: the reference must be a strategy of each player in which every "
                "sequence has a positive probability"
            )
        parents = np.repeat(np.asarray(own.parents), np.asarray(own.counts))
        found.append(hexes(mass[1:] / mass[parents]))
    return found


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
    return np.asarray(values).astype(int).tolist()

"""Refuses games whose shared constraints a proof would ignore."""

import dgames as dg
from dgames.strategy import Strategy


def require_no_shared(caller: str, game: dg.Game | dg.AbstractField, x: Strategy) -> None:
    """Raises an error if a game or a field has shared constraints.

    Args:
        caller: The function that was called, for the message.
        game: The game or the field.
        x: A joint strategy, for its structure and shapes.

    Raises:
        ValueError: If there are shared constraints.
    """
    if game.shared_constraints(x):
        raise ValueError(
            f"{caller}: the game has shared constraints, of which nothing is proved here; without "
            "them it is another game, with other equilibria."
        )

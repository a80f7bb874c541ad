"""Decides who minimises and who maximises in a zero-sum game, never by accident of the alphabet.

JAX sorts the keys of a dictionary, so its first player need not be the one written first.
"""

import re
from collections import OrderedDict
from typing import Any

import jax
from jax.core import Tracer

from dgames.strategy import Block, Strategy, blocks, brief_names, player_names


def minimiser_of(game: Any, x: Strategy, order_is_known: bool = False) -> int:
    """The position, 0 or 1, of the player who minimises the payoff of a zero-sum game.

    The roles are those that the game names. If it names none, the first player minimises, and then
    the order of the players must be beyond doubt. It is in doubt where the keys of a dictionary
    were not written in sorted order, in which JAX reads them. It is also in doubt where the
    strategy has passed through a transformation, so that the written order is lost, unless the
    names themselves say which is the first, as "a" and "b" do.

    Args:
        game: A `ZeroSum`.
        x: A joint strategy of two players.
        order_is_known: Whether the order in which the strategy was written has been seen.

    Raises:
        ValueError: If the roles name somebody else, or none are named and the order is in doubt.
    """
    names = player_names(x)
    least, most = game.minimiser, game.maximiser
    if least is None and most is None:
        doubt = None if order_is_known else _doubt(x, names)
        if doubt is not None:
            example = f'dg.zero_sum(payoff, minimiser="{next(iter(x))}")'
            raise ValueError(
                f"a zero-sum game must know who minimises: {doubt}. Name the roles, say {example}, "
                "or as attributes of a ZeroSum class; or give a tuple, whose first player minimises"
            )
        return 0
    for role, name in (("minimiser", least), ("maximiser", most)):
        if name is not None and name not in names:
            raise ValueError(
                f"the {role} is '{name}', who is not among the players {brief_names(x)}"
            )
    if least == most:
        raise ValueError(f"'{least}' cannot both minimise and maximise")
    return names.index(least) if least is not None else 1 - names.index(most)


def in_roles(game: Any, x: Strategy) -> tuple[Block, Block]:
    """Returns the blocks of the player who minimises and of the one who maximises.

    It serves payoffs that do not refer to players by name. It does not ask whether the order of
    players is in doubt, because costs and gradients do.
    """
    first, second = blocks(x)
    return (first, second) if minimiser_of(game, x, True) == 0 else (second, first)


def check_order(game: Any, x: Strategy) -> None:
    """Raises an error where a game of `dgames.games` would take one player for another.

    Those games identify players by position: the first player has the first payoffs. The position
    is that in the pytree, which may differ from the order in which the keys of a dictionary were
    written.
    """
    while hasattr(game, "game"):
        game = game.game
    from_zoo = type(game).__module__.startswith("dgames.games.")
    if not from_zoo or not isinstance(x, dict) or isinstance(x, OrderedDict):
        return
    written, names = tuple(map(str, x)), player_names(x)
    if written != names:
        raise ValueError(
            f"{type(game).__name__} identifies players by position, and the keys were written in "
            f"the order {', '.join(written[:6])}, but JAX sorts them to {', '.join(names[:6])}; "
            "write them in that order, or give a tuple"
        )


def check_roles(minimiser: Any, maximiser: Any) -> None:
    """Raises an error unless roles are the names of two players, or None."""
    for role, name in (("minimiser", minimiser), ("maximiser", maximiser)):
        if name is not None and not isinstance(name, str):
            raise ValueError(
                f'zero_sum: the {role} is the name of a player, such as "buyer", or "0" for the '
                f"first player of a tuple; got {name!r}"
            )
    if minimiser is not None and minimiser == maximiser:
        raise ValueError(f"zero_sum: '{minimiser}' cannot both minimise and maximise")


def _doubt(x: Strategy, names: tuple[str, ...]) -> str | None:
    """Returns why the order of the players may not be the one that was meant, or None."""
    if not isinstance(x, dict) or isinstance(x, OrderedDict):
        return None
    written = tuple(map(str, x))
    if written != names:
        return (
            f"the keys were written in the order {', '.join(written)}, but JAX sorts them to "
            f"{', '.join(names)}"
        )
    if _tell_their_order(*names):
        return None
    leaves = jax.tree.leaves(x)
    if not any(isinstance(leaf, Tracer | jax.ShapeDtypeStruct) for leaf in leaves):
        return None
    return (
        f"JAX has sorted the keys {', '.join(names)}, and the order in which they were written is "
        "no longer known here"
    )


def _tell_their_order(first: str, second: str) -> bool:
    """Returns whether two names show their order: "a" and "b", "x" and "y", "p1" and "p2"."""
    numbers = [re.fullmatch(r"(.*?)(\d+)", name) for name in (first, second)]
    if numbers[0] and numbers[1]:
        stems, values = zip(*((m[1], int(m[2])) for m in numbers if m), strict=True)
        return stems[0] == stems[1] and values[0] < values[1]
    same_stem = first[:-1] == second[:-1] and (len(first) == 1 or not first[-2].isalnum())
    return same_stem and first[-1:].isalpha() and ord(second[-1]) == ord(first[-1]) + 1

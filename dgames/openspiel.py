"""Games of OpenSpiel in normal form."""

import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgames.games.matrix import MatrixGame

_HISTORIES = 100_000


def from_openspiel(game: Any, *, max_payoffs: int = 1_000_000) -> MatrixGame:
    """The normal form of a game of OpenSpiel, through its payoff tensors.

    Actions of an extensive game are its deterministic strategies, whose number grows exponentially
    with the number of information states: for small games only. They are counted first, and too
    many of them are refused.

    Args:
        game: A game, such as `pyspiel.load_game("kuhn_poker")`, or its name.
        max_payoffs: How many payoffs the normal form of an extensive game may have: one for each
            player and each combination of deterministic strategies.

    Returns:
        A game with payoffs of the default floating dtype.

    Raises:
        ImportError: If OpenSpiel is needed and not installed.
        ValueError: If the normal form has too many payoffs, or the game too many histories to tell.

    >>> from_openspiel("matrix_pd").pure_equilibria()  # doctest: +SKIP
    [(1, 1)]
    """
    if isinstance(game, str):
        game = _pyspiel().load_game(game)
    if not hasattr(game, "player_utilities"):  # neither a matrix nor a tensor game
        _count_payoffs(game, max_payoffs)
        game = _pyspiel().extensive_to_tensor_game(game)
    payoffs = [np.asarray(game.player_utilities(i)) for i in range(game.num_players())]
    return MatrixGame.from_table(jnp.asarray(np.stack(payoffs), jnp.result_type(float)))


def _count_payoffs(game: Any, limit: int) -> None:
    """Raises an error if a normal form has more payoffs than allowed.

    A deterministic strategy chooses an action in each of the player's information states, so
    numbers of actions multiply. As none is less than one, too many are known as soon as they are
    found: a game of any size is refused after a few histories.
    """
    actions: dict[tuple[int, str], int] = {}
    payoffs, histories = game.num_players(), 0
    stack: list[Iterator[Any]] = [iter([game.new_initial_state()])]
    while stack:
        state = next(stack[-1], None)
        if state is None:
            stack.pop()
            continue
        histories += 1
        if histories > _HISTORIES:
            raise ValueError(
                f"from_openspiel: the game has more than {_HISTORIES} histories, too many for a "
                "normal form; take a smaller game."
            )
        if state.is_terminal():
            continue
        for player in _movers(state, game.num_players()):
            place = (player, state.information_state_string(player))
            if place not in actions:
                actions[place] = len(state.legal_actions(player))
                payoffs *= max(actions[place], 1)
        if payoffs > limit:
            least = [
                math.prod(n for (player, _), n in actions.items() if player == own)
                for own in range(game.num_players())
            ]
            raise ValueError(
                f"from_openspiel: the normal form has too many payoffs, more than {limit} (see "
                "max_payoffs): deterministic strategies of the players number at least "
                f"{' x '.join(map(_brief, least))}."
            )
        stack.append(_children(state))


def _movers(state: Any, players: int) -> list[int]:
    """Returns the players who choose an action in a state."""
    if state.is_chance_node():
        return []
    if state.is_simultaneous_node():
        return [player for player in range(players) if state.legal_actions(player)]
    return [state.current_player()]


def _children(state: Any) -> Iterator[Any]:
    """Yields the states that may come next."""
    if state.is_chance_node():
        return (state.child(action) for action, _ in state.chance_outcomes())
    # Where players move at the same time, the legal actions are the joint ones, as numbers.
    return (_after(state, action) for action in state.legal_actions())


def _after(state: Any, action: int) -> Any:
    following = state.clone()
    following.apply_action(action)
    return following


def _brief(number: int) -> str:
    return str(number) if number < 10**6 else f"1e{len(str(number)) - 1}"


def _pyspiel() -> Any:
    try:
        import pyspiel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("games by name need OpenSpiel: pip install open_spiel") from error
    return pyspiel

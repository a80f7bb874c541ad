"""Games of OpenSpiel in normal form."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dgames.games.matrix import MatrixGame


def from_openspiel(game: Any) -> MatrixGame:
    """The normal form of a game of OpenSpiel, through its payoff tensors.

    Actions of an extensive game are its deterministic strategies, whose number grows exponentially
    with the number of information states: for small games only.

    Args:
        game: A game, such as `pyspiel.load_game("kuhn_poker")`, or its name.

    Returns:
        A game with payoffs of the default floating dtype.

    Raises:
        ImportError: If OpenSpiel is needed and not installed.

    >>> from_openspiel("matrix_pd").pure_equilibria()  # doctest: +SKIP
    [(1, 1)]
    """
    if isinstance(game, str):
        game = _pyspiel().load_game(game)
    if not hasattr(game, "player_utilities"):  # neither a matrix nor a tensor game
        game = _pyspiel().extensive_to_tensor_game(game)
    payoffs = [np.asarray(game.player_utilities(i)) for i in range(game.num_players())]
    return MatrixGame(*jnp.asarray(np.stack(payoffs), jnp.result_type(float)))


def _pyspiel() -> Any:
    try:
        import pyspiel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("games by name need OpenSpiel: pip install open_spiel") from error
    return pyspiel

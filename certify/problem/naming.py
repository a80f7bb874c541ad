"""The name of a game in its certificate: it is for people, and nothing is proved about it."""

from pathlib import Path
from typing import Any

# The names of games that `dgames.game` and `dgames.zero_sum` make of functions, in files without a
# better name.
_NAMELESS = ("_FunctionGame", "_FunctionZeroSum")


def game_name(game: Any) -> str:
    """Returns the name of a game: that of its class, or of the function from which it was made.

    A function without a name gets the name of the file that it is in.

    Example:
        >>> import dgames as dg
        >>> game_name(dg.games.Oligopoly.murphy_sherali_soyster())
        'Oligopoly'
        >>> def tug_of_war(x, args):
        ...     return (x[0] * x[1], -x[0] * x[1])
        >>> game_name(dg.game(tug_of_war))
        'tug_of_war'
    """
    name = type(game).__name__
    if name not in _NAMELESS or type(game).__module__ != "dgames.game":
        return name
    function = game.fn
    for inner in ("func", "__wrapped__", "__func__"):
        function = getattr(function, inner, function)
    own = getattr(function, "__name__", type(function).__name__)
    if own.isidentifier():
        return own
    file = Path(getattr(getattr(function, "__code__", None), "co_filename", "")).stem
    return file if file.isidentifier() else "game"


def shown_name(name: str) -> str:
    """Returns the name of a game in a file in the form that people see."""
    return "a game" if name in _NAMELESS or not name.strip() else name

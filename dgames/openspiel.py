"""Games of OpenSpiel, in normal form or in extensive form."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, Literal, overload

import jax.numpy as jnp
import numpy as np

from dgames.games.matrix import MatrixGame
from dgames.trees.extensive_form import Chance, Decision, ExtensiveForm, Leaf, Node, Number

# The most players whose numbers of strategies a message shows.
_SHOWN = 10


@overload
def from_openspiel(
    game: Any,
    *,
    form: Literal["normal"] = "normal",
    max_payoffs: int = ...,
    max_histories: int = ...,
) -> MatrixGame: ...


@overload
def from_openspiel(
    game: Any,
    *,
    form: Literal["extensive"],
    max_payoffs: int = ...,
    max_histories: int = ...,
) -> ExtensiveForm: ...


def from_openspiel(
    game: Any,
    *,
    form: Literal["normal", "extensive"] = "normal",
    max_payoffs: int = 1_000_000,
    max_histories: int = 100_000,
) -> MatrixGame | ExtensiveForm:
    """A game of OpenSpiel, in normal form through its payoff tensors, or in extensive form.

    In normal form, actions of an extensive game are its deterministic strategies, whose number
    grows exponentially with the number of information states: for small games only. They are
    counted first, and too many of them are refused. The extensive form has a node for each history.
    Information sets are named by the information states; players who move at the same time move
    one after the other, without seeing what the earlier ones do. Probabilities of chance that are
    those of small fractions, such as 1/3, become these fractions.

    Args:
        game: A game, such as `pyspiel.load_game("kuhn_poker")`, or its name.
        form: "normal" or "extensive".
        max_payoffs: How many payoffs the normal form of an extensive game may have: one for each
            player and each combination of deterministic strategies.
        max_histories: How many histories an extensive game may have.

    Returns:
        A matrix game with payoffs of the default floating dtype, or an extensive form; `.game()`
        of the latter is the game in sequence form.

    Raises:
        ImportError: If OpenSpiel is needed and not installed.
        ValueError: If the normal form has too many payoffs, the game too many histories, or an
            information state does not have the same actions everywhere.

    >>> from_openspiel("matrix_pd").pure_equilibria()  # doctest: +SKIP
    [(1, 1)]
    >>> from_openspiel("kuhn_poker", form="extensive").game().payoffs.shape  # doctest: +SKIP
    (2, 30)
    """
    if form not in ("normal", "extensive"):
        raise ValueError(f'from_openspiel: form is "normal" or "extensive", got {form!r}')
    if isinstance(game, str):
        game = _pyspiel().load_game(game)
    if form == "extensive":
        return _extensive(game, max_histories)
    if not hasattr(game, "player_utilities"):  # neither a matrix nor a tensor game
        _count_payoffs(game, max_payoffs, max_histories)
        game = _pyspiel().extensive_to_tensor_game(game)
    payoffs = [np.asarray(game.player_utilities(i)) for i in range(game.num_players())]
    return MatrixGame.from_table(jnp.asarray(np.stack(payoffs), jnp.result_type(float)))


def _count_payoffs(game: Any, limit: int, max_histories: int) -> None:
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
        if histories > max_histories:
            raise ValueError(
                f"from_openspiel: the game has more than {max_histories} histories, too many for a "
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
            shown = " x ".join(map(_brief, least[:_SHOWN])) + " x ..." * (len(least) > _SHOWN)
            raise ValueError(
                f"from_openspiel: the normal form has too many payoffs, more than {limit} (see "
                "max_payoffs): deterministic strategies of the players number at least "
                f"{shown}. The extensive form is much smaller: "
                'form="extensive".'
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


def _extensive(game: Any, max_histories: int) -> ExtensiveForm:
    """Walks through all histories; nodes are made from the last to the first."""
    players = game.num_players()
    actions: dict[tuple[int, str], tuple[list[int], tuple[str, ...]]] = {}
    makers: list[tuple[Callable[[tuple[Node, ...]], Node], int]] = []
    # A state, and what those who have moved there already have chosen.
    stack: list[tuple[Any, tuple[int, ...]]] = [(game.new_initial_state(), ())]
    while stack:
        state, chosen = stack.pop()
        if len(makers) >= max_histories:
            raise ValueError(
                f"from_openspiel: the extensive form has more than {max_histories} nodes (see "
                "max_histories)."
            )
        if state.is_terminal():
            payoffs = tuple(map(_simple, state.returns()))
            makers.append((lambda _, payoffs=payoffs: Leaf(payoffs), 0))
            continue
        if state.is_chance_node():
            outcomes = state.chance_outcomes()
            names = tuple(_name(state, -1, action) for action, _ in outcomes)
            makers.append(
                (partial(Chance, names, _fractions([p for _, p in outcomes])), len(names))
            )
            stack += [(state.child(action), ()) for action, _ in reversed(outcomes)]
            continue
        movers = _movers(state, players)
        player = movers[len(chosen)]
        place = (player, state.information_state_string(player))
        legal = list(state.legal_actions(player))
        if place not in actions:
            actions[place] = (legal, tuple(_name(state, player, action) for action in legal))
        if actions[place][0] != legal or not legal:
            raise ValueError(
                f"from_openspiel: player {player} has no action, or not the same ones everywhere, "
                f"in the information state {place[1]!r}."
            )
        makers.append((partial(Decision, player, place[1], actions[place][1]), len(legal)))
        for k in reversed(range(len(legal))):
            if not state.is_simultaneous_node():
                stack.append((state.child(legal[k]), ()))
            elif len(chosen) + 1 < len(movers):
                stack.append((state, (*chosen, k)))
            else:
                stack.append((_after(state, _joint(state, movers, (*chosen, k))), ()))
    nodes: list[Node] = []
    for make, count in reversed(makers):
        nodes.append(make(tuple(nodes.pop() for _ in range(count))))
    return ExtensiveForm(str(game), tuple(f"Player {i}" for i in range(players)), nodes.pop())


def _joint(state: Any, movers: list[int], chosen: tuple[int, ...]) -> int:
    """The number of a joint action; that of the first player changes fastest."""
    joint, stride = 0, 1
    for player, k in zip(movers, chosen, strict=True):
        joint, stride = joint + stride * k, stride * len(state.legal_actions(player))
    return joint


def _name(state: Any, player: int, action: int) -> str:
    told = getattr(state, "action_to_string", None)
    return str(action) if told is None else told(player, action)


def _simple(value: float) -> Number:
    """A float as an integer, if it is one."""
    value = float(value)
    return int(value) if value.is_integer() else value


def _fractions(probabilities: list[float]) -> tuple[Number, ...]:
    """Small fractions whose floats the probabilities are, but for rounding, if they add up to one.

    >>> _fractions([1 / 3, 2 / 3])
    (Fraction(1, 3), Fraction(2, 3))
    """
    simple = tuple(Fraction(p).limit_denominator(10**6) for p in probabilities)
    near = all(abs(float(f) - p) <= 1e-15 for f, p in zip(simple, probabilities, strict=True))
    return simple if near and sum(simple) == 1 else tuple(probabilities)


def _brief(number: int) -> str:
    return str(number) if number < 10**6 else f"1e{len(str(number)) - 1}"


def _pyspiel() -> Any:
    try:
        import pyspiel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("games by name need OpenSpiel: pip install open_spiel") from error
    return pyspiel

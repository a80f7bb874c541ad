"""Payoffs of finite games as exact rationals, and as integers with the same equilibria."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import jax
import numpy as np

from dgames.games.matrix import MatrixGame
from dgames.nfg import NormalForm

FiniteGame: TypeAlias = MatrixGame | NormalForm | Sequence[Any] | np.ndarray | jax.Array


def exact_payoffs(game: FiniteGame, *, players: int | None = None) -> list[np.ndarray]:
    """Returns every player's payoffs as fractions.

    Args:
        game: A game whose payoffs are floats, each of which is the rational number that it is; or
            one nested list or array of numbers per player, where `fractions.Fraction(1, 3)` is
            exact too.
        players: How many players there must be, if that matters.

    Returns:
        One array of fractions per player, of dtype object and of shape `actions`.

    Raises:
        ValueError: If payoffs are not finite numbers, shapes differ, or there are other players.

    >>> exact_payoffs(([[0.5, 1]], [[Fraction(1, 3), 2]]))[0].tolist()
    [[Fraction(1, 2), Fraction(1, 1)]]
    """
    tables: Any = game.payoffs if isinstance(game, MatrixGame | NormalForm) else game
    if isinstance(tables, MatrixGame | str) or not hasattr(tables, "__len__"):
        raise ValueError(f"a game is a MatrixGame or one payoff array per player, got {game!r}")
    if isinstance(game, MatrixGame | NormalForm):
        tables = np.asarray(tables)
    exact = [as_fractions(table, f"those of player {k}") for k, table in enumerate(tables)]
    shapes = [table.shape for table in exact]
    if len(set(shapes)) != 1 or len(shapes[0]) != len(exact) or 0 in shapes[0]:
        raise ValueError(
            "each of N players needs a payoff array with N axes, one per player and all of one "
            f"shape, with an action at least for everyone; got shapes {shapes}"
        )
    if players is not None and len(exact) != players:
        raise ValueError(f"this is for games of {players} players, got one of {len(exact)}")
    return exact


def integers(payoffs: np.ndarray, *, least: int | None = None) -> np.ndarray:
    """Returns payoffs times a positive number, plus a constant: coprime integers.

    Neither changes a best response or an equilibrium.

    Args:
        payoffs: An array of fractions.
        least: The least integer, where a constant may be added.

    >>> integers(np.array([Fraction(1, 2), Fraction(1, 3)]), least=1).tolist()
    [2, 1]
    """
    flat = payoffs.ravel().tolist()
    if least is not None:
        bottom = min(flat)
        flat = [value - bottom for value in flat]
    scale = math.lcm(*(value.denominator for value in flat))
    whole = [value.numerator * (scale // value.denominator) for value in flat]
    common = math.gcd(*whole) or 1
    result = np.empty(len(whole), object)
    result[:] = [value // common + (least or 0) for value in whole]
    return result.reshape(payoffs.shape)


def positive_payoffs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns payoffs as positive integers, of a game with the same equilibria."""
    return integers(a, least=1), integers(b, least=1)


def scale_of(exact: np.ndarray, whole: np.ndarray) -> Fraction:
    """Returns the positive number by which integers without a constant are to be multiplied.

    >>> halves = np.array([Fraction(1, 2), Fraction(3, 2)])
    >>> scale_of(halves, integers(halves))
    Fraction(1, 2)
    """
    for value, integer in zip(exact.tolist(), whole.tolist(), strict=True):
        if integer:
            return Fraction(value) / integer
    return Fraction(1)


def as_fractions(table: Any, what: str) -> np.ndarray:
    """Returns nested lists of numbers, or an array, as an array of fractions.

    Raises:
        ValueError: If they are no finite numbers, or no array; the message says what they are.
    """
    try:
        numbers = np.asarray(table, object)
        flat = [_fraction(value) for value in numbers.ravel().tolist()]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"payoffs must be finite numbers in nested lists of one shape; {what} are not: {error}"
        ) from None
    exact = np.empty(len(flat), object)
    exact[:] = flat
    return exact.reshape(numbers.shape)


def _fraction(value: Any) -> Fraction:
    if isinstance(value, bool | int | float | Fraction):
        return Fraction(value)
    if isinstance(value, str):
        raise ValueError(f"{value!r} is a text")
    return Fraction(value.item() if hasattr(value, "item") else value)

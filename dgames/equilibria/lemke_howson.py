"""The algorithm of Lemke and Howson, in integers."""

from fractions import Fraction
from typing import Literal, NamedTuple, overload

import numpy as np

from dgames.equilibria.best_response_polytopes import polytopes
from dgames.equilibria.exact_equilibrium import ExactEquilibrium, equilibrium_of, normalised
from dgames.equilibria.exact_payoffs import FiniteGame, exact_payoffs, positive_payoffs
from dgames.equilibria.tableau import Tableau


class LemkeHowsonPath(NamedTuple):
    """Where a path of almost completely labelled vertices ends.

    Attributes:
        label: The label that was dropped.
        equilibrium: The equilibrium at its end.
        length: How many pivots there were.
    """

    label: int
    equilibrium: ExactEquilibrium
    length: int


@overload
def lemke_howson(game: FiniteGame, label: int = 0, *, budget: int = ...) -> LemkeHowsonPath: ...
@overload
def lemke_howson(
    game: FiniteGame, label: Literal["all"], *, budget: int = ...
) -> tuple[LemkeHowsonPath, ...]: ...


def lemke_howson(
    game: FiniteGame, label: int | Literal["all"] = 0, *, budget: int = 100_000
) -> LemkeHowsonPath | tuple[LemkeHowsonPath, ...]:
    """Finds one Nash equilibrium of a game of two players by complementary pivoting, exactly.

    The path starts at the artificial equilibrium (0, 0), drops a label, and goes on with the label
    that it meets until the dropped one comes back. Pivots are of integers, and ties are broken
    lexicographically, so that degenerate games make no cycle.

    Args:
        game: A `MatrixGame`, or one nested list of numbers per player.
        label: What to drop: an action of the row player, or the number of rows plus an action of
            the column player; or "all", each once.
        budget: How many pivots a path may have. There are games that need exponentially many
            (Savani and von Stengel, 2006).

    Returns:
        The path; of "all", one for each label. Not every equilibrium is found in this way.

    Raises:
        ValueError: If the game has other than two players, there is no such label, or the path is
            longer than the budget.

    References:
        Lemke and Howson, *Equilibrium points of bimatrix games*, 1964.

    >>> paths = lemke_howson(([[2, 0], [0, 1]], [[1, 0], [0, 2]]), "all")
    >>> [(path.equilibrium.supports, path.length) for path in paths]
    [(((0,), (0,)), 2), (((1,), (1,)), 2), (((0,), (0,)), 2), (((1,), (1,)), 2)]
    """
    a, b = exact_payoffs(game, players=2)
    m, n = a.shape
    if label != "all" and not (isinstance(label, int | np.integer) and 0 <= label < m + n):
        raise ValueError(
            f'a label is an integer from 0 to {m + n - 1}, or "all"; labels from {m} on are the '
            f"column player's actions; got {label!r}"
        )
    positive = positive_payoffs(a, b)
    paths = []
    for dropped in range(m + n) if label == "all" else (int(label),):
        x, y, length = _path(polytopes(*positive), dropped, m, n, budget)
        paths.append(LemkeHowsonPath(dropped, equilibrium_of(a, b, x, y), length))
    return tuple(paths) if label == "all" else paths[0]


def _path(
    start: tuple[Tableau, Tableau], dropped: int, m: int, n: int, budget: int
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...], int]:
    """Returns the strategies at the end of a path, and its length."""
    tableaux = [*start]
    # Label k is variable k of P; the variables of Q begin with those of the column player.
    variable = (lambda label: label, lambda label: label + n if label < m else label - m)
    label_of = (lambda variable: variable, lambda v: v - n if v >= n else v + m)
    side, label, length = (0 if dropped < m else 1), dropped, 0
    while True:
        if length >= budget:
            raise ValueError(
                f"the path of label {dropped} has more than {budget} pivots; give a larger budget, "
                "or drop another label"
            )
        tableau, column = tableaux[side], variable[side](label)
        row = tableau.leaving(column)
        assert row is not None, "the polytope is bounded"
        label = label_of[side](tableau.basis[row])
        tableaux[side] = tableau.pivoted(row, column)
        length += 1
        if label == dropped:
            break
        side = 1 - side
    x, y = (normalised(tableau.direction()) for tableau in tableaux)
    return x, y, length

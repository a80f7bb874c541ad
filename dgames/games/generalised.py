"""Small generalised games of the literature, with their solutions.

Most are of the collection of Facchinei and Kanzow, *Penalty methods for the solution of generalized
Nash equilibrium problems (with complete test problems)*, 2009, whose names A.1 to A.17 they keep
in their docstrings. Its published digits are those of a penalty method, good to about 1e-4; the
solutions here are to the digits written. `RiverBasin` (A.13), `Oligopoly` with a cap (A.16) and
`PowerAllocation` (A.9a) are classes of their own.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dgames.constraints.shared_constraints import Polyhedron, SharedConstraint
from dgames.game import Game, game
from dgames.sets import Box

_HALF_LINE = Box(0.0, jnp.inf)


def internet_switching(players: int = 10) -> Game:
    """A.14: users send `x_i >= 0.01` to a router of capacity one, `f_i = -x_i / S (1 - S)`.

    S is the sum of all, `S <= 1` a shared row, not active at the equilibrium: there
    `x_i = (N - 1) / N^2`, for ten users 0.09, with margin `1 / S^2 = 100 / 81`.

    References:
        Kesselman, Leonardi and Bonifaci, *Game-theoretic analysis of internet switching with
        selfish users*, 2005.
    """
    cap = Polyhedron(np.ones((1, players)), 1.0)
    return game(lambda x, _: tuple(_switched(x)), Box(0.01, jnp.inf), cap)


def privileged_switching() -> Game:
    """A.1: as `internet_switching`, but the first user sends between 0.3 and 0.5, for any S.

    The row `S <= 1` binds the others. The equilibrium is 0.3, and (2.6 + sqrt 74.8) / 162 =
    0.069436415615 for the others; the multiplier of the bound is 0.2695101374. The published
    0.06951 is wrong in the third digit.
    """
    sets = (Box(0.3, 0.5), *(Box(0.01, jnp.inf),) * 9)
    cap = SharedConstraint(lambda x, _: _total(x) - 1.0, _names(range(1, 10)))
    return game(lambda x, _: tuple(_switched(x)), sets, cap)


def mixed_switching() -> Game:
    """A.2: users 1 and 6 to 10 pay as in `privileged_switching`, the others `-x_i / S (1 - S)^2`.

    Users 9 and 10 send at most 0.06 and 0.05, and users 5 and 6 need `S >= 0.99`. Solutions are
    degenerate: one is (0.3, 0.01, 0.01, 0.01, 0.5952893703, 0.0247106297, 0.01, ..., 0.01).
    """
    sets = (Box(0.3, 0.5), *(Box(0.01, jnp.inf),) * 7, Box(0.01, 0.06), Box(0.01, 0.05))
    cap = SharedConstraint(lambda x, _: _total(x) - 1.0, _names(range(1, 10)))
    need = SharedConstraint(lambda x, _: 0.99 - _total(x), _names([4, 5]))

    def costs(x: Any, _: Any) -> tuple:
        left = 1 - _total(x)
        each = enumerate(_switched(x))
        return tuple(cost * left if i in (1, 2, 3, 4) else cost for i, cost in each)

    return game(costs, sets, (cap, need))


def three_quadratic_players() -> Game:
    """A.3: three players of 3, 2 and 2 variables, far from monotone.

    The equilibrium has no active constraint: (-.380462878, -.122671111, -.993220774), (.390343855,
    1.163840563), (.050395446, .017579151). The symmetric part of the Jacobian has the eigenvalue
    -20.02.
    """
    A = [[[20, 5, 3], [5, 5, -5], [3, -5, 15]], [[11, -1], [-1, 9]], [[48, 39], [39, 53]]]
    B = [
        [[-6, 10, 11, 20], [10, -4, -17, 9], [15, 8, -22, 21]],
        [[20, 1, -3, 12, 1], [10, -4, 8, 16, 21]],
        [[10, -2, 22, 12, 16], [9, 19, 21, -4, 20]],
    ]
    b = [[1, -1, 1], [1, 0], [-1, 2]]

    def costs(x: Any, _: Any) -> tuple:
        return tuple(
            _quadratic(np.array(A[i], float), np.array(B[i], float), x, i)
            + np.array(b[i], float) @ x[i]
            for i in range(3)
        )

    rows = (
        _own_row("0", [1, 1, 1, 0, 0, 0, 0], 20),
        _own_row("0", [1, 1, -1, -1, 0, 0, 1], 5),
        _own_row("1", [0, -1, -1, 1, -1, 1, 0], 7),
        _own_row("2", [-1, 0, -1, 1, 0, 0, 1], 4),
    )
    return game(costs, Box(-10.0, 10.0), rows)


def four_quadratic_players() -> Game:
    """A.7: four players of five variables, with a symmetric Jacobian that is not definite.

    At the equilibrium all variables are 1, their lower bound, but the second one of the third
    player, which is 164/89. Multipliers are not unique. The published 1.8425323 is wrong in the
    fourth decimal.
    """
    low = np.zeros((20, 20))
    for i, row in enumerate(_A7):
        low[i, : i + 1] = row
    M = low + np.tril(low, -1).T

    def costs(x: Any, _: Any) -> tuple:
        vector = jnp.concatenate(x)
        own = [slice(5 * i, 5 * i + 5) for i in range(4)]
        # The others' part counts fully, the own one half.
        return tuple(
            x[i] @ (M[own[i]] @ vector) - 0.5 * x[i] @ (M[own[i], own[i]] @ x[i]) for i in range(4)
        )

    first, second, third, fourth = np.zeros((4, 20))
    first[[0, 1, 2, 3, 4, 6, 7]] = 1, 2, -1, 3, -4, 1, -3
    second[[5, 6, 7, 8, 9, 10, 14, 17]] = -1, 3, -2, 1, 3, 1, -3, 2
    third[[10, 11, 12, 13, 14, 0, 19]] = -2, 3, 1, -1, -2, 1, -4
    fourth[[15, 16, 17, 18, 19, 0, 1, 5, 6]] = 4, -2, -3, -6, 5, 1, 1, -1, -1
    limits = ((first, 2), (second, 4), (third, 4), (fourth, 3))
    rows = tuple(_own_row(str(i), row, limit) for i, (row, limit) in enumerate(limits))
    return game(costs, Box(1.0, 5.0), rows)


def three_players_one_free() -> Game:
    """A.8: `f_1 = -x_1`, `f_2 = (x_2 - 1/2)^2` with `x_3 <= x_1 + x_2 <= 1`, and a third player.

    The third follows with `f_3 = (x_3 - 3/2 x_1)^2` over [0, 2], free of the rows. The equilibria
    are (t, 1 - t, 3 t / 2) with t from 1/2 to 2/3.
    """
    rows = SharedConstraint(
        lambda x, _: jnp.stack([x[2] - x[0] - x[1], x[0] + x[1] - 1.0]), ("0", "1")
    )
    return game(
        lambda x, _: (-x[0], (x[1] - 0.5) ** 2, (x[2] - 1.5 * x[0]) ** 2),
        (_HALF_LINE, _HALF_LINE, Box(0.0, 2.0)),
        rows,
    )


def two_players_on_a_line() -> Game:
    """A.11: `f_1 = (x_1 - 1)^2`, `f_2 = (x_2 - 1/2)^2`, `x_1 + x_2 <= 1`.

    The variational equilibrium is (3/4, 1/4) with multiplier 1/2; with weights (1, 2) the
    normalised one is (2/3, 1/3). All equilibria are (t, 1 - t) with t from 1/2 to 1.
    """
    return game(
        lambda x, _: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), None, Polyhedron([[1.0, 1.0]], 1.0)
    )


def duopoly() -> Game:
    """A.12: `f_i = x_i (x_1 + x_2 - 16)` over [-10, 10], without shared rows: (16/3, 16/3)."""
    return game(lambda x, _: tuple(own * (x[0] + x[1] - 16.0) for own in x), Box(-10.0, 10.0))


def two_players_on_two_lines() -> Game:
    """A.17: a player of two variables and one of one, with two shared rows.

    The variational equilibrium is (0, 11), 8 with multipliers (3, 1), which are unique; but
    the bound of the first variable is active with multiplier zero. Margin 1, Lipschitz constant 4.
    """

    def costs(x: Any, _: Any) -> tuple:
        (p, q), r = x[0], x[1]
        return (
            p**2 + p * q + q**2 + (p + q) * r - 25.0 * p - 38.0 * q,
            r**2 + (p + q) * r - 25.0 * r,
        )

    rows = Polyhedron([[1.0, 2.0, -1.0], [3.0, 2.0, 1.0]], [14.0, 30.0])
    return game(costs, _HALF_LINE, rows)


def harker() -> Game:
    """`f_1 = x_1^2 + 8/3 x_1 x_2 - 34 x_1`, `f_2 = x_2^2 + 5/4 x_1 x_2 - 24.25 x_2`.

    Over [0, 10] with `x_1 + x_2 <= 15`, where the variational equilibrium is (5, 9), with no active
    row; (t, 15 - t) with t from 9 to 10 are equilibria too. Margin 1/24, Lipschitz constant
    4.08006284.

    References:
        Harker, *Generalized Nash games and quasi-variational inequalities*, European Journal of
        Operational Research 54 (1991).
    """

    def costs(x: Any, _: Any) -> tuple:
        return (
            x[0] ** 2 + 8 / 3 * x[0] * x[1] - 34.0 * x[0],
            x[1] ** 2 + 5 / 4 * x[0] * x[1] - 24.25 * x[1],
        )

    return game(costs, Box(0.0, 10.0), Polyhedron([[1.0, 1.0]], 15.0))


def _total(x: Any) -> Array:
    return jnp.sum(jnp.stack(x))


def _switched(x: Any) -> list[Array]:
    total = _total(x)
    return [-own / total * (1 - total) for own in x]


def _names(players: Any) -> tuple[str, ...]:
    return tuple(map(str, players))


def _quadratic(own: np.ndarray, others: np.ndarray, x: Any, i: int) -> Array:
    rest = jnp.concatenate([block for j, block in enumerate(x) if j != i])
    return 0.5 * x[i] @ (own @ x[i]) + x[i] @ (others @ rest)


def _own_row(player: str, row: Any, limit: int) -> SharedConstraint:
    """Returns a row over all variables that binds one player."""
    coefficients = jnp.asarray(np.asarray(row, float))

    def excess(x: Any, _: Any) -> Array:
        return coefficients @ jnp.concatenate(x) - limit

    return SharedConstraint(excess, (player,))


# The lower half of the matrix of A.7.
# fmt: off
_A7: list[list[int]] = [
    [110],
    [-3, 79],
    [22, -9, 90],
    [-14, -21, 28, 106],
    [-27, 18, 22, 11, 134],
    [1, 61, -9, -33, 4, 119],
    [9, 0, -21, -42, -4, -14, 72],
    [19, 14, -1, 14, -29, 12, -14, 92],
    [-2, 58, -5, 28, 39, 12, 6, -10, 124],
    [23, -11, 29, -10, -62, -6, -9, 5, -39, 130],
    [-7, 4, 15, 3, 74, -23, 12, 8, -4, -42, 138],
    [-20, -16, -7, 6, 2, -14, 2, 0, -16, -21, -4, 89],
    [-4, 20, 4, 13, 4, 16, -24, -4, 24, 21, -24, -11, 107],
    [22, -19, 30, 22, -34, -4, 13, 23, -18, 68, -12, -14, 31, 116],
    [-19, 13, 2, -8, -1, 15, 29, 8, 26, -24, -27, -16, -3, -1, 98],
    [22, -17, 9, 6, 13, -2, 17, -50, 4, -21, 24, -32, -2, 5, -4, 102],
    [3, -1, -1, -3, 8, 8, 13, -11, 13, -30, 21, -7, -22, -18, -2, 46, 110],
    [13, 24, -19, 15, 18, 16, -1, 48, 29, -54, 2, -5, 17, -16, 50, -29, -16, 102],
    [-12, 22, -60, -3, 12, 9, 19, -8, 43, -23, -10, 13, 4, -43, 23, -17, 24, 45, 119],
    [18, 5, 4, 0, 35, -9, 21, 3, 23, 9, 18, -4, 22, 27, 8, -1, 12, 14, 21, 59],
]
# fmt: on

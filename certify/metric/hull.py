"""A hull of Jacobians, and the linear matrix inequality that proves a margin on all of it.

The hull consists of all `J = J0 + E` where the blocks of E, one for each pair of players, obey
`|E_ij| <= rho_ij` in the spectral norm. With numbers `t_ij > 0`, for every such J,

    x' (P J + J' P) x >= x' (P J0 + J0' P) x - sum_ij (t_ij rho_ij^2 |x_j|^2 + |(P x)_i|^2 / t_ij),

because `2 (P x)_i' E_ij x_j >= -|(P x)_i|^2 / t_ij - t_ij |E_ij x_j|^2`, the S-procedure for one
pair. So `P J + J' P >= 2 a P` on the hull if, with `theta_i <= 1 / sum_j (1 / t_ij)`,

    [ P J0 + J0' P - 2 a P - diag(sum_i t_ij rho_ij^2)_j ,  P           ]
    [ P                                                  ,  diag(theta) ]  >= 0

(Schur complement). This is linear in P, t and theta for a fixed `a`, and the bound on theta is a
rotated cone. Pairs with `rho_ij = 0` have no t_ij.

If `E_21 = -E_12'`, as in zero-sum games, then `x_1' E_12 x_2 + x_2' E_21 x_1 = 0`, and any multiple
of it may be added: the terms of these two pairs may have `P - kappa I` in place of `P`, for any
real kappa. If all weights are equal the coupling drops out altogether.

The inequality contains the small-gain test: for `P = diag(w_i I)`, `J0 = diag(mu_i I)` and
`rho = L` the choice `t_ij = w_i v_i / (v_j L_ij)` has the margin of that test, in which `K v = a v`
and `w = u / v`.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.checker.exact import rational_positive_definite
from certify.rounding import float_below

# What is added to the direction that decides the multipliers, so that other directions count.
_REGULARIZATIONS = (1e-4, 0.01, 0.1, 0.5)
# A margin is backed off by these shares of the size of J0 until integers confirm it.
_BACKOFFS = (2.0**-36, 2.0**-28, 2.0**-20, 2.0**-12)


class Hull(NamedTuple):
    """A set of Jacobians: all within a radius of a centre, block by block.

    Attributes:
        centre: The matrix `J0`.
        radius: The numbers `rho`, one for each pair of players.
        mirrored: Whether `E_21 = -E_12'`, for two players.
    """

    centre: Float[np.ndarray, "n n"]
    radius: Float[np.ndarray, "players players"]
    mirrored: bool = False


class Proposal(NamedTuple):
    """A metric and multipliers that may prove a margin on a hull.

    Attributes:
        metric: The matrix `P`.
        multipliers: The numbers `t`; those of pairs with `rho_ij = 0` mean nothing.
        shift: The number `kappa`; 0 if the hull is not mirrored.
    """

    metric: Float[np.ndarray, "n n"]
    multipliers: Float[np.ndarray, "players players"]
    shift: float = 0.0


def terms(hull: Hull) -> list[tuple[np.ndarray, bool]]:
    """Returns masks of pairs whose terms have one vector, `P x` or `(P - kappa) x`.

    Each mask comes with whether kappa shifts its vector.
    """
    every, own = hull.radius > 0, np.eye(len(hull.radius), dtype=bool)
    masks = [(every & own, False), (every & ~own, True)] if hull.mirrored else [(every, False)]
    return [(mask, shifted) for mask, shifted in masks if mask.any()]


def margin_on(hull: Hull, sizes: tuple[int, ...], proposal: Proposal) -> float:
    """Returns the margin of a proposal on a hull, in floating point; minus infinity if it has none.

    Example:
        >>> hull = Hull(np.eye(2), np.array([[0.0, 0.5], [0.5, 0.0]]))
        >>> round(margin_on(hull, (1, 1), Proposal(np.eye(2), np.full((2, 2), 2.0))), 9)
        0.5
    """
    return _worst(hull, sizes, proposal)[0]


def _worst(
    hull: Hull, sizes: tuple[int, ...], proposal: Proposal, *, alone: bool = False
) -> tuple[float, np.ndarray | None]:
    """Returns the margin on a hull or its centre alone, and the direction where it is attained."""
    P, t, shift = proposal
    form = P @ hull.centre + hull.centre.T @ P
    with np.errstate(all="ignore"):
        for mask, shifted in () if alone else terms(hull):
            vector = P - shift * shifted * np.eye(len(P))
            form = form - np.diag(np.repeat(np.where(mask, t * hull.radius**2, 0.0).sum(0), sizes))
            inverse = np.where(mask, 1 / t, 0.0).sum(1)
            form = form - vector.T @ (np.repeat(inverse, sizes)[:, None] * vector)
    try:
        values, vectors = scipy.linalg.eigh(form, 2 * P, subset_by_index=(0, 0))
    except (ValueError, np.linalg.LinAlgError):
        return -np.inf, None
    return float(values[0]), vectors[:, 0]


def tuned(hull: Hull, sizes: tuple[int, ...], metric: Float[np.ndarray, "n n"]) -> Proposal:
    """Finds good multipliers for a metric.

    They are `t_ij = |(P x)_i| / (rho_ij |x_j|)`, where x is the worst direction: there they make
    `t rho^2 |x_j|^2 + |(P x)_i|^2 / t` smallest. The worst direction depends on t in turn, so this
    is repeated. For a mirrored hull `(P - kappa) x` takes the place of `P x`.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    diagonal = np.diagonal(metric)[starts]
    shifts = [0.0]
    if hull.mirrored:
        shifts = [float(diagonal.mean()), *diagonal.tolist(), *np.linalg.eigvalsh(metric).tolist()]
    best = Proposal(metric, np.ones(hull.radius.shape))
    value = -np.inf
    for shift in shifts:
        for extra in _REGULARIZATIONS:
            x = _worst(hull, sizes, Proposal(metric, np.ones(hull.radius.shape)), alone=True)[1]
            for _ in range(4):
                if x is None:
                    break
                length = np.sqrt(np.add.reduceat(x**2, starts) * diagonal)
                length = (length + extra * length.max()) / np.sqrt(diagonal)
                t = np.ones(hull.radius.shape)
                for mask, shifted in terms(hull):
                    vector = metric - shift * shifted * np.eye(len(x))
                    moved, most = (vector @ x) ** 2, (vector**2).sum(1)
                    moved, most = (np.sqrt(np.add.reduceat(y, starts)) for y in (moved, most))
                    size = moved + (extra * most + 1e-9 * diagonal) * length
                    ratio = np.divide.outer(size, length)
                    t = np.where(mask, ratio / np.where(mask, hull.radius, 1.0), t)
                proposal = Proposal(metric, t, shift)
                margin, x = _worst(hull, sizes, proposal)
                if margin > value:
                    best, value = proposal, margin
    return best


def proved_margin(hull: Hull, sizes: tuple[int, ...], proposal: Proposal) -> float | None:
    """Returns a margin that a proposal is proved to have on a hull, or None.

    With `theta_i` a float below `1 / sum_j (1 / t_ij)`, the matrix of the inequality is rational,
    and its positive definiteness, and that of P, are decided with integers.
    """
    if not usable(proposal):
        return None
    guess, scale = margin_on(hull, sizes, proposal), float(np.abs(hull.centre).max())
    P = _exact(proposal.metric)
    if not (np.isfinite(guess) and rational_positive_definite(P)):
        return None
    for backoff in _BACKOFFS:
        margin = guess - backoff * max(scale, abs(guess))
        if rational_positive_definite(_inequality(hull, sizes, proposal, P, Fraction(margin))):
            return margin
    return None


def usable(proposal: Proposal) -> bool:
    """Returns whether the numbers of a proposal are finite, and positive where they have to be."""
    P, t, shift = proposal
    finite = np.isfinite(P).all() and np.isfinite(t).all() and np.isfinite(shift)
    return bool(finite and (t > 0).all() and np.linalg.eigvalsh(P)[0] > 0)


def _inequality(
    hull: Hull, sizes: tuple[int, ...], proposal: Proposal, P: list[list[Fraction]], a: Fraction
) -> list[list[Fraction]]:
    """Returns the matrix of the inequality at the top of this file, exactly."""
    n, J, rho = range(len(P)), _exact(hull.centre), _exact(hull.radius)
    t, player = _exact(proposal.multipliers), np.repeat(np.arange(len(sizes)), sizes).tolist()
    product = [[sum((P[i][k] * J[k][j] for k in n), Fraction(0)) for j in n] for i in n]
    top = [[product[i][j] + product[j][i] - 2 * a * P[i][j] for j in n] for i in n]
    below: list[tuple[list[Fraction], Fraction]] = []
    for mask, shifted in terms(hull):
        kappa = Fraction(proposal.shift) if shifted else Fraction(0)
        for k in n:
            others = np.flatnonzero(mask[player[k]]).tolist()
            seen = np.flatnonzero(mask[:, player[k]]).tolist()
            top[k][k] -= sum((t[i][player[k]] * rho[i][player[k]] ** 2 for i in seen), Fraction(0))
            if others:
                theta = 1 / sum((1 / t[player[k]][j] for j in others), Fraction(0))
                row = [x - kappa * (i == k) for i, x in enumerate(P[k])]
                below.append((row, Fraction(float_below(theta))))
    size = len(below)
    matrix = [row + [column[i] for column, _ in below] for i, row in enumerate(top)]
    for k, (row, theta) in enumerate(below):
        matrix.append([*row, *(theta * (i == k) for i in range(size))])
    return matrix


def _exact(matrix: np.ndarray) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in np.asarray(matrix, np.float64).tolist()]

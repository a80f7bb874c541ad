"""Bounds how far the equilibrium of a network is from that of a graphon."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.enclosure.enclose import require_x64
from certify.metric.spectra import norm_bounds
from certify.rounding import EPSILON, float_above, float_below

# Roundings of a closed form for an eigenvalue, and of the weights of a graphon between two places.
_ROUNDINGS = 8


class GraphonTransfer(NamedTuple):
    """What the game on a network inherits from the game on a graphon.

    The bounds hold whatever the rounding errors, for the network that was given. They rest on this
    package alone: there is no file, and nothing here is *checked* by the independent checker.

    Attributes:
        norm: A bound on `|A / N - W|`, the norm in L2 of the difference of the operators.
        margin: A margin of the field on the network, `1 - alpha lambda_max(W) - alpha norm`; not
            positive where nothing follows.
        distance: A bound on `|s_N - s|` in L2, per unit of beta; infinite where nothing follows.
    """

    norm: float
    margin: float
    distance: float


def graphon_transfer(graphon: dg.AbstractGraphon, adjacency: Any, alpha: float) -> GraphonTransfer:
    r"""Bounds the distance of a network's equilibrium from that of a graphon, rigorously.

    *Theorem.* Let `s = beta + alpha W s` on a graphon W, whose field `s - alpha W s - beta` has the
    margin a in L2, and `s_N = beta + alpha A s_N / N` on a network of N players, taken as the
    graphon that is `A_ij` on the product of intervals i and j. If `|A / N - W| <= e` and `alpha e <
    a`, the field on the network has the margin `a - alpha e`, and

        |s_N - s| <= alpha e |s| / (a - alpha e),        |s| <= |beta| / a

    *Proof.* The symmetric part of `I - alpha A / N` is at least `a - alpha e`, so its inverse has
    at most the norm `1 / (a - alpha e)`. And `(I - alpha A / N) (s_N - s) = alpha (A / N - W) s`.
    The margin of the graphon's field gives `a |s|^2 <= <s, s - alpha W s> = <s, beta>`.

    The norm is bounded in two parts. That of the matrix `A / N - W(x_i, x_j) / N`, with the
    midpoints of the intervals, is bounded from its eigenvalues, every rounding error included. And
    W differs from its values at midpoints by at most `K (1 / (2 N) + 1 / (2 N))`, with `K =
    graphon.slope()`. What the graphon says of itself is believed: its slope, and up to eight
    rounding errors its weights and the eigenvalue in `a = 1 - alpha lambda_max(W)`.

    Args:
        graphon: One with a slope: not of blocks, whose W jumps.
        adjacency: A, shape (N, N), symmetric or not: the weights of the network, of whose players
            the i-th is at `(i + 1/2) / N`.
        alpha: The strength of interaction, at least 0.

    Returns:
        The bounds.

    Raises:
        ValueError: If A is not a finite square matrix, alpha is negative, or W is not Lipschitz.

    Example:
        >>> import dgames as dg
        >>> graphon = dg.MinMaxGraphon()
        >>> weights = graphon.matrix(dg.midpoints(100))
        >>> transfer = graphon_transfer(graphon, weights, 4.0)
        >>> round(transfer.margin, 3), round(transfer.distance, 3)
        (0.555, 0.121)

    References:
        Parise and Ozdaglar, arXiv:1802.00080, for the rate at which sampled networks come near.
    """
    require_x64()
    matrix = np.array(adjacency, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise ValueError(
            f"graphon_transfer: the network is a finite square matrix, not one of shape "
            f"{matrix.shape}."
        )
    if not 0 <= alpha < np.inf:
        raise ValueError(f"graphon_transfer: alpha must be at least 0, not {alpha}.")
    slope = graphon.slope()
    if not np.isfinite(slope):
        raise ValueError("graphon_transfer: this graphon jumps; only Lipschitz ones are supported.")
    players = len(matrix)
    weights = np.asarray(graphon.matrix(dg.midpoints(players)), np.float64)
    difference = (matrix - weights)[None]
    # Weights are at most one, and so are their errors in units of rounding.
    error = _ROUNDINGS * EPSILON * (1 + np.abs(matrix))
    (sampled,) = norm_bounds(difference - error, difference + error)
    norm = Fraction(float(sampled)) / players + Fraction(slope) / players
    largest = float(graphon.largest_eigenvalue())
    top = Fraction(largest) * (1 + Fraction(_ROUNDINGS * EPSILON))
    strength = Fraction(alpha)
    limit = 1 - strength * top
    margin = limit - strength * norm
    distance = np.inf
    if margin > 0:
        distance = float_above(strength * norm / (limit * margin))
    return GraphonTransfer(float_above(norm), float_below(margin), distance)

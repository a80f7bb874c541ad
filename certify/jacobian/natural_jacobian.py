"""Bounds on Jacobians of natural gradients in logit differences, as functions of the policies."""

from typing import NamedTuple

import numpy as np

from certify.jacobian.expansion import Ends
from certify.problem.natural_gradient import Natural
from certify.rounding import EPSILON, TINY


class _Fisher(NamedTuple):
    """Bounds on the matrix S, and on its first and second derivatives along the policies."""

    value: Ends
    slope: Ends
    curvature: Ends


def natural_jacobian(natural: Natural, q: Ends, value: Ends) -> Ends:
    """Bounds J for policies and H within bounds, of shapes (cells, n) and (cells, n, n)."""
    constant = natural.temperature * np.eye(q.lower.shape[-1])
    return _sum(Ends(constant, constant), _product(value, _fisher(natural, q).value, "bad"))


def natural_slope(natural: Natural, q: Ends, value: Ends, slope: Ends) -> Ends:
    """Bounds the first derivatives of J along the policies, given those of H, in the last axis."""
    s = _fisher(natural, q)
    return _sum(_product(slope, s.value, "badk"), _product(value, s.slope, "badk"))


def natural_curvature(natural: Natural, q: Ends, value: Ends, slope: Ends, curvature: Ends) -> Ends:
    """Bounds the second derivatives of J along the policies, given those of H, in the last axes."""
    s = _fisher(natural, q)
    return _sum(
        _product(curvature, s.value, "badkl"),
        _product(slope, s.slope, "badkl"),
        _product(slope, s.slope, "badlk"),
        _product(value, s.curvature, "badkl"),
    )


def _fisher(natural: Natural, q: Ends) -> _Fisher:
    """Bounds `S_cb = [c = b] q_b - q_b q_c`, c and b being of one vector; policies are >= 0."""
    one, same = np.eye(q.lower.shape[-1]), natural.together
    squares = [end[:, :, None] * end[:, None, :] for end in q]
    diagonal = [one * end[:, None, :] for end in q]
    value = Ends(same * (diagonal[0] - squares[1]), same * (diagonal[1] - squares[0]))
    # dS_cb / dq_k = [c = b = k] - [k = b] q_c - [k = c] q_b.
    turns = [
        same[:, :, None] * (end[:, :, None, None] * one + end[:, None, :, None] * one[:, None, :])
        for end in q
    ]
    cube = one[:, :, None] * one[:, None, :]
    bend = (
        one[:, None, :, None] * one[None, :, None, :]
        + one[:, None, None, :] * one[None, :, :, None]
    )
    bend = np.broadcast_to(-same[:, :, None, None] * bend, (len(q.lower), *bend.shape))
    return _Fisher(
        _widened(value, 2),
        _widened(Ends(cube - turns[1], cube - turns[0]), 3),
        Ends(bend, bend),
    )


def _product(x: Ends, y: Ends, out: str) -> Ends:
    """Bounds `sum_c x[b, a, c, ...] y[b, c, d, ...]`.

    Args:
        x: The first factor.
        y: The second factor.
        out: The letters "bad", and then those of the further axes, those of x before those of y;
            in the result these are in alphabetical order.
    """
    further = out[3:]
    count = x.lower.ndim - 3
    pattern = f"bac{further[:count]},bcd{further[count:]}->bad{''.join(sorted(further))}c"
    corners = [np.einsum(pattern, a, b) for a in x for b in y]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    return _widened(
        Ends(low.sum(-1), high.sum(-1)),
        low.shape[-1] + 2,
        np.maximum(np.abs(low), np.abs(high)).sum(-1),
    )


def _sum(*terms: Ends) -> Ends:
    low, high = (sum(end for end in ends) for ends in zip(*terms, strict=True))
    size = sum(np.maximum(np.abs(term.lower), np.abs(term.upper)) for term in terms)
    return _widened(Ends(low, high), len(terms), size)


def _widened(ends: Ends, operations: int, size: np.ndarray | float = 1.0) -> Ends:
    """Widens bounds by more than what so many roundings of numbers of a size lose."""
    slack = (operations + 2) * (2 * EPSILON * size + TINY)
    return Ends(ends.lower - slack, ends.upper + slack)

"""Jacobians of natural gradients in logit differences, as functions of the policies.

Logit differences x of policies q, the probabilities of all actions but the last of each vector,
have the derivative `dq/dx = S(q)`, `S = diag(q) - q q'` for each vector. A natural gradient
`N(x) = temperature (x - reference) + g(q(x))` has there the Jacobian

    J = temperature I + H(q) S(q),      H = dg/dq,

a function of the policies alone, which are in a bounded set: that of all logits is not.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.enclosure.expansion import Ends
from certify.enclosure.margins import EPSILON, TINY


class Natural(NamedTuple):
    """What a natural gradient adds to the slopes g of the costs of policies.

    Attributes:
        temperature: Of the regulariser.
        reference: Its logit differences, n of them.
        groups: Coordinates of each probability vector: one less than its actions.
    """

    temperature: float
    reference: tuple[float, ...]
    groups: tuple[int, ...]

    @property
    def together(self) -> Float[np.ndarray, "n n"]:
        """One for two coordinates of one probability vector, zero for others."""
        vector = np.repeat(np.arange(len(self.groups)), self.groups)
        return (vector[:, None] == vector).astype(float)


class _Fisher(NamedTuple):
    """Bounds on S, and on its first and second derivatives along the policies."""

    value: Ends
    slope: Ends
    curvature: Ends


def natural_jacobian(natural: Natural, q: Ends, value: Ends) -> Ends:
    """J where the policies and H are in these bounds, shapes (cells, n) and (cells, n, n)."""
    constant = natural.temperature * np.eye(q.lower.shape[-1])
    return _sum(Ends(constant, constant), _product(value, _fisher(natural, q).value, "bad"))


def natural_slope(natural: Natural, q: Ends, value: Ends, slope: Ends) -> Ends:
    """Its first derivatives along the policies, with those of H; the last axis is for them."""
    s = _fisher(natural, q)
    return _sum(_product(slope, s.value, "badk"), _product(value, s.slope, "badk"))


def natural_curvature(natural: Natural, q: Ends, value: Ends, slope: Ends, curvature: Ends) -> Ends:
    """Its second derivatives, with those of H."""
    s = _fisher(natural, q)
    return _sum(
        _product(curvature, s.value, "badkl"),
        _product(slope, s.slope, "badkl"),
        _product(slope, s.slope, "badlk"),
        _product(value, s.curvature, "badkl"),
    )


def _fisher(natural: Natural, q: Ends) -> _Fisher:
    """With `S_cb = [c = b] q_b - q_b q_c` for two coordinates of one vector; policies are >= 0."""
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
    """`sum_c x[b, a, c, ...] y[b, c, d, ...]`: further axes in the order of `out`, x's first."""
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
    """By more than what so many roundings of numbers of that size lose."""
    slack = (operations + 2) * (2 * EPSILON * size + TINY)
    return Ends(ends.lower - slack, ends.upper + slack)

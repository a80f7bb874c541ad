r"""Jacobians on sets of inputs, by propagation of bounds.

The Jacobian of a network is `C_L D_(L-1) C_(L-1) ... D_1 C_1`, where D are the diagonal matrices of
slopes; at kinks, Clarke's Jacobian consists of averages of such products. First, pre-activations
are bounded layer by layer, and with them slopes. Then a row of the Jacobian is computed from the
output back, `y_(k-1) = C_k' (d_k y_k)`, which is again affine maps with functions of one variable
between them, those of all slopes d in their range, and lines around these functions bound it
(Shi, Wang, Zhang, Kolter and Hsieh, arXiv:2210.07394).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.spectra import norm_bounds
from certify.problem.corners import coordinates
from certify.problem.region import Ball, Box
from certify.prove.lipschitz import activation_curve
from certify.prove.lipschitz.backward_bounds import (
    BallDomain,
    BoxDomain,
    both_bounds,
    upper_bounds,
)
from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.linear_relaxation import (
    activation_lines,
    product_lines,
    size_lines,
)
from certify.prove.lipschitz.network_chain import AffineMap, NetworkChain
from certify.prove.lipschitz.unit_slopes import UnitSlopes, global_slopes
from certify.rounding import next_above, next_below, raised


def slopes_on(chain: NetworkChain, domain: Box | Ball | None) -> list[UnitSlopes]:
    """Bounds the slopes of all units over the inputs in a domain; over all inputs if it is None.

    Units that are mixed have their slopes on the whole line, and so have all units after them.
    """
    known = [
        global_slopes(activation, units)
        for activation, units in zip(chain.activations, chain.sizes[1:], strict=False)
    ]
    if domain is None:
        return known
    box = BoxDomain(*domain.bounds())
    inputs = BallDomain(coordinates(domain.center), domain.radius) if type(domain) is Ball else box
    lines = []
    for k, activation in enumerate(chain.activations):
        if activation.name not in activation_curve.CURVES:
            break
        low, high = both_bounds(list(chain.maps[: k + 1]), lines, inputs)
        if k == 0:
            rough = both_bounds(list(chain.maps[:1]), [], box)
            low, high = np.maximum(low, rough[0]), np.minimum(high, rough[1])
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            break
        found = activation_curve.slopes(activation, low, high)
        known[k] = UnitSlopes(
            np.maximum(found.lower, known[k].lower), np.minimum(found.upper, known[k].upper)
        )
        lines.append(activation_lines(activation, low, high))
    return known


class JacobianRows(NamedTuple):
    """Bounds on a Jacobian over a domain.

    Attributes:
        lower: Bounds on its entries from below.
        upper: Bounds on them from above.
        sums: Bounds on the sums of sizes in each row from above.
    """

    lower: Float[np.ndarray, "outputs inputs"]
    upper: Float[np.ndarray, "outputs inputs"]
    sums: Float[np.ndarray, " outputs"]


def jacobian_rows(matrices: list[BallMatrix], slopes: list[UnitSlopes]) -> JacobianRows:
    """Bounds the Jacobian, given the slopes.

    Raises:
        ValueError: If an activation function mixes units.
    """
    if any(slope.tied > 1 for slope in slopes):
        raise ValueError(
            'lipschitz: method "propagation" is for activation functions that act on each unit '
            'alone; for groupsort use "product" or "pivots"'
        )
    last = matrices[-1]
    rows = [_row(matrices, slopes, BallMatrix(*parts)) for parts in zip(*last, strict=True)]
    return JacobianRows(*(np.stack(part) for part in zip(*rows, strict=True)))


def _row(
    matrices: list[BallMatrix], slopes: list[UnitSlopes], last: BallMatrix
) -> tuple[np.ndarray, np.ndarray, float]:
    low, high = next_below(last.centre - last.radius), next_above(last.centre + last.radius)
    if not last.radius.any():
        low = high = last.centre
    maps: list[AffineMap] = []
    lines, domain = [], None
    for k in reversed(range(len(slopes))):
        own = product_lines(slopes[k], low, high)
        if domain is None:
            domain = BoxDomain(*own.range)
        else:
            lines.append(own)
        maps.append(_transposed(matrices[k]))
        low, high = both_bounds(maps, lines, domain)
    sizes = np.maximum(np.abs(low), np.abs(high))
    total = raised(sizes.sum(), 2 * len(sizes))
    if domain is not None:
        above = size_lines(low, high)
        offset = raised(above[1].sum(), 2 * len(sizes))
        finer = upper_bounds(above[:1], maps, lines, domain)[0]
        total = np.minimum(total, next_above(finer + offset))
    return low, high, float(total)


def _transposed(matrix: BallMatrix) -> AffineMap:
    turned = matrix.transposed
    return AffineMap(turned, BallMatrix.exact(np.zeros(len(turned.centre))))


def propagated_constant(matrices: list[BallMatrix], slopes: list[UnitSlopes], norm: str) -> float:
    """Bounds the norm of the Jacobian for slopes in these ranges, and with it the constant."""
    found = jacobian_rows(matrices, slopes)
    if norm == "linf":
        return float(found.sums.max(initial=0.0))
    sizes = np.maximum(np.abs(found.lower), np.abs(found.upper))
    whole = next_above(np.sqrt(raised((sizes**2).sum(), 2 * sizes.size)))
    return float(min(norm_bounds(found.lower[None], found.upper[None])[0], whole))

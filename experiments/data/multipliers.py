"""The best margin that multipliers could prove, by a conic program in floating point.

It proves nothing, and is the peer of a proof by terms of rank one: for games of few coordinates.
"""

import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.jacobian.rank_one import rank_one
from certify.problem.field import flat_field
from certify.problem.region import Region


class Best(NamedTuple):
    """What the solver returned.

    Attributes:
        margin: The margin that the solver's multipliers have, in floating point.
        seconds: What it took.
    """

    margin: float
    seconds: float


def best_multipliers(game: dg.Game, region: Region, weights: Float[np.ndarray, " n"]) -> Best:
    """Maximises the margin over all multipliers, in a metric of weights.

    With the a_k as rows of A, the b_k as rows of B and radii r, all in coordinates in which the
    metric is the identity,

        S - alpha I - A' diag(r t) A / 2 - B' diag(r u) B / 2 >= 0,    u >= 1 / t,

    is a convex condition on alpha, t and u. Terms of parallel vectors have their best multiplier in
    closed form.
    """
    import cvxpy as cp

    field = flat_field(game, region)
    terms = rank_one(field, region)
    root, radius = np.sqrt(weights), terms.radius
    left, right = (np.asarray(side.todense()) for side in terms.rows())
    a, b = left * root, right / root
    squares = (a**2).sum(1), (b**2).sum(1)
    parallel = (a * b).sum(1) ** 2 >= (1 - 1e-12) * squares[0] * squares[1]
    even = np.sqrt(squares[1] / squares[0])
    middle = (a.T * terms.middle) @ b
    fixed = 0.5 * (middle + middle.T)
    for side, by in ((a, even), (b, 1 / even)):
        fixed -= 0.5 * (side[parallel].T * (radius * by)[parallel]) @ side[parallel]
    free = ~parallel & (radius > 0)
    if not free.any():
        return Best(float(np.linalg.eigvalsh(fixed)[0]), 0.0)
    scale = np.sqrt(even[free])[:, None]  # so that the best multipliers are about one
    r = np.sqrt(radius[free])[:, None]
    a, b = r * scale * a[free], r / scale * b[free]
    t, u, alpha = cp.Variable(len(a)), cp.Variable(len(a)), cp.Variable()
    # Entries of the matrix are linear in t and u: one product with a constant.
    outer = np.concatenate([side[:, :, None] * side[:, None] for side in (a, b)])
    spent = cp.reshape(outer.reshape(len(outer), -1).T @ cp.hstack([t, u]) / 2, fixed.shape, "C")
    matrix = fixed - alpha * np.eye(len(fixed)) - spent
    problem = cp.Problem(cp.Maximize(alpha), [matrix >> 0, u >= cp.inv_pos(t)])
    began = time.perf_counter()
    problem.solve(solver="SCS", eps=1e-7, max_iters=20_000)  # Clarabel gives up on its first step
    # What the solver's multipliers are worth, whatever it says of itself.
    t = np.maximum(np.asarray(t.value), 1e-9)
    reached = fixed - 0.5 * (a.T * t) @ a - 0.5 * (b.T / t) @ b
    return Best(float(np.linalg.eigvalsh(reached)[0]), time.perf_counter() - began)

"""Proves sparse bounds on curvature, smoothness and coupling of a network game over a box."""

from typing import Any

import jax
import numpy as np
import scipy.sparse

import dgames as dg
from certify.claims.network_convergence import NetworkConstants
from certify.enclosure.derivatives import Method
from certify.jacobian.enclosure_choice import AffineArithmetic, IntervalMatrices
from certify.metric.spectra import eigenvalue_bounds, norm_bounds
from certify.problem.region import Box
from certify.prove.network.cost import PlayerCode, rows_of

# Players in a chunk: one shape needs one compilation, and memory that does not depend on N.
CHUNK = 2**14


def network_constants(
    game: dg.NetworkGame,
    region: Box,
    args: Any = None,
    *,
    enclosure: IntervalMatrices | AffineArithmetic = IntervalMatrices(),
    chunk: int = CHUNK,
) -> NetworkConstants:
    """Proves constants of a network game over a box, player by player, many players at a time.

    The Hessian blocks of the one cost function are enclosed over each player's own box and those of
    the neighbours, by one compiled program for chunks of players, without a loop over players or a
    dense matrix. Then `certify.small_gain(constants.curvature, constants.coupling)` gives a margin
    a with weights w, and proves that for all x, y in the box

        sum_i w_i <F_i(x) - F_i(y), x_i - y_i>  >=  a sum_i w_i |x_i - y_i|^2,

    because the Jacobian J averaged along the segment from y to x has `d_i' J_ii d_i >= mu_i
    |d_i|^2` and `|J_ij d_j| <= L_ij |d_j|`, and `diag(w) K + K' diag(w) >= 2 a diag(w)` for `K =
    diag(mu) - L`. So the flow contracts at rate a while it is in the box, and there is at most one
    equilibrium. To prove that there is one, use `certify.certify_network`. Nothing is claimed about
    points outside the box, and no certificate file is written.

    Args:
        game: The game. Its cost must be smooth over the boxes, and built from primitives with an
            enclosure rule.
        region: A `Box` of `dg.Stacked` strategies.
        args: Passed to the cost; fixed.
        enclosure: How Hessians are enclosed: `AffineArithmetic` is narrower if one number enters in
            several places, and slower.
        chunk: How many players to take at a time, which affects memory only.

    Returns:
        The constants; if a neighbour is listed twice, its two bounds are added and rounded up.

    Raises:
        ValueError: If the game, the region and the options do not fit together, or the cost of some
            player was not shown to be twice continuously differentiable on its box.
        EnclosureError: If the cost uses a primitive without a rule, a custom derivative or
            `stop_gradient`.

    Example:
        >>> import certify, jax.numpy as jnp, dgames as dg
        >>> def cost(own, others, weights, args):
        ...     return own**2 - own * jnp.tanh(weights @ others)
        >>> ring = jnp.array([[1, 2], [2, 0], [0, 1]])
        >>> game = dg.NetworkGame(cost, ring, parameters=jnp.full((3, 2), 0.5))
        >>> region = certify.Box(dg.Stacked(-jnp.ones(3)), dg.Stacked(jnp.ones(3)))
        >>> found = certify.network_constants(game, region)
        >>> found.curvature.round(9).tolist(), found.coupling.toarray()[0].round(9).tolist()
        ([2.0, 2.0, 2.0], [0.0, 0.5, 0.5])
        >>> round(certify.small_gain(found.curvature, found.coupling).margin, 9)
        1.0
    """
    if chunk < 1:
        raise ValueError(f"network_constants: chunk is {chunk}; it must be at least 1.")
    require_enclosure("network_constants", enclosure)
    code = PlayerCode.of(game, region, args)
    return constants_of(code, game, region, enclosure.method, chunk)


def require_enclosure(caller: str, enclosure: Any) -> None:
    """Makes sure that the code of single players can be enclosed in this way.

    Raises:
        ValueError: If it cannot.
    """
    if not isinstance(enclosure, IntervalMatrices | AffineArithmetic):
        raise ValueError(
            f"{caller}: enclosure is {enclosure!r}; give certify.IntervalMatrices() or "
            "certify.AffineArithmetic()."
        )


def constants_of(
    code: PlayerCode, game: dg.NetworkGame, region: Box, method: Method, chunk: int
) -> NetworkConstants:
    """Proves the constants of a network game from code that was traced already."""
    compiled = jax.jit(jax.vmap(code.second_derivatives(method)))
    neighbours = np.asarray(game.neighbours)
    corners = rows_of(region.lower), rows_of(region.upper)
    size, degree = code.size, code.degree
    low, high = np.empty((2, game.players))
    norms = np.empty(neighbours.shape)
    for players, real, (found, smooth) in code.chunks(compiled, corners, chunk):
        if not np.asarray(smooth)[:real].all():
            raise _not_smooth(players.start + int(np.argmin(np.asarray(smooth))))
        ends = np.asarray(found.lower)[:real], np.asarray(found.upper)[:real]
        low[players], high[players] = eigenvalue_bounds(*(end[..., :size] for end in ends))
        # These are square blocks of the size of a player, one per neighbour.
        others = [
            np.swapaxes(end[..., size:].reshape(real, size, degree, size), 1, 2) for end in ends
        ]
        norms[players] = norm_bounds(*others)
    norms[neighbours < 0] = 0.0
    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.isfinite(norms).all()):
        finite = np.isfinite(low) & np.isfinite(high) & np.isfinite(norms).all(1)
        raise _not_smooth(int(np.argmin(finite)))
    return NetworkConstants(low, high, _coupling(neighbours, norms), code.promoted)


def _not_smooth(player: int) -> ValueError:
    return ValueError(
        f"network_constants: the cost of player {player} was not shown to be twice continuously "
        "differentiable on its box and those of its neighbours; give smaller boxes, or a cost "
        "without kinks, jumps and poles there."
    )


def _coupling(neighbours: np.ndarray, norms: np.ndarray) -> Any:
    """Returns the bounds as a sparse matrix, with those of the same pair added and rounded up."""
    players, degree = neighbours.shape
    rows = np.repeat(np.arange(players), degree)
    columns, values = neighbours.ravel(), norms.ravel()
    used = values > 0
    rows, columns, values = rows[used], columns[used], values[used]
    order = np.lexsort((columns, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(rows)))
    sums = np.add.reduceat(values, starts) if len(starts) else values
    sums = np.where(counts > 1, np.nextafter(sums * (1 + counts * 2.0**-52), np.inf), sums)
    return scipy.sparse.coo_array(
        (sums, (rows[starts], columns[starts])), (players, players)
    ).tocsr()

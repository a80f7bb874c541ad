"""Proves the equilibrium of a network game, its basin and safe steps, by small-gain vectors."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.claims.network_convergence import (
    NetworkConstants,
    NetworkConvergence,
    NetworkEquilibrium,
    NetworkStep,
)
from certify.enclosure.programs.promotion import exactly
from certify.jacobian.enclosure_choice import AffineArithmetic, IntervalMatrices
from certify.metric.perron import resolvent
from certify.metric.quotients import proved_below
from certify.metric.small_gain import SmallGain, small_gain, validated
from certify.problem.draws import first_key
from certify.problem.no_shared import require_no_shared
from certify.problem.region import Box
from certify.prove.mismatch import require_same
from certify.prove.network.block_bounds import CHUNK, constants_of, require_enclosure
from certify.prove.network.cost import PlayerCode, rows_of
from certify.rounding import EPSILON, TINY, next_above, next_below
from dgames.sets import map_sets
from dgames.strategy import ravel

# Points at which the game is compared with the traced code, and the largest rounding errors:
# usually, and in lower precision.
_POINTS, _ROUNDING, _ROUNDING_LOW = 3, 1e-6, 1e-2


def certify_network(
    game: dg.NetworkGame,
    region: Box,
    args: Any = None,
    *,
    point: dg.Stacked | None = None,
    enclosure: IntervalMatrices | AffineArithmetic = IntervalMatrices(),
    chunk: int = CHUNK,
) -> NetworkConvergence:
    """Proves that learning dynamics of a network game converge to its only equilibrium in a box.

    Everything is sparse, and nothing loops over players: a million players take about a minute.
    Let `v > 0` be any vector with `K v >= a v`, where `K = diag(mu) - L` has the proved constants
    and `a > 0`. Then the following holds on the box D, in the norm `|x| = max_i |x_i|_2 / v_i`. Two
    such vectors are used: for the rate, that of the small-gain test, with the largest a; for
    everything else, one near `K^-1 1`, proved likewise, none of whose entries is small.

    - *Monotonicity.* If player i attains `|x - y| = t`, `<x_i - y_i, F_i(x) - F_i(y)>` is at
      least `mu_i t^2 v_i^2 - sum_j L_ij t^2 v_i v_j >= a t^2 v_i^2`. So `|F_i(x) - F_i(y)| >= a t
      v_i`, there is at most one zero of F in D, and the flow contracts at rate a.
    - *Existence.* Let `t = max_i |F_i(c)| / (a v_i)`, and let `B = {|x - c| <= t}` be in D. It is a
      product of balls, convex and compact; so there is a solution x of the variational inequality
      of F on B (Hartman and Stampacchia, 1966). A player inside their ball has `F_i(x) = 0`. For
      one on its boundary, `F_i(x) = -l (x_i - c_i)` with `l >= 0`, while `<x_i - c_i, F_i(x)>
      >= a t^2 v_i^2 - |F_i(c)| t v_i >= 0`: so `l = 0`. Hence `F(x) = 0`.
    - *Equilibrium.* `a > 0` implies `mu_i > 0`: costs are strictly convex in their own player's
      block, so each player's block of x is the only optimum in D against the others.
    - *Steps.* `x - h F(x)` moves distances by `d+ <= N(h) d`, `N_ii = max(|1 - h mu_i|, |1 - h
      ell_i|)`, `N_ij = h L_ij`, as own blocks are symmetric. For `h <= min_i 2 / (mu_i + ell_i)`,
      `N v <= (1 - h a) v`; for `h < min_i 2 / (ell_i + mu_i - a)`, `N v < v`. These bounds
      remain if each player is projected onto a convex set that contains the equilibrium.
    - *Basin.* Balls around the equilibrium that lie in D are mapped into themselves. A start within
      `basin` of c is within `basin + t` of it, and that ball is within `basin + 2 t` of c. All
      later points are in D, so that distances to the equilibrium shrink in both norms.

    Args:
        game: The game; see `network_constants`. Its strategy set must contain the region, and be a
            `dgames.Box`, one or stacked, or nothing.
        region: A `Box` of `dg.Stacked` strategies.
        args: Passed to the cost; fixed.
        point: A point near the equilibrium; found by the safe step if not given.
        enclosure: See `network_constants`.
        chunk: See `network_constants`.

    Returns:
        A `NetworkConvergence`; look at its `status`. It makes no file; `certify.certify` does,
        with `certify.Everywhere(x)` or this region, where the Jacobian is a sum of terms of rank
        one, as with saturating pulls between neighbours, of up to 131,072 coordinates.

    Raises:
        ValueError: If `network_constants` raises it, or the region leaves the strategy set.
        EnclosureError: If `network_constants` raises it.
        MismatchError: If the game computes something else than what was traced.

    Example:
        >>> import certify, jax.numpy as jnp, dgames as dg
        >>> def cost(own, others, weights, args):
        ...     return own**2 - own * (1.0 + jnp.tanh(weights @ others))
        >>> ring = jnp.array([[1, 2], [2, 0], [0, 1]])
        >>> game = dg.NetworkGame(cost, ring, parameters=jnp.full((3, 2), 0.5))
        >>> region = certify.Box(dg.Stacked(jnp.zeros(3)), dg.Stacked(2 * jnp.ones(3)))
        >>> proof = certify.certify_network(game, region)
        >>> proof.status, round(proof.margin, 9), round(proof.step.best, 9)
        ('proved', 1.0, 0.5)
        >>> bool(proof.equilibrium.radius.max() < 1e-12)
        True
    """
    if chunk < 1:
        raise ValueError(f"certify_network: chunk is {chunk}; it must be at least 1.")
    require_enclosure("certify_network", enclosure)
    require_no_shared("certify_network", game, region.example)
    code = PlayerCode.of(game, region, args)
    constants = constants_of(code, game, region, enclosure.method, chunk)
    gain = small_gain(constants.curvature, constants.coupling)
    if not gain.margin > 0:
        reason = f"the small-gain margin that was proved is {gain.margin:.6g}, not positive"
        return NetworkConvergence("undecided", (reason,), constants, gain)
    _check_inside(game, region)
    scale, margin = _scale(constants, gain)
    step = _step(constants, gain.margin, margin)
    if point is None:
        point = _found(game, region, args, step)
    elif jax.tree.structure(point) != jax.tree.structure(region.lower):
        raise ValueError("certify_network: the point has another structure than the region.")
    center = rows_of(point)
    if center.shape != rows_of(region.lower).shape or not np.isfinite(center).all():
        return NetworkConvergence("undecided", ("no equilibrium was found",), constants, gain, step)
    residual = _residual(code, center, chunk)
    equilibrium = _equilibrium(region, center, residual, scale, margin)
    if equilibrium is None:
        reason = "the ball that contains the equilibrium is not inside the region"
        return NetworkConvergence("undecided", (reason,), constants, gain, step)
    _require_same(game, region, args, code, chunk)
    return NetworkConvergence("proved", (), constants, gain, step, equilibrium)


def _require_same(
    game: dg.NetworkGame, region: Box, args: Any, code: PlayerCode, chunk: int
) -> None:
    """Compares what the game computes now with what was traced."""
    compiled = jax.jit(jax.vmap(code.values()))
    field, unravel = dg.pseudo_gradient(game), ravel(region.center)[1]
    force = jax.jit(lambda x: field(x, args))
    for point in region.sample(first_key(1), _POINTS):
        x = unravel(jnp.asarray(point))
        found = rows_of(force(x)).astype(np.float64)
        for players, real, values in code.chunks(compiled, (rows_of(x), rows_of(x)), chunk):
            theirs, mine = found[players], np.asarray(values)[:real]
            slack = (_ROUNDING_LOW if code.promoted else _ROUNDING) * (1 + np.abs(mine))

            def where(row: int, column: int, first: int = players.start) -> str:
                return f"at some point entry {column} of the gradient of player '{first + row}'"

            require_same("certify_network", theirs, mine, slack, where)


def _scale(constants: NetworkConstants, gain: SmallGain) -> tuple[np.ndarray, float]:
    """Returns a vector `v > 0` without small entries, and a proved `a > 0` with `K v >= a v`."""
    mu, coupling = validated("certify_network", constants.curvature, constants.coupling)
    found = resolvent(mu, coupling)
    if found is not None:
        found = found / found.max()
        margin = proved_below(mu, coupling, found)
        if margin > 0:
            return found, margin
    return gain.right, gain.margin


def _step(constants: NetworkConstants, best_margin: float, margin: float) -> NetworkStep:
    """Returns safe steps (see `certify_network`); roundings make them smaller, the rate larger."""
    total = next_above(constants.curvature + constants.smoothness)
    best = float(next_below(2.0 / total).min())
    largest = float(next_below(2.0 / next_above(total - margin)).min())
    # The rate is one minus a product, rounded up.
    product = float(next_below(np.float64(best * best_margin)))
    return NetworkStep(max(best, largest), best, float(next_above(np.float64(1.0 - product))))


def _found(game: dg.NetworkGame, region: Box, args: Any, step: NetworkStep) -> dg.Stacked:
    """Guesses the equilibrium by safe steps from the centre of the region."""
    dimension = region.dimension
    steps = math.ceil(math.log(1e-17) / math.log(min(step.rate, 1 - 1e-6)))
    method = dg.Simultaneous(step.best)
    tol = 1e-14 * math.sqrt(dimension)
    return dg.solve(game, method, region.center, args, max_steps=steps, tol=tol).strategy


def _residual(code: PlayerCode, center: np.ndarray, chunk: int) -> np.ndarray:
    """Returns upper bounds on `|F_i(center)|`, shape (N,)."""
    compiled = jax.jit(jax.vmap(code.residuals()))
    found = np.empty(code.players)
    for players, real, value in code.chunks(compiled, (center, center), chunk):
        size = np.asarray(value.magnitude)[:real]
        operations = size.shape[1] + 4
        squares = (size**2).sum(1) * (1 + operations * EPSILON) + operations * TINY
        found[players] = next_above(np.sqrt(squares))
    return found


def _equilibrium(
    region: Box, center: np.ndarray, residual: np.ndarray, v: np.ndarray, margin: float
) -> NetworkEquilibrium | None:
    with np.errstate(all="ignore"):
        radius = float(next_above(residual / next_below(margin * v)).max())
        lower, upper = rows_of(region.lower), rows_of(region.upper)
        room = np.minimum(next_below(center - lower), next_below(upper - center)).min(1)
        reach = float(next_below(room / v).min())
        basin = float(next_below(next_below(np.float64(reach - radius)) - radius))
        if not (radius <= reach and basin > 0):
            return None
        radii = next_above(radius * v)
    unravel = ravel(region.lower)[1]
    low, high = next_below(center - radii[:, None]), next_above(center + radii[:, None])
    ends = (unravel(jnp.asarray(end.ravel())) for end in (center, low, high))
    middle, below, above = ends
    return NetworkEquilibrium(middle, radii, below, above, v, basin)


def _check_inside(game: dg.NetworkGame, region: Box) -> None:
    """Raises an error unless the region is in every player's set, so that no set binds."""
    sets = jax.tree.map(
        lambda leaf: jnp.asarray(exactly(leaf)) if hasattr(leaf, "dtype") else leaf,
        game.strategy_set(region.lower),
    )

    def inside(own: Any, low: Any, high: Any) -> Any:
        if type(own) is dg.Euclidean:
            return jnp.array(True)
        # For a box, two corners suffice; other sets are not known to contain the region.
        known = type(own) is dg.Box
        return own.contains(low) & own.contains(high) if known else jnp.array(False)

    found = np.asarray(map_sets(inside, sets, region.lower, region.upper).blocks)
    if not found.all():
        raise ValueError(
            f"certify_network: the region is not known to be in the strategy set of player "
            f"'{int(np.argmin(found))}'; proofs are about equilibria inside a dgames.Box, so give "
            "a region within it."
        )

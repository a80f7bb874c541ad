"""Proves that a leader has one optimum on a region, to which gradient steps converge."""

from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.graph import game_hash
from certify.checker.interval_matrices import flat
from certify.checker.reader import FORMAT, STACKELBERG, VERSION
from certify.checker.stackelberg import LeaderCell, Reduced
from certify.claims.checked import Checked, NotAccepted
from certify.claims.stackelberg_optimum import StackelbergOptimum
from certify.file.provenance import provenance
from certify.metric.weights import choose_weights, sampled_margin
from certify.problem.naming import game_name
from certify.problem.region import Box, Region
from certify.problem.structure import describe
from certify.prove.arguments import check_search
from certify.prove.leader.cell_measure import CellMeasure
from certify.prove.leader.follower_cells import FollowerMeasure
from certify.prove.leader.leader_cells import (
    LeaderMeasure,
    ProvedCell,
    curvatures,
    proved_cell,
    solved,
    unit_of,
)
from certify.prove.leader.leader_problem import LeaderProblem, exactly
from certify.prove.no_proof import NoProof
from certify.rounding import float_above, float_below, root_above
from certify.search.cover import cover
from certify.search.search_options import Search
from certify.search.tree import Split, Tree

TRUSTED = (
    "Statement (B) of certify/checker/stackelberg.py: that the Jacobians of the followers' forces "
    "and of the optimality system lie in the stated matrices on each cell, and the residuals. At "
    "level 2 the checker derives it again from the costs in this file; else it rests on that code.",
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly, and the graph in this file is that of the code; steps are those of real arithmetic "
    "with exact answers of the followers.",
    "The checker and the Python interpreter that runs it.",
)
# The share of bounds that is given up so that short numbers prove them.
_ROOM = 2.0**-20
_SAMPLES = 64
# The most cells of either tree in a file.
_MOST = 2**12
# Half-widths of the box of the optimum, as shares of its scale.
_SHARES = (1e-12, 1e-11, 1e-10, 1e-8)


def certify_leader(
    game: dg.Stackelberg, region: Region, *, search: Search = Search()
) -> StackelbergOptimum:
    """Proves that a leader's reduced cost has one minimiser on a region, and where.

    Let X and Y be the leader's and the followers' part of the region. What is proved, for every x
    of X: the followers have exactly one Nash equilibrium r(x) within Y, in a metric of weights in
    which their forces are strongly monotone; it is enclosed, and differentiable. The reduced cost
    `f^(x) = f(x, r(x))` has second derivatives between `curvature > 0` and `smoothness` on X. So
    there is exactly one minimiser x* of f^ in X, enclosed together with r(x*), r'(x*), f^''(x*) and
    f^(x*), and gradient steps `x+ = x - h D(x)` with `0 < h < 2 / smoothness` converge to it. The
    theorem and its proof are in `certify/checker/stackelberg.py`.

    Nothing is said of x outside X, or of what followers could do outside Y. No bound of a strategy
    set may be active: the region has to lie in all of them.

    Args:
        game: The game, whose costs are smooth on the region and have an expression graph. Where the
            followers are a field, r(x) is its one zero in Y, and nothing is said of equilibria.
        region: A box of strategies `{"leader": x, "followers": y}`.
        search: How long and how finely to search: up to 512 cells of X x Y for the followers'
            margin, and as many of X for the curvature, until each is 90% of what further cutting
            could prove. The search runs in this process, without a checkpoint.

    Returns:
        A `StackelbergOptimum`; its evidence has been accepted by the independent checker if it is
        "proved". The status is never "refuted".

    Raises:
        ValueError: If game and region do not fit together, or a strategy set cuts the region.
        EnclosureError: If the costs use `stop_gradient` or derivatives written by hand.

    Example:
        >>> import certify, dgames as dg
        >>> rival = dg.game(lambda y, x: (y[0] ** 2 / 2 - y[0] * (10.0 - x - y[0]),))
        >>> game = dg.Stackelberg(lambda x, y: x**2 - x * (10.0 - x - y[0]), rival)
        >>> region = certify.Box.around({"leader": 2.0, "followers": (2.5,)}, 1.0)
        >>> proof = certify.certify_leader(game, region)
        >>> proof.status, round(proof.curvature, 4), round(float(proof.optimum.value.lower), 6)
        ('proved', 3.3333, -6.666667)
    """
    if not isinstance(game, dg.Stackelberg):
        raise ValueError(
            f"certify_leader: the game is a {type(game).__name__}; it must be a dgames.Stackelberg"
        )
    if not isinstance(region, Box):
        raise ValueError("certify_leader: the region must be a certify.Box")
    check_search("certify_leader", search)
    search.require_unused("certify_leader", "checkpoint", "batch_size", "n_jobs")
    search, promoted = search.filled(512, 0.9), ()
    try:
        problem = LeaderProblem(game, region)
        promoted = problem.promoted
        data = _contents(problem, game_name(game), describe(region.lower), search)
        return StackelbergOptimum("proved", contents=Checked(data))
    except NoProof as end:
        return StackelbergOptimum("undecided", end.reasons, promoted=promoted)
    except NotAccepted as rejection:
        reason = f"the bounds could not be proved exactly: {rejection}"
        return StackelbergOptimum("undecided", (reason,), promoted=promoted)
    except Unusable as error:
        return StackelbergOptimum("undecided", (str(error),), promoted=promoted)


def _contents(
    problem: LeaderProblem, name: str, structure: dict[str, Any], search: Search
) -> dict[str, Any]:
    n, m = problem.n, problem.m
    optimum = _optimum(problem)
    unit = unit_of(problem, optimum)
    weights = _weights(problem)
    spread = np.repeat(weights, problem.sizes)
    followers = cover(
        _flat_box(problem.lower, problem.upper),
        CellMeasure(FollowerMeasure(problem, spread), _MOST),
        tightness=search.share,
        budget=search.budget,
        progress=search.progress,
    )
    margin = min(cell.margin for cell in followers.evidence())
    if not margin > 0:
        raise NoProof(
            "the followers' forces are not proved to be strongly monotone on the region (margin "
            f"{margin:.4g})" + (f"; {followers.shortfall}" if followers.shortfall else "")
        )
    leader = cover(
        _flat_box(problem.lower[:n], problem.upper[:n]),
        CellMeasure(LeaderMeasure(problem, unit, optimum), _MOST),
        tightness=search.share,
        budget=search.budget,
        progress=search.progress,
    )
    low, high = _curvatures(leader)
    if not low > 0:
        raise NoProof(
            "the reduced cost is not proved to be strongly convex on the leader's region "
            f"(curvature {low:.4g})" + (f"; {leader.shortfall}" if leader.shortfall else "")
        )
    margin, low = _short(margin * (1 - _ROOM), -1), _short(low * (1 - _ROOM), -1)
    high = _short(high * (1 + _ROOM), 1)
    box, radius, best = _optimum_box(problem, unit, optimum, low)
    assert best.found is not None and best.cell is not None and best.entry is not None
    at = problem.at(optimum)
    assert at is not None
    value = exactly(at[3].low.mid())
    stated = Fraction(float(value))
    error = abs(value - stated) + exactly(at[3].magnitude().upper()) * Fraction(1, 2**100)
    residual = float_above(error * 2 + exactly((at[3].high - at[3].low).upper()))
    reach = float(
        np.min(np.minimum(optimum[:n] - problem.lower[:n], problem.upper[:n] - optimum[:n]))
    )
    basin = reach * (1 - 2.0**-30) - 2 * radius
    if not basin > 0:
        raise NoProof("the ball that contains the optimum is not inside the leader's region")
    step = float(2 / (low + high))
    factor = max(abs(1 - Fraction(step) * Fraction(end)) for end in (low, high))
    game = {
        "name": name,
        "code": problem.hash,
        "structure": structure,
        "leader": {"name": "leader", "size": n},
        "followers": [
            {"name": f"follower {name}", "size": size}
            for name, size in zip(problem.names, problem.sizes, strict=True)
        ],
        "graph": problem.graph,
    }
    if problem.of_field:
        game["field"] = "followers"
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": STACKELBERG,
        "game": {**game, "hash": game_hash(game)},
        "claims": {
            "region": {
                "leader": _ends(problem.lower[:n], problem.upper[:n]),
                "followers": _ends(problem.lower[n:], problem.upper[n:]),
            },
            "weights": _hexes(weights),
            "margin": margin.hex(),
            "curvature": low.hex(),
            "smoothness": high.hex(),
            "optimum": _claims_at(best.cell, best.found, optimum, radius, low, m, stated, residual),
            "basin": {"radius": float(basin).hex()},
            "step": {"best": step.hex(), "rate": float_above(factor).hex()},
        },
        "trusted": [*TRUSTED, *problem.promoted],
        "provenance": provenance(),
        "evidence": {
            "unit": unit,
            "followers": _tree(
                followers,
                lambda cell: {**cell.ranges.entry(unit), "scaling": _hexes(cell.scaling)},
            ),
            "leader": _tree(leader, lambda cell: cell.entry),
            "optimum": {**best.entry, "region": _ends(*box)},
            "value": {"at": float(stated).hex(), "residual": residual.hex()},
        },
    }


def _optimum(problem: LeaderProblem) -> Float[np.ndarray, " n"]:
    """Returns (x*, y*, w*) in floats."""
    n = problem.n
    middle = (problem.lower + problem.upper) / 2
    start = solved(problem, np.concatenate([middle, np.zeros(problem.m)]), n, 50)
    found = None if start is None else solved(problem, start, 0, 50)
    if found is None:
        raise NoProof("no stationary point of the leader was found near the middle of the region")
    inside = (problem.lower < found[: n + problem.m]) & (found[: n + problem.m] < problem.upper)
    if not inside.all():
        raise NoProof("the stationary point found for the leader is not inside the region")
    return found


def _weights(problem: LeaderProblem) -> Float[np.ndarray, " followers"]:
    """Chooses weights by sampled Jacobians: ones, or better ones where ones have no margin."""
    generator, matrices = np.random.default_rng(0), []
    for share in generator.uniform(size=(_SAMPLES, len(problem.lower))):
        point = problem.lower + share * (problem.upper - problem.lower)
        found = problem.slopes([(Fraction(p), Fraction(p)) for p in point.tolist()])
        if found is not None:
            matrices.append(found.middle)
    ones = np.ones(len(problem.sizes))
    if not matrices or len(problem.sizes) == 1:
        return ones
    samples = np.stack(matrices)
    if sampled_margin(samples, np.ones(problem.m)) > 0:
        return ones
    return choose_weights(samples, problem.sizes)


def _flat_box(lower: np.ndarray, upper: np.ndarray) -> Box:
    return Box((jnp.asarray(lower),), (jnp.asarray(upper),))


def _curvatures(tree: Tree[ProvedCell]) -> tuple[float, float]:
    lows, highs = [], []
    for cell in tree.evidence():
        if cell.found is None or cell.cell is None:
            raise NoProof(
                "on some cell of the leader's region the followers' answer was not enclosed within "
                "theirs" + (f"; {tree.shortfall}" if tree.shortfall else "")
            )
        low, high = curvatures(cell.found, cell.cell.scaling)
        lows.append(low)
        highs.append(high)
    return min(lows), max(highs)


def _optimum_box(
    problem: LeaderProblem, unit: int, optimum: np.ndarray, curvature: float
) -> tuple[tuple[np.ndarray, np.ndarray], float, ProvedCell]:
    """Finds a small box that contains x*, and the radius of a ball in it."""
    n, rows = problem.n, problem.n + 2 * problem.m
    for share in _SHARES:
        half = share * (1 + np.abs(optimum[:n]).max())
        lower, upper = optimum[:n] - half, optimum[:n] + half
        best = proved_cell(problem, unit, lower, upper, optimum, rows)
        if best.found is None or best.cell is None:
            continue
        square = _force_square(best.cell, best.found, n)
        radius = root_above(square) / curvature * (1 + _ROOM)
        if radius == 0:
            radius = half / 2
        if radius < half * (1 - 2.0**-20):
            return (lower, upper), radius, best
    raise NoProof("the optimum could not be enclosed")


def _force_square(cell: LeaderCell, found: Reduced, n: int) -> Fraction:
    """Returns a bound on |D(c)|^2, as the checker computes it."""
    total = Fraction(0)
    for j, row in enumerate(found.cross):
        entry = cell.residual[j]
        entry += sum(abs(x) * r for x, r in zip(cell.left[j], cell.residual[n:], strict=True))
        entry += sum(x * d for x, d in zip(row, found.tube.error_at_point, strict=True))
        total += entry**2
    return total


def _claims_at(
    cell: LeaderCell,
    found: Reduced,
    optimum: np.ndarray,
    radius: float,
    curvature: float,
    m: int,
    value: Fraction,
    residual: float,
) -> dict[str, Any]:
    """Returns the claims at the optimum, rounded outward."""
    n = len(optimum) - 2 * m
    away = found.tube.error_at_point
    reach = [
        sum(map(abs, row), Fraction(0)) * Fraction(radius) + error
        for row, error in zip(cell.slope[:m], found.tube.error[:m], strict=True)
    ]
    y, w = slice(n, n + m), slice(n + m, None)
    bends, turned = (cell.jacobian.block(w, part).magnitude() for part in (y, w))
    spread = Fraction(residual)
    for i in range(m):
        pull = cell.residual[n + m + i]
        pull += sum(x * d for x, d in zip(bends[i], away[:m], strict=True))
        pull += sum(x * abs(p) for x, p in zip(turned[i], cell.point[n + m :], strict=True))
        spread += pull * away[i]
    gain = _force_square(cell, found, n) / (2 * Fraction(curvature))

    def ends(centre: list, radius: list) -> dict[str, list[str]]:
        pairs = list(zip(flat(centre), flat(radius), strict=True))
        return {
            "lower": [(float_below(c - r) + 0.0).hex() for c, r in pairs],
            "upper": [(float_above(c + r) + 0.0).hex() for c, r in pairs],
        }

    return {
        "center": _hexes(optimum[:n]),
        "radius": float(radius).hex(),
        "followers": {
            "center": _hexes(optimum[n : n + m]),
            "radius": [float_above(x).hex() for x in reach],
        },
        "slopes": ends(found.tube.slopes.centre[:m], found.tube.slopes.radius[:m]),
        "curvature": ends(*found.bends),
        "value": {
            "lower": [(float_below(value - spread - gain) + 0.0).hex()],
            "upper": [(float_above(value + spread) + 0.0).hex()],
        },
    }


def _tree(tree: Tree, entry: Any) -> list[dict[str, Any]]:
    return [
        {"split": node.axis, "at": float(node.at).hex()}
        if isinstance(node, Split)
        else entry(node.evidence)
        for node in tree.preorder()
    ]


def _short(value: float, side: int) -> float:
    """Rounds a positive number to 30 bits, down or up."""
    mantissa, exponent = np.frexp(value)
    scaled = np.floor(mantissa * 2.0**30) if side < 0 else np.ceil(mantissa * 2.0**30)
    return float(np.ldexp(scaled * 2.0**-30, exponent))


def _ends(lower: np.ndarray, upper: np.ndarray) -> dict[str, list[str]]:
    return {"lower": _hexes(lower), "upper": _hexes(upper)}


def _hexes(values: Any) -> list[str]:
    return [float(x).hex() for x in np.ravel(values)]

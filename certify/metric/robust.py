"""A metric for a whole hull of Jacobians, found by solving the inequality of `hull.py`.

Everything that a solver returns here is a guess, which `hull.margin_on` judges. What
`robust_metric` returns has been decided with integers.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.best_matrix import CONDITION, Kind, abscissa, bisected, guess, rounded, variable
from certify.metric.hull import Hull, Proposal, margin_on, proved_margin, terms, tuned, usable
from certify.metric.small_gain import small_gain
from certify.metric.weights import sampled_constants

# The most rounds in which hulls enter the program, and how many of the worst enter in each.
_ROUNDS = 4
_ADDED = 4


class RobustMetric(NamedTuple):
    """A metric with a proved margin on a hull of Jacobians.

    Attributes:
        margin: The number `a` with `P J + J' P >= 2 a P` for every J of the hull, proved with
            integers. It may be negative; then it promises no convergence.
        metric: The matrix `P`, symmetric and positive definite.
        multipliers: The numbers `t`, which are the proof; 0 where `rho_ij = 0`.
        shift: The number `kappa`, which is part of the proof for mirrored hulls.
    """

    margin: float
    metric: Float[np.ndarray, "n n"]
    multipliers: Float[np.ndarray, "players players"]
    shift: float = 0.0


def robust_metric(
    centre: Float[np.ndarray, "n n"],
    radius: Float[np.ndarray, "players players"],
    sizes: tuple[int, ...],
    kind: Kind = "full",
    *,
    mirrored: bool = False,
) -> RobustMetric:
    """Finds a metric with a nearly largest margin that a linear matrix inequality proves on a hull.

    It takes the place of `small_gain` where couplings are known up to some error, with signs and
    directions, and not by their norms alone. The solver proposes P and t; the margin is computed
    from them, and the inequality is then decided with integers, for the given floats taken as real
    numbers.

    Args:
        centre: `J0`, with rows and columns in the order of the players' coordinates.
        radius: `rho >= 0`: how far the block of players i and j may be from that of `J0`, in the
            spectral norm.
        sizes: The number of coordinates of each player, n in all.
        kind: "weights" (`P = diag(w_i I)`), "block" (a matrix for each player), or "full".
        mirrored: Whether the two players' couplings are known to obey `J_21 = -J_12'`, as in a
            zero-sum game.

    Raises:
        ValueError: If the shapes or signs do not fit, an entry is not finite, a mirrored hull is
            not of two players, or nothing could be proved.

    Example:
        >>> J0, radius = np.array([[1.0, 3.0], [-2.0, 0.2]]), np.full((2, 2), 0.05)
        >>> found = robust_metric(J0, radius, (1, 1))
        >>> 0.4 < found.margin < 0.6  # at most 0.6, the real part of the eigenvalues of J0
        True
    """
    hull = _checked(centre, radius, sizes, mirrored)
    start = max(_starts(hull, sizes), key=functools.partial(margin_on, hull, sizes))
    # The program is well-scaled where the best weights are ones. A mirrored hull is not scaled, as
    # it would no longer be mirrored.
    frame = np.sqrt(np.diagonal(start.metric)) if not mirrored else np.ones(len(hull.centre))
    candidates = [start]
    try:
        framed = (_framed(hull, frame, sizes),)
        (solved,) = solve(framed, sizes, kind, start.metric / np.outer(frame, frame))
    except ImportError:  # without cvxpy
        solved = None
    if solved is not None and usable(solved):
        matrix = solved.metric * np.outer(frame, frame)
        size = float(np.abs(matrix).max())
        P = rounded(matrix / size)
        t = solved.multipliers * frame[np.cumsum(sizes) - 1][:, None] ** 2 / size
        candidates += [Proposal(P, t, solved.shift / size), tuned(hull, sizes, P)]
    candidates.sort(key=functools.partial(margin_on, hull, sizes), reverse=True)
    for proposal in candidates:
        margin = proved_margin(hull, sizes, proposal)
        if margin is not None:
            multipliers = np.where(hull.radius > 0, proposal.multipliers, 0.0)
            return RobustMetric(margin, proposal.metric, multipliers, proposal.shift)
    raise ValueError("robust_metric: no margin was proved; the entries are too unequal in size.")


def _checked(centre: Any, radius: Any, sizes: tuple[int, ...], mirrored: bool) -> Hull:
    centre, radius = np.asarray(centre, np.float64), np.asarray(radius, np.float64)
    n, players = sum(sizes), len(sizes)
    if centre.shape != (n, n) or radius.shape != (players, players) or not sizes:
        raise ValueError(
            f"robust_metric: the centre has shape {centre.shape} and the radius {radius.shape}; "
            f"expected {(n, n)} and {(players, players)}."
        )
    if not (np.isfinite(centre).all() and np.isfinite(radius).all() and (radius >= 0).all()):
        raise ValueError("robust_metric: the centre must be finite, radii finite and not negative.")
    if mirrored:
        first = sizes[0]
        if players != 2 or (centre[first:, :first] != -centre[:first, first:].T).any():
            raise ValueError("robust_metric: a mirrored hull has two players and J_21 = -J_12'.")
        across = min(radius[0, 1], radius[1, 0])
        radius = np.array([[radius[0, 0], across], [across, radius[1, 1]]])
    return Hull(centre, radius, mirrored)


def _starts(hull: Hull, sizes: tuple[int, ...]) -> list[Proposal]:
    """Returns proposals with weights of one and with those of the small-gain test on the hull."""
    low, _, coupling = sampled_constants(hull.centre[None], sizes)
    off = ~np.eye(len(sizes), dtype=bool)
    found = [tuned(hull, sizes, np.eye(len(hull.centre)))]
    for across in (coupling, coupling + hull.radius):
        try:
            gain = small_gain(low - np.diagonal(hull.radius), np.where(off, across, 0.0))
        except ValueError:  # constants too unequal
            continue
        weights, v = gain.weights / gain.weights.max(), gain.right
        metric = np.diag(np.repeat(weights, sizes))
        t = np.divide.outer(weights * v, v) / np.where(hull.radius > 0, hull.radius, 1.0)
        shift = float(weights.mean()) if hull.mirrored else 0.0
        found += [tuned(hull, sizes, metric), Proposal(metric, t, shift)]
    return found


def _framed(hull: Hull, frame: np.ndarray, sizes: tuple[int, ...]) -> Hull:
    """Returns the hull in coordinates `y = diag(frame) x`, with one scale for each player."""
    scale = frame[np.cumsum(sizes) - 1]
    return Hull(
        hull.centre * np.divide.outer(frame, frame),
        hull.radius * np.divide.outer(scale, scale),
        hull.mirrored,
    )


def solve(
    hulls: Sequence[Hull],
    sizes: tuple[int, ...],
    kind: Kind,
    start: Float[np.ndarray, "n n"],
    least: float = -np.inf,
) -> tuple[Proposal, ...]:
    """Finds a metric with a nearly largest margin on all hulls at once, with multipliers for each.

    Only the worst hulls enter the program; those that turn out to be worse in its solution are
    added. Everything here is a guess: solutions are judged by `margin_on`.

    Args:
        hulls: The hulls, in coordinates in which a good metric is not far from round.
        sizes: The number of coordinates of each player.
        kind: The kind of the metric.
        start: A metric, which is returned if no better one is found.
        least: Margins up to this one are of no use, and are not improved.

    Raises:
        ImportError: If cvxpy is missing.
    """

    def everywhere(metric: np.ndarray) -> tuple[Proposal, ...]:
        return tuple(tuned(hull, sizes, metric) for hull in hulls)

    def margins_of(hulls: Sequence[Hull], found: Any) -> list[float]:
        if found is None:
            return [-np.inf]
        return [margin_on(hull, sizes, one) for hull, one in zip(hulls, found, strict=True)]

    active: list[int] = []
    best = guess = everywhere(start)
    for _ in range(min(_ROUNDS, len(hulls))):
        order = np.argsort(margins_of(hulls, guess))[:_ADDED].tolist()
        if set(order) <= set(active):
            break
        active += [k for k in order if k not in active]
        chosen = [hulls[k] for k in active]
        found = bisected(
            lambda found, chosen=chosen: min(margins_of(chosen, found)),
            min(abscissa(hull.centre[None]) for hull in chosen),
            program(chosen, sizes, kind),
            tuple(best[k] for k in active),
            least=least,
        )
        known = dict(zip(active, found, strict=True))
        guess = tuple(
            max(
                [tuned(hull, sizes, found[0].metric), *([known[k]] if k in known else [])],
                key=functools.partial(margin_on, hull, sizes),
            )
            for k, hull in enumerate(hulls)
        )
        best = max(best, guess, key=lambda found: min(margins_of(hulls, found)))
    return best


def program(
    hulls: Sequence[Hull], sizes: tuple[int, ...], kind: Kind
) -> Callable[[float], tuple[Proposal, ...] | None]:
    """Builds the semidefinite program for the roundest P with a given margin, and multipliers.

    It is built once for all margins.

    Raises:
        ImportError: If cvxpy is missing.
    """
    import cvxpy as cp

    n, wanted, condition = sum(sizes), cp.Parameter(), cp.Variable()
    spread = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    P = variable(cp, sizes, kind)
    constraints: list[Any] = [P >> np.eye(n), P << condition * np.eye(n), condition <= CONDITION]
    multipliers, shifts = [], []
    for hull in hulls:
        lost: Any = np.zeros(n)
        columns, corner, pairs, kappas = [], [], {}, []
        for mask, shifted in terms(hull):
            kappa = cp.Variable() if shifted else 0.0
            kappas += [kappa] if shifted else []
            for i in np.flatnonzero(mask.any(1)).tolist():
                theta, others = cp.Variable(nonneg=True), np.flatnonzero(mask[i]).tolist()
                parts = []
                for j in others:
                    t = pairs[i, j] = cp.Variable(nonneg=True)
                    # This unknown is rho_ij t_ij, so that numbers are of similar size.
                    lost = lost + hull.radius[i, j] * t * spread[:, j]
                    parts.append(cp.quad_over_lin(theta, t))
                # theta <= 1 / sum_j (rho_ij / t_ij): with u_j = theta^2 rho / t, sum u <= theta
                rho = hull.radius[i, others]
                constraints.append(cp.sum(cp.multiply(rho, cp.hstack(parts))) <= theta)
                rows = spread[:, i] > 0
                columns.append((P - kappa * np.eye(n))[:, rows])
                corner.append(theta * np.ones(int(rows.sum())))
        multipliers.append(pairs)
        shifts.append(kappas)
        top = P @ hull.centre + hull.centre.T @ P - 2 * (wanted * P)
        if columns:
            side = cp.hstack(columns)
            matrix = cp.bmat([[top - cp.diag(lost), side], [side.T, cp.diag(cp.hstack(corner))]])
            constraints.append(0.5 * (matrix + matrix.T) >> 0)
        else:
            constraints.append(top >> 0)
    problem = cp.Problem(cp.Minimize(condition), constraints)

    def proposal(hull: Hull, pairs: Any, kappas: Any) -> Proposal:
        t = np.ones(hull.radius.shape)
        for (i, j), part in pairs.items():
            t[i, j] = max(float(part.value), 1e-9) / hull.radius[i, j]
        P_value = 0.5 * (P.value + P.value.T)
        return Proposal(P_value, t, float(kappas[0].value) if kappas else 0.0)

    def solved(margin: float) -> tuple[Proposal, ...] | None:
        wanted.value = margin
        found = guess(cp, problem, P)
        if found is None or not np.isfinite(found).all():
            return None
        parts = zip(hulls, multipliers, shifts, strict=True)
        return tuple(proposal(*part) for part in parts)

    return solved

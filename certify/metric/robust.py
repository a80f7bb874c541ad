"""A metric for a whole hull of Jacobians, by one linear matrix inequality.

The hull: all `J = J0 + E` whose blocks, one for each pair of players, obey `|E_ij| <= rho_ij` in
the spectral norm. With numbers `t_ij > 0`, for every such J,

    x' (P J + J' P) x >= x' (P J0 + J0' P) x - sum_ij (t_ij rho_ij^2 |x_j|^2 + |(P x)_i|^2 / t_ij),

because `2 (P x)_i' E_ij x_j >= -|(P x)_i|^2 / t_ij - t_ij |E_ij x_j|^2`, the S-procedure for one
pair. So `P J + J' P >= 2 a P` on the hull if, with `theta_i <= 1 / sum_j (1 / t_ij)`,

    [ P J0 + J0' P - 2 a P - diag(sum_i t_ij rho_ij^2)_j ,  P           ]
    [ P                                                  ,  diag(theta) ]  >= 0

(Schur complement), which is linear in P, t and theta for a fixed `a`, the bound on theta being a
rotated cone. Pairs with `rho_ij = 0` have no t_ij.

If `E_21 = -E_12'`, as in zero-sum games, then `x_1' E_12 x_2 + x_2' E_21 x_1 = 0`, and any multiple
of it may be added: the terms of these two pairs may have `P - kappa I` in place of `P`, for any
real kappa. In weights that are equal the coupling drops out altogether.

It contains the small-gain test: for `P = diag(w_i I)`, `J0 = diag(mu_i I)` and `rho = L` the choice
`t_ij = w_i v_i / (v_j L_ij)` has its margin, `K v = a v` and `w = u / v` being those of that test.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.checker.performance import is_positive

from .lmi import CONDITION, Kind, abscissa, bisected, variable
from .small_gain import float_below, small_gain
from .weights import sampled_constants

# Hulls that the program knows of, and rounds in which the worst of the others are added.
_ROUNDS = 4
_ADDED = 4
# Added to the direction that decides about multipliers: how much other directions count.
_REGULARIZATIONS = (1e-4, 0.01, 0.1, 0.5)
# A margin is backed off by these shares of the size of J0 until integers confirm it.
_BACKOFFS = (2.0**-36, 2.0**-28, 2.0**-20, 2.0**-12)


class Hull(NamedTuple):
    """A set of Jacobians.

    Attributes:
        centre: `J0`.
        radius: `rho`, for each pair of players.
        mirrored: Whether `E_21 = -E_12'`; of two players.
    """

    centre: Float[np.ndarray, "n n"]
    radius: Float[np.ndarray, "players players"]
    mirrored: bool = False


class Proposal(NamedTuple):
    """What proves a margin on a hull.

    Attributes:
        metric: `P`.
        multipliers: `t`; those of pairs with `rho_ij = 0` mean nothing.
        shift: `kappa`; 0 if the hull is not mirrored.
    """

    metric: Float[np.ndarray, "n n"]
    multipliers: Float[np.ndarray, "players players"]
    shift: float = 0.0


class RobustMetric(NamedTuple):
    """A metric with a proved margin on a hull of Jacobians.

    Attributes:
        margin: `a` with `P J + J' P >= 2 a P` for every J of the hull, proved with integers. It may
            be negative; then it promises no convergence.
        metric: `P`, symmetric and positive definite.
        multipliers: `t`, the proof; 0 where `rho_ij = 0`.
        shift: `kappa`, which is part of the proof for mirrored hulls.
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
    """A metric with a nearly largest margin that one linear matrix inequality proves on a hull.

    It takes the place of `small_gain` where couplings are known up to some error, with signs and
    directions, and not their norms alone. The solver proposes P and t; the margin is computed from
    them, and the inequality then decided with integers, for the given floats taken as real numbers.

    Args:
        centre: `J0`, rows and columns in the order of the players' coordinates.
        radius: `rho >= 0`: how far the block of players i and j may be from that of `J0`, in the
            spectral norm.
        sizes: Coordinates of each player, n in all.
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
    # The program is well-scaled where the best weights are ones. Mirrors survive no scaling.
    frame = np.sqrt(np.diagonal(start.metric)) if not mirrored else np.ones(len(hull.centre))
    candidates = [start]
    try:
        framed = (_framed(hull, frame, sizes),)
        (solved,) = solve(framed, sizes, kind, start.metric / np.outer(frame, frame))
    except ImportError:  # without cvxpy
        solved = None
    if solved is not None and _usable(solved):
        P, size = _short(solved.metric * np.outer(frame, frame))
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
    """Ones, and the weights of the small-gain test on the constants of the hull."""
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
    """The hull in the coordinates `y = diag(frame) x`, the same scale for all of a player's."""
    scale = frame[np.cumsum(sizes) - 1]
    return Hull(
        hull.centre * np.divide.outer(frame, frame),
        hull.radius * np.divide.outer(scale, scale),
        hull.mirrored,
    )


def _terms(hull: Hull) -> list[tuple[np.ndarray, bool]]:
    """Pairs of players whose terms have the same vector `P x` or `(P - kappa) x`, as masks."""
    every, own = hull.radius > 0, np.eye(len(hull.radius), dtype=bool)
    masks = [(every & own, False), (every & ~own, True)] if hull.mirrored else [(every, False)]
    return [(mask, shifted) for mask, shifted in masks if mask.any()]


def margin_on(hull: Hull, sizes: tuple[int, ...], proposal: Proposal) -> float:
    """The margin that a proposal has on a hull, in floating point; minus infinity if it has none.

    Example:
        >>> hull = Hull(np.eye(2), np.array([[0.0, 0.5], [0.5, 0.0]]))
        >>> margin_on(hull, (1, 1), Proposal(np.eye(2), np.full((2, 2), 2.0)))
        0.5
    """
    P, t, shift = proposal
    form = P @ hull.centre + hull.centre.T @ P
    with np.errstate(all="ignore"):
        for mask, shifted in _terms(hull):
            vector = P - shift * shifted * np.eye(len(P))
            form = form - np.diag(np.repeat(np.where(mask, t * hull.radius**2, 0.0).sum(0), sizes))
            inverse = np.where(mask, 1 / t, 0.0).sum(1)
            form = form - vector.T @ (np.repeat(inverse, sizes)[:, None] * vector)
    try:
        return float(scipy.linalg.eigh(form, 2 * P, eigvals_only=True)[0])
    except (ValueError, np.linalg.LinAlgError):
        return -np.inf


def tuned(hull: Hull, sizes: tuple[int, ...], metric: Float[np.ndarray, "n n"]) -> Proposal:
    """Good multipliers for a metric: in the worst direction x, `t_ij = |(P x)_i| / (rho_ij |x_j|)`.

    That is where `t rho^2 |x_j|^2 + |(P x)_i|^2 / t` is smallest. The direction depends on t again;
    and for a mirrored hull `(P - kappa) x` takes the place of `P x`.
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
            proposal = Proposal(metric, np.ones(hull.radius.shape), shift)
            for _ in range(4):
                x = _worst_direction(hull, sizes, proposal)
                if x is None:
                    break
                length = np.sqrt(np.add.reduceat(x**2, starts) * diagonal)
                length = (length + extra * length.max()) / np.sqrt(diagonal)
                t = np.ones(hull.radius.shape)
                for mask, shifted in _terms(hull):
                    vector = metric - shift * shifted * np.eye(len(x))
                    moved, most = (vector @ x) ** 2, (vector**2).sum(1)
                    moved, most = (np.sqrt(np.add.reduceat(y, starts)) for y in (moved, most))
                    size = moved + (extra * most + 1e-9 * diagonal) * length
                    ratio = np.divide.outer(size, length)
                    t = np.where(mask, ratio / np.where(mask, hull.radius, 1.0), t)
                proposal = Proposal(metric, t, shift)
                if (margin := margin_on(hull, sizes, proposal)) > value:
                    best, value = proposal, margin
    return best


def _worst_direction(
    hull: Hull, sizes: tuple[int, ...], proposal: Proposal
) -> Float[np.ndarray, " n"] | None:
    P, t, shift = proposal
    form = P @ hull.centre + hull.centre.T @ P
    if not (t == 1).all():
        for mask, shifted in _terms(hull):
            vector = P - shift * shifted * np.eye(len(P))
            form = form - np.diag(np.repeat(np.where(mask, t * hull.radius**2, 0.0).sum(0), sizes))
            inverse = np.where(mask, 1 / t, 0.0).sum(1)
            form = form - vector.T @ (np.repeat(inverse, sizes)[:, None] * vector)
    try:
        return scipy.linalg.eigh(form, 2 * P)[1][:, 0]
    except (ValueError, np.linalg.LinAlgError):
        return None


def solve(
    hulls: Sequence[Hull], sizes: tuple[int, ...], kind: Kind, start: Float[np.ndarray, "n n"]
) -> tuple[Proposal, ...]:
    """A metric with a nearly largest margin on all hulls at once, with multipliers for each.

    Only the worst hulls enter the program; those that turn out to be worse in its solution are
    added. Everything here is a guess: solutions are judged by `margin_on`.

    Args:
        hulls: In coordinates in which a good metric is not far from round.
        sizes: Coordinates of each player.
        kind: Of the metric.
        start: A metric, returned if none is better.

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
    """The semidefinite program: from a margin to the roundest P that has it, with multipliers.

    Built once for all margins.

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
        for mask, shifted in _terms(hull):
            kappa = cp.Variable() if shifted else 0.0
            kappas += [kappa] if shifted else []
            for i in np.flatnonzero(mask.any(1)).tolist():
                theta, others = cp.Variable(nonneg=True), np.flatnonzero(mask[i]).tolist()
                parts = []
                for j in others:
                    t = pairs[i, j] = cp.Variable(nonneg=True)
                    # It is rho_ij t_ij, so that numbers are of like size.
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
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "the solution may be inaccurate": it is judged
                problem.solve(solver="CLARABEL")
        except (cp.SolverError, ValueError, ArithmeticError):
            return None
        if P.value is None or not np.isfinite(P.value).all():
            return None
        parts = zip(hulls, multipliers, shifts, strict=True)
        return tuple(proposal(*part) for part in parts)

    return solved


def proved_margin(hull: Hull, sizes: tuple[int, ...], proposal: Proposal) -> float | None:
    """A margin that a proposal is proved to have on a hull, or None.

    With `theta_i` a float below `1 / sum_j (1 / t_ij)`, the matrix of the inequality is rational,
    and its positive definiteness, and that of P, are decided with integers.
    """
    if not _usable(proposal):
        return None
    guess, scale = margin_on(hull, sizes, proposal), float(np.abs(hull.centre).max())
    P = _exact(proposal.metric)
    if not (np.isfinite(guess) and is_positive(P)):
        return None
    for backoff in _BACKOFFS:
        margin = guess - backoff * max(scale, abs(guess))
        if is_positive(_inequality(hull, sizes, proposal, P, Fraction(margin))):
            return margin
    return None


def _usable(proposal: Proposal) -> bool:
    """Whether it has a chance: finite numbers, positive where they have to be."""
    P, t, shift = proposal
    finite = np.isfinite(P).all() and np.isfinite(t).all() and np.isfinite(shift)
    return bool(finite and (t > 0).all() and np.linalg.eigvalsh(P)[0] > 0)


def _inequality(
    hull: Hull, sizes: tuple[int, ...], proposal: Proposal, P: list[list[Fraction]], a: Fraction
) -> list[list[Fraction]]:
    """The matrix at the top of this file, exactly."""
    n, J, rho = range(len(P)), _exact(hull.centre), _exact(hull.radius)
    t, player = _exact(proposal.multipliers), np.repeat(np.arange(len(sizes)), sizes).tolist()
    product = [[sum((P[i][k] * J[k][j] for k in n), Fraction(0)) for j in n] for i in n]
    top = [[product[i][j] + product[j][i] - 2 * a * P[i][j] for j in n] for i in n]
    below: list[tuple[list[Fraction], Fraction]] = []
    for mask, shifted in _terms(hull):
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


def _short(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Symmetric, of about 24 bits, of size one, as margins are flat; and the size that it had."""
    size = float(np.abs(matrix).max())
    matrix = 0.5 * (matrix + matrix.T) / size
    root = np.exp2(np.floor(0.5 * np.log2(np.diagonal(matrix))))
    unit = 2.0**-24 * np.outer(root, root)
    return np.rint(matrix / unit) * unit + 0.0, size

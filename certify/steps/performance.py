"""Finds safe steps of methods by performance estimation, in intervals of steps.

One linear matrix inequality proves one step size, or, with multipliers that suit all of them, an
interval of step sizes. Intervals are laid side by side from 0 on, until the next one cannot be
proved, so every smaller step is covered too. The best step has an inequality of its own.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from certify.checker import performance as exact
from certify.checker.schemes import SCHEMES, Scheme, Vector
from certify.rates.methods import Method, step_of
from certify.rates.semidefinite import CAP, minimise
from certify.rates.worst_case import best_rate_step, largest_rate_step
from certify.rounding import root_above
from certify.steps.step_size import Setting, Step

# For every step h up to the largest it is claimed that V shrinks by the factor
# `1 - DECREASE * margin * h`. A faster decrease would make the largest step smaller.
DECREASE = 1 / 64
# The best rate is relaxed by this share, so that V can be rounder and the basin larger.
RELAXED = 0.02
# Intervals are at least the share NARROWEST of the largest step, and there are at most MOST.
NARROWEST, MOST = 1 / 64, 24
# No point may be farther from x* than this many times the start, since that makes basins smaller.
STRETCH = 2.0
# How far inside the cone the solver is asked to stay, in the order in which they are tried.
SLACKS = (1e-7, 1e-6, 1e-5)
# One of the checker's forms as a function of variables and a step, here in floating point.
Form = Callable[[np.ndarray, Any], Any]


class MethodFamily(NamedTuple):
    """A method with steps of every size, as the theorem "performance" takes it.

    Attributes:
        name: The name of the method in files and in the checker.
        unit_step: Makes the method with step size 1 from the parts of its momentum.
        momentum: Chooses the parts of the momentum for a margin, the Lipschitz constant being 1;
            none for a method without momentum.
    """

    name: str
    unit_step: Callable[..., Method]
    momentum: Callable[[float], tuple[float, ...]] = lambda margin: ()


def from_performance(family: MethodFamily, setting: Setting) -> Step | None:
    """Proposes the step of the theorem "performance": intervals of steps, and the best step.

    Args:
        family: The method.
        setting: The constants of the proof, of which margin, Lipschitz constant and balls are used.
    """
    unit = Fraction(setting.lipschitz)
    known = None if setting.cocoercivity is None else Fraction(setting.cocoercivity)
    field = exact.relative(Fraction(setting.margin), unit, known)
    momentum = family.momentum(float(field.margin))
    scheme = SCHEMES[family.name](*map(Fraction, momentum))
    pieces = propose(scheme, family.unit_step(*momentum), field, unit)
    if pieces is None:
        return None
    best = pieces[-1]
    stretch = root_above(max(stretch_squared(scheme, piece) for piece in pieces))
    near = best.bounds[0][0] * exact.start_bound(scheme, best) if scheme.after else Fraction(1)
    basin = (setting.reach - setting.radius) / stretch * (1 - 2.0**-40) - setting.radius
    if basin <= 0:
        return None
    return {
        "theorem": "performance",
        "max": float(pieces[-2].high / unit),
        "best": float(best.high / unit),
        "rate": root_above(1 - best.decrease * best.high),
        "constant": root_above(near),
        "stretch": stretch,
        "basin": basin * (1 - 2.0**-40),
        "momentum": list(momentum),
        "pieces": [_entry(piece, unit) for piece in pieces],
    }


def _entry(piece: exact.Piece, unit: Fraction) -> dict[str, Any]:
    """Returns a piece as in the file: steps in units of the game, all else without units."""
    return {
        "low": float(piece.low / unit),
        "high": float(piece.high / unit),
        "decrease": float(piece.decrease),
        "lyapunov": [float(x) for row in piece.lyapunov for x in row],
        "multipliers": [float(x) for x in piece.multipliers],
        "bounds": [[float(x) for x in (bound, *rest)] for bound, rest in piece.bounds],
    }


def propose(
    scheme: Scheme, method: Method, field: exact.FieldClass, unit: Fraction = Fraction(1)
) -> tuple[exact.Piece, ...] | None:
    """Proposes intervals of steps from 0 to the largest, in order; then the best step alone.

    Args:
        scheme: The method, as the checker knows it.
        method: The same method, as the rate engine knows it.
        field: The class of fields, whose Lipschitz constant is 1.
        unit: A number such that steps divided by it are floats.

    Returns:
        The pieces, or None if no interval or no best step could be proved.
    """

    def representable(step: Fraction) -> Fraction:
        return Fraction(float(step / unit)) * unit

    known = None if field.cocoercivity is None else float(field.cocoercivity)
    constants = float(field.margin), 1.0, known
    try:
        high = Fraction(largest_rate_step(method, *constants, tolerance=1e-2))
    except ValueError:
        return None
    pieces, low, narrowest = [], Fraction(0), high * Fraction(NARROWEST)
    while len(pieces) < MOST and high - low > narrowest:
        piece = prove_piece(scheme, field, low, representable(high), DECREASE * float(field.margin))
        if piece is None:
            high = (low + high) / 2
            continue
        pieces.append(piece)
        low, high = piece.high, 2 * piece.high - low
    if not pieces:
        return None
    best = best_rate_step(method, *constants, largest=float(low))
    at = min(representable(step_of(best.method)), low)
    for share in (1 - RELAXED, 0.9, 0.8, 0.6):
        decrease = share * (1 - best.rate**2) / float(at)
        last = prove_piece(scheme, field, at, at, decrease)
        if last is not None:
            return (*pieces, last)
    return None


def stretch_squared(scheme: Scheme, piece: exact.Piece) -> Fraction:
    """Bounds the squared distance of any point from x*, relative to the start; at least 1."""
    bounds = [bound for bound, _ in piece.bounds]
    return max([Fraction(1), *(bound * exact.start_bound(scheme, piece) for bound in bounds)])


def prove_piece(
    scheme: Scheme, field: exact.FieldClass, low: Fraction, high: Fraction, decrease: float
) -> exact.Piece | None:
    """Returns a piece that the checker's function accepts, or None.

    The Lyapunov matrix is the one with the smallest start constant among those with
    `|x|^2 <= V`, which makes the basin large.
    """
    for slack in SLACKS:
        guess = _lyapunov(scheme, _rough(field), float(low), float(high), decrease, slack)
        if guess is None:
            continue
        lyapunov, multipliers = guess
        piece = exact.Piece(low, high, Fraction(decrease), lyapunov, multipliers, [])
        bounds = []
        for offset, known in exact.visited(scheme):
            bound = _bound(scheme, field, piece, offset, known, slack)
            if bound is None:
                break
            bounds.append(bound)
        piece = piece._replace(bounds=bounds)
        if stretch_squared(scheme, piece) > STRETCH**2:
            return None
        if all(exact.check_piece(scheme, field, piece).values()):
            return piece
    return None


def _lyapunov(
    scheme: Scheme, field: exact.FieldClass, low: Any, high: Any, decrease: Any, slack: float
) -> tuple[exact.Form, list[Fraction]] | None:
    """Returns V and the multipliers of its decrease, rounded, or None if none were found.

    The variables are the entries of V, the multipliers of the decrease, the multipliers of the
    distances (at a single step; an interval has none), and a bound on the absolute value of `q_1`.
    """
    m = len(scheme.after) + 1
    entries = [(i, j) for i in range(m) for j in range(i + 1)]
    count = exact.inequalities(len(scheme.points), field)
    goals = exact.visited(scheme) if scheme.after else []
    helpers = [exact.inequalities(known, field) if low == high else 0 for _, known in goals]
    ends = np.cumsum([len(entries), count, *helpers]).tolist()
    total = ends[-1] + 1

    def piece(z: np.ndarray) -> exact.Piece:
        matrix: Any = _symmetric(z, entries, m)
        return exact.Piece(low, high, decrease, matrix, list(z[ends[0] : ends[1]]), [])

    def decreases(z: np.ndarray, h: Any) -> Any:
        return exact.decrease_form(scheme, field, piece(z), h)

    blocks = _blocks(decreases, total, low, high, slack)
    for (offset, known), start, end in zip(goals, ends[1:-1], ends[2:], strict=True):

        def within(z: np.ndarray, h: Any, goal: Any = (offset, known, start, end)) -> Any:
            offset, known, start, end = goal
            bound: Any = (1.0, list(z[start:end]))
            return exact.bound_form(scheme, field, piece(z), offset, known, bound, h)

        blocks += _blocks(within, total, high, high, slack)
    objective, budget = np.zeros(total), np.ones(total)
    budget[: len(entries)] = [float(i == j) for i, j in entries]
    if scheme.after:  # the start: p + 2 h |q_1| + h Q_11
        names = [entries.index((0, 0)), entries.index((1, 1)), total - 1]
        objective[names] = 1.0, high, 2 * high
        for sign in (1.0, -1.0):
            row = np.zeros((total, 1, 1))
            row[-1], row[entries.index((1, 0))] = 1.0, sign
            blocks.append((np.zeros((1, 1)), row))
    else:  # V = |x|^2, so p is no variable
        objective[1:] = 1.0
        for constant, units in blocks:
            constant += units[0]
            units[0] = 0.0
    blocks.append((np.array([[CAP]]), -budget[:, None, None]))
    guess = minimise(objective.tolist(), blocks, range(len(entries), total))
    if guess is None:
        return None
    if not scheme.after:
        guess[0] = 1.0
    matrix = [[_short(x) for x in row] for row in _symmetric(guess, entries, m)]
    return matrix, [max(_short(x), Fraction(0)) for x in guess[ends[0] : ends[1]]]


def _rough(field: exact.FieldClass) -> Any:
    """Returns the constants of a class in floating point."""
    return field._make(x if x is None else float(x) for x in field)


def _symmetric(z: np.ndarray, entries: list[tuple[int, int]], size: int) -> list[list[float]]:
    matrix = np.zeros((size, size))
    for (i, j), value in zip(entries, z, strict=False):
        matrix[i, j] = matrix[j, i] = value
    return matrix.tolist()


def _bound(
    scheme: Scheme,
    field: exact.FieldClass,
    piece: exact.Piece,
    offset: Vector,
    known: int,
    slack: float,
) -> tuple[Fraction, list[Fraction]] | None:
    """Returns the smallest bound of one position and its multipliers, rounded, or None."""
    single = piece.low == piece.high
    count = exact.inequalities(known, field) if single or not scheme.after else 0
    roughly = _rough(field)
    rough: Any = piece._replace(lyapunov=[[float(x) for x in row] for row in piece.lyapunov])

    def form(z: np.ndarray, h: Any) -> Any:
        bound: Any = (z[0], list(z[1:]))
        return exact.bound_form(scheme, roughly, rough, offset, known, bound, h)

    low = piece.low if count else piece.high
    blocks = _blocks(form, count + 1, float(low), float(piece.high), slack)
    guess = minimise([1.0] + [1e-9] * count, blocks, list(range(count + 1)))
    if guess is None:
        return None
    return _short(guess[0]), [max(_short(x), Fraction(0)) for x in guess[1:]]


def _blocks(
    form: Form, count: int, low: float, high: float, slack: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns an affine family of forms as blocks: at both ends, and the Bernstein middle."""

    def at(h: float) -> tuple[np.ndarray, np.ndarray]:
        constant = np.array(form(np.zeros(count), h), np.float64)
        units = [np.array(form(unit, h), np.float64) - constant for unit in np.eye(count)]
        return constant, np.stack(units)

    found = [at(low)]
    if low < high:
        found.append(at(high))
        pairs = zip(found[0], found[1], at((low + high) / 2), strict=True)
        middle, units = (2 * c - (a + b) / 2 for a, b, c in pairs)
        found.append((middle, units))
    return [(constant - slack * np.eye(len(constant)), units) for constant, units in found]


def _short(value: Any) -> Fraction:
    """Rounds a number to a float of few bits."""
    return Fraction(float(round(Fraction(value) * 2**40)) / 2**40)

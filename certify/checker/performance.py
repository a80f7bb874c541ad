"""Proves rates of methods on a class of fields, from multipliers of its defining inequalities.

The class: F is strongly monotone with modulus a, b-Lipschitz and perhaps c-cocoercive in one inner
product. Positions are measured from x*, velocities (values of F and buffers) in units of b, steps h
in units of 1 / b, so that a Lipschitz constant of 1, a margin `a / b` and `c / b` remain. A form is
a symmetric matrix in the basis `(x, v_1, ..., v_n)`, x being the strategy and v_k the velocities of
one step; it is evaluated on a trajectory by inner products. Two points with difference d and values
with difference e satisfy

    <d, e> - (a / b) |d|^2 >= 0,    |d|^2 - |e|^2 >= 0,    and (c / b) <d, e> - |e|^2 >= 0,

so a positive definite `upper - lower - sum_k l_k inequality_k` with `l_k >= 0` proves that
`lower <= upper` on all trajectories.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import combinations
from typing import NamedTuple

from .exact import rational_positive_definite
from .reader import Reader
from .schemes import Scheme, Vector

Form = list[list[Fraction]]


class FieldClass(NamedTuple):
    """The class of fields with these constants, in units in which the Lipschitz constant is 1.

    Attributes:
        margin: The modulus of strong monotonicity, in (0, 1].
        cocoercivity: A number c with `c <d, e> >= |e|^2`, or None if nothing is known of it.
    """

    margin: Fraction
    cocoercivity: Fraction | None = None


def relative(margin: Fraction, lipschitz: Fraction, cocoercivity: Fraction | None) -> FieldClass:
    """Returns the class of fields in those units.

    Its margin is at most 63/64, as near 1 all forms would be nearly singular.
    """
    relative_margin = min(margin / lipschitz, Fraction(63, 64))
    return FieldClass(relative_margin, cocoercivity and cocoercivity / lipschitz)


class Piece(NamedTuple):
    """The claims about all steps h with `low <= h <= high` (and `h > 0`), with their multipliers.

    With `V(x, w) = p |x|^2 + 2 h <x, q . w> + h <w, Q w>` and `lyapunov = [[p, q'], [q, Q]]`:

        V(next state) <= (1 - decrease h) V(state),      |Y|^2 <= bound V(state)

    for Y each position of `visited`.
    """

    low: Fraction
    high: Fraction
    decrease: Fraction
    lyapunov: Form
    multipliers: list[Fraction]
    bounds: list[tuple[Fraction, list[Fraction]]]


def read_piece(file: Reader, scheme: Scheme, field: FieldClass, unit: Fraction) -> Piece:
    """Reads a piece of the file, where steps are in units of the game: h is `unit` times a step."""
    low, high, decrease, lyapunov, multipliers, bounds = file.fields(
        "low", "high", "decrease", "lyapunov", "multipliers", "bounds"
    )
    m = len(scheme.after) + 1
    entries = lyapunov.numbers(m * m)
    goals = visited(scheme)
    rows = [
        (row[0].number(), [x.number() for x in row[1:]])
        for row in (item.items() for item in bounds.items(len(goals)))
        if row or bounds.fail("a bound of each position")
    ]
    return Piece(
        low.number() * unit,
        high.number() * unit,
        decrease.number(),
        [entries[i * m : (i + 1) * m] for i in range(m)],
        multipliers.numbers(inequalities(len(scheme.points), field)),
        rows,
    )


def check_piece(scheme: Scheme, field: FieldClass, piece: Piece) -> dict[str, bool]:
    """Says for every claim of a piece, by name, whether it follows.

    *Decrease*: `form(h) = ((1 - decrease h) V - V+) / h - sum_k l_k inequality_k` is a polynomial
    in h, of degree 2. If it is positive definite on the piece, h times it proves the claim.

    *Bounds*: `bound V - |Y|^2 - sum_k l_k inequality_k` is a polynomial of degree 2 too, where only
    points that come before Y are used: so they are known to lie in the region when their
    inequalities are applied. Without multipliers, `high` is enough: with
    `B_h(x, w) = bound V - |x + h (r . w)|^2`,

        B_{t h}(x, w) = B_h(x, t w) + t (1 - t) h bound <w, Q w>,     0 <= t <= 1,

    and `<w, Q w>` is not negative if `B_h(0, w)` is not.
    """
    low, high, every = piece.low, piece.high, scheme.points
    signs = [piece.multipliers, *(multipliers for _, multipliers in piece.bounds)]
    claims = {
        "the interval is not empty": 0 <= low <= high and high > 0,
        "V is a form": piece.lyapunov == [list(x) for x in zip(*piece.lyapunov, strict=True)]
        and piece.lyapunov[0][0] > 0,
        "no multiplier is negative": all(x >= 0 for row in signs for x in row),
        "each inequality has its multiplier": len(piece.multipliers)
        == inequalities(len(every), field),
        "V decreases": positive(partial(decrease_form, scheme, field, piece), low, high),
    }
    goals = visited(scheme)
    claims["each position has its bound"] = len(goals) == len(piece.bounds)
    for number, ((offset, known), bound) in enumerate(zip(goals, piece.bounds, strict=False)):
        start = low if bound[1] else high
        fits = len(bound[1]) in (0, inequalities(known, field)) and bound[0] > 0
        form = partial(bound_form, scheme, field, piece, offset, known, bound)
        claims[f"position {number} is bounded"] = fits and positive(form, start, high)
    return claims


def visited(scheme: Scheme) -> list[tuple[Vector, int]]:
    """Returns the positions to be bounded, with the number of points known before each.

    These are x, if there is a state, and the new points that are not x.
    """
    here = [((0,) * scheme.size, scheme.past)] if scheme.after else []
    points = list(enumerate(scheme.points))[scheme.past :]
    return here + [(offset, known) for known, (offset, _) in points if any(offset)]


def inequalities(points: int, field: FieldClass) -> int:
    """Returns the number of inequalities, two or three for each pair of these points and x*."""
    return points * (points + 1) // 2 * (2 if field.cocoercivity is None else 3)


def decrease_form(scheme: Scheme, field: FieldClass, piece: Piece, h: Fraction) -> Form:
    """Returns `((1 - c h) V - V+) / h - sum_k l_k inequality_k`, with `x+ = x + h m`.

    `(V+ - V) / h = p (2 <x, m> + h |m|^2) + 2 <x + h m, q . w+> - 2 <x, q . w> + <w+, Q w+>
    - <w, Q w>`.
    """
    form, p = form_of(scheme), piece.lyapunov[0][0]
    x, move = position(scheme, h, None), [0, *scheme.move]
    after = position(scheme, h, scheme.move)
    before = [unit(k, scheme) for k in range(len(scheme.after))]
    add(form, -2 * p, x, move)
    add(form, -h * p, move, move)
    for i, (old, new) in enumerate(zip(before, scheme.after, strict=True), 1):
        q = piece.lyapunov[0][i]
        add(form, -2 * q, after, [0, *new])
        add(form, 2 * q, x, old)
        for j, (other, another) in enumerate(zip(before, scheme.after, strict=True), 1):
            add(form, -piece.lyapunov[i][j], [0, *new], [0, *another])
            add(form, piece.lyapunov[i][j], old, other)
    add_lyapunov(form, -piece.decrease, scheme, piece, h)
    subtract_inequalities(form, scheme, field, len(scheme.points), piece.multipliers, h)
    return form


def bound_form(
    scheme: Scheme,
    field: FieldClass,
    piece: Piece,
    offset: Vector,
    known: int,
    bound: tuple[Fraction, list[Fraction]],
    h: Fraction,
) -> Form:
    """Returns `bound V - |x + h (offset . v)|^2 - sum_k l_k inequality_k` in the known part."""
    form, target = form_of(scheme), position(scheme, h, offset)
    add_lyapunov(form, bound[0], scheme, piece, h)
    add(form, Fraction(-1), target, target)
    if bound[1]:
        subtract_inequalities(form, scheme, field, known, bound[1], h)
    values = {value for _, value in scheme.points[:known]} | set(range(len(scheme.after)))
    keep = [0, *(k + 1 for k in sorted(values))]
    return [[form[i][j] for j in keep] for i in keep]


def add_lyapunov(form: Form, factor: Fraction, scheme: Scheme, piece: Piece, h: Fraction) -> None:
    """Adds `factor V`."""
    state = [position(scheme, h, None), *(unit(k, scheme) for k in range(len(scheme.after)))]
    for i, row in enumerate(piece.lyapunov):
        for j, entry in enumerate(row):
            add(form, factor * entry * (h if i or j else 1), state[i], state[j])


def subtract_inequalities(
    form: Form,
    scheme: Scheme,
    field: FieldClass,
    known: int,
    multipliers: list[Fraction],
    h: Fraction,
) -> None:
    """Subtracts the inequalities of all pairs among x* and the first `known` points."""
    nothing = [0] * (scheme.size + 1)
    points = [(position(scheme, h, offset), unit(k, scheme)) for offset, k in scheme.points[:known]]
    weights = iter(multipliers)
    for (x, f), (y, g) in combinations([(nothing, nothing), *points], 2):
        d = [s - t for s, t in zip(x, y, strict=True)]
        e = [s - t for s, t in zip(f, g, strict=True)]
        monotone, lipschitz = next(weights), next(weights)
        add(form, -monotone, d, e)
        add(form, monotone * field.margin - lipschitz, d, d)
        add(form, lipschitz, e, e)
        if field.cocoercivity is not None:
            cocoercive = next(weights)
            add(form, -cocoercive * field.cocoercivity, d, e)
            add(form, cocoercive, e, e)


def start_bound(scheme: Scheme, piece: Piece) -> Fraction:
    """Returns a number C with `V(first state) <= C |x_0|^2` for all steps of the piece.

    `w = (F(x_0), 0, ...)` and `|F(x_0)| <= |x_0|`, so
    `V <= (p + 2 h |q_1| + h max(Q_11, 0)) |x_0|^2`.
    """
    p = piece.lyapunov[0][0]
    if not scheme.after:
        return p
    return p + piece.high * (2 * abs(piece.lyapunov[0][1]) + max(piece.lyapunov[1][1], Fraction(0)))


def positive(form: Callable[[Fraction], Form], low: Fraction, high: Fraction) -> bool:
    """Says whether a form of degree 2 in h is proved positive definite for `low <= h <= high`.

    With A and B its values at the ends and C at the middle, and `0 <= t <= 1`, its value at
    `low + t (high - low)` is `(1-t)^2 A + 2 t (1-t) (2 C - (A + B) / 2) + t^2 B` (Bernstein).
    """
    first, last = form(low), form(high)
    if low == high:
        return rational_positive_definite(first)
    middle = [
        [2 * c - (a + b) / 2 for a, b, c in zip(*rows, strict=True)]
        for rows in zip(first, last, form((low + high) / 2), strict=True)
    ]
    return all(map(rational_positive_definite, (first, middle, last)))


def form_of(scheme: Scheme) -> Form:
    """Returns the zero form."""
    return [[Fraction(0)] * (scheme.size + 1) for _ in range(scheme.size + 1)]


def add(form: Form, factor: Fraction, left: Vector, right: Vector) -> None:
    """Adds `factor <left, right>`."""
    if not factor:
        return
    for i, (a, c) in enumerate(zip(left, right, strict=True)):
        for j, (b, d) in enumerate(zip(left, right, strict=True)):
            if product := a * d + c * b:
                form[i][j] += factor * product / 2


def position(scheme: Scheme, h: Fraction, offset: Vector | None) -> list[Fraction]:
    """Returns `x + h * (offset . v)` in the basis; x itself without an offset."""
    return [Fraction(1), *(h * r for r in offset or (0,) * scheme.size)]


def unit(index: int, scheme: Scheme) -> list[int]:
    """Returns `v_index` in the basis."""
    return [0, *(int(k == index) for k in range(scheme.size))]

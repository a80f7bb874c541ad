"""The four bounds on a method that make up a proved rate.

Each asks for the smallest number c with `lower <= c * upper` on every trajectory, for two quadratic
forms in the basis of the scheme. `V(x, w) = [x, w]' P [x, w]` is the Lyapunov function, w being the
velocities in the state; x* is the origin.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from certify.checker.performance import FieldClass, Form, add, position, unit
from certify.checker.schemes import Scheme, Vector
from certify.rates.inequalities import pair_inequalities

# A scheme that evaluates the field at x only.
_START = Scheme(1, (((0,), 0),), 0, (0,), ())


class BoundProblem(NamedTuple):
    """The forms of a bound c that holds if a combination of them is positive definite.

    The combination is `c upper - lower - sum_k m_k inequality_k`, with multipliers `m_k >= 0`.

    Attributes:
        upper: The form that c multiplies.
        lower: The form that is to be bounded.
        inequalities: Forms that are not negative on any trajectory.
    """

    upper: Form
    lower: Form
    inequalities: list[Form]


def frames(scheme: Scheme, step: Fraction) -> tuple[list[Vector], list[Vector]]:
    """Returns the state `(x, w)` before and after a step, in the basis of the scheme."""
    before = [position(scheme, step, None), *(unit(k, scheme) for k in range(len(scheme.after)))]
    after = [position(scheme, step, scheme.move), *([0, *row] for row in scheme.after)]
    return before, after


def quadratic(lyapunov: Form, frame: Sequence[Vector]) -> Form:
    """Returns the Lyapunov function V as a form in the basis of the scheme."""
    form = [[Fraction(0)] * len(frame[0]) for _ in frame[0]]
    for left, row in zip(frame, lyapunov, strict=True):
        for right, entry in zip(frame, row, strict=True):
            add(form, entry, left, right)
    return form


def decrease(
    scheme: Scheme, step: Fraction, field: FieldClass, lyapunov: Form, *, pairwise: bool = False
) -> BoundProblem:
    """Returns the problem `V(next state) <= c V(state)`, where c is the square of the rate."""
    before, after = frames(scheme, step)
    return BoundProblem(
        quadratic(lyapunov, before),
        quadratic(lyapunov, after),
        pair_inequalities(scheme, step, field, len(scheme.points), pairwise=pairwise),
    )


def distance(
    scheme: Scheme,
    step: Fraction,
    field: FieldClass,
    lyapunov: Form,
    offset: Vector,
    known: int,
    *,
    pairwise: bool = False,
) -> BoundProblem:
    """Returns the problem `|Y|^2 <= c V(state)` for Y = `x + h * (offset . v)`.

    Only the values at the first `known` points of the scheme are used, those before Y. So all
    points can be shown to lie in a ball, one after the other, and what is known of the field in
    that ball is used at a point only after that.
    """
    target = position(scheme, step, offset)
    values = {value for _, value in scheme.points[:known]} | set(range(len(scheme.after)))
    keep = [0, *(k + 1 for k in sorted(values))]
    upper = quadratic(lyapunov, frames(scheme, step)[0])
    inequalities = pair_inequalities(scheme, step, field, known, pairwise=pairwise)
    return BoundProblem(
        _part(upper, keep),
        _part(quadratic([[Fraction(1)]], [target]), keep),
        [_part(form, keep) for form in inequalities],
    )


def start(scheme: Scheme, field: FieldClass, lyapunov: Form) -> BoundProblem:
    """Returns the problem `V(first state) <= c |x_0|^2`, in the basis `(x_0, F(x_0))`.

    The first velocity of that state is `F(x_0)`, and the others are 0.
    """
    here, nothing = position(_START, Fraction(0), None), [0, 0]
    frame = [here, unit(0, _START), *[nothing] * (len(scheme.after) - 1)]
    return BoundProblem(
        quadratic([[Fraction(1)]], [here]),
        quadratic(lyapunov, frame),
        pair_inequalities(_START, Fraction(0), field, 1),
    )


def _part(form: Form, keep: list[int]) -> Form:
    return [[form[i][j] for j in keep] for i in keep]

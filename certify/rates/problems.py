"""The four questions about a method whose answers are a rate and what it needs to be one.

Each asks for the smallest number c with `lower <= c * upper` on every trajectory, for two quadratic
forms in the basis of the scheme. `V(x, w) = [x, w]' P [x, w]` is the Lyapunov function, w being the
velocities in the state; x* is the origin.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from certify.rates.inequalities import (
    FieldClass,
    Matrix,
    combination,
    outer,
    pair_inequalities,
    position,
    velocity,
)
from certify.rates.schemes import Point, Scheme, Vector


class Problem(NamedTuple):
    """For which c is `c * upper - lower - sum_k multiplier_k inequality_k` positive definite?

    Attributes:
        upper: A form.
        lower: A form.
        inequalities: Forms that are not negative on any trajectory.
    """

    upper: Matrix
    lower: Matrix
    inequalities: list[Matrix]


def frames(scheme: Scheme, step: Fraction) -> tuple[list[Vector], list[Vector]]:
    """The state `(x, w)` before and after a step, in the basis of the scheme."""
    size = scheme.velocities
    before = [velocity(-1, size), *(velocity(k, size) for k in scheme.state)]
    after = [
        position(step, scheme.move),
        *((Fraction(0), *combined) for combined in scheme.next_state),
    ]
    return before, after


def quadratic(lyapunov: Matrix, frame: Sequence[Vector]) -> Matrix:
    """The form V in the basis in which the state is given."""
    terms = [
        (entry, outer(frame[i], frame[j]))
        for i, row in enumerate(lyapunov)
        for j, entry in enumerate(row)
    ]
    return combination(terms, len(frame[0]))


def decrease(
    scheme: Scheme, step: Fraction, field: FieldClass, lyapunov: Matrix, *, pairwise: bool = False
) -> Problem:
    """`V(next state) <= c V(state)`: c is the square of the rate."""
    before, after = frames(scheme, step)
    points = (*scheme.past, *scheme.present)
    return Problem(
        quadratic(lyapunov, before),
        quadratic(lyapunov, after),
        pair_inequalities(scheme, step, field, points, pairwise=pairwise),
    )


def distance(
    scheme: Scheme,
    step: Fraction,
    field: FieldClass,
    lyapunov: Matrix,
    *,
    reached: int = 0,
    offset: Vector | None = None,
    pairwise: bool = False,
) -> Problem:
    """`|Y|^2 <= c V(state)` for Y = `x + h * (offset . v)`, which is x itself by default.

    Only values at points before it are used: those of the past and the first `reached` ones of
    this step. So, one after the other, all points can be shown to lie in a ball, and only then
    what is known of the field in that ball is used at them.
    """
    points = (*scheme.past, *scheme.present[:reached])
    target = position(step, offset or (Fraction(0),) * scheme.velocities)
    values = (*scheme.state, *(point.value for point in scheme.present[:reached]))
    keep = [0, *(k + 1 for k in sorted(set(values)))]
    upper = quadratic(lyapunov, frames(scheme, step)[0])
    inequalities = pair_inequalities(scheme, step, field, points, pairwise=pairwise)
    return Problem(
        _part(upper, keep),
        _part(outer(target, target), keep),
        [_part(matrix, keep) for matrix in inequalities],
    )


def start(scheme: Scheme, field: FieldClass, lyapunov: Matrix) -> Problem:
    """`V(first state) <= c |x_0|^2`, in the basis `(x_0, F(x_0))`."""
    one, nil = Fraction(1), Fraction(0)
    here = Scheme(1, (), (Point((nil,), 0),), (nil,))
    frame = [(one, nil), *((nil, factor) for factor in scheme.initial)]
    return Problem(
        outer((one, nil), (one, nil)),
        quadratic(lyapunov, frame),
        pair_inequalities(here, nil, field, here.present),
    )


def _part(matrix: Matrix, keep: list[int]) -> Matrix:
    return [[matrix[i][j] for j in keep] for i in keep]

"""What is known of the values of a field at several points: quadratic inequalities between pairs.

For a field F that is strongly monotone with modulus mu, L-Lipschitz and possibly ell-cocoercive in
one inner product, any two points with difference d and values with difference e satisfy

    <d, e> - mu |d|^2 >= 0,      L^2 |d|^2 - |e|^2 >= 0,      ell <d, e> - |e|^2 >= 0,

by definition. Each is `trace(M G) >= 0`, where G is the Gram matrix of the basis in which d and e
are written; so a sum of such M with weights that are not negative can be subtracted from a form
without making it larger on any trajectory. With x* the origin and its value 0, pairs with x* say
how fast x* is approached; they alone also hold for the differences of two trajectories.

Units: velocities are divided by L, steps multiplied by it; so L is 1.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from certify.rates.schemes import Point, Scheme, Vector

Matrix = list[list[Fraction]]


class FieldClass(NamedTuple):
    """All fields with these constants, in units in which the Lipschitz constant is 1.

    Attributes:
        margin: The modulus of strong monotonicity, in (0, 1].
        cocoercivity: `ell`, at least the margin, or None if nothing is known of it.
    """

    margin: Fraction
    cocoercivity: Fraction | None = None


def outer(left: Sequence[Fraction], right: Sequence[Fraction]) -> Matrix:
    """The symmetric matrix of the form `<left, right>`."""
    return [
        [(a * d + c * b) / 2 for c, d in zip(left, right, strict=True)]
        for a, b in zip(left, right, strict=True)
    ]


def combination(terms: Sequence[tuple[Fraction, Matrix]], size: int) -> Matrix:
    """`sum_k weight_k matrix_k`."""
    total = [[Fraction(0)] * size for _ in range(size)]
    for weight, matrix in terms:
        if weight:
            for row, other in zip(total, matrix, strict=True):
                row[:] = [x + weight * y if y else x for x, y in zip(row, other, strict=True)]
    return total


def position(step: Fraction, offset: Vector) -> Vector:
    """`x + h * (offset . v)` in the basis `(x, v_1, ..., v_n)`."""
    return (Fraction(1), *(step * r for r in offset))


def velocity(index: int, size: int) -> Vector:
    """`v_index` in that basis."""
    return tuple(Fraction(k == index + 1) for k in range(size + 1))


def pair_inequalities(
    scheme: Scheme,
    step: Fraction,
    field: FieldClass,
    points: Sequence[Point],
    *,
    pairwise: bool = False,
) -> list[Matrix]:
    """The matrices M of all inequalities between the points and x*.

    Args:
        scheme: Its velocities are the basis.
        step: The step size.
        field: The class of fields.
        points: Points with their values.
        pairwise: Only pairs with x*, which then stands for the same point of another trajectory.
    """
    size = scheme.velocities
    one, zero = Fraction(1), (Fraction(0),) * (size + 1)
    known = [(zero, zero)]
    known += [(position(step, point.offset), velocity(point.value, size)) for point in points]
    matrices = []
    pairs = [(known[0], point) for point in known[1:]] if pairwise else combinations(known, 2)
    for (x, f), (y, g) in pairs:
        d = [a - b for a, b in zip(x, y, strict=True)]
        e = [a - b for a, b in zip(f, g, strict=True)]
        dd, de, ee = outer(d, d), outer(d, e), outer(e, e)
        matrices.append(combination([(one, de), (-field.margin, dd)], size + 1))
        matrices.append(combination([(one, dd), (-one, ee)], size + 1))
        if field.cocoercivity is not None:
            matrices.append(combination([(field.cocoercivity, de), (-one, ee)], size + 1))
    return matrices

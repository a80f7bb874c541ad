"""The Jacobian of a method's step at an equilibrium, from that of the field, as interval matrices.

At a zero x* of the field F, with buffers at rest, the step of a method is a fixed point of the map
`T: (x, buffers) -> (x+, buffers+)`. Where the step is linear in positions, velocities and values of
F (`schemes`), so is its derivative in those of `dF = J dx`, with the Jacobian J of F at x*:

    v_k = J (dx + D sum_j offset_j v_j),    dx+ = dx + D sum_j move_j v_j,    v+ = after v,

with the step sizes D, one for each player. T is continuously differentiable near its fixed point if
F is near x*, as all points at which it evaluates F are near x* then. Velocities that no later step
depends on are left out of the state; what remains are the buffers of the method. It starts at
`I(x_0) = (x_0, buffers)`, where the first velocity is `F(x_0)` and all others are zero.

Players of alternating steps move one after the other: `dx_i+ = dx_i - h_i (J dx)_i`, with the new
parts of dx of those before.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from .exact import Work
from .krawczyk import IntervalMatrix, paid_product
from .matrices import Matrix, plus, square
from .reader import Reader
from .schemes import LINEAR_STEPS, MOMENTA, Vector, buffers_of

# Bits after the point of all entries; what does not fit is rounded, and widens intervals.
BITS = 256
ALTERNATING, FLOW = "alternating", "flow"


class RoundedIntervalMatrix(NamedTuple):
    """The matrices that differ from `centre` by at most `radius`, entry by entry, in `2^-BITS`.

    Operations return enclosures: results are rounded to integers, for which radii grow by one.
    """

    centre: Matrix
    radius: Matrix

    @classmethod
    def of(cls, matrix: IntervalMatrix, unit: int) -> "RoundedIntervalMatrix":
        """Returns an interval matrix of a file, in units of `2^unit`."""
        shift = unit + BITS
        if shift >= 0:
            return cls(*([[x << shift for x in row] for row in m] for m in _parts(matrix)))
        loose = [[-(-x >> -shift) + 1 for x in row] for row in matrix.remainder]
        return cls([[x >> -shift for x in row] for row in matrix.centre], loose)

    @classmethod
    def exact(cls, matrix: Matrix) -> "RoundedIntervalMatrix":
        """Returns a matrix of integers."""
        return cls(
            [[x << BITS for x in row] for row in matrix], [[0 for _ in row] for row in matrix]
        )

    def plus(self, other: "RoundedIntervalMatrix") -> "RoundedIntervalMatrix":
        """Returns the sum."""
        return RoundedIntervalMatrix(
            plus(self.centre, other.centre), plus(self.radius, other.radius)
        )

    def times(self, right: "RoundedIntervalMatrix", work: Work) -> "RoundedIntervalMatrix":
        """Returns the product: for `A = C + E`, `B = M + G` it is `CM + (C G + E M + E G)`."""
        middle = paid_product(self.centre, right.centre, work)
        sizes = [[[abs(x) for x in row] for row in m.centre] for m in (self, right)]
        loose = plus(
            paid_product(sizes[0], right.radius, work),
            paid_product(self.radius, plus(sizes[1], right.radius), work),
        )
        return RoundedIntervalMatrix(
            [[x >> BITS for x in row] for row in middle],
            [[-(-x >> BITS) + 1 for x in row] for row in loose],
        )

    def rows_times(self, factors: Sequence[Fraction]) -> "RoundedIntervalMatrix":
        """Returns the product with a diagonal matrix on the left."""
        centre = [
            [x * f.numerator // f.denominator for x in row]
            for row, f in zip(self.centre, factors, strict=True)
        ]
        radius = [
            [-(-x * abs(f.numerator) // f.denominator) + 1 for x in row]
            for row, f in zip(self.radius, factors, strict=True)
        ]
        return RoundedIntervalMatrix(centre, radius)

    def rows(self, where: slice) -> "RoundedIntervalMatrix":
        """Returns some rows."""
        return RoundedIntervalMatrix(self.centre[where], self.radius[where])


class StepMethod:
    """A method with its parameters as a file states them, or the flow `x' = -F(x)`.

    Attributes:
        name: "flow", "alternating", or that of a scheme.
        is_flow: Whether it is the flow.
        steps: The step size of each player.
        momentum: The real momentum, or the real and imaginary part of a complex one.
    """

    def __init__(self, file: Reader, players: int) -> None:
        known = [FLOW, ALTERNATING, *LINEAR_STEPS]
        self.name, self.is_flow = file["name"].text(), file["name"].value == FLOW
        if self.name not in known:
            file["name"].fail(" or ".join(f'"{each}"' for each in known))
        self.steps: list[Fraction] = []
        self.momentum: list[Fraction] = []
        if self.is_flow:
            file.fields("name")
            return
        _, steps, momentum = file.fields("name", "steps", "momentum")
        self.steps = steps.numbers(players)
        if min(self.steps) <= 0:
            steps.fail("positive step sizes")
        self.momentum = momentum.numbers(MOMENTA.get(self.name, 0))


class StepJacobian(NamedTuple):
    """The derivative of a step at its fixed point, and that of the first state, as intervals.

    Attributes:
        step: Of `T`, a square matrix over strategies and then buffers.
        start: Of `I`, from strategies to both.
    """

    step: RoundedIntervalMatrix
    start: RoundedIntervalMatrix


def step_jacobian(
    method: StepMethod, jacobian: RoundedIntervalMatrix, sizes: list[int], work: Work
) -> StepJacobian:
    """Returns the derivatives of a method's step, given that of the field.

    Args:
        method: The method; not the flow.
        jacobian: The Jacobian of the field.
        sizes: How many coordinates each player has.
        work: Pays for products.
    """
    factors = [h for h, size in zip(method.steps, sizes, strict=True) for _ in range(size)]
    n = len(factors)
    if method.name == ALTERNATING:
        step = _alternating(jacobian, factors, sizes, work)
        return StepJacobian(step, RoundedIntervalMatrix.exact(square(n, 1)))
    scheme = LINEAR_STEPS[method.name](*method.momentum)
    kept = buffers_of(scheme)
    width = n * (1 + len(kept))

    def part(block: int) -> RoundedIntervalMatrix:
        return RoundedIntervalMatrix.exact(
            [[int(j == i + block * n) for j in range(width)] for i in range(n)]
        )

    position = part(0)
    velocities = {j: part(1 + place) for place, j in enumerate(kept)}

    def combined(weights: Vector) -> RoundedIntervalMatrix:
        total = RoundedIntervalMatrix.exact([[0] * width] * n)
        for j, weight in enumerate(weights):
            if weight:
                total = total.plus(velocities[j].rows_times([Fraction(weight)] * n))
        return total

    def moved(weights: Vector) -> RoundedIntervalMatrix:
        return position.plus(combined(weights).rows_times(factors))

    for offset, k in scheme.points[scheme.past :]:
        velocities[k] = jacobian.times(moved(offset), work)
    step = [moved(scheme.move), *(combined(scheme.after[j]) for j in kept)]
    zeros = RoundedIntervalMatrix.exact(square(n))
    start = [RoundedIntervalMatrix.exact(square(n, 1)), *(zeros if j else jacobian for j in kept)]
    return StepJacobian(_stacked(step), _stacked(start))


def _alternating(
    jacobian: RoundedIntervalMatrix, factors: list[Fraction], sizes: list[int], work: Work
) -> RoundedIntervalMatrix:
    position, first = RoundedIntervalMatrix.exact(square(len(factors), 1)), 0
    for size in sizes:
        own = slice(first, first + size)
        pull = jacobian.rows(own).times(position, work)
        moved = position.rows(own).plus(pull.rows_times([-h for h in factors[own]]))
        for m, rows in zip(position, moved, strict=True):
            m[own] = rows
        first += size
    return position


def _stacked(parts: list[RoundedIntervalMatrix]) -> RoundedIntervalMatrix:
    return RoundedIntervalMatrix(
        [row for part in parts for row in part.centre],
        [row for part in parts for row in part.radius],
    )


def _parts(matrix: IntervalMatrix) -> tuple[Matrix, Matrix]:
    return matrix.centre, matrix.remainder

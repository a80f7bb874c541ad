"""Methods as they step along an affine field: the next state is an affine function of this one.

The state z is the strategy x and after it the buffers of the method, each as long as x. A method is
written here as its update rule is, in functions of z that are affine: what it adds, scales and
evaluates the field at. So the matrix of its step is derived from the rule and nothing else.
"""

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from .exact import Work
from .matrices import Matrix, product
from .reader import Reader
from .sampled_fields import AffineField, SampledFields


class Affine(NamedTuple):
    """The function `(A z + a) / d` of the state z: `rows` are those of `(A, a)`, integers."""

    rows: Matrix
    denominator: int

    def plus(self, other: "Affine", sign: int = 1) -> "Affine":
        """Returns the sum of two functions, or with the sign -1 their difference."""
        common = lcm(self.denominator, other.denominator)
        left, right = common // self.denominator, sign * (common // other.denominator)
        rows = [
            [left * x + right * y for x, y in zip(*pair, strict=True)]
            for pair in zip(self.rows, other.rows, strict=True)
        ]
        return Affine(rows, common)

    def minus(self, other: "Affine") -> "Affine":
        """Returns the difference of two functions."""
        return self.plus(other, -1)

    def times(self, factors: list[Fraction]) -> "Affine":
        """Returns the function with each entry times a factor of its own."""
        common = lcm(*(x.denominator for x in factors))
        rows = [
            [int(factor * common) * x for x in row]
            for factor, row in zip(factors, self.rows, strict=True)
        ]
        return Affine(rows, common * self.denominator)


# The field along which a method steps, as a function of functions of z.
Along = Callable[[Affine], Affine]
# The numbers of a method, per coordinate, by name.
Numbers = dict[str, list[Fraction]]
# From x and buffers to the next x and buffers.
Rule = Callable[[list[Affine], Along, Numbers], list[Affine]]


def simultaneous(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`x+ = x - h F(x)`."""
    (x,) = state
    return [x.minus(field(x).times(numbers["step_size"]))]


def extragradient(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`y = x - h F(x)`, `x+ = x - h F(y)`; both values of the field have the same component."""
    (x,), h = state, numbers["step_size"]
    trial = x.minus(field(x).times(h))
    return [x.minus(field(trial).times(h))]


def optimistic(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`g+ = F(x - h g)`, `x+ = x - h g+`."""
    (x, past), h = state, numbers["step_size"]
    present = field(x.minus(past.times(h)))
    return [x.minus(present.times(h)), present]


def reflected(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`g+ = F(x)`, `x+ = x - h (2 g+ - g)`."""
    x, past = state
    present = field(x)
    direction = present.plus(present).minus(past)
    return [x.minus(direction.times(numbers["step_size"])), present]


def optimistic_separated(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`g+ = F(x - extrapolation g)`, `x+ = x - update g+`.

    Optimistic dual averaging is the same: `x+ = x_1 - update (sum of all g so far and g+)`.
    """
    x, past = state
    present = field(x.minus(past.times(numbers["extrapolation"])))
    return [x.minus(present.times(numbers["update"])), present]


def momentum(state: list[Affine], field: Along, numbers: Numbers) -> list[Affine]:
    """`m+ = b m - F(x)`, `x+ = x + h m+`."""
    x, past = state
    buffer = past.times(numbers["momentum"]).minus(field(x))
    return [x.plus(buffer.times(numbers["step_size"])), buffer]


class Method(NamedTuple):
    """A method by its update rule.

    Attributes:
        rule: The rule.
        numbers: The names of its numbers, of which each player has one.
        buffers: How many buffers it has.
        is_linear: Whether a step is affine in the values of a single evaluation of the field, so
            that the step along a mean of fields is the mean of the steps.
    """

    rule: Rule
    numbers: tuple[str, ...]
    buffers: int
    is_linear: bool = True


METHODS = {
    "simultaneous": Method(simultaneous, ("step_size",), 0),
    "extragradient": Method(extragradient, ("step_size",), 0, is_linear=False),
    "optimistic": Method(optimistic, ("step_size",), 1),
    "reflected": Method(reflected, ("step_size",), 1),
    "optimistic_separated": Method(optimistic_separated, ("extrapolation", "update"), 1),
    "optimistic_dual_averaging": Method(optimistic_separated, ("extrapolation", "update"), 1),
    "momentum": Method(momentum, ("step_size", "momentum"), 1),
}


def read_steps(file: Reader, fields: SampledFields, work: Work) -> list[Affine]:
    """Returns the step of the method in a file along each component, as functions of the state."""
    name = file["name"]
    if name.text() not in METHODS:
        name.fail(" or ".join(f'"{known}"' for known in METHODS))
    method = METHODS[name.text()]
    _, *entries = file.fields("name", *method.numbers)
    numbers = {
        key: fields.per_coordinate(entry.numbers(len(fields.sizes)))
        for key, entry in zip(method.numbers, entries, strict=True)
    }
    if fields.batch > 1 and not method.is_linear:
        file.fail("batches of one component, for a method that evaluates the field twice")
    steps = []
    for field in fields.fields:
        for _ in range(2 * (2 + method.buffers)):
            work.spend(field.rows)
        steps.append(affine_step(method, field, numbers))
    return steps


def affine_step(method: Method, field: AffineField, numbers: Numbers) -> Affine:
    """Returns the step of a method along an affine field, as a function of the state."""
    n = len(field.rows)
    width = n * (1 + method.buffers)
    state = [
        Affine([[int(i == k) for i in range(width + 1)] for k in range(start, start + n)], 1)
        for start in range(0, width, n)
    ]
    slopes, constants = [row[:n] for row in field.rows], [row[n] for row in field.rows]

    def along(position: Affine) -> Affine:
        rows = product(slopes, position.rows)
        for row, constant in zip(rows, constants, strict=True):
            row[-1] += constant * position.denominator
        return Affine(rows, field.denominator * position.denominator)

    parts = method.rule(state, along, numbers)
    common = lcm(*(part.denominator for part in parts))
    rows = [[common // part.denominator * x for x in row] for part in parts for row in part.rows]
    return Affine(rows, common)

"""Describes methods as linear recursions in the values of a field, which determine rates."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

Vector = Sequence[Fraction | int]


class Scheme(NamedTuple):
    """One step of a method. A position is `x + h * (offset . v)`, given by its offset.

    `points` are all `(offset, k)` with `F(x + h * (offset . v)) = v_k`, the first `past` of them
    known from earlier steps; the step is `x+ = x + h * (move . v)`. The state is x and the first
    velocities `w = (v_1, ..., v_m)`, which become the combinations `after`. At first `v_1` is
    `F(x_0)`, other state velocities are 0, and past points are `x_0`.
    """

    size: int
    points: tuple[tuple[Vector, int], ...]
    past: int
    move: Vector
    after: tuple[Vector, ...]


def runge_kutta(*rows: Vector) -> Scheme:
    """Makes `k_i = F(x - h sum_j a_ij k_j)`, `x+ = x - h sum_i b_i k_i`, from the rows of a and b.

    Each row has the coefficients up to the last one that is not zero.
    """
    size = len(rows) - 1
    *stages, move = [tuple(-r for r in row) + (0,) * (size - len(row)) for row in rows]
    return Scheme(size, tuple((stage, k) for k, stage in enumerate(stages)), 0, move, ())


def simultaneous() -> Scheme:
    """`x+ = x - h F(x)`."""
    return runge_kutta((), (1,))


def extragradient() -> Scheme:
    """`x+ = x - h k2`, `k1 = F(x)`, `k2 = F(x - h k1)`."""
    return runge_kutta((), (1,), (0, 1))


def heun() -> Scheme:
    """`x+ = x - h (k1 + k2) / 2`, `k1 = F(x)`, `k2 = F(x - h k1)`."""
    half = Fraction(1, 2)
    return runge_kutta((), (1,), (half, half))


def ssprk3() -> Scheme:
    """`x+ = x - h (k1 + k2 + 4 k3) / 6`, `k2 = F(x - h k1)`, `k3 = F(x - h (k1 + k2) / 4)`."""
    quarter, sixth = Fraction(1, 4), Fraction(1, 6)
    return runge_kutta((), (1,), (quarter, quarter), (sixth, sixth, 4 * sixth))


def runge_kutta_4() -> Scheme:
    """`x+ = x - h (k1 + 2 k2 + 2 k3 + k4) / 6`, `k1 = F(x)`, `k2 = F(x - h k1 / 2)`, and so on."""
    half, sixth = Fraction(1, 2), Fraction(1, 6)
    return runge_kutta((), (half,), (0, half), (0, 0, 1), (sixth, 2 * sixth, 2 * sixth, sixth))


def optimistic() -> Scheme:
    """`x+ = x - h g+`, `g+ = F(x - h g)`; velocities `g = F(x + h d)`, `d`, `g+`.

    The next d is the one with `x+ + h d+ = x - h g`, so `d+ = g+ - g`.
    """
    return Scheme(3, (((0, 1, 0), 0), ((-1, 0, 0), 2)), 1, (0, 0, -1), ((0, 0, 1), (-1, 0, 1)))


def reflected_optimistic() -> Scheme:
    """`x+ = x - h (2 g+ - g)`, `g+ = F(x)`; the velocity `g` is kept."""
    return Scheme(2, (((0, 0), 1),), 0, (1, -2), ((0, 1),))


def momentum(real: Fraction) -> Scheme:
    """`x+ = x + h m+`, `m+ = real m - F(x)`; velocities `g = F(x - h m)`, `m`, `F(x)`."""
    move = (0, real, -1)
    return Scheme(3, (((0, -1, 0), 0), ((0, 0, 0), 2)), 1, move, ((0, 0, 1), move))


def complex_momentum(real: Fraction, imaginary: Fraction) -> Scheme:
    """`x+ = x + h r+`, `r+ + i s+ = (real + i imaginary) (r + i s) - F(x)`.

    Velocities `g = F(x - h r)`, `r`, `s`, `F(x)`.
    """
    move, other = (0, real, -imaginary, -1), (0, imaginary, real, 0)
    points = ((0, -1, 0, 0), 0), ((0, 0, 0, 0), 3)
    return Scheme(4, points, 1, move, ((0, 0, 0, 1), move, other))


# The scheme of each method that theorems on steps of its kind are about, as a function of its
# momentum parameters, if it has any.
SCHEMES: dict[str, Callable[..., Scheme]] = {
    "heun": heun,
    "ssprk3": ssprk3,
    "runge_kutta_4": runge_kutta_4,
    "optimistic": optimistic,
    "momentum": momentum,
    "complex_momentum": complex_momentum,
}
MOMENTA = {name: 0 for name in SCHEMES} | {"momentum": 1, "complex_momentum": 2}
# Those of all methods whose steps are linear in their states and values of the field.
LINEAR_STEPS: dict[str, Callable[..., Scheme]] = {
    "simultaneous": simultaneous,
    "extragradient": extragradient,
    "reflected_optimistic": reflected_optimistic,
    **SCHEMES,
}


def buffers_of(scheme: Scheme) -> list[int]:
    """Returns which of the velocities of a state later steps depend on."""
    used = [scheme.move, *(offset for offset, _ in scheme.points[scheme.past :])]
    kept: list[int] = []
    while True:
        more = {
            j
            for weights in [*used, *(scheme.after[j] for j in kept)]
            for j, weight in enumerate(weights)
            if weight and j < len(scheme.after)
        }
        if more <= {*kept}:
            return kept
        kept = sorted(more)

"""Worst-case residuals of methods after a few steps, along merely monotone fields.

A few steps are one scheme: all points are linear in the start and in the values of the field so
far. So the largest `|F(z_k)|` for `|z_0 - z*| <= 1` is bounded as a rate is, with all pairs of
points.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import dgames as dg
from certify.checker.performance import FieldClass, add, form_of, position, unit
from certify.checker.schemes import Scheme
from certify.problem.exact_types import described_class, is_as_made
from certify.rates.bound import prove_bound
from certify.rates.inequalities import pair_inequalities
from certify.rates.methods import step_of
from certify.rates.problems import BoundProblem
from certify.rounding import root_above

# The most steps: programs of more take long.
_MOST_STEPS = 12
# A point is the start plus h times a combination of values of the field, by their numbers.
Offset = dict[int, Fraction]


def worst_residual(method: dg.AbstractMethod, steps: int, lipschitz: float = 1.0) -> float:
    """Returns a bound on the residual after a few steps, for every monotone field.

    For every field with `<F(x) - F(y), x - y> >= 0`, `|F(x) - F(y)| <= lipschitz |x - y|` and a
    zero z*, in any inner product and dimension, without constraints,

        |F(z_k)| <= worst_residual(method, k, lipschitz) |z_0 - z*|.

    The bound is found by a semidefinite program, of performance estimation (Drori and Teboulle,
    arXiv 1206.3209), and proved exactly, as in `certify.rate`. It is usually the best one that
    these inequalities between pairs of points give, to six digits; the theorems of
    `certify.certify_monotone` are for every k, and so never better.

    Args:
        method: `FastExtragradient`, `AnchoredExtragradient`, `AcceleratedOptimistic` or
            `Extragradient` of `dgames`, with one step size for all players.
        steps: The number of steps k, from 0 to 12.
        lipschitz: The Lipschitz constant, positive.

    Returns:
        The bound, rounded up.

    Raises:
        ValueError: If the method is another one, the numbers do not fit, or nothing was proved.

    Example:
        >>> import certify, dgames as dg
        >>> round(certify.worst_residual(dg.FastExtragradient(1.0), 4), 4)  # 2 / 4 is the theorem
        0.5
    """
    if not 0 < lipschitz < float("inf"):
        raise ValueError(f"worst_residual: lipschitz is {lipschitz}; it must be positive.")
    if not 0 <= steps <= _MOST_STEPS:
        raise ValueError(f"worst_residual: steps is {steps}; it must be from 0 to {_MOST_STEPS}.")
    unroll = _UNROLLED.get(type(method))
    if unroll is None or not is_as_made(method):
        known = ", ".join(cls.__name__ for cls in _UNROLLED)
        raise ValueError(
            f"worst_residual: {described_class(type(method))} is not one of the methods of dgames "
            f"whose steps are known here: {known}."
        )
    step = step_of(method) * Fraction(lipschitz)
    run = _Run()
    last = unroll(method, run, steps, step)
    scheme = run.scheme(last)
    inequalities = pair_inequalities(
        scheme, step, FieldClass(Fraction(0), None), len(scheme.points)
    )
    start, end = position(scheme, step, None), unit(run.values[_key(last)], scheme)
    upper, lower = form_of(scheme), form_of(scheme)
    add(upper, Fraction(1), start, start)
    add(lower, Fraction(1), end, end)
    bound = prove_bound(BoundProblem(upper, lower, inequalities))
    if bound is None:
        raise ValueError(f"worst_residual: nothing was proved for {method!r}.")
    return root_above(bound.value * Fraction(lipschitz) ** 2)


class _Run:
    """The points at which a run evaluates the field, each once, and the numbers of the values."""

    def __init__(self) -> None:
        self.points: list[Offset] = []
        self.values: dict[tuple, int] = {}

    def value(self, point: Offset) -> Offset:
        """Returns the value at a point, as a combination of values."""
        number = self.values.setdefault(_key(point), len(self.points))
        if number == len(self.points):
            self.points.append(point)
        return {number: Fraction(1)}

    def scheme(self, last: Offset) -> Scheme:
        """Returns all as one scheme that ends at a point, where the field is evaluated too."""
        self.value(last)
        size = len(self.points)

        def row(offset: Offset) -> tuple[Fraction, ...]:
            return tuple(offset.get(k, Fraction(0)) for k in range(size))

        points = tuple((row(point), number) for number, point in enumerate(self.points))
        return Scheme(size, points, 0, row(last), ())


def _key(point: Offset) -> tuple:
    return tuple(sorted((k, x) for k, x in point.items() if x))


def _sum(*parts: tuple[Fraction | int, Offset]) -> Offset:
    """Returns a combination of offsets."""
    keys = {k for _, offset in parts for k in offset}
    zero = Fraction(0)
    return {k: sum((f * offset.get(k, zero) for f, offset in parts), zero) for k in keys}


def _fast(method: Any, run: _Run, steps: int, step: Fraction) -> Offset:
    z: Offset = {}
    for k in range(steps):
        b = Fraction(1, k + 1)
        w = _sum((1 - b, z), (b - 1, run.value(z)))
        z = _sum((1 - b, z), (-1, run.value(w)))
    return z


def _anchored(method: Any, run: _Run, steps: int, step: Fraction) -> Offset:
    z: Offset = {}
    share = Fraction(1)  # of the first step
    for k in range(steps):
        b = Fraction(1, k + 2)
        w = _sum((1 - b, z), (-share, run.value(z)))
        z = _sum((1 - b, z), (-share, run.value(w)))
        if method.lipschitz is not None:
            square = (share * step_of(method) * Fraction(float(method.lipschitz))) ** 2
            share *= 1 - square / ((1 - square) * (k + 1) * (k + 3))
    return z


def _optimistic(method: Any, run: _Run, steps: int, step: Fraction) -> Offset:
    z: Offset = {}
    last = run.value(z)
    for k in range(steps):
        b = Fraction(1, k + 2)
        w = _sum((1 - b, z), (-1, last))
        last = run.value(w)
        z = _sum((1 - b, z), (-1, last))
    return z


def _extragradient(method: Any, run: _Run, steps: int, step: Fraction) -> Offset:
    z: Offset = {}
    for _ in range(steps):
        w = _sum((1, z), (-1, run.value(z)))
        z = _sum((1, z), (-1, run.value(w)))
    return z


_UNROLLED: dict[type, Callable[[Any, _Run, int, Fraction], Offset]] = {
    dg.FastExtragradient: _fast,
    dg.AnchoredExtragradient: _anchored,
    dg.AcceleratedOptimistic: _optimistic,
    dg.Extragradient: _extragradient,
}

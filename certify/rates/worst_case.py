"""Proved worst-case rates of a method on a class of fields, and the step sizes for them."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

import dgames as dg
from certify.checker.performance import FieldClass, Form, visited
from certify.checker.schemes import Scheme
from certify.rates.bound import Bound, as_floats, prove_bound, proves, stacked
from certify.rates.inequalities import pair_inequalities
from certify.rates.methods import Method, scheme_of, with_step
from certify.rates.problems import BoundProblem, decrease, distance, frames, start
from certify.rates.semidefinite import lyapunov_matrix
from certify.rounding import root_above

Convergence = Literal["equilibrium", "pairwise"]

# The largest square of a rate that is searched for, and the resolution of the search.
LARGEST_SQUARE = 64.0
RESOLUTION = 2e-8


class Rate(NamedTuple):
    """A worst-case rate, proved for every field with the given constants.

    Let `V(x, w) = [x, w]' P [x, w]` (inner products in place of products), where w are the buffers
    of the method. Every step satisfies `V+ <= rate^2 V` and every state `|x|^2 <= bound V`, either
    with x* as the origin ("equilibrium") or for the difference of two trajectories ("pairwise").

    Attributes:
        rate: The factor per step, rounded up. It can exceed 1; then it proves no convergence.
        convergence: "equilibrium": convergence to the zero of the field. "pairwise": convergence of
            any two trajectories to each other (contraction), which is stronger, and often false
            where the first is true.
        constant: C in `|x_k - x*| <= C rate^k |x_0 - x*|`; 1 for a method without state.
        stage_radius: If the rate is at most 1, no point where the method evaluates the field is
            farther from x* than this many times `|x_0 - x*|`.
        lyapunov: P, shape (m, m), m - 1 being the number of buffers; exact as floats. Buffers are
            in units of the field divided by `lipschitz`.
        method: The method, with its step size.
        margin: Modulus of strong monotonicity of the fields.
        lipschitz: Lipschitz constant of the fields.
        cocoercivity: Cocoercivity constant `ell` of the fields, or None.
        proof: The bounds with their multipliers.
    """

    rate: float
    convergence: Convergence
    constant: float
    stage_radius: float
    lyapunov: Float[np.ndarray, "m m"]
    method: Method
    margin: float
    lipschitz: float
    cocoercivity: float | None
    proof: tuple[Bound, ...]

    def verify(self) -> bool:
        """Returns whether the numbers follow from the multipliers, decided in exact arithmetic.

        The decision uses no solver and no floating-point arithmetic.
        """
        lyapunov = [[Fraction(float(x)) for x in row] for row in self.lyapunov]
        iteration = _iteration(self)
        problems = _problems(iteration, lyapunov)
        if len(problems) != len(self.proof) or not all(map(proves, problems, self.proof)):
            return False
        square, constant, radius = _squares(iteration.scheme, self.proof)
        return (
            Fraction(self.rate) ** 2 >= square
            and Fraction(self.constant) ** 2 >= constant
            and Fraction(self.stage_radius) ** 2 >= radius
        )


class _Iteration(NamedTuple):
    """A method and a class of fields, in units in which the Lipschitz constant is 1."""

    scheme: Scheme
    step: Fraction
    field: FieldClass
    pairwise: bool


def rate(
    method: Method,
    margin: float,
    lipschitz: float,
    cocoercivity: float | None = None,
    convergence: Convergence = "equilibrium",
) -> Rate:
    """Returns a worst-case rate of a method, found by a semidefinite program and proved exactly.

    The class consists of the fields F with `<F(x) - F(y), x - y> >= margin |x - y|^2` and
    `|F(x) - F(y)| <= lipschitz |x - y|`, and if `cocoercivity` is given also
    `|F(x) - F(y)|^2 <= cocoercivity <F(x) - F(y), x - y>`, in any one inner product and dimension.
    The linear matrix inequality is that of performance estimation with quadratic Lyapunov functions
    (Drori and Teboulle, arXiv 1206.3209; Taylor, Van Scoy and Lessard, arXiv 1803.06073; for games
    Zhang, Bao, Lessard and Grosse, JMLR 2021). The solver's multipliers are rounded to dyadic
    numbers, the rate is backed off by about 1e-8, and the inequality is decided exactly.

    Args:
        method: `Simultaneous`, `Extragradient`, `Optimistic`, `Momentum`, `ComplexMomentum`,
            `Heun`, `SSPRK3` or `RungeKutta4` of `dgames`, or a `RungeKutta`; one real step size for
            all players.
        margin: The modulus of strong monotonicity, positive.
        lipschitz: The Lipschitz constant, at least the margin.
        cocoercivity: The cocoercivity constant, at least the margin.
        convergence: "equilibrium" or "pairwise", see `Rate`. Extragradient's Lyapunov function
            also depends on `F(x)` when its convergence to x* is asked for.

    Returns:
        A `Rate`. It is not claimed to be the best one, but it usually is to six digits.

    Raises:
        ValueError: If the constants or the method do not fit, or nothing could be proved.

    Example:
        >>> import certify, dgames as dg
        >>> proved = certify.rate(dg.Extragradient(0.6), margin=0.5, lipschitz=1.0)
        >>> round(proved.rate, 4), proved.verify()
        (0.8154, True)
        >>> certify.rate(dg.RungeKutta4(2.5), 0.1, 1.0, convergence="pairwise").rate > 5.24
        True
    """
    iteration = _checked(method, margin, lipschitz, cocoercivity, convergence)
    lyapunov = _lyapunov(iteration)
    proof = None if lyapunov is None else _prove(iteration, lyapunov)
    if lyapunov is None or proof is None:
        raise ValueError(f"rate: no rate was proved for {method!r} with these constants.")
    square, constant, radius = _squares(iteration.scheme, proof)
    return Rate(
        root_above(square),
        convergence,
        root_above(constant),
        root_above(radius),
        as_floats(lyapunov),
        method,
        margin,
        lipschitz,
        cocoercivity,
        proof,
    )


def largest_rate_step(
    method: Method,
    margin: float,
    lipschitz: float,
    cocoercivity: float | None = None,
    convergence: Convergence = "equilibrium",
    tolerance: float = 1e-4,
) -> float:
    """Returns the largest step size found at which a rate below 1 is proved, by bisection.

    This proves nothing about smaller steps: each needs its own proof.

    Args:
        method: As in `rate`; its own step size is ignored.
        margin: As in `rate`.
        lipschitz: As in `rate`.
        cocoercivity: As in `rate`.
        convergence: As in `rate`.
        tolerance: The relative tolerance of the bisection.

    Raises:
        ValueError: If no step is found that has a proof.

    Example:
        >>> import certify, dgames as dg
        >>> step = certify.largest_rate_step(dg.Simultaneous(1.0), margin=0.5, lipschitz=1.0)
        >>> 0.999 < step < 1.0  # 2 margin / lipschitz^2
        True
    """

    def proved(step: float) -> bool:
        iteration = _checked(with_step(method, step), margin, lipschitz, cocoercivity, convergence)
        lyapunov = _lyapunov_at(iteration, 1 - 1e-6) if iteration.scheme.after else _identity()
        bound = None if lyapunov is None else prove_bound(_decrease(iteration, lyapunov))
        return bound is not None and bound.value < 1

    high = 4.0 / lipschitz if cocoercivity is None else 8.0 / min(lipschitz, cocoercivity)
    low = high / 2
    while not proved(low):
        high, low = low, low / 2
        if low * margin < 1e-12:
            raise ValueError(f"largest_rate_step: nothing was proved for {method!r}.")
    while high > low * (1 + tolerance):
        middle = (low + high) / 2
        low, high = (middle, high) if proved(middle) else (low, middle)
    return low


def best_rate_step(
    method: Method,
    margin: float,
    lipschitz: float,
    cocoercivity: float | None = None,
    convergence: Convergence = "equilibrium",
    largest: float | None = None,
) -> Rate:
    """Returns the rate at the step size where it is smallest, by a scalar search.

    The step size is that of `Rate.method`. Another step may be better if the rate has several
    minima.

    Args:
        method: As in `rate`; its own step size is ignored.
        margin: As in `rate`.
        lipschitz: As in `rate`.
        cocoercivity: As in `rate`.
        convergence: As in `rate`.
        largest: The largest step size to try; by default that of `largest_rate_step`.

    Raises:
        ValueError: If no step is found that has a proof.

    Example:
        >>> import certify, dgames as dg
        >>> best = certify.best_rate_step(dg.Simultaneous(1.0), margin=0.5, lipschitz=1.0)
        >>> round(best.rate, 4), round(float(best.method.step_size), 2)
        (0.866, 0.5)
    """
    constants = (margin, lipschitz, cocoercivity, convergence)
    if largest is None:
        largest = largest_rate_step(method, *constants, tolerance=1e-2)

    def value(step: float) -> float:
        iteration = _checked(with_step(method, float(step)), *constants)
        return _square(iteration)

    found: Any = scipy.optimize.minimize_scalar(
        value, bounds=(0.0, largest), method="bounded", options={"xatol": 1e-4 * largest}
    )
    return rate(with_step(method, float(found.x)), *constants)


def _checked(
    method: Method,
    margin: float,
    lipschitz: float,
    cocoercivity: float | None,
    convergence: Convergence,
) -> _Iteration:
    if not 0 < margin <= lipschitz < float("inf"):
        raise ValueError(f"rate: it must be 0 < margin <= lipschitz; got {margin}, {lipschitz}.")
    if cocoercivity is not None and not margin <= cocoercivity < float("inf"):
        raise ValueError(f"rate: the cocoercivity is {cocoercivity}, less than the margin.")
    if convergence not in ("equilibrium", "pairwise"):
        raise ValueError(f"rate: convergence is {convergence!r}, not equilibrium or pairwise.")
    pairwise = convergence == "pairwise"
    memory = type(method) is dg.Extragradient and not pairwise
    scheme, step = scheme_of(method, memory=memory)
    if step <= 0:
        raise ValueError(f"rate: the step size is {float(step)}; it must be positive.")
    unit = Fraction(lipschitz)
    relative = None if cocoercivity is None else Fraction(cocoercivity) / unit
    least = Fraction(margin) / unit
    if scheme.after:  # with a margin nearer to 1 all forms would be nearly singular
        least = min(least, Fraction(1023, 1024))
    field = FieldClass(least, relative)
    return _Iteration(scheme, step * unit, field, pairwise)


def _iteration(proved: Rate) -> _Iteration:
    return _checked(
        proved.method, proved.margin, proved.lipschitz, proved.cocoercivity, proved.convergence
    )


def _identity() -> Form:
    return [[Fraction(1)]]


def _lyapunov(iteration: _Iteration) -> Form | None:
    """Finds the Lyapunov matrix of the smallest rate by bisection, trusting the solver."""
    if not iteration.scheme.after:
        return _identity()
    at = _searcher(iteration)
    low, high, best = 0.0, 1.0, None
    while (best := at(high)) is None:
        low, high = high, 2 * high
        if high > LARGEST_SQUARE:
            return None
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        found = at(middle)
        low, high, best = (middle, high, best) if found is None else (low, middle, found)
    return _rounded(best)


def _lyapunov_at(iteration: _Iteration, square: float) -> Form | None:
    found = _searcher(iteration)(square)
    return None if found is None else _rounded(found)


def _searcher(iteration: _Iteration) -> Callable[[float], np.ndarray | None]:
    scheme, step, field, pairwise = iteration
    before, after = (as_floats(frame) for frame in frames(scheme, step))
    size = scheme.size + 1
    inequalities, earlier = (
        stacked(pair_inequalities(scheme, step, field, known, pairwise=pairwise), size)
        for known in (len(scheme.points), scheme.past)
    )

    def at(square: float) -> np.ndarray | None:
        found = lyapunov_matrix(square, before, after, inequalities, earlier)
        return found[1] if found is not None and found[0] > 1e-9 else None

    return at


def _rounded(matrix: np.ndarray) -> Form:
    """Scales a matrix so that its largest entry is 1, and returns its floats as exact numbers."""
    return [[Fraction(float(x)) for x in row] for row in matrix / np.abs(matrix).max()]


def _square(iteration: _Iteration) -> float:
    """Returns the proved square of the rate, or infinity where nothing is proved."""
    lyapunov = _lyapunov(iteration)
    bound = None if lyapunov is None else prove_bound(_decrease(iteration, lyapunov))
    return float("inf") if bound is None else float(bound.value)


def _decrease(iteration: _Iteration, lyapunov: Form) -> BoundProblem:
    scheme, step, field, pairwise = iteration
    return decrease(scheme, step, field, lyapunov, pairwise=pairwise)


def _problems(iteration: _Iteration, lyapunov: Form) -> list[BoundProblem]:
    """Returns the problems of a rate, in the order of `Rate.proof`.

    The decrease comes first; for a method with a state the distance of x and the start follow; then
    comes the distance of each new point.
    """
    scheme, step, field, pairwise = iteration
    problems, goals = [_decrease(iteration, lyapunov)], visited(scheme)
    if scheme.after:
        (offset, known), *goals = goals
        problems += [
            distance(scheme, step, field, lyapunov, offset, known, pairwise=pairwise),
            start(scheme, field, lyapunov),
        ]
    return problems + [distance(scheme, step, field, lyapunov, *goal) for goal in goals]


def _prove(iteration: _Iteration, lyapunov: Form) -> tuple[Bound, ...] | None:
    bounds = []
    for problem in _problems(iteration, lyapunov):
        bound = prove_bound(problem)
        if bound is None:
            return None
        bounds.append(bound)
    return tuple(bounds)


def _squares(scheme: Scheme, proof: tuple[Bound, ...]) -> tuple[Fraction, Fraction, Fraction]:
    """Returns the squares of the rate, of the constant and of the stage radius."""
    values = [bound.value for bound in proof]
    if not scheme.after:
        return values[0], Fraction(1), max([Fraction(1), *values[1:]])
    square, near, first, *stages = values
    return square, near * first, max([near, *stages]) * first

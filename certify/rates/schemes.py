"""Methods as linear recursions in the values of the field: all that a rate depends on."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

import dgames as dg
from certify.problem.exact_types import described_class, known_instance, known_method

Vector = tuple[Fraction, ...]


class Point(NamedTuple):
    """A point where a method evaluates the field.

    Attributes:
        offset: It is `x + h * (offset . v)`, with the velocities v of the scheme.
        value: Which velocity is the value of the field at it.
    """

    offset: Vector
    value: int


class Scheme(NamedTuple):
    """One step of a method, in the basis `(x, v_1, ..., v_n)` and without the step size.

    Velocities are vectors in units of the field: its values, and buffers. Positions are
    `x + h * (offset . v)`. Numbers are exact.

    Attributes:
        velocities: How many velocities there are, n.
        past: Points evaluated in earlier steps whose values are among the velocities.
        present: Points evaluated in this step, in this order.
        move: The step is `x+ = x + h * (move . v)`.
        state: Velocities that, with x, make up the state of the method.
        next_state: What they become, as combinations of the velocities.
        initial: What they are at first, as multiples of `F(x_0)`.
    """

    velocities: int
    past: tuple[Point, ...]
    present: tuple[Point, ...]
    move: Vector
    state: tuple[int, ...] = ()
    next_state: tuple[Vector, ...] = ()
    initial: Vector = ()


class RungeKutta(NamedTuple):
    """An explicit Runge-Kutta step of the flow `dx/dt = -F(x)`, by its tableau.

    `Y_i = x - h sum_{j<i} a_ij F(Y_j)`, then `x+ = x - h sum_i b_i F(Y_i)`.

    Attributes:
        step_size: `h`, positive.
        stages: The coefficients `a_ij`, row i having i entries: `((), (a_21,), (a_31, a_32), ...)`.
        weights: The coefficients `b_i`, one per stage.

    >>> RungeKutta.named("heun", 0.5).weights
    (Fraction(1, 2), Fraction(1, 2))
    """

    step_size: float
    stages: tuple[Vector, ...]
    weights: Vector

    @classmethod
    def named(cls, name: str, step_size: float) -> "RungeKutta":
        """A classical tableau.

        Args:
            name: "euler", "heun", "midpoint", "extragradient", "ssprk3" (Shu and Osher) or "rk4".
            step_size: `h`, positive.

        Raises:
            ValueError: If there is no tableau of that name.
        """
        if name not in TABLEAUX:
            raise ValueError(f"RungeKutta: no tableau {name!r}; there are {', '.join(TABLEAUX)}.")
        stages, weights = TABLEAUX[name]
        return cls(step_size, tuple(map(_exact, stages)), _exact(weights))


_THIRD, _SIXTH = Fraction(1, 3), Fraction(1, 6)
TABLEAUX: dict[str, tuple[Sequence[Sequence[Any]], Sequence[Any]]] = {
    "euler": (((),), (1,)),
    "heun": (((), (1,)), (0.5, 0.5)),
    "midpoint": (((), (0.5,)), (0, 1)),
    "extragradient": (((), (1,)), (0, 1)),
    "ssprk3": (((), (1,), (0.25, 0.25)), (_SIXTH, _SIXTH, 4 * _SIXTH)),
    "rk4": (((), (0.5,), (0, 0.5), (0, 0, 1)), (_SIXTH, _THIRD, _THIRD, _SIXTH)),
}

_TABLEAU_OF: dict[type, str] = {
    dg.Simultaneous: "euler",
    dg.Extragradient: "extragradient",
    dg.Heun: "heun",
    dg.SSPRK3: "ssprk3",
    dg.RungeKutta4: "rk4",
}

Method = dg.AbstractMethod | RungeKutta


def scheme_of(method: Method, *, memory: bool = False) -> tuple[Scheme, Fraction]:
    """The scheme of a method, and its step size.

    Args:
        method: `Simultaneous`, `Extragradient`, `Optimistic` (both forms), `Momentum`,
            `ComplexMomentum` (not alternating), `Heun`, `SSPRK3`, `RungeKutta4` or a `RungeKutta`,
            with one real step size for all players.
        memory: For Runge-Kutta methods and extragradient: whether the state includes `F(x)`.

    Raises:
        ValueError: If the method is none of these, but a subclass, say, which may step otherwise.
    """
    if type(method) is RungeKutta:
        return runge_kutta(*_tableau(method), memory), step_of(method)
    _require_known(method)
    name = _TABLEAU_OF.get(type(method))
    if name is not None:
        exact = RungeKutta.named(name, 1.0)
        scheme = runge_kutta(exact.stages, exact.weights, memory)
    elif type(method) is dg.Optimistic:
        scheme = reflected() if method.reflected else optimistic()
    elif type(method) is dg.Momentum:
        scheme = momentum(_number(method.momentum, "momentum"))
    elif type(method) is dg.ComplexMomentum and not method.alternating:
        scheme = complex_momentum(*_complex(method.momentum, "momentum"))
    else:
        raise ValueError(f"there is no scheme for the method {method!r}.")
    return scheme, step_of(method)


def _require_known(method: Any) -> None:
    if known_instance(method) is None:
        raise ValueError(
            f"a rate is proved of the methods of dgames themselves, not of {_described(method)}, "
            "which may step otherwise; prove its step as it is by certify.contraction."
        )


def _described(method: Any) -> str:
    if known_method(type(method)) is not None:
        return f"this {type(method).__name__} with attributes of its own"
    return described_class(type(method))


def _tableau(method: RungeKutta) -> tuple[list[Vector], Vector]:
    """The coefficients of an explicit method, exactly.

    Raises:
        ValueError: If they are not numbers, or row i does not have i of them.
    """
    try:
        stages, weights = [_exact(row) for row in method.stages], _exact(method.weights)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("RungeKutta: the coefficients must be finite real numbers.") from None
    if not weights or [len(row) for row in stages] != list(range(len(weights))):
        raise ValueError(
            f"RungeKutta: {len(weights)} weights need rows of 0, 1, 2, ... coefficients, one row "
            f"for each; got rows of {[len(row) for row in stages]}."
        )
    return stages, weights


def step_of(method: Method) -> Fraction:
    """The step size of a method.

    Raises:
        ValueError: If it has none, or more than one.
    """
    return _number(getattr(method, "step_size", None), "step")


def with_step(method: Method, step_size: float) -> Method:
    """The same method with another step size.

    Raises:
        ValueError: If the method is not a known one.
    """
    if type(method) is RungeKutta:
        return method._replace(step_size=step_size)
    _require_known(method)
    names = {name: value for name, value in vars(method).items() if name != "step_size"}
    make: Any = type(method)
    return make(step_size=step_size, **names)


def runge_kutta(stages: Sequence[Vector], weights: Vector, memory: bool = False) -> Scheme:
    """An explicit Runge-Kutta method; velocities `F(Y_1), ..., F(Y_s)`, and `F(x+)` if wanted.

    With the value at x in the state, that value is the last one of the step before.
    """
    count = len(weights)
    size = count + memory
    points = [
        Point(_padded([-a for a in row], size), i) for i, row in enumerate(map(_exact, stages))
    ]
    move = _padded([-b for b in _exact(weights)], size)
    if not memory:
        return Scheme(size, (), tuple(points), move)
    return Scheme(
        size,
        (points[0],),
        (*points[1:], Point(move, count)),
        move,
        state=(0,),
        next_state=(_unit(count, size),),
        initial=(Fraction(1),),
    )


def optimistic() -> Scheme:
    """`y = x - h g`, `g+ = F(y)`, `x+ = x - h g+`, with velocities `(g, d, F(y))`.

    Here `d = (y_before - x) / h`: the state includes the point where g was evaluated, which is
    `x_0` at first. Without it, nothing better than the rate 1 can be proved.
    """
    return _scheme(3, [((0, 1, 0), 0)], [((-1, 0, 0), 2)], (0, 0, -1), [(0, 0, 1), (-1, 0, 1)])


def reflected() -> Scheme:
    """`x+ = x - 2 h F(x) + h g`, `g+ = F(x)`; velocities `(g, d, F(x))`, `d = (x_before - x)/h`."""
    return _scheme(3, [((0, 1, 0), 0)], [((0, 0, 0), 2)], (1, 0, -2), [(0, 0, 1), (-1, 0, 2)])


def momentum(b: Fraction) -> Scheme:
    """`m+ = b m - F(x)`, `x+ = x + h m+`; velocities `(g, m, F(x))`, g being F at `x - h m`."""
    return _scheme(3, [((0, -1, 0), 0)], [((0, 0, 0), 2)], (0, b, -1), [(0, 0, 1), (0, b, -1)])


def complex_momentum(real: Fraction, imaginary: Fraction) -> Scheme:
    """`m+ = b m - F(x)`, `x+ = x + h Re m+`; velocities `(g, Re m, Im m, F(x))`.

    Here g is the value at the strategy before, `x - h Re m`.
    """
    turned = (0, real, -imaginary, -1)
    return _scheme(
        4,
        [((0, -1, 0, 0), 0)],
        [((0, 0, 0, 0), 3)],
        turned,
        [(0, 0, 0, 1), turned, (0, imaginary, real, 0)],
    )


def _scheme(size: int, past: Any, present: Any, move: Any, next_state: Any) -> Scheme:
    """A method with buffers: the first one a value of the field, `F(x_0)` at first, others 0."""
    return Scheme(
        size,
        tuple(Point(_exact(offset), value) for offset, value in past),
        tuple(Point(_exact(offset), value) for offset, value in present),
        _exact(move),
        tuple(range(len(next_state))),
        tuple(map(_exact, next_state)),
        _unit(0, len(next_state)),
    )


def _exact(values: Sequence[Any]) -> Vector:
    return tuple(map(Fraction, values))


def _padded(values: Sequence[Fraction], size: int) -> Vector:
    return (*values, *[Fraction(0)] * (size - len(values)))


def _unit(index: int, size: int) -> Vector:
    return tuple(Fraction(i == index) for i in range(size))


def _complex(value: Any, what: str) -> tuple[Fraction, Fraction]:
    if not eqx.is_array_like(value) or np.ndim(value) != 0:
        raise ValueError(f"a rate needs one {what} for all players.")
    number = complex(value)
    if not np.isfinite(number):
        raise ValueError(f"a rate needs a finite {what}, not {number}.")
    return Fraction(number.real), Fraction(number.imag)


def _number(value: Any, what: str) -> Fraction:
    real, imaginary = _complex(value, what)
    if imaginary:
        raise ValueError(f"a rate needs a real {what}.")
    return real

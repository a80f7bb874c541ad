"""The schemes of the methods of `dgames`, and of Runge-Kutta methods given by their tableaux."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

import dgames as dg
from certify.checker.schemes import Scheme, complex_momentum, momentum, optimistic, runge_kutta
from certify.problem.exact_types import described_class, known_instance, known_method

Coefficients = tuple[Fraction, ...]


class RungeKutta(NamedTuple):
    """An explicit Runge-Kutta step of the flow `dx/dt = -F(x)`, given by its tableau.

    `Y_i = x - h sum_{j<i} a_ij F(Y_j)`, then `x+ = x - h sum_i b_i F(Y_i)`.

    Attributes:
        step_size: `h`, positive.
        stages: The coefficients `a_ij`, row i having i entries: `((), (a_21,), (a_31, a_32), ...)`.
        weights: The coefficients `b_i`, one per stage.

    >>> RungeKutta.named("heun", 0.5).weights
    (Fraction(1, 2), Fraction(1, 2))
    """

    step_size: float
    stages: tuple[Coefficients, ...]
    weights: Coefficients

    @classmethod
    def named(cls, name: str, step_size: float) -> "RungeKutta":
        """Returns the method of a classical tableau.

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
    """Returns the scheme of a method, and its step size.

    Args:
        method: `Simultaneous`, `Extragradient`, `Optimistic` (both forms), `Momentum`,
            `ComplexMomentum` (not alternating), `Heun`, `SSPRK3`, `RungeKutta4` or a `RungeKutta`,
            with one real step size for all players.
        memory: Whether the state contains `F(x)`; for Runge-Kutta methods and extragradient.

    Raises:
        ValueError: If the method is none of these. A subclass is none, as it may step differently.
    """
    if type(method) is RungeKutta:
        return _runge_kutta(method, memory), step_of(method)
    _require_known(method)
    name = _TABLEAU_OF.get(type(method))
    if name is not None:
        scheme = _runge_kutta(RungeKutta.named(name, 1.0), memory)
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


def _runge_kutta(method: RungeKutta, memory: bool) -> Scheme:
    """Returns the scheme of an explicit method, with exact coefficients.

    Raises:
        ValueError: If the coefficients are not numbers, or row i does not have i of them.
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
    scheme = runge_kutta(*stages, weights)
    return with_memory(scheme) if memory else scheme


def step_of(method: Method) -> Fraction:
    """Returns the step size of a method.

    Raises:
        ValueError: If the method has no step size, or more than one.
    """
    return _number(getattr(method, "step_size", None), "step")


def with_step(method: Method, step_size: float) -> Method:
    """Returns a method with another step size.

    Raises:
        ValueError: If the method is not a known one.
    """
    if type(method) is RungeKutta:
        return method._replace(step_size=step_size)
    _require_known(method)
    names = {name: value for name, value in vars(method).items() if name != "step_size"}
    make: Any = type(method)
    return make(step_size=step_size, **names)


def with_memory(scheme: Scheme) -> Scheme:
    """Gives a scheme without a state the state `F(x)`, which is known from the step before.

    For this `F(x+)` becomes one more velocity, the last one. The first point of the scheme must be
    x.
    """
    size, move = scheme.size, (*scheme.move, 0)
    points = [((*offset, 0), value) for offset, value in scheme.points]
    last = tuple(int(k == size) for k in range(size + 1))
    return Scheme(size + 1, (*points, (move, size)), 1, move, (last,))


def reflected() -> Scheme:
    """Returns the scheme of the reflected method, `x+ = x - 2 h F(x) + h g`, `g+ = F(x)`.

    Its velocities are `(g, d, F(x))`, where `d = (x_before - x)/h`.
    """
    return Scheme(3, (((0, 1, 0), 0), ((0, 0, 0), 2)), 1, (1, 0, -2), ((0, 0, 1), (-1, 0, 2)))


def _exact(values: Sequence[Any]) -> Coefficients:
    return tuple(map(Fraction, values))


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

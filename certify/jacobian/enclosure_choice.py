"""The ways to enclose the Jacobians of a field, as objects, and the choice among them.

Only this module makes the choice: certificates, steps of methods and the command line all call
`AutoEnclosure().select(field)`, which says what it chose and why.
"""

import abc
import functools
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from certify.checker.kinks import Kinks, kinks_of
from certify.enclosure.derivatives import Method
from certify.enclosure.programs.compiling import equations, seconds_to_compile
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.walk import is_dependent
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.by_taylor import is_affordable
from certify.problem.field import FlatField

# About how many seconds each equation of a program takes that is run operation by operation, the
# first time.
_AT_ONCE = 0.001
# Linear systems are left to Taylor polynomials where affine arithmetic would take longer than these
# seconds to compile.
_SOLVES = 60.0
# Without a budget, nothing is compiled that would take longer than these seconds, if there is
# another enclosure.
PATIENCE = 900.0


class Enclosure(abc.ABC):
    """A way to enclose Jacobians over cells, or `AutoEnclosure`, which chooses one.

    Attributes:
        name: The name of the enclosure in files and on the command line.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """Returns which enclosure a field gets, and why.

        Args:
            field: The field, from `certify.flat_field`.
            seconds: How long compiling may take.
            fallback: Whether `AutoEnclosure` may take another enclosure where that time is too
                short.

        Raises:
            ValueError: If the field cannot have this enclosure.
        """


class DefiniteEnclosure(Enclosure):
    """A definite way to enclose Jacobians; each subclass is one.

    Attributes:
        most: The largest number of coordinates that it is for.
        method: How code is evaluated over a cell, if it is.
        equations: About how many equations its compiled program has for each equation of the code
            of the Jacobian.
    """

    most: ClassVar[float] = math.inf
    method: ClassVar[Method] = "interval"
    equations: ClassVar[int] = 0

    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """See `Enclosure`; a constant Jacobian is enclosed as one, whatever was asked for."""
        if field.natural is not None:
            self._require_for_policies(field)
        elif is_constant(field):
            return Selection(ConstantJacobian(), _SAME_EVERYWHERE)
        if self.name == Taylor.name and (kinks := kinks_in(field)) is not None:
            size = field.dimension + kinks.selectors
            if size > self.most:
                raise ValueError(
                    f"certify: the field has {field.dimension} coordinates and {kinks.selectors} "
                    f"kinks; the enclosure {self!r} is for at most {self.most} of both together."
                )
        if field.dimension > self.most:
            raise ValueError(
                f"certify: the game has {field.dimension} coordinates; the enclosure {self!r} is "
                f"for at most {self.most}."
            )
        needed = self.seconds(field)
        short = "" if needed <= seconds else _too_slow(self, needed, seconds)
        return Selection(self, f"{self!r} was asked for", shortfall=short)

    def seconds(self, field: FlatField) -> float:
        """Returns about how long the enclosure takes to compile, in seconds."""
        if not self.equations:
            return 0.0
        return seconds_to_compile(self.equations * _length(field))

    def _require_for_policies(self, field: FlatField) -> None:
        if not (isinstance(self, Taylor) and is_short(field)):
            raise ValueError("certify: all policies take Taylor(), and costs short enough for it.")


@dataclass(frozen=True)
class ConstantJacobian(DefiniteEnclosure):
    """One Jacobian for all points, as in quadratic games; it is detected, not asked for."""

    name = "constant"


@dataclass(frozen=True)
class Taylor(DefiniteEnclosure):
    """Taylor polynomials of the expression graph of the costs, without compiling it.

    They are for short costs of up to 16 coordinates. The remainder holds the third derivatives of
    the field's costs over the cell. Fields may have kinks, such as `jnp.maximum`, that enter in
    sums: each is one more coordinate.
    """

    name = "taylor"
    most = 16


@dataclass(frozen=True)
class AffineArithmetic(DefiniteEnclosure):
    """Affine arithmetic on the code of the Jacobian, for up to 48 coordinates.

    Every number is followed as a linear function of the coordinates plus a remainder. The remainder
    has a symbol of its own where it enters several entries.
    """

    name = "affine"
    most = 48
    method = "affine"
    equations = 140


@dataclass(frozen=True)
class IntervalMatrices(DefiniteEnclosure):
    """An interval for each entry, for any number of coordinates; these need the most cells."""

    name = "interval"
    equations = 12


@dataclass(frozen=True)
class RankOneTerms(Enclosure):
    """No cells: the Jacobian as a sum of terms of rank one with slopes that are bounded everywhere.

    For costs that are sums of products of functions of linear forms, of any number of coordinates
    and on unbounded regions. `certify.certify` takes it; searches for cells do not.
    """

    name = "terms"

    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """Raises a `ValueError`: terms are no enclosure of cells."""
        raise ValueError("terms of rank one have no cells: certify.certify proves by them.")


@dataclass(frozen=True)
class AutoEnclosure(Enclosure):
    """The enclosure that suits a field, and for which there is time.

    It is `Taylor` for short costs of up to 16 coordinates, and for short fields with kinks;
    `IntervalMatrices` for more than 48 coordinates. Otherwise it is `AffineArithmetic`: for longer
    costs, for linear systems, and for sums over more smooth units (data points, hidden units) than
    there are coordinates, in which most of what moves the single terms cancels.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 4 + x[0] * x[1], x[1] ** 2))
        >>> field = certify.flat_field(game, certify.Box.around((0.0, 0.0), 1.0))
        >>> certify.AutoEnclosure().select(field).why
        'the costs are short enough for Taylor polynomials'
    """

    name = "auto"

    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """See `Enclosure`."""
        suited = _suited(field)
        needed = suited.enclosure.seconds(field)
        if needed <= seconds:
            return suited
        quick = IntervalMatrices()
        if fallback:
            hurried = f"{suited.enclosure!r} would take about {needed:.0f} s to compile"
            if field.is_gradient and is_short(field):
                return Selection(Taylor(), hurried)
            if quick.seconds(field) <= seconds:
                return Selection(quick, hurried)
            if _AT_ONCE * quick.equations * _length(field) <= seconds:
                return Selection(quick, f"{hurried}, so nothing is compiled", compiled=False)
        short = _too_slow(suited.enclosure, needed, seconds)
        return suited._replace(shortfall=short if fallback else f"{short}{_NO_OTHER}")


class Selection(NamedTuple):
    """An enclosure that was selected.

    Attributes:
        enclosure: The enclosure.
        why: Why it was selected, in words.
        compiled: Whether it runs as a compiled program; if not, it runs operation by operation.
        shortfall: Why there is no time for it; empty if there is.
    """

    enclosure: DefiniteEnclosure
    why: str
    compiled: bool = True
    shortfall: str = ""


_SAME_EVERYWHERE = "the Jacobian is the same everywhere"
_NO_OTHER = ", and a checkpoint leaves no other one"


@functools.lru_cache(maxsize=32)
def _suited(field: FlatField) -> Selection:
    """Returns the enclosure that suits a field; compile time counts for linear systems only."""
    if field.natural is not None:
        return Taylor().select(field)
    if is_constant(field):
        return Selection(ConstantJacobian(), _SAME_EVERYWHERE)
    n, arithmetic = field.dimension, AffineArithmetic()
    kinks = kinks_in(field)
    if kinks is not None and n + kinks.selectors <= Taylor.most and is_affordable(kinks.loosened):
        return Selection(Taylor(), "the field has kinks, which enter in sums")
    if n > arithmetic.most:
        return Selection(
            IntervalMatrices(), f"affine arithmetic is for at most {arithmetic.most} coordinates"
        )
    if any(equation.primitive.name == "solution" for equation in _jacobian_code(field).eqns):
        needed = arithmetic.seconds(field)
        if needed > _SOLVES and is_short(field):
            why = f"affine arithmetic on linear systems would take about {needed:.0f} s to compile"
            return Selection(Taylor(), why)
        return Selection(arithmetic, "the costs solve linear systems")
    units = _smooth_units(field)
    if units > n:
        return Selection(arithmetic, f"the costs add up {units} smooth units, more than {n}")
    if n > Taylor.most:
        return Selection(
            arithmetic, f"Taylor polynomials are for at most {Taylor.most} coordinates"
        )
    if is_short(field):
        return Selection(Taylor(), "the costs are short enough for Taylor polynomials")
    return Selection(arithmetic, "the costs are too long for Taylor polynomials")


@functools.lru_cache(maxsize=32)
def kinks_in(field: FlatField) -> Kinks | None:
    """Returns the kinks of a field that is no pseudo-gradient; None if there are none to loosen."""
    if field.is_gradient or field.natural is not None:
        return None
    try:
        return kinks_of(graph_of(field))
    except GraphError:
        return None


@functools.lru_cache(maxsize=32)
def is_constant(field: FlatField) -> bool:
    """Returns whether the code of the Jacobian does not depend on the point."""
    return not is_dependent(_jacobian_code(field))


@functools.lru_cache(maxsize=32)
def is_short(field: FlatField) -> bool:
    """Returns whether the costs have an expression graph short enough for Taylor polynomials."""
    try:
        return is_affordable(graph_of(field))
    except GraphError:
        return False


@functools.lru_cache(maxsize=32)
def _jacobian_code(field: FlatField) -> core.Jaxpr:
    point = jax.ShapeDtypeStruct((field.dimension,), jnp.float64)
    return jax.make_jaxpr(jax.jacfwd(plain(field.function)))(point).jaxpr


@functools.lru_cache(maxsize=32)
def _length(field: FlatField) -> int:
    """Returns the number of equations of the code of the Jacobian."""
    return equations(_jacobian_code(field))


def _smooth_units(field: FlatField) -> int:
    """Returns the size of the largest array of values of a smooth function, such as tanh."""
    point = jax.ShapeDtypeStruct((field.dimension,), jnp.float64)
    code = jax.make_jaxpr(plain(field.function))(point).jaxpr.eqns
    return max(
        (e.outvars[0].aval.size for e in code if e.primitive.name == "derivative"), default=0
    )


def _too_slow(enclosure: DefiniteEnclosure, needed: float, seconds: float) -> str:
    return (
        f"compiling {enclosure!r} would take about {needed:.0f} s, and {seconds:.0f} s are left of "
        "the budget"
    )


# Enclosures by their names on the command line.
NAMED: dict[str, type[Enclosure]] = {
    kind.name: kind
    for kind in (AutoEnclosure, Taylor, AffineArithmetic, IntervalMatrices, RankOneTerms)
}

"""How the Jacobians of a field are enclosed: an object for each way, and the choice among them.

The choice is made here alone: certificates, steps of methods and the command line all ask
`AutoEnclosure().select(field)`, which says what it takes and why.
"""

import abc
import functools
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from certify.enclosure.derivatives import Method
from certify.enclosure.programs.compiling import equations, seconds_to_compile
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.walk import is_dependent
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.by_taylor import is_affordable
from certify.problem.field import FlatField

# Seconds per equation of a program that is run operation by operation, about, the first time.
_AT_ONCE = 0.001
# Linear systems are left to Taylor polynomials where anything else would take longer to compile.
_SOLVES = 60.0
# Without a budget, nothing is compiled that would take longer, if there is another enclosure.
PATIENCE = 900.0


class Enclosure(abc.ABC):
    """A way to enclose Jacobians over cells, or `AutoEnclosure`, which chooses one.

    Attributes:
        name: In files and on the command line.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """Which enclosure a field gets, and why.

        Args:
            field: The field, from `certify.flat_field`.
            seconds: How long compiling may take.
            fallback: Whether `AutoEnclosure` may take another one where that is too short.

        Raises:
            ValueError: If the field cannot have this enclosure.
        """


class DefiniteEnclosure(Enclosure):
    """A way to enclose Jacobians; final classes say which.

    Attributes:
        most: Coordinates that it can have.
        method: How code is evaluated over a cell, where it is.
        equations: Of its compiled program, about, for each one of the code of the Jacobian.
    """

    most: ClassVar[float] = math.inf
    method: ClassVar[Method] = "interval"
    equations: ClassVar[int] = 0

    def select(
        self, field: FlatField, seconds: float = PATIENCE, *, fallback: bool = True
    ) -> "Selection":
        """See `Enclosure`; a constant Jacobian is a point, whatever was asked for."""
        if field.natural is not None:
            self._require_for_policies(field)
        elif is_constant(field):
            return Selection(ConstantJacobian(), _SAME_EVERYWHERE)
        if field.dimension > self.most:
            raise ValueError(
                f"certify: the game has {field.dimension} coordinates; the enclosure {self!r} is "
                f"for at most {self.most}."
            )
        needed = self.seconds(field)
        short = "" if needed <= seconds else _too_slow(self, needed, seconds)
        return Selection(self, f"{self!r} was asked for", shortfall=short)

    def seconds(self, field: FlatField) -> float:
        """About how long it takes to compile."""
        if not self.equations:
            return 0.0
        return seconds_to_compile(self.equations * _length(field))

    def _require_for_policies(self, field: FlatField) -> None:
        if not (isinstance(self, Taylor) and is_short(field)):
            raise ValueError("certify: all policies take Taylor(), and costs short enough for it.")


@dataclass(frozen=True)
class ConstantJacobian(DefiniteEnclosure):
    """One Jacobian for all points, as quadratic games have: nothing asks for it, it is found."""

    name = "constant"


@dataclass(frozen=True)
class Taylor(DefiniteEnclosure):
    """Taylor polynomials of the expression graph of the costs; they compile nothing.

    For costs that are short, of up to 16 coordinates. The remainder holds the third derivatives of
    the field's costs over the cell.
    """

    name = "taylor"
    most = 16


@dataclass(frozen=True)
class AffineArithmetic(DefiniteEnclosure):
    """Affine arithmetic on the code of the Jacobian, for up to 48 coordinates.

    Every number is followed as a linear function of the coordinates with a remainder, which has a
    symbol of its own where it enters several entries.
    """

    name = "affine"
    most = 48
    method = "affine"
    equations = 140


@dataclass(frozen=True)
class IntervalMatrices(DefiniteEnclosure):
    """An interval for each entry, for any number of coordinates; needs the most cells."""

    name = "interval"
    equations = 12


@dataclass(frozen=True)
class AutoEnclosure(Enclosure):
    """The enclosure that suits a field, and for which there is time.

    `Taylor` for short costs of up to 16 coordinates; `AffineArithmetic` for longer ones, up to 48
    coordinates, for sums over more smooth units than there are coordinates (data points, hidden
    units), in which most of what moves the single terms cancels, and for linear systems;
    `IntervalMatrices` beyond.

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
        enclosure: Which one.
        why: A sentence.
        compiled: Whether by a compiled program; if not, operation by operation.
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
    """The enclosure that suits a field, however long it takes to compile."""
    if field.natural is not None:
        return Taylor().select(field)
    if is_constant(field):
        return Selection(ConstantJacobian(), _SAME_EVERYWHERE)
    n, arithmetic = field.dimension, AffineArithmetic()
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
def is_constant(field: FlatField) -> bool:
    """Whether the code of the Jacobian does not depend on where it is taken."""
    return not is_dependent(_jacobian_code(field))


@functools.lru_cache(maxsize=32)
def is_short(field: FlatField) -> bool:
    """Whether the costs can be spelled out, briefly enough for Taylor polynomials."""
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
    """Equations of the code of the Jacobian."""
    return equations(_jacobian_code(field))


def _smooth_units(field: FlatField) -> int:
    """Entries of the largest array of values of a smooth function of one variable, tanh or so."""
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


# The names of the command line.
NAMED: dict[str, type[Enclosure]] = {
    kind.name: kind for kind in (AutoEnclosure, Taylor, AffineArithmetic, IntervalMatrices)
}

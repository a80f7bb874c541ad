"""Code in lower precision, promoted to float64.

A proof speaks of the real-valued function that code spells out. Numbers stored in float32, bfloat16
or float16 are real numbers, each of which is a float64 as well: they are taken exactly. Arithmetic
in such a type stands for that of real numbers, so it is replaced by float64 arithmetic, whose
rounding errors the rules account for. Conversions to such a type, and `reduce_precision` of such
numbers, only round: they are left out. That is a decision, not a theorem, so whoever uses the
promoted code must say that it was made: see `Promotion.notes`.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core, source_info_util

from certify.enclosure.interval import is_concrete
from certify.enclosure.programs.repeats import without_dead_code
from certify.enclosure.programs.walk import anywhere, walk
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.structural import MOVES

LOW = tuple(np.dtype(kind) for kind in (np.float32, jnp.bfloat16, np.float16))

# These see how a number is stored, so in another precision they are other functions.
_SEE_BITS = {"bitcast_convert_type", "nextafter"}


class Promotion(NamedTuple):
    """Code in float64, and what had to be taken for what.

    Attributes:
        code: Code of the same function of real numbers, without float32, bfloat16 and float16.
        notes: Sentences about the code as it was; none if it had no such types.
    """

    code: core.ClosedJaxpr
    notes: tuple[str, ...]


def promoted(closed: core.ClosedJaxpr, what: str = "the code") -> Promotion:
    """Replaces every lower precision in traced code by float64.

    Args:
        closed: The code; equations that no result needs are dropped if anything has to be replaced.
        what: The name of the code in the notes.

    Raises:
        EnclosureError: If the code looks at the bits of a number in lower precision, or uses a
            primitive that does not do in float64 what it does there; it names the line.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> code = jax.make_jaxpr(lambda x: x.astype(jnp.float32) * jnp.float32(0.5))(1.0)
        >>> promoted(code).code.out_avals[0].dtype
        dtype('float64')
        >>> len(promoted(code).notes), promoted(promoted(code).code).notes
        (2, ())
    """
    if not _mentions_low(closed.jaxpr):
        return Promotion(closed, ())
    rewriting = _Rewriting()
    code = rewriting.closed(closed, "unknown code")
    return Promotion(code, rewriting.notes(what))


def is_low(dtype: Any) -> bool:
    """Returns whether a type is a float of lower precision that is promoted."""
    return isinstance(dtype, np.dtype) and dtype in LOW


def exactly(value: Any) -> Any:
    """Returns the same real numbers in float64; arrays of other types than `LOW` are left alone.

    Known numbers are converted by NumPy, traced ones by their bits: XLA would flush subnormals to
    zero.

    Args:
        value: An array of any shape, which may be traced.

    Example:
        >>> exactly(np.float32(1e-40)) == float(np.float32(1e-40)) > 0
        True
    """
    if not is_low(value.dtype):
        return value
    if is_concrete(value):
        return np.asarray(value).astype(np.float64)
    kind = jnp.finfo(value.dtype)
    unsigned = np.uint32 if kind.bits == 32 else np.uint16
    bits = lax.bitcast_convert_type(value, unsigned)
    fraction = bits & unsigned(2**kind.nmant - 1)
    tiny = fraction.astype(jnp.float64) * 2.0 ** int(kind.minexp - kind.nmant)
    negative = (bits >> unsigned(kind.bits - 1)) == unsigned(1)
    has_exponent = (bits & unsigned(2 ** (kind.bits - 1) - 2**kind.nmant)) != unsigned(0)
    subnormal = jnp.where(negative, -tiny, tiny)
    return jnp.where(has_exponent, value.astype(jnp.float64), subnormal)


def _mentions_low(jaxpr: core.Jaxpr) -> bool:
    atoms = [*jaxpr.constvars, *jaxpr.invars, *jaxpr.outvars]
    return any(map(_is_low, atoms)) or anywhere(
        jaxpr, lambda equation: any(map(_is_low, [*equation.invars, *equation.outvars]))
    )


def _type(atom: Any) -> Any:
    return getattr(atom.aval, "dtype", None)


def _is_low(atom: Any) -> bool:
    return is_low(_type(atom))


def _promoted_type(dtype: Any) -> Any:
    return np.dtype(np.float64) if is_low(dtype) else dtype


class _Rewriting:
    """A run of code with float64 in place of each lower precision, which keeps count."""

    def __init__(self) -> None:
        self._constants: set[str] = set()
        self._computed: set[str] = set()
        self._places: list[str] = []

    def notes(self, what: str) -> tuple[str, ...]:
        """Returns what was promoted, one sentence each."""
        found = []
        if self._constants:
            found.append(
                f"There are {names(self._constants)} constants in {what}: they are taken exactly, "
                "as the real numbers that they are."
            )
        if self._places:
            kinds, count, first = names(self._computed), len(self._places), self._places[0]
            places = "1 place" if count == 1 else f"{count} places"
            found.append(
                f"There is {kinds} arithmetic at {places} of {what} (the first: {first}): it is "
                "taken for arithmetic of real numbers, without the rounding to that precision."
            )
        return tuple(found)

    def closed(self, closed: core.ClosedJaxpr, caller: str) -> core.ClosedJaxpr:
        """Returns the same code in float64."""
        live = without_dead_code(closed)
        # Weakly typed operands stay so: code is recognised by its conversions too.
        shapes = [
            jax.ShapeDtypeStruct(
                aval.shape, _promoted_type(aval.dtype), weak_type=getattr(aval, "weak_type", False)
            )
            for aval in live.in_avals
        ]
        jaxpr = live.jaxpr
        # Constants are converted here, not in the new code: they may be traced by somebody else.
        constants = [
            self._constant(value, _type(variable))
            for variable, value in zip(jaxpr.constvars, live.consts, strict=True)
        ]
        run = functools.partial(self._run, jaxpr, constants, caller)
        return jax.make_jaxpr(run)(*shapes)

    def _run(
        self, jaxpr: core.Jaxpr, constants: Sequence[Any], caller: str, *operands: Any
    ) -> list[Any]:
        def evaluate(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
            with source_info_util.user_context(equation.source_info.traceback):
                return self._evaluate(equation, inputs, caller)

        def constant(value: Any, aval: Any) -> Any:
            return self._constant(value, aval.dtype)

        return walk(core.ClosedJaxpr(jaxpr, constants), operands, evaluate, constant)

    def _constant(self, value: Any, dtype: Any) -> Any:
        if not is_low(dtype):
            return value
        self._constants.add(dtype.name)
        # A literal may be a Python number, which means the nearest one in its type.
        return exactly(value if hasattr(value, "dtype") else np.asarray(value, dtype))

    def _evaluate(self, equation: core.JaxprEqn, inputs: list[Any], caller: str) -> list[Any]:
        name, params = equation.primitive.name, dict(equation.params)
        place = source_info_util.summarize(equation.source_info) or caller
        calls = any(True for _ in core.jaxprs_in_params(params))
        atoms = [*equation.invars, *equation.outvars]
        if any(map(_is_low, atoms)):
            if name in _SEE_BITS:
                kind = next(filter(is_low, map(_type, atoms)))
                raise EnclosureError(
                    f"{name!r} depends on how {kind} numbers are stored (in {place}), so it means "
                    "nothing for real numbers; compute such numbers before, outside the function"
                )
            self._count(equation, place, calls)
            if _only_rounds(equation):
                return inputs
            # This parameter is a way of multiplying that belongs to a precision.
            params |= {"precision": None} if "precision" in params else {}
        if calls or any(map(_is_low, atoms)):
            params = {key: self._parameter(value, place) for key, value in params.items()}
        # Some primitives are bound with functions in place of their code; old versions of JAX
        # keep these apart.
        found = equation.primitive.get_bind_params(params)
        functions, params = found if isinstance(found, tuple | list) else ((), found)
        try:
            results = equation.primitive.bind(*functions, *inputs, **params)
        except (TypeError, ValueError) as error:  # from operands of other types
            raise EnclosureError(
                f"{name!r} cannot be promoted to float64 (in {place}): {error}"
            ) from error
        results = list(results) if equation.primitive.multiple_results else [results]
        for variable, result in zip(equation.outvars, results, strict=True):
            if result.dtype != _promoted_type(_type(variable)):
                raise EnclosureError(
                    f"{name!r} cannot be promoted to float64 (in {place}): it gives "
                    f"{result.dtype} there; keep to float64 at that place"
                )
        return results

    def _count(self, equation: core.JaxprEqn, place: str, calls: bool) -> None:
        """Counts equations that compute, not those that move numbers or run the code in them."""
        kinds = {kind.name for kind in map(_type, equation.outvars) if is_low(kind)}
        if kinds and not calls and equation.primitive.name not in MOVES:
            self._computed |= kinds
            # The line is for people; the folder of the file is private and left out.
            self._places.append(place.replace("\\", "/").rpartition("/")[2])

    def _parameter(self, value: Any, place: str) -> Any:
        if isinstance(value, core.ClosedJaxpr):
            return self.closed(value, place)
        if isinstance(value, core.Jaxpr):
            code = self.closed(core.ClosedJaxpr(value, ()), place)
            if code.consts:
                raise EnclosureError(
                    f"code with arrays inside cannot be promoted to float64 (in {place}); "
                    "keep to float64 at that place"
                )
            return code.jaxpr
        if isinstance(value, tuple | list):
            items = [self._parameter(item, place) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        if isinstance(value, np.dtype):
            return _promoted_type(value)
        return exactly(value) if isinstance(value, jax.Array | np.ndarray | np.generic) else value


def _only_rounds(equation: core.JaxprEqn) -> bool:
    """Returns whether an equation on lower precision does nothing but change the precision."""
    if equation.primitive.name == "reduce_precision":
        # Rounding to other bits than those of these types is a staircase that somebody wants.
        bits = tuple(equation.params[part] for part in ("exponent_bits", "mantissa_bits"))
        return bits in {(kind.nexp, kind.nmant) for kind in map(jnp.finfo, LOW)}
    if equation.primitive.name != "convert_element_type":
        return False
    before, after = map(_type, (*equation.invars, *equation.outvars))
    return before != after and all(kind in (*LOW, np.float64) for kind in (before, after))


def names(kinds: Iterable[Any]) -> str:
    """Returns types in one phrase, such as "bfloat16 and float32"."""
    return " and ".join(sorted(map(str, kinds)))

"""Measures, on the platform at hand, what the enclosures take for granted of its arithmetic.

The margins of elementary functions were measured on one platform. Another compiler, accelerator or
math library may do worse, and compiler flags may give up the rules for NaN, so before a margin is
used for the first time its function is measured again, at a small sample (see `samples`). Exact
values come from Python's decimal arithmetic.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import RECORDS
from certify.enclosure.elementary.decimals import DIGITS
from certify.enclosure.elementary.record import Elementary
from certify.enclosure.margins import MARGINS, tested_by
from certify.enclosure.registry import EnclosureError
from certify.enclosure.remembered import circumstances, recall, remember
from certify.rounding import EPSILON, TINY

# The functions to be measured are those that have a margin.
MEASURED: dict[str, Elementary] = {
    name: record for name, record in RECORDS.items() if record.margin is not None
}
FUNCTIONS: dict[str, Callable] = {
    name: record.compute for name, record in MEASURED.items() if record.compute is not None
}
# XLA divides by a constant in its own way.
DIVISORS = (3.0, 10.0, 0.1, 49.0, 1e-300, 1e300)
_NUMERATORS = 1.0 + np.arange(40) / 40


# What every enclosure needs: rules for NaN, and the functions whose margins are inside of formulas.
_NAN, _ALWAYS = "rules for NaN", ("add", "mul")


def self_test(names: Iterable[str] = ()) -> None:
    """Raises unless JAX's default backend computes as accurately as the enclosures assume.

    That NaN spreads, addition and multiplication are always tested, functions when they are named;
    `margins.units` names them too, so that no margin is used before its function is tested. A test
    takes some hundredths of a second, once per process and backend, or not even that where its
    success is remembered (see `remembered`).

    Args:
        names: Primitives, of which those that have a margin are tested together.

    Raises:
        EnclosureError: Names the function, the platform and the error found.
    """
    tested = _tested(jax.default_backend())
    pending = [name for name in (*_ALWAYS, *names) if name in MARGINS and name not in tested.passed]
    if _NAN not in tested.passed or pending:
        tested.test(dict.fromkeys(pending))


tested_by(self_test)


class _Tested:
    """What has passed the test on a backend, in this process or as remembered."""

    def __init__(self, platform: str):
        self.platform, self._known = platform, circumstances(platform)
        self.passed = set() if self._known is None else {*recall(self._known)}

    def test(self, names: Iterable[str]) -> None:
        """Tests functions that have not passed, and remembers them if all of them do."""
        with jax.disable_jit(False), jax.ensure_compile_time_eval():
            if _NAN not in self.passed and not _respects_nan():
                raise EnclosureError(
                    f"on platform {self.platform!r} NaN does not spread through minima, maxima and "
                    "tests for it, so nothing can be proved; remove fast-math flags from XLA_FLAGS"
                )
            functions = {name: FUNCTIONS[name] for name in names}
            errors = measure(functions) if functions else {}
        for name, error in errors.items():
            if not error <= MARGINS[name].units:
                raise EnclosureError(
                    f"{name!r} on platform {self.platform!r} is wrong by {error:.4g} units of "
                    f"2^-52, but the enclosures allow for {MARGINS[name].units:g}; nothing can be "
                    "proved there"
                )
        passed = {_NAN, *errors}
        self.passed |= passed
        # What passed under other options than in the beginning is not remembered.
        if self._known is not None and circumstances(self.platform) == self._known:
            remember(self._known, passed)


@functools.cache
def _tested(platform: str) -> _Tested:
    return _Tested(platform)


def measure(functions: Mapping[str, Callable] = FUNCTIONS) -> dict[str, float]:
    """Returns the worst relative error of each function over its sample, in units of 2^-52."""
    sample = {name: MEASURED[name].sample for name in functions}

    def evaluate(sample: dict[str, Any]) -> dict[str, Any]:
        return {name: function(*sample[name]) for name, function in functions.items()}

    divisors = DIVISORS if "div" in functions else ()

    @jax.jit
    def results(sample: dict[str, Any], numerators: Any) -> Any:
        # Vectors and scalars may run through different code; so do divisions by a constant.
        quotients = [functions["div"](numerators, jnp.full_like(numerators, c)) for c in divisors]
        return evaluate(sample), lax.map(evaluate, sample), quotients

    vectors, scalars, quotients = jax.tree.map(np.asarray, results(sample, _NUMERATORS))
    worst = {}
    for name in functions:
        exact = _exact(name, sample[name])
        worst[name] = max(_error(exact, vectors[name]), _error(exact, scalars[name]))
    for divisor, values in zip(divisors, quotients, strict=True):
        exact = _exact("div", (_NUMERATORS, np.full_like(_NUMERATORS, divisor)))
        worst["div"] = max(worst["div"], _error(exact, values))
    return worst


def _error(exact: list[Decimal], computed: np.ndarray) -> float:
    """Returns the worst relative error of several results, in units of 2^-52."""
    if not np.isfinite(computed).all():
        return np.inf
    worst = Decimal(0)
    with localcontext(Context(prec=DIGITS)):
        for value, result in zip(exact, computed.tolist(), strict=True):
            # Flushing to zero is not held against a function: every widening pays for that.
            excess = abs(Decimal(result) - value) - Decimal(TINY)
            worst = max(worst, excess / abs(value))
        return float(worst / Decimal(EPSILON))


def _exact(name: str, operands: tuple[np.ndarray, ...]) -> list[Decimal]:
    function = MEASURED[name].exact
    assert function is not None
    with localcontext(Context(prec=DIGITS)):
        columns = ([Decimal(float(x)) for x in operand] for operand in operands)
        return [function(*row) for row in zip(*columns, strict=True)]


def _respects_nan() -> bool:
    nan, one = np.full(5, np.nan), np.ones(5)

    def spread(nan: Any, one: Any) -> Any:
        several = (jnp.minimum(nan, one), jnp.maximum(one, nan), nan - nan, 0.0 * (one / 0.0))
        return jnp.stack([jnp.isnan(x) for x in several])

    return bool(jax.jit(spread)(nan, one).all())

"""Measures, on the platform at hand, what the enclosures take for granted of its arithmetic.

The margins of elementary functions were measured on one platform. Another compiler, accelerator or
math library may do worse, and compiler flags may give up the rules for NaN, so a small sample is
measured again before the first proof (see `samples`). Exact values come from Python's decimal
arithmetic.
"""

import functools
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import RECORDS
from certify.enclosure.elementary.decimals import DIGITS
from certify.enclosure.elementary.record import Elementary
from certify.enclosure.margins import MARGINS
from certify.enclosure.registry import EnclosureError
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


def self_test() -> None:
    """Raises unless JAX's default backend computes as accurately as the enclosures assume.

    Takes a fraction of a second, once per process and backend.

    Raises:
        EnclosureError: Names the function, the platform and the error found.
    """
    _check(jax.default_backend())


@functools.cache
def _check(platform: str) -> None:
    with jax.ensure_compile_time_eval():
        if not _respects_nan():
            raise EnclosureError(
                f"on platform {platform!r} NaN does not spread through minima, maxima and tests "
                "for it, so nothing can be proved; remove fast-math flags from XLA_FLAGS"
            )
        errors = measure()
    for name, error in errors.items():
        if not error <= MARGINS[name].units:
            raise EnclosureError(
                f"{name!r} on platform {platform!r} is wrong by {error:.4g} units of 2^-52, but "
                f"the enclosures allow for {MARGINS[name].units:g}; nothing can be proved there"
            )


def measure(functions: Mapping[str, Callable] = FUNCTIONS) -> dict[str, float]:
    """Returns the worst relative error of each function over its sample, in units of 2^-52."""
    sample = {name: MEASURED[name].sample for name in functions}

    def evaluate(sample: dict[str, Any]) -> dict[str, Any]:
        return {name: function(*sample[name]) for name, function in functions.items()}

    @jax.jit
    def results(sample: dict[str, Any], numerators: Any) -> Any:
        # Vectors and scalars may run through different code; so do divisions by a constant.
        quotients = [functions["div"](numerators, jnp.full_like(numerators, c)) for c in DIVISORS]
        return evaluate(sample), lax.map(evaluate, sample), quotients

    vectors, scalars, quotients = jax.tree.map(np.asarray, results(sample, _NUMERATORS))
    worst = {}
    for name in functions:
        exact = _exact(name, sample[name])
        worst[name] = max(_error(exact, vectors[name]), _error(exact, scalars[name]))
    for divisor, values in zip(DIVISORS, quotients, strict=True):
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

"""Measures, on the platform at hand, what the enclosures take for granted of its arithmetic.

The margins of `rounding.MARGINS` were measured on one platform. Another compiler, accelerator or
math library may do worse, and compiler flags may give up the rules for NaN, so a small sample is
measured again before the first proof: arguments near the ends of each domain, near the thresholds
at which implementations switch formulas, where errors were found to be largest, and spread between.
Exact values come from Python's decimal arithmetic.
"""

import functools
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure import decimals
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rounding import MARGINS
from certify.rounding import EPSILON, TINY

FUNCTIONS: dict[str, Callable] = {
    "add": lax.add,
    "mul": lax.mul,
    "div": lax.div,
    "sqrt": lax.sqrt,
    "rsqrt": lax.rsqrt,
    "exp": lax.exp,
    "exp2": lax.exp2,
    "log": lax.log,
    "log1p": lax.log1p,
    "expm1": lax.expm1,
    "tanh": lax.tanh,
    "logistic": lax.logistic,
    "pow": lax.pow,
    "cbrt": lax.cbrt,
    "sin": lax.sin,
    "cos": lax.cos,
    "tan": lax.tan,
    "asin": lax.asin,
    "acos": lax.acos,
    "atan": lax.atan,
    "atan2": lax.atan2,
    "sinh": lax.sinh,
    "cosh": lax.cosh,
    "asinh": lax.asinh,
    "acosh": lax.acosh,
    "atanh": lax.atanh,
    "erf": lax.erf,
    "erfc": lax.erfc,
}
# XLA divides by a constant in its own way.
DIVISORS = (3.0, 10.0, 0.1, 49.0, 1e-300, 1e300)
_NUMERATORS = 1.0 + np.arange(40) / 40

_SAMPLES = 200


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
        if not error <= MARGINS[name][0]:
            raise EnclosureError(
                f"{name!r} on platform {platform!r} is wrong by {error:.4g} units of 2^-52, but "
                f"the enclosures allow for {MARGINS[name][0]:g}; nothing can be proved there"
            )


def measure(functions: Mapping[str, Callable] = FUNCTIONS) -> dict[str, float]:
    """The worst relative error of each function over the sample, in units of 2^-52."""
    sample = {name: arguments(name) for name in functions}

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
    """The worst of several results."""
    if not np.isfinite(computed).all():
        return np.inf
    worst = Decimal(0)
    with localcontext(Context(prec=decimals.DIGITS)):
        for value, result in zip(exact, computed.tolist(), strict=True):
            # Flushing to zero is not held against a function: every widening pays for that.
            excess = abs(Decimal(result) - value) - Decimal(TINY)
            worst = max(worst, excess / abs(value))
        return float(worst / Decimal(EPSILON))


def arguments(name: str) -> tuple[np.ndarray, ...]:
    """The sample of one function: an array for each of its operands."""
    t = (np.arange(1, _SAMPLES + 1) * 0.6180339887498949) % 1.0
    s = (np.arange(1, _SAMPLES + 1) * 0.7548776662466927) % 1.0
    sign = np.where(np.arange(_SAMPLES) % 2 == 0, 1.0, -1.0)
    wide = np.exp2(2040.0 * t - 1020.0)
    small = sign * np.exp2(-1020.0 * t)
    if name in ("add", "mul", "div"):
        x = np.where(s < 0.5, sign * np.exp2(1000.0 * t - 500.0), 1.0 + t)
        return x, np.roll(sign, 3) * np.exp2(4.0 * s - 2.0) * (np.abs(x) if name == "add" else 1.0)
    if name == "pow":
        base = np.where(s < 0.5, wide, np.where(s < 0.8, 1.0 + 0.5 * small, 0.5 + t))
        return base, sign * 708.0 * np.roll(t, 5) / np.maximum(np.abs(np.log(base)), 1e-30)
    if name in ("sqrt", "rsqrt"):
        return (np.where(s < 0.6, wide, 0.5 + 3.5 * t),)
    if name == "log":
        near_one = 1.0 + sign * np.exp2(-51.0 * t)
        x = np.where(s < 0.3, wide, np.where(s < 0.6, near_one, 0.3 + 2.7 * t))
        return (np.where(x <= 0.0, 0.5, np.where(x == 1.0, 2.0, x)),)
    if name == "atan2":
        return sign * np.exp2(900.0 * t - 450.0), np.roll(sign, 3) * np.exp2(900.0 * s - 450.0)
    # Floats next to multiples of a quarter turn, where a bad reduction would lose every digit.
    quarters = sign * np.round(np.exp2(39.0 * t)) * (np.pi / 2)
    angles = np.where(s < 0.5, quarters, np.where(s < 0.8, 50.0 * t - 25.0, sign * 2.0 ** (40 * t)))
    near_one = sign * (1.0 - np.exp2(-52.0 * t))
    signed_wide = sign * np.exp2(1020.0 * t)
    spread = {
        "cbrt": sign * wide,
        "acosh": np.where(s < 0.3, np.exp2(1023.0 * t), 1.0 + np.exp2(8.0 - 59.0 * t)),
        "sin": angles,
        "cos": angles,
        "tan": angles,
        "asin": np.where(s < 0.4, near_one, 2.0 * t - 1.0),
        "acos": np.where(s < 0.4, near_one, 2.0 * t - 1.0),
        "atan": np.where(s < 0.4, signed_wide, 6.0 * t - 3.0),
        "sinh": np.where(s < 0.5, 1420.0 * t - 710.0, 6.0 * t - 3.0),
        "cosh": np.where(s < 0.5, 1420.0 * t - 710.0, 6.0 * t - 3.0),
        "asinh": np.where(s < 0.3, signed_wide, 6.0 * t - 3.0),
        "atanh": np.where(s < 0.3, near_one, np.where(s < 0.6, sign * (0.41 + 0.02 * t), t - 0.5)),
        "erf": np.where(s < 0.2, 30.0 * t - 15.0, 6.0 * t - 3.0),
        "erfc": np.where(s < 0.5, 11.5 + 15.0 * t, 6.0 * t - 3.0),
        "exp": np.where(s < 0.5, 1417.0 * t - 708.0, 4.0 * t - 2.0),
        "exp2": np.where(s < 0.5, 2045.0 * t - 1022.0, 4.0 * t - 2.0),
        "expm1": np.where(s < 0.3, 749.0 * t - 40.0, 2.0 * t - 1.0),
        "log1p": np.where(s < 0.3, wide, np.where(s < 0.6, -np.exp2(-51.0 * t), 1.9 * t - 0.9)),
        "tanh": np.where(s < 0.6, 50.0 * t - 25.0, 2.0 * t - 1.0),
        "logistic": np.where(s < 0.5, 1400.0 * t - 700.0, 80.0 * t - 40.0),
    }[name]
    x = spread if name in ("cbrt", "acosh") else np.where(np.roll(s, 7) < 0.2, small, spread)
    hard = np.array(_HARD.get(name, ()))
    x[: hard.size] = hard
    return (x,)


# Where the largest errors were seen, and the ends of the domains.
_HARD = {
    "exp": [0.35907664613978, 436.34011253629, 709.515134896429, 709.78, -708.39, -708.0],
    "exp2": [1023.5485124412112, 1023.99, -1021.99, 1000.3, -1000.7, 512.5, 0.5],
    "expm1": [-0.064754881446, 0.00054009766, 0.06383367869, -0.351832866, 709.78, -40.0],
    "log1p": [-0.41421354710824, -0.41421113424669, 0.4161008101490594, -0.34994651, -1 + 2.0**-53],
    "tanh": [19.998372799251825, 19.9997937871, 9.80630668589, 0.58152499845, -22.0, 300.0],
    "cbrt": [9.60261720812218e307, -1.9465955974052932e306, 2.3e-308],
    "tan": [4.822408652565195e-07],
    "sinh": [654.6895802348176, 710.47, 0.002238329816349417],
    "cosh": [613.1085536577247, 710.47, -533.4025153877674],
    "acosh": [1.0627807838388075, 1.0000000000483722],
    "asinh": [0.36492256554845426, 0.3721672667661408],
    "atanh": [0.4142039409365489, -0.41417925505883635],
    "asin": [-0.008493615681177307],
    "acos": [0.9998772365308556, 0.9994928782882719],
    "erf": [0.05772240304535092],
    "erfc": [23.78415449756976, 22.911530782026237, 0.9928045077437022, 26.54],
    "logistic": [-37.1018419052833, -37.1672336820366, -20.460822599632593, -708.3, 750.0],
}


def _exact(name: str, operands: tuple[np.ndarray, ...]) -> list[Decimal]:
    function = decimals.FUNCTIONS[name]
    with localcontext(Context(prec=decimals.DIGITS)):
        columns = ([Decimal(float(x)) for x in operand] for operand in operands)
        return [function(*row) for row in zip(*columns, strict=True)]


def _respects_nan() -> bool:
    nan, one = np.full(5, np.nan), np.ones(5)

    def spread(nan: Any, one: Any) -> Any:
        several = (jnp.minimum(nan, one), jnp.maximum(one, nan), nan - nan, 0.0 * (one / 0.0))
        return jnp.stack([jnp.isnan(x) for x in several])

    return bool(jax.jit(spread)(nan, one).all())

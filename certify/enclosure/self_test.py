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

from .registry import EnclosureError
from .rounding import EPSILON, MARGINS, TINY

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
}
# XLA divides by a constant in its own way.
DIVISORS = (3.0, 10.0, 0.1, 49.0, 1e-300, 1e300)
_NUMERATORS = 1.0 + np.arange(40) / 40

_SAMPLES = 200
_DIGITS = 60


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
    with localcontext(Context(prec=_DIGITS)):
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
    spread = {
        "exp": np.where(s < 0.5, 1417.0 * t - 708.0, 4.0 * t - 2.0),
        "exp2": np.where(s < 0.5, 2045.0 * t - 1022.0, 4.0 * t - 2.0),
        "expm1": np.where(s < 0.3, 749.0 * t - 40.0, 2.0 * t - 1.0),
        "log1p": np.where(s < 0.3, wide, np.where(s < 0.6, -np.exp2(-51.0 * t), 1.9 * t - 0.9)),
        "tanh": np.where(s < 0.6, 50.0 * t - 25.0, 2.0 * t - 1.0),
        "logistic": np.where(s < 0.5, 1400.0 * t - 700.0, 80.0 * t - 40.0),
    }[name]
    x = np.where(np.roll(s, 7) < 0.2, small, spread)
    hard = np.array(_HARD[name])
    x[: hard.size] = hard
    return (x,)


# Where the largest errors were seen, and the ends of the domains.
_HARD = {
    "exp": [0.35907664613978, 436.34011253629, 709.515134896429, 709.78, -708.39, -708.0],
    "exp2": [1023.5485124412112, 1023.99, -1021.99, 1000.3, -1000.7, 512.5, 0.5],
    "expm1": [-0.064754881446, 0.00054009766, 0.06383367869, -0.351832866, 709.78, -40.0],
    "log1p": [-0.41421354710824, -0.41421113424669, 0.4161008101490594, -0.34994651, -1 + 2.0**-53],
    "tanh": [19.998372799251825, 19.9997937871, 9.80630668589, 0.58152499845, -22.0, 300.0],
    "logistic": [-37.1018419052833, -37.1672336820366, -20.460822599632593, -708.3, 750.0],
}


def _exact(name: str, operands: tuple[np.ndarray, ...]) -> list[Decimal]:
    function = _EXACT[name]
    with localcontext(Context(prec=_DIGITS)):
        columns = ([Decimal(float(x)) for x in operand] for operand in operands)
        return [function(*row) for row in zip(*columns, strict=True)]


def _expm1(x: Decimal) -> Decimal:
    # Below 1e-15 the next term of the series is beyond the fortieth digit.
    return x + x * x / 2 + x**3 / 6 if abs(x) < Decimal("1e-15") else x.exp() - 1


def _log1p(x: Decimal) -> Decimal:
    return x - x * x / 2 + x**3 / 3 if abs(x) < Decimal("1e-15") else (1 + x).ln()


def _tanh(x: Decimal) -> Decimal:
    return _expm1(2 * x) / (_expm1(2 * x) + 2)


_EXACT: dict[str, Callable[..., Decimal]] = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: 1 / x.sqrt(),
    "exp": lambda x: x.exp(),
    "exp2": lambda x: (x * Decimal(2).ln()).exp(),
    "log": lambda x: x.ln(),
    "log1p": _log1p,
    "expm1": _expm1,
    "tanh": _tanh,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "pow": lambda x, y: (y * x.ln()).exp(),
}


def _respects_nan() -> bool:
    nan, one = np.full(5, np.nan), np.ones(5)

    def spread(nan: Any, one: Any) -> Any:
        several = (jnp.minimum(nan, one), jnp.maximum(one, nan), nan - nan, 0.0 * (one / 0.0))
        return jnp.stack([jnp.isnan(x) for x in several])

    return bool(jax.jit(spread)(nan, one).all())

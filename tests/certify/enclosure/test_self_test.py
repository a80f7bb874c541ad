"""The start-up test measures what it should, and refuses platforms that do worse."""

import json
import time

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb
from jax import lax

from certify.enclosure import (
    EnclosureError,
    Interval,
    enclose,
    enclose_jacobian,
    margins,
    remembered,
    self_test,
)

BALLS = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "sqrt": arb.sqrt,
    "rsqrt": arb.rsqrt,
    "exp": arb.exp,
    "exp2": lambda x: (x * arb(2).log()).exp(),
    "log": arb.log,
    "log1p": arb.log1p,
    "expm1": arb.expm1,
    "tanh": arb.tanh,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "pow": lambda x, y: (y * x.log()).exp(),
    "cbrt": lambda x: (abs(x).log() / 3).exp() * (1 if x > 0 else -1),
    "sin": arb.sin,
    "cos": arb.cos,
    "tan": arb.tan,
    "asin": arb.asin,
    "acos": arb.acos,
    "atan": arb.atan,
    "atan2": lambda y, x: arb.atan2(y, x),
    "sinh": arb.sinh,
    "cosh": arb.cosh,
    "asinh": arb.asinh,
    "acosh": arb.acosh,
    "atanh": arb.atanh,
    "erf": arb.erf,
    "erfc": arb.erfc,
}


@pytest.fixture
def fresh(monkeypatch):
    """Nothing has been tested in this process, and nothing is remembered."""
    monkeypatch.setenv(remembered.VARIABLE, "off")
    self_test._tested.cache_clear()
    yield
    self_test._tested.cache_clear()


@pytest.fixture
def measured(monkeypatch, fresh):
    """The names that are measured, in order."""
    names, measure = [], self_test.measure
    monkeypatch.setattr(
        self_test, "measure", lambda functions: names.extend(functions) or measure(functions)
    )
    return names


def test_every_margin_is_measured():
    assert set(self_test.FUNCTIONS) == set(margins.MARGINS) == set(BALLS)


@pytest.mark.parametrize("name", BALLS)
def test_reference_values(name):
    """Decimal arithmetic and ball arithmetic agree to forty digits on the whole sample."""
    sample = self_test.MEASURED[name].sample
    assert all(np.isfinite(x).all() and x.size == 200 for x in sample)
    for exact, numbers in zip(
        self_test._exact(name, sample), zip(*sample, strict=True), strict=True
    ):
        value = BALLS[name](*(arb(float(x)) for x in numbers))
        assert abs(value - arb(str(exact))) <= abs(value) * arb("1e-40")


def test_what_is_used_is_measured_once_and_nothing_else(measured):
    enclose(lambda x: jnp.exp(x) / 3.0)(Interval(0.0, 1.0))
    assert sorted(measured) == ["add", "div", "exp", "mul"]
    start = time.perf_counter()
    enclose(lambda x: jnp.exp(2.0 * x))(Interval(0.0, 1.0))
    assert time.perf_counter() - start < 1.0
    assert sorted(measured) == ["add", "div", "exp", "mul"]
    with pytest.raises(EnclosureError, match="no enclosure rule"):
        enclose(lambda x: lax.lgamma(x))(Interval(1.0, 2.0))
    assert len(measured) == 4


@pytest.mark.parametrize("name", BALLS)
def test_no_margin_without_a_test(measured, name):
    assert margins.units(name) == margins.MARGINS[name].units
    assert name in measured and len(measured) == len({"add", "mul", name})


def test_functions_inside_of_other_code_are_measured(measured):
    """`sin` is seen in the code, `cos` only by the rule of its derivative."""
    enclose_jacobian(lambda x: jax.lax.cond(x[0] > 2.0, jnp.tanh, jnp.sin, x).sum())(
        Interval(jnp.zeros(1), jnp.ones(1))
    )
    assert {"sin", "cos"} <= set(measured)


def test_margins_leave_room():
    """On this platform every function does at most a third of what is allowed."""
    for name, error in self_test.measure().items():
        room = 1.0 if margins.MARGINS[name][1].startswith("rounded") else 3.0
        assert 0.3 < room * error <= margins.MARGINS[name][0], name


@pytest.mark.parametrize("name", ["add", "exp", "log1p", "tanh", "pow", "sqrt", "div"])
def test_a_worse_function_is_refused(monkeypatch, fresh, tmp_path, name):
    monkeypatch.setenv(remembered.VARIABLE, str(tmp_path))
    worse, good = 3.0 * margins.units(name) * margins.EPSILON, self_test.FUNCTIONS[name]
    self_test._tested.cache_clear()
    for file in tmp_path.iterdir():
        file.unlink()
    monkeypatch.setitem(self_test.FUNCTIONS, name, lambda *x: good(*x) * (1.0 + worse))
    for _ in range(2):  # a failure is no success the next time, here or in another process
        for use in (lambda: margins.units(name), lambda: self_test.self_test((name,))):
            with pytest.raises(EnclosureError, match=rf"'{name}' on platform 'cpu' is wrong by"):
                use()
        self_test._tested.cache_clear()
    assert not any(name in json.loads(path.read_text())["passed"] for path in tmp_path.iterdir())


def test_a_worse_function_is_refused_by_enclosures(monkeypatch, fresh):
    monkeypatch.setitem(self_test.FUNCTIONS, "cos", lambda x: lax.cos(x) * (1.0 + 1e-14))
    enclose(jnp.sin)(Interval(0.0, 1.0))
    for program in (enclose(jnp.cos), jax.jit(enclose(jax.grad(jnp.sin)))):
        with pytest.raises(EnclosureError, match="'cos' on platform 'cpu' is wrong by"):
            program(Interval(jnp.array(0.0), jnp.array(1.0)))


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_nan_and_early_overflow_are_refused(value):
    functions = {**self_test.FUNCTIONS, "exp": lambda x: jnp.where(x > 709, value, lax.exp(x))}
    assert self_test.measure(functions)["exp"] == np.inf


def test_fast_math_is_refused(monkeypatch, fresh):
    monkeypatch.setattr(self_test, "_respects_nan", lambda: False)
    with pytest.raises(EnclosureError, match="XLA_FLAGS"):
        jax.jit(enclose(lambda x: x))(Interval(0.0, 1.0))


@pytest.mark.full
def test_it_runs_inside_transformations(fresh):
    box = jax.jit(jax.vmap(enclose(jnp.exp)))(jnp.zeros(3))
    assert bool(box.contains(1.0).all())


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize(
    "name", [name for name in BALLS if name not in ("add", "mul", "div", "pow", "atan2")]
)
def test_margins_hold_in_every_code_path(name, size):
    """Scalars, odd tails and vectors; compiled and eager; far from the sample of the self-test."""
    rng = np.random.default_rng(size)
    x = {
        "exp": rng.uniform(-708, 709.7, 448),
        "exp2": rng.uniform(-1021, 1023.9, 448),
        "expm1": rng.choice([-1, 1], 448) * 2.0 ** rng.uniform(-60, 5, 448),
        "log": 1 + rng.choice([-1, 1], 448) * 2.0 ** rng.uniform(-50, -1, 448),
        "log1p": rng.choice([-1, 1], 448) * 2.0 ** rng.uniform(-60, -0.01, 448),
        "tanh": rng.uniform(-22, 22, 448),
        "logistic": rng.uniform(-700, 40, 448),
        **dict.fromkeys(["sin", "cos", "tan"], rng.uniform(-1e4, 1e4, 448)),
        **dict.fromkeys(["asin", "acos", "atanh"], rng.uniform(-1, 1, 448)),
        **dict.fromkeys(["sinh", "cosh"], rng.uniform(-710, 710, 448)),
        "acosh": 1 + 2.0 ** rng.uniform(-50, 1000, 448),
        "erf": rng.uniform(-7, 7, 448),
        "erfc": rng.uniform(-7, 26.5, 448),
    }.get(name, 2.0 ** rng.uniform(-1021, 1023, 448))
    function = self_test.FUNCTIONS[name]
    rows = x.reshape(-1, size)
    compiled = jax.jit(lambda x: lax.map(function, x))(rows)
    eager = np.stack([function(row) for row in rows[:20]])
    for computed in (compiled, eager):
        for number, value in zip(rows.ravel().tolist(), np.ravel(computed).tolist(), strict=False):
            exact = BALLS[name](arb(number))
            slack = abs(exact) * margins.units(name) * margins.EPSILON / 3 + margins.TINY
            assert abs(arb(value) - exact) <= slack


def test_exact_values_need_many_digits():
    assert flint.ctx.prec == 220

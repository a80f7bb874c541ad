"""Budgets are kept by every part, and something is said at once."""

import _thread
import dataclasses
import math
import signal
import threading
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.enclosure.programs.compiling import (
    ONCE,
    compiled,
    equations,
    for_once,
    seconds_to_compile,
)
from certify.jacobian.enclosure_choice import (
    AffineArithmetic,
    AutoEnclosure,
    IntervalMatrices,
    Taylor,
)
from certify.problem.field import flat_field
from certify.search.budget import Budget
from certify.search.progress import Progress
from certify.search.stages import OutOfTime, Stages

GAME = dg.game(lambda x, args: (x[0] ** 2 + 0.1 * jnp.sin(x[0]) * x[1], x[1] ** 2))
BOX = certify.Box.around((0.0, 0.0), 0.5)


def linear_quadratic(steps, bent=0.0):
    """Two players steer one system, written as a loop."""
    A = jnp.array([[1.0, 0.1], [0.0, 0.95]])
    B = jnp.array([[0.0, 0.1], [0.1, 0.05]])

    def costs(x, args):
        def step(s, u):
            s = A @ s + u[0] * B[0] + u[1] * B[1]
            s = s + bent * jnp.tanh(s) if bent else s
            return s, (s @ s + 0.5 * u[0] ** 2, (s[0] - 1) ** 2 + 0.5 * u[1] ** 2)

        _, (one, two) = jax.lax.scan(step, jnp.array([1.0, 0.0]), (x["u"], x["v"]))
        return {"u": one.sum(), "v": two.sum()}

    return dg.game(costs), {"u": jnp.zeros(steps), "v": jnp.zeros(steps)}


def feedback_gains():
    """Costs of two linear feedback laws: a linear system is solved for them."""
    A = np.array([[0.588, 0.028], [0.57, 0.056]])
    B = np.array([[[1.0], [1.0]], [[0.0], [1.0]]])

    def costs(x, args):
        M = A - B[0] @ x[0].reshape(1, 2) - B[1] @ x[1].reshape(1, 2)
        S = jnp.linalg.solve(jnp.eye(4) - jnp.kron(M, M), 0.5 * jnp.eye(2).reshape(-1))
        return S[0] + 0.01 * x[0] @ x[0], S[3] + 0.01 * x[1] @ x[1]

    return dg.game(costs), (jnp.array([0.5134, 0.0439]), jnp.array([0.0525, 0.0114]))


class TestStages:
    def test_the_first_one_comes_before_any_work(self, monkeypatch):
        states = []

        def tracing(*arguments):
            assert [state.stage for state in states] == ["tracing the costs"]
            raise KeyboardInterrupt

        monkeypatch.setattr("certify.prove.arguments.flat_field", tracing)
        for call in (certify.certify, certify.estimate):
            states.clear()
            options: Any = {"key": jax.random.key(0)} if call is certify.estimate else {}
            with pytest.raises(KeyboardInterrupt):
                call(GAME, BOX, search=certify.Search(progress=states.append), **options)

    def test_each_has_words(self):
        states = []
        found = certify.certify(GAME, BOX, search=certify.Search(progress=states.append))
        assert found.status == "proved"
        before = [state for state in states if state.stage]
        assert len(before) >= 4 and all(state.cells == 0 for state in before)
        assert all(math.isnan(state.margin) for state in before)
        assert [state.in_words for state in before] == [state.stage for state in before]
        assert states[-1].in_words.startswith(f"{states[-1].cells} cells, margin to prove")
        assert Progress(3, 0.5, 0.6, 1.0).in_words == "3 cells, margin to prove 0.5 of 0.6"

    def test_a_spent_budget_ends_the_next_one(self):
        stages = Stages(Budget(1, 1e-9))
        stages.begin("one")  # something is done in any case
        with pytest.raises(OutOfTime, match="1e-09 seconds was used up while one"):
            stages.begin("two")
        stages.begin("three", must=True)
        unlimited = Stages(Budget(1))
        unlimited.begin("one")
        unlimited.begin("two")
        assert unlimited.deadline(0.5)() == math.inf

    @pytest.mark.parametrize("last", range(1, 6))
    def test_wherever_the_time_runs_out_that_is_the_reason(self, last, monkeypatch):
        """After the first, second, ... stage no time is left."""
        begun = []

        def elapsed(self):
            return 0.0 if len(begun) <= last else 1e9

        monkeypatch.setattr(Budget, "elapsed", property(elapsed))
        found = certify.certify(
            GAME,
            BOX,
            search=certify.Search(max_seconds=1e6, progress=lambda state: begun.append(state)),
        )
        if found.status != "proved":
            assert "the budget of 1e+06 seconds was used up" in found.reasons[-1]
        assert len(begun) <= 2 + last or found.status == "proved"


class TestEnclosures:
    def test_how_long_it_takes_to_compile(self):
        assert 1.0 < seconds_to_compile(1300) < 3.0  # measured: 1.2 to 2.5 s
        assert 15.0 < seconds_to_compile(10_240) < 25.0  # 19 s
        assert 30.0 < seconds_to_compile(17_580) < 60.0  # 40 s
        assert 150.0 < seconds_to_compile(52_853) < 300.0  # 207 s

    def test_another_one_where_there_is_no_time(self):
        game, centre = linear_quadratic(9, bent=0.02)
        field = flat_field(game, certify.Box.around(centre, 0.02))
        auto, needed = AutoEnclosure(), AffineArithmetic().seconds(field)
        usual = auto.select(field, 2 * needed)
        assert usual.enclosure == AffineArithmetic() and usual.compiled and not usual.shortfall
        quicker = auto.select(field, needed / 2)
        assert quicker.enclosure in (Taylor(), IntervalMatrices()) and not quicker.shortfall
        assert "AffineArithmetic() would take about" in quicker.why
        # Without a choice, or without any time, it is said at once.
        for asked, left, fallback in (
            (auto, needed / 2, False),
            (AffineArithmetic(), needed / 2, True),
            (auto, 1e-3, True),
        ):
            found = asked.select(field, left, fallback=fallback)
            assert "compiling AffineArithmetic() would take about" in found.shortfall

    def test_nothing_is_begun_that_cannot_end(self, monkeypatch):
        game, centre = linear_quadratic(9, bent=0.02)
        monkeypatch.setattr("certify.jacobian.enclosure_choice._length", lambda field: 10**9)
        monkeypatch.setattr("certify.jacobian.enclosure_choice.is_short", lambda field: False)
        monkeypatch.setattr(
            "certify.prove.question.find_zero", lambda field, region, spent: np.zeros(18)
        )
        monkeypatch.setattr("certify.prove.margin_search.crew", lambda *arguments, **options: 1 / 0)
        found = certify.certify(
            game, certify.Box.around(centre, 0.02), search=certify.Search(max_seconds=500.0)
        )
        assert found.status == "undecided"
        assert "compiling AffineArithmetic() would take" in found.reasons[0]

    def test_linear_systems_are_left_to_polynomials(self):
        game, centre = feedback_gains()
        field = flat_field(game, certify.Box.around(centre, 1e-3))
        assert AffineArithmetic().seconds(field) > 60
        assert AutoEnclosure().select(field).enclosure == Taylor()

    def test_a_constant_jacobian_is_not_compiled(self, monkeypatch):
        """It has one cell, which is measured once."""
        game, centre = linear_quadratic(5)
        sizes = []

        def compiling(traced):
            sizes.append(equations(traced.jaxpr.jaxpr))
            return compiled(traced)

        monkeypatch.setattr("certify.enclosure.programs.compiling.compiled", compiling)
        monkeypatch.setattr("certify.jacobian.evaluator.compiled", compiling)
        found = certify.certify(
            game, certify.Box.around(centre, 3.0), search=certify.Search(max_seconds=900.0)
        )
        assert found.status == "proved" and found.cells == 1
        assert all(size <= ONCE for size in sizes)


class TestCompiling:
    def test_the_same_numbers_either_way(self, monkeypatch):
        x = jnp.linspace(0.0, 1.0, 5)
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)

        def function(x):
            return jnp.cumsum(jnp.sin(x) * x)

        quick = for_once(function, shape)
        monkeypatch.setattr("certify.enclosure.programs.compiling.ONCE", 0)
        assert for_once(function, shape) is function
        assert np.allclose(quick(x), function(x))

    def test_errors_of_the_compiler_arrive(self):
        class Broken:
            def lower(self):
                return self

            def compile(self):
                raise ValueError("no such device")

        with pytest.raises(ValueError, match="no such device"):
            compiled(Broken())

    def test_ctrl_c_does_not_wait_for_the_compiler(self, monkeypatch):
        """It is abandoned, and the process may end without it."""
        left, going = [], threading.Event()

        class Endless:
            def lower(self):
                return self

            def compile(self):
                _thread.interrupt_main()
                going.wait(60.0)

        monkeypatch.setattr("atexit.register", lambda *arguments: left.append(arguments))
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                compiled(Endless())
            assert not going.is_set() and len(left) == 1
        finally:
            going.set()
            signal.signal(signal.SIGINT, handler)


def test_growing_regions_share_one_budget(monkeypatch):
    given = []

    def slowly(game, region, methods, *, search, **options):
        given.append(search.max_seconds)
        time.sleep(0.05)
        search = dataclasses.replace(search, max_seconds=None)
        return certify.certify(game, region, methods, search=search, **options)

    monkeypatch.setattr("certify.prove.growth.certify", slowly)
    found = certify.grow(
        GAME, (0.0, 0.0), most=100.0, accuracy=1e-9, search=certify.Search(max_seconds=0.5)
    )
    assert found.status == "proved"
    assert given == sorted(given, reverse=True) and given[0] <= 0.5
    assert len(given) < 12  # of about forty


@pytest.mark.full
def test_many_players_are_estimated_quickly():
    """Ten players of three coordinates, whose couplings leave weights something to gain."""
    C = jax.random.normal(jax.random.key(0), (30, 30)) * 0.1
    C = C.at[:3].mul(6.0)

    def costs(x, args):
        u = jnp.tanh(C @ jnp.concatenate(x)).reshape(10, 3)
        return tuple(jnp.sum(own**2) + own @ u[i] for i, own in enumerate(x))

    region = certify.Box.around(tuple(jnp.zeros(3) for _ in range(10)), 0.02)
    start = time.process_time()
    found = certify.estimate(dg.game(costs), region, 40, key=jax.random.key(0))
    assert time.process_time() - start < 30
    assert max(found.weights.values()) > 1.5 * min(found.weights.values())

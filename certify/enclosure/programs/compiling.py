"""Estimates how long XLA would take to compile a program, and avoids that where it is too long.

An enclosure is a long program without loops, and XLA takes about as many milliseconds for it as it
has equations, several times over: minutes for tens of thousands of them. JAX can run the same
program operation by operation instead: it starts at once and is far slower from then on. That pays
where a program is run once or twice.
"""

import atexit
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

# The seconds per equation, about, that XLA takes for a short program, and the number of equations
# at which they have doubled: measured for enclosures of 1,300 to 53,000 equations on a busy machine
# of two cores.
_SECONDS, _DOUBLED = 0.001, 15_000
# A program that is run once is compiled only if it has no more equations than this.
ONCE = 1500


def equations(jaxpr: core.Jaxpr) -> int:
    """Counts the equations of a program, those of inner programs included.

    Example:
        >>> equations(jax.make_jaxpr(lambda x: 2.0 * x + 1.0)(1.0).jaxpr)
        2
    """
    inner = (core.jaxprs_in_params(equation.params) for equation in jaxpr.eqns)
    return len(jaxpr.eqns) + sum(equations(one) for many in inner for one in many)


def seconds_to_compile(count: int) -> float:
    """Estimates how long a program of so many equations takes to compile.

    Example:
        >>> round(seconds_to_compile(1500), 2), round(seconds_to_compile(50_000))
        (1.65, 217)
    """
    return _SECONDS * count * (1 + count / _DOUBLED)


def compiled(traced: Any) -> Callable:
    """Compiles what `jax.jit(function).trace(...)` returned, so that Ctrl-C ends the wait.

    XLA itself cannot be interrupted: it goes on in a thread that nobody waits for, and ends with
    the process.
    """
    return _interruptible(traced.lower())


def shared(traced: Any) -> Callable:
    """Compiles what `jax.jit(function).trace(...)` returned, but for its constants.

    Floats that the program holds as arrays, such as the parameters of a game and what follows from
    them alone, become its arguments. So games that differ in nothing else share one program: the
    one with the very same lowered text. Numbers that belong to the rules of enclosures are literals
    of the program, and stay in it.

    Args:
        traced: Of a function of arrays, on one device.
    """
    closed, structure = traced.jaxpr, jax.tree.structure(traced.out_info)
    lifted = [np.dtype(x.dtype) == np.float64 for x in map(jnp.asarray, closed.consts)]
    numbers = [x for x, lift in zip(closed.consts, lifted, strict=True) if lift]

    def program(numbers: Any, arguments: Any) -> Any:
        given = iter(numbers)
        consts = [next(given) if lift else x for x, lift in zip(closed.consts, lifted, strict=True)]
        return core.jaxpr_as_fun(core.ClosedJaxpr(closed.jaxpr, consts))(*arguments)

    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in closed.in_avals]
    like = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in numbers]
    lowered = jax.jit(program).trace(like, shapes).lower()
    text = f"{jax.default_backend()} {jax.config.jax_default_device} {lowered.as_text()}"  # pyright: ignore
    run = _executable(_Lowered(hashlib.sha256(text.encode()).hexdigest(), lowered))
    return lambda *arguments: structure.unflatten(run(numbers, [*arguments]))


@dataclass(frozen=True)
class _Lowered:
    """A lowered program, which is known by its text."""

    text: str
    program: Any = field(compare=False)


@functools.lru_cache(maxsize=32)
def _executable(lowered: _Lowered) -> Callable:
    return _interruptible(lowered.program)


def _interruptible(lowered: Any) -> Callable:
    """Compiles in a thread of its own."""
    found, failed, done = [], [], threading.Event()

    def work() -> None:
        try:
            found.append(lowered.compile())
        except BaseException as error:  # reraised in the thread that waits
            failed.append(error)
        finally:
            done.set()

    if threading.current_thread() is not threading.main_thread():
        return lowered.compile()
    try:
        threading.Thread(target=work, daemon=True).start()
        while not done.wait(0.2):
            pass
    except KeyboardInterrupt:
        atexit.register(_leave, done)
        raise
    if failed:
        raise failed[0]
    return found[0]


def _leave(done: threading.Event) -> None:
    """Ends the process at its end although XLA still compiles, which would abort it otherwise."""
    if not done.is_set():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)  # the exit status of an interrupted command


def for_once(function: Callable, *shapes: Any) -> Callable:
    """Returns a function that will be run once or twice: compiled if that is quick."""
    traced = jax.jit(function).trace(*shapes)
    return function if equations(traced.jaxpr.jaxpr) > ONCE else shared(traced)


def on_arrays(function: Callable) -> Callable:
    """Returns the function on arguments made arrays of JAX, as those of a compiled one are."""
    return lambda *arguments: function(*map(jnp.asarray, arguments))

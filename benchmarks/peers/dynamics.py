"""Steps of learning dynamics: `dgames.solve` beside loops by hand, optax and PyTorch."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

import dgames as dg
from benchmarks.peers import torch_dynamics
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Steps of learning dynamics"

ABOUT = """\
Seconds per step of `dgames.solve`, as users call it, on two zero-sum games in float64: a
quadratic one of 2 x 32 coordinates, and a generator against a discriminator (equinox networks,
2-32-32-2 and 2-32-32-1, 64 samples, weight decay). All follow the same path to rounding. Ours
stops on the natural residual of the strategy it returns, on numbers that are not finite and on
strategies 1e12 times larger than at the start, and keeps a history of residuals.

- *loop, same work*: a jitted `lax.while_loop` written by hand for the one game and method, with
  the same tests and every residual recorded; the field is evaluated once where it serves both the
  step and the test.
- *loop, residual test*: the same without the record and without the test for blow-up.
- *loop, no test*: as many steps as asked for. The field at the new strategy is not evaluated
  where the method does not need it: the optimistic method then has one evaluation per step where
  ours has two.
- *optax*: the loop with the residual test around optax's own update rule. PyTorch: a Python loop,
  eager or with its step compiled, with the same test, on one thread, which is quicker for arrays
  this small.

Times include what a call of `solve` costs before the first step; the row *a call of no steps* has
it alone. XLA runs up to eight operations of a step one after another on the CPU, and more of them
through its thread pool, which costs as much again: ratios of the smallest game jump there. What
ours does beyond the loop with the residual test is the test for blow-up, a norm of the strategy,
and the history.
"""

MOMENTUM = 0.6 * complex(math.cos(0.3 * math.pi), math.sin(0.3 * math.pi))
STEP = 0.01


@dataclass(frozen=True)
class Problem:
    """A zero-sum game in every form that is needed.

    Attributes:
        name: What it is called.
        payoff: Of a list of arrays; the first player pays it to the second.
        start: The list of arrays to start from.
        own: How many of the arrays are the first player's.
        game: The same as a game, and its start.
        torch: Makes the payoff of lists of tensors, given the module.
        steps: For JAX and for PyTorch, in one run.
    """

    name: str
    payoff: Callable[[list[Array]], Array]
    start: list[Array]
    own: int
    game: tuple[dg.Game, Any]
    torch: Callable[[Any], Callable]
    steps: tuple[int, int]

    def field(self, x: list[Array]) -> list[Array]:
        """The pseudo-gradient, by hand."""
        gradient = jax.grad(self.payoff)(x)
        return [*gradient[: self.own], *(-leaf for leaf in gradient[self.own :])]


def quadratic(size: int = 32, steps: tuple[int, int] = (100_000, 200)) -> Problem:
    """`a R b + (|a|^2 - |b|^2) / 20` with an orthogonal R."""
    matrix = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]

    def payoff(x: Any) -> Any:
        return x[0] @ jnp.asarray(matrix) @ x[1] + 0.05 * (x[0] @ x[0] - x[1] @ x[1])

    start = [jnp.ones(size), jnp.ones(size)]
    game = dg.zero_sum(lambda x, args: payoff(x))
    torch = functools.partial(torch_dynamics.quadratic, matrix)
    return Problem(f"quadratic, 2 x {size}", payoff, start, 1, (game, tuple(start)), torch, steps)


def networks(width: int = 32, samples: int = 64, steps: tuple[int, int] = (500, 50)) -> Problem:
    """A generator and a discriminator of points in the plane, with weight decay."""
    generator = eqx.nn.MLP(2, 2, width, 2, jnp.tanh, key=jax.random.key(0))
    discriminator = eqx.nn.MLP(2, "scalar", width, 2, jnp.tanh, key=jax.random.key(1))
    rng = np.random.default_rng(0)
    noise, angles = rng.standard_normal((samples, 2)), 2 * np.pi * rng.integers(0, 8, samples) / 8
    real = np.stack([np.cos(angles), np.sin(angles)], -1) + 0.1 * rng.standard_normal((samples, 2))
    parts = [eqx.partition(model, eqx.is_array) for model in (generator, discriminator)]
    arrays, statics = zip(*parts, strict=True)
    leaves = [jax.tree.leaves(part) for part in arrays]
    own, structure = len(leaves[0]), jax.tree.structure(arrays)

    def value(x: Any, args: Any = None) -> Any:
        generate, judge = (eqx.combine(*pair) for pair in zip(x, statics, strict=True))
        fake = jax.vmap(generate)(jnp.asarray(noise))
        scores = jax.vmap(judge)(jnp.asarray(real)), jax.vmap(judge)(fake)
        gain = -jnp.mean(jax.nn.softplus(-scores[0])) - jnp.mean(jax.nn.softplus(scores[1]))
        decay = [sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(part)) for part in x]
        return gain + 0.005 * (decay[0] - decay[1])

    start = [leaf for part in leaves for leaf in part]
    torch = functools.partial(torch_dynamics.networks, noise, real, own)
    return Problem(
        f"two networks, {sum(leaf.size for leaf in start)} weights",
        lambda x: value(jax.tree.unflatten(structure, x)),
        start,
        own,
        (dg.zero_sum(value), arrays),
        torch,
        steps,
    )


# The methods by hand: a step from x, where the field is `force`, with a state.


def moved(x: list, direction: list, step: float | Array = STEP) -> list:
    """`x - step * direction`."""
    return [leaf - step * d for leaf, d in zip(x, direction, strict=True)]


def simultaneous(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """Gradient descent of everyone."""
    return moved(x, force), state


def extragradient(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """A trial step first."""
    return moved(x, field(moved(x, force))), state


def optimistic(field: Callable, x: list, force: list, state: list) -> tuple[list, list]:
    """The past field for the trial step."""
    present = field(moved(x, state))
    return moved(x, present), present


def reflected(field: Callable, x: list, force: list, state: list) -> tuple[list, list]:
    """The optimistic method in the form that optax has."""
    return moved(x, [2 * new - old for new, old in zip(force, state, strict=True)]), force


def complex_momentum(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """A complex buffer, as two real ones."""
    a, b = MOMENTUM.real, MOMENTUM.imag
    parts = list(zip(*state, strict=True))
    real = [a * re - b * im - f for (re, im), f in zip(parts, force, strict=True)]
    imaginary = [b * re + a * im for re, im in parts]
    return moved(x, real, -STEP), (real, imaginary)


@dataclass(frozen=True)
class Method:
    """A method of ours and the same by hand.

    Attributes:
        ours: As a user writes it.
        step: By hand.
        state: Of `x` and the field there, before the first step.
        uses_force: Whether the step needs the field at `x`.
    """

    ours: dg.AbstractMethod
    step: Callable
    state: Callable[[list, list], Any] = lambda x, force: ()
    uses_force: bool = True


def zeros(x: list, force: list) -> tuple[list, list]:
    """Two empty buffers."""
    return [0 * leaf for leaf in x], [0 * leaf for leaf in x]


METHODS = {
    "simultaneous": Method(dg.Simultaneous(STEP), simultaneous),
    "extragradient": Method(dg.Extragradient(STEP), extragradient),
    "optimistic": Method(dg.Optimistic(STEP), optimistic, lambda x, force: force, uses_force=False),
    "complex momentum": Method(dg.ComplexMomentum(STEP, MOMENTUM), complex_momentum, zeros),
    "optimistic, reflected": Method(
        dg.Optimistic(STEP, reflected=True), reflected, lambda x, force: force
    ),
}


def size(x: list[Array]) -> Array:
    """The Euclidean norm."""
    return jnp.sqrt(functools.reduce(operator.add, [jnp.sum(leaf**2) for leaf in x]))


def by_hand(
    problem: Problem, method: Method, tests: str, adjusted: Callable | None = None
) -> Callable[..., list[Array]]:
    """A jitted loop: `tests` is "same work", "residual test" or "no test".

    Args:
        problem: The game.
        method: How to step.
        tests: What is tested and recorded in each step.
        adjusted: The field to follow, by default the pseudo-gradient.
    """
    follow = problem.field if adjusted is None else adjusted

    @jax.jit
    def tested(x: list[Array], budget: Array, tol: Array) -> list[Array]:
        limit, force = 1e12 * jnp.maximum(size(x), 1), follow(x)
        record = jnp.full(budget_of_record, jnp.nan)

        def running(carry: Any) -> Array:
            x, _, _, residual, steps, _ = carry
            going = (residual > tol) & (residual < jnp.inf) & (steps < budget)
            return going & (size(x) <= limit) if tests == "same work" else going

        def body(carry: Any) -> Any:
            x, force, state, _, steps, record = carry
            x, state = method.step(follow, x, force, state)
            force = follow(x)
            residual = size(force)
            if tests == "same work":
                record = record.at[steps].set(residual)
            return x, force, state, residual, steps + 1, record

        start = x, force, method.state(x, force), size(force), jnp.zeros((), int), record
        return jax.lax.while_loop(running, body, start)[0]

    @jax.jit
    def untested(x: list[Array], budget: Array, tol: Array) -> list[Array]:
        def body(_: Any, carry: Any) -> Any:
            x, state = carry
            force = follow(x) if method.uses_force else None
            return method.step(follow, x, force, state)

        return jax.lax.fori_loop(0, budget, body, (x, method.state(x, follow(x))))[0]

    budget_of_record = problem.steps[0] if tests == "same work" else 0
    run = untested if tests == "no test" else tested
    return lambda steps, tol=0.0: run(problem.start, jnp.asarray(steps), jnp.asarray(tol))


def by_optax(problem: Problem, rule: optax.GradientTransformation) -> Callable:
    """The loop with the residual test, around an update rule of optax."""

    def step(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
        updates: Any
        updates, state = rule.update(force, state, x)
        return [leaf + update for leaf, update in zip(x, updates, strict=True)], state

    method = Method(dg.Simultaneous(STEP), step, lambda x, force: rule.init(x))
    return by_hand(problem, method, "residual test")


def by_us(problem: Problem, method: Method) -> Callable[[int], list[Array]]:
    """`dgames.solve`, as users call it."""
    game, start = problem.game

    def run(steps: int) -> list[Array]:
        found = dg.solve(game, method.ours, start, max_steps=steps, tol=0)
        return jax.tree.leaves(found.strategy)

    return run


def by_torch(problem: Problem, method: Method, compiled: bool) -> Callable[[int], list[Any]]:
    """A Python loop in PyTorch."""
    start = [np.asarray(leaf) for leaf in problem.start]
    return torch_dynamics.runner(
        problem.torch, start, problem.own, method.step, method.state, compiled
    )


def distance(a: list, b: list) -> float:
    """The largest difference between two strategies."""
    pairs = zip(a, b, strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


def row(
    problem: Problem,
    name: str,
    peer: str,
    theirs: Callable,
    steps: int,
    turns: int,
    compiled: bool = False,
) -> Row:
    """One row: agreement after a hundred steps, then time per step.

    Args:
        problem: The game.
        name: The method.
        peer: What `theirs` is called.
        theirs: The peer, given a number of steps.
        steps: How many to take in each turn.
        turns: How often both are run.
        compiled: Whether ours was compiled for an earlier row.
    """
    ours, own_steps = by_us(problem, METHODS[name]), problem.steps[0]
    (_, first), (_, their_cold) = timed(lambda: ours(1)), timed(lambda: theirs(1))
    cold = None if compiled else first
    few = min(100, steps)
    apart = distance(ours(few), theirs(few))
    functions = (lambda: ours(own_steps), lambda: theirs(steps))
    seconds = in_turns(functions, turns, (own_steps, steps))
    results = f"after {few} steps {apart:.0e} apart"
    return Row(
        f"{problem.name}: {name}", peer, compared(*seconds), "step", (cold, their_cold), results
    )


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    turns = 3 if quick else 11
    problems = (
        [quadratic(steps=(1000, 5)), networks(4, 8, (20, 2))]
        if quick
        else [quadratic(), networks()]
    )
    for problem in problems:
        many, few = problem.steps
        for name in ("simultaneous", "extragradient", "optimistic", "complex momentum"):
            for tests in ("same work", "residual test", "no test"):
                loop = by_hand(problem, METHODS[name], tests)
                compiled = tests != "same work"
                yield row(problem, name, f"loop, {tests}", loop, many, turns, compiled)
        for name, rule in (
            ("simultaneous", optax.sgd(STEP)),
            ("optimistic, reflected", optax.optimistic_gradient_descent(STEP)),
        ):
            loop = by_optax(problem, rule)
            compiled = name == "simultaneous"
            yield row(problem, name, "optax", loop, many, turns, compiled)
        for name in ("simultaneous", "extragradient", "optimistic", "complex momentum"):
            if missing("torch"):
                yield not_run(f"{problem.name}: {name}", "PyTorch", "not installed")
                continue
            loop = by_torch(problem, METHODS[name], False)
            yield row(problem, name, "PyTorch, eager", loop, few, turns, True)
            if not quick and name in ("simultaneous", "extragradient"):
                loop = by_torch(problem, METHODS[name], True)
                yield row(problem, name, "PyTorch, compiled", loop, few, turns, True)
    yield call(turns)


def call(turns: int) -> Row:
    """What a call costs before the first step, beside that of a jitted function."""
    problem, method = quadratic(), METHODS["simultaneous"]
    ours, theirs = by_us(problem, method), by_hand(problem, method, "residual test")
    colds = timed(lambda: ours(0))[1], timed(lambda: theirs(0))[1]
    seconds = in_turns((lambda: ours(0), lambda: theirs(0)), 5 * turns)
    what = f"{problem.name}: a call of no steps"
    return Row(what, "loop, residual test", compared(*seconds), "call", colds, "the start")

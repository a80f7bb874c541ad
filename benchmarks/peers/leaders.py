"""Derivatives of a leader's reduced cost: implicit ones, and those through the followers' steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx

import dgames as dg
from benchmarks.peers.table import Row
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Leaders"

ABOUT = """\
Seconds for one total derivative of a leader, compiled. Ours finds the followers' answer, within
bounds if they have any, and solves one linear system. The peers are what one would write in JAX
without us: gradient steps of the followers in `jax.lax.scan`, differentiated by `jax.grad`, which
are as good as ours only after many steps; and `optimistix.root_find` with its own implicit
derivatives, for followers without bounds, to the same tolerance. The last column says how far the
derivatives are apart, relative to their size.
"""


@dataclass(frozen=True)
class Problem:
    """A leader and followers without bounds.

    Attributes:
        name: What it is.
        game: The game.
        x: The leader's strategy.
        y: Where the search for the answer starts, one array.
        step: A step size of the followers.
    """

    name: str
    game: dg.Stackelberg
    x: Any
    y: Any
    step: float


def problems() -> list[Problem]:
    """A firm that leads four, and a ridge for each of fifty features of a logistic model."""
    market = dg.games.Oligopoly.murphy_sherali_soyster()
    firms = dg.Stackelberg.of(market, 0, tuple(jnp.ones(5)))

    def together(y: Any, x: Any) -> Any:
        return tuple(market.costs((x, *y[0]))[1:])

    def slopes(y: Any, x: Any) -> Any:
        jacobian = jax.jacfwd(lambda z: jnp.stack(together((z,), x)))(y[0])
        return (jnp.diag(jacobian),)

    joined = dg.Stackelberg(
        lambda x, y: firms.leader_cost(x, tuple(y[0])), dg.FunctionField(slopes)
    )
    generator = np.random.default_rng(0)
    data, truth = generator.normal(size=(2, 200, 50)), generator.normal(size=50)
    train, test = (jnp.asarray(part) for part in data)
    labels = [jnp.asarray(np.sign(part @ truth + generator.normal(size=200))) for part in data]

    def loss(weights: Any, rows: Any, marks: Any) -> Any:
        return jnp.mean(jax.nn.softplus(-marks * (rows @ weights)))

    model = dg.game(
        lambda y, x: (loss(y[0], train, labels[0]) + 0.5 * jnp.sum(jnp.exp(x) * y[0] ** 2),)
    )
    ridge = dg.Stackelberg(lambda x, y: loss(y[0], test, labels[1]), model)
    return [
        Problem("oligopoly, four followers", joined, jnp.array(40.0), jnp.full(4, 40.0), 3.0),
        Problem("fifty ridges of a logistic model", ridge, jnp.full(50, -2.0), jnp.zeros(50), 2.0),
    ]


def ours(problem: Problem) -> Callable[[], Any]:
    """The total derivative by `dgames`."""
    compiled = jax.jit(lambda x, y: problem.game.total_derivative(x, (y,)))
    return lambda: compiled(problem.x, problem.y)


def unrolled(problem: Problem, steps: int) -> Callable[[], Any]:
    """The derivative through steps of the followers, in plain JAX."""

    def reduced(x: Any, y: Any) -> Any:
        def step(y: Any, _: None) -> tuple[Any, None]:
            return y - problem.step * problem.game.force(x, (y,))[0], None

        return problem.game.leader_cost(x, (jax.lax.scan(step, y, length=steps)[0],))

    compiled = jax.jit(jax.grad(reduced))
    return lambda: compiled(problem.x, problem.y)


def by_optimistix(problem: Problem) -> Callable[[], Any]:
    """The implicit derivative by `optimistix.root_find`."""
    solver = optx.Newton(rtol=1e-12, atol=1e-12)

    def reduced(x: Any, y: Any) -> Any:
        found = optx.root_find(lambda y, x: problem.game.force(x, (y,))[0], solver, y, x)
        return problem.game.leader_cost(x, (found.value,))

    compiled = jax.jit(jax.grad(reduced))
    return lambda: compiled(problem.x, problem.y)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    for problem in problems():
        mine = ours(problem)
        value, cold = timed(mine)
        peers = {f"unrolled, {k} steps": unrolled(problem, k) for k in (10, 100)}
        for name, peer in {**peers, "optimistix": by_optimistix(problem)}.items():
            other, their_cold = timed(peer)
            apart = float(jnp.linalg.norm(value - other) / jnp.linalg.norm(value))
            seconds = in_turns((mine, peer), 3 if quick else 101)
            colds = (cold, their_cold)
            yield Row(
                problem.name, name, compared(*seconds), "derivative", colds, f"{apart:.0e} apart"
            )
            cold = None

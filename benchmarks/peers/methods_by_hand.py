"""Newer methods by hand: steps as one would write them in JAX for one zero-sum game."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

import dgames as dg
from benchmarks.peers.dynamics import Method, Problem, moved
from benchmarks.peers.fields_by_hand import Solvers, interaction, times
from dgames.finite_sum import draw

STEP = 0.002


def started(x: list, force: list) -> tuple[list, Array]:
    """The start, as an anchor, and a count of steps."""
    return x, jnp.zeros((), int)


def pulled(x: list, anchor: list, weight: Any) -> list:
    """`x + weight (anchor - x)`."""
    return [leaf + weight * (end - leaf) for leaf, end in zip(x, anchor, strict=True)]


def anchored(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """The extra anchored gradient method with constant steps."""
    anchor, k = state
    near = pulled(x, anchor, 1 / (k + 2))
    return moved(near, field(moved(near, force, STEP)), STEP), (anchor, k + 1)


def anchored_varying(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """The same with steps that fall, for the Lipschitz constant one."""
    anchor, k, h = state
    near = pulled(x, anchor, 1 / (k + 2))
    x = moved(near, field(moved(near, force, h)), h)
    share = 1 - h**2 / ((1 - h**2) * ((k + 1) * (k + 3)).astype(h.dtype))
    return x, (anchor, k + 1, share * h)


def fast(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """The fast extragradient method."""
    anchor, k = state
    weight = 1 / (k + 1)
    near = pulled(x, anchor, weight)
    trial = moved(near, force, (1 - weight) * STEP)
    return moved(near, field(trial), STEP), (anchor, k + 1)


def accelerated_optimistic(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """The accelerated optimistic gradient method, whose count starts at one."""
    anchor, past, t = state
    near = pulled(x, anchor, 1 / (t + 1))
    present = field(moved(near, past, STEP))
    return moved(near, present, STEP), (anchor, present, t + 1)


def nesterov_optimistic(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """The optimistic method with Nesterov's momentum."""
    before, past, k = state
    momentum, kept, size = (k + 1) / (k + 4), (k + 1) / (k + 2), STEP * (2 * (k + 2) / (k + 4))
    leaves = zip(x, before, force, past, strict=True)
    new = [a + momentum * (a - b) - size * (f - kept * g) for a, b, f, g in leaves]
    return new, (x, force, k + 1)


def halpern(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """Halpern's iteration of the explicit step."""
    anchor, k = state
    return pulled(moved(x, force, STEP), anchor, 1 / (k + 2)), (anchor, k + 1)


PERIOD = 50


def moving_anchor(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """Steps that are pulled to a centre, with strength one; the anchor moves now and then."""
    start, anchor, epoch, k = state
    centre = pulled(anchor, start, 1 / (epoch + 1))
    pull = [f + (leaf - c) for f, leaf, c in zip(force, x, centre, strict=True)]
    x, k = moved(x, pull, STEP), k + 1
    due = k % PERIOD == 0
    anchor = [jnp.where(due, new, old) for new, old in zip(x, anchor, strict=True)]
    return x, (start, anchor, epoch + due.astype(int), k)


def separated(field: Callable, x: list, force: list, state: list) -> tuple[list, list]:
    """The optimistic method whose update is half as long as the extrapolation."""
    present = field(moved(x, state, STEP))
    return moved(x, present, STEP / 2), present


def dual_averaging(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
    """Optimistic dual averaging with an update that is half as long."""
    origin, past, total = state
    present = field(moved(x, past, STEP))
    total = [a + b for a, b in zip(total, present, strict=True)]
    return moved(origin, total, STEP / 2), (origin, present, total)


def squares(problem: Problem, x: list) -> tuple[Array, Array]:
    """Each player's squared norm."""
    first, second = x[: problem.own], x[problem.own :]
    add = functools.partial(functools.reduce, jnp.add)
    return add([jnp.sum(leaf**2) for leaf in first]), add([jnp.sum(leaf**2) for leaf in second])


def adaptive_dual_averaging(problem: Problem) -> Method:
    """Optimistic dual averaging with steps that adapt, for the exponent 1/4."""

    def spread(values: Any) -> list:
        return [values[i >= problem.own] for i in range(len(problem.start))]

    def start(x: list, force: list) -> Any:
        none = (jnp.zeros(()), jnp.zeros(()))
        return x, force, [0 * leaf for leaf in x], none, none, none

    def step(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
        origin, past, total, settled, latest, travelled = state
        gamma = spread([STEP * (1 + STEP * s) ** -0.25 for s in settled])
        trial = [a - h * g for a, h, g in zip(x, gamma, past, strict=True)]
        present = field(trial)
        settled = tuple(a + b for a, b in zip(settled, latest, strict=True))
        total = [a + b for a, b in zip(total, present, strict=True)]
        sums = zip(settled, travelled, strict=True)
        eta = spread([STEP / jnp.sqrt(1 + STEP * s + t / STEP) for s, t in sums])
        new = [a - h * g for a, h, g in zip(origin, eta, total, strict=True)]
        way = squares(problem, [a - b for a, b in zip(x, new, strict=True)])
        travelled = tuple(a + b for a, b in zip(travelled, way, strict=True))
        return new, (origin, present, total, settled, squares(problem, present), travelled)

    return Method(dg.AdaptiveOptimisticDualAveraging(step_size=STEP), step, start)


def competitive_adam(problem: Problem, solvers: Solvers) -> Method:
    """Competitive gradient descent with adaptive steps, by conjugate gradients."""

    def start(x: list, force: list) -> Any:
        zero = [0 * leaf for leaf in x]
        return zero, jnp.ones(()), zero

    def step(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
        average, power, guess = state
        power = 0.99 * power
        average = [0.99 * v + 0.01 * f**2 for v, f in zip(average, force, strict=True)]
        whole = STEP * jnp.sqrt(1 - power)
        roots = [jnp.sqrt(whole / (jnp.sqrt(v) + 1e-5)) for v in average]
        guess = competitive(problem, solvers, x, roots, guess)
        x = [leaf - r * u for leaf, r, u in zip(x, roots, guess, strict=True)]
        return x, (average, power, guess)

    return Method(dg.CompetitiveAdam(STEP), step, start)


def competitive(problem: Problem, solvers: Solvers, x: list, roots: list, guess: list) -> list:
    """Solves `(I + R J_o R) u = R F`, for the smaller player first."""
    force, products, split, joined = interaction(problem, x)
    r, f, g = split(roots), split(force), split(guess)
    b, c = times(r[0], f[0]), times(r[1], f[1])

    def there(u: list) -> list:
        return times(r[0], products[0](times(r[1], u)))

    def back(u: list) -> list:
        return times(r[1], products[1](times(r[0], u)))

    def system(u: list) -> list:
        return moved(u, there(back(u)), 1.0)

    own = solvers.definite(system, moved(b, there(c), 1.0), g[0])
    return joined(own, moved(c, back(own), 1.0))


def k_beam(problem: Problem, count: int = 4) -> Method:
    """Descent against the best of several candidates."""
    own, (_, start) = problem.own, problem.game
    factors = jnp.linspace(1.0, 1.3, count)

    def beam(leaf: Array) -> Array:
        return factors.reshape(-1, *[1] * leaf.ndim) * leaf[None]

    def step(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
        candidates, t = state
        a, shrink = x[:own], STEP * jax.lax.rsqrt(t.astype(float))
        payoffs = jax.vmap(lambda b: problem.payoff([*a, *b]))(candidates)
        best = jnp.argmax(payoffs)
        b = [leaf[best] for leaf in candidates]
        a = moved(a, jax.grad(lambda a: problem.payoff([*a, *b]))(a), shrink)

        def ascended(b: list) -> list:
            return moved(b, jax.grad(lambda b: problem.payoff([*a, *b]))(b), -shrink)

        candidates = jax.vmap(ascended)(candidates)
        return [*a, *(leaf[best] for leaf in candidates)], (candidates, t + 1)

    return Method(
        dg.KBeam(STEP, jax.tree.map(beam, start[1])),
        step,
        lambda x, force: ([beam(leaf) for leaf in x[own:]], jnp.ones((), int)),
    )


DATA = 16


def shifted(problem: Problem, shifts: Array) -> Callable[[list], list]:
    """The pseudo-gradient of the average over payoffs at shifted strategies."""

    def payoff(x: list) -> Array:
        each = jax.vmap(lambda shift: problem.payoff([leaf + shift for leaf in x]))
        return jnp.mean(each(shifts))

    def field(x: list) -> list:
        gradient = jax.grad(payoff)(x)
        return [*gradient[: problem.own], *(-leaf for leaf in gradient[problem.own :])]

    return field


def shifts() -> Array:
    """By how much all coordinates are shifted, in each component of the average."""
    return jnp.linspace(-0.1, 0.1, DATA)


def finite_sum(problem: Problem) -> dg.Game:
    """The average over payoffs at shifted strategies, as a game."""
    game: Any = problem.game[0]

    def payoff(x: Any, shift: Array) -> Array:
        return game.payoff(jax.tree.map(lambda leaf: leaf + shift, x), None)

    return dg.FiniteSum(dg.zero_sum(payoff), shifts())


def variance_reduced(problem: Problem) -> Method:
    """Halpern's iteration with batches that correct the last estimate."""
    batch, key, root = math.isqrt(DATA), jax.random.key(0), math.sqrt(DATA)

    def start(x: list, force: list) -> Any:
        return x, x, [0 * leaf for leaf in x], jnp.zeros((), int), jnp.zeros((), int)

    def step(field: Callable, x: list, force: list, state: Any) -> tuple[list, Any]:
        anchor, before, estimate, steps, evaluations = state
        coin, lot = jax.random.split(jax.random.fold_in(key, steps))
        k = steps.astype(float)
        late = jnp.where(k - 1 <= root, 4 / (k + 4), 4 / (root + 5))
        chance = jnp.where(k <= 1, 1.0, late)

        def corrected() -> Any:
            some = shifted(problem, shifts()[draw(lot, DATA, batch, False)])
            leaves = zip(estimate, some(x), some(before), strict=True)
            return [e + (new - old) for e, new, old in leaves], jnp.asarray(2 * batch)

        sure = (steps == 0) | jax.random.bernoulli(coin, chance)
        estimate, cost = jax.lax.cond(sure, lambda: (force, jnp.asarray(DATA)), corrected)
        new = moved(pulled(x, anchor, 2 / (k + 4)), estimate, STEP)
        return new, (anchor, x, estimate, steps + 1, evaluations + cost)

    return Method(dg.VarianceReducedHalpern(STEP, key), step, start)


def whole(x: list, force: list) -> tuple:
    """The start, the field there and a count from one."""
    return x, force, jnp.ones((), int)


METHODS: dict[str, Callable[[Problem], Method]] = {
    "anchored extragradient": lambda _: Method(dg.AnchoredExtragradient(STEP), anchored, started),
    "anchored extragradient, varying steps": lambda _: Method(
        dg.AnchoredExtragradient(0.5, 1.0),
        anchored_varying,
        lambda x, force: (x, jnp.zeros((), int), jnp.asarray(0.5)),
    ),
    "fast extragradient": lambda _: Method(dg.FastExtragradient(STEP), fast, started),
    "accelerated optimistic": lambda _: Method(
        dg.AcceleratedOptimistic(STEP), accelerated_optimistic, whole
    ),
    "Nesterov optimistic": lambda _: Method(
        dg.NesterovOptimistic(STEP),
        nesterov_optimistic,
        lambda x, force: (x, force, jnp.zeros((), int)),
    ),
    "Halpern": lambda _: Method(dg.Halpern(STEP), halpern, started),
    "moving anchor": lambda _: Method(
        dg.MovingAnchor(dg.Simultaneous(STEP), 1.0, PERIOD),
        moving_anchor,
        lambda x, force: (x, x, jnp.ones((), int), jnp.zeros((), int)),
    ),
    "optimistic, separate steps": lambda _: Method(
        dg.OptimisticSeparated(STEP, STEP / 2), separated, lambda x, force: force
    ),
    "optimistic dual averaging": lambda _: Method(
        dg.OptimisticDualAveraging(STEP, STEP / 2),
        dual_averaging,
        lambda x, force: (x, force, [0 * leaf for leaf in x]),
    ),
    "adaptive dual averaging": adaptive_dual_averaging,
    "K-beam, 4 candidates": k_beam,
}

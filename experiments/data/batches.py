"""Training on mini-batches of rows: the noise, and how far runs stay from the equilibrium."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import certify
import dgames as dg
from experiments.data.games import DataGame

# By how much the variance, which is computed in floating point at an approximate equilibrium, is
# raised, as a share of it.
_ROOM = 1e-6


class Noise(NamedTuple):
    """What is known of the noise of mini-batches: `E |e|^2 <= variance + growth |x - x*|^2`.

    Attributes:
        variance: Twice the mean square of the noise at the equilibrium.
        growth: Twice the mean of the squared Lipschitz constants of single rows, by the batch size.
    """

    variance: float
    growth: float


class Runs(NamedTuple):
    """Training runs on mini-batches.

    Attributes:
        steps: After how many steps the distances were looked at.
        squares: The mean over all runs of the squared distance from the equilibrium.
        largest: The largest one of any run.
    """

    steps: Array
    squares: Float[Array, " times"]
    largest: Float[Array, " times"]


def noise(data: DataGame, certificate: certify.Convergence, size: int) -> Noise:
    """Returns what is known of the noise of batches of `size` rows of each table.

    Rows are drawn uniformly, with replacement and independently. So the mean square of the noise is
    that of a single row divided by the size, added up over the tables. The error of a row differs
    from that at the equilibrium by at most its Lipschitz constant times the distance, and the
    variance of a row's field is at most its mean square: `|a + b|^2 <= 2 |a|^2 + 2 |b|^2`.
    """
    x, weights = certificate.equilibrium.center, certificate.weights
    field, everything = dg.pseudo_gradient(data.game), tuple(map(jnp.arange, data.counts))
    whole, total = field(x), 0.0
    for k, numbers in enumerate(everything):

        def error(number: Array, k: int = k) -> Array:
            batch = (*everything[:k], number[None], *everything[k + 1 :])
            return _square(jax.tree.map(jnp.subtract, field(x, batch), whole), weights)

        total += float(jnp.mean(jax.lax.map(error, numbers)))
    growth = 2 * data.growth(weights) / size
    return Noise(2 * total * (1 + _ROOM) / size, growth * (1 + 1e-9))


def step_of(certificate: certify.Convergence, noise: Noise, ball: float) -> float:
    """Returns a step whose ball of noise is at most this mean squared distance.

    It solves `ball = h s / (2 a - h q)` with `q = b^2 + g`, or `a c + g` if that is less. It
    is at most half of `a / q`, the step with the best factor.
    """
    margin, square = certificate.margin, _square_of_step(certificate, noise)
    return min(0.5 * margin / square, 2 * margin * ball / (noise.variance + ball * square))


def bound_on_squares(
    certificate: certify.Convergence, noise: Noise, step: float, start: float, steps: Array
) -> Float[Array, " times"]:
    """Bounds the mean squared distance after these numbers of steps, from its value at the start.

    It is the recursion of `certify.noise_ball` solved: the way from the start to the ball of noise.
    """
    margin, lipschitz = certificate.margin, certificate.lipschitz
    constants = noise.variance, noise.growth, certificate.cocoercivity
    ball = certify.noise_ball(margin, lipschitz, step, *constants)
    factor = 1 - 2 * step * margin + step**2 * _square_of_step(certificate, noise)
    return ball + factor ** steps.astype(float) * max(start - ball, 0.0)


def train(
    data: DataGame,
    certificate: certify.Convergence,
    start: Any,
    step: float,
    size: int,
    steps: int,
    runs: int,
    key: Array,
    looks: int = 100,
) -> Runs:
    """Runs projected simultaneous steps on mini-batches, all runs from one start.

    Args:
        data: The game.
        certificate: Says where the equilibrium is, and in which metric distances are measured.
        start: A joint strategy.
        step: The step size.
        size: Rows of each table in a batch.
        steps: How many steps; a multiple of `looks`.
        runs: How many runs.
        key: Draws the batches.
        looks: How often distances are looked at.
    """
    field, (center, weights) = dg.pseudo_gradient(data.game), _place(certificate)
    project = (lambda x: x) if data.project is None else data.project

    def move(x: Any, key: Array) -> Any:
        keys = jax.random.split(key, len(data.counts))
        batch = tuple(
            jax.random.randint(own, (size,), 0, count)
            for own, count in zip(keys, data.counts, strict=True)
        )
        force = field(x, batch)
        return project(jax.tree.map(lambda a, slope: a - step * slope, x, force))

    def look(xs: Any, key: Array) -> Any:
        def body(k: Any, xs: Any) -> Any:
            return jax.vmap(move)(xs, jax.random.split(jax.random.fold_in(key, k), runs))

        xs = jax.lax.fori_loop(0, steps // looks, body, xs)
        squares = jax.vmap(lambda x: _square(jax.tree.map(jnp.subtract, x, center), weights))(xs)
        return xs, (jnp.mean(squares), jnp.max(squares))

    xs = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (runs, *leaf.shape)), start)
    squares, largest = jax.jit(lambda xs, keys: jax.lax.scan(look, xs, keys)[1])(
        xs, jax.random.split(key, looks)
    )
    return Runs((steps // looks) * jnp.arange(1, looks + 1), squares, largest)


def squared_distance(certificate: certify.Convergence, x: Any) -> float:
    """Returns the squared distance of a strategy from the equilibrium, in the proved metric."""
    center, weights = _place(certificate)
    return float(_square(jax.tree.map(jnp.subtract, x, center), weights))


def _square_of_step(certificate: certify.Convergence, noise: Noise) -> float:
    """Returns the factor of the squared step size in that recursion."""
    square, cocoercivity = certificate.lipschitz**2, certificate.cocoercivity
    if cocoercivity is not None:
        square = min(square, certificate.margin * cocoercivity)
    return square + noise.growth


def _place(certificate: certify.Convergence) -> tuple[Any, dict[str, float]]:
    return jax.tree.map(jnp.asarray, certificate.equilibrium.center), certificate.weights


def _square(x: Any, weights: dict[str, float]) -> Array:
    return sum((weights[name] * jnp.sum(x[name] ** 2) for name in x), jnp.zeros(()))

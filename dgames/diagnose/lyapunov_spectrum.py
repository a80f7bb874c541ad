"""The Lyapunov spectrum of a long run: of a method, of a flow in small steps, or of any map."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from dgames.diagnose.augmented_step import AugmentedStep, checked, counted
from dgames.diagnose.lyapunov import check_few
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy, ravel


class LyapunovSpectrum(eqx.Module):
    """The exponents of one long run, largest first, with what tells whether they have settled.

    They are estimates, as every mean over a finite run is.

    Attributes:
        exponents: The exponents per unit of time.
        halfway: The same after half of the run. Exponents of runs that are not chaotic fall like
            `log T / T`, so that they are about twice as large here; those of chaotic runs are not.
        errors: Standard errors, from the means over blocks of the run.
        running: The exponents up to the end of each block.
    """

    exponents: Float[Array, " count"]
    halfway: Float[Array, " count"]
    errors: Float[Array, " count"]
    running: Float[Array, "blocks count"]

    @property
    def is_chaotic(self) -> Bool[Array, ""]:
        """Whether the largest exponent is positive and does not fall with the length of the run.

        It is an estimate: more than five standard errors, and more than three quarters of what it
        was halfway.
        """
        largest, before, error = self.exponents[0], self.halfway[0], self.errors[0]
        return (largest > 5 * error) & (largest > 0.75 * before)


class _MapStep:
    """A map of pytrees, laid out as vectors."""

    def __init__(self, fn: Callable, x: PyTree, args: PyTree):
        vector, unravel = ravel(x)
        self.start = vector, None
        self._next = lambda vector: ravel(fn(unravel(vector), args))[0]

    def __call__(self, point: tuple[Array, None]) -> tuple[Array, None]:
        return self._next(point[0]), None

    def push(self, point: tuple[Array, None], directions: Array) -> Array:
        _, product = jax.linearize(self._next, point[0])
        return jax.vmap(product, 1, 1)(directions)


def lyapunov_spectrum(
    system: Game | AbstractField | Callable[[Any, Any], Any],
    x: Strategy,
    method: AbstractMethod | None = None,
    args: PyTree = None,
    *,
    steps: int,
    count: int = 1,
    every: int = 1,
    discard: int = 0,
    blocks: int = 20,
    unit: float = 1.0,
    key: Key[Array, ""] | None = None,
) -> LyapunovSpectrum:
    r"""The first k Lyapunov exponents of a long run, by QR decompositions.

    Directions are pushed along the run by Jacobian-vector products, `Q_{t+1} R_t = DT(z_t) Q_t`,
    and the exponents are the means of `log |diag R_t|` (Benettin et al., 1980). No Jacobian is
    formed: k directions cost k products per step. Lengths are not squared. For exponents of
    a few steps, whose derivatives are of use, see `lyapunov_exponents`.

    **Link to proofs.** Where a step contracts by a factor r on a region, in any norm, runs that
    stay there have no exponent above `log r`. So with `certify.certify`, exponents are at most the
    logarithm of the rate; a positive one refutes what claims to be a certificate.

    Args:
        system: A game or a field, with a method; or a map `(x, args) -> x`, without.
        x: The start.
        method: The method whose steps are taken; a flow is one with small steps, such as
            `RungeKutta4(0.02)` with `unit=0.02`.
        args: Passed to the field or the map.
        steps: The length of the run.
        count: The number k of exponents.
        every: The number of steps between decompositions, of which `steps` is a multiple.
        discard: The number of steps before the run that is measured, a multiple of `every`: where
            the run comes to its attractor, and directions to theirs.
        blocks: The number of blocks for standard errors, at least 2.
        unit: The time that one step takes.
        key: For the first directions (default: fixed ones).

    Raises:
        ValueError: If an option is malformed, or there are fewer coordinates than exponents.

    Example:
        >>> logistic = lambda x, args: 4 * x * (1 - x)
        >>> found = lyapunov_spectrum(logistic, jnp.array(0.3), steps=20_000)
        >>> f"{found.exponents[0]:.2f}", bool(found.is_chaotic)  # log 2
        ('0.69', True)

    References:
        Benettin, Galgani, Giorgilli and Strelcyn, *Lyapunov characteristic exponents for smooth
        dynamical systems and for Hamiltonian systems*, Meccanica 15 (1980); Sato, Akiyama and
        Farmer, *Chaos in learning a simple two-person game*, PNAS 99 (2002).
    """
    who = "lyapunov_spectrum"
    steps, count = counted(who, steps=steps), counted(who, count=count)
    every, blocks = counted(who, every=every), counted(who, blocks=blocks)
    discard = counted(who, discard=discard) if discard else 0
    if steps % every or discard % every or steps // every < blocks or blocks < 2:
        raise ValueError(
            f"{who}: the steps ({steps}) and those discarded ({discard}) are multiples of every "
            f"({every}), with at least one decomposition in each of two or more blocks ({blocks})"
        )
    if not unit > 0:
        raise ValueError(f"{who}: the time of a step must be positive, not {unit}")
    if method is None:
        if isinstance(system, Game | AbstractField):
            raise ValueError(f"{who}: a game or field needs a method, whose steps are taken")
        what: Any = system
        x = jax.tree.map(jnp.asarray, x)
    else:
        what, x = checked(system, x, args)
    size = jax.eval_shape(lambda: _step(what, method, x, args).start[0]).size
    check_few(who, count, size)
    if key is None:
        key = jax.random.key(0)
    growth = _growth(what, method, x, args, (steps + discard) // every, every, count, key)
    growth = growth[discard // every :]
    rounds = len(growth) // blocks
    means = jnp.mean(growth[: rounds * blocks].reshape(blocks, rounds, count), 1)
    time = unit * every
    return LyapunovSpectrum(
        exponents=jnp.mean(growth, 0) / time,
        halfway=jnp.mean(growth[: len(growth) // 2], 0) / time,
        errors=jnp.std(means, 0, ddof=1) / jnp.sqrt(blocks).astype(means.dtype) / time,
        running=jnp.cumsum(means, 0)
        / jnp.arange(1.0, blocks + 1)[:, None].astype(means.dtype)
        / time,
    )


def _step(
    system: Any, method: AbstractMethod | None, x: Strategy, args: PyTree
) -> AugmentedStep | _MapStep:
    return _MapStep(system, x, args) if method is None else AugmentedStep(system, method, x, args)


@eqx.filter_jit
def _growth(
    system: Any,
    method: AbstractMethod | None,
    x: Strategy,
    args: PyTree,
    rounds: int,
    every: int,
    count: int,
    key: Key[Array, ""],
) -> Float[Array, "rounds count"]:
    """The logarithms of how much each direction grows between two decompositions."""
    step = _step(system, method, x, args)
    start: Any = step.start
    size, dtype = start[0].size, start[0].dtype
    directions = jnp.linalg.qr(jax.random.normal(key, (size, count), dtype))[0]

    def push(carry: Any, _: None) -> tuple[Any, None]:
        point, columns = carry
        return (step(point), step.push(point, columns)), None

    def advance(carry: Any, _: None) -> tuple[Any, Array]:
        (point, columns), _ = jax.lax.scan(push, carry, length=every)
        columns, triangle = jnp.linalg.qr(columns)
        return (point, columns), jnp.log(jnp.abs(jnp.diag(triangle)))

    return jax.lax.scan(advance, (start, directions), length=rounds)[1]

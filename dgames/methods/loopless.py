"""Mini-batches corrected by a snapshot: linear convergence at the price of single components."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.finite_sum import draw, number_of_components
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    real_hyperparameter,
    scale,
    subtract,
    towards,
)
from dgames.methods.variance_reduced import check_no_args, checked_batch
from dgames.strategy import Strategy


class SnapshotState(NamedTuple):
    """What the next step of a method with a snapshot depends on.

    Attributes:
        snapshot: An earlier strategy, w.
        force: The whole field there.
        steps: The number of steps taken.
        evaluations: How often components were evaluated so far: exactly, in the range of integers
            (two billion without jax_enable_x64).
    """

    snapshot: Strategy
    force: Strategy
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]


class VarianceReduced(AbstractMethod):
    r"""Steps along mini-batches that a snapshot corrects: no noise is left at the equilibrium.

    With a random batch S of b data, drawn anew in each step, and a snapshot w:

        g  = F_S(x) - F_S(w) + F(w)
        x+ = P(x - h g)
        w+ = x with probability p, else w

    The mean of g is `F(x)`, and its variance vanishes as x and w approach the equilibrium, so that
    a constant step converges linearly where plain mini-batches end up in a ball
    (`certify.noise_ball`). With a margin a and components that are L-Lipschitz in mean square, `|x
    - x*|^2 + 4 h^2 L^2 / p |w - x*|^2` shrinks by `max(1 - h a, 1 - p/2)` in the mean at `h = a /
    (6 L^2)`; `certify.variance_reduced_rate` has the proof, better constants, and the best step.

    A step costs 2 b evaluations of components, and n more when the snapshot is renewed: with the
    default p, about 3 b. The state counts them, and n for the start. The field is that of a
    `FiniteSum`, a `FiniteSumField` or a `Sampled`, and `args` are None: the method draws its
    batches by itself. The residual that `dgames.solve` looks at costs n evaluations more, which are
    not counted; with `Stepwise(lambda step: None, mean=None, every=100)` as `args` it looks now and
    then.

    Attributes:
        step_size: `h`, a positive number or one per player.
        key: A random key.
        probability: p, in (0, 1], or None for `b / n`.
        batch: b.
        replace: Whether a datum may be drawn twice for a batch.

    >>> import dgames as dg
    >>> nearest = dg.game(lambda x, datum: ((x[0] - datum) ** 2,))
    >>> field = dg.pseudo_gradient(dg.FiniteSum(nearest, jnp.arange(16.0)))
    >>> run = dg.solve(field, VarianceReduced(0.1, jax.random.key(0)), (jnp.array(0.0),), tol=1e-6)
    >>> round(float(run.strategy[0]), 5)
    7.5

    References:
        Kovalev, Horváth and Richtárik, *Don't jump through hoops and remove those loops*, ALT 2020,
        arXiv:1901.08689; Palaniappan and Bach, *Stochastic variance reduction methods for
        saddle-point problems*, NeurIPS 2016, arXiv:1605.06398.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    key: Key[Array, "*batch"]
    probability: Float[Array, "*batch"] | None = eqx.field(
        default=None, converter=real_hyperparameter
    )
    batch: int = eqx.field(static=True, default=1)
    replace: bool = eqx.field(static=True, default=True)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> SnapshotState:
        return _start("VarianceReduced", field, x, args, self.batch)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, SnapshotState]:
        check_no_args(args)
        size, coin, indices = _drawn(self, field, state)
        change = subtract(field(x, indices), field(state.snapshot, indices))
        new = field.project(subtract(x, scale(self.step_size, add(state.force, change))))
        p = _chance(self.probability, self.batch / size)
        return new, _renewed(field, x, state, jax.random.bernoulli(coin, p), self.batch, size)


class VarianceReducedExtragradient(AbstractMethod):
    r"""Extragradient with one mini-batch per step, corrected by a snapshot.

    With `m = (1 - p) x + p w`, a random batch S of b data, and a snapshot w:

        y  = P(m - h F(w))
        x+ = P(m - h (F(w) + F_S(y) - F_S(w)))
        w+ = x+ with probability p, else w

    Where components are L-Lipschitz in mean square it takes steps up to `h = sqrt(p) / L`. With a
    margin a it converges linearly, in about `n + sqrt(n) L / a` evaluations for `p = 1/n`, while
    `VarianceReduced` takes `n + (L / a)^2`: it is the better one for games with strong couplings.
    The rate is that of `certify.variance_reduced_rate(..., extragradient=True)`.

    Costs, fields and `args` are as for `VarianceReduced`.

    Attributes:
        step_size: `h`, a positive number or one per player.
        key: A random key.
        probability: p, in (0, 1), or None for `b / n` but at most one half.
        batch: b.
        replace: Whether a datum may be drawn twice for a batch.

    >>> import dgames as dg
    >>> matching = dg.zero_sum(lambda x, d: d * x[0] * x[1] + 0.05 * (x[0] ** 2 - x[1] ** 2))
    >>> field = dg.pseudo_gradient(dg.FiniteSum(matching, jnp.linspace(0.5, 1.5, 16)))
    >>> method, x = VarianceReducedExtragradient(0.2, jax.random.key(0)), (1.0, 1.0)
    >>> run = dg.solve(field, method, x, tol=1e-6, max_steps=20_000)
    >>> run.result == dg.RESULTS.successful
    Array(True, dtype=bool)

    References:
        Alacaoglu and Malitsky, *Stochastic variance reduction for variational inequality methods*,
        COLT 2022, arXiv:2102.08352, algorithm 1.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    key: Key[Array, "*batch"]
    probability: Float[Array, "*batch"] | None = eqx.field(
        default=None, converter=real_hyperparameter
    )
    batch: int = eqx.field(static=True, default=1)
    replace: bool = eqx.field(static=True, default=True)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> SnapshotState:
        return _start("VarianceReducedExtragradient", field, x, args, self.batch)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, SnapshotState]:
        check_no_args(args)
        size, coin, indices = _drawn(self, field, state)
        p = _chance(self.probability, min(self.batch / size, 0.5))
        middle = towards(x, state.snapshot, p)
        y = field.project(subtract(middle, scale(self.step_size, state.force)))
        change = subtract(field(y, indices), field(state.snapshot, indices))
        new = field.project(subtract(middle, scale(self.step_size, add(state.force, change))))
        return new, _renewed(field, new, state, jax.random.bernoulli(coin, p), self.batch, size)


def _drawn(
    method: VarianceReduced | VarianceReducedExtragradient, field: AbstractField, state: State
) -> tuple[int, Key[Array, ""], Int[Array, " batch"]]:
    """Returns the number of data, a key for the coin, and the batch of a step."""
    size = number_of_components(field)
    coin, lot = jax.random.split(jax.random.fold_in(method.key, state.steps))
    return size, coin, draw(lot, size, method.batch, method.replace)


def _chance(given: Array | None, default: float) -> Float[Array, ""]:
    """Returns the probability of a new snapshot: by default, renewals are a third of the cost."""
    return jnp.asarray(default, jnp.result_type(float)) if given is None else given


def _start(who: str, field: AbstractField, x: Strategy, args: PyTree, batch: int) -> SnapshotState:
    check_no_args(args)
    size = number_of_components(field)
    checked_batch(who, batch, size)
    return SnapshotState(x, field(x), jnp.zeros((), int), jnp.asarray(size, int))


def _renewed(
    field: AbstractField, x: Strategy, state: SnapshotState, drawn: Array, batch: int, size: int
) -> SnapshotState:
    """Returns the next state, whose snapshot is x where that was drawn."""

    def renewed() -> tuple[Strategy, Strategy, Array]:
        return x, field(x), jnp.asarray(size, state.evaluations.dtype)

    def kept() -> tuple[Strategy, Strategy, Array]:
        return state.snapshot, state.force, jnp.zeros_like(state.evaluations)

    snapshot, force, cost = jax.lax.cond(drawn, renewed, kept)
    evaluations = state.evaluations + 2 * batch + cost
    return SnapshotState(snapshot, force, state.steps + 1, evaluations)

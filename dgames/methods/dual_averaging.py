"""Optimistic dual averaging: steps from the start along the sum of all field values."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import refuse_shared
from dgames.fields import AbstractField
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    per_player,
    real_hyperparameter,
    scale,
    subtract,
)
from dgames.methods.schedules import at_step, schedule
from dgames.strategy import Block, Strategy, map_players


class DualAveragingState(NamedTuple):
    """The start, the field where it was evaluated last, the sum of its values, the steps taken."""

    origin: Strategy
    past: Strategy
    total: Strategy
    steps: Int[Array, ""]


class OptimisticDualAveraging(AbstractMethod):
    r"""Optimistic dual averaging with separate steps (OptDA+). One evaluation per step.

    At step t = 1, 2, ..., with the past field value `g_(t-1)` (at first `g_0 = F(x_1)`):

        y_t = P(x_t - gamma_t g_(t-1)),   g_t = F(y_t),
        x_(t+1) = P(x_1 - eta_(t+1) sum_(s<=t) g_s)

    All values weigh the same whatever the schedule of `eta` is, while `OptimisticSeparated` weighs
    late ones less; with constant `eta` and without constraints the two are the same. What is
    known of noisy fields is said there: with the same constant steps, constant regret under
    multiplicative noise; and with `gamma_t` like `t^(-1/4)` and `eta_t` like `t^(-1/2)`, a regret
    of `sqrt(t)` under noise of any kind, without constraints in both cases.

    Under constraints this is dual averaging with the distance from the start as its regulariser.
    Where x rests at the boundary, the sum goes on growing into the normal cone.

    Attributes:
        extrapolation: `gamma`, a positive number or one per player; or a function of the number of
            the step, t = 1, 2, ... (as a floating-point number), such as `PowerDecay`.
        update: `eta`, likewise, with `eta <= gamma`; at step t its value at t + 1 is used.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), OptimisticDualAveraging(0.5, 0.25)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], [float(block) for block in state.total]
    ([0.625, 1.125], [1.5, -0.5])

    References:
        Hsieh, Antonakopoulos, Cevher and Mertikopoulos, *No-regret learning in games with noisy
        feedback: faster rates and adaptivity via learning rate separation*, NeurIPS 2022,
        arXiv:2206.06015.
    """

    extrapolation: PyTree[Any] = eqx.field(converter=schedule)
    update: PyTree[Any] = eqx.field(converter=schedule)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> DualAveragingState:
        zero = jax.tree.map(jnp.zeros_like, x)
        return DualAveragingState(x, field(x, args), zero, jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, DualAveragingState]:
        gamma = at_step(self.extrapolation, state.steps + 1, field, x)
        eta = at_step(self.update, state.steps + 2, field, x)
        force = field(field.project(subtract(x, scale(gamma, state.past))), args)
        total = add(state.total, force)
        x = field.project(subtract(state.origin, scale(eta, total)))
        return x, DualAveragingState(state.origin, force, total, state.steps + 1)


class AdaptiveDualAveragingState(NamedTuple):
    """What the next step of `AdaptiveOptimisticDualAveraging` depends on.

    Attributes:
        origin: The start, `x_1`.
        past: The field where it was evaluated last, `g_(t-1)`.
        total: The sum of its values from `g_1` on.
        settled: Each player's sum of `|g_s|^2` over s = 1, ..., t - 2.
        latest: Each player's `|g_(t-1)|^2`, zero at first, since `g_0` counts nowhere.
        travelled: Each player's sum of `|x_s - x_(s+1)|^2` over s = 1, ..., t - 1.
    """

    origin: Strategy
    past: Strategy
    total: Strategy
    settled: PyTree
    latest: PyTree
    travelled: PyTree


class AdaptiveOptimisticDualAveraging(AbstractMethod):
    r"""Optimistic dual averaging that finds its steps by itself (AdaOptDA+). One evaluation.

    The steps of `OptimisticDualAveraging` are, for each player i on its own,

        gamma_t = h (1 + h sum_(s<=t-2) |g_s|^2)^(q - 1/2)
        eta_t = h (1 + sum_(s<=t-2) (h |g_s|^2 + |x_s - x_(s+1)|^2 / h))^(-1/2)

    with the norms of the player's blocks, of the strategies `x_s` and not of the extrapolated ones.
    The delay of two rounds keeps `gamma_t` independent of the noise that it multiplies.

    Neither Lipschitz constants nor the noise have to be known. In games that are variationally
    stable, with bounded noisy fields and no constraints, the regret is `sqrt(t)` under additive
    noise, constant under multiplicative noise (of order `exp(1 / (2 q))`), and `t^(1/2 + q)`
    against adversaries (Hsieh et al., 2022, cited and not derived here). The paper has `h = 1`;
    another h is the same method with the player's strategies measured in units of `sqrt(h)`.

    Under constraints strategies are projected, as for `OptimisticDualAveraging`; the theorem does
    not cover that.

    Attributes:
        exponent: `q`, in (0, 1/4].
        step_size: `h`, a positive number or one per player: the first steps.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), AdaptiveOptimisticDualAveraging()
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], [float(block) for block in state.latest]
    ([-1.0, 1.0], [4.0, 0.0])

    References:
        As for `OptimisticDualAveraging`.
    """

    exponent: Float[Array, "*batch"] = eqx.field(default=0.25, converter=real_hyperparameter)
    step_size: PyTree[Array] = eqx.field(default=1.0, converter=real_hyperparameter)

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> AdaptiveDualAveragingState:
        refuse_shared(
            field.shared_constraints(x),
            "AdaptiveOptimisticDualAveraging gives every player steps of their own, which with "
            "shared constraints would select another equilibrium; use OptimisticDualAveraging",
        )
        zero = jax.tree.map(jnp.zeros_like, x)
        none = map_players(_square, zero)
        return AdaptiveDualAveragingState(x, field(x, args), zero, none, none, none)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, AdaptiveDualAveragingState]:
        first = per_player(self.step_size, x)

        def extrapolation(h: Array, settled: Array) -> Array:
            h, q = h.astype(settled.dtype), self.exponent.astype(settled.dtype)
            return h * (1 + h * settled) ** (q - 0.5)

        def update(h: Array, forces: Array, travelled: Array) -> Array:
            h = h.astype(forces.dtype)
            return h / jnp.sqrt(1 + h * forces + travelled / h)

        gamma = map_players(extrapolation, first, state.settled)
        force = field(field.project(subtract(x, scale(gamma, state.past))), args)
        settled = add(state.settled, state.latest)  # all up to t - 1, which is what eta_(t+1) sees
        total = add(state.total, force)
        eta = map_players(update, first, settled, state.travelled)
        new = field.project(subtract(state.origin, scale(eta, total)))
        travelled = add(state.travelled, map_players(_square, subtract(x, new)))
        latest = map_players(_square, force)
        return new, AdaptiveDualAveragingState(
            state.origin, force, total, settled, latest, travelled
        )


def _square(block: Block) -> Float[Array, ""]:
    """The squared norm of a block, accumulated in float32 at least."""
    leaves = jax.tree.leaves(block)
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(jnp.float32, *(leaf.dtype for leaf in leaves))
    squares = [jnp.sum(jnp.square(leaf.astype(dtype))) for leaf in leaves]
    return functools.reduce(jnp.add, squares)

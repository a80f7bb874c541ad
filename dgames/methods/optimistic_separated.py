"""The optimistic method with separate steps for extrapolation and update, made for noise."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State, scale, subtract
from dgames.methods.schedules import at_step, schedule
from dgames.strategy import Strategy


class OptimisticSeparatedState(NamedTuple):
    """The field where it was evaluated last, and the number of steps taken."""

    past: Strategy
    steps: Int[Array, ""]


class OptimisticSeparated(AbstractMethod):
    r"""The optimistic method with separate steps (OG+). One evaluation per step.

    At step t = 1, 2, ..., with the past field value `g_(t-1)` (at first `g_0 = F(x_1)`), it
    extrapolates by `gamma` and updates by `eta`:

        y_t = P(x_t - gamma_t g_(t-1)),   g_t = F(y_t),   x_(t+1) = P(x_t - eta_(t+1) g_t)

    With `gamma = eta` this is `Optimistic`, which multiplicative noise may defeat at every step
    size. On `x y` with the field times a random s, independent from step to step, with mean one
    and `E s^2 = M`, the second moments vanish exactly for

        eta < 2 gamma (1 - M gamma^2) / (M (1 + gamma^2))

    (the one eigenvalue that leaves the unit disc is one there: solve the recursion of `E |x|^2`,
    `E |g|^2` and `E x g` for its points of rest). For `gamma = eta` that is
    `M (1 + 3 gamma^2) < 2`, so that noise with `M >= 2` is too much, and only a shorter update
    withstands it. See `dgames.second_moment_radius`.

    Let the field be noisy, with variance at most `s_a^2 + s_m^2 |F_i|^2` for each of N players,
    F `L`-Lipschitz and variationally stable, and no constraints. If `s_a = 0`, the constant steps

        gamma <= min(1 / (3 L sqrt(2 N (1 + s_m^2))), 1 / (2 (4 N + 1) L s_m^2)),
        eta <= gamma / (2 (1 + s_m^2))

    give constant regret, and strategies that converge almost surely; else `gamma_t` like
    `1 / (t^(1/4) sqrt(log t))` and `eta_t` like `1 / (sqrt(t) log t)` give a regret of
    `sqrt(t)` up to logarithms (Hsieh et al., 2022). These constants, those of `constant_steps`, are
    cited and not derived here; on `x y`, with `M = 1 + s_m^2`, they are well within the condition
    above, for all noise. `certify.certify_mean_square` proves what given steps do in games with
    quadratic costs.

    Under constraints both points are projected. The theorem does not cover that, but the points of
    rest are the right ones whatever both steps are: `x = P(x - eta g)` says that `-g` is normal to
    the set at x, hence `y = P(x - gamma g) = x` and `g = F(x)`.

    Attributes:
        extrapolation: `gamma`, a positive number or one per player; or a function of the number of
            the step, t = 1, 2, ... (as a floating-point number), such as `PowerDecay`.
        update: `eta`, likewise, with `eta <= gamma`; at step t its value at t + 1 is used.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), OptimisticSeparated(0.5, 0.25)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], int(state.steps)
    ([0.625, 1.125], 1)

    References:
        Hsieh, Antonakopoulos, Cevher and Mertikopoulos, *No-regret learning in games with noisy
        feedback: faster rates and adaptivity via learning rate separation*, NeurIPS 2022,
        arXiv:2206.06015.
    """

    extrapolation: PyTree[Any] = eqx.field(converter=schedule)
    update: PyTree[Any] = eqx.field(converter=schedule)

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> OptimisticSeparatedState:
        return OptimisticSeparatedState(field(x, args), jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, OptimisticSeparatedState]:
        gamma = at_step(self.extrapolation, state.steps + 1, field, x)
        eta = at_step(self.update, state.steps + 2, field, x)
        trial = field.project(subtract(x, scale(gamma, state.past)))
        force = field(trial, args)
        x = field.project(subtract(x, scale(eta, force)))
        return x, OptimisticSeparatedState(force, state.steps + 1)

    @classmethod
    def constant_steps(
        cls, players: int, lipschitz: float, relative_noise: float
    ) -> "OptimisticSeparated":
        """The longest constant steps of the theorem for purely multiplicative noise, as cited.

        Args:
            players: N.
            lipschitz: `L`, positive.
            relative_noise: `s_m^2`, the variance of a player's noise per `|F_i|^2`; not negative.

        >>> method = OptimisticSeparated.constant_steps(2, 1.0, 4.0)
        >>> [round(1 / float(step)) for step in (method.extrapolation, method.update)]
        [72, 720]
        """
        gain = 1 + relative_noise
        gamma = 1 / (3 * lipschitz * (2 * players * gain) ** 0.5)
        if relative_noise > 0:
            gamma = min(gamma, 1 / (2 * (4 * players + 1) * lipschitz * relative_noise))
        return cls(gamma, gamma / (2 * gain))

"""Extragradient methods that are pulled back to where they started: O(1/k) last iterates."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.arrays import is_known
from dgames.fields import AbstractField, has_constraints
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    real_hyperparameter,
    scale,
    subtract,
    towards,
)
from dgames.strategy import Strategy


class AnchoredState(NamedTuple):
    """What anchored extragradient methods remember.

    Attributes:
        anchor: The strategy of the start.
        push: What the last projection took away, `h c` with `c` in the normal cone of the sets at
            the current strategy; None where there are no sets.
        steps: The number of steps so far.
        step_size: The next step, where steps vary; else None.
    """

    anchor: Strategy
    push: Strategy | None
    steps: Int[Array, ""]
    step_size: Float[Array, ""] | None = None


class AnchoredExtragradient(AbstractMethod):
    """The extra anchored gradient method. Two evaluations per step.

    With the start `z_0` as its anchor and `b = 1 / (k + 2)`, for k = 0, 1, ...:

        w = z + b (z_0 - z) - h (F(z) + c),    z+ = P(z + b (z_0 - z) - h F(w)).

    Without constraints `c` is zero and `P` does nothing. With them, `c = (z + b (z_0 - z) - h F(w)
    - z+) / h` is the element of the normal cone at `z+` that the last projection shows, at first
    zero: `F(z) + c` then takes the part that `F(z)` has without constraints. The trial point `w`
    may lie outside the sets, so the field must be defined, monotone and Lipschitz there.

    Without constraints, on monotone `L`-Lipschitz games with solution `z*` and `D = |z_0 - z*|`,
    the field at the last strategy obeys (Yoon and Ryu, 2021):

        |F(z_k)|^2 <= 4 (1 + hL + h^2 L^2) / (h^2 (1 + hL)) D^2 / (k + 1)^2    for h <= 1 / (8 L),

    which is 260 (L D)^2 / (k + 1)^2 at the limit (EAG-C). With `lipschitz` given, steps fall from
    the first one, which is below `3 / (4 L)`, to a positive limit (EAG-V):

        h+ = h (1 - h^2 L^2 / ((1 - h^2 L^2) (k + 1) (k + 3))).

    From `0.618 / L` the limit is `0.4365 / L`, and `|F(z_k)|^2 <= 27 (L D)^2 / ((k + 1) (k + 2))`.
    The proof of the second rule carries over to `G_k = F(z_k) + c_k` with constraints:

        h_k (k + 1) (k + 2) / 2 |G_k|^2 <= (k + 1) D |G_k| + h_0 |F(z_0)|^2.

    Attributes:
        step_size: `h`, a positive number or one per player (one number with `lipschitz`).
        lipschitz: `L`, the Lipschitz constant of the field, for steps that vary; or None.

    Raises:
        ValueError: If `lipschitz` is given, and the step is not one number in `(0, 3 / (4 L))`.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), AnchoredExtragradient(0.125)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x]
    [0.859375, 1.109375]

    References:
        Yoon and Ryu, *Accelerated algorithms for smooth convex-concave minimax problems with
        O(1/k^2) rate on squared gradient norm*, ICML 2021, arXiv:2102.07922.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    lipschitz: Float[Array, ""] | None = eqx.field(default=None, converter=real_hyperparameter)

    def __check_init__(self):
        if self.lipschitz is None:
            return
        if not eqx.is_array(self.step_size) or self.step_size.ndim > 0:
            raise ValueError("steps that vary start from one number for all players as step_size")
        if is_known(self.step_size) and is_known(self.lipschitz):
            product = float(self.step_size * self.lipschitz)
            if not 0 < product < 0.75:
                raise ValueError(
                    "steps that vary start between 0 and 3 / (4 lipschitz); "
                    f"got a step size of {product:.6g} / lipschitz"
                )

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> AnchoredState:
        start = _start(field, x)
        return start if self.lipschitz is None else start._replace(step_size=self.step_size)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, AnchoredState]:
        h = self.step_size if self.lipschitz is None else state.step_size
        weight = 1 / (state.steps + 2)
        x, push = _step(field, x, state, h, weight, jnp.ones_like(weight), args)
        if self.lipschitz is None:
            return x, AnchoredState(state.anchor, push, state.steps + 1)
        square = jnp.square(h * self.lipschitz)
        products = ((state.steps + 1) * (state.steps + 3)).astype(h.dtype)
        share = 1 - square / ((1 - square) * products)
        if push is not None:
            push = scale(share, push)  # of the same element of the normal cone, at the next step
        return x, AnchoredState(state.anchor, push, state.steps + 1, share * h)


class FastExtragradient(AbstractMethod):
    """The fast extragradient method for monotone games. Two evaluations per step.

    With the start `z_0` as its anchor and `b = 1 / (k + 1)`, for k = 0, 1, ...:

        w = z + b (z_0 - z) - (1 - b) h (F(z) + c),    z+ = P(z + b (z_0 - z) - h F(w)).

    Constraints are treated as by `AnchoredExtragradient`: `c`, at first zero, is the element of the
    normal cone at `z` that the last projection shows, and `w` may lie outside the sets. On monotone
    `L`-Lipschitz games with a solution `z*`, for every step `h <= 1 / L`, with and without
    constraints,

        |F(z_k) + c_k| <= 2 |z_0 - z*| / (h k),

    because `k^2 h / 2 |F(z_k) + c_k|^2 - k <F(z_k) + c_k, z_0 - z_k>` never grows. The left side is
    at least the tangent residual, see `dgames.tangent_residual`. Up to a constant factor no method
    that only evaluates the field is faster.

    Attributes:
        step_size: `h`, a positive number or one per player; best `1 / L`.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), FastExtragradient(1.0)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> x, state = method.step(field, x, state)
    >>> [float(block) for block in x]
    [-1.0, 1.0]

    References:
        Lee and Kim, *Fast extra gradient methods for smooth structured nonconvex-nonconcave minimax
        problems*, NeurIPS 2021, arXiv:2106.02326.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> AnchoredState:
        return _start(field, x)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, AnchoredState]:
        weight = 1 / (state.steps + 1)
        x, push = _step(field, x, state, self.step_size, weight, 1 - weight, args)
        return x, AnchoredState(state.anchor, push, state.steps + 1)


def _start(field: AbstractField, x: Strategy) -> AnchoredState:
    push = jax.tree.map(jnp.zeros_like, x) if has_constraints(field, x) else None
    return AnchoredState(x, push, jnp.zeros((), int))


def _step(
    field: AbstractField,
    x: Strategy,
    state: AnchoredState,
    step_size: PyTree[Array],
    weight: Float[Array, ""],
    share: Float[Array, ""],
    args: PyTree,
) -> tuple[Strategy, Strategy | None]:
    """The next strategy and push; the trial point takes a share of the move `h (F(z) + c)`."""
    near = towards(x, state.anchor, weight)
    move = scale(step_size, field(x, args))
    if state.push is not None:
        move = add(move, state.push)
    moved = subtract(near, scale(step_size, field(subtract(near, scale(share, move)), args)))
    x = field.project(moved)
    return x, None if state.push is None else subtract(moved, x)

"""Halpern's iteration on averages over data, with few evaluations of all data."""

import math
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
from dgames.strategy import Strategy


class VarianceReducedState(NamedTuple):
    """What the next step of `VarianceReducedHalpern` depends on.

    Attributes:
        anchor: The start, `x_0`.
        before: The previous strategy.
        estimate: The estimate of the field there.
        steps: The number of steps taken.
        evaluations: How often components were evaluated so far: exactly, in the range of integers
            (two billion without jax_enable_x64).
    """

    anchor: Strategy
    before: Strategy
    estimate: Strategy
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]


class VarianceReducedHalpern(AbstractMethod):
    r"""Halpern's iteration with the PAGE estimator, for cocoercive averages over data.

    With the anchor `x_0` and `l_k = 2 / (k + 4)`, for k = 0, 1, ...:

        g_k = F(x_k) with probability p_k,
              else g_(k-1) + 1/b sum_(i in S) (F_i(x_k) - F_i(x_(k-1)))
        x_(k+1) = P(l_k x_0 + (1 - l_k) x_k - h g_k)

    where S is a random batch of b indices without repetition, and `p_k` is 1 for k <= 1,
    `4 / (k + 4)` while `k - 1 <= sqrt(n)`, and `4 / (sqrt(n) + 5)` from there on. A step costs `n`
    evaluations of components or `2 b`, about `6 sqrt(n)` on average in the long run; the state
    counts them. The field must be the pseudo-gradient of a `FiniteSum`, or a `FiniteSumField`, and
    `args` None: the method draws its batches by itself. The residual that `dgames.solve` looks at
    costs n evaluations more, which are not counted; with `Stepwise(lambda step: None, mean=None,
    every=100)` as `args` it looks now and then.

    Let `E_i |F_i(x) - F_i(y)|^2 <= L <F(x) - F(y), x - y>` for all x and y in the set, and

        h <= 1 / (L (1 + sqrt(r))^2),    r = (sqrt(n) + 1) / b,

    about `1 / (4 L)` for `b = sqrt(n)`. Then there are normal vectors `c_k` of the set at `x_k`
    (zero without constraints) for which the last iterate has

        E |F(x_k) + c_k|^2 <= (2 (D + sqrt(D^2 + 3 h^2 |F(x_0)|^2 / (k + 3))) / (h (k + 2)))^2

    with D the distance from `x_0` to a solution. So `|F + c| <= e` takes about
    `n + sqrt(n) L D / e` evaluations. For games without that property, such as bilinear ones, any
    step is a heuristic; `VarianceReducedInexactHalpern` is for them.

    Proof. Let `G_k = F(x_k) + c_k` with `c_0 = 0`, `e_k` the error of the estimate, `d_k` the mean
    of `|F_i(x_(k+1)) - F_i(x_k)|^2`, and `H = g_k + c_(k+1)`, so that `x_(k+1) = l x_0 + (1 - l)
    x_k - h H`. For t in (0, 1) and `u` in (0, 1/L), with `a = (1/L - u) (1 - t)`,

        <G_(k+1) - G_k, x_(k+1) - x_k> >= d_k / L >= u d_k + a |G_(k+1) - H|^2 - a / t |e_k|^2.

    Let `B_k = (k + 2) (k + 3)`, `A_k = h (k + 2) B_k / 4` and `C_k = A_k |G_k|^2 + B_k <G_k, x_k -
    x_0>`. The inequality times `B_k / l_k`, maximised over H, leaves a quadratic form of `G_k` and
    `G_(k+1)`, which is negative if `h <= a`, so that

        C_(k+1) - C_k <= B_k / l_k (a / t |e_k|^2 - u d_k).

    Since `E |e_(k+1)|^2 <= (1 - p_(k+1)) E (|e_k|^2 + d_k / b)`, adding `(sqrt(n) + 2) a / t` times
    `B_k / l_k |e_k|^2` to `C_k` makes its expectation fall if `u = a / t r`; and `t = sqrt(r) /
    (1 + sqrt(r))` makes a largest, as stated. Finally `<G_k, x_k - x_0> >= -D |G_k|`, and `C_0 =
    3 h |F(x_0)|^2`.

    With `refresh=1` every field is whole, which is Halpern's iteration itself: for it `r` is zero.

    Attributes:
        step_size: `h`, a positive number.
        key: A random key.
        batch: `b`, or None for the square root of n, rounded down.
        refresh: A constant for all `p_k`, in (0, 1], or None for those above.

    >>> import dgames as dg
    >>> nearest = dg.game(lambda x, datum: ((x[0] - datum) ** 2,))
    >>> field = dg.pseudo_gradient(dg.FiniteSum(nearest, jnp.arange(16.0)))
    >>> method = VarianceReducedHalpern(0.125, jax.random.key(0))
    >>> run = dg.iterate(field, method, (jnp.array(0.0),), steps=100)
    >>> abs(float(run.strategy[0]) - 7.5) < 0.6, int(run.state.evaluations) < 100 * 16
    (True, True)

    References:
        Cai, Alacaoglu and Diakonikolas, *Variance reduced Halpern iteration for finite-sum monotone
        inclusions*, ICLR 2024, arXiv:2310.02987, algorithm 1; Li, Bao, Zhang and Richtárik, *PAGE:
        a simple and optimal probabilistic gradient estimator*, ICML 2021, arXiv:2008.10898. The
        constants above are derived as shown, not quoted.
    """

    step_size: Float[Array, "*batch"] = eqx.field(converter=real_hyperparameter)
    key: Key[Array, "*batch"]
    batch: int | None = eqx.field(static=True, default=None)
    refresh: Float[Array, "*batch"] | None = eqx.field(default=None, converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> VarianceReducedState:
        check_no_args(args)
        self.batch_size(number_of_components(field))
        zero = jnp.zeros((), int)
        return VarianceReducedState(x, x, jax.tree.map(jnp.zeros_like, x), zero, zero)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, VarianceReducedState]:
        check_no_args(args)
        size = number_of_components(field)
        batch = self.batch_size(size)
        k = state.steps.astype(self.step_size.dtype)
        coin, lot = jax.random.split(jax.random.fold_in(self.key, state.steps))

        def whole() -> tuple[Strategy, Array]:
            return field(x), jnp.asarray(size, state.evaluations.dtype)

        def corrected() -> tuple[Strategy, Array]:
            indices = draw(lot, size, batch, replace=False)
            change = subtract(field(x, indices), field(state.before, indices))
            return add(state.estimate, change), jnp.asarray(2 * batch, state.evaluations.dtype)

        # The first estimate has nothing to correct.
        sure = (state.steps == 0) | jax.random.bernoulli(coin, self.probability(k, size))
        estimate, cost = jax.lax.cond(sure, whole, corrected)
        anchored = towards(x, state.anchor, 2 / (k + 4))
        new = field.project(subtract(anchored, scale(self.step_size, estimate)))
        return new, VarianceReducedState(
            state.anchor, x, estimate, state.steps + 1, state.evaluations + cost
        )

    def batch_size(self, size: int) -> int:
        """Returns b, for a number n of data."""
        batch = math.isqrt(size) if self.batch is None else self.batch
        return checked_batch("VarianceReducedHalpern", batch, size)

    def probability(self, step: Float[Array, ""], size: int) -> Float[Array, ""]:
        """Returns `p_k`, for a number k of a step and a number n of data."""
        if self.refresh is not None:
            return self.refresh
        root = math.sqrt(size)
        late = jnp.where(step - 1 <= root, 4 / (step + 4), 4 / (root + 5))
        return jnp.where(step <= 1, jnp.ones_like(late), late)

    @staticmethod
    def largest_step(lipschitz: float, size: int, batch: int | None = None) -> float:
        """The largest step size of the theorem, `1 / (L (1 + sqrt((sqrt(n) + 1) / b))^2)`.

        Args:
            lipschitz: `L`, positive.
            size: n.
            batch: `b` (default: the square root of n, rounded down).

        >>> round(VarianceReducedHalpern.largest_step(1.0, 10_000), 4)
        0.2488
        """
        ratio = (math.sqrt(size) + 1) / (math.isqrt(size) if batch is None else batch)
        return 1 / (lipschitz * (1 + math.sqrt(ratio)) ** 2)


class InexactHalpernState(NamedTuple):
    """The start, the number of steps taken, and how often components were evaluated, exactly."""

    anchor: Strategy
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]


class _Inner(NamedTuple):
    """The inner loop: its point, the snapshot with the field there, and the snapshot before."""

    point: Strategy
    snapshot: Strategy
    force: Strategy
    last: Strategy
    evaluations: Array


class VarianceReducedInexactHalpern(AbstractMethod):
    r"""Halpern's iteration with variance-reduced resolvents, for monotone averages over data.

    With the anchor `x_0` and `l_k = 1 / (k + 2)`, for k = 0, 1, ...:

        x_(k+1) = P(l_k x_0 + (1 - l_k) J_k),    J_k near (I + c F + N)^-1 x_k

    with N the normal cones of the set. `J_k` is the last point of `M_k` variance-reduced
    forward-reflected-backward steps from `v = w = x_k`, each with a random index i,

        v+ = P((1 - p) v + p w - s (c F(w) + w - x_k + c (F_i(v) - F_i(w-)) + v - w-)),

    where w is a snapshot and `w-` the one of the step before; then w becomes `v+` with probability
    `p`, or else stays. An inner step costs two evaluations of components, and n more where the
    snapshot is renewed. The state counts them. The field must be the pseudo-gradient of a
    `FiniteSum`, or a `FiniteSumField`, and `args` None.

    By default `p = 1 / n`, `M_k = max(1, floor(m n log(k + 2)))`, and c is to be about
    `sqrt(n) / L`, for which `|F| <= e` takes about `n + sqrt(n) L / e` evaluations, up to
    logarithms (Cai et al., 2024). For the inner loop, let F be monotone and
    `E_i |F_i(x) - F_i(y)|^2 <= L^2 |x - y|^2`. With `v*` the resolvent, `B = c F + I - x_k` and

        s <= sqrt(p (1 - p)) / (c L + 1)

    the expectation of `(1 - p) |v - v*|^2 + |w - v*|^2 + 2 s <B(v) - B(w-), v* - v> + p |v - w-|^2`
    never grows, is at least that of `|w - v*|^2`, and falls by `2 s |v+ - v*|^2` in each step.
    (Write the inner product of the projection with `v* - v+`, split `B_i(v) - B_i(w-)` there along
    `v* - v` and `v - v+`, and bound the latter by Young's inequality.) That is `largest_step`. How
    many inner steps are enough for the outer loop is a heuristic here: m = 0.05 is what the
    experiments of the paper use, and its theorem asks for more.

    Attributes:
        resolvent_step: `c`, positive.
        step_size: `s`, positive.
        key: A random key.
        effort: `m`, positive.
        refresh: `p`, in (0, 1), or None for `1 / n` (one half where n is one).

    >>> import dgames as dg
    >>> matching = dg.zero_sum(lambda x, datum: datum * x[0] * x[1])
    >>> field = dg.pseudo_gradient(dg.FiniteSum(matching, jnp.linspace(0.5, 1.5, 16)))
    >>> s = VarianceReducedInexactHalpern.largest_step(4.0, 1.05, 16)
    >>> method = VarianceReducedInexactHalpern(4.0, s, jax.random.key(0), effort=1.0)
    >>> run = dg.iterate(field, method, (1.0, 1.0), steps=20)
    >>> float(dg.residual(field, run.strategy)) < 0.1
    True

    References:
        Cai, Alacaoglu and Diakonikolas, *Variance reduced Halpern iteration for finite-sum monotone
        inclusions*, ICLR 2024, arXiv:2310.02987, algorithm 2; Alacaoglu and Malitsky, *Stochastic
        variance reduction for variational inequality methods*, COLT 2022, arXiv:2102.08352.
    """

    resolvent_step: Float[Array, "*batch"] = eqx.field(converter=real_hyperparameter)
    step_size: Float[Array, "*batch"] = eqx.field(converter=real_hyperparameter)
    key: Key[Array, "*batch"]
    effort: Float[Array, "*batch"] = eqx.field(default=0.05, converter=real_hyperparameter)
    refresh: Float[Array, "*batch"] | None = eqx.field(default=None, converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> InexactHalpernState:
        check_no_args(args)
        number_of_components(field)
        return InexactHalpernState(x, jnp.zeros((), int), jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, InexactHalpernState]:
        check_no_args(args)
        size = number_of_components(field)
        k = state.steps.astype(self.step_size.dtype)
        key = jax.random.fold_in(self.key, state.steps)
        chance = jnp.asarray(_chance(size), k.dtype) if self.refresh is None else self.refresh
        rounds = jnp.maximum(1, jnp.floor(self.effort * size * jnp.log(k + 2)).astype(int))

        def inner(j: Array, at: _Inner) -> _Inner:
            coin, lot = jax.random.split(jax.random.fold_in(key, j))
            index = draw(lot, size, 1, replace=True)
            change = subtract(field(at.point, index), field(at.last, index))
            push = add(
                scale(self.resolvent_step, add(at.force, change)),
                add(subtract(at.snapshot, x), subtract(at.point, at.last)),
            )
            mixed = towards(at.point, at.snapshot, chance)
            point = field.project(subtract(mixed, scale(self.step_size, push)))

            def renewed() -> tuple[Strategy, Strategy, Array]:
                return point, field(point), jnp.asarray(size, at.evaluations.dtype)

            def kept() -> tuple[Strategy, Strategy, Array]:
                return at.snapshot, at.force, jnp.zeros_like(at.evaluations)

            drawn = jax.random.bernoulli(coin, chance)
            snapshot, force, cost = jax.lax.cond(drawn, renewed, kept)
            return _Inner(point, snapshot, force, at.snapshot, at.evaluations + 2 + cost)

        start = _Inner(x, x, field(x), x, state.evaluations + size)
        end = jax.lax.fori_loop(0, rounds, inner, start)
        new = field.project(towards(end.point, state.anchor, 1 / (k + 2)))
        return new, InexactHalpernState(state.anchor, state.steps + 1, end.evaluations)

    @staticmethod
    def largest_step(
        resolvent_step: float, lipschitz: float, size: int, refresh: float | None = None
    ) -> float:
        """The largest inner step of the estimate above, `sqrt(p (1 - p)) / (c L + 1)`.

        Args:
            resolvent_step: `c`.
            lipschitz: `L`, in mean square.
            size: n.
            refresh: `p` (default: `1 / n`).

        >>> VarianceReducedInexactHalpern.largest_step(5.0, 1.0, 2)
        0.08333333333333333
        """
        p = _chance(size) if refresh is None else refresh
        return math.sqrt(p * (1 - p)) / (resolvent_step * lipschitz + 1)


def _chance(size: int) -> float:
    """The probability of a new snapshot: with `p = 1` there would be no step that is allowed."""
    return 1 / max(size, 2)


def check_no_args(args: PyTree) -> None:
    """Raises an error unless `args` are None, as methods that draw batches by themselves need."""
    if args is not None:
        raise ValueError(
            "variance reduction draws batches by itself and needs whole fields in between, so args "
            "must be None; what else the costs depend on belongs to the game or its data, and "
            "costs that take rows of data as args are those of dgames.Sampled(game, data)"
        )


def checked_batch(who: str, batch: int, size: int) -> int:
    """Returns the size of a batch; raises an error if it does not fit to the number of data."""
    if not 1 <= batch <= size:
        raise ValueError(
            f"{who}: a batch has at least one index and at most one for each of {size} data; got "
            f"{batch}"
        )
    return batch

"""Gradient descent against several candidate answers at once."""

from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, PseudoGradient, own_sets
from dgames.game import ZeroSum, is_zero_sum
from dgames.methods.method import (
    AbstractMethod,
    State,
    per_player,
    real_hyperparameter,
    scale_block,
    subtract,
)
from dgames.roles import minimiser_of
from dgames.sets import player_set
from dgames.strategy import Block, Strategy, block, ravel, replace


class KBeamState(NamedTuple):
    """The candidates of the maximiser, stacked along a new first axis, and the step's number."""

    candidates: Block
    round: Int[Array, ""]


class KBeam(AbstractMethod):
    """K-beam minimax: descent against the best of K answers, all of which ascend.

    For `min_x max_y f(x, y)` with candidates `y_1, ..., y_K`, in step t = 1, 2, ...:

        best = argmax_k f(x, y_k),    x+ = P(x - r d),    r = h / sqrt(t),
        y_k+ = P(y_k + r d f(x+, y_k) / d y)    for all k,

    where `d` is the gradient `d f(x, y_best) / d x`. With `epsilon` given, `d` is the shortest
    convex combination of the gradients at all candidates whose payoffs are within `epsilon` of the
    best: an approximate `epsilon`-subgradient of `max_y f(x, y)`, which vanishes where candidates
    balance each other. The maximiser's strategy is the candidate that was best, after its step.

    Where answers to `x` have several local maxima, gradient descent-ascent follows one of them and
    may stop at points that are no minimax points; candidates in several basins avoid that. There is
    no proof for candidates that miss a basin. With one candidate, it is descent-ascent in
    alternation. It follows the pseudo-gradient of a zero-sum game. A step costs K payoffs, K
    gradients for the maximiser, and one for the minimiser (K with `epsilon`).

    Attributes:
        step_size: `h`, a positive number or one per player.
        candidates: The first candidates: the maximiser's strategy with a new first axis of length
            K. The maximiser's strategy in the start does not matter.
        epsilon: A number that is not negative, or None for the gradient at the best candidate.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(0.0)), KBeam(0.5, jnp.array([-1.0, 1.0]))
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], state.candidates.tolist()
    ([0.5, 1.25], [-0.75, 1.25])

    References:
        Hamm and Noh, *K-beam minimax: efficient optimization for deep adversarial learning*, ICML
        2018, arXiv:1805.11640.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    candidates: Block = eqx.field(converter=real_hyperparameter)
    epsilon: Float[Array, ""] | None = eqx.field(default=None, converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> KBeamState:
        answer = block(x, 1 - _minimiser(field, x))
        leaves, structure = jax.tree.flatten(answer)
        given, given_structure = jax.tree.flatten(self.candidates)
        counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in given}
        fits = given_structure == structure and len(counts) == 1 and min(counts) > 0
        if not fits or [leaf.shape[1:] for leaf in given] != [leaf.shape for leaf in leaves]:
            raise ValueError(
                "KBeam: candidates are strategies of the maximiser stacked along a new first axis, "
                f"here with the shapes {[('K', *leaf.shape) for leaf in leaves]}; got "
                f"the shapes {[leaf.shape for leaf in given]}"
            )
        candidates = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), given, leaves)
        return KBeamState(structure.unflatten(candidates), jnp.ones((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, KBeamState]:
        least = _minimiser(field, x)
        most = 1 - least
        game, sets = cast(PseudoGradient, field).game, own_sets(field, x)
        steps = per_player(self.step_size, x)
        candidates, shrink = state.candidates, jax.lax.rsqrt(state.round.astype(float))

        def moved(x: Strategy, player: int) -> Block:
            return project(block(x, player), field.block(x, player, args), player)

        def project(own: Block, slope: Block, player: int) -> Block:
            step = scale_block(shrink * block(steps, player), slope)
            return player_set(sets, x, player).project(subtract(own, step))

        def payoff(candidate: Block) -> Array:
            return cast(ZeroSum, game).payoff(replace(x, most, candidate), args)

        payoffs = jax.vmap(payoff)(candidates)
        best = jnp.argmax(payoffs)
        if self.epsilon is None:
            answered = replace(x, most, _pick(candidates, best))
            new = moved(answered, least)
        else:

            def slope(candidate: Block) -> Float[Array, " coordinates"]:
                return ravel(field.block(replace(x, most, candidate), least, args))[0]

            near = payoffs >= payoffs[best] - self.epsilon.astype(payoffs.dtype)
            slopes = jax.vmap(slope)(candidates)
            # Copies of the best slope leave the convex hull as it is.
            shortest = shortest_in_hull(jnp.where(near[:, None], slopes, slopes[best]))
            new = project(block(x, least), ravel(block(x, least))[1](shortest), least)
        x = replace(x, least, new)
        after = jax.vmap(lambda candidate: moved(replace(x, most, candidate), most))(candidates)
        return replace(x, most, _pick(after, best)), KBeamState(after, state.round + 1)


def shortest_in_hull(points: Float[Array, "count d"]) -> Float[Array, " d"]:
    """The shortest vector in the convex hull of points, by an interior-point method (qpax).

    >>> shortest_in_hull(jnp.array([[1.0, 1.0], [1.0, -3.0]])).round(6).tolist()
    [1.0, 0.0]
    """
    import qpax  # a while to import, and needed here alone

    count = len(points)
    longest = jnp.max(jnp.abs(points))
    scaled = points / jnp.where(longest > 0, longest, 1)
    identity, one = jnp.eye(count, dtype=points.dtype), jnp.ones((1, count), points.dtype)
    # qpax mixes integers and floats.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        weights = qpax.solve_qp(
            scaled @ scaled.T,
            jnp.zeros(count, points.dtype),
            one,
            jnp.ones(1, points.dtype),
            -identity,
            jnp.zeros(count, points.dtype),
            solver_tol=float(10 * jnp.finfo(points.dtype).eps),
        )[0]
    weights = jnp.maximum(weights, 0)
    return (weights / jnp.sum(weights)) @ points


def _pick(candidates: Block, index: Any) -> Block:
    return jax.tree.map(lambda leaf: leaf[index], candidates)


def _minimiser(field: AbstractField, x: Strategy) -> int:
    if not isinstance(field, PseudoGradient) or not is_zero_sum(field.game):
        raise ValueError("KBeam follows the pseudo-gradient of a zero-sum game, and no other field")
    return minimiser_of(field.game, x, field.order_is_known)

"""Optimisers of optax that extrapolate before they step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from dgames.transforms.decay_rates import check_decay


class ExtragradientState(NamedTuple):
    """State of `extragradient`: which half of a step comes next, and where the step began."""

    phase: ArrayLike  # 0: the next update extrapolates; 1: it is taken from the base point
    base: optax.Params
    inner: optax.OptState


def extragradient(tx: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    r"""Makes every second update of an optimiser a step, and those between them extrapolations.

    With the direction `u(g)` that the optimiser makes of a gradient, two updates are one step:

        y  =  x + u(g(x))      the parameters after the first update
        x  <- x + u(g(y))      after the second one, from the base point x again

    The optimiser sees both gradients, one after the other, so that its moments are of both. Of
    `optax.sgd(h)` this makes the extragradient method (Korpelevich, 1976), of `optax.adam` the
    ExtraAdam of Gidel et al.; see `extra_adam`. Parameters may be projected after each update.

    Parameters are worth looking at after an even number of updates. Both gradients of a step may be
    taken on the same batch, with which it converges where independent batches can diverge
    (Mishchenko et al., *Revisiting stochastic extragradient*, 2020); the paper below draws two.

    Args:
        tx: The optimiser, with its learning rate and sign: its updates are added to the parameters.

    Returns:
        A gradient transformation whose `update` needs the parameters.

    Example:
        The bilinear game `min_x max_y x y`, on which gradient descent-ascent spirals outwards:

        >>> import jax.numpy as jnp, optax
        >>> tx = extragradient(optax.sgd(0.5))
        >>> x = {"min": jnp.array(1.0), "max": jnp.array(1.0)}
        >>> state = tx.init(x)
        >>> for _ in range(2):
        ...     updates, state = tx.update({"min": x["max"], "max": -x["min"]}, state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> {name: float(value) for name, value in x.items()}
        {'max': 1.25, 'min': 0.25}

    References:
        Gidel, Berard, Vignoud, Vincent and Lacoste-Julien, *A Variational Inequality Perspective on
        Generative Adversarial Networks*, ICLR 2019, arXiv:1802.10551.
    """
    inner = optax.with_extra_args_support(tx)

    def init(params):
        return ExtragradientState(
            jnp.zeros([], jnp.int32), optax.tree.zeros_like(params), inner.init(params)
        )

    def update(updates, state, params=None, **extra_args):
        if params is None:
            raise ValueError(
                "extragradient: `update` needs the parameters, tx.update(gradient, state, params)."
            )
        direction, inner_state = inner.update(updates, state.inner, params, **extra_args)
        stepping = state.phase == 1

        def moved(u, x, base):
            return jnp.where(stepping, (base - x) + u.astype(x.dtype), u.astype(x.dtype))

        base = jax.tree.map(lambda x, b: jnp.where(stepping, b, x), params, state.base)
        moves = jax.tree.map(moved, direction, params, base)
        return moves, ExtragradientState(1 - state.phase, base, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def extra_adam(
    learning_rate: optax.ScalarOrSchedule,
    b1: ArrayLike = 0.5,
    b2: ArrayLike = 0.9,
    eps: ArrayLike = 1e-8,
) -> optax.GradientTransformationExtraArgs:
    r"""Adam with extrapolation.

    Two updates are one step, `extragradient(optax.adam(...))`: with the bias-corrected moments
    `m`, `v` of all gradients so far,

        y  =  x - learning_rate * m / (sqrt(v) + eps)      m, v updated with g(x)
        x  <- x - learning_rate * m / (sqrt(v) + eps)      m, v updated with g(y)

    The defaults of the decay rates are those of the paper's experiments. A schedule counts updates,
    two per step.

    Args:
        learning_rate: Step size, a number or an optax schedule.
        b1: Decay rate of the first moment, in [0, 1).
        b2: Decay rate of the second moment, in [0, 1).
        eps: Added to the denominator, outside the square root.

    Returns:
        A gradient transformation whose `update` needs the parameters.

    References:
        Gidel, Berard, Vignoud, Vincent and Lacoste-Julien, *A Variational Inequality Perspective on
        Generative Adversarial Networks*, ICLR 2019, arXiv:1802.10551, Algorithm 4.
    """
    check_decay(b1, "b1")
    check_decay(b2, "b2")
    return extragradient(optax.adam(learning_rate, b1, b2, eps))

"""A cap on spectral norms of weights, by a polynomial of the matrix, after any bounded update."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jax.typing import ArrayLike

# The polynomial rises up to k as long as its coefficient times k^2 is at most a third, which is the
# case as long as the cap is at least this share of k.
_LEAST_SHARE = 62 / 81

# By what share first matrices may be above the cap: rounding, and parameters of lower precision.
_SLACK = 0.01


class SoftCapState(NamedTuple):
    """State of `soft_cap`: how many updates there were."""

    count: ArrayLike  # pyright: ignore[reportIncompatibleMethodOverride]


def soft_cap(
    w_max: float, *, update_norm: optax.ScalarOrSchedule, decay: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    r"""Keeps spectral norms of weight matrices below a cap, softly: small ones are hardly changed.

    It follows an optimiser whose updates U have `|U|_2 <= update_norm`. With
    `k = (1 - decay) w_max + update_norm` and odd polynomials of the matrix, which are polynomials
    of its singular values,

        X = (1 - decay) W + U,    Y = X - a X X'X,    W  <-  Y + a Y Y'Y,

    where a is zero if `k <= w_max`, and otherwise the smallest non-negative root of

        -k^9 a^4 + 3 k^7 a^3 - 3 k^5 a^2 + k - w_max = 0.

    If all matrices have norms of at most `w_max` at first, then they do for ever (in exact
    arithmetic; rounding adds a few units). There are no singular value decompositions, only
    products of matrices.

    Proof. `|X|_2 <= k`. On singular values x the polynomial is `p(x) = y + a y^3` of
    `y = x - a x^3`, with `p'(x) = (1 + 3 a y^2) (1 - 3 a x^2)`, so that p rises on [0, k] if
    `t = a k^2 <= 1/3`, from 0 to `p(k) = k (1 - 3 t^2 + 3 t^3 - t^4)`, which the root makes
    `w_max`. This falls in t, to `62/81 k` at a third: there is a root if `w_max >= 62/81 k`. For
    larger k, after updates larger than `(19/62 + decay) w_max`, X is divided by
    `62/81 k / w_max` first, after which the same holds with t = 1/3.

    Leaves of two axes are capped; others are passed on with their updates, without decay. Use
    `optax.partition` for different caps.

    Args:
        w_max: The cap, a positive number.
        update_norm: A bound of the spectral norms of the updates, a number or an optax schedule:
            of `optax.contrib.scale_by_muon`, `MUON_NORM` times the learning rate; of others, what
            `clip_by_spectral_norm` makes it.
        decay: Weight decay per update, in [0, 1).

    Returns:
        A gradient transformation whose `update` needs the parameters.

    Raises:
        ValueError: If a number is out of its range; and from `init`, if a matrix is more than a
            per cent above the cap, where the polynomial would diverge.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> tx = optax.chain(optax.sgd(1.0), soft_cap(1.0, update_norm=0.1))
        >>> w = jnp.diag(jnp.array([1.0, 0.5]))
        >>> updates, _ = tx.update(-0.1 * jnp.eye(2), tx.init(w), w)
        >>> print(optax.apply_updates(w, updates).round(4))
        [[1.     0.    ]
         [0.     0.5944]]

    References:
        Newhouse et al., *Training Transformers with Enforced Lipschitz Constants*, 2025,
        arXiv:2507.13338.
    """
    check_positive("soft_cap", "w_max", w_max)
    if not 0 <= decay < 1:
        raise ValueError(f"soft_cap: `decay` must lie in [0, 1), got {decay}.")
    if not callable(update_norm):
        check_positive("soft_cap", "update_norm", update_norm)

    def init(params):
        for weight in jax.tree.leaves(params):
            _require_below(weight, w_max)
        return SoftCapState(jnp.zeros([], jnp.int32))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        if params is None:
            raise ValueError(
                "soft_cap: `update` needs the parameters, tx.update(gradient, state, params)."
            )
        norm = update_norm(state.count) if callable(update_norm) else update_norm

        def capped(weight, move):
            if weight.ndim != 2:
                return move
            largest = jnp.asarray((1 - decay) * w_max + norm, weight.dtype)
            shrink = jnp.minimum(1, w_max / (_LEAST_SHARE * largest))
            matrix = shrink * ((1 - decay) * weight + move)
            a = cap_coefficient(shrink * largest, w_max)
            return _cubic(_cubic(matrix, -a), a) - weight

        return jax.tree.map(capped, params, updates), SoftCapState(
            optax.safe_increment(state.count)
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _require_below(weight: jax.Array, w_max: float) -> None:
    """Raises a ValueError if a matrix is above the cap, where the polynomial would diverge."""
    if jnp.ndim(weight) != 2 or isinstance(weight, Tracer):
        return
    norm = float(np.linalg.norm(np.asarray(weight, np.float64), 2))
    if norm > w_max * (1 + _SLACK):
        raise ValueError(
            f"soft_cap: a first matrix of shape {weight.shape} has the norm {norm:.6g}, above the "
            f"cap of {w_max}; take a larger cap, or bring it below with "
            "dgames.transforms.keep_spectral_norm"
        )


def cap_coefficient(largest: jax.Array, w_max: float) -> jax.Array:
    """The coefficient a of `soft_cap` for a norm k: zero, or the root, rounded up.

    Any larger one, up to a third of `1 / k^2`, keeps norms below the cap too. In `t = a k^2`
    Newton's method is monotone from a third: the function is concave and falls.
    """
    unit = jnp.finfo(largest.dtype).eps
    share = jnp.clip(w_max / largest * (1 - 4 * unit), _LEAST_SHARE, 1)

    def newton(_, t):
        value = 1 - 3 * t**2 + 3 * t**3 - t**4 - share
        return jnp.maximum(0, t + value / (6 * t - 9 * t**2 + 4 * t**3))

    t = jax.lax.fori_loop(0, 40, newton, jnp.full_like(largest, 1 / 3))
    return jnp.where(largest <= w_max, 0, t / largest**2)


def _cubic(x: jax.Array, a: jax.Array) -> jax.Array:
    """`X + a X X'X`, through the smaller Gram matrix."""
    with jax.default_matmul_precision("highest"):
        product = (x @ x.T) @ x if x.shape[0] <= x.shape[1] else x @ (x.T @ x)
    return x + a * product


def check_positive(who: str, name: str, value: ArrayLike) -> None:
    """Raises a ValueError unless a number is positive; traced ones are not looked at."""
    if isinstance(value, int | float) and not value > 0:
        raise ValueError(f"{who}: `{name}` must be positive, got {value}.")

"""Hard limits of spectral norms, of updates and of weights, by division by a proved bound."""

import jax
import jax.numpy as jnp
import optax

from dgames.nn.spectral_norm import spectral_norm_bound
from dgames.transforms.soft_cap import check_positive


def clip_by_spectral_norm(
    max_norm: float, iterations: int = 5
) -> optax.GradientTransformationExtraArgs:
    r"""Scales updates of matrices down to a spectral norm.

        U  <-  U min(1, max_norm / sigma),      sigma >= |U|_2 by `dgames.nn.spectral_norm_bound`

    The norm of the result is at most `max_norm`, because sigma is an upper bound. It makes any
    optimiser one that `soft_cap` may follow. Leaves of other than two axes are passed on.

    Args:
        max_norm: A positive number.
        iterations: How often the bound squares a matrix; more are more precise.

    Returns:
        A gradient transformation.

    Raises:
        ValueError: If `max_norm` is not positive.

    >>> import jax.numpy as jnp, optax
    >>> tx = optax.chain(optax.adam(0.1), clip_by_spectral_norm(0.05))
    """
    check_positive("clip_by_spectral_norm", "max_norm", max_norm)

    def init(params):
        del params
        return optax.EmptyState()

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        return jax.tree.map(lambda move: limited(move, max_norm, iterations), updates), state

    return optax.GradientTransformationExtraArgs(init, update)


def keep_spectral_norm(w_max: float, iterations: int = 5) -> optax.GradientTransformationExtraArgs:
    r"""Scales weight matrices down to a spectral norm after each update, by any optimiser.

        X = W + U,    W  <-  X min(1, w_max / sigma),    sigma >= |X|_2 by `spectral_norm_bound`

    Nothing is assumed of updates or of the first weights: after every update each matrix has a norm
    of at most `w_max`. All singular values are scaled alike; `soft_cap` lowers only the large ones.
    Leaves of other than two axes are passed on.

    It comes last, so that it sees whole updates: `optax.chain(optimiser, keep_spectral_norm(1.0))`.

    Args:
        w_max: A positive number.
        iterations: How often the bound squares a matrix; more are more precise.

    Returns:
        A gradient transformation whose `update` needs the parameters.

    Raises:
        ValueError: If `w_max` is not positive.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> tx = optax.chain(optax.sgd(1.0), keep_spectral_norm(1.0))
        >>> w = jnp.eye(2)
        >>> updates, _ = tx.update(jnp.diag(jnp.array([-3.0, 0.0])), tx.init(w), w)
        >>> print(optax.apply_updates(w, updates).round(2))
        [[1.   0.  ]
         [0.   0.25]]
    """
    check_positive("keep_spectral_norm", "w_max", w_max)

    def init(params):
        del params
        return optax.EmptyState()

    def update(updates, state, params=None, **extra_args):
        del extra_args
        if params is None:
            raise ValueError(
                "keep_spectral_norm: `update` needs the parameters, "
                "tx.update(gradient, state, params)."
            )

        def kept(weight, move):
            if weight.ndim != 2:
                return move
            return limited(weight + move, w_max, iterations) - weight

        return jax.tree.map(kept, params, updates), state

    return optax.GradientTransformationExtraArgs(init, update)


def limited(matrix: jax.Array, norm: float, iterations: int) -> jax.Array:
    """A matrix, scaled down to a spectral norm; any other array as it is."""
    if matrix.ndim != 2:
        return matrix
    return matrix * jnp.minimum(1, norm / spectral_norm_bound(matrix, iterations))

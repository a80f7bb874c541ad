"""Losses of a network's outputs at one datum, convex in the outputs."""

import jax
from jaxtyping import Array, Float, Real


def logistic(outputs: Float[Array, "1"], label: Real[Array, ""]) -> Float[Array, ""]:
    """The logistic loss `log(1 + exp(-y f))` of one output f at a label y of -1 or 1.

    Its derivative in f is between -1 and 1, and its second one between 0 and 1/4.

    Args:
        outputs: f, a vector of length one.
        label: -1 or 1, as an integer or a floating-point number. (Labels of 0 and 1 are
            `2 y - 1` first.)

    >>> import jax.numpy as jnp
    >>> round(float(logistic(jnp.array([0.0]), jnp.array(1))), 6)  # log 2
    0.693147
    """
    return jax.nn.softplus(-label.astype(outputs.dtype) * outputs[0])


def softmax_cross_entropy(
    outputs: Float[Array, " classes"], label: Real[Array, ""]
) -> Float[Array, ""]:
    """The cross-entropy `log(sum_k exp(f_k)) - f_y` of outputs f at a class y.

    Its gradient in f is at most the root of 2 in norm, and its Hessian between 0 and 1/2.

    Args:
        outputs: f, one number per class.
        label: The class, counted from zero, as an integer or a whole floating-point number.

    >>> import jax.numpy as jnp
    >>> loss = softmax_cross_entropy(jnp.zeros(4), jnp.array(2))
    >>> round(float(loss), 6)  # log 4
    1.386294
    """
    return jax.nn.logsumexp(outputs) - outputs[label.astype(int)]

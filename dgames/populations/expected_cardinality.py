"""How diverse a population is, by the payoffs of its members."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.jit
def expected_cardinality(
    payoffs: Float[Array, "members opponents"],
) -> Float[Array, ""]:
    r"""The expected size of a random diverse subset of the members.

        tr(I - (M M' + I)^-1) = sum_k s_k^2 / (1 + s_k^2)

    where M holds the payoffs of each member against some opponents, each row divided by its
    Euclidean norm, and s its singular values. It is the expected cardinality of a sample of the
    determinantal point process with the kernel `M M'`. Equal rows count little more than once: n
    members that all do the same have `n / (n + 1)`, and n with orthogonal rows have `n / 2`. A row
    of zeros counts nothing. It is differentiable.

    Args:
        payoffs: One row per member.

    References:
        Perez-Nieves and others, Modelling behavioural diversity for learning in open-ended games
        (2021), arXiv:2103.07927.

    >>> float(expected_cardinality(jnp.eye(4)).round(12))
    2.0
    >>> float(expected_cardinality(jnp.ones((3, 2))).round(12))
    0.75
    """
    squares = jnp.sum(payoffs**2, axis=1, keepdims=True)
    empty = squares == 0
    rows = jnp.where(empty, 0, payoffs / jnp.sqrt(jnp.where(empty, 1, squares)))
    identity = jnp.eye(rows.shape[0], dtype=rows.dtype)
    return rows.shape[0] - jnp.trace(jnp.linalg.inv(rows @ rows.T + identity))

"""Mean-square stability of a method under noise, without sampling any."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from dgames.arrays import as_float, is_known
from dgames.diagnose import step_jacobian
from dgames.fields import AbstractField, check_field, prepared
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.strategy import Strategy


def second_moment_operator(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    outcomes: PyTree,
    probabilities: Any = None,
    state: PyTree = None,
) -> Float[Array, "products products"]:
    r"""How one step moves the second moments of the augmented state, `E[A ⊗ A]`, on symmetric ones.

    In each step the field has one of finitely many outcomes, independent of the past, and for each
    of them a linear method on a linear game multiplies the augmented state z by a matrix A. Then
    the matrix `S = E[z z^T]` becomes

        S+ = sum_k p_k A_k S A_k^T

    which is a linear operator on symmetric matrices. All outcomes are to have the equilibrium `x`
    in common, as they do under multiplicative noise. For games that are not linear, the operator
    describes the dynamics near the equilibrium.

    Args:
        game: A game, or any field, whose `args` say which outcome it is.
        method: A method with constant steps, whose step is differentiated.
        x: The equilibrium that all outcomes have in common.
        outcomes: Values of `args`, stacked: a pytree of arrays, with one entry per outcome along
            their first axes. Noise that players draw on their own has one outcome per combination.
        probabilities: Shape `(outcomes,)`, not negative, with sum one (default: all the same).
        state: The method's state (default: `method.init` at `x` with the first outcome).

    Returns:
        A matrix over the pairs of floating-point coordinates of the augmented state, of size
        `d (d + 1) / 2` for d coordinates; its order is that of `jnp.triu_indices(d)`.

    Raises:
        ValueError: If game, strategy, outcomes or probabilities are malformed.

    >>> import dgames as dg
    >>> noisy = dg.zero_sum(lambda x, noise: noise * x[0] * x[1])
    >>> operator = second_moment_operator(
    ...     noisy, dg.Simultaneous(0.5), (0.0, 0.0), jnp.array([3.0, -1.0])
    ... )
    >>> operator.tolist()  # of the moments x x, x y and y y
    [[1.0, -1.0, 1.25], [0.5, -0.25, -0.5], [1.25, 1.0, 1.0]]
    """
    count = _count(outcomes)
    weights = _weights(probabilities, count)
    if state is None:
        first = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], outcomes)
        field, start, _ = prepared(game, x)
        check_field(field, start, first)
        state = method.init(field, start, first)
    matrices = jax.vmap(lambda args: step_jacobian(game, method, x, args, state))(
        jax.tree.map(jnp.asarray, outcomes)
    )
    size = matrices.shape[-1]
    rows, columns = np.triu_indices(size)

    def image(i: Array, j: Array) -> Array:
        """The image of the symmetric matrix with ones at (i, j) and (j, i)."""
        outer = jnp.einsum("ka,kb->kab", matrices[:, :, i], matrices[:, :, j])
        whole = outer + jnp.where(i == j, jnp.zeros_like(outer), jnp.swapaxes(outer, 1, 2))
        mean = jnp.tensordot(weights.astype(whole.dtype), whole, 1)
        return mean[rows, columns]

    return jax.vmap(image, out_axes=1)(jnp.asarray(rows), jnp.asarray(columns))


def second_moment_radius(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    outcomes: PyTree,
    probabilities: Any = None,
    state: PyTree = None,
) -> Float[Array, ""]:
    r"""The spectral radius of `E[A ⊗ A]`: the factor per step of a noisy method's second moments.

    Below one, a linear method on a linear game is stable in mean square: `E |z|^2` tends to zero at
    that rate from every start, and almost every run converges. Above one it grows from almost every
    start, whatever single runs do. Methods whose state keeps something for ever, such as the
    start in `OptimisticDualAveraging`, have the radius one at least.

    This is an estimate in floating point: eigenvalues of a matrix that is not symmetric, without
    error bounds. `certify.certify_mean_square` has proofs.

    Args:
        game: As for `second_moment_operator`.
        method: As there.
        x: As there.
        outcomes: As there.
        probabilities: As there.
        state: As there.

    >>> import dgames as dg
    >>> noisy = dg.zero_sum(lambda x, noise: noise * x[0] * x[1])
    >>> noise = jnp.array([3.0, -1.0])
    >>> same, shorter = dg.Optimistic(0.1), dg.OptimisticSeparated(0.1, 0.02)
    >>> for method in (same, shorter):
    ...     print(f"{second_moment_radius(noisy, method, (0.0, 0.0), noise):.6f}")
    1.037156
    0.998098

    References:
        Hsieh, Antonakopoulos, Cevher and Mertikopoulos, *No-regret learning in games with noisy
        feedback: faster rates and adaptivity via learning rate separation*, NeurIPS 2022,
        arXiv:2206.06015, for the example.
    """
    operator = second_moment_operator(game, method, x, outcomes, probabilities, state)
    return jnp.max(jnp.abs(jnp.linalg.eigvals(operator)))


def _count(outcomes: PyTree) -> int:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(outcomes)]
    counts = {shape[:1] for shape in shapes}
    if len(counts) != 1 or counts & {(), (0,)}:
        raise ValueError(
            "second_moment: outcomes are values of args stacked along the first axis of every "
            f"array, one entry per outcome; got arrays of shapes {', '.join(map(str, shapes))}"
        )
    return shapes[0][0]


def _weights(probabilities: Any, count: int) -> Float[Array, " outcomes"]:
    if probabilities is None:
        return jnp.full(count, 1 / count)
    weights = as_float(probabilities)
    if weights.shape != (count,):
        raise ValueError(
            f"second_moment: one probability for each of {count} outcomes is needed, got shape "
            f"{weights.shape}"
        )
    if is_known(weights):
        values = np.asarray(weights, float)
        if (values < 0).any() or not np.isclose(values.sum(), 1, rtol=0, atol=1e-6):
            raise ValueError(
                "second_moment: probabilities must not be negative and their sum is one; got "
                f"{values.tolist()}"
            )
    return weights

"""Muon with a cap on spectral norms of weights."""

import jax
import optax
from optax import contrib

from dgames.transforms.soft_cap import soft_cap

# The polynomial of Muon's Newton-Schulz steps, q(s) = 3.4445 s - 4.775 s^3 + 2.0315 s^5, has its
# largest value on [0, 1.203] where q' = 0 first, at s = .5546, and it is 1.20236...; there are no
# negative values. So singular values stay in [0, 1.203] after any number of steps from [0, 1].
MUON_NORM = 1.203
"""A bound of the spectral norms of updates of `optax.contrib.scale_by_muon`."""


def capped_muon(
    learning_rate: optax.ScalarOrSchedule,
    w_max: float,
    *,
    decay: float = 0.0,
    beta: float = 0.95,
    nesterov: bool = True,
    adam_learning_rate: optax.ScalarOrSchedule | None = None,
) -> optax.GradientTransformation:
    r"""Muon for matrices, whose spectral norms stay below a cap, and Adam for all other leaves.

    Matrices are moved by `optax.contrib.scale_by_muon` and then `soft_cap`. Muon is the natural
    optimiser for a cap, as the norm of its updates is bounded whatever the gradients are. The bound
    is not the learning rate: the Newton-Schulz polynomial of Muon is steep rather than exact,

        q(s) = 3.4445 s - 4.775 s^3 + 2.0315 s^5,

    and takes singular values to up to 1.2024. The bound that is used here is `MUON_NORM = 1.203`
    times the learning rate.

    Proof. Muon divides a matrix by its Frobenius norm, so that its singular values lie in [0, 1],
    and applies q to them several times. `q'` is zero at `s^2 = .30750` and `1.10277`, with the
    values 1.20236 and .682 of q, and `q(0) = 0`, `q(1.203) = .949`: q maps [0, 1.203] into
    [0, 1.2024], and so do all its powers. As values near every s of [0, 1] occur, it is sharp.

    Rounding may add to it: single precision has a slack of 5e-4. On accelerators that multiply
    matrices less precisely, set `jax.default_matmul_precision("highest")`.

    Args:
        learning_rate: Step size of matrices, a number or an optax schedule.
        w_max: The cap, a positive number, which the matrices have to satisfy at first.
        decay: Weight decay of matrices per update, in [0, 1); not multiplied by the learning rate.
        beta: Decay rate of Muon's momentum.
        nesterov: Whether the momentum is Nesterov's.
        adam_learning_rate: Step size of all leaves that are no matrices; by default the same.

    Returns:
        A gradient transformation whose `update` needs the parameters.

    Raises:
        ValueError: As for `soft_cap`.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> schedule = optax.linear_schedule(0.02, 0.001, 1000)
        >>> tx = capped_muon(schedule, 1.0, adam_learning_rate=1e-3)
        >>> state = tx.init({"weight": jnp.eye(3), "bias": jnp.zeros(3)})

    References:
        Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Newhouse et
        al., *Training Transformers with Enforced Lipschitz Constants*, 2025, arXiv:2507.13338.
    """

    def norm(count):
        return MUON_NORM * (learning_rate(count) if callable(learning_rate) else learning_rate)

    matrices = optax.chain(
        contrib.scale_by_muon(
            beta=beta,
            nesterov=nesterov,
            weight_dimension_numbers=lambda tree: jax.tree.map(
                lambda _: contrib.MuonDimensionNumbers(), tree
            ),
        ),
        optax.scale_by_learning_rate(learning_rate),
        soft_cap(w_max, update_norm=norm, decay=decay),
    )
    others = optax.adam(learning_rate if adam_learning_rate is None else adam_learning_rate)
    return optax.partition(
        {"matrix": matrices, "other": others},
        lambda params: jax.tree.map(lambda x: "matrix" if x.ndim == 2 else "other", params),
    )

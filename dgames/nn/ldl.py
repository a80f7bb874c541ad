"""Networks that satisfy LipSDP by construction, through the pivots of its matrix."""

import math
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cholesky, solve_triangular
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.lipschitz_layer import AbstractLipschitzLayer, check_slopes, precise
from dgames.nn.mlp import MLP


class LDL(AbstractLipschitzLayer):
    r"""A whole perceptron with any Lipschitz constant that LipSDP proves, and no other.

    From free matrices V_k and free logarithms of the multipliers Lam_k (diagonal, positive), with
    `D_0 = constant^2 I` and any square root R_k of `D_k = R_k R_k'`,

        Q_k = V_k (upper factor of I + V_k'V_k)^(-1),        the strict contractions,
        C_k = sqrt2 Lam_k^(-1/2) Q_k R_(k-1)',               weights of layers k < L,
        D_k = 2 Lam_k^(1/2) (I - Q_k Q_k') Lam_k^(1/2),
        C_L = Q_L R_(L-1)'.

    The network is `x_k = s(C_k x_(k-1) + b_k)`, `C_L x_(L-1) + b_L`, for slopes in [0, 1].

    Proof. LipSDP's matrix with blocks `constant^2 I, 2 Lam_1, ..., 2 Lam_(L-1) - C_L'C_L` on the
    diagonal and `-Lam_k C_k` below has the pivots `D_0, D_k = 2 Lam_k - Lam_k C_k D_(k-1)^(-1) C_k'
    Lam_k` and `D_(L-1) - C_L'C_L = R (I - Q_L'Q_L) R'`, all positive; conversely every network with
    positive pivots has such Q_k. For differences y_k of the layers' values the form of a positive
    matrix is `constant^2 |y_0|^2 - |C_L y_(L-1)|^2 - 2 sum_k y_k' Lam_k (C_k y_(k-1) - y_k) >= 0`,
    and slopes in [0, 1] make every term of the sum non-negative.

    References:
        Fazlyab, Robey, Hassani, Morari and Pappas, *Efficient and Accurate Estimation of Lipschitz
        Constants for Deep Neural Networks*, NeurIPS 2019, arXiv:1906.04893 (LipSDP, with the
        diagonal multipliers that are valid); Juston et al., arXiv:2512.05915 (factorisations).

    Attributes:
        weights: The free matrices V_k, of shapes (outputs, inputs).
        log_multipliers: Logarithms of the diagonals of Lam_k, for layers k < L.
        biases: The vectors b_k.
        activation: The activation function s, or its name.
        constant: The Lipschitz constant, a positive number.

    >>> net = LDL.draw((2, 16, 16, 1), jax.random.key(0), constant=3.0)
    >>> net(jnp.ones(2)).shape, net.lipschitz
    ((1,), 3.0)
    """

    weights: tuple[Float[Array, "_ _"], ...]
    log_multipliers: tuple[Float[Array, " _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    activation: Activation = eqx.field(static=True, default="softplus", converter=as_activation)
    constant: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_slopes("LDL", self.activation)
        _check_constant(self.constant)
        if not len(self.weights) == len(self.biases) == len(self.log_multipliers) + 1:
            raise ValueError(
                "LDL: every layer has a matrix and a bias, and all but the last one multipliers; "
                f"got {len(self.weights)}, {len(self.biases)} and {len(self.log_multipliers)}"
            )

    @override
    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        return self.as_mlp()(x)

    @override
    def matrices(self) -> tuple[Array, ...]:
        """The weights C_k of the perceptron."""
        root = self.constant * jnp.eye(self.weights[0].shape[1], dtype=self.weights[0].dtype)
        found = []
        with precise():
            for free, multiplier in zip(self.weights, self.multipliers(), strict=False):
                half = jnp.sqrt(multiplier)[:, None]
                found.append(math.sqrt(2) * (_contraction(free) @ root.T) / half)
                root = math.sqrt(2) * half * _complement(free)
            found.append(_contraction(self.weights[-1]) @ root.T)
        return tuple(found)

    def multipliers(self) -> tuple[Float[Array, " _"], ...]:
        """The diagonals of Lam_k, with which LipSDP holds."""
        return tuple(jnp.exp(logarithm) for logarithm in self.log_multipliers)

    def as_mlp(self) -> MLP:
        """The perceptron that it is."""
        return MLP(self.matrices(), self.biases, (1.0,) * len(self.biases), self.activation)

    @property
    @override
    def lipschitz(self) -> float:
        """The constant."""
        return self.constant

    @classmethod
    def draw(
        cls,
        sizes: tuple[int, ...],
        key: Key[Array, ""],
        *,
        activation: str | Activation = "softplus",
        constant: float = 1.0,
    ) -> "LDL":
        r"""Draws a network whose weights are orthogonal where sizes do not change.

        `V_k'V_k = I` and `Lam_k = I` make `Q_k'Q_k = I / 2`, `D_k = I` and C_k orthogonal; the last
        matrix is four times one with orthonormal rows or columns, which C_L nearly is. From random
        free matrices deep networks contract, the more the deeper.

        Args:
            sizes: The numbers of inputs, of units of each hidden layer, and of outputs.
            key: A random key.
            activation: The activation function, with slopes in [0, 1].
            constant: The Lipschitz constant.
        """
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"LDL: sizes are at least two positive whole numbers; got {sizes}")
        _check_constant(constant)
        weights = []
        for inputs, outputs in pairwise(sizes):
            key, own = jax.random.split(key)
            larger, smaller = max(inputs, outputs), min(inputs, outputs)
            q, _ = jnp.linalg.qr(jax.random.normal(own, (larger, smaller)))
            weights.append(q if outputs >= inputs else q.T)
        weights[-1] = 4 * weights[-1]
        # With D_0 = constant^2 I, all of it times constant^2 leaves the weights as they are.
        logs = tuple(jnp.full(size, 2 * math.log(constant)) for size in sizes[1:-1])
        biases = tuple(jnp.zeros(size) for size in sizes[1:])
        return cls(tuple(weights), logs, biases, activation, constant)


def _check_constant(constant: float) -> None:
    if not constant > 0:
        raise ValueError(f"LDL: the Lipschitz constant is positive; got {constant}")


def _contraction(free: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """`V (upper factor of I + V'V)^(-1)`: `Q'Q = I - (L L')^(-1)`, up to a rotation."""
    lower = cholesky(jnp.eye(free.shape[1], dtype=free.dtype) + free.T @ free, lower=True)
    return solve_triangular(lower, free.T, lower=True).T


def _complement(free: Float[Array, "rows columns"]) -> Float[Array, "rows rows"]:
    """A square root of `I - Q Q' = (I + V V')^(-1)`."""
    identity = jnp.eye(free.shape[0], dtype=free.dtype)
    lower = cholesky(identity + free @ free.T, lower=True)
    return solve_triangular(lower, identity, lower=True).T

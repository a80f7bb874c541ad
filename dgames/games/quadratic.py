"""Quadratic games: linear pseudo-gradients, everything in closed form."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import Game
from dgames.games._pairs import Pairs, PairTable, pair_table
from dgames.strategy import Strategy, blocks, join


class Quadratic(Game):
    r"""A quadratic (LQ) game of N players with any dimensions.

        f_i(x) = 1/2 x_i^T Q_i x_i + sum_{j != i} x_i^T A_ij x_j + b_i^T x_i

    The pseudo-gradient is affine, `F(x) = J x + b`, where `J` has the blocks `J_ii = Q_i` and
    `J_ij = A_ij`. In the terms of a certificate, player i's curvature is the smallest eigenvalue of
    `Q_i` and the coupling of j into i the spectral norm of `A_ij`, everywhere.

    Attributes:
        Q: One symmetric matrix per player, of shape `(d_i, d_i)`.
        A: `A[i][j]` couples player j into player i and has shape `(d_i, d_j)`; `None` where there
            is no coupling, and on the diagonal.
        b: One vector per player.

    Example:
        >>> couplings = {(0, 1): [[1.0]], (1, 0): [[-1.0]]}
        >>> game = Quadratic([[[2.0]], [[1.0]]], couplings, b=[[0.0], [3.0]])
        >>> game.jacobian().tolist()
        [[2.0, 1.0], [-1.0, 1.0]]
        >>> [v.tolist() for v in game.equilibrium()]
        [[1.0], [-2.0]]
    """

    Q: tuple[Float[Array, "_ _"], ...]
    A: PairTable
    b: tuple[Float[Array, " _"], ...]

    def __init__(
        self,
        Q: Sequence[Any],
        A: Pairs = (),
        b: Sequence[Any] | None = None,
    ):
        """Collects the matrices of a game.

        Args:
            Q: One square matrix per player. Only the symmetric part matters, and is kept.
            A: A mapping `{(i, j): A_ij}` of the couplings there are, or all of them in nested
                sequences `A[i][j]` with `None` for those there are not.
            b: One vector per player; by default zeros.

        Raises:
            ValueError: If shapes do not fit each other, or a coupling of a player with itself is
                given.
        """
        matrices = tuple(as_float(matrix) for matrix in Q)
        for i, matrix in enumerate(matrices):
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise ValueError(f"Q[{i}] must be a square matrix, got shape {matrix.shape}")
        self.Q = tuple((matrix + matrix.T) / 2 for matrix in matrices)
        sizes = [len(matrix) for matrix in matrices]
        self.A = pair_table("A", A, sizes, "that belongs to Q[i]")
        if b is None:
            self.b = tuple(jnp.zeros(len(matrix), matrix.dtype) for matrix in matrices)
        else:
            self.b = tuple(as_float(vector) for vector in b)
        shapes = [vector.shape for vector in self.b]
        if shapes != [(n,) for n in sizes]:
            raise ValueError(f"b must hold one vector per player, of sizes {sizes}; got {shapes}")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        points = [jnp.asarray(block) for block in blocks(x)]
        everyone = jnp.concatenate(points)
        costs = []
        for own, Q, row, b in zip(points, self.Q, self._rows(), self.b, strict=True):
            pull = b.astype(own.dtype) + row.astype(own.dtype) @ everyone.astype(own.dtype)
            costs.append(own @ (Q.astype(own.dtype) @ own) / 2 + own @ pull)
        return join(x, tuple(costs))

    def _rows(self) -> list[Float[Array, "_ d"]]:
        """Returns all couplings of each player side by side, with zeros for the player itself.

        So the costs take one product per player, not one per pair, and many players are traced and
        compiled quickly.
        """
        sizes = [len(b) for b in self.b]
        with jax.ensure_compile_time_eval():
            return [
                jnp.concatenate(
                    [_zeros_for(c, (len(b), n), b.dtype) for c, n in zip(row, sizes, strict=True)],
                    axis=1,
                )
                for row, b in zip(self.A, self.b, strict=True)
            ]

    def jacobian(self) -> Float[Array, "d d"]:
        """The Jacobian of the pseudo-gradient, the same everywhere: players stacked in order."""
        sizes = [len(b) for b in self.b]
        return jnp.block(
            [
                [
                    self.Q[i] if i == j else _zeros_for(self.A[i][j], (m, n), self.Q[i].dtype)
                    for j, n in enumerate(sizes)
                ]
                for i, m in enumerate(sizes)
            ]
        )

    def equilibrium(self) -> tuple[Float[Array, " _"], ...]:
        """The zero `-J^{-1} b` of the pseudo-gradient.

        It is the unique Nash equilibrium if every `Q_i` is positive semidefinite and `J` is
        invertible; if `J` is singular the result is not finite.
        """
        solution = jnp.linalg.solve(self.jacobian(), -jnp.concatenate(self.b))
        ends = np.cumsum([len(b) for b in self.b])
        return tuple(jnp.split(solution, ends[:-1].tolist()))

    @classmethod
    def random(
        cls,
        key: Key[Array, ""],
        dims: Sequence[int],
        *,
        curvature: float | int = 1.0,
        coupling: float | int = 1.0,
    ) -> "Quadratic":
        """A random game with known constants.

        `Q_i = G^T G / d_i + curvature I` with `G` standard normal, so that player i's curvature is
        at least `curvature`; every `A_ij` is standard normal, scaled to the spectral norm
        `coupling`; `b_i` is standard normal.

        Args:
            key: A random key.
            dims: Dimension of each player.
            curvature: Lower bound on every player's curvature.
            coupling: Spectral norm of every coupling. With N players the game is strongly monotone
                whenever `curvature > (N - 1) coupling`.

        >>> game = Quadratic.random(jax.random.key(0), (3, 2), coupling=0.5)
        >>> float(jnp.linalg.norm(game.A[0][1], 2).round(12))
        0.5
        """
        players = range(len(dims))
        keys = iter(jax.random.split(key, len(dims) * (len(dims) + 1)))

        def own(n):
            root = jax.random.normal(next(keys), (n, n))
            return root.T @ root / n + curvature * jnp.eye(n)

        def cross(m, n):
            matrix = jax.random.normal(next(keys), (m, n))
            return coupling * matrix / jnp.linalg.norm(matrix, 2)

        return cls(
            [own(n) for n in dims],
            {(i, j): cross(dims[i], dims[j]) for i in players for j in players if i != j},
            [jax.random.normal(next(keys), (n,)) for n in dims],
        )

    @classmethod
    def small_gain_nash(
        cls,
        lam: Any,
        dim: int = 32,
        a: float | int = 10.0,
        b: float | int = 0.05,
        seed: int = 12345,
    ) -> "Quadratic":
        r"""The two-player game with unequal couplings of Small-Gain Nash.

            Q_1 = Q_2 = I,    A_12 = lam a R,    A_21 = lam b R^T,    b = 0

        with `R` orthogonal, the QR factor of a normal matrix. In the Euclidean norm the margin is
        `1 - lam (a + b) / 2`, soon negative; with the weights `w_2 / w_1 = a / b` it is
        `1 - lam sqrt(a b)` and the Lipschitz constant `1 + lam sqrt(a b)`. The equilibrium is zero.

        Args:
            lam: Scale of both couplings.
            dim: Dimension of each player.
            a: Strength of player 2 on player 1.
            b: Strength of player 1 on player 2.
            seed: Seed of NumPy's `default_rng`, from which `R` is drawn.

        >>> game = Quadratic.small_gain_nash(0.5, dim=2)
        >>> float(jnp.linalg.eigvalsh(game.jacobian() + game.jacobian().T)[0].round(12)) / 2
        -1.5125

        References:
            Sharma, *Small-Gain Nash: Certified Contraction to Nash Equilibria in Differentiable
            Games*, 2025, arXiv:2512.06791.
        """
        normals = np.random.default_rng(seed).standard_normal((dim, dim))
        rotation = as_float(np.linalg.qr(normals).Q)
        lam = jnp.asarray(lam, rotation.dtype)
        identity = jnp.eye(dim, dtype=rotation.dtype)
        couplings = {(0, 1): lam * a * rotation, (1, 0): lam * b * rotation.T}
        return cls([identity, identity], couplings)


def _zeros_for(matrix, shape, dtype):
    return jnp.zeros(shape, dtype) if matrix is None else matrix

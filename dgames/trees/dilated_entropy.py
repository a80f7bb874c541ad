"""Dilated entropy: the geometry in which strategies of trees move."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from dgames.logits import log_of
from dgames.mirror_map import AbstractMirrorMap
from dgames.sets import AbstractSet
from dgames.trees.treeplex import Treeplex


class DilatedEntropy(AbstractMirrorMap):
    r"""The entropy of behaviour, each information set weighed by how likely it is to be reached.

        psi(q) = sum_j q_p(j) sum_a x_ja log x_ja,    x_ja = q_ja / q_p(j)

    on a `Treeplex`, with the divergence `D(q, q') = sum_j q_p(j) KL(x_j || x'_j)`. Its dual points
    are the logarithms of behaviour, `y_ja = log x_ja` and `y_0 = 0`: the gradient of psi without
    its part `1 - (the number of information sets with parent ja)`, of which the scalar product with
    every strategy is zero. So `psi(q) = <y, q>`, and nothing underflows.

    It is the entropy of mixtures of reduced pure strategies, seen from the tree: of all mixtures
    that play like q, the product of softmaxes is one whose divergences are those of q. Its
    conjugate is `log sum of exp<pi, y>` over the reduced pure strategies pi.

    Attributes:
        treeplex: The strategies.

    Example:
        >>> mirror = DilatedEntropy(Treeplex(parents=[0, 1], counts=[2, 2]))
        >>> y = mirror.settle(mirror.treeplex, jnp.array([0.0, -2000.0, 0.0, 0.0, -1000.0]))
        >>> y.round(6).tolist()
        [0.0, -2000.0, 0.0, 0.0, -1000.0]
        >>> mirror.primal(mirror.dual(mirror.treeplex.uniform())).tolist()
        [1.0, 0.5, 0.5, 0.25, 0.25]

    References:
        Hoda, Gilpin, Peña and Sandholm, *Smoothing techniques for computing Nash equilibria of
        sequential games*, Mathematics of Operations Research 35 (2010); Farina, Lee, Luo and Kroer,
        *Kernelized multiplicative weights for 0/1-polyhedral games*, ICML 2022, arXiv:2202.00237.
    """

    treeplex: Treeplex

    def potential(self, q: Float[Array, " sequences"]) -> Float[Array, ""]:
        """The value `psi(q)`; its derivatives are those of psi where all of q is positive.

        >>> mirror = DilatedEntropy(Treeplex(parents=[0, 1], counts=[2, 2]))
        >>> float(mirror.potential(mirror.treeplex.uniform()).round(6))  # - 1.5 log 2
        -1.039721
        """
        tree = self.treeplex
        own, logs = tree.rows(q, 0), log_of(q)
        return jnp.sum(own * (tree.rows(logs, 0) - logs[tree.parents][:, None]))

    def conjugate(self, y: Float[Array, " sequences"]) -> Float[Array, ""]:
        """The value `max <y, q> - psi(q)`, for any y: from the leaves up, a sum of exponentials.

        It is `log sum of exp<pi, y>` over the reduced pure strategies pi.

        >>> mirror = DilatedEntropy(Treeplex(parents=[0, 1], counts=[2, 2]))
        >>> float(jnp.exp(mirror.conjugate(jnp.zeros(5))).round(6))  # of three pure strategies
        3.0
        """
        return self.treeplex.upward(y, _log_sum_exp, -jnp.inf)[0]

    @override
    def dual(self, x: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
        return self._sequences(log_of(self.treeplex.behaviour(x)))

    @override
    def primal(self, y: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
        return self.treeplex.sequence_form(jnp.exp(self.treeplex.rows(y, -jnp.inf)))

    @override
    def settle(self, own: AbstractSet, y: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
        tree = self.treeplex
        if not isinstance(own, Treeplex):
            raise ValueError(
                "the dilated entropy needs strategies of a tree (dgames.Treeplex), not "
                f"{type(own).__name__}"
            )
        if (own.sequences, own.levels) != (tree.sequences, tree.levels):
            raise ValueError(
                f"the dilated entropy is of a tree with {tree.sequences} sequences, the strategy "
                f"of one with {own.sequences}: every player has a mirror map, as from "
                "dilated_entropies() of the game"
            )
        total = tree.rows(tree.upward(y, _log_sum_exp, -jnp.inf), -jnp.inf)
        return self._sequences(jax.nn.log_softmax(total, -1))

    @override
    def divergence(
        self, y: Float[Array, " sequences"], z: Float[Array, " sequences"]
    ) -> Float[Array, ""]:
        return jnp.sum(self.primal(y) * (y - z))

    @override
    def keep(self, y: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
        return y

    @override
    def recall(
        self, x: Float[Array, " sequences"], kept: Float[Array, " sequences"]
    ) -> Float[Array, " sequences"]:
        return kept

    def _sequences(self, rows: Float[Array, "infosets width"]) -> Float[Array, " sequences"]:
        nothing = jnp.zeros(self.treeplex.sequences, rows.dtype)
        return nothing.at[self.treeplex.table].set(rows, mode="drop")


def _log_sum_exp(own: Float[Array, "rows width"]) -> Float[Array, " rows"]:
    return jax.nn.logsumexp(own, -1)

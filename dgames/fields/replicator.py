"""The replicator dynamics of a game on simplices, faces included."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import refuse_shared
from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game
from dgames.strategy import Strategy


class Replicator(AbstractField):
    r"""The replicator dynamics of a game on simplices, as a field on probabilities.

        F_i(x)[a] = x_i[a] (g_i[a] - x_i . g_i),   g_i = d f_i / d x_i

    so that `dgames.flow` follows `dx_i[a]/dt = x_i[a] (u_i[a] - x_i . u_i)` with payoffs u = -g:
    actions that do better than the average grow (Taylor and Jonker, 1978). In the interior it is
    the flow of `NaturalGradient` in logits. Unlike that, it may start on faces, and stays there: an
    action that nobody plays is not played later, exactly, whatever it would earn.

    With equal starts of both players of a symmetric game it is the dynamics of one population. The
    field has no strategy set: the flow needs no projection, being tangent to the simplices. Steps
    of `Simultaneous` keep zeros too, and keep probabilities positive if they are shorter than 1
    over the range of payoffs.

    Attributes:
        game: A game on simplices.

    Example:
        >>> from dgames.games import MatrixGame
        >>> field = Replicator(MatrixGame([[-1, 4], [0, 2]], [[-1, 0], [4, 2]]))  # hawk and dove
        >>> hawks = jnp.array([0.5, 0.5])
        >>> [leaf.tolist() for leaf in field((hawks, hawks))]  # hawks increase
        [[-0.125, 0.125], [-0.125, 0.125]]
        >>> doves = jnp.array([0.0, 1.0])
        >>> [leaf.tolist() for leaf in field((doves, doves))]  # and do not appear
        [[0.0, 0.0], [0.0, 0.0]]

    References:
        Taylor and Jonker, *Evolutionary stable strategies and game dynamics*, 1978; Hofbauer and
        Sigmund, *Evolutionary games and population dynamics*, 1998.
    """

    game: Game

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        x = jax.tree.map(jnp.asarray, x)
        refuse_shared(
            self.game.shared_constraints(x),
            "Replicator: shared constraints are not kept by these dynamics",
        )

        def growth(own, gradient):
            # A regulariser's gradient is infinite at zero, where nothing grows all the same.
            weighted = jnp.where(own == 0, 0, own * gradient)
            return weighted - own * jnp.sum(weighted, axis=-1, keepdims=True)

        return jax.tree.map(growth, x, PseudoGradient(self.game)(x, args))

"""The natural gradient of a game on simplices, in logits."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import refuse_shared
from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game
from dgames.logits import AbstractGauge, LogitDifferences, log_policies, log_to_logits, policies
from dgames.policy_game import Regularised, policy_costs
from dgames.strategy import Strategy


class NaturalGradient(AbstractField):
    r"""The natural gradient of a game on simplices, as a field on logit coordinates.

    Every probability vector has the Fisher metric `diag(p) - p p^T` of its logits. Its inverse
    cancels exactly against the derivative of the softmax, so nothing is inverted:

        N_i(x) = g_i,   g_i = the coordinates of d f_i / d p_i,

    say `d f_i / d p_i[a] - d f_i / d p_i[n]` in `LogitDifferences`. A regulariser contributes
    `temperature * (x_i - reference_i)`, which stays exact however small probabilities are. N is the
    same vector in every gauge.

    Descent along it is mirror descent with the entropy: the strategies of `Simultaneous(h)` on
    `NaturalGradient(game)` are those of `MirrorDescent(h, implicit=False)` on the game, in logits.
    It has the zeros of the game's own gradient in logits.

    Attributes:
        game: A game on simplices, such as `Regularised(MatrixGame(...), temperature)`.
        gauge: The coordinates.
        weights: None, or a function of the policies that says what the Fisher metric of each
            probability vector counts: an array that broadcasts against all but their last axes. The
            occupancy of a `MarkovGame` makes the natural policy gradient of Kakade (2001).

    Example:
        >>> from dgames.games import MatrixGame
        >>> field = NaturalGradient(Regularised(MatrixGame.matching_pennies(), 0.5))
        >>> first, second = field((jnp.array([0.2]), jnp.array([0.0])))
        >>> round(float(first[0]), 6), round(float(second[0]), 6)
        (0.1, 0.199336)

    References:
        Amari, *Natural gradient works efficiently in learning*, Neural Computation 10 (1998);
        Kakade, *A natural policy gradient*, NeurIPS 2001; Raskutti and Mukherjee, *The information
        geometry of mirror descent*, 2015, arXiv:1310.7780.
    """

    game: Game
    gauge: AbstractGauge = LogitDifferences()
    weights: Callable | None = None

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        x = jax.tree.map(jnp.asarray, x)
        p, log_p = policies(x, self.gauge), log_policies(x, self.gauge)
        refuse_shared(
            self.game.shared_constraints(p),
            "NaturalGradient: shared constraints are of probabilities; play this game in them",
        )
        game, pull = self.game, None
        if isinstance(game, Regularised):
            # The pull is that of unnormalised logits, whose coordinates are x itself.
            pull = log_to_logits(game.pull(jax.tree.map(self.gauge.logits, x)), self.gauge)
            game = game.game
        force = log_to_logits(policy_gradient(game, p, log_p, args), self.gauge)
        if pull is not None:
            force = jax.tree.map(jnp.add, force, pull)
        if self.weights is None:
            return force
        weights = self.weights(p)
        return jax.tree.map(lambda leaf: leaf / weights[..., None], force)


def policy_gradient(game: Game, p: Strategy, log_p: Strategy, args: PyTree = None) -> Strategy:
    """Returns every player's gradient in the own probabilities, up to a constant per vector.

    Args:
        game: A game on simplices.
        p: Probability vectors.
        log_p: Their logarithms, which may be finite where `p` is zero.
        args: Passed to the costs.

    >>> from dgames.games import MatrixGame
    >>> game, log_p = MatrixGame.matching_pennies(), jnp.log(jnp.array([0.75, 0.25]))
    >>> [g.tolist() for g in policy_gradient(game, (jnp.exp(log_p),) * 2, (log_p,) * 2)]
    [[-0.5, 0.5], [0.5, -0.5]]
    """
    return PseudoGradient(_WithLogarithms(game, log_p))(p, args)


class _WithLogarithms(Game):
    """A game on simplices with the logarithms of probabilities held fixed."""

    game: Game
    log_p: Strategy

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return policy_costs(self.game, x, self.log_p, args)

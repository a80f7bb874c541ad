"""The natural gradient of a game on simplices, in logits."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields.base import AbstractField
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

    Descent along it is mirror descent with the entropy: the strategies of
    `Simultaneous(h)` on `NaturalGradient(game)` are those of `MirrorDescent(h)` on the game, in
    logits. It has the zeros of the game's own gradient in logits.

    Attributes:
        game: A game on simplices, such as `Regularised(MatrixGame(...), temperature)`.
        gauge: The coordinates.

    Example:
        >>> from dgames.games import MatrixGame
        >>> field = NaturalGradient(Regularised(MatrixGame.matching_pennies(), 0.5))
        >>> first, second = field((jnp.array([0.2]), jnp.array([0.0])))
        >>> round(float(first[0]), 6), round(float(second[0]), 6)
        (0.1, 0.199336)

    References:
        Amari, *Natural gradient works efficiently in learning*, Neural Computation 10 (1998);
        Raskutti and Mukherjee, *The information geometry of mirror descent*, 2015,
        arXiv:1310.7780.
    """

    game: Game
    gauge: AbstractGauge = LogitDifferences()

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        x = jax.tree.map(jnp.asarray, x)
        inner, pull = self.game, None
        if isinstance(inner, Regularised):
            logits = jax.tree.map(self.gauge.logits, x)
            inner, pull = inner.game, log_to_logits(inner.pull(logits), self.gauge)
        frozen = _WithLogarithms(inner, log_policies(x, self.gauge))
        gradient = PseudoGradient(frozen)(policies(x, self.gauge), args)
        force = log_to_logits(gradient, self.gauge)
        return force if pull is None else jax.tree.map(jnp.add, force, pull)


class _WithLogarithms(Game):
    """A game on simplices with the logarithms of probabilities held fixed."""

    game: Game
    log_p: Strategy

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree[Any]:
        return policy_costs(self.game, x, self.log_p, args)

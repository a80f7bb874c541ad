"""Games whose players choose probability vectors, their regularisation, and their logits.

Every `MultilinearGame` is of this kind, and so is every game whose strategy set is `Simplex`.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.constraints.shared_constraints import SharedConstraints, refuse_shared
from dgames.game import Game
from dgames.logits import AbstractGauge, LogitDifferences, log_of, log_policies, policies
from dgames.sets import Simplex
from dgames.strategy import Strategy, blocks, inner_product, join


class PolicyGame(Game):
    """A game on simplices: every leaf of a strategy holds probability vectors along its last axis.

    Subclass it and write `policy_costs` if costs need the probabilities' logarithms, say for an
    entropy: in log space these are exact even where probabilities underflow.
    """

    @abc.abstractmethod
    def policy_costs(self, p: Strategy, log_p: Strategy, args: PyTree = None) -> PyTree:
        """The cost of every player.

        Write entropies as `-sum(p * log_p)`. Then the gradient in `p` with `log_p` held fixed is,
        on the simplex, the gradient: the two differ by a constant that is the same for all actions.

        Args:
            p: Probability vectors.
            log_p: Their logarithms, which may be finite where `p` is zero.
            args: As for `costs`.
        """

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        x = jax.tree.map(jnp.asarray, x)
        return self.policy_costs(x, log_of(x), args)

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()


class MultilinearGame(Game):
    """A game on simplices whose costs are affine in every player's own block.

    Best responses, regularised ones too, then have a closed form: see `dgames.nash_gap`.
    """

    @override
    def strategy_set(self, x: Strategy) -> Simplex:
        return Simplex()


class Regularised(PolicyGame):
    r"""A game on simplices with a pull towards a reference policy.

        f_i(x) + temperature * KL(x_i || reference_i)

    with the sum of the divergences of all probability vectors of player i (of a Markov game: over
    states, unweighted). Without a reference it is `f_i(x) - temperature * entropy(x_i)`. The Nash
    equilibria of a regularised matrix game without reference are the logit quantal response
    equilibria with precision `1 / temperature` (McKelvey and Palfrey, 1995).

    Attributes:
        game: A game on simplices.
        temperature: A positive number.
        reference: A joint strategy of positive probability vectors, or None for uniform ones
            (up to a constant of the costs).

    Raises:
        ValueError: If the temperature or a probability of the reference is not positive.

    Example:
        >>> from dgames.games import MatrixGame
        >>> game = Regularised(MatrixGame.matching_pennies(), 0.5)
        >>> [float(cost.round(6)) for cost in game.costs(game.game.uniform())]
        [-0.346574, -0.346574]
    """

    game: Game
    temperature: Float[Array, ""] = eqx.field(converter=as_float)
    reference: Strategy = None

    def __check_init__(self):
        _refuse_trees("Regularised", self.game, "regularise it with dgames.RegularisedTree")
        if is_known(self.temperature) and not float(self.temperature) > 0:
            raise ValueError(f"the temperature must be positive, got {self.temperature}")
        for leaf in jax.tree.leaves(self.reference):
            if is_known(leaf) and not (jnp.asarray(leaf) > 0).all():
                raise ValueError("a reference must give every action a positive probability")

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(x)

    @override
    def policy_costs(self, p: Strategy, log_p: Strategy, args: PyTree = None) -> PyTree:
        costs = blocks(policy_costs(self.game, p, log_p, args))
        pulls = blocks(self.pull(log_p))
        return join(
            p,
            tuple(
                cost + inner_product(own, pull)
                for cost, own, pull in zip(costs, blocks(p), pulls, strict=True)
            ),
        )

    def pull(self, log_p: Strategy) -> Strategy:
        """The gradient of the regulariser, up to a constant per probability vector.

        temperature * (log p - log reference)
        """
        offset = jax.tree.map(jnp.subtract, log_p, self.log_reference(log_p))
        return jax.tree.map(lambda leaf: self.temperature.astype(leaf.dtype) * leaf, offset)

    def log_reference(self, like: Strategy) -> Strategy:
        """The logarithms of the reference in the dtypes of a strategy; zeros if there is none.

        Raises:
            ValueError: If the reference has other players than the strategy.
        """
        if self.reference is None:
            return jax.tree.map(jnp.zeros_like, like)
        if jax.tree.structure(self.reference) != jax.tree.structure(like):
            raise ValueError(
                f"the reference must be structured like the strategy, {jax.tree.structure(like)}; "
                f"got {jax.tree.structure(self.reference)}"
            )
        return jax.tree.map(
            lambda own, other: other.astype(own.dtype), like, log_of(self.reference)
        )


class InLogits(Game):
    """A game on simplices, played in logits: an unconstrained game without gauge freedom.

    Strategies are pytrees like those of the inner game, with one entry less along every last axis.
    Certificates of policy games are about these coordinates. Zero is the uniform policy.

    Attributes:
        game: A game on simplices.
        gauge: The coordinates.

    Example:
        >>> from dgames.games import MatrixGame
        >>> game = InLogits(Regularised(MatrixGame.matching_pennies(), 0.5))
        >>> [float(cost.round(6)) for cost in game.costs((jnp.zeros(1), jnp.zeros(1)))]
        [-0.346574, -0.346574]
    """

    game: Game
    gauge: AbstractGauge = LogitDifferences()

    def __check_init__(self):
        _refuse_trees("InLogits", self.game, "play it with dgames.DilatedEntropy")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        x = jax.tree.map(jnp.asarray, x)
        refuse_shared(
            self.game.shared_constraints(policies(x, self.gauge)),
            "InLogits: shared constraints are of probabilities; play this game in them",
        )
        return policy_costs(self.game, policies(x, self.gauge), log_policies(x, self.gauge), args)


def policy_costs(game: Game, p: Strategy, log_p: Strategy, args: PyTree = None) -> PyTree:
    """Returns the costs of a game on simplices at probabilities with given logarithms."""
    if isinstance(game, PolicyGame):
        return game.policy_costs(p, log_p, args)
    return game.costs(p, args)


def _refuse_trees(who: str, game: Game, hint: str) -> None:
    """Raises an error if strategies are no probability vectors but those of a tree."""
    if hasattr(game, "treeplexes"):
        raise ValueError(
            f"{who} is of games on simplices, and a strategy of {type(game).__name__} is in "
            f"sequence form: {hint}"
        )

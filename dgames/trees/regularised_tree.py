"""Games on trees with a pull towards a reference, in the geometry of the dilated entropy."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import Game
from dgames.games.tree import TreeGame
from dgames.mirror_map import PlayerMirrors, map_mirrors
from dgames.sets import Product
from dgames.strategy import Strategy, blocks, join, player_names
from dgames.trees.dilated_entropy import DilatedEntropy
from dgames.trees.treeplex import Treeplex


class RegularisedTree(Game):
    r"""A game on trees with a pull towards a reference.

        f_i(q) + temperature * D(q_i, reference_i),    D(q, r) = sum_j q_p(j) KL(x_j || r_j)

    with D the divergence of the `DilatedEntropy`; without a reference it is
    `f_i(q) + temperature * psi(q_i)`. The Nash equilibria without reference are the agent quantal
    response equilibria with precision `1 / temperature` of games whose players move once on every
    path; in general they are those of the reduced normal form, as behaviour.

    Mirror methods with `game.dilated_entropies()` take the pull into account implicitly, and
    exactly however small probabilities are: `MirrorDescent` is then magnetic mirror descent.

    Attributes:
        game: The game.
        temperature: A positive number.
        reference: A joint strategy in which every action has a positive probability, or None.

    Raises:
        ValueError: If the game is no `TreeGame`, or the temperature or an entry of the reference is
            not positive.

    Example:
        >>> from dgames import MirrorDescent, nash_gap, pseudo_gradient
        >>> from dgames.games import kuhn_poker
        >>> game = RegularisedTree(kuhn_poker().game(), 0.5)
        >>> field, method = pseudo_gradient(game), MirrorDescent(0.7, game.dilated_entropies())
        >>> q = game.uniform()
        >>> state = method.init(field, q)
        >>> for _ in range(40):
        ...     q, state = method.step(field, q, state)
        >>> bool(nash_gap(game, q) < 1e-8)
        True

    References:
        Sokota et al., *A unified approach to reinforcement learning, quantal response equilibria,
        and two-player zero-sum games*, ICLR 2023, arXiv:2206.05825.
    """

    game: TreeGame
    temperature: Float[Array, ""] = eqx.field(converter=as_float)
    reference: Strategy = None

    def __check_init__(self):
        if not isinstance(self.game, TreeGame):
            raise ValueError(
                f"RegularisedTree is of a TreeGame, not of a {type(self.game).__name__}; of a game "
                "on simplices it is Regularised"
            )
        if jnp.ndim(self.temperature) != 0:
            raise ValueError("RegularisedTree: the temperature is one number for all players")
        if is_known(self.temperature) and not float(self.temperature) > 0:
            raise ValueError(f"the temperature must be positive, got {self.temperature}")
        if self.reference is None:
            return
        own = blocks(self.reference)
        shapes = [jnp.shape(block) for block in own]
        if shapes != [(treeplex.sequences,) for treeplex in self.treeplexes]:
            raise ValueError(
                "RegularisedTree: the reference is a joint strategy in sequence form, with "
                f"{', '.join(str(t.sequences) for t in self.treeplexes)} sequences; got "
                f"{', '.join(map(str, shapes))}"
            )
        if any(is_known(block) and not (jnp.asarray(block) > 0).all() for block in own):
            raise ValueError("a reference must give every action a positive probability")

    @property
    def treeplexes(self) -> tuple[Treeplex, ...]:
        """The strategies of each player."""
        return self.game.treeplexes

    def dilated_entropies(self) -> tuple[DilatedEntropy, ...]:
        """The mirror map of each player."""
        return self.game.dilated_entropies()

    def uniform(self) -> tuple[Float[Array, " sequences"], ...]:
        """The joint strategy of uniform behaviour."""
        return self.game.uniform()

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        costs = blocks(self.game.costs(x, args))
        targets = blocks(self.log_reference(x))
        pulls = []
        for mirror, q, target in zip(self.dilated_entropies(), blocks(x), targets, strict=True):
            pull = mirror.potential(q) - jnp.sum(target * q)
            pulls.append(self.temperature.astype(pull.dtype) * pull)
        return join(x, tuple(cost + pull for cost, pull in zip(costs, pulls, strict=True)))

    @override
    def strategy_set(self, x: Strategy) -> Product:
        return self.game.strategy_set(x)

    def log_reference(self, like: Strategy) -> Strategy:
        """The dual points of the reference in the dtypes of a strategy; zeros if there is none.

        Raises:
            ValueError: If the reference has other players than the strategy.
        """
        if self.reference is None:
            return jax.tree.map(jnp.zeros_like, like)
        if player_names(self.reference) != player_names(like):
            raise ValueError(
                f"the reference must have the players {', '.join(player_names(like))} of the "
                f"strategy; it has {', '.join(player_names(self.reference))}"
            )
        return join(
            like,
            tuple(
                mirror.dual(jnp.asarray(target)).astype(q.dtype)
                for mirror, target, q in zip(
                    self.dilated_entropies(), blocks(self.reference), blocks(like), strict=True
                )
            ),
        )

    def without_pulls(self, x: Strategy, mirrors: PlayerMirrors) -> tuple[Game, Strategy, Strategy]:
        """The game without its pulls, and these: methods in the same geometry take them implicitly.

        Args:
            x: A joint strategy, for its structure and shapes.
            mirrors: One mirror map, or one per player.

        Returns:
            The game that is left, the strength of each player's pull, and the dual points to which
            it pulls. Unless all mirror maps are dilated entropies, pulls stay in the game.
        """
        own = blocks(map_mirrors(lambda mirror, _: mirror, mirrors, x))
        if all(isinstance(mirror, DilatedEntropy) for mirror in own):
            strength = self.temperature
            return self.game, join(x, (strength,) * len(own)), self.log_reference(x)
        still = map_mirrors(lambda mirror, block: mirror.dual(block), mirrors, x)
        return self, join(x, (jnp.zeros_like(self.temperature),) * len(own)), still

"""Steps in the geometry of a mirror map, with or without a magnet."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, PseudoGradient, own_sets
from dgames.fields.natural_gradient import policy_gradient
from dgames.game import Game
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    per_player,
    real_hyperparameter,
    scale,
    subtract,
)
from dgames.mirror_map import AbstractMirrorMap, EntropyMirror, PlayerMirrors, map_mirrors
from dgames.policy_game import Regularised
from dgames.sets import AbstractSet, map_sets
from dgames.strategy import Block, Strategy

Schedule = Callable[[Array], PyTree]


def _scheduled(value: PyTree) -> PyTree:
    return value if callable(value) else real_hyperparameter(value)


def _now(value: PyTree, count: Array) -> PyTree[Array]:
    return real_hyperparameter(value(count.astype(float))) if callable(value) else value


class Magnet(eqx.Module):
    """A point that strategies are pulled to, which may follow them.

    It belongs to a method, not to the game: with a magnet that moves, or whose temperature
    vanishes, the method looks for equilibria of the game without it. (A pull that is part of the
    game is `dgames.Regularised`.) Every `period` steps the magnet moves to
    `(1 - rate) magnet + rate y` in dual points, `y` being the new strategy's.

    Attributes:
        temperature: The strength of the pull: a number, or a function of the count of steps.
        reference: The first magnet, a joint strategy (default: the first strategy).
        rate: The share of the way to the strategy: at 0 the magnet is fixed, at 1 it is replaced.
        period: The number of steps between moves.
    """

    temperature: PyTree[Array] | Schedule = eqx.field(converter=_scheduled)
    reference: Strategy = None
    rate: Array = eqx.field(default=0.0, converter=real_hyperparameter)
    period: Array = eqx.field(default=1, converter=jnp.asarray)


class MirrorState(NamedTuple):
    """The state of a mirror method.

    Attributes:
        kept: What the mirror map keeps beside the strategy: for the entropy, log-probabilities.
        magnet: The dual point of the magnet, or None.
        memory: The method's own memory, such as a past value of the field; or None.
        steps: The number of steps so far.
    """

    kept: PyTree
    magnet: PyTree
    memory: PyTree
    steps: Int[Array, ""]


class Moves(NamedTuple):
    """The parts of one step, as functions of dual points.

    Attributes:
        force: The field at a dual point, without regularisers.
        move: The elementary move from a dual point against a force.
    """

    force: Callable[[Strategy], Strategy]
    move: Callable[[Strategy, Strategy], Strategy]


class AbstractMirrorMethod(AbstractMethod):
    r"""A method that steps in the geometry of a mirror map.

    Its elementary move from a dual point y against a force g is

        move(y, g) = S(y - h g - h c (y - m))               explicit
        move(y, g) = S((y - h g + h c m) / (1 + h c))       implicit

    with the step size h, a magnet's dual point m and temperature c (there may be several, or none),
    and S the Bregman projection onto the strategy set. Implicit moves are the proximal ones of the
    regulariser; they are explicit ones with the step `h / (1 + h c)`. Magnets are the method's own
    and the game's: under the entropy, the reference of a `Regularised` game, whose pull is then
    exact however small probabilities are; and of `ZeroSumNetworks`, the start that weights decay to
    (with a `EuclideanMirror`) and what its value pulls to. All other regularisers are part of the
    force.

    With `EntropyMirror` strategies stay in the interior of simplices; the state holds their
    logarithms, so that none underflows.

    Attributes:
        step_size: h, a positive number or one per player; or a function of the count of steps.
        mirror: The mirror map, or one per player.
        magnet: A magnet of the method, or None.
        implicit: Whether moves are implicit in the regularisers.
    """

    step_size: PyTree[Array] | Schedule = eqx.field(converter=_scheduled)
    mirror: PlayerMirrors = EntropyMirror()
    magnet: Magnet | None = None
    implicit: bool = eqx.field(default=True, static=True)

    @abc.abstractmethod
    def advance(self, moves: Moves, y: Strategy, memory: PyTree) -> tuple[Strategy, PyTree]:
        """Returns the next dual point and memory.

        Args:
            moves: The field, and the elementary move.
            y: The present dual point.
            memory: What `recollect` or the last call returned.
        """

    @abc.abstractmethod
    def recollect(self, moves: Moves, y: Strategy) -> PyTree:
        """Returns the memory before the first step."""

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> MirrorState:
        y = self._map(_dual, x)
        magnet = None
        if self.magnet is not None:
            reference = self.magnet.reference
            magnet = y if reference is None else self._map(_dual, reference)
        count = jnp.zeros((), int)
        memory = self.recollect(self._moves(field, x, magnet, count, args), y)
        return MirrorState(self._map(_keep, y), magnet, memory, count)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, MirrorState]:
        y = self._map(_recall, x, state.kept)
        moves = self._moves(field, x, state.magnet, state.steps, args)
        y, memory = self.advance(moves, y, state.memory)
        count = state.steps + 1
        magnet = state.magnet if self.magnet is None else self._follow(state.magnet, y, count)
        new = MirrorState(self._map(_keep, y), magnet, memory, count)
        return self._map(_primal, y), new

    def _map(self, fn: Callable, x: Strategy, *rest: Any) -> Strategy:
        who = f"{type(self).__name__}: mirror maps"
        return map_mirrors(fn, self.mirror, x, *rest, who=who)

    def _moves(
        self, field: AbstractField, x: Strategy, magnet: Strategy, count: Array, args: PyTree
    ) -> Moves:
        game, pulls = self._own_pulls(field, x)
        if self.magnet is not None:
            pulls.append((_now(self.magnet.temperature, count), magnet))
        step = per_player(_now(self.step_size, count), x)
        if self.implicit:
            for temperature, _ in pulls:
                step = jax.tree.map(lambda h, c: h / (1 + h * c), step, per_player(temperature, x))

        def force(y: Strategy) -> Strategy:
            primal = self._map(_primal, y)
            if game is None:
                return field(primal, args)
            if isinstance(self.mirror, EntropyMirror):  # it can be computed from logarithms
                return policy_gradient(game, primal, y, args)
            return PseudoGradient(game, order_is_known=True)(primal, args)

        def move(y: Strategy, g: Strategy) -> Strategy:
            for temperature, point in pulls:
                g = add(g, scale(temperature, subtract(y, point)))
            moved = subtract(y, scale(step, g))
            sets = own_sets(field, x)
            if isinstance(self.mirror, AbstractMirrorMap):
                return map_sets(self.mirror.settle, sets, moved)
            return map_sets(_settle, sets, moved, self.mirror)

        return Moves(force, move)

    def _own_pulls(
        self, field: AbstractField, x: Strategy
    ) -> tuple[Game | None, list[tuple[PyTree, Strategy]]]:
        """Returns the field's game without the pulls that are part of it, and these pulls."""
        game = field.game if isinstance(field, PseudoGradient) else None
        without_pulls = getattr(game, "without_pulls", None)
        if without_pulls is not None:
            rest, strengths, references = without_pulls(x, self.mirror)
            return rest, [(real_hyperparameter(strengths), references)]
        if not isinstance(self.mirror, EntropyMirror):
            return None, []
        if isinstance(game, Regularised):
            return game.game, [(real_hyperparameter(game.temperature), game.log_reference(x))]
        return game, []

    def _follow(self, magnet: Strategy, y: Strategy, count: Array) -> Strategy:
        assert self.magnet is not None
        moves = count % self.magnet.period == 0
        rate = jnp.where(moves, self.magnet.rate, 0)
        return add(magnet, scale(rate, subtract(y, magnet)))


def _dual(mirror: AbstractMirrorMap, x: Block) -> Block:
    return mirror.dual(x)


def _primal(mirror: AbstractMirrorMap, y: Block) -> Block:
    return mirror.primal(y)


def _keep(mirror: AbstractMirrorMap, y: Block) -> PyTree:
    return mirror.keep(y)


def _recall(mirror: AbstractMirrorMap, x: Block, kept: PyTree) -> Block:
    return mirror.recall(x, kept)


def _settle(own: AbstractSet, y: Block, mirror: AbstractMirrorMap) -> Block:
    return mirror.settle(own, y)


class MirrorDescent(AbstractMirrorMethod):
    r"""Mirror descent: `y+ = move(y, F(y))`. One evaluation per step.

    With the entropy it is multiplicative weights (without a regulariser), and magnetic mirror
    descent (with one). On a game with temperature c, monotone and L-Lipschitz before regularising
    (for the entropy: L is the largest payoff in absolute value), implicit steps `h <= c / L^2` give

        D(x*, x_t) <= (1 + h c)^-t D(x*, x_0).

    With `EuclideanMirror` it is `Simultaneous`. See `dgames.methods.policies` for the names and
    parameters of papers.

    >>> from dgames import Regularised, games, pseudo_gradient
    >>> field = pseudo_gradient(Regularised(games.MatrixGame.matching_pennies(), 0.5))
    >>> x, method = (jnp.array([0.8, 0.2]), jnp.array([0.5, 0.5])), MirrorDescent(0.5)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [f"{p:.6f}" for p in x[0]], [f"{p:.6f}" for p in x[1]]
    (['0.751949', '0.248051'], ['0.382252', '0.617748'])

    References:
        Sokota et al., *A unified approach to reinforcement learning, quantal response equilibria,
        and two-player zero-sum games*, ICLR 2023, arXiv:2206.05825, theorem 3.4.
    """

    @override
    def recollect(self, moves: Moves, y: Strategy) -> None:
        return None

    @override
    def advance(self, moves: Moves, y: Strategy, memory: None) -> tuple[Strategy, None]:
        return moves.move(y, moves.force(y)), None


class MirrorProx(AbstractMirrorMethod):
    """Mirror prox: `z = move(y, F(y))`, then `y+ = move(y, F(z))`. Two evaluations per step.

    Regularisers are taken at y in both moves. With the entropy and a regulariser of temperature c
    it is the policy extragradient method, and contracts the divergence from the equilibrium by
    `1 / (1 + h c)` per step on zero-sum games for `h <= 1 / L` (implicit). With `EuclideanMirror`
    it is `Extragradient`.

    References:
        Nemirovski, *Prox-method with rate of convergence O(1/t)*, SIAM J. Optim. 15 (2004);
        Cen, Wei and Chi, *Fast policy extragradient methods for competitive games with entropy
        regularization*, NeurIPS 2021, arXiv:2105.15186.
    """

    @override
    def recollect(self, moves: Moves, y: Strategy) -> None:
        return None

    @override
    def advance(self, moves: Moves, y: Strategy, memory: None) -> tuple[Strategy, None]:
        trial = moves.move(y, moves.force(y))
        return moves.move(y, moves.force(trial)), None


class OptimisticMirrorDescent(AbstractMirrorMethod):
    """Mirror prox whose trial step uses the past value of the field. One evaluation per step.

    With the past force g (at first the one at the start): `z = move(y, g)`, `g+ = F(z)`,
    `y+ = move(y, g+)`. With `EuclideanMirror` it is `Optimistic`.

    References:
        Popov, *A modification of the Arrow-Hurwicz method*, Math. Notes 28 (1980); Rakhlin and
        Sridharan, *Online learning with predictable sequences*, COLT 2013, arXiv:1208.3728.
    """

    @override
    def recollect(self, moves: Moves, y: Strategy) -> Strategy:
        return moves.force(y)

    @override
    def advance(self, moves: Moves, y: Strategy, memory: Strategy) -> tuple[Strategy, Strategy]:
        force = moves.force(moves.move(y, memory))
        return moves.move(y, force), force


class NashMD(AbstractMirrorMethod):
    """Nash mirror descent, against a mixture: `z = move(y, 0)`, then `y+ = move(y, F(z))`.

    Players answer the geometric mixture of the opponents' strategies with the reference. One
    evaluation per step. With a constant step its limit is not the equilibrium of the regularised
    game, but a point near it.

    References:
        Munos et al., *Nash learning from human feedback*, ICML 2024, arXiv:2312.00886.
    """

    @override
    def recollect(self, moves: Moves, y: Strategy) -> None:
        return None

    @override
    def advance(self, moves: Moves, y: Strategy, memory: None) -> tuple[Strategy, None]:
        mixture = moves.move(y, jax.tree.map(jnp.zeros_like, y))
        return moves.move(y, moves.force(mixture)), None

"""Counterfactual regret minimisation: a regret minimiser in every information set."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, own_sets
from dgames.methods.method import AbstractMethod, State, real_hyperparameter
from dgames.sets import AbstractSet, PlayerSets, Simplex, map_sets, player_set, player_sets
from dgames.stacked import is_stacked
from dgames.strategy import Block, Strategy, block, in_turn, player_names, replace
from dgames.trees.action_costs import action_costs
from dgames.trees.treeplex import Treeplex


class RegretState(NamedTuple):
    """The state of `CounterfactualRegret`.

    Attributes:
        last: The present strategy, the next one to be played and averaged.
        behaviour: The same, as probabilities of actions in each information set.
        regrets: What each action would have saved, summed up as the method does.
        weight: The sum of the weights of all strategies in the average.
        steps: The number of steps so far.
    """

    last: Strategy
    behaviour: PyTree
    regrets: PyTree
    weight: Float[Array, ""]
    steps: Int[Array, ""]


class CounterfactualRegret(AbstractMethod):
    r"""Counterfactual regret minimisation, on treeplexes and on simplices.

    A player's cost is the inner product of the strategy with the block g of the field. It is the
    sum, from the root down, of what is paid in each information set j, where the action a costs

        m_ja = g_ja + sum over the information sets k that follow ja of  sum_b x_kb m_kb

    given the behaviour x. In each j a regret minimiser of its own sees these *counterfactual* costs
    and nothing else. With the regrets `r_ja = sum_b x_jb m_jb - m_ja`, step t does

        R_ja = d(R_ja + r_ja),     d(R) = R t^p / (t^p + 1) for R > 0,  R t^n / (t^n + 1) for R <= 0
        x_ja = [R_ja + o r_ja]_+ / sum_b [R_jb + o r_jb]_+          (uniform, if all are zero)

    with the exponents p and n, where infinity means that nothing is forgotten and minus infinity
    that everything is, and with the optimism o: at 1 the last regret predicts the next one. A
    simplex is one information set, so that this is regret matching in matrix games.

    The strategy that a step returns is the *average* of all strategies that were played so far, the
    t-th with the weight `t^w`. It is what converges; what is played next is `state.last`. The
    average of T strategies is as far from equilibrium as the players' average regrets add up to, in
    two-player zero-sum games; see the functions of `dgames.methods`, which have the names of
    papers, for bounds.

    A step evaluates one block of the field per player, which together is one evaluation. The field
    is meant to be the pseudo-gradient of a game whose costs are linear in each player's own block,
    such as `TreeGame` and the matrix games.

    Attributes:
        positive: The exponent p of positive regrets.
        negative: The exponent n of negative regrets.
        averaging: The exponent w of weights: 0 is the plain mean, 1 linear, 2 quadratic.
        optimism: The optimism o.
        alternating: Whether each player sees the moves of the players before.

    Raises:
        ValueError: From `init` and `step`, if the set of a player is no treeplex and no simplex.

    Example:
        >>> import dgames as dg
        >>> game = dg.games.kuhn_poker().game()
        >>> run = dg.iterate(game, dg.methods.cfr_plus(), game.uniform(), steps=1000)
        >>> bool(dg.exploitability(game, run.strategy) < 1e-4)
        True

    References:
        Zinkevich, Johanson, Bowling and Piccione, *Regret minimization in games with incomplete
        information*, NeurIPS 2007; Farina, Kroer and Sandholm, *Regret circuits: composability of
        regret minimizers*, ICML 2019.
    """

    positive: Array = eqx.field(default=jnp.inf, converter=real_hyperparameter)
    negative: Array = eqx.field(default=jnp.inf, converter=real_hyperparameter)
    averaging: Array = eqx.field(default=0.0, converter=real_hyperparameter)
    optimism: Array = eqx.field(default=0.0, converter=real_hyperparameter)
    alternating: bool = eqx.field(default=True, static=True)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> RegretState:
        sets = _checked(field, x)
        behaviour = map_sets(_behaviour, sets, x)
        regrets = jax.tree.map(jnp.zeros_like, behaviour)
        return RegretState(x, behaviour, regrets, jnp.zeros((), float), jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, RegretState]:
        sets, count = _checked(field, x), (state.steps + 1).astype(float)
        forces = None if self.alternating else field(state.last, args)
        keep, forget = _discount(count, self.positive), _discount(count, self.negative)

        def expect(total: Array, regret: Array) -> Array:
            return total + self.optimism.astype(total.dtype) * regret

        def turn(i: Any, carry: tuple) -> tuple:
            last, behaviour, regrets = carry
            force = field.block(last, i, args) if forces is None else block(forces, i)
            own, present = player_set(sets, x, i), block(behaviour, i)
            new = _regrets(own, force, present)

            def add(total: Array, regret: Array) -> Array:
                share = jnp.where(total + regret > 0, keep, forget).astype(total.dtype)
                return share * (total + regret)

            total = jax.tree.map(add, block(regrets, i), new)
            present = _matched(own, jax.tree.map(expect, total, new))
            return (
                replace(last, i, _strategy(own, present)),
                replace(behaviour, i, present),
                replace(regrets, i, total),
            )

        last, behaviour, regrets = in_turn(turn, x, (state.last, state.behaviour, state.regrets))
        own = count**self.averaging
        weight = state.weight + own

        def mean(average: Array, leaf: Array) -> Array:
            return average + (own / weight).astype(leaf.dtype) * (leaf - average)

        new = RegretState(last, behaviour, regrets, weight, state.steps + 1)
        return jax.tree.map(mean, x, state.last), new


def cfr(*, alternating: bool = True) -> CounterfactualRegret:
    """Counterfactual regret minimisation: regret matching, and the plain mean.

    After T steps the average regret of a player with simultaneous updates is at most
    `D sum_j sqrt(A_j) / sqrt(T)`, with the number `A_j` of actions of each of the player's
    information sets, and the range D of the player's payoffs. The gap of the average strategies in
    a two-player zero-sum game is at most the sum of both.

    Args:
        alternating: Whether each player sees the moves of the players before.

    References:
        Zinkevich et al., *Regret minimization in games with incomplete information*, NeurIPS 2007.
    """
    return CounterfactualRegret(alternating=alternating)


def cfr_plus(*, alternating: bool = True) -> CounterfactualRegret:
    """CFR+: regret matching+, which forgets negative regrets, and linear weights.

    Its bound is that of `cfr`, twice, and it is usually far ahead of it.

    Args:
        alternating: Whether each player sees the moves of the players before.

    References:
        Tammelin, *Solving large imperfect information games using CFR+*, 2014, arXiv:1407.5042;
        Burch, Moravčík and Schmid, *Revisiting CFR+ and alternating updates*, JAIR 64 (2019).
    """
    return CounterfactualRegret(negative=-jnp.inf, averaging=1.0, alternating=alternating)


def linear_cfr(*, alternating: bool = True) -> CounterfactualRegret:
    """Linear CFR: regrets and strategies of step t have the weight t.

    With simultaneous updates its bound is that of `cfr`, `2 / sqrt(3)` times: the sum of squares of
    the regrets in an information set grows by no more than `t^2 A_j D^2` in step t, so that the
    weighted mean of regrets is at most `D sum_j sqrt(A_j) sqrt(sum t^2) / sum t`.

    Args:
        alternating: Whether each player sees the moves of the players before.

    References:
        Brown and Sandholm, *Solving imperfect-information games via discounted regret
        minimization*, AAAI 2019, arXiv:1809.04040.
    """
    return CounterfactualRegret(1.0, 1.0, 1.0, alternating=alternating)


def discounted_cfr(
    positive: float | Array = 1.5,
    negative: float | Array = 0.0,
    averaging: float | Array = 2.0,
    *,
    alternating: bool = True,
) -> CounterfactualRegret:
    """Discounted CFR with the exponents of its paper, for which it has a bound like that of `cfr`.

    Args:
        positive: The exponent of positive regrets.
        negative: The exponent of negative regrets.
        averaging: The exponent of the weights of strategies.
        alternating: Whether each player sees the moves of the players before.

    References:
        Brown and Sandholm, *Solving imperfect-information games via discounted regret
        minimization*, AAAI 2019, arXiv:1809.04040.
    """
    return CounterfactualRegret(positive, negative, averaging, alternating=alternating)


def predictive_cfr_plus(*, alternating: bool = True) -> CounterfactualRegret:
    """Predictive CFR+: regret matching+ that expects the last regrets again; quadratic weights.

    The regret in each information set is at most `sqrt(2 sum_t |r_t - r_{t-1}|^2)`, which is small
    where play changes little.

    Args:
        alternating: Whether each player sees the moves of the players before.

    References:
        Farina, Kroer and Sandholm, *Faster game solving via predictive Blackwell approachability*,
        AAAI 2021, arXiv:2007.14358.
    """
    return CounterfactualRegret(
        negative=-jnp.inf, averaging=2.0, optimism=1.0, alternating=alternating
    )


def _discount(count: Array, exponent: Array) -> Array:
    """`t^e / (t^e + 1)`: one and zero for infinite exponents, at t = 1 too."""
    finite = jnp.isfinite(exponent)
    share = jax.nn.sigmoid(jnp.where(finite, exponent, 0) * jnp.log(count))
    return jnp.where(finite, share, (exponent > 0).astype(share.dtype))


def _checked(field: AbstractField, x: Strategy) -> PlayerSets:
    """The strategy set of the field, if there are regret minimisers for it."""
    sets = own_sets(field, x)
    own = (player_set(sets, x, 0),) if is_stacked(x) else player_sets(sets, x)
    for name, each in zip(player_names(x), own, strict=False):
        if not isinstance(each, Treeplex | Simplex):
            raise ValueError(
                f"CounterfactualRegret moves on treeplexes and simplices; the set of player "
                f"'{name}' is {type(each).__name__}"
            )
        if isinstance(each, Treeplex) and is_stacked(x):
            raise ValueError(
                "CounterfactualRegret: players on treeplexes are not stacked; a tuple of their "
                "strategies has one treeplex for each"
            )
    return sets


def _behaviour(own: AbstractSet, x: Block) -> PyTree:
    if not isinstance(own, Treeplex):
        return x
    if jnp.shape(x) != (own.sequences,):
        raise ValueError(
            f"CounterfactualRegret: a strategy of this treeplex has {own.sequences} sequences; got "
            f"an array of shape {jnp.shape(x)}"
        )
    return own.behaviour(x)


def _strategy(own: AbstractSet, behaviour: PyTree) -> Block:
    return own.sequence_form(behaviour) if isinstance(own, Treeplex) else behaviour


def _regrets(own: AbstractSet, force: Block, behaviour: PyTree) -> PyTree:
    """What each action would have saved in its information set, given the behaviour below."""
    if isinstance(own, Treeplex):
        cost = action_costs(own, force, behaviour)
        return jnp.where(own.mask, jnp.sum(behaviour * cost, -1, keepdims=True) - cost, 0)

    def regret(cost: Array, p: Array) -> Array:
        return jnp.sum(p * cost, -1, keepdims=True) - cost

    return jax.tree.map(regret, force, behaviour)


def _matched(own: AbstractSet, regrets: PyTree) -> PyTree:
    """Probabilities proportional to positive regrets; uniform where there are none."""

    def match(leaf: Array) -> Array:
        positive = jnp.maximum(leaf, 0)
        total = jnp.sum(positive, -1, keepdims=True)
        some = total > 0
        if isinstance(own, Treeplex):
            otherwise = own.uniform_behaviour().astype(leaf.dtype)
        else:
            otherwise = jnp.full_like(leaf, 1 / leaf.shape[-1])
        return jnp.where(some, positive / jnp.where(some, total, 1), otherwise)

    return jax.tree.map(match, regrets)

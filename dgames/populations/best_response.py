"""Oracles: how a side finds a reply to what the others mix."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from dgames.fields import pseudo_gradient
from dgames.game import game
from dgames.methods import AbstractMethod
from dgames.populations.expected_cardinality import expected_cardinality
from dgames.populations.sides import Member, Pool, Sides, picked
from dgames.sets import AbstractSet, Euclidean
from dgames.strategy import inner_product

_STARTS = ("random", "last", "fusion")


class BestResponse(eqx.Module):
    r"""A reply by descent on a side's own cost against what the others mix, from several starts.

    It finds the best of the local minima that the starts lead to. So what a side gains by it is an
    estimate of what the best reply would gain, and never more than that.

    Attributes:
        steps: Steps from each start.
        starts: How many starts, all at once.
        start: Where the first one is: "random" like all others, "last" at the newest member, or
            "fusion" at the average of the members with the largest weights, by their weights
            (Fusion-PSRO: for members in one basin, such as networks that began as one). Random
            starts are drawn from the strategy set; where that is the whole space, around the newest
            member.
        method: A method such as `dgames.Optax(optax.adam(0.01))`. By default, projected gradient
            descent with the step of Barzilai and Borwein, which never raises the cost.
        step_size: The first step of this descent.
        spread: The standard deviation of random starts around the newest member.
        top: How many members "fusion" averages.
        rectified: Whether each member that the mixture plays trains against those opponents only
            that it does not lose to (PSRO_rN); an expansion then adds as many members.
        diversity: The weight of `expected_cardinality` of the members with the reply, which is
            added to what the reply earns (Diverse PSRO).
        candidates: How many different replies are tried; the one is kept after whose addition the
            equilibrium is least exploitable, by this oracle (Global PSRO).
        sequential: Whether the players of a team reply one after the other, each to what the ones
            before it have found, which never makes the reply worse (H-PSRO); by default they move
            together, along the gradient of their common cost (Team PSRO).
        rounds: How often each player of a team replies; the steps are shared among the rounds.

    Raises:
        ValueError: If a number or a name is none of these.

    References:
        Lanctot and others, A unified game-theoretic approach to multiagent reinforcement learning
        (2017), arXiv:1711.00832. Balduzzi and others, Open-ended learning in symmetric zero-sum
        games (2019), arXiv:1901.08106, for PSRO_rN. Perez-Nieves and others, arXiv:2103.07927, for
        diversity. Lian and others, Fusion-PSRO (2024), arXiv:2405.21027.

    >>> BestResponse(steps=100).starts
    8
    """

    steps: int = eqx.field(static=True, default=200)
    starts: int = eqx.field(static=True, default=8)
    start: str = eqx.field(static=True, default="random")
    method: AbstractMethod | None = None
    step_size: float = 1.0
    spread: float = 1.0
    top: int = eqx.field(static=True, default=3)
    rectified: bool = eqx.field(static=True, default=False)
    diversity: float = 0.0
    candidates: int = eqx.field(static=True, default=1)
    sequential: bool = eqx.field(static=True, default=False)
    rounds: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        for name in ("steps", "starts", "top", "candidates", "rounds"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"BestResponse: {name} is {value}; it must be at least 1")
        if self.start not in _STARTS:
            raise ValueError(
                f"BestResponse: start is {self.start!r}; it must be one of {', '.join(_STARTS)}"
            )
        if self.candidates > self.starts:
            raise ValueError(
                f"BestResponse: {self.candidates} candidates need as many starts, not {self.starts}"
            )
        if not self.diversity >= 0:
            raise ValueError(f"BestResponse: diversity is {self.diversity}; it must be at least 0")

    @property
    def plain(self) -> "BestResponse":
        """The oracle that minimises the cost and nothing else, by which gaps are measured."""
        return dataclasses.replace(self.single, diversity=0.0)

    @property
    def single(self) -> "BestResponse":
        """The oracle that gives one reply to one mixture, for which it is compiled."""
        return dataclasses.replace(self, rectified=False, candidates=1)


class Replies(NamedTuple):
    """What the starts led to, the best one first.

    Attributes:
        costs: What each reply costs the side, diversity left out.
        members: The replies, stacked.
    """

    costs: Float[Array, " starts"]
    members: Pool

    def best(self, k: int = 0) -> Member:
        """Returns the reply in place k."""
        return picked(self.members, k)


class Task(NamedTuple):
    """What a reply is sought to.

    Attributes:
        side: Who replies.
        pools: The members of all sides, with room for more.
        weights: What they mix, zero for members that are not there.
        payoffs: What the members of the side receive from those of the others, zero for members
            that are not there, of shape `(room, opponents)`.
        present: Which of the joint choices of the others are of members that are there.
    """

    side: int
    pools: tuple[Pool, ...]
    weights: tuple[Float[np.ndarray, " _"], ...]
    payoffs: Float[np.ndarray, "room opponents"]
    present: Bool[np.ndarray, " opponents"]


class Draws(NamedTuple):
    """Where random numbers come from: a key, and a number that tells its uses apart.

    The number is folded into the key where it is used, for which nothing else is compiled.
    """

    key: Key[Array, ""]
    number: np.uint32 = np.uint32(0)

    def at(self, place: int) -> "Draws":
        """Returns the draws for one of several uses.

        >>> draws = Draws(jax.random.key(0))
        >>> len({int(own.number) for own in (draws, draws.at(0), draws.at(1), draws.at(1).at(0))})
        4
        """
        return Draws(self.key, np.uint32((int(self.number) * 1_000_003 + place + 1) % 2**32))


@eqx.filter_jit
def replies(oracle: BestResponse, sides: Sides, task: Task, last: Member, draws: Draws) -> Replies:
    """Seeks replies from all starts; compiled once for each side and room.

    Args:
        oracle: The oracle.
        sides: The sides.
        task: What a reply is sought to.
        last: The member near which it may start.
        draws: For the random starts.
    """
    key = jax.random.fold_in(draws.key, draws.number)
    own_sets = sides.sets(task.side)

    weights = tuple(map(jnp.asarray, task.weights))

    def cost(member: Member) -> Array:
        return sides.mixed_cost(task.side, member, task.pools, weights)

    def objective(member: Member) -> Array:
        if not oracle.diversity:
            return cost(member)
        table = sides.table(task.side, member, task.pools)[sides.teams[task.side][0]]
        row = jnp.where(task.present, -table.reshape(-1), 0)
        rows = jnp.concatenate([jnp.asarray(task.payoffs, row.dtype), row[None]])
        return cost(member) - oracle.diversity * expected_cardinality(rows)

    def from_start(start: Member) -> Member:
        if not oracle.sequential or len(start) == 1:
            return descend(oracle, objective, own_sets, start, oracle.steps)
        steps = max(1, oracle.steps // oracle.rounds)

        def one_round(_: Any, member: Member) -> Member:
            for k in range(len(member)):

                def own(block: Member, k: int = k, member: Member = member) -> Array:
                    return objective((*member[:k], block[0], *member[k + 1 :]))

                (best,) = descend(oracle, own, own_sets[k : k + 1], member[k : k + 1], steps)
                member = (*member[:k], best, *member[k + 1 :])
            return member

        return jax.lax.fori_loop(0, oracle.rounds, one_round, start)

    starts = _starts(oracle, own_sets, task, last, key)
    found = jax.vmap(from_start)(starts)
    values = jax.vmap(objective)(found)
    order = jnp.argsort(jnp.where(jnp.isnan(values), jnp.inf, values))
    members = jax.tree.map(lambda leaf: leaf[order], found)
    return Replies(jax.vmap(cost)(members), members)


def descend(
    oracle: BestResponse,
    objective: Callable[[Member], Array],
    own_sets: tuple[AbstractSet, ...],
    start: Member,
    steps: int,
) -> Member:
    """Returns the best point on the way of a descent, the start included."""
    if oracle.method is None:
        return _adaptive(objective, own_sets, start, steps, oracle.step_size)
    method = oracle.method
    field = pseudo_gradient(game(lambda x, args: (objective(x),) * len(x), own_sets))

    def step(carry: Any, _: Any) -> Any:
        x, state, best, value = carry
        x, state = method.step(field, x, state)
        here = objective(x)
        better = here < value
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), x, best)
        return (x, state, best, jnp.where(better, here, value)), None

    first = (start, method.init(field, start), start, objective(start))
    (_, _, best, _), _ = jax.lax.scan(step, first, None, length=steps)
    return best


def _adaptive(
    objective: Callable[[Member], Array],
    own_sets: tuple[AbstractSet, ...],
    start: Member,
    steps: int,
    step_size: float,
) -> Member:
    """Projected gradient descent: a step that does not lower the cost enough is taken back.

    After one that does, the next step is that of Barzilai and Borwein, or four times the same where
    the curvature along it is not positive, so that flat places are left in a few steps.
    """
    slope = jax.value_and_grad(objective)

    def step(carry: Any, _: Any) -> Any:
        x, value, gradient, size = carry
        ahead = jax.tree.map(lambda leaf, g: leaf - size.astype(leaf.dtype) * g, x, gradient)
        y = tuple(own.project(block) for own, block in zip(own_sets, ahead, strict=True))
        new, new_gradient = slope(y)
        move = jax.tree.map(jnp.subtract, y, x)
        turn = jax.tree.map(jnp.subtract, new_gradient, gradient)
        fall, length, curvature = (
            inner_product(one, other).astype(value.dtype)
            for one, other in ((gradient, move), (move, move), (move, turn))
        )
        accept = new <= value + 1e-4 * fall
        curved = curvature > 1e-12 * length
        longer = jnp.where(curved, length / jnp.where(curved, curvature, 1), 4 * size)
        x, gradient = jax.tree.map(
            lambda old, next: jnp.where(accept, next, old), (x, gradient), (y, new_gradient)
        )
        size = jnp.clip(jnp.where(accept, longer, 0.3 * size), 1e-12, 1e12)
        return (x, jnp.where(accept, new, value), gradient, size), None

    value, gradient = slope(start)
    first = (start, value, gradient, jnp.asarray(step_size, value.dtype))
    (x, _, _, _), _ = jax.lax.scan(step, first, None, length=steps)
    return x


def _starts(
    oracle: BestResponse,
    own_sets: tuple[AbstractSet, ...],
    task: Task,
    last: Member,
    key: Key[Array, ""],
) -> Pool:
    def draw(key: Key[Array, ""]) -> Member:
        keys = jax.random.split(key, len(last))
        return tuple(map(_random_block, own_sets, last, keys, (oracle.spread,) * len(last)))

    drawn = jax.vmap(draw)(jax.random.split(key, oracle.starts))
    if oracle.start == "random":
        return drawn
    first = last if oracle.start == "last" else _fusion(oracle, task)
    return jax.tree.map(lambda leaf, own: leaf.at[0].set(own), drawn, first)


def _random_block(own: AbstractSet, last: Any, key: Key[Array, ""], spread: float) -> Any:
    sample = own.sample(key, last)
    if not isinstance(own, Euclidean):
        return sample
    return jax.tree.map(lambda leaf, noise: leaf + spread * noise, last, sample)


def _fusion(oracle: BestResponse, task: Task) -> Member:
    """The average of the members with the largest weights."""
    own = jnp.asarray(task.weights[task.side])
    top, places = jax.lax.top_k(own, min(oracle.top, math.prod(own.shape)))
    shares = top / jnp.sum(top)
    return jax.tree.map(
        lambda leaf: jnp.tensordot(shares.astype(leaf.dtype), leaf[places], 1),
        task.pools[task.side],
    )

"""Treeplexes: the strategies of one player of a tree, in sequence form."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped
from typing_extensions import override

from dgames.sets import AbstractSet
from dgames.strategy import Block
from dgames.trees.tree_projection import nearest


class Treeplex(AbstractSet):
    r"""The strategies of one player of an extensive-form game with perfect recall.

    A *sequence* is what the player has done up to a point: sequence 0 is empty, and every other one
    ends with an action a at an information set j. A strategy q holds, for each sequence, the
    product of the probabilities of its actions:

        q_0 = 1,    sum_a q_ja = q_p(j),    q >= 0,

    where `p(j)` is the sequence with which the player comes to j. That is a polytope, and costs are
    linear in it. Its vertices are the (reduced) pure strategies; the *behaviour* at j is
    `x_ja = q_ja / q_p(j)`. A simplex is the treeplex of one information set, but for `q_0`.

    Information sets are in the order of their level, the number of information sets of the player
    that lead to them; sequences are in the order of their information sets, the actions of each one
    after the other. So all passes up and down the tree are one gather and one scatter per level.

    Attributes:
        parents: `p(j)` of each information set.
        counts: How many actions each information set has.
        table: The sequences of all actions, padded with the number of sequences, which is none.
        owners: The information set of the last action of each sequence; -1 of the empty one.
        levels: The numbers of the first information sets of all levels, and the number of all.
        starts: The numbers of the first sequences of all levels, and the number of all.
        sequences: The number of sequences, the empty one included.
        width: The largest number of actions, at least one.

    Args:
        parents: `p(j)`, of shape `(infosets,)`.
        counts: The numbers of actions, of shape `(infosets,)`, at least one each.

    Raises:
        ValueError: If a parent is no earlier sequence, information sets are not in the order of
            their level, or one has no action.

    Example:
        >>> tree = Treeplex(parents=[0, 1], counts=[2, 2])  # two actions; after the first, two more
        >>> tree.sequence_form(tree.uniform_behaviour()).tolist()
        [1.0, 0.5, 0.5, 0.25, 0.25]

    References:
        Koller, Megiddo and von Stengel, *Efficient computation of equilibria for extensive
        two-person games*, Games and Economic Behavior 14 (1996); Hoda, Gilpin, Peña and Sandholm,
        *Smoothing techniques for computing Nash equilibria of sequential games*, Mathematics of
        Operations Research 35 (2010), for the name.
    """

    parents: Int[Array, " infosets"]
    counts: Int[Array, " infosets"]
    table: Int[Array, "infosets width"]
    owners: Int[Array, " sequences"]
    levels: tuple[int, ...] = eqx.field(static=True)
    starts: tuple[int, ...] = eqx.field(static=True)
    sequences: int = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def __init__(self, parents: Any, counts: Any):
        parent, count = np.asarray(parents, int), np.asarray(counts, int)
        if parent.ndim != 1 or parent.shape != count.shape or not (count > 0).all():
            raise ValueError(
                "Treeplex: each information set has one parent sequence and at least one action; "
                f"got {parent.shape} parents and {count.shape} counts"
            )
        first = 1 + np.concatenate([[0], np.cumsum(count)]).astype(int)
        if not ((parent >= 0) & (parent < first[:-1])).all():
            raise ValueError("Treeplex: the parent of an information set is an earlier sequence")
        owner = np.concatenate([[-1], np.repeat(np.arange(len(count)), count)])
        level = np.zeros(len(count), int)
        for j, p in enumerate(parent.tolist()):
            level[j] = 0 if p == 0 else level[owner[p]] + 1
        if not (np.diff(level) >= 0).all():
            raise ValueError("Treeplex: information sets are in the order of their level")
        last = int(level[-1]) + 1 if len(level) else 0
        self.parents, self.counts = jnp.asarray(parent), jnp.asarray(count)
        self.levels = tuple(np.searchsorted(level, np.arange(last + 1)).tolist())
        self.starts = tuple(first[np.asarray(self.levels)].tolist())
        self.sequences = int(first[-1])
        self.width = int(count.max(initial=1))
        actions = np.arange(self.width)
        table = np.where(actions < count[:, None], first[:-1, None] + actions, self.sequences)
        self.table, self.owners = jnp.asarray(table), jnp.asarray(owner)

    @property
    def infosets(self) -> int:
        """The number of information sets."""
        return self.levels[-1]

    @property
    def mask(self) -> Bool[Array, "infosets width"]:
        """Which entries of a table of all actions, padded to the same width, are actions."""
        return self.table < self.sequences

    @property
    def places(self) -> Int[Array, " sequences"]:
        """Where sequences are in a table of all actions that is made flat; 0 for the empty one."""
        own = jnp.maximum(self.owners, 0)
        first = self.table[own, 0] if self.infosets else own
        return jnp.maximum(own * self.width + jnp.arange(self.sequences) - first, 0)

    def uniform_behaviour(self) -> Float[Array, "infosets width"]:
        """The behaviour in which all actions of an information set are equally likely."""
        actions = self.mask.astype(float)
        return actions / jnp.sum(actions, -1, keepdims=True)

    def uniform(self) -> Float[Array, " sequences"]:
        """The strategy of uniform behaviour."""
        return _uniform(self)

    def sequence_form(
        self, behaviour: Float[Array, "infosets width"]
    ) -> Float[Array, " sequences"]:
        """The strategy of a behaviour, from the root down.

        Args:
            behaviour: Probabilities of actions; what pads the table is not read.
        """
        if not self.infosets:
            return jnp.ones(1, behaviour.dtype)
        own, over = behaviour.ravel()[self.places], self.parents[self.owners]
        masses, before = [jnp.ones(1, behaviour.dtype)], 0
        # The parents of a level are all in the level before, so that nothing has to be scattered.
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            masses.append(own[start:end] * masses[-1][over[start:end] - before])
            before = start
        return jnp.concatenate(masses)

    def behaviour(self, q: Float[Array, " sequences"]) -> Float[Array, "infosets width"]:
        """The behaviour of a strategy; uniform where an information set is not reached."""
        mass = self.rows(q, 0)
        total = jnp.sum(mass, -1, keepdims=True)
        reached = total > 0
        return jnp.where(
            reached, mass / jnp.where(reached, total, 1), self.uniform_behaviour().astype(q.dtype)
        )

    def rows(
        self, values: Shaped[Array, " sequences"], fill: float | int
    ) -> Shaped[Array, "infosets width"]:
        """Values of sequences as a table of all actions, padded with `fill`."""
        return values.at[self.table].get(mode="fill", fill_value=fill)

    def upward(
        self,
        values: Float[Array, " sequences"],
        reduce: Callable[[Float[Array, "rows width"]], Float[Array, " rows"]],
        fill: float | int,
    ) -> Float[Array, " sequences"]:
        """Adds to the value of each sequence what the information sets below it are worth.

        From the leaves up: `total_s = values_s + sum of reduce(total_j) over all j with p(j) = s`.

        Args:
            values: A value for each sequence.
            reduce: What an information set is worth, given the totals of its actions, row by row.
            fill: What pads rows, such as `inf` for a minimum.

        Returns:
            The totals; that of the empty sequence is the value of the tree.
        """
        table, total = self.table, values
        for rows in reversed(self.rows_of_levels()):
            own = total.at[table[rows]].get(mode="fill", fill_value=fill)
            total = total.at[self.parents[rows]].add(reduce(own))
        return total

    def best_response(self, cost: Float[Array, " sequences"]) -> Float[Array, " sequences"]:
        """A pure strategy of least cost `<cost, q>`; the first action where several are best.

        >>> tree = Treeplex(parents=[0, 1], counts=[2, 2])
        >>> tree.best_response(jnp.array([0.0, 3.0, 0.5, -1.0, -2.0])).tolist()
        [1.0, 0.0, 1.0, 0.0, 0.0]
        """
        total = self.upward(cost, lambda own: jnp.min(own, -1), jnp.inf)
        best = jnp.argmin(self.rows(total, jnp.inf), -1)
        return self.sequence_form(jax.nn.one_hot(best, self.width, dtype=cost.dtype))

    def least(self, cost: Float[Array, " sequences"]) -> Float[Array, ""]:
        """The least cost `<cost, q>` of a strategy."""
        return self.upward(cost, lambda own: jnp.min(own, -1), jnp.inf)[0]

    @override
    def project(self, x: Block) -> Block:
        """The nearest strategy, exact up to rounding; see `dgames.trees.tree_projection`."""
        return nearest(self, x)

    @override
    def contains(self, x: Block, tolerance: float = 0.0) -> Bool[Array, ""]:
        sums = jnp.sum(self.rows(x, 0), -1) - x[self.parents]
        flow = jnp.abs(jnp.concatenate([sums, x[:1] - 1]))
        return jnp.all(x >= -tolerance) & jnp.all(flow <= tolerance)

    @override
    def sample(self, key: Key[Array, ""], like: Block) -> Block:
        """A random strategy, uniform in the polytope.

        Behaviours are independent, each with a Dirichlet law: the parameter of an action is one
        more than the dimension of what lies below it, since the volume there is that power of the
        probability to get there.
        """
        free = 1 - jnp.zeros(self.sequences).at[self.parents].add(1)
        parameters = self.rows(self.upward(free, lambda own: jnp.sum(own, -1), 0), 1)
        weights = jnp.where(self.mask, jax.random.gamma(key, parameters), 0)
        behaviour = weights / jnp.sum(weights, -1, keepdims=True)
        return self.sequence_form(behaviour.astype(like.dtype))

    @property
    def pure_strategies(self) -> int:
        """The number of reduced pure strategies, which say nothing where they do not lead.

        >>> Treeplex(parents=[0, 1], counts=[2, 2]).pure_strategies
        3
        """
        numbers = [1] * self.sequences
        parents, counts = np.asarray(self.parents).tolist(), np.asarray(self.counts).tolist()
        end = self.sequences
        for parent, actions in zip(reversed(parents), reversed(counts), strict=True):
            numbers[parent] *= sum(numbers[end - actions : end])
            end -= actions
        return numbers[0]

    def vertices(self, limit: int = 100_000) -> Float[Array, "strategies sequences"]:
        """All reduced pure strategies: the vertices of the polytope.

        The choice at the first information set changes last.

        Args:
            limit: The largest number of them that is enumerated.

        Raises:
            ValueError: If there are more.

        >>> Treeplex(parents=[0, 1], counts=[2, 2]).vertices().tolist()
        [[1.0, 1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 0.0]]
        """
        if (count := self.pure_strategies) > limit:
            raise ValueError(
                f"Treeplex: there are {count if count < 10**9 else 'more than a billion'} pure "
                f"strategies, more than the limit {limit}"
            )
        parents, counts = np.asarray(self.parents).tolist(), np.asarray(self.counts).tolist()
        below = {}  # what may follow a sequence
        nothing, each = np.zeros((1, self.sequences)), np.eye(self.sequences)
        end = self.sequences
        for parent, actions in zip(reversed(parents), reversed(counts), strict=True):
            own = [
                below.pop(s, nothing) + np.broadcast_to(each[s], (1, self.sequences))
                for s in range(end - actions, end)
            ]
            end -= actions
            rest = below.get(parent, nothing)
            below[parent] = (np.concatenate(own)[:, None] + rest[None]).reshape(-1, self.sequences)
        return jnp.asarray(below.get(0, nothing) + each[:1])

    @property
    def largest_norm(self) -> Float[Array, ""]:
        """The largest sum of the entries of a strategy, `max |q|_1`.

        >>> float(Treeplex(parents=[0, 1], counts=[2, 2]).largest_norm)
        3.0
        """
        return self.upward(jnp.ones(self.sequences), lambda own: jnp.max(own, -1), -jnp.inf)[0]

    def rows_of_levels(self) -> list[slice]:
        """The information sets of each level, from the root down."""
        return [slice(a, b) for a, b in zip(self.levels[:-1], self.levels[1:], strict=True)]


@eqx.filter_jit
def _uniform(treeplex: Treeplex) -> Float[Array, " sequences"]:
    # Operation by operation, every level would be compiled by itself, which takes seconds.
    return treeplex.sequence_form(treeplex.uniform_behaviour())

"""Populations: members of each side, what they pay each other, and what mixture they play."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from dgames.constraints.shared_constraints import refuse_shared
from dgames.game import Game
from dgames.populations.antisymmetry import check_alike, check_antisymmetric
from dgames.populations.best_response import BestResponse, Draws, Replies, Task, replies
from dgames.populations.checked_payoffs import Payoffs, zero_sum_matrix
from dgames.populations.linear_program import newest_equilibrium
from dgames.populations.meta_solvers import MetaSolver, mixtures
from dgames.populations.sides import (
    Member,
    Pool,
    Sides,
    costs_against,
    padded,
    picked,
    pool_of,
    room,
    with_member,
)
from dgames.populations.teams import as_teams
from dgames.sets import check_sets
from dgames.stacked import is_stacked
from dgames.strategy import (
    Strategy,
    as_strategy,
    blocks,
    check_strategy,
    join,
    player_names,
    split,
)

# Of an anytime mixture: the most replies of the unrestricted side, and when it cannot gain more.
_MOST_REPLIES = 30
_SETTLED = 1e-9


class Population(eqx.Module):
    r"""Strategies of each player, what they pay each other, and the mixture that they play.

    A population grows by `expand`: a meta-solver chooses a mixture of the members of each side, an
    oracle replies to what the others mix, and the replies become members. With exact replies and
    Nash mixtures that is the double oracle method of McMahan, Gordon and Blum (2003), with learned
    ones PSRO (Lanctot and others, 2017).

        pop = dg.Population(game, {"a": x0, "b": y0})
        for _ in range(20):
            pop = pop.expand(meta="nash", oracle=dg.BestResponse(steps=200, starts=8))
        pop.payoffs, pop.mixture, pop.gap

    A population is a value: `expand` returns a new one. Members lie in arrays with room for more,
    which is doubled when it is used up, so that the oracle is compiled a few times only.

    Attributes:
        payoffs: What each side receives, minus its cost, by the members that all sides play: shape
            `(sides, *members)`, as of a `MatrixGame`.

    >>> import dgames as dg
    >>> start = (jnp.array([1.0, 0.0]),) * 2
    >>> pop = Population(dg.games.DiscGame(), start, symmetric=True)
    >>> for _ in range(2):
    ...     pop = pop.expand(meta="max_entropy", oracle=BestResponse(steps=20))
    >>> pop.sizes, pop.mixture[0].round(6).tolist()
    ((3, 3), [0.5, 0.0, 0.5])
    >>> round(pop.gap, 6)
    0.0
    """

    payoffs: Payoffs
    symmetric: bool
    _sides: Sides
    _pools: tuple[Pool, ...]
    _weights: tuple[Float[np.ndarray, " _"], ...]
    _gaps: tuple[float, ...]
    _found: tuple[Replies, ...] | None
    _additions: tuple[tuple[Member, ...], ...] | None
    _asked: Any
    _unit: float

    def __init__(
        self,
        game: Game,
        x: Strategy,
        *,
        symmetric: bool = False,
        teams: Sequence[Sequence[str | int]] | None = None,
        args: PyTree = None,
    ):
        """Makes a population with one member for each side.

        Args:
            game: The game.
            x: A joint strategy: the first member of each player.
            symmetric: Whether both of two players choose from one pool, in a zero-sum game that
                changes nothing but the signs when they change places. The first pool holds both
                strategies of `x`, or one if they are equal.
            teams: Players who share their members: a list of teams, each a list of players by name
                or position, who must have equal costs. Players who are in no team are sides of
                their own.
            args: Passed to the costs.

        Raises:
            ValueError: If the game or the strategy is malformed, teammates have different costs,
                or the game is not symmetric although it is said to be.
        """
        if is_stacked(x):
            raise ValueError("Population: give each player's strategy by itself, not as a Stacked")
        x = as_strategy(x)
        check_strategy(x)
        check_sets(game.strategy_set(x), x)
        refuse_shared(
            game.shared_constraints(x),
            "Population: members of one side would depend on those of others through the shared "
            "constraints of this game",
        )
        like, rest = split(x)
        sides = Sides(game, args, like, rest, as_teams(x, teams))
        self.symmetric, self._sides = symmetric, sides
        self._unit = check_alike(sides) if symmetric else 0.0
        given = tuple(tuple(blocks(like)[p] for p in team) for team in sides.teams)
        members = (given[0],) * 2 if symmetric else given
        self._pools = tuple(map(pool_of, members))
        first = np.asarray(costs_against(sides, 0, members[0], self._pools), np.float64)
        own = first[(slice(None), *(slice(1),) * (len(members) - 1))]
        self.payoffs = _side_payoffs(sides, own[:, None])
        self._weights = (np.ones(1),) * len(members)
        self._gaps = (np.nan,) * len(members)
        self._found = self._additions = self._asked = None
        if symmetric:
            check_antisymmetric(self.payoffs, self._unit)
            if not _same(*given):
                grown = self._with(((given[1],), ()))
                self.payoffs, self._pools = grown.payoffs, grown._pools
                self._weights = (np.full(2, 0.5),) * 2

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many members each side has."""
        return self.payoffs.shape[1:]

    @property
    def members(self) -> PyTree:
        """For each player a block whose arrays have a leading axis, of all members."""
        own: list[Any] = [None] * len(blocks(self._sides.like))
        for team, pool, count in zip(self._sides.teams, self._pools, self.sizes, strict=True):
            for player, block in zip(team, pool, strict=True):
                own[player] = jax.tree.map(lambda leaf, n=count: jnp.asarray(leaf[:n]), block)
        return eqx.combine(join(self._sides.like, tuple(own)), self._sides.rest)

    @property
    def mixture(self) -> PyTree[Float[Array, " members"]]:
        """The weights of the members, for each player; teammates choose their members together."""
        return self._by_player(tuple(map(jnp.asarray, self._weights)))

    @property
    def gaps(self) -> PyTree[float]:
        """What each player could save by the oracle's reply to the mixture, by player.

        Each is an *estimate*: a lower bound, up to rounding, on what the best reply would save,
        which `certify.gap` bounds from both sides. NaN before the first expansion.
        """
        return self._by_player(self._gaps)

    @property
    def gap(self) -> float:
        """The sum of the gaps of all sides, an estimate, from below, of their exploitability."""
        return float(sum(self._gaps))

    @property
    def game(self) -> Game:
        """The game."""
        return self._sides.game

    @property
    def args(self) -> PyTree:
        """What is passed to the costs."""
        return self._sides.args

    @property
    def teams(self) -> tuple[tuple[int, ...], ...]:
        """The positions of the players of each side."""
        return self._sides.teams

    def expand(
        self,
        meta: MetaSolver = "nash",
        oracle: BestResponse | str | None = None,
        key: Key[Array, ""] | None = None,
    ) -> "Population":
        """Adds the oracle's replies to the mixture of a meta-solver, and mixes again.

        Args:
            meta: "nash" (a linear program; of several equilibria, the one with most weight on new
                members), "mirror_prox" (a run of this method), "max_entropy" (Nash averaging),
                "uniform" (fictitious play), "last" (self-play), "alpha_rank", or a function that
                maps the payoffs to one distribution for each side. "anytime" restricts a side to
                its members and lets the others play anything, which never makes it more
                exploitable than before (McAleer and others, Anytime PSRO, arXiv:2201.07700).
            oracle: A `BestResponse`, or "sequential" for one whose teammates reply one after the
                other.
            key: For random starts; by default, one that depends on the numbers of members alone.

        Returns:
            The larger population, with its mixture and gaps by the same meta-solver and oracle.

        Raises:
            ValueError: If the meta-solver is unknown or does not apply, or new members show that
                the game is not symmetric.
        """
        oracle = _as_oracle(oracle)
        draws = self._draws(key)
        asked = self._asked is not None and bool(eqx.tree_equal(self._asked, (meta, oracle)))
        pop = self if asked else self._measured(meta, oracle, draws.at(0))
        return pop._with(pop._news(meta, oracle, draws.at(1)))._measured(meta, oracle, draws.at(2))

    def measure(
        self,
        meta: MetaSolver = "nash",
        oracle: BestResponse | str | None = None,
        key: Key[Array, ""] | None = None,
    ) -> "Population":
        """Returns this population with the mixture of a meta-solver and its gaps by an oracle.

        Args:
            meta: As for `expand`.
            oracle: As for `expand`.
            key: As for `expand`.

        Raises:
            ValueError: As `expand`.
        """
        return self._measured(meta, _as_oracle(oracle), self._draws(key).at(0))

    def _draws(self, key: Key[Array, ""] | None) -> Draws:
        if key is not None:
            return Draws(key)
        return Draws(jax.random.key(0)).at(sum(self.sizes))

    def _measured(self, meta: MetaSolver, oracle: BestResponse, draws: Draws) -> "Population":
        additions = None
        if isinstance(meta, str) and meta == "anytime":
            weights, additions = _anytime(self, oracle, draws.at(0))
        else:
            weights = mixtures(meta, self.payoffs)
        found = [
            self._replies(oracle.plain, side, weights, draws.at(1 + side))
            for side in range(1 if self.symmetric else len(weights))
        ]
        gaps = [self._paid(side, weights) - float(r.costs[0]) for side, r in enumerate(found)]
        if self.symmetric:
            found, gaps = found * 2, gaps * 2
        return eqx.tree_at(
            lambda pop: (pop._weights, pop._gaps, pop._found, pop._additions, pop._asked),
            self,
            (weights, tuple(gaps), tuple(found), additions, (meta, oracle)),
            is_leaf=lambda leaf: leaf is None,
        )

    def _news(
        self, meta: MetaSolver, oracle: BestResponse, draws: Draws
    ) -> tuple[tuple[Member, ...], ...]:
        """Returns the members to add to each side."""
        asking = range(1 if self.symmetric else len(self.sizes))
        if self._additions is not None:
            return self._additions
        if oracle.rectified:
            news = [self._rectified(oracle, side, draws.at(side)) for side in asking]
            return tuple(news) + ((),) * (len(self.sizes) - len(news))
        assert self._found is not None
        found = list(self._found)
        if oracle.diversity:
            for side in asking:
                found[side] = self._replies(oracle, side, self._weights, draws.at(side))
        news = [(found[side].best(),) for side in asking]
        news += [()] * (len(self.sizes) - len(news))
        if oracle.candidates > 1:
            for side in asking:
                news[side] = (
                    self._least_exploitable(meta, oracle, side, found[side], news, draws),
                )
        return tuple(news)

    def _rectified(self, oracle: BestResponse, side: int, draws: Draws) -> tuple[Member, ...]:
        """Returns a reply of each member that is played to the opponents it does not lose to."""
        if len(self.sizes) != 2:
            raise ValueError("rectified replies are defined for two sides")
        other = 1 - side
        payoffs = self.payoffs[side] if side == 0 else self.payoffs[side].T
        news = []
        # Ties count, such as that with oneself, which roundings may have turned into losses.
        least = -1e-9 * max(float(np.abs(payoffs).max()), self._unit)
        for k in np.flatnonzero(self._weights[side] > 1e-9):
            against = np.where(payoffs[k] >= least, self._weights[other], 0.0)
            if against.sum() > 0:
                weights = list(self._weights)
                weights[other] = against / against.sum()
                start = picked(self._pools[side], int(k))
                found = self._replies(oracle, side, tuple(weights), draws.at(int(k)), start)
                news.append(found.best())
        return tuple(news)

    def _least_exploitable(
        self,
        meta: MetaSolver,
        oracle: BestResponse,
        side: int,
        found: Replies,
        news: list[tuple[Member, ...]],
        draws: Draws,
    ) -> Member:
        """Returns the candidate after whose addition the mixture has the smallest gap."""
        best, least = found.best(), np.inf
        for k in _distinct(found, oracle.candidates):
            tried = [*news[:side], (found.best(k),), *news[side + 1 :]]
            gap = self._with(tuple(tried))._measured(meta, oracle.plain, draws.at(2)).gap
            if gap < least:
                best, least = found.best(k), gap
        return best

    def _replies(
        self,
        oracle: BestResponse,
        side: int,
        weights: tuple[Float[np.ndarray, " _"], ...],
        draws: Draws,
        last: Member | None = None,
    ) -> Replies:
        last = last or picked(self._pools[side], self.sizes[side] - 1)
        rooms = tuple(map(room, self._pools))
        mixed = tuple(padded(own, size) for own, size in zip(weights, rooms, strict=True))
        own = np.moveaxis(self.payoffs[side], side, 0)
        others = [size for k, size in enumerate(rooms) if k != side]
        there = [own.shape[1:][k] for k in range(len(others))]
        gaps = [(0, n - m) for n, m in zip((rooms[side], *others), own.shape, strict=True)]
        table = np.pad(own, gaps).reshape(rooms[side], -1)
        present = np.pad(np.ones(there, bool), gaps[1:]).reshape(-1)
        task = Task(side, self._pools, mixed, table, present)
        return jax.device_get(replies(oracle.single, self._sides, task, last, draws))

    def _paid(self, side: int, weights: tuple[Float[np.ndarray, " _"], ...]) -> float:
        """What a side pays if all play their mixtures."""
        payoff = self.payoffs[side]
        for own in reversed(weights):
            payoff = payoff @ own
        return -float(payoff)

    def _with(self, news: tuple[tuple[Member, ...], ...]) -> "Population":
        """Returns a population with more members, without a mixture for them."""
        pools, payoffs = self._pools, self.payoffs
        for side, members in enumerate(news):
            for member in members:
                if not _is_there(member, pools[side], payoffs.shape[1 + side]):
                    grown = range(2) if self.symmetric else (side,)
                    for own in grown:
                        pools, payoffs = _grown(self._sides, pools, payoffs, own, member)
        if self.symmetric:
            check_antisymmetric(payoffs, self._unit)
        return eqx.tree_at(lambda pop: (pop._pools, pop.payoffs), self, (pools, payoffs))

    def _by_player(self, values: tuple[Any, ...]) -> PyTree:
        own: list[Any] = [None] * len(blocks(self._sides.like))
        for team, value in zip(self._sides.teams, values, strict=True):
            for player in team:
                own[player] = value
        return join(self._sides.like, tuple(own))


def _grown(
    sides: Sides,
    pools: tuple[Pool, ...],
    payoffs: Payoffs,
    side: int,
    member: Member,
) -> tuple[tuple[Pool, ...], Float[np.ndarray, "..."]]:
    """Adds a member to one side; what it pays is computed against all members of the others."""
    count = payoffs.shape[1 + side]
    costs = np.asarray(costs_against(sides, side, member, pools), np.float64)
    there = [n for k, n in enumerate(payoffs.shape[1:]) if k != side]
    costs = costs[(slice(None), *(slice(n) for n in there))]
    slab = np.expand_dims(_side_payoffs(sides, costs), 1 + side)
    if not np.isfinite(slab).all():
        raise ValueError("Population: the costs of a new member are not finite")
    pool = with_member(pools[side], count, member)
    return (
        (*pools[:side], pool, *pools[side + 1 :]),
        np.concatenate([payoffs, slab], axis=1 + side),
    )


def _side_payoffs(sides: Sides, costs: Payoffs) -> Float[np.ndarray, "..."]:
    """Returns what sides receive from what players pay; teammates must pay the same."""
    own = []
    for team in sides.teams:
        spread = np.ptp(costs[list(team)], axis=0).max()
        if spread > 1e-5 * max(float(np.abs(costs).max()), 1e-300):
            names = ", ".join(player_names(sides.like)[player] for player in team)
            raise ValueError(
                f"Population: a team has one cost, but the costs of {names} differ by {spread:.3g}"
            )
        own.append(-costs[team[0]])
    return np.stack(own)


def _as_oracle(oracle: BestResponse | str | None) -> BestResponse:
    if oracle is None:
        return BestResponse()
    if isinstance(oracle, str) and oracle == "sequential":
        return BestResponse(sequential=True)
    if not isinstance(oracle, BestResponse):
        raise ValueError(
            f"Population: the oracle is a BestResponse or 'sequential', not {oracle!r}"
        )
    return oracle


def _same(one: Member, other: Member) -> bool:
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


def _is_there(member: Member, pool: Pool, count: int) -> bool:
    """Whether a member is one of the first ones of a pool, to the last bit."""
    found = np.ones(count, bool)
    for leaf, own in zip(jax.tree.leaves(pool), jax.tree.leaves(member), strict=True):
        found &= (np.asarray(leaf[:count]) == np.asarray(own)).reshape(count, -1).all(1)
    return bool(found.any())


def _distinct(found: Replies, most: int) -> list[int]:
    """Returns the places of at most so many replies that are different, the best first."""
    rows = np.concatenate(
        [np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(found.members)], axis=1
    )
    unit = 1e-3 * max(float(np.abs(rows).max()), 1e-300)
    kept: list[int] = []
    for k, row in enumerate(rows):
        if len(kept) < most and all(np.abs(row - rows[other]).max() > unit for other in kept):
            kept.append(k)
    return kept


def _anytime(
    pop: Population, oracle: BestResponse, draws: Draws
) -> tuple[tuple[Float[np.ndarray, " _"], ...], tuple[tuple[Member, ...], ...]]:
    """Returns the least exploitable mixtures of the members, and replies to what exploits them.

    For one side after the other, its opponent may play anything: it adds replies of its own to the
    game until no reply gains more. The side's mixture is optimal against all of them, and the side
    replies to the opponent's optimal mixture of them, which becomes its new member.
    """
    zero_sum_matrix("meta='anytime'", pop.payoffs)
    weights, news = [], []
    for side in range(1 if pop.symmetric else 2):
        other = 1 - side
        # Only the opponent's pool grows here.
        free = eqx.tree_at(lambda own: own.symmetric, pop, False)
        for k in range(_MOST_REPLIES):
            matrix = free.payoffs[side] if side == 0 else free.payoffs[side].T
            own, mixed = newest_equilibrium(matrix)
            both = (own, mixed) if side == 0 else (mixed, own)
            found = free._replies(oracle.plain, other, both, draws.at(2 * k))
            theirs = free.payoffs[other].T if side == 0 else free.payoffs[other]
            gain = -float(found.costs[0]) - float((theirs @ own).max())
            settled = gain <= _SETTLED * max(float(np.abs(matrix).max()), 1e-300)
            if settled or k == _MOST_REPLIES - 1:
                weights.append(own)
                news.append((free._replies(oracle.plain, side, both, draws.at(2 * k + 1)).best(),))
                break
            free = free._with(((), (found.best(),)) if side == 0 else ((found.best(),), ()))
    if pop.symmetric:
        weights, news = weights * 2, [news[0], ()]
    return tuple(weights), tuple(news)

"""Finds the quantal response equilibrium of a tree of two players, and strategies of its value.

Everything here is a guess in floating point; the results are verified exactly.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse
from jaxtyping import Float

from certify.checker.reader import MAX_BITS
from certify.checker.tree_game import SequenceGame, Treeplex

# How many bits of an integer strategy its smallest entry has.
_BITS = 64
_BLOCK = 50
# How long a linear program may take.
_SECONDS = 60.0


class Passes:
    """Passes up and down the treeplex of one player, level by level.

    Args:
        treeplex: The treeplex, as the checker reads it.
    """

    def __init__(self, treeplex: Treeplex):
        self.parents = np.array(treeplex.parents, int)
        self.starts = np.array(treeplex.starts, int)
        self.owners = np.array(treeplex.owners, int)
        level = np.zeros(len(self.parents), int)
        for j, p in enumerate(treeplex.parents):
            level[j] = 0 if p == 0 else level[self.owners[p]] + 1
        self.levels = []
        for depth in range(int(level.max(initial=-1)) + 1):
            rows = np.flatnonzero(level == depth)
            counts = self.starts[rows + 1] - self.starts[rows]
            members = np.concatenate([np.arange(*self.starts[j : j + 2]) for j in rows])
            offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
            self.levels.append((rows, members, offsets, np.repeat(np.arange(len(rows)), counts)))

    def respond(
        self, y: Float[np.ndarray, " sequences"]
    ) -> tuple[Float[np.ndarray, " sequences"], Float[np.ndarray, " sequences"]]:
        """Returns the strategy that maximises `<y, q> - psi(q)`: its logarithms and itself."""
        total, logs, q = y.copy(), np.zeros_like(y), np.ones_like(y)
        for rows, members, offsets, local in reversed(self.levels):
            own = total[members]
            top = np.maximum.reduceat(own, offsets)
            weight = top + np.log(np.add.reduceat(np.exp(own - top[local]), offsets))
            logs[members] = own - weight[local]
            np.add.at(total, self.parents[rows], weight)
        for rows, members, _, local in self.levels:
            q[members] = q[self.parents[rows]][local] * np.exp(logs[members])
        return logs, q

    def half_range(self, values: Float[np.ndarray, " sequences"]) -> float:
        """Returns half the range of `<values, pi>` over pure strategies."""
        high, low = values.copy(), values.copy()
        for rows, members, offsets, _ in reversed(self.levels):
            np.add.at(high, self.parents[rows], np.maximum.reduceat(high[members], offsets))
            np.add.at(low, self.parents[rows], np.minimum.reduceat(low[members], offsets))
        return float(high[0] - low[0]) / 2


class FloatGame(NamedTuple):
    """A game in sequence form, in floating point.

    Attributes:
        passes: The passes of both players.
        gradients: The matrices that take the other player's strategy to a player's gradient.
        reference: The logarithms of the reference of both players, for all sequences.
        temperature: The temperature.
    """

    passes: tuple[Passes, Passes]
    gradients: tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]
    reference: list[np.ndarray]
    temperature: float


def float_game(game: SequenceGame, temperature: float, reference: list[np.ndarray]) -> FloatGame:
    """Returns a game in floating point."""
    shape = [treeplex.sequences for treeplex in game.treeplexes]
    scale = game.unit.denominator
    gradients = []
    for i, own in enumerate(game.payoffs):
        values = -np.array([x / scale for x in own])
        places = (np.array(game.leaves[i]), np.array(game.leaves[1 - i]))
        gradients.append(scipy.sparse.csr_matrix((values, places), shape=(shape[i], shape[1 - i])))
    first, second = game.treeplexes
    return FloatGame(
        (Passes(first), Passes(second)),
        (gradients[0], gradients[1]),
        [np.log(own) for own in reference],
        temperature,
    )


def quantal_response(game: FloatGame, lipschitz: float, steps: int = 20_000) -> list[np.ndarray]:
    """Returns about the logarithms of the behaviours of the quantal response equilibrium.

    Optimistic magnetic mirror descent, with a step that is halved when the residual grows.
    """
    tau, scale = game.temperature, max(lipschitz, game.temperature * 2.0**-20)
    best = [own.respond(ref) for own, ref in zip(game.passes, game.reference, strict=True)]
    least, step, taken = np.inf, 8 / scale, 0
    goal = 2.0**-48 * (scale + tau)
    while taken < steps and least > goal and step > 2.0**-20 / scale:
        play, old = best, None
        for _ in range(_BLOCK):
            force = [game.gradients[i] @ play[1 - i][1] for i in range(2)]
            ahead = force if old is None else [2 * g - h for g, h in zip(force, old, strict=True)]
            old = force
            play = [
                own.respond((logs + step * (tau * ref - g)) / (1 + step * tau))
                for own, (logs, _), ref, g in zip(
                    game.passes, play, game.reference, ahead, strict=True
                )
            ]
        taken += _BLOCK
        found = _residual(game, play)
        if found < least:
            best, least = play, found
        else:
            step /= 2
    # The answer to the last play, whose logarithms belong to its gradients up to rounding.
    answers = [
        own.respond(ref - (game.gradients[i] @ best[1 - i][1]) / tau)
        for i, (own, ref) in enumerate(zip(game.passes, game.reference, strict=True))
    ]
    return [logs for logs, _ in min(best, answers, key=lambda play: _residual(game, play))]


def _residual(game: FloatGame, play: list[tuple[np.ndarray, np.ndarray]]) -> float:
    total = 0.0
    for i, (own, ref) in enumerate(zip(game.passes, game.reference, strict=True)):
        force = game.gradients[i] @ play[1 - i][1] + game.temperature * (play[i][0] - ref)
        total += own.half_range(force) ** 2
    return float(np.sqrt(total))


def integer_strategy(treeplex: Treeplex, logs: np.ndarray) -> list[int] | None:
    """Returns a strategy in positive integers with about these logarithms of behaviour.

    It is None if its smallest probability is too small for the integers of a file.
    """
    reach, low = np.zeros(treeplex.sequences), 0.0
    for s in range(1, treeplex.sequences):
        reach[s] = reach[treeplex.parents[treeplex.owners[s]]] + logs[s] / np.log(2)
        low = min(low, reach[s])
    bits = int(-low) + 1 + _BITS
    if bits > MAX_BITS - 4:
        return None
    q = [1 << bits] + [0] * (treeplex.sequences - 1)
    for j, parent in enumerate(treeplex.parents):
        start, stop = treeplex.starts[j : j + 2]
        left = q[parent]
        largest = start + int(np.argmax(logs[start:stop]))
        for s in range(start, stop):
            if s != largest:
                q[s] = max(_share(q[parent], float(logs[s])), 1)
                left -= q[s]
        q[largest] = left
    return q


def _share(mass: int, log: float) -> int:
    """Returns about `mass e^log`, also where `e^log` underflows."""
    exponent = int(np.floor(log / np.log(2)))
    mantissa = int(np.exp(log - exponent * np.log(2)) * 2**53)
    return mass * mantissa >> 53 - exponent


def value_strategies(game: SequenceGame) -> list[list[int]] | None:
    """Returns strategies, in integers, that about guarantee the value of a zero-sum game.

    They solve the linear programs of the sequence form; None if the solver fails, or takes long.
    """
    found = []
    for i in range(2):
        own, other = game.treeplexes[i], game.treeplexes[1 - i]
        solution = _secure(game, i, own, other)
        if solution is None:
            return None
        found.append(_rounded(own, solution))
    return found


def _secure(game: SequenceGame, i: int, own: Treeplex, other: Treeplex) -> np.ndarray | None:
    """Maximises `v_0` over `q` with `F' v <= U_i' q`, where `v` are the other's values."""
    # The other player of a zero-sum game pays `w U_i` and so minimises it.
    scale = game.unit.denominator
    values = np.array([x / scale for x in game.payoffs[i]])
    payoff = scipy.sparse.csr_matrix(
        (values, (np.array(game.leaves[1 - i]), np.array(game.leaves[i]))),
        shape=(other.sequences, own.sequences),
    )
    flow_own, flow_other = _flow(own), _flow(other)
    mine, sets = len(own.parents) + 1, len(other.parents) + 1
    upper = scipy.sparse.hstack([-payoff, flow_other.T]).tocsr()
    equal = scipy.sparse.hstack([flow_own, scipy.sparse.csr_matrix((mine, sets))]).tocsr()
    right = np.zeros(mine)
    right[0] = 1
    cost = np.zeros(own.sequences + sets)
    cost[own.sequences] = -1
    bounds = [(0, 1)] * own.sequences + [(None, None)] * sets
    result = scipy.optimize.linprog(
        cost,
        upper,
        np.zeros(other.sequences),
        equal,
        right,
        bounds,
        method="highs",
        options={"time_limit": _SECONDS},
    )
    return result.x[: own.sequences] if result.status == 0 else None


def _flow(treeplex: Treeplex) -> scipy.sparse.csr_matrix:
    """Returns the matrix of `q_0` and of `sum_a q_ja - q_p(j)`, row by row."""
    rows, columns, entries = [0], [0], [1.0]
    for j, parent in enumerate(treeplex.parents):
        actions = range(treeplex.starts[j], treeplex.starts[j + 1])
        rows += [j + 1] * (len(actions) + 1)
        columns += [parent, *actions]
        entries += [-1.0] + [1.0] * len(actions)
    return scipy.sparse.csr_matrix(
        (entries, (rows, columns)), shape=(len(treeplex.parents) + 1, treeplex.sequences)
    )


def _rounded(treeplex: Treeplex, q: np.ndarray) -> list[int]:
    """Returns a strategy in integers, some of which are zero, near a float one."""
    found = [1 << 60] + [0] * (treeplex.sequences - 1)
    for j, parent in enumerate(treeplex.parents):
        start, stop = treeplex.starts[j : j + 2]
        mass = np.maximum(q[start:stop], 0)
        share = mass / mass.sum() if mass.sum() > 0 else np.full(stop - start, 1 / (stop - start))
        largest, left = start + int(np.argmax(share)), found[parent]
        for s in range(start, stop):
            if s != largest:
                found[s] = found[parent] * int(share[s - start] * 2**53) >> 53
                left -= found[s]
        found[largest] = left
    return found

"""Chooses the weights of a certificate over all policies, and the vectors that prove it.

Everything here is a guess in floating point; the results are verified exactly.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from math import lcm, prod
from typing import Literal, NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

from certify.checker.exact import Work
from certify.checker.payoffs import Payoffs
from certify.metric.small_gain import small_gain
from certify.metric.weights import sampled_margin

Kind = Literal["coupling", "form"]
Slack = Callable[[np.ndarray], float]

# Weights that are all one are preferred if they have this share of the best margin.
_PREFER_ONES = 0.995
# The logarithm to base two of the largest ratio of weights that is searched.
_RANGE = 30.0
_MOST_PLAYERS = 10
# The most entries of all Jacobians at pure profiles together.
_ENTRIES = 2**22


class Choice(NamedTuple):
    """Weights, the kind of proof of a margin in them, and about how much margin is lost.

    Attributes:
        weights: Positive weights, one per player.
        kind: The kind of proof, as in the file.
        slack: About the temperature minus the margin.
    """

    weights: Float[np.ndarray, " players"]
    kind: Kind
    slack: float


def choose(
    payoffs: Payoffs, temperature: float, given: Float[np.ndarray, " players"] | None = None
) -> list[Choice]:
    """Returns choices of weights by falling margin; ones come first if they are about as good.

    Args:
        payoffs: The payoffs of the game.
        temperature: The temperature of the regulariser.
        given: Given weights, if only the proof is to be chosen.
    """
    pairs = coupled(payoffs)
    slacks: dict[Kind, Slack] = {"coupling": lambda w: coupling_slack(pairs, w)}
    # For two players, the bound on the norm of their one coupling is exact.
    if len(payoffs.sizes) > 2 and (jacobians := tangential_jacobians(payoffs)) is not None:
        tangents = np.array(payoffs.sizes) - 1
        slacks["form"] = lambda w: max(-sampled_margin(jacobians, np.repeat(w, tangents)) / 2, 0.0)
    ones = np.ones(len(payoffs.sizes))
    choices: list[Choice] = []
    for kind, slack in slacks.items():
        start = starting_weights(pairs, len(ones))
        candidates = [ones, *searched(slack, start)] if given is None else [given]
        choices += [Choice(w, kind, slack(w)) for w in candidates]
    choices.sort(key=lambda choice: choice.slack)
    best = temperature - choices[0].slack
    return sorted(
        choices,
        key=lambda choice: (
            best > 0
            and (choice.weights == 1).all()
            and temperature - choice.slack >= _PREFER_ONES * best
        ),
        reverse=True,
    )


class CoupledPair(NamedTuple):
    """The coupling of two players, for each profile of pure actions of the others.

    Attributes:
        i: The number of the first player.
        j: The number of the second player, larger than `i`.
        mine: The matrices `A_ij`, shape (profiles, actions_i, actions_j).
        yours: The matrices `A_ji` transposed, of the same shape.
    """

    i: int
    j: int
    mine: np.ndarray
    yours: np.ndarray


def coupled(payoffs: Payoffs) -> list[CoupledPair]:
    """Returns the couplings of all pairs of players."""
    found, work = [], Work()
    for i, j in combinations(range(len(payoffs.sizes)), 2):
        others = payoffs.influential(i, j) | payoffs.influential(j, i)
        profiles = list(payoffs.profiles(others, [(i, j)], work))
        mine = np.stack([_block(payoffs, i, j, profile) for profile in profiles])
        yours = np.stack([_block(payoffs, j, i, profile).T for profile in profiles])
        found.append(CoupledPair(i, j, mine, yours))
    return found


def _block(payoffs: Payoffs, i: int, j: int, profile: dict[int, int]) -> np.ndarray:
    scale = payoffs.unit.denominator
    return np.array([[x / scale for x in row] for row in payoffs.coupling(i, j, profile)])


def norms(blocks: Float[np.ndarray, "profiles n m"]) -> float:
    """Returns the largest `|d' B e|` of any block, for d, e of sum zero, `|d|_1 = |e|_1 = 1`."""
    found = 0.0
    for a in range(blocks.shape[1]):
        rows = blocks[:, a:] - blocks[:, a, None]
        found = max(found, float((rows.max(-1) - rows.min(-1)).max()))
    return found / 4


def coupling_slack(pairs: list[CoupledPair], weights: Float[np.ndarray, " players"]) -> float:
    """Returns about the least `tau - margin` that bounds on couplings can prove."""
    if not pairs:
        return 0.0
    root = np.sqrt(weights)
    form = np.zeros((len(weights), len(weights)))
    for i, j, mine, yours in pairs:
        form[i, j] = norms(weights[i] * mine + weights[j] * yours) / (2 * root[i] * root[j])
    return float(np.linalg.eigvalsh(form + form.T)[-1])


def tangential_jacobians(payoffs: Payoffs) -> Float[np.ndarray, "profiles n n"] | None:
    """Returns Jacobians at all pure profiles on orthonormal tangents; None if they are too many."""
    count = len(payoffs.sizes)
    pairs = list(combinations(range(count), 2))
    others = {
        player for i, j in pairs for player in payoffs.influential(i, j) | payoffs.influential(j, i)
    }
    starts = np.cumsum([0, *(size - 1 for size in payoffs.sizes)])
    profiles = prod(payoffs.sizes[player] for player in others)
    if not starts[-1] or profiles * sum(payoffs.sizes) ** 2 > _ENTRIES:
        return None
    bases = [_tangents(size) for size in payoffs.sizes]
    found = []
    for profile in payoffs.profiles(others, pairs, Work()):
        jacobian = np.zeros((starts[-1], starts[-1]))
        for i, j in [*pairs, *((j, i) for i, j in pairs)]:
            place = (slice(*starts[i : i + 2]), slice(*starts[j : j + 2]))
            jacobian[place] = bases[i].T @ _block(payoffs, i, j, profile) @ bases[j]
        found.append(jacobian)
    return np.stack(found)


def _tangents(size: int) -> np.ndarray:
    """Returns an orthonormal basis of the vectors with sum zero, as columns."""
    return np.linalg.svd(np.ones((1, size)))[2][1:].T


def starting_weights(pairs: list[CoupledPair], players: int) -> Float[np.ndarray, " players"]:
    """Returns the weights of the small-gain test on bounds for each block alone."""
    coupling = single_norms(pairs, players)
    try:
        return small_gain(np.zeros(players), coupling).weights
    except ValueError:  # too unequal for float64 vectors
        return np.ones(players)


def single_norms(pairs: list[CoupledPair], players: int) -> Float[np.ndarray, "players players"]:
    """Returns the norms `l_ij` of the couplings, up to rounding."""
    found = np.zeros((players, players))
    for i, j, mine, yours in pairs:
        found[i, j], found[j, i] = norms(mine), norms(yours)
    return found


def searched(slack: Slack, start: Float[np.ndarray, " players"]) -> list[np.ndarray]:
    """Returns weights of small slack, and simple ratios near them that zero-sum games may need."""

    def weights(log_weights: np.ndarray) -> np.ndarray:
        free = np.append(log_weights, 0.0)
        return np.exp2(np.clip(free - free.max(), -_RANGE, 0.0))

    best = np.log2(start)
    best = (best - best[-1])[:-1]
    if 1 < len(start) <= _MOST_PLAYERS:
        candidates = [best, np.zeros(len(best))]
        best = min(candidates, key=lambda logs: slack(weights(logs)))
        search = scipy.optimize.minimize(
            lambda logs: slack(weights(logs)),
            best,
            method="Nelder-Mead",
            options={"maxfev": 100 * len(start), "xatol": 1e-14, "fatol": np.inf},
        )
        best = min(best, search.x, key=lambda logs: slack(weights(logs)))
    found = weights(best)
    ratios = [Fraction(w / found.min()).limit_denominator(64) for w in found.tolist()]
    scale = lcm(*(ratio.denominator for ratio in ratios))
    simple = np.array([float(ratio * scale) for ratio in ratios])
    return [_short(found), simple, found]


def _short(weights: np.ndarray) -> np.ndarray:
    """Rounds weights to short binary numbers, as margins are flat near the best weights."""
    mantissa, exponent = np.frexp(weights)
    return np.ldexp(np.rint(mantissa * 2**24), exponent - 24)


def scaling(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    """Returns a vector p > 0 for which the largest `(M p)_i / p_i` is about the spectral radius.

    Args:
        matrix: A matrix M without negative entries; its diagonal is ignored.
    """
    try:
        return small_gain(np.zeros(len(matrix)), matrix).right
    except ValueError:  # too unequal for float64 vectors
        return np.ones(len(matrix))

"""The equations of logit equilibria, with balls for their values and derivatives."""

import itertools
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.problem.exact_types import is_as_made
from certify.problem.payoff_tables import game_terms
from certify.prove.quantal.ball_arrays import (
    BallArray,
    added,
    contracted,
    exactly,
    multiplied,
    products_of_probabilities,
    softmax,
    subtracted,
)
from certify.rounding import EPSILON, TINY, raised


class Linearised(NamedTuple):
    """The equations at the middle of a box, and their derivatives on all of it.

    Attributes:
        value: H at the middle.
        jacobian: The derivatives by logit differences and, in the last column, by the precision.
    """

    value: BallArray
    jacobian: BallArray


class LogitEquations:
    """The zeros `z = (y, precision)` of `H(z) = y - precision D(p(y))`.

    Here y are differences of logits to those of a player's last action, `p_i = softmax(y_i, 0)`,
    and `D_i[a] = u_i[a] - u_i[last]` differences of expected payoffs. Payoffs are divided by a
    power of two, the `unit`, and precisions multiplied by it, so that D is of the order of one.
    """

    def __init__(self, game: Any) -> None:
        if type(game) not in game_terms.registry or type(game) is object:
            raise ValueError(
                "quantal_path needs the payoffs of a game, and knows MatrixGame, PolymatrixGame "
                f"and PreferenceGame, not {type(game).__name__}; register its tables with "
                "certify.game_terms.register."
            )
        if not is_as_made(game):
            raise ValueError(
                f"quantal_path: this {type(game).__name__} has attributes that its class does not "
                "declare, which may hide its costs; make it with its class."
            )
        tables = game_terms(game)
        known = {
            player: size
            for table in tables
            for player, size in zip(table.players, table.payoffs.shape, strict=True)
        }
        self.sizes = [known[player] for player in sorted(known)]
        if sorted(known) != list(range(len(known))):
            raise ValueError("quantal_path: some players have no payoff table; give each one.")
        ends = np.cumsum([0, *(size - 1 for size in self.sizes)])
        self.spans = [slice(a, b) for a, b in itertools.pairwise(ends)]
        self.count = int(ends[-1])
        # D as sums of multilinear functions, one per table, of the other players in it.
        terms = []
        for table in tables:
            rows = subtracted(exactly(table.payoffs[:-1]), exactly(table.payoffs[-1:]))
            if table.divisor > 1:
                middle = rows.middle / table.divisor
                radius = raised(rows.radius / table.divisor + EPSILON * np.abs(middle), 4)
                rows = BallArray(middle, radius)
            terms.append((table.players, rows))
        largest = max((float(np.max(np.abs(r.middle), initial=0)) for _, r in terms), default=0.0)
        self.unit = float(np.ldexp(1.0, math.frexp(largest)[1])) if largest > 2.0**-500 else 1.0
        # Scaling by a power of two is exact but for underflow.
        self.terms = [
            (players, BallArray(rows.middle / self.unit, raised(rows.radius / self.unit, 1) + TINY))
            for players, rows in terms
        ]

    @cached_property
    def start(self) -> Float[np.ndarray, " n"]:
        """Everyone plays all actions alike, at precision zero."""
        return np.zeros(self.count + 1)

    def strategies(self, logits: BallArray) -> list[BallArray]:
        """Encloses the probabilities of all players."""
        last = np.zeros(1)
        return [
            softmax(
                BallArray(
                    np.concatenate([logits.middle[span], last]),
                    np.concatenate([logits.radius[span], last]),
                )
            )
            for span in self.spans
        ]

    def linearised(self, box: BallArray) -> Linearised:
        """Encloses H at the middle of a box and its derivatives on all of it.

        The derivative by the precision is `-D`, by the mean value theorem within
        `D' (y - y_middle)` of that at the middle.
        """
        middle = exactly(box.middle)
        at, slopes = self.differences(middle), self.slopes(box)
        return Linearised(self._value(middle, at), self._jacobian(box, at, slopes))

    def in_floats(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H at a point and its derivatives, for guesses: nothing is bounded."""
        p = []
        for span in self.spans:
            weights = np.exp(np.append(z[span], 0.0) - max(z[span].max(initial=0.0), 0.0))
            p.append(weights / weights.sum())
        differences, slopes = np.zeros(self.count), np.zeros((self.count, self.count))
        for (player, *others), (rows, _) in self.terms:
            span, total = self.spans[player], rows
            for other in reversed(others):
                total = total @ p[other]
            differences[span] += total
            for place, j in enumerate(others):
                part = np.moveaxis(rows, place + 1, 1)
                for other in reversed([*others[:place], *others[place + 1 :]]):
                    part = part @ p[other]
                average = (part @ p[j])[:, None]
                slopes[span, self.spans[j]] += (p[j] * (part - average))[:, :-1]
        jacobian = np.eye(self.count) - z[-1] * slopes
        value = z[:-1] - z[-1] * differences
        return value, np.concatenate([jacobian, -differences[:, None]], 1)

    def _value(self, z: BallArray, differences: BallArray) -> BallArray:
        logits, precision = _parts(z)
        return subtracted(logits, multiplied(precision, differences))

    def _jacobian(self, box: BallArray, at: BallArray, slopes: BallArray) -> BallArray:
        logits, precision = _parts(box)
        both = multiplied(BallArray(precision.middle[:, None], precision.radius[:, None]), slopes)
        by_logits = subtracted(exactly(np.eye(self.count)), both)
        moves = slopes.magnitude @ logits.radius
        last = added(at, BallArray(np.zeros_like(moves), raised(moves, self.count + 2)))
        return BallArray(
            np.concatenate([by_logits.middle, -last.middle[:, None]], 1),
            np.concatenate([by_logits.radius, last.radius[:, None]], 1),
        )

    def differences(self, z: BallArray) -> BallArray:
        """Encloses D, of shape (logit differences,)."""
        p = self.strategies(z)
        total = exactly(np.zeros(self.count))
        for (first, *others), rows in self.terms:
            for player in reversed(others):
                rows = _averaged(rows, p[player])
            total = _added_at(total, self.spans[first], rows)
        return total

    def slopes(self, z: BallArray) -> BallArray:
        """Encloses the derivatives of D by logit differences.

        With a matrix T of payoff differences the derivative of `sum_b T[a, b] p_b` by `y_c` is
        `sum_b p_c p_b (T[a, c] - T[a, b])`.
        """
        p = self.strategies(z)
        pairs = [products_of_probabilities(own) for own in p]
        total = exactly(np.zeros((self.count, self.count)))
        for (first, *others), table in self.terms:
            for place, player in enumerate(others):
                rows = BallArray(*(np.moveaxis(part, place + 1, 1) for part in table))
                gains = subtracted(
                    BallArray(*(part[:, :-1, None] for part in rows)),
                    BallArray(*(part[:, None, :] for part in rows)),
                )
                for other in reversed([*others[:place], *others[place + 1 :]]):
                    gains = _averaged(gains, p[other])
                pair = BallArray(*(part[:-1] for part in pairs[player]))
                block = contracted("acb,cb->ac", gains, pair, self.sizes[player])
                total = _added_at(total, (self.spans[first], self.spans[player]), block)
        return total

    def bending(self, z: BallArray, tangent: BallArray) -> BallArray:
        """Encloses the second derivatives of H in the direction of a tangent.

        Along `z + e t`, with `y_i` moving by `e n_i` and n the average of `n_i`, probabilities have
        the derivatives `p_i (n_i - n)` and `p_i ((n_i - n)^2 - average of (n_i - n)^2)`, and D is
        multilinear in them.
        """
        (moves, faster), (_, precision) = _parts(tangent), _parts(z)
        p = self.strategies(z)
        first, second = [], []
        for own, span in zip(p, self.spans, strict=True):
            way = BallArray(*(np.concatenate([part[span], np.zeros(1)]) for part in moves))
            centred = subtracted(way, _averaged(way, own))
            squares = multiplied(centred, centred)
            first.append(multiplied(own, centred))
            second.append(multiplied(own, subtracted(squares, _averaged(squares, own))))
        slopes = contracted("ij,j->i", self.slopes(z), moves, self.count)
        total = exactly(np.zeros(self.count))
        for (player, *others), rows in self.terms:
            for changed in itertools.combinations_with_replacement(range(len(others)), 2):
                part = rows
                for place in reversed(range(len(others))):
                    j = others[place]
                    if place not in changed:
                        part = _averaged(part, p[j])
                    else:
                        weights = second[j] if changed[0] == changed[1] else first[j]
                        part = contracted("...b,b->...", part, weights, self.sizes[j])
                times = 1.0 if changed[0] == changed[1] else 2.0
                part = BallArray(times * part.middle, times * part.radius)
                total = _added_at(total, self.spans[player], part)
        twice = BallArray(2 * faster.middle, 2 * faster.radius)
        inside = added(multiplied(precision, total), multiplied(twice, slopes))
        return BallArray(-inside.middle, inside.radius)


def _parts(z: BallArray) -> tuple[BallArray, BallArray]:
    """Logit differences, and the precision."""
    return BallArray(z.middle[:-1], z.radius[:-1]), BallArray(z.middle[-1:], z.radius[-1:])


def _averaged(table: BallArray, p: BallArray) -> BallArray:
    """Encloses averages along the last axis: `sum_b p_b T[..., b]`.

    As probabilities sum to one, these are `c + sum_b p_b (T[..., b] - c)`, for any c.
    """
    if table.middle.size == 0:
        return exactly(np.zeros(table.middle.shape[:-1]))
    centre = 0.5 * (table.middle.max(-1) + table.middle.min(-1))
    offsets = subtracted(table, exactly(np.asarray(centre)[..., None]))
    return added(exactly(np.asarray(centre)), contracted("...b,b->...", offsets, p, len(p.middle)))


def _added_at(total: BallArray, place: Any, part: BallArray) -> BallArray:
    middle, radius = total.middle.copy(), total.radius.copy()
    whole = added(BallArray(middle[place], radius[place]), part)
    middle[place], radius[place] = whole
    return BallArray(middle, radius)

"""The weights of a nearly largest sampled margin, and the roundest of those: cutting planes.

For weights `w`, one per player, the margin over the samples is at least `a` if and only if

    sum_i w_i (x_i' (J x)_i - a |x_i|^2) >= 0        for every x and every sampled J,

which for fixed `a` is linear in w: each x is a cut. The lowest eigenvector in some weights gives
the cut that these violate most, and a linear program gives the roundest weights that obey all cuts
so far, or says that there are none: so each round narrows what margin is possible, and the search
knows how much is left to gain. No derivative of an eigenvalue is needed, and no simplex search.
"""

from collections.abc import Callable

import numpy as np
import scipy.optimize
from jaxtyping import Float

from certify.metric.objective import LIMIT

# How many of the samples take part, and enter when they turn out to be the worst.
_ACTIVE = 8
# Rounds for the margin, and for the roundest weights.
_ROUNDS = 40
# The search for the roundest ends when no weights are known to be rounder than by this factor.
_ROUNDER = 0.95


class Cuts:
    """Everything that is known of the margins of weights over some samples.

    Args:
        jacobians: At sampled points.
        sizes: Coordinates of each player.
        units: Weights of which others are multiples, at most `LIMIT` times one another.
        spent: Says when to stop.

    Attributes:
        best: The multiples with the largest margin so far.
        margin: That margin.
        most: No multiples within the limit have a larger one.
    """

    def __init__(
        self,
        jacobians: Float[np.ndarray, "samples n n"],
        sizes: tuple[int, ...],
        units: Float[np.ndarray, " players"],
        spent: Callable[[], bool] = lambda: False,
    ):
        root = np.sqrt(np.repeat(units, sizes))
        self._jacobians = jacobians * (root[:, None] / root)
        self._sizes, self._starts, self._spent = sizes, np.cumsum((0, *sizes[:-1])), spent
        self._active = [*range(min(_ACTIVE, len(jacobians)))]
        self._products, self._squares = np.zeros((2, 0, len(sizes)))
        self.best, self.margin = np.ones(len(sizes)), -np.inf
        self.most = min(map(self._curvature, range(len(sizes))))

    def look(self, multiples: Float[np.ndarray, " players"], floor: float = np.nan) -> float:
        """The margin in some weights, or a bound on it below the floor; cuts are made of it.

        Args:
            multiples: Of the units.
            floor: The largest margin so far when not given.
        """
        floor = self.margin if np.isnan(floor) else floor
        margin = self._cut(multiples, np.array(self._active))
        if margin >= floor and len(self._active) < len(self._jacobians):
            margin = self._enter(multiples)  # samples that take no part yet may be worse
        if margin > self.margin:
            self.best, self.margin = multiples, margin
        return margin

    def improve(self, precision: float) -> None:
        """Looks for a larger margin, by bisection of what is possible.

        Args:
            precision: The share of the margin that may be left unfound.
        """
        if len(self.best) == 1:
            self.most = self.margin
            return
        for _ in range(_ROUNDS):
            gap = self.most - self.margin
            if gap <= precision * max(abs(self.most), abs(self.margin)) or self._spent():
                return
            wanted = self.margin + 0.5 * gap
            found = self._roundest(wanted)
            if found is None:
                self.most = wanted
                continue
            # Half-way from the best ones known, a cut is deeper.
            for multiples in (_between(found, self.best), found):
                if self.look(multiples) >= wanted or self._spent():
                    break

    def roundest(self, wanted: float) -> Float[np.ndarray, " players"]:
        """Nearly the roundest of the weights with a margin; the best known where none have it."""
        inside = self.best
        for _ in range(_ROUNDS):
            found = self._roundest(wanted)
            if found is None or spread(found) >= _ROUNDER * spread(inside) or self._spent():
                break
            for multiples in (found, _between(found, inside)):
                if self.look(multiples, wanted) >= wanted:
                    inside = multiples
                    break
        return inside

    def _curvature(self, player: int) -> float:
        """The smallest one of a player alone, which no margin exceeds."""
        own = slice(self._starts[player], self._starts[player] + self._sizes[player])
        blocks = self._jacobians[:, own, own]
        return float(np.linalg.eigvalsh(0.5 * (blocks + np.swapaxes(blocks, -1, -2)))[:, 0].min())

    def _roundest(self, margin: float) -> np.ndarray | None:
        """The roundest multiples that obey the cuts for a margin, the smallest one 1."""
        rows = margin * self._squares - self._products
        size = np.abs(rows).max(1, keepdims=True)
        rows = rows[size[:, 0] > 0] / size[size > 0][:, None]
        count = len(self.best)
        spread = np.hstack([np.eye(count), -np.ones((count, 1))])
        found = scipy.optimize.linprog(
            np.append(np.zeros(count), 1.0),
            A_ub=np.vstack([spread, np.hstack([rows, np.zeros((len(rows), 1))])]),
            b_ub=np.zeros(count + len(rows)),
            bounds=[(1.0, LIMIT)] * (count + 1),
            method="highs",
        )
        return found.x[:-1] / found.x[:-1].min() if found.status == 0 else None

    def _enter(self, multiples: np.ndarray) -> float:
        """The margin over all samples; the worst ones take part from now on."""
        root = np.sqrt(np.repeat(multiples, self._sizes))
        framed = self._jacobians * (root[:, None] / root)
        margins = np.linalg.eigvalsh(0.5 * (framed + np.swapaxes(framed, -1, -2)))[:, 0]
        new = [k for k in np.argsort(margins)[:_ACTIVE].tolist() if k not in self._active]
        if new:
            self._active += new
            self._cut(multiples, np.array(new))
        return float(margins.min())

    def _cut(self, multiples: np.ndarray, samples: np.ndarray) -> float:
        """The smallest margin of some samples, and a cut of each."""
        root = np.sqrt(np.repeat(multiples, self._sizes))
        chosen = self._jacobians[samples]
        framed = chosen * (root[:, None] / root)
        values, vectors = np.linalg.eigh(0.5 * (framed + np.swapaxes(framed, -1, -2)))
        x = vectors[:, :, 0] / root
        moved = np.einsum("sij,sj->si", chosen, x)
        products, squares = (np.add.reduceat(y, self._starts, axis=1) for y in (x * moved, x**2))
        self._products = np.concatenate([self._products, products])
        self._squares = np.concatenate([self._squares, squares])
        return float(values[:, 0].min())


def _between(found: np.ndarray, inside: np.ndarray) -> np.ndarray:
    between = np.sqrt(found * inside)
    return between / between.min()


def spread(multiples: Float[np.ndarray, " players"]) -> float:
    """The largest of some weights over the smallest."""
    return float(multiples.max() / multiples.min())

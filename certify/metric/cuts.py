"""Weights of a nearly largest sampled margin, and the roundest of those, by cutting planes.

For weights `w`, one per player, the margin over the samples is at least `a` if and only if

    sum_i w_i (x_i' (J x)_i - a |x_i|^2) >= 0        for every x and every sampled J,

For fixed `a` this is linear in w, so each x is a cut. The lowest eigenvector in some weights gives
the cut that these violate most. A linear program gives the roundest weights that obey all cuts so
far, or says that there are none. So each round narrows the range of possible margins, and the
search knows how much is left to gain. It needs no derivative of an eigenvalue, and no simplex
search.
"""

from collections.abc import Callable

import numpy as np
import scipy.optimize
from jaxtyping import Float

from certify.metric.objective import LIMIT

# How many samples take part at first, and at most how many enter when they turn out to be the
# worst.
_ACTIVE = 8
# The most rounds for the margin, and for the roundest weights.
_ROUNDS = 40
# The search for the roundest ends when it cannot reduce the spread of the weights by this factor.
_ROUNDER = 0.95


class Cuts:
    """The cuts found so far for the weights over some samples, and the best weights.

    Args:
        jacobians: Jacobians at sampled points.
        sizes: The number of coordinates of each player.
        units: The units of the weights. Multiples of them are at most `LIMIT` times one another.
        spent: Returns whether to stop.

    Attributes:
        best: The multiples with the largest margin so far.
        margin: That margin.
        most: An upper bound on the margin of all multiples within the limit.
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
        """Returns the margin in some weights, or an upper bound on it below a floor, and adds cuts.

        Args:
            multiples: The weights as multiples of the units.
            floor: The margin below which a bound is enough; the largest so far when not given.
        """
        floor = self.margin if np.isnan(floor) else floor
        margin = self._cut(multiples, np.array(self._active))
        if margin >= floor and len(self._active) < len(self._jacobians):
            margin = self._enter(multiples)  # samples that take no part yet may be worse
        if margin > self.margin:
            self.best, self.margin = multiples, margin
        return margin

    def improve(self, precision: float) -> None:
        """Looks for a larger margin, by bisection of the range of possible margins.

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
            # Half-way from the best weights known, a cut is deeper.
            for multiples in (_between(found, self.best), found):
                if self.look(multiples) >= wanted or self._spent():
                    break

    def roundest(self, wanted: float) -> Float[np.ndarray, " players"]:
        """Returns nearly the roundest weights with a margin, or the best known if none have it."""
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
        """Returns the smallest sampled curvature of one player, which no margin exceeds."""
        own = slice(self._starts[player], self._starts[player] + self._sizes[player])
        blocks = self._jacobians[:, own, own]
        return float(np.linalg.eigvalsh(0.5 * (blocks + np.swapaxes(blocks, -1, -2)))[:, 0].min())

    def _roundest(self, margin: float) -> np.ndarray | None:
        """Returns the roundest multiples that obey the cuts for a margin, the smallest being 1."""
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
        """Returns the margin over all samples; the worst ones take part from now on."""
        root = np.sqrt(np.repeat(multiples, self._sizes))
        framed = self._jacobians * (root[:, None] / root)
        margins = np.linalg.eigvalsh(0.5 * (framed + np.swapaxes(framed, -1, -2)))[:, 0]
        new = [k for k in np.argsort(margins)[:_ACTIVE].tolist() if k not in self._active]
        if new:
            self._active += new
            self._cut(multiples, np.array(new))
        return float(margins.min())

    def _cut(self, multiples: np.ndarray, samples: np.ndarray) -> float:
        """Returns the smallest margin of some samples, and adds a cut from each."""
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
    """Returns the ratio of the largest of some weights to the smallest."""
    return float(multiples.max() / multiples.min())

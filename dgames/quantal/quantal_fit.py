"""The precision of quantal responses that fits observed play best."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import refuse_shared
from dgames.game import Game
from dgames.logits import log_policies, logits, policies
from dgames.quantal.logit_branch import beginning, correct, logit_branch, payoff_scale
from dgames.quantal.quantal_curve import Curve, between, follow_curve
from dgames.strategy import Strategy, ravel

_PARTS = 8
_POINTS = 1000
# Places on the branch that are looked at together, and how often among ever nearer ones.
_BATCH, _ROUNDS = 256, 4
# Likelihoods that differ less than this, relative to their size, say nothing.
_SAME = 1e-9


class PrecisionFit(eqx.Module):
    """The most likely precision along the principal branch, as `fit_precision` returns it.

    All numbers are estimates: the likelihood is maximised over a curve that was computed in
    floating point.

    Attributes:
        precision: The most likely precision; 0 or infinity if the likelihood is greatest at an end
            of the branch; NaN if it is the same everywhere.
        boundary: None for a maximum inside, or "zero", "infinity" or "flat"; or "end" where the
            likelihood is greatest at the end of what could be followed of the branch.
        strategies: The quantal response there; at infinity that of the greatest precision followed.
        log_likelihood: Of the counts, without the multinomial coefficients.
        standard_error: One over the root of the observed information, minus the second derivative
            of the log-likelihood by the precision along the branch; NaN at a boundary, where it
            means nothing.
        interval: The least and the greatest precision on the branch that a likelihood ratio test of
            this level does not reject, 0 and infinity included; where the branch turns not all
            precisions between them need be.
        level: The level of the interval.
        turns: How often the branch turns before the point of greatest likelihood.
        followed: The precision to which the branch was followed.
        complete: Whether that is the greatest one asked for. Where branches meet it is not, and the
            maximum is that of the part that was followed.
    """

    precision: float
    boundary: str | None
    strategies: Strategy
    log_likelihood: float
    standard_error: float
    interval: tuple[float, float]
    level: float
    turns: int
    followed: float
    complete: bool


def fit_precision(
    game: Game,
    counts: Strategy,
    args: PyTree = None,
    *,
    level: float = 0.95,
    largest: float | None = None,
) -> PrecisionFit:
    r"""Fits the precision of logit quantal responses to how often actions were played.

    The log-likelihood `sum_i sum_a counts_i[a] log p_i[a]` is maximised along the principal branch
    of `quantal_responses` by its arclength, not by its precision, as the branch may turn and have
    several equilibria at one precision. The whole branch is searched: the likelihood may have
    several maxima. At a regular maximum the standard error is that of maximum likelihood, the
    interval that of the likelihood ratio (chi-squared with one degree of freedom).

    Args:
        game: A game on simplices, not regularised.
        counts: How often each action was played: a joint strategy of numbers that are not negative.
            Players who were not observed have zeros.
        args: Passed to the costs.
        level: The level of the interval.
        largest: The precision to follow the branch to (default: 10^4 divided by the size of payoff
            differences).

    Raises:
        ValueError: If there are no counts or negative ones, or the level is not between 0 and 1.

    Example:
        A matching pennies experiment of Ochs (1995) in the units of McKelvey and Palfrey; the
        estimate is that of the documentation of Gambit, 1.8456.

        >>> from dgames.games import MatrixGame
        >>> game = MatrixGame([[1.1141, 0], [0, 0.2785]], [[0, 1.1141], [1.1141, 0]])
        >>> play = (jnp.array([67.456, 60.544]), jnp.array([46.848, 81.152]))
        >>> fit = fit_precision(game, play)
        >>> f"{fit.precision:.6f}", f"{fit.log_likelihood:.6f}", fit.boundary
        ('1.845610', '-174.764532', None)

    References:
        McKelvey and Palfrey, *Quantal response equilibria for normal form games*, Games and
        Economic Behavior 10 (1995); Bland and Turocy, *Quantal response equilibrium as a structural
        model for estimation* (2023).
    """
    counts = jax.tree.map(as_float, counts)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(counts)]
    if not all(np.all((leaf >= 0) & (leaf < np.inf)) for leaf in leaves) or not sum(
        leaf.sum() for leaf in leaves
    ):
        raise ValueError("fit_precision: counts are numbers, not negative and not all zero")
    if not 0 < level < 1:
        raise ValueError(f"fit_precision: level is between 0 and 1, not {level}")
    if largest is not None and not 0 < largest < np.inf:
        raise ValueError(f"fit_precision: largest is a positive precision, not {largest}")
    like = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1 / leaf.shape[-1]), counts)
    refuse_shared(
        game.shared_constraints(like),
        "fit_precision: logit responses know no shared constraints",
    )
    return _Fit(game, counts, like, args, level, largest).result()


class _Fit:
    """The branch, the likelihood on a fine grid along it, and what follows."""

    def __init__(
        self,
        game: Game,
        counts: Strategy,
        like: Strategy,
        args: PyTree,
        level: float,
        largest: float | None,
    ) -> None:
        import scipy.stats

        self.level, self.drop = level, 0.5 * float(scipy.stats.chi2.ppf(level, 1))
        scale = payoff_scale(game, like, args)
        self.data = (game, counts, like, args, scale)
        self.scale, self.unravel = float(scale), ravel(logits(like))[1]
        self.limit = 1e4 if largest is None else largest * self.scale
        self.curve = follow_curve(
            game, like, args, scale, *beginning(like), jnp.asarray(self.limit), _POINTS
        )
        count = int(self.curve.count)
        z, self.values = self.at(np.arange((count - 1) * _PARTS + 1))
        self.precisions = z[:, -1]
        self.end = float(self.precisions[-1])

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points of the branch at places along the grid, and the log-likelihoods there."""
        parts = []
        for first in range(0, len(places), _BATCH):
            own = places[first : first + _BATCH] / _PARTS
            padded = jnp.asarray(np.pad(own, (0, _BATCH - len(own)), mode="edge"))
            found = _at_places(*self.data, self.curve, padded)
            parts.append([np.asarray(part)[: len(own)] for part in found])
        points, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        return points, values

    def at_one(self, place: float) -> tuple[np.ndarray, float]:
        """The point of the branch at one place, and the log-likelihood there."""
        z, value = self.at(np.array([place]))
        return z[0], float(value[0])

    def result(self) -> PrecisionFit:
        """Finds the maximum and what is near it in likelihood."""
        best = int(np.argmax(self.values))
        last = len(self.values) - 1
        place, flat = self._maximum(best), False
        z, value = self.at_one(place)
        spread = float(np.max(self.values) - np.min(self.values))
        boundary = None
        if spread <= _SAME * (1 + abs(value)):
            boundary, flat = "flat", True
        elif place < 1e-6:
            boundary = "zero"
        elif self.end >= self.limit and np.all(
            self.values[int(place) :] >= value - 1e-3 * _SAME * (1 + abs(value))
        ):
            boundary, (z, value) = "infinity", self.at_one(float(last))
        elif place > last - 1e-3:
            boundary = "end"
        error = float("nan")
        if boundary is None:
            z, value, bend = self._polished(z, value)
            error = float(1 / np.sqrt(-bend)) if bend < 0 else float("nan")
        precision = float(z[-1]) / self.scale
        rising = np.diff(self.precisions[: int(np.ceil(place)) + 1]) > 0
        return PrecisionFit(
            precision={"flat": np.nan, "zero": 0.0, "infinity": np.inf}.get(
                boundary or "", precision
            ),
            boundary=boundary,
            strategies=policies(self.unravel(jnp.asarray(z)[:-1])),
            log_likelihood=value,
            standard_error=error,
            interval=(0.0, np.inf) if flat else self._interval(place, value),
            level=self.level,
            turns=int(np.sum(rising[1:] != rising[:-1])),
            followed=self.end / self.scale,
            complete=self.end >= self.limit,
        )

    def _maximum(self, best: int) -> float:
        """The best of many places around the best point of the grid, again and again."""
        place, width, last = float(best), 1.0, len(self.values) - 1
        for _ in range(_ROUNDS):
            places = np.linspace(max(place - width, 0), min(place + width, last), _BATCH)
            values = self.at(places)[1]
            # Ends of the branch, and points of the grid, are met exactly.
            if np.max(values) > self.at_one(place)[1] + 1e-12:
                place = float(places[np.argmax(values)])
            width *= 2 / (_BATCH - 1)
        return place

    def _polished(self, z: np.ndarray, value: float) -> tuple[np.ndarray, float, float]:
        """Steps of Newton's method in the precision, if they are small and do no harm.

        Values of the likelihood alone place its maximum to half of their digits.
        """
        bend = np.nan
        for _ in range(3):
            on, on_value, bend = (np.asarray(x) for x in _improved(*self.data, jnp.asarray(z)))
            small = np.all(np.abs(on - z) <= 1e-4 * (1 + np.abs(z)))
            if not (small and on_value >= value - _SAME * 1e-2 * (1 + abs(value))):
                break
            z, value = on, float(on_value)
        return z, value, float(bend) * self.scale**2

    def _interval(self, place: float, value: float) -> tuple[float, float]:
        """The least and the greatest precision that are likely enough."""
        enough = self.values >= value - self.drop
        found = [float(self.at_one(place)[0][-1])]
        for k in range(len(self.values) - 1):
            if enough[k]:
                found.append(float(self.precisions[k]))
            if enough[k] != enough[k + 1]:
                found.append(self._crossing(k, value - self.drop))
        if enough[-1]:
            found.append(np.inf if self.end >= self.limit else self.end)
        return max(min(found), 0.0) / self.scale, max(found) / self.scale

    def _crossing(self, k: int, level: float) -> float:
        """The precision between two points of the grid at which the likelihood has a level."""
        low, high = float(k), float(k + 1)
        above = self.values[k] >= level
        for _ in range(_ROUNDS):
            places = np.linspace(low, high, _BATCH)
            beyond = (self.at(places)[1] >= level) != above
            first = max(int(np.argmax(beyond)), 1) if np.any(beyond) else _BATCH - 1
            low, high = float(places[first - 1]), float(places[first])
        return float(self.at_one(0.5 * (low + high))[0][-1])


def _log_likelihood(counts: Strategy, x: Strategy) -> Array:
    def of(own: Array, log_p: Array) -> Array:
        return jnp.sum(jnp.where(own > 0, own * log_p, 0))

    return jax.tree.reduce(jnp.add, jax.tree.map(of, counts, log_policies(x)))


@eqx.filter_jit
def _at_places(
    game: Game,
    counts: Strategy,
    like: Strategy,
    args: PyTree,
    scale: Array,
    curve: Curve,
    places: Array,
) -> tuple[Array, Array]:
    """Points of the branch at places in units of its steps, and their likelihoods."""
    branch = logit_branch(game, like, args, scale)

    def one(place: Array) -> tuple[Array, Array]:
        whole = jnp.clip(jnp.floor(place), 0, curve.z.shape[0] - 2)
        step = whole.astype(int)
        z = between(branch, curve.z[step], curve.z[step + 1], place - whole)
        return z, _log_likelihood(counts, branch.unravel(z[:-1]))

    return jax.vmap(one)(places)


@eqx.filter_jit
def _improved(
    game: Game, counts: Strategy, like: Strategy, args: PyTree, scale: Array, z: Array
) -> tuple[Array, Array, Array]:
    """A step of Newton's method to the maximum of the likelihood by the scaled precision.

    Returns the point of the branch at the new precision, its log-likelihood, and the second
    derivative of that at the old one. Along the branch H(x, precision) = 0, so that with
    v = (x', 1), the derivative by the precision,

        H_x x' = -H_precision,    H_x x'' = -H''[v, v]
    """
    branch = logit_branch(game, like, args, scale)
    up = jnp.zeros_like(z).at[-1].set(1)

    def solve(values: Array) -> Array:
        return jnp.linalg.solve(branch.equations(z)[1][:, :-1], values)

    def value(x: Array) -> Array:
        return _log_likelihood(counts, branch.unravel(x))

    first = -solve(branch.equations(z)[1][:, -1])
    v = jnp.append(first, 1.0)
    second = -solve(jax.jvp(lambda at: branch.equations(at)[1] @ v, (z,), (v,))[1])

    def slope(x: Array, way: Array) -> Array:
        return jax.jvp(value, (x,), (way,))[1]

    steep, bend = jax.jvp(slope, (z[:-1], first), (first, second))
    step = -jnp.where(bend < 0, steep / jnp.where(bend < 0, bend, 1), 0)
    guess = jnp.append(z[:-1] + step * first + step**2 / 2 * second, z[-1] + step)
    on, settled = correct(branch, guess, up)
    on = jnp.where(settled, on, z)
    return on, value(on[:-1]), bend

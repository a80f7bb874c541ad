"""The precision of quantal responses that fits observed play best."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import refuse_shared
from dgames.game import Game
from dgames.logits import log_policies, policies
from dgames.quantal.logit_branch import beginning, logit_branch
from dgames.quantal.quantal_curve import Curve, between, follow_curve
from dgames.strategy import Strategy

_PARTS = 8
_POINTS = 1000
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

        self.data = (game, counts, like, args)
        self.level, self.drop = level, 0.5 * float(scipy.stats.chi2.ppf(level, 1))
        branch = logit_branch(game, like, args)
        self.scale, self.unravel = float(branch.scale), branch.unravel
        self.limit = 1e4 if largest is None else largest * self.scale
        self.curve = follow_curve(
            game, like, args, *beginning(like), jnp.asarray(self.limit), _POINTS
        )
        count = int(self.curve.count)
        z, values = _on_grid(*self.data, self.curve)
        steps = (count - 1) * _PARTS + 1
        self.precisions, self.values = np.asarray(z)[:steps, -1], np.asarray(values)[:steps]
        self.end = float(self.precisions[-1])

    def at(self, place: float) -> tuple[np.ndarray, float]:
        """The point of the branch at a place along the grid, and the log-likelihood there."""
        z, value = _at_place(*self.data, self.curve, jnp.asarray(place / _PARTS))
        return np.asarray(z), float(value)

    def result(self) -> PrecisionFit:
        """Finds the maximum and what is near it in likelihood."""
        best = int(np.argmax(self.values))
        last = len(self.values) - 1
        place, flat = self._maximum(best), False
        z, value = self.at(place)
        spread = float(np.max(self.values) - np.min(self.values))
        boundary = None
        if spread <= _SAME * (1 + abs(value)):
            boundary, flat = "flat", True
        elif place < 1e-6:
            boundary = "zero"
        elif self.end >= self.limit and np.all(
            self.values[int(place) :] >= value - 1e-3 * _SAME * (1 + abs(value))
        ):
            boundary, (z, value) = "infinity", self.at(last)
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
        """Golden sections around the best point of the grid."""
        low, high = float(max(best - 1, 0)), float(min(best + 1, len(self.values) - 1))
        ratio = (5**0.5 - 1) / 2
        inner = [high - ratio * (high - low), low + ratio * (high - low)]
        value = [self.at(x)[1] for x in inner]
        for _ in range(40):
            if value[0] >= value[1]:
                high, inner[1], value[1] = inner[1], inner[0], value[0]
                inner[0] = high - ratio * (high - low)
                value[0] = self.at(inner[0])[1]
            else:
                low, inner[0], value[0] = inner[0], inner[1], value[1]
                inner[1] = low + ratio * (high - low)
                value[1] = self.at(inner[1])[1]
        # Ends of the branch are met exactly.
        places = [0.5 * (low + high), float(best)]
        return max(places, key=lambda place: self.at(place)[1] - (place != best) * 1e-12)

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
        found = [float(self.at(place)[0][-1])]
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
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if (self.at(middle)[1] >= level) == above else (low, middle)
        return float(self.at(0.5 * (low + high))[0][-1])


def _log_likelihood(counts: Strategy, x: Strategy) -> Array:
    def of(own: Array, log_p: Array) -> Array:
        return jnp.sum(jnp.where(own > 0, own * log_p, 0))

    return jax.tree.reduce(jnp.add, jax.tree.map(of, counts, log_policies(x)))


@eqx.filter_jit
def _on_grid(
    game: Game, counts: Strategy, like: Strategy, args: PyTree, curve: Curve
) -> tuple[Array, Array]:
    """Points of the branch, several in each of its steps, and their likelihoods."""
    places = jnp.arange((curve.z.shape[0] - 1) * _PARTS + 1) / _PARTS
    return jax.vmap(lambda place: _point(game, counts, like, args, curve, place))(places)


@eqx.filter_jit
def _at_place(
    game: Game, counts: Strategy, like: Strategy, args: PyTree, curve: Curve, place: Array
) -> tuple[Array, Array]:
    return _point(game, counts, like, args, curve, place)


def _point(
    game: Game, counts: Strategy, like: Strategy, args: PyTree, curve: Curve, place: Array
) -> tuple[Array, Array]:
    branch = logit_branch(game, like, args)
    whole = jnp.clip(jnp.floor(place), 0, curve.z.shape[0] - 2)
    step = whole.astype(int)
    z = between(branch, curve.z[step], curve.z[step + 1], place - whole)
    return z, _log_likelihood(counts, branch.unravel(z[:-1]))


@eqx.filter_jit
def _improved(
    game: Game, counts: Strategy, like: Strategy, args: PyTree, z: Array
) -> tuple[Array, Array, Array]:
    """A step of Newton's method to the maximum of the likelihood by the scaled precision.

    Returns the point of the branch at the new precision, its log-likelihood, and the second
    derivative of that at the old one. Two steps of Newton's method from the old point are, as
    functions of the precision, the branch up to terms of fourth order.
    """
    branch = logit_branch(game, like, args)

    def near(precision: Any, x: Array) -> Array:
        for _ in range(2):
            miss, jacobian = branch.equations(jnp.append(x, precision))
            x = x - jnp.linalg.solve(jacobian[:, :-1], miss)
        return x

    def value(precision: Any) -> Array:
        return _log_likelihood(counts, branch.unravel(near(precision, z[:-1])))

    def slope(precision: Any) -> Array:
        return jax.jvp(value, (precision,), (jnp.ones_like(z[-1]),))[1]

    steep, bend = jax.jvp(slope, (z[-1],), (jnp.ones_like(z[-1]),))
    precision = z[-1] - jnp.where(bend < 0, steep / jnp.where(bend < 0, bend, 1), 0)
    x = near(precision, z[:-1])
    return jnp.append(x, precision), _log_likelihood(counts, branch.unravel(x)), bend

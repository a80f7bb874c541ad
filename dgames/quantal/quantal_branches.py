"""Branches of quantal responses beside the principal one, and where they meet."""

import itertools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from dgames.constraints.shared_constraints import refuse_shared
from dgames.game import Game
from dgames.logits import logits, policies
from dgames.quantal.logit_branch import beginning, payoff_scale
from dgames.quantal.quantal_curve import corrected_to, follow_curve
from dgames.strategy import Strategy, as_strategy, ravel

_POINTS = 1000
# Starts that are corrected at once, so that nothing is compiled again.
_BATCH = 32
# How far from a meeting branches are looked for, and which singular values count as zero.
_AWAY, _SINGULAR = 0.02, 1e-5
_MOST_PROFILES = 256
# The default for the largest precision, times the size of payoff differences.
_LARGEST = 100.0


class QuantalMeeting(eqx.Module):
    """A point where branches seem to meet: an estimate.

    Attributes:
        precision: Its precision.
        logits: Its logit differences.
        directions: The number of dimensions in which branches may leave: one of a simple
            bifurcation, more where symmetries make several actions or players alike.
        singular_value: The least singular value of the Jacobian there, bordered by the tangent,
            which is zero at a meeting.
    """

    precision: float
    logits: Strategy
    directions: int
    singular_value: float

    @property
    def strategies(self) -> Strategy:
        """The equilibrium as probabilities."""
        return policies(self.logits)


class QuantalBranch(eqx.Module):
    """Points along a branch of logit equilibria, in order: estimates.

    Attributes:
        precisions: Of each point.
        logits: Joint strategies in `LogitDifferences`, with a leading axis of points.
        origin: "principal", "meeting" or "apart", as it was found from a Nash equilibrium.
        leaves: The number of the meeting that it leaves from, or None.
        reaches: The number of the meeting at which it ends, or None.
    """

    precisions: Float[Array, " points"]
    logits: Strategy
    origin: str
    leaves: int | None
    reaches: int | None

    @property
    def strategies(self) -> Strategy:
        """The equilibria as probabilities, with a leading axis of points."""
        return policies(self.logits)

    @property
    def turns(self) -> int:
        """How often precisions turn from rising to falling, or back."""
        rising = np.diff(np.asarray(self.precisions)) > 0
        return int(np.sum(rising[1:] != rising[:-1]))


class QuantalBranches(NamedTuple):
    """What `quantal_branches` found; the principal branch is the first.

    Attributes:
        branches: Branches, of which no two are the same.
        meetings: Points where they meet.
    """

    branches: tuple[QuantalBranch, ...]
    meetings: tuple[QuantalMeeting, ...]


def quantal_branches(
    game: Game,
    like: Strategy,
    args: PyTree = None,
    *,
    largest: float | None = None,
    key: PRNGKeyArray | None = None,
    starts: int = 64,
    max_branches: int = 32,
) -> QuantalBranches:
    r"""Follows branches of logit equilibria, through the points where they meet.

    The principal branch is followed as in `quantal_responses`. Where no step is short enough and
    the Jacobian of its equations H, bordered by the tangent t, is singular (up to rounding),
    branches meet: a point with vectors other than t in the null space of H'. Directions of that
    null space are tried, all of them if there are two and many at random otherwise: points of
    branches are looked for in planes across them at a small distance, and every branch found is
    followed, as are those that meet it. Others may be apart: they are found from logit equilibria
    at the largest precision, near answers to pure strategies and, if there is a key, from random
    starts, and traced back.

    Everything is an estimate: branches and meetings may be missing, and none is proved. Between
    meetings steps are tested as in `quantal_responses`; `certify.quantal_path` proves the
    principal branch.

    Args:
        game: A game on simplices, not regularised.
        like: A joint strategy, for its structure and shapes, such as `game.uniform()`.
        args: Passed to the costs.
        largest: The precision to follow branches to (default: 100 divided by the size of payoff
            differences).
        key: For random starts; without a key there are none.
        starts: Their number.
        max_branches: The greatest number of branches.

    Raises:
        ValueError: If largest is not positive.

    Example:
        Two who want to do alike: at precision 2 the symmetric branch meets one that leads to either
        of the pure equilibria.

        >>> from dgames.games import MatrixGame
        >>> alike = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> found = quantal_branches(alike, alike.uniform())
        >>> [f"{meeting.precision:.4f}" for meeting in found.meetings]
        ['2.0000']
        >>> [branch.origin for branch in found.branches]
        ['principal', 'meeting', 'meeting', 'meeting']
        >>> sorted(f"{branch.strategies[0][-1, 0]:.3f}" for branch in found.branches[1:])
        ['0.000', '0.500', '1.000']

    References:
        Keller, *Numerical solution of bifurcation and nonlinear eigenvalue problems* (1977);
        Allgower and Georg, *Introduction to Numerical Continuation Methods* (2003), chapter 8.
    """
    like = as_strategy(like)
    refuse_shared(
        game.shared_constraints(like),
        "quantal_branches: logit responses know no shared constraints",
    )
    if largest is not None and not 0 < largest < np.inf:
        raise ValueError(f"quantal_branches: largest is a positive precision, not {largest}")
    search = _Search(game, like, args, largest, max_branches)
    start, ahead = (np.asarray(part) for part in beginning(like))
    search.follow_all([_Start(start, ahead, "principal", None)])
    search.from_equilibria(key, starts)
    return search.result()


class _Start(NamedTuple):
    """Where a branch is to be followed from."""

    z: np.ndarray
    tangent: np.ndarray
    origin: str
    leaves: int | None


class _Followed(NamedTuple):
    """A branch that was followed, in scaled precisions."""

    points: np.ndarray
    origin: str
    leaves: int | None
    reaches: int | None


class _Search:
    """The branches and meetings that are known by now."""

    def __init__(
        self, game: Game, like: Strategy, args: PyTree, largest: float | None, most: int
    ) -> None:
        scale = payoff_scale(game, like, args)
        self.problem = (game, like, args, scale)
        self.scale, self.most = float(scale), most
        self.unravel = ravel(logits(like))[1]
        self.limit = _LARGEST if largest is None else largest * self.scale
        self.branches: list[_Followed] = []
        self.meetings: list[tuple[np.ndarray, int, float]] = []

    def follow_all(self, starts: list[_Start]) -> None:
        """Follows branches, and those that meet them, as long as there are new ones."""
        while starts and len(self.branches) < self.most:
            start = starts.pop(0)
            if start.origin != "principal" and self._is_known(start.z):
                continue
            curve = follow_curve(
                *self.problem,
                jnp.asarray(start.z),
                jnp.asarray(start.tangent),
                jnp.asarray(self.limit),
                _POINTS,
            )
            count = int(curve.count)
            if start.origin != "principal" and self._is_known(np.asarray(curve.z)[count // 2]):
                continue
            points, tangent = np.asarray(curve.z)[:count], np.asarray(curve.tangents)[count - 1]
            reaches = None
            if bool(curve.stuck):
                reaches, leaving = self._meeting(points[-1], tangent)
                starts += leaving
            if start.leaves is not None:
                points = np.concatenate([self.meetings[start.leaves][0][None], points])
            self.branches.append(_Followed(points, start.origin, start.leaves, reaches))

    def _meeting(self, z: np.ndarray, tangent: np.ndarray) -> tuple[int | None, list[_Start]]:
        """The number of the meeting at a point, if it is one, and branches to follow from it."""
        for number, (other, _, _) in enumerate(self.meetings):
            if np.linalg.norm(z - other) < 1e-4 * (1 + np.linalg.norm(z)):
                return number, []
        jacobians = self._jacobians(z[None])
        bordered = np.concatenate([jacobians[0], tangent[None]])
        if not np.all(np.isfinite(bordered)):
            return None, []
        _, values, rights = np.linalg.svd(bordered)
        null = rights[values < _SINGULAR * max(1.0, values[0])]
        if not len(null):
            return None, []
        number = len(self.meetings)
        self.meetings.append((z, len(null), float(values[-1])))
        ways = [*null, *-null]
        if len(null) > 1:
            random = np.random.default_rng(0).normal(size=(14 * len(null), len(null))) @ null
            ways += list(random / np.linalg.norm(random, axis=1, keepdims=True))
        ways = np.array([tangent, *ways])
        found, settled, jacobians = self._corrected(z + _AWAY * ways, ways)
        starts = []
        for point, good, jacobian in zip(found, settled, jacobians, strict=True):
            offset = point - z
            away = np.linalg.norm(offset)
            if not good or not 0.5 * _AWAY <= away <= 20 * _AWAY:
                continue
            # Back along the branch that came here is no new one.
            if offset @ tangent < -0.99 * away:
                continue
            direction = np.linalg.svd(jacobian)[2][-1]
            direction = direction * np.sign(direction @ offset)
            starts.append(_Start(point, direction, "meeting", number))
        # The nearest first, so that others on the same branch are recognised.
        return number, sorted(starts, key=lambda start: float(np.linalg.norm(start.z - z)))

    def from_equilibria(self, key: PRNGKeyArray | None, count: int) -> None:
        """Follows branches that reach the largest precision, from equilibria found there."""
        _, like, _, _ = self.problem
        sizes = [int(np.shape(leaf)[-1]) for leaf in jax.tree.leaves(like)]
        profiles = list(itertools.islice(itertools.product(*map(range, sizes)), _MOST_PROFILES))
        precision = 0.999 * self.limit
        guesses = []
        if all(np.ndim(leaf) == 1 for leaf in jax.tree.leaves(like)):
            # Answers to pure strategies, whose logits are the precision times payoff differences.
            pure = [
                np.concatenate(
                    [
                        60.0 * (np.eye(n)[a, :-1] - (a == n - 1))
                        for n, a in zip(sizes, profile, strict=True)
                    ]
                )
                for profile in profiles
            ]
            at = np.pad(np.array(pure), ((0, 0), (0, 1)))
            forces = self._jacobians(at)[:, :, -1]
            guesses += [np.append(-precision * force, precision) for force in forces]
        if key is not None:
            size = len(beginning(like)[0]) - 1
            random = 3 * np.asarray(jax.random.normal(key, (count, size)))
            guesses += [np.append(x, precision) for x in random]
        if not guesses:
            return
        normals = np.zeros((len(guesses), len(guesses[0])))
        normals[:, -1] = 1
        found, settled, jacobians = self._corrected(np.array(guesses), normals)
        for z, good, jacobian in zip(found, settled, jacobians, strict=True):
            if not good or self._is_known(z):
                continue
            direction = np.linalg.svd(jacobian)[2][-1]
            direction = -direction * np.sign(direction[-1])
            self.follow_all([_Start(z, direction, "apart", None)])

    def _is_known(self, z: np.ndarray) -> bool:
        """Whether a point is on a branch that was followed: the equilibria there are compared."""
        guesses = []
        for branch in self.branches:
            precisions = branch.points[:, -1] - z[-1]
            for k in np.flatnonzero(precisions[:-1] * precisions[1:] <= 0):
                width = precisions[k] - precisions[k + 1]
                share = precisions[k] / width if width else 0.0
                guess = branch.points[k] + share * (branch.points[k + 1] - branch.points[k])
                guess[-1] = z[-1]
                guesses.append(guess)
        if not guesses:
            return False
        normals = np.zeros((len(guesses), len(z)))
        normals[:, -1] = 1
        found, settled, _ = self._corrected(np.array(guesses), normals)
        near = np.linalg.norm(found - z, axis=1) <= 1e-5 * (1 + np.linalg.norm(z))
        return bool(np.any(settled & near))

    def _corrected(
        self, guesses: np.ndarray, normals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`corrected_to` in batches of one size."""
        parts = []
        for first in range(0, len(guesses), _BATCH):
            own, across = guesses[first : first + _BATCH], normals[first : first + _BATCH]
            missing = ((0, _BATCH - len(own)), (0, 0))
            padded = (jnp.asarray(np.pad(part, missing, mode="edge")) for part in (own, across))
            found = corrected_to(*self.problem, *padded)
            parts.append([np.asarray(part)[: len(own)] for part in found])
        points, settled, jacobians = (np.concatenate(part) for part in zip(*parts, strict=True))
        return points, settled, jacobians

    def _jacobians(self, points: np.ndarray) -> np.ndarray:
        return self._corrected(points, np.zeros_like(points))[2]

    def result(self) -> QuantalBranches:
        """Unravels what was found."""
        unravel = jax.vmap(self.unravel)
        return QuantalBranches(
            tuple(
                QuantalBranch(
                    jnp.asarray(branch.points[:, -1] / self.scale),
                    unravel(jnp.asarray(branch.points[:, :-1])),
                    *branch[1:],
                )
                for branch in self.branches
            ),
            tuple(
                QuantalMeeting(
                    float(z[-1]) / self.scale, self.unravel(jnp.asarray(z[:-1])), dimensions, value
                )
                for z, dimensions, value in self.meetings
            ),
        )

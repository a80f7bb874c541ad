"""Regions, where a certificate holds: convex sets, structured like strategies.

Their numbers are float64. Those given in float32, bfloat16 or float16 are converted, exactly, and
the types are remembered: costs are traced with strategies of the types in which they are played.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from certify.problem.corners import (
    checked_radius,
    coordinates,
    corner,
    mapped,
    require_same_structure,
    types_of,
    zeros_like,
)
from certify.problem.draws import uniform
from dgames.strategy import Strategy, blocks, player_names, ravel

# Whether the lower and the upper face of a box limit what is inside, per coordinate.
Limits = tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]
# The radius of balls where every ball is inside.
LARGEST_BALL = 2.0**40


class Box(eqx.Module):
    """All joint strategies between two corners, `lower <= x <= upper` in every coordinate.

    Args:
        lower: A joint strategy of finite numbers, of 64 bits or less.
        upper: A joint strategy of the same structure, larger in every coordinate.
        like: A joint strategy of the types to trace costs with; `lower` when not given.

    Raises:
        ValueError: If a bound is NaN or infinite, or the box is empty.

    Example:
        >>> import jax.numpy as jnp
        >>> box = Box((0.0, jnp.zeros(2)), (1.0, jnp.ones(2)))
        >>> box.dimension
        3
    """

    lower: Strategy
    upper: Strategy
    types: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, lower: Strategy, upper: Strategy, *, like: Strategy | None = None):
        self.lower, self.upper = corner("lower", lower), corner("upper", upper)
        self.types = types_of(lower if like is None else like)
        require_same_structure("Box", self.lower, self.upper)
        if np.all(np.less(*self.bounds())):
            return
        for name, low, high in zip(
            player_names(self.lower), blocks(self.lower), blocks(self.upper), strict=True
        ):
            low, high = (coordinates(block) for block in (low, high))
            if (low >= high).any():
                k = int(np.argmax(low >= high))
                raise ValueError(
                    f"Box: coordinate {k} of player '{name}' has lower bound {low[k]} and "
                    f"upper bound {high[k]}; the lower bound must be smaller."
                )

    @classmethod
    def around(cls, center: Strategy, radius: Any) -> "Box":
        """Makes the box of a given half-width around a point.

        Args:
            center: A joint strategy.
            radius: A positive number, or a joint strategy of positive numbers.

        Raises:
            ValueError: If the radius is not positive and finite.
        """
        like, center = center, corner("center", center)
        if np.ndim(radius) == 0 and not isinstance(radius, tuple | list | dict):
            radius = jax.tree.map(
                lambda leaf: np.full(leaf.shape, checked_radius("Box", radius)), center
            )
        radius = corner("radius", radius)
        require_same_structure("Box", center, radius)
        return cls(
            mapped(lambda c, r: c - r, center, radius),
            mapped(lambda c, r: c + r, center, radius),
            like=like,
        )

    @property
    def dimension(self) -> int:
        """Number of coordinates of all players together."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.lower))

    @property
    def center(self) -> Strategy:
        """A point in the middle."""
        return mapped(lambda low, high: 0.5 * low + 0.5 * high, self.lower, self.upper)

    @property
    def example(self) -> Strategy:
        """A strategy of the types in which the region was given; its numbers mean nothing."""
        return zeros_like(self.lower, self.types)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the corners as vectors of shape (dimension,)."""
        return coordinates(self.lower), coordinates(self.upper)

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Returns whether a cell lies outside: never, as the bounding box is the box itself."""
        return False

    def largest_ball(
        self, center: np.ndarray, weights: np.ndarray, limits: Limits | None = None
    ) -> float:
        """Returns about the largest r such that a ball of radius r of a metric is inside.

        It is all x with `sum_k weights_k (x_k - center_k)^2 <= r^2`, or `|x - center| <= r` in a
        norm with `|y|^2 >= weights_k y_k^2` for each k. `limits` says which lower and upper faces
        limit the ball; without any limit, r is large enough for all of the box.
        """
        lower, upper = self.bounds()
        low, high = (True, True) if limits is None else limits
        below = np.where(low, center - lower, np.inf)
        above = np.where(high, upper - center, np.inf)
        whole = np.sqrt(np.sum(weights * (upper - lower) ** 2))
        return float(min(np.min(np.sqrt(weights) * np.minimum(below, above)), whole))

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns whether a joint strategy lies in the box; traceable."""
        low, high = ravel(self.lower)[0], ravel(self.upper)[0]
        point = ravel(x)[0].astype(low.dtype)
        return jnp.all((low <= point) & (point <= high))

    def sample(self, key: jax.Array, count: int) -> np.ndarray:
        """Draws `count` uniform points, as rows."""
        lower, upper = self.bounds()
        return lower + uniform(key, (count, lower.size)) * (upper - lower)

    def to_json(self, number: Callable[[float], str]) -> dict[str, Any]:
        """Returns the description in a certificate file."""
        lower, upper = self.bounds()
        return {"kind": "box", "lower": [*map(number, lower)], "upper": [*map(number, upper)]}


class _Centred(eqx.Module):
    """The common part of regions that are given by a centre."""

    center: Strategy
    types: tuple[str, ...] = eqx.field(static=True)

    @property
    def dimension(self) -> int:
        """Number of coordinates of all players together."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.center))

    @property
    def example(self) -> Strategy:
        """A strategy of the types in which the region was given; its numbers mean nothing."""
        return zeros_like(self.center, self.types)


class Ball(_Centred):
    """All joint strategies within a Euclidean distance of a centre, over all coordinates together.

    Args:
        center: A joint strategy of finite numbers, of 64 bits or less; costs are traced with
            strategies of its types.
        radius: A positive number.

    Raises:
        ValueError: If the centre is NaN or infinite, or the radius is not positive.

    Example:
        >>> Ball((0.0, 0.0), 2.0).bounds()[1].tolist()
        [2.0000000000000004, 2.0000000000000004]
    """

    radius: float

    def __init__(self, center: Strategy, radius: Any):
        self.center, self.radius = corner("center", center), checked_radius("Ball", radius)
        self.types = types_of(center)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the bounding box, rounded outward."""
        center = coordinates(self.center)
        return np.nextafter(center - self.radius, -np.inf), np.nextafter(
            center + self.radius, np.inf
        )

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Returns whether a cell of the bounding box lies outside, with room for rounding."""
        center = coordinates(self.center)
        gaps = np.maximum(np.maximum(lower - center, center - upper), 0.0)
        return bool(np.sum(gaps**2) > self.radius**2 * (1 + 1e-9))

    def largest_ball(
        self, center: np.ndarray, weights: np.ndarray, limits: Limits | None = None
    ) -> float:
        """Returns about the largest r such that a ball of radius r of a metric is inside.

        It is all x with `sum_k weights_k (x_k - center_k)^2 <= r^2`, or `|x - center| <= r` in a
        norm with `|y|^2 >= min(weights) |y|_2^2`. A ball has no faces, so limits do not count.
        """
        distance = np.linalg.norm(center - coordinates(self.center))
        return float(np.sqrt(weights.min()) * (self.radius - distance))

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns whether a joint strategy lies in the ball, up to rounding; traceable."""
        center = ravel(self.center)[0]
        return jnp.linalg.norm(ravel(x)[0].astype(center.dtype) - center) <= self.radius

    def sample(self, key: jax.Array, count: int) -> np.ndarray:
        """Draws `count` uniform points, as rows."""
        center = coordinates(self.center)
        direction_key, length_key = jax.random.split(key)
        direction = np.asarray(jax.random.normal(direction_key, (count, center.size), jnp.float64))
        length = self.radius * uniform(length_key, (count, 1)) ** (1 / center.size)
        return center + length * direction / np.linalg.norm(direction, axis=1, keepdims=True)

    def to_json(self, number: Callable[[float], str]) -> dict[str, Any]:
        """Returns the description in a certificate file."""
        center = coordinates(self.center)
        return {"kind": "ball", "center": [*map(number, center)], "radius": number(self.radius)}


class _Unbounded(_Centred):
    """The common part of regions that are the whole space."""

    def largest_ball(
        self, center: np.ndarray, weights: np.ndarray, limits: Limits | None = None
    ) -> float:
        """Returns a radius larger than any of interest: every ball is inside."""
        return LARGEST_BALL

    def contains(self, x: Strategy) -> Bool[Array, ""]:
        """Returns True: every strategy is inside."""
        return jnp.asarray(True)


class Everywhere(_Unbounded):
    """All joint strategies: claims on it hold in all of R^n, from every start.

    Args:
        center: A joint strategy of finite numbers, of 64 bits or less, which says what strategies
            look like; the search for the equilibrium starts there, and nothing else depends on it.

    Raises:
        ValueError: If the centre is NaN or infinite.

    Example:
        >>> Everywhere((0.0, 0.0)).bounds()[1].tolist()
        [inf, inf]
    """

    def __init__(self, center: Strategy):
        self.center = corner("center", center)
        self.types = types_of(center)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the bounding box, whose corners are infinite."""
        return np.full(self.dimension, -np.inf), np.full(self.dimension, np.inf)

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Returns whether a cell lies outside: never, but there are no cells of all of R^n."""
        return False

    def sample(self, key: jax.Array, count: int) -> np.ndarray:
        """Draws `count` points around the centre, as rows, near it and far away."""
        center = coordinates(self.center)
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        lengths = 10.0 ** generator.uniform(-3.0, 3.0, (count, 1))
        return center + lengths * generator.normal(size=(count, center.size))

    def to_json(self, number: Callable[[float], str]) -> dict[str, Any]:
        """Returns the description in a certificate file."""
        return {"kind": "everywhere"}


class Policies(_Unbounded):
    """All joint policies with positive probabilities, in logit differences: the whole space.

    It is the region for natural gradients, whose Jacobians are functions of the policies. Cells
    are sets of policies: boxes of the probabilities of all actions but the last of each vector.

    Args:
        center: A joint strategy of logit differences, along the last axis of every leaf, such as
            `dgames.logits(game.uniform())`; the search for the equilibrium starts there.

    Raises:
        ValueError: If the centre is NaN or infinite, or a leaf is a single number.

    Example:
        >>> import jax.numpy as jnp
        >>> Policies((jnp.zeros((2, 1)), jnp.zeros(2))).groups
        (1, 1, 2)
    """

    def __init__(self, center: Strategy):
        self.center = corner("center", center)
        self.types = types_of(center)
        if not all(leaf.ndim for leaf in jax.tree.leaves(self.center)):
            raise ValueError(
                "Policies: logit differences are arrays, with an axis for the actions but the last."
            )

    @property
    def groups(self) -> tuple[int, ...]:
        """How many coordinates each probability vector has, one less than actions."""
        shapes = [leaf.shape for leaf in jax.tree.leaves(self.center)]
        return tuple(shape[-1] for shape in shapes for _ in range(math.prod(shape[:-1])))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the bounding box of the cells: all probabilities."""
        return np.zeros(self.dimension), np.ones(self.dimension)

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Returns whether a cell's probabilities sum to more than one, with room for rounding."""
        starts = np.cumsum((0, *self.groups[:-1]))
        return bool((np.add.reduceat(lower, starts) > 1 + 1e-9).any())

    def sample(self, key: jax.Array, count: int) -> np.ndarray:
        """Draws `count` joint policies, uniform in each simplex, as rows."""
        vectors = [
            np.asarray(jax.random.dirichlet(own, jnp.ones(size + 1), (count,), jnp.float64))
            for own, size in zip(jax.random.split(key, len(self.groups)), self.groups, strict=True)
        ]
        return np.concatenate([vector[:, :-1] for vector in vectors], axis=1)

    def to_json(self, number: Callable[[float], str]) -> dict[str, Any]:
        """Returns the description in a certificate file."""
        return {"kind": "policies", "groups": list(self.groups)}


Region = Box | Ball | Everywhere | Policies


def require_region(region: Any) -> None:
    """Raises a `ValueError` unless something is a region, by its exact type.

    A class derived from a region may contain other points than those that a proof is about.

    Example:
        >>> require_region(Box.around({"a": 0.0}, 1.0))
    """
    if type(region) not in (Box, Ball, Everywhere, Policies):
        raise ValueError(
            "certify: a region is a certify.Box, Ball, Everywhere or Policies, such as "
            f"certify.Box.around(strategy, 1.0); got an object of type {type(region).__name__}."
        )


def half_widths(region: Region) -> np.ndarray:
    """Returns the half-widths of the bounding box, which are the units of a metric.

    For `Everywhere` and `Policies`, regions without faces, they are ones.

    Example:
        >>> half_widths(Box((0.0, 0.0), (1.0, 4.0))).tolist()
        [0.5, 2.0]
    """
    lower, upper = region.bounds()
    unbounded = isinstance(region, Everywhere | Policies)
    return np.ones(len(lower)) if unbounded else 0.5 * (upper - lower)

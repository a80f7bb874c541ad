"""Chooses points at which code is compared with what is proved of it, to reveal a difference.

Random points would miss what code does at a single number or beyond a bound. So there are also
corners and points of faces, and points on both sides of each place where the code decides
something: a comparison, a conversion to an integer, a rounding.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.enclosure.programs.inline import branches, replay, rounds
from certify.enclosure.programs.walk import UNROLL
from certify.problem.corners import coordinates
from certify.problem.draws import first_key
from certify.problem.field import FlatField
from certify.problem.region import Ball, Box, Everywhere, Policies, Region

# How many random points of the region there are, and at most how many on its faces.
RANDOM, FACES = 1024, 512
# How many decisions are looked at, and how many pairs of points are brought together for each.
_DECISIONS, _PAIRS = 128, 4
# Halvings after which two neighbouring floats are left between any two of moderate size.
_HALVINGS = 80


def probes(field: FlatField, region: Region) -> Float[np.ndarray, "points n"]:
    """Returns points of a region, the same at each call; for `Policies`, joint policies.

    Args:
        field: The field, whose code is searched for decisions.
        region: The region of the points.
    """
    n = field.dimension
    if isinstance(region, Policies):
        return region.sample(first_key(1), RANDOM)
    random = _inside(region, max(RANDOM // max(n // 16, 1), 64))
    further = [] if isinstance(region, Everywhere) else [_faces(region, random)]
    points = np.concatenate([random, *further])
    return np.concatenate([points, _decisions(field, region, points)])


def _inside(region: Box | Ball | Everywhere, count: int) -> np.ndarray:
    """Returns random points of a region, drawn by NumPy so that nothing is compiled."""
    generator, (lower, upper) = np.random.default_rng(1), region.bounds()
    if isinstance(region, Everywhere):
        center = coordinates(region.center)
        lengths = 10.0 ** generator.uniform(-3.0, 2.0, (count, 1))
        special = np.stack([center, np.zeros_like(center)])
        return np.concatenate(
            [center + lengths * generator.normal(size=(count, len(lower))), special]
        )
    if isinstance(region, Box):
        return lower + generator.uniform(size=(count, len(lower))) * (upper - lower)
    directions = generator.normal(size=(count, len(lower)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = region.radius * generator.uniform(size=(count, 1)) ** (1 / len(lower))
    return coordinates(region.center) + (1 - 1e-12) * lengths * directions


def _faces(region: Region, inside: np.ndarray) -> np.ndarray:
    """Returns corners of a box and points of its faces, or points of the sphere of a ball."""
    generator, n = np.random.default_rng(2), inside.shape[1]
    lower, upper = region.bounds()
    if not isinstance(region, Box):
        middle, radius = 0.5 * lower + 0.5 * upper, 0.5 * (upper - lower).max()
        directions = np.concatenate([np.eye(n), -np.eye(n), inside[: FACES // 2] - middle])
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        return middle + (1 - 1e-12) * radius * directions / np.where(lengths == 0, 1, lengths)
    if 2**n <= FACES // 2:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        bits = generator.integers(0, 2, (FACES // 2, n))
    corners = np.where(bits, upper, lower)
    faces = inside[: FACES // 2].copy()
    rows, axes = np.arange(len(faces)), generator.integers(0, n, len(faces))
    ends = np.where(generator.integers(0, 2, len(faces)), upper[axes], lower[axes])
    faces[rows, axes] = ends
    # Code is often special at zero, and games at the middle of their regions.
    zeros = np.clip(inside[:n].copy(), lower, upper)
    np.fill_diagonal(zeros, np.clip(0.0, lower, upper)[: len(zeros)])
    special = [np.clip(np.zeros(n), lower, upper), coordinates(region.center)]
    return np.concatenate([corners, faces, zeros, special])


def _decisions(field: FlatField, region: Region, points: np.ndarray) -> np.ndarray:
    """Returns points of the region next to where the code of the costs decides something."""
    batched = _compiled_gaps(field)
    if batched is None:
        return points[:0]
    values = np.asarray(batched(points))[:, :_DECISIONS]
    starts, ends, columns = _pairs(region, points, values, batched)
    if not len(starts):
        return points[:0]
    rows = np.arange(len(starts))
    negative = np.asarray(batched(starts))[rows, columns] < 0
    for _ in range(_HALVINGS):
        middle = 0.5 * starts + 0.5 * ends
        same = (np.asarray(batched(middle))[rows, columns] < 0) == negative
        starts = np.where(same[:, None], middle, starts)
        ends = np.where(same[:, None], ends, middle)
    # One of the two may be the place itself, so there is a further point beyond each of them.
    beyond = [2 * starts - ends, 2 * ends - starts]
    if isinstance(region, Box):
        beyond = [np.clip(point, *region.bounds()) for point in beyond]
    return np.concatenate([starts, ends, *beyond])


@functools.lru_cache(maxsize=32)
def _compiled_gaps(field: FlatField) -> Callable | None:
    gaps = decision_gaps(field.costs, field.dimension)
    return None if gaps is None else jax.jit(jax.vmap(gaps))


def _pairs(
    region: Region, points: np.ndarray, values: np.ndarray, gaps: Callable
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pairs of points between which a gap changes its sign, and the number of that gap.

    In a box there are also pairs that differ in one coordinate only: on the way between these, the
    coordinate takes every float in between, such as a number that the code compares it with.
    """
    starts, ends, columns = [], [], []
    for column, gap in enumerate(values.T):
        below, above = np.flatnonzero(gap < 0), np.flatnonzero(gap >= 0)
        if not (len(below) and len(above)):
            continue
        for one, other in zip(below[:_PAIRS], above[:_PAIRS], strict=False):
            starts.append(points[one])
            ends.append(points[other])
            columns.append(column)
            if isinstance(region, Box):
                steps = np.repeat(points[one][None], points.shape[1], 0)
                np.fill_diagonal(steps, points[other])
                starts += [points[one]] * len(steps)
                ends += [*steps]
                columns += [column] * len(steps)
    if not starts:
        return points[:0], points[:0], np.zeros(0, int)
    first, last, which = np.array(starts), np.array(ends), np.array(columns)
    # All games with decisions get arrays of one shape, because each other shape would be compiled
    # anew.
    most = len(points)
    first, last, which = (part[:most] for part in (first, last, which))
    filled = [np.concatenate([p, np.repeat(p[:1], most - len(p), 0)]) for p in (first, last, which)]
    rows = np.arange(most)
    signs = [np.asarray(gaps(p))[rows, filled[2]] < 0 for p in filled[:2]]
    differ = signs[0] != signs[1]
    if not differ.any():
        return points[:0], points[:0], np.zeros(0, int)
    kept = np.flatnonzero(differ)
    kept = np.concatenate([kept, np.repeat(kept[:1], most - len(kept))])
    return filled[0][kept], filled[1][kept], filled[2][kept]


def decision_gaps(costs: Callable, dimension: int) -> Callable | None:
    """Returns a function that vanishes, in some entry, wherever the code decides something.

    Args:
        costs: A traceable function of vectors of length `dimension`.
        dimension: How many coordinates the vectors have.

    Returns:
        The function, from vectors to vectors; None if the code decides nothing.
    """
    closed = jax.make_jaxpr(costs)(jax.ShapeDtypeStruct((dimension,), np.float64))

    def gaps(x: Any) -> Any:
        found: list[Any] = []

        def noted(equation: Any, operands: list[Any], _: Callable) -> list[Any]:
            gap = _GAPS[equation.primitive.name](*operands)
            if gap is not None:
                found.append(jnp.ravel(gap))
            result = equation.primitive.bind(*operands, **equation.params)
            return list(result) if equation.primitive.multiple_results else [result]

        def short_rounds(equation: Any, operands: list[Any], again: Callable) -> list[Any]:
            # Values noted inside a loop that is not unrolled could not leave it.
            if 0 < equation.params["length"] <= UNROLL:
                return rounds(equation, operands, again)
            return list(equation.primitive.bind(*operands, **equation.params))

        noting = dict.fromkeys(_GAPS, noted)
        replay(closed, [x], {**noting, "cond": branches, "scan": short_rounds})
        return jnp.concatenate(found) if found else jnp.zeros(0)

    shape = jax.eval_shape(gaps, jax.ShapeDtypeStruct((dimension,), jnp.float64)).shape
    return gaps if shape[0] else None


def _difference(x: Any, y: Any, *_: Any) -> Any:
    if not all(jnp.issubdtype(jnp.result_type(z), jnp.floating) for z in (x, y)):
        return None
    return jnp.asarray(x, jnp.float64) - jnp.asarray(y, jnp.float64)


def _to_whole(x: Any, *_: Any) -> Any:
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        return None
    x = jnp.asarray(x, jnp.float64)
    return x - jnp.round(x)


def _itself(x: Any, *_: Any) -> Any:
    return _difference(x, jnp.zeros_like(x))


_GAPS: dict[str, Callable] = {
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne", "max", "min", "rem"), _difference),
    **dict.fromkeys(("floor", "ceil", "round", "convert_element_type"), _to_whole),
    **dict.fromkeys(("sign", "abs", "is_finite"), _itself),
}

"""Branch and bound: cuts a region into cells until the margin on each of them is good enough."""

import dataclasses
import functools
import heapq
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.enclosure.affine import AffineFamily, Form, jacobian_family, jacobian_form
from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.flat import FlatField
from certify.metric.cell_margin import CellBounds, margin_bounds, reduced
from certify.region import Region
from certify.symmetry import mirrored


class Leaf(NamedTuple):
    """A cell that is not cut further; `family` is None where it lies outside the region."""

    family: AffineFamily | None


class Split(NamedTuple):
    """A cell cut in two along a coordinate: children `below` and `above`, as node numbers."""

    axis: int
    at: float
    below: int
    above: int


class Progress(NamedTuple):
    """How far branch and bound has come.

    Attributes:
        cells: Cells so far.
        margin: The margin of the worst cell so far, in floating point: yet to be proved.
        target: The margin that would end the search.
        seconds: Since the start.
    """

    cells: int
    margin: float
    target: float
    seconds: float


class Tree(NamedTuple):
    """Cells that cover a region: node 0 is its bounding box.

    Attributes:
        nodes: Leaves and splits.
        peak: About the largest margin that more cells could reach (an estimate).
        shortfall: Why the target was not met; empty if it was.
    """

    nodes: list[Leaf | Split]
    peak: float
    shortfall: str

    def preorder(self) -> Iterator[Leaf | Split]:
        """Every node, each split before its children, the child below first."""
        pending = [0]
        while pending:
            node = self.nodes[pending.pop()]
            if isinstance(node, Split):
                pending += [node.above, node.below]
            yield node

    def families(self) -> list[AffineFamily]:
        """The families of all cells inside the region, in preorder."""
        leaves = (node for node in self.preorder() if isinstance(node, Leaf))
        return [leaf.family for leaf in leaves if leaf.family is not None]


def stack(families: list[AffineFamily]) -> AffineFamily:
    """A batch of families."""
    return jax.tree.map(lambda *parts: np.stack(parts), *families)


def cover(
    field: FlatField,
    region: Region,
    weights: Float[np.ndarray, " n"],
    *,
    tightness: float,
    max_cells: int,
    progress: Callable[[Progress], None] | None = None,
    form: Form | None = None,
) -> Tree:
    """Cuts the region into cells until each has a good margin in the metric, worst cell first.

    Args:
        field: The pseudo-gradient as a function of vectors.
        region: Where.
        weights: Of the metric, one per coordinate.
        tightness: Stop when every cell reaches this share of what smaller cells could reach.
        max_cells: Stop, incomplete, at this many cells.
        progress: Called after each batch.
        form: How Jacobians are enclosed; the best one when not given.

    Returns:
        The tree of cells with their families. Bounds in the metric guide the search only; they are
        to be proved by the checker.
    """
    evaluate, batch = _evaluator(field, form)
    lower, upper = region.bounds()
    start = time.perf_counter()
    nodes: list[Leaf | Split] = []
    bounds: dict[int, tuple[float, float, np.ndarray]] = {}
    corners: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    worst: list[tuple[float, int]] = []

    def add(cells: list[tuple[np.ndarray, np.ndarray]]) -> list[int]:
        outside = [region.misses(low, high) for low, high in cells]
        inside = [cell for cell, out in zip(cells, outside, strict=True) if not out]
        measured = iter(
            zip(*_measure(evaluate, inside, batch, weights, field.signs), strict=True)
            if inside
            else ()
        )
        numbers = []
        for cell, out in zip(cells, outside, strict=True):
            number = len(nodes)
            numbers.append(number)
            if out:
                nodes.append(Leaf(None))
                continue
            family, margin, peak, scores = next(measured)
            nodes.append(Leaf(family))
            corners[number], bounds[number] = cell, (margin, peak, scores)
            heapq.heappush(worst, (margin, number))
        return numbers

    add([(lower, upper)])
    while True:
        peak = min(peak for _, peak, _ in bounds.values())
        target = tightness * peak if peak > 0 else peak
        if progress is not None:
            elapsed = time.perf_counter() - start
            progress(Progress(len(bounds), worst[0][0], target, elapsed))
        if worst[0][0] >= target:
            return Tree(nodes, peak, "")
        if peak <= 0:
            return Tree(nodes, peak, "smaller cells are not expected to reach a positive margin")
        if len(bounds) >= max_cells:
            return Tree(nodes, peak, f"the budget of {max_cells} cells was used up")
        chosen = []
        room = min(batch // 2, max_cells - len(bounds))
        while worst and worst[0][0] < target and len(chosen) < room:
            chosen.append(heapq.heappop(worst)[1])
        cuts = []
        for number in chosen:
            cut = _cut(*corners[number], bounds[number][2])
            if cut is None:
                return Tree(nodes, peak, "the cells have become as small as float64 allows")
            cuts.append(cut)
        children = []
        for number, (axis, at) in zip(chosen, cuts, strict=True):
            low, high = corners.pop(number)
            del bounds[number]
            middle_high, middle_low = high.copy(), low.copy()
            middle_high[axis] = middle_low[axis] = at
            nodes[number] = Split(axis, at, -1, -1)
            children += [(low, middle_high), (middle_low, high)]
        numbers = add(children)
        for k, number in enumerate(chosen):
            split = nodes[number]
            assert isinstance(split, Split)
            nodes[number] = split._replace(below=numbers[2 * k], above=numbers[2 * k + 1])


def _cut(low: np.ndarray, high: np.ndarray, scores: np.ndarray) -> tuple[int, float] | None:
    """Halves the coordinate that contributes most to the remainder, else the widest.

    None if there is no number between the ends.
    """
    useful = np.isfinite(scores).all() and scores.max() > 0
    axis = int(np.argmax(scores if useful else high - low))
    at = 0.5 * low[axis] + 0.5 * high[axis]
    return (axis, at) if low[axis] < at < high[axis] else None


@functools.lru_cache(maxsize=32)
def _evaluator(field: FlatField, form: Form | None) -> tuple[Callable, int]:
    """The compiled enclosure of a batch of cells, of one fixed size so that it compiles once."""
    n = field.dimension
    form = form or jacobian_form(field.function, n)
    entries = n**4 if form == "affine" else n**2
    batch = 2 if form == "constant" else int(np.clip(2**22 // entries, 2, 64))
    family, costs = (
        jacobian_family(field.function, form),
        enclose(field.costs, RULES | SMOOTH_RULES),
    )

    def evaluate(lower: Any, upper: Any) -> AffineFamily:
        # A jump of a cost leaves no trace in its gradient, which is then the gradient of nothing.
        values = jax.tree.leaves(costs(Interval(lower, upper)))
        smooth = jnp.stack([jnp.isfinite(value).all() for value in values]).all()
        found = family(lower, upper)
        return dataclasses.replace(found, finite=found.finite & smooth)

    return jax.jit(jax.vmap(evaluate)), batch


def _measure(
    evaluate: Callable,
    cells: list[tuple[np.ndarray, np.ndarray]],
    batch: int,
    weights: np.ndarray,
    signs: np.ndarray,
) -> tuple[list[AffineFamily], list[float], list[float], list[np.ndarray]]:
    families: list[AffineFamily] = []
    results: list[CellBounds] = []
    for first in range(0, len(cells), batch):
        part = cells[first : first + batch]
        padded = part + part[:1] * (batch - len(part))
        family = evaluate(*(np.stack(corner) for corner in zip(*padded, strict=True)))
        family = reduced(mirrored(family, signs))
        bounds = margin_bounds(family, weights, signs)
        results.append(CellBounds(*(value[: len(part)] for value in bounds)))
        families += [
            jax.tree.map(lambda leaf, k=k: np.asarray(leaf[k]), family) for k in range(len(part))
        ]
    margins, peaks, scores, _ = (np.concatenate(values) for values in zip(*results, strict=True))
    return families, margins.tolist(), peaks.tolist(), list(scores)

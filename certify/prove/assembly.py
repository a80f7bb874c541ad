"""From cells to the contents of a certificate file that the checker accepts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from certify.checker import Unusable
from certify.checker.graph import game_hash
from certify.checker.reader import CONVERGENCE, FORMAT, VERSION
from certify.checker.steps import STEP_RULES as THEOREMS
from certify.checker.steps import SYMMETRIC, UNPROJECTED
from certify.claims.checked import Checked, NotAccepted
from certify.file import evidence
from certify.file.provenance import provenance
from certify.graph.builder import GraphError
from certify.graph.trace import graph_data
from certify.jacobian.family import AffineFamily
from certify.metric.block_constants import BlockConstants, block_constants
from certify.metric.cell_margin import lipschitz_bounds, margin_bounds, margin_modes
from certify.metric.metric import Metric, Weighting
from certify.metric.modes import Modes
from certify.metric.objective import LIMIT, ROUNDER, SHARE, Aim
from certify.metric.small_gain import SmallGain, rounder_gain, small_gain
from certify.problem.constraints import Constraints
from certify.problem.field import FlatField, compiled_value
from certify.problem.natural_gradient import Natural
from certify.problem.region import Box, Limits, Region
from certify.problem.structure import describe
from certify.prove.zeros import constrained_radius, residual_bound
from certify.rounding import EPSILON
from certify.search.tree import Tree
from certify.steps import STEP_RULES, Setting, Step, onto_sets

TRUSTED = (
    "Statement (B) of certify/checker/proof.py: that the Jacobian of the pseudo-gradient lies in "
    "the stated family on each cell, and the residual bound. Level 2 of the checker re-derives it "
    "from the costs in this file; else it comes from certify.enclosure. Where provenance says that "
    "the enclosure is 'taylor', families rest on IEEE-754 arithmetic in NumPy, python-flint, and "
    "the graph of the costs in this file being that of their code; so does the residual of costs "
    "that are short enough for Taylor polynomials, whatever the enclosure. All other residuals and "
    "families rest on JAX's derivative rules for that code, IEEE-754 arithmetic, and the error "
    "margins for JAX's float64 functions in certify/enclosure/rounding.py. Where the file calls "
    "the game zero-sum, (B) also says that the two costs are a payoff and its negative.",
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic.",
    "The checker and the Python interpreter that runs it.",
)


class Assembly:
    """Turns a tree of cells into the contents of a file that the checker accepts.

    Args:
        field: The pseudo-gradient.
        region: Where.
        tree: The cells, with their families of Jacobians.
        point: Nearly the equilibrium.
        constraints: The strategy sets, if the file is to speak of steps projected onto them, which
            takes a metric of weights; then the point has to be in them.
        aim: What metrics and steps are chosen for; a basin when not given.
        given: Whether the metric is the user's, and no other one is to take its place.
        unproved: Methods without a theorem that would apply, and why.
    """

    def __init__(
        self,
        field: FlatField,
        region: Region,
        tree: Tree,
        point: np.ndarray,
        constraints: Constraints | None = None,
        *,
        aim: Aim | None = None,
        given: bool = False,
        unproved: dict[str, str] | None = None,
    ):
        self.field, self.region, self.tree, self.point = field, region, tree, point
        self.aim, self.given = aim or Aim.usual(field.dimension), given
        self.unproved = unproved or {}
        self.rounded = evidence.quantized(tree)
        self.unit = self.rounded.unit
        self.families: AffineFamily = evidence.in_units(self.rounded.families, self.unit)
        self.graph, self.without_graph = _graph(field)
        self.residual = residual_bound(field, point) + _pull_error(field)
        self.onto = None if constraints is None else self._onto(constraints)

    def proved(self, weighting: Weighting, methods: list[str]) -> tuple[Checked | None, str]:
        """Returns contents that the checker has accepted, or None and why there is no proof.

        Floating-point bounds are backed off by a little, and by more if that does not suffice for
        an exact proof.
        """
        reason = "the margin on some cell is not positive"
        for backoff in (2.0**-42, 2.0**-36, 2.0**-28, 2.0**-20):
            constants = self._constants(backoff)
            gain = self._gain(constants)
            margin, choice = self._margin(weighting, backoff)
            if not self.given and gain.margin > margin:
                spread = np.repeat(gain.weights, self.field.sizes)
                in_gain, gain_choice = self._margin(spread, backoff)
                if self._prefers(spread, in_gain, weighting, margin):
                    weighting, margin, choice = spread, in_gain, gain_choice
            if margin <= 0:
                return None, reason
            data, reason = self._file(weighting, margin, choice, constants, gain, methods, backoff)
            if data is None:
                return None, reason
            try:
                return Checked(data), ""
            except NotAccepted as rejection:
                reason = f"the bounds could not be proved exactly: {rejection}"
            except Unusable as error:  # too large to be checked
                return None, str(error)
        return None, reason

    def margin(self, weighting: Weighting) -> float:
        """The margin of the worst cell in a metric, in floating point: yet to be proved."""
        return self._margin(weighting, 2.0**-42)[0]

    def _margin(
        self, weighting: Weighting, backoff: float
    ) -> tuple[float, tuple[np.ndarray, Modes | None]]:
        """The margin in a metric, and what the checker needs to prove it."""
        modes = margin_modes(self.families, weighting, self.field.signs, self.unit)
        bounds = margin_bounds(self.families, weighting, self.field.signs, modes)
        scale = _scale(self.families.centre, Metric(weighting))
        return float(bounds.margin.min() - backoff * scale), (bounds.scaling, modes)

    def _gain(self, constants: BlockConstants) -> SmallGain:
        """The small-gain test: with the largest margin, or with weights that differ much less."""
        best = small_gain(constants.curvature, constants.coupling)
        if self.aim.objective != "basin":
            return best
        share = SHARE[self.aim.objective]
        found = rounder_gain(constants.curvature, constants.coupling, best, share)
        return best if found is None or not self._much_rounder(found, best) else found

    def _much_rounder(self, found: SmallGain, best: SmallGain) -> bool:
        new, old = (
            self.aim.roundness(np.repeat(gain.weights, self.field.sizes)) for gain in (found, best)
        )
        return new >= ROUNDER * old

    def _prefers(
        self, spread: np.ndarray, in_gain: float, weighting: Weighting, margin: float
    ) -> bool:
        """Whether weights of the small-gain test are to take the place of a metric."""
        if margin <= 0:
            return in_gain > 0
        rounder, known = self.aim.roundness(spread), self.aim.roundness(weighting)
        share = 1.0 if rounder >= known else SHARE[self.aim.objective]
        return in_gain * share > margin and rounder >= min(known, LIMIT**-0.5)

    def _constants(self, backoff: float) -> BlockConstants:
        low, high, coupling = block_constants(self.families, self.field.sizes)
        slack = backoff * float(np.abs(self.families.centre).max())
        off = ~np.eye(len(low), dtype=bool)
        return BlockConstants(low - slack, high + slack, np.where(off, coupling + slack, 0.0))

    def _file(
        self,
        weighting: Weighting,
        margin: float,
        choice: tuple[np.ndarray, Modes | None],
        constants: BlockConstants,
        gain: SmallGain,
        methods: list[str],
        backoff: float,
    ) -> tuple[dict | None, str]:
        metric = Metric(weighting)
        margin_scaling, modes = choice
        norms, lipschitz_scaling = lipschitz_bounds(self.families, weighting)
        scale = _scale(self.families.centre, metric)
        lipschitz = max(float(norms.max() + backoff * scale), margin)
        onto = None if metric.is_matrix else self.onto
        residual = self.residual if onto is None else onto.residual
        radius = max(self._radius(metric, margin, lipschitz, onto), 1e-150)
        reach_in, reach_of = self._reaches(onto)
        reach = self._reach(_floors(metric, self.region), onto)
        basin = reach - 2 * radius * (1 + 2.0**-40)
        if basin <= 0:
            return None, "the ball that contains the equilibrium is not inside the region"
        convex = constants.curvature.min() > 0 or not metric.is_matrix
        if self.field.is_gradient and not convex:
            return None, (
                "the costs were not shown to be convex in the players' own strategies, without "
                "which a zero of the pseudo-gradient need not be an equilibrium"
            )
        below = _weights_below(metric, self.field.sizes)
        setting = Setting(
            margin, lipschitz, below, constants, gain, radius, reach, reach_in, reach_of
        )
        steps, without = [], dict(self.unproved)
        excluded = set() if onto is None else set(UNPROJECTED)
        if not self.field.is_gradient:
            excluded |= SYMMETRIC
        for method in methods:
            proposed = [step for rule in STEP_RULES[method] if (step := rule(setting))]
            candidates = [step for step in proposed if step["theorem"] not in excluded]
            if not candidates:
                without[method] = self._why_no_step(method, onto)
                continue
            best = self._best_step(candidates, weighting, gain, basin)
            steps.append({"method": method, **{k: _hex(v) for k, v in best.items()}})
        claims = {
            **_metric_claim(metric, self.field.sizes),
            "margin": _hex(margin),
            "lipschitz": _hex(lipschitz),
            "small_gain": {
                "margin": _hex(gain.margin),
                "left": _hexes(gain.left),
                "right": _hexes(gain.right),
                "curvature": _hexes(constants.curvature),
                "smoothness": _hexes(constants.smoothness),
                "coupling": [_hexes(row) for row in constants.coupling],
            },
            "equilibrium": {
                "center": _hexes(self.point),
                **({} if onto is None else {"value": _hexes(onto.value)}),
                "residual": _hexes(residual),
                "radius": _hex(radius),
            },
            "basin": {"radius": _hex(basin)},
            "steps": steps,
        }
        players = [
            {"name": name, "size": size}
            for name, size in zip(self.field.names, self.field.sizes, strict=True)
        ]
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": CONVERGENCE,
            "game": {
                "name": self.field.name,
                "code": self.field.hash,
                "players": players,
                **({"zero_sum": True} if self.field.zero_sum else {}),
                **({} if self.field.is_gradient else {"field": self.field.name}),
                **({} if self.field.natural is None else {"natural": _natural(self.field.natural)}),
                **({} if onto is None else {"sets": onto.constraints.to_json(_hex)}),
                "structure": describe(self.region.center),
                **({} if self.graph is None else {"graph": self.graph}),
            },
            "region": self.region.to_json(_hex),
            "claims": claims,
            **({"promoted": list(self.field.promoted)} if self.field.promoted else {}),
            "trusted": [*TRUSTED, *self.field.promoted],
            "provenance": {
                **provenance(),
                **({} if self.graph is not None else {"no_graph": self.without_graph}),
                **({"methods_without_step": without} if without else {}),
            },
            "evidence": {
                "unit": self.unit,
                "cells": evidence.nodes(
                    self.tree, self.rounded, margin_scaling, lipschitz_scaling, modes
                ),
            },
        }
        data["game"]["hash"] = game_hash(data["game"])
        return data, ""

    def _why_no_step(self, method: str, onto: "_Onto | None") -> str:
        if onto is not None and not onto_sets(method):
            return "there is no theorem on its steps projected onto strategy sets"
        theorems = {theorem for name, theorem in THEOREMS if name == method}
        if not self.field.is_gradient and theorems <= SYMMETRIC:
            return "its theorem is one for pseudo-gradients, and this is another field"
        return "no step of it was proved with a basin in the region"

    def _best_step(
        self, candidates: list[Step], weighting: Weighting, gain: SmallGain, basin: float
    ) -> Step:
        """Of the steps by several theorems, the one that serves the aim.

        That is the largest one, of those whose basin is not much smaller than another one's; but
        for the rate it is the best rate, and for step or margin the largest step.
        """
        objective = self.aim.objective
        if objective == "rate":
            return min(candidates, key=lambda step: step["rate"])
        if objective == "basin":
            spread = np.repeat(gain.weights, self.field.sizes)

            def reach(step: Step) -> float:
                """Its shortest axis, in half-widths, about."""
                metric = spread if step["theorem"] == "small_gain" else weighting
                size = np.sqrt(metric if metric.ndim == 1 else np.diagonal(metric))
                return step.get("basin", basin) / float((size * self.aim.half_widths).max())

            if all("inner" not in step for step in candidates):
                most = max(map(reach, candidates))
                candidates = [step for step in candidates if ROUNDER * reach(step) >= most]
        return max(candidates, key=lambda step: step["max"])

    def _onto(self, constraints: Constraints) -> "_Onto":
        value = np.asarray(compiled_value(self.field)(self.point))
        residual = residual_bound(self.field, self.point, value)
        return _Onto(constraints, value, residual, constraints.limits(self.region))

    def _reach(self, floors: np.ndarray, onto: "_Onto | None") -> float:
        """Radius of the largest ball around the centre inside the region, by floors per coordinate.

        Where there are strategy sets, only its points in them count.
        """
        limits = None if onto is None else onto.limits
        return self.region.largest_ball(self.point, floors, limits) * (1 - 2.0**-40)

    def _reaches(
        self, onto: "_Onto | None"
    ) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], float]]:
        """The same of other metrics, by weights per player, and of max-norms, by their scales."""

        def of_weights(weights: np.ndarray) -> float:
            return self._reach(np.repeat(weights, self.field.sizes), onto)

        def of_scale(scale: np.ndarray) -> float:
            # The farthest of all x with |x_i - c_i| <= r scale_i are within r scale_i in a
            # coordinate, and r |scale| in all.
            is_box = isinstance(self.region, Box)
            return of_weights(scale**-2 if is_box else np.full(len(scale), 1 / (scale @ scale)))

        return of_weights, of_scale

    def _radius(
        self, metric: Metric, margin: float, lipschitz: float, onto: "_Onto | None"
    ) -> float:
        """Of the ball that contains the equilibrium."""
        if onto is None:
            return metric.length_above(self.residual) / margin * (1 + 2.0**-40)
        weights = _weights_below(metric, self.field.sizes)
        point = self.point, onto.value, onto.residual
        return constrained_radius(onto.constraints, *point, weights, margin, lipschitz)


class _Onto(NamedTuple):
    """What is known where steps are projected onto strategy sets.

    Attributes:
        constraints: The sets.
        value: Nearly `F(point)`.
        residual: Bounds on what it is off by.
        limits: Which faces of the region limit balls of points in the sets.
    """

    constraints: Constraints
    value: np.ndarray
    residual: np.ndarray
    limits: Limits


def _graph(field: FlatField) -> tuple[dict[str, Any] | None, str]:
    """The costs spelled out, or None and why they cannot be."""
    try:
        return graph_data(field), ""
    except GraphError as error:
        return None, str(error)


def _pull_error(field: FlatField) -> np.ndarray | float:
    """What the reference of a natural gradient, in floats, may be off by, times the temperature."""
    if field.natural is None:
        return 0.0
    return 64 * EPSILON * field.natural.temperature * np.abs(field.natural.reference)


def _natural(natural: Natural) -> dict[str, Any]:
    return {"temperature": _hex(natural.temperature), "reference": _hexes(natural.reference)}


def _scale(matrices: Any, metric: Metric) -> float:
    return float(np.abs(metric.framed(matrices)).max()) * len(metric.root)


# A bound on a matrix from below is backed off by so much, so that it can be proved exactly.
_BELOW = 1 - 2.0**-20


def _floors(metric: Metric, region: Region) -> np.ndarray:
    """Numbers per coordinate that limit what balls of a metric fit in a region."""
    if not metric.is_matrix:
        return metric.weighting
    if isinstance(region, Box):
        return _BELOW * metric.coordinate
    return np.full(len(metric.root), _BELOW * metric.smallest)


def _weights_below(metric: Metric, sizes: tuple[int, ...]) -> np.ndarray:
    """One weight per player: the metric, or one that is nowhere larger."""
    if metric.is_matrix:
        return np.full(len(sizes), _BELOW * metric.smallest)
    return metric.weighting[np.cumsum(sizes) - 1]


def _metric_claim(metric: Metric, sizes: tuple[int, ...]) -> dict[str, Any]:
    """How the file states the metric."""
    if not metric.is_matrix:
        return {"weights": _hexes(_weights_below(metric, sizes))}
    lower = [_hexes(row[: i + 1]) for i, row in enumerate(metric.weighting)]
    smallest = _hex(_BELOW * metric.smallest)
    coordinate = _hexes(_BELOW * metric.coordinate)
    return {"metric": {"lower": lower, "smallest": smallest, "coordinate": coordinate}}


def _hex(value: Any) -> Any:
    if isinstance(value, list):
        return _hexes(value)
    if isinstance(value, dict):
        return {key: _hex(item) for key, item in value.items()}
    return value if isinstance(value, str) else float(value).hex()


def _hexes(values: Any) -> list[Any]:
    return [_hex(value) for value in values]

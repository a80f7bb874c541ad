"""From cells to the contents of a certificate file that the checker accepts."""

from typing import Any

import numpy as np

from certify import evidence
from certify.checker import Unusable, check_data
from certify.checker.reader import FORMAT, VERSION
from certify.constants import BlockConstants, block_constants
from certify.enclosure.affine import (
    AffineFamily,
)
from certify.equilibrium import residual_bound
from certify.flat import FlatField
from certify.metric.cell_margin import lipschitz_bounds, margin_bounds, margin_modes
from certify.metric.metric import Metric, Weighting
from certify.metric.modes import Modes
from certify.metric.small_gain import SmallGain, small_gain
from certify.provenance import provenance
from certify.region import Box, Region
from certify.steps import STEP_RULES, Setting
from certify.structure import describe
from certify.tree import Tree

TRUSTED = (
    "Statement (B) of certify/checker/proof.py: that the Jacobian of the pseudo-gradient lies in "
    "the stated family on each cell, and the residual bound. Both come from certify.enclosure, "
    "which relies on JAX's derivative rules for the code of the costs, on IEEE-754 arithmetic, and "
    "on the error margins for JAX's float64 functions in certify/enclosure/rounding.py. Where the "
    "file calls the game zero-sum, (B) also says that the two costs are a payoff and its negative.",
    "The costs mean the real-valued functions that their code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic.",
    "The checker and the Python interpreter that runs it.",
)


class Assembly:
    """Turns a tree of cells into the contents of a file that the checker accepts."""

    def __init__(self, field: FlatField, region: Region, tree: Tree, point: np.ndarray):
        self.field, self.region, self.tree, self.point = field, region, tree, point
        self.unit, self.rounded = evidence.quantized(tree)
        self.families: AffineFamily = evidence.in_units(self.rounded, self.unit)
        self.residual = residual_bound(field, point)

    def proved(self, weighting: Weighting, methods: list[str]) -> tuple[dict | None, str]:
        """The contents of the file, or None and the reason why there is no proof.

        Floating-point bounds are backed off by a little, and by more if that does not suffice for
        an exact proof.
        """
        reason = "the margin on some cell is not positive"
        for backoff in (2.0**-42, 2.0**-36, 2.0**-28, 2.0**-20):
            constants = self._constants(backoff)
            gain = small_gain(constants.curvature, constants.coupling)
            margin, choice = self._margin(weighting, backoff)
            if gain.margin > margin:  # keep the larger
                spread = np.repeat(gain.weights, self.field.sizes)
                in_gain, gain_choice = self._margin(spread, backoff)
                if in_gain > margin:
                    weighting, margin, choice = spread, in_gain, gain_choice
            if margin <= 0:
                return None, reason
            data, reason = self._file(weighting, margin, choice, constants, gain, methods, backoff)
            if data is None:
                return None, reason
            try:
                verdict = check_data(data)
            except Unusable as error:  # too large to be checked
                return None, str(error)
            if verdict.ok:
                return data, ""
            reason = "the bounds could not be proved exactly: " + "; ".join(verdict.reasons)
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
        radius = metric.length_above(self.residual) / margin * (1 + 2.0**-40)
        radius = max(radius, 1e-150)
        floors = _floors(metric, self.region)
        reach = self.region.largest_ball(self.point, floors) * (1 - 2.0**-40)
        basin = reach - 2 * radius * (1 + 2.0**-40)
        if basin <= 0:
            return None, "the ball that contains the equilibrium is not inside the region"
        if metric.is_matrix and not constants.curvature.min() > 0:
            return None, (
                "the costs were not shown to be convex in the players' own strategies, without "
                "which a zero of the pseudo-gradient need not be an equilibrium"
            )
        below = _weights_below(metric, self.field.sizes)
        reaches = self._reach_in, self._reach_of
        setting = Setting(margin, lipschitz, below, constants, gain, radius, reach, *reaches)
        steps = []
        for method in methods:
            candidates = [step for rule in STEP_RULES[method] if (step := rule(setting))]
            if not candidates:
                return (
                    None,
                    f"no step of the method {method!r} was proved with a basin in the region",
                )
            best = max(candidates, key=lambda step: step["max"])
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
                "residual": _hexes(self.residual),
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
            "game": {
                "name": self.field.name,
                "hash": self.field.hash,
                "players": players,
                **({"zero_sum": True} if self.field.zero_sum else {}),
                "structure": describe(self.region.center),
            },
            "region": self.region.to_json(_hex),
            "claims": claims,
            **({"promoted": list(self.field.promoted)} if self.field.promoted else {}),
            "trusted": [*TRUSTED, *self.field.promoted],
            "provenance": provenance(),
            "evidence": {
                "unit": self.unit,
                "cells": evidence.nodes(
                    self.tree, self.rounded, margin_scaling, lipschitz_scaling, modes
                ),
            },
        }
        return data, ""

    def _reach_in(self, weights: np.ndarray) -> float:
        """Radius of the largest ball of another metric around the centre inside the region."""
        spread = np.repeat(weights, self.field.sizes)
        return self.region.largest_ball(self.point, spread) * (1 - 2.0**-40)

    def _reach_of(self, scale: np.ndarray) -> float:
        """The largest r such that all x with `|x_i - c_i| <= r scale_i` are inside the region."""
        # The farthest of them are within r scale_i in a coordinate, and r |scale| in all.
        is_box = isinstance(self.region, Box)
        return self._reach_in(scale**-2 if is_box else np.full(len(scale), 1 / (scale @ scale)))


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

"""Turns the cells of a step map into the contents of a file that the checker accepts."""

from typing import Any

import equinox as eqx
import jax
import numpy as np

import dgames as dg
from certify.checker import Unusable
from certify.checker.reader import CONTRACTION, FORMAT, VERSION
from certify.claims.checked import Checked, NotAccepted
from certify.file.cells import Entry, family_in_file, integers, rounded, scaled, tree_in_file
from certify.file.provenance import provenance
from certify.jacobian.family import AffineFamily
from certify.problem.exact_types import known_instance
from certify.problem.field import FlatField
from certify.prove.direct.factor import FactorBound, factor_bound, metric_inverse, rounded_metric
from certify.prove.direct.metric_box import MetricBox
from certify.prove.direct.step_map import StepMap
from certify.search.tree import Tree

TRUSTED = (
    "Statement (B) of certify/checker/contraction.py: that the Jacobian of the step map lies in "
    "the stated family on each cell, that of the first state too, and the residuals. They come "
    "from certify.prove.direct.step_map, hence from certify.enclosure and the error margins for "
    "JAX's float64 functions in certify/enclosure/elementary, and from JAX's derivative rules.",
    "The step map is the real-valued function that the code of the method and of the costs spells "
    "out, with constants taken exactly; what a computer adds by rounding at run time is not in it.",
    "Step and costs are pure functions: the code that was traced is the code that runs.",
    "The hashes of game and step say which code the bounds were computed from; no code is in this "
    "file that could be compared with them: certify.is_same_step traces it again.",
    "The checker and the Python interpreter that runs it.",
)

_ZEROS = (
    "fixed points of this method are zeros of the field: its buffers are at rest only where the "
    "field vanishes"
)
# Why a fixed point of the step is a zero of the field, by the name of a known method;
# extragradient and Runge-Kutta steps may rest elsewhere, and complex momentum where
# Re(h / (1 - b)) = 0.
_EQUILIBRIA = {
    "simultaneous": "x = x - h F(x) only where F(x) = 0",
    "alternating": "every player rests, one after the other, only where F(x) = 0",
    "momentum": _ZEROS,
    "optimistic": _ZEROS,
}
# The share by which remainders are enlarged when they are rounded.
ROOM = 2.0**-50


def assembled(
    field: FlatField,
    step: StepMap,
    method: Any,
    center: np.ndarray,
    setting: MetricBox,
    tree: Tree[AffineFamily],
) -> tuple[Checked | None, str]:
    """Returns the contents of a file that the checker accepts, or why there is none."""
    families = tree.evidence()
    if not all(bool(family.finite) for family in families):
        return None, (
            "on some cell the costs were not shown to be smooth wherever the step evaluates them, "
            "or a trial point to stay in its strategy set"
        )
    unit = _unit(families)
    families = [rounded(family, unit, ROOM) for family in families]
    bounds = [
        factor_bound(scaled(family, unit), setting.metric, setting.inverse) for family in families
    ]
    worst = max(bound.factor for bound in bounds)
    if not worst < 1:
        return None, (
            f"the factor is not proved to be below 1 on some cell (at most {worst:.4g})"
            + (f"; {tree.shortfall}" if tree.shortfall else "")
        )
    point = step.enclosed(center, center)
    if not point.finite:
        return None, "the step was not shown to be defined at its fixed point"
    residual = _distance(point.value, center)
    length = float(np.sqrt(residual @ np.abs(setting.metric) @ residual))
    reason = "the bounds could not be proved exactly"
    for slack in (2.0**-24, 2.0**-16, 2.0**-10):
        # Round up to a short number that is still below one.
        factor = worst + slack * (1 - worst)
        factor = float(np.ceil(factor * 2.0**40) * 2.0**-40)
        if not factor < 1:
            continue
        radius = max(length / (1 - factor) * (1 + 2.0**-20), 1e-150)
        basin = setting.reach * (1 - 2.0**-14) - 2 * radius
        if basin <= 0:
            return None, "the ball that contains the fixed point is not inside the region"
        metric_unit, metric = rounded_metric(setting.metric)
        inverse_unit, inverse = rounded_metric(setting.inverse)
        claims: dict[str, Any] = {
            "lower": _hexes(setting.lower),
            "upper": _hexes(setting.upper),
            "metric": {"unit": metric_unit, "matrix": integers(metric)},
            "rate": factor.hex(),
            "center": _hexes(center),
            "residual": _hexes(residual),
            "radius": float(radius).hex(),
            "basin": float(basin).hex(),
        }
        evidence: dict[str, Any] = {
            "inverse": {"unit": inverse_unit, "matrix": integers(inverse)},
            "unit": unit,
            "cells": tree_in_file(tree, map(_cell, families, bounds)),
        }
        if step.dimension > step.strategy:
            start = _start(step, setting, center, basin, unit)
            if start is None:
                return None, "the first state of the method was not shown to lie in the box"
            claims["start"], evidence["start"] = start
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": CONTRACTION,
            "game": {"name": field.name, "hash": field.hash},
            "method": _described(method, step),
            "coordinates": {
                "strategy": step.strategy,
                "state": step.dimension - step.strategy,
            },
            "claims": claims,
            "trusted": [*TRUSTED, *field.promoted],
            "provenance": provenance(),
            "evidence": evidence,
        }
        try:
            return Checked(data), ""
        except NotAccepted as rejection:
            reason = f"the bounds could not be proved exactly: {rejection}"
        except Unusable as error:
            return None, str(error)
    return None, reason


def _start(
    step: StepMap, setting: MetricBox, center: np.ndarray, basin: float, unit: int
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Finds a ball of strategies from which the method's own first state is in the basin."""
    n = step.strategy
    lower, upper = setting.lower[:n], setting.upper[:n]
    found = step.started(lower, upper)
    point = step.started(center[:n], center[:n])
    if not (found.finite and point.finite):
        return None
    _, slope = step.start(center[:n])
    metric_unit, entries = rounded_metric(slope.T @ setting.metric @ slope)
    metric = np.ldexp(entries, metric_unit)
    bound = factor_bound(found.jacobian, metric, setting.inverse)
    family = rounded(bound.family, unit, ROOM)
    bound = factor_bound(scaled(family, unit), metric, setting.inverse)
    if not np.isfinite(bound.factor):
        return None
    stretch = bound.factor * (1 + 2.0**-12)
    residual = _distance(point.value, center)
    offset = float(np.sqrt(residual @ np.abs(setting.metric) @ residual)) * (1 + 2.0**-20)
    gaps = np.minimum(center[:n] - lower, upper - center[:n])
    inside = gaps / np.sqrt(np.diag(metric_inverse(metric)))
    radius = min((basin - offset) / stretch, float(inside.min())) * (1 - 2.0**-14)
    if radius <= 0:
        return None
    claims = {
        "metric": {"unit": metric_unit, "matrix": integers(entries)},
        "stretch": float(stretch).hex(),
        "residual": _hexes(residual),
        "radius": float(radius).hex(),
    }
    return claims, _cell(family, bound)


def _distance(value: AffineFamily, center: np.ndarray) -> np.ndarray:
    """Returns an upper bound on the size of each entry of `value - center`."""
    gap = np.abs(value.centre[:, 0] - center)
    rounding = 2.0**-50 * (np.abs(value.centre[:, 0]) + np.abs(center))
    return (gap + rounding + value.spread[:, 0]) * (1 + 2.0**-40)


def _unit(families: list[AffineFamily]) -> int:
    largest = max(float(np.abs(family.centre).max()) for family in families)
    return int(np.ceil(np.log2(max(largest, 2.0**-900)))) - 46


def _cell(family: AffineFamily, bound: FactorBound) -> Entry:
    return {**family_in_file(family), "scaling": bound.scaling}


def _described(method: Any, step: StepMap) -> dict[str, Any]:
    """Describes a method for people, with its numbers as they are; no claim depends on this.

    The step is identified by the hash of its code. The name is that of a method of `dgames` only if
    the method is that very one.
    """
    if not isinstance(method, dg.AbstractMethod):
        name = getattr(method, "__name__", "step")
        return {"name": name, "settings": "a user's own step", "hash": step.hash}
    kind, name = type(method), known_instance(method)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(method) if eqx.is_inexact_array(leaf)]
    return {
        "name": name or f"{kind.__module__}.{kind.__qualname__}",
        "settings": eqx.tree_pformat(method, short_arrays=False, width=10_000),
        "numbers": [
            float(part).hex() for leaf in leaves for x in leaf.ravel() for part in (x.real, x.imag)
        ]
        if any(np.iscomplexobj(leaf) for leaf in leaves)
        else [float(x).hex() for leaf in leaves for x in leaf.ravel()],
        "hash": step.hash,
        **({"equilibrium": _EQUILIBRIA[name]} if name in _EQUILIBRIA else {}),
    }


def _hexes(values: np.ndarray) -> list[str]:
    return [float(value).hex() for value in values]

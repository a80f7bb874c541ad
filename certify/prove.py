"""From a game and a region to a checked certificate."""

import functools
import importlib.metadata
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify import evidence
from certify.branch import Budget, Progress, cover
from certify.certificate import Certificate
from certify.checker import Unusable, check_data
from certify.checker.reader import FORMAT, VERSION, digest
from certify.checkpoint import Checkpoint, identity
from certify.constants import BlockConstants, block_constants, sample_jacobians
from certify.enclosure.affine import (
    AFFINE_LIMIT,
    ARITHMETIC_LIMIT,
    AffineFamily,
    Form,
    jacobian_form,
)
from certify.enclosure.enclose import enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.equilibrium import find_zero, residual_bound
from certify.flat import FlatField, flat_field
from certify.metric.cell_margin import lipschitz_bounds, margin_bounds, margin_modes
from certify.metric.ladder import Choice, climb
from certify.metric.metric import Metric, Weighting
from certify.metric.modes import Modes
from certify.metric.small_gain import SmallGain, small_gain
from certify.metric.weights import sampled_margin
from certify.region import Box, Region
from certify.steps import STEP_RULES, Setting
from certify.structure import describe
from certify.tree import Tree
from certify.workers import crew

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


def certify(
    game: dg.Game,
    region: Region,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Simultaneous,),
    *,
    args: Any = None,
    weights: dict[str, float] | None = None,
    metric: str | Float[np.ndarray, "n n"] = "auto",
    tightness: float = 0.97,
    form: str | None = None,
    max_cells: int = 10_000,
    max_seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    batch_size: int | None = None,
    n_jobs: int | None = None,
) -> Certificate:
    """Proves that learning dynamics converge to a unique Nash equilibrium from a region.

    What a certificate with status "proved" says, for every point and every rounding error:

    - the pseudo-gradient F is strongly monotone over the region in one constant metric, with
      modulus at least `margin`, and Lipschitz with constant at most `lipschitz`; so the flow
      `x' = -F(x)` contracts at rate `margin`. The metric is `sum_i weights_i |x_i|^2` where that
      will do, and `x' P x` with a matrix P where it will not (see `certify.metric.ladder`);
    - there is exactly one equilibrium in the region, inside the given enclosure; each player's
      strategy is that player's strict optimum in the region against the others;
    - from every start in `basin`, the flow converges to it, and so does each method with any step
      up to `step_sizes[method].max`, at the stated rate for the stated best step (and, of methods
      with momentum, for the stated momentum).

    The margin is proved cell by cell in one common metric (the metric has to be constant for that,
    the constants of the cells need not agree); the small-gain test on constants aggregated over the
    whole region stands beside it, and the larger margin is kept.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule. Float32,
            bfloat16 and float16 are promoted to float64, and `Certificate.promoted` says so.
        region: A `Box` or `Ball` of strategies, inside the game's strategy set.
        methods: Classes of methods to find safe step sizes for.
        args: Passed to the costs; fixed.
        weights: The metric to use, by player; chosen by sampling when not given.
        metric: How general a metric may be chosen: "weights" (one per player), "block" (a matrix
            for each player), "full", or "auto", the simplest that promises to suffice. Or a matrix
            to use, in the order of the coordinates, symmetric and positive definite.
        tightness: Cells are cut until the proved margin is at least this share of what further
            cutting could prove, in (0, 1).
        form: How Jacobians are enclosed: "affine" families from third derivatives, affine
            "arithmetic", which often needs far fewer cells and takes several times as long to
            compile, or "interval" matrices. When not given, the first for games of up to 16
            coordinates, the second up to 48 and for sums over many data points or units and for
            linear systems, the third beyond.
        max_cells: Cut no further than to this many cells; what they prove is kept, and if that is
            no margin at all, the status is "undecided".
        max_seconds: The same for the seconds of this call. They are looked at between rounds of
            cells, so compiling and the last round may exceed them, and the proof comes after.
        progress: Called with a `Progress` before each round of cells.
        checkpoint: A file from which the search goes on if it exists and which is written every few
            seconds, when a budget is used up and on Ctrl-C, which still raises `KeyboardInterrupt`.
            After `kill -9` the same call goes on from the last file and gives the same certificate,
            and budgets may be changed. It is never deleted. Its cells are believed, not computed
            again, so keep it where nobody else can write.
        batch_size: Cells evaluated at a time, about. It is rounded up to whole blocks of a fixed
            size (16 cells, fewer of many coordinates) on every device (`jax.local_devices()`), and
            changes speed and memory but not a bit of the certificate.
        n_jobs: Processes, as joblib understands it (-1: all cores). When not given, what an active
            `joblib.parallel_config` says, else this process alone.

    Returns:
        A `Certificate`; its file has been accepted by the independent checker if it is "proved".
        "refuted" means that some player's cost is proved not to be convex in that player's own
        strategy at a point of the region: no block-weighted metric has a margin then, and in no
        metric would a zero of F be known to be an equilibrium.

    Raises:
        ValueError: If the game, the region and the options do not fit together, or the checkpoint
            is damaged or belongs to another search.
        EnclosureError: If the costs use a primitive without an enclosure rule, or look at how
            numbers in lower precision are stored.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> certificate = certify.certify(game, certify.Box.around((0.0, 0.0), 1.0))
        >>> certificate.status, round(certificate.margin, 6)
        ('proved', 2.0)
    """
    budget = Budget(max_cells, max_seconds)
    if not 0 < tightness < 1:
        raise ValueError(f"certify: tightness is {tightness}; it must be between 0 and 1.")
    if max_cells < 1:
        raise ValueError(f"certify: max_cells is {max_cells}; it must be at least 1.")
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"certify: max_seconds is {max_seconds}; it must be positive.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"certify: batch_size is {batch_size}; it must be at least 1.")
    if n_jobs == 0:
        raise ValueError("certify: n_jobs is 0; give a number of processes, or -1 for all cores.")
    names = [_method_name(method) for method in methods]
    field = flat_field(game, region, args)
    chosen_form = _form(form, field)
    given = _given(weights, metric, field)
    point = find_zero(field, region)
    samples = sample_jacobians(field, region, 256, jax.random.key(0))
    without = functools.partial(Certificate, promoted=field.promoted)
    if not np.isfinite(samples).all():
        return without("undecided", ("the Jacobian is not finite everywhere in the region",))
    refutation = _refute(field, region, samples)
    if refutation:
        return without("refuted", (refutation,))
    if point is None:
        return without("undecided", ("no equilibrium was found in the region",))
    if given is None:
        ladder = climb(samples, field.sizes, cast(Choice, metric))
        given = ladder.chosen.weighting, str(ladder)
    weighting, why = given
    if sampled_margin(samples, weighting) <= 0:
        return without(
            "undecided", (f"no metric with a positive margin was found by sampling ({why})",)
        )
    file = None
    if checkpoint is not None:
        file = Checkpoint(checkpoint, identity(field, region, weighting, tightness, chosen_form))
    with crew(
        game, region, args, field, weighting, chosen_form, batch_size=batch_size, n_jobs=n_jobs
    ) as measure:
        tree = cover(
            field,
            region,
            weighting,
            tightness=tightness,
            budget=budget,
            progress=progress,
            measure=measure,
            checkpoint=file,
        )
    if all(family.finite for family in tree.families()):
        data, reason = _Assembly(field, region, tree, point).proved(weighting, names)
    else:
        data, reason = None, "on some cell the costs were not shown to be smooth"
    if data is None:
        return without("undecided", (reason, *filter(None, [tree.shortfall])))
    data["provenance"]["metric"] = why
    data["provenance"]["seconds"] = f"{budget.elapsed:.2f}"
    return Certificate("proved", data={**data, "digest": digest(data)}, promoted=field.promoted)


def _method_name(method: type[dg.AbstractMethod]) -> str:
    name = dg.method_name(method)
    if name not in STEP_RULES:
        raise ValueError(
            f"certify: there is no step-size theorem for {name!r} yet; "
            f"there is one for {', '.join(sorted(STEP_RULES))}."
        )
    return name


def _form(form: str | None, field: FlatField) -> Form:
    """The form that was asked for, if it can be had; a constant Jacobian has but one."""
    usual = jacobian_form(field.function, field.dimension)
    if form is None or usual == "constant":
        return usual
    limits: dict[Form, float] = {
        "affine": AFFINE_LIMIT,
        "arithmetic": ARITHMETIC_LIMIT,
        "interval": math.inf,
    }
    for known, most in limits.items():
        if form == known and field.dimension <= most:
            return known
        if form == known:
            raise ValueError(
                f"certify: the game has {field.dimension} coordinates; the form {form!r} is for at "
                f"most {most}."
            )
    raise ValueError(f"certify: the form is {form!r}; it must be one of {', '.join(limits)}.")


def _given(
    weights: dict[str, float] | None, metric: Any, field: FlatField
) -> tuple[Weighting, str] | None:
    """The metric that the user gives, and that it was given; None if it is to be chosen."""
    if weights is None:
        if isinstance(metric, str):
            if metric not in get_args(Choice):
                raise ValueError(
                    f"certify: metric is {metric!r}; it must be a matrix or one of "
                    f"{', '.join(get_args(Choice))}."
                )
            return None
        if np.shape(metric) != (field.dimension, field.dimension):
            raise ValueError(
                f"certify: metric has shape {np.shape(metric)}; there are {field.dimension} "
                "coordinates."
            )
        try:
            return Metric(np.array(metric, np.float64)).weighting, "a matrix that was given"
        except ValueError as error:
            raise ValueError(f"certify: {error}.") from None
    if set(weights) != set(field.names):
        raise ValueError(
            f"certify: weights are given for {', '.join(weights)}; "
            f"the players are {', '.join(field.names)}."
        )
    if not (isinstance(metric, str) and metric in ("auto", "weights")):
        raise ValueError("certify: weights are a metric; give either them or another one.")
    values = np.array([weights[name] for name in field.names], np.float64)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("certify: weights must be positive and finite.")
    return np.repeat(values, field.sizes), "weights that were given"


def _refute(field: FlatField, region: Region, jacobians: np.ndarray) -> str | None:
    """Proves, at one point, that some player's cost is not convex in the player's own strategy."""
    points = region.sample(jax.random.key(0), len(jacobians))
    starts = np.concatenate([[0], np.cumsum(field.sizes)])
    for name, first, last in zip(field.names, starts[:-1], starts[1:], strict=True):
        own = jacobians[:, first:last, first:last]
        values, vectors = np.linalg.eigh(0.5 * (own + np.swapaxes(own, -1, -2)))
        worst = int(values[:, 0].argmin())
        if values[worst, 0] >= 0:
            continue
        direction = np.zeros(jacobians.shape[-1])
        direction[first:last] = vectors[worst, :, 0]
        along = jnp.asarray(direction)

        def curvature(x: Any, along: Any = along) -> Any:
            return jnp.vdot(along, jax.jvp(field.function, (x,), (along,))[1])

        point, rules = jnp.asarray(points[worst]), RULES | SMOOTH_RULES
        bound = enclose(curvature, rules)(point)
        # Where a cost is undefined its derivative may look well: 1 / x where log(x) is none.
        values = jax.tree.leaves((enclose(field.costs, rules)(point), bound))
        if all(np.isfinite(value).all() for value in values) and bool(bound.upper < 0):
            return (
                f"the cost of player '{name}' is not convex in the player's own strategy: at "
                f"{points[worst].tolist()} its curvature along {direction[first:last].tolist()} is "
                f"at most {float(bound.upper):.6g}"
            )
    return None


class _Assembly:
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
        setting = Setting(margin, lipschitz, below, constants, gain, radius, reach, self._reach_in)
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
            "provenance": _provenance(),
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


def _provenance() -> dict[str, str]:
    packages = ("dgames", "jax", "jaxlib", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {**versions, "created": datetime.now(UTC).isoformat(timespec="seconds")}


def _hex(value: Any) -> Any:
    if isinstance(value, list):
        return _hexes(value)
    if isinstance(value, dict):
        return {key: _hex(item) for key, item in value.items()}
    return value if isinstance(value, str) else float(value).hex()


def _hexes(values: Any) -> list[Any]:
    return [_hex(value) for value in values]

"""Estimates the constants of a game over a region by sampling."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Key

import dgames as dg
from certify.jacobian.enclosure_choice import AutoEnclosure
from certify.metric.metric_options import AutoMetric
from certify.metric.objective import Aim
from certify.metric.weights import (
    choose_weights,
    sampled_constants,
    sampled_lipschitz,
    sampled_margin,
)
from certify.problem.field import FlatField, compiled_jacobians
from certify.problem.region import Region, half_widths
from certify.prove.arguments import check_options, check_region, traced
from certify.search.budget import Budget
from certify.search.search_options import Search
from certify.search.stages import Stages


class Estimate(eqx.Module):
    """Sampled constants, which bound nothing: the true margin may be smaller than `margin`.

    Attributes:
        margin: Smallest sampled strong-monotonicity modulus in the metric of `weights`.
        lipschitz: Largest sampled norm of the Jacobian in that metric.
        weights: Weight of each player, by name.
        curvature: Smallest sampled eigenvalue of each player's own block, by name.
        smoothness: Largest sampled eigenvalue of each player's own block, by name.
        coupling: Largest sampled norms of the other blocks, shape (N, N).
        samples: How many points were looked at.
    """

    margin: float
    lipschitz: float
    weights: dict[str, float]
    curvature: dict[str, float]
    smoothness: dict[str, float]
    coupling: np.ndarray
    samples: int


def estimate(
    game: dg.Game | dg.AbstractField,
    region: Region,
    samples: int = 1000,
    *,
    key: Key[Array, ""],
    args: Any = None,
    metric: AutoMetric = AutoMetric(),
    search: Search = Search(),
) -> Estimate:
    """Samples the constants of a game over a region, which is quick and proves nothing.

    Args:
        game: The game, or a field.
        region: The region to sample.
        samples: Number of uniform random points, at least 1; corners are not looked at.
        key: A JAX random key.
        args: Passed to the costs.
        metric: An `AutoMetric` of weights, which says what the weights are chosen for.
        search: Only its `max_seconds`, after which weights are not improved any more, and its
            `progress` are used.

    Returns:
        An `Estimate`, never a certificate.

    Raises:
        ValueError: If the game does not fit the region, `samples` is not positive, or an option
            has no meaning here.

    Example:
        >>> import certify, jax, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> region = certify.Box((-1.0, -1.0), (1.0, 1.0))
        >>> found = certify.estimate(game, region, 10, key=jax.random.key(0))
        >>> round(found.margin, 6)
        2.0
    """
    if samples < 1:
        raise ValueError(f"estimate: {samples} samples were asked for; take at least 1.")
    check_options("estimate", metric, AutoEnclosure(), search)
    if not isinstance(metric, AutoMetric) or metric.generality not in ("auto", "weights"):
        raise ValueError(
            "estimate: metrics are of weights here; give certify.AutoMetric(objective=...)."
        )
    search.require_unused(
        "estimate", "max_cells", "tightness", "checkpoint", "batch_size", "n_jobs"
    )
    region = check_region("estimate", region)
    stages = Stages(Budget(1, search.max_seconds), search.progress)
    stages.begin("tracing the costs")
    field = traced("estimate", game, region, args)
    stages.begin("looking at Jacobians at points of the region", must=True)
    jacobians = sample_jacobians(field, region, samples, key)
    stages.begin("choosing weights", must=True)
    aim = Aim(metric.objective, half_widths(region), field.is_gradient, lambda: stages.budget.left)
    weights = choose_weights(jacobians, field.sizes, aim)
    spread = np.repeat(weights, field.sizes)
    low, high, coupling = sampled_constants(jacobians, field.sizes)
    return Estimate(
        sampled_margin(jacobians, spread),
        sampled_lipschitz(jacobians, spread),
        dict(zip(field.names, weights.tolist(), strict=True)),
        dict(zip(field.names, low.tolist(), strict=True)),
        dict(zip(field.names, high.tolist(), strict=True)),
        coupling,
        samples,
    )


def sample_jacobians(field: FlatField, region: Region, samples: int, key: Any) -> np.ndarray:
    """Returns Jacobians of a field at random points of a region, shape (samples, n, n)."""
    return np.asarray(compiled_jacobians(field)(region.sample(key, samples)))

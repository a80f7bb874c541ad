"""Proves how fast the residual of a merely monotone game falls along methods."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import dgames as dg
from certify.claims.monotone_convergence import METHODS, MonotoneConvergence
from certify.claims.refutation import Refutation
from certify.jacobian.enclosure_choice import AutoEnclosure, Enclosure
from certify.metric.metric_options import Weights
from certify.problem.corners import coordinates, corner, require_same_structure
from certify.problem.draws import first_key
from certify.problem.exact_types import described_class, unweighted
from certify.problem.field import FlatField
from certify.problem.region import Ball, Box, Region
from certify.prove.arguments import (
    check_enclosure,
    check_methods,
    check_region,
    check_search,
    traced,
)
from certify.prove.curvature_search import nonconvex_cost
from certify.prove.differential import compare
from certify.prove.estimate import sample_jacobians
from certify.prove.monotone.monotone_cells import monotone_cells
from certify.prove.monotone.monotone_file import Starts, proved
from certify.prove.no_proof import NoProof
from certify.search.search_options import Search
from certify.search.stages import OutOfTime, Stages
from dgames.strategy import Strategy

# The most cells, and how near to its best the Lipschitz constant is to be, unless the caller says.
_CELLS, _TIGHTNESS = 1000, 0.9
# Points at which a refutation is looked for.
_SAMPLES = 256


def certify_monotone(
    game: dg.Game | dg.AbstractField,
    region: Region,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.FastExtragradient,),
    *,
    start: Strategy | None = None,
    start_radius: float | None = None,
    args: Any = None,
    metric: Weights | None = None,
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> MonotoneConvergence:
    """Proves that a game is monotone on a region, and bounds the residual after k steps.

    With `<F(x) - F(y), x - y>_W >= 0` and `|F(x) - F(y)|_W <= L |x - y|_W` for all x and y of the
    region, no margin is needed: from every start within D of a solution,

        |F(z_k)|_W <= 2 D / (h k)           fast extragradient, h <= 1 / L,
        |F(z_k)|_W <= C D / (h (k + 1))     anchored extragradient, accelerated optimistic steps,
        |F(z_k)|_W <= C D / (h sqrt(k + 1)) extragradient.

    Theorems and constants C are in `certify/checker/anchored.py`. The certificate shows that the
    region contains all points at which a method evaluates F, and a solution: a zero of F, or with
    strategy sets, which have to be bounded, a solution of the variational inequality.

    Args:
        game: Costs, or a field, as for `certify.certify`. What makes the symmetric part of its
            Jacobian singular has to be exact: entries that are the same number everywhere,
            couplings of `dgames.zero_sum` games, which cancel, and curvatures of single
            coordinates, such as that of `x^4`, whose ranges end at zero.
        region: A `Box` or `Ball`. With strategy sets it has to be larger than they are where a
            method evaluates F outside of them: by half their diameter for fast extragradient.
        methods: Some of `FastExtragradient`, `AnchoredExtragradient`, `AcceleratedOptimistic` and
            `Extragradient`. Those whose points may leave the region, or whose theorem has no
            strategy sets, are left out, and `MonotoneConvergence.methods_without_bound` says why;
            without any bound the status is "undecided". With none of them, `()`, the certificate
            says that the game is monotone, and has a solution.
        start: The centre of the starts; by default, the solution that is found, or, with strategy
            sets, all of their points are starts.
        start_radius: The starts are all points within so much of `start`, in the metric. By
            default none but `start`; and if `start` is not given, as many as the region allows.
        args: Passed to the costs, or to the field; fixed.
        metric: The weights W of the players; one each by default.
        enclosure: How Jacobians are enclosed; see `certify.certify`.
        search: How long and how finely the region is cut. By default: up to 1000 cells, until the
            Lipschitz constant is 90% tight.

    Returns:
        A `MonotoneConvergence`; its file has been accepted by the independent checker if it is
        "proved". "refuted" means that some player's cost is proved not to be convex in that
        player's own strategy at a point of the region; `refutation` is the proof.

    Raises:
        ValueError: If the game, the region and the options do not fit together.
        EnclosureError: If the costs use a primitive without an enclosure rule.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> found = certify.certify_monotone(game, certify.Box.around((0.0, 0.0), 2.0))
        >>> found.status, round(found.residual_bound(dg.FastExtragradient, 100), 4)
        ('proved', 0.0267)
    """
    check_enclosure("certify_monotone", enclosure)
    check_search("certify_monotone", search)
    search.require_unused("certify_monotone", "checkpoint", "n_jobs")
    if not isinstance(check_region("certify_monotone", region), Box | Ball):
        raise ValueError("certify_monotone: the region is a certify.Box or a certify.Ball.")
    if metric is not None and not isinstance(metric, Weights):
        raise ValueError("certify_monotone: the metric is certify.Weights({...}), or left out.")
    names = [_name(method) for method in check_methods(methods)]
    starts = _starts(region, start, start_radius)
    search, game = search.filled(_CELLS, _TIGHTNESS), unweighted(game)[0]
    budget = search.budget
    stages, promoted = Stages(budget, search.progress), ()
    try:
        stages.begin("tracing the costs")
        field = traced("certify_monotone", game, region, args)
        promoted, weights = field.promoted, np.ones(field.dimension)
        if metric is not None:
            weights = metric.given(field.names, field.sizes).chosen.weighting
        stages.begin("cutting the region into cells")
        try:
            cells = monotone_cells(field, region, weights, enclosure, search, budget)
        except NoProof:
            _refute(field, region)
            raise
        stages.begin("looking for a solution")
        seconds = f"{budget.elapsed:.2f}"
        contents = proved(field, region, cells, weights, names, starts, seconds)
        compare(game, region, args, field, cells.tree)
        return MonotoneConvergence("proved", contents=contents)
    except OutOfTime as end:
        return MonotoneConvergence("undecided", (str(end),), promoted=promoted)
    except NoProof as end:
        refutation = end.refutation and Refutation("proved", contents=end.refutation)
        return MonotoneConvergence(
            end.status, end.reasons, promoted=promoted, refutation=refutation
        )


def _starts(region: Region, start: Strategy | None, radius: float | None) -> Starts:
    """Returns the starts that were asked for, after a look at them."""
    if radius is not None and not 0 <= radius < np.inf:
        raise ValueError(
            f"certify_monotone: start_radius is {radius}; it must be finite and not negative."
        )
    if start is None:
        return Starts(None, radius)
    center = corner("start", start)
    require_same_structure("certify_monotone", region.center, center)
    if not bool(region.contains(center)):
        raise ValueError("certify_monotone: the start is not in the region.")
    return Starts(coordinates(center), radius)


def _name(method: type[dg.AbstractMethod]) -> str:
    name = next((name for name, known in METHODS.items() if known is method), None)
    if name is None:
        raise ValueError(
            "certify_monotone: no theorem bounds the residual of "
            f"{described_class(method)} along fields without a margin; some do for the classes "
            f"{', '.join(known.__name__ for known in METHODS.values())} of dgames."
        )
    return name


def _refute(field: FlatField, region: Region) -> None:
    """Raises if some player's cost is proved not to be convex: then F is not monotone."""
    if not field.is_gradient or field.constraints.outside(region) is not None:
        return
    bent = nonconvex_cost(field, region, sample_jacobians(field, region, _SAMPLES, first_key(0)))
    if bent is not None:
        raise NoProof(bent.sentence, refutation=bent.contents)

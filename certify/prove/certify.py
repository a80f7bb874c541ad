"""Makes a checked certificate from a game and a region."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

import dgames as dg
from certify.claims.checked import Checked
from certify.claims.convergence import Convergence
from certify.claims.convergence_claims import read_claims
from certify.claims.refutation import Refutation
from certify.jacobian.enclosure_choice import (
    AffineArithmetic,
    AutoEnclosure,
    Enclosure,
    RankOneTerms,
    is_constant,
    is_short,
)
from certify.metric.metric_options import AutoMetric, MetricOption, Weights
from certify.metric.objective import LIPSCHITZ_POWER
from certify.metric.weights import sampled_lipschitz, sampled_margin
from certify.problem.exact_types import unweighted
from certify.problem.region import Everywhere, Region
from certify.prove.arguments import (
    MOST_COORDINATES,
    MOST_OF_TERMS,
    check_methods,
    check_options,
    check_region,
    check_size,
    traced,
)
from certify.prove.by_cells import prove_by_cells
from certify.prove.by_terms import prove_by_terms
from certify.prove.estimate import sample_jacobians
from certify.prove.no_proof import NoProof, NoTerms
from certify.prove.proof_task import ProofTask
from certify.prove.question import method_names
from certify.search.search_options import Search
from certify.search.stages import OutOfTime, Stages
from dgames.strategy import dimensions, player_names

# Coordinates from which on terms are tried before cells.
_MANY = 8
# Points at which the margin of a proof by terms is compared.
_SAMPLES = 256
# A way to a proof: it returns contents that the checker has accepted, or raises `NoProof`.
Road = Callable[[ProofTask], Checked]


def certify(
    game: dg.Game | dg.AbstractField,
    region: Region,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Simultaneous,),
    *,
    args: Any = None,
    metric: MetricOption = AutoMetric(),
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> Convergence:
    """Proves that learning dynamics converge to a unique Nash equilibrium from a region.

    A certificate with status "proved" says, for every point and every rounding error:

    - the pseudo-gradient F is strongly monotone over the region in one constant metric, with
      modulus at least `margin`, and Lipschitz with constant at most `lipschitz`; so the flow
      `x' = -F(x)` contracts at rate `margin`. The metric is `sum_i weights_i |x_i|^2` if that
      suffices, and else `x' P x` with a matrix P (see `certify.metric.ladder`). If the cells have
      no proof in the metric that sampling chose, other metrics are tried on the same cells;
    - F has exactly one zero in the region, inside the given enclosure, and it is a Nash
      equilibrium: each player's strategy is that player's strict optimum in the region against the
      others. If the game has strategy sets (boxes, balls, simplices), it is instead the one
      solution of the variational inequality: an equilibrium within the sets, on their boundary or
      not; flow and methods are then projected onto the sets, and start in them. That flow is
      `-F(x)`, projected onto the tangent cone of the sets at x; `dgames.flow` follows another
      system there, of which nothing is claimed;
    - from every start in `basin`, the flow converges to it, and so does each method with any step
      up to `step_sizes[method].max`, at the stated rate for the stated best step (and for the
      stated momentum, if the method has one).

    The margin is proved cell by cell in one common metric (the metric has to be constant for that;
    the constants of the cells need not agree). The small-gain test on constants aggregated over the
    whole region is made too, and the larger margin is kept.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule. With shared
            constraints, linear or convex, the equilibrium is the variational one, or that of a
            `dgames.Normalised` field, whose weights are then the metric. Float32,
            bfloat16 and float16 are promoted to float64, and `Convergence.promoted` says so. Or a
            field, such as a natural gradient, which then takes the place of the pseudo-gradient F:
            then convergence to its one zero in the region is proved, and nothing about equilibria.
        region: A `Box` or `Ball` of strategies, or all `Policies` for a natural gradient. It may
            extend beyond the game's strategy sets if the costs do. In that case, and for equilibria
            on the boundary of the sets, metrics are of weights, and only methods whose theorems
            allow projections (simultaneous, extragradient) get steps.
        methods: Classes of methods to find safe step sizes for. A method to which no theorem
            applies here is left out of `step_sizes`, and `Convergence.methods_without_step` says
            why.
        args: Passed to the costs; fixed.
        metric: The metric: `AutoMetric` chooses one by sampling; `Weights` and `Matrix` give one,
            and then all claims are in the given metric, even if another one would prove more.
        enclosure: How Jacobians are enclosed; `AutoEnclosure` chooses the way that suits the costs,
            and `AutoEnclosure().select(certify.flat_field(game, region))` says which and why. It
            also chooses between cells and terms: terms come first of more than 48 coordinates, and
            where cells prove nothing; `RankOneTerms` asks for them.
        search: How long and how finely to search. By default: up to 10,000 cells, until the margin
            is 97% of what further cutting could prove.

    Returns:
        A `Convergence`; its file has been accepted by the independent checker if it is "proved".
        "refuted" means that some player's cost is proved not to be convex in that player's own
        strategy at a point of the region: then no block-weighted metric has a margin, and no metric
        would show that a zero of F is an equilibrium; `Convergence.refutation` is the proof of it,
        which `save` writes.

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
    check_options("certify", metric, enclosure, search)
    game, normalised = unweighted(game)
    if normalised is not None:
        metric = _of_notion(normalised, metric, region)
    search, region = search.filled(10_000, 0.97), check_region("certify", region, MOST_OF_TERMS)
    _require_no_networks(game, region)
    names, budget = method_names(check_methods(methods)), search.budget
    stages, promoted = Stages(budget, search.progress), ()
    try:
        stages.begin("tracing the costs")
        field = traced("certify", game, region, args)
        functions = field.constraints.functions
        if functions is not None and not functions.bind_all:
            raise ValueError(
                "certify: a shared constraint binds some players only, so that no variational "
                "inequality has the equilibria as its solutions; use certify.certify_kkt."
            )
        promoted = field.promoted
        task = ProofTask(
            game, region, args, field, names, metric, enclosure, search, stages, budget
        )
        return Convergence("proved", contents=_proved(task))
    except OutOfTime as end:
        return Convergence("undecided", (str(end),), promoted=promoted)
    except NoProof as end:
        refutation = end.refutation and Refutation("proved", contents=end.refutation)
        return Convergence(end.status, end.reasons, promoted=promoted, refutation=refutation)


def _require_no_networks(game: dg.Game | dg.AbstractField, region: Region) -> None:
    """Refuses games of networks with more weights than cells can do anything for.

    Raises:
        ValueError: If there are that many; the message names the call that proves such games.
    """
    size = sum(dimensions(region.example))
    if isinstance(game, dg.ZeroSumNetworks) and size > AffineArithmetic.most:
        raise ValueError(
            f"certify: a game of networks with {size} weights is proved by "
            "certify.certify_networks, which bounds own curvature; cells would take too long"
        )


def _of_notion(weights: tuple[float, ...], metric: MetricOption, region: Region) -> Weights:
    """Returns the metric that selects the equilibrium of a `dgames.Normalised` field."""
    names = player_names(check_region("certify", region, MOST_OF_TERMS).center)
    chosen = Weights(dict(zip(names, weights, strict=True)))
    if not isinstance(metric, AutoMetric) and metric != chosen:
        raise ValueError(
            "certify: the field is Normalised with weights, which are the metric; leave out the "
            "metric, or give these weights."
        )
    return chosen


def _proved(task: ProofTask) -> Checked:
    """Returns the first proof that one of the roads leads to.

    Raises:
        NoProof: With the reasons of all roads, if none does, or with a refutation.
    """
    reasons, without_terms = list[str](), list[str]()
    loose: Checked | None = None
    for road in _roads(task):
        try:
            proved = road(task)
        except NoProof as end:
            if end.status == "refuted":
                raise
            (without_terms if isinstance(end, NoTerms) else reasons).extend(end.reasons)
            continue
        if road is not prove_by_terms or _is_tight(task, proved):
            return proved
        loose = proved
    if loose is not None:
        return loose
    # That a game of few coordinates has no terms is not what is in the way of its proof.
    few = reasons and task.field.dimension <= AffineArithmetic.most
    raise NoProof(*reasons, *([] if few else without_terms))


def _is_tight(task: ProofTask, proved: Checked) -> bool:
    """Says whether a proof by terms leaves nothing for cells to do.

    That is so of many coordinates, for which there are no good cells, and where the margin (or the
    objective, if that is a step or a rate) is as near to that of sampled points as cells would have
    to come to it.
    """
    if _roads(task) == (prove_by_terms,) or task.field.dimension > AffineArithmetic.most:
        return True
    claims = read_claims(proved.data)
    samples = sample_jacobians(task.field, task.region, _SAMPLES, jax.random.key(0))
    power = LIPSCHITZ_POWER[task.metric.objective] if isinstance(task.metric, AutoMetric) else 0
    sampled = sampled_margin(samples, claims.spread)
    if power:
        sampled *= (claims.lipschitz / sampled_lipschitz(samples, claims.spread)) ** power
    return claims.margin >= task.search.share * sampled


def _roads(task: ProofTask) -> tuple[Road, ...]:
    """Returns the ways to a proof, in the order in which to try them.

    One matrix for all of the region, where the costs have the structure that it takes, is the only
    way on unbounded regions and the quicker one of many coordinates. Cells prove more of few: their
    bounds are as tight as one likes, and bound single blocks too.
    """
    field, enclosure = task.field, task.enclosure
    if isinstance(enclosure, RankOneTerms) or isinstance(task.region, Everywhere):
        if not isinstance(enclosure, RankOneTerms | AutoEnclosure):
            raise ValueError(
                f"certify: {enclosure!r} is for bounded regions; everywhere takes RankOneTerms()."
            )
        return (prove_by_terms,)
    if not isinstance(enclosure, AutoEnclosure) or field.natural is not None:
        check_size("certify", field.dimension)
        return (prove_by_cells,)
    if field.dimension > MOST_COORDINATES:
        return (prove_by_terms,)
    if is_constant(field):
        return (prove_by_cells, prove_by_terms)  # one cell has the margin itself, in any metric
    # Terms are found in a moment. Cells of long costs take a minute to compile, and there may be
    # thousands of more than a few coordinates; but they bound blocks, which alternating steps need.
    many = field.dimension >= _MANY or not is_short(field)
    first = field.dimension > AffineArithmetic.most or (many and "alternating" not in task.methods)
    return (prove_by_terms, prove_by_cells) if first else (prove_by_cells, prove_by_terms)

"""From a game and a region to a checked certificate."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import jax
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.claims.convergence import Convergence
from certify.jacobian.by_jaxpr import AFFINE_LIMIT, ARITHMETIC_LIMIT, Form, jacobian_form
from certify.jacobian.form import PATIENCE, by_taylor, plan, usual_form
from certify.metric.ladder import Choice, Ladder, Rung, climb
from certify.metric.metric import Metric
from certify.metric.objective import Aim
from certify.metric.weights import sampled_margin
from certify.problem.exact_types import METHODS, described_class, known_method
from certify.problem.field import FlatField, compiled_jacobian, compiled_value
from certify.problem.messages import clipped, listed
from certify.problem.region import Region, half_widths
from certify.prove.arguments import check_methods, check_objective, check_region, traced
from certify.prove.assembly import Assembly
from certify.prove.attempts import Attempts, attempt
from certify.prove.degeneracy import degenerate
from certify.prove.differential import compare
from certify.prove.estimate import sample_jacobians
from certify.prove.refutation import refute
from certify.prove.zeros import find_constrained, find_zero
from certify.search.branch import cover
from certify.search.budget import Budget, OutOfTime, Progress, Stages
from certify.search.checkpoint import Checkpoint, identity
from certify.search.workers import crew
from certify.steps import onto_sets
from dgames.strategy import ravel

_KEY, _SAMPLES = jax.random.key(0), 256
_THERE = "at the equilibrium"
_NOT_ONTO = (
    "the equilibrium may be on the boundary of the strategy sets, and there is no theorem on its "
    "projected steps"
)
_OTHER_BLOCKS = (
    "the field computes the block of a player in a way of its own, so that nothing is known of "
    "methods that ask for blocks"
)
_NO_MATRIX = (
    "the equilibrium may be on the boundary of the strategy sets, where projections need a metric "
    "of weights"
)
_NOT_SMOOTH = "on some cell the costs were not shown to be smooth"


def certify(
    game: dg.Game | dg.AbstractField,
    region: Region,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Simultaneous,),
    *,
    args: Any = None,
    weights: dict[str, float] | None = None,
    metric: str | Float[np.ndarray, "n n"] = "auto",
    objective: str = "basin",
    tightness: float = 0.97,
    form: str | None = None,
    max_cells: int = 10_000,
    max_seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
    batch_size: int | None = None,
    n_jobs: int | None = None,
) -> Convergence:
    """Proves that learning dynamics converge to a unique Nash equilibrium from a region.

    What a certificate with status "proved" says, for every point and every rounding error:

    - the pseudo-gradient F is strongly monotone over the region in one constant metric, with
      modulus at least `margin`, and Lipschitz with constant at most `lipschitz`; so the flow
      `x' = -F(x)` contracts at rate `margin`. The metric is `sum_i weights_i |x_i|^2` where that
      will do, and `x' P x` with a matrix P where it will not (see `certify.metric.ladder`). If the
      cells have no proof in the metric that sampling chose, others are tried on the same cells;
    - F has exactly one zero in the region, inside the given enclosure, and it is a Nash
      equilibrium: each player's strategy is that player's strict optimum in the region against the
      others. Where the game has strategy sets (boxes, balls, simplices), it is the one solution of
      the variational inequality, an equilibrium within them, on their boundary or not, and flow and
      methods are projected onto them, from starts in them;
    - from every start in `basin`, the flow converges to it, and so does each method with any step
      up to `step_sizes[method].max`, at the stated rate for the stated best step (and, of methods
      with momentum, for the stated momentum).

    The margin is proved cell by cell in one common metric (the metric has to be constant for that,
    the constants of the cells need not agree); the small-gain test on constants aggregated over the
    whole region stands beside it, and the larger margin is kept.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule. Float32,
            bfloat16 and float16 are promoted to float64, and `Convergence.promoted` says so. Or a
            field, such as a natural gradient, which then takes the place of the pseudo-gradient F:
            proved is convergence to its one zero in the region, and nothing of equilibria.
        region: A `Box` or `Ball` of strategies, or of a natural gradient all `Policies`. It may
            extend beyond the game's strategy sets if
            the costs do; then, and for equilibria on their boundary, metrics are of weights, and
            methods those whose theorems allow projections (simultaneous, extragradient).
        methods: Classes of methods to find safe step sizes for. One to which no theorem applies
            here is left out of `step_sizes`, and `Convergence.methods_without_step` says why.
        args: Passed to the costs; fixed.
        weights: The metric to use, by player; chosen by sampling when not given. All claims are in
            the metric that is given, whatever another one would prove.
        metric: How general a metric may be chosen: "weights" (one per player), "block" (a matrix
            for each player), "full", or "auto", the simplest that promises to suffice. Or a matrix
            to use, in the order of the coordinates, symmetric and positive definite.
        objective: What a metric that is not given is chosen for. "basin": the roundest one, in the
            units of the region, with at least 95% of the best margin, so that the basin is no
            sliver; where that is less than half as round again, the one of the best margin.
            "margin": that one. "step" and "rate": the largest step and the best rate of
            simultaneous steps. Weights are at most 10^6 times one another in those units, unless
            only others have a positive margin.
        tightness: Cells are cut until the proved margin is at least this share of what further
            cutting could prove, in (0, 1).
        form: How Jacobians are enclosed: by "taylor" polynomials of the expression graph of the
            costs, which compiles nothing; "affine" families from third derivatives; affine
            "arithmetic", which often needs far fewer cells and takes several times as long to
            compile; or "interval" matrices. When not given, the first for short costs of up to 16
            coordinates, the second for longer ones, the third up to 48 and for sums over many data
            points or units and for linear systems, the last beyond.
        max_cells: Cut no further than to this many cells; what they prove is kept, and if that is
            no margin at all, the status is "undecided".
        max_seconds: The same for the seconds of this call. They are looked at between stages and
            between rounds of cells; a form of enclosure that would take longer to compile than
            there is time makes room for another one, or the status is "undecided". The last round
            may exceed them, and the proof comes after.
        progress: Called with a `Progress` as each stage begins, and before each round of cells.
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
        A `Convergence`; its file has been accepted by the independent checker if it is "proved".
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
    _check_options(tightness, max_cells, max_seconds, batch_size, n_jobs)
    region, goal = check_region("certify", region), check_objective("certify", objective)
    names = [_method_name(method) for method in check_methods(methods)]
    stages, promoted = Stages(budget, progress), ()
    try:
        stages.begin("tracing the costs")
        field = traced("certify", game, region, args)
        promoted = field.promoted
        asked = _form(form, field)
        given = _given(weights, metric, field)
        without = functools.partial(Convergence, promoted=promoted)
        start = _start(field, region, names, stages, asked, metric, given)
        if isinstance(start, Convergence):
            return start
        aim = Aim(goal, half_widths(region), field.is_gradient, stages.deadline(0.3))
        stages.begin("choosing a metric")
        ladder = given or climb(start.samples, field.sizes, cast(Choice, start.metric), aim)
        weighting = ladder.chosen.weighting
        if sampled_margin(start.samples, weighting) <= 0:
            return without("undecided", (_no_metric(ladder, field),))
        stages.begin("preparing the enclosures of the game's derivatives")
        left = PATIENCE if budget.seconds is None else budget.left
        chosen = plan(field, asked, left, free=form is None and checkpoint is None)
        if chosen.short and budget.seconds is not None:
            return without("undecided", (chosen.short,))
        file = None
        if checkpoint is not None:
            file = Checkpoint(checkpoint, identity(field, region, weighting, tightness, asked))
        with crew(
            game,
            region,
            args,
            field,
            weighting,
            chosen.form,
            batch_size=batch_size,
            n_jobs=n_jobs,
            quickly=not chosen.compiled,
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
    except OutOfTime as reason:
        return Convergence("undecided", (str(reason),), promoted=promoted)
    if not all(family.finite for family in tree.families()):
        found = Attempts(None, ladder._replace(failed=((ladder.chosen.name, _NOT_SMOOTH),)))
    else:
        # Where both can be had, a statement about projected steps has larger basins.
        constraints = field.constraints
        sets = constraints if constraints.bind and all(map(onto_sets, start.names)) else None
        aim = aim._replace(seconds=lambda: budget.left)
        onward = functools.partial(climb, start.samples, field.sizes, "full", aim)
        free = given is None and start.metric == "auto" and budget.left > 0
        found = attempt(
            Assembly(
                field,
                region,
                tree,
                start.point,
                sets,
                aim=aim,
                given=given is not None,
                unproved=start.unproved,
            ),
            start.names,
            ladder,
            onward if free else None,
        )
    if found.contents is None:
        return without("undecided", (*found.reasons, *filter(None, [tree.shortfall])))
    compare(game, region, args, field, tree)
    contents = found.contents.with_provenance(
        enclosure=chosen.form,
        metric=str(found.ladder),
        objective=goal if given is None else "none: the metric was given",
        seconds=f"{budget.elapsed:.2f}",
    )
    return Convergence("proved", contents=contents)


class _Start(NamedTuple):
    """What is known before there is a metric.

    Attributes:
        samples: Jacobians at points of the region.
        point: Nearly the equilibrium.
        names: Of the methods to which a theorem may apply.
        unproved: The others, and why not.
        metric: How general a metric may be chosen.
    """

    samples: np.ndarray
    point: np.ndarray
    names: list[str]
    unproved: dict[str, str]
    metric: Any


def _start(
    field: FlatField,
    region: Region,
    names: list[str],
    stages: Stages,
    form: Form,
    metric: Any,
    given: Ladder | None,
) -> _Start | Convergence:
    """Jacobians at points of the region and nearly the equilibrium; or why there is no proof."""
    without = functools.partial(Convergence, promoted=field.promoted)
    constraints = field.constraints
    inside = constraints.outside(region) is None
    stages.begin("looking at Jacobians at points of the region")
    samples = sample_jacobians(field, region, 1 if form == "constant" else _SAMPLES, _KEY)
    if not np.isfinite(samples).all():
        return without("undecided", ("the Jacobian is not finite everywhere in the region",))
    if singular := degenerate(field, samples, "at every point looked at"):
        return without("undecided", (singular,))
    if inside and (singular := _singular_centre(field, region, samples)):
        return without("undecided", (singular,))
    stages.begin("looking for an equilibrium")
    spent = stages.deadline(0.7)
    point = find_zero(field, region, lambda: spent() <= 0) if inside else None
    stages.begin("looking for costs that are not convex")
    refutation = refute(field, region, samples) if inside and field.is_gradient else None
    if refutation:
        return without("refuted", (refutation,))
    if point is not None:
        singular = degenerate(field, np.asarray(compiled_jacobian(field)(point))[None], _THERE)
        if singular and field.natural is None:
            return without("undecided", (singular,))
    unproved: dict[str, str] = {}
    if field.other_blocks and "alternating" in names:
        unproved["alternating"] = _OTHER_BLOCKS
    if constraints.bind and point is None:
        stages.begin("looking for an equilibrium on the boundary of the strategy sets")
        point = find_constrained(field, region, float(np.linalg.norm(samples, 2, (-2, -1)).max()))
        metric = "weights"
        unproved |= {name: _NOT_ONTO for name in names if not onto_sets(name)}
        if point is not None and given is not None and given.chosen.weighting.ndim > 1:
            return without("undecided", (_NO_MATRIX,))
    if point is None:
        if spent() <= 0:
            stages.begin("choosing a metric")  # says what the time was used for
        return without("undecided", ("no equilibrium was found in the region",))
    return _Start(samples, point, [n for n in names if n not in unproved], unproved, metric)


def _singular_centre(field: FlatField, region: Region, samples: np.ndarray) -> str | None:
    """About the centre, where regions are often drawn around an equilibrium, if it is one."""
    if field.natural is not None:
        return None
    point = ravel(region.center)[0]
    value = np.abs(np.asarray(compiled_value(field)(point)))
    usual = np.abs(samples).max(0) @ half_widths(region)
    if not (value <= 1e-12 * usual).all():
        return None
    return degenerate(field, np.asarray(compiled_jacobian(field)(point))[None], _THERE)


def _check_options(
    tightness: float,
    max_cells: int,
    max_seconds: float | None,
    batch_size: int | None,
    n_jobs: int | None,
) -> None:
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


def _no_metric(ladder: Ladder, field: FlatField) -> str:
    """Why no metric was found."""
    reason = f"no metric with a positive margin was found by sampling ({ladder})"
    if ladder.flat is not None:
        player, curvature = ladder.flat
        reason += (
            f"; no matrix was tried: the own curvature of '{clipped(field.names[player])}' is "
            f"{curvature + 0.0:.4g}, and a zero of the field is known to be an equilibrium only "
            "where all of them are positive"
        )
    if ladder.hurried:
        reason += "; some matrices were not tried for want of time"
    return reason


def _method_name(method: type[dg.AbstractMethod]) -> str:
    name = known_method(method)
    if name is None:
        raise ValueError(
            f"certify: there is no step-size theorem for {described_class(method)} as a method; "
            f"there is one for the classes {', '.join(known.__name__ for known in METHODS)} of "
            "dgames; steps of others are proved as they are by certify.contraction."
        )
    return name


def _form(form: str | None, field: FlatField) -> Form:
    """The form that was asked for, if it can be had; a constant Jacobian has but one."""
    limits: dict[Form, float] = {
        "taylor": AFFINE_LIMIT,
        "affine": AFFINE_LIMIT,
        "arithmetic": ARITHMETIC_LIMIT,
        "interval": math.inf,
    }
    if form is not None and form not in limits:
        raise ValueError(f"certify: the form is {form!r}; it must be one of {', '.join(limits)}.")
    if field.natural is not None:
        if form not in (None, "taylor") or not by_taylor(field):
            raise ValueError("certify: all policies take form='taylor', and costs short enough.")
        return "taylor"
    usual = jacobian_form(field.function, field.dimension)
    if form is None:
        return usual_form(field)
    if usual == "constant":
        return usual
    asked = cast(Form, form)
    if field.dimension > limits[asked]:
        raise ValueError(
            f"certify: the game has {field.dimension} coordinates; the form {form!r} is for at "
            f"most {limits[asked]}."
        )
    return asked


def _given(weights: dict[str, float] | None, metric: Any, field: FlatField) -> Ladder | None:
    """The metric that the user gives, as a ladder without rungs; None if it is to be chosen."""
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
            matrix = Metric(np.array(metric, np.float64)).weighting
            return Ladder((), Rung("a matrix that was given", matrix, math.nan), math.nan)
        except ValueError as error:
            raise ValueError(f"certify: {error}.") from None
    if set(weights) != set(field.names):
        raise ValueError(
            f"certify: weights are given for {listed(weights)}; "
            f"the players are {listed(field.names)}."
        )
    if not (isinstance(metric, str) and metric in ("auto", "weights")):
        raise ValueError("certify: weights are a metric; give either them or another one.")
    values = np.array([weights[name] for name in field.names], np.float64)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("certify: weights must be positive and finite.")
    chosen = Rung("weights that were given", np.repeat(values, field.sizes), math.nan)
    return Ladder((), chosen, math.nan)

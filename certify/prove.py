"""From a game and a region to a checked certificate."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import dgames as dg
from certify.assembly import Assembly
from certify.attempts import Attempts, attempt
from certify.branch import Budget, Progress, cover
from certify.certificate import Certificate
from certify.checker.reader import digest
from certify.checkpoint import Checkpoint, identity
from certify.constants import sample_jacobians
from certify.differential import compare
from certify.enclosure.affine import (
    AFFINE_LIMIT,
    ARITHMETIC_LIMIT,
    Form,
    jacobian_form,
)
from certify.enclosure.enclose import enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.equilibrium import find_constrained, find_zero
from certify.flat import FlatField, flat_field
from certify.forms import by_taylor, usual_form
from certify.messages import clipped, coordinate_names, listed, vector_in_words
from certify.known import METHODS, described_class, known_method
from certify.metric.ladder import Choice, Ladder, Rung, climb
from certify.metric.metric import Metric
from certify.metric.weights import sampled_margin
from certify.region import Region
from certify.steps import onto_sets
from certify.workers import crew

_NOT_SMOOTH = "on some cell the costs were not shown to be smooth"


def certify(
    game: dg.Game | dg.AbstractField,
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
            bfloat16 and float16 are promoted to float64, and `Certificate.promoted` says so. Or a
            field, such as a natural gradient, which then takes the place of the pseudo-gradient F:
            proved is convergence to its one zero in the region, and nothing of equilibria.
        region: A `Box` or `Ball` of strategies, or of a natural gradient all `Policies`. It may
            extend beyond the game's strategy sets if
            the costs do; then, and for equilibria on their boundary, metrics are of weights, and
            methods those whose theorems allow projections (simultaneous, extragradient).
        methods: Classes of methods to find safe step sizes for.
        args: Passed to the costs; fixed.
        weights: The metric to use, by player; chosen by sampling when not given.
        metric: How general a metric may be chosen: "weights" (one per player), "block" (a matrix
            for each player), "full", or "auto", the simplest that promises to suffice. Or a matrix
            to use, in the order of the coordinates, symmetric and positive definite.
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
    constraints = field.constraints
    inside = constraints.outside(region) is None
    point = find_zero(field, region) if inside else None
    samples = sample_jacobians(field, region, 256, jax.random.key(0))
    without = functools.partial(Certificate, promoted=field.promoted)
    if not np.isfinite(samples).all():
        return without("undecided", ("the Jacobian is not finite everywhere in the region",))
    refutation = _refute(field, region, samples) if inside and field.is_gradient else None
    if refutation:
        return without("refuted", (refutation,))
    onto = constraints.bind and point is None
    if onto:
        point = find_constrained(field, region, float(np.linalg.norm(samples, 2, (-2, -1)).max()))
    if point is None:
        return without("undecided", ("no equilibrium was found in the region",))
    if onto:
        reason = _not_onto_sets(names, metric, given)
        if reason is not None:
            return without("undecided", (reason,))
        metric = "weights"
    ladder = given or climb(samples, field.sizes, cast(Choice, metric))
    weighting, why = ladder.chosen.weighting, str(ladder)
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
    if not all(family.finite for family in tree.families()):
        found = Attempts(None, ladder._replace(failed=((ladder.chosen.name, _NOT_SMOOTH),)))
    else:
        # Where both can be had, a statement about projected steps has larger basins.
        sets = constraints if constraints.bind and all(map(onto_sets, names)) else None
        onward = functools.partial(climb, samples, field.sizes, "full")
        found = attempt(
            Assembly(field, region, tree, point, sets),
            names,
            ladder,
            onward if given is None and metric == "auto" else None,
        )
    data = found.data
    if data is None:
        return without("undecided", (*found.reasons, *filter(None, [tree.shortfall])))
    compare(game, region, args, field, tree)
    data["provenance"]["enclosure"] = chosen_form
    data["provenance"]["metric"] = str(found.ladder)
    data["provenance"]["seconds"] = f"{budget.elapsed:.2f}"
    return Certificate("proved", data={**data, "digest": digest(data)}, promoted=field.promoted)


def _method_name(method: type[dg.AbstractMethod]) -> str:
    name = known_method(method)
    if name is None:
        raise ValueError(
            f"certify: there is no step-size theorem for {described_class(method)} as a method; "
            f"there is one for the classes {', '.join(known.__name__ for known in METHODS)} of "
            "dgames; steps of others are proved as they are by certify.contraction."
        )
    return name


def _not_onto_sets(names: list[str], metric: Any, given: Ladder | None) -> str | None:
    """Why nothing can be proved about an equilibrium on the boundary of the strategy sets."""
    others = [name for name in names if not onto_sets(name)]
    if others:
        return (
            "the equilibrium may be on the boundary of the strategy sets, and there is no theorem "
            f"on projected steps of {', '.join(others)}"
        )
    matrix = metric in ("block", "full") if given is None else given.chosen.weighting.ndim > 1
    if matrix:
        return (
            "the equilibrium may be on the boundary of the strategy sets, where projections need a "
            "metric of weights"
        )
    return None


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
            called = coordinate_names(field.names, field.sizes)
            where = vector_in_words(points[worst], called)
            along_own = vector_in_words(direction[first:last], called[first:last])
            return (
                f"the cost of player '{clipped(name)}' is not convex in the player's own strategy: "
                f"at {where} its curvature along {along_own} is at most {float(bound.upper):.6g}"
            )
    return None

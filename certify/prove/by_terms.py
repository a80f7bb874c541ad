"""Proofs by terms of rank one: one matrix for a whole region, or for all of R^n, and no cells."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

from certify.checker import Unusable
from certify.checker.forms import NotRidges
from certify.checker.intervals import BallInterval
from certify.checker.rederive_terms import PRECISION
from certify.claims.checked import Checked, NotAccepted
from certify.graph.builder import GraphError
from certify.graph.ridge_floats import evaluate_ridges
from certify.graph.trace import array_data
from certify.jacobian.rank_one import RankOne, rank_one, ridges_of
from certify.metric.metric import Metric, Weighting
from certify.metric.metric_options import AutoMetric
from certify.metric.objective import Aim
from certify.metric.rank_one_bounds import StepBound, step_bound
from certify.metric.term_inequality import sides
from certify.problem.corners import coordinates
from certify.problem.field import FlatField, compiled_jacobian, compiled_value
from certify.problem.region import Region, half_widths
from certify.prove.differential import Read, compare
from certify.prove.equilibrium import find_constrained, find_zero
from certify.prove.file_parts import OUTSIDE, TRUSTED_BY_TERMS, convergence_in_file, place_of
from certify.prove.mismatch import MismatchError
from certify.prove.no_proof import NoProof, NoTerms
from certify.prove.proof_task import ProofTask
from certify.prove.reach import Reach, weights_below
from certify.prove.safe_steps import safe_steps
from certify.prove.terms_bounds import TermsBounds, bounds_by_terms
from certify.prove.terms_metric import metric_of_terms
from certify.steps import Setting, StepsByTerms, onto_sets

# Floating-point bounds are backed off by these shares of the numbers in them, one after the other.
_BACKOFFS = (2.0**-40, 2.0**-30, 2.0**-20, 2.0**-12)
# The most coordinates for Newton's method, with a dense Jacobian, and the most steps else.
_MOST_OF_NEWTON, _STEPS = 1500, 20_000
# Points at which Jacobians are compared, what counts as rounding there, and the share of the
# largest entry of a field that another one may be off by.
_POINTS, _OF_JACOBIAN, _SHARED = 8, 1e-7, 1e-6


def prove_by_terms(task: ProofTask) -> Checked:
    """Returns the contents of a certificate by terms, which the checker has accepted.

    Raises:
        NoTerms: If the costs have not the structure; it says which operation is in the way.
        NoProof: If there is no proof; it says why.
        MismatchError: If the code of the game is not what was read from it.
    """
    field, region, stages = task.field, task.region, task.stages
    stages.begin("looking for terms of rank one")
    if field.natural is not None:
        raise NoTerms("a proof by terms is not one over all policies")
    try:
        terms = rank_one(field, region)
    except (GraphError, NotRidges) as error:
        raise NoTerms(f"the Jacobian was not brought to terms of rank one: {error}") from None
    stages.begin("choosing a metric")
    metric, words = metric_of_terms(task, terms)
    if metric.is_matrix:
        terms = terms.apart()
    bounds, steps = bounds_by_terms(field, terms, metric), None
    stages.begin("looking for an equilibrium")
    reach, methods, unproved = _reach(
        field, region, task.methods, bounds.lipschitz.value, metric.weighting
    )
    if "simultaneous" in methods:
        stages.begin("looking for the largest step")
        steps = step_bound(terms, metric, bounds.margin.value / bounds.lipschitz.value**2)
    stages.begin("proving the bounds exactly")
    reason = ""
    for backoff in _BACKOFFS:
        data = _contents(task, terms, reach, methods, metric, bounds, steps, backoff, unproved)
        data["provenance"] |= {"metric": words, "seconds": f"{task.budget.elapsed:.2f}"}
        try:
            proved = Checked(data)
        except NotAccepted as rejection:
            reason = f"the bounds could not be proved exactly: {rejection}"
            continue
        except Unusable as error:
            raise NoProof(str(error)) from None
        stages.begin("comparing the code with what was read from it")
        compare(task.game, region, task.args, field, expected=_by_ridges)
        _compare_jacobians(field, region, terms)
        return proved
    raise NoProof(reason)


def _reach(
    field: FlatField,
    region: Region,
    methods: Sequence[str],
    steepness: float,
    weighting: Weighting,
) -> tuple[Reach, list[str], dict[str, str]]:
    """Returns where the equilibrium is, the methods with a theorem, and why others have none."""
    constraints = field.constraints
    point, multipliers, unproved, together = None, None, {}, constraints.couple
    if not constraints.bind or constraints.outside(region) is None:
        point = _find_zero(field, region, steepness)
    if constraints.bind and point is None:
        found = find_constrained(
            field, region, steepness, weighting if together else np.ones(field.dimension)
        )
        point, multipliers = (None, None) if found is None else found
        reason = "there is no theorem on its steps projected onto strategy sets"
        unproved = {name: reason for name in methods if not onto_sets(name, together=together)}
    if point is None:
        raise NoProof("no equilibrium was found in the region")
    methods = [name for name in methods if name not in unproved]
    onto = all(onto_sets(name, together=together) for name in methods)
    sets = constraints if constraints.bind and onto else None
    reach = Reach(field, region, point, sets, residual_of_ridges, multipliers)
    return reach, methods, unproved


def _find_zero(field: FlatField, region: Region, steepness: float) -> np.ndarray | None:
    """Returns a point near the zero, by Newton's method or, for large n, extragradient steps."""
    if field.dimension <= _MOST_OF_NEWTON:
        return find_zero(field, region)
    value, h = compiled_value(field), 0.5 / steepness

    def move(x: jax.Array) -> jax.Array:
        return x - h * value(x - h * value(x))

    def goes_on(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        x, before, count = state
        return (count < _STEPS) & (jnp.abs(x - before).max() > 1e-15 * (1 + jnp.abs(x).max()))

    @jax.jit
    def approach(x: jax.Array) -> jax.Array:
        start = (move(x), x, jnp.zeros((), int))
        return jax.lax.while_loop(goes_on, lambda s: (move(s[0]), s[0], s[2] + 1), start)[0]

    point = np.asarray(approach(jnp.asarray(coordinates(region.center))))
    lower, upper = region.bounds()
    inside = np.isfinite(point).all() and (lower < point).all() and (point < upper).all()
    return point if inside else None


def residual_of_ridges(
    field: FlatField, point: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, " n"]:
    """Bounds `|F(point) - value|`, entry by entry, by the costs as sums of ridges; proved."""
    stated = np.zeros_like(point) if value is None else value
    with ctx.workprec(PRECISION):
        found = ridges_of(field).value([Fraction(x) for x in point.tolist()])
        errors = [
            entry - BallInterval.point(Fraction(x))
            for entry, x in zip(found, stated.tolist(), strict=True)
        ]
        sizes = [float(error.magnitude().upper()) for error in errors]
    # With room for the checker, whose radii are rounded in another order.
    return np.nextafter(np.array(sizes) * (1 + 2.0**-16), np.inf)


def _contents(
    task: ProofTask,
    terms: RankOne,
    reach: Reach,
    methods: Sequence[str],
    metric: Metric,
    bounds: TermsBounds,
    steps: StepBound | None,
    backoff: float,
    unproved: dict[str, str],
) -> dict[str, Any]:
    """Returns the contents of a file that the checker may accept."""
    field, region = task.field, task.region
    constants = bounds.constants(backoff)
    margin, lipschitz = constants["margin"], constants["lipschitz"]
    place = place_of(reach, metric, margin, lipschitz)
    if place.basin <= 0:
        raise NoProof(OUTSIDE)
    setting = Setting(
        margin,
        lipschitz,
        weights_below(metric, field.sizes),
        None,
        None,
        place.radius,
        place.ball,
        *reach.of_others(metric),
        None if steps is None else StepsByTerms(sides(terms, metric), steps, backoff),
        constants.get("cocoercivity"),
    )
    objective = task.metric.objective if isinstance(task.metric, AutoMetric) else "basin"
    aim = Aim(objective, half_widths(region), field.is_gradient)
    projected = reach.onto(metric) is not None
    weighting = metric.weighting
    safe = safe_steps(methods, setting, field, weighting, place.basin, aim, projected=projected)
    without = {**unproved, **safe.without}
    return convergence_in_file(
        field,
        region,
        metric,
        reach,
        constants,
        place,
        safe.steps,
        array_data(field),
        TRUSTED_BY_TERMS,
        {
            **({"methods_without_step": without} if without else {}),
            "enclosure": "terms of rank one",
        },
        bounds.evidence(field, terms, metric, constants),
    )


def _by_ridges(field: FlatField, points: np.ndarray, size: int) -> Read:
    """Returns what the proof takes the field and the costs to be, see `compare`."""
    found = evaluate_ridges(ridges_of(field), points)
    # Entries may share numbers on the way, whose rounding errors are those of the largest.
    largest = found.field_scale.max(1, keepdims=True)
    scale = found.field_scale + _SHARED * largest
    return Read(found.field, found.costs if field.is_gradient else None, scale, found.cost_scale)


def _compare_jacobians(field: FlatField, region: Region, terms: RankOne) -> None:
    """Compares the terms with Jacobians of the traced code at a few points.

    Raises:
        MismatchError: If an entry is outside of its range by more than rounding.
    """
    if field.dimension > _MOST_OF_NEWTON:
        return
    points = region.sample(jax.random.key(2), _POINTS)
    terms = terms.apart()
    left, right = (np.asarray(side.todense()) for side in terms.rows())
    middle = (left.T * terms.middle) @ right
    reach = (np.abs(left).T * terms.radius) @ np.abs(right)
    size = (np.abs(left).T * np.abs(terms.middle)) @ np.abs(right) + reach
    for point in points:
        found = np.asarray(compiled_jacobian(field)(point))
        if not np.isfinite(found).all():
            continue  # far away code may overflow
        wrong = ~(np.abs(found - middle) <= reach + _OF_JACOBIAN * (size + np.abs(found)))
        if wrong.any():
            i, j = map(int, np.argwhere(wrong)[0])
            raise MismatchError(
                f"certify: entry ({i}, {j}) of the Jacobian is {found[i, j]:.6g} at a point of the "
                "region, which is outside of its range; nothing is proved. Please report this game."
            )

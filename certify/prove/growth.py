"""Searches for about the largest region around a point that can be certified."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import dgames as dg
from certify.claims.convergence import Convergence
from certify.jacobian.enclosure_choice import AutoEnclosure, Enclosure
from certify.metric.metric_options import AutoMetric, MetricOption
from certify.problem.constraints import Constraints, OutsideStrategySet
from certify.problem.region import Ball, Box
from certify.prove.arguments import check_options
from certify.prove.certify import certify
from certify.search.progress import Progress
from certify.search.search_options import Search
from dgames.strategy import Strategy

_SHAPES = {"ball": Ball, "box": Box.around}
# Whether there is a proof is found out with cells that reach this share of what more could prove.
_ROUGH = 0.25


def grow(
    game: dg.Game | dg.AbstractField,
    center: Strategy,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Simultaneous,),
    *,
    shape: Literal["ball", "box"] = "ball",
    least: float = 1e-3,
    most: float = 1e3,
    accuracy: float = 0.05,
    args: Any = None,
    metric: MetricOption = AutoMetric(),
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
    on_try: Callable[[float, Convergence], None] | None = None,
) -> Convergence:
    """Certifies a ball or box around a point, about the largest for which a proof is found.

    Tries `least`, then radii that grow by factors while they can be proved, then bisects. If no
    proof is found for a larger region, that says nothing about the game: more cells may find one.
    Tries are content with a quarter of the margin that more cells could prove; the largest region
    is certified once more, as `certify.certify` does it, unless its try has used up the cells.

    Args:
        game: As for `certify.certify`.
        center: A joint strategy, near an equilibrium.
        methods: Classes of methods to find safe step sizes for.
        shape: "ball" (Euclidean), or "box" (of one half-width in every coordinate).
        least: The smallest radius to try, positive.
        most: The largest radius to try.
        accuracy: Stop when radii that differ by this share are proved and not proved.
        args: Passed to the costs; fixed.
        metric: As for `certify.certify`.
        enclosure: As for `certify.certify`.
        search: Its `max_cells` limits each try (1,000 by default), its `max_seconds` all tries
            together: the largest region proved by then is returned. A checkpoint is not allowed.
        on_try: Called with each radius that was tried, and its certificate, of a rough margin.

    Returns:
        The certificate of the largest region that was proved (that of its try, if cells or time
        were used up); if none was, the certificate of the smallest region, with its status and
        reasons.

    Raises:
        ValueError: If the options do not fit together, or `certify.certify` raises it for the
            smallest region; a larger region that leaves the strategy set counts as not proved.

    Example:
        >>> import jax.numpy as jnp, certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + jnp.cos(x[0]), x[1] ** 2))
        >>> certify.grow(game, (0.0, 0.0), most=10.0).region.radius
        10.0
    """
    if shape not in _SHAPES:
        raise ValueError(f'grow: the shape is {shape!r}; it must be "ball" or "box".')
    if not 0 < least <= most:
        raise ValueError(f"grow: radii from {least} to {most}; they must be positive, in order.")
    if not 0 < accuracy < 1:
        raise ValueError(f"grow: the accuracy is {accuracy}; it must be between 0 and 1.")
    check_options("grow", metric, enclosure, search)
    search.require_unused("grow", "checkpoint")
    search = search.filled(1000, 0.97)
    budget = search.budget
    last: Progress | None = None  # what the search for cells last said

    def watch(state: Progress) -> None:
        nonlocal last
        last = state
        if search.progress is not None:
            search.progress(state)

    def certified(radius: float, share: float) -> Convergence:
        left = None if budget.seconds is None else max(budget.left, 1e-3)
        region = _SHAPES[shape](center, radius)
        constraints = Constraints.of(game, region, args)
        if isinstance(region, Box):
            region = constraints.clipped(region)
        else:
            constraints.require_inside(region)
        return certify(
            game,
            region,
            methods,
            args=args,
            metric=metric,
            enclosure=enclosure,
            search=dataclasses.replace(search, max_seconds=left, tightness=share, progress=watch),
        )

    def attempt(radius: float) -> Convergence:
        found = certified(radius, min(_ROUGH, search.share))
        if found.status == "undecided" and last is not None and last.margin >= last.target > 0:
            found = certified(radius, search.share)  # the margin was positive, and too rough
        if on_try is not None:
            on_try(radius, found)
        return found

    def proved(radius: float) -> Convergence | None:
        try:
            found = attempt(radius)
        except OutsideStrategySet:
            return None
        return found if found.status == "proved" else None

    low, best = least, attempt(least)
    if best.status != "proved":
        return best
    high, factor = most, 4.0
    while low < high and budget.left > 0:  # grow towards `most`, until a try fails
        radius = min(low * factor, high)
        found = proved(radius)
        if found is None:
            high = radius
            break
        low, best, factor = radius, found, factor**2
    while high > low * (1 + accuracy) and budget.left > 0:
        radius = (low * high) ** 0.5
        found = proved(radius)
        low, high, best = (low, radius, best) if found is None else (radius, high, found)
    # A try that used up its cells has already cut the worst of them as far as it goes.
    if search.share <= _ROUGH or best.cells >= search.most_cells or budget.left <= 0:
        return best
    fine = certified(low, search.share)
    return fine if fine.status == "proved" else best

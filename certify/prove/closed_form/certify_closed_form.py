"""Proves convergence from the constants that a game has in closed form."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import dgames as dg
from certify.checker.steps import UNPROJECTED
from certify.claims.closed_form import ClosedForm, ClosedFormConstants, ClosedFormEquilibrium
from certify.enclosure.enclose import enclose, require_x64
from certify.problem.exact_types import METHODS, is_as_made
from certify.prove.closed_form.closed_form_bounds import (
    ClosedFormBounds,
    closed_form_bounds,
    unknown,
)
from certify.prove.closed_form.rounded_vectors import Rounded, norm_above
from certify.rounding import next_above, next_below
from certify.steps import STEP_RULES, Setting, StepSize
from dgames.strategy import Strategy, blocks

# How many steps are taken to look for the equilibrium, and how near it they are to come.
_MOST_STEPS, _NEAR = 20_000, 1e-13


def certify_closed_form(
    game: dg.Game,
    like: Strategy | None = None,
    args: Any = None,
    *,
    point: Strategy | None = None,
    methods: Sequence[type[dg.AbstractMethod]] = (dg.Simultaneous, dg.Extragradient),
) -> ClosedForm:
    """Proves that learning converges, in a game whose constants are closed forms.

    Nothing of the size of a Jacobian is formed, so games of a million coordinates take seconds.
    What the constants are, and why, stands in the files of `certify/prove/closed_form`, one per
    game; `certify.closed_form_bounds` adds another one. Let a be the margin and b the Lipschitz
    constant of F on the region, a convex set.

    - *Uniqueness and the flow.* F has at most one zero there, and solutions of `x' = -F(x)`
      approach each other at the rate a while they stay there.
    - *Existence.* If the ball of radius `r = |F(c)| / a` around the point c is in the region, the
      zero is in that ball (theorem 6 of the mathematics). Everywhere that is always so.
    - *Basin.* Starts within `reach - 2 r` of c, where the ball of radius `reach` around c is in the
      region: balls around the zero are invariant, as distances to it never increase.
    - *Steps.* By the theorems "lipschitz", "monotonicity" and "performance" of the mathematics,
      with the numbers a and b.

    Where the region is the product of the strategy sets of the game, steps are projected onto it
    and converge from all of it, and the equilibrium may be on its boundary. Costs are convex in the
    own strategy wherever the margin is positive, so the equilibrium is one of Nash, of the game
    restricted to the region.

    Args:
        game: A game of one of the classes that `certify.closed_form_bounds` knows. Numbers in lower
            precision are taken to be the real numbers that they are.
        like: A joint strategy for the shapes, for games that do not know them.
        args: Passed to the costs; fixed.
        point: A point near the equilibrium; by default one is found.
        methods: The methods for which to prove steps.

    Returns:
        A `ClosedForm`; look at its `status`. It makes no file.

    Raises:
        ValueError: If the class of the game is not known, the game does not know its shapes and
            `like` is not given, or a method has no theorem.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.games.DecayedBilinear([[3.0, 4.0]], (1.0, 1.0))
        >>> proof = certify.certify_closed_form(game)
        >>> proof.status, proof.margin, round(proof.lipschitz, 6)
        ('proved', 1.0, 5.09902)
        >>> proof.region, round(proof.step_sizes["extragradient"].max, 6)
        ('everywhere', 0.196116)
    """
    require_x64()
    names = [_named(method) for method in methods]
    if type(game) not in closed_form_bounds.registry or not is_as_made(game):
        raise unknown(game)
    bounds = closed_form_bounds(game, like, args)
    constants = bounds.constants
    margin, lipschitz = constants.margin, constants.lipschitz
    if not margin > 0:
        reason = f"the margin that was proved is {margin:.6g}, not positive"
        return ClosedForm("undecided", (reason,), constants)
    if not lipschitz < math.inf:
        reason = "no finite Lipschitz constant was proved"
        return ClosedForm("undecided", (reason,), constants)
    center = _found(game, bounds, like, args) if point is None else point
    reach = math.inf if bounds.reach is None else bounds.reach(center)
    if bounds.distance is not None:
        radius = bounds.distance(center)
        proved = math.isfinite(radius)
    else:
        residual = bounds.residual or (lambda x: _enclosed_residual(game, x, args))
        radius = float(next_above(residual(center) / margin))
        proved = math.isfinite(radius) and radius < reach
    if not proved:
        reason = (
            f"the ball of radius {radius:.6g} that would contain the equilibrium is not inside the "
            f"region: {constants.region}"
        )
        return ClosedForm("undecided", (reason,), constants)
    basin = math.inf if bounds.projected else reach
    if basin < math.inf:
        basin = max(float(next_below(reach - float(next_above(2 * radius)))), 0.0)
    equilibrium = ClosedFormEquilibrium(center, radius, basin)
    if bounds.steps is not None:
        without = {
            name: "there is no theorem on its steps in this norm"
            for name in names
            if name not in bounds.steps
        }
        return ClosedForm("proved", (), constants, bounds.steps, without, equilibrium)
    if bounds.projected and bounds.reach is None:
        reach = 0.0  # No ball is known to be inside of the sets.
    steps, without = _steps(
        names, constants, equilibrium, reach, len(blocks(center)), projected=bounds.projected
    )
    return ClosedForm("proved", (), constants, steps, without, equilibrium)


def _named(method: type[dg.AbstractMethod]) -> str:
    name = next((name for known, name in METHODS.items() if known is method), None)
    if name is None:
        raise ValueError(
            f"certify_closed_form: there is no theorem for {getattr(method, '__name__', method)}, "
            f"only for {', '.join(known.__name__ for known in METHODS)}"
        )
    return name


def _found(game: dg.Game, bounds: ClosedFormBounds, like: Strategy | None, args: Any) -> Strategy:
    """Returns a point near the equilibrium: the guess of the game, or the end of a run."""
    if bounds.guess is not None:
        return bounds.guess()
    start = bounds.like if like is None else like
    if start is None:
        raise ValueError(
            f"certify_closed_form: {type(game).__name__} does not know the shapes of strategies; "
            "give a joint strategy `like` or a `point` near the equilibrium."
        )
    step = 0.7 / bounds.constants.lipschitz
    run = dg.solve(game, dg.Extragradient(step), start, args, max_steps=_MOST_STEPS, tol=_NEAR)
    return run.strategy


def _enclosed_residual(game: dg.Game, x: Strategy, args: Any) -> float:
    """Returns an upper bound on `|F(x)|` from an enclosure of the code of the costs."""
    force = dg.pseudo_gradient(game)
    enclosed = jax.jit(enclose(lambda x, args: force(x, args)))(x, args)
    ends = [
        Rounded(np.asarray((box.lower + box.upper) / 2), np.asarray(box.upper - box.lower))
        for box in jax.tree.leaves(enclosed, is_leaf=lambda leaf: hasattr(leaf, "lower"))
    ]
    return norm_above(ends)


def _steps(
    names: Sequence[str],
    constants: ClosedFormConstants,
    equilibrium: ClosedFormEquilibrium,
    reach: float,
    players: int,
    *,
    projected: bool,
) -> tuple[dict[str, StepSize], dict[str, str]]:
    """Returns the steps that the theorems of `certify.steps` prove, and why there are none.

    Steps that are projected onto the region converge from all of it, by the theorems that are about
    such steps. By the others they do from a basin where projections change nothing.
    """
    steps: dict[str, StepSize] = {}
    without: dict[str, str] = {}
    inside = _setting(constants, equilibrium.radius, reach, players)
    anywhere = _setting(constants, equilibrium.radius, math.inf, players)
    for name in names:
        proposed, why = [], "no step of it was proved with a basin in the region"
        for rule in STEP_RULES[name]:
            step = rule(anywhere if projected else inside)
            if step and projected and step["theorem"] in UNPROJECTED:
                step = rule(inside) if reach > equilibrium.radius else None
                why = "its theorem does not cover steps onto strategy sets"
            if step and step["rate"] < 1 and step["best"] > 0:
                proposed.append(step)
        if not proposed:
            without[name] = why
            continue
        step = min(proposed, key=lambda step: step["rate"])
        momentum = step.get("momentum", [])
        steps[name] = StepSize(
            max=step["max"],
            best=step["best"],
            rate=step["rate"],
            norm=constants.norm,
            route="theorem",
            theorem=step["theorem"],
            basin=step.get("basin", equilibrium.basin),
            constant=step.get("constant", 1.0),
            momentum=complex(*momentum) if len(momentum) > 1 else next(iter(momentum), None),
        )
    return steps, without


def _setting(constants: ClosedFormConstants, radius: float, reach: float, players: int) -> Setting:
    return Setting(
        margin=constants.margin,
        # The theorems take a Lipschitz constant that is at least the margin.
        lipschitz=max(constants.lipschitz, constants.margin),
        weights=np.ones(players),
        constants=None,
        gain=None,
        radius=radius,
        reach=reach,
        reach_in=lambda weights: reach * float(np.sqrt(weights.min())) * (1 - 2.0**-40),
        reach_of=lambda scale: reach / float(np.linalg.norm(scale)) * (1 - 2.0**-40),
    )

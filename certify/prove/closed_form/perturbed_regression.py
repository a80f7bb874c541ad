"""Regression with moved inputs: strongly monotone where the penalty exceeds the curvature."""

import math
from typing import Any

import jax
import numpy as np

from certify.claims.closed_form import ClosedFormConstants
from certify.prove.closed_form.closed_form_bounds import (
    ClosedFormBounds,
    closed_form_bounds,
    joined,
)
from certify.prove.closed_form.rounded_vectors import (
    Rounded,
    applied,
    exact,
    multiplied,
    norm_above,
    plus,
    scaled,
    times,
    transposed,
)
from certify.prove.closed_form.spectral_bounds import (
    skew_norm_above,
    smallest_singular_value_below,
    spectral_norm_above,
)
from certify.rounding import EPSILON, next_above, next_below, raised
from dgames.games.perturbed_regression import PerturbedRegression
from dgames.roles import in_roles
from dgames.strategy import Strategy


@closed_form_bounds.register
def _(
    game: PerturbedRegression, like: Strategy | None = None, args: Any = None
) -> ClosedFormBounds:
    """Proves constants on the strategy sets `|w| <= B`, `|delta_n| <= D` for all n.

    Let kappa be the penalty, rho the decay, X~ the moved inputs, whose rows are `x_n + delta_n`
    with `delta_n = sqrt(N) xi_n`, and l', l'' the derivatives of the loss in the output. In xi the
    Hessian of minus the payoff has the blocks `kappa I - l''_n w w'`, since the factors `1/N` and
    `sqrt(N)^2` cancel. In w the Hessian is `rho I + X~' diag(l'') X~ / N`. So, whatever the
    coupling, the margin in the Euclidean norm (theorem A of networks as players) is at least

        square      min(rho + (s_min(X) / sqrt(N) - D)_+^2, kappa - B^2)
        logistic    min(rho, kappa - B^2 / 4)

    as l'' is 1, or from 0 to 1/4, and `|X~ - X|_2 <= |X~ - X|_F <= sqrt(N) D`. With
    `s = |X| / sqrt(N) + D >= |X~| / sqrt(N)` the own blocks are at most `rho + s^2`, or
    `rho + s^2 / 4`, and kappa. The coupling maps xi to
    `sum_n (l''_n (x_n + delta_n) w' + l'_n I) xi_n / sqrt(N)`, whose norm is at most
    `s sup l'' B + |(l'_n)_n| / sqrt(N)`. The last term is at most 1 for the logistic loss; for the
    other one it is `|X~ w - y| / sqrt(N) <= s B + |y| / sqrt(N)`.

    The sets are compact and the payoff convex-concave on them, so there is an equilibrium. For any
    c in the sets let `e = c - P(c - F(c) / b)` with the projection P onto them. Adding the
    variational inequalities of `c - e`, as a projection, and of the equilibrium gives
    `a d^2 <= (b + b) d |e|` for its distance d from c, hence `d <= 2 b |e| / a` (Facchinei and
    Pang, 2003, proposition 6.3.1). If the ball of radius `|F(c)| / a` is in the sets, that is a
    bound as well.
    """
    # Sets are those of floats: a ball may be larger than its bound by a rounding.
    n, (most, move) = len(game.inputs), [float(raised(bound, 4)) for bound in game.bounds]
    kappa, rho = game.penalty, game.decay
    inputs, targets = np.asarray(game.inputs, np.float64), np.asarray(game.targets, np.float64)
    root_below, root_above = next_below(math.sqrt(n)), next_above(math.sqrt(n))
    s = float(raised(spectral_norm_above(inputs) / root_below + move, 3))
    square = game.loss == "square"
    curved = 1.0 if square else 0.25
    least = rho
    if square:
        apart = next_below(next_below(smallest_singular_value_below(inputs) / root_above) - move)
        least = float(next_below(rho + next_below(max(apart, 0.0) ** 2)))
    concave = float(next_below(kappa - next_above(curved * next_above(most**2))))
    slope = raised(s * most + norm_above([exact(targets)]) / root_below, 6) if square else 1.0
    coupling = float(raised(curved * s * most + slope, 6))
    margin = min(least, concave)
    lipschitz = skew_norm_above(
        (least, float(raised(rho + curved * s**2, 6))), (concave, kappa), coupling
    )
    constants = ClosedFormConstants(
        margin=margin,
        lipschitz=lipschitz,
        region=f"|w| <= {game.bounds[0]:g} and |delta_n| <= {game.bounds[1]:g} for every n",
        facts=(
            ("curvature of w", least, "lower"),
            ("curvature of xi", concave, "lower"),
            ("coupling", coupling, "upper"),
        ),
    )
    count = Rounded(np.asarray(math.sqrt(n)), np.asarray(math.sqrt(n) * EPSILON))

    def force(w: Rounded, xi: Rounded) -> tuple[Rounded, Rounded]:
        moved = plus(exact(inputs), times(count, xi))
        outputs = multiplied(moved, w)
        if square:
            slopes = plus(outputs, exact(-targets))
        else:
            slopes = times(
                exact(-targets), applied(jax.nn.sigmoid, times(exact(-targets), outputs))
            )
        share = Rounded(np.asarray(1 / n), np.asarray(EPSILON / n))
        own = plus(times(share, multiplied(transposed(moved), slopes)), scaled(rho, w))
        column = Rounded(slopes.value[:, None], slopes.error[:, None])
        each = Rounded(np.asarray(1 / math.sqrt(n)), np.asarray(2 * EPSILON / math.sqrt(n)))
        pushed = times(each, times(column, Rounded(w.value[None], w.error[None])))
        return own, plus(scaled(kappa, xi), scaled(-1.0, pushed))

    def rows(xi: np.ndarray) -> np.ndarray:
        """Returns upper bounds on the norms of the rows of a matrix."""
        terms = xi.shape[1]
        return next_above(np.sqrt(raised(np.sum(xi**2, axis=1), terms + 2)))

    # The radii of the strategy sets, as floats.
    longest, radius = game.bounds[0], game.bounds[1] / math.sqrt(n)

    def inside(point: Strategy) -> tuple[np.ndarray, np.ndarray]:
        """Returns a point of the sets, which is the given one if that is in them."""
        w, xi = (np.asarray(block, np.float64) for block in in_roles(game, point))
        length = norm_above([exact(w)])
        if length > longest:
            w = w * (longest / length * (1 - 4 * w.size * EPSILON))
        lengths = rows(xi)
        shrink = np.where(lengths > radius, radius / lengths * (1 - 8 * xi.shape[1] * EPSILON), 1.0)
        return w, xi * shrink[:, None]

    def reach(point: Strategy) -> float:
        w, xi = inside(point)
        own = next_below(longest - norm_above([exact(w)]))
        return float(min(own, next_below(radius - rows(xi).max(initial=0.0))))

    def distance(point: Strategy) -> float:
        w, xi = inside(point)
        given = tuple(np.asarray(block, np.float64) for block in in_roles(game, point))
        shift = norm_above(plus(exact(a), exact(-b)) for a, b in zip(given, (w, xi), strict=True))
        own, other = force(exact(w), exact(xi))
        free = float(next_above(norm_above((own, other)) / margin))
        if free < reach(point):
            return float(next_above(free + shift))
        step = float(next_below(1 / lipschitz))
        moves = (
            plus(exact(w), scaled(-step, own)),
            plus(exact(xi), scaled(-step, other)),
        )
        ends = _onto_ball(moves[0], longest), _onto_rows(moves[1], radius)
        error = norm_above(
            plus(exact(x), scaled(-1.0, end)) for x, end in zip((w, xi), ends, strict=True)
        )
        # With the step h in place of 1/b, the bound is `(1 / h + b) |e| / a`.
        return float(raised((1 / step + lipschitz) * error / margin + shift, 8))

    start = game.start()
    return ClosedFormBounds(
        constants,
        projected=True,
        reach=reach,
        distance=distance,
        like=joined(game, like, *start),
    )


def _onto_rows(xi: Rounded, radius: float) -> Rounded:
    """Returns the projection of rows onto the ball of a radius, which moves none of them apart.

    The projection of what floats say is `radius / |row|` times the row up to a few units in the
    last place for each entry, and projections do not expand the errors of rows.
    """
    lengths = np.sqrt(np.sum(xi.value**2, axis=1, keepdims=True))
    terms = xi.value.shape[1]
    factor = np.minimum(1.0, radius / np.maximum(lengths, 1e-300))
    value = xi.value * factor
    # The error of a row is at most the norm of its errors, in every entry.
    errors = np.sqrt(np.sum(xi.error**2, axis=1, keepdims=True))
    rounding = (2 * terms + 16) * EPSILON * np.abs(value)
    return Rounded(value, raised(rounding + np.broadcast_to(errors, value.shape), terms + 8))


def _onto_ball(w: Rounded, radius: float) -> Rounded:
    found = _onto_rows(Rounded(w.value[None], w.error[None]), radius)
    return Rounded(found.value[0], found.error[0])

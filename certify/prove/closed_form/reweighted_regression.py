"""Data that an adversary weighs: strongly monotone in the geometry of the divergence."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.special

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
    norm_above,
    plus,
    product,
    scaled,
    times,
)
from certify.prove.closed_form.spectral_bounds import spectral_norm_above
from certify.rounding import EPSILON, next_above, next_below, raised
from certify.steps.step_size import StepSize
from dgames.games.reweighted_regression import ReweightedRegression
from dgames.roles import in_roles
from dgames.strategy import Strategy

# Up to so many inputs, the minimiser is polished by a method that takes differences in each.
_POLISHED = 64


@closed_form_bounds.register
def _(
    game: ReweightedRegression, like: Strategy | None = None, args: Any = None
) -> ClosedFormBounds:
    """Proves constants and the step of `ReweightedRegression.method`, for all w and p.

    Let R be the divergence and D_R its Bregman divergence, KL or `G/2 |p - p'|^2`. Let
    `D((w, p), (w', p')) = |w - w'|^2 / 2 + D_R(p, p')`, and `|(w, p)|^2 = |w|^2 + |p|_1^2` or
    `|w|^2 + G |p|_2^2`, so that `D(z, z') >= |z - z'|^2 / 2`, by Pinsker's inequality for the
    entropy. F is G_0, the part without regularisers, plus the gradient of
    `r(z) = rho/2 |w|^2 + tau R(p)`.

    - *Margin.* G_0 is monotone, as `sum_g p_g L_g(w)` is convex in w and linear in p. The other
      part gives `<F(z) - F(z'), z - z'> >= a (D(z, z') + D(z', z)) >= a |z - z'|^2` with
      `a = min(rho, tau)`.
    - *Smoothness.* Let g be at least `|grad L_g|` for all groups and w (or the norm of the matrix
      of these gradients over `sqrt(G)`), and S at least the curvature of every `sum_g p_g L_g`.
      Then `|<G_0(z) - G_0(z'), u>| <= b |z - z'| |u|` with b the norm of `[[S, g], [g, 0]]`, which
      is `lipschitz`. As `|l'| <= 1` and `0 <= l'' <= 1/4`, g is the largest mean of `|x_n|` over a
      group, and S a quarter of the largest mean of `|x_n|^2`. If every datum is its own group, the
      matrix of gradients is `X' diag(l')`, of norm at most |X|.
    - *Steps.* Let `z+ = argmin_u h <G_0(z), u> + h r(u) + D(u, z)` and `h <= a / b^2`. Optimality
      of z+ tried at z*, and of z* at z+, give with the identity of three points

          h <G_0(z) - G_0(z*), z* - z+> - h a (D(z*, z+) + D(z+, z*))
              + D(z*, z) - D(z*, z+) - D(z+, z) >= 0.

      By monotonicity the product is at most `<G_0(z) - G_0(z+), z* - z+>`, and so at most
      `b |z - z+| |z* - z+| <= D(z+, z) / h + h b^2 D(z+, z*)`. Hence
      `(1 + h a) D(z*, z+) <= D(z*, z)`: with `sqrt(2 D)` as distance, the rate is
      `1 / sqrt(1 + h a)`.
    - *Equilibrium.* There is one, as p is in a compact set and the payoff strongly convex in w. For
      c = (w, p) with p in the simplex and any nu that is normal to the simplex at p,
      `a |c - z*|^2 <= <F(c) + nu, c - z*>`. So the distance is at most the dual norm of
      `F(c) + nu` over a. For the entropy nu is constant, and the dual norm on differences of
      probabilities is half the spread of the entries. For the other one nu may also be negative
      where `p_g = 0`.
    """
    inputs, labels = np.asarray(game.inputs, np.float64), np.asarray(game.labels, np.float64)
    tau, rho, count, entropy = (
        game.temperature,
        game.decay,
        game.count,
        game.divergence == "entropy",
    )
    d = inputs.shape[1]
    squares = raised(np.sum(inputs**2, axis=1), d + 2)
    groups = None if game.groups is None else np.asarray(game.groups)
    lengths = next_above(np.sqrt(squares))
    mean_length, mean_square = (_means(v, groups, count) for v in (lengths, squares))
    smooth = float(next_above(mean_square.max() / 4))
    if entropy:
        gradient = float(mean_length.max())
    else:
        gradient = float(raised(np.sqrt(np.sum(mean_length**2) / count), count + 4))
        if groups is None:
            gradient = min(gradient, float(raised(spectral_norm_above(inputs) / np.sqrt(count), 4)))
    a = min(rho, tau)
    b = _norm_above(smooth, gradient)
    norm = (
        "sqrt(|w|^2 + |p|_1^2); of the step sqrt(|w|^2 + 2 KL)"
        if entropy
        else "sqrt(|w|^2 + G |p|^2), of the step too"
    )
    constants = ClosedFormConstants(
        margin=a,
        lipschitz=b,
        norm=norm,
        facts=(
            ("gradients of losses", gradient, "upper"),
            ("curvature of losses", smooth, "upper"),
        ),
    )
    step = float(next_below(next_below(a / next_above(b * b))))
    growth = next_below(next_below(1.0 + next_below(step * a)))
    rate = float(next_above(next_above(1.0 / next_below(np.sqrt(growth)))))
    steps = {}
    if rate < 1:
        steps["mirror_descent"] = StepSize(
            max=step,
            best=step,
            rate=rate,
            norm="sqrt(|w|^2 + 2 KL)" if entropy else "sqrt(|w|^2 + G |p|^2)",
            route="theorem",
            theorem="magnetic",
            basin=np.inf,
        )

    def losses(w: np.ndarray) -> tuple[Rounded, Rounded]:
        """Returns the losses of all data, and their derivatives in the outputs."""
        margins = times(exact(labels), product(inputs, exact(w)))
        against = scaled(-1.0, margins)
        slopes = times(exact(-labels), applied(jax.nn.sigmoid, against))
        return applied(jax.nn.softplus, against), slopes

    def distance(point: Strategy) -> float:
        w, p = (np.asarray(block, np.float64) for block in in_roles(game, point))
        if not ((p >= 0).all() and np.isfinite(p).all() and abs(p.sum() - 1) < 1e-6):
            return np.inf
        value, slopes = losses(w)
        each = value if groups is None else _rounded_means(value, groups, count)
        # The point meant is p over its sum, which is within `off` of p in the norm of sums.
        off = raised(abs(p.sum() - 1) + 2 * count * EPSILON, 4)
        if groups is None:
            weights = exact(p)
        else:
            sizes = np.bincount(groups, minlength=count)
            weights = Rounded((p / sizes)[groups], raised((p / sizes)[groups] * EPSILON, 2))
        own = plus(product(inputs.T, times(weights, slopes)), scaled(rho, exact(w)))
        own = plus(own, Rounded(np.zeros(d), np.full(d, raised(2 * off * mean_length.max(), 4))))
        if entropy:
            if not (p > 0).all():
                return np.inf
            pull = scaled(tau, applied(jnp.log, exact(p)))
            force = plus(scaled(-1.0, each), pull)
            high, low = (force.value + force.error).max(), (force.value - force.error).min()
            dual = raised((high - low) / 2, 4)
        else:
            pull = times(exact(tau * count), exact(p))
            pull = Rounded(
                pull.value, raised(pull.error + 2 * (EPSILON + 2 * off) * np.abs(pull.value), 4)
            )
            force = plus(scaled(-1.0, each), pull)
            level = force.value[p > 0].mean()
            apart = np.abs(force.value - level)
            apart = np.where((p == 0) & (force.value > level), 0.0, apart)
            rest = np.where((p == 0) & (force.value - level > force.error), 0.0, force.error)
            dual = norm_above([Rounded(apart, raised(rest + EPSILON * apart, 4))])
            dual = float(raised(dual / np.sqrt(count), 4))
        total = raised(np.hypot(norm_above([own]), dual), 4)
        # The point that is given is `off` away from the one meant, at most, in either norm.
        away = off if entropy else off * np.sqrt(count)
        return float(raised(total / a + away, 6))

    def guess() -> Strategy:
        """Minimises what is left of the payoff where p is at its best."""

        def best(w: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
            """Returns derivatives of losses, the best weights, and the payoff without decay."""
            margins = labels * (inputs @ w)
            each = np.logaddexp(0.0, -margins)
            if groups is not None:
                each = _plain_means(each, groups, count)
            slopes = -labels * scipy.special.expit(-margins)
            if entropy:
                p = scipy.special.softmax(each / tau)
                return slopes, p, tau * float(scipy.special.logsumexp(each / tau) - np.log(count))
            p = _best_weights(each, tau, count)
            return slopes, p, float(p @ each - tau * count * np.sum((p - 1 / count) ** 2) / 2)

        def robust(w: np.ndarray) -> tuple[float, np.ndarray]:
            slopes, p, value = best(w)
            gradient = inputs.T @ (slopes * _spread(p, groups, count)) + rho * w
            return value + rho * float(w @ w) / 2, gradient

        options = {"maxiter": 500, "ftol": 0.0, "gtol": 1e-14, "maxcor": 30}
        found = scipy.optimize.minimize(
            robust, np.zeros(d), jac=True, method="L-BFGS-B", options=options
        )
        w = found.x
        if d <= _POLISHED:
            near = scipy.optimize.root(lambda w: robust(w)[1], w, tol=1e-15).x
            if np.linalg.norm(robust(near)[1]) < np.linalg.norm(robust(w)[1]):
                w = near
        return joined(game, like, jnp.asarray(w), jnp.asarray(best(w)[1]))

    return ClosedFormBounds(constants, projected=True, distance=distance, steps=steps, guess=guess)


def _norm_above(smooth: float, gradient: float) -> float:
    """Bounds the norm of `[[S, g], [g, 0]]`, `(S + sqrt(S^2 + 4 g^2)) / 2`."""
    return float(raised((smooth + np.hypot(smooth, 2 * gradient)) / 2, 8))


def _means(values: np.ndarray, groups: np.ndarray | None, count: int) -> np.ndarray:
    """Returns upper bounds on the means of non-negative numbers over groups."""
    if groups is None:
        return values
    return raised(_plain_means(values, groups, count), len(values) + 4)


def _plain_means(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    sums = np.bincount(groups, weights=values, minlength=count)
    return sums / np.bincount(groups, minlength=count)


def _rounded_means(values: Rounded, groups: np.ndarray, count: int) -> Rounded:
    """Returns the means of non-negative numbers over groups."""
    means = _plain_means(values.value, groups, count)
    most = int(np.bincount(groups).max())
    error = _plain_means(values.error, groups, count) + (most + 4) * EPSILON * means
    return Rounded(means, raised(error, most + 6))


def _spread(p: np.ndarray, groups: np.ndarray | None, count: int) -> np.ndarray:
    return p if groups is None else (p / np.bincount(groups, minlength=count))[groups]


def _best_weights(each: np.ndarray, tau: float, count: int) -> np.ndarray:
    """Returns the best weights under the chi-square divergence: a projection onto the simplex."""
    aim = 1 / count + each / (tau * count)
    ordered = np.sort(aim)[::-1]
    levels = (np.cumsum(ordered) - 1) / np.arange(1, count + 1)
    return np.maximum(aim - levels.max(), 0.0)

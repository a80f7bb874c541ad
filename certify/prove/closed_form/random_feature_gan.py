r"""Generative adversarial networks whose last layers are trained: one equilibrium for all T.

The value of `dgames.games.RandomFeatureGAN`, without decay, is

    V(T, phi) = mean alpha(phi . psi(x_n)) + mean beta(phi . psi(G_m)),     G_m = z_m + T chi_m,

with alpha and beta concave, of slopes in [0, 1] and [-1, 0]. The discriminator's side is concave:
V is, in phi, a mean of concave functions of linear ones. So its own curvature is at least
`decay_2`. The generator's side is curved by the discriminator alone, as G_m is linear in T: for a
direction U, with `D(y) = phi . psi(y)`, `t_m = D(G_m)` and derivatives of D at G_m,

    D_T^2 V[U, U] = mean ( beta'(t_m) D^2 D[U chi_m, U chi_m] + beta''(t_m) (D D[U chi_m])^2 ).

Let s1 and s2 bound the first two derivatives of the activation, and, with m features, of weights
`w_r`, of the discriminator,

    k = sup over unit v of sqrt(mean_r (w_r . v)^4),      K = ||W|| / sqrt(m),
    e = lambda_max(mean chi_m chi_m').

At every y, whatever the biases are, with the inequality of Cauchy and Schwarz over features,

    |D^2 D[v, v]| = |sum_r phi_r s''(...) (w_r . v)^2| / sqrt(m) <= |phi| s2 k |v|^2,
    |D D[v]|      = |sum_r phi_r s'(...) (w_r . v)| / sqrt(m)    <= |phi| s1 K |v|,

and `mean |U chi_m|^2 = tr(U (mean chi chi') U') <= e |U|^2`. So for `|phi| <= R` and all T

    D_T^2 V >= -B,       B = (b1 R s2 k + b2 (R s1 K)^2) e,

where b1 bounds `|beta'|` and b2 `|beta''|`: 1 and 0 for "wasserstein"; for "logistic" the logistic
function of `R S`, as `|D| <= R S` with `S = sup |s|`, and 1/4. The margin is
`min(decay_1 - B, decay_2)`: V is strongly convex in T and strongly concave in phi, and the four
inequalities that say so add up to strong monotonicity, whatever the coupling. With values of s
between l and u, all best replies of the discriminator have `|phi| <= (u - l) / decay_2 = R` (see
the class), so that an equilibrium of the game without the ball is one within it, and the other way
round. So for "wasserstein" there is exactly one if

    decay_1 decay_2 > (u - l) s2 k e.

k is bounded by a norm: `(w . v)^2` is the scalar product of `w w'` and `v v'`, whose norm is one;
so k is at most the norm of the matrix with the rows `w_r w_r'`, over `sqrt(m)`.

The mixed derivative is `mean ( beta' (D psi(G_m)[U chi_m]) . q + beta'' D D[U chi_m] (q . psi) )`
for a direction q of phi, of size at most `(b1 s1 K + b2 R s1 K S) sqrt(e)`; in phi the second
derivative has the size `(a2 + b2) S^2` at most, with a2 = 1/4 for "logistic".

*The equilibrium.* On a closed convex set X, here all T with the ball, F has exactly one solution x*
of `<F(x*), x - x*> >= 0` for all x in X, as it is strongly monotone; and for every c in X
`a |c - x*|^2 <= <F(c) - F(x*), c - x*> <= <F(c), c - x*>`, so that `|c - x*| <= |F(c)| / a`.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import dgames as dg
from certify.claims.closed_form import ClosedFormConstants
from certify.enclosure import Interval, enclose
from certify.prove.closed_form.closed_form_bounds import (
    ClosedFormBounds,
    closed_form_bounds,
    joined,
)
from certify.prove.closed_form.rounded_vectors import Rounded, exact, norm_above
from certify.prove.closed_form.spectral_bounds import (
    largest_eigenvalue_above,
    skew_norm_above,
    square_above,
)
from certify.rounding import EPSILON, next_above, next_below, raised
from dgames.games.random_feature_gan import RANGES, RandomFeatureGAN
from dgames.nn import Activation
from dgames.roles import in_roles
from dgames.strategy import Strategy

# Bounds on the first and the second derivative of activations: in tanh, `2 y (1 - y^2)` at
# `y^2 = 1/3`; in the logistic function p, `p (1 - p) (1 - 2 p)`; in erf, `2 x s'` at `x^2 = 1/2`.
_DERIVATIVES = {
    "tanh": (1.0, 0.7698003589195011),
    "sigmoid": (0.25, 0.0962250448649377),
    "erf": (1.1283791670955127, 0.9678828980765736),
    "sin": (1.0, 1.0),
}
# The equilibrium is looked for by a run of so many features times samples times steps at most.
_MOST_WORK, _MOST_STEPS, _NEAR = 2_000_000_000, 2_000, 1e-11
# Features of the discriminator that are enclosed at once.
_PART = 2**16


class FeatureBounds(NamedTuple):
    """Upper bounds on features, see the top of this module.

    Attributes:
        fourth: k.
        slope: K.
        generator: e.
    """

    fourth: float
    slope: float
    generator: float


@closed_form_bounds.register
def _(game: RandomFeatureGAN, like: Strategy | None = None, args: Any = None) -> ClosedFormBounds:
    """Proves the margin for all T and for the ball of all best replies; see the module."""
    bounds = feature_bounds(game)
    radius = float(next_above(next_above(game.largest_reply())))
    margin, lipschitz = game_constants(game, bounds, radius)
    start = joined(game, like, *game.start())

    def residual(point: Strategy) -> float:
        _, phi = in_roles(game, point)
        # A point outside of the set says nothing about the equilibrium in it.
        if norm_above([exact(phi)]) > radius:
            return math.inf
        at_start = not any(np.any(np.asarray(block)) for block in in_roles(game, point))
        if at_start and _steps_of_a_run(game) == 0:
            return residual_of_start(game, bounds)
        return residual_above(game, point)

    return ClosedFormBounds(
        ClosedFormConstants(
            margin,
            lipschitz,
            region=f"all T, and |phi| <= {game.largest_reply():.6g}, which has all best replies",
            facts=(
                ("curvature of features", bounds.fourth, "upper"),
                ("largest eigenvalue of mean chi chi'", bounds.generator, "upper"),
            ),
        ),
        residual=residual,
        guess=lambda: found_by_a_run(game, start, lipschitz),
        like=start,
        projected=True,
    )


def found_by_a_run(game: RandomFeatureGAN, start: Strategy, lipschitz: float) -> Strategy:
    """Returns the end of a run that takes seconds: the start, where a step alone takes as long."""
    steps = _steps_of_a_run(game)
    if steps == 0:
        return start
    method = dg.Extragradient(0.7 / lipschitz)
    return dg.solve(game, method, start, max_steps=steps, tol=_NEAR).strategy


def _steps_of_a_run(game: RandomFeatureGAN) -> int:
    work = game.discriminator[1].size * (len(game.x) + len(game.z))
    steps = min(_MOST_STEPS, _MOST_WORK // work)
    return steps if steps >= 100 else 0


def residual_of_start(game: RandomFeatureGAN, bounds: FeatureBounds) -> float:
    """Bounds `|F(0, 0)|` from above, at once, however many features there are.

    There `F_T = 0`, and F_phi is the slope, 1 or 1/2, times `mean psi(z_m) - mean psi(x_n)`, which
    is the mean over all pairs of `psi(z_m) - psi(x_n)`, of size at most `s1 K |z_m - x_n|`.
    """
    steep = _DERIVATIVES[game.activation.name][0] * bounds.slope
    x, z = (np.asarray(values, np.float64) for values in (game.x, game.z))
    gaps = np.abs(x[:, None] - z[None]) * (1 + EPSILON)
    mean = raised(np.mean(np.sqrt(np.sum(gaps**2, -1))), gaps.size + 8)
    return float(raised(steep * mean * (1.0 if game.loss == "wasserstein" else 0.5), 8))


def feature_bounds(game: RandomFeatureGAN) -> FeatureBounds:
    """Bounds what the constants need of the features, every rounding error paid."""
    weights = np.asarray(game.discriminator[0], np.float64)
    count, inputs = weights.shape
    # The rows w w', of which the symmetric half is enough: entries off the diagonal stand twice.
    one, two = np.triu_indices(inputs)
    products = weights[:, one] * weights[:, two] * np.where(one == two, 1.0, math.sqrt(2.0))
    rounding = raised(3 * EPSILON * np.sqrt(square_above(products)), 8)
    fourth = raised((norm_by_gram(products) + rounding) / np.sqrt(float(count)), 6)
    slope = raised(norm_by_gram(weights) / np.sqrt(float(count)), 6)
    box = jax.jit(enclose(game.generator_features))(game.z.astype(jnp.float64))
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    middle = (low + high) / 2
    spread = np.sqrt(square_above(raised(np.maximum(high - middle, middle - low), 2)))
    norm = raised(norm_by_gram(middle) + raised(spread, 2), 2)
    generator = raised(norm**2 / len(game.z), 4)
    return FeatureBounds(float(fourth), float(slope), float(generator))


def norm_by_gram(matrix: Float[np.ndarray, "rows columns"]) -> float:
    """Bounds a spectral norm by the largest eigenvalue of the smaller Gram matrix.

    The rounding errors of the product of a matrix of n terms with itself have a Frobenius norm of
    at most `(n + 2) eps |A|_F^2`.
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = tall.T @ tall
    error = raised((len(tall) + 2) * EPSILON * square_above(tall), 4)
    top = max(largest_eigenvalue_above((gram + gram.T) / 2), 0.0)
    return float(raised(np.sqrt(raised(top + error, 4)), 4))


def game_constants(
    game: RandomFeatureGAN, bounds: FeatureBounds, radius: float
) -> tuple[float, float]:
    """Returns the margin and the Lipschitz constant for `|phi| <= radius`.

    Everything that is added and multiplied is not negative, so that one factor pays for all
    roundings.
    """
    sharpness = float(game.activation.sharpness)
    first, second = _DERIVATIVES[game.activation.name]
    second = float(next_above(second * sharpness))
    largest = max(map(abs, RANGES[game.activation.name])) / sharpness
    if game.loss == "wasserstein":
        slope, curved = 1.0, 0.0
    else:
        slope, curved = min(1.0, raised(1.0 / (1.0 + math.exp(-radius * largest)), 16)), 0.25
    steep = first * bounds.slope
    own = slope * radius * second * bounds.fourth + curved * (radius * steep) ** 2
    own = float(raised(own * bounds.generator, 16))
    coupling = (slope + curved * radius * largest) * steep * math.sqrt(bounds.generator)
    coupling = float(raised(coupling, 16))
    rho, sigma = (float(decay) for decay in game.decay)
    margin = min(float(next_below(rho - own)), sigma)
    whole = float(raised(sigma + 2 * curved * largest**2, 8))
    lipschitz = skew_norm_above(
        (float(next_below(rho - own)), float(next_above(rho + own))), (sigma, whole), coupling
    )
    return margin, lipschitz


def residual_above(game: RandomFeatureGAN, point: Strategy) -> float:
    """Bounds `|F(c)|` from above, with enclosures of features, some of them at a time.

    With `p_n = alpha'(D(x_n)) / N` and `q_m = beta'(D(G_m)) / M`,

        F_phi = decay_2 phi - sum p_n psi(x_n) - sum q_m psi(G_m),
        F_T   = decay_1 T + sum q_m (D D)(G_m) chi_m'.
    """
    matrix, phi = (jnp.asarray(block, jnp.float64) for block in in_roles(game, point))
    x, z = (values.astype(jnp.float64) for values in (game.x, game.z))
    samples = enclose(game.samples)(matrix)
    weights, biases = (leaf.astype(jnp.float64) for leaf in game.discriminator)
    count = biases.shape[0]
    parts = [
        _Part(weights[k : k + _PART], biases[k : k + _PART], phi[k : k + _PART])
        for k in range(0, count, _PART)
    ]
    on_data, on_samples, slopes = jnp.zeros(len(x)), jnp.zeros(len(z)), jnp.zeros_like(z)
    if bool(jnp.any(phi)):
        read = jax.jit(enclose(functools.partial(_read, game.activation, count)))
        add = jax.jit(enclose(lambda have, more: jax.tree.map(jnp.add, have, more)))
        total = (on_data, on_samples, slopes)
        for part in parts:
            total = add(total, read(part, x, samples))
        on_data, on_samples, slopes = total
    p, q = enclose(functools.partial(_shares, game.loss))(on_data, on_samples)
    reply = jax.jit(enclose(functools.partial(_reply, game.activation, count, game.decay[1])))
    second = [_rounded(reply(part, x, samples, p, q)) for part in parts]

    def first(matrix: Array, z: Array, slopes: Array, q: Array) -> Array:
        chi = game.generator_features(z)
        return game.decay[0] * matrix + (q[:, None] * slopes).T @ chi

    own = _rounded(jax.jit(enclose(first))(matrix, z, slopes, q))
    return norm_above([own, *second])


class _Part(NamedTuple):
    """Some of the features of the discriminator."""

    weights: Float[Array, "some d"]
    biases: Float[Array, " some"]
    phi: Float[Array, " some"]


def _features(
    activation: Activation, count: int, part: _Part, x: Float[Array, "N d"]
) -> Float[Array, "N some"]:
    return activation(x @ part.weights.T + part.biases[None]) / jnp.sqrt(float(count))


def _read(
    activation: Activation, count: int, part: _Part, x: Array, samples: Array
) -> tuple[Array, Array, Array]:
    """Returns what some features add to D at data, at samples, and to its derivative there."""

    def read(x: Array) -> Array:
        return _features(activation, count, part, x) @ part.phi

    return read(x), read(samples), jax.grad(lambda x: jnp.sum(read(x)))(samples)


def _shares(loss: str, on_data: Array, on_samples: Array) -> tuple[Array, Array]:
    """Returns the numbers p_n and q_m."""
    if loss == "wasserstein":
        return jnp.ones_like(on_data) / len(on_data), -jnp.ones_like(on_samples) / len(on_samples)
    return (
        jax.nn.sigmoid(-on_data) / len(on_data),
        -jax.nn.sigmoid(on_samples) / len(on_samples),
    )


def _reply(
    activation: Activation,
    count: int,
    decay: float,
    part: _Part,
    x: Array,
    samples: Array,
    p: Array,
    q: Array,
) -> Array:
    """Returns some entries of F_phi."""
    on_data = p @ _features(activation, count, part, x)
    on_samples = q @ _features(activation, count, part, samples)
    return decay * part.phi - on_data - on_samples


def _rounded(box: Interval) -> Rounded:
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    return Rounded((low + high) / 2, np.asarray(next_above(high - low)))

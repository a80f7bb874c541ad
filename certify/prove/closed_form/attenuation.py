"""Control against disturbances in open loop: constants by Riccati recursions, for any horizon."""

from fractions import Fraction
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.checker.exact import Work
from certify.checker.semidefinite import exactly_semidefinite
from certify.claims.closed_form import ClosedFormConstants
from certify.prove.closed_form.closed_form_bounds import (
    ClosedFormBounds,
    closed_form_bounds,
    joined,
)
from certify.prove.closed_form.quadratic_sums import largest_proved, proves_nonnegative
from certify.prove.closed_form.rounded_vectors import (
    Rounded,
    exact,
    multiplied,
    norm_above,
    plus,
    scaled,
)
from certify.prove.closed_form.spectral_bounds import (
    skew_norm_above,
    smallest_eigenvalue_below,
    spectral_norm_above,
)
from certify.rounding import next_above, next_below, raised
from dgames.games.attenuation import Attenuation
from dgames.roles import in_roles
from dgames.strategy import Strategy


@closed_form_bounds.register
def _(game: Attenuation, like: Strategy | None = None, args: Any = None) -> ClosedFormBounds:
    """Proves `a = min(lambda_min(R + B_c' Q B_c), gamma^2 - lambda_max(D_c' Q D_c))`, everywhere.

    With `x = Phi x_0 + B_c u + D_c w` the pseudo-gradient is affine, with the constant Jacobian

        [[R + B_c' Q B_c,  B_c' Q D_c], [-D_c' Q B_c,  gamma^2 I - D_c' Q D_c]].

    The symmetric part is block diagonal, so the margin is the smaller of the least eigenvalues of
    the two blocks. A number a is at most that of the first one if the sum of `x' Q x + u' (R - a I)
    u` is non-negative for all u, from `x_0 = 0`; of the second one, if that of
    `-x' Q x + (gamma^2 - a) |w|^2` is: two questions for `quadratic_sums`, as is
    `sum -x' Q x + u' (c I - R) u >= 0` about the largest eigenvalue c of the first block. The
    coupling is at most `sqrt(|B_c' Q B_c| |D_c' Q D_c|)`, by the inequality of Cauchy and Schwarz,
    where Q and the last weight are semidefinite, which is decided exactly.

    For the value F(c) at a point, states and costates are computed, and their defects in the two
    recursions enclosed. With s the norm of the map from the disturbances of `e_{t+1} = A e_t + d_t`
    to the states, errors in states are at most `s |d|`, those in costates `s (|Q| s |d| + |d'|)`.
    """
    A, B, D, Q, R, P = (
        np.asarray(each, np.float64) for each in (game.A, game.B, game.D, game.Q, game.R, game.P)
    )
    horizon, level = game.horizon, game.gamma
    semidefinite = _semidefinite(Q) and _semidefinite(P)
    square_below = float(next_below(level * level))
    square_above = float(next_above(level * level))
    other = np.eye(D.shape[1])

    def sums(inputs: np.ndarray, Q: np.ndarray, P: np.ndarray, weight: np.ndarray) -> bool:
        return proves_nonnegative(A, inputs, Q, weight, P, horizon)

    unit = float(max(np.abs(R).max(), np.abs(B.T @ P @ B).max(), 1e-300))
    least = float(np.linalg.eigvalsh(R + B.T @ P @ B)[0])
    control = largest_proved(lambda a: sums(B, Q, P, _minus(R, a)), least + 1e-9 * unit, unit)
    rest = float(square_below - np.linalg.eigvalsh(D.T @ P @ D)[-1])
    # `a I - D_c' Q D_c >= 0` holds for a = -attenuated and above.
    attenuated = -largest_proved(
        lambda a: sums(D, -Q, -P, -a * other), rest - square_below, square_above
    )
    disturbance = float(next_below(square_below - attenuated))
    most = float(np.linalg.eigvalsh(R + B.T @ P @ B)[-1])
    largest = -largest_proved(lambda a: sums(B, -Q, -P, _minus(-R, a)), -most, unit)
    controlled = float(next_above(largest - smallest_eigenvalue_below(R)))
    coupling = np.inf
    if semidefinite:
        coupling = float(raised(np.sqrt(max(controlled, 0.0) * max(attenuated, 0.0)), 6))
    lipschitz = np.inf
    if np.isfinite([control, disturbance, largest, coupling]).all():
        lipschitz = skew_norm_above((control, largest), (disturbance, square_above), coupling)
    constants = ClosedFormConstants(
        margin=min(control, disturbance),
        lipschitz=lipschitz,
        facts=(
            ("curvature of u", control, "lower"),
            ("curvature of w", disturbance, "lower"),
            ("coupling", coupling, "upper"),
        ),
    )

    def residual(point: Strategy) -> float:
        u, w = (np.asarray(block, np.float64) for block in in_roles(game, point))
        identity = np.eye(len(A))
        squared = -largest_proved(
            lambda a: sums(identity, -identity, -identity, -a * identity), -1.0, 1.0
        )
        spread = float(next_above(np.sqrt(next_above(squared))))
        x, costates = (np.asarray(each) for each in _trajectory(A, B, D, Q, P, game.x0, u, w))
        moved = plus(_by(A, x[:-1]), _by(B, u), _by(D, w), exact(-x[1:]))
        pulled = [
            plus(_by(Q, x[1:-1]), _by(A.T, costates[1:]), exact(-costates[:-1])),
            plus(_by(P, x[-1:]), exact(-costates[-1:])),
        ]
        weight = max(spectral_norm_above(Q), spectral_norm_above(P))
        astray = spread * norm_above([moved])
        away = raised(spread * (weight * astray + norm_above(pulled)), 12)
        own = plus(_by(R, u), _by(B.T, costates))
        square = Rounded(np.asarray(level * level), np.asarray(square_above - square_below))
        theirs = plus(
            Rounded(square.value * w, raised(2 * np.abs(w) * square.error, 4)),
            scaled(-1.0, _by(D.T, costates)),
        )
        inputs = spectral_norm_above(np.concatenate([B, D], axis=1))
        return float(raised(norm_above([own, theirs]) + inputs * away, 8))

    def guess() -> Strategy:
        u, w = _saddle(A, B, D, Q, R, P, level, horizon, np.asarray(game.x0, np.float64))
        return joined(game, like, jnp.asarray(u), jnp.asarray(w))

    return ClosedFormBounds(
        constants, residual=residual, guess=guess, like=joined(game, like, *game.start())
    )


def _minus(matrix: Float[np.ndarray, "m m"], a: float) -> Float[np.ndarray, "m m"]:
    """Returns a matrix that is at most `matrix - a I`, in the order of symmetric matrices."""
    moved = matrix.copy()
    moved[np.diag_indices(len(matrix))] = next_below(np.diagonal(matrix) - a)
    return moved


def _semidefinite(matrix: Float[np.ndarray, "n n"]) -> bool:
    """Decides whether a symmetric matrix of floats is positive semidefinite, exactly."""
    entries = [[Fraction(float(x)) for x in row] for row in matrix]
    unit = max((x.denominator for row in entries for x in row), default=1)
    return exactly_semidefinite([[int(x * unit) for x in row] for row in entries], Work())


def _by(matrix: np.ndarray, rows: np.ndarray) -> Rounded:
    """Returns the product of a matrix with each row."""
    return multiplied(exact(rows), exact(matrix.T))


@partial(jax.jit)
def _trajectory(
    A: Any, B: Any, D: Any, Q: Any, P: Any, x0: Any, u: Any, w: Any
) -> tuple[Float[jax.Array, "_ n"], Float[jax.Array, "_ n"]]:
    """Returns about the states `x_0 ... x_T` and the costates of the times 1 to T."""

    def forward(x: Any, inputs: Any) -> tuple[Any, Any]:
        control, disturbance = inputs
        new = A @ x + B @ control + D @ disturbance
        return new, new

    _, later = jax.lax.scan(forward, x0, (u, w))

    def backward(costate: Any, x: Any) -> tuple[Any, Any]:
        new = Q @ x + A.T @ costate
        return new, new

    last = P @ later[-1]
    _, costates = jax.lax.scan(backward, last, later[:-1], reverse=True)
    return jnp.concatenate([x0[None], later]), jnp.concatenate([costates, last[None]])


def _saddle(
    A: Any, B: Any, D: Any, Q: Any, R: Any, P: Any, level: float, horizon: int, x0: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns about the equilibrium, which is that of the Riccati recursion of the saddle point."""
    both, m, k = np.concatenate([B, D], axis=1), B.shape[1], D.shape[1]
    weight = np.zeros((m + k, m + k))
    weight[:m, :m], weight[m:, m:] = R, -(level**2) * np.eye(k)
    gains = []
    for _ in range(horizon):
        gain = np.linalg.solve(weight + both.T @ P @ both, both.T @ P @ A)
        new = Q + A.T @ P @ (A - both @ gain)
        new = (new + new.T) / 2
        gains.append(gain)
        settled = np.abs(new - P).max() <= 1e-15 * np.abs(new).max()
        P = new
        if settled:
            break
    played, x = np.zeros((horizon, m + k)), x0
    for t in range(horizon):
        if not np.abs(x).max() > 1e-200:
            break
        gain = gains[min(horizon - 1 - t, len(gains) - 1)]
        played[t] = -gain @ x
        x = A @ x + both @ played[t]
    return played[:, :m], played[:, m:]

"""Feedback and open-loop solvers of nonlinear games of controls, by linear-quadratic steps."""

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from dgames.arrays import is_known
from dgames.dynamic.lq_game import Stages
from dgames.dynamic.riccati import solve_stages
from dgames.fields import pseudo_gradient
from dgames.games.trajectory import Trajectory
from dgames.strategy import Strategy, ravel

# Steps of a line search; the last one tried is 2^-11.
_HALVINGS = 12


class FeedbackTrajectory(eqx.Module):
    """What `iterative_lq` found: a trajectory, and gains for what departs from it.

    Strategies are `u(t) = controls(t) - gain(t) (x(t) - states(t))`. If it has converged, the
    linear-quadratic game around the trajectory has these for a feedback Nash equilibrium; of the
    game itself that is an equilibrium to first order only.

    Attributes:
        controls: Each player's controls, of shape `(T, m_i)`.
        states: The states, of shape `(T + 1, n)`.
        gains: Each player's gains, of shape `(T, m_i, n)`.
        costs: Each player's cost along the trajectory.
        residual: The norm of all gradients in own controls, others reacting by their gains.
        feedforward: The largest change of a control in the last linear-quadratic game.
        steps: How many steps were made.
        converged: Whether the feedforward is below the tolerance.
        condition: The largest condition number of a step of the last linear-quadratic game.
        convex: Whether each player's problem is strictly convex in it.
    """

    controls: dict[Any, Float[Array, "T m"]]
    states: Float[Array, "times n"]
    gains: dict[Any, Float[Array, "T m n"]]
    costs: dict[Any, Float[Array, ""]]
    residual: Float[Array, ""]
    feedforward: Float[Array, ""]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]
    condition: Float[Array, ""]
    convex: Bool[Array, ""]


def quadratic_stages(
    game: Trajectory, u: dict[Any, Array], x0: Any = None
) -> tuple[Stages, Float[Array, "times n"]]:
    """Returns the linear-quadratic game around a trajectory, and its states.

    Dynamics are linearised, and costs expanded to second order, in departures from the trajectory.

    Args:
        game: The game.
        u: A dictionary of controls.
        x0: The first state, if it is another one than that of the game.

    Raises:
        ValueError: If controls or first state have wrong shapes.
    """
    states = game.rollout(u, x0)
    players = tuple(sorted(u))
    sizes = tuple(u[i].shape[1] for i in players)
    n, ends = states.shape[1], np.cumsum(sizes)[:-1].tolist()

    def divided(z):
        return z[:n], dict(zip(players, jnp.split(z[n:], ends), strict=True))

    def moved(z):
        return game.dynamics(*divided(z))

    def paid(z):
        costs = game.stage_costs(*divided(z))
        return jnp.stack([costs[i] for i in players])

    def at_the_end(x):
        if game.terminal_costs is None:
            return jnp.zeros(len(players), x.dtype)
        costs = game.terminal_costs(x)
        return jnp.stack([costs[i] for i in players])

    z = jnp.concatenate([states[:-1], *(u[i] for i in players)], axis=1)
    stages = Stages(
        jax.vmap(jax.jacfwd(moved))(z),
        jnp.zeros((z.shape[0], n), z.dtype),
        jax.vmap(jax.jacfwd(jax.jacrev(paid)))(z),
        jax.vmap(jax.jacrev(paid))(z),
        jax.jacfwd(jax.jacrev(at_the_end))(states[-1]),
        jax.jacrev(at_the_end)(states[-1]),
        players,
        sizes,
    )
    return stages, states


def iterative_lq(
    game: Trajectory,
    u: Strategy,
    x0: Any = None,
    *,
    tol: float = 1e-9,
    max_steps: int = 100,
) -> FeedbackTrajectory:
    """Looks for a feedback Nash equilibrium by repeated linear-quadratic games (iLQ games).

    Around the present trajectory the linear-quadratic game is solved in feedback, which gives
    gains K and a feedforward k; then `u(t) <- u(t) - a k(t) - K(t) (x(t) - x_ref(t))` with the
    largest a of 1, 1/2, 1/4, ... for which the squared norm of all players' gradients (the KKT
    residual of the linear-quadratic game at the new trajectory) is smaller. There is no cost that
    all players share, so that no cost is looked at.

    It is a local method without a proof of convergence: the gains ignore how they change along the
    trajectory. `certify.certify_feedback` proves what is true of the last linear-quadratic game.

    Args:
        game: The game; bounds on controls are not taken into account.
        u: A dictionary of controls to start from.
        x0: The first state, if it is another one than that of the game.
        tol: The largest feedforward with which the method ends.
        max_steps: The largest number of steps.

    Returns:
        The trajectory and its gains; look at `converged`. It ends without convergence if no step
        makes the residual smaller.

    Raises:
        ValueError: If controls or first state have wrong shapes, the states of the start do not
            stay finite, or the game has bounds on controls.

    Example:
        >>> from dgames.dynamic import LQGame, solve_lq
        >>> linear = Trajectory(
        ...     lambda x, u: x + u["a"] + u["b"],
        ...     lambda x, u: {i: jnp.sum(x**2 + u[i] ** 2) for i in u},
        ...     lambda x: {"a": jnp.sum(x**2), "b": jnp.sum(x**2)},
        ...     x0=[1.0],
        ...     horizon=2,
        ... )
        >>> found = iterative_lq(linear, {"a": jnp.zeros((2, 1)), "b": jnp.zeros((2, 1))}, tol=1e-6)
        >>> int(found.steps), bool(found.converged), round(float(found.gains["a"][0, 0, 0]), 4)
        (1, True, 0.3548)

    References:
        Fridovich-Keil et al., *Efficient iterative linear-quadratic approximations for nonlinear
        multi-player general-sum differential games*, ICRA 2020, arXiv:1909.04694.
    """
    if game.sets is not None:
        raise ValueError("iterative_lq: bounds on controls are not taken into account; see solve")
    first = game.x0 if x0 is None else jnp.asarray(x0)
    controls = dict(u) if isinstance(u, dict) else u
    found = _iterated(game, controls, first, jnp.asarray(tol), jnp.asarray(max_steps))
    if is_known(found.residual) and not bool(jnp.isfinite(found.residual)):
        game.rollout(u, first)  # an error that says when states stop to be finite
    return found


@eqx.filter_jit
def _iterated(
    game: Trajectory, u: dict[Any, Array], x0: Array, tol: Array, max_steps: Array
) -> FeedbackTrajectory:
    def look(u):
        stages, states = quadratic_stages(game, u, x0)
        found = solve_stages(stages)
        return states, found, jnp.sum(found.marginal**2)

    def moved(u, states, found, size):
        gains = found.gains()
        forward = {i: own[..., 0] for i, own in found.stages.split(found.offset[..., None]).items()}

        def step(x, now):
            controls, reference, gain, ahead = now
            played = {
                i: controls[i] - size.astype(x.dtype) * ahead[i] - gain[i] @ (x - reference)
                for i in controls
            }
            return game.dynamics(x, played), played

        return jax.lax.scan(step, x0, (u, states[:-1], gains, forward))[1]

    def search(state):
        u, seen, count, _ = state
        states, found, merit = seen

        def shorter(trial):
            exponent, _, _ = trial
            new = moved(u, states, found, jnp.exp2(-exponent.astype(x0.dtype)))
            return exponent + 1, new, look(new)

        def too_long(trial):
            exponent, _, (_, _, reached) = trial
            size = jnp.exp2(1 - exponent.astype(x0.dtype))
            return ~(reached <= (1 - 1e-4 * size) * merit) & (exponent < _HALVINGS)

        start = (jnp.asarray(0), u, (states, found, jnp.full_like(merit, jnp.inf)))
        _, new, reached = jax.lax.while_loop(too_long, shorter, start)
        better = reached[2] < merit
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), (new, reached), (u, seen))
        return *kept, count + better.astype(count.dtype), better

    def unfinished(state):
        _, (_, found, _), count, better = state
        return better & (count < max_steps) & (jnp.max(jnp.abs(found.offset)) > tol)

    start = (u, look(u), jnp.asarray(0), jnp.asarray(True))
    u, (states, found, merit), count, _ = jax.lax.while_loop(unfinished, search, start)
    forward = jnp.max(jnp.abs(found.offset))
    return FeedbackTrajectory(
        u,
        states,
        found.gains(),
        game.costs(u, x0),
        jnp.sqrt(merit),
        forward,
        count,
        forward <= tol,
        jnp.max(found.condition),
        jnp.all(found.convex),
    )


class OpenLoopSolution(eqx.Module):
    """What `open_loop_newton` found.

    Attributes:
        controls: Each player's controls, of shape `(T, m_i)`.
        residual: The norm of the pseudo-gradient.
        steps: How many steps were made with the last horizon.
        converged: Whether the residual is below the tolerance.
    """

    controls: dict[Any, Float[Array, "T m"]]
    residual: Float[Array, ""]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


def open_loop_newton(
    game: Trajectory,
    u: Strategy,
    x0: Any = None,
    *,
    horizons: tuple[int, ...] = (),
    tol: float = 1e-10,
    max_steps: int = 100,
) -> OpenLoopSolution:
    """Looks for a stationary point of the open-loop game by Newton's method with damping.

    With F the pseudo-gradient and J its Jacobian, steps solve `(J'J + mu I) d = -J'F` (Levenberg
    and Marquardt); mu is made smaller after a step that makes `|F|` smaller, and larger after one
    that does not, which is not made. Where the start is far away, long horizons are hard: with
    `horizons` the game is solved with the first of these, then with the next one, from the last
    solution with its last control repeated, and so on.

    Args:
        game: The game; bounds on controls are not taken into account.
        u: A dictionary of controls to start from, of the game's own horizon.
        x0: The first state, if it is another one than that of the game.
        horizons: Shorter horizons to solve first, increasing.
        tol: The norm of the pseudo-gradient with which the method ends.
        max_steps: The largest number of steps with each horizon, including those not made.

    Returns:
        The solution; look at `converged`. Whether it is a Nash equilibrium depends on the costs
        being convex in own controls: `certify.certify` proves it on a region.

    Raises:
        ValueError: If shapes do not fit, the game has bounds on controls, or the horizons do not
            increase up to the game's own.

    Example:
        >>> linear = Trajectory(
        ...     lambda x, u: x + u["a"] + u["b"],
        ...     lambda x, u: {i: jnp.sum(x**2 + u[i] ** 2) for i in u},
        ...     lambda x: {"a": jnp.sum(x**2), "b": jnp.sum(x**2)},
        ...     x0=[1.0],
        ...     horizon=2,
        ... )
        >>> found = open_loop_newton(linear, {"a": jnp.zeros((2, 1)), "b": jnp.zeros((2, 1))},
        ...                          tol=1e-5)
        >>> [round(float(control), 4) for control in found.controls["a"][:, 0]]  # -4/11 and -1/11
        [-0.3636, -0.0909]
    """
    if game.sets is not None:
        raise ValueError("open_loop_newton: bounds on controls are not taken into account")
    first = game.x0 if x0 is None else jnp.asarray(x0)
    game.rollout(u, first)
    lengths = (*horizons, game.horizon)
    if any(not 1 <= a < b for a, b in pairwise(lengths)):
        raise ValueError("open_loop_newton: horizons must increase and be shorter than the game's")
    start = {i: jnp.asarray(own)[: lengths[0]] for i, own in u.items()}
    for length in lengths[:-1]:
        start = _solved_from(game, start, first, length, tol, max_steps).controls
    return _solved_from(game, start, first, game.horizon, tol, max_steps)


def _solved_from(
    game: Trajectory, u: dict[Any, Array], x0: Array, length: int, tol: float, max_steps: int
) -> OpenLoopSolution:
    """Solves the game with another horizon, from controls whose last one is repeated."""
    start = jax.tree.map(lambda own: _prolonged(own, length), u)
    return _damped(game.from_state(x0, length), start, jnp.asarray(tol), jnp.asarray(max_steps))


@eqx.filter_jit
def _damped(
    game: Trajectory, u: dict[Any, Array], tol: Array, max_steps: Array
) -> OpenLoopSolution:
    start, unravel = ravel(u)
    field = pseudo_gradient(game)

    def force(z):
        return ravel(field(unravel(z)))[0]

    def step(state):
        z, F, mu, count = state
        J = jax.jacfwd(force)(z)
        new = z - jnp.linalg.solve(J.T @ J + mu * jnp.eye(z.size, dtype=z.dtype), J.T @ F)
        reached = force(new)
        better = jnp.linalg.norm(reached) < jnp.linalg.norm(F)
        # Far from a solution damping is of the size of the residual, near it next to nothing.
        damping = jnp.where(
            better, jnp.minimum(mu / 8, jnp.sum(reached**2)), jnp.maximum(8 * mu, 1e-12)
        )
        return jnp.where(better, new, z), jnp.where(better, reached, F), damping, count + 1

    def unfinished(state):
        _, F, mu, count = state
        return (jnp.linalg.norm(F) > tol) & (count < max_steps) & (mu < 1e12)

    F = force(start)
    begin = (start, F, jnp.sum(F**2), jnp.asarray(0))
    z, F, _, count = jax.lax.while_loop(unfinished, step, begin)
    residual = jnp.linalg.norm(F)
    return OpenLoopSolution(unravel(z), residual, count, residual <= tol)


def _prolonged(controls: Array, length: int) -> Array:
    more = jnp.broadcast_to(controls[-1:], (length - len(controls), *controls.shape[1:]))
    return jnp.concatenate([controls, more])

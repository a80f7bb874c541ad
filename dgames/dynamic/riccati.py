"""Linear-quadratic games in discrete time: their Riccati recursions, feedback and open loop."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dgames.dynamic.lq_game import LQGame, Stages

Information = Literal["feedback", "open_loop"]


class LQSolution(eqx.Module):
    """A Nash equilibrium of a linear-quadratic game with a finite horizon.

    Controls are `u(t) = -gain(t) x(t) - offset(t)`. In feedback these are the strategies: they are
    optimal from every state. In open loop only the controls along the path from the first state
    are, which these gains give.

    Attributes:
        stages: The game, stage by stage.
        gain: All players' gains, stacked, of shape `(T, m, n)`.
        offset: What is added to them, of shape `(T, m)`.
        hessians: The matrices P, of shape `(T + 1, N, n, n)`: in feedback, costs to go are `x'P x /
            2 + p'x + constant`; in open loop, costates are `P x + p`.
        slopes: The vectors p, of shape `(T + 1, N, n)`.
        condition: The condition number in the 1-norm of the matrix that gives the controls of each
            step, of shape `(T,)`. Where it is infinite or near `1 / eps`, the equilibrium of the
            game in this information structure does not exist or is not unique.
        marginal: The slopes of each player's cost to go in the own controls where state and
            controls are zero, of shape `(T, m)`; offsets are zero if and only if these are.
        convex: Whether each player's own problem is strictly convex: in feedback in the own control
            of each step, in open loop from this step on, of shape `(T,)`. Where one is not, this is
            a stationary point only.
    """

    stages: Stages
    gain: Float[Array, "T m n"]
    offset: Float[Array, "T m"]
    hessians: Float[Array, "times N n n"]
    slopes: Float[Array, "times N n"]
    condition: Float[Array, " T"]
    marginal: Float[Array, "T m"]
    convex: Bool[Array, " T"]

    def gains(self) -> dict[Any, Float[Array, "T m n"]]:
        """Returns each player's gains."""
        return self.stages.split(self.gain)

    def play(self, x0: Float[Array, " n"]) -> tuple[Array, dict[Any, Array], Float[Array, " N"]]:
        """Returns the states, of shape `(T + 1, n)`, each player's controls, and the costs.

        Args:
            x0: The first state.
        """
        return _played(self, jnp.asarray(x0).astype(self.gain.dtype))


@eqx.filter_jit
def _played(solution: LQSolution, x0: Array) -> tuple[Array, dict[Any, Array], Array]:
    stages = solution.stages

    def step(x, stage):
        gain, offset, dynamics, drift = stage
        z = jnp.concatenate([x, -(gain @ x) - offset])
        following = dynamics @ z + drift
        return following, (z, following)

    parts = solution.gain, solution.offset, stages.dynamics, stages.offset
    last, (z, following) = jax.lax.scan(step, x0, parts)
    paid = jnp.einsum("tk,tikl,tl->i", z, stages.hessians, z) / 2
    paid += jnp.einsum("tik,tk->i", stages.slopes, z)
    paid += jnp.einsum("k,ikl,l->i", last, stages.last_hessians, last) / 2
    paid += stages.last_slopes @ last
    controls = stages.split(z[:, x0.shape[0] :, None])
    states = jnp.concatenate([x0[None], following])
    return states, {i: own[..., 0] for i, own in controls.items()}, paid


def solve_stages(stages: Stages, information: Information = "feedback") -> LQSolution:
    r"""Solves a linear-quadratic game backwards in time, in one scan.

    Let player i's cost to go after step t be `x'P_i x / 2 + p_i'x` up to a constant. As a function
    of `z = (x, u)` the cost to go before it has the Hessian `M_i = H_i + F'P_i F` and the slope
    `g_i = h_i + F'(P_i c + p_i)` at 0. Each player's control is stationary, so that the rows of
    `M_i z + g_i` in the own control of player i vanish: together, one linear system of the size of
    all controls, whose solution is `u = -K x - k`, and hence `z = S x + s`. In feedback the cost to
    go is that of these strategies,

        P_i <- S'M_i S,      p_i <- S'(M_i s + g_i).

    In open loop `P_i x + p_i` is the costate, which is the rows of `M_i z + g_i` in the state:
    controls of later times are held fixed,

        P_i <- (M_i S)[x],   p_i <- (M_i s + g_i)[x],       with P_i not symmetric.

    Args:
        stages: The game.
        information: What players know: "feedback" for the state at each time, "open_loop" for the
            first state only.

    Returns:
        The equilibrium, with the condition of each step, which says whether it is the only one.

    Raises:
        ValueError: If the information is neither of the two.
    """
    if information not in ("feedback", "open_loop"):
        raise ValueError(
            f'solve_stages: information is "feedback" or "open_loop", not {information!r}'
        )
    return _solved(stages, information)


@eqx.filter_jit
def _solved(stages: Stages, information: Information) -> LQSolution:
    owner = stages.owner
    n, m = stages.dynamics.shape[1], len(owner)
    rows = n + jnp.arange(m)
    same = jnp.asarray(owner[:, None] == owner[None, :])
    # In open loop, whether a player's cost is convex in all the own controls is a question about
    # the player's own control problem, whose Riccati recursion runs along.
    mine = jnp.asarray(
        np.arange(len(stages.sizes))[:, None, None] == owner[None, None, :], stages.dynamics.dtype
    )

    def blocks(matrix):
        return jnp.where(same, matrix, jnp.zeros((), matrix.dtype))

    def step(after, stage):
        P, p, alone = after
        F, c, H, h = stage
        M = H + F.T @ P @ F
        g = h + (P @ c + p) @ F
        system, slope = M[owner, rows], g[owner, rows]
        sides = jnp.concatenate([system[:, :n], slope[:, None], jnp.eye(m, dtype=F.dtype)], 1)
        solved = jnp.linalg.solve(system[:, n:], sides)
        K, k, inverse = solved[:, :n], solved[:, n], solved[:, n + 1 :]
        S = jnp.concatenate([jnp.eye(n, dtype=F.dtype), -K])
        slopes = -(M[:, :, n:] @ k) + g
        if information == "feedback":
            before = S.T @ M @ S, slopes @ S
            before = (before[0] + jnp.swapaxes(before[0], 1, 2)) / 2, before[1]
        else:
            before = (M @ S)[:, :n], slopes[:, :n]
        condition = _norm(system[:, n:]) * _norm(inverse)
        if information == "feedback":
            own = blocks(system[:, n:])
        else:
            M = H + F.T @ alone @ F
            own = blocks(M[owner, rows][:, n:])
            best = jnp.linalg.solve(own, M[owner, rows][:, :n])
            alone = M[:, :n, :n] - (M[:, :n, n:] * mine) @ best
        convex = jnp.isfinite(jnp.linalg.cholesky(own)).all()
        return (*before, alone), (K, k, P, p, condition, slope, convex)

    parts = stages.dynamics, stages.offset, stages.hessians, stages.slopes
    end = stages.last_hessians, stages.last_slopes, stages.last_hessians
    first, (K, k, P, p, condition, marginal, convex) = jax.lax.scan(step, end, parts, reverse=True)
    hessians, slopes = jnp.concatenate([first[0][None], P]), jnp.concatenate([first[1][None], p])
    return LQSolution(stages, K, k, hessians, slopes, condition, marginal, convex)


def solve_lq(game: LQGame, horizon: int, information: Information = "feedback") -> LQSolution:
    """Solves a linear-quadratic game with a finite horizon in discrete time; see `solve_stages`.

    Args:
        game: The game.
        horizon: The number of steps, positive.
        information: What players know: "feedback" for the state at each time, "open_loop" for the
            first state only.

    Returns:
        The equilibrium; look at `condition` and `convex`.

    Raises:
        ValueError: If the horizon or the information is not valid.

    Example:
        >>> one = jnp.eye(1)
        >>> game = LQGame(one, {"a": one, "b": one}, {"a": one, "b": one}, {"a": one, "b": one})
        >>> [round(float(k), 4) for k in solve_lq(game, 2).gains()["a"][:, 0, 0]]  # 11/31 and 1/3
        [0.3548, 0.3333]
        >>> states, controls, costs = solve_lq(game, 2, "open_loop").play(jnp.ones(1))
        >>> [round(float(u), 4) for u in controls["a"][:, 0]]  # -4/11 and -1/11
        [-0.3636, -0.0909]

    References:
        Başar and Olsder, *Dynamic Noncooperative Game Theory*, SIAM 1999, corollary 6.1 and
        theorem 6.2.
    """
    return solve_stages(game.stages(horizon), information)


class StationarySolution(eqx.Module):
    """One equilibrium of a linear-quadratic game without an end, in stationary strategies.

    There may be others: scalar games can have three, which
    `certify.certify_feedback` can list.

    Attributes:
        gains: Each player's gain, of shape `(m_i, n)`: controls are `u_i = -gain x`.
        hessians: The matrices P, of shape `(N, n, n)`; in feedback, costs are `x'P x / 2`.
        closed_loop: The matrix of the system under these strategies.
        residual: The largest entry of what the equations leave.
        stability: In discrete time the spectral radius of the closed loop, which is stable below 1;
            in continuous time the largest real part of an eigenvalue, stable below 0.
        condition: The condition number of the matrix that gives the controls.
    """

    gains: dict[Any, Float[Array, "m n"]]
    hessians: Float[Array, "N n n"]
    closed_loop: Float[Array, "n n"]
    residual: Float[Array, ""]
    stability: Float[Array, ""]
    condition: Float[Array, ""]


def stationary_lq(
    game: LQGame,
    information: Information = "feedback",
    *,
    start: Float[Array, "N n n"] | None = None,
    steps: int = 2000,
    newton_steps: int = 8,
) -> StationarySolution:
    """Finds an equilibrium without an end: backward steps from a start, then Newton's method.

    Args:
        game: The game; its linear costs and offset must be zero, and its terminal costs are only
            the default start.
        information: As for `solve_lq`.
        start: The matrices P from which to start; `steps=0` leaves the rest to Newton's method,
            which goes to an equilibrium near it.
        steps: How many backward steps to make.
        newton_steps: How many steps of Newton's method follow.

    Returns:
        An equilibrium if `residual` is small and `stability` below 1; no claim that it is the only
        one.

    Raises:
        ValueError: If the game has linear costs or an offset.

    Example:
        >>> one = jnp.eye(1)
        >>> game = LQGame(one, {"a": one, "b": one}, {"a": one, "b": one}, {"a": one, "b": one})
        >>> found = stationary_lq(game)
        >>> round(float(found.gains["a"][0, 0]), 5), round(float(found.hessians[0, 0, 0]), 5)
        (0.35542, 1.2291)
    """
    for name, values in (("linear", game.linear), ("offset", {"": game.offset})):
        if any(bool(jnp.any(value != 0)) for value in values.values()):
            raise ValueError(f"stationary_lq: {name} must be zero without an end of the game")
    stages = game.stages(1)
    P = stages.last_hessians if start is None else jnp.asarray(start).astype(game.A.dtype)
    P, last, residual = _stationary(
        stages, information, P, jnp.asarray(steps), jnp.asarray(newton_steps)
    )
    n = game.A.shape[0]
    closed = game.A - stages.dynamics[0][:, n:] @ last.gain[0]
    radius = jnp.max(jnp.abs(jnp.linalg.eigvals(closed)))
    gains = {i: own[0] for i, own in last.gains().items()}
    return StationarySolution(gains, P, closed, residual, radius, last.condition[0])


@eqx.filter_jit
def _stationary(
    stages: Stages, information: Information, P: Array, steps: Array, newton_steps: Array
) -> tuple[Array, LQSolution, Array]:
    """Makes backward steps and then Newton's; returns P, the solution there, and the residual."""
    zero = jnp.zeros_like(stages.last_slopes)

    def solved(P):
        at = eqx.tree_at(lambda s: (s.last_hessians, s.last_slopes), stages, (P, zero))
        return _solved(at, information)

    def defect(flat):
        return solved(flat.reshape(P.shape)).hessians[0].ravel() - flat

    def newton(_, flat):
        return flat - jnp.linalg.solve(jax.jacfwd(defect)(flat), defect(flat))

    flat = jax.lax.fori_loop(0, steps, lambda _, v: v + defect(v), P.ravel())
    flat = jax.lax.fori_loop(0, newton_steps, newton, flat)
    return flat.reshape(P.shape), solved(flat.reshape(P.shape)), jnp.max(jnp.abs(defect(flat)))


def _norm(matrix: Array) -> Array:
    return jnp.max(jnp.sum(jnp.abs(matrix), axis=0))

"""Linear-quadratic games in continuous time: their Riccati equations, feedback and open loop."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dgames.dynamic.lq_game import LQGame
from dgames.dynamic.riccati import Information, StationarySolution


class DifferentialSolution(eqx.Module):
    """A Nash equilibrium of a linear-quadratic differential game with a finite horizon.

    Controls are `u(t) = -gain(t) x(t) - offset(t)`; see `LQSolution` for what they mean.

    Attributes:
        times: Times from 0 to the end, of shape `(T,)`.
        gains: Each player's gains at these times, of shape `(T, m_i, n)`.
        offsets: What is added to them, of shape `(T, m_i)`.
        hessians: The matrices P, of shape `(T, N, n, n)`: in feedback, costs to go are `x'P x / 2 +
            p'x + constant`; in open loop, costates are `P x + p`.
        slopes: The vectors p, of shape `(T, N, n)`.
    """

    times: Float[Array, " T"]
    gains: dict[Any, Float[Array, "T m n"]]
    offsets: dict[Any, Float[Array, "T m"]]
    hessians: Float[Array, "T N n n"]
    slopes: Float[Array, "T N n"]


def solve_differential(
    game: LQGame,
    duration: float,
    information: Information = "feedback",
    *,
    times: int = 101,
    tolerance: float = 1e-11,
) -> DifferentialSolution:
    r"""Solves a linear-quadratic differential game, backwards in time.

    With `z = (x, u)`, running costs `z'H_i z / 2 + h_i'z` and `x' = F z + c`, the rows of `H_i z +
    h_i + F'(P_i x + p_i)` in the own controls vanish, which gives `u = -K x - k`, or `z = S x + s`.
    In feedback

        -P_i' = S'H_i S + P_i F S + (F S)'P_i,
        -p_i' = S'(H_i s + h_i) + P_i (F s + c) + (F S)'p_i,

    and in open loop

        -P_i' = (H_i S)[x] + P_i F S + A'P_i,
        -p_i' = (H_i s + h_i)[x] + P_i (F s + c) + A'p_i.

    With `S_ij = B_j R_jj^-1 R_ij R_jj^-1 B_j'` these are the equations of the textbooks, such as
    `-P_i' = A'P_i + P_i A + Q_i - P_i sum_j S_jj P_j` in open loop.

    Args:
        game: The game.
        duration: How long it takes, positive.
        information: "feedback" or "open_loop".
        times: The number of times, at equal distances, at which the solution is returned.
        tolerance: The tolerance of the integrator, relative and absolute.

    Returns:
        The solution; numbers that are not finite mean that a Riccati equation has a finite escape
        time, before which there is no equilibrium of this kind.

    Raises:
        ValueError: If the duration is not positive or the information unknown.

    Example:
        >>> one = jnp.eye(1)
        >>> zero = {"a": 0 * one, "b": 0 * one}
        >>> game = LQGame(0 * one, {"a": one, "b": one}, {"a": one, "b": one},
        ...               {"a": one, "b": one}, terminal=zero)
        >>> found = solve_differential(game, 20.0, times=2, tolerance=1e-6)
        >>> round(float(found.gains["a"][0, 0, 0]), 4)  # 1 / sqrt 3
        0.5774

    References:
        Başar and Olsder, *Dynamic Noncooperative Game Theory*, SIAM 1999, section 6.5; Engwerda,
        *LQ Dynamic Optimization and Differential Games*, Wiley 2005.
    """
    if not duration > 0:
        raise ValueError(f"solve_differential: the duration is {duration}; it must be positive")
    _require_information(information)
    end = (
        jnp.stack([game.terminal[i] for i in game.players]),
        jnp.stack([game.linear[i] for i in game.players]),
    )
    length = float(duration)
    to_go = jnp.linspace(0.0, length, times).astype(game.A.dtype)

    hessians, slopes, K, k = _integrated(game, information, end, to_go, jnp.asarray(tolerance))
    split = game.stages(1).split
    offsets = {i: own[..., 0] for i, own in split(k[..., None]).items()}
    return DifferentialSolution(length - to_go[::-1], split(K), offsets, hessians, slopes)


@eqx.filter_jit
def _integrated(
    game: LQGame, information: Information, end: tuple[Array, Array], to_go: Array, tolerance: Array
) -> tuple[Array, Array, Array, Array]:
    """Returns P, p, K and k at given times to go, in the order of time."""
    import diffrax

    rate, policy = _equations(game, information)
    solution: Any = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda _, value, __: rate(*value)),
        diffrax.Dopri8(),
        to_go[0],
        to_go[-1],
        None,
        end,
        saveat=diffrax.SaveAt(ts=to_go),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
        max_steps=100_000,
        throw=False,
    )
    hessians, slopes = solution.ys[0][::-1], solution.ys[1][::-1]
    return hessians, slopes, *jax.vmap(policy)(hessians, slopes)


def stationary_differential(
    game: LQGame,
    information: Information = "feedback",
    *,
    start: Float[Array, "N n n"] | None = None,
    newton_steps: int = 30,
    duration: float = 50.0,
) -> StationarySolution:
    """Finds a stationary equilibrium in continuous time, which need not be the only one.

    Args:
        game: The game; its linear costs and offset must be zero, and its terminal costs are only
            the default start.
        information: "feedback" or "open_loop".
        start: The matrices P from which Newton's method starts. By default, it starts from where
            the Riccati equations are after `duration`.
        newton_steps: The number of steps of Newton's method.
        duration: See `start`.

    Returns:
        An equilibrium if `residual` is small and `stability` negative.

    Raises:
        ValueError: If the game has linear costs or an offset.

    Example:
        >>> one = jnp.eye(1)
        >>> game = LQGame(2 * one, {"a": one, "b": one}, {"a": one, "b": one},
        ...               {"a": one, "b": one})
        >>> found = stationary_differential(game, start=jnp.full((2, 1, 1), 1.5))
        >>> round(float(found.gains["a"][0, 0]), 4), round(float(found.stability), 4)
        (1.5486, -1.0972)
        >>> other = stationary_differential(game, start=jnp.array([[[3.7]], [[0.3]]]))
        >>> round(float(other.gains["a"][0, 0]), 4), round(float(other.stability), 4)
        (3.7321, -2.0)
    """
    for name, values in (("linear", game.linear), ("offset", {"": game.offset})):
        if any(bool(jnp.any(value != 0)) for value in values.values()):
            raise ValueError(f"stationary_differential: {name} must be zero without an end")
    _require_information(information)
    if start is None:
        tolerance = 1e-8 if game.A.dtype == jnp.float64 else 1e-5
        P = solve_differential(game, duration, information, times=2, tolerance=tolerance).hessians[
            0
        ]
    else:
        P = jnp.asarray(start).astype(game.A.dtype)
    P, K, residual = _balanced(game, information, P, jnp.asarray(newton_steps))
    closed = game.A - jnp.concatenate(list(game.B.values()), axis=1) @ K
    abscissa = jnp.max(jnp.real(jnp.linalg.eigvals(closed)))
    system = _system(game)
    condition = jnp.linalg.cond(system[:, game.A.shape[0] :], p=1)
    gains = game.stages(1).split(K)
    return StationarySolution(gains, P, closed, residual, abscissa, condition)


@eqx.filter_jit
def _balanced(
    game: LQGame, information: Information, P: Array, newton_steps: Array
) -> tuple[Array, Array, Array]:
    """Makes steps of Newton's method; returns P, all gains, and the largest rate that is left."""
    rate, policy = _equations(game, information)
    zero = jnp.zeros((len(game.players), game.A.shape[0]), game.A.dtype)

    def defect(flat):
        return rate(flat.reshape(P.shape), zero)[0].ravel()

    def newton(_, flat):
        return flat - jnp.linalg.solve(jax.jacfwd(defect)(flat), defect(flat))

    flat = jax.lax.fori_loop(0, newton_steps, newton, P.ravel())
    found = flat.reshape(P.shape)
    return found, policy(found, zero)[0], jnp.max(jnp.abs(defect(flat)))


def _require_information(information: Any) -> None:
    if information not in ("feedback", "open_loop"):
        raise ValueError(f'information is "feedback" or "open_loop", not {information!r}')


def _equations(game: LQGame, information: Information) -> tuple[Any, Any]:
    """Returns the rate of (P, p) backwards in time, and what gives (K, k) from them."""
    F, H, h = game.stacked()
    n, c = game.A.shape[0], game.offset
    stages = game.stages(1)
    owner = stages.owner
    rows = n + jnp.arange(len(owner))
    system = _system(game)
    columns = F[:, n:].T  # row r is the column of B that control r moves along

    def policy(P, p):
        slopes = jnp.concatenate(
            [
                system[:, :n] + jnp.einsum("rk,rkl->rl", columns, P[owner]),
                (h[owner, rows] + jnp.sum(columns * p[owner], axis=1))[:, None],
            ],
            axis=1,
        )
        solved = jnp.linalg.solve(system[:, n:], slopes)
        return solved[:, :n], solved[:, n]

    def rate(P, p):
        K, k = policy(P, p)
        S = jnp.concatenate([jnp.eye(n, dtype=F.dtype), -K])
        closed, drift = F @ S, -(F[:, n:] @ k) + c
        slopes = -(H[:, :, n:] @ k) + h
        if information == "feedback":
            own, lean, linear = S.T @ H @ S, closed.T, slopes @ S
        else:
            own, lean, linear = (H @ S)[:, :n], game.A.T, slopes[:, :n]
        return own + P @ closed + lean @ P, linear + P @ drift + p @ lean.T

    return rate, policy


def _system(game: LQGame) -> Array:
    """Returns the rows of the players' Hessians in the own controls."""
    _, H, _ = game.stacked()
    owner = game.stages(1).owner
    return H[owner, game.A.shape[0] + jnp.arange(len(owner))]

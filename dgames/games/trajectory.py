"""Dynamic games in open loop: players choose sequences of controls of one common system."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import Game
from dgames.sets import Euclidean, PlayerSets
from dgames.strategy import Strategy, brief_names, player_names


class StateRows(NamedTuple):
    """Linear constraints on states, `C x_t <= d` for t = 1 ... T, as constraints on controls.

    They say `sum_i matrix[i] @ ravel(u_i) <= bound`, where `u_i` has the shape `(T, m_i)`.

    Attributes:
        matrix: The columns of each player, of shape `(T r, T m_i)` for r rows C.
        bound: The right side, of shape `(T r,)`; time by time.
    """

    matrix: dict[Any, Float[Array, "rows columns"]]
    bound: Float[Array, " rows"]


class Trajectory(Game):
    r"""N players steer one system in discrete time, each by a sequence of controls.

    With the states `x_0 = x0` and `x_{t+1} = dynamics(x_t, u_t)`, player i pays

        J_i(u) = sum_{t < T} stage_costs(x_t, u_t)_i + terminal_costs(x_T)_i.

    A joint strategy is a dictionary of controls of the shapes `(T, m_i)`. It is an open-loop game:
    a player commits to the controls, and does not react to what others do later. Its stationary
    points are open-loop Nash equilibria if all costs are convex in the player's own controls. With
    linear dynamics and quadratic costs, states are `x = Phi x0 + sum_j G_j u_j`, and the Jacobian
    of the pseudo-gradient is constant, with the blocks `G_i' Q_i G_j` and `R_i` added to own ones.
    Feedback strategies are the subject of `dgames.lq` and `dgames.iterative_lq`.

    Attributes:
        dynamics: Maps a state of shape `(n,)` and a dictionary of the players' controls at one
            time, of shapes `(m_i,)`, to the next state. A time is a coordinate of the state.
        stage_costs: Maps the same to one scalar per player, in a dictionary.
        terminal_costs: Maps the last state to one scalar per player; None for no such costs.
        x0: The first state, which `args` replaces in `costs`, if given.
        horizon: The number T of controls of each player.
        sets: Where controls may be, as for `Game.strategy_set`; by default, anywhere.

    Raises:
        ValueError: If the first state is no finite vector, the horizon no positive integer, or
            dynamics or costs are no functions.

    Example:
        >>> game = Trajectory(
        ...     lambda x, u: x + u["a"] + u["b"],
        ...     lambda x, u: {i: jnp.sum(x**2 + u[i] ** 2) for i in ("a", "b")},
        ...     lambda x: {"a": jnp.sum(x**2), "b": jnp.sum(x**2)},
        ...     x0=[1.0],
        ...     horizon=2,
        ... )
        >>> u = {i: jnp.array([[-4 / 11], [-1 / 11]]) for i in ("a", "b")}  # the equilibrium
        >>> [round(x, 4) for x in game.rollout(u).ravel().tolist()]
        [1.0, 0.2727, 0.0909]
        >>> [round(p, 4) for p in game.costates(u)["a"].ravel().tolist()]  # this is -2 u
        [0.7273, 0.1818]

    References:
        Başar and Olsder, *Dynamic Noncooperative Game Theory*, SIAM 1999, chapter 6.
    """

    dynamics: Callable
    stage_costs: Callable
    terminal_costs: Callable | None
    x0: Float[Array, " n"] = eqx.field(converter=lambda x0: _state(x0))
    horizon: int = eqx.field(static=True)
    sets: PlayerSets = None

    def __check_init__(self):
        functions = [("dynamics", self.dynamics), ("stage_costs", self.stage_costs)]
        if self.terminal_costs is not None:
            functions.append(("terminal_costs", self.terminal_costs))
        for name, function in functions:
            if not callable(function):
                raise ValueError(
                    f"Trajectory: {name} must be a function, not {type(function).__name__}"
                )
        horizon = self.horizon
        if isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1:
            raise ValueError(
                f"Trajectory: the horizon is a positive number of steps, not {horizon!r}"
            )

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        first = self._first(args)
        _check_controls(self, x, first)

        def step(carry, controls):
            state, totals = carry
            paid = self.stage_costs(state, controls)
            return (self.dynamics(state, controls), jax.tree.map(jnp.add, totals, paid)), None

        zeros = {player: jnp.zeros((), first.dtype) for player in x}
        (last, totals), _ = jax.lax.scan(step, (first, zeros), dict(x))
        if self.terminal_costs is None:
            return totals
        return jax.tree.map(jnp.add, totals, dict(self.terminal_costs(last)))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return Euclidean() if self.sets is None else self.sets

    def rollout(self, u: Strategy, x0: Any = None) -> Float[Array, "times n"]:
        """Returns the states `x_0 ... x_T` under given controls, of shape `(T + 1, n)`.

        Args:
            u: A dictionary of controls.
            x0: The first state, if it is another one than that of the game.

        Raises:
            ValueError: If controls or first state have wrong shapes, or states do not stay finite.
        """
        first = self._first(x0)
        _check_controls(self, u, first)
        states = self._states(u, first)
        if is_known(states):
            finite = np.isfinite(np.asarray(states)).all(1)
            if not finite.all():
                raise ValueError(
                    f"Trajectory: the state is not finite after step {int(np.argmin(finite))} of "
                    f"{self.horizon}: the dynamics are unstable or undefined under these controls; "
                    "use a shorter horizon or stabilise them first"
                )
        return states

    def costates(self, u: Strategy, x0: Any = None) -> dict[Any, Float[Array, "horizon n"]]:
        """Returns how costs change with the states `x_1 ... x_T` under fixed controls.

        These are the costates `p_i(t) = d J_i / d x_t` of Pontryagin's principle, for t = 1 ... T:
        the gradient of player i in the controls at t is `d l_i / d u_i + (d dynamics / d u_i)'
        p_i(t + 1)`.

        Args:
            u: A dictionary of controls.
            x0: The first state, if it is another one than that of the game.

        Raises:
            ValueError: If controls or first state have wrong shapes.
        """
        first = self._first(x0)
        _check_controls(self, u, first)
        pushed = Trajectory(
            lambda x, v: self.dynamics(x, v[0]) + v[1],
            lambda x, v: self.stage_costs(x, v[0]),
            self.terminal_costs,
            first,
            self.horizon,
        )
        zeros = jnp.zeros((self.horizon, first.shape[0]), first.dtype)

        def costs(push):
            states = pushed._states((dict(u), push), first)
            paid = jax.vmap(self.stage_costs)(states[:-1], dict(u))
            totals = jax.tree.map(jnp.sum, paid)
            if self.terminal_costs is None:
                return totals
            return jax.tree.map(jnp.add, totals, dict(self.terminal_costs(states[-1])))

        return jax.jacrev(costs)(zeros)

    def shifted(self, u: Strategy) -> dict[Any, Array]:
        """Returns controls one step later, the last one repeated: the next start of a solver.

        In receding horizon the first control of each player is applied, and the game is solved
        again from the next state.

        Args:
            u: A dictionary of controls.
        """
        _check_controls(self, u, self.x0)
        return jax.tree.map(lambda own: jnp.concatenate([own[1:], own[-1:]]), dict(u))

    def from_state(self, x0: Any, horizon: int | None = None) -> "Trajectory":
        """Returns the same game from another first state, or with another horizon.

        Args:
            x0: The first state.
            horizon: The number of steps; by default, that of this game.
        """
        parts = self.dynamics, self.stage_costs, self.terminal_costs
        return Trajectory(*parts, x0, self.horizon if horizon is None else horizon, self.sets)

    def state_rows(self, u: Strategy, rows: Any, bound: Any) -> StateRows:
        """Turns constraints `C x_t <= d` at t = 1 ... T into constraints on the controls.

        The dynamics must be affine. This is looked at by comparing the states at random controls
        with those that the constraints predict, which finds a mistake and proves nothing.

        Args:
            u: A dictionary of controls, of which only players and shapes matter.
            rows: The matrix C, of shape `(r, n)`.
            bound: The vector d, of shape `(r,)`, or a number.

        Returns:
            The matrices of all players and the right side.

        Raises:
            ValueError: If shapes do not fit, or the dynamics are not affine.

        Example:
            >>> costs = lambda x, u: {"a": jnp.sum(u["a"] ** 2)}
            >>> game = Trajectory(lambda x, u: x + u["a"], costs, None, [1.0], 2)
            >>> matrix, bound = game.state_rows({"a": jnp.zeros((2, 1))}, [[1.0]], 3.0)
            >>> matrix["a"].tolist(), bound.tolist()
            ([[1.0, 0.0], [1.0, 1.0]], [2.0, 2.0])
        """
        _check_controls(self, u, self.x0)
        rows, dtype = as_float(rows), self.x0.dtype
        rows = rows.astype(dtype)
        if rows.ndim != 2 or rows.shape[1] != self.x0.shape[0]:
            raise ValueError(
                f"Trajectory: the rows have the shape {rows.shape}; they need one column for each "
                f"of the {self.x0.shape[0]} coordinates of the state"
            )
        bound = jnp.broadcast_to(as_float(bound).astype(dtype), rows.shape[:1])
        zero = jax.tree.map(lambda own: jnp.zeros_like(jnp.asarray(own), dtype), dict(u))

        def constrained(v):
            return (self._states(v, self.x0)[1:] @ rows.T).ravel()

        slopes = jax.jacfwd(constrained)(zero)
        matrix = {i: slope.reshape(slope.shape[0], -1) for i, slope in slopes.items()}
        keys = iter(jax.random.split(jax.random.key(0), len(zero)))
        trial = jax.tree.map(lambda own: jax.random.normal(next(keys), own.shape, dtype), zero)
        at_zero = constrained(zero)
        predicted = at_zero + sum((matrix[i] @ trial[i].ravel() for i in zero), 0 * at_zero)
        found = constrained(trial)
        size = 1 + jnp.max(jnp.abs(found)) + jnp.max(jnp.abs(predicted))
        tolerance = 1e3 * self.horizon * jnp.finfo(dtype).eps
        if not bool(jnp.max(jnp.abs(found - predicted)) <= tolerance * size):
            raise ValueError("Trajectory: rows on states need dynamics that are affine in controls")
        return StateRows(matrix, jnp.tile(bound, self.horizon) - at_zero)

    def _first(self, x0: Any) -> Array:
        return self.x0 if x0 is None else jnp.asarray(x0)

    def _states(self, u: Any, first: Array) -> Array:
        """Returns all states, without looking at shapes or values."""
        return _states(self.dynamics, u, first)


@eqx.filter_jit
def _states(dynamics: Callable, u: Any, first: Array) -> Array:
    def step(state, controls):
        following = dynamics(state, controls)
        return following, following

    return jnp.concatenate([first[None], jax.lax.scan(step, first, u)[1]])


def _state(x0: Any) -> Array:
    state = as_float(x0)
    if state.ndim != 1 or state.shape[0] == 0:
        raise ValueError(
            f"Trajectory: the first state is a vector with an entry per coordinate, not of the "
            f"shape {state.shape}"
        )
    if is_known(state) and not bool(jnp.isfinite(state).all()):
        raise ValueError("Trajectory: the first state has entries that are not finite")
    return state


def _check_controls(game: Trajectory, u: Any, first: Array) -> None:
    """Raises an error unless controls, dynamics and costs fit together; nothing is computed."""
    if not isinstance(u, dict):
        raise ValueError(
            "Trajectory: controls are a dictionary of players, each with an array of the shape "
            f"(T, m); got {type(u).__name__}"
        )
    if jnp.shape(first) != game.x0.shape:
        raise ValueError(
            f"Trajectory: the first state has the shape {jnp.shape(first)}, and that of the game "
            f"{game.x0.shape}"
        )
    for name, own in u.items():
        shape = jnp.shape(own)
        if len(shape) != 2 or shape[0] != game.horizon:
            raise ValueError(
                f"Trajectory: the controls of player '{name}' have the shape {shape}; for a "
                f"horizon of {game.horizon} it must be ({game.horizon}, m)"
            )
    now = {
        i: jax.ShapeDtypeStruct(jnp.shape(own)[1:], jnp.result_type(own)) for i, own in u.items()
    }
    state = jax.ShapeDtypeStruct(first.shape, first.dtype)
    following = eqx.filter_eval_shape(game.dynamics, state, now)
    if getattr(following, "shape", None) != state.shape:
        found = getattr(following, "shape", type(following).__name__)
        raise ValueError(
            f"Trajectory: the dynamics return {found} for a state of the shape {state.shape}"
        )
    paid = {"stage": eqx.filter_eval_shape(game.stage_costs, state, now)}
    if game.terminal_costs is not None:
        paid["terminal"] = eqx.filter_eval_shape(game.terminal_costs, state)
    for kind, costs in paid.items():
        names = player_names(costs) if isinstance(costs, dict) else ()
        if set(names) != set(player_names(u)):
            raise ValueError(
                f"Trajectory: {kind} costs are a dictionary with a scalar for each of the players "
                f"{brief_names(u)}; got {brief_names(costs) if names else type(costs).__name__}"
            )
        for name, cost in costs.items():
            if jnp.shape(cost) != ():
                raise ValueError(
                    f"Trajectory: the {kind} cost of player '{name}' has the shape "
                    f"{jnp.shape(cost)}; it must be a scalar"
                )

"""Linear dynamics with quadratic costs, and the stages of which such a game is made."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dgames.arrays import as_float, is_known
from dgames.games.trajectory import Trajectory


class Stages(eqx.Module):
    r"""The stages of a linear-quadratic game, one after the other along the leading axis.

    With `z_t = (x_t, u_t)`, all players' controls stacked, a stage is

        x_{t+1} = F_t z_t + c_t,      player i pays  z_t' H_ti z_t / 2 + h_ti' z_t,

    and at the end `x_T' P_i x_T / 2 + p_i' x_T`. Anything quadratic can be written so, also costs
    of products of states and controls, or of two players' controls.

    Attributes:
        dynamics: The matrices F, of shape `(T, n, n + m)` for m controls in all.
        offset: The vectors c, of shape `(T, n)`.
        hessians: The symmetric matrices H, of shape `(T, N, n + m, n + m)`.
        slopes: The vectors h, of shape `(T, N, n + m)`.
        last_hessians: The matrices P at the end, of shape `(N, n, n)`.
        last_slopes: The vectors p at the end, of shape `(N, n)`.
        players: Players' names, in the order of the stacked controls.
        sizes: How many controls each of them has.
    """

    dynamics: Float[Array, "T n k"]
    offset: Float[Array, "T n"]
    hessians: Float[Array, "T N k k"]
    slopes: Float[Array, "T N k"]
    last_hessians: Float[Array, "N n n"]
    last_slopes: Float[Array, "N n"]
    players: tuple[Any, ...] = eqx.field(static=True)
    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def owner(self) -> np.ndarray:
        """Returns the position of the player to whom each control belongs."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def split(self, stacked: Float[Array, "*rest m n"]) -> dict[Any, Array]:
        """Returns each player's rows of an array whose last axis but one is that of controls."""
        ends = np.cumsum(self.sizes)[:-1].tolist()
        return dict(zip(self.players, jnp.split(stacked, ends, axis=-2), strict=True))


class LQGame(eqx.Module):
    r"""N players steer a linear system and pay quadratic costs.

    In discrete time, with `x_{t+1} = A x_t + sum_j B_j u_j(t) + offset`, player i pays

        sum_{t < T} ( x'Q_i x + sum_j u_j'R_ij u_j ) / 2 + q_i'x,

    and at the end `x'Q_i^T x / 2 + q_i'x` with the terminal matrix; or there is no end. In
    continuous time `x' = A x + sum_j B_j u_j + offset`, and the sum is an integral.

    Attributes:
        A: The matrix of the dynamics, of shape `(n, n)`.
        B: One matrix per player, of shape `(n, m_i)`; the keys are the players' names, which
            are sorted.
        Q: One symmetric matrix per player, of shape `(n, n)`.
        R: One symmetric matrix per player for the own controls, of shape `(m_i, m_i)`; or a
            dictionary per player, whose entry j is the matrix `R_ij`. What is left out is zero.
        terminal: The matrices at the end; by default, Q.
        linear: The vectors q, of shape `(n,)`; by default zero.
        offset: The drift of the dynamics, of shape `(n,)`; by default zero.

    Raises:
        ValueError: If shapes do not fit, an entry is not finite, or a matrix of costs is not
            symmetric.

    Example:
        >>> one = jnp.eye(1)
        >>> game = LQGame(one, {"a": one, "b": one}, {"a": one, "b": one}, {"a": one, "b": one})
        >>> game.stages(3).hessians.shape
        (3, 2, 3, 3)
    """

    A: Float[Array, "n n"]
    B: dict[Any, Float[Array, "n m"]]
    Q: dict[Any, Float[Array, "n n"]]
    R: dict[Any, dict[Any, Float[Array, "m m"]]]
    terminal: dict[Any, Float[Array, "n n"]]
    linear: dict[Any, Float[Array, " n"]]
    offset: Float[Array, " n"]

    def __init__(
        self,
        A: Any,
        B: Mapping[Any, Any],
        Q: Mapping[Any, Any],
        R: Mapping[Any, Any],
        terminal: Mapping[Any, Any] | None = None,
        linear: Mapping[Any, Any] | None = None,
        offset: Any = None,
    ):
        players = tuple(sorted(B))  # as JAX sorts the keys of dictionaries
        self.A = _shaped("A", A, None)
        n = self.A.shape[0]
        if self.A.shape != (n, n):
            raise ValueError(f"LQGame: A has the shape {self.A.shape}; it must be square")
        groups = {"Q": Q, "R": R, "terminal": terminal or Q, "linear": linear or dict.fromkeys(B)}
        for name, group in groups.items():
            if not isinstance(group, Mapping) or set(group) != set(players):
                raise ValueError(
                    f"LQGame: {name} needs one entry for each of the players "
                    f"{', '.join(map(str, players))}"
                )
        self.B = {i: _shaped(f"B[{i!r}]", B[i], (n, None)) for i in players}
        self.Q = {i: _symmetric(f"Q[{i!r}]", Q[i], n) for i in players}
        self.R = {i: self._weights(i, R[i]) for i in players}
        last = groups["terminal"]
        self.terminal = {i: _symmetric(f"terminal[{i!r}]", last[i], n) for i in players}
        zero = jnp.zeros(n, self.A.dtype)
        slopes = groups["linear"]
        self.linear = {
            i: zero if slopes[i] is None else _shaped(f"linear[{i!r}]", slopes[i], (n,))
            for i in players
        }
        self.offset = zero if offset is None else _shaped("offset", offset, (n,))

    @property
    def players(self) -> tuple[Any, ...]:
        """The players' names, sorted; this is their order in all stacked arrays."""
        return tuple(self.B)

    def stages(self, horizon: int) -> Stages:
        """Returns the game of so many steps in discrete time, stage by stage.

        Args:
            horizon: The number of steps, positive.

        Raises:
            ValueError: If the horizon is no positive integer.
        """
        if isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1:
            raise ValueError(f"LQGame: the horizon is a positive number of steps, not {horizon!r}")
        dynamics, hessians, slopes = self.stacked()

        def repeated(array: Array) -> Array:
            return jnp.broadcast_to(array[None], (horizon, *array.shape))

        return Stages(
            repeated(dynamics),
            repeated(self.offset),
            repeated(hessians),
            repeated(slopes),
            jnp.stack([self.terminal[i] for i in self.players]),
            jnp.stack([self.linear[i] for i in self.players]),
            self.players,
            self.sizes,
        )

    def trajectory(self, x0: Any, horizon: int) -> Trajectory:
        """Returns the game of controls in discrete time from a first state, that is, in open loop.

        Args:
            x0: The first state, of shape `(n,)`.
            horizon: The number of steps, positive.

        Raises:
            ValueError: If the first state is no such vector, or the horizon no positive integer.
        """

        def dynamics(x, u):
            return self.A @ x + sum((self.B[i] @ u[i] for i in self.players), self.offset)

        def stage(x, u):
            return {
                i: sum(
                    (u[j] @ own @ u[j] / 2 for j, own in self.R[i].items()),
                    x @ self.Q[i] @ x / 2 + self.linear[i] @ x,
                )
                for i in self.players
            }

        def terminal(x):
            return {i: x @ self.terminal[i] @ x / 2 + self.linear[i] @ x for i in self.players}

        first = as_float(x0).astype(self.A.dtype)
        if first.shape != self.A.shape[:1]:
            raise ValueError(
                f"LQGame: the first state has the shape {first.shape}, not {self.A.shape[:1]}"
            )
        return Trajectory(dynamics, stage, terminal, first, horizon)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many controls each player has."""
        return tuple(own.shape[1] for own in self.B.values())

    def stacked(self) -> tuple[Array, Array, Array]:
        """Returns `F = [A, B]`, and the Hessians H and slopes h of one stage; see `Stages`."""
        n, total, dtype = self.A.shape[0], sum(self.sizes), self.A.dtype
        starts = dict(zip(self.players, np.cumsum((n, *self.sizes)).tolist(), strict=False))
        dynamics = jnp.concatenate([self.A, *self.B.values()], axis=1)
        hessians = jnp.zeros((len(self.players), n + total, n + total), dtype)
        slopes = jnp.zeros((len(self.players), n + total), dtype)
        for k, i in enumerate(self.players):
            hessians = hessians.at[k, :n, :n].set(self.Q[i])
            slopes = slopes.at[k, :n].set(self.linear[i])
            for j, weight in self.R[i].items():
                own = slice(starts[j], starts[j] + weight.shape[0])
                hessians = hessians.at[k, own, own].set(weight)
        return dynamics, hessians, slopes

    def _weights(self, i: Any, given: Any) -> dict[Any, Array]:
        named = dict(given) if isinstance(given, Mapping) else {i: given}
        if i not in named or set(named) - set(self.B):
            raise ValueError(
                f"LQGame: R[{i!r}] is the matrix of the player's own controls, or a dictionary of "
                "matrices by players that has it"
            )
        return {
            j: _symmetric(f"R[{i!r}][{j!r}]", own, self.B[j].shape[1]) for j, own in named.items()
        }


def _shaped(name: str, value: Any, shape: tuple[int | None, ...] | None) -> Array:
    array = as_float(value)
    wanted = (None, None) if shape is None else shape
    fits = array.ndim == len(wanted) and all(
        size in (None, found) for size, found in zip(wanted, array.shape, strict=True)
    )
    if not fits or 0 in array.shape:
        shown = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(f"LQGame: {name} has the shape {array.shape}; it must be ({shown})")
    if is_known(array) and not bool(jnp.isfinite(array).all()):
        raise ValueError(f"LQGame: {name} has an entry that is not finite")
    return array


def _symmetric(name: str, value: Any, size: int) -> Array:
    array = _shaped(name, value, (size, size))
    if is_known(array) and not bool((array == array.T).all()):
        raise ValueError(f"LQGame: {name} is not symmetric; use (M + M') / 2")
    return array

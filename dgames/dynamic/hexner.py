"""Hexner's game of one-sided information: two linear systems race to a target that one knows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Hexner:
    r"""Hexner's game, with its value, the time at which player 1 reveals the type, and play.

    Both players steer `x_i' = A x_i + B u_i`. The target is `type * target` with a type of 1 or -1,
    of which player 1 is told; player 2 knows that it is 1 with probability p, and sees states and
    controls. Player 1 minimises and player 2 maximises the mean of

        int (u_1'R_1 u_1 - u_2'R_2 u_2) dt
            + |x_1(T) - type target|_Q^2 - |x_2(T) - type target|_Q^2.

    *Value.* With the time to go s, let

        W_i(s) = int_0^s e^(A r) B R_i^-1 B' e^(A'r) dr,      M_i(s) = Q (I + W_i(s) Q)^-1,
        k_i(s) = target' M_i(s) target,      m = 2 p - 1,      y_i = e^(A s) x_i:

        V = |y_1 - m target|_M1^2 - |y_2 - m target|_M2^2
            + 4 p (1 - p) min_(0 <= r <= s) (k_1(r) - k_2(r)).

    *Proof, in steps of time.* Let `V_k` be the value with k steps to go, after player 1 has chosen
    what to reveal. As `|x - m target|^2` at the end differs from its mean over types by the same
    number for both players, `V_0` is the formula without its last term. If `V_k` is the formula
    with some `4 p (1 - p) c_k = (1 - m^2) c_k` as its last term, a step in which nothing is
    revealed solves two problems of one player each, with `M_i` of one more step, and keeps the last
    term. Revealing splits m into beliefs of mean m: the first terms then grow by the variance of m
    times `D = k_1 - k_2` of this time, so that player 1 makes `(1 - m^2) c_k + m^2 D` convex in m,
    as a function on [-1, 1]. It is convex already if `D >= c_k`; otherwise the convex hull is D,
    all is revealed, and the last term becomes `(1 - m^2) D`. So `c = min(c_k, D)`. ∎

    So player 1 hides the type, by aiming at the mean of the targets, until the time to go is the
    minimiser r, and aims at the true target from then on.

    Attributes:
        A: The matrix of the dynamics, of shape `(n, n)`.
        B: The matrix of controls, of shape `(n, m)`.
        Q: The symmetric, positive semidefinite matrix of the distances at the end.
        R1: Player 1's cost of controls, of shape `(m, m)`, positive definite.
        R2: Player 2's.
        target: The target of type 1, of shape `(n,)`.
        duration: The time T.
        steps: If it is given, controls are constant on each of so many equal steps (with the exact
            integral, a zero-order hold), and the type can be revealed at their beginnings only.

    Raises:
        ValueError: If shapes do not fit, or a number is not positive.

    Example:
        >>> game = Hexner.double_integrator(0.025, 0.1)
        >>> round(game.value(np.zeros(2), np.zeros(2), 0.5), 9)
        -0.333333333
        >>> round(game.reveal_time(), 10)
        0.4686707154

    References:
        Hexner, *A differential game of incomplete information*, Journal of Optimization Theory and
        Applications 28 (1979); Ghimire et al., arXiv:2403.02741.
    """

    A: Float[np.ndarray, "n n"]
    B: Float[np.ndarray, "n m"]
    Q: Float[np.ndarray, "n n"]
    R1: Float[np.ndarray, "m m"]
    R2: Float[np.ndarray, "m m"]
    target: Float[np.ndarray, " n"]
    duration: float = 1.0
    steps: int | None = None

    def __post_init__(self) -> None:
        n, m = len(self.A), np.shape(self.B)[-1]
        wanted = {"A": (n, n), "B": (n, m), "Q": (n, n), "R1": (m, m), "R2": (m, m), "target": (n,)}
        for name, shape in wanted.items():
            array = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, array)
            if array.shape != shape:
                raise ValueError(f"Hexner: {name} has the shape {array.shape}; it must be {shape}")
        for name in ("R1", "R2"):
            if not np.linalg.eigvalsh(getattr(self, name)).min() > 0:
                raise ValueError(f"Hexner: {name} must be positive definite")
        if not self.duration > 0 or (self.steps is not None and self.steps < 1):
            raise ValueError("Hexner: the duration and the number of steps must be positive")

    @classmethod
    def double_integrator(
        cls, r1: float, r2: float, duration: float = 1.0, steps: int | None = None
    ) -> "Hexner":
        """Returns the game of points that accelerate, to the positions 1 or -1.

        Then `k_i(s) = 3 r_i / (3 r_i + s^3)`; if `r1 < r2` and `3 sqrt(r1 r2) <= T^3`, the type is
        revealed when the cube of the time to go is `3 sqrt(r1 r2)`, and the value from rest at 0 is
        `4 p (1 - p) (sqrt(r1) - sqrt(r2)) / (sqrt(r1) + sqrt(r2))`.

        Args:
            r1: Player 1's cost of controls.
            r2: Player 2's.
            duration: The time T.
            steps: The number of steps, or None for continuous time.
        """
        A, one = np.array([[0.0, 1.0], [0.0, 0.0]]), np.eye(1)
        parts = A, np.array([[0.0], [1.0]]), np.diag([1.0, 0.0]), r1 * one, r2 * one
        return cls(*parts, np.array([1.0, 0.0]), duration, steps)

    @classmethod
    def single_integrator(
        cls, r1: float, r2: float, duration: float = 1.0, steps: int | None = None
    ) -> "Hexner":
        """Returns the game of points that move as they like; `k_i(s) = r_i / (r_i + s)`.

        Args:
            r1: Player 1's cost of controls.
            r2: Player 2's.
            duration: The time T.
            steps: The number of steps, or None for continuous time.
        """
        one = np.eye(1)
        return cls(0 * one, one, one, r1 * one, r2 * one, np.ones(1), duration, steps)

    def value(self, x1: Any, x2: Any, p: float, time: float = 0.0) -> float:
        """Returns the value of the game from two states and a belief.

        Args:
            x1: Player 1's state, of shape `(n,)`.
            x2: Player 2's state.
            p: The probability of type 1.
            time: The present time, from 0 to T; with steps, the beginning of one.

        Raises:
            ValueError: If the belief is no probability, or the time is not in the game.
        """
        if not 0 <= p <= 1:
            raise ValueError(f"Hexner: the belief is {p}; it must be between 0 and 1")
        to_go, m = self._to_go(time), 2 * p - 1
        moved = _expm(self.A * to_go)
        misses = [moved @ np.asarray(x, np.float64) - m * self.target for x in (x1, x2)]
        first, second = (
            miss @ self._weights(i, to_go) @ miss for i, miss in zip((1, 2), misses, strict=True)
        )
        return float(first - second + 4 * p * (1 - p) * self._secret(to_go)[0])

    def reveal_time(self, time: float = 0.0) -> float:
        """Returns the time at which player 1 reveals the type; T if never before the end.

        Args:
            time: The present time.

        Raises:
            ValueError: If the time is not in the game.
        """
        return self.duration - self._secret(self._to_go(time))[1]

    def gain(self, player: int, time: float) -> Float[np.ndarray, "m n"]:
        """Returns the matrix G of the feedback `u = -G (x - e^(-A s) aim)`, with the time to go s.

        Player 1 aims at the mean target `m target` until it is time to reveal, and then at the true
        one; player 2 always aims at the mean of the public belief. In continuous time only.

        Args:
            player: 1 or 2.
            time: The present time.

        Raises:
            ValueError: If the player is neither, the time is not in the game, or it has steps.
        """
        if player not in (1, 2) or self.steps is not None:
            raise ValueError("Hexner: gains are of player 1 or 2, in continuous time")
        to_go = self._to_go(time)
        moved = _expm(self.A * to_go)
        weight = moved.T @ self._weights(player, to_go) @ moved
        return np.linalg.solve(self.R1 if player == 1 else self.R2, self.B.T @ weight)

    def advantage(self, to_go: float) -> float:
        """Returns `k_1(s) - k_2(s)`: what revealing the type now is worth, at its variance.

        Args:
            to_go: The time to go s, not negative.
        """
        first, second = (self.target @ self._weights(i, to_go) @ self.target for i in (1, 2))
        return float(first - second)

    def _to_go(self, time: float) -> float:
        if not 0 <= time <= self.duration:
            raise ValueError(f"Hexner: the time is {time}; it must be from 0 to {self.duration}")
        return self.duration - time

    def _secret(self, to_go: float) -> tuple[float, float]:
        """Returns the least advantage from now on, and the time to go at which it is taken."""
        if self.steps is not None:
            step = self.duration / self.steps
            times = step * np.arange(round(to_go / step) + 1)
        else:
            times = np.linspace(0.0, to_go, 257)
        values = np.array([self.advantage(s) for s in times])
        best = int(values.argmin())
        if self.steps is not None or best in (0, len(times) - 1):
            return float(values[best]), float(times[best])

        def slope(s: float) -> float:
            rates = []
            for i, cost in ((1, self.R1), (2, self.R2)):
                spread = _expm(self.A * s) @ self.B
                pull = spread.T @ self._weights(i, s) @ self.target
                rates.append(pull @ np.linalg.solve(cost, pull))
            return rates[1] - rates[0]

        from scipy.optimize import brentq

        root: Any = brentq(slope, times[best - 1], times[best + 1], xtol=1e-15)
        return self.advantage(float(root)), float(root)

    @cached_property
    def _spreads(self) -> list[np.ndarray]:
        """Returns the sums that take the place of `W_i`, of 0, 1, ... steps, for both players."""
        assert self.steps is not None
        step = self.duration / self.steps
        A, B = _held(self.A, self.B, step)
        columns = [B]
        for _ in range(self.steps - 1):
            columns.append(A @ columns[-1])
        found = []
        for cost in (self.R1, self.R2):
            each = [own @ np.linalg.solve(step * cost, own.T) for own in columns]
            found.append(np.cumsum([np.zeros_like(A), *each], axis=0))
        return found

    def _weights(self, player: int, to_go: float) -> np.ndarray:
        """Returns `M_i(s) = Q (I + W_i(s) Q)^-1`."""
        if self.steps is None:
            cost = self.R1 if player == 1 else self.R2
            spread = _gramian(self.A, self.B, cost, to_go)
        else:
            spread = self._spreads[player - 1][round(to_go * self.steps / self.duration)]
        return self.Q @ np.linalg.inv(np.eye(len(spread)) + spread @ self.Q)


def _expm(matrix: np.ndarray) -> np.ndarray:
    from scipy.linalg import expm  # here, because it takes long to import

    return expm(matrix)


def _gramian(A: np.ndarray, B: np.ndarray, R: np.ndarray, time: float) -> np.ndarray:
    """Returns `int_0^s e^(A r) B R^-1 B' e^(A'r) dr`, by one exponential (Van Loan, 1978)."""
    n, source = len(A), B @ np.linalg.solve(R, B.T)
    block = _expm(np.block([[-A, source], [np.zeros((n, n)), A.T]]) * time)
    return block[n:, n:].T @ block[:n, n:]


def _held(A: np.ndarray, B: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the dynamics of one step with constant controls."""
    n, m = B.shape
    block = _expm(np.block([[A, B], [np.zeros((m, n + m))]]) * step)
    return block[:n, :n], block[:n, n:]

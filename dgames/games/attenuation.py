"""Control against disturbances over a finite horizon, in open loop."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.strategy import Strategy


class Attenuation(ZeroSum):
    r"""A linear system whose control u and disturbance w are played in open loop.

        x_{t+1} = A x_t + B u_t + D w_t,    t = 0 ... T-1
        V(u, w) = 1/2 sum_{t<T} (x_t' Q x_t + u_t' R u_t - gamma^2 |w_t|^2) + 1/2 x_T' P x_T

    The control minimises and the disturbance maximises. Strategies are u of shape
    (T, m) and w of shape (T, k).

    With states `x = Phi x_0 + B_c u + D_c w` the Jacobian of the pseudo-gradient is constant, and
    the margin is `min(lambda_min(R + B_c' Q B_c), gamma^2 - lambda_max(D_c' Q D_c))`, the smallest
    eigenvalue of the Jacobian's symmetric part; `certify.certify_closed_form` proves it by Riccati
    recursions, without the matrices of all times.

    Attributes:
        A: Shape (n, n).
        B: Shape (n, m).
        D: Shape (n, k).
        Q: Shape (n, n), symmetric; only its symmetric part is kept, here as for R and P.
        R: Shape (m, m).
        P: The weight of the last state, shape (n, n); by default Q.
        gamma: A positive number.
        horizon: T.
        x0: The first state, shape (n,).
        minimiser: The name of the player whose strategy is u, see `ZeroSum`.
        maximiser: The name of the other.

    Raises:
        ValueError: If shapes do not fit, or gamma or the horizon is not positive.

    Example:
        >>> game = Attenuation([[1.0]], [[1.0]], [[1.0]], [[1.0]], [[1.0]], 3.0, 1, [2.0])
        >>> u, w = game.start()
        >>> float(game.payoff((u, w)))  # (4 + 4) / 2
        4.0

    References:
        Başar and Bernhard, *H-infinity optimal control and related minimax design problems*, 1995,
        chapter 3.
    """

    A: Float[Array, "n n"]
    B: Float[Array, "n m"]
    D: Float[Array, "n k"]
    Q: Float[Array, "n n"]
    R: Float[Array, "m m"]
    P: Float[Array, "n n"]
    gamma: float = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    x0: Float[Array, " n"]
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __init__(
        self,
        A: Any,
        B: Any,
        D: Any,
        Q: Any,
        R: Any,
        gamma: float,
        horizon: int,
        x0: Any,
        *,
        P: Any = None,
        minimiser: str | None = None,
        maximiser: str | None = None,
    ):
        """Collects the matrices of a game.

        Args:
            A: Shape (n, n).
            B: Shape (n, m).
            D: Shape (n, k).
            Q: Shape (n, n).
            R: Shape (m, m).
            gamma: A positive number.
            horizon: T, a positive whole number.
            x0: The first state, shape (n,).
            P: Shape (n, n), or None for Q.
            minimiser: The name of the player whose strategy is u.
            maximiser: The name of the other.
        """
        self.A, self.B, self.D, self.x0 = (as_float(each) for each in (A, B, D, x0))
        weights = [as_float(each) for each in (Q, R, Q if P is None else P)]
        self.Q, self.R, self.P = ((each + each.T) / 2 for each in weights)
        self.gamma, self.horizon = float(gamma), int(horizon)
        n, m, k = self.x0.size, self.R.shape[0], self.D.shape[-1]
        wanted = [(n, n), (n, m), (n, k), (n, n), (m, m), (n, n), (n,)]
        found = [self.A, self.B, self.D, self.Q, self.R, self.P, self.x0]
        if [each.shape for each in found] != wanted:
            raise ValueError(
                "Attenuation: A, B, D, Q, R, P and x0 have the shapes (n, n), (n, m), (n, k), "
                f"(n, n), (m, m), (n, n) and (n,); got {[each.shape for each in found]}"
            )
        if not (0 < self.gamma < float("inf") and self.horizon > 0):
            raise ValueError(
                "Attenuation: gamma and the horizon are positive; got "
                f"{self.gamma} and {self.horizon}"
            )
        self.minimiser, self.maximiser = minimiser, maximiser

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        u, w = (jnp.asarray(block) for block in in_roles(self, x))
        A, B, D, Q, R, P, x0 = (
            each.astype(u.dtype)
            for each in (self.A, self.B, self.D, self.Q, self.R, self.P, self.x0)
        )

        def step(carry: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[Any, None]:
            state, total = carry
            control, disturbance = inputs
            paid = state @ (Q @ state) + control @ (R @ control)
            paid = paid - self.gamma**2 * (disturbance @ disturbance)
            return (A @ state + B @ control + D @ disturbance, total + paid), None

        (last, total), _ = jax.lax.scan(step, (x0, jnp.zeros((), u.dtype)), (u, w))
        return (total + last @ (P @ last)) / 2

    def start(self) -> tuple[Float[Array, "T m"], Float[Array, "T k"]]:
        """Zero for both players: the joint strategy from which runs start."""
        sizes = self.R.shape[0], self.D.shape[1]
        control, disturbance = (jnp.zeros((self.horizon, size), self.A.dtype) for size in sizes)
        return control, disturbance

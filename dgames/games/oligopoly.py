"""Cournot competition between firms."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import Polyhedron, SharedConstraints
from dgames.game import Game
from dgames.sets import Box
from dgames.strategy import Strategy, blocks, join


class Oligopoly(Game):
    r"""N firms choose how much to produce; one price clears the market.

    Firm i sells the quantity `q_i >= 0` at the price that all of them make, `Q = sum_j q_j`:

        p(Q)   = (demand / Q)^(1 / gamma)
        f_i(q) = c_i q_i + L_i^(-1 / beta_i) q_i^k_i / k_i - p(Q) q_i,    k_i = 1 + 1 / beta_i

    so that marginal production costs are `c_i + (q_i / L_i)^(1 / beta_i)`. Demand needs `Q > 0`.
    For `gamma >= 1` revenue `p(Q) q_i` is concave in the firm's own quantity, hence every cost is
    convex in it. Strategies are one scalar per firm, say in a tuple.

    Attributes:
        c: Linear cost of each firm.
        L: Scale of each firm's convex cost, positive.
        beta: Elasticity of each firm's supply, positive.
        gamma: Elasticity of demand, positive.
        demand: Quantity sold at unit price, positive.
        cap: The most that all firms may produce together, as a shared constraint, or None.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> game = Oligopoly.murphy_sherali_soyster()
        >>> q = Oligopoly.published_equilibrium()
        >>> max(abs(v) for v in pseudo_gradient(game)(q)) < 1e-8
        Array(True, dtype=bool)

    References:
        Murphy, Sherali and Soyster, *A mathematical programming approach for determining
        oligopolistic market equilibrium*, Mathematical Programming 24 (1982).
    """

    c: Float[Array, " firms"] = eqx.field(converter=as_float)
    L: Float[Array, " firms"] = eqx.field(converter=as_float)
    beta: Float[Array, " firms"] = eqx.field(converter=as_float)
    gamma: Float[Array, ""] = eqx.field(converter=as_float)
    demand: Float[Array, ""] = eqx.field(default=5000.0, converter=as_float)
    cap: Float[Array, ""] | None = eqx.field(
        default=None, converter=lambda value: None if value is None else as_float(value)
    )

    def __check_init__(self):
        if not self.c.shape == self.L.shape == self.beta.shape or self.c.ndim != 1:
            raise ValueError(
                "c, L and beta are vectors with one entry per firm; got shapes "
                f"{self.c.shape}, {self.L.shape}, {self.beta.shape}"
            )

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        quantities = [jnp.asarray(block) for block in blocks(x)]
        dtype = quantities[0].dtype
        c, L, beta = (field.astype(dtype) for field in (self.c, self.L, self.beta))
        sold_per_price = 1 / self.gamma.astype(dtype)
        price = jnp.power(self.demand.astype(dtype), sold_per_price) * jnp.power(
            sum(quantities), -sold_per_price
        )
        power = 1 + 1 / beta
        scale = jnp.power(L, -1 / beta) / power
        return join(
            x,
            tuple(
                c[i] * q + scale[i] * jnp.power(q, power[i]) - price * q
                for i, q in enumerate(quantities)
            ),
        )

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(0.0, jnp.inf)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        if self.cap is None:
            return ()
        return (Polyhedron(jnp.ones((1, len(self.c))), self.cap),)

    @classmethod
    def murphy_sherali_soyster(cls, cap: float | int | Array | None = None) -> "Oligopoly":
        """The five-firm market of Murphy, Sherali and Soyster (1982), a standard benchmark.

        With a cap of 150 the firms produce 23.58869133, 28.68432319, 32.02150451, 33.28726523 and
        32.41821574 at the variational equilibrium, with multiplier 7.12706849.

        Args:
            cap: The most that all firms may produce together, or None.
        """
        return cls(
            c=[10.0, 8.0, 6.0, 4.0, 2.0],
            L=[5.0, 5.0, 5.0, 5.0, 5.0],
            beta=[1.2, 1.1, 1.0, 0.9, 0.8],
            gamma=1.1,
            cap=cap,
        )

    @staticmethod
    def published_equilibrium() -> tuple[float, ...]:
        """The equilibrium of `murphy_sherali_soyster`, to the eight published decimals."""
        return (36.93251081, 41.81814167, 43.70657852, 42.65923974, 39.17895252)

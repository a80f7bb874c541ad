"""Paper mills that pollute one river."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import Polyhedron, SharedConstraints
from dgames.game import Game
from dgames.sets import Box
from dgames.strategy import Strategy, blocks, join


class RiverBasin(Game):
    r"""N producers along a river share limits on what reaches its measuring stations.

        f_i(x) = x_i (linear_i + own_i x_i) - x_i (price - slope sum_j x_j),    x_i >= 0,
        load x <= limit,    one row per station.

    All players pay for the same rows, so that equilibria differ in how they share the multipliers.
    By default this is the game of Krawczyk and Uryasev (2000), problem A.13 of the collection of
    Facchinei and Kanzow. Its variational equilibrium is (21.1447960154, 16.0278534470,
    2.7259627009), with multipliers (0.5743599994, 0); with Rosen's weights (1, 1.05, 1.1) it is
    (17.4698143451, 16.0168728230, 5.6247302666). The pseudo-gradient has the margin 0.03 and the
    Lipschitz constant 0.1227491722. Published digits are those of a penalty method, good to about
    1e-5. Strategies are one scalar per producer, say in a tuple.

    Attributes:
        linear: Linear cost of each producer.
        own: Quadratic cost of each producer.
        load: What a unit of each producer adds at each station, shape (stations, producers).
        limit: The most that each station may measure.
        price: The price of the product where nothing is sold.
        slope: How much a unit sold lowers it.

    Example:
        >>> from dgames.constraints.kkt import solve_kkt
        >>> point = solve_kkt(RiverBasin(), (0.0, 0.0, 0.0))
        >>> [round(float(x), 6) for x in point.strategy], point.multipliers.round(6).tolist()
        ([21.144796, 16.027853, 2.725963], [0.57436, 0.0])

    References:
        Krawczyk and Uryasev, *Relaxation algorithms to find Nash equilibria with economic
        applications*, Environmental Modeling and Assessment 5 (2000); Facchinei and Kanzow,
        *Penalty methods for the solution of generalized Nash equilibrium problems (with complete
        test problems)*, 2009.
    """

    linear: Float[Array, " producers"] = eqx.field(default=(0.1, 0.12, 0.15), converter=as_float)
    own: Float[Array, " producers"] = eqx.field(default=(0.01, 0.05, 0.01), converter=as_float)
    load: Float[Array, "stations producers"] = eqx.field(
        default=((3.25, 1.25, 4.125), (2.2915, 1.5625, 2.8125)), converter=as_float
    )
    limit: Float[Array, " stations"] = eqx.field(default=(100.0, 100.0), converter=as_float)
    price: Float[Array, ""] = eqx.field(default=3.0, converter=as_float)
    slope: Float[Array, ""] = eqx.field(default=0.01, converter=as_float)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        amounts = [jnp.asarray(block) for block in blocks(x)]
        price = self.price - self.slope * sum(amounts)
        return join(
            x,
            tuple(
                amount * (self.linear[i] + self.own[i] * amount) - amount * price
                for i, amount in enumerate(amounts)
            ),
        )

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(0.0, jnp.inf)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return (Polyhedron(self.load, self.limit),)

"""Players with rates of their own, which move on timescales of their own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.constraints.shared_constraints import refuse_shared
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import (
    Block,
    Strategy,
    block,
    blocks,
    brief_names,
    join,
    map_players,
    position,
    replace,
    same_players,
)


class Rescaled(AbstractAdjustedField):
    """A field whose blocks are multiplied by rates: `(r_1 F_1, ..., r_N F_N)`.

    It has the zeros of F with stabilities of their own. With one rate `tau` for followers and a
    `leader` who keeps rate one it is descent on two timescales: strict local Stackelberg points of
    zero-sum games attract for all tau above some number (Fiez and Ratliff, 2021), as they do for
    the game `-3 x^2 - y^2 + 4 x y` and its origin if and only if tau > 3. One evaluation.

    Rates of methods, one step size per player, are the same thing in simultaneous steps; this is a
    field of its own, which composes with others.

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        rates: One number per player in the first-level structure of the strategy, or one for all.
        leader: None, or the name or position of a player who keeps rate one.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
    >>> [float(own) for own in Rescaled(game, 4.0, leader=0)((1.0, 1.0))]
    [-2.0, -8.0]
    >>> [float(own) for own in Rescaled(game, (0.5, 4.0))((1.0, 1.0))]
    [-1.0, -8.0]

    References:
        Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, *GANs trained by a two time-scale
        update rule converge to a local Nash equilibrium*, NeurIPS 2017, arXiv:1706.08500; Fiez and
        Ratliff, *Local convergence analysis of gradient descent ascent with finite timescale
        separation*, ICLR 2021.
    """

    field: AbstractField = eqx.field(converter=as_field)
    rates: PyTree[Array] = eqx.field(converter=lambda tree: jax.tree.map(as_float, tree))
    leader: str | int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        for rate in jax.tree.leaves(self.rates):
            if is_known(rate) and hasattr(rate, "shape") and not (np.asarray(rate) > 0).all():
                raise ValueError(f"Rescaled: rates are positive numbers, not {rate}")

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        return map_players(_times, field(x, args), self._rates(x))

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        from dgames.fields.convert import prepared

        field, x, _ = prepared(self.field, x)
        return _times(field.block(x, player, args), block(self._rates(x), player))

    def _rates(self, x: Strategy) -> Strategy:
        refuse_shared(
            self.field.shared_constraints(x),
            "Rescaled: on shared constraints rates select another equilibrium; use Normalised",
        )
        single = eqx.is_array(self.rates)
        if not single and not same_players(x, self.rates):
            raise ValueError(
                f"Rescaled: rates are one number, or one for each of the players {brief_names(x)}"
            )
        rates = self.rates
        if single and is_stacked(x):
            rates = Stacked(jnp.broadcast_to(rates, (len(x),)))
        elif single:
            rates = join(x, (rates,) * len(blocks(x)))
        if self.leader is None:
            return rates
        player = position(x, self.leader, "Rescaled: the leader")
        return replace(rates, player, jnp.ones_like(block(rates, player)))


def _times(own: Block, rate: Array) -> Block:
    return jax.tree.map(lambda leaf: rate.astype(leaf.dtype) * leaf, own)

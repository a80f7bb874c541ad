"""Gradient steps of a zero-sum game, corrected so that the follower stays on the ridge."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.matrix_free import solved
from dgames.fields.products import block_product
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game, is_zero_sum
from dgames.roles import minimiser_of
from dgames.strategy import Strategy, brief_names, join, player_names, position


def _of_both(game: Any) -> AbstractField:
    if not isinstance(game, Game | AbstractField | type):
        from dgames.leaders.leader_fields import GradientPlay
        from dgames.leaders.stackelberg import Stackelberg

        if isinstance(game, Stackelberg):
            return GradientPlay(game)
    return as_field(game)


class FollowTheRidge(AbstractAdjustedField):
    """Gradient steps of a zero-sum game, corrected so that the follower stays on the ridge.

    For a leader 1 and a follower 2 it is `(F_1, F_2 - J_22^-1 J_21 F_1)`: with the payoff f,

        x+ = x - h f_x,    y+ = y + h f_y + h f_yy^-1 f_yx f_x,

    whose follower makes up for the leader's step, so that `f_y = 0` stays so. The stable zeros are
    the local minimax points: near one, the leader's part moves as gradient descent on the cost
    that a best response leaves. In games that are not zero-sum the leader would need the total
    derivative in place of f_x: see `TwoTimescale`.

    One block of the field for the leader, two for the follower, and per iteration of the solver,
    which is GMRES, one product with `J_22`.

    Attributes:
        field: A game of two players, zero-sum, which is not verified; or a `Stackelberg` game, for
            strategies `{"leader": x, "followers": y}`.
        leader: The name or position of the leader; by default it is the minimiser of a `ZeroSum`
            game, else the player called "leader", else the first one.
        solver: A solver of lineax in place of GMRES; see `Competitive`.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: -3 * x[0] ** 2 - x[1] ** 2 + 4 * x[0] * x[1])
    >>> run = dg.solve(dg.FollowTheRidge(game), dg.Simultaneous(0.05), (5.0, 7.0))
    >>> [round(float(own), 6) for own in run.strategy]
    [0.0, 0.0]

    References:
        Wang, Zhang and Ba, *On solving minimax optimization locally: a follow-the-ridge approach*,
        ICLR 2020, arXiv:1910.07512.
    """

    field: AbstractField = eqx.field(converter=_of_both)
    leader: str | int | None = eqx.field(static=True, default=None)
    solver: Any = None

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        first = self._leader(field, x)
        second = 1 - first
        slope = field.block(x, first, args)
        force, curve = block_product(field, x, second, second, args)
        _, drift = block_product(field, x, second, first, args)
        turn = solved(curve, drift(slope), self.solver)
        parts = (slope, jax.tree.map(lambda a, b: a - b, force, turn))
        return join(x, (parts[first], parts[second]))

    def _leader(self, field: AbstractField, x: Strategy) -> int:
        names = player_names(x)
        if len(names) != 2:
            raise ValueError(
                f"FollowTheRidge: two players are needed, but there are {len(names)}: "
                f"{brief_names(x)}"
            )
        if self.leader is None:
            if isinstance(field, PseudoGradient) and is_zero_sum(field.game):
                return minimiser_of(field.game, x, field.order_is_known)
            return names.index("leader") if "leader" in names else 0
        return position(x, self.leader, "FollowTheRidge: the leader")

"""Primal-dual steps on players and multipliers, with step sizes of their own."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import Polyhedron
from dgames.fields import AbstractField
from dgames.fields.shared import (
    ExtendedField,
    join_multipliers,
    split_multipliers,
    spread,
)
from dgames.methods.method import (
    AbstractMethod,
    State,
    per_player,
    real_hyperparameter,
    scale,
    subtract,
)
from dgames.strategy import Strategy, ravel


class PrimalDual(AbstractMethod):
    """Primal-dual forward-backward steps on an `ExtendedField`, for linear shared constraints.

        x+ = P_K(x - T (F(x) + A' l)),    l+ = max(l + S (A (2 x+ - x) - b), 0)

    (for equations without the maximum). Two evaluations of the field per step; K is the product of
    the players' own sets, so that there is no projection onto shared constraints. Steps may differ
    between players and rows, which moves no equilibrium. It converges where F is
    beta-cocoercive (`beta = a / b^2` for a margin a and a Lipschitz constant b; `1 / b` if the
    Jacobian is symmetric too) and `T^-1 - A' S A >= I / (2 beta)`: see `slack`.

    Attributes:
        primal_step: T, a positive number or one per player (without the multipliers).
        dual_step: S, a positive number, or an array with one per row.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> start = dg.with_multipliers(game, (0.0, 0.0))
    >>> run = dg.solve(dg.ExtendedField(game), PrimalDual(0.4, 0.7), start)
    >>> [round(float(jnp.squeeze(block)), 6) for block in run.strategy]
    [0.75, 0.25, 0.5]

    References:
        Condat, *A primal-dual splitting method for convex optimization*, Journal of Optimization
        Theory and Applications 158 (2013); Vu, *A splitting algorithm for dual monotone
        inclusions*, Advances in Computational Mathematics 38 (2013); Yi and Pavel, *An operator
        splitting approach for distributed generalized Nash equilibria computation*, Automatica
        102 (2019).
    """

    primal_step: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    dual_step: Float[Array, "*rows"] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        _require_extended(field, x)
        players, multipliers = split_multipliers(x)
        force, slack = split_multipliers(field(x, args))
        moved = subtract(players, scale(self.primal_step, force))
        players = split_multipliers(field.project(join_multipliers(moved, multipliers)))[0]
        _, after = split_multipliers(field(join_multipliers(players, multipliers), args))
        push = self.dual_step.astype(multipliers.dtype) * (after + after - slack)
        return field.project(join_multipliers(players, multipliers - push)), None

    def slack(self, field: ExtendedField, x: Strategy, cocoercivity: float) -> Float[Array, ""]:
        """The least eigenvalue of `T^-1 - A' S A - I / (2 beta)`: steps converge if it is >= 0.

        Args:
            field: The field.
            x: Players with multipliers.
            cocoercivity: beta.
        """
        _require_extended(field, x)
        players, multipliers = split_multipliers(x)
        steps, _ = ravel(spread(per_player(self.primal_step, players), players))
        A = jnp.concatenate([_matrix(c, players) for c in field.game.shared_constraints(players)])
        dual = jnp.broadcast_to(self.dual_step, multipliers.shape)
        form = jnp.diag(1 / steps - 0.5 / cocoercivity) - A.T @ (dual[:, None] * A)
        return jnp.linalg.eigvalsh(form)[0]


def _matrix(constraint: object, x: Strategy) -> Float[Array, "rows coordinates"]:
    assert isinstance(constraint, Polyhedron)
    rows = constraint.rows(x)
    return jnp.concatenate([rows.A, rows.A_eq])


def _require_extended(field: AbstractField, x: Strategy) -> None:
    if not isinstance(field, ExtendedField):
        raise ValueError(
            "PrimalDual moves players and multipliers: give it dgames.ExtendedField(game), and "
            "start from dgames.with_multipliers(game, x)"
        )
    players, _ = split_multipliers(x)
    constraints = field.game.shared_constraints(players)
    if field.weights is not None or not all(isinstance(c, Polyhedron) for c in constraints):
        raise ValueError(
            "PrimalDual is for linear shared constraints (Polyhedron) and equal weights; "
            "use Extragradient on this field"
        )

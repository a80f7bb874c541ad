"""Adjustments by the antisymmetric part of the Jacobian, along which players circle."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.hamiltonian import plus
from dgames.fields.matrix_free import solved
from dgames.fields.products import product, transposed
from dgames.strategy import Strategy, inner_product

_ALIGNMENT = 0.1  # the epsilon of the sign rule


class SymplecticAdjusted(AbstractAdjustedField):
    """Symplectic gradient adjustment: `F + w A' F` with `A = (J - J') / 2`.

    `A' F = (J' F - J F) / 2` turns rotations into contractions: near a zero of F with J invertible
    and `J + J' >= 0` steps along the adjusted field converge for small w > 0, as the authors prove.
    One evaluation, one JVP and one VJP. In a zero-sum game of two players A is the interaction
    `J_o`, so that the field is `F - w J_o F`, that of first-order competitive gradient descent and
    of `LookAhead`. On `x y` a step h has, with w = 1, the factor `sqrt((1 - h)^2 + h^2)`.

    With `aligned=True` the sign of w is chosen at every strategy, so that the adjustment points to
    stable zeros and away from unstable ones:

        sign(<F, J' F> <A' F, J' F> / d + 0.1),    d the number of coordinates,

    which makes the field jump where the sign changes. Near a zero the products vanish and the sign
    is plus: there it is the plain adjustment.

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        weight: w.
        aligned: Whether the sign of w is chosen by that rule.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [float(own) for own in SymplecticAdjusted(game, 1.0)((1.0, 2.0))]
    [3.0, 1.0]

    References:
        Balduzzi, Racaniere, Martens, Foerster, Tuyls and Graepel, *The mechanics of n-player
        differentiable games*, ICML 2018, arXiv:1802.05642.
    """

    field: AbstractField = eqx.field(converter=as_field)
    weight: Float[Array, ""] = eqx.field(converter=as_float, default=1.0)
    aligned: bool = eqx.field(static=True, default=False)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, times = product(field, x, args)
        slope = transposed(times, x)(force)  # the gradient of |F|^2 / 2
        turned = jax.tree.map(lambda a, b: 0.5 * (a - b), slope, times(force))
        weight = self.weight
        if self.aligned:
            weight = weight * _sign(force, turned, slope).astype(weight.dtype)
        return plus(force, weight, turned)


def _sign(force: Strategy, turned: Strategy, slope: Strategy) -> Float[Array, ""]:
    size = sum(leaf.size for leaf in jax.tree.leaves(force))
    share = inner_product(force, slope) * inner_product(turned, slope) / size
    one = jnp.ones_like(share)
    return jnp.where(share + _ALIGNMENT >= 0, one, -one)


class SymplecticSurgery(AbstractAdjustedField):
    """Local symplectic surgery: `(F + J' J^-1 F) / 2`.

    Near a zero of F this field is `(J + J') / 2` times the distance from it, so that of all zeros
    of F only those attract at which `J + J'` is positive definite: in a zero-sum game of two
    players, differential Nash equilibria and no others. One evaluation, one VJP, and per iteration
    of the solver one JVP (with a regularisation one VJP more).

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        regularisation: None, or a number l > 0 with which `(J' J + l I)^-1 J'` replaces `J^-1`,
            for Jacobians that are singular somewhere; the authors' code has 0.1.
        solver: A solver of lineax in place of GMRES (with a regularisation, of CG); see
            `Competitive`.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: 0.5 * x[0] ** 2 + 3 * x[0] * x[1] - x[1] ** 2)
    >>> [round(float(own), 6) for own in SymplecticSurgery(game)((1.0, 2.0))]
    [1.0, 4.0]

    References:
        Mazumdar, Jordan and Sastry, *On finding local Nash equilibria (and only local Nash
        equilibria) in zero-sum games*, 2019, arXiv:1901.00838.
    """

    field: AbstractField = eqx.field(converter=as_field)
    regularisation: Float[Array, ""] | None = eqx.field(
        converter=lambda value: None if value is None else as_float(value), default=None
    )
    solver: Any = None

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, times = product(field, x, args)
        back = transposed(times, x)
        ridge = self.regularisation
        if ridge is None:
            step = solved(times, force, self.solver)
        else:
            normal = lambda u: plus(back(times(u)), ridge, u)  # noqa: E731
            step = solved(normal, back(force), self.solver, definite=True)
        return jax.tree.map(lambda a, b: 0.5 * (a + b), force, back(step))

"""Descent on the squared length of a field, by itself or added to the field."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.strategy import Strategy


class Hamiltonian(AbstractAdjustedField):
    """The gradient `J' F` of the Hamiltonian `|F|^2 / 2`. One evaluation and one VJP.

    Simultaneous steps along it are Hamiltonian gradient descent. Where J is invertible its zeros
    are those of F, whatever their stability: maxima attract, too. It is strongly monotone wherever
    `J' J + sum_k F_k D^2 F_k` is positive definite, so for every invertible linear F, bilinear
    games included; on `x y` a step h has the factor `|1 - h|`.

    A zero of F inside the strategy sets stays a zero. On the boundary this is not so: an
    equilibrium that constraints hold, with F not zero, is in general none of this field.

    Attributes:
        field: F; a game stands for its pseudo-gradient.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [float(own) for own in Hamiltonian(game)((1.0, 2.0))]
    [1.0, 2.0]

    References:
        Balduzzi, Racaniere, Martens, Foerster, Tuyls and Graepel, *The mechanics of n-player
        differentiable games*, ICML 2018, arXiv:1802.05642; Abernethy, Lai and Wibisono,
        *Last-iterate convergence rates for min-max optimization*, ALT 2021, arXiv:1906.02027.
    """

    field: AbstractField = eqx.field(converter=as_field)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, pull = jax.vjp(lambda x: field(x, args), x)
        return pull(force)[0]


class Consensus(AbstractAdjustedField):
    """The field of consensus optimisation, `F + w J' F`. One evaluation and one VJP.

    Its symmetric part is that of F plus `w J' J` wherever F is zero, so that a zero of F, if J is
    invertible there, attracts for every large enough w, a zero that F itself repels among them. On
    `x y` a step h has the factor `sqrt((1 - w h)^2 + h^2)`, for w = 1 at best `1 / sqrt(2)` at
    h = 1/2.

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        weight: w, a number >= 0 in units of one over J; the authors' code has 0.1 for networks.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: (x[0] - 3) * (x[1] - 4))
    >>> run = dg.solve(dg.Consensus(game, 1.0), dg.Simultaneous(0.5), (1.0, 2.0))
    >>> [round(float(own), 6) for own in run.strategy]
    [3.0, 4.0]

    References:
        Mescheder, Nowozin and Geiger, *The numerics of GANs*, NeurIPS 2017, arXiv:1705.10461.
    """

    field: AbstractField = eqx.field(converter=as_field)
    weight: Float[Array, ""] = eqx.field(converter=as_float)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, pull = jax.vjp(lambda x: field(x, args), x)
        return plus(force, self.weight, pull(force)[0])


def plus(force: Strategy, weight: Any, change: Strategy) -> Strategy:
    """Returns `force + weight change`, leaf by leaf, in the dtypes of the leaves.

    >>> import jax.numpy as jnp
    >>> [float(own) for own in plus((jnp.array(1.0),), jnp.array(0.5), (jnp.array(4.0),))]
    [3.0]
    """
    return jax.tree.map(lambda f, c: f + weight.astype(f.dtype) * c, force, change)

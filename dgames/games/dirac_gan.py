"""The Dirac-GAN: the smallest generative adversarial network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.strategy import Strategy


class DiracGAN(ZeroSum):
    r"""The logistic Dirac-GAN `min_theta max_psi -log(1 + exp(-psi theta))`.

    A generator that puts a point mass at `theta` faces the linear discriminator `psi`; the data sit
    at zero. With `s = 1 / (1 + exp(psi theta))`, in (0, 1), the pseudo-gradient is

        F(theta, psi) = (psi s, -theta s)

    The origin is the only equilibrium. There the Jacobian has the eigenvalues `+-i / 2`, so
    descent-ascent circles around it; and since `|F|` falls exponentially where `psi theta` is
    large, methods that converge crawl when they start far away.

    Attributes:
        minimiser: The name of the generator, see `ZeroSum`.
        maximiser: The name of the discriminator.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> [float(v) for v in pseudo_gradient(DiracGAN())((3.0, 0.0))]
        [0.0, -1.5]

    References:
        Mescheder, Geiger and Nowozin, *Which Training Methods for GANs do actually Converge?*, ICML
        2018, arXiv:1801.04406.
    """

    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        theta, psi = (jnp.asarray(block) for block in in_roles(self, x))
        return _log_logistic(psi * theta)

    def equilibrium(self) -> tuple[float, float]:
        """The origin, the unique equilibrium."""
        return 0.0, 0.0


# The derivatives of log1p and exp overflow to inf / inf; the logistic function never does.
@jax.custom_jvp
def _log_logistic(t):
    return jnp.minimum(t, 0) - jnp.log1p(jnp.exp(-jnp.abs(t)))


_log_logistic.defjvps(lambda dt, _, t: jax.nn.sigmoid(-t) * dt)

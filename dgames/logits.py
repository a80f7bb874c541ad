"""Probability vectors in log space, without gauge freedom.

A probability vector in the interior of a simplex is the softmax of its logits, and logits are
defined up to a common constant. A gauge removes that freedom exactly: n actions have n - 1
coordinates, which may be any real numbers, and no threshold has to tell a null direction from a
small one. No probability is too small: 1e-300 and far below are ordinary numbers here.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.strategy import Block, Strategy


class AbstractGauge(eqx.Module):
    """Coordinates for logits up to a constant: n - 1 numbers for n actions, along the last axis."""

    @abc.abstractmethod
    def logits(self, x: Float[Array, "*groups coordinates"]) -> Float[Array, "*groups actions"]:
        """Logits with these coordinates."""

    @abc.abstractmethod
    def coordinates(
        self, logits: Float[Array, "*groups actions"]
    ) -> Float[Array, "*groups coordinates"]:
        """The coordinates of logits: blind to a constant, and otherwise inverse to `logits`."""


class LogitDifferences(AbstractGauge):
    """Differences to the last action: `x_a = log p_a - log p_n`.

    >>> LogitDifferences().coordinates(jnp.array([3.0, 1.0, 2.0])).tolist()
    [1.0, -1.0]
    """

    @override
    def logits(self, x: Float[Array, "*groups coordinates"]) -> Float[Array, "*groups actions"]:
        return jnp.concatenate([x, jnp.zeros((*x.shape[:-1], 1), x.dtype)], -1)

    @override
    def coordinates(
        self, logits: Float[Array, "*groups actions"]
    ) -> Float[Array, "*groups coordinates"]:
        return logits[..., :-1] - logits[..., -1:]


class TangentBasis(AbstractGauge):
    """Coordinates in an orthonormal basis of the vectors with sum zero (the Helmert matrix).

    Euclidean norms of the coordinates are norms of the centred logits: all actions count alike.

    >>> [f"{x:.6f}" for x in TangentBasis().coordinates(jnp.array([3.0, 1.0]))]
    ['1.414214']
    """

    @override
    def logits(self, x: Float[Array, "*groups coordinates"]) -> Float[Array, "*groups actions"]:
        return x @ _helmert(x.shape[-1] + 1, x.dtype)

    @override
    def coordinates(
        self, logits: Float[Array, "*groups actions"]
    ) -> Float[Array, "*groups coordinates"]:
        return logits @ _helmert(logits.shape[-1], logits.dtype).T


def _helmert(actions: int, dtype: np.dtype) -> Float[Array, "coordinates actions"]:
    import scipy.linalg

    return jnp.asarray(scipy.linalg.helmert(actions), dtype)


def policies(x: Strategy, gauge: AbstractGauge | None = None) -> Strategy:
    """The probability vectors with these logits.

    Args:
        x: A pytree of logit coordinates, along the last axis of every leaf.
        gauge: The coordinates (default: `LogitDifferences`).

    Returns:
        The same structure with one more entry along every last axis.

    >>> policies((jnp.array([jnp.log(3.0)]),))[0].round(6).tolist()
    [0.75, 0.25]
    """
    return _map_logits(lambda logits: jax.nn.softmax(logits, -1), x, gauge)


def log_policies(x: Strategy, gauge: AbstractGauge | None = None) -> Strategy:
    """The logarithms of `policies`, exact where those underflow.

    >>> log_policies((jnp.array([-1000.0]),))[0].tolist()
    [-1000.0, 0.0]
    """
    return _map_logits(lambda logits: jax.nn.log_softmax(logits, -1), x, gauge)


def logits(p: Strategy, gauge: AbstractGauge | None = None) -> Strategy:
    """The logit coordinates of positive probability vectors: the inverse of `policies`.

    Args:
        p: A pytree of probability vectors, along the last axis of every leaf.
        gauge: The coordinates (default: `LogitDifferences`).

    >>> logits((jnp.array([0.2, 0.8]), jnp.array([0.5, 0.5])))[1].tolist()
    [0.0]
    """
    return log_to_logits(jax.tree.map(jnp.log, p), gauge)


def log_to_logits(log_p: Strategy, gauge: AbstractGauge | None = None) -> Strategy:
    """The logit coordinates of log-probabilities, or of anything defined up to a constant."""
    return jax.tree.map((gauge or LogitDifferences()).coordinates, log_p)


def log_of(p: PyTree) -> PyTree:
    """Returns logarithms of probabilities, with zeros replaced by the smallest normal number."""
    return jax.tree.map(lambda leaf: jnp.log(jnp.maximum(leaf, jnp.finfo(leaf.dtype).tiny)), p)


def _map_logits(function, x: Block, gauge: AbstractGauge | None):
    gauge = gauge or LogitDifferences()
    return jax.tree.map(lambda leaf: function(gauge.logits(leaf)), x)

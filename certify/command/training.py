"""Trains a game of networks that a user's file defines, so that there is a point to certify."""

from typing import Any

import dgames as dg
from dgames.strategy import Strategy

# Steps are tried from the longest one on; a run is long enough if its residual is this small.
_STEPS, _TOLERANCE, _MOST = (0.4, 0.2, 0.1, 0.05, 0.025), 1e-10, 20_000


def trained(game: dg.ZeroSumNetworks, x0: Strategy | None, args: Any) -> Strategy:
    """Returns where extragradient ends from a start, with the longest step that converges.

    Args:
        game: A game of two networks.
        x0: Where training starts; None for the start to which both networks decay.
        args: The data.

    Raises:
        ValueError: If there is no start, or no run converges.

    Example:
        >>> import jax
        >>> net = dg.nn.mlp((1, 8, 1), jax.random.key(0), start="antisymmetric")
        >>> game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), (net, net), (1.0, 1.0))
        >>> x = jax.numpy.linspace(-1.0, 1.0, 4)[:, None]
        >>> point = trained(game, None, (x, x, x[:, 0]))
        >>> float(dg.residual(game, point, (x, x, x[:, 0]))) < 1e-9
        True
    """
    start = game.start if x0 is None else x0
    if any(block is None for block in start):
        raise ValueError(
            "the file defines no start: give x0, a pair of strategies at which training starts"
        )
    for step in _STEPS:
        method = dg.Extragradient(step)
        run = dg.solve(game, method, start, args, max_steps=_MOST, tol=_TOLERANCE)
        if run.result == dg.RESULTS.successful:
            return run.strategy
    raise ValueError(
        f"training did not converge with any step of {', '.join(map(str, _STEPS))} in {_MOST} "
        "iterations; give the end of a run of your own as x0"
    )

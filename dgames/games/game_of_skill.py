"""Random games of skill: some strategies are better, and all beat each other in cycles."""

import jax
from jaxtyping import Array, Key

from dgames.games.matrix import MatrixGame


def random_game_of_skill(
    key: Key[Array, ""], strategies: int, skill: float = 1.0, cycles: float = 1.0
) -> MatrixGame:
    r"""A random symmetric zero-sum game, part ladder and part cycles.

        A_ij = cycles (W_ij - W_ji) / 2 + skill (S_i - S_j)

    with independent standard normal W and S. With much skill one strategy beats all others; with
    little, equilibria mix many.

    Args:
        key: A key of `jax.random`.
        strategies: How many there are, at least one.
        skill: How much the skills differ.
        cycles: How much the rest counts.

    Returns:
        A `MatrixGame` whose first player receives A.

    References:
        Czarnecki and others, Real world games look like spinning tops (2020), arXiv:2004.09468.

    >>> payoffs = random_game_of_skill(jax.random.key(0), 5).payoffs[0]
    >>> bool((payoffs == -payoffs.T).all())
    True
    """
    own, other = jax.random.split(key)
    draws = jax.random.normal(own, (strategies, strategies))
    levels = skill * jax.random.normal(other, (strategies,))
    ladder = levels[:, None] - levels[None, :]
    return MatrixGame(0.5 * cycles * (draws - draws.T) + ladder)

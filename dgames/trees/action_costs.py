"""What actions cost in a treeplex, with all that follows them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from dgames.trees.treeplex import Treeplex


def action_costs(
    treeplex: Treeplex,
    cost: Float[Array, " sequences"],
    behaviour: Float[Array, "infosets width"],
) -> Float[Array, "infosets width"]:
    """What each action costs, if the player keeps to a behaviour in what follows.

    From the leaves up: `m_ja = cost_ja + sum over all k with p(k) = ja of sum_b x_kb m_kb`.

    Args:
        treeplex: The strategies of the player.
        cost: The cost `<cost, q>` of strategies q.
        behaviour: Probabilities of actions, with zeros as padding.

    Returns:
        A table of all actions, padded with zeros.

    >>> tree = Treeplex(parents=[0, 1], counts=[2, 2])
    >>> costs = jnp.array([0.0, 3.0, 0.5, -1.0, -2.0])
    >>> action_costs(tree, costs, tree.uniform_behaviour()).tolist()
    [[1.5, 0.5], [-1.0, -2.0]]
    """
    own, parents = treeplex.rows(cost, 0), treeplex.places[treeplex.parents]
    levels, width = treeplex.rows_of_levels(), treeplex.width
    tables, below = [own[:0]], 0
    for level in reversed(range(len(levels))):
        rows = levels[level]
        tables.append(own[rows] + below)
        if level:
            # The parents of a level are all in the level above.
            first = treeplex.levels[level - 1]
            worth = jnp.sum(behaviour[rows] * tables[-1], -1)
            above = jnp.zeros((rows.start - first) * width, cost.dtype)
            below = above.at[parents[rows] - first * width].add(worth).reshape(-1, width)
    return jnp.concatenate(tables[::-1])

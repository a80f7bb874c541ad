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
    table, total = treeplex.table, cost
    for start, end in reversed([*zip(treeplex.levels[:-1], treeplex.levels[1:], strict=True)]):
        own = total.at[table[start:end]].get(mode="fill", fill_value=0)
        worth = jnp.sum(behaviour[start:end] * own, -1)
        total = total.at[treeplex.parents[start:end]].add(worth)
    return treeplex.rows(total, 0)

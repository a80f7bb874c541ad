"""The costs of a leader and of followers as an expression graph of (x, y)."""

from typing import Any, NamedTuple

import jax
from jax.extend import core

import dgames as dg
from certify.graph.trace import expression_graph
from certify.problem.fingerprint import fingerprint
from certify.problem.traced_code import code_of
from dgames.strategy import Strategy, blocks, dimensions, unraveler


class LeaderCosts(NamedTuple):
    """The costs of a leader and followers, as they stand in a file.

    Attributes:
        graph: The graph of f and of each follower's cost; its inputs are x and then y.
        hash: The fingerprint of the traced code.
        promoted: What was not float64, sentences.
    """

    graph: dict[str, Any]
    hash: str
    promoted: tuple[str, ...]


def costs_in_coordinates(game: dg.Stackelberg, like: Strategy) -> LeaderCosts:
    """Traces the costs of a leader and followers.

    Args:
        game: The game.
        like: A strategy `{"leader": x, "followers": y}`, for its structure.

    Raises:
        ValueError: If the strategy is none of the kind, or a cost is no scalar.
        EnclosureError: If the costs use `stop_gradient` or derivatives written by hand.
        GraphError: If they have no expression graph.
    """
    if not isinstance(like, dict) or {*like} != {"leader", "followers"}:
        raise ValueError('certify_stackelberg: strategies are {"leader": x, "followers": y}')
    followers = game.followers
    if not isinstance(followers, dg.Game):
        raise ValueError(
            "certify_stackelberg: the followers are a field, of which nothing is certified; give "
            "their costs, as a game"
        )

    def costs(z: Any, _: Any) -> Any:
        others = blocks(followers.costs(z["followers"], z["leader"]))
        return game.leader_cost(z["leader"], z["followers"]), *others

    code, promoted = code_of(costs, like, None, "the costs")
    shapes = [output.aval.shape for output in code.jaxpr.outvars]  # pyright: ignore
    if shapes != [()] * (1 + len(dimensions(like["followers"]))):
        raise ValueError("certify_stackelberg: each player has one cost, a scalar")
    whole = unraveler((like["leader"], like["followers"]))

    def numbers(v: Any) -> Any:
        x, y = whole(v)
        return core.jaxpr_as_fun(code)(*jax.tree.leaves({"leader": x, "followers": y}))

    size = sum(dimensions(like))
    return LeaderCosts(expression_graph(numbers, size), fingerprint(code), promoted)

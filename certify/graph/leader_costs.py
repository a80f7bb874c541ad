"""The costs of a leader and of followers as an expression graph of (x, y)."""

from typing import Any, NamedTuple

import jax
from jax.extend import core

import dgames as dg
from certify.graph.trace import expression_graph
from certify.problem.fingerprint import fingerprint
from certify.problem.traced_code import code_of
from dgames.fields import check_field
from dgames.sets import is_constrained
from dgames.strategy import Strategy, blocks, dimensions, unraveler


class LeaderCosts(NamedTuple):
    """The costs of a leader and followers, as they stand in a file.

    Attributes:
        graph: The graph of f, and of each follower's cost or of the entries of a field; its inputs
            are x and then y.
        hash: The fingerprint of the traced code.
        promoted: What was not float64, sentences.
        of_field: Whether followers are a field.
    """

    graph: dict[str, Any]
    hash: str
    promoted: tuple[str, ...]
    of_field: bool


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
        raise ValueError('certify_leader: strategies are {"leader": x, "followers": y}')
    followers, y = game.followers, like["followers"]
    of_field = not isinstance(followers, dg.Game)
    if of_field:
        check_field(followers, y, like["leader"])
        if is_constrained(followers.strategy_set(y), y):
            raise ValueError("certify_leader: fields with strategy sets are not certified")

    def costs(z: Any, _: Any) -> Any:
        x, y = z["leader"], z["followers"]
        if isinstance(followers, dg.Game):
            return game.leader_cost(x, y), *blocks(followers.costs(y, x))
        return game.leader_cost(x, y), *jax.tree.leaves(followers(y, x))

    code, promoted = code_of(costs, like, None, "the costs")
    first, *others = (output.aval.shape for output in code.jaxpr.outvars)  # pyright: ignore
    if first or (not of_field and others != [()] * len(dimensions(y))):
        raise ValueError("certify_leader: each player has one cost, a scalar")
    whole = unraveler((like["leader"], like["followers"]))

    def numbers(v: Any) -> Any:
        x, y = whole(v)
        return core.jaxpr_as_fun(code)(*jax.tree.leaves({"leader": x, "followers": y}))

    size = sum(dimensions(like))
    return LeaderCosts(expression_graph(numbers, size), fingerprint(code), promoted, of_field)

"""The costs of a game, or a field, as a graph of strategies and of a datum."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

import dgames as dg
from certify.enclosure.programs.plain import plain
from certify.graph.trace import array_data, array_graph
from certify.problem.exact_types import is_as_made, is_pseudo_gradient
from certify.problem.field import FlatField, flat_field
from certify.problem.fingerprint import fingerprint
from certify.problem.noise import Noise, Sampling
from certify.problem.region import Box
from certify.problem.traced_code import code_of, costs_of
from dgames.strategy import Strategy, unraveler


class SampledCosts(NamedTuple):
    """The costs of a game as a mean-square file has them.

    Attributes:
        field: The field of the first component, for its players and structure.
        graph: The graph of costs, or of a field, whose inputs are a strategy and then a datum.
        hash: The fingerprint of the traced code.
        promoted: What was not float64, sentences.
        data: How many numbers a datum has.
    """

    field: FlatField
    graph: dict[str, Any]
    hash: str
    promoted: tuple[str, ...]
    data: int


def component_of(
    game: dg.Game | dg.AbstractField, noise: Noise
) -> tuple[dg.Game | dg.AbstractField, Noise]:
    """Returns the game of one datum of a finite sum, and the noise with its data.

    Other games are returned as they are.

    Args:
        game: The game or the field.
        noise: The noise.

    Raises:
        ValueError: If there are no data, or data twice.

    Example:
        >>> import jax.numpy as jnp
        >>> line = dg.game(lambda x, datum: ((x[0] - datum) ** 2,))
        >>> game, noise = component_of(dg.FiniteSum(line, jnp.ones(3)), Sampling(batch=2))
        >>> game is line, noise.data.shape, noise.batch
        (True, (3,), 2)
    """
    inner = game.game if is_pseudo_gradient(game) else game
    if not isinstance(noise, Sampling):
        return game, noise
    if not isinstance(inner, dg.FiniteSum | dg.FiniteSumField):
        if noise.data is None:
            raise ValueError("Sampling: give the data, or a dgames.FiniteSum, which has them")
        return game, noise
    if type(inner) not in (dg.FiniteSum, dg.FiniteSumField) or not is_as_made(inner):
        raise ValueError(f"Sampling: nothing is known of a {type(inner).__name__}")
    if noise.data is not None:
        raise ValueError("Sampling: a finite sum has its data; leave data out")
    component = inner.game if isinstance(inner, dg.FiniteSum) else inner.field
    return component, noise._replace(data=inner.data)


def sampled_costs(
    game: dg.Game | dg.AbstractField, like: Strategy, noise: Noise, args: Any
) -> SampledCosts:
    """Traces the costs of a game, or a field.

    Args:
        game: The game or the field.
        like: A joint strategy, for its structure.
        noise: The noise; with data, one datum takes the place of `args`.
        args: Passed to the costs, or to the field.

    Raises:
        ValueError: If the costs do not fit the strategy.
        EnclosureError: If nothing can be proved of their code.
        GraphError: If they have no expression graph.
    """
    with_data = isinstance(noise, Sampling)
    datum = noise.first if with_data else args
    region = Box.around(like, 1.0)
    field = flat_field(game, region, datum)
    if not with_data:
        return SampledCosts(field, array_data(field), field.hash, field.promoted, 0)
    given = dg.as_field(game)

    def function(pair: Any, _: Any) -> Any:
        if is_pseudo_gradient(given):
            return costs_of(given.game, *pair)
        return given(*pair)

    what = "the costs" if is_pseudo_gradient(given) else "the field"
    code, promoted = code_of(function, (region.example, datum), None, what)
    leaves, structure = jax.tree.flatten(datum)
    shapes = [np.shape(leaf) for leaf in leaves]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1].tolist()
    unravel, n = unraveler(region.center), field.dimension
    size = sum(int(np.prod(shape)) for shape in shapes)

    def numbers(v: Any) -> Any:
        parts = jax.numpy.split(v[n:], ends)
        pieces = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        own = jax.tree.leaves((unravel(v[:n]), structure.unflatten(pieces)))
        return plain(core.jaxpr_as_fun(code))(*own)

    graph = array_graph(numbers, n + size)
    return SampledCosts(field, graph, fingerprint(code), promoted, size)

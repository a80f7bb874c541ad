"""A game's pseudo-gradient as a function of vectors, checked to be fit for proofs."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core, source_info_util

import dgames as dg
from certify.constraints import Constraints
from certify.enclosure.enclose import enclose, require_x64
from certify.enclosure.inline import anchored
from certify.enclosure.interval import Interval
from certify.enclosure.plain import plain
from certify.enclosure.promotion import Promotion, exactly, is_low, names, promoted
from certify.enclosure.registry import RULES, SMOOTH_RULES, EnclosureError
from certify.fingerprint import fingerprint
from certify.region import Region
from certify.symmetry import mirror_signs
from dgames.strategy import blocks, dimensions, join, player_names, ravel


@dataclass(frozen=True)
class FlatField:
    """The pseudo-gradient `F: R^n -> R^n` of a game.

    Two are equal when the traced code of their costs and its constants are, so compiled functions
    can be kept.

    Attributes:
        name: Of the game.
        names: The players.
        sizes: Coordinates of each player.
        hash: SHA-256 of the traced code of the costs, in float64, and of its constants.
        zero_sum: Whether there are two players whose costs sum to zero, by construction.
        function: F on vectors.
        costs: The costs (of a zero-sum game: the payoff) on vectors, as a list.
        unravel: From a vector to a joint strategy.
        gradient: F on joint strategies, as a field without constraints.
        promoted: What was not float64 in the region and in the costs, and what it was taken for;
            sentences.
        constraints: The strategy sets.
    """

    name: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    hash: str
    zero_sum: bool
    function: Callable = field(compare=False)
    costs: Callable = field(compare=False)
    unravel: Callable = field(compare=False)
    gradient: Any = field(default=None, compare=False)
    promoted: tuple[str, ...] = field(default=(), compare=False)
    constraints: Any = field(default=None, compare=False)

    @property
    def dimension(self) -> int:
        """Coordinates of all players together."""
        return sum(self.sizes)

    @property
    def signs(self) -> np.ndarray:
        """Which entries of the Jacobian mirror each other."""
        return mirror_signs(self.sizes, self.zero_sum)


@functools.lru_cache(maxsize=32)
def compiled_value(field: FlatField) -> Callable:
    """F, compiled."""
    return jax.jit(field.function)


@functools.lru_cache(maxsize=32)
def compiled_jacobian(field: FlatField) -> Callable:
    """Its Jacobian at one point, compiled."""
    return jax.jit(jax.jacfwd(field.function))


@functools.lru_cache(maxsize=32)
def compiled_jacobians(field: FlatField) -> Callable:
    """Its Jacobians at a batch of points, compiled."""
    return jax.jit(jax.vmap(jax.jacfwd(field.function)))


def flat_field(game: dg.Game, region: Region, args: Any = None) -> FlatField:
    """Flattens the pseudo-gradient of a game with the region's structure.

    Args:
        game: The game.
        region: A region, whose structure is that of the strategies.
        args: Passed to the costs.

    Raises:
        ValueError: If the game's costs do not fit the region's players or are not scalars, or
            nothing is known about a strategy set.
        EnclosureError: If the costs use custom derivative rules or `stop_gradient`: then the
            pseudo-gradient need not be the gradient of anything. If they cannot be promoted to
            float64.
    """
    require_x64()
    center, example = region.center, region.example
    dg.check_game(game, example, args)
    constraints = Constraints.of(game, region)
    constraints.require_known()
    _, unravel = ravel(center)
    network_notes: tuple[str, ...] = ()
    if type(game) is dg.NetworkGame:
        game, network_notes = _traced_once(game, example, args)
        example, args = center, None
    code, notes = _code(game, example, args)
    notes = (*network_notes, *notes)
    low = {kind for kind in region.types if is_low(np.dtype(kind))}
    if low:
        given = (
            f"The region is given in {names(low)}: its numbers are taken exactly, as the real "
            "numbers that they are."
        )
        notes = (given, *notes)

    def costs(x: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves(unravel(x)))

    gradient = dg.pseudo_gradient(_replayed(game, code))

    def function(x: Any) -> Any:
        return ravel(gradient(unravel(x)))[0]

    # Primitives without a rule are named here, where their equations still know the user's lines.
    lower, upper = (jnp.asarray(end) for end in region.bounds())
    jax.eval_shape(enclose(costs, RULES | SMOOTH_RULES), Interval(lower, upper))
    return FlatField(
        name=type(game).__name__,
        names=player_names(center),
        sizes=dimensions(center),
        hash=fingerprint(code),
        zero_sum=isinstance(game, dg.ZeroSum),
        function=function,
        costs=costs,
        unravel=unravel,
        gradient=gradient,
        promoted=notes,
        constraints=constraints,
    )


def _code(game: dg.Game, x: Any, args: Any) -> Promotion:
    """The costs as functions of the leaves of a strategy, traced once and for all, in float64.

    Everything else is derived from this one trace, so that a certificate speaks of one game even if
    the Python code of the costs is not pure.
    """
    leaves, structure = jax.tree.flatten(x)

    def costs(*leaves: Any) -> Any:
        strategy = structure.unflatten(leaves)
        if isinstance(game, dg.ZeroSum):
            return game.payoff(strategy, args)
        costs = game.costs(strategy, args)
        return (costs.blocks,) if isinstance(costs, dg.Stacked) else blocks(costs)

    return vetted(jax.make_jaxpr(costs)(*leaves))


def traced_cost(game: dg.NetworkGame, example: dg.Stacked, args: Any) -> Promotion:
    """The cost of one player of a network game, as `vetted` code.

    It is a function of the leaves of the own block, of the neighbours' blocks and of the player's
    parameters.
    """
    own, parameters = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype),
        (example.blocks, game.parameters),
    )
    others = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((game.degree, *leaf.shape), leaf.dtype), own
    )
    leaves, structure = jax.tree.flatten((own, others, parameters))

    def cost(*leaves: Any) -> Any:
        return game.cost(*structure.unflatten(leaves), args)

    return vetted(jax.make_jaxpr(cost)(*leaves))


def _traced_once(
    game: dg.NetworkGame, example: dg.Stacked, args: Any
) -> tuple[dg.NetworkGame, tuple[str, ...]]:
    """A network game of the traced code of its cost, in float64, and what was promoted."""
    code, notes = traced_cost(game, example, args)

    def cost(own: Any, others: Any, parameters: Any, _: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves((own, others, parameters)))[0]

    parameters = jax.tree.map(lambda leaf: jnp.asarray(exactly(leaf)), game.parameters)
    return dg.NetworkGame(cost, game.neighbours, parameters), notes


def vetted(code: core.ClosedJaxpr) -> Promotion:
    """Traced costs in float64, if JAX's derivatives of them are their derivatives.

    Raises:
        EnclosureError: If not, or if they cannot be promoted.
    """
    # By its debugging information, which promotion does not keep.
    _refuse(
        code.jaxpr,
        lambda e: e.primitive.name.startswith(("custom_jvp", "custom_vjp")) and not _is_of_jax(e),
    )
    result = promoted(code, "the costs")
    # A `stop_gradient` on which the costs provably do not depend, as in softmax, is harmless. What
    # that proof leaves has no calls any more, so custom rules are looked for above.
    _refuse(anchored(result.code).jaxpr, lambda e: e.primitive.name == "stop_gradient")
    return result


def _replayed(game: dg.Game, code: core.ClosedJaxpr) -> dg.Game:
    """The game of that code, without hand-written derivatives.

    So its pseudo-gradient is the derivative of the code that computes the costs.
    """
    if type(game) is dg.NetworkGame:  # of one player's code already, see `_traced_once`
        return dg.NetworkGame(plain(game.cost), game.neighbours, game.parameters)
    replay = plain(core.jaxpr_as_fun(code))
    if isinstance(game, dg.ZeroSum):
        return dg.zero_sum(lambda x, _: replay(*jax.tree.leaves(x))[0])

    def costs(x: Any, _: Any) -> Any:
        found = replay(*jax.tree.leaves(x))
        return dg.Stacked(found[0]) if isinstance(x, dg.Stacked) else join(x, tuple(found))

    return dg.game(costs)


def _refuse(jaxpr: core.Jaxpr, bad: Callable[[core.JaxprEqn], bool]) -> None:
    """Raises where the gradient by JAX need not be the gradient of the costs."""
    for equation in jaxpr.eqns:
        if bad(equation):
            place = source_info_util.summarize(equation.source_info)
            raise EnclosureError(
                f"the costs use {equation.primitive.name} (in {place}): a "
                "hand-written derivative cannot be verified, so nothing is proved about it; write "
                "the function plainly."
            )
        for inner in core.jaxprs_in_params(equation.params):
            _refuse(inner, bad)


def _is_of_jax(equation: Any) -> bool:
    """Whether a function with a custom derivative, and the rule for that, are part of JAX itself.

    Only a courtesy: where it is fooled, what is proved still speaks of the costs' true derivative.
    """
    infos = [
        getattr(getattr(value, "jaxpr", value), "debug_info", None)
        for value in equation.params.values()
    ]
    sources = [info.func_src_info or "" for info in infos if info is not None]
    return bool(sources) and all(f" at {Path(jax.__file__).parent}/" in text for text in sources)

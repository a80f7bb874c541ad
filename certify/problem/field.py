"""A game's pseudo-gradient, or another field, as a function of vectors, fit for proofs."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

import dgames as dg
from certify.enclosure.enclose import enclose, require_x64
from certify.enclosure.interval import Interval
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.promotion import exactly, is_low, names
from certify.enclosure.programs.walk import is_dependent
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.problem.constraints import Constraints
from certify.problem.exact_types import is_as_made, is_pseudo_gradient, writes
from certify.problem.fingerprint import fingerprint
from certify.problem.naming import game_name
from certify.problem.natural_gradient import Natural
from certify.problem.region import Policies, Region, require_region
from certify.problem.symmetry import mirror_signs
from certify.problem.traced_code import code_of, costs_of, traced_once
from dgames.fields import check_field
from dgames.game import check_shapes, is_zero_sum
from dgames.strategy import blocks, dimensions, join, player_names, ravel, unraveler


@dataclass(frozen=True)
class FlatField:
    """The pseudo-gradient `F: R^n -> R^n` of a game, or another field.

    Two are equal when the traced code of their costs and its constants are, so compiled functions
    can be kept. For a field that is given itself, F stands in place of the costs.

    Attributes:
        name: The name of the game, or of the field.
        names: The names of the players.
        sizes: Coordinates of each player.
        hash: SHA-256 of the traced code of the costs, in float64, and of its constants.
        zero_sum: Whether there are two players whose costs sum to zero, by construction.
        function: F on vectors.
        costs: The costs (of a zero-sum game: the payoff) on vectors, as a list.
        is_gradient: Whether F is made of gradients of costs; if not, `costs` are its own values.
        unravel: From a vector to a joint strategy.
        gradient: F on joint strategies, as a field without constraints.
        natural: If the cells are to be of policies, what makes a natural gradient of the slopes of
            the costs; `costs` are then those of policies, without the regulariser.
        promoted: What was not float64 in the region and in the costs, and what it was taken for;
            sentences.
        constraints: The strategy sets.
        other_blocks: Whether the field computes one player's block in a way of its own; then
            nothing is known about methods that ask for single blocks.
    """

    name: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    hash: str
    zero_sum: bool
    function: Callable = field(compare=False)
    costs: Callable = field(compare=False)
    unravel: Callable = field(compare=False)
    is_gradient: bool = True
    natural: Natural | None = None
    gradient: Any = field(default=None, compare=False)
    promoted: tuple[str, ...] = field(default=(), compare=False)
    constraints: Any = field(default=None, compare=False)
    other_blocks: bool = field(default=False, compare=False)

    @property
    def dimension(self) -> int:
        """Number of coordinates of all players together."""
        return sum(self.sizes)

    @property
    def coordinates(self) -> list[slice]:
        """The coordinates of each player."""
        return [slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0))]

    @property
    def signs(self) -> np.ndarray:
        """Which entries of the Jacobian mirror each other; those of a general field need not."""
        if not self.is_gradient:
            return np.zeros((self.dimension, self.dimension), int)
        return mirror_signs(self.sizes, self.zero_sum)


@functools.lru_cache(maxsize=32)
def compiled_value(field: FlatField) -> Callable:
    """Compiles F."""
    return jax.jit(field.function)


@functools.lru_cache(maxsize=32)
def compiled_jacobian(field: FlatField) -> Callable:
    """Compiles the Jacobian of F at one point."""
    return jax.jit(jax.jacfwd(field.function))


@functools.lru_cache(maxsize=32)
def compiled_linearisation(field: FlatField) -> Callable:
    """Compiles F and its Jacobian at one point, together."""

    def both(x: Any) -> Any:
        value = field.function(x)
        return value, value

    def linearisation(x: Any) -> Any:
        jacobian, value = jax.jacfwd(both, has_aux=True)(x)
        return value, jacobian

    return jax.jit(linearisation)


@functools.lru_cache(maxsize=32)
def compiled_jacobians(field: FlatField) -> Callable:
    """Compiles the Jacobians of F at a batch of points, which are policies where cells are."""
    return jax.jit(jax.vmap(jax.jacfwd(field.function) if field.natural is None else _at(field)))


def _at(field: FlatField) -> Callable:
    """Returns the Jacobian of a natural gradient as a function of the policies (see `Natural`)."""
    natural = cast(Natural, field.natural)
    players = np.repeat(np.arange(len(field.sizes)), field.sizes)

    def jacobian(q: Any) -> Any:
        costs = plain(lambda q: jnp.stack(field.costs(q)))
        slopes = jax.jacfwd(jax.jacrev(costs))(q)[players, np.arange(q.size)]
        fisher = natural.together * (jnp.diag(q) - jnp.outer(q, q))
        return natural.temperature * jnp.eye(q.size) + slopes @ fisher

    return jacobian


def flat_field(game: dg.Game | dg.AbstractField, region: Region, args: Any = None) -> FlatField:
    """Flattens the pseudo-gradient of a game, or a field, with the region's structure.

    Args:
        game: The game, or a field.
        region: A region, whose structure is that of the strategies.
        args: Passed to the costs, or to the field.

    Raises:
        ValueError: If the game's costs do not fit the region's players or are not scalars, the
            field does not keep their structure, or nothing is known about a strategy set.
        EnclosureError: If the code uses custom derivative rules or `stop_gradient`: then what JAX
            takes for its derivative need not be its derivative. Also if the code cannot be promoted
            to float64.
    """
    require_x64()
    require_region(region)
    given = dg.as_field(game)
    if isinstance(region, Policies):
        return _of_policies(given, region, args)
    # It is known by its exact type: a derived class may be any field, and is treated as one.
    if is_pseudo_gradient(given):
        return _of_game(given.game, region, args)
    return _of_field(given, region, args)


def _of_game(game: dg.Game, region: Region, args: Any) -> FlatField:
    center, example = region.center, region.example
    check_shapes(game, example, args)
    constraints = _constraints(game, region, args)
    network_notes: tuple[str, ...] = ()
    if type(game) is dg.NetworkGame:
        game, network_notes = traced_once(game, example, args)
        example, args = center, None
    code, notes = code_of(functools.partial(costs_of, game), example, args, "the costs")
    return _flattened(
        code,
        dg.pseudo_gradient(_replayed(game, code, player_names(center)[0])),
        region,
        zero_sum=is_zero_sum(game),
        name=game_name(game),
        promoted=(*_promoted(region), *network_notes, *notes),
        constraints=constraints,
    )


def _of_field(given: dg.AbstractField, region: Region, args: Any) -> FlatField:
    check_field(given, region.example, args)
    if writes(given, "project"):
        raise ValueError(
            f"certify: {type(given).__name__} projects in a way of its own, of which nothing is "
            "known; let it return one of the sets of dgames as its strategy_set."
        )
    constraints = _constraints(given, region, args)
    code, notes = code_of(given, region.example, args, "the field")
    replay, structure = plain(core.jaxpr_as_fun(code)), jax.tree.structure(region.example)

    def replayed(x: Any, _: Any) -> Any:
        return structure.unflatten(replay(*jax.tree.leaves(x)))

    return _flattened(
        code,
        dg.FunctionField(replayed),
        region,
        name=_name(given),
        is_gradient=False,
        other_blocks=writes(given, "block"),
        promoted=(*_promoted(region), *notes),
        constraints=constraints,
    )


def _of_policies(given: dg.AbstractField, region: Policies, args: Any) -> FlatField:
    """Flattens a natural gradient over all policies, with the costs of policies behind it."""
    if not (
        isinstance(given, dg.NaturalGradient)
        and type(given) is dg.NaturalGradient
        and isinstance(given.game, dg.Regularised)
        and type(given.game) is dg.Regularised
        and type(given.gauge) is dg.LogitDifferences
        and given.weights is None
        and all(map(is_as_made, (given, given.game, given.gauge)))
    ):
        raise ValueError(
            "certify: all policies are a region for natural gradients of regularised games in "
            "logit differences: NaturalGradient(Regularised(game, temperature)), without weights."
        )
    field, regularised, gauge = _of_field(given, region, args), given.game, given.gauge
    game, center = regularised.game, region.center
    _, unravel = ravel(center)

    def costs(leaves: Any, _: Any) -> Any:
        def whole(q: Any) -> Any:
            return jnp.concatenate([q, 1.0 - jnp.sum(q, -1, keepdims=True)], -1)

        return blocks(game.costs(jax.tree.map(whole, leaves), args))

    code, notes = code_of(costs, region.example, None, "the costs")
    pull = regularised.pull(jax.tree.map(lambda x: gauge.logits(jnp.zeros_like(x)), center))
    temperature = float(exactly(regularised.temperature))
    reference = ravel(jax.tree.map(gauge.coordinates, pull))[0] / -temperature

    def of_policies(q: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves(unravel(q)))

    natural = Natural(temperature, tuple(reference.tolist()), region.groups)
    return dataclasses.replace(
        field, costs=of_policies, natural=natural, promoted=(*field.promoted, *notes)
    )


def _name(given: dg.AbstractField) -> str:
    """Returns the name of a field, or of the function that it wraps."""
    name = getattr(given.fn, "__name__", "") if isinstance(given, dg.FunctionField) else ""
    return name if name.isidentifier() else type(given).__name__


def _flattened(
    code: core.ClosedJaxpr,
    gradient: dg.AbstractField,
    region: Region,
    *,
    is_gradient: bool = True,
    zero_sum: bool = False,
    **others: Any,
) -> FlatField:
    """Makes a flat field from the code of costs or of a field, and from the field it gives."""
    center = region.center
    unravel = unraveler(center)

    def function(x: Any) -> Any:
        return ravel(gradient(unravel(x)))[0]

    def costs(x: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves(unravel(x)))

    # Primitives without a rule are reported here, where equations still know the user's lines.
    lower, upper = map(jax.device_put, region.bounds())
    jax.eval_shape(enclose(costs, RULES | SMOOTH_RULES), Interval(lower, upper))
    return FlatField(
        names=player_names(center),
        sizes=dimensions(center),
        hash=fingerprint(code),
        zero_sum=zero_sum,
        function=function,
        costs=costs,
        unravel=unravel,
        is_gradient=is_gradient,
        gradient=gradient,
        **others,
    )


def _constraints(game: dg.Game | dg.AbstractField, region: Region, args: Any) -> Constraints:
    leaves, structure = jax.tree.flatten(region.example)

    def numbers(*leaves: Any) -> Any:
        return jax.tree.leaves(game.strategy_set(structure.unflatten(leaves)))

    try:
        moves = is_dependent(jax.make_jaxpr(numbers)(*leaves).jaxpr)
    except jax.errors.ConcretizationTypeError:
        moves = True
    if moves:
        raise ValueError(
            f"certify: the strategy set of {type(game).__name__} depends on the strategy; it must "
            "be the same everywhere."
        )
    constraints = Constraints.of(game, region, args)
    constraints.require_known()
    return constraints


def _promoted(region: Region) -> tuple[str, ...]:
    """Describes in sentences what was not float64 in a region."""
    low = {kind for kind in region.types if is_low(np.dtype(kind))}
    if not low:
        return ()
    return (
        f"The region is given in {names(low)}: its numbers are taken exactly, as the real "
        "numbers that they are.",
    )


def _replayed(game: dg.Game, code: core.ClosedJaxpr, first: str) -> dg.Game:
    """Returns the game of some traced code, without hand-written derivatives.

    So its pseudo-gradient is the derivative of the code that computes the costs.
    """
    if type(game) is dg.NetworkGame:  # it has one player's traced code already (`traced_once`)
        return dg.NetworkGame(plain(game.cost), game.neighbours, game.parameters)
    replay = plain(core.jaxpr_as_fun(code))
    if is_zero_sum(game):
        # The code is the cost of the first player, who may be the one who maximises the payoff.
        return dg.zero_sum(lambda x, _: replay(*jax.tree.leaves(x))[0], minimiser=first)

    def costs(x: Any, _: Any) -> Any:
        found = replay(*jax.tree.leaves(x))
        return dg.Stacked(found[0]) if isinstance(x, dg.Stacked) else join(x, tuple(found))

    return dg.game(costs)
